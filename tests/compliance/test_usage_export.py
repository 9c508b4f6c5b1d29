"""Uses of tokens and nonces are exported for auditors, and the trail shows whether they changed."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from structlog.testing import capture_logs

from accounts import token_store, token_uses
from accounts.models import ApiToken, TokenUse, User, WalletProof
from accounts.token_uses import Use
from compliance import audit, retention
from compliance.models import AuditRow, ErasureRequest, RetentionRule
from compliance.personal_data import erasure
from compliance.trail import usage
from compliance.trail.export import Filter
from compliance.trail.usage_export import FORMAT, export_of
from tests.people import new_officer, new_user, onboarded

pytestmark = pytest.mark.django_db
VERIFIER = Path(__file__).resolve().parents[2] / "docs/verify/verify_audit_export.py"
FIRST = datetime(2026, 11, 18, 8, tzinfo=UTC)
NOW = datetime(2026, 11, 21, 2, 40, tzinfo=UTC)
ADDRESSES = ["203.0.113.7", None, "2001:db8::7"]


def use(token: ApiToken, at: datetime, **changes: Any) -> None:
    values: dict[str, Any] = {
        "outcome": "used",
        "method": "GET",
        "route": "api:orders",
        "status": 200,
        "address": ADDRESSES[0],
        "at": at,
    }
    token_uses.note(ApiToken.objects.get(pk=token.pk), Use(**{**values, **changes}))


@pytest.fixture
def token() -> ApiToken:
    made, _secret = token_store.issue_token(
        user=new_user(), name="test", scopes=["read"], expires_at=None, now=FIRST
    )
    return made


@pytest.fixture
def uses(token: ApiToken) -> None:
    """Three on each of three days, the last of which is not closed yet."""
    for day in range(3):
        for number, address in enumerate(ADDRESSES):
            at = FIRST + timedelta(days=day, minutes=5 * number)
            use(token, at, address=address, method="=GET" if number else "GET")


@pytest.fixture
def sealed(uses: None) -> None:
    usage.seal_days(now=NOW)
    audit.seal_all(now=NOW)


def exported(path: Path, form: str = "jsonl", kind: str = "token-uses", **chosen: Any) -> Path:
    pieces = export_of(kind, chosen=Filter(**chosen), form=form, actor="user:auditor", now=NOW)
    path.write_bytes(b"".join(pieces))
    return path


def trail_of(path: Path) -> Path:
    audit.seal_all(now=NOW)
    return exported(path, kind="trail")


def verified(path: Path, *arguments: object) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(VERIFIER), str(path), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def read(path: Path) -> tuple[list[dict[str, str]], dict[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        rows = [json.loads(line) for line in archive.read("rows.jsonl").splitlines()]
        return rows, json.loads(archive.read("manifest.json"))


def test_the_digest_of_each_closed_day_stands_in_the_trail(uses: None) -> None:
    usage.seal_days(now=NOW)

    rows = AuditRow.objects.filter(action="usage.sealed").order_by("object_id")
    assert [row.object_id for row in rows] == ["token-uses/2026-11-18", "token-uses/2026-11-19"]
    assert [row.evidence["rows"] for row in rows] == [3, 3]
    assert str(ADDRESSES[0]) not in json.dumps([row.evidence for row in rows])


def test_a_day_is_sealed_once_while_nothing_changes(sealed: None) -> None:
    assert usage.seal_days(now=NOW) == []


@pytest.mark.django_db(transaction=True)
def test_a_day_that_cannot_be_sealed_takes_no_other_days_seal_along(uses: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER no_second_day BEFORE INSERT ON compliance_auditrow FOR EACH ROW"
            " WHEN (NEW.object_id = 'token-uses/2026-11-19') EXECUTE FUNCTION agora_refuse_change()"
        )
        try:
            with pytest.raises(DatabaseError, match="refused"):
                export_of("token-uses", chosen=Filter(), form="csv", actor="user:auditor", now=NOW)
        finally:
            cursor.execute("DROP TRIGGER no_second_day ON compliance_auditrow")

    assert AuditRow.objects.get(action="usage.sealed").object_id == "token-uses/2026-11-18"


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_an_export_agrees_with_the_trail(sealed: None, tmp_path: Path, form: str) -> None:
    path = exported(tmp_path / "uses.zip", form)

    code, told = verified(path, "--trail", trail_of(tmp_path / "trail.zip"))

    assert code == 0, told
    assert "9 rows, 2 days sealed" in told
    assert "2026-11-20: 3 rows, not sealed yet" in told
    assert told.endswith("everything agrees\n")


def test_a_row_tells_who_used_which_token_from_where(
    sealed: None, token: ApiToken, tmp_path: Path
) -> None:
    rows, manifest = read(exported(tmp_path / "uses.zip"))

    assert {name: rows[0][name] for name in ("token", "user", "method", "route", "count")} == {
        "token": str(token.pk),
        "user": str(token.user_id),
        "method": "=GET",
        "route": "api:orders",
        "count": "1",
    }
    assert {row["address"] for row in rows} == {"203.0.113.7", "", "2001:db8::7"}
    assert (manifest["format"], manifest["kind"]) == (FORMAT, "token-uses")


def test_nonces_are_exported_with_what_became_of_them(tmp_path: Path) -> None:
    proof = WalletProof.objects.create(
        user=onboarded(),
        purpose="verify",
        address="0x" + "12" * 20,
        nonce="abcdefgh12345678",
        message="a message",
        created_at=FIRST,
        expires_at=FIRST + timedelta(minutes=10),
        used_at=FIRST + timedelta(minutes=1),
        outcome="refused",
        reason="signature",
    )
    usage.seal_days(now=NOW)

    path = exported(tmp_path / "nonces.zip", kind="nonce-uses")

    ((row,), _manifest) = read(path)
    assert (row["nonce"], row["outcome"], row["reason"]) == (proof.nonce, "refused", "signature")
    assert row["used_at"] == "2026-11-18T08:01:00.000000+00:00"
    assert verified(path, "--trail", trail_of(tmp_path / "trail.zip"))[0] == 0


def changed(token_use: TokenUse) -> None:
    TokenUse.objects.filter(pk=token_use.pk).update(address="198.51.100.1")


def removed(token_use: TokenUse) -> None:
    token_use.delete()


def added(token_use: TokenUse) -> None:
    token_use.pk, token_use.minute = None, token_use.minute + timedelta(hours=3)
    token_use.save(force_insert=True)


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (changed, "a row of 2026-11-18 was changed"),
        (removed, "2026-11-18 has 2 rows; 3 were sealed"),
        (added, "2026-11-18 has 4 rows; 3 were sealed"),
    ],
)
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_what_was_done_to_a_sealed_day_is_found(
    sealed: None, tmp_path: Path, form: str, tamper: Callable[[TokenUse], None], told: str
) -> None:
    tamper(TokenUse.objects.order_by("minute")[0])

    code, said = verified(exported(tmp_path / "uses.zip", form))

    assert code == 1
    assert told in said
    assert "does NOT agree\n" in said


def test_a_manifest_with_digests_of_its_own_does_not_agree_with_the_trail(
    sealed: None, tmp_path: Path
) -> None:
    path = exported(tmp_path / "uses.zip")
    rows, manifest = read(path)
    kept = [row for row in rows if not row["minute"].startswith("2026-11-18")]
    manifest["days"] = [told for told in manifest["days"] if told["day"] != "2026-11-18"]
    forged = _packed(tmp_path / "forged.zip", kept, manifest)

    assert verified(forged)[0] == 0
    code, told = verified(forged, "--trail", trail_of(tmp_path / "trail.zip"))

    assert code == 1
    assert "the trail says otherwise of 2026-11-18 than the manifest" in told


Manifest = dict[str, Any]


def without_seals(manifest: Manifest) -> None:
    manifest["days"] = []


def backdated(manifest: Manifest) -> None:
    manifest["days"], manifest["exported_at"] = [], "2026-11-20T01:00:00+00:00"


def backdated_to_before_the_rows(manifest: Manifest) -> None:
    manifest["days"], manifest["exported_at"] = [], "2000-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (without_seals, "the trail says otherwise of 2026-11-18 than the manifest"),
        (backdated, "the trail says otherwise of 2026-11-18 than the manifest"),
        (backdated_to_before_the_rows, "a row of 2026-11-18 is later than the export"),
    ],
)
def test_a_changed_row_is_not_hidden_by_a_manifest_without_its_seal(
    sealed: None, tmp_path: Path, tamper: Callable[[Manifest], None], told: str
) -> None:
    rows, manifest = read(exported(tmp_path / "uses.zip"))
    rows[0]["count"] = "99"
    tamper(manifest)
    forged = _packed(tmp_path / "forged.zip", rows, manifest)

    code, said = verified(forged, "--trail", trail_of(tmp_path / "trail.zip"))

    assert code == 1
    assert told in said
    assert "the trail does not know this export" in said


def test_the_time_of_an_export_is_the_one_in_the_trail(sealed: None, tmp_path: Path) -> None:
    rows, manifest = read(exported(tmp_path / "uses.zip"))
    manifest["exported_at"] = "2026-11-20T23:00:00+00:00"
    forged = _packed(tmp_path / "forged.zip", rows, manifest)

    code, said = verified(forged, "--trail", trail_of(tmp_path / "trail.zip"))

    assert code == 1
    assert "exported at 2026-11-20T23:00:00, says the manifest; the trail says otherwise" in said


def test_a_day_that_was_sealed_after_the_export_agrees(uses: None, tmp_path: Path) -> None:
    path = exported(tmp_path / "uses.zip")
    (later,) = usage.seal_days(now=NOW + timedelta(days=1))
    assert later.evidence["day"] == "2026-11-20"

    code, said = verified(path, "--trail", trail_of(tmp_path / "trail.zip"))

    assert code == 0, said
    assert "2026-11-20: 3 rows, not sealed yet" in said


def test_a_filtered_trail_is_refused(sealed: None, tmp_path: Path) -> None:
    path = exported(tmp_path / "uses.zip")
    part = exported(tmp_path / "trail.zip", kind="trail", action="usage.sealed")

    code, said = verified(path, "--trail", part)

    assert code == 2
    assert "the trail is filtered: compare with an export of all its rows" in said


def _packed(path: Path, rows: list[dict[str, str]], manifest: dict[str, Any]) -> Path:
    lines = "".join(
        json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
        for row in rows
    ).encode()
    told = {"bytes": len(lines), "sha256": hashlib.sha256(lines).hexdigest()}
    manifest["files"] = {"rows.jsonl": told}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rows.jsonl", lines)
        archive.writestr("manifest.json", json.dumps(manifest))
    return path


def erase(user_id: UUID) -> None:
    """What an erasure does to a person's uses."""
    with usage.erasing(user_id=user_id, now=NOW):
        TokenUse.objects.filter(token__user=user_id).delete()


