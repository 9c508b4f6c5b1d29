"""API of exchange accounts (SUB-1)."""

import uuid
from collections.abc import Callable
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import user_of
from accounts.models import User
from agora.lib import idempotency, rest
from agora.lib.idempotency import Answer
from agora.lib.openapi import IDEMPOTENCY_KEY, PAGES
from agora.lib.problems import FieldError, Problem, pointer, retry_after
from copytrade.api import account_schema as schema
from copytrade.api.strategies import Endpoint
from copytrade.models import ExchangeAccount
from copytrade.selectors import accounts as selectors
from copytrade.services import accounts as services
from copytrade.services import keys
from copytrade.services.accounts import AccountRefused
from copytrade.services.keys import Examined, KeyRefused

_RETRY_SECONDS = 30


class Accounts(Endpoint):
    """The exchange accounts of the token's owner."""

    @property
    def query_parameters(self) -> frozenset[str]:  # type: ignore[override]
        listing = self.request.method in ("GET", "HEAD")
        return frozenset({"cursor", "page_size"}) if listing else frozenset()

    @extend_schema(
        operation_id="list_exchange_accounts",
        tags=["copy trading"],
        parameters=PAGES,
        responses={200: schema.AccountPage},
        summary="List your exchange accounts, newest first",
    )
    def get(self, request: Request) -> Response:
        found = selectors.accounts_of(user_of(request))
        return rest.NewestFirst.listed(found, request, account_json)

    @extend_schema(
        operation_id="add_exchange_account",
        tags=["copy trading"],
        parameters=[IDEMPOTENCY_KEY],
        request=schema.AccountRequest,
        responses={201: schema.AccountView},
        summary="Connect an exchange account",
        description=(
            "The key is checked at the exchange first: valid, allowed to trade, not allowed to "
            "withdraw. A refused key is not stored. `exchange_unavailable` says nothing about it."
        ),
    )
    @sensitive_variables("asked", "examined")
    def post(self, request: Request) -> Response:
        key, asked = idempotency.key_of(request), rest.validated(schema.AccountRequest, request)
        user, now = user_of(request), timezone.now()
        examined = _examined(user, asked)

        def perform() -> Answer:
            made = _done(
                lambda: services.add_account(
                    user=user,
                    exchange=asked["exchange"],
                    label=asked["label"],
                    examined=examined(),
                    now=now,
                )
            )
            location = reverse("api:copy_account", kwargs={"account_id": made.pk})
            return Answer(body=account_json(made), location=location)

        return idempotency.once(request, client=user.pk, key=key, now=now, perform=perform)


class AccountById(Endpoint):
    """One exchange account."""

    @extend_schema(
        operation_id="read_exchange_account",
        tags=["copy trading"],
        responses={200: schema.AccountView},
        summary="Read an exchange account",
    )
    def get(self, request: Request, account_id: uuid.UUID) -> Response:
        return Response(account_json(_own(request, account_id)))

    @extend_schema(
        operation_id="rename_exchange_account",
        tags=["copy trading"],
        request=schema.AccountChange,
        responses={200: schema.AccountView},
        summary="Rename an exchange account",
    )
    def patch(self, request: Request, account_id: uuid.UUID) -> Response:
        asked, _found = rest.validated(schema.AccountChange, request), _own(request, account_id)
        renamed = _done(
            lambda: services.rename_account(
                user=user_of(request),
                account_id=account_id,
                label=asked["label"],
                now=timezone.now(),
            )
        )
        return Response(account_json(renamed))

    @extend_schema(
        operation_id="remove_exchange_account",
        tags=["copy trading"],
        request=None,
        responses={200: schema.AccountView},
        summary="Erase the key of an exchange account; its history stays",
    )
    def delete(self, request: Request, account_id: uuid.UUID) -> Response:
        _own(request, account_id)
        removed = _done(
            lambda: services.remove_account(
                user=user_of(request), account_id=account_id, now=timezone.now()
            )
        )
        return Response(account_json(removed))


