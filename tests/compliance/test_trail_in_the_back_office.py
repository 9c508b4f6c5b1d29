"""Officers and auditors look at the trail, export it and read the clauses; nobody changes anything."""

import io
import json
import re
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.db.models import Q
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import token_store
from accounts.models import User
from accounts.second_factors import add_authenticator_app
from agora import roles
from compliance import audit
from compliance.models import AuditRow, Proposal, RetentionRule
from compliance.trail import search
from kyc.models import Case
from tests.kyc import casework
from tests.people import TOTP_SECRET, new_officer, new_user

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
EXPORT = "admin:compliance_auditrow_export_trail"
API = "/api/v1/admin/audit/export"


def browser_of(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.fixture
def auditor() -> User:
    return new_officer(
        "view_auditrow", "export_auditrow", "view_retentionrule", "view_auditanchor", "view_case"
    )


@pytest.fixture
def rows() -> None:
    for number in range(4):
        audit.record(
            actor=f"user:{number % 2}",
            action="thing.done",
            object_type="thing",
            object_id=str(number),
            evidence={},
            now=NOW + timedelta(hours=number),
        )
    audit.seal_all(now=NOW)


def unpacked(answer: Any) -> tuple[list[str], dict[str, Any]]:
    """Ids of the exported things, and the manifest."""
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        lines = [json.loads(line) for line in archive.read("rows.jsonl").splitlines()]
        manifest = json.loads(archive.read("manifest.json"))
    return [line["object_id"] for line in lines if line["object_type"] == "thing"], manifest


@pytest.mark.parametrize("model", list(admin.site._registry), ids=lambda model: model._meta.label)
def test_nothing_is_added_changed_or_deleted_by_hand_in_the_back_office(model: Any) -> None:
    """Whatever happens there is an action that calls a service, which leaves its row."""
    request = RequestFactory().get("/admin/")
    request.user = User(is_staff=True, is_superuser=True, is_active=True)
    page = admin.site._registry[model]

    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request)
    assert not page.has_delete_permission(request)


LIST = "admin:compliance_auditrow_changelist"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["3", "2", "1", "0"]),
        ({"q": "user:1"}, ["3", "1"]),
        ({"q": "thing.done"}, ["3", "2", "1", "0"]),
        ({"q": "thing"}, []),
        ({"q": " 2 "}, ["2"]),
        ({"action": "thing.done", "object_type": "thing"}, ["3", "2", "1", "0"]),
        ({"action": "other.done"}, []),
        ({"object_type": "thing", "object_id": "1"}, ["1"]),
    ],
)
def test_the_trail_is_looked_through_by_exact_values(
    auditor: User, rows: None, query: dict[str, str], found: list[str]
) -> None:
    answer = browser_of(auditor).get(reverse(LIST), query)

    shown = answer.context["cl"].result_list
    assert [row.object_id for row in shown if row.object_type == "thing"] == found


def test_a_row_is_found_by_its_own_id(auditor: User, rows: None) -> None:
    row = AuditRow.objects.get(object_id="2")

    answer = browser_of(auditor).get(reverse(LIST), {"q": str(row.uid)})

    assert list(answer.context["cl"].result_list) == [row]


def test_the_filters_offer_what_is_there(auditor: User, rows: None) -> None:
    assert "thing.done" in search.values_of("action")
    assert "thing" in search.values_of("object_type")

    page = browser_of(auditor).get(reverse(LIST)).content.decode()

    assert "?action=thing.done" in page
    assert "?object_type=thing" in page


@pytest.mark.parametrize("query", [{}, {"q": "user:1"}, {"q": "thing.done"}, {"q": "2"}])
def test_a_page_of_the_trail_costs_the_same_however_long_it_is(
    auditor: User, rows: None, query: dict[str, str]
) -> None:
    browser = browser_of(auditor)

    with CaptureQueriesContext(connection) as queries:
        browser.get(reverse(LIST), query)

    asked = [told["sql"] for told in queries if "compliance_auditrow" in told["sql"]]
    assert len(asked) <= 6, asked
    for sql in asked:
        assert "DISTINCT" not in sql
        assert "UPPER" not in sql
        assert "LIMIT" in sql or "COUNT" not in sql
        with connection.cursor() as cursor:
            # Where an index serves, no plan reads the whole table once that costs most.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert "Seq Scan on compliance_auditrow" not in plan, plan


