"""Forms of the API of subscriptions: what a follower sends, and what comes back."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agora.lib import rest
from agora.lib.openapi import DECIMAL_TEXT
from copytrade.models import Subscription
from copytrade.states import SubscriptionState

SIZINGS = [(value, value) for value in Subscription.Sizing.values]
MINIMUMS = [(value, value) for value in Subscription.Minimum.values]
STARTS = [(value, value) for value in Subscription.Start.values]
ON_STOPS = [(value, value) for value in Subscription.OnStop.values]
SUBSCRIPTION_STATES = [(state.value, state.value) for state in SubscriptionState]


@extend_schema_field(DECIMAL_TEXT)
class Decimals(rest.DecimalText):
    """An amount of the quote asset, or a factor."""


class TermsRequest(rest.StrictSerializer):
    """How a strategy is copied. Amounts are USDT in JSON strings."""

    allocated = Decimals(max_length=40, help_text="The capital that this copy may use.")
    sizing = serializers.ChoiceField(
        choices=SIZINGS,
        help_text=(
            "`fixed`: `factor` USDT an order. `multiplier`: `factor` × the master's quantity. "
            "`proportional`: that × your equity / the master's."
        ),
    )
    factor = Decimals(max_length=40)
    symbols = serializers.ListField(
        child=rest.Text(max_length=20), max_length=50, help_text="Pairs that may be opened."
    )
    slippage_bps = serializers.IntegerField(
        min_value=1, max_value=1000, required=False, default=50, help_text="In 1/100 %."
    )
    max_open = serializers.IntegerField(min_value=1, max_value=100, required=False, default=20)
    minimum = serializers.ChoiceField(
        choices=MINIMUMS,
        required=False,
        default="skip",
        help_text="What happens to an order below the exchange's minimum.",
    )
    on_stop = serializers.ChoiceField(choices=ON_STOPS, required=False, default="close")
    stop_loss_percent = Decimals(
        max_length=10,
        required=False,
        allow_null=True,
        default=None,
        help_text="5 to 95: stop when so much is lost. null: no stop-loss.",
    )


class PreviewRequest(TermsRequest):
    """Terms to be tried on what the master did."""

    invite_code = rest.Text(max_length=24, required=False, default="", allow_blank=True)


class SubscriptionRequest(PreviewRequest):
    """A new subscription."""

    strategy_id = serializers.UUIDField()
    account_id = serializers.UUIDField(
        help_text="An exchange account in use that publishes nothing."
    )
    start = serializers.ChoiceField(
        choices=STARTS,
        required=False,
        default="new",
        help_text="`new` copies new orders only, `join` opens what the master holds now.",
    )


class SubscriptionChange(rest.StrictSerializer):
    """Terms to change, for new orders only; what is not sent stays as it is."""

    version = serializers.IntegerField(
        min_value=1, required=True, help_text="As read: a change made meanwhile is not overwritten."
    )
    allocated = Decimals(max_length=40, required=False)
    sizing = serializers.ChoiceField(choices=SIZINGS, required=False)
    factor = Decimals(max_length=40, required=False)
    symbols = serializers.ListField(child=rest.Text(max_length=20), max_length=50, required=False)
    slippage_bps = serializers.IntegerField(min_value=1, max_value=1000, required=False)
    max_open = serializers.IntegerField(min_value=1, max_value=100, required=False)
    minimum = serializers.ChoiceField(choices=MINIMUMS, required=False)
    on_stop = serializers.ChoiceField(choices=ON_STOPS, required=False)
    stop_loss_percent = Decimals(
        max_length=10,
        required=False,
        allow_null=True,
        help_text="Counts from what the copy is worth now. null: no stop-loss.",
    )


class ResumeRequest(rest.StrictSerializer):
    """`confirm` lets a copy go on that a day's loss limit holds back."""

    confirm = rest.Flag(required=False, default=False)


class StopRequest(rest.StrictSerializer):
    """What happens to the positions; without it, as chosen before."""

    on_stop = serializers.ChoiceField(choices=ON_STOPS, required=False)


class SubscriptionView(serializers.Serializer[Any]):
    """A subscription. Amounts are USDT in strings."""

    id = serializers.UUIDField()
    strategy_id = serializers.UUIDField()
    strategy_name = serializers.CharField()
    account_id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=SUBSCRIPTION_STATES)
    state_reason = serializers.CharField(allow_blank=True)
    sizing = serializers.ChoiceField(choices=SIZINGS)
    factor = serializers.CharField()
    allocated = serializers.CharField()
    symbols = serializers.ListField(child=serializers.CharField())
    slippage_bps = serializers.IntegerField()
    max_open = serializers.IntegerField()
    minimum = serializers.ChoiceField(choices=MINIMUMS)
    start = serializers.ChoiceField(choices=STARTS)
    on_stop = serializers.ChoiceField(choices=ON_STOPS)
    stop_equity = serializers.CharField(
        allow_null=True, help_text="The worth at which the stop-loss strikes."
    )
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    stopped_at = serializers.DateTimeField(allow_null=True)


class HoldingView(serializers.Serializer[Any]):
    """A copied position."""

    symbol = serializers.CharField()
    quantity = serializers.CharField()
    average_price = serializers.CharField(allow_null=True)
    price = serializers.CharField(allow_null=True)
    value = serializers.CharField(allow_null=True)


class SubscriptionDetail(SubscriptionView):
    """A subscription with what it is worth and holds."""

    equity = serializers.CharField(help_text="allocated + realized + unrealized")
    realized = serializers.CharField(help_text="Fees included.")
    unrealized = serializers.CharField()
    priced_at = serializers.DateTimeField(allow_null=True)
    unpriced = serializers.ListField(
        child=serializers.CharField(), help_text="Pairs left out for want of a price."
    )
    positions = HoldingView(many=True)


class SubscriptionChanged(SubscriptionDetail):
    """A changed subscription."""

    widened = serializers.ListField(
        child=serializers.CharField(), help_text="Terms by which more can be lost than before."
    )


class SubscriptionPage(rest.Page):
    """One page of subscriptions and the addresses of its neighbours."""

    results = SubscriptionView(many=True)


class SkippedView(serializers.Serializer[Any]):
    """How many orders would not have been copied for one reason."""

    reason = serializers.CharField()
    text = serializers.CharField()
    orders = serializers.IntegerField()


class PreviewLine(serializers.Serializer[Any]):
    """One order of the master, and what would have become of it."""

    at = serializers.DateTimeField()
    symbol = serializers.CharField()
    side = serializers.CharField()
    price = serializers.CharField()
    master_quantity = serializers.CharField()
    quantity = serializers.CharField(help_text="0: not copied.")
    value = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)


class PreviewView(serializers.Serializer[Any]):
    """The master's last 90 days with the given terms and your limits. Estimates, not promises."""

    days = serializers.IntegerField()
    orders = serializers.IntegerField()
    copied = serializers.IntegerField()
    result = serializers.CharField(help_text="Profit and loss at the master's prices, USDT.")
    fees = serializers.CharField(help_text="Estimated at 0.1 %, USDT.")
    most_used = serializers.CharField(help_text="Most of the allocation in use at once, USDT.")
    stop_equity = serializers.CharField(allow_null=True)
    stopped_at = serializers.DateTimeField(
        allow_null=True, help_text="When the stop-loss would have struck."
    )
    has_rules = serializers.BooleanField(help_text="Whether the exchange's minimums were known.")
    skipped = SkippedView(many=True)
    lines = PreviewLine(many=True)
