"""Each process has a database role that can do its work and nothing beside it (ASVS 13.2.2).

Every statement here is sent by a connection that signed in as the role, with its password.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone

from accounts import token_store
from accounts.models import User
from agora import database_roles, doctor
from agora.database_roles import AUDITOR, ROLES, WEB, WORKER
from agora.sandbox.client import SandboxControl
from compliance import audit, retention
from compliance.models import (
    AuditRow,
    ChainTransfer,
    ErasureRequest,
    LiabilityNonce,
    ReserveSnapshot,
    RetentionRule,
)
from compliance.personal_data import erasure, exports
from compliance.reserves import snapshots
from compliance.trail import anchors
from tests.conftest import Chain
from tests.people import new_officer, new_user, onboarded
from tests.settling import place, settle
from trading.states import State

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "docs/database-grants.txt"
PREFIX = "testing"
PASSWORD = "only-in-tests"


@pytest.fixture(scope="session")
def made_roles(django_db_setup: None, django_db_blocker: Any) -> None:
    """The three roles, with a password."""
    with django_db_blocker.unblock():
        call_command("database_roles", "--apply", "--prefix", PREFIX, stdout=StringIO())
        with connection.cursor() as cursor:
            for role in ROLES:
                cursor.execute(f"ALTER ROLE {PREFIX}_{role} PASSWORD '{PASSWORD}'")
        connection.close()


@pytest.fixture
def connected(made_roles: None, db: None) -> Callable[[str], Any]:
    """A connection of its own, signed in as a role."""

    def connect(role: str) -> Any:
        told = connection.settings_dict
        return psycopg.connect(
            host=told["HOST"],
            port=told["PORT"],
            dbname=told["NAME"],
            user=f"{PREFIX}_{role}",
            password=PASSWORD,
            autocommit=True,
        )

    return connect


@pytest.fixture
def acting_as(made_roles: None, transactional_db: None) -> Callable[[str], Any]:
    """Django's own connection, signed in as a role for a while."""

    @contextmanager
    def acting(role: str) -> Iterator[None]:
        own = connection.settings_dict
        before = own["USER"], own["PASSWORD"]
        connection.close()
        own["USER"], own["PASSWORD"] = f"{PREFIX}_{role}", PASSWORD
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT current_user")
                assert cursor.fetchone() == (f"{PREFIX}_{role}",)
            yield
        finally:
            connection.close()
            own["USER"], own["PASSWORD"] = before

    return acting


def refused(database: Any, statement: str) -> bool:
    try:
        database.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


def test_the_reviewed_list_of_grants_is_the_policy(db: None) -> None:
    out = StringIO()

    call_command("database_roles", "--grants", stdout=out)

    assert out.getvalue() == GOLDEN.read_text(), (
        "Look whether each grant that changed is right, then run:"
        " manage.py database_roles --grants > docs/database-grants.txt"
    )


def test_the_database_holds_exactly_what_the_policy_says(made_roles: None, db: None) -> None:
    assert database_roles.differences(prefix=PREFIX) == []


def test_a_check_without_the_roles_says_so_in_a_sentence(db: None) -> None:
    with pytest.raises(CommandError, match=r"^The roles do not exist: run this with --apply\.$"):
        call_command("database_roles", "--check", "--prefix", "never_made")


def test_every_table_that_refuses_changes_is_append_only_in_the_policy(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " JOIN pg_proc p ON p.oid = t.tgfoid"
            # 16: fires on UPDATE
            " WHERE p.proname = 'agora_refuse_change' AND t.tgtype & 16 > 0"
        )
        refusing = {name for (name,) in cursor.fetchall()}

    assert refusing - database_roles.APPEND_ONLY == set()


def test_every_table_that_the_policy_names_exists(db: None) -> None:
    named = set().union(
        database_roles.APPEND_ONLY,
        database_roles.WEB_READS,
        database_roles.WEB_ADDS,
        database_roles.WORKER_READS,
        database_roles.BOTH_READ,
        database_roles.WORKER_REMOVES,
        database_roles.AUDITOR_NEVER,
    )

    assert named - set(database_roles.tables()) == set()


