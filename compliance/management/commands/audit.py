"""`manage.py audit verify`: recompute the audit trail's hashes and chain."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from compliance import audit


class Command(BaseCommand):
    help = "Verify the audit trail. Exit code 0: whole; 1: a row was changed, removed or moved."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        verify = actions.add_parser("verify", help="recompute every row hash and the whole chain")
        verify.add_argument("--json", action="store_true", help="one JSON object instead of text")
        verify.add_argument(
            "--seal", action="store_true", help="chain the newest rows first, as the sealer does"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["seal"]:
            while audit.seal(now=timezone.now()):
                pass
        verdict = audit.verify()
        if options["json"]:
            self.stdout.write(json.dumps(asdict(verdict)))
        else:
            waiting = verdict.rows - verdict.sealed
            self.stdout.write(f"{verdict.rows} rows, {verdict.sealed} chained, {waiting} waiting")
            self.stdout.write(f"head {verdict.head}")
        if verdict.faults:
            raise CommandError("\n".join(verdict.faults), returncode=1)
