#!/usr/bin/env python3
"""Verify an export of Agora's audit trail with nothing but Python's standard library.

    python3 verify_audit_export.py EXPORT.zip [--anchors audit-anchors.jsonl]

EXPORT is the archive, or a folder with its files. Every row's hash is computed anew from its
content, and the chain of hashes is followed over all positions that the export covers; rows that
the filter left out take part with their hashes. So a changed, removed, inserted or moved row is
found and named. With the file of anchors, kept by somebody else than who runs Agora, the chain is
compared with what was told outside on the days before. The format is in docs/audit-trail.md.

Exit code 0: everything agrees; 1: something does not, each fault is named; 2: not readable.
"""

import argparse
import csv
import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

Row = dict[str, Any]
Anchors = dict[int, list[tuple[str, str]]]

FORMAT = "agora-audit-export-1"
ANCHOR_FORMAT = "agora-audit-anchor-1"
GENESIS = hashlib.sha256(b"agora audit trail").digest()
CONTENT = ("action", "actor", "at", "evidence", "object_id", "object_type", "uid")
QUOTED = ("actor", "action", "object_type", "object_id")
MOST_FAULTS = 50


class Unreadable(Exception):
    """The export is not one, or a part of it is missing."""


class Archive:
    """The files of an export, in a ZIP archive or in a folder."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.zip = None if self.path.is_dir() else zipfile.ZipFile(self.path)

    def open(self, name: str) -> IO[bytes]:
        return self.zip.open(name) if self.zip else (self.path / name).open("rb")

    def manifest(self) -> dict[str, Any]:
        with self.open("manifest.json") as file:
            manifest = json.load(file)
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise Unreadable(f"manifest.json is not of the format {FORMAT}")
        return manifest


class Hashed(io.RawIOBase):
    """Reads a file and keeps count and SHA-256 of what was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.size, self.digest = file, 0, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.file.read(len(buffer))
        buffer[: len(data)] = data
        self.size += len(data)
        self.digest.update(data)
        return len(data)


def digest_of(row: Row) -> bytes:
    """SHA-256 of the row's content as JSON: sorted keys, no spaces, UTF-8, nothing escaped."""
    content = {name: row[name] for name in CONTENT}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).digest()


def rows_of_jsonl(file: BinaryIO) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(file, start=1):
        try:
            row = json.loads(line)
            yield int(row["position"]), row
        except (ValueError, KeyError, TypeError) as error:
            raise Unreadable(f"line {number} of rows.jsonl is not a row: {error!r}") from error


def rows_of_csv(file: BinaryIO) -> Iterator[tuple[int, Row]]:
    csv.field_size_limit(sys.maxsize)
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    for line in csv.DictReader(text):
        row: Row = dict(line)
        try:
            # A cell that a spreadsheet would take for a formula has a quote before it.
            row.update({name: row[name].removeprefix("'") for name in QUOTED})
            row["evidence"] = json.loads(row["evidence"])
            yield int(row["position"]), row
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unreadable(f"rows.csv has a line that is not a row: {error!r}") from error


