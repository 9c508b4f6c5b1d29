"""Files as people upload them, and as attackers do; all made here."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

from django.core.files.uploadedfile import SimpleUploadedFile
from fpdf import FPDF
from PIL import Image

SIZE = (900, 600)


def picture(
    form: str = "JPEG", *, size: tuple[int, int] = SIZE, mode: str = "RGB", **more: object
) -> bytes:
    """A photo in a format of Pillow: shades in both directions, so that turning it can be seen."""
    image = Image.merge(
        "RGB",
        (
            Image.linear_gradient("L").resize(size),
            Image.linear_gradient("L").rotate(90).resize(size),
            Image.new("L", size, 90),
        ),
    ).convert(mode)
    return saved(image, form, **more)


def saved(image: Image.Image, form: str, **more: object) -> bytes:
    target = io.BytesIO()
    image.save(target, form, **more)
    return target.getvalue()


def photo_with_secrets() -> bytes:
    """A phone's photo: place and camera in EXIF, a comment, and stored on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "SecretCamera"
    exif[0x8825] = {1: "S", 2: (23.0, 33.0, 1.0)}
    return picture(exif=exif, comment=b"SecretComment")


def pdf(pages: int = 2, *, password: str = "", **properties: str) -> bytes:
    """A PDF with a line of text on each page."""
    document = FPDF()
    if password:
        document.set_encryption(owner_password="owner", user_password=password)
    for name, value in properties.items():
        getattr(document, f"set_{name}")(value)
    for number in range(1, pages + 1):
        document.add_page()
        document.set_font("helvetica", size=24)
        document.cell(text=f"Page {number}")
    return bytes(document.output())


def archive() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        file.writestr("evil.class", b"\xca\xfe\xba\xbe" + bytes(200))
    return target.getvalue()


