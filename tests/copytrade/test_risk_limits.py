"""Limits on losses: when they strike, what follows, and when copying goes on (RISK-1)."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Notice, User
from compliance import four_eyes
from compliance.four_eyes import Refused
from compliance.models import AuditRow, Proposal
from copytrade.decisions import propose_wider_limits
from copytrade.models import CopyPosition, RiskDay, RiskLimits, Subscription
from copytrade.replication import risk as watching
from copytrade.replication.risk import DAILY_LOSS, STOP_LOSS, USER_DAILY_LOSS, breached
from copytrade.selectors.risk import Standing, standings
from copytrade.services.risk import Limits, RiskRefused, begin_days, rearm, set_limits
from tests.copying import hold, mark, new_follower, new_subscription
from tests.people import new_officer, new_user

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
A_STANDING = Standing(
    subscription_id=uuid.uuid4(),
    user_id=uuid.uuid4(),
    state="ACTIVE",
    state_reason="",
    equity=Decimal(1000),
    stop_equity=None,
    loss=Decimal(0),
    daily_loss=None,
    user_loss=Decimal(0),
    user_daily_loss=None,
    priced_at=NOW,
    unpriced=False,
    user_priced_at=NOW,
    user_unpriced=False,
)


def of(**changes: object) -> str | None:
    standing = replace(A_STANDING, **changes)  # type: ignore[arg-type]
    return breached(standing, fresh_since=NOW - timedelta(seconds=30))


def test_without_limits_nothing_strikes() -> None:
    assert of(loss=Decimal(10**9), equity=Decimal(-(10**9))) is None


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"loss": Decimal("49.99"), "daily_loss": Decimal(50)}, None),
        ({"loss": Decimal(50), "daily_loss": Decimal(50)}, DAILY_LOSS),
        ({"user_loss": Decimal(80), "user_daily_loss": Decimal(80)}, USER_DAILY_LOSS),
        ({"user_loss": Decimal(79), "user_daily_loss": Decimal(80)}, None),
        ({"equity": Decimal("900.01"), "stop_equity": Decimal(900)}, None),
        ({"equity": Decimal(900), "stop_equity": Decimal(900)}, STOP_LOSS),
        (
            {
                "equity": Decimal(1), "stop_equity": Decimal(900),
                "loss": Decimal(50), "daily_loss": Decimal(50),
            },
            STOP_LOSS,
        ),
    ],
)  # fmt: skip
def test_a_limit_strikes_once_it_is_reached(changes: dict[str, object], kind: str | None) -> None:
    assert of(**changes) == kind


@pytest.mark.parametrize(
    "changes",
    [
        {"priced_at": NOW - timedelta(seconds=31)},
        {"unpriced": True},
    ],
)
def test_an_old_or_missing_price_strikes_nothing(changes: dict[str, object]) -> None:
    past = {"loss": Decimal(99), "daily_loss": Decimal(1), "equity": Decimal(0)}

    assert of(**past, stop_equity=Decimal(1), **changes) is None


def test_an_old_price_of_another_subscription_holds_the_persons_limit_back_only() -> None:
    old = {"user_priced_at": NOW - timedelta(minutes=5)}
    past = {"user_loss": Decimal(99), "user_daily_loss": Decimal(1)}

    assert of(**past, **old) is None
    assert of(**past, **old, loss=Decimal(9), daily_loss=Decimal(9)) == DAILY_LOSS


@pytest.mark.parametrize("state", ["PAUSED", "REDUCING", "STOPPING"])
def test_what_opens_nothing_is_not_struck_for_the_day(state: str) -> None:
    assert of(state=state, loss=Decimal(99), daily_loss=Decimal(1)) is None


@pytest.mark.parametrize(
    ("state", "kind"), [("PAUSED", STOP_LOSS), ("REDUCING", STOP_LOSS), ("STOPPING", None)]
)
def test_the_stop_loss_strikes_whatever_is_still_held(state: str, kind: str | None) -> None:
    assert of(state=state, equity=Decimal(1), stop_equity=Decimal(1)) == kind


@given(
    loss=st.decimals(-1000, 1000, places=2),
    limit=st.decimals("0.01", 1000, places=2),
    equity=st.decimals(-1000, 2000, places=2),
)
def test_a_gain_never_strikes_a_daily_limit(loss: Decimal, limit: Decimal, equity: Decimal) -> None:
    found = of(loss=loss, daily_loss=limit, equity=equity)

    assert (found == DAILY_LOSS) == (loss >= limit)


# --- in the database


@pytest.fixture
def subscription() -> Subscription:
    """Holds 0.01 BTC bought for 500 USDT; its day began without profit or loss."""
    made = new_subscription(now=timezone.now() - timedelta(days=3))
    hold(made)
    mark("BTC/USDT", "50000")
    begin_days(now=timezone.now())
    RiskDay.objects.update(pnl_start=0)
    return made


def limited(subscription: Subscription, *, daily_loss: str = "40") -> None:
    RiskLimits.objects.create(
        subscription=subscription, daily_loss=Decimal(daily_loss), updated_at=timezone.now()
    )


def look() -> list[uuid.UUID]:
    return watching.watch(now=timezone.now())


def test_a_daily_loss_leaves_only_closes_and_is_told_once(subscription: Subscription) -> None:
    limited(subscription)
    mark("BTC/USDT", "46000")

    assert look() == [subscription.pk]
    assert look() == []

    subscription.refresh_from_db()
    assert (subscription.state, subscription.state_reason) == ("REDUCING", DAILY_LOSS)
    assert RiskDay.objects.get(subscription=subscription).breached_at is not None
    (row,) = AuditRow.objects.filter(action="risk.breached")
    assert row.evidence == {
        "limit": DAILY_LOSS, "equity": "960", "loss": "40", "user_loss": "40",
    }  # fmt: skip
    (notice,) = Notice.objects.filter(user=subscription.follower)
    assert "40" in notice.text


def test_a_loss_under_the_limit_strikes_nothing(subscription: Subscription) -> None:
    limited(subscription)
    mark("BTC/USDT", "46001")

    assert look() == []
    assert not AuditRow.objects.filter(action="risk.breached").exists()


def test_an_old_price_strikes_nothing_in_the_database_either(subscription: Subscription) -> None:
    limited(subscription)
    mark("BTC/USDT", "1", at=timezone.now() - timedelta(minutes=10))

    assert look() == []


def test_a_persons_limit_counts_all_their_subscriptions() -> None:
    trader = new_follower()
    both = [new_subscription(follower=trader) for _ in range(2)]
    for one in both:
        hold(one)
    other = new_subscription()
    hold(other)
    mark("BTC/USDT", "47000")  # 30 lost by each
    RiskLimits.objects.create(user=trader.user, daily_loss=Decimal(60), updated_at=timezone.now())

    assert set(look()) == {one.pk for one in both}
    other.refresh_from_db()
    assert other.state == "ACTIVE"


def test_the_platforms_limit_applies_to_everybody_and_the_stricter_wins() -> None:
    lax, strict = new_subscription(), new_subscription()
    for one in (lax, strict):
        hold(one)
    mark("BTC/USDT", "47000")
    RiskLimits.objects.create(daily_loss=Decimal(100), updated_at=timezone.now())
    RiskLimits.objects.create(
        user=strict.follower, daily_loss=Decimal(20), updated_at=timezone.now()
    )

    assert look() == [strict.pk]


def test_what_was_stopped_today_still_counts_for_its_person() -> None:
    trader = new_follower()
    ended, going = (new_subscription(follower=trader) for _ in range(2))
    hold(ended)
    hold(going)
    Subscription.objects.filter(pk=ended.pk).update(state="STOPPED", stopped_at=timezone.now())
    mark("BTC/USDT", "47000")

    found = standings(subscription_ids=[going.pk], now=timezone.now())
    assert found[going.pk].user_loss == 60
    Subscription.objects.filter(pk=ended.pk).update(stopped_at=timezone.now() - timedelta(hours=30))
    found = standings(subscription_ids=[going.pk], now=timezone.now())
    assert found[going.pk].user_loss == 30


def test_the_stop_loss_begins_the_end_in_the_way_that_was_chosen(
    subscription: Subscription,
) -> None:
    Subscription.objects.filter(pk=subscription.pk).update(
        stop_equity=Decimal(960), on_stop="close"
    )
    mark("BTC/USDT", "46000")

    assert look() == [subscription.pk]
    assert look() == []

    subscription.refresh_from_db()
    assert (subscription.state, subscription.state_reason) == ("STOPPING", STOP_LOSS)
    close = subscription.legs.get()
    assert (close.kind, close.symbol) == ("CLOSE", "BTC/USDT")
    assert Notice.objects.filter(user=subscription.follower).count() == 1


def test_the_next_day_copies_in_full_again(subscription: Subscription) -> None:
    limited(subscription)
    mark("BTC/USDT", "46000")
    look()
    begin_days(now=timezone.now())
    subscription.refresh_from_db()
    assert subscription.state == "REDUCING"

    begin_days(now=timezone.now() + timedelta(days=1))

    subscription.refresh_from_db()
    assert (subscription.state, subscription.state_reason) == ("ACTIVE", "")
    assert AuditRow.objects.filter(action="risk.rearmed").count() == 1


def test_a_pause_by_hand_is_not_ended_by_the_next_day(subscription: Subscription) -> None:
    Subscription.objects.filter(pk=subscription.pk).update(state="PAUSED")

    begin_days(now=timezone.now() + timedelta(days=1))

    subscription.refresh_from_db()
    assert subscription.state == "PAUSED"


def test_by_hand_it_goes_on_at_once_and_the_loss_counts_from_there(
    subscription: Subscription,
) -> None:
    limited(subscription)
    mark("BTC/USDT", "46000")
    look()

    rearm(by=subscription.follower, subscription_id=subscription.pk, now=timezone.now())

    subscription.refresh_from_db()
    assert subscription.state == "ACTIVE"
    assert look() == []
    mark("BTC/USDT", "41999")
    assert look() == [subscription.pk]
    evidence = AuditRow.objects.get(action="risk.rearmed").evidence
    assert evidence == {"limit": DAILY_LOSS, "pnl_start": ["0", "-40"]}


def test_only_the_follower_goes_on_and_only_at_a_known_price(subscription: Subscription) -> None:
    limited(subscription)
    with pytest.raises(RiskRefused) as refused:
        rearm(by=subscription.follower, subscription_id=subscription.pk, now=timezone.now())
    assert refused.value.code == "not_held_back"
    mark("BTC/USDT", "46000")
    look()

    with pytest.raises(Subscription.DoesNotExist):
        rearm(by=new_user(), subscription_id=subscription.pk, now=timezone.now())
    mark("BTC/USDT", "46000", at=timezone.now() - timedelta(hours=1))
    with pytest.raises(RiskRefused) as refused:
        rearm(by=subscription.follower, subscription_id=subscription.pk, now=timezone.now())
    assert refused.value.code == "price_stale"
    subscription.refresh_from_db()
    assert subscription.state == "REDUCING"


def test_fees_count_as_losses(subscription: Subscription) -> None:
    limited(subscription)
    CopyPosition.objects.filter(subscription=subscription).update(realized=-40, fees=40)

    assert look() == [subscription.pk]


# --- setting limits


def test_a_person_sets_their_own_and_it_is_recorded() -> None:
    user = new_user()

    row = set_limits(
        by=user, user=user, limits=Limits(max_order=Decimal("99.5"), timezone="Asia/Tokyo"), now=NOW
    )

    assert (row.max_order, row.max_symbol, row.timezone) == (Decimal("99.5"), None, "Asia/Tokyo")
    evidence = AuditRow.objects.get(action="risk.limits_set").evidence
    assert evidence == {"max_order": [None, "99.5"], "timezone": ["UTC", "Asia/Tokyo"]}


def test_the_same_again_changes_nothing() -> None:
    user = new_user()
    limits = Limits(daily_loss=Decimal(5))
    first = set_limits(by=user, user=user, limits=limits, now=NOW)

    again = set_limits(by=user, user=user, limits=limits, now=NOW + timedelta(hours=1))

    assert again.updated_at == first.updated_at
    assert AuditRow.objects.filter(action="risk.limits_set").count() == 1


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [("50", "60", 1), ("50", None, 1), ("50", "40", 0), (None, "40", 0)],
)
def test_a_wider_limit_is_told_to_its_person(
    before: str | None, after: str | None, told: int
) -> None:
    subscription = new_subscription()
    for value in (before, after):
        set_limits(
            by=subscription.follower,
            subscription_id=subscription.pk,
            limits=Limits(max_symbol=Decimal(value) if value else None),
            now=NOW,
        )

    assert Notice.objects.filter(kind="risk-limits-widened").count() == told


@pytest.mark.parametrize(
    "value", ["0", "-1", "0.001", "NaN", "Infinity", "1e18", "1.0000000000000000001"]
)
def test_an_amount_that_is_none_is_refused(value: str) -> None:
    user = new_user()

    with pytest.raises(RiskRefused) as refused:
        set_limits(by=user, user=user, limits=Limits(max_exposure=Decimal(value)), now=NOW)
    assert (refused.value.code, refused.value.field) == ("amount_invalid", "max_exposure")
    assert not RiskLimits.objects.exists()


def test_a_time_zone_that_is_not_offered_is_refused() -> None:
    user = new_user()

    with pytest.raises(RiskRefused) as refused:
        set_limits(by=user, user=user, limits=Limits(timezone="Mars/Olympus"), now=NOW)
    assert refused.value.code == "timezone_unknown"


def test_nobody_sets_anothers_limits_or_the_platforms() -> None:
    stranger, subscription = new_user(), new_subscription()

    with pytest.raises(Subscription.DoesNotExist):
        set_limits(by=stranger, subscription_id=subscription.pk, limits=Limits(), now=NOW)
    for user in (None, subscription.follower):
        with pytest.raises(RiskRefused) as refused:
            set_limits(by=stranger, user=user, limits=Limits(), now=NOW)
        assert refused.value.code == "not_allowed"
    assert not RiskLimits.objects.exists()


def officer(*permissions: str) -> User:
    return new_officer("change_risklimits", *permissions)


def everybody(by: User, **amounts: str) -> RiskLimits:
    return set_limits(by=by, limits=limits_of_all(**amounts), now=NOW)


def limits_of_all(**amounts: str) -> Limits:
    told: dict[str, Any] = {name: Decimal(amount) for name, amount in amounts.items()}
    return Limits(**told)


def proposed(maker: User, **amounts: str) -> Proposal:
    return propose_wider_limits(
        limits=limits_of_all(**amounts), reason="Calmer markets.", maker=maker, now=timezone.now()
    )


def test_an_officer_sets_the_platforms_limits() -> None:
    row = everybody(officer(), max_order="10")

    assert (row.user, row.subscription, row.max_order) == (None, None, 10)


@pytest.mark.parametrize("wider", [{"max_order": "11", "daily_loss": "5"}, {"max_order": "10"}])
def test_one_officer_raises_or_lifts_no_limit_of_everybody(wider: dict[str, str]) -> None:
    everybody(officer(), max_order="10", daily_loss="5")

    with pytest.raises(RiskRefused) as refused:
        everybody(officer(), **wider)

    assert refused.value.code == "two_people"
    assert (RiskLimits.objects.get().max_order, RiskLimits.objects.get().daily_loss) == (10, 5)


def test_two_people_widen_the_limits_of_everybody() -> None:
    maker, checker = officer(), new_officer("decide_proposal")
    everybody(maker, max_order="10", daily_loss="5")

    proposal = proposed(maker, max_order="12.50")
    assert [(str(name), str(told)) for name, told in four_eyes.lines_of(proposal)] == [
        ("largest order", "10 → 12.5"),
        ("largest loss in a day", "5 → no limit"),
    ]
    assert RiskLimits.objects.get().max_order == 10
    four_eyes.approve(proposal_id=proposal.pk, checker=checker, now=timezone.now())

    row = RiskLimits.objects.get()
    assert (row.max_order, row.daily_loss) == (Decimal("12.5"), None)
    told = AuditRow.objects.filter(action="risk.limits_set").latest("id")
    assert (told.actor, told.object_type) == (f"user:{checker.pk}", "platform")
    assert told.evidence == {"max_order": ["10", "12.5"], "daily_loss": ["5", None]}


def test_limits_that_were_narrowed_meanwhile_are_not_widened() -> None:
    maker = officer()
    everybody(maker, max_order="10")
    proposal = proposed(maker, max_order="20")
    everybody(maker, max_order="5")

    with pytest.raises(Refused) as refused:
        four_eyes.approve(
            proposal_id=proposal.pk, checker=new_officer("decide_proposal"), now=timezone.now()
        )

    assert refused.value.code == "changed"
    assert RiskLimits.objects.get().max_order == 5


@pytest.mark.parametrize(
    ("amounts", "code"), [({"max_order": "9"}, "not_wider"), ({"max_order": "0"}, "amount_invalid")]
)
def test_what_widens_nothing_or_is_no_amount_is_not_proposed(
    amounts: dict[str, str], code: str
) -> None:
    maker = officer()
    everybody(maker, max_order="10")

    with pytest.raises(Refused) as refused:
        proposed(maker, **amounts)
    assert refused.value.code == code