def test_the_form_of_an_export_says_what_it_is(auditor: User) -> None:
    answer = browser_of(auditor).get(reverse(EXPORT))

    assert answer.status_code == 200
    page = answer.content.decode()
    assert "<title> Export the audit trail" in " ".join(page.split())
    assert "verify_audit_export.py" in page
    for name in ("form", "since", "until", "actor", "action", "object_type", "object_id"):
        assert f'name="{name}"' in page


def test_the_page_of_an_export_offers_the_program_that_checks_it(auditor: User) -> None:
    address = reverse("audit_verifier")
    assert address in browser_of(auditor).get(reverse(EXPORT)).text

    program = Client().get(address)

    assert "attachment" in program["Content-Disposition"]
    path = Path(settings.BASE_DIR) / "docs/verify/verify_audit_export.py"
    assert program.getvalue() == path.read_bytes()


def test_an_auditor_exports_what_the_form_asks_for(auditor: User, rows: None) -> None:
    answer = browser_of(auditor).get(
        reverse(EXPORT),
        {"form": "jsonl", "since": "2026-11-20 13:00", "until": "2026-11-20 15:00"},
    )

    ids, manifest = unpacked(answer)
    assert ids == ["1", "2"]
    assert manifest["exported_by"] == f"user:{auditor.pk}"
    assert 'filename="audit-' in answer["Content-Disposition"]
    assert AuditRow.objects.filter(action="audit.exported", actor=f"user:{auditor.pk}").exists()


@pytest.mark.parametrize(
    "asked",
    [
        {"form": "xlsx"},
        {"form": "csv", "since": "yesterday"},
        {"form": "csv", "since": "2026-11-20+14:00"},
        {"form": "csv", "since": "0001-01-01T00:00:00+14:00"},
        {"form": "csv", "until": "9999-12-31T23:59:59-01:00"},
        {"form": "csv", "since": "2026-11-21", "until": "2026-11-20"},
        {"since": "2026-11-20"},
    ],
)
def test_a_form_that_cannot_be_is_shown_again(auditor: User, asked: dict[str, str]) -> None:
    answer = browser_of(auditor).get(reverse(EXPORT), asked)

    assert answer["Content-Type"].startswith("text/html")
    assert not AuditRow.objects.filter(action__startswith="audit.export").exists()


def test_who_may_only_look_does_not_export(rows: None) -> None:
    answer = browser_of(new_officer("view_auditrow")).get(reverse(EXPORT), {"form": "jsonl"})

    assert answer.status_code == 403
    assert not AuditRow.objects.filter(action__startswith="audit.export").exists()


@pytest.fixture
def own_officer() -> User:
    """An auditor whose own case two people are deciding."""
    proposal = casework.rejection_proposed(casework.officer())
    person = Case.objects.get(pk=proposal.object_id).application.user
    casework.allow(
        person, "compliance.view_auditrow", "compliance.export_auditrow", "kyc.view_case"
    )
    person.is_staff = True
    person.save()
    add_authenticator_app(user=person, secret=TOTP_SECRET)
    audit.seal_all(now=timezone.now())
    return User.objects.get(pk=person.pk)


def test_nobody_reads_in_the_trail_what_is_found_out_about_them(own_officer: User) -> None:
    case = Case.objects.get(application__user=own_officer)
    theirs = AuditRow.objects.filter(object_id__in=[str(case.pk), str(case.application_id)])
    actions = set(theirs.values_list("action", flat=True))
    assert {"proposal.made", "kyc.case.proposed", "kyc.approved"} <= actions
    page = {"e": "1", "q": str(case.pk)}
    lists = reverse("admin:compliance_auditrow_changelist")
    row = reverse("admin:compliance_auditrow_change", args=[theirs.latest("id").pk])

    reader = browser_of(new_officer("view_auditrow", "view_case"))
    others = reader.get(lists, page).context["cl"].result_list
    assert "proposal.made" in {told.action for told in others}
    mine = browser_of(own_officer)
    assert list(mine.get(lists, page).context["cl"].result_list) == []
    assert mine.get(row).status_code == 302  # leads away from what is not there


