"""What each process may do in the database (ASVS 13.2.2, ADR 0015, docs/database-roles.md).

Four roles: the owner migrates and owns everything; `web` and `worker` read and write what their part
of the work needs; `auditor` reads. Nothing that must not change can be changed by a process that
faces people, whatever it is made to run: the triggers that refuse it belong to the owner.

The table below is the whole policy. A table it does not name may be read, added to and changed by
both, and its rows removed by neither.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from django.db import connection

WEB, WORKER, AUDITOR = "web", "worker", "auditor"
ROLES = (WEB, WORKER, AUDITOR)
_USUAL = frozenset({"SELECT", "INSERT", "UPDATE"})
_APPEND = frozenset({"SELECT", "INSERT"})
_READ = frozenset({"SELECT"})
_NOTHING: frozenset[str] = frozenset()

# What was written stays as it was written; triggers refuse changes to the owner, too.
APPEND_ONLY = {
    "compliance_auditanchor",
    "compliance_auditrow",
    "compliance_auditseal",
    "compliance_liabilitychunk",
    "compliance_liabilityleaf",
    "compliance_liabilitytree",
    "compliance_reserverow",
    "compliance_reservesignature",
    "compliance_reservesource",
    "copytrade_fill",
    "copytrade_ledgerentry",
    "copytrade_ledgerproof",
    "kyc_caseevent",
    "kyc_consenttext",
    "kyc_documentview",
    "tokens_attestation",
    "tokens_attestationwithdrawal",
    "trading_repayment",
    "trading_sale",
    "trading_salewithdrawal",
}
# Written by the worker only: the web cannot chain the trail, or tell what the chain holds and whose
# it is.
WEB_READS = {
    "compliance_auditanchor",
    "compliance_auditseal",
    "compliance_chaincheckpoint",
    "compliance_chainmint",
    "compliance_chaintransfer",
    "compliance_liabilitychunk",
    "compliance_liabilityleaf",
    "compliance_liabilitynonce",
    "compliance_liabilitytree",
    "compliance_reserverow",
    "compliance_reservesource",
    "django_celery_beat_clockedschedule",
    "django_celery_beat_crontabschedule",
    "django_celery_beat_intervalschedule",
    "django_celery_beat_periodictask",
    "django_celery_beat_periodictasks",
    "django_celery_beat_solarschedule",
}
# Asked for by the web, filled in by the worker; a trigger refuses one that is not asked for first.
WEB_ADDS = {"compliance_reservesnapshot"}
# Written by people who sign in, through the web only; some of it by nothing but their approvals.
WORKER_READS = {
    "account_emailaddress",
    "account_emailconfirmation",
    "accounts_user_groups",
    "accounts_user_user_permissions",
    "compliance_reservesignature",
    "compliance_retentionrule",
    "django_admin_log",
    "django_session",
    "mfa_authenticator",
    "socialaccount_socialaccount",
    "socialaccount_socialapp",
    "socialaccount_socialtoken",
    "tokens_attestation",
    "tokens_attestationwithdrawal",
    "trading_repayment",
    "trading_sale",
    "trading_salewithdrawal",
    "usersessions_usersession",
}
# Written by migrations only.
BOTH_READ = {
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "django_content_type",
    "django_migrations",
}
# Rows that people and their sessions remove, and erasure.
WEB_REMOVES = {
    "account_emailaddress",
    "account_emailconfirmation",
    "accounts_addressentry",
    "accounts_user_groups",
    "accounts_user_user_permissions",
    "accounts_wallet",
    "django_session",
    "kyc_casecheck",
    "kyc_documentpage",
    "kyc_screeningentry",
    "mfa_authenticator",
    "socialaccount_socialaccount",
    "socialaccount_socialtoken",
    "usersessions_usersession",
}
# And what expires, or is computed anew.
WORKER_REMOVES = WEB_REMOVES | {
    "accounts_apitoken",
    "accounts_notice",
    "accounts_tokenuse",
    "accounts_walletproof",
    "compliance_chaincheckpoint",
    "compliance_chainmint",
    "compliance_chaintransfer",
    "compliance_dataexport",
    "compliance_dataexportpart",
    "compliance_liabilitychunk",
    "compliance_liabilityleaf",
    "compliance_liabilitynonce",
    "compliance_liabilitytree",
    "copytrade_navpoint",
    "django_celery_beat_clockedschedule",
    "django_celery_beat_crontabschedule",
    "django_celery_beat_intervalschedule",
    "django_celery_beat_periodictask",
    "django_celery_beat_solarschedule",
    "lib_idempotencykey",
    "tokens_freenonce",
}
# Nothing for an auditor: what opens an account or passes for somebody (a session's key is its
# cookie), sealed or not, and who people are. Every other column that sounds like a secret has its
# reason in tests/database/test_auditor_secrets.py.
AUDITOR_NEVER = {
    "account_emailaddress",
    "account_emailconfirmation",
    "accounts_apitoken",
    "accounts_personkey",
    "accounts_user",
    "compliance_dataexportpart",
    "copytrade_exchangeaccount",
    "django_session",
    "lib_idempotencykey",
    "mfa_authenticator",
    "socialaccount_socialaccount",
    "socialaccount_socialapp",
    "socialaccount_socialtoken",
    "usersessions_usersession",
}

# Longest statement, longest idle transaction, longest wait for a lock. Agora's own connections set
# shorter ones; these hold for whatever else signs in with the role.
_LIMITS: Mapping[str, Mapping[str, str]] = {
    WEB: {
        "statement_timeout": "30s",
        "idle_in_transaction_session_timeout": "60s",
        "lock_timeout": "5s",
    },
    WORKER: {
        "statement_timeout": "120s",
        "idle_in_transaction_session_timeout": "60s",
        "lock_timeout": "5s",
    },
    AUDITOR: {
        "statement_timeout": "15min",
        "idle_in_transaction_session_timeout": "60s",
        "lock_timeout": "1s",
        "default_transaction_read_only": "on",
    },
}


@dataclass(frozen=True)
class Grant:
    """What a role may do with a table."""

    table: str
    role: str
    privileges: frozenset[str]

    def line(self) -> str:
        return f"{self.table} {self.role}: {' '.join(sorted(self.privileges)) or '–'}"


def grants(tables: Iterable[str]) -> list[Grant]:
    """The policy for these tables, by table and role."""
    return [
        Grant(table, role, _privileges(table, role)) for table in sorted(tables) for role in ROLES
    ]


def _privileges(table: str, role: str) -> frozenset[str]:
    if role == AUDITOR:
        return _NOTHING if table in AUDITOR_NEVER else _READ
    reads, removes = (WEB_READS, WEB_REMOVES) if role == WEB else (WORKER_READS, WORKER_REMOVES)
    adds = APPEND_ONLY | WEB_ADDS if role == WEB else APPEND_ONLY
    held = _APPEND if table in adds else _USUAL
    if table in reads | BOTH_READ:
        held = _READ
    return held | {"DELETE"} if table in removes else held


def tables() -> list[str]:
    """Every table of the connected database's public schema."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return [name for (name,) in cursor.fetchall()]


