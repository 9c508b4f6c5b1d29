"""Erasing a person: asked for, undone within days, carried out by a worker (LGPD art. 16 and 18 VI).

At once goes what no law keeps; name, tax id and documents become unreadable when their retention is
over, by destroying the person's key. Orders, ledger and audit trail stay under an opaque id.
"""

import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from accounts import erasure as accounts
from accounts import notices
from accounts.models import Notice, User
from agora.lib import crypto, work
from agora.lib.catalog import Text
from agora.lib.failpoints import failpoint
from agora.lib.outcome import OutsideError
from agora.lib.work import Lease, LeaseLost
from compliance import audit, four_eyes, ownership
from compliance.models import (
    DataExport,
    DataExportPart,
    ErasureRequest,
    LiabilityNonce,
    RetentionRule,
)
from compliance.personal_data import obstacles
from compliance.personal_data.obstacles import Obstacle
from compliance.trail import usage
from copytrade.models import ExchangeAccount, Strategy
from kyc import erasure as kyc
from trading.models import Order

CARRY_OUT_TASK = "compliance.tasks.carry_out_erasure"
RETENTION = "identity"
# Without a rule of its own nothing is forgotten earlier than this.
DEFAULT_DAYS = 3653
LOOK_AGAIN = timedelta(days=1)
LONGEST_REASON = 1000
_ACTOR = audit.system("personal_data")

MESSAGES: dict[str, Text] = {
    "asked_before": _("The erasure of this account has been asked for already."),
    "unknown": _("Agora cannot read your wallet's balance just now. Try again in a few minutes."),
    "too_late": _("There is nothing to undo: the account has been closed, or you undid it before."),
    "reason_missing": _("Say why: the person reads it."),
}

log = structlog.get_logger(__name__)


class ErasureRefused(Exception):
    """Nothing was changed; `message` says why. Codes: `obstacles` (the first one's), keys of MESSAGES."""

    def __init__(self, code: str, found: Sequence[Obstacle] = ()) -> None:
        super().__init__(code)
        self.code = code
        self.message = found[0].message if found else MESSAGES[code]
        self.obstacles = found


def standing(user: User, *, gives_up_tokens: bool = False) -> list[Obstacle]:
    """What has to be wound up first; asks the chain, unless the user gives up what they hold there.

    Raises ErasureRefused (unknown).
    """
    found = obstacles.in_database(user)
    try:
        return found if gives_up_tokens else found + obstacles.on_chain(user)
    except OutsideError as error:
        raise ErasureRefused("unknown") from error


def request(
    *, user: User, actor: str, gives_up_tokens: bool = False, now: datetime
) -> ErasureRequest:
    """Ask for the erasure of the user's data; until settings.ERASURE_UNDO_DAYS are over it can be undone.

    Tokens in a wallet of theirs stand against it unless the user themselves gives them up, such as
    when its key is lost. Raises ErasureRefused: asked_before, obstacles, unknown. Locks nothing.
    """
    found = standing(user, gives_up_tokens=gives_up_tokens)
    if found:
        raise ErasureRefused("obstacles", found)
    after = now + timedelta(days=settings.ERASURE_UNDO_DAYS)
    asked = ErasureRequest(
        user_id=user.pk,
        requested_by=actor,
        requested_at=now,
        gives_up_tokens=gives_up_tokens,
        execute_after=after,
        next_attempt_at=after,
    )
    try:
        with transaction.atomic():
            asked.save(force_insert=True)
            _record(asked, "requested", actor=actor, now=now, gives_up_tokens=gives_up_tokens)
            _tell_requested(user, asked, now=now)
    except IntegrityError as error:
        raise ErasureRefused("asked_before") from error
    return asked


def withdraw(*, user_id: uuid.UUID, actor: str, reason: str = "", now: datetime) -> ErasureRequest:
    """Undo a request that has not been carried out. Locks it.

    By anybody but the person it takes a reason, at most LONGEST_REASON characters, which they are told;
    the trail holds a keyed digest of it. Raises ErasureRefused: too_late, reason_missing.
    """
    by_person, reason = actor == f"user:{user_id}", reason.strip()[:LONGEST_REASON]
    if not by_person and not reason:
        raise ErasureRefused("reason_missing")
    with transaction.atomic():
        asked = (
            ErasureRequest.objects.select_for_update()
            .filter(user_id=user_id, state=ErasureRequest.State.REQUESTED)
            .first()
        )
        if asked is None:
            raise ErasureRefused("too_late")
        asked.state, asked.withdrawn_at = ErasureRequest.State.WITHDRAWN, now
        # A worker that is just carrying it out loses its lease with this, and undoes what it did.
        asked.next_attempt_at = asked.lease_token = asked.lease_until = None
        asked.attention = False
        asked.save()
        digest = crypto.blind_index(f"{asked.pk}\0{reason}", purpose="erasure").hex()
        _record(asked, "withdrawn", actor=actor, now=now, reason_digest="" if by_person else digest)
        if not by_person:
            _tell_withdrawn(asked, reason, now=now)
    return asked


