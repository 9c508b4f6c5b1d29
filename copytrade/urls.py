"""Addresses of the copy-trading pages, below /copy/."""

from django.urls import URLPattern, URLResolver, path

from copytrade.views import (
    accounts,
    desk,
    explain,
    kill,
    ledger,
    market,
    risk,
    strategies,
    subscribing,
    subscriptions,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", market.marketplace, name="market"),
    path("invite/<str:code>/", strategies.invitation, name="invitation"),
    path("strategies/mine/", strategies.my_strategies, name="strategies-mine"),
    path("strategies/new/", strategies.strategy_new, name="strategy-new"),
    path("strategies/<uuid:strategy_id>/", strategies.strategy, name="strategy"),
    path("strategies/<uuid:strategy_id>/edit/", strategies.strategy_edit, name="strategy-edit"),
    *(
        path(
            f"strategies/<uuid:strategy_id>/{act}/",
            strategies.strategy_act,
            {"act": act},
            name=f"strategy-{act}",
        )
        for act in strategies.ACTS
    ),
    path("strategies/<uuid:strategy_id>/desk/", desk.desk_page, name="desk"),
    path("strategies/<uuid:strategy_id>/desk/state/", desk.desk_state, name="desk-state"),
    path("strategies/<uuid:strategy_id>/desk/prices/", desk.desk_prices, name="desk-prices"),
    path("strategies/<uuid:strategy_id>/desk/review/", desk.desk_review, name="desk-review"),
    path("strategies/<uuid:strategy_id>/desk/confirm/", desk.desk_confirm, name="desk-confirm"),
    path("strategies/<uuid:strategy_id>/desk/close/", desk.desk_close, name="desk-close"),
    path(
        "strategies/<uuid:strategy_id>/desk/orders/<uuid:order_id>/cancel/",
        desk.desk_cancel,
        name="desk-cancel",
    ),
    path(
        "strategies/<uuid:strategy_id>/desk/orders/<uuid:order_id>/replace/",
        desk.desk_replace,
        name="desk-replace",
    ),
    path("accounts/", accounts.exchange_accounts, name="exchange-accounts"),
    path("accounts/new/", accounts.exchange_account_new, name="exchange-account-new"),
    *(
        path(
            f"accounts/<uuid:account_id>/{act}/",
            getattr(accounts, f"exchange_account_{act}"),
            name=f"exchange-account-{act}",
        )
        for act in ("rename", "key", "resume", "remove")
    ),
    path(
        "strategies/<uuid:strategy_id>/subscribe/",
        subscribing.subscription_new,
        name="subscription-new",
    ),
    path(
        "strategies/<uuid:strategy_id>/preview/",
        subscribing.subscription_preview,
        name="subscription-preview",
    ),
    path("subscriptions/", subscriptions.subscriptions, name="subscriptions"),
    path("subscriptions/<uuid:subscription_id>/", subscriptions.subscription, name="subscription"),
    *(
        path(
            f"subscriptions/<uuid:subscription_id>/{act}/",
            getattr(subscriptions, f"subscription_{act}"),
            name=f"subscription-{act}",
        )
        for act in ("edit", "pause", "resume", "stop")
    ),
    path("trades/", ledger.trades, name="copy-ledger"),
    path("trades/export/", ledger.export, name="copy-export"),
    path("proof/", ledger.comparison, name="copy-proof"),
    path("proof/<uuid:account_id>/", ledger.compare_now, name="copy-prove"),
    path("proof/<uuid:account_id>/<str:asset>/", ledger.book_difference, name="copy-book"),
    path("signals/<uuid:signal_id>/", explain.signal, name="copy-signal"),
    path("legs/<uuid:leg_id>/", explain.leg, name="copy-leg"),
    path("risk/", risk.limits, name="risk-limits"),
    path("risk/<uuid:subscription_id>/", risk.subscription_limits, name="risk-subscription"),
    path("stop/<str:level>/<uuid:target_id>/", kill.engage, name="kill-engage"),
    path("stop/<int:switch_id>/release/", kill.release, name="kill-release"),
]
