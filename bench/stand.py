"""What the benchmarks run on: embedded services in a folder of their own, and people who buy.

Rows that the floor's SQL has to name get ids that end in a number, because numbers are all that
pgbench can make up.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import django

from agora.runtime import Services, parts
from agora.runtime.processes import Part, Supervisor
from bench.usage import Usage, usage_of

if TYPE_CHECKING:
    from agora.sandbox.client import SandboxControl
    from bench.people import Person

PEOPLE = 200

# The demo's settings, but for the limits that a benchmark would run into.
_SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "agora.settings",
    "DEBUG": "false",
    "EMAIL_URL": "memorymail://",
    "API_RATE_TRADE": "1000000000",
    "SCREENING_REQUIRED": "false",
    "QUOTE_SECONDS": "86400",
    "MARKET_DATA_MAX_AGE_SECONDS": "86400",
    "EXCHANGE_WEIGHT_PER_MINUTE": "1000000000",
    "COPY_CONCURRENCY": "50",  # of each of two worker processes
    "COPY_OPEN_EXPIRY_SECONDS": "600",
}


class Stand:
    """Durable PostgreSQL and Valkey with Agora's schema; web and worker on request."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.env: Mapping[str, str] = {**services.env, **_SETTINGS}

    @property
    def folder(self) -> Path:
        return self.services.folder.root

    @contextmanager
    def web(self) -> Iterator[int]:
        """gunicorn as the demo runs it; yields its port."""
        port = self.services.folder.ports(["web"], preferred={})["web"]
        metrics = str(parts.metrics_folder(self.services.folder))
        env = {**self.env, "PROMETHEUS_MULTIPROC_DIR": metrics}
        with self._running(parts.web(env=env, port=port)):
            yield port

    @contextmanager
    def worker(self, *, include: str, queue: str) -> Iterator[None]:
        """A Celery worker as the demo runs it, with further tasks and on a queue of its own."""
        part = parts.worker(env=self.env, folder=self.services.folder)
        modules = f"agora.runtime.ready,{include}"  # the last --include is the one that counts
        command = [*part.command, "--include", modules, "--queues", queue]
        with self._running(replace(part, command=command)):
            yield

    @contextmanager
    def _running(self, part: Part) -> Iterator[None]:
        supervisor = Supervisor(self.services.folder)
        try:
            supervisor.start(part)
            yield
        finally:
            supervisor.stop()

    @cached_property
    def exchange(self) -> "SandboxControl":
        """Controls of the sandbox."""
        from agora.sandbox.client import SandboxControl

        return SandboxControl(self.services.sandbox_url, timeout=60)

    def usage(self, part: str) -> Usage:
        """What the processes of a running part have used so far."""
        return usage_of(int(self.services.folder.read_running()[part]["pid"]))

    @cached_property
    def people(self) -> "list[Person]":
        """People who may buy, with limits that last for the whole run."""
        from bench import people  # models exist only once Django is set up

        return people.make(PEOPLE)


@contextmanager
def stand() -> Iterator[Stand]:
    """Everything started, Django set up and the schema migrated; gone again at the end."""
    folder = Path(tempfile.mkdtemp(prefix="agora-bench-"))
    try:
        with Services(data=folder, parts={"postgres", "valkey", "sandbox"}) as services:
            made = Stand(services)
            os.environ.update(made.env)
            django.setup()
            _migrate()
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