@pytest.fixture
def another(token: ApiToken) -> ApiToken:
    """The token of somebody else, used on the first day too."""
    made, _secret = token_store.issue_token(
        user=new_user(), name="test", scopes=["read"], expires_at=None, now=FIRST
    )
    use(made, FIRST + timedelta(hours=1))
    return made


def test_an_erasure_tells_how_many_uses_of_which_days_go(
    another: ApiToken, token: ApiToken, uses: None
) -> None:
    erase(token.user_id)

    row = AuditRow.objects.get(action="usage.erased")
    assert (row.object_type, row.object_id) == ("usage", "token-uses")
    assert row.evidence == {"days": {"2026-11-18": 3, "2026-11-19": 3, "2026-11-20": 3}}


def test_after_an_erasure_the_day_is_sealed_again_and_both_digests_stay(
    another: ApiToken, sealed: None, tmp_path: Path
) -> None:
    erase(another.user_id)

    (again,) = usage.seal_days(now=NOW)

    told = again.evidence
    assert (told["rows"], told["rows_before"], told["erased"]) == (3, 4, 1)
    path = exported(tmp_path / "uses.zip")
    code, said = verified(path, "--trail", trail_of(tmp_path / "trail.zip"))
    assert code == 0, said
    assert "2026-11-18 was sealed again after rows went" in said


