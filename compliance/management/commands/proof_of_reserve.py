"""`manage.py proof_of_reserve build|show|verify|export`: proof of reserve at the terminal (RAT-003)."""

import json
import shutil
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from agora.lib.commands import actions_of
from agora.lib.money import plain
from agora.lib.outcome import OutsideError
from compliance import audit
from compliance.models import ReserveRow, ReserveSnapshot
from compliance.reserves import content, exports, snapshots, verification
from compliance.reserves.books import ZERO

ACTOR = audit.system("command")
AGREES, DIFFERS, NOT_FOUND, AWAY = 0, 1, 3, 4


class Command(BaseCommand):
    help = (
        "Proof of reserve. Exit codes: 0 everything is accounted for, or the verification found no "
        "fault; 1 a difference, or a fault; 2 wrong usage; 3 no such snapshot, or it is not ready; "
        "4 a source is away: try again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = actions_of(parser)
        build = actions.add_parser("build", help="take a snapshot now and show it")
        show = actions.add_parser("show", help="show a snapshot; without an id the newest")
        verify = actions.add_parser(
            "verify", help="compute a snapshot anew from its evidence, the chain and its tree"
        )
        verify.add_argument("--offline", action="store_true", help="do not ask the chain")
        export = actions.add_parser("export", help="write a snapshot into a file")
        export.add_argument("--form", choices=exports.FORMS, default="json")
        export.add_argument("--output", type=Path, help="file to write; default: a name of its own")
        for each in (show, verify, export):
            each.add_argument("--id", type=UUID, help="id of the snapshot; default: the newest")
        for each in (build, show, verify, export):
            each.add_argument("--json", action="store_true", help="one JSON object instead of text")

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['action']}")(options)

    def _build(self, options: dict[str, Any]) -> None:
        now = timezone.now()
        asked = snapshots.request(actor=ACTOR, now=now)
        snapshots.build(snapshot_id=asked.pk, now=now)
        snapshot = ReserveSnapshot.objects.get(pk=asked.pk)
        if snapshot.state != ReserveSnapshot.State.READY:
            raise CommandError(
                f"{snapshot.last_error or 'A worker is building it.'} Snapshot {snapshot.pk} stays "
                "asked for, and a worker tries it again.",
                returncode=AWAY,
            )
        self._tell(snapshot, options)

    def _show(self, options: dict[str, Any]) -> None:
        self._tell(_chosen(options), options)

    def _tell(self, snapshot: ReserveSnapshot, options: dict[str, Any]) -> None:
        if options["json"]:
            document = content.stored(snapshot)
            self.stdout.write(
                json.dumps({"content_hash": snapshot.content_hash, "content": document})
            )
        else:
            self.stdout.write("\n".join(_lines(snapshot)))
        if not snapshot.agrees:
            raise CommandError(
                f"Differences: {snapshot.breaks}. docs/proof-of-reserve.md says what to do.",
                returncode=DIFFERS,
            )

    def _verify(self, options: dict[str, Any]) -> None:
        snapshot = _chosen(options)
        try:
            verdict = verification.verify(snapshot=snapshot, offline=options["offline"])
        except OutsideError as error:
            raise CommandError(
                f"{error.message} --offline verifies what is stored.", returncode=AWAY
            ) from error
        if options["json"]:
            self.stdout.write(json.dumps(vars(verdict)))
        else:
            asked = "with the chain" if verdict.asked_chain else "without the chain"
            tree = "" if verdict.tree_kept else "; its tree of holders is not kept any more"
            self.stdout.write(f"{verdict.snapshot} {verdict.content_hash}, verified {asked}{tree}")
        if verdict.faults:
            raise CommandError("\n".join(verdict.faults), returncode=DIFFERS)

    def _export(self, options: dict[str, Any]) -> None:
        snapshot = _chosen(options)
        file = exports.export(
            snapshot_id=snapshot.pk, form=options["form"], actor=ACTOR, now=timezone.now()
        )
        path = options["output"] or Path(file.name)
        try:
            with file.content as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}.", returncode=2) from error
        told = {"file": str(path), "content_hash": snapshot.content_hash}
        self.stdout.write(json.dumps(told) if options["json"] else str(path))


def _chosen(options: dict[str, Any]) -> ReserveSnapshot:
    ready = ReserveSnapshot.objects.filter(state=ReserveSnapshot.State.READY)
    if options["id"] is not None:
        ready = ready.filter(pk=options["id"])
    found = ready.select_related("signature").order_by("-built_at").first()
    if found is None:
        raise CommandError(
            "There is no such snapshot that is ready: build one first.", returncode=NOT_FOUND
        )
    return found


def _lines(snapshot: ReserveSnapshot) -> list[str]:
    names = {name: str(label) for name, label in exports.FIGURES}
    width = max(map(len, names.values()))
    lines = [
        f"Proof of reserve {snapshot.pk}, built {content.moment(snapshot.built_at)}",
        f"Block {snapshot.block_number} {snapshot.block_hash} ({snapshot.finality})",
        *(f"{names[name]:{width}}  {snapshot.figures.get(name, '–')}" for name in names),
        f"{'Difference':{width}}  {plain(snapshot.difference or ZERO)}",
    ]
    for row in snapshot.rows.all():
        decided = row.kind in ReserveRow.DECIDED
        mark = "DIFFERENCE" if row.is_break else "not minted" if decided else "in flight"
        told = " ".join(f"{name} {plain(getattr(row, name))}" for name in content.QUANTITIES)
        lines.append(f"{mark}: {row.get_kind_display()}, {row.order_id or row.reference}: {told}")
    return [*lines, f"SHA-256 {snapshot.content_hash}"]