def statements(*, prefix: str) -> Iterator[str]:
    """SQL that makes the roles and their grants what the policy says; harmless when repeated.

    Roles are named `prefix_web` and so on. Run by the owner of the tables, who may create roles.
    """
    quote = connection.ops.quote_name
    database = quote(str(connection.settings_dict["NAME"]))
    yield f"REVOKE ALL ON DATABASE {database} FROM PUBLIC"
    yield "REVOKE ALL ON SCHEMA public FROM PUBLIC"
    for role in ROLES:
        name = quote(f"{prefix}_{role}")
        yield (
            f"DO $$ BEGIN CREATE ROLE {name} LOGIN;"
            " EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        for setting, value in _LIMITS[role].items():
            yield f"ALTER ROLE {name} IN DATABASE {database} SET {setting} = '{value}'"
        yield f"GRANT CONNECT ON DATABASE {database} TO {name}"
        yield f"GRANT USAGE ON SCHEMA public TO {name}"
        yield f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {name}"
        yield f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {name}"
        if role != AUDITOR:
            yield f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name}"
    for grant in grants(tables()):
        if grant.privileges:
            name = quote(f"{prefix}_{grant.role}")
            held = ", ".join(sorted(grant.privileges))
            yield f"GRANT {held} ON {quote(grant.table)} TO {name}"


def exist(*, prefix: str) -> bool:
    """Whether any of the roles was made."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = ANY(%s))",
            [[f"{prefix}_{role}" for role in ROLES]],
        )
        return bool(cursor.fetchone()[0])


def differences(*, prefix: str) -> list[str]:
    """Where the database's own grants are not what the policy says; empty when all is well."""
    found: dict[tuple[str, str], set[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.tablename, r.rolname, p.name FROM pg_tables t, pg_roles r,"
            " unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES',"
            " 'TRIGGER']) AS p (name)"
            " WHERE t.schemaname = 'public' AND r.rolname = ANY(%s)"
            " AND has_table_privilege(r.oid, format('%%I.%%I', t.schemaname, t.tablename), p.name)",
            [[f"{prefix}_{role}" for role in ROLES]],
        )
        for table, role, privilege in cursor.fetchall():
            found.setdefault((table, role), set()).add(privilege)
    return [
        f"{Grant(grant.table, grant.role, frozenset(held)).line()} (wanted: {grant.line()})"
        for grant in grants(tables())
        if (held := found.get((grant.table, f"{prefix}_{grant.role}"), set())) != grant.privileges
    ]
