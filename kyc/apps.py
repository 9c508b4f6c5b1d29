from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class KycConfig(AppConfig):
    name = "kyc"
    verbose_name = _("Know your customer")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from compliance import four_eyes
        from kyc import correction_decision, decisions, limit_decisions, match_decisions

        for module in (decisions, correction_decision, limit_decisions, match_decisions):
            for kind in module.KINDS:
                four_eyes.register(kind)
