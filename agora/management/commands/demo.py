"""`manage.py demo`: the whole product on this machine."""

import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from agora.runtime.demo import Demo

HIGHEST_PORT = 65535


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= HIGHEST_PORT:
        raise ArgumentTypeError(f"{text!r} is no port; choose one from 1 to {HIGHEST_PORT}.")
    return int(text)


class Command(BaseCommand):
    """Exit codes: 0 ended as asked, 1 a part or a leg failed, 2 the data folder is in use."""

    help = "Start PostgreSQL, Valkey, a chain, the vendors' sandbox, web, worker and beat."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="Run one order from start to end, then stop."
        )
        parser.add_argument(
            "--port", type=_port, metavar="PORT", help="Port of the pages and the API."
        )
        parser.add_argument(
            "--data", type=Path, default=settings.DATA_DIR, help="Folder that keeps everything."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        demo = Demo(
            data=options["data"], port=options["port"], once=options["once"], out=sys.stdout
        )
        raise SystemExit(demo.run())
