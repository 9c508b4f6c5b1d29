"""What the API of trades, signals and limits answers; money as strings, times in UTC."""

import re
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from agora.lib import rest
from copytrade.days import ZONES
from copytrade.models import LedgerEntry, Signal

ORIGINS = [(name, name) for name in ("copied", "master", "external")]
BOOKS = [(book.value, book.value) for book in LedgerEntry.Book]
ENTRY_KINDS = [(kind.value, kind.value) for kind in LedgerEntry.Kind]
SIGNAL_KINDS = [(kind.value, kind.value) for kind in Signal.Kind]
CAUSES = [(cause.value, cause.value) for cause in Signal.Cause]
SIDES = [("BUY", "BUY"), ("SELL", "SELL")]
_DECIMAL = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)


class TradeView(serializers.Serializer[Any]):
    """A trade on one of the person's exchange accounts."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField(help_text="When the exchange traded.")
    booked_at = serializers.DateTimeField()
    account_id = serializers.UUIDField()
    symbol = serializers.CharField()
    side = serializers.ChoiceField(choices=SIDES)
    price = serializers.CharField()
    quantity = serializers.CharField(help_text="In the base asset.")
    value = serializers.CharField(help_text="In the quote asset.")
    fee = serializers.CharField()
    fee_asset = serializers.CharField(allow_blank=True)
    fee_value = serializers.CharField(help_text="The fee in the quote asset, as of then.")
    realized = serializers.CharField(allow_null=True, help_text="Of a sale, fees included.")
    origin = serializers.ChoiceField(choices=ORIGINS)
    subscription_id = serializers.UUIDField(allow_null=True)
    leg_id = serializers.UUIDField(allow_null=True)
    strategy_id = serializers.UUIDField(allow_null=True)
    master_order_id = serializers.UUIDField(allow_null=True)
    exchange_trade_id = serializers.CharField()
    exchange_order_id = serializers.CharField()


class TradeTotals(serializers.Serializer[Any]):
    """Sums over all pages, in the quote asset."""

    trades = serializers.IntegerField()
    bought = serializers.CharField()
    sold = serializers.CharField()
    fees = serializers.CharField()
    realized = serializers.CharField()


class TradePage(rest.Page):
    """One page of trades and the addresses of its neighbours."""

    results = TradeView(many=True)
    totals = TradeTotals(allow_null=True, help_text="On the first page only.")


class EntryView(serializers.Serializer[Any]):
    """A movement of one asset from one book to another."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    booked_at = serializers.DateTimeField()
    account_id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=ENTRY_KINDS)
    credit = serializers.ChoiceField(choices=BOOKS, help_text="The book that gives.")
    debit = serializers.ChoiceField(choices=BOOKS, help_text="The book that receives.")
    asset = serializers.CharField()
    amount = serializers.CharField()
    trade_id = serializers.IntegerField(allow_null=True)
    reverses = serializers.IntegerField(allow_null=True)
    note = serializers.CharField(allow_blank=True)


class EntryPage(rest.Page):
    """One page of ledger entries and the addresses of its neighbours."""

    results = EntryView(many=True)


class QuantityView(serializers.Serializer[Any]):
    """One of the five numbers of a copy, and why it is not the one before it."""

    key = serializers.CharField()
    value = serializers.CharField(allow_null=True)
    note = serializers.CharField(allow_blank=True)


