"""Looks at an installation part by part: does it answer, and is it the one that is meant?

Every check ends in plain words and, where it failed, in what to do. No secret is ever told.
"""

import socket
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from celery import current_app
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from redis import Redis, RedisError

from agora import database_roles, scheduled_work
from agora.audit_metrics import OLDEST_ANCHOR, anchor_ages
from agora.environment import LOCAL_HOSTS, TEST_HOSTS
from agora.lib import crypto
from agora.lib.outcome import OutsideError
from agora.scheduled_work import USUAL_QUEUE
from compliance.models import AuditAnchor
from copytrade.exchange import runner
from copytrade.exchange.credentials import credentials_of
from copytrade.models import ExchangeAccount
from copytrade.states import AccountState
from custody import vault
from kyc import conversion, scanning, storage
from kyc.screening import lists
from tokens import chain
from trading import broker

OLDEST_POSTGRES = 150000
MOST_SKEW = 2.0  # seconds; vendors refuse requests signed much further away from their time
MOST_WAITING = 1000  # tasks in a queue; sweeps add a few dozen a minute
_WORKERS_ANSWER = 1.0  # seconds that workers have to answer
LEAST_GAS_WEI = 10**15  # 0.001 ETH, some dozen mints on an L2
_FAILURES = (
    OutsideError,
    DatabaseError,
    RedisError,
    ImproperlyConfigured,
    crypto.Undecryptable,
    OSError,
    ValueError,
)


class Trouble(Exception):
    """What is wrong and, as the second argument, what to do about it."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Run all checks, one after the other; each stands on its own."""
    for name, check, remedy in _CHECKS:
        yield _examine(name, check, remedy)


def _examine(name: str, check: Callable[[], str], remedy: str) -> Finding:
    try:
        return Finding(name, ok=True, detail=check())
    except Trouble as trouble:
        return Finding(name, ok=False, detail=str(trouble.args[0]), remedy=str(trouble.args[1]))
    except _FAILURES as error:
        first_line = (str(error).splitlines() or [""])[0]
        return Finding(
            name, ok=False, detail=f"{type(error).__name__}: {first_line}", remedy=remedy
        )


def _settings() -> str:
    told = checks.run_checks(include_deployment_checks=settings.SITE_IS_HTTPS)
    wrong = [message for message in told if message.is_serious()]
    if wrong:
        raise Trouble(f"{wrong[0].msg} ({wrong[0].id})", wrong[0].hint or "Correct the setting.")
    needed = ("ALPACA_API_KEY", "ALPACA_API_SECRET", "FIREBLOCKS_API_KEY", "FIREBLOCKS_PRIVATE_KEY")
    unset = [name for name in needed if not getattr(settings, name)]
    if unset:
        raise Trouble(f"Not set: {', '.join(unset)}", "Set them, or NAME_FILE to a file's path.")
    return f"complete; DEBUG is {'on' if settings.DEBUG else 'off'}, site {settings.SITE_URL}"


def _field_keys() -> str:
    row = uuid.uuid4()
    sealed = crypto.encrypt("probe", table="doctor", column="probe", row=row)
    if crypto.decrypt(sealed, table="doctor", column="probe", row=row) != "probe":
        raise Trouble("A field did not decrypt to what was encrypted.", "Check FIELD_KEYS.")
    return "a field encrypts and decrypts"


def _database() -> str:
    connection.ensure_connection()
    version = connection.cursor().connection.info.server_version
    if version < OLDEST_POSTGRES:
        raise Trouble(f"PostgreSQL {version // 10000} is too old.", "Use PostgreSQL 15 or newer.")
    return f"PostgreSQL {version // 10000}.{version % 10000}"


def _migrations() -> str:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise Trouble(f"{len(missing)} not applied, first {missing[0][0]}.", "manage.py migrate")
    return f"all {len(executor.loader.applied_migrations or {})} applied"


def _redis() -> str:
    with Redis.from_url(
        settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, decode_responses=True
    ) as client:
        client.ping()
        information = client.info("server")
    version = information.get("valkey_version") or information["redis_version"]
    return f"{information.get('server_name', 'redis')} {version}"


def _workers() -> str:
    """Each queue has a worker that takes from it, and keeps up; in development, if tasks wait."""
    with Redis.from_url(
        settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, decode_responses=True
    ) as client:
        queues = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()} | {USUAL_QUEUE}
        waiting = {queue: int(client.llen(queue)) for queue in sorted(queues)}
    answers = current_app.control.inspect(timeout=_WORKERS_ANSWER).active_queues() or {}
    taken = {queue["name"] for answer in answers.values() for queue in answer}
    for queue, tasks in waiting.items():
        if queue not in taken and (tasks or not settings.DEBUG):
            raise Trouble(
                f"Queue {queue}: no worker answers that takes from it, and {tasks} tasks wait.",
                f"Start a worker for the queue {queue} (docs/runtime.md).",
            )
        if tasks > MOST_WAITING:
            raise Trouble(
                f"Queue {queue}: {tasks} waiting.", f"Start more workers for the queue {queue}."
            )
    told = [f"{queue}: {tasks} waiting" for queue, tasks in waiting.items() if queue in taken]
    return ", ".join(told) or "none runs, and nothing waits"


