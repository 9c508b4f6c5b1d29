"""WSGI entry point: gunicorn serves pages and API through it (ARCHITECTURE 4)."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agora.settings")

application = get_wsgi_application()

# What is loaded by now lives as long as the process, which forks from here: looking through it for
# garbage again and again costs several percent of each request and unshares memory.
gc.collect()
gc.freeze()
gc.set_threshold(10_000, 20, 20)
