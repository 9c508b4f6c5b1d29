"""Calendar days of people: when a day begins in their time zone, whatever its clocks do then."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

# What a person can choose from; names of the tz database, which follows changes of law.
ZONES = (
    "UTC",
    "America/Argentina/Buenos_Aires",
    "America/Asuncion",
    "America/Bogota",
    "America/Caracas",
    "America/Chicago",
    "America/Denver",
    "America/Havana",
    "America/La_Paz",
    "America/Lima",
    "America/Los_Angeles",
    "America/Manaus",
    "America/Mexico_City",
    "America/Montevideo",
    "America/New_York",
    "America/Santiago",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Africa/Johannesburg",
    "Asia/Beirut",
    "Asia/Dubai",
    "Asia/Hong_Kong",
    "Asia/Kolkata",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Europe/Berlin",
    "Europe/Lisbon",
    "Europe/London",
    "Europe/Madrid",
    "Europe/Paris",
    "Europe/Zurich",
    "Indian/Mahe",
    "Pacific/Auckland",
)
ZONE_CHOICES = [(zone, zone.replace("_", " ")) for zone in ZONES]


@dataclass(frozen=True)
class Day:
    """A calendar day somewhere, and the moment (UTC) at which it begins there."""

    date: date
    begins_at: datetime


def day_of(*, at: datetime, zone: str) -> Day:
    """The day that `at` falls into in that time zone."""
    day = at.astimezone(ZoneInfo(zone)).date()
    return Day(day, edge(day=day, zone=zone))


def edge(*, day: date, zone: str) -> datetime:
    """The first moment of a calendar day in a time zone, in UTC.

    Where the clock skips midnight the day begins with the skip; where it shows midnight twice, with
    the first (fold 0, PEP 495).
    """
    return datetime.combine(day, time(), tzinfo=ZoneInfo(zone)).astimezone(UTC)
