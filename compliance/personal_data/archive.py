"""The ZIP file of an export: a JSON file for each topic, the documents, a manifest, and a README."""

import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from io import RawIOBase
from itertools import islice
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
_PERSON = re.compile(r"(?:user:)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
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

    `alive` is called after each batch of rows and each page. Raises agora.lib.outcome.Temporary while
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
    found = topic.model._base_manager.filter(topic.rows(user.pk)).order_by("pk")
    rows = found.iterator(chunk_size=_ROWS_AT_ONCE)
    with archive.open(name, "w") as file:
        file.write(b"[")
        while batch := [_row_json(topic, row) for row in islice(rows, _ROWS_AT_ONCE)]:
            text = ",\n".join(json.dumps(values, ensure_ascii=False) for values in batch)
            text = _without_others(text, user_id=user.pk)
            file.write((",\n" if count else "\n").encode() + text.encode())
            count += len(batch)
            alive()
        file.write(b"\n]\n")
    return Counted(file=name, about=topic.about, rows=count)


def _row_json(topic: Topic, row: models.Model) -> dict[str, object]:
    """A row's columns by name: amounts as text, times in UTC."""
    values: dict[str, object] = {}
    for field in row._meta.concrete_fields:
        if not _is_left_out(topic, field):
            values[field.attname] = _plain(getattr(row, field.attname))
    for name, read in topic.extra.items():
        values[name] = _plain(read(row))
    return values


def _without_others(text: str, *, user_id: UUID) -> str:
    """Rows that tell of other people, such as officers, as "another person", wherever their ids stand."""
    named = {match[1] for match in _PERSON.finditer(text)} - {str(user_id)}
    found = User.objects.filter(pk__in=named).values_list("pk", flat=True)
    others = {str(pk) for pk in found}
    return _PERSON.sub(lambda at: "another person" if at[1] in others else at[0], text)


def _is_left_out(topic: Topic, field: "models.Field[Any, Any]") -> bool:
    is_work = issubclass(topic.model, Job) and field.name in _WORK
    return is_work or field.name in topic.omit or isinstance(field, models.BinaryField)


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
