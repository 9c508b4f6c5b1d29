"""Copies of everything held about a person: asked for, built by a worker, downloaded, removed.

LGPD art. 18 II and V (access and portability). What lies in the database is sealed under the person's
key, piece by piece, and is removed after settings.DATA_EXPORT_DAYS.
"""

import hashlib
import io
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import IO

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from accounts import notices
from accounts.keys import key_for
from accounts.models import Notice, User
from agora.lib import crypto, work
from agora.lib.catalog import Text
from agora.lib.crypto import DataKey, Place, Shredded
from agora.lib.failpoints import failpoint
from agora.lib.outcome import Temporary
from agora.lib.work import Lease, LeaseLost
from compliance import audit
from compliance.models import DataExport, DataExportPart
from compliance.personal_data import archive

BUILD_TASK = "compliance.tasks.build_data_export"
PART_BYTES = 1 << 20
# Between two signs of life lies at most one statement, or one page of a document.
_LONGEST_READ = timedelta(seconds=60)

MESSAGES: dict[str, Text] = {
    "asked_before": _("A copy is being put together already. You are told when it is ready."),
    "too_often": _("You had a copy made within the last day. Download that one."),
    "erased": _("The data of this account has been erased. There is nothing left to copy."),
}

log = structlog.get_logger(__name__)


class ExportRefused(Exception):
    """No copy is made; `message` says why. Codes: the keys of MESSAGES."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = MESSAGES[code]


def request(*, user: User, actor: str, now: datetime) -> DataExport:
    """Ask for a copy of everything held about the user; a worker puts it together.

    One that waits for a person after too many failed tries is tried again instead, so that nobody is
    left without a copy. Raises ExportRefused: one at a time, and for the person themselves one a day.
    Locks nothing.
    """
    waiting = DataExport.objects.filter(user_id=user.pk, state=DataExport.State.REQUESTED).first()
    if waiting is not None and try_again(waiting=waiting, actor=actor, now=now):
        return waiting
    _check(user, by_person=actor == audit.actor_of(user), now=now)
    export = DataExport(user_id=user.pk, requested_by=actor, requested_at=now, next_attempt_at=now)
    try:
        with transaction.atomic():
            export.save(force_insert=True)
            _record(export, "requested", actor=actor, now=now)
            work.nudge_after_commit(BUILD_TASK, pk=export.pk)
    except IntegrityError as error:  # asked for at the same moment, elsewhere
        raise ExportRefused("asked_before") from error
    return export


def _check(user: User, *, by_person: bool, now: datetime) -> None:
    try:
        key_for(user.pk)
    except Shredded as error:
        raise ExportRefused("erased") from error
    own = DataExport.objects.filter(user_id=user.pk)
    if own.filter(state=DataExport.State.REQUESTED).exists():
        raise ExportRefused("asked_before")
    day = now - timedelta(days=1)
    if by_person and own.filter(state=DataExport.State.READY, requested_at__gt=day).exists():
        raise ExportRefused("too_often")


def try_again(*, waiting: DataExport, actor: str, now: datetime) -> bool:
    """Make a copy that waits for a person due again; False for any other. Locks nothing."""
    with transaction.atomic():
        if not work.revive(DataExport.objects.filter(pk=waiting.pk), now=now):
            return False
        _record(waiting, "tried_again", actor=actor, now=now)
        work.nudge_after_commit(BUILD_TASK, pk=waiting.pk)
    waiting.refresh_from_db()
    return True


def step(*, export_id: uuid.UUID, now: datetime) -> DataExport | None:
    """Build a copy that was asked for, or remove one that has expired; None when nothing is due."""
    lease = work.claim(DataExport, pk=export_id)
    if lease is None:
        return None
    with structlog.contextvars.bound_contextvars(export_id=str(export_id)), suppress(LeaseLost):
        if work.worn_out(lease.row):
            work.park(lease, error=work.WORKER_DIED)
            log.error("export.needs_attention", error=work.WORKER_DIED)
        elif lease.row.state == DataExport.State.REQUESTED:
            _build(lease, now=now)
        else:
            _remove(lease, now=now)
    return lease.row


def _build(lease: Lease[DataExport], *, now: datetime) -> None:
    user = User.objects.get(pk=lease.row.user_id)
    try:
        key = key_for(user.pk)
        with tempfile.TemporaryFile() as sealed:
            parts = _Parts(sealed, export=lease.row, key=key)
            archive.write(
                user=user, file=parts, now=now, alive=lambda: lease.extend(at_least=_LONGEST_READ)
            )
            parts.close()
            failpoint("export.before_commit", key=lease.row.pk)
            with transaction.atomic():
                _finish(lease, parts, user=user, now=now)
    except Shredded:
        # Erased meanwhile: nothing can be copied any more.
        lease.release(again_at=None, state=DataExport.State.EXPIRED)
    except Temporary as error:
        if not work.retry_later(lease, error=error.message, wait=None, now=now):
            log.error("export.needs_attention", error=error.message)


def _finish(lease: Lease[DataExport], parts: "_Parts", *, user: User, now: datetime) -> None:
    expires = now + timedelta(days=settings.DATA_EXPORT_DAYS)
    lease.release(
        again_at=expires,
        state=DataExport.State.READY,
        built_at=now,
        expires_at=expires,
        size=parts.size,
        sha256=parts.digest,
    )
    DataExportPart.objects.bulk_create(parts.rows(), batch_size=8)
    _record(lease.row, "built", actor=audit.system("personal_data"), now=now)
    notices.notify(
        user=user,
        kind="data_export_ready",
        subject=gettext_noop("The copy of your data is ready"),
        body=gettext_noop(
            "Everything that Agora holds about you has been put together. You can download it for "
            "%(days)s days; then the file is removed."
        ),
        params={"days": settings.DATA_EXPORT_DAYS},
        url=reverse("privacy"),
        level=Notice.Level.INFO,
        now=now,
    )


def _remove(lease: Lease[DataExport], *, now: datetime) -> None:
    with transaction.atomic():
        DataExportPart.objects.filter(export=lease.row).delete()
        lease.release(again_at=None, state=DataExport.State.EXPIRED)
        _record(lease.row, "removed", actor=audit.system("personal_data"), now=now)


def of_person(*, user_id: uuid.UUID, export_id: uuid.UUID, now: datetime) -> DataExport:
    """A copy that can be downloaded; raises DataExport.DoesNotExist for others' and for expired ones."""
    return DataExport.objects.get(
        pk=export_id, user_id=user_id, state=DataExport.State.READY, expires_at__gt=now
    )


