from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ComplianceConfig(AppConfig):
    name = "compliance"
    verbose_name = _("Compliance")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from compliance import decisions, four_eyes, retention_decisions

        for kind in (*decisions.KINDS, *retention_decisions.KINDS):
            four_eyes.register(kind)
