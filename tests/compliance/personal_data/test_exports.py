"""A copy of everything held about a person: whole, private, machine-readable, and gone in time."""

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.test import Client
from pytest_django import Settings

from accounts.decisions import propose_role
from accounts.keys import key_for
from accounts.models import AddressEntry, Notice, User
from accounts.token_store import issue_token
from agora.lib.crypto import Undecryptable
from compliance import audit, four_eyes
from compliance.models import AuditRow, DataExport, DataExportPart, Proposal
from compliance.personal_data import exports
from compliance.personal_data.topics import LEFT_OUT, TOPICS
from kyc import cases
from kyc.models import Document, DocumentView
from tests.copying import new_account
from tests.kyc import casework
from tests.people import new_officer, new_user, onboarded
from tests.settling import place

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def built(user: User, *, now: datetime = NOW, actor: str = "system:test") -> DataExport:
    """A copy of the user's data, ready."""
    export = exports.request(user=user, actor=actor, now=now)
    exports.step(export_id=export.pk, now=now)
    export.refresh_from_db()
    assert export.state == DataExport.State.READY, export.last_error
    return export


def opened(export: DataExport) -> zipfile.ZipFile:
    data = b"".join(exports.download(export=export, actor="system:test", now=NOW))
    return zipfile.ZipFile(io.BytesIO(data))


def rows(archive: zipfile.ZipFile, topic: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(archive.read(f"data/{topic}.json"))
    return found


@pytest.fixture
def person() -> User:
    return onboarded(now=NOW)


# --- What is in it


def test_every_table_is_exported_or_left_out_with_a_reason() -> None:
    """A new model fails here until somebody has said which rows of it are a person's."""
    about_people = {"account", "mfa", "usersessions", "socialaccount", "admin"}
    ours = {"accounts", "kyc", "custody", "tokens", "trading", "copytrade", "compliance", "lib"}
    tables = {
        model._meta.label
        for model in apps.get_models()
        if model._meta.app_label in about_people | ours
    }
    exported = {topic.model._meta.label for topic in TOPICS}

    assert tables - exported - set(LEFT_OUT) == {"socialaccount.SocialApp"}  # configuration
    assert exported & set(LEFT_OUT) == set()
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)


def test_somebody_new_has_nothing_but_the_account() -> None:
    archive = opened(built(new_user()))

    manifest = json.loads(archive.read("manifest.json"))
    assert {each["file"] for each in manifest["files"] if each["rows"]} == {
        "data/account.json",
        "data/data_exports.json",
        "data/audit_trail.json",
    }


def test_name_and_tax_id_are_in_clear_in_it(person: User) -> None:
    (application,) = rows(opened(built(person)), "application")

    assert application["full_name"] == "Person of a Test"
    assert application["tax_id"] == person.kyc_application.tax_id
    assert "tax_id_index" not in application


def test_it_says_what_it_holds_and_what_is_left_out(person: User) -> None:
    archive = opened(built(person))

    manifest = json.loads(archive.read("manifest.json"))
    assert {each["file"] for each in manifest["files"]} == {
        name for name in archive.namelist() if name.startswith("data/")
    }
    assert manifest["left_out"] == LEFT_OUT
    readme = archive.read("README.txt").decode()
    assert "data/application.json" in readme
    assert "Alpaca, the broker: Share, quantity, price" in readme
    assert "nothing that says whose it is. To buy the share." in readme


def test_consents_come_with_their_text(person: User) -> None:
    (consent,) = rows(opened(built(person)), "consents")

    assert consent["text"].startswith("I ask Agora")
    assert consent["accepted_at"] == NOW.isoformat()


@pytest.mark.usefixtures("sandbox")
def test_nothing_of_another_person_is_in_it(person: User) -> None:
    other = onboarded(now=NOW)
    for user in (person, other):
        EmailAddress.objects.create(user=user, email=user.email, verified=True)
        new_account(user=user, label=f"Account of {user.pk}")
        place(user, quantity="0.05", nudged=False)

    archive = opened(built(person))

    whole = "".join(archive.read(name).decode() for name in archive.namelist())
    assert str(person.pk) in whole
    for foreign in (str(other.pk), other.email, str(other.kyc_application.pk)):
        assert foreign not in whole


def decided(person: User) -> tuple[User, User, Proposal]:
    maker, checker = new_officer("assign_role"), new_officer("decide_proposal")
    proposal = propose_role(
        person=person, role="Auditor", give=True, reason="Joins.", maker=maker, now=NOW
    )
    four_eyes.approve(proposal_id=proposal.pk, checker=checker, now=NOW)
    return maker, checker, proposal


def test_an_officer_s_copy_names_neither_colleagues_nor_whom_they_decided_about(
    person: User,
) -> None:
    maker, checker, proposal = decided(person)

    for officer, others in ((maker, (checker, person)), (checker, (maker, person))):
        archive = opened(built(officer))

        (decision,) = rows(archive, "decisions")
        assert (decision["id"], decision["subject_id"]) == (str(proposal.pk), "another person")
        whole = "".join(archive.read(name).decode() for name in archive.namelist())
        assert str(officer.pk) in whole
        assert proposal.reason not in whole
        for other in others:
            assert str(other.pk) not in whole


