"""People who may buy, made in bulk, with ids that pgbench can make up."""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from accounts.models import User, Wallet
from accounts.token_store import issue_token
from kyc.models import Application, DailyLimit

FIRST = 100_000_000_000  # twelve digits: the last group of an id, or the prefix of a token
_LIMIT_USD = Decimal("9999999999.99")


def id_of(number: object) -> str:
    """The id of row `number`, or of the row that a pgbench variable numbers."""
    return f"00000000-0000-4000-8000-{number}"


@dataclass(frozen=True)
class Person:
    """A user, also the id of the application, with the raw text of an API token."""

    number: int
    token: str

    @property
    def id(self) -> uuid.UUID:
        return uuid.UUID(id_of(self.number))


def make(count: int) -> list[Person]:
    """Approved people with a wallet, an API token and a limit that no benchmark reaches."""
    now = timezone.now()
    numbers = range(FIRST, FIRST + count)
    users = [User(id=id_of(n), email=f"bench{n}@example.com", password="!") for n in numbers]
    User.objects.bulk_create(users)
    Wallet.objects.bulk_create(
        Wallet(user=u, address=f"0x{int(u.email[5:17]):040x}") for u in users
    )
    applications = [
        Application(
            id=user.pk,
            user=user,
            country="BR",
            full_name_encrypted=b"-",
            tax_id_encrypted=b"-",
            tax_id_index=user.email.encode(),
            status=Application.Status.APPROVED,
            tier_id=1,
            consented_at=now,
            submitted_at=now,
            decided_at=now,
        )
        for user in users
    ]
    Application.objects.bulk_create(applications)
    today = (now - timedelta(days=1)).date()
    DailyLimit.objects.bulk_create(
        DailyLimit(application=each, limit_usd=_LIMIT_USD, day=today) for each in applications
    )
    return [Person(number=n, token=_token(User.objects.get(pk=id_of(n)), n)) for n in numbers]


def _token(user: User, number: int) -> str:
    """A token whose public prefix is the person's number."""
    token, raw = issue_token(
        user=user, name="bench", scopes=("trade",), expires_at=None, now=timezone.now()
    )
    token.prefix = str(number)
    token.save(update_fields=["prefix"])
    scheme, _prefix, secret = raw.split("_")
    return f"{scheme}_{number}_{secret}"