def _scheduled_work() -> str:
    """Each task of the schedule has ended well in time; in development beat need not run."""
    tasks = scheduled_work.tasks(now=timezone.now())
    overdue = [task for task in tasks if task.is_overdue]
    if overdue and settings.DEBUG:
        return f"{len(tasks)} scheduled tasks, {len(overdue)} overdue, as without beat"
    if overdue:
        worst = overdue[0]
        raise Trouble(
            f"{len(overdue)} scheduled tasks are overdue, most {worst.name}:"
            f" by {worst.late // timedelta(minutes=1)} minutes.",
            f"Look whether beat and the worker for the queue {worst.queue} run, then at its log.",
        )
    return f"{len(tasks)} scheduled tasks, none overdue"


def _database_role() -> str:
    """This process cannot take away what protects the trail, and each role has its grants."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, pg_has_role(tableowner, 'USAGE') FROM pg_tables"
            " WHERE schemaname = 'public' AND tablename = 'compliance_auditrow'"
        )
        user, owns = cursor.fetchone() or ("", False)
    if owns and settings.SITE_IS_HTTPS:
        raise Trouble(
            f"{user} owns the tables: it can switch off what protects the audit trail.",
            "Give this process the address of its own role (docs/database-roles.md).",
        )
    prefix, _line, role = user.rpartition("_")
    prefix = prefix if role in database_roles.ROLES else "agora"
    if not database_roles.exist(prefix=prefix):
        return f"{user}; no roles for web, worker and auditor"
    differences = database_roles.differences(prefix=prefix)
    if differences:
        raise Trouble(
            f"Grants differ ({len(differences)}), first {differences[0]}",
            "manage.py database_roles --apply, as the tables' owner",
        )
    return f"{user}; every grant of {prefix}_… is as it should be"


def _anchors() -> str:
    """The head of the audit trail was told to each place of the settings lately."""
    ages = anchor_ages(now=timezone.now())
    for place, age in ages.items():
        if age > OLDEST_ANCHOR:
            raise Trouble(
                f"The newest anchor in {place} is {age.days} days old.",
                "manage.py audit anchor says why (docs/audit-trail.md).",
            )
    known = set(AuditAnchor.objects.order_by().values_list("place", flat=True).distinct())
    told = [
        f"{place}: {age // timedelta(hours=1)} h old" if place in known else f"{place}: nothing yet"
        for place, age in ages.items()
    ]
    return ", ".join(told) or "NO PLACE is set up (AUDIT_ANCHORS_DIR, AUDIT_ANCHORS_BUCKET)"


def _chain_id() -> str:
    found = chain.chain_id()
    if found != settings.CHAIN_ID:
        raise Trouble(
            f"The node serves chain {found}, the setting CHAIN_ID says {settings.CHAIN_ID}.",
            "Correct CHAIN_RPC_URL or CHAIN_ID: a mint must never go to another chain.",
        )
    return f"chain {found}, block {chain.block_number()}"


def _contract() -> str:
    if not chain.has_code():
        raise Trouble(
            f"No contract stands at {settings.CONTRACT_ADDRESS}.",
            "Correct CONTRACT_ADDRESS, or run manage.py deploy_contract.",
        )
    return f"code at {settings.CONTRACT_ADDRESS}"


def _minter() -> str:
    address = vault.minter_address()
    if not chain.is_minter(address):
        raise Trouble(f"{address} lacks MINTER_ROLE.", "Grant it the role as the contract's admin.")
    wei = chain.balance_wei(address)
    if wei < LEAST_GAS_WEI:
        raise Trouble(f"{address} has only {wei} wei for gas.", "Send it at least 0.001 ETH.")
    return f"{address} may mint and has {wei / 10**18:.4f} ETH for gas"


def _alpaca() -> str:
    status = broker.account_status()
    if status != "ACTIVE":
        raise Trouble(f"The account is {status or 'unknown'}.", "Ask Alpaca, or use another key.")
    return f"account {status}, {_side('ALPACA_BASE_URL')}"


def _fireblocks() -> str:
    address = vault.minter_address()
    side = _side("FIREBLOCKS_BASE_URL")
    return f"vault account {settings.FIREBLOCKS_MINTER_VAULT} is {address}, {side}"


def _side(name: str) -> str:
    """Which side of a vendor the setting points at."""
    host = urlsplit(getattr(settings, name)).hostname or ""
    if host in LOCAL_HOSTS:
        return "Agora's own sandbox"
    if host in TEST_HOSTS[name]:
        return f"the vendor's test side ({host})"
    return f"REAL MONEY ({host}, allowed by LIVE_VENDORS)"


def _exchange() -> str:
    """The exchange's address and clock; its keys are people's, so none is tried here."""
    before = timezone.now()
    told = runner.run(runner.venue().server_time(), timeout=settings.VENDOR_READ_TIMEOUT + 2)
    apart = _skew(before, told, timezone.now())
    return f"{_side('BINANCE_BASE_URL')}, clocks {apart}"


def _exchange_keys() -> str:
    """People's keys can be opened with the field keys of today; none is shown or sent anywhere."""
    kept = ExchangeAccount.objects.exclude(state=AccountState.REMOVED)
    newest = kept.order_by("created_at").last()
    if newest is None:
        return "none stored"
    credentials_of(newest)
    return f"{kept.count()} stored, the newest decrypts"