def test_what_is_merely_proposed_about_an_officer_is_not_in_their_copy(person: User) -> None:
    decided(person)
    propose_role(
        person=person, role="Operator", give=True, reason="Needed.",
        maker=new_officer("assign_role"), now=NOW,
    )  # fmt: skip

    trail = rows(opened(built(person)), "audit_trail")

    told = [row["action"] for row in trail if row["action"].startswith("proposal.")]
    assert told == ["proposal.approved"]


def test_how_a_review_of_a_match_ended_is_not_in_it(person: User) -> None:
    officer = casework.officer()
    found = cases.open_for_match(application=person.kyc_application, now=NOW)
    assert found is not None
    case = cases.take(case_id=found.pk, officer=officer, version=found.version, now=NOW)
    casework.approve(
        casework.rejection_proposed(officer, case, "RISK_CONFIRMED"), casework.officer()
    )

    archive = opened(built(person))

    assert (rows(archive, "cases"), rows(archive, "case_messages")) == ([], [])


def test_no_secret_is_in_it(person: User) -> None:
    account = new_account(user=person)
    token, plaintext = issue_token(
        user=person, name="mine", scopes=("read",), expires_at=None, now=NOW
    )
    archive = opened(built(person))

    whole = "".join(archive.read(name).decode() for name in archive.namelist())
    for secret in (plaintext, bytes(token.digest).hex(), account.key_index, person.password):
        assert secret not in whole
    (written,) = rows(archive, "api_tokens")
    assert written["prefix"] == token.prefix


def test_who_looked_is_told_by_role_and_not_by_name(person: User) -> None:
    officer = new_user(email="officer.canary@example.com", is_staff=True)
    document = Document.objects.create(
        application=person.kyc_application,
        kind="passport",
        media_type="image/jpeg",
        sha256="0" * 64,
        size=1,
        page_count=1,
        uploaded_at=NOW,
    )
    for viewer, purpose in ((officer, "review"), (person, "own")):
        DocumentView.objects.create(
            document=document, page=1, viewer=viewer, purpose=purpose, at=NOW
        )
    archive = opened(built(person))

    assert {(row["viewer_id"], row["purpose"]) for row in rows(archive, "document_views")} == {
        ("another person", "review"),
        (str(person.pk), "own"),
    }
    assert str(officer.pk) not in "".join(
        archive.read(name).decode() for name in archive.namelist()
    )


# --- Asking for it


def test_asking_and_building_are_in_the_trail_without_anything_personal(person: User) -> None:
    actor = audit.actor_of(person)
    export = built(person, actor=actor)

    trail = AuditRow.objects.filter(action__startswith="data_export.").order_by("id")
    assert [(row.action, row.actor) for row in trail] == [
        ("data_export.requested", actor),
        ("data_export.built", "system:personal_data"),
    ]
    assert trail[1].evidence["sha256"] == export.sha256


def test_the_person_is_told_when_it_is_ready(person: User) -> None:
    built(person)

    notice = Notice.objects.get(user=person, kind="data_export_ready")
    assert "7 days" in notice.text


def test_one_at_a_time(person: User) -> None:
    exports.request(user=person, actor="system:test", now=NOW)

    with pytest.raises(exports.ExportRefused) as refused:
        exports.request(user=person, actor="system:test", now=NOW)
    assert refused.value.code == "asked_before"


def test_a_person_asks_once_a_day_and_an_officer_whenever_needed(person: User) -> None:
    built(person, actor=audit.actor_of(person))
    later = NOW + timedelta(hours=23)

    with pytest.raises(exports.ExportRefused) as refused:
        exports.request(user=person, actor=audit.actor_of(person), now=later)
    assert refused.value.code == "too_often"
    assert built(person, actor="user:officer", now=later).requested_by == "user:officer"


def test_the_database_allows_one_open_request(person: User) -> None:
    exports.request(user=person, actor="system:test", now=NOW)

    with pytest.raises(IntegrityError):
        DataExport.objects.create(user_id=person.pk, requested_by="x", requested_at=NOW)


# --- Keeping it


def test_it_lies_sealed_under_the_persons_key(person: User) -> None:
    export = built(person)

    stored = b"".join(bytes(part.sealed) for part in DataExportPart.objects.filter(export=export))
    assert b"Person of a Test" not in stored
    assert b"PK\x03\x04" not in stored
    with pytest.raises(Undecryptable):
        list(exports.download(export=export, actor="x", now=NOW, key=key_for(new_user().pk)))