class LegView(serializers.Serializer[Any]):
    """What became of a signal for one subscription."""

    id = serializers.UUIDField()
    signal_id = serializers.UUIDField()
    subscription_id = serializers.UUIDField()
    symbol = serializers.CharField()
    side = serializers.ChoiceField(choices=SIDES)
    state = serializers.CharField()
    reason = serializers.CharField(allow_blank=True, help_text="A stable code.")
    outcome = serializers.CharField(help_text="One sentence.")
    why = serializers.CharField(allow_blank=True, help_text="The reason as a sentence.")
    quantities = QuantityView(many=True)
    published_after_ms = serializers.IntegerField(help_text="From the master's trade.")
    accepted_after_ms = serializers.IntegerField(
        allow_null=True, help_text="From the signal to the exchange's acceptance."
    )
    average_price = serializers.CharField(allow_null=True)
    slippage_bps = serializers.CharField(
        allow_null=True, help_text="1/100 %; positive is worse than the signal's price."
    )
    client_order_id = serializers.CharField()
    created_at = serializers.DateTimeField()
    accepted_at = serializers.DateTimeField(allow_null=True)


class SignalView(serializers.Serializer[Any]):
    """A signal that the person gave, or that concerned a subscription of theirs."""

    id = serializers.UUIDField()
    strategy_id = serializers.UUIDField()
    number = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=SIGNAL_KINDS)
    cause = serializers.ChoiceField(choices=CAUSES)
    symbol = serializers.CharField()
    side = serializers.ChoiceField(choices=SIDES)
    price = serializers.CharField()
    cumulative = serializers.CharField()
    headline = serializers.CharField(help_text="One sentence.")
    at = serializers.DateTimeField(help_text="The master's time.")
    published_at = serializers.DateTimeField()


class OutcomeView(serializers.Serializer[Any]):
    """How many copies came out in one way."""

    state = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    text = serializers.CharField(allow_blank=True)
    count = serializers.IntegerField()


class CopiesView(serializers.Serializer[Any]):
    """All copies of a signal together; for its master."""

    legs = serializers.IntegerField()
    copied = serializers.IntegerField()
    quantity = serializers.CharField()
    value = serializers.CharField()
    median_ms = serializers.IntegerField(allow_null=True)
    last_ms = serializers.IntegerField(allow_null=True)
    slippage_bps = serializers.CharField(allow_null=True)
    outcomes = OutcomeView(many=True)


class SignalDetail(SignalView):
    """A signal with what became of it."""

    copies = CopiesView(allow_null=True, help_text="For the strategy's master only.")
    legs = LegView(many=True, help_text="The person's own copies.")


class SignalPage(rest.Page):
    """One page of signals and the addresses of its neighbours."""

    results = SignalView(many=True)


class LimitAmount(rest.DecimalText):
    """An amount in USDT."""

    default_error_messages = {
        "amount_invalid": _('Give a plain decimal number, such as "250.5", or null for no limit.')
    }

    def run_validation(self, data: Any = serializers.empty) -> Decimal | None:
        text = super().run_validation(data)
        if text is None:
            return None
        if not _DECIMAL.fullmatch(text):
            self.fail("amount_invalid")
        return Decimal(text)


class LimitsRequest(rest.StrictSerializer):
    """All limits at once; what is left out or null is no limit."""

    max_order = LimitAmount(required=False, allow_null=True, max_length=40)
    max_symbol = LimitAmount(required=False, allow_null=True, max_length=40)
    max_exposure = LimitAmount(required=False, allow_null=True, max_length=40)
    daily_loss = LimitAmount(required=False, allow_null=True, max_length=40)


class PersonLimitsRequest(LimitsRequest):
    """Limits over all subscriptions, and when the person's day begins."""

    timezone = serializers.ChoiceField(choices=[(z, z) for z in ZONES], default="UTC")


class LimitsView(serializers.Serializer[Any]):
    """Limits and where the person, or the subscription, stands today. Amounts in USDT."""

    max_order = serializers.CharField(allow_null=True)
    max_symbol = serializers.CharField(allow_null=True)
    max_exposure = serializers.CharField(allow_null=True)
    daily_loss = serializers.CharField(allow_null=True)
    timezone = serializers.CharField(help_text="When the day of `lost_today` begins.")
    lost_today = serializers.CharField(help_text="Negative is a gain.")
    updated_at = serializers.DateTimeField(allow_null=True)