@pytest.mark.parametrize("role", ROLES)
def test_each_statement_on_each_table_does_what_the_policy_says(
    connected: Callable[[str], Any], role: str
) -> None:
    statements = {
        "SELECT": "SELECT FROM {0} LIMIT 0",
        "INSERT": "INSERT INTO {0} ({1}) SELECT {1} FROM {0} WHERE false",
        "UPDATE": "UPDATE {0} SET {1} = {1} WHERE false",
        "DELETE": "DELETE FROM {0} WHERE false",
        "TRUNCATE": "TRUNCATE {0}",
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, min(column_name) FROM information_schema.columns"
            " WHERE table_schema = 'public' AND is_generated = 'NEVER' GROUP BY 1"
        )
        columns = dict(cursor.fetchall())

    allowed: dict[str, set[str]] = {}
    with connected(role) as database:
        database.execute("SET default_transaction_read_only = off")
        for table in database_roles.tables():
            for privilege, statement in statements.items():
                if not refused(database, statement.format(table, f'"{columns[table]}"')):
                    allowed.setdefault(table, set()).add(privilege)
    # Who may insert from a table but not read it is refused both.
    wanted = {
        grant.table: set(grant.privileges)
        for grant in database_roles.grants(database_roles.tables())
        if grant.role == role and grant.privileges
    }
    assert allowed == wanted


def test_the_doctor_finds_the_owner_behind_a_site_that_people_reach_and_wrong_grants(
    acting_as: Callable[[str], Any], settings: Any
) -> None:
    owner = connection.settings_dict["USER"]
    assert doctor._database_role() == f"{owner}; no roles for web, worker and auditor"
    settings.SITE_IS_HTTPS = True
    with pytest.raises(doctor.Trouble, match=f"{owner} owns the tables"):
        doctor._database_role()

    with acting_as(WEB):
        well = f"{PREFIX}_web; every grant of {PREFIX}_… is as it should be"
        assert doctor._database_role() == well
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT DELETE ON compliance_auditrow TO {PREFIX}_worker")
    try:
        with (
            acting_as(WEB),
            pytest.raises(
                doctor.Trouble, match=r"Grants differ \(1\), first compliance_auditrow worker"
            ),
        ):
            doctor._database_role()
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"REVOKE DELETE ON compliance_auditrow FROM {PREFIX}_worker")


FORBIDDEN = [
    "CREATE TABLE mine (id int)",
    "CREATE TEMPORARY TABLE mine (id int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE ROLE mine",
    "ALTER TABLE compliance_auditrow DISABLE TRIGGER ALL",
    "ALTER TABLE compliance_auditrow ADD COLUMN mine int",
    "DROP TABLE compliance_auditseal",
    "DROP TRIGGER compliance_auditrow_no_change ON compliance_auditrow",
    "DROP FUNCTION agora_refuse_change() CASCADE",
    "CREATE INDEX mine ON compliance_auditrow (at)",
    "CREATE TRIGGER mine BEFORE INSERT ON compliance_auditrow EXECUTE FUNCTION agora_refuse_change()",
    "SET session_replication_role = replica",
    "SET ROLE agora",
    "COPY compliance_auditrow TO PROGRAM 'true'",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT setval('compliance_auditrow_id_seq', 1)",
    "SELECT rolpassword FROM pg_authid",
    "ALTER SYSTEM SET log_statement = 'none'",
]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("statement", FORBIDDEN)
def test_no_role_can_take_the_protection_away(
    connected: Callable[[str], Any], role: str, statement: str
) -> None:
    with connected(role) as database:
        # Who may only read in a transaction of its own choice could choose otherwise.
        database.execute("SET default_transaction_read_only = off")
        assert refused(database, statement)


def test_an_auditor_reads_and_writes_nothing(connected: Callable[[str], Any]) -> None:
    with connected(AUDITOR) as database:
        assert database.execute("SELECT count(*) FROM compliance_auditrow").fetchone() is not None
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            database.execute("CREATE TEMPORARY TABLE mine (id int)")
        assert refused(database, "SELECT data FROM mfa_authenticator")


