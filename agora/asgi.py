"""ASGI entry point, for the day a stream needs one; pages and API run over WSGI."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agora.settings")

application = get_asgi_application()
