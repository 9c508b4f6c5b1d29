"""Limits are data, changed by two people only: a tier's, or one person's own (RAT-002)."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from agora.lib.catalog import Text
from agora.lib.money import plain
from compliance import four_eyes
from compliance.four_eyes import Kind, Refused
from compliance.models import Proposal
from kyc.cases.opening import hold_open_account
from kyc.limits import limit_of_tier
from kyc.models import MOST_IN_TIER_1, Application, DailyLimit, Tier
from kyc.selectors import subject_of

TIER_LIMIT = "kyc.tier_limit"
PERSON_LIMIT = "kyc.person_limit"
_MOST = Decimal(1_000_000)


def propose_tier_limit(
    *, number: int, daily_limit_usd: str, reason: str, maker: User, now: datetime
) -> Proposal:
    """Propose another daily limit, in USD, for everybody in a tier, or the tier above the highest.

    Raises Tier.DoesNotExist, PermissionDenied, or four_eyes.Refused for an amount that cannot be.
    """
    is_new = number == next_tier()
    before = None if is_new else Tier.objects.get(pk=number).daily_limit_usd
    return four_eyes.propose(
        kind=TIER_LIMIT,
        object_type="tier",
        object_id=number,
        payload=_payload(daily_limit_usd, before=before),
        reason=reason,
        maker=maker,
        now=now,
    )


def next_tier() -> int:
    """The number that a new tier would have."""
    return (Tier.objects.aggregate(highest=Max("number"))["highest"] or 0) + 1


def propose_person_limit(
    *, application: Application, daily_limit_usd: str, reason: str, maker: User, now: datetime
) -> Proposal:
    """Propose a daily limit, in USD, for one person; never above that of their tier.

    Raises DailyLimit.DoesNotExist, PermissionDenied, or four_eyes.Refused.
    """
    limit = DailyLimit.objects.get(pk=application.pk)
    return four_eyes.propose(
        kind=PERSON_LIMIT,
        object_type="kyc_application",
        object_id=application.pk,
        payload=_payload(daily_limit_usd, before=limit.limit_usd),
        reason=reason,
        maker=maker,
        now=now,
    )


def _payload(text: str, *, before: Decimal | None) -> dict[str, object]:
    told = None if before is None else f"{before:.2f}"
    return {"daily_limit_usd": f"{_amount(text):.2f}", "before": told}


def _amount(text: str) -> Decimal:
    """A positive amount of USD in whole cents; raises Refused."""
    try:
        amount = Decimal(text.strip())
    except InvalidOperation as error:
        raise Refused(
            "amount_invalid", _("Enter an amount in USD with a decimal point, such as 800.00.")
        ) from error
    if not amount.is_finite() or not 0 < amount <= _MOST or amount != round(amount, 2):
        raise Refused(
            "amount_invalid",
            _("A daily limit is above 0 and at most 1,000,000 USD, in whole cents."),
        )
    return amount


def _check_change(proposal: Proposal, *, current: Decimal) -> Decimal:
    wanted = _amount(str(proposal.payload["daily_limit_usd"]))
    if current != Decimal(str(proposal.payload["before"])):
        raise Refused("changed", _("The limit was changed meanwhile. Propose it anew."))
    if wanted == current:
        raise Refused("same", _("This is the limit already."))
    return wanted


def _tier(proposal: Proposal) -> Tier | None:
    """The tier, its row held; None for one that does not exist yet."""
    return Tier.objects.select_for_update().filter(pk=int(proposal.object_id)).first()


def _check_tier(proposal: Proposal) -> None:
    tier = _tier(proposal)
    if proposal.payload["before"] is None:
        _check_new(proposal, tier)
        return
    if tier is None:
        raise Refused("gone", _("This tier is not there any more."))
    wanted = _check_change(proposal, current=tier.daily_limit_usd)
    if tier.number == 1 and wanted > MOST_IN_TIER_1:
        raise Refused("above_tier_1", _("Tier 1 is at most 1,000 USD a day."))


def _check_new(proposal: Proposal, tier: Tier | None) -> None:
    """A new tier comes right above the highest, and allows more than it."""
    number = int(proposal.object_id)
    if tier is not None or number != next_tier():
        raise Refused("changed", _("Another tier was added meanwhile. Propose it anew."))
    wanted = _amount(str(proposal.payload["daily_limit_usd"]))
    if number > 1 and wanted <= limit_of_tier(number - 1):
        raise Refused("not_above", _("A new tier allows more a day than the one below it."))


def _set_tier(proposal: Proposal, now: datetime) -> None:
    tier = _tier(proposal)
    wanted = _amount(str(proposal.payload["daily_limit_usd"]))
    if tier is None:
        Tier.objects.create(number=int(proposal.object_id), daily_limit_usd=wanted)
        return
    tier.daily_limit_usd = wanted
    tier.save(update_fields=["daily_limit_usd"])
    theirs = DailyLimit.objects.filter(application__tier=tier)
    theirs.filter(is_personal=False).update(limit_usd=tier.daily_limit_usd)
    # A personal limit is never above the tier's.
    theirs.filter(is_personal=True, limit_usd__gte=tier.daily_limit_usd).update(
        limit_usd=tier.daily_limit_usd, is_personal=False
    )


def _limit(proposal: Proposal) -> tuple[DailyLimit, Decimal]:
    """The person's counter, held, and the limit of their tier, which stays until the end.

    Rows are locked in the order application, tier, counter, as by an approval and by a change of the
    tier: neither lowers the tier below a personal limit that is just being set.
    """
    person = hold_open_account(UUID(proposal.object_id))
    most = limit_of_tier(person.tier_id)
    limit = DailyLimit.objects.select_for_update().filter(pk=person.pk).first()
    if limit is None:
        raise Refused("gone", _("This person has no limit any more."))
    limit.application = person
    return limit, most


def _check_person(proposal: Proposal) -> None:
    limit, most = _limit(proposal)
    if _check_change(proposal, current=limit.limit_usd) > most:
        raise Refused(
            "above_tier", _("A person's own limit is at most that of their tier. Raise the tier.")
        )


def _set_person(proposal: Proposal, now: datetime) -> None:
    limit, most = _limit(proposal)
    limit.limit_usd = _amount(str(proposal.payload["daily_limit_usd"]))
    limit.is_personal = limit.limit_usd < most
    limit.save(update_fields=["limit_usd", "is_personal"])


def _lines(proposal: Proposal) -> Sequence[tuple[Text, Text]]:
    before = proposal.payload["before"]
    told: Text = _("a new tier") if before is None else plain(Decimal(str(before)))
    after = plain(Decimal(str(proposal.payload["daily_limit_usd"])))
    return [(_("Daily limit now, USD"), told), (_("Daily limit then, USD"), after)]


KINDS = [
    Kind(
        name=TIER_LIMIT,
        title=_("Daily limit of a tier"),
        maker_permission="kyc.change_tier",
        check=_check_tier,
        effect=_set_tier,
        lines=_lines,
    ),
    Kind(
        name=PERSON_LIMIT,
        title=_("Daily limit of one person"),
        maker_permission="kyc.change_dailylimit",
        check=_check_person,
        effect=_set_person,
        lines=_lines,
        subject=subject_of,
    ),
]
