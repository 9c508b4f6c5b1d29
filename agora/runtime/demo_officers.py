"""The demo's officers and auditor, with a second factor whose secret the demo tells.

Two officers, because decisions need two people: a superuser, and one with the role of a senior officer.
All three share one authenticator key and one set of
recovery codes: demo data, made at the first start, and of use nowhere else.
"""

import secrets
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import generate_totp_secret
from django.contrib.auth.models import Group
from django.db import transaction

from accounts.models import User
from agora import roles
from agora.runtime.demo_accounts import DOMAIN, add_person

OFFICERS = {"officer": f"officer@{DOMAIN}", "second_officer": f"officer2@{DOMAIN}"}
AUDITOR = f"auditor@{DOMAIN}"
_FEWEST_CODES = 4


@transaction.atomic
def ensure(*, password: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Create who is missing; role → e-mail, and the second factor of them all: key and codes."""
    if not User.objects.filter(email=OFFICERS["officer"]).exists():
        add_person(email=OFFICERS["officer"], password=password, officer=True)
    _add_staff(email=OFFICERS["second_officer"], password=password, role=roles.SENIOR)
    _add_staff(email=AUDITOR, password=password, role=roles.AUDITOR)
    people = {**OFFICERS, "auditor": AUDITOR}
    return people, _second_factor(list(User.objects.filter(email__in=people.values())))


def _add_staff(*, email: str, password: str, role: str) -> None:
    if User.objects.filter(email=email).exists():
        return
    add_person(email=email, password=password)
    person = User.objects.get(email=email)
    person.is_staff = True
    person.save(update_fields=["is_staff"])
    person.groups.add(Group.objects.get(name=role))


def _second_factor(people: list[User]) -> dict[str, Any]:
    adapter = get_adapter()
    key = _shared(people, Authenticator.Type.TOTP, "secret") or generate_totp_secret()
    seed = _shared(people, Authenticator.Type.RECOVERY_CODES, "seed") or secrets.token_hex(40)
    left: list[set[str]] = []
    for person in people:
        Authenticator.objects.get_or_create(
            user=person,
            type=Authenticator.Type.TOTP,
            defaults={"data": {"secret": adapter.encrypt(key)}},
        )
        row, _created = Authenticator.objects.get_or_create(
            user=person,
            type=Authenticator.Type.RECOVERY_CODES,
            defaults={"data": {"seed": adapter.encrypt(seed), "used_mask": 0}},
        )
        if len(RecoveryCodes(row).get_unused_codes()) < _FEWEST_CODES:
            row.data["used_mask"] = 0  # a demo must not lock its visitor out
            row.save(update_fields=["data"])
        left.append(set(RecoveryCodes(row).get_unused_codes()))
    return {"key": key, "codes": sorted(set.intersection(*left))}


def _shared(people: list[User], kind: str, name: str) -> str:
    """What one of them has had since the first start; empty at the first."""
    row = Authenticator.objects.filter(user__in=people, type=kind).order_by("pk").first()
    return str(get_adapter().decrypt(row.data[name])) if row else ""
