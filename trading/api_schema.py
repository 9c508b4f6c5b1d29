"""Forms of the trading API: what an order request must look like, and what comes back."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agora.lib import rest
from agora.lib.openapi import DECIMAL_TEXT
from trading.models import Order
from trading.quotes import SYMBOL
from trading.states import State

ORDER_STATES = [(state.value, state.value) for state in State]
SOURCES = [(source.value, source.value) for source in Order.Source]
STEP_STATES = [(state, state) for state in ("done", "current", "waiting", "failed")]


@extend_schema_field(DECIMAL_TEXT)
class Quantity(rest.DecimalText):
    """A share quantity."""


class OrderRequest(rest.StrictSerializer):
    """A buy order."""

    symbol = serializers.ChoiceField(choices=[SYMBOL])
    quantity = Quantity(
        max_length=40, help_text='Shares as a JSON string, such as "0.5": 0.01 or more, 9 decimals.'
    )
    quote_token = rest.Text(
        max_length=1000,
        required=False,
        help_text="From a quote: buy at no worse than its limit_price. Default: the price now.",
    )


class QuoteView(serializers.Serializer[Any]):
    """A price, USD per share, and until when an order may use it."""

    symbol = serializers.CharField()
    price = serializers.CharField()
    limit_price = serializers.CharField(help_text="The worst price an order at this quote pays.")
    as_of = serializers.DateTimeField(help_text="When the market data was made.")
    quoted_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    market_open = serializers.BooleanField()
    next_open = serializers.DateTimeField(allow_null=True)
    quote_token = serializers.CharField()


class OrderView(serializers.Serializer[Any]):
    """A buy order. Prices are USD per share, quantities are shares."""

    id = serializers.UUIDField()
    symbol = serializers.CharField()
    state = serializers.ChoiceField(choices=ORDER_STATES)
    reason = serializers.CharField(allow_blank=True)
    headline = serializers.CharField()
    quantity = serializers.CharField()
    quote_price = serializers.CharField()
    quoted_at = serializers.DateTimeField()
    limit_price = serializers.CharField()
    reserved_usd = serializers.CharField(help_text="Counts against the daily limit.")
    filled_quantity = serializers.CharField()
    filled_avg_price = serializers.CharField(allow_null=True)
    wallet_address = serializers.CharField()
    source = serializers.ChoiceField(choices=SOURCES)  # type: ignore[assignment]
    queued_until = serializers.DateTimeField(
        allow_null=True, help_text="Set while the order waits for the market to open."
    )
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class EvidenceView(serializers.Serializer[Any]):
    """One re-checkable fact, such as the broker's order id or a transaction hash."""

    label = serializers.CharField()  # type: ignore[assignment]
    value = serializers.CharField()
    href = serializers.CharField(allow_null=True)


class StepView(serializers.Serializer[Any]):
    """One step of the way from the order to the minted token."""

    key = serializers.CharField()
    title = serializers.CharField()
    state = serializers.ChoiceField(choices=STEP_STATES)
    at = serializers.DateTimeField(allow_null=True)
    seconds = serializers.FloatField(allow_null=True)
    note = serializers.CharField(allow_blank=True)
    evidence = EvidenceView(many=True)


class OrderDetail(OrderView):
    """A buy order with its steps."""

    timeline = StepView(many=True)


class OrderPage(rest.Page):
    """One page of orders and the addresses of its neighbours."""

    results = OrderView(many=True)
