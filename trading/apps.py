from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TradingConfig(AppConfig):
    name = "trading"
    verbose_name = _("Trading")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts import wallets
        from compliance import four_eyes
        from trading import decisions, repayments, sales, selectors

        for kind in (*decisions.KINDS, *repayments.KINDS, *sales.KINDS):
            four_eyes.register(kind)
        wallets.register_use(selectors.goes_to)
