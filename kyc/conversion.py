"""Turning an uploaded file into pictures of its pages, in a short-lived process of its own.

The file never meets a decoder in a process that has keys, a database or a network (kyc.converter).
"""

import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import structlog

from agora.lib.outcome import Temporary
from kyc.models.documents import MOST_PAGES

MOST_PIXELS = 64_000_000
LEAST_SIDE = 200
MOST_SECONDS = 30.0
MOST_OUTPUT_BYTES = 48_000_000
# Two at once in a web process, as each may take a gigabyte. Who waits holds a thread that pages need:
# they are soon asked to come back.
_AT_ONCE = threading.BoundedSemaphore(2)
_LONGEST_WAIT = 1.0
_PROGRAM = Path(__file__).with_name("converter.py")
_JPEG = b"\xff\xd8\xff"

log = structlog.get_logger(__name__)


class Unconvertible(Exception):
    """The file cannot be shown; `code` says why: unreadable, encrypted, active, too_many_pages, …"""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Died(Unconvertible):
    """The process that drew it has died of the file, or took too long and was killed."""


@dataclass(frozen=True)
class PageImage:
    """A page as a JPEG picture without metadata; sides in pixels."""

    jpeg: bytes
    width: int
    height: int


def convert(*, data: bytes, media_type: str) -> list[PageImage]:
    """The pages of a file of a known type, drawn anew.

    Raises Unconvertible, of which Died when drawing takes too long or the process dies of the file, and
    Temporary when too many files are being drawn already.
    """
    if not _AT_ONCE.acquire(timeout=_LONGEST_WAIT):
        raise Temporary("too many documents at once", code="busy")
    try:
        output = _run(data, media_type)
    finally:
        _AT_ONCE.release()
    return _pages(output)


def is_filtered() -> bool:
    """Whether this machine refuses the drawing process every system call that it does not need.

    Asked of such a process. Raises OSError, subprocess.SubprocessError or ValueError if it does not run.
    """
    ran = subprocess.run(
        [sys.executable, "-I", str(_PROGRAM), "probe"],
        capture_output=True,
        check=True,
        env={},
        cwd="/",
        timeout=MOST_SECONDS,
    )
    return bool(json.loads(ran.stdout)["filtered"])


def _run(data: bytes, media_type: str) -> bytes:
    """What the program wrote; it is dead when this returns, however it ended.

    It gets an empty environment: what it does not know, a hostile file cannot make it tell.
    """
    limits = map(str, (MOST_PAGES, MOST_PIXELS, LEAST_SIDE))
    process = subprocess.Popen(
        [sys.executable, "-I", str(_PROGRAM), media_type, *limits],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # decoders quote what they read
        env={},
        cwd="/",
    )
    deadline = threading.Timer(MOST_SECONDS, process.kill)
    feeder = threading.Thread(target=_feed, args=(process, data), daemon=True)
    try:
        deadline.start()
        feeder.start()
        assert process.stdout is not None  # noqa: S101
        return process.stdout.read(MOST_OUTPUT_BYTES + 1)
    finally:
        deadline.cancel()
        process.kill()
        process.wait()
        feeder.join()
        process.stdout and process.stdout.close()


def _feed(process: "subprocess.Popen[bytes]", data: bytes) -> None:
    """Hand the file over beside the reading: both pipes are shorter than a file."""
    assert process.stdin is not None  # noqa: S101
    try:
        process.stdin.write(data)
        process.stdin.close()
    except BrokenPipeError:  # it has died of the file, which its answer tells
        process.stdin.close()


def _pages(output: bytes) -> list[PageImage]:
    """The program's answer, believed in nothing that can be checked."""
    line, _newline, rest = output.partition(b"\n")
    try:
        answer = json.loads(line)
        if "refused" in answer:
            raise Unconvertible(str(answer["refused"])[:20])
        pages, at = [], 0
        for page in answer["pages"]:
            size = int(page["size"])
            pages.append(PageImage(rest[at : at + size], int(page["width"]), int(page["height"])))
            at += size
    except (ValueError, KeyError, TypeError) as error:
        log.warning("document.converter_died", output=len(output))
        raise Died("unreadable") from error
    if not pages or at != len(rest) or not all(page.jpeg.startswith(_JPEG) for page in pages):
        raise Unconvertible("unreadable")
    return pages
