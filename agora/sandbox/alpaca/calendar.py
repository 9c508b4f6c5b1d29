"""Sessions of the New York Stock Exchange by its published rules, without data files.

Rules: nyse.com/markets/hours-calendars. Unscheduled closures are not known to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

EASTERN = ZoneInfo("America/New_York")
OPEN = time(9, 30)
CLOSE = time(16, 0)
EARLY_CLOSE = time(13, 0)
MONDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = 0, 3, 4, 5, 6


@dataclass(frozen=True)
class Session:
    """One trading day; open and close are aware Eastern times."""

    day: date
    open: datetime
    close: datetime


def _nth(*, year: int, month: int, weekday: int, n: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def _good_friday(year: int) -> date:
    # Gauss/Butcher for the Gregorian Easter Sunday, two days back.
    a, b, c = year % 19, year // 100, year % 100
    d, e = b // 4, b % 4
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = c // 4, c % 4
    el = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * el) // 451
    month, day = divmod(h + el - 7 * m + 114, 31)
    return date(year, month, day + 1) - timedelta(days=2)


def _observed(day: date) -> date:
    if day.weekday() == SATURDAY:
        return day - timedelta(days=1)
    if day.weekday() == SUNDAY:
        return day + timedelta(days=1)
    return day


def holidays(year: int) -> set[date]:
    """Full-day closures of a year."""
    may_end = date(year, 5, 31)
    new_year = date(year, 1, 1)
    days = {
        _nth(year=year, month=1, weekday=MONDAY, n=3),
        _nth(year=year, month=2, weekday=MONDAY, n=3),
        _good_friday(year),
        may_end - timedelta(days=may_end.weekday()),
        _observed(date(year, 6, 19)),
        _observed(date(year, 7, 4)),
        _nth(year=year, month=9, weekday=MONDAY, n=1),
        _nth(year=year, month=11, weekday=THURSDAY, n=4),
        _observed(date(year, 12, 25)),
    }
    # A New Year's Day on a Saturday is not moved into the old year.
    if new_year.weekday() != SATURDAY:
        days.add(_observed(new_year))
    return days


def _closes_early(day: date) -> bool:
    thanksgiving = _nth(year=day.year, month=11, weekday=THURSDAY, n=4)
    before_fourth = (day.month, day.day) == (7, 3) and day.weekday() <= THURSDAY
    christmas_eve = (day.month, day.day) == (12, 24) and day.weekday() <= THURSDAY
    return day == thanksgiving + timedelta(days=1) or before_fourth or christmas_eve


def session_on(day: date) -> Session | None:
    """The session of a day, or None on weekends and holidays."""
    if day.weekday() >= SATURDAY or day in holidays(day.year):
        return None
    close = EARLY_CLOSE if _closes_early(day) else CLOSE
    return Session(
        day=day,
        open=datetime.combine(day, OPEN, EASTERN),
        close=datetime.combine(day, close, EASTERN),
    )


def sessions(*, start: date, end: date) -> Iterator[Session]:
    """Sessions from start to end, both included."""
    day = start
    while day <= end:
        found = session_on(day)
        if found is not None:
            yield found
        day += timedelta(days=1)


def next_session(now: datetime) -> Session:
    """The first session that opens after `now`."""
    day = now.astimezone(EASTERN).date()
    return next(s for s in sessions(start=day, end=day + timedelta(days=14)) if s.open > now)


def last_session(now: datetime) -> Session:
    """The newest session that has opened by `now`, over or not."""
    day = now.astimezone(EASTERN).date()
    found = [s for s in sessions(start=day - timedelta(days=14), end=day) if s.open <= now]
    return found[-1]
