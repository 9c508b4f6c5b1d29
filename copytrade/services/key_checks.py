"""The daily check of every exchange key: one that cannot be used safely pauses its account (SUB-1)."""

import uuid
from contextlib import suppress
from datetime import datetime

import structlog
from django.conf import settings
from django.db import transaction

from agora.lib import work
from agora.lib.crypto import Undecryptable
from agora.lib.failpoints import failpoint
from agora.lib.work import Lease, LeaseLost
from copytrade.models import ExchangeAccount
from copytrade.replication import pausing
from copytrade.services import keys
from copytrade.services.accounts import CHECK_EVERY
from copytrade.services.keys import Examined, KeyRefused
from copytrade.states import AccountState

CHECK_TASK = "copytrade.tasks.check_exchange_account"

log = structlog.get_logger(__name__)


def check(*, account_id: uuid.UUID, now: datetime) -> ExchangeAccount | None:
    """Ask the exchange what the key may do today; the account, None when it is not due.

    Never raises for a failure of the exchange: it is due again later. Paused accounts are checked
    too, but only their owner resumes them.
    """
    lease = work.claim(ExchangeAccount, pk=account_id)
    if lease is None:
        return None
    with structlog.contextvars.bound_contextvars(account_id=str(account_id)), suppress(LeaseLost):
        _check(lease, now=now)
    return lease.row


def _check(lease: Lease[ExchangeAccount], *, now: datetime) -> None:
    account = lease.row
    if account.state == AccountState.REMOVED:
        lease.release(again_at=None)
        return
    try:
        examined = keys.examine_stored(account)
    except Undecryptable:
        work.park(lease, error="The sealed key cannot be opened.")
        log.error("exchange_account.needs_attention", error="undecryptable")
        return
    except KeyRefused as refusal:
        if refusal.code == "exchange_unavailable":
            _later(lease, now=now)
        else:
            _refused(lease, reason=refusal.code, now=now)
        return
    failpoint("exchange_account.checked", key=account.pk)
    _passed(lease, examined, now=now)


def _passed(lease: Lease[ExchangeAccount], examined: Examined, *, now: datetime) -> None:
    rights = examined.rights
    # A paused account passes the check of the database with any rights; an active one has these.
    lease.release(
        again_at=now + CHECK_EVERY,
        checked_at=now,
        attention=False,
        can_trade=rights.can_trade,
        can_withdraw=rights.can_withdraw,
        ip_restricted=rights.ip_restricted,
    )
    log.info("exchange_account.checked")


def _refused(lease: Lease[ExchangeAccount], *, reason: str, now: datetime) -> None:
    with transaction.atomic():
        lease.write(checked_at=now)  # first, so that a key replaced meanwhile is not paused
        pausing.pause(account=lease.row, reason=reason, now=now)
        lease.release(again_at=now + CHECK_EVERY, **_RIGHTS.get(reason, {}))
    log.warning("exchange_account.refused", reason=reason)


_RIGHTS = {
    "key_no_permission": {"can_trade": False},
    keys.KEY_CAN_WITHDRAW: {"can_withdraw": True},
}


def _later(lease: Lease[ExchangeAccount], *, now: datetime) -> None:
    """Due again soon, for as long as it takes; after many tries it is shown as needing attention."""
    often = lease.row.attempts >= settings.WORK_MAX_ATTEMPTS
    lease.write(
        lease_token=None,
        lease_until=None,
        next_attempt_at=now + work.backoff(attempts=lease.row.attempts),
        last_error="exchange_unavailable",
        attention=often,
    )
    if often:
        log.error("exchange_account.needs_attention", error="exchange_unavailable")