def png_of(width: int, height: int, *, rows: bytes = b"", extra: bytes = b"") -> bytes:
    """A PNG that claims these sides, whatever its data holds."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [png_chunk(b"IHDR", head), extra, png_chunk(b"IDAT", rows), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def moving(form: str) -> bytes:
    """Two frames."""
    more = Image.new("RGB", SIZE, "red")
    return saved(Image.new("RGB", SIZE), form, save_all=True, append_images=[more], duration=100)


def raw_pdf(*objects: bytes, catalog: bytes = b"") -> bytes:
    """A PDF of one page written by hand; `catalog` goes into its catalog."""
    body = [
        b"<</Type/Catalog/Pages 2 0 R" + catalog + b">>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
        *objects,
    ]
    text, places = b"%PDF-1.7\n", []
    for number, content in enumerate(body, start=1):
        places.append(len(text))
        text += b"%d 0 obj" % number + content + b"endobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(body) + 1
    return (
        text
        + b"xref\n0 %d\n0000000000 65535 f \n" % count
        + table
        + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (count, len(text))
    )


def _page_bomb() -> bytes:
    """A page of a hundred megabytes of lines, in a quarter of one."""
    packer = zlib.compressobj(9)
    block = b"0 0 m 500 800 l S\n" * 2**16
    lines = b"".join(packer.compress(block) for _ in range(90)) + packer.flush()
    content = b"<</Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (len(lines), lines)
    size = b"/MediaBox[0 0 595 842]"
    return raw_pdf(content).replace(size, size + b"/Contents 4 0 R")


_JAVASCRIPT = b"/OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>"
# The name of the action written so that a search for it does not find it (ISO 32000-2 7.3.5).
_DISGUISED = b"/Names<</JavaScript<</Names[(a)<</S/J#61vaScript/JS(app.alert\\(1\\))>>]>>>>"

REFUSED: dict[str, tuple[str, Callable[[], bytes]]] = {
    # --- nothing and the wrong thing
    "no bytes": ("empty", lambda: b""),
    "text": ("wrong_type", lambda: b"I am a passport"),
    "page with script": ("wrong_type", lambda: b"<html><script>alert(1)</script></html>"),
    "drawing": ("wrong_type", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "archive": ("wrong_type", archive),
    "program": ("wrong_type", lambda: b"MZ" + bytes(500)),
    "GIF": ("wrong_type", lambda: picture("GIF")),
    "BMP": ("wrong_type", lambda: picture("BMP")),
    "TIFF": ("wrong_type", lambda: picture("TIFF")),
    "HEIC": ("wrong_type", lambda: b"\0\0\0\x18ftypheic" + bytes(500)),
    "spaces before a PDF": ("wrong_type", lambda: b"\n\n" + pdf()),
    # --- several things at once
    "JPEG and archive": ("mixed", lambda: picture() + archive()),
    "PNG and archive": ("mixed", lambda: picture("PNG") + archive()),
    "WebP and archive": ("mixed", lambda: picture("WEBP") + archive()),
    "PDF and archive": ("mixed", lambda: pdf() + archive()),
    "GIF and archive": ("wrong_type", lambda: picture("GIF") + archive()),
    "JPEG and script": ("mixed", lambda: picture() + b"<script>alert(1)</script>"),
    "JPEG with script in its comment": ("mixed", lambda: picture(comment=b"<?php system('id') ?>")),
    "JPEG and shell script": ("mixed", lambda: picture() + b"#!/bin/sh\nid\n"),
    "JPEG and program": ("mixed", lambda: picture() + b"\x7fELF" + bytes(200) + b"x"),
    "PNG and program": ("mixed", lambda: picture("PNG") + b"MZ" + bytes(200)),
    "JPEG and PDF": ("mixed", lambda: picture() + pdf()),
    "PDF and page": ("mixed", lambda: pdf() + b"<html>" + b"x" * 2000),
    # --- broken
    "half a JPEG": ("unreadable", lambda: picture()[:4000]),
    "half a PNG": ("unreadable", lambda: picture("PNG")[:1500]),
    "half a WebP": ("unreadable", lambda: picture("WEBP")[:500]),
    "half a PDF": ("unreadable", lambda: pdf()[:600]),
    "only the beginning of a JPEG": ("unreadable", lambda: b"\xff\xd8\xff\xe0"),
    "only the beginning of a PDF": ("unreadable", lambda: b"%PDF-1.7\n%%EOF"),
    "PNG without pixels": ("unreadable", lambda: png_of(800, 600)),
    "PDF without pages": (
        "unreadable",
        lambda: raw_pdf().replace(b"/Count 1", b"/Count 0").replace(b"[3 0 R]", b"[]"),
    ),
    # --- bombs
    "PNG of 65,000 by 65,000": (
        "too_many_pixels",
        lambda: png_of(65_000, 65_000, rows=zlib.compress(bytes(10**6))),
    ),
    "PNG of 2 billion by 2 billion": ("too_many_pixels", lambda: png_of(2**31 - 1, 2**31 - 1)),
    "JPEG of 9,000 by 8,000": (
        "too_many_pixels",
        lambda: saved(Image.new("L", (9000, 8000)), "JPEG"),
    ),
    "PNG with a text of a gigabyte": (
        "unreadable",
        lambda: png_of(800, 600, extra=png_chunk(b"zTXt", b"a\0\0" + _gigabyte())),
    ),
    "PDF of eleven pages": ("too_many_pages", lambda: pdf(11)),
    "PDF with a page of 100 MB": ("unreadable", _page_bomb),
    # --- what does not keep still or can act
    "moving WebP": ("animated", lambda: moving("WEBP")),
    "moving PNG": ("animated", lambda: moving("PNG")),
    "PDF with a password": ("encrypted", lambda: pdf(password="secret")),
    "PDF with script": ("active", lambda: raw_pdf(catalog=_JAVASCRIPT)),
    "PDF with disguised script": ("active", lambda: raw_pdf(catalog=_DISGUISED)),
    "PDF that starts a program": (
        "active",
        lambda: raw_pdf(catalog=b"/OpenAction<</S/Launch/F(cmd.exe)>>"),
    ),
    "PDF with an attachment": (
        "active",
        lambda: raw_pdf(catalog=b"/Names<</EmbeddedFiles<</Names[]>>>>"),
    ),
    "stamp": ("too_small", lambda: picture(size=(199, 400))),
}


def _gigabyte() -> bytes:
    packer = zlib.compressobj(9)
    block = bytes(2**20)
    return b"".join(packer.compress(block) for _ in range(1024)) + packer.flush()


ACCEPTED: dict[str, tuple[str, int, Callable[[], bytes]]] = {
    "JPEG": ("image/jpeg", 1, picture),
    "progressive JPEG": ("image/jpeg", 1, lambda: picture(progressive=True)),
    "grey JPEG": ("image/jpeg", 1, lambda: picture(mode="L")),
    "JPEG for print": ("image/jpeg", 1, lambda: picture(mode="CMYK")),
    "JPEG of a phone": ("image/jpeg", 1, photo_with_secrets),
    "JPEG with a preview": (
        "image/jpeg",
        1,
        lambda: saved(
            Image.new("RGB", SIZE),
            "MPO",
            save_all=True,
            append_images=[Image.new("RGB", (300, 200))],
        ),
    ),
    "JPEG with a short film": (
        "image/jpeg",
        1,
        lambda: picture() + b"\0\0\0\x18ftypmp42" + b"\xff\xd9" * 500,
    ),
    "JPEG with Samsung's notes": (
        "image/jpeg",
        1,
        lambda: picture() + b"\0\0\x01\x0aImage_UTC_DataSEFHxSEFT",
    ),
    "PNG": ("image/png", 1, lambda: picture("PNG")),
    "PNG with a palette": ("image/png", 1, lambda: picture("PNG", mode="P")),
    "PNG of 16 bits": ("image/png", 1, lambda: picture("PNG", mode="I;16")),
    "PNG of one bit": ("image/png", 1, lambda: picture("PNG", mode="1")),
    "transparent PNG": ("image/png", 1, lambda: picture("PNG", mode="RGBA")),
    "WebP": ("image/webp", 1, lambda: picture("WEBP")),
    "PDF": ("application/pdf", 2, pdf),
    "PDF of ten pages": ("application/pdf", 10, lambda: pdf(10)),
    "PDF that needs a password only to be changed": ("application/pdf", 1, lambda: _owned_pdf()),
}


def _owned_pdf() -> bytes:
    document = FPDF()
    document.add_page()
    document.set_encryption(owner_password="owner")
    return bytes(document.output())


def sent(data: bytes, *, name: str = "photo.jpg") -> SimpleUploadedFile:
    """The file as a form hands it over."""
    return SimpleUploadedFile(name, data)
