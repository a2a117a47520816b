"""What sellers do to a picture before they upload it again: bytes in, bytes out.

Every function is pure: equal input gives equal output. A modification's kinds are the words of the
design page; `identical` hands the bytes on untouched.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from image_duplication.records import Kind

Pixels = NDArray[np.float32]
Change = Callable[[Image.Image], Image.Image]
_EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class Modification:
    """One thing done to a picture: its name, its kinds, the file suffix, bytes to bytes."""

    name: str
    kinds: frozenset[Kind]
    suffix: str
    apply: Callable[[bytes], bytes]


def decode(content: bytes) -> Image.Image:
    """The picture in RGB, upright."""
    with Image.open(io.BytesIO(content)) as opened:
        return ImageOps.exif_transpose(opened).convert("RGB")


def encode_jpeg(image: Image.Image, quality: int = 88) -> bytes:
    """The picture as a baseline JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


# --- same picture ------------------------------------------------------------------------------


def resize(image: Image.Image, across: float, down: float) -> Image.Image:
    """The picture with its width and height scaled."""
    size = (round(image.width * across), round(image.height * down))
    return image.resize(size, Image.Resampling.LANCZOS)


def blur(image: Image.Image) -> Image.Image:
    """A little out of focus."""
    return image.filter(ImageFilter.GaussianBlur(1.6))


def sharpen(image: Image.Image) -> Image.Image:
    """Sharpened as photo software does."""
    return image.filter(ImageFilter.UnsharpMask(2, 120, 2))


def add_noise(image: Image.Image) -> Image.Image:
    """Sensor noise of eight levels."""
    pixels = np.asarray(image, np.float32)
    noise = np.random.default_rng(image.width).normal(0, 8, pixels.shape)
    return _picture(pixels + noise)


def brighten(image: Image.Image, factor: float) -> Image.Image:
    """Brighter above 1, darker below."""
    return ImageEnhance.Brightness(image).enhance(factor)


def raise_contrast(image: Image.Image) -> Image.Image:
    """A third more contrast."""
    return ImageEnhance.Contrast(image).enhance(1.33)


def rotate_in_exif(content: bytes) -> bytes:
    """Pixels stored lying on their side, with the orientation tag that sets them upright."""
    image = decode(content).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[_EXIF_ORIENTATION] = 6  # turn a quarter clockwise to show
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, exif=exif.tobytes())
    return buffer.getvalue()


def to_webp(content: bytes) -> bytes:
    """The picture as WebP."""
    buffer = io.BytesIO()
    decode(content).save(buffer, "WEBP", quality=80)
    return buffer.getvalue()


def to_png(content: bytes) -> bytes:
    """The picture as PNG: other bytes, the same pixels."""
    buffer = io.BytesIO()
    decode(content).save(buffer, "PNG")
    return buffer.getvalue()


def to_cmyk(content: bytes) -> bytes:
    """The picture as a CMYK JPEG, as print shops send it."""
    buffer = io.BytesIO()
    decode(content).convert("CMYK").save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


# --- transformed -------------------------------------------------------------------------------


def rotate_slightly(image: Image.Image, angle_deg: float) -> Image.Image:
    """Turned by a few degrees; the corners take the backdrop's colour."""
    return image.rotate(
        angle_deg, Image.Resampling.BICUBIC, fillcolor=backdrop_colour(image), expand=False
    )