class AccountKey(Endpoint):
    """The key of an exchange account."""

    @extend_schema(
        operation_id="replace_exchange_key",
        tags=["copy trading"],
        parameters=[IDEMPOTENCY_KEY],
        request=schema.KeyRequest,
        responses={200: schema.AccountView},
        summary="Use another key of the same account",
        description="Checked as a new one is. A paused account is in use again afterwards.",
    )
    @sensitive_variables("asked", "examined")
    def post(self, request: Request, account_id: uuid.UUID) -> Response:
        key, asked = idempotency.key_of(request), rest.validated(schema.KeyRequest, request)
        user, now = user_of(request), timezone.now()
        _own(request, account_id)
        examined = _examined(user, asked)

        def perform() -> Answer:
            changed = _done(
                lambda: services.replace_key(
                    user=user, account_id=account_id, examined=examined(), now=now
                )
            )
            return Answer(body=account_json(changed), status=200)

        return idempotency.once(request, client=user.pk, key=key, now=now, perform=perform)


class ResumeAccount(Endpoint):
    """Ending the pause of an exchange account."""

    @extend_schema(
        operation_id="resume_exchange_account",
        tags=["copy trading"],
        request=None,
        responses={200: schema.AccountView},
        summary="Check the key of a paused account again, and use it",
    )
    def post(self, request: Request, account_id: uuid.UUID) -> Response:
        found = _own(request, account_id)
        resumed = _done(
            lambda: services.resume_account(
                user=user_of(request),
                account_id=account_id,
                examined=keys.examine_stored(found),
                now=timezone.now(),
            )
        )
        return Response(account_json(resumed))


def _own(request: Request, account_id: uuid.UUID) -> ExchangeAccount:
    try:
        return selectors.account_for(user=user_of(request), account_id=account_id)
    except ExchangeAccount.DoesNotExist as error:
        raise Problem("not_found") from error


@sensitive_variables()
def _examined(user: User, asked: dict[str, Any]) -> Callable[[], Examined]:
    """The examined key, asked for now but refused only inside: a repeat is answered as before.

    The exchange is not to be waited for inside a transaction.
    """
    try:
        found = keys.examine(user=user, api_key=asked["api_key"], secret=asked["secret"])
    except KeyRefused as refusal:
        refused = refusal
        return lambda: _raise(refused)
    return lambda: found


def _raise(refusal: KeyRefused) -> Examined:
    raise refusal


def _done(perform: Callable[[], ExchangeAccount]) -> ExchangeAccount:
    """What the service did; its refusals as problems."""
    try:
        return perform()
    except ExchangeAccount.DoesNotExist as error:
        raise Problem("not_found") from error
    except (AccountRefused, KeyRefused) as refusal:
        raise _problem(refusal) from None


def _problem(refusal: AccountRefused | KeyRefused) -> Problem:
    errors = (
        [FieldError(pointer(refusal.field), refusal.message, refusal.code)] if refusal.field else []
    )
    if refusal.code == "too_many_checks":
        return Problem("rate_limited", detail=refusal.message, headers=retry_after(60))
    if refusal.code in ("key_malformed", "secret_malformed", "label_invalid", "exchange_unknown"):
        return Problem("invalid", errors=errors)
    away = refusal.code == "exchange_unavailable"
    headers = retry_after(_RETRY_SECONDS) if away else {}
    code = "not_found" if refusal.code == "account_removed" else refusal.code
    return Problem(code, detail=refusal.message, errors=errors, headers=headers)


def account_json(account: ExchangeAccount) -> dict[str, Any]:
    """An exchange account on the wire, without anything that opens it."""
    return {
        "id": str(account.pk),
        "exchange": str(account.exchange),
        "label": account.label,
        "key_hint": account.key_hint,
        "state": str(account.state),
        "state_reason": account.state_reason,
        "can_trade": account.can_trade,
        "can_withdraw": account.can_withdraw,
        "ip_restricted": account.ip_restricted,
        "checked_at": rest.moment(account.checked_at),
        "created_at": rest.moment(account.created_at),
    }