def try_again(*, waiting: ErasureRequest, actor: str, now: datetime) -> bool:
    """Make a request that waits for a person due again, its days as before; False for any other.

    Locks nothing.
    """
    with transaction.atomic():
        if not work.revive(ErasureRequest.objects.filter(pk=waiting.pk), now=now):
            return False
        _record(waiting, "tried_again", actor=actor, now=now)
        work.nudge_after_commit(CARRY_OUT_TASK, pk=waiting.pk)
    waiting.refresh_from_db()
    return True


def of_user(user_id: uuid.UUID) -> ErasureRequest | None:
    """The request that stands, if there is one."""
    asked = ErasureRequest.objects.filter(user_id=user_id)
    return asked.exclude(state=ErasureRequest.State.WITHDRAWN).first()


def retention_days() -> int:
    """Days for which the law has Agora keep who somebody is, counted from the end of the account."""
    rule = RetentionRule.objects.filter(kind=RETENTION).first()
    return rule.days if rule else DEFAULT_DAYS


def step(*, request_id: uuid.UUID, now: datetime) -> ErasureRequest | None:
    """Do what is due of a request: close the account, or forget who it was. None when nothing is."""
    lease = work.claim(ErasureRequest, pk=request_id)
    if lease is None:
        return None
    with structlog.contextvars.bound_contextvars(erasure_id=str(request_id)), suppress(LeaseLost):
        if work.worn_out(lease.row):
            work.park(lease, error=work.WORKER_DIED)
            log.error("erasure.needs_attention", error=work.WORKER_DIED)
        else:
            _do_what_is_due(lease, now=now)
    return lease.row


def _do_what_is_due(lease: Lease[ErasureRequest], *, now: datetime) -> None:
    """What cannot be undone goes by the request's own times, not only by those of the queue."""
    asked = lease.row
    if asked.state == ErasureRequest.State.REQUESTED and now < asked.execute_after:
        lease.release(again_at=asked.execute_after)
    elif asked.state == ErasureRequest.State.REQUESTED:
        _close(lease, now=now)
    elif asked.keep_until is None or asked.state != ErasureRequest.State.CLOSED:
        lease.release(again_at=None)
    elif now < asked.keep_until:
        lease.release(again_at=asked.keep_until)
    else:
        _forget(lease, now=now)


def _close(lease: Lease[ErasureRequest], *, now: datetime) -> None:
    user = User.objects.get(pk=lease.row.user_id)
    # An order that ends after the chain was asked would be in neither look: so there is one before.
    before, orders = obstacles.in_database(user), Order.objects.filter(user=user).count()
    try:
        held = [] if lease.row.gives_up_tokens else obstacles.on_chain(user)
    except OutsideError as error:
        if not work.retry_later(lease, error=error.message, wait=None, now=now):
            log.error("erasure.needs_attention", error=error.message)
        return
    with transaction.atomic():
        # First the locks, then the look: what was under way is there by now, nothing new comes.
        kyc.hold(user=user)
        accounts.hold(user=user)
        found = list(dict.fromkeys([*before, *held, *obstacles.in_database(user)]))
        if found:
            _wait(lease, user, found, now=now)
        elif Order.objects.filter(user=user).count() != orders:
            # One came and ended since: ask the chain again.
            lease.release(again_at=now)
        else:
            _close_account(lease, user, now=now)
            failpoint("erasure.before_commit", key=lease.row.pk)
    failpoint("erasure.after_commit", key=lease.row.pk)