def download(
    *, export: DataExport, actor: str, now: datetime, key: DataKey | None = None
) -> Iterator[bytes]:
    """The bytes of the ZIP file, part by part; written down as downloaded first.

    Raises crypto.Undecryptable for parts that were changed, cut off or moved.
    """
    opened = key or key_for(export.user_id)
    with transaction.atomic():
        DataExport.objects.filter(pk=export.pk).update(downloaded_at=now)
        _record(export, "downloaded", actor=actor, now=now)
    return _opened(export, opened)


def _opened(export: DataExport, key: DataKey) -> Iterator[bytes]:
    digest, size = hashlib.sha256(), 0
    for part in DataExportPart.objects.filter(export=export).iterator(chunk_size=4):
        data = crypto.decrypt_bytes(
            bytes(part.sealed), key=key, **_place(export, number=part.number)
        )
        digest.update(data)
        size += len(data)
        yield data
    if (digest.hexdigest(), size) != (export.sha256, export.size):
        raise crypto.Undecryptable(f"Parts of export {export.pk} are missing.")


def _place(export: DataExport, *, number: int) -> Place:
    return {
        "table": DataExportPart._meta.db_table,
        "column": "sealed",
        "row": f"{export.pk}/{number}",
    }


class _Parts(io.RawIOBase):
    """Takes the bytes of the ZIP file and keeps them sealed, so that no plain byte reaches a disk."""

    def __init__(self, file: IO[bytes], *, export: DataExport, key: DataKey) -> None:
        self._file, self._export, self._key = file, export, key
        self._waiting = bytearray()
        self._lengths: list[int] = []
        self._digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        taken = bytes(data)  # type: ignore[call-overload]  # whatever buffer zipfile hands over
        self._waiting += taken
        self._digest.update(taken)
        self.size += len(taken)
        while len(self._waiting) >= PART_BYTES:
            self._seal(bytes(self._waiting[:PART_BYTES]))
            del self._waiting[:PART_BYTES]
        return len(taken)

    def close(self) -> None:
        if self._waiting:
            self._seal(bytes(self._waiting))
            self._waiting.clear()
        super().close()

    def _seal(self, data: bytes) -> None:
        place = _place(self._export, number=len(self._lengths))
        self._lengths.append(self._file.write(crypto.encrypt_bytes(data, key=self._key, **place)))

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def rows(self) -> Iterator[DataExportPart]:
        """The sealed parts, as rows to be stored."""
        self._file.seek(0)
        for number, length in enumerate(self._lengths):
            yield DataExportPart(export=self._export, number=number, sealed=self._file.read(length))


def _record(export: DataExport, what: str, *, actor: str, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=f"data_export.{what}",
        object_type="user",
        object_id=str(export.user_id),
        evidence={"export": str(export.pk), "size": export.size, "sha256": export.sha256},
        now=now,
    )
