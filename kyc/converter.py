"""Draws a document's pages anew as JPEG pictures: a program of its own, run by kyc.conversion.

It reads the file from its input and writes one line of JSON and the pictures to its output. Decoders
of pictures and PDF are where hostile files strike, so this process knows no secret, and before it
looks at the first byte it gives up memory beyond a limit, processor time, new processes, and the
opening of any file or connection.
"""

import ctypes
import io
import json
import resource
import sys
from dataclasses import dataclass

import pypdfium2 as pdfium
from PIL import Image, ImageCms, ImageOps

# Loaded now, as nothing can be opened later.
from PIL import MpoImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401  isort: skip
from pypdfium2 import raw

FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}

MEMORY_BYTES = 1_200_000_000
CPU_SECONDS = 20
LONGEST_SIDE = 2200
QUALITY = 88
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _SIGKILL = 1, 38, 9


@dataclass(frozen=True)
class Limits:
    """What a file may have, as the caller says: pages, pixels of a picture, its shorter side."""

    pages: int
    pixels: int
    side: int


class Refused(Exception):
    """The file cannot be shown; the only argument is a code."""


def confine() -> None:
    """Give up what drawing does not need; must be called before hostile bytes are looked at."""
    if sys.platform == "linux":
        system = ctypes.CDLL(None)
        system.prctl(_PR_SET_PDEATHSIG, _SIGKILL)  # never outlive the web process
        system.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        # No file, no socket, also not in place of one of the three that it has and may close.
        (resource.RLIMIT_NOFILE, 0),
    ):
        _most, allowed = resource.getrlimit(limit)
        least = value if allowed == resource.RLIM_INFINITY else min(value, allowed)
        resource.setrlimit(limit, (least, least))


def pages_of(data: bytes, media_type: str, limits: Limits) -> list[Image.Image]:
    """The pages as plain RGB pictures; raises Refused, or whatever a decoder raises."""
    if media_type == "application/pdf":
        return pages_of_pdf(data, limits)
    return [picture(data, FORMATS[media_type], limits)]


def pages_of_pdf(data: bytes, limits: Limits) -> list[Image.Image]:
    """Each page drawn by pdfium, which runs no scripts here and follows no links."""
    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        wrong_password = raw.FPDF_GetLastError() == raw.FPDF_ERR_PASSWORD
        raise Refused("encrypted" if wrong_password else "unreadable") from error
    if raw.FPDFDoc_GetJavaScriptActionCount(document) or document.count_attachments():
        raise Refused("active")
    if len(document) > limits.pages:
        raise Refused("too_many_pages")
    if not len(document):
        raise Refused("unreadable")
    return [draw(document[number]) for number in range(len(document))]


def draw(page: pdfium.PdfPage) -> Image.Image:
    """A page with its longer side at LONGEST_SIDE, whatever size it claims to have."""
    width, height = page.get_size()
    if min(width, height) < 1 or max(width, height) > 100 * min(width, height):
        raise Refused("unreadable")
    scale = LONGEST_SIDE / max(width, height)
    bitmap = page.render(scale=scale, may_draw_forms=False, rev_byteorder=True)
    return plain(bitmap.to_pil())


def picture(data: bytes, form: str, limits: Limits) -> Image.Image:
    """The picture upright, in sRGB, on white, no larger than LONGEST_SIDE."""
    image: Image.Image = Image.open(io.BytesIO(data), formats=[form])
    if image.width * image.height > limits.pixels:
        raise Refused("too_many_pixels")
    if min(image.size) < limits.side:
        raise Refused("too_small")
    # Cameras put previews behind the picture (MPO); anything else with frames moves.
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise Refused("animated")
    image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
    image.load()
    if image.mode not in {"RGB", "RGBA", "L", "LA", "CMYK"}:
        image = eight_bits(image)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return plain(upright(in_srgb(image)))


def eight_bits(image: Image.Image) -> Image.Image:
    """Sixteen bits a sample scaled down, palettes resolved."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    return image.convert("RGBA")


def in_srgb(image: Image.Image) -> Image.Image:
    """Colours as the picture's own profile means them; a broken profile counts as none."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in {"RGB", "CMYK", "L"}:
        return image
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            image, own, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    return converted or image


def upright(image: Image.Image) -> Image.Image:
    """Turned as EXIF says; unreadable EXIF counts as none."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a parser of hostile bytes: whatever it raises, the pixels are good
        return image


def plain(image: Image.Image) -> Image.Image:
    """A new picture of pixels alone: no metadata comes along, transparency becomes white."""
    clean = Image.new("RGB", image.size, "white")
    if image.mode in {"RGBA", "LA"}:
        clean.paste(image.convert("RGBA"), mask=image.getchannel("A"))
    else:
        clean.paste(image.convert("RGB"))
    return clean


def as_jpeg(image: Image.Image) -> bytes:
    """The picture as JPEG bytes."""
    target = io.BytesIO()
    image.save(target, "JPEG", quality=QUALITY)
    return target.getvalue()


def main() -> None:
    """Answer the file on standard input; a failure inside a decoder counts as unreadable."""
    media_type, *limits = sys.argv[1:]
    Image.MAX_IMAGE_PIXELS = None  # the caller's limit is checked instead
    Image.preinit()
    confine()
    data = sys.stdin.buffer.read()
    answer: dict[str, object]
    drawn: list[bytes] = []
    try:
        images = pages_of(data, media_type, Limits(*map(int, limits)))
        drawn = [as_jpeg(image) for image in images]
        answer = {
            "pages": [
                {"size": len(page), "width": image.width, "height": image.height}
                for page, image in zip(drawn, images, strict=True)
            ]
        }
    except Refused as refusal:
        answer = {"refused": str(refusal)}
    except (Exception, MemoryError):  # decoders of hostile bytes raise anything
        answer, drawn = {"refused": "unreadable"}, []
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + b"".join(drawn))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
