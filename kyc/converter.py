"""Draws a document's pages anew as JPEG pictures: a program of its own, run by kyc.conversion.

It reads the file from its input and writes one line of JSON and the pictures to its output. Decoders
of pictures and PDF are where hostile files strike, so this process knows no secret, and before it
looks at the first byte it gives up memory beyond a limit, processor time, new processes, the
opening of any file or connection, and on Linux every system call that drawing does not need.
"""

import ctypes
import io
import json
import platform
import resource
import sys
from dataclasses import dataclass

import pypdfium2 as pdfium
from PIL import Image, ImageCms, ImageOps

# Loaded now, as nothing can be opened later.
from PIL import MpoImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401  isort: skip
from pypdfium2 import raw

PROBE = "probe"  # in place of a type: say how this process is confined
FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP"}

MEMORY_BYTES = 1_200_000_000
CPU_SECONDS = 20
LONGEST_SIDE = 2200
QUALITY = 88
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SIGKILL = 1, 22, 38, 9

# The system calls that are left, by their numbers on x86_64 and aarch64: to read the input, write the
# answer, manage memory and end. None names a file, a process or an address.
CALLS = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "fstat": (5, 80), "lseek": (8, 62),
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "mremap": (25, 216),
    "brk": (12, 214), "madvise": (28, 233), "futex": (202, 98), "sched_yield": (24, 124),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132), "restart_syscall": (219, 128), "getpid": (39, 172),
    "getrandom": (318, 278), "clock_gettime": (228, 113), "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}  # AUDIT_ARCH_* and the column
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | 1, 0x80000000  # SECCOMP_RET_*; 1 is EPERM
_NUMBER_AT, _MACHINE_AT = 0, 4  # in struct seccomp_data


@dataclass(frozen=True)
class Limits:
    """What a file may have, as the caller says: pages, pixels of a picture, its shorter side."""

    pages: int
    pixels: int
    side: int


class Refused(Exception):
    """The file cannot be shown; the only argument is a code."""


class _Instruction(ctypes.Structure):
    """struct sock_filter (linux/filter.h)."""

    _fields_ = (
        ("code", ctypes.c_uint16), ("if_true", ctypes.c_uint8), ("if_false", ctypes.c_uint8),
        ("operand", ctypes.c_uint32),
    )  # fmt: skip


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def confine() -> bool:
    """Give up what drawing does not need; must be called before hostile bytes are looked at.

    Whether the filter of system calls stands too: not on other systems and machines, nor where the
    kernel has none.
    """
    give_up_resources()
    return filter_calls()


def filter_calls() -> bool:
    """Have every system call but CALLS refused with EPERM, for good (seccomp, mode filter)."""
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        return False
    machine, column = _MACHINES[platform.machine()]
    numbers = [both[column] for both in CALLS.values()]
    left = len(numbers)
    code = [
        (_LOAD, 0, 0, _MACHINE_AT),
        (_JUMP_EQUAL, 0, left + 3, machine),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    code += [(_JUMP_EQUAL, left - at, 0, number) for at, number in enumerate(numbers)]
    code += [(_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _KILL)]
    instructions = (_Instruction * len(code))(*(_Instruction(*each) for each in code))
    program = _Program(len(code), instructions)
    mode_filter = 2
    done: int = ctypes.CDLL(None).prctl(_PR_SET_SECCOMP, mode_filter, ctypes.byref(program), 0, 0)
    return done == 0


def give_up_resources() -> None:
    """Memory beyond a limit, time, files, connections, processes, and rights of other programs."""
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
    if media_type == PROBE:
        sys.stdout.write(json.dumps({"filtered": confine()}))
        return
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
