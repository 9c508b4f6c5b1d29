"""Kill switches: nothing at their level goes to an exchange while they are engaged (RISK-1).

Opens that come meanwhile are skipped and say so, closes wait. The engine reads the switches in the
transaction that commits the intent to send, so what is sent after `engage` has answered is nothing.
"""

import time
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from compliance import audit
from copytrade.models import Exchange, KillSwitch, Strategy, Subscription
from copytrade.selectors.switches import on_the_wire_under, open_legs_under

LONGEST_WAIT_SECONDS = 5.0
_LOOK_SECONDS = 0.05
OPERATOR = audit.system("operator")
Level = KillSwitch.Level
WIDE = frozenset({Level.PLATFORM, Level.EXCHANGE})  # what stops others is released by two people

log = structlog.get_logger(__name__)


class KillRefused(Exception):
    """A refusal: `code` for programs, `message` for people."""

    def __init__(self, code: str, message: "str | Promise") -> None:
        super().__init__(code)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Engaged:
    """The switch, and what was out when it took hold.

    `in_flight` orders were on the wire, `left` of them still are; `resting` stay open at the
    exchange until somebody cancels them there.
    """

    switch: KillSwitch
    is_new: bool
    in_flight: int
    left: int
    resting: int


def engage(
    *,
    level: str,
    exchange: str = "",
    strategy: Strategy | None = None,
    subscription: Subscription | None = None,
    reason: str,
    by: User | None,
    now: datetime,
) -> Engaged:
    """Engage a switch and wait for what is on the wire, at most LONGEST_WAIT_SECONDS.

    A second engage of the same finds the first; an officer's takes the place of the owner's, who
    may then no longer release it. `by` None is the operator at the server. Outside of transactions.
    Raises KillRefused (not_allowed, reason_missing, target_unknown).
    """
    _check_target(level=level, exchange=exchange, strategy=strategy, subscription=subscription)
    _check_person(by, strategy=strategy, subscription=subscription)
    reason = " ".join(reason.split())[:200]
    if not reason:
        raise KillRefused("reason_missing", _("Say why, in a few words."))
    wanted = KillSwitch(
        level=level,
        exchange=exchange,
        strategy=strategy,
        subscription=subscription,
        reason=reason,
        engaged_by=_actor(by),
        engaged_at=now,
    )
    switch, is_new = _store(wanted, by=by, now=now)
    in_flight, left = _wait(switch)
    return Engaged(switch, is_new, in_flight, left, open_legs_under(switch)["working"])


def _store(wanted: KillSwitch, *, by: User | None, now: datetime) -> tuple[KillSwitch, bool]:
    """The switch as it stands now, and whether it is this one."""
    try:
        with transaction.atomic():
            standing = _same(wanted).select_for_update().first()
            if standing is not None and not _takes_over(by, standing):
                return standing, False
            if standing is not None:
                _release(standing, actor=_actor(by), now=now)
            wanted.save(force_insert=True)
            _record(wanted, action="kill.engaged", actor=wanted.engaged_by, now=now)
    except IntegrityError:
        # Somebody else's came first; what is wanted is there.
        return _same(wanted).get(), False
    log.error("kill.engaged", level=wanted.level, switch=wanted.pk, by=wanted.engaged_by)
    return wanted, True


def release(*, switch_id: int, by: User | None, emergency: str = "", now: datetime) -> KillSwitch:
    """Let orders go out again: closes that waited are sent, opens come with the next signal.

    A repeat changes nothing. An owner, officer or not, releases what they engaged themself, officers
    any of others' strategies or subscriptions. Wider ones are released by two people
    (copytrade.decisions); the operator at the server (`by` None) may do so alone with a reason,
    `emergency`, which is told in log and trail.
    Raises KillSwitch.DoesNotExist also for strangers, and KillRefused (not_allowed, two_people).
    """
    with transaction.atomic():
        switch = KillSwitch.objects.select_for_update(of=("self",)).get(pk=switch_id)
        owned = _owns(by, switch)
        if not owned and not _is_officer(by):
            raise KillSwitch.DoesNotExist
        if owned and switch.engaged_by != _actor(by):
            raise KillRefused(
                "not_allowed",
                _(
                    "Agora engaged this switch: somebody of Agora whom it does not stop releases it."
                ),
            )
        is_wide = switch.level in WIDE
        alone = " ".join(emergency.split())[:200] if is_wide and by is None else ""
        if is_wide and not alone:
            raise KillRefused(
                "two_people", _("Two people release this switch: propose it on its page.")
            )
        if switch.released_at is None:
            _release(switch, actor=_actor(by), emergency=alone, now=now)
    return switch


