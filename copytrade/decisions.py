"""What kept everybody safe is undone by two people (RISK-1): a switch released, a limit widened.

Stopping, and narrowing a limit, takes one.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from agora.lib.catalog import Text
from agora.lib.money import plain
from compliance import four_eyes
from compliance.four_eyes import Kind, Refused
from compliance.models import Proposal
from copytrade.models import KillSwitch, RiskLimits
from copytrade.selectors.risk import limits_of
from copytrade.services import kill, risk
from copytrade.services.risk import AMOUNTS, Limits, RiskRefused

RELEASE_SWITCH = "copytrade.release_switch"
WIDEN_LIMITS = "copytrade.widen_limits"
EVERYBODY = "platform"  # as the trail names whose limits they are


def propose_release(*, switch_id: int, reason: str, maker: User, now: datetime) -> Proposal:
    """Propose that what a switch of the platform or of an exchange has stopped goes on.

    Raises KillSwitch.DoesNotExist, PermissionDenied, or four_eyes.Refused: released already, or a
    switch that one person releases.
    """
    switch = KillSwitch.objects.get(pk=switch_id)
    return four_eyes.propose(
        kind=RELEASE_SWITCH,
        object_type="kill_switch",
        object_id=switch.pk,
        payload={},
        reason=reason,
        maker=maker,
        now=now,
    )


def _check(proposal: Proposal) -> None:
    switch = KillSwitch.objects.select_for_update().get(pk=int(proposal.object_id))
    if switch.level not in kill.WIDE:
        raise Refused("one_person", _("This switch is released by one person, on its page."))
    if switch.released_at is not None:
        raise Refused("released", _("This switch is released already."))


def _release(proposal: Proposal, now: datetime) -> None:
    switch_id = int(proposal.object_id)
    kill.release_decided(switch_id=switch_id, actor=f"user:{proposal.checker_id}", now=now)


def _lines(proposal: Proposal) -> Sequence[tuple[Text, Text]]:
    switch = KillSwitch.objects.get(pk=int(proposal.object_id))
    return [
        (_("What goes on"), switch.exchange or switch.get_level_display()),
        (_("Stopped since"), f"{switch.engaged_at:%Y-%m-%d %H:%M} UTC"),
        (_("Stopped because"), switch.reason),
        (_("What happens"), _("closes that waited are sent at once; opens come with new signals")),
    ]


def propose_wider_limits(*, limits: Limits, reason: str, maker: User, now: datetime) -> Proposal:
    """Propose limits for everybody, in place of those of now, of which one at least is raised or lifted.

    Raises PermissionDenied, or four_eyes.Refused: amount_invalid; not_wider, which one person sets.
    """
    return four_eyes.propose(
        kind=WIDEN_LIMITS,
        object_type=EVERYBODY,
        object_id=EVERYBODY,
        payload={"before": _amounts(limits_of()), "after": _amounts(limits)},
        reason=reason,
        maker=maker,
        now=now,
    )


def _amounts(limits: Limits | RiskLimits) -> dict[str, str | None]:
    found = {name: getattr(limits, name) for name in AMOUNTS}
    return {name: None if value is None else plain(value) for name, value in found.items()}


def _limits(proposal: Proposal) -> Limits:
    told: dict[str, str | None] = proposal.payload["after"]
    amounts: dict[str, Any] = {name: Decimal(text) if text else None for name, text in told.items()}
    return Limits(**amounts)


def _check_wider(proposal: Proposal) -> None:
    limits = _limits(proposal)
    try:
        risk.check(limits)
    except RiskRefused as refused:
        raise Refused(refused.code, refused.message) from refused
    stored = RiskLimits.objects.select_for_update().filter(user=None, subscription=None).first()
    if _amounts(stored or RiskLimits()) != proposal.payload["before"]:
        raise Refused("changed", _("These limits were changed meanwhile. Propose it anew."))
    if stored is None or not risk.widens(stored, limits):
        raise Refused("not_wider", _("This raises or lifts no limit: one person sets it, at once."))


def _widen(proposal: Proposal, now: datetime) -> None:
    risk.set_decided(limits=_limits(proposal), actor=f"user:{proposal.checker_id}", now=now)


def _lines_of_limits(proposal: Proposal) -> Sequence[tuple[Text, Text]]:
    before, after = proposal.payload["before"], proposal.payload["after"]
    nothing = _("no limit")
    labels = {field.name: field.verbose_name for field in RiskLimits._meta.fields}
    return [
        (
            labels[name],
            f"{before[name] or nothing} → {after[name] or nothing}",
        )
        for name in AMOUNTS
        if before[name] != after[name]
    ]


KINDS = [
    Kind(
        name=WIDEN_LIMITS,
        title=_("Wider limits for everybody"),
        maker_permission="copytrade.change_risklimits",
        check=_check_wider,
        effect=_widen,
        lines=_lines_of_limits,
    ),
    Kind(
        name=RELEASE_SWITCH,
        title=_("Release of a kill switch"),
        maker_permission="copytrade.change_killswitch",
        check=_check,
        effect=_release,
        lines=_lines,
    ),
]
