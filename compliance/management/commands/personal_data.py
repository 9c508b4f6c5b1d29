"""`manage.py personal_data`: copies of what is held about somebody, and erasures, for officers."""

import argparse
import json
import os
import uuid
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.models import User
from agora.lib.commands import actions_of
from compliance import audit
from compliance.models import DataExport, ErasureRequest
from compliance.personal_data import erasure, exports
from compliance.personal_data.erasure import ErasureRefused
from compliance.personal_data.exports import ExportRefused

_EPILOG = """exit codes:
  0  done
  1  refused: the sentence says why, and what to do
  2  the command line is wrong

examples:
  manage.py personal_data export 5f0c3a52-… --to copy.zip   everything held about somebody, as a file
  manage.py personal_data erase 5f0c3a52-…                  ask for an erasure on somebody's behalf
  manage.py personal_data keep 5f0c3a52-… --reason "…"      undo that; the person reads why
  manage.py personal_data retry 5f0c3a52-…                  go on with what needs attention
  manage.py personal_data status                            what is under way
"""
_ACTOR = audit.system("command")


class Command(BaseCommand):
    help = "Copy or erase what is held about a person, on their behalf."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name,
            subcommand,
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **kwargs,
        )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = actions_of(parser)
        copy = actions.add_parser("export", help="write everything held about a person to a file")
        copy.add_argument("user_id", type=uuid.UUID)
        copy.add_argument("--to", type=Path, required=True, help="new file; never overwritten")
        for name, told in (
            ("erase", "ask for an erasure"),
            ("retry", "go on with a copy or an erasure that needs attention"),
        ):
            actions.add_parser(name, help=told).add_argument("user_id", type=uuid.UUID)
        keep = actions.add_parser("keep", help="undo an erasure")
        keep.add_argument("user_id", type=uuid.UUID)
        keep.add_argument("--reason", required=True, help="why; the person reads it")
        status = actions.add_parser("status", help="copies and erasures that are under way")
        status.add_argument("--json", action="store_true", help="one JSON object instead of text")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        getattr(self, f"_{action}")(**options)

    def _export(self, *, user_id: uuid.UUID, to: Path, **_options: Any) -> None:
        user, now = _person(user_id), timezone.now()
        try:
            export = exports.request(user=user, actor=_ACTOR, now=now)
        except ExportRefused as refused:
            raise CommandError(str(refused.message), returncode=1) from refused
        # Now, without waiting for a worker; one that was quicker does no harm.
        exports.step(export_id=export.pk, now=now)
        export.refresh_from_db()
        if export.state != DataExport.State.READY:
            raise CommandError(
                "It could not be put together just now; a worker goes on. See `personal_data status`.",
                returncode=1,
            )
        try:
            handle = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise CommandError(f"{to} cannot be made: {error.strerror}.", returncode=1) from error
        with os.fdopen(handle, "wb") as file:
            file.writelines(exports.download(export=export, actor=_ACTOR, now=now))
        self.stdout.write(f"{export.size} bytes, SHA-256 {export.sha256}")

    def _erase(self, *, user_id: uuid.UUID, **_options: Any) -> None:
        try:
            asked = erasure.request(user=_person(user_id), actor=_ACTOR, now=timezone.now())
        except ErasureRefused as refused:
            lines = [each.message for each in refused.obstacles] or [refused.message]
            raise CommandError("\n".join(map(str, lines)), returncode=1) from refused
        self.stdout.write(f"Carried out after {asked.execute_after:%Y-%m-%d %H:%M} UTC.")

    def _keep(self, *, user_id: uuid.UUID, reason: str, **_options: Any) -> None:
        try:
            erasure.withdraw(user_id=user_id, actor=_ACTOR, reason=reason, now=timezone.now())
        except ErasureRefused as refused:
            raise CommandError(str(refused.message), returncode=1) from refused
        self.stdout.write("The account stays. Nothing was erased.")

    def _retry(self, *, user_id: uuid.UUID, **_options: Any) -> None:
        user, now = _person(user_id), timezone.now()
        copies = DataExport.objects.filter(user_id=user.pk, attention=True)
        requests = ErasureRequest.objects.filter(user_id=user.pk, attention=True)
        count = sum(exports.try_again(waiting=row, actor=_ACTOR, now=now) for row in copies)
        count += sum(erasure.try_again(waiting=row, actor=_ACTOR, now=now) for row in requests)
        if not count:
            raise CommandError("Nothing of this person needs attention.", returncode=1)
        self.stdout.write(f"{count} due again; a worker goes on.")

    def _status(self, **options: Any) -> None:
        told = {
            "exports_asked_for": _count(DataExport, state=DataExport.State.REQUESTED),
            "exports_ready": _count(DataExport, state=DataExport.State.READY),
            "erasures_asked_for": _count(ErasureRequest, state=ErasureRequest.State.REQUESTED),
            "accounts_closed_records_kept": _count(
                ErasureRequest, state=ErasureRequest.State.CLOSED
            ),
            "people_erased": _count(ErasureRequest, state=ErasureRequest.State.ERASED),
            "needs_attention": _count(DataExport, attention=True)
            + _count(ErasureRequest, attention=True),
        }
        if options["json"]:
            self.stdout.write(json.dumps(told))
        else:
            for name, count in told.items():
                self.stdout.write(f"{count:>7}  {name.replace('_', ' ')}")


def _person(user_id: uuid.UUID) -> User:
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise CommandError(f"There is nobody with the id {user_id}.", returncode=1)
    return user


def _count(model: type[DataExport] | type[ErasureRequest], **which: object) -> int:
    return int(model._default_manager.filter(**which).count())
