"""Forms of the strategies' API: what a master sends, and what everybody gets."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agora.lib import rest
from agora.lib.openapi import DECIMAL_TEXT
from copytrade.models import Strategy
from copytrade.states import StrategyState

STYLES = [(value, value) for value in Strategy.Style.values]
COPY_ON = [(value, value) for value in Strategy.CopyOn.values]
STRATEGY_STATES = [(state.value, state.value) for state in StrategyState]


@extend_schema_field(DECIMAL_TEXT)
class Amount(rest.DecimalText):
    """An amount of the quote asset."""


class StrategyChange(rest.StrictSerializer):
    """The terms of a strategy; what is not sent stays as it is."""

    name = rest.Text(max_length=60, help_text="Unique among the master's own, whatever its case.")
    description = rest.Text(max_length=2000, allow_blank=True, trim_whitespace=False)
    symbols = serializers.ListField(
        child=rest.Text(max_length=20), max_length=50, help_text="Pairs in USDT: `BTC/USDT`."
    )
    style = serializers.ChoiceField(choices=STYLES)  # type: ignore[assignment]
    copy_on = serializers.ChoiceField(
        choices=COPY_ON,
        help_text="`fill` copies resting orders as they fill, `accept` while they rest.",
    )
    min_equity = Amount(max_length=40, help_text="Smallest allocation of a follower, USDT.")
    max_followers = serializers.IntegerField(min_value=1, max_value=10_000)
    is_public = rest.Flag(help_text="Listed in the marketplace; otherwise by invitation only.")


class StrategyRequest(StrategyChange):
    """A new strategy on one of the master's exchange accounts."""

    account_id = serializers.UUIDField(help_text="An exchange account in use, without a strategy.")
    description = rest.Text(
        max_length=2000, allow_blank=True, trim_whitespace=False, required=False, default=""
    )
    copy_on = serializers.ChoiceField(choices=COPY_ON, required=False, default="fill")
    min_equity = Amount(max_length=40, required=False, default="0")
    max_followers = serializers.IntegerField(
        min_value=1, max_value=10_000, required=False, default=100
    )
    is_public = rest.Flag(required=False, default=True)


class RecordView(serializers.Serializer[Any]):
    """Figures of a period, computed from the ledger, neutral to deposits. Fractions, not percent."""

    period = serializers.IntegerField(help_text="Days.")
    roi = serializers.CharField(help_text="0.05 is 5 %.")
    pnl = serializers.CharField(help_text="Profit and loss of the master's account, USDT.")
    max_drawdown = serializers.CharField()
    sharpe = serializers.CharField(allow_null=True, help_text="A year; null with few days.")
    win_rate = serializers.CharField(allow_null=True)
    trades = serializers.IntegerField(help_text="Closed trades.")
    computed_at = serializers.DateTimeField()


class StrategyView(serializers.Serializer[Any]):
    """A strategy."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    exchange = serializers.CharField()
    symbols = serializers.ListField(child=serializers.CharField())
    style = serializers.ChoiceField(choices=STYLES)  # type: ignore[assignment]
    copy_on = serializers.ChoiceField(choices=COPY_ON)
    min_equity = serializers.CharField()
    max_followers = serializers.IntegerField()
    copiers = serializers.IntegerField()
    aum = serializers.CharField(help_text="Capital that its followers have given to it, USDT.")
    is_public = serializers.BooleanField()
    is_demo = serializers.BooleanField(help_text="Traded by a demo, with play money.")
    state = serializers.ChoiceField(choices=STRATEGY_STATES)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class StrategyInMarket(StrategyView):
    """A strategy and its record over the period that was asked for."""

    record = RecordView()


class StrategyDetail(StrategyView):
    """A strategy with all its records; the invitation is told to its master alone."""

    description = serializers.CharField(allow_blank=True)
    records = RecordView(many=True)
    invite_url = serializers.URLField(allow_null=True)


class MarketPage(rest.Page):
    """One page of the marketplace, and the addresses of its neighbours."""

    results = StrategyInMarket(many=True)


class OwnStrategies(serializers.Serializer[Any]):
    """All strategies of the token's owner, newest first."""

    results = StrategyView(many=True)


class PointView(serializers.Serializer[Any]):
    """Value of a unit at the end of a UTC day; equity and flows are told to the master alone."""

    day = serializers.DateField()
    nav = serializers.CharField()
    equity = serializers.CharField(required=False)
    flows = serializers.CharField(required=False)


class CurveView(serializers.Serializer[Any]):
    """The equity curve, oldest day first."""

    points = PointView(many=True)


class MasterTradeView(serializers.Serializer[Any]):
    """A trade of the master's own account."""

    id = serializers.IntegerField()
    symbol = serializers.CharField()
    side = serializers.CharField()
    price = serializers.CharField()
    quantity = serializers.CharField()
    realized = serializers.CharField(allow_null=True)
    at = serializers.DateTimeField()


class MasterTradePage(rest.Page):
    """One page of trades and the addresses of its neighbours."""

    results = MasterTradeView(many=True)
