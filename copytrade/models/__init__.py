"""Tables of copy trading, cut by what they are about."""

from copytrade.models.accounts import Exchange, ExchangeAccount, LedgerProof
from copytrade.models.ledger import Fill, LedgerEntry
from copytrade.models.risk import KillSwitch, RiskDay, RiskLimits
from copytrade.models.signals import CopyOrder, MasterOrder, OrderType, Side, Signal
from copytrade.models.strategies import (
    QUOTE,
    DailyPrice,
    MarkPrice,
    NavPoint,
    Strategy,
    TrackRecord,
)
from copytrade.models.subscriptions import CopyPosition, MasterPosition, Subscription
from copytrade.models.watch import AccountWatch

__all__ = [
    "QUOTE",
    "AccountWatch",
    "CopyOrder",
    "CopyPosition",
    "DailyPrice",
    "Exchange",
    "ExchangeAccount",
    "Fill",
    "KillSwitch",
    "LedgerEntry",
    "LedgerProof",
    "MarkPrice",
    "MasterOrder",
    "MasterPosition",
    "NavPoint",
    "OrderType",
    "RiskDay",
    "RiskLimits",
    "Side",
    "Signal",
    "Strategy",
    "Subscription",
    "TrackRecord",
]
