"""What stopped everybody goes on only when two people say so (RISK-1); stopping takes one."""

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from agora.lib.catalog import Text
from compliance import four_eyes
from compliance.four_eyes import Kind, Refused
from compliance.models import Proposal
from copytrade.models import KillSwitch
from copytrade.services import kill

RELEASE_SWITCH = "copytrade.release_switch"


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


KINDS = [
    Kind(
        name=RELEASE_SWITCH,
        title=_("Release of a kill switch"),
        maker_permission="copytrade.change_killswitch",
        check=_check,
        effect=_release,
        lines=_lines,
    )
]