def links_of(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(file, start=1):
        try:
            position, digest = line.split()
            yield int(position), bytes.fromhex(digest.decode())
        except ValueError as error:
            raise Unreadable(f"line {number} of links.txt is not a link") from error


def merged(
    rows: Iterator[tuple[int, Row]], links: Iterator[tuple[int, bytes]]
) -> Iterator[tuple[int, Row | bytes]]:
    """Rows and links by their positions; within each of them in the order of its file."""
    row, link = next(rows, None), next(links, None)
    while row is not None or link is not None:
        if row is not None and (link is None or row[0] <= link[0]):
            yield row
            row = next(rows, None)
        elif link is not None:
            yield link
            link = next(links, None)


class Chain:
    """The chain as it is followed, and what is wrong with it."""

    def __init__(self, manifest: dict[str, Any], anchors: Anchors) -> None:
        covered = manifest["range"] or {"first": 1, "last": 0, "before": GENESIS.hex()}
        self.next, self.last = covered["first"], covered["last"]
        self.head = bytes.fromhex(covered["before"])
        self.end = covered.get("head", covered["before"])
        self.first, self.whole = covered["first"], not manifest["filter"]
        self.anchors, self.rows, self.links = anchors, 0, 0
        self.tied: list[str] = []
        self.faults: list[str] = []
        if self.next == 1 and self.head != GENESIS:
            self.faults.append("the chain does not begin where every chain begins")

    def add(self, position: int, what: Row | bytes) -> None:
        if position < self.next:
            self.faults.append(f"position {position} stands twice or in the wrong order")
            return
        if position > self.next:
            missing = f"{self.next}" if position - self.next == 1 else f"{self.next}–{position - 1}"
            self.faults.append(f"position {missing} is missing")
        self.next = position + 1
        if isinstance(what, bytes):
            self.links += 1
            self.head = hashlib.sha256(self.head + what).digest()
        else:
            self.rows += 1
            self._add_row(position, what)
        self._compare(position)

    def _add_row(self, position: int, row: Row) -> None:
        stored = bytes.fromhex(row["row_hash"])
        if digest_of(row) != stored:
            self.faults.append(f"the row at position {position} ({row['uid']}) was changed")
        self.head = hashlib.sha256(self.head + stored).digest()
        if self.head.hex() != row["hash"]:
            self.faults.append(f"the chain breaks at position {position} ({row['uid']})")
            self.head = bytes.fromhex(row["hash"])

    def _compare(self, position: int) -> None:
        for digest, place in self.anchors.get(position, []):
            if digest == self.head.hex():
                self.tied.append(f"position {position}, {place}")
            else:
                self.faults.append(f"position {position} is not what was anchored in {place}")

    def finish(self, manifest: dict[str, Any]) -> None:
        if self.next <= self.last:
            self.faults.append(f"position {self.next}–{self.last} is missing at the end")
        if self.next - 1 > self.last:
            self.faults.append(f"there are positions behind the last one, {self.last}")
        if self.whole and (self.links or self.first != 1):
            self.faults.append("rows are left out, and the manifest names no filter for it")
        if self.head.hex() != self.end:
            self.faults.append("the chain does not end in the head that the manifest names")
        for name, counted in (("rows", self.rows), ("links", self.links)):
            if manifest[name] != counted:
                self.faults.append(f"the manifest names {manifest[name]} {name}, read: {counted}")


def read_anchors(path: str | None) -> Anchors:
    """Position → hashes and where they come from; each line must follow the line before."""
    anchors: Anchors = {}
    previous = ""
    if path is None:
        return anchors
    for number, line in enumerate(Path(path).read_bytes().splitlines(), start=1):
        anchor = json.loads(line)
        if anchor.get("format") != ANCHOR_FORMAT:
            raise Unreadable(f"line {number} of the anchors is not an anchor")
        if anchor["previous"] != previous:
            raise Unreadable(f"line {number} of the anchors does not follow the line before")
        previous = hashlib.sha256(line).hexdigest()
        place = f"line {number} of the anchors ({anchor['at']})"
        anchors.setdefault(anchor["position"], []).append((anchor["hash"], place))
    return anchors


def verify(archive: Archive, anchors: Anchors) -> Chain:
    """The chain with its faults; raises Unreadable."""
    manifest = archive.manifest()
    names = sorted(manifest["files"], reverse=True)
    if len(names) != 2 or names[0] not in ("rows.jsonl", "rows.csv") or names[1] != "links.txt":
        raise Unreadable("the manifest does not name rows.jsonl or rows.csv, and links.txt")
    chain = Chain(manifest, anchors)
    read = rows_of_csv if names[0].endswith(".csv") else rows_of_jsonl
    with archive.open(names[0]) as rows, archive.open(names[1]) as links:
        hashed = {names[0]: Hashed(rows), names[1]: Hashed(links)}
        first, second = (
            cast("BinaryIO", io.BufferedReader(file, 1 << 20)) for file in hashed.values()
        )
        for position, what in merged(read(first), links_of(second)):
            chain.add(position, what)
        for name, file in hashed.items():
            told = manifest["files"][name]
            if (file.size, file.digest.hexdigest()) != (told["bytes"], told["sha256"]):
                chain.faults.append(f"{name} is not the file that the manifest names")
    chain.finish(manifest)
    return chain


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("export", help="the archive, or a folder with its files")
    parser.add_argument("--anchors", help="audit-anchors.jsonl, as kept outside")
    options = parser.parse_args()
    try:
        chain = verify(Archive(options.export), read_anchors(options.anchors))
    except (Unreadable, OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        print(f"cannot be verified: {error}", file=sys.stderr)
        return 2
    print(f"{chain.rows} rows, {chain.links} hashes of rows left out, head {chain.head.hex()}")
    for tied in chain.tied:
        print(f"agrees with what was anchored: {tied}")
    if not chain.tied:
        print("tied to no anchor: shows that nothing changed since the export, not before it")
    for fault in chain.faults[:MOST_FAULTS]:
        print(fault, file=sys.stderr)
    if len(chain.faults) > MOST_FAULTS:
        print(f"… and {len(chain.faults) - MOST_FAULTS} more", file=sys.stderr)
    print("does NOT agree" if chain.faults else "everything agrees")
    return 1 if chain.faults else 0


if __name__ == "__main__":
    sys.exit(main())