def test_parts_that_were_moved_or_removed_are_noticed(
    person: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "PART_BYTES", 2000)
    export = built(person)
    assert opened(export).testzip() is None
    last = DataExportPart.objects.filter(export=export).last()
    assert last is not None
    assert last.number >= 2

    last.delete()
    with pytest.raises(Undecryptable):
        opened(export)
    first, second = DataExportPart.objects.filter(export=export)[:2]
    DataExportPart.objects.filter(pk=first.pk).update(sealed=second.sealed)
    with pytest.raises(Undecryptable):
        opened(export)


def test_it_is_removed_when_its_days_are_over(person: User, settings: Settings) -> None:
    settings.DATA_EXPORT_DAYS = 3
    export = built(person)
    over = NOW + timedelta(days=3)
    with pytest.raises(DataExport.DoesNotExist):
        exports.of_person(user_id=person.pk, export_id=export.pk, now=over)

    exports.step(export_id=export.pk, now=over)

    export.refresh_from_db()
    assert (export.state, export.next_attempt_at) == (DataExport.State.EXPIRED, None)
    assert not DataExportPart.objects.exists()


# --- Handing it over


def test_the_person_downloads_it_and_that_is_written_down(client: Client, person: User) -> None:
    export = built(person, now=datetime.now(UTC))
    client.force_login(person)

    answer = client.get(f"/account/privacy/copies/{export.pk}/")

    assert answer["Content-Type"] == "application/zip"
    assert "no-store" in answer["Cache-Control"]
    data = b"".join(answer)
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None
    row = AuditRow.objects.get(action="data_export.downloaded")
    assert (row.actor, row.object_id) == (audit.actor_of(person), str(person.pk))


def test_another_persons_copy_is_not_there(client: Client, person: User) -> None:
    export = built(person, now=datetime.now(UTC))
    client.force_login(new_user())

    assert client.get(f"/account/privacy/copies/{export.pk}/").status_code == 404
    assert not AuditRow.objects.filter(action="data_export.downloaded").exists()


def test_an_officer_writes_it_to_a_new_file_that_only_they_can_read(
    person: User, tmp_path: Any
) -> None:
    to = tmp_path / "copy.zip"

    call_command("personal_data", "export", str(person.pk), "--to", str(to))

    assert zipfile.ZipFile(to).testzip() is None
    assert to.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError) as refused:
        call_command("personal_data", "export", str(person.pk), "--to", str(to))
    assert refused.value.returncode == 1


def test_the_address_book_is_in_it(person: User) -> None:
    AddressEntry.objects.create(
        user=person, chain="EVM", label="Savings", address="0x" + "1" * 40,
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip

    (entry,) = rows(opened(built(person)), "address_book")
    assert (entry["label"], entry["created_at"]) == ("Savings", NOW.isoformat())


def test_the_trail_of_a_person_is_found_by_indexes_alone(person: User) -> None:
    AuditRow.objects.bulk_create(
        AuditRow(
            at=NOW,
            actor=f"user:{number}",
            action="test.done",
            object_type="user",
            object_id=str(number),
            evidence={"user": str(number)},
            row_hash=b"-" * 32,
        )
        for number in range(5000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE compliance_auditrow")
    (topic,) = (topic for topic in TOPICS if topic.name == "audit_trail")

    plan = AuditRow.objects.filter(topic.rows(person.pk)).order_by("pk").explain()

    for index in ("compliance_audit_actor", "compliance_audit_object", "compliance_audit_person"):
        assert index in plan


def test_the_trail_tells_what_the_person_did_and_what_was_done_to_them(person: User) -> None:
    other = onboarded(now=NOW)
    for actor, object_id, evidence in (
        (audit.actor_of(person), "1", {}),
        ("user:officer", str(person.pk), {}),
        ("system:kyc", "2", {"user": str(person.pk)}),
        ("user:officer", str(other.pk), {"user": str(other.pk)}),
    ):
        audit.record(
            actor=actor, action="test.done", object_type="user", object_id=object_id,
            evidence=evidence, now=NOW,
        )  # fmt: skip

    trail = rows(opened(built(person)), "audit_trail")

    assert sum(row["action"] == "test.done" for row in trail) == 3


def test_nothing_tells_that_officers_had_begun_before_the_person_applied() -> None:
    """An application that joins the review of a match looks like any other."""
    officer = casework.officer()
    casework.second_tier()
    person = casework.with_documents(onboarded(now=NOW))
    found = cases.open_for_match(application=person.kyc_application, now=NOW)
    assert found is not None
    cases.take(case_id=found.pk, officer=officer, version=found.version, now=NOW)
    joined = cases.hand_in(user=person, now=datetime.now(UTC))
    assert (joined.pk, joined.state) == (found.pk, "UNDER_REVIEW")

    archive = opened(built(person))

    (case,) = rows(archive, "cases")
    assert case["state"] == "IN_REVIEW"
    assert not {"opened_at", "queued_at", "due_at", "first_look_at", "version"} & set(case)
    opened_by_them = [
        row for row in rows(archive, "audit_trail") if row["action"] == "kyc.case.opened"
    ]
    assert len(opened_by_them) == 1
    assert "state" not in opened_by_them[0]["evidence"]
