"""API of the address book (WAL-1): list, add, read, relabel, delete."""

from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import address_book, selectors
from accounts.address_book import LONGEST_LABEL, AddressRefused
from accounts.addresses import LARGEST_TAG, Chain, Exchange
from accounts.authentication import user_of
from accounts.models import AddressEntry, User
from agora.lib import idempotency, rest
from agora.lib.idempotency import Answer
from agora.lib.openapi import IDEMPOTENCY_KEY, PAGES
from agora.lib.problems import FieldError, Problem, pointer, wrong

CHAIN_CHOICES = [(value, value) for value in Chain.values]
EXCHANGE_CHOICES = [(value, value) for value in Exchange.values]
_LONGEST_INPUT = 500


class AddressRequest(rest.StrictSerializer):
    """An address to add."""

    exchange = serializers.ChoiceField(
        choices=EXCHANGE_CHOICES,
        default="",
        help_text="Where it receives; empty: in a wallet of your own.",
    )
    chain = serializers.ChoiceField(choices=CHAIN_CHOICES)
    label = rest.Text(  # type: ignore[assignment]  # the field of this name, not the field's label
        max_length=LONGEST_LABEL, help_text="What you will recognise it by."
    )
    address = rest.Text(
        max_length=_LONGEST_INPUT,
        help_text="Checked by its checksum where the chain has one. XRP takes X-addresses too.",
    )
    tag = serializers.IntegerField(
        min_value=0,
        max_value=LARGEST_TAG,
        allow_null=True,
        default=None,
        help_text="Destination tag; XRP only. An X-address brings its own.",
    )


class AddressLabelRequest(rest.StrictSerializer):
    """A new label."""

    label = rest.Text(max_length=LONGEST_LABEL)  # type: ignore[assignment]


class AddressWarning(serializers.Serializer[Any]):
    """Something about a right address that its owner should still look at."""

    code = serializers.CharField(help_text="`tag_missing` or `two_chains`.")
    detail = serializers.CharField()


