"""Leaf helpers as an app, for the one table that belongs to no app: idempotency keys."""

from django.apps import AppConfig


class LibConfig(AppConfig):
    name = "agora.lib"
    label = "lib"
    verbose_name = "Shared helpers"
