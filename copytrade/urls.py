"""Addresses of the copy-trading pages, below /copy/."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