def _close_account(lease: Lease[ErasureRequest], user: User, *, now: datetime) -> None:
    keeps = kyc.has_records(user)
    kyc.close(user=user, now=now)
    four_eyes.lapse(object_type="user", object_id=user.pk, now=now)
    _forget_copies(user.pk)
    ExchangeAccount.objects.filter(user=user).update(label=accounts.ERASED_NAME, key_hint="")
    Strategy.objects.filter(master=user).update(description="")
    State = ErasureRequest.State  # noqa: N806
    until = now + timedelta(days=retention_days()) if keeps else None
    lease.release(
        again_at=until,
        state=State.CLOSED if keeps else State.ERASED,
        obstacles=[],
        closed_at=now,
        keep_until=until,
        erased_at=None if keeps else now,
    )
    if not keeps:
        _destroy(user.pk, now=now)
    with usage.erasing(user_id=user.pk, now=now):
        accounts.close(user=user, now=now)
    _record(lease.row, "closed" if keeps else "erased", actor=_ACTOR, now=now)


def _forget(lease: Lease[ErasureRequest], *, now: datetime) -> None:
    with transaction.atomic():
        lease.release(again_at=None, state=ErasureRequest.State.ERASED, erased_at=now)
        _destroy(lease.row.user_id, now=now)
        _record(lease.row, "erased", actor=_ACTOR, now=now)
        failpoint("erasure.before_commit", key=lease.row.pk)


def _destroy(user_id: uuid.UUID, *, now: datetime) -> None:
    """Forget who it was; the request says that they are erased already."""
    # A build may know the person as owner still: its nonces are written before this, or without them.
    ownership.hold_nonces()
    kyc.forget(user_id=user_id, now=now)
    four_eyes.forget(subject_id=user_id)
    LiabilityNonce.objects.filter(ownership.nonces_of(user_id)).delete()
    _forget_copies(user_id)


def _forget_copies(user_id: uuid.UUID) -> None:
    copies = DataExport.objects.filter(user_id=user_id)
    DataExportPart.objects.filter(export__in=copies).delete()
    copies.update(
        state=DataExport.State.EXPIRED,
        next_attempt_at=None,
        lease_token=None,
        lease_until=None,
        attention=False,
    )


def _wait(
    lease: Lease[ErasureRequest], user: User, found: list[Obstacle], *, now: datetime
) -> None:
    """Look again tomorrow, and tell the person once what stands against it."""
    codes = [obstacle.code for obstacle in found]
    lease.release(again_at=now + LOOK_AGAIN, obstacles=codes)
    notices.notify(
        user=user,
        kind="erasure_waits",
        subject=gettext_noop("Your data cannot be erased yet"),
        body=gettext_noop(
            "Something has to be wound up before your account can be closed. The page on your data "
            "says what. Agora looks again every day."
        ),
        params={},
        url=reverse("erasure"),
        level=Notice.Level.WARNING,
        dedupe_key=f"erasure:{lease.row.pk}:{','.join(codes)}",
        now=now,
    )


def _tell_requested(user: User, asked: ErasureRequest, *, now: datetime) -> None:
    notices.notify(
        user=user,
        kind="erasure_requested",
        subject=gettext_noop("Your account will be closed and your data erased"),
        body=gettext_noop(
            "This was asked for just now. On %(day)s (UTC) your account is closed, and no further "
            "message follows. Until then you can undo it. If it was not you, undo it and change your "
            "password at once."
        ),
        params={"day": f"{asked.execute_after:%Y-%m-%d %H:%M}"},
        url=reverse("erasure"),
        level=Notice.Level.ALERT,
        now=now,
    )


def _tell_withdrawn(asked: ErasureRequest, reason: str, *, now: datetime) -> None:
    notices.notify(
        user=User.objects.get(pk=asked.user_id),
        kind="erasure_withdrawn",
        subject=gettext_noop("Your account stays, and nothing is erased"),
        body=gettext_noop(
            "Agora undid the request to erase your data: %(reason)s If you want it erased, ask for it "
            "again."
        ),
        params={"reason": reason if reason[-1] in ".!?" else f"{reason}."},
        url=reverse("erasure"),
        level=Notice.Level.WARNING,
        now=now,
    )


def _record(asked: ErasureRequest, what: str, *, actor: str, now: datetime, **more: object) -> None:
    audit.record(
        actor=actor,
        action=f"erasure.{what}",
        object_type="user",
        object_id=str(asked.user_id),
        evidence={
            "request": str(asked.pk),
            "execute_after": asked.execute_after.isoformat(),
            "keep_until": asked.keep_until.isoformat() if asked.keep_until else None,
            **more,
        },
        now=now,
    )
