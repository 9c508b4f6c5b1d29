from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CopytradeConfig(AppConfig):
    name = "copytrade"
    verbose_name = _("Copy trading")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from compliance import four_eyes
        from copytrade import decisions

        for kind in decisions.KINDS:
            four_eyes.register(kind)
