"""The project's own app: management commands, template tags and the Celery application."""

from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate


class AgoraConfig(AppConfig):
    name = "agora"
    label = "agora"
    verbose_name = "Agora"

    def ready(self) -> None:
        # shared_task binds to the default application, which must exist in web processes too.
        from agora import celery, checks

        celery.app.set_default()
        checks.register()
        if apps.is_installed("compliance"):
            # The last app: by then migrate has made the permissions of all others.
            post_migrate.connect(_sync_roles, sender=apps.get_app_config("compliance"))


class AgoraAdminConfig(AdminConfig):
    """The admin with our own site in place of Django's."""

    default_site = "agora.admin_site.AgoraAdminSite"


def _sync_roles(*, using: str, **_: object) -> None:
    from django.contrib.auth.models import Group
    from django.db import connections

    from agora import roles

    # `migrate <app>` of a new database ends before the groups have a table; the next one makes them.
    if Group._meta.db_table in connections[using].introspection.table_names():
        roles.sync()