@pytest.mark.parametrize(
    ("role", "statement", "idle"),
    [(WEB, "30s", "1min"), (WORKER, "2min", "1min"), (AUDITOR, "15min", "1min")],
)
def test_each_role_has_its_limits_of_time(
    connected: Callable[[str], Any], role: str, statement: str, idle: str
) -> None:
    with connected(role) as database:
        assert database.execute("SHOW statement_timeout").fetchone() == (statement,)
        told = database.execute("SHOW idle_in_transaction_session_timeout").fetchone()
        assert told == (idle,)


def test_the_printed_sql_is_what_is_applied(db: None) -> None:
    out = StringIO()

    call_command("database_roles", "--prefix", PREFIX, stdout=out)

    lines = out.getvalue().splitlines()
    assert (lines[0], lines[-1]) == ("BEGIN;", "COMMIT;")
    assert lines[1:-1] == [f"{sql};" for sql in database_roles.statements(prefix=PREFIX)]
    assert PASSWORD not in out.getvalue()


def test_applying_twice_changes_nothing_and_a_wrong_grant_is_named_and_mended(
    made_roles: None, db: None
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT DELETE ON compliance_auditrow TO {PREFIX}_web")

    with pytest.raises(CommandError, match="compliance_auditrow web: DELETE INSERT SELECT"):
        call_command("database_roles", "--check", "--prefix", PREFIX)
    for _turn in range(2):
        call_command("database_roles", "--apply", "--prefix", PREFIX, stdout=StringIO())
    call_command("database_roles", "--check", "--prefix", PREFIX, stdout=StringIO())


@pytest.mark.parametrize("prefix", ["a-b", 'a"; DROP', ""])
def test_a_prefix_that_is_no_name_is_refused(prefix: str) -> None:
    with pytest.raises(CommandError, match="The prefix"):
        call_command("database_roles", "--prefix", prefix)


def test_an_order_is_placed_by_the_web_and_settled_by_the_worker(
    acting_as: Callable[[str], Any], sandbox: SandboxControl, chain: Chain
) -> None:
    with acting_as(WEB):
        person = onboarded()
        order = place(person, quantity="0.25")
    with acting_as(WORKER):
        order = settle(order, chain=chain)
        audit.seal_all(now=timezone.now())
    assert order.state == State.MINT_CONFIRMED
    assert audit.verify().faults == []


def test_people_sign_up_sign_in_and_look_at_their_pages_as_the_web(
    acting_as: Callable[[str], Any],
) -> None:
    password = "a long phrase nobody guesses"
    with acting_as(WEB):
        client = Client()
        client.post(
            "/account/signup/",
            {"email": "new@example.com", "password1": password, "password2": password},
        )
        person = User.objects.get(email="new@example.com")
        client.force_login(person)
        for path in ("/", "/dashboard/", "/account/email/", "/market/"):
            assert client.get(path, follow=True).status_code in (200, 404)
        client.post("/account/logout/")
        token_store.issue_token(
            user=person, name="t", scopes=["read"], expires_at=None, now=timezone.now()
        )
        assert AuditRow.objects.filter(actor=f"user:{person.pk}").exists()


def test_officers_see_every_list_as_the_web(acting_as: Callable[[str], Any]) -> None:
    from django.contrib import admin

    officer = new_officer(is_superuser=True)
    with acting_as(WEB):
        client = Client()
        client.force_login(officer)
        for model in admin.site._registry:
            path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
            assert client.get(path).status_code in (200, 302, 403), path


@pytest.mark.parametrize("entry", sorted(django_settings.CELERY_BEAT_SCHEDULE))
def test_every_scheduled_task_runs_as_the_worker(
    acting_as: Callable[[str], Any],
    sandbox: SandboxControl,
    chain: Chain,
    settings: Any,
    tmp_path: Path,
    entry: str,
) -> None:
    settings.AUDIT_ANCHORS_DIR = str(tmp_path)
    new_user()
    task = settings.CELERY_BEAT_SCHEDULE[entry]["task"]
    with acting_as(WORKER):
        run_task(task)


def run_task(name: str) -> None:
    from agora.celery import app

    app.loader.import_default_modules()
    app.tasks[name].apply(throw=True)


def test_the_trail_is_sealed_anchored_and_cleaned_by_the_worker(
    acting_as: Callable[[str], Any], settings: Any, tmp_path: Path
) -> None:
    settings.AUDIT_ANCHORS_DIR, settings.AUDIT_ANCHORS_BUCKET = str(tmp_path), ""
    with acting_as(WEB):
        audit.record(
            actor="system:test",
            action="thing.done",
            object_type="thing",
            object_id="1",
            evidence={},
            now=timezone.now(),
        )
        with pytest.raises(Exception, match="permission denied for table compliance_auditseal"):
            audit.seal(now=timezone.now())
    with acting_as(WORKER):
        audit.seal_all(now=timezone.now())
        anchors.anchor(now=timezone.now())
        retention.run(now=timezone.now())
    with acting_as(AUDITOR):
        assert anchors.verify().faults == []


@pytest.mark.parametrize("kind", sorted(k.name for k in retention.KINDS.values() if k.model))
def test_every_kind_of_record_that_expires_is_removed_by_the_worker(
    acting_as: Callable[[str], Any], kind: str
) -> None:
    now = timezone.now()
    RetentionRule.objects.update_or_create(
        kind=kind, defaults={"days": 90, "legal_basis": "a test", "changed_at": now}
    )
    with acting_as(WORKER):
        (outcome,) = retention.run(now=now, kind=kind)
    assert outcome.rows == 0


@pytest.mark.parametrize(
    "table",
    [
        "compliance_reservesignature",
        "compliance_retentionrule",
        "tokens_attestation",
        "tokens_attestationwithdrawal",
        "trading_sale",
        "trading_salewithdrawal",
    ],
)
def test_what_only_approvals_write_the_worker_reads(
    connected: Callable[[str], Any], table: str
) -> None:
    with connected(WORKER) as database:
        database.execute(f"SELECT FROM {table} LIMIT 0")
        assert refused(database, f"INSERT INTO {table} SELECT * FROM {table} WHERE false")
        assert refused(database, f"SELECT FROM {table} LIMIT 0 FOR UPDATE")


def test_the_web_asks_for_a_proof_of_reserve_and_writes_nothing_of_it(
    acting_as: Callable[[str], Any], sandbox: SandboxControl, chain: Chain
) -> None:
    now = timezone.now()
    chain.mine(3)
    with acting_as(WEB):
        asked = snapshots.request(actor="user:officer", now=now)
        with pytest.raises(DatabaseError, match="asked for before it is built"):
            ReserveSnapshot.objects.create(state="READY", requested_by="x", requested_at=now)
        for change in (
            lambda: ReserveSnapshot.objects.filter(pk=asked.pk).update(symbol="X"),
            lambda: asked.rows.create(number=1, kind="unequal", is_break=True),
            lambda: ChainTransfer.objects.update(to_address="0x0"),
            lambda: LiabilityNonce.objects.update(user_id=asked.pk),
        ):
            with pytest.raises(DatabaseError, match="permission denied"):
                change()
    with acting_as(WORKER):
        snapshots.build(snapshot_id=asked.pk, now=now)
    asked.refresh_from_db()
    assert (asked.state, asked.last_error) == ("READY", "")


def test_a_persons_data_is_asked_for_by_the_web_and_erased_by_the_worker(
    acting_as: Callable[[str], Any], settings: Any
) -> None:
    now = timezone.now()
    with acting_as(WEB):
        person = onboarded()
        actor = audit.actor_of(person)
        token_store.issue_token(user=person, name="t", scopes=["read"], expires_at=None, now=now)
        export = exports.request(user=person, actor=actor, now=now)
        asked = erasure.request(user=person, actor=actor, now=now)
        with pytest.raises(DatabaseError, match="carried out by the worker"):
            ErasureRequest.objects.update(state=ErasureRequest.State.ERASED)
    with acting_as(WORKER):
        exports.step(export_id=export.pk, now=now)
        ErasureRequest.objects.filter(pk=asked.pk).update(next_attempt_at=now)
        erasure.step(request_id=asked.pk, now=now + timedelta(days=settings.ERASURE_UNDO_DAYS))
        asked.refresh_from_db()
    assert asked.state == ErasureRequest.State.CLOSED
