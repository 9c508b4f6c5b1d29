"""What an uploaded file is, told by its bytes and never by its name or what its sender says.

A file must be one thing only: one that is also an archive, a page or a program to some other reader
is refused, although only pictures drawn anew are ever kept or shown.
"""

import io
import re
import zipfile

JPEG, PNG, WEBP, PDF = "image/jpeg", "image/png", "image/webp", "application/pdf"
MEDIA_TYPES = (JPEG, PNG, WEBP, PDF)

# Text that browsers and servers would run. Long enough not to occur in compressed pixels by chance.
_RUNNABLE = re.compile(rb"<script|<\?php|<!doctype|<html|<iframe|%pdf-", re.IGNORECASE)
# Actions and files inside a PDF. pdfium is asked as well: objects may be compressed.
_ACTIVE = re.compile(rb"/(JavaScript|Launch|EmbeddedFiles?|RichMedia|SubmitForm|ImportData)\b")
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# A camera may put a preview and a gain map behind the picture (CIPA DC-007, ISO 21496-1).
_MOST_PICTURES = 4
_LONGEST_PDF_TAIL = 1024


class WrongFile(Exception):
    """The file is refused; `code` is empty, wrong_type, mixed, active or unreadable."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def recognise(data: bytes) -> str:
    """The media type of a file that is one of MEDIA_TYPES and nothing else; raises WrongFile."""
    if not data:
        raise WrongFile("empty")
    media_type = _type_of(data)
    if zipfile.is_zipfile(io.BytesIO(data)):
        raise WrongFile("mixed")
    if media_type == PDF:
        _check_pdf(data)
    else:
        _check_picture(data, media_type)
    return media_type


def _type_of(data: bytes) -> str:
    if data.startswith(b"\xff\xd8\xff"):
        return JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP
    if data.startswith(b"%PDF-"):
        return PDF
    raise WrongFile("wrong_type")


def _check_pdf(data: bytes) -> None:
    """No scripts and attachments, and nothing that begins behind its end (ISO 32000-2 7.5.5)."""
    if _ACTIVE.search(data):
        raise WrongFile("active")
    end = data.rfind(b"%%EOF")
    if end < 0:
        raise WrongFile("unreadable")
    if len(data) - end > _LONGEST_PDF_TAIL:
        raise WrongFile("mixed")


def _check_picture(data: bytes, media_type: str) -> None:
    if _RUNNABLE.search(data):
        raise WrongFile("mixed")
    if media_type == JPEG:
        rest = _behind_jpeg(data)
    elif media_type == PNG:
        rest = _behind_png(data)
    else:
        rest = _behind_webp(data)
    if rest.strip(b"\0\r\n "):
        raise WrongFile("mixed")


def _behind_png(data: bytes) -> bytes:
    """What follows the chunk IEND (PNG 3rd edition, 5.6)."""
    at = 8
    while at + 12 <= len(data):
        length, name = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        at += 12 + length
        if name == b"IEND":
            return data[at:]
    raise WrongFile("unreadable")


def _behind_webp(data: bytes) -> bytes:
    """What follows the RIFF chunk (RFC 9649 2.3)."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise WrongFile("unreadable")
    return data[end + end % 2 :]


def _behind_jpeg(data: bytes) -> bytes:
    """What follows the pictures of a JPEG file, but for what phones are known to put there."""
    at = 0
    for _picture in range(_MOST_PICTURES):
        at = _end_of_jpeg(data, at)
        rest = data[at:].lstrip(b"\0")
        at = len(data) - len(rest)
        if not rest.startswith(b"\xff\xd8\xff"):
            break
    # A short film (ISO 14496-12), without the zeros that its length begins with, and Samsung's notes.
    return b"" if b"ftyp" in rest[:8] or rest.endswith(b"SEFT") else rest


def _end_of_jpeg(data: bytes, start: int) -> int:
    """Where the picture that begins at `start` ends: behind its EOI marker (ITU T.81, B.1)."""
    at = start + 2
    while at + 4 <= len(data) or data[at : at + 2] == b"\xff\xd9":
        if data[at] != 0xFF:
            raise WrongFile("unreadable")
        marker = data[at + 1]
        if marker == 0xD9:
            return at + 2
        if marker == 0xFF:  # a filling byte
            at += 1
            continue
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker == 0xDA:  # pixels follow, up to the next marker
            found = _AFTER_SCAN.search(data, at)
            at = found.start() if found else len(data)
    raise WrongFile("unreadable")
