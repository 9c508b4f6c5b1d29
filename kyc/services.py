"""Writes about what a person has shown."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts import locks
from accounts.addresses import clean_evm_address
from accounts.models import User
from accounts.services import set_wallet
from compliance import audit
from kyc import screening, taxid
from kyc.consent import ACCOUNT, agree
from kyc.fullname import InvalidName, clean_full_name
from kyc.limits import limit_of_tier, local_day
from kyc.models import Application, DailyLimit
from kyc.taxid import InvalidTaxId, clean_tax_id

Messages = dict[str, list["str | Promise"]]
AUTOMATIC_TIER = 1


class OnboardingError(Exception):
    """The submission was refused and nothing is stored; `errors` maps fields to messages."""

    def __init__(self, errors: Mapping[str, list["str | Promise"]]) -> None:
        super().__init__("; ".join(f"{k}: {v[0]}" for k, v in errors.items()))
        self.errors = dict(errors)


def onboard(
    *,
    user: User,
    full_name: str,
    country: str,
    tax_id: str,
    wallet_address: str,
    consent: bool,
    now: datetime,
    language: str = "en",
) -> Application:
    """Store a KYC-light application, and approve it for tier 1 unless a list says more (RAT-001).

    All or nothing: application, consent, wallet, counter and audit rows in one transaction.
    `language` is the one that the consent was offered in. Locks the wallet's address, then the user's
    row. Raises AccountClosed, or OnboardingError with a message for each wrong field.
    """
    errors, name, tax_digits, address = _check(full_name, country, tax_id, wallet_address, consent)
    if Application.objects.filter(user=user).exists():
        errors = {"__all__": [_("This account is already onboarded.")]}
    if errors:
        raise OnboardingError(errors)
    index = taxid.index_of(country=country, number=tax_digits)
    if Application.objects.filter(tax_id_index=index).exists():
        raise _tax_id_taken()
    try:
        with transaction.atomic():
            # An erasure that saw no application yet would shred the key of one just being stored.
            locks.wallet_address(address)
            locks.open_account(user.pk)
            set_wallet(user=user, address=address, now=now)
            application = _store(user, country, name, tax_digits, index, now)
            agree(user=user, terms=ACCOUNT, language=language, now=now)
            _decide_automatically(application, now)
    except ValidationError as error:
        raise OnboardingError({"wallet_address": list(error.messages)}) from error
    except IntegrityError as error:  # the same person or tax id a moment earlier, elsewhere
        raise _tax_id_taken() from error
    return application


def _check(
    full_name: str, country: str, tax_id: str, wallet_address: str, consent: bool
) -> tuple[Messages, str, str, str]:
    errors: Messages = {}
    name = tax_digits = address = ""
    try:
        name = clean_full_name(full_name)
    except InvalidName as error:
        errors["full_name"] = [error.reason]
    if country not in Application.Country.values:
        errors["country"] = [_("Choose Brazil or Paraguay.")]
    else:
        try:
            tax_digits = clean_tax_id(country=country, text=tax_id)
        except InvalidTaxId as error:
            errors["tax_id"] = [error.reason]
    try:
        address = clean_evm_address(wallet_address)
    except ValidationError as error:
        errors["wallet_address"] = list(error.messages)
    if consent is not True:
        errors["consent"] = [_("Please read the consent and agree to it to continue.")]
    return errors, name, tax_digits, address


def _tax_id_taken() -> OnboardingError:
    return OnboardingError({"tax_id": [taxid.TAKEN]})


def _store(
    user: User, country: str, name: str, tax_digits: str, index: bytes, now: datetime
) -> Application:
    application = Application(
        id=uuid.uuid4(),
        user=user,
        country=country,
        tax_id_index=index,
        tier_id=AUTOMATIC_TIER,
        consent_version=ACCOUNT.version,
        consent_hash=ACCOUNT.sha256,
        consented_at=now,
        submitted_at=now,
    )
    application.full_name_encrypted = application.seal(column="full_name", text=name)
    application.tax_id_encrypted = application.seal(column="tax_id", text=tax_digits)
    application.save(force_insert=True)
    _record(application, "kyc.submitted", audit.actor_of(user), now)
    return application


def _decide_automatically(application: Application, now: datetime) -> None:
    """Look the person up; whoever is on no list is approved. Others wait for officers.

    Without any list everybody is approved, unless SCREENING_REQUIRED: then they wait for one.
    """
    screening.screen(application=application, now=now)
    if screening.open_matches(application).exists():
        return
    if settings.SCREENING_REQUIRED and not screening.is_ready():
        return
    approve_automatically(application, now=now)


def approve_automatically(application: Application, *, now: datetime) -> None:
    """Approve a person for the tier that they applied for; call it inside a transaction."""
    limit = limit_of_tier(application.tier_id)
    application.status = Application.Status.APPROVED
    application.decided_at = now
    application.decided_by = audit.system("kyc")
    application.save(update_fields=["status", "decided_at", "decided_by"])
    DailyLimit.objects.create(
        application=application,
        limit_usd=limit,
        day=local_day(country=application.country, now=now),
        used_usd=Decimal(0),
    )
    _record(application, "kyc.approved", audit.system("kyc"), now)


def _record(application: Application, action: str, actor: str, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        object_type="kyc_application",
        object_id=str(application.pk),
        evidence={
            "user": str(application.user_id),
            "country": application.country,
            "tier": application.tier_id,
            "status": application.status,
            "consent_version": application.consent_version,
            "consent_hash": application.consent_hash,
        },
        now=now,
    )
