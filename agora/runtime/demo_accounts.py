"""The demo's people, marked as such: a buyer, and one for each --once; and how anybody is added."""

from allauth.account.models import EmailAddress
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from agora.runtime.invented import any_address, any_cpf
from kyc import selectors, services

DOMAIN = "demo.example"
BUYER = f"ana@{DOMAIN}"


def ensure(*, password: str) -> dict[str, str]:
    """Create an onboarded buyer where there is none; role → e-mail."""
    if not User.objects.filter(email=BUYER).exists():
        add_person(email=BUYER, password=password)
    buyer = User.objects.get(email=BUYER)
    if selectors.application_of(buyer) is None:
        services.onboard(
            user=buyer,
            full_name="Ana Demo",
            country="BR",
            tax_id=any_cpf(),
            wallet_address=any_address(),
            consent=True,
            now=timezone.now(),
        )
    return {"buyer": BUYER}


@transaction.atomic
def add_person(*, email: str, password: str, officer: bool = False) -> str:
    """A demo account with a confirmed e-mail address; the address."""
    create = User.objects.create_superuser if officer else User.objects.create_user
    user = create(email, password, is_demo=True)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=True)
    return email
