"""`manage.py screening import|status|run`: lists of sanctions and PEPs, and looking everybody up."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from agora.lib.commands import actions_of
from compliance import audit
from kyc.models import Screening, ScreeningMatch, ScreeningRun
from kyc.screening import everybody, lists, runs

ACTOR = audit.system("command")


class Command(BaseCommand):
    help = (
        "Load a list of sanctioned or politically exposed persons in OpenSanctions' form "
        "targets.simple.csv, say what is loaded, or look everybody up again. "
        "Exit code 0: done; 1: refused, or no list is loaded (status); 2: the file cannot be read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = actions_of(parser)
        load = actions.add_parser("import", help="put a file in the place of the active list")
        load.add_argument("file", type=Path)
        load.add_argument("--name", default="default", help="of the list (default: default)")
        load.add_argument("--dry-run", action="store_true", help="only read it and count")
        load.add_argument("--force", action="store_true", help="even if it has far fewer persons")
        load.add_argument("--json", action="store_true", help="one JSON object instead of text")
        load.set_defaults(run=self._import)
        status = actions.add_parser("status", help="say what is loaded and what waits for officers")
        status.set_defaults(run=self._status)
        run = actions.add_parser("run", help="look everybody up now, in this process")
        run.set_defaults(run=self._run)

    def handle(self, *args: Any, **options: Any) -> None:
        options["run"](options)

    def _import(self, options: dict[str, Any]) -> None:
        try:
            loaded = lists.load(
                path=options["file"],
                name=options["name"],
                actor=ACTOR,
                now=timezone.now(),
                trial=options["dry_run"],
                force=options["force"],
            )
        except lists.ListError as error:
            raise CommandError(str(error.message), returncode=1) from error
        except OSError as error:
            message = f"{options['file']} cannot be read: {error.strerror or error}."
            raise CommandError(message, returncode=2) from error
        counts = asdict(loaded.counts)
        told = {"sha256": loaded.sha256, "loaded": loaded.load is not None, **counts}
        if options["json"]:
            self.stdout.write(json.dumps(told))
            return
        self.stdout.write(
            "{entries_count} persons ({added} new, {changed} changed, {removed} gone); "
            "{skipped} rows are no persons.".format(**counts)
        )
        self.stdout.write(self._outcome(loaded, trial=options["dry_run"]))

    def _outcome(self, loaded: lists.Loaded, *, trial: bool) -> str:
        if loaded.load is not None:
            return "Loaded. Everybody is being looked up again."
        return "Nothing was changed: a trial." if trial else "This file is loaded already."

    def _status(self, options: dict[str, Any]) -> None:
        loads = list(lists.active().order_by("name"))
        for load in loads:
            self.stdout.write(
                f"{load.name}: {load.entries_count} persons, loaded "
                f"{load.loaded_at:%Y-%m-%d %H:%M} UTC, SHA-256 {load.sha256}"
            )
        waiting = ScreeningMatch.objects.filter(state=ScreeningMatch.State.OPEN).count()
        self.stdout.write(
            f"{Screening.objects.count()} people looked up, {waiting} matches to decide."
        )
        if not loads:
            raise CommandError("No list is loaded: nobody is looked up.", returncode=1)

    def _run(self, options: dict[str, Any]) -> None:
        if not lists.active().exists():
            raise CommandError("No list is loaded. Load one: manage.py screening import FILE")
        begun = runs.begin(cause=ScreeningRun.Cause.ASKED, actor=ACTOR, now=timezone.now())
        while (run := everybody.work_on(run_id=begun.pk)) and run.finished_at is None:
            pass
        begun.refresh_from_db()
        if begun.finished_at is None:
            self.stdout.write("A worker has taken it over.")
            return
        self.stdout.write(f"{begun.persons} people looked up, {begun.found} new matches.")
        if begun.failed:
            self.stdout.write(f"{begun.failed} could not be looked up; the log says which.")
