"""Addresses of the copy-trading API, below /api/v1/copy/."""

from django.urls import URLPattern, URLResolver, path

from copytrade.api import (
    accounts,
    desk,
    history,
    market,
    risk,
    signals,
    strategies,
    subscriptions,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("strategies", market.Strategies.as_view(), name="copy_strategies"),
    path("strategies/mine", strategies.OwnStrategies.as_view(), name="copy_own_strategies"),
    path(
        "strategies/<uuid:strategy_id>",
        strategies.StrategyById.as_view(),
        name="copy_strategy",
    ),
    path(
        "strategies/<uuid:strategy_id>/pause",
        strategies.PauseStrategy.as_view(),
        name="copy_strategy_pause",
    ),
    path(
        "strategies/<uuid:strategy_id>/resume",
        strategies.ResumeStrategy.as_view(),
        name="copy_strategy_resume",
    ),
    path(
        "strategies/<uuid:strategy_id>/curve",
        strategies.Curve.as_view(),
        name="copy_strategy_curve",
    ),
    path(
        "strategies/<uuid:strategy_id>/trades",
        strategies.MasterTrades.as_view(),
        name="copy_strategy_trades",
    ),
    path("strategies/<uuid:strategy_id>/orders", desk.MasterOrders.as_view(), name="copy_orders"),
    path(
        "strategies/<uuid:strategy_id>/orders/<uuid:order_id>",
        desk.MasterOrderById.as_view(),
        name="copy_order",
    ),
    path("invitations/<str:code>", strategies.Invitation.as_view(), name="copy_invitation"),
    path("trades", history.Trades.as_view(), name="copy_trades"),
    path("trades/export", history.TradesFile.as_view(), name="copy_trades_export"),
    path("ledger", history.Ledger.as_view(), name="copy_ledger"),
    path("ledger/export", history.LedgerFile.as_view(), name="copy_ledger_export"),
    path("signals", signals.Signals.as_view(), name="copy_signals"),
    path("signals/<uuid:signal_id>", signals.SignalById.as_view(), name="copy_signal"),
    path("legs/<uuid:leg_id>", signals.LegById.as_view(), name="copy_leg"),
    path("risk-limits", risk.RiskLimitsOfPerson.as_view(), name="copy_risk_limits"),
    path(
        "subscriptions/<uuid:subscription_id>/risk-limits",
        risk.RiskLimitsOfSubscription.as_view(),
        name="copy_subscription_risk_limits",
    ),
    path(
        "strategies/<uuid:strategy_id>/preview",
        subscriptions.PreviewOfStrategy.as_view(),
        name="copy_preview",
    ),
    path("accounts", accounts.Accounts.as_view(), name="copy_accounts"),
    path("accounts/<uuid:account_id>", accounts.AccountById.as_view(), name="copy_account"),
    path("accounts/<uuid:account_id>/key", accounts.AccountKey.as_view(), name="copy_account_key"),
    path(
        "accounts/<uuid:account_id>/resume",
        accounts.ResumeAccount.as_view(),
        name="copy_account_resume",
    ),
    path("subscriptions", subscriptions.Subscriptions.as_view(), name="copy_subscriptions"),
    path(
        "subscriptions/<uuid:subscription_id>",
        subscriptions.SubscriptionById.as_view(),
        name="copy_subscription",
    ),
    path(
        "subscriptions/<uuid:subscription_id>/pause",
        subscriptions.PauseSubscription.as_view(),
        name="copy_subscription_pause",
    ),
    path(
        "subscriptions/<uuid:subscription_id>/resume",
        subscriptions.ResumeSubscription.as_view(),
        name="copy_subscription_resume",
    ),
    path(
        "subscriptions/<uuid:subscription_id>/stop",
        subscriptions.StopSubscription.as_view(),
        name="copy_subscription_stop",
    ),
]
