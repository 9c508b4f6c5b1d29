"""`manage.py audit …`: what auditors and operators do with the trail."""

import json
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from agora.lib.commands import actions_of
from compliance import audit, retention
from compliance.models import AuditAnchor
from compliance.trail import anchors, restored
from compliance.trail.archive import FORMS
from compliance.trail.export import Filter, moment_of
from compliance.trail.usage_export import KINDS, TRAIL, Refused, export_of

ACTOR = audit.system("command")


def moment(text: str) -> datetime:
    """A time, as argparse takes it."""
    try:
        return moment_of(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a date such as 2026-11-30") from error


class Command(BaseCommand):
    help = (
        "Verify, export or anchor the audit trail, or remove records that need not be kept. "
        "Exit code 0: done, or whole; 1: a row was changed, removed or moved, or it failed; "
        "2: what is kept outside cannot be read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = actions_of(parser)
        self._add_verify(actions)
        self._add_export(actions)
        told = actions.add_parser("anchor", help="tell the newest head to the places outside")
        told.add_argument("--due", action="store_true", help="only where the last is a day old")
        told.set_defaults(run=self._anchor)
        cut = actions.add_parser(
            "restored",
            help="accept that a restored backup cut the chain",
            description="After a backup was restored (docs/runbooks/restore.md): writes a row, and "
            "tells each place outside which anchors count no more. Every later verification names "
            "the break. Refused where anything but the end of the chain differs.",
        )
        cut.add_argument(
            "--reason", required=True, help="which backup and why, naming nobody; kept for ever"
        )
        cut.set_defaults(run=self._restored)
        expired = actions.add_parser("retention", help="remove records that need not be kept")
        expired.add_argument("--dry-run", action="store_true", help="only count them")
        swept = sorted(kind.name for kind in retention.KINDS.values() if kind.model)
        expired.add_argument("--kind", choices=swept, help="only this kind")
        expired.set_defaults(run=self._retention)

    def _add_verify(self, actions: Any) -> None:
        verify = actions.add_parser("verify", help="recompute every row hash and the whole chain")
        verify.add_argument("--json", action="store_true", help="one JSON object instead of text")
        verify.add_argument(
            "--seal", action="store_true", help="chain the newest rows first, as the sealer does"
        )
        verify.add_argument(
            "--without-anchors", action="store_true", help="do not compare with what is outside"
        )
        verify.set_defaults(run=self._verify)

    def _add_export(self, actions: Any) -> None:
        out = actions.add_parser("export", help="write an archive that proves itself")
        out.add_argument("file", help="the archive to write, or - for standard output")
        out.add_argument(
            "--kind", choices=KINDS, default=TRAIL, help="the trail, or uses, by whole days"
        )
        out.add_argument("--format", choices=FORMS, default="jsonl")
        out.add_argument("--since", type=moment, help="rows written at this time or later, UTC")
        out.add_argument("--until", type=moment, help="rows written before this time, UTC")
        for name in ("actor", "action", "object-type", "object-id"):
            out.add_argument(f"--{name}", dest=f"of_{name.replace('-', '_')}", default="")
        out.set_defaults(run=self._export)

    def handle(self, *args: Any, **options: Any) -> None:
        run: Callable[[dict[str, Any]], None] = options["run"]
        run(options)

    def _verify(self, options: dict[str, Any]) -> None:
        if options["seal"]:
            audit.seal_all(now=timezone.now())
        try:
            verdict = audit.verify() if options["without_anchors"] else anchors.verify()
        except anchors.Failed as error:
            raise CommandError(f"An anchor cannot be read: {error}", returncode=2) from error
        if options["json"]:
            self.stdout.write(json.dumps(asdict(verdict)))
        else:
            waiting = verdict.rows - verdict.sealed
            self.stdout.write(f"{verdict.rows} rows, {verdict.sealed} chained, {waiting} waiting")
            self.stdout.write(f"head {verdict.head}, compared with {verdict.anchors} anchors")
            for cut in verdict.accepted:
                self.stdout.write(cut)
        if verdict.faults:
            raise CommandError("\n".join(verdict.faults), returncode=1)

    def _export(self, options: dict[str, Any]) -> None:
        chosen = Filter(
            since=options["since"],
            until=options["until"],
            actor=options["of_actor"],
            action=options["of_action"],
            object_type=options["of_object_type"],
            object_id=options["of_object_id"],
        )
        form, now = options["format"], timezone.now()
        try:
            pieces = export_of(options["kind"], chosen=chosen, form=form, actor=ACTOR, now=now)
        except Refused as refused:
            raise CommandError(refused.message) from refused
        with _opened(options["file"]) as file:
            for piece in pieces:
                file.write(piece)
        if options["file"] != "-":
            self.stdout.write(f"{options['file']} written")

    def _anchor(self, options: dict[str, Any]) -> None:
        try:
            told = anchors.anchor(now=timezone.now(), only_due=options["due"])
        except anchors.Failed as error:
            raise CommandError(f"Not every place was told: {error}") from error
        self._show(told)
        if not told:
            self.stdout.write("Nothing to tell: every place has the newest head.")

    def _restored(self, options: dict[str, Any]) -> None:
        try:
            told = restored.accept(reason=options["reason"], now=timezone.now())
        except anchors.Failed as error:
            raise CommandError(f"Not every place was read and told: {error}") from error
        except restored.Refused as refused:
            raise CommandError(refused.message) from refused
        self._show(told)

    def _show(self, told: list[AuditAnchor]) -> None:
        for anchor in told:
            digest = bytes(anchor.hash).hex()
            self.stdout.write(f"position {anchor.position} {digest} in {anchor.reference}")

    def _retention(self, options: dict[str, Any]) -> None:
        dry_run = options["dry_run"]
        outcomes = retention.run(now=timezone.now(), dry_run=dry_run, kind=options["kind"])
        word = "would be removed" if dry_run else "removed"
        for one in outcomes:
            self.stdout.write(f"{one.kind}: {one.rows} {word}, kept {one.days} days")


@contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    """The file to write; it gets its name when it is whole."""
    if name == "-":
        yield sys.stdout.buffer
        return
    part = Path(f"{name}.part")
    try:
        with part.open("wb") as file:
            yield file
    except OSError as error:
        raise CommandError(f"{name} cannot be written: {error.strerror}") from error
    part.replace(name)
