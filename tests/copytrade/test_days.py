"""Where a person's day begins: right through every change of clocks, in every zone offered."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copytrade.days import ZONES, day_of, edge

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 12, 31), timezones=st.just(UTC))


@given(at=MOMENTS, zone=st.sampled_from(ZONES))
def test_every_moment_lies_in_its_day(at: datetime, zone: str) -> None:
    day = day_of(at=at, zone=zone)

    assert day.begins_at <= at < edge(day=day.date + timedelta(days=1), zone=zone)


@given(day=st.dates(date(2020, 1, 1), date(2035, 12, 31)), zone=st.sampled_from(ZONES))
def test_a_day_lasts_23_to_25_hours_and_begins_on_its_date(day: date, zone: str) -> None:
    begins, ends = edge(day=day, zone=zone), edge(day=day + timedelta(days=1), zone=zone)

    assert timedelta(hours=23) <= ends - begins <= timedelta(hours=25)
    assert day_of(at=begins, zone=zone).date == day
    assert day_of(at=begins - timedelta(microseconds=1), zone=zone).date == day - timedelta(days=1)


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        ("UTC", date(2026, 3, 1), "2026-03-01T00:00:00+00:00"),
        ("America/Sao_Paulo", date(2026, 3, 1), "2026-03-01T03:00:00+00:00"),
        # Clocks go forward at midnight: the day begins at one o'clock.
        ("America/Asuncion", date(2023, 10, 1), "2023-10-01T04:00:00+00:00"),
        ("Asia/Beirut", date(2026, 3, 29), "2026-03-28T22:00:00+00:00"),
        # Clocks go back from one o'clock to midnight: the first midnight begins it.
        ("America/Havana", date(2026, 11, 1), "2026-11-01T04:00:00+00:00"),
        # Changes in the night do not move the edge.
        ("Europe/Lisbon", date(2026, 10, 25), "2026-10-24T23:00:00+00:00"),
        ("Pacific/Auckland", date(2026, 4, 5), "2026-04-04T11:00:00+00:00"),
    ],
)
def test_known_edges(zone: str, day: date, begins: str) -> None:
    assert edge(day=day, zone=zone).isoformat() == begins
