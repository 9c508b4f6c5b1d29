"""A person's limit of the day: reserved, settled, released, and empty again at their midnight."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from accounts.models import User
from kyc import limits
from kyc.models import DailyLimit
from tests.people import new_user, onboarded

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def reserve(user: User, amount: str, *, now: datetime = NOON) -> date | None:
    return limits.reserve(application=user.kyc_application, amount_usd=Decimal(amount), now=now)


def used(user: User, *, now: datetime = NOON) -> str:
    status = limits.limit_status(user=user, now=now)
    assert status is not None
    return str(status.used_usd)


def test_the_last_cent_fits_and_the_next_does_not() -> None:
    user = onboarded(now=NOON)

    assert reserve(user, "999.99") == date(2026, 11, 20)
    assert reserve(user, "0.01") == date(2026, 11, 20)
    assert reserve(user, "0.01") is None
    assert used(user) == "1000.00"


def test_what_does_not_fit_takes_nothing() -> None:
    user = onboarded(now=NOON)
    reserve(user, "600")

    assert reserve(user, "400.01") is None
    assert used(user) == "600.00"


def test_a_fill_below_the_reservation_gives_the_rest_back() -> None:
    user = onboarded(now=NOON)
    day = reserve(user, "600")
    assert day is not None

    limits.settle(user=user, day=day, reserved=Decimal("600"), spent=Decimal("512.34"))

    assert used(user) == "512.34"


def test_a_fill_above_the_reservation_is_counted_and_blocks_the_next_order() -> None:
    user = onboarded(now=NOON)
    day = reserve(user, "1000")
    assert day is not None

    limits.settle(user=user, day=day, reserved=Decimal("1000"), spent=Decimal("1000.50"))

    status = limits.limit_status(user=user, now=NOON)
    assert status is not None
    assert (str(status.used_usd), str(status.left_usd)) == ("1000.50", "0")
    assert reserve(user, "0.01") is None


def test_a_settlement_touches_only_the_day_it_was_taken_from() -> None:
    user = onboarded(now=NOON)
    day = reserve(user, "700")
    assert day is not None
    reserve(user, "300", now=NOON + DAY)

    limits.settle(user=user, day=day, reserved=Decimal("700"), spent=Decimal(0))

    assert used(user, now=NOON + DAY) == "300.00"


def test_a_new_day_starts_at_zero() -> None:
    user = onboarded(now=NOON)
    reserve(user, "1000")

    assert used(user, now=NOON + DAY) == "0.00"
    assert reserve(user, "1000", now=NOON + DAY) == date(2026, 11, 21)


def test_a_slow_clock_never_turns_the_counter_back() -> None:
    user = onboarded(now=NOON)
    reserve(user, "1000", now=NOON + DAY)

    assert reserve(user, "0.01", now=NOON) is None
    assert used(user, now=NOON + DAY) == "1000.00"


def test_one_persons_orders_leave_anothers_limit_alone() -> None:
    first, second = onboarded(now=NOON), onboarded(now=NOON)
    reserve(first, "1000")

    assert used(second) == "0.00"
    assert reserve(second, "1000") is not None


def test_before_onboarding_there_is_no_limit_to_show() -> None:
    assert limits.limit_status(user=new_user(), now=NOON) is None


@dataclass(frozen=True)
class Edge:
    """The last second of a day in a country, in UTC."""

    country: str
    zone: str
    last_second: datetime


EDGES = [
    Edge("BR", "America/Sao_Paulo", datetime(2026, 11, 21, 2, 59, 59, tzinfo=UTC)),
    Edge("PY", "America/Asuncion", datetime(2026, 11, 21, 2, 59, 59, tzinfo=UTC)),
    # In the winter of 2024 Paraguay stood at UTC-4, and in its spring it changed to UTC-3 for good.
    Edge("PY", "America/Asuncion", datetime(2024, 8, 2, 3, 59, 59, tzinfo=UTC)),
]


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: f"{edge.country} {edge.last_second:%Y}")
def test_the_day_ends_at_midnight_where_the_person_lives(edge: Edge) -> None:
    local = edge.last_second.astimezone(ZoneInfo(edge.zone))
    assert (local.hour, local.minute, local.second) == (23, 59, 59)
    day, midnight = local.date(), edge.last_second + timedelta(seconds=1)

    assert limits.local_day(country=edge.country, now=edge.last_second) == day
    assert limits.local_day(country=edge.country, now=midnight) == day + DAY


@pytest.mark.parametrize(
    ("country", "zone"), [("BR", "America/Sao_Paulo"), ("PY", "America/Asuncion")]
)
def test_the_reset_is_told_as_the_next_midnight_of_the_persons_zone(
    country: str, zone: str
) -> None:
    before = EDGES[0].last_second
    user = onboarded(now=before) if country == "BR" else a_paraguayan(now=before)

    status = limits.limit_status(user=user, now=before)

    assert status is not None
    assert status.zone == zone
    assert status.resets_at == before + timedelta(seconds=1)
    assert status.resets_at.tzinfo == ZoneInfo(zone)


def test_an_order_a_second_after_midnight_counts_for_the_new_day() -> None:
    before = EDGES[0].last_second
    user = onboarded(now=before)
    reserve(user, "1000", now=before)

    assert reserve(user, "0.01", now=before) is None
    assert reserve(user, "1000", now=before + timedelta(seconds=1)) == date(2026, 11, 21)


def a_paraguayan(*, now: datetime) -> User:
    user = onboarded(now=now)
    application = user.kyc_application
    application.country = "PY"
    application.save(update_fields=["country"])
    return User.objects.get(pk=user.pk)


class LimitAgainstModel(RuleBasedStateMachine):
    """Whatever order of reservations, settlements and days: the row says what plain sums say."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.taken: list[tuple[date, Decimal]] = []
        self.sums: dict[date, Decimal] = {}
        self.newest = limits.local_day(country="BR", now=NOON)

    @initialize()
    def someone(self) -> None:
        self.user = onboarded(now=NOON)

    @property
    def today(self) -> date:
        return limits.local_day(country="BR", now=self.now)

    @rule(amount=st.decimals("0.01", "1200", places=2))
    def place(self, amount: Decimal) -> None:
        so_far = self.sums.get(self.today, Decimal(0))
        fits = so_far + amount <= 1000 and self.today >= self.newest

        day = limits.reserve(application=self.user.kyc_application, amount_usd=amount, now=self.now)

        assert day == (self.today if fits else None)
        if day:
            self.newest = day
            self.sums[day] = so_far + amount
            self.taken.append((day, amount))

    @rule(which=st.integers(0, 99), share=st.decimals("0", "1.01", places=2))
    def fill_or_cancel(self, which: int, share: Decimal) -> None:
        """A share of 0 is a cancel; above 1 the fill was dearer than what was reserved."""
        if not self.taken:
            return
        day, reserved = self.taken.pop(which % len(self.taken))
        spent = (reserved * share).quantize(Decimal("0.01"))

        limits.settle(user=self.user, day=day, reserved=reserved, spent=spent)

        self.sums[day] += spent - reserved

    @rule(hours=st.integers(1, 30))
    def later(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule()
    def a_slow_clock(self) -> None:
        self.now -= timedelta(hours=1)

    @invariant()
    def the_row_says_what_the_sums_say(self) -> None:
        row = DailyLimit.objects.get(application__user=self.user)
        assert row.day == self.newest
        assert row.used_usd == self.sums.get(self.newest, Decimal(0))


def test_the_limit_row_agrees_with_plain_sums_in_any_order_of_events() -> None:
    run_state_machine_as_test(
        LimitAgainstModel,
        settings=hypothesis_settings(max_examples=30, stateful_step_count=25, deadline=None),
    )