def exported_by(user: User, path: Path, *, by_api: bool) -> tuple[dict[str, Any], bytes]:
    """The manifest and the rows of an export of everything, kept at the path."""
    answer: Any = (
        asked(user) if by_api else browser_of(user).get(reverse(EXPORT), {"form": "jsonl"})
    )
    path.write_bytes(b"".join(answer.streaming_content))
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("manifest.json")), archive.read("rows.jsonl")


@pytest.mark.parametrize("by_api", [False, True])
def test_an_export_leaves_out_what_is_about_its_reader(
    own_officer: User, tmp_path: Path, by_api: bool
) -> None:
    case = Case.objects.get(application__user=own_officer)
    path = tmp_path / "trail.zip"

    manifest, rows = exported_by(own_officer, path, by_api=by_api)

    assert str(case.pk).encode() not in rows
    assert str(case.application_id).encode() not in rows
    assert manifest["filter"] == {"without": "what is about the reader"}
    verifier = Path(settings.BASE_DIR) / "docs/verify/verify_audit_export.py"
    subprocess.run([sys.executable, str(verifier), str(path)], check=True)


@pytest.fixture
def operator() -> User:
    """Who keeps the machines running, and may export the trail besides."""
    roles.sync()
    user = new_officer("export_auditrow")
    user.groups.set(Group.objects.filter(name=roles.OPERATOR))
    return User.objects.get(pk=user.pk)


def test_an_operator_does_not_read_in_the_trail_what_people_have_shown(operator: User) -> None:
    proposal = casework.rejection_proposed(casework.officer())
    audit.record(
        actor="system:test",
        action="proposal.made",
        object_type="thing",
        object_id=str(proposal.pk),
        evidence={"kind": proposal.kind},
        now=NOW,
    )
    audit.record(
        actor="system:test",
        action="proposal.made",
        object_type="order",
        object_id=str(proposal.pk),
        evidence={"kind": "trading.resolve_order"},
        now=NOW,
    )
    hidden = AuditRow.objects.filter(
        Q(object_type__startswith="kyc_") | Q(object_type="thing")
    ).values_list("pk", flat=True)
    assert len(hidden) > 3
    browser, lists = browser_of(operator), reverse(LIST)

    shown = browser.get(lists).context["cl"].result_list
    assert not {row.pk for row in shown} & set(hidden)
    assert {row.action for row in shown} >= {"proposal.made"}
    found = browser.get(lists, {"e": "1", "q": str(proposal.object_id)})
    assert list(found.context["cl"].result_list) == []
    row = reverse("admin:compliance_auditrow_change", args=[hidden[0]])
    assert browser.get(row).status_code == 302


@pytest.mark.parametrize("by_api", [False, True])
def test_an_export_says_that_it_leaves_out_what_people_have_shown(
    operator: User, tmp_path: Path, by_api: bool
) -> None:
    casework.rejection_proposed(casework.officer())
    audit.seal_all(now=timezone.now())
    path = tmp_path / "trail.zip"

    manifest, rows = exported_by(operator, path, by_api=by_api)

    assert b'"object_type":"kyc_' not in rows
    assert manifest["rows"] > 0
    assert manifest["filter"] == {"without": "what people have shown of themselves"}
    verifier = Path(settings.BASE_DIR) / "docs/verify/verify_audit_export.py"
    subprocess.run([sys.executable, str(verifier), str(path)], check=True)


def test_the_clauses_are_read_with_their_evidence(auditor: User) -> None:
    answer = browser_of(auditor).get(reverse("admin:compliance_auditrow_show_clauses"))

    assert answer.status_code == 200
    page = answer.content.decode()
    assert "placeholder" in page
    assert reverse("admin:compliance_reservesnapshot_changelist") in page


