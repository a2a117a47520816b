"""Branded frames: what a shop puts around all its pictures, whatever the goods.

A design draws the same frame for the same generator state, so two pictures put into it with equal
seeds share everything but the goods.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from benchmarks.accuracy import changes
from benchmarks.accuracy.changes import WHITE, Colour, Random

Frame = Callable[[Image.Image, Random], Image.Image]

_SIDE_PX = 600
_NAMES = ("VIDYUT TRADERS", "NAVIN STORES", "PRAGATI MART", "SURYA SUPPLY", "DELTA SALES")
_CLAIMS = (
    "100% GENUINE PRODUCT",
    "FREE DELIVERY ALL INDIA",
    "7 DAYS REPLACEMENT",
    "12 MONTHS WARRANTY",
    "GST INVOICE AVAILABLE",
    "BULK ORDERS WELCOME",
)


def _font(height_px: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(6.0, height_px))


def _board(colour: Colour = WHITE) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    board = Image.new("RGB", (_SIDE_PX, _SIDE_PX), colour)
    return board, ImageDraw.Draw(board)


def _place(board: Image.Image, picture: Image.Image, box: tuple[int, int, int, int]) -> None:
    """The whole picture as large as fits into a box, in its middle."""
    left, top, right, bottom = box
    fitted = ImageOps.contain(picture, (right - left, bottom - top), Image.Resampling.LANCZOS)
    at = ((left + right - fitted.width) // 2, (top + bottom - fitted.height) // 2)
    board.paste(fitted, at)


def _write(
    brush: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size_px: float, ink: Colour
) -> None:
    brush.text(at, text, ink, _font(size_px), anchor="mm")


def _draw_sign(
    brush: ImageDraw.ImageDraw, middle: tuple[float, float], side: float, ink: Colour, name: str
) -> None:
    """A logo: a filled disc with a ring and initials."""
    x, y = middle
    brush.ellipse((x - side / 2, y - side / 2, x + side / 2, y + side / 2), ink, WHITE, 3)
    inner = side * 0.4
    brush.ellipse((x - inner, y - inner, x + inner, y + inner), None, WHITE, 2)
    initials = "".join(word[0] for word in name.split())
    _write(brush, middle, initials, side * 0.36, WHITE)


def frame_with_logo(picture: Image.Image, random: Random) -> Image.Image:
    """A large logo with the shop's name in an upper corner, a line below."""
    board, brush = _board()
    _place(board, picture, (20, 20, 580, 550))
    name, ink = changes.pick_text(_NAMES, random), changes.pick_colour(random)
    _draw_sign(brush, (85, 80), 130, ink, name)
    _write(brush, (300, 575), f"{name}  *  www.shop.example", 20, ink)
    return board


def frame_with_stripes(picture: Image.Image, random: Random) -> Image.Image:
    """Coloured stripes with lettering above and below."""
    board, brush = _board()
    _place(board, picture, (0, 90, 600, 510))
    ink, second = changes.pick_colour(random), changes.pick_colour(random)
    for top in (0, 510):
        brush.rectangle((0, top, 600, top + 90), ink)
        brush.rectangle((0, top + 78 if top == 0 else top, 600, top + 90 - 78 * (top > 0)), second)
    _write(brush, (300, 38), changes.pick_text(_NAMES, random), 42, WHITE)
    _write(brush, (300, 558), changes.pick_text(_CLAIMS, random), 30, WHITE)
    return board


def frame_with_badges(picture: Image.Image, random: Random) -> Image.Image:
    """Three badges in the corners and a strip of claims."""
    board, brush = _board()
    _place(board, picture, (0, 0, 600, 540))
    for middle, text in (((80, 80), "ISI\nMARK"), ((520, 80), "2 YEAR"), ((520, 450), "BEST\nBUY")):
        ink = changes.pick_colour(random)
        x, y = middle
        brush.ellipse((x - 65, y - 65, x + 65, y + 65), ink, (255, 214, 10), 6)
        brush.multiline_text(middle, text, WHITE, _font(28), anchor="mm", align="center")
    brush.rectangle((0, 540, 600, 600), changes.pick_colour(random))
    claims = "   *   ".join(str(claim) for claim in random.choice(_CLAIMS, 2, replace=False))
    _write(brush, (300, 570), claims, 20, WHITE)
    return board