def release_decided(*, switch_id: int, actor: str, now: datetime) -> KillSwitch:
    """Release what two people have decided to; in the transaction of their decision."""
    switch = KillSwitch.objects.select_for_update(of=("self",)).get(pk=switch_id)
    _release(switch, actor=actor, now=now)
    return switch


def _release(switch: KillSwitch, *, actor: str, emergency: str = "", now: datetime) -> None:
    switch.released_by, switch.released_at = actor, now
    switch.save(update_fields=["released_by", "released_at"])
    if emergency:
        told = {"emergency": emergency}
        _record(switch, action="kill.released_in_emergency", actor=actor, now=now, **told)
        log.error("kill.released_in_emergency", level=switch.level, switch=switch.pk)
        return
    _record(switch, action="kill.released", actor=actor, now=now)
    log.warning("kill.released", level=switch.level, switch=switch.pk, by=switch.released_by)


def _check_target(
    *,
    level: str,
    exchange: str,
    strategy: Strategy | None,
    subscription: Subscription | None,
) -> None:
    given = (bool(exchange), strategy is not None, subscription is not None)
    wanted: dict[str, tuple[bool, bool, bool]] = {
        Level.PLATFORM: (False, False, False),
        Level.EXCHANGE: (True, False, False),
        Level.STRATEGY: (False, True, False),
        Level.SUBSCRIPTION: (False, False, True),
    }
    if wanted.get(level) != given or (exchange and exchange not in Exchange.values):
        raise KillRefused("target_unknown", _("Name what the switch is to stop."))


def _check_person(
    by: User | None, *, strategy: Strategy | None, subscription: Subscription | None
) -> None:
    owner = strategy.master_id if strategy else subscription.follower_id if subscription else None
    if not _is_officer(by) and (by is None or owner != by.pk):
        raise KillRefused("not_allowed", _("You may not stop this."))


def _is_officer(by: User | None) -> bool:
    return by is None or by.has_perm("copytrade.change_killswitch")


def _owns(by: User | None, switch: KillSwitch) -> bool:
    if by is None:
        return False
    if switch.strategy is not None:
        return switch.strategy.master_id == by.pk
    return switch.subscription is not None and switch.subscription.follower_id == by.pk


def _takes_over(by: User | None, standing: KillSwitch) -> bool:
    """An officer's switch must not be released by the owner whose own was there before."""
    owner = standing.strategy.master if standing.strategy else None
    owner = standing.subscription.follower if standing.subscription else owner
    engaged_by_owner = owner is not None and standing.engaged_by == audit.actor_of(owner)
    return engaged_by_owner and _is_officer(by) and (by is None or by != owner)


def _same(wanted: KillSwitch) -> QuerySet[KillSwitch]:
    return KillSwitch.objects.filter(
        level=wanted.level,
        exchange=wanted.exchange,
        strategy=wanted.strategy,
        subscription=wanted.subscription,
        released_at__isnull=True,
    )


def _actor(by: User | None) -> str:
    return OPERATOR if by is None else audit.actor_of(by)


def _record(switch: KillSwitch, *, action: str, actor: str, now: datetime, **told: object) -> None:
    target = switch.strategy_id or switch.subscription_id or switch.exchange or switch.level
    audit.record(
        actor=actor,
        action=action,
        object_type="kill_switch",
        object_id=str(switch.pk),
        evidence={"level": switch.level, "target": str(target), "reason": switch.reason, **told},
        now=now,
    )


def _wait(switch: KillSwitch) -> tuple[int, int]:
    """Wait until nothing under the switch is being sent: how many were, and how many still are.

    A transaction that read the switches before this one was there may be about to commit its intent
    to send. It has an older transaction id than the one taken here, so once no older one runs,
    every such intent shows as SENDING. A master's own order reads them after its intent is committed.
    """
    mark, in_flight = _transaction_id(), 0
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while True:
        settled = _oldest_running() >= mark
        left = on_the_wire_under(switch)
        in_flight = max(in_flight, left)
        if (settled and not left) or time.monotonic() >= deadline:
            return in_flight, left
        time.sleep(_LOOK_SECONDS)


def _transaction_id() -> int:
    return _asked("SELECT pg_current_xact_id()::text::bigint")


def _oldest_running() -> int:
    """The oldest transaction that has written or locked something and has not ended."""
    return _asked("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")


def _asked(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.fetchone()[0])