def test_an_export_right_after_an_erasure_agrees(
    another: ApiToken, sealed: None, tmp_path: Path
) -> None:
    erase(another.user_id)

    path = exported(tmp_path / "uses.zip")

    code, said = verified(path, "--trail", trail_of(tmp_path / "trail.zip"))
    assert code == 0, said


def test_what_an_erasure_removed_is_accounted_for(token: ApiToken, sealed: None) -> None:
    request = erasure.request(user=token.user, actor="user:x", now=FIRST)
    ErasureRequest.objects.filter(pk=request.pk).update(next_attempt_at=FIRST)
    erasure.step(request_id=request.pk, now=request.execute_after)
    assert not TokenUse.objects.exists()

    with capture_logs() as logs:
        rows = usage.seal_days(now=request.execute_after)

    told = [(row.evidence["day"], row.evidence["rows"], row.evidence["erased"]) for row in rows]
    assert told == [("2026-11-18", 0, 3), ("2026-11-19", 0, 3)]
    assert logs == []


def test_what_was_written_after_an_erasure_is_removed_and_accounted_for(
    another: ApiToken, sealed: None, tmp_path: Path
) -> None:
    """By releases that did not look for it: the migration cleans what they left."""
    User.objects.filter(pk=another.user_id).update(email="erased-0a@erased.invalid")
    name = "0022_uses_of_erased_people"
    migration = import_module(f"compliance.migrations.{name}")
    apps = MigrationLoader(connection).project_state(("compliance", name)).apps
    with connection.schema_editor() as editor:
        migration.remove(apps, editor)
        migration.remove(apps, editor)

    assert not TokenUse.objects.filter(token=another).exists()
    assert TokenUse.objects.count() == 9
    row = AuditRow.objects.get(action="usage.erased")
    assert row.evidence == {"days": {"2026-11-18": 1}}
    code, said = verified(exported(tmp_path / "uses.zip"), "--trail", trail_of(tmp_path / "t.zip"))
    assert code == 0, said


