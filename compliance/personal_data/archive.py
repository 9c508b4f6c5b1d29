"""The ZIP file of an export: a JSON file for each topic, the documents, a manifest, and a README."""

import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from io import RawIOBase
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.db import models
from django.template.loader import render_to_string
from django.utils import translation

from accounts.keys import key_for
from accounts.models import User
from agora.lib import crypto
from agora.lib.money import plain
from agora.lib.work import Job
from compliance.personal_data.sharing import recipients
from compliance.personal_data.topics import LEFT_OUT, TOPICS, Topic
from kyc import storage
from kyc.models import DocumentPage

FORMAT = 1
_ROWS_AT_ONCE = 500
_ROWS_A_SIGN = 10_000
_WORK = frozenset(field.name for field in Job._meta.get_fields())


@dataclass(frozen=True)
class Counted:
    """A file of the export and how many rows it has."""

    file: str
    about: str
    rows: int


def write(
    *,
    user: User,
    file: IO[bytes] | RawIOBase,
    now: datetime,
    alive: Callable[[], None] = lambda: None,
) -> None:
    """Write everything held about the user into `file`, which need not be seekable.

    `alive` is called between files, and within large ones. Raises agora.lib.outcome.Temporary while
    documents cannot be read.
    """
    with zipfile.ZipFile(file, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        files = [_write_topic(archive, topic, user, alive) for topic in TOPICS]
        missing = _write_documents(archive, user, alive)
        manifest = {
            "format": FORMAT,
            "site": settings.SITE_URL,
            "user_id": str(user.pk),
            "made_at": _plain(now),
            "files": [counted.__dict__ for counted in files],
            "pages_that_could_not_be_read": missing,
            "left_out": LEFT_OUT,
        }
        archive.writestr("manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False))
        with translation.override(user.language or settings.LANGUAGE_CODE):
            readme = render_to_string(
                "compliance/export_readme.txt",
                {"files": files, "now": now, "missing": missing, "recipients": recipients()},
            )
        archive.writestr("README.txt", readme)


def _write_topic(
    archive: zipfile.ZipFile, topic: Topic, user: User, alive: Callable[[], None]
) -> Counted:
    name, count = f"data/{topic.name}.json", 0
    rows = topic.model._base_manager.filter(topic.rows(user.pk)).order_by("pk")
    with archive.open(name, "w") as file:
        file.write(b"[")
        for row in rows.iterator(chunk_size=_ROWS_AT_ONCE):
            values = json.dumps(row_json(topic, row, user_id=user.pk), ensure_ascii=False)
            file.write((",\n" if count else "\n").encode() + values.encode())
            count += 1
            if count % _ROWS_A_SIGN == 0:
                alive()
        file.write(b"\n]\n")
    alive()
    return Counted(file=name, about=topic.about, rows=count)


def row_json(topic: Topic, row: models.Model, *, user_id: UUID) -> dict[str, object]:
    """A row's columns by name: amounts as text, times in UTC, other people as "another person"."""
    values: dict[str, object] = {}
    for field in row._meta.concrete_fields:
        if not _is_left_out(topic, field):
            value = getattr(row, field.attname)
            refers_to_person = field.related_model is User or field.attname in _PEOPLE
            values[field.attname] = _told(value, user_id=user_id, is_person=refers_to_person)
    for name, read in topic.extra.items():
        values[name] = _plain(read(row))
    return values


# Plain ids of people, in tables that stand below the people's own, and in none of them.
_PEOPLE = frozenset({"maker_id", "checker_id"})


def _is_left_out(topic: Topic, field: "models.Field[Any, Any]") -> bool:
    is_work = issubclass(topic.model, Job) and field.name in _WORK
    return is_work or field.name in topic.omit or isinstance(field, models.BinaryField)


def _told(value: object, *, user_id: UUID, is_person: bool) -> object:
    """A value for the person; who another person is, such as an officer, is not told."""
    if is_person and value is not None and value != user_id:
        return "another person"
    if isinstance(value, str) and value.startswith("user:") and value != f"user:{user_id}":
        return "another person"
    return _plain(value)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _write_documents(archive: zipfile.ZipFile, user: User, alive: Callable[[], None]) -> list[str]:
    """The pages as pictures; the names of those that the storage has lost."""
    missing = []
    for name, read in _pages(user):
        try:
            archive.writestr(name, read())
        except (storage.Gone, crypto.Undecryptable):
            missing.append(name)
        alive()
    return missing


def _pages(user: User) -> Iterator[tuple[str, Callable[[], bytes]]]:
    pages = DocumentPage.objects.filter(document__application__user=user)
    for page in pages.select_related("document").order_by("document__uploaded_at", "number"):
        document = page.document
        name = f"documents/{document.kind}-{document.pk}-{page.number}.jpg"

        def read(page: DocumentPage = page) -> bytes:
            sealed = storage.store().read(page.storage_key)
            return crypto.decrypt_bytes(sealed, key=key_for(user.pk), **page.place)

        yield name, read
