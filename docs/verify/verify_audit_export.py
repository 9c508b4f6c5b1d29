#!/usr/bin/env python3
"""Verify an export of Agora's audit trail with nothing but Python's standard library.

    python3 verify_audit_export.py EXPORT.zip [--anchors audit-anchors.jsonl] [--trail TRAIL.zip]

EXPORT is the archive, or a folder with its files. Every row's hash is computed anew from its
content, and the chain of hashes is followed over all positions that the export covers; rows that
the filter left out take part with their hashes. So a changed, removed, inserted or moved row is
found and named. With the file of anchors, kept by somebody else than who runs Agora, the chain is
compared with what was told outside on the days before. The format is in docs/audit-trail.md.

An export of uses of tokens or nonces is compared day by day with the digests that its manifest names
and, with TRAIL, an export of the whole trail, with the rows `usage.sealed` in which those digests
stand and the row `audit.exported` in which the export itself does.

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
from datetime import datetime
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

Row = dict[str, Any]
Anchors = dict[int, list[tuple[str, datetime, str, list[list[Any]]]]]

FORMAT = "agora-audit-export-1"
USAGE_FORMAT = "agora-usage-export-1"
USAGE_DAYS = {"token-uses": "minute", "nonce-uses": "created_at"}
USAGE_SEAL = "usage.sealed"
EXPORTED, RESTORED = "audit.exported", "audit.restored"
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
        if not isinstance(manifest, dict) or manifest.get("format") not in (FORMAT, USAGE_FORMAT):
            raise Unreadable(f"manifest.json is not of the format {FORMAT} or {USAGE_FORMAT}")
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
        self.exported_at = datetime.fromisoformat(manifest["exported_at"])
        self.anchors, self.rows, self.links = anchors, 0, 0
        self.tied, self.faults = list[str](), list[str]()
        self.seals, self.exports = list[Row](), list[Row]()
        self.restored = ""  # what rows tell of restores, as JSON
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
        if row["action"] == USAGE_SEAL:
            self.seals.append(row)
        if row["action"] == EXPORTED and row["object_type"] == "usage":
            self.exports.append(row)
        if row["action"] == RESTORED:
            self.restored += json.dumps(row["evidence"])

    def _compare(self, position: int) -> None:
        for digest, _at, place, void in self.anchors.get(position, []):
            if digest == self.head.hex():
                self.tied.append(f"position {position}, {place}")
            else:
                self.faults.append(f"position {position} is not what was anchored in {place}")
            if void and self.whole and json.dumps(void) not in self.restored:
                self.faults.append(f"no row {RESTORED} up to there names what {place} makes void")

    def finish(self, manifest: dict[str, Any]) -> None:
        if self.next <= self.last:
            self.faults.append(f"position {self.next}–{self.last} is missing at the end")
        if self.next - 1 > self.last:
            self.faults.append(f"there are positions behind the last one, {self.last}")
        if self.whole and (self.links or self.first != 1):
            self.faults.append("rows are left out, and the manifest names no filter for it")
        for position, told in sorted(self.anchors.items()) if self.whole else []:
            for _digest, at, place, _void in told:
                # Both in whole seconds: an anchor of the same one may be the later of the two.
                if position > self.last and at < self.exported_at:
                    self.faults.append(f"the export ends before position {position} of {place}")
        if self.head.hex() != self.end:
            self.faults.append("the chain does not end in the head that the manifest names")
        for name, counted in (("rows", self.rows), ("links", self.links)):
            if manifest[name] != counted:
                self.faults.append(f"the manifest names {manifest[name]} {name}, read: {counted}")


def read_anchors(path: str | None) -> Anchors:
    """Position → hashes, when and where told, what they make void; each line follows the line before.

    What follows the last line break is an anchor whose writing was cut off: it was never told. Anchors
    that another line makes void, because a backup was restored, are printed and left out: such were
    told before it and lie behind everything else that counted then, of which something is left.
    """
    anchors: Anchors = {}
    content = Path(path).read_bytes() if path else b""
    told, void, previous = set[tuple[int, str]](), set[tuple[int, str]](), ""
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), start=1):
        anchor = json.loads(line)
        if not isinstance(anchor, dict) or anchor.get("format") != ANCHOR_FORMAT:
            raise Unreadable(f"line {number} of the anchors is not an anchor")
        if anchor["previous"] != previous:
            raise Unreadable(f"line {number} of the anchors does not follow the line before")
        previous = hashlib.sha256(line).hexdigest()
        place = f"line {number} of the anchors ({anchor['at']})"
        own, restored = (anchor["position"], anchor["hash"]), anchor.get("restored", {"void": []})
        cut = sorted({(each["position"], each["hash"]) for each in restored["void"]})
        if cut:
            left = max((at for at, _hash in told - void - {*cut}), default=0)
            if not {*cut} <= told or own in void | {*cut} or not 0 < left <= cut[0][0]:
                raise Unreadable(f"no restore makes void what {place} does")
            void.update(cut)
            cuts = ", ".join(str(position) for position, _hash in cut)
            print(
                f"{place}: positions {cuts} are void, a backup was restored: {restored['reason']}"
            )
        told.add(own)
        when, named = datetime.fromisoformat(anchor["at"]), [list(each) for each in cut]
        anchors.setdefault(own[0], []).append((own[1], when, place, named))
    return {at: [one for one in each if (at, one[0]) not in void] for at, each in anchors.items()}


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


class Usage:
    """Days of uses as they are read, and what is wrong with them."""

    def __init__(self, manifest: dict[str, Any]) -> None:
        self.manifest, self.rows = manifest, 0
        self.days: dict[str, tuple[int, Any]] = {}
        self.last = ""
        self.notes, self.faults = list[str](), list[str]()

    def add(self, day: str, line: bytes) -> None:
        if not self.manifest["since"] <= day < self.manifest["until"] or day < self.last:
            self.faults.append(f"a row of {day} stands in the wrong place")
        count, digest = self.days.get(day, (0, hashlib.sha256()))
        digest.update(line + b"\n")
        self.days[day] = count + 1, digest
        self.last = day
        self.rows += 1

    def compare(self) -> None:
        """With the digests of the manifest, and with the time that it names."""
        exported = self.manifest["exported_at"]
        self.faults += [
            f"a row of {day} is later than the export, {exported}"
            for day in self.days
            if day > exported[:10]
        ]
        sealed = {told["day"]: (told["rows"], told["sha256"]) for told in self.manifest["days"]}
        for day in sorted(self.days.keys() | sealed.keys()):
            count, digest = self.days.get(day, (0, hashlib.sha256()))
            if day not in sealed:
                self.notes.append(f"{day}: {count} rows, not sealed yet")
            elif count != sealed[day][0]:
                self.faults.append(f"{day} has {count} rows; {sealed[day][0]} were sealed")
            elif digest.hexdigest() != sealed[day][1]:
                self.faults.append(f"a row of {day} was changed")

    def tie(self, trail: Chain) -> None:
        """The manifest must name, for every day, the newest seal that the trail had by then.

        When that was only the trail says: for a file that it does not know, all its seals count.
        """
        exported = self._exported(trail)
        newest: dict[str, dict[str, Any]] = {}
        for row in trail.seals:
            told = row["evidence"]
            by_then = not exported or row["at"][:19] <= exported
            within = self.manifest["since"] <= told["day"] < self.manifest["until"]
            if told["kind"] == self.manifest["kind"] and by_then and within:
                entry = {name: told[name] for name in ("day", "rows", "sha256")}
                before = newest.get(told["day"], {"seals": 0})["seals"]
                newest[told["day"]] = {**entry, "uid": row["uid"], "seals": before + 1}
        named = {told["day"]: told for told in self.manifest["days"]}
        for day in sorted(newest.keys() | named.keys()):
            found = dict(newest.get(day, {}))
            if found.pop("seals", 0) > 1:
                self.notes.append(f"{day} was sealed again after rows went; the trail says why")
            if found != named.get(day, {}):
                self.faults.append(f"the trail says otherwise of {day} than the manifest")

    def _exported(self, trail: Chain) -> str:
        """When the trail says that exactly this file was exported; empty when it does not."""
        manifest = self.manifest
        moments = {
            row["at"][:19]
            for row in trail.exports
            if row["object_id"] == manifest["kind"]
            and all(row["evidence"][name] == manifest[name] for name in ("since", "until", "files"))
        }
        told: str = manifest["exported_at"][:19]
        if not moments:
            self.notes.append(
                "the trail does not know this export: the trail is older, or the file is another"
            )
            return ""
        if told not in moments:
            self.faults.append(f"exported at {told}, says the manifest; the trail says otherwise")
        return told if told in moments else ""


def uses_of(name: str, file: BinaryIO, column: str) -> Iterator[tuple[str, bytes]]:
    """The day of each row, and its line of JSON, whichever form the file has."""
    try:
        if name.endswith(".jsonl"):
            for line in file:
                yield json.loads(line)[column][:10], line.rstrip(b"\n")
            return
        for cells in csv.DictReader(io.TextIOWrapper(file, encoding="utf-8", newline="")):
            row = {key: value.removeprefix("'") for key, value in cells.items()}
            text = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            yield row[column][:10], text.encode()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(f"{name} has a line that is not a row: {error!r}") from error


def verify_usage(archive: Archive, trail: Chain | None) -> Usage:
    """Uses with their faults; raises Unreadable, also for a trail that may lack seals."""
    if trail is not None and not trail.whole:
        raise Unreadable("the trail is filtered: compare with an export of all its rows")
    manifest = archive.manifest()
    ((name, told),) = manifest["files"].items()
    if name not in ("rows.jsonl", "rows.csv") or manifest["kind"] not in USAGE_DAYS:
        raise Unreadable("the manifest does not name rows.jsonl or rows.csv, and a known kind")
    usage = Usage(manifest)
    with archive.open(name) as file:
        hashed = Hashed(file)
        buffered = cast("BinaryIO", io.BufferedReader(hashed, 1 << 20))
        for day, line in uses_of(name, buffered, USAGE_DAYS[manifest["kind"]]):
            usage.add(day, line)
    if (hashed.size, hashed.digest.hexdigest()) != (told["bytes"], told["sha256"]):
        usage.faults.append(f"{name} is not the file that the manifest names")
    usage.compare()
    if trail is not None:
        usage.faults += trail.faults
        usage.tie(trail)
    return usage


def told_of_chain(chain: Chain) -> list[str]:
    lines = [f"{chain.rows} rows, {chain.links} hashes of rows left out, head {chain.head.hex()}"]
    lines.append(f"exported at {chain.exported_at.isoformat()}, says the manifest")
    if not chain.whole:
        lines.append(f"filtered: does not show whether later rows than position {chain.last} match")
    lines += [f"agrees with what was anchored: {tied}" for tied in chain.tied]
    if not chain.tied:
        lines.append(
            "tied to no anchor: shows that nothing changed since the export, not before it"
        )
    return lines


def told_of_usage(usage: Usage, trail: Chain | None) -> list[str]:
    lines = [f"{usage.rows} rows, {len(usage.manifest['days'])} days sealed", *usage.notes]
    if trail is None:
        lines.append(
            "compared with no trail: shows that the rows are those of the manifest's digests"
        )
    return lines


def outcome(rows: int, faults: list[str]) -> int:
    for fault in faults[:MOST_FAULTS]:
        print(fault, file=sys.stderr)
    if len(faults) > MOST_FAULTS:
        print(f"… and {len(faults) - MOST_FAULTS} more", file=sys.stderr)
    if faults:
        print("does NOT agree")
    elif rows:
        print("everything agrees")
    else:
        print("no rows: this export proves nothing of any row")
    return 1 if faults else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("export", help="the archive, or a folder with its files")
    parser.add_argument("--anchors", help="audit-anchors.jsonl, as kept outside")
    parser.add_argument("--trail", help="for an export of uses: an export of the trail")
    options = parser.parse_args()
    csv.field_size_limit(sys.maxsize)
    try:
        archive, anchors = Archive(options.export), read_anchors(options.anchors)
        if archive.manifest()["format"] == USAGE_FORMAT:
            trail = verify(Archive(options.trail), anchors) if options.trail else None
            usage = verify_usage(archive, trail)
            lines, rows, faults = told_of_usage(usage, trail), usage.rows, usage.faults
        else:
            chain = verify(archive, anchors)
            lines, rows, faults = told_of_chain(chain), chain.rows, chain.faults
    except Exception as error:
        # The files come from anywhere: whatever keeps them from being read is not a disagreement.
        told = error if isinstance(error, Unreadable | OSError) else repr(error)
        print(f"cannot be verified: {told}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return outcome(rows, faults)


if __name__ == "__main__":
    sys.exit(main())