def _clock_of_database() -> str:
    with connection.cursor() as cursor:
        before = timezone.now()
        cursor.execute("SELECT clock_timestamp()")
        told: datetime = cursor.fetchone()[0]
    return _skew(before, told, timezone.now())


def _clock_of_alpaca() -> str:
    before = timezone.now()
    told = broker.clock().now
    return _skew(before, told, timezone.now())


def _skew(before: datetime, told: datetime, after: datetime) -> str:
    """The distance of a clock that was read between two looks at ours."""
    behind = max((before - told).total_seconds(), (told - after).total_seconds(), 0.0)
    if behind > MOST_SKEW:
        raise Trouble(f"{behind:.1f} s apart on {socket.gethostname()}.", "Synchronise the clock.")
    return f"{behind:.1f} s apart"


def _sanctions_lists() -> str:
    loads = list(lists.active().order_by("name"))
    if not loads and settings.SCREENING_REQUIRED:
        raise Trouble(
            "No list is loaded: nobody is approved automatically.",
            "manage.py screening import FILE (docs/screening.md).",
        )
    if not loads:
        return "NONE LOADED: nobody is looked up (SCREENING_REQUIRED is off; docs/screening.md)"
    told = [
        f"{load.name}: {load.entries_count} persons of {load.loaded_at:%Y-%m-%d}" for load in loads
    ]
    return ", ".join(told)


def _documents() -> str:
    """Something is written, read back and removed where documents lie."""
    place, key = storage.store(), storage.new_key()
    place.write(key, b"probe")
    try:
        if place.read(key) != b"probe":
            raise Trouble("What was read is not what was written.", "Look at the storage.")
    except storage.Gone as error:
        raise Trouble("What was written is not there.", "Look at the storage.") from error
    finally:
        place.delete(key)
    bucket = settings.DOCUMENTS_S3_BUCKET
    return f"bucket {bucket}" if bucket else f"folder {settings.DOCUMENTS_DIR}"


def _document_drawing() -> str:
    if conversion.is_filtered():
        return "in a process without files, connections and needless system calls"
    return "in a process without files and connections; NO FILTER of system calls on this machine"


def _virus_scanner() -> str:
    if not settings.CLAMD_ADDRESS:
        return "NONE CONFIGURED: files are not scanned (CLAMD_ADDRESS)"
    answer = scanning.ask(b"PING")
    if answer != "PONG":
        raise Trouble("The scanner answers something else than PONG.", "Look at clamd.")
    return f"clamd answers at {settings.CLAMD_ADDRESS}"


_CHECKS: tuple[tuple[str, Callable[[], str], str], ...] = (
    ("settings", _settings, "Correct the settings (docs/settings.md)."),
    ("field keys", _field_keys, "Check FIELD_KEYS: id:base64 of 32 bytes."),
    ("database", _database, "Start PostgreSQL, or correct DATABASE_URL."),
    ("migrations", _migrations, "manage.py migrate"),
    ("database role", _database_role, "See docs/database-roles.md."),
    ("broker", _redis, "Start Valkey or Redis, or correct REDIS_URL."),
    ("workers", _workers, "Start Valkey or Redis, or correct REDIS_URL."),
    ("scheduled work", _scheduled_work, "Start Valkey or Redis, or correct REDIS_URL."),
    ("anchors", _anchors, "manage.py audit anchor"),
    ("chain", _chain_id, "Correct CHAIN_RPC_URL, or start the node."),
    ("contract", _contract, "Correct CONTRACT_ADDRESS, or run manage.py deploy_contract."),
    ("minter", _minter, "Correct FIREBLOCKS_MINTER_VAULT."),
    ("Alpaca", _alpaca, "Check ALPACA_BASE_URL, ALPACA_API_KEY and ALPACA_API_SECRET."),
    ("Fireblocks", _fireblocks, "Check FIREBLOCKS_BASE_URL, _API_KEY and _PRIVATE_KEY."),
    ("exchange", _exchange, "Check BINANCE_BASE_URL, and that this machine may reach it."),
    ("sanctions lists", _sanctions_lists, "manage.py screening import FILE (docs/screening.md)."),
    ("documents", _documents, "Check DOCUMENTS_DIR, or DOCUMENTS_S3_* (docs/kyc-documents.md)."),
    ("document drawing", _document_drawing, "Run manage.py doctor as the web's user."),
    ("virus scanner", _virus_scanner, "Start clamd, or correct CLAMD_ADDRESS."),
    ("exchange keys", _exchange_keys, "Give FIELD_KEYS also the keys that were used before."),
    ("clock, database", _clock_of_database, "Synchronise the clocks."),
    ("clock, Alpaca", _clock_of_alpaca, "Check ALPACA_BASE_URL, then the clock."),
)
