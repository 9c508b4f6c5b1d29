"""Heads of the audit trail told to places outside the database (AUD-1, ADR 0015).

Whoever controls the database can write the whole chain anew, but not what was told before: `verify`
compares the chain with what these places say.

- A folder (AUDIT_ANCHORS_DIR): one file to which lines are only added, each with the hash of the
  line before. It belongs on another machine's disk, or at least under another user's control.
- A bucket with object lock (AUDIT_ANCHORS_BUCKET): one object an anchor, which nobody can replace
  or remove before its time, the account's own administrators included (compliance mode).
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import boto3
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.db import transaction

from compliance import audit
from compliance.models import AuditAnchor, AuditSeal

EVERY = timedelta(days=1)
FILE_NAME = "audit-anchors.jsonl"
_FORMAT = "agora-audit-anchor-1"
log = structlog.get_logger(__name__)


class Failed(Exception):
    """A place took no anchor, or what it holds cannot be read; says which and why."""


@dataclass(frozen=True)
class Head:
    """The newest link of the chain; after a restore also what it makes void, and why."""

    position: int
    hash: str
    at: datetime
    reason: str = ""
    void: frozenset[tuple[int, str]] = frozenset()

    def content(self) -> dict[str, object]:
        at = self.at.astimezone(UTC).isoformat(timespec="seconds")
        told = {"format": _FORMAT, "at": at, "position": self.position, "hash": self.hash}
        if not self.void:
            return told
        void = [{"position": position, "hash": head} for position, head in sorted(self.void)]
        return {**told, "restored": {"reason": self.reason, "void": void}}


class Place(Protocol):
    """Somewhere outside the database that keeps heads."""

    name: str

    def keep(self, head: Head) -> str:
        """Store a head and say where it is found; raises Failed. Storing it twice is harmless."""

    def kept(self) -> Iterator[audit.Anchor]:
        """Every head that the place holds, in the order in which it was told; raises Failed."""


def places() -> list[Place]:
    """The places that the settings name."""
    found: list[Place] = []
    if settings.AUDIT_ANCHORS_DIR:
        found.append(FilePlace(Path(settings.AUDIT_ANCHORS_DIR)))
    if settings.AUDIT_ANCHORS_BUCKET:
        found.append(BucketPlace(settings.AUDIT_ANCHORS_BUCKET))
    return found


def anchor(*, now: datetime, only_due: bool = False) -> list[AuditAnchor]:
    """Tell the newest head to every place; returns what was told.

    With `only_due`, only to places that were last told a day ago and only when there is a newer
    head. Raises Failed after all places were tried, if one of them failed.
    """
    newest = AuditSeal.objects.order_by("-position").first()
    if newest is None:
        return []
    head = Head(position=newest.position, hash=bytes(newest.hash).hex(), at=now)
    told, failures = [], []
    for place in places():
        if _is_told(place, head) or (only_due and not _is_due(place, now)):
            continue
        try:
            told.append(tell(place, head))
        except Failed as error:
            log.error("audit.anchor_failed", place=place.name, reason=str(error))
            failures.append(str(error))
    if failures:
        raise Failed("; ".join(failures))
    return told


def _is_told(place: Place, head: Head) -> bool:
    return AuditAnchor.objects.filter(place=place.name, position=head.position).exists()


def _is_due(place: Place, now: datetime) -> bool:
    return not AuditAnchor.objects.filter(place=place.name, anchored_at__gt=now - EVERY).exists()


def tell(place: Place, head: Head) -> AuditAnchor:
    """Outside first, then the note of it: a note without its anchor would promise too much."""
    reference = place.keep(head)
    with transaction.atomic():
        note, created = AuditAnchor.objects.get_or_create(
            place=place.name,
            position=head.position,
            defaults={
                "hash": bytes.fromhex(head.hash),
                "anchored_at": head.at,
                "reference": reference,
            },
        )
        if created:
            audit.record(
                actor=audit.system("anchors"),
                action="audit.anchored",
                object_type="audit_trail",
                object_id=str(head.position),
                evidence={"place": place.name, "hash": head.hash, "reference": reference},
                now=head.at,
            )
    return note


def outside() -> list[audit.Anchor]:
    """Every head that the places hold; raises Failed when one of them cannot be read."""
    return [kept for place in places() for kept in place.kept()]


def verify() -> audit.Verdict:
    """The whole trail, compared with every anchor outside; raises Failed, as `outside` does.

    An anchor that was noted but is not in its place any more is a fault too.
    """
    names = {place.name for place in places()}
    # Before the places are read: an anchor that is told meanwhile is noted after it is there.
    noted = list(
        AuditAnchor.objects.filter(place__in=names)
        .order_by("position")
        .values_list("place", "position")
    )
    found = outside()
    verdict = audit.verify(anchors=found)
    held = {(kept.place_name, kept.position) for kept in found}
    lost = [
        f"the anchor of position {position} is not in {place} any more"
        for place, position in noted
        if (place, position) not in held
    ]
    return replace(verdict, faults=[*verdict.faults, *lost])


class FilePlace:
    """A file of JSON lines in a folder; each line holds the SHA-256 of the line before."""

    name = "file"

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME

    def keep(self, head: Head) -> str:
        try:
            self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            with self.path.open("ab+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                lines, cut = _lines(file.read())
                if cut:
                    file.truncate(file.tell() - len(cut))
                told = {(it["position"], it["hash"]) for it in map(json.loads, lines)}
                # Another hash at the same position is another chain: a verification tells which.
                if (head.position, head.hash) not in told:
                    previous = hashlib.sha256(lines[-1]).hexdigest() if lines else ""
                    content = {**head.content(), "previous": previous}
                    file.write(json.dumps(content).encode() + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Failed(f"the file of anchors: {error}") from error
        return FILE_NAME

    def kept(self) -> Iterator[audit.Anchor]:
        try:
            lines, _cut = _lines(self.path.read_bytes())
        except FileNotFoundError:
            return
        except OSError as error:
            raise Failed(f"the file of anchors: {error}") from error
        previous = ""
        for number, line in enumerate(lines, start=1):
            content = _parsed(line, f"line {number} of {FILE_NAME}")
            if content.get("previous") != previous:
                raise Failed(f"line {number} of {FILE_NAME} does not follow the line before")
            previous = hashlib.sha256(line).hexdigest()
            yield _anchor(content, f"{self.name} ({content['at']})")


class BucketPlace:
    """Objects in an S3-compatible bucket with object lock, one for each anchor."""

    name = "bucket"
    _PREFIX = "audit-anchors/"

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket

    @cached_property
    def _client(self) -> Any:
        # Credentials come from where the SDK looks for them: environment, file, instance role.
        return boto3.client(
            "s3",
            endpoint_url=settings.AUDIT_ANCHORS_ENDPOINT_URL or None,
            config=Config(
                connect_timeout=settings.VENDOR_CONNECT_TIMEOUT,
                read_timeout=settings.VENDOR_READ_TIMEOUT,
                retries={"max_attempts": 3},
            ),
        )

    def keep(self, head: Head) -> str:
        key = f"{self._PREFIX}{head.position:020}.json"
        until = head.at + timedelta(days=settings.AUDIT_ANCHORS_LOCK_DAYS)
        try:
            answer = self._client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=json.dumps(head.content()).encode(),
                ContentType="application/json",
                ChecksumAlgorithm="SHA256",
                ObjectLockMode="COMPLIANCE",
                ObjectLockRetainUntilDate=until,
            )
        except (BotoCoreError, ClientError) as error:
            raise Failed(f"the bucket of anchors: {error}") from error
        return f"{key} version {answer.get('VersionId', '–')}"

    def kept(self) -> Iterator[audit.Anchor]:
        """Every version counts: who overwrites an object only adds another version of it.

        By the times that they name, which a copy of the bucket keeps.
        """
        found: list[tuple[str, audit.Anchor]] = []
        try:
            pages = self._client.get_paginator("list_object_versions")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self._PREFIX):
                for version in page.get("Versions", []):
                    key, number = version["Key"], version["VersionId"]
                    got = self._client.get_object(Bucket=self.bucket, Key=key, VersionId=number)
                    content = _parsed(got["Body"].read(), key)
                    told = _anchor(content, f"{self.name} ({content['at']})")
                    found.append((str(content["at"]), told))
        except (BotoCoreError, ClientError) as error:
            raise Failed(f"the bucket of anchors: {error}") from error
        # What makes others void comes after those of the same second.
        found.sort(key=lambda each: (each[0], bool(each[1].void), each[1].position))
        yield from (told for _at, told in found)


def _lines(content: bytes) -> tuple[list[bytes], bytes]:
    """The lines of a file of anchors, and what follows the last line break.

    That is a line whose writing was cut off, as by a full disk: its anchor was never noted.
    """
    *lines, cut = content.split(b"\n")
    return lines, cut


def _parsed(raw: bytes, where: str) -> dict[str, Any]:
    try:
        content = json.loads(raw)
        if content["format"] == _FORMAT and isinstance(content["position"], int):
            return dict(content)
    except (ValueError, KeyError, TypeError):
        pass
    raise Failed(f"{where} is not an anchor")


def _anchor(content: dict[str, Any], place: str) -> audit.Anchor:
    try:
        restored = content.get("restored", {"reason": "", "void": []})
        void = frozenset((int(each["position"]), str(each["hash"])) for each in restored["void"])
        reason = str(restored["reason"])
    except (ValueError, KeyError, TypeError) as error:
        raise Failed(f"{place} does not name the anchors that it makes void") from error
    position, head = content["position"], str(content["hash"])
    return audit.Anchor(
        position=position, hash=head, place=place, reason=reason, void=void, at=str(content["at"])
    )