class AddressView(serializers.Serializer[Any]):
    """An address in the one form of its chain."""

    id = serializers.UUIDField()
    exchange = serializers.ChoiceField(choices=EXCHANGE_CHOICES)
    chain = serializers.ChoiceField(choices=CHAIN_CHOICES)
    label = serializers.CharField()  # type: ignore[assignment]
    address = serializers.CharField()
    tag = serializers.IntegerField(allow_null=True, min_value=0, max_value=LARGEST_TAG)
    warnings = AddressWarning(many=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class AddressPage(rest.Page):
    """A page of addresses."""

    results = AddressView(many=True)


class Addresses(rest.Endpoint):
    """The token owner's address book."""

    rates: ClassVar = {"GET": "read", "POST": "trade"}
    scopes: ClassVar = {"GET": "read", "POST": "trade"}

    @property
    def query_parameters(self) -> frozenset[str]:  # type: ignore[override]
        listing = self.request.method in ("GET", "HEAD")
        return frozenset({"chain", "exchange", "cursor", "page_size"} if listing else ())

    @extend_schema(
        operation_id="list_addresses",
        tags=["addresses"],
        parameters=[
            OpenApiParameter("chain", enum=Chain.values, description="Only of this chain."),
            OpenApiParameter(
                "exchange",
                enum=Exchange.values,
                description="Only at this exchange; given but empty: only your own wallets.",
            ),
            *PAGES,
        ],
        responses={200: AddressPage},
        summary="List your addresses, newest first",
        description="The header `Link` has the neighbouring pages too.",
    )
    def get(self, request: Request) -> Response:
        chain = request.query_params.get("chain", "")
        exchange = request.query_params.get("exchange")
        if chain and chain not in Chain.values:
            raise ParseError(_("There is no such chain."))
        if exchange is not None and exchange not in Exchange.values:
            raise ParseError(_("There is no such exchange."))
        found = selectors.addresses_of(user_of(request), chain=chain, exchange=exchange)
        return rest.NewestFirst.listed(found, request, address_json)

    @extend_schema(
        operation_id="add_address",
        tags=["addresses"],
        parameters=[IDEMPOTENCY_KEY],
        request=AddressRequest,
        responses={201: AddressView},
        examples=[
            OpenApiExample(
                "A deposit address at an exchange, with its destination tag",
                value={
                    "exchange": "binance",
                    "chain": "XRP",
                    "label": "Deposits",
                    "address": "r9cZA1mLK5R5Am25ArfXFmqgNwjZgnfk59",
                    "tag": 11747,
                },
                request_only=True,
            )
        ],
        summary="Add an address",
        description=(
            "Refused with 422 and a `code` in `errors` that says what is wrong with the address: "
            "`checksum`, `characters`, `case`, `form`, `other_chain`, `test_network`, `zero`; or "
            "with its tag: `tag_not_used`, `tag_differs`. Twice the same: 409 `address_exists`."
        ),
    )
    def post(self, request: Request) -> Response:
        key = idempotency.key_of(request)
        asked = rest.validated(AddressRequest, request)
        user = user_of(request)
        return idempotency.once(
            request,
            client=user.pk,
            key=key,
            now=timezone.now(),
            perform=lambda: _add(user, asked),
        )


class AddressById(rest.Endpoint):
    """One address of the token owner."""

    http_method_names = ("get", "head", "patch", "delete")
    rates: ClassVar = {"GET": "read", "PATCH": "trade", "DELETE": "trade"}
    scopes: ClassVar = {"GET": "read", "PATCH": "trade", "DELETE": "trade"}

    @extend_schema(
        operation_id="read_address",
        tags=["addresses"],
        responses={200: AddressView},
        summary="Read an address",
    )
    def get(self, request: Request, entry_id: UUID) -> Response:
        try:
            entry = selectors.address_for(user=user_of(request), entry_id=entry_id)
        except AddressEntry.DoesNotExist as error:
            raise Problem("not_found") from error
        return Response(address_json(entry))

    @extend_schema(
        operation_id="relabel_address",
        tags=["addresses"],
        request=AddressLabelRequest,
        responses={200: AddressView},
        summary="Give an address another label",
        description="Chain, exchange and address stay: another address is another entry.",
    )
    def patch(self, request: Request, entry_id: UUID) -> Response:
        asked = rest.validated(AddressLabelRequest, request)
        try:
            entry = address_book.relabel_entry(
                user=user_of(request), entry_id=entry_id, label=asked["label"], now=timezone.now()
            )
        except AddressRefused as error:
            raise _refused(error) from error
        except AddressEntry.DoesNotExist as error:
            raise Problem("not_found") from error
        return Response(address_json(entry))

    @extend_schema(
        operation_id="delete_address",
        tags=["addresses"],
        responses={204: None},
        summary="Delete an address",
        description="It cannot be brought back. Deleting it again gives 404.",
    )
    def delete(self, request: Request, entry_id: UUID) -> Response:
        try:
            address_book.delete_entry(user=user_of(request), entry_id=entry_id, now=timezone.now())
        except AddressEntry.DoesNotExist as error:
            raise Problem("not_found") from error
        return Response(status=HTTPStatus.NO_CONTENT)


def _add(user: User, asked: dict[str, Any]) -> Answer:
    try:
        entry = address_book.create_entry(user=user, **asked, now=timezone.now())
    except AddressRefused as error:
        raise _refused(error) from error
    return Answer(
        body=address_json(entry), location=reverse("api:address", kwargs={"entry_id": entry.pk})
    )


def _refused(error: AddressRefused) -> Problem:
    if error.code == "too_many_addresses":
        return Problem(error.code, detail=error.message)
    if error.code == "address_exists":
        field = FieldError(pointer(error.field), error.message, error.code)
        return Problem(error.code, detail=error.message, errors=[field])
    return wrong(error.field, error.message, code=error.code)


def address_json(entry: AddressEntry) -> dict[str, object]:
    """An entry on the wire; times in UTC."""
    return {
        "id": str(entry.pk),
        "exchange": str(entry.exchange),
        "chain": str(entry.chain),
        "label": entry.label,
        "address": entry.address,
        "tag": entry.tag,
        "warnings": [
            {"code": caution.code, "detail": str(caution.message)} for caution in entry.cautions
        ],
        "created_at": rest.moment(entry.created_at),
        "updated_at": rest.moment(entry.updated_at),
    }