@pytest.mark.parametrize(
    ("tamper", "event"),
    [(removed, "audit.usage_rows_removed"), (added, "audit.usage_rows_added")],
)
@pytest.mark.parametrize("erased", [False, True])
def test_what_no_erasure_accounts_for_is_never_sealed_anew(
    another: ApiToken,
    sealed: None,
    tmp_path: Path,
    tamper: Callable[[TokenUse], None],
    event: str,
    erased: bool,
) -> None:
    for row in TokenUse.objects.exclude(token=another).order_by("minute")[: 1 + erased]:
        tamper(row)
    if erased:
        erase(another.user_id)

    with capture_logs() as logs:
        assert usage.seal_days(now=NOW) == []

    assert [(line["event"], line["log_level"], line["rows"]) for line in logs] == [
        (event, "error", 1 + erased)
    ]
    code, said = verified(exported(tmp_path / "uses.zip"))
    assert code == 1, said


def test_days_that_a_shorter_retention_has_emptied_are_no_fault(sealed: None) -> None:
    rule = RetentionRule.objects.filter(kind="token_use")
    rule.update(days=1)
    retention.run(now=NOW, kind="token_use")
    rule.update(days=365)

    with capture_logs() as logs:
        assert usage.seal_days(now=NOW) == []

    assert logs == []


def test_a_day_that_retention_has_begun_to_remove_is_neither_sealed_anew_nor_exported(
    sealed: None, tmp_path: Path
) -> None:
    later = FIRST + timedelta(days=365, minutes=2)
    retention.run(now=later, kind="token_use")
    assert TokenUse.objects.filter(minute__date=FIRST.date()).count() == 2

    days = [row.evidence["day"] for row in usage.seal_days(now=later)]

    assert days == ["2026-11-20"]
    pieces = export_of("token-uses", chosen=Filter(), form="jsonl", actor="user:auditor", now=later)
    (tmp_path / "uses.zip").write_bytes(b"".join(pieces))
    rows, manifest = read(tmp_path / "uses.zip")
    assert {row["minute"][:10] for row in rows} == {"2026-11-19", "2026-11-20"}
    assert manifest["since"] == "2026-11-19"


def test_a_count_that_comes_a_day_late_changes_no_sealed_day(token: ApiToken) -> None:
    use(token, FIRST)
    use(token, FIRST + timedelta(seconds=30))

    use(token, FIRST + timedelta(days=2))

    counts = TokenUse.objects.order_by("minute").values_list("count", flat=True)
    assert list(counts) == [1, 1]