def frame_coloured(picture: Image.Image, random: Random) -> Image.Image:
    """A broad coloured frame with rounded window and the shop's name, the goods inset."""
    board, brush = _board(changes.pick_colour(random))
    brush.rounded_rectangle((60, 60, 540, 510), 30, WHITE)
    _place(board, picture, (85, 85, 515, 485))
    _write(brush, (300, 30), changes.pick_text(_NAMES, random), 32, WHITE)
    _write(brush, (300, 555), changes.pick_text(_CLAIMS, random), 28, (255, 230, 140))
    return board


def frame_with_text(picture: Image.Image, random: Random) -> Image.Image:
    """A full template: heading, the goods on one half, lines of claims on the other."""
    board, brush = _board((246, 247, 250))
    ink = changes.pick_colour(random)
    brush.rectangle((0, 0, 600, 100), ink)
    _write(brush, (300, 50), changes.pick_text(_NAMES, random), 48, WHITE)
    _place(board, picture, (15, 120, 345, 560))
    for line, claim in enumerate(random.permutation(_CLAIMS)):
        y = 160 + line * 62
        brush.ellipse((358, y - 9, 376, y + 9), ink)
        brush.text((384, y), str(claim).title(), (40, 40, 46), _font(18), anchor="lm")
    brush.rectangle((350, 530, 590, 580), (255, 214, 10))
    _write(brush, (470, 555), "CALL 1800 000 000", 24, (20, 20, 20))
    return board


def frame_with_watermark(picture: Image.Image, random: Random) -> Image.Image:
    """One watermark pattern over all of the shop's pictures."""
    board, _brush = _board()
    _place(board, picture, (0, 0, 600, 600))
    # The pattern takes its draws from the generator, so equal seeds give equal patterns.
    tiled = changes.tile_watermark(board, random, 4, 0.5, 30)
    return changes.add_centre_logo(tiled, random, 0.45, 0.45)


def frame_patterned(picture: Image.Image, random: Random) -> Image.Image:
    """A border of diagonal stripes with signs in its corners."""
    ink, second = changes.pick_colour(random), changes.pick_colour(random)
    y, x = np.mgrid[0:_SIDE_PX, 0:_SIDE_PX]
    is_dark = ((x + y) // 14 % 2 == 0)[..., None]
    pattern = np.where(is_dark, np.array(ink), np.array(second) // 2 + 120)
    board = Image.fromarray(pattern.clip(0, 255).astype(np.uint8))
    brush = ImageDraw.Draw(board)
    brush.rectangle((55, 55, 545, 545), WHITE)
    _place(board, picture, (62, 62, 538, 538))
    name = changes.pick_text(_NAMES, random)
    for middle in ((55, 55), (545, 55), (55, 545), (545, 545)):
        _draw_sign(brush, middle, 90, ink, name)
    return board


def frame_price_panel(picture: Image.Image, random: Random) -> Image.Image:
    """A leaflet: the goods above, a panel with price, telephone and signs below."""
    board, brush = _board()
    _place(board, picture, (10, 10, 590, 410))
    ink = changes.pick_colour(random)
    name = changes.pick_text(_NAMES, random)
    brush.polygon([(0, 440), (600, 400), (600, 600), (0, 600)], ink)
    _draw_sign(brush, (75, 515), 110, changes.pick_colour(random), name)
    _write(brush, (330, 470), name, 40, WHITE)
    _write(brush, (330, 520), changes.pick_text(_CLAIMS, random), 26, (255, 230, 140))
    _write(brush, (330, 565), "ORDER NOW: +91 00000 00000", 24, WHITE)
    brush.regular_polygon((540, 430, 55), 8, fill=(255, 214, 10), outline=(20, 20, 20))
    _write(brush, (540, 430), "OFFER", 24, (20, 20, 20))
    return board


FRAMES: dict[str, Frame] = {
    "logo": frame_with_logo,
    "stripes": frame_with_stripes,
    "badges": frame_with_badges,
    "coloured frame": frame_coloured,
    "text template": frame_with_text,
    "watermark": frame_with_watermark,
    "patterned": frame_patterned,
    "price panel": frame_price_panel,
}
"""Every design by name."""
