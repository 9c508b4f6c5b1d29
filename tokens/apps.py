from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TokensConfig(AppConfig):
    name = "tokens"
    verbose_name = _("Tokens")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from compliance import four_eyes
        from tokens import decisions

        for kind in decisions.KINDS:
            four_eyes.register(kind)
