"""Who looks at a page, and when, drawn into the picture itself: a copy tells where it came from."""

import io
from functools import cache

from PIL import Image, ImageDraw, ImageFont

_FONT_SIZE = 30
_ANGLE = 28
_OPACITY = 96
_QUALITY = 85


def marked(jpeg: bytes, *, lines: tuple[str, ...], size: tuple[int, int]) -> bytes:
    """The picture, with the lines all over it, as JPEG.

    Raises ValueError unless it is a JPEG picture of this size: it was drawn by kyc.converter, and
    anything else was put there by somebody.
    """
    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
        if image.size != size:
            raise ValueError("not the size that was stored")
        page = image.convert("RGB")
    tile = _tile("\n".join(lines))
    for top in range(-tile.height // 3, page.height, tile.height):
        for left in range(-tile.width // 3, page.width, tile.width):
            page.paste(tile, (left, top), mask=tile)
    target = io.BytesIO()
    page.save(target, "JPEG", quality=_QUALITY)
    return target.getvalue()


def _tile(text: str) -> Image.Image:
    """The text once, slanting, dark with a light edge: to be read on any ground."""
    font = _font()
    measure = ImageDraw.Draw(Image.new("L", (1, 1)))
    box = measure.multiline_textbbox((0, 0), text, font=font, stroke_width=1)
    width, height = int(box[2] - box[0]) + 60, int(box[3] - box[1]) + 60
    tile = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    ImageDraw.Draw(tile).multiline_text(
        (30, 30),
        text,
        font=font,
        fill=(20, 20, 20, _OPACITY),
        stroke_width=1,
        stroke_fill=(255, 255, 255, _OPACITY),
    )
    return tile.rotate(_ANGLE, expand=True, resample=Image.Resampling.BICUBIC)


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=_FONT_SIZE)