@pytest.mark.parametrize(
    "chosen", [{"actor": "user:1"}, {"since": FIRST}, {"until": FIRST}, {"action": "x"}]
)
def test_uses_are_chosen_by_whole_days_only(chosen: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(Exception, match="Uses are exported by whole days, UTC"):
        exported(tmp_path / "uses.zip", **chosen)

    assert not AuditRow.objects.filter(action__startswith="audit.export").exists()


def test_an_export_of_some_days_holds_no_other(sealed: None, tmp_path: Path) -> None:
    since, until = FIRST.replace(hour=0) + timedelta(days=1), FIRST.replace(hour=0) + timedelta(2)

    path = exported(tmp_path / "uses.zip", since=since, until=until)

    rows, manifest = read(path)
    assert {row["minute"][:10] for row in rows} == {"2026-11-19"}
    assert [told["day"] for told in manifest["days"]] == ["2026-11-19"]
    assert verified(path, "--trail", trail_of(tmp_path / "trail.zip"))[0] == 0


def test_an_export_without_a_row_says_so(tmp_path: Path) -> None:
    path = exported(tmp_path / "uses.zip")

    code, told = verified(path)

    assert code == 0
    assert told.endswith("no rows: this export proves nothing of any row\n")


def test_an_export_of_uses_stands_in_the_trail(sealed: None, tmp_path: Path) -> None:
    exported(tmp_path / "uses.zip")

    rows = AuditRow.objects.filter(action__startswith="audit.export").order_by("id")
    assert [(row.action, row.object_type, row.object_id) for row in rows] == [
        ("audit.export_started", "usage", "token-uses"),
        ("audit.exported", "usage", "token-uses"),
    ]
    days = {"since": "1970-01-01", "until": "2026-11-22", "form": "jsonl"}
    assert rows[0].evidence == days


def test_the_command_exports_uses(sealed: None, tmp_path: Path) -> None:
    path = tmp_path / "uses.zip"

    call_command("audit", "export", str(path), "--kind", "token-uses", stdout=io.StringIO())

    assert verified(path)[0] == 0
    with pytest.raises(CommandError, match="whole days"):
        call_command("audit", "export", str(path), "--kind", "token-uses", "--actor", "user:1")


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-01:00",
        "2026-11-20+14:00",
        "20261120T100000",
        "yesterday",
    ],
)
def test_what_is_no_time_of_the_calendar_is_refused(moment: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is not a date such as"):
        call_command("audit", "export", str(tmp_path / "trail.zip"), f"--since={moment}")


@pytest.mark.parametrize("kind", ["trail", "token-uses"])
def test_a_range_that_ends_before_it_begins_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "range.zip"

    with pytest.raises(CommandError, match="let it end after its beginning"):
        call_command(
            "audit", "export", str(path), "--kind", kind, "--since=2026-11-21", "--until=2026-11-20"
        )

    assert not path.exists()
    assert not AuditRow.objects.filter(action__startswith="audit.export").exists()


def browser_of(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


def test_the_back_office_leads_from_the_uses_to_their_export(sealed: None) -> None:
    browser = browser_of(new_officer("view_tokenuse", "view_auditrow", "export_auditrow"))

    page = browser.get(reverse("admin:accounts_tokenuse_export_uses"), follow=True)
    assert page.context["form"]["kind"].value() == "token-uses"
    answer = browser.get(page.request["PATH_INFO"], {"kind": "token-uses", "form": "jsonl"})

    assert 'filename="token-uses-' in answer["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:  # type: ignore[attr-defined]
        assert archive.read("rows.jsonl").count(b"\n") == 9


def test_the_form_says_that_uses_are_chosen_by_days() -> None:
    browser = browser_of(new_officer("view_auditrow", "export_auditrow"))

    answer = browser.get(
        reverse("admin:compliance_auditrow_export_trail"),
        {"kind": "token-uses", "form": "csv", "actor": "user:1"},
    )

    assert b"Uses are exported by whole days" in answer.content


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?kind=token-uses", 200),
        ("?kind=nonce-uses&form=csv&since=2026-11-18T00:00:00Z", 200),
        ("?kind=token-uses&actor=user:1", 400),
        ("?kind=orders", 400),
    ],
)
def test_the_api_exports_uses(sealed: None, query: str, status: int) -> None:
    _token, secret = token_store.issue_token(
        user=new_officer("export_auditrow"),
        name="t",
        scopes=["admin"],
        expires_at=None,
        now=timezone.now(),
    )

    answer = Client().get(
        f"/api/v1/admin/audit/export{query}", headers={"Authorization": f"Bearer {secret}"}
    )

    assert answer.status_code == status
