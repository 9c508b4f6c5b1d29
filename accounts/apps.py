from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("People")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts import decision_notices, decisions, sign_in_events
        from compliance import four_eyes

        for kind in decisions.KINDS:
            four_eyes.register(kind)
        four_eyes.listen(decision_notices.tell)
        sign_in_events.connect()
