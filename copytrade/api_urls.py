"""Addresses of the copy-trading API, below /api/v1/copy/."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
