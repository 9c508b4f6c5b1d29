from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CopytradeConfig(AppConfig):
    name = "copytrade"
    verbose_name = _("Copy trading")
    default_auto_field = "django.db.models.BigAutoField"
