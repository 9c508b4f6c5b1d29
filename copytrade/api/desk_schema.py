"""Forms of the master's desk in the API: what an order must look like, and what comes back."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agora.lib import rest
from agora.lib.openapi import DECIMAL_TEXT
from copytrade.models import MasterOrder, OrderType, Side
from copytrade.states import MasterOrderState

MASTER_ORDER_STATES = [(state.value, state.value) for state in MasterOrderState]
SIDES = [(side.value, side.value) for side in Side]
TYPES = [(kind.value, kind.value) for kind in OrderType]
SOURCES = [(source.value, source.value) for source in MasterOrder.Source]


@extend_schema_field(DECIMAL_TEXT)
class Number(rest.DecimalText):
    """A quantity or a price."""


class MasterOrderRequest(rest.StrictSerializer):
    """An order on the account of the strategy."""

    symbol = rest.Text(max_length=20, help_text="A pair of the strategy, such as `BTC/USDT`.")
    side = serializers.ChoiceField(choices=SIDES)
    type = serializers.ChoiceField(choices=TYPES)
    quantity = Number(max_length=40, help_text="Units of the base asset, a multiple of its step.")
    price = Number(
        max_length=40,
        required=False,
        allow_null=True,
        default=None,
        help_text="For limit orders: USDT for one unit. Not for market orders.",
    )


class MasterOrderChange(rest.StrictSerializer):
    """The terms of the order that takes an open limit order's place."""

    quantity = Number(max_length=40, help_text="What the new order is for.")
    price = Number(max_length=40)


class MasterOrderView(serializers.Serializer[Any]):
    """An order on the account of a strategy; quantities in the base asset, values in USDT."""

    id = serializers.UUIDField()
    strategy_id = serializers.UUIDField()
    symbol = serializers.CharField()
    side = serializers.ChoiceField(choices=SIDES)
    type = serializers.ChoiceField(choices=TYPES)
    state = serializers.ChoiceField(choices=MASTER_ORDER_STATES)
    reason = serializers.CharField(allow_blank=True, help_text="Why it ended otherwise; a code.")
    quantity = serializers.CharField()
    price = serializers.CharField(allow_null=True)
    filled = serializers.CharField()
    quote_filled = serializers.CharField(help_text="Paid or received so far.")
    source = serializers.ChoiceField(choices=SOURCES)  # type: ignore[assignment]
    client_order_id = serializers.CharField()
    exchange_order_id = serializers.CharField(allow_null=True)
    replaces = serializers.UUIDField(allow_null=True)
    cancel_requested_at = serializers.DateTimeField(allow_null=True)
    placed_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class MasterOrderPage(rest.Page):
    """One page of orders and the addresses of its neighbours."""

    results = MasterOrderView(many=True)
