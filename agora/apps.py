"""The project's own app: management commands, template tags and the Celery application."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class AgoraConfig(AppConfig):
    name = "agora"
    label = "agora"
    verbose_name = "Agora"

    def ready(self) -> None:
        # shared_task binds to the default application, which must exist in web processes too.
        from agora import celery, checks

        celery.app.set_default()
        checks.register()


class AgoraAdminConfig(AdminConfig):
    """The admin with our own site in place of Django's."""

    default_site = "agora.admin_site.AgoraAdminSite"
