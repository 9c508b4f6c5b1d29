"""`manage.py rotate_keys`: seal everything anew under the first of FIELD_KEYS."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from agora.lib.crypto import PERSONAL
from compliance.personal_data import rotation
from compliance.personal_data.rotation import Progress, Report

_EPILOG = """how to rotate (docs/personal-data.md):
  1. put a new key in front of FIELD_KEYS, keep the old ones behind it; restart web, workers and beat
  2. run this command until it exits with 0; it may be stopped and run again at any time
  3. take the keys that it names as no longer needed out of FIELD_KEYS; keep them with the backups
     that were made under them

exit codes:
  0  everything stands under the key that it belongs to
  1  something does not: with --dry-run, what a run would seal anew; otherwise, what cannot be read,
     or was being changed all the time
  2  the command line is wrong
"""


class Command(BaseCommand):
    help = "Seal anew, under the first of FIELD_KEYS, what is sealed under an older one."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name,
            subcommand,
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count only, change nothing")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
        parser.add_argument(
            "--batch",
            type=_positive,
            default=rotation.BATCH,
            help=f"values sealed anew in one transaction (default: {rotation.BATCH})",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["dry_run"]:
            tell = _silent if options["json"] else self._tell
            rotation.rotate(now=timezone.now(), batch=options["batch"], tell=tell)
        report = rotation.report()
        if options["json"]:
            told = {
                "done": report.is_done,
                "columns": [asdict(column) for column in report.columns],
                "keys": report.keys,
                "unused": report.unused,
                "missing": report.missing,
            }
            self.stdout.write(json.dumps(told))
        else:
            self._write(report)
        if not report.is_done:
            raise CommandError(_undone(report, dry_run=options["dry_run"]), returncode=1)

    def _tell(self, progress: Progress) -> None:
        self.stderr.write(f"{progress.column}: {progress.resealed} sealed anew")

    def _write(self, report: Report) -> None:
        for key, count in sorted(report.keys.items()):
            name = "people's own keys" if key == PERSONAL else f"key {key}"
            self.stdout.write(f"{count:>9}  values under {name}")
        for column in report.columns:
            for key, count in sorted(column.left.items()):
                self.stdout.write(f"{count:>9}  of {column.column} still under key {key}")
        for key in report.unused:
            self.stdout.write(f"Nothing needs key {key} any more: take it out of FIELD_KEYS.")


def _undone(report: Report, *, dry_run: bool) -> str:
    if report.missing:
        keys = ", ".join(report.missing)
        return f"FIELD_KEYS lacks the keys {keys}: give them back, behind the first, and run again."
    if dry_run:
        return "Not everything stands under its key yet. Run this command without --dry-run."
    return "Some values could not be sealed anew. Run `manage.py doctor`, then this command again."


def _silent(_progress: Progress) -> None:
    """JSON stands alone on the output, and nobody watches a terminal."""


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