def tilt(image: Image.Image) -> Image.Image:
    """Seen as if photographed from a print: the right side recedes."""
    width, height = image.size
    squeeze = 0.1
    source = [(0, 0), (width, 0), (width, height), (0, height)]
    target = [
        (0, 0),
        (width * 0.96, height * squeeze),
        (width * 0.96, height * (1 - squeeze * 0.6)),
        (0, height),
    ]
    rows: list[list[float]] = []
    right: list[float] = []
    for (x, y), (u, v) in zip(target, source, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
        right += [u, v]
    coefficients = np.linalg.solve(np.array(rows, float), np.array(right, float))
    return image.transform(
        image.size,
        Image.Transform.PERSPECTIVE,
        [float(value) for value in coefficients],
        Image.Resampling.BICUBIC,
        fillcolor=backdrop_colour(image),
    )


# --- cropped, bordered -------------------------------------------------------------------------


def crop(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Without these shares of the width and height at each side."""
    width, height = image.size
    edges = (width * left, height * top, width * (1 - right), height * (1 - bottom))
    return image.crop((round(edges[0]), round(edges[1]), round(edges[2]), round(edges[3])))


def zoom(image: Image.Image, factor: float) -> Image.Image:
    """The middle enlarged to the full size."""
    cut = (1 - 1 / factor) / 2
    return crop(image, cut, cut, cut, cut).resize(image.size, Image.Resampling.LANCZOS)


def add_border(image: Image.Image, share: float, colour: str) -> Image.Image:
    """A plain border, its width a share of the picture's."""
    return ImageOps.expand(image, round(image.width * share), colour)


def add_frame(image: Image.Image) -> Image.Image:
    """A shop's frame: coloured bars above and below with lettering."""
    width, height = image.size
    bar = round(height * 0.13)
    framed = Image.new("RGB", (width, height + 2 * bar), "#0b3d66")
    framed.paste(image, (0, bar))
    brush = ImageDraw.Draw(framed)
    font = ImageFont.load_default(bar * 0.5)
    brush.text((width / 2, bar / 2), "OFFICE SUPPLY STORE", "#ffffff", font, anchor="mm")
    brush.text((width / 2, height + bar * 1.5), "FREE DELIVERY", "#ffd34d", font, anchor="mm")
    return framed


def letterbox(image: Image.Image) -> Image.Image:
    """White bars left and right, as for a wide slot."""
    wide = Image.new("RGB", (round(image.width * 1.4), image.height), "#ffffff")
    wide.paste(image, ((wide.width - image.width) // 2, 0))
    return wide


# --- overlaid ----------------------------------------------------------------------------------


def _lettering(image: Image.Image, text: str, height: float, cover: int) -> Image.Image:
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    font = ImageFont.load_default(height)
    place = (image.width / 2, image.height / 2)
    ImageDraw.Draw(layer).text(place, text, (90, 90, 90, cover), font, anchor="mm")
    return layer


def add_watermark(image: Image.Image) -> Image.Image:
    """One grey word across the middle."""
    layer = _lettering(image, "SAMPLE SELLER", image.width * 0.115, 130).rotate(24)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def tile_watermark(image: Image.Image) -> Image.Image:
    """A small word repeated over the whole picture."""
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    brush = ImageDraw.Draw(layer)
    step = image.width / 4
    font = ImageFont.load_default(step * 0.24)
    for row in range(7):
        for column in range(4):
            place = ((column + 0.25 + 0.5 * (row % 2)) * step, (row + 0.4) * image.height / 7)
            brush.text(place, "(c) store", (255, 255, 255, 150), font, anchor="mm")
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def add_badge(image: Image.Image) -> Image.Image:
    """A round offer badge in a corner."""
    badged = image.copy()
    size = image.width * 0.27
    left, top = image.width * 0.69, image.height * 0.04
    brush = ImageDraw.Draw(badged)
    brush.ellipse((left, top, left + size, top + size), "#d7263d", "#ffffff", 3)
    font = ImageFont.load_default(size * 0.26)
    centre = (left + size / 2, top + size / 2)
    brush.multiline_text(centre, "20%\nOFF", "#ffffff", font, anchor="mm", align="center")
    return badged


def add_strip(image: Image.Image) -> Image.Image:
    """A strip of text over the lower edge."""
    striped = image.copy()
    height = image.height * 0.13
    brush = ImageDraw.Draw(striped)
    brush.rectangle((0, image.height - height, image.width, image.height), "#1b7f4c")
    font = ImageFont.load_default(image.width * 0.046)
    centre = (image.width / 2, image.height - height / 2)
    brush.text(centre, "BEST QUALITY  *  2 YEAR WARRANTY", "#ffffff", font, anchor="mm")
    return striped


# --- recoloured --------------------------------------------------------------------------------


def turn_hue(image: Image.Image, turn_deg: float) -> Image.Image:
    """Every hue turned round the colour circle."""
    hue, saturation, value = image.convert("HSV").split()
    moved = hue.point([(level + round(turn_deg * 256 / 360)) % 256 for level in range(256)])
    return Image.merge("HSV", (moved, saturation, value)).convert("RGB")


def to_grey(image: Image.Image) -> Image.Image:
    """Without colour."""
    return image.convert("L").convert("RGB")


def swap_background(image: Image.Image, colour: str) -> Image.Image:
    """The goods cut out, roughly as sellers do, and laid on another colour."""
    pixels = np.asarray(image, np.float32)
    apart = np.abs(pixels - _backdrop(pixels)).max(axis=2)
    share = np.clip((apart - 14) / 14, 0, 1)
    mask = Image.fromarray((share * 255).astype(np.uint8)).filter(ImageFilter.MedianFilter(5))
    return Image.composite(image, Image.new("RGB", image.size, colour), mask)


def backdrop_colour(image: Image.Image) -> tuple[int, int, int]:
    """The middle colour along the picture's edge."""
    red, green, blue = np.median(_edge(np.asarray(image, np.float32)), axis=0)
    return (int(red), int(green), int(blue))


def _edge(pixels: Pixels) -> Pixels:
    return np.concatenate([pixels[:3].reshape(-1, 3), pixels[:, :3].reshape(-1, 3)])


def _backdrop(pixels: Pixels) -> Pixels:
    """The backdrop's colour row by row, read off the left and right edges, (height, 1, 3)."""
    sides = np.concatenate([pixels[:, :4], pixels[:, -4:]], axis=1)
    rows: Pixels = np.median(sides, axis=1).astype(np.float32)[:, None, :]
    return rows


# --- composed ----------------------------------------------------------------------------------


def inset(image: Image.Image, share: float) -> Image.Image:
    """The picture smaller, upon a coloured card."""
    width, height = image.size
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    card = np.array([58, 97, 134]) * (1 - rows) + np.array([186, 208, 224]) * rows
    placed = _picture(np.broadcast_to(card, (height, width, 3)))
    small = resize(image, share, share)
    placed.paste(small, (round(width * (1 - share) * 0.35), round(height * (1 - share) * 0.6)))
    return placed


def collage(image: Image.Image) -> Image.Image:
    """The picture large, two of its details beside it."""
    width, height = image.size
    side = height // 2
    board = Image.new("RGB", (width + side + 6, height), "#ffffff")
    board.paste(image, (0, 0))
    for row, edges in enumerate(((0.1, 0.1, 0.5, 0.5), (0.45, 0.5, 0.1, 0.05))):
        detail = crop(image, *edges).resize((side, side - 3), Image.Resampling.LANCZOS)
        board.paste(detail, (width + 6, row * (side + 3)))
    return board


def pair_up(image: Image.Image) -> Image.Image:
    """The picture twice, side by side, the second mirrored."""
    board = Image.new("RGB", (image.width * 2, image.height))
    board.paste(image, (0, 0))
    board.paste(ImageOps.mirror(image), (image.width, 0))
    return board


def _picture(pixels: NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))


# --- the list ----------------------------------------------------------------------------------


def _changed(name: str, change: Change, *kinds: Kind, quality: int = 88) -> Modification:
    def apply(content: bytes) -> bytes:
        return encode_jpeg(change(decode(content)), quality)

    return Modification(name, frozenset(kinds), ".jpg", apply)


def _recoded(name: str, apply: Callable[[bytes], bytes], suffix: str = ".jpg") -> Modification:
    return Modification(name, frozenset({Kind.SAME_PICTURE}), suffix, apply)


def _mirror(image: Image.Image) -> Image.Image:
    return ImageOps.mirror(image)


def _quarter(image: Image.Image, way: Image.Transpose) -> Image.Image:
    return image.transpose(way)


_TURN = Image.Transpose
_ALL = (
    Modification("identical", frozenset({Kind.IDENTICAL}), ".jpg", lambda content: content),
    _changed("recompressed_75", lambda image: image, Kind.SAME_PICTURE, quality=75),
    _changed("recompressed_50", lambda image: image, Kind.SAME_PICTURE, quality=50),
    _changed("recompressed_30", lambda image: image, Kind.SAME_PICTURE, quality=30),
    _changed("shrunk", lambda image: resize(image, 0.6, 0.6), Kind.SAME_PICTURE),
    _changed("enlarged", lambda image: resize(image, 1.5, 1.5), Kind.SAME_PICTURE),
    _changed("stretched", lambda image: resize(image, 1.12, 0.95), Kind.SAME_PICTURE),
    _changed("blurred", blur, Kind.SAME_PICTURE),
    _changed("sharpened", sharpen, Kind.SAME_PICTURE),
    _changed("noisy", add_noise, Kind.SAME_PICTURE),
    _changed("brightened", lambda image: brighten(image, 1.12), Kind.SAME_PICTURE),
    _changed("darkened", lambda image: brighten(image, 0.82), Kind.SAME_PICTURE),
    _changed("contrast_raised", raise_contrast, Kind.SAME_PICTURE),
    _recoded("exif_rotated", rotate_in_exif),
    _recoded("to_webp", to_webp, ".webp"),
    _recoded("to_png", to_png, ".png"),
    _recoded("to_cmyk", to_cmyk),
    _changed("mirrored", _mirror, Kind.TRANSFORMED),
    _changed("rotated_90", lambda image: _quarter(image, _TURN.ROTATE_90), Kind.TRANSFORMED),
    _changed("rotated_180", lambda image: _quarter(image, _TURN.ROTATE_180), Kind.TRANSFORMED),
    _changed("rotated_270", lambda image: _quarter(image, _TURN.ROTATE_270), Kind.TRANSFORMED),
    _changed("rotated_5_degrees", lambda image: rotate_slightly(image, 5), Kind.TRANSFORMED),
    _changed("rotated_12_degrees", lambda image: rotate_slightly(image, -12), Kind.TRANSFORMED),
    _changed("perspective", tilt, Kind.TRANSFORMED),
    _changed("cropped_10", lambda image: crop(image, 0.05, 0.05, 0.05, 0.05), Kind.CROPPED),
    _changed("cropped_corner", lambda image: crop(image, 0.18, 0.1, 0.0, 0.0), Kind.CROPPED),
    _changed("cropped_25", lambda image: crop(image, 0.12, 0.13, 0.13, 0.12), Kind.CROPPED),
    _changed("zoomed", lambda image: zoom(image, 1.5), Kind.CROPPED),
    _changed("white_border", lambda image: add_border(image, 0.1, "#ffffff"), Kind.BORDERED),
    _changed("blue_border", lambda image: add_border(image, 0.06, "#12497a"), Kind.BORDERED),
    _changed("shop_frame", add_frame, Kind.BORDERED),
    _changed("letterboxed", letterbox, Kind.BORDERED),
    _changed("watermark", add_watermark, Kind.OVERLAID),
    _changed("tiled_watermark", tile_watermark, Kind.OVERLAID),
    _changed("badge", add_badge, Kind.OVERLAID),
    _changed("text_strip", add_strip, Kind.OVERLAID),
    _changed("hue_turned", lambda image: turn_hue(image, 110), Kind.RECOLOURED),
    _changed("grey", to_grey, Kind.RECOLOURED),
    _changed("inverted", ImageOps.invert, Kind.RECOLOURED),
    _changed(
        "background_swapped", lambda image: swap_background(image, "#8fb7d9"), Kind.RECOLOURED
    ),
    _changed("inset_70", lambda image: inset(image, 0.7), Kind.COMPOSED),
    _changed("inset_45", lambda image: inset(image, 0.45), Kind.COMPOSED),
    _changed("collage", collage, Kind.COMPOSED),
    _changed("paired", pair_up, Kind.COMPOSED),
    _changed(
        "mirrored_cropped",
        lambda image: _mirror(crop(image, 0.08, 0.05, 0.07, 0.1)),
        Kind.TRANSFORMED,
        Kind.CROPPED,
    ),
    _changed(
        "bordered_text_strip",
        lambda image: add_border(add_strip(image), 0.05, "#f2c14e"),
        Kind.BORDERED,
        Kind.OVERLAID,
    ),
    _changed(
        "grey_shrunk",
        lambda image: resize(to_grey(image), 0.7, 0.7),
        Kind.RECOLOURED,
        Kind.SAME_PICTURE,
        quality=60,
    ),
    _changed(
        "rotated_90_darkened",
        lambda image: brighten(_quarter(image, _TURN.ROTATE_90), 0.85),
        Kind.TRANSFORMED,
        Kind.SAME_PICTURE,
    ),
    _changed(
        "watermark_cropped",
        lambda image: crop(add_watermark(image), 0.1, 0.04, 0.05, 0.08),
        Kind.OVERLAID,
        Kind.CROPPED,
        quality=70,
    ),
    _changed(
        "hue_turned_mirrored_badge",
        lambda image: add_badge(_mirror(turn_hue(image, 60))),
        Kind.RECOLOURED,
        Kind.TRANSFORMED,
        Kind.OVERLAID,
    ),
)

MODIFICATIONS: dict[str, Modification] = {change.name: change for change in _ALL}
