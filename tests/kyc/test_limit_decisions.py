"""Limits change by two people only, and at once for everybody they concern."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from compliance import four_eyes
from compliance.four_eyes import Refused
from compliance.models import Proposal
from kyc.limit_decisions import next_tier, propose_person_limit, propose_tier_limit
from kyc.limits import reserve
from kyc.models import Application, DailyLimit, Tier
from tests.people import new_officer, new_user, onboarded

pytestmark = pytest.mark.django_db


def an_officer() -> User:
    user = new_user(is_staff=True)
    codenames = ["change_tier", "change_dailylimit", "decide_proposal"]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return User.objects.get(pk=user.pk)


def tier_proposal(limit: str, *, number: int = 1) -> Proposal:
    return propose_tier_limit(
        number=number, daily_limit_usd=limit, reason="Risk.", maker=an_officer(), now=timezone.now()
    )


def person_proposal(application: Application, limit: str) -> Proposal:
    return propose_person_limit(
        application=application,
        daily_limit_usd=limit,
        reason="Asked for it.",
        maker=an_officer(),
        now=timezone.now(),
    )


def approve(proposal: Proposal) -> None:
    four_eyes.approve(proposal_id=proposal.pk, checker=an_officer(), now=timezone.now())


@pytest.fixture
def application() -> Application:
    return onboarded().kyc_application


def limit_of(application: Application) -> DailyLimit:
    return DailyLimit.objects.get(pk=application.pk)


def test_a_tier_s_new_limit_holds_for_everybody_in_it(application: Application) -> None:
    proposal = tier_proposal("800")
    assert limit_of(application).limit_usd == 1000

    approve(proposal)

    assert Tier.objects.get(pk=1).daily_limit_usd == 800
    assert limit_of(application).limit_usd == 800


def test_tier_1_is_never_above_1000_usd_a_day() -> None:
    with pytest.raises(Refused, match="at most 1,000"):
        tier_proposal("1000.01")
    with pytest.raises(IntegrityError, match="kyc_tier_1_at_most_1000"), transaction.atomic():
        Tier.objects.filter(pk=1).update(daily_limit_usd=Decimal("1000.01"))


@pytest.mark.parametrize("text", ["", "abc", "0", "-5", "NaN", "Infinity", "10.001", "1e9"])
def test_an_amount_that_cannot_be_is_refused(text: str, application: Application) -> None:
    with pytest.raises(Refused):
        tier_proposal(text)
    with pytest.raises(Refused):
        person_proposal(application, text)

    assert not Proposal.objects.exists()


def test_a_person_s_own_limit_leaves_everybody_else_alone(application: Application) -> None:
    other = onboarded().kyc_application

    approve(person_proposal(application, "250.50"))

    assert limit_of(application).limit_usd == Decimal("250.50")
    assert limit_of(other).limit_usd == 1000


def test_a_person_s_own_limit_outlives_a_change_of_the_tier(application: Application) -> None:
    approve(person_proposal(application, "300"))
    approve(tier_proposal("800"))
    assert limit_of(application).limit_usd == 300

    approve(tier_proposal("200"))
    assert limit_of(application).limit_usd == 200

    approve(tier_proposal("900"))
    assert limit_of(application).limit_usd == 900


def test_a_person_s_own_limit_is_at_most_the_tier_s(application: Application) -> None:
    with pytest.raises(Refused, match="Raise the tier"):
        person_proposal(application, "1000.01")


def test_a_proposal_overtaken_by_another_change_is_not_carried_out(
    application: Application,
) -> None:
    person = person_proposal(application, "900")
    approve(tier_proposal("500"))

    with pytest.raises(Refused, match="changed meanwhile"):
        approve(person)

    assert limit_of(application).limit_usd == 500


def test_nobody_decides_on_their_own_limit(application: Application) -> None:
    proposal = person_proposal(application, "700")
    themselves = application.user
    codenames = ["change_dailylimit", "decide_proposal"]
    themselves.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    themselves = User.objects.get(pk=themselves.pk)

    with pytest.raises(Proposal.DoesNotExist):
        four_eyes.approve(proposal_id=proposal.pk, checker=themselves, now=timezone.now())
    four_eyes.withdraw(
        proposal_id=proposal.pk,
        maker=User.objects.get(pk=proposal.maker_id),
        now=timezone.now(),
    )
    with pytest.raises(Refused, match="about yourself"):
        propose_person_limit(
            application=application,
            daily_limit_usd="700",
            reason="Mine.",
            maker=themselves,
            now=timezone.now(),
        )

    assert limit_of(application).limit_usd == 1000


# A new tier


def test_two_people_add_the_tier_above_the_highest(application: Application) -> None:
    number = next_tier()
    most = Tier.objects.latest("number").daily_limit_usd
    proposal = tier_proposal(f"{most + 1:.2f}", number=number)
    assert not Tier.objects.filter(pk=number).exists()

    approve(proposal)

    assert Tier.objects.get(pk=number).daily_limit_usd == most + 1
    assert limit_of(application).limit_usd == 1000
    assert next_tier() == number + 1


def test_the_second_person_reads_that_the_tier_is_new() -> None:
    proposal = tier_proposal("70000", number=next_tier())

    lines = four_eyes.kind_of(proposal.kind).lines(proposal)

    assert [(str(name), str(text)) for name, text in lines] == [
        ("Daily limit now, USD", "a new tier"),
        ("Daily limit then, USD", "70000"),
    ]


def test_a_new_tier_allows_more_than_the_one_below_it() -> None:
    most = Tier.objects.latest("number").daily_limit_usd

    with pytest.raises(Refused, check=lambda error: error.code == "not_above"):
        tier_proposal(f"{most:.2f}", number=next_tier())


def test_no_tier_is_left_out() -> None:
    with pytest.raises(Tier.DoesNotExist):
        tier_proposal("90000", number=next_tier() + 1)


def test_a_new_tier_that_was_added_meanwhile_is_not_added_again() -> None:
    number = next_tier()
    proposal = tier_proposal("50000", number=number)
    Tier.objects.create(number=number, daily_limit_usd=Decimal(40000))

    with pytest.raises(Refused, match="added meanwhile"):
        approve(proposal)


def test_a_cent_a_day_stops_all_buying(application: Application) -> None:
    """What docs/runbooks/reserve-break.md counts on."""
    approve(tier_proposal("0.01"))

    taken = reserve(application=application, amount_usd=Decimal("1.00"), now=timezone.now())

    assert taken is None


def test_limits_and_tiers_are_proposed_in_the_back_office(
    client: Client, application: Application
) -> None:
    client.force_login(new_officer("view_tier", "change_tier", "change_dailylimit"))
    data = {"_form_submitted": "on", "daily_limit_usd": "900", "reason": "Risk."}

    client.post(reverse("admin:kyc_tier_propose_tier"), {**data, "daily_limit_usd": "9000"})
    client.post(reverse("admin:kyc_tier_propose_limit", args=[1]), data)
    client.post(reverse("admin:kyc_dailylimit_propose_limit", args=[application.pk]), data)

    proposed = Proposal.objects.values_list("kind", "object_id")
    assert set(proposed) == {
        ("kyc.tier_limit", str(next_tier())),
        ("kyc.tier_limit", "1"),
        ("kyc.person_limit", str(application.pk)),
    }


@pytest.mark.parametrize("wrong", ["nonsense", "99", "00000000-0000-4000-8000-000000000000"])
@pytest.mark.parametrize("name", ["kyc_tier_propose_limit", "kyc_dailylimit_propose_limit"])
def test_a_limit_of_nothing_is_not_found(client: Client, name: str, wrong: str) -> None:
    client.force_login(new_officer("view_tier", "change_tier", "change_dailylimit"))
    data = {"_form_submitted": "on", "daily_limit_usd": "900", "reason": "Risk."}

    assert client.post(reverse(f"admin:{name}", args=[wrong]), data).status_code == 404