def test_the_evidence_of_a_clause_is_read_and_no_other_file(auditor: User) -> None:
    browser, page = browser_of(auditor), reverse("admin:compliance_auditrow_show_clauses")

    where = "docs/runbooks/data-breach.md#brazil"
    assert f"?evidence={quote(where, safe='/')}#part" in browser.get(page).text
    answer = browser.get(page, {"evidence": where})

    assert f"<title> {where} |" in " ".join(answer.text.split())
    assert re.search(r'<mark id="part">## Brazil\s*</mark>', answer.text)
    assert "ANPD Resolution 15/2024" in answer.text
    assert f'href="{page}"' in answer.text
    for other in ("agora/settings.py", "../etc/passwd", "docs", "/etc/passwd"):
        assert browser.get(page, {"evidence": other}).status_code == 404


def test_the_part_of_the_code_that_is_evidence_is_marked(auditor: User) -> None:
    page = reverse("admin:compliance_auditrow_show_clauses")

    answer = browser_of(auditor).get(page, {"evidence": "accounts/keys.py::key_for"})

    assert re.search(r'<mark id="part">def key_for\(.*\s*</mark>', answer.text)


def test_an_anchor_and_a_rule_are_shown(auditor: User) -> None:
    browser = browser_of(auditor)

    for name in ("auditanchor", "retentionrule"):
        assert browser.get(reverse(f"admin:compliance_{name}_changelist")).status_code == 200


def test_a_rule_is_called_by_what_it_keeps() -> None:
    assert str(RetentionRule(kind="session", days=1)) == "Sessions, from their expiry: 1 d"


def test_an_officer_proposes_how_long_records_are_kept() -> None:
    RetentionRule.objects.update_or_create(
        kind="session", defaults={"days": 1, "legal_basis": "test"}
    )
    maker = new_officer("view_retentionrule", "propose_retention")

    answer = browser_of(maker).post(
        reverse("admin:compliance_retentionrule_propose_change", args=["session"]),
        {"_form_submitted": "True", "days": "9", "legal_basis": "Law 1", "reason": "Counsel."},
    )

    assert answer.headers["HX-Redirect"] == reverse("admin:compliance_retentionrule_changelist")
    assert Proposal.objects.get().payload == {"days": 9, "legal_basis": "Law 1", "before": 1}
    assert RetentionRule.objects.get(pk="session").days == 1


def asked(user: User, query: str = "", scope: str = "admin") -> Any:
    _token, secret = token_store.issue_token(
        user=user, name="t", scopes=[scope], expires_at=None, now=timezone.now()
    )
    return Client().get(f"{API}{query}", headers={"Authorization": f"Bearer {secret}"})


def test_a_token_of_an_auditor_exports(auditor: User, rows: None) -> None:
    ids, manifest = unpacked(
        asked(auditor, f"?actor={quote('user:1')}&since={quote('2026-11-20T10:00:00-03:00')}")
    )

    assert ids == ["1", "3"]
    assert manifest["filter"] == {"actor": "user:1", "since": "2026-11-20T13:00:00+00:00"}


@pytest.mark.parametrize(
    "query",
    [
        "?form=xlsx",
        "?since=yesterday",
        "?since=2026-11-20T10:00:00",
        "?since=0001-01-01T00:00:00%2B14:00",
        "?until=9999-12-31T23:59:59-01:00",
        "?since=2026-11-21T00:00:00Z&until=2026-11-20T00:00:00Z",
        "?actor=%00",
        "?what=1",
    ],
)
def test_a_query_that_cannot_be_is_refused(auditor: User, query: str) -> None:
    answer = asked(auditor, query)

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert not AuditRow.objects.filter(action__startswith="audit.export").exists()


def test_tokens_of_others_do_not_export(rows: None) -> None:
    assert asked(new_officer("view_auditrow")).status_code == 403
    assert asked(new_officer("export_auditrow"), scope="read").status_code == 403
    assert Client().get(API).status_code == 401
    assert asked(new_user(), scope="read").status_code == 403
