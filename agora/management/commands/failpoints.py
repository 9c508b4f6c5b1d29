"""`manage.py failpoints`: every mark at which a test can strike a worker."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from agora.lib.failpoints import declared


class Command(BaseCommand):
    help = (
        "List the failpoints, one a line. To strike one, start a worker with FAILPOINTS_DIR set and "
        "put a file named <failpoint> or <failpoint>@<order id> there that holds kill, kill-group, "
        "raise or 'pause <seconds>'. Never set FAILPOINTS_DIR in production."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for name in declared(settings.BASE_DIR):
            self.stdout.write(name)
