"""Pages that shops put among their pictures: two in one layout that say different things.

A design settles its layout first, from one generator, and then fills it in twice. What is written
is invented, and every pair differs in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw, ImageFont

from benchmarks.accuracy import changes
from benchmarks.accuracy.changes import WHITE, Colour, Random

Pages = tuple[Image.Image, Image.Image]
MakePages = Callable[[Random], Pages]
Page = Callable[[Random], Image.Image]
"""Fills in one layout: each call another page."""

_INK: Colour = (20, 20, 22)
_SIZES = ("S", "M", "L", "XL", "XXL", "3XL", "4XL")
_MEASURES = ("Chest", "Waist", "Hip", "Length", "Sleeve", "Shoulder", "Inseam")
_NUTRIENTS = (
    "Energy",
    "Protein",
    "Total fat",
    "Saturated fat",
    "Trans fat",
    "Carbohydrate",
    "Sugars",
    "Fibre",
    "Sodium",
    "Calcium",
    "Iron",
    "Vitamin C",
    "Vitamin D",
    "Potassium",
)
_PROPERTIES = (
    ("Power", " W"),
    ("Voltage", " V"),
    ("Weight", " kg"),
    ("Warranty", " months"),
    ("Height", " mm"),
    ("Width", " mm"),
    ("Depth", " mm"),
    ("Capacity", " l"),
    ("Noise", " dB"),
    ("Speed", " rpm"),
)
_GOODS = ("Steel chair", "Office table", "Wall lamp", "Water filter", "Ceiling fan", "Bench vice")
_KEYS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def _font(height_px: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(height_px)


def _page(width: int, height: int, ground: Colour) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    page = Image.new("RGB", (width, height), ground)
    return page, ImageDraw.Draw(page)


def _fill_in_twice(page: Page, random: Random) -> Pages:
    first = page(random)
    while (second := page(random)).tobytes() == first.tobytes():
        pass
    return first, second


def _pick_some(names: Sequence[str], count: int, random: Random) -> list[str]:
    """So many of the names, in their order."""
    return [names[place] for place in sorted(random.permutation(len(names))[:count])]


def _tint(colour: Colour) -> Colour:
    red, green, blue = (255 - (255 - level) // 5 for level in colour)
    return red, green, blue


def make_size_charts(random: Random) -> Pages:
    """A grid of body measures by size, under a heading."""
    sizes = _pick_some(_SIZES, int(random.integers(5, 8)), random)
    heads = ["Size", *_pick_some(_MEASURES, int(random.integers(3, 6)), random)]
    unit = ("cm", "inches")[int(random.integers(2))]
    head_ground = _tint(changes.pick_colour(random))
    size_px = int(random.integers(22, 28))
    across, down = 600 / len(heads), 480 / (len(sizes) + 1)

    def page(random: Random) -> Image.Image:
        drawn, brush = _page(640, 640, WHITE)
        brush.text((320, 60), f"SIZE CHART ({unit})", _INK, _font(40), anchor="mm")
        for row, first in enumerate(["Size", *sizes]):
            for column, head in enumerate(heads):
                left, top = 20 + column * across, 120 + row * down
                box = (left, top, left + across, top + down)
                brush.rectangle(box, WHITE if row else head_ground, _INK, 2)
                figure = first if column == 0 else str(random.integers(30, 110))
                middle = (left + across / 2, top + down / 2)
                brush.text(middle, figure if row else head, _INK, _font(size_px), anchor="mm")
        return drawn

    return _fill_in_twice(page, random)


def make_nutrition_labels(random: Random) -> Pages:
    """A tall framed label, ruled between its lines."""
    names = _pick_some(_NUTRIENTS, int(random.integers(9, 14)), random)
    step = 480 / len(names)
    size_px = int(random.integers(19, 24))

    def page(random: Random) -> Image.Image:
        drawn, brush = _page(400, 620, WHITE)
        brush.rectangle((8, 8, 392, 612), None, _INK, 4)
        brush.text((24, 20), "Nutrition", _INK, _font(44))
        brush.text((24, 78), "per 100 g", _INK, _font(20))
        for line, name in enumerate(names):
            y = 112 + line * step
            brush.line((20, y, 380, y), _INK, 2)
            brush.text((24, y + 5), name, _INK, _font(size_px))
            figure = f"{random.integers(1, 99)}.{random.integers(10)} g"
            brush.text((376, y + 5), figure, _INK, _font(size_px), anchor="ra")
        return drawn

    return _fill_in_twice(page, random)


def make_specifications(random: Random) -> Pages:
    """Striped lines of properties under a coloured bar."""
    bar = changes.pick_colour(random)
    lines = [_PROPERTIES[place] for place in random.permutation(len(_PROPERTIES))[:8]]
    stripe = (238, 240, 245) if random.random() < 0.5 else _tint(bar)

    def page(random: Random) -> Image.Image:
        drawn, brush = _page(640, 640, WHITE)
        brush.rectangle((0, 0, 640, 84), bar)
        brush.text((26, 42), "SPECIFICATIONS", WHITE, _font(40), anchor="lm")
        for line, (name, unit) in enumerate(lines):
            y = 104 + line * 64
            brush.rectangle((0, y, 640, y + 63), stripe if line % 2 else WHITE)
            brush.text((32, y + 32), name, _INK, _font(26), anchor="lm")
            figure = f"{random.integers(1, 10) * 10 ** int(random.integers(3))}{unit}"
            brush.text((340, y + 32), figure, _INK, _font(26), anchor="lm")
        return drawn

    return _fill_in_twice(page, random)


def make_certificates(random: Random) -> Pages:
    """A framed sheet: fixed wording, a number, the goods and a standard."""
    frame, ink = changes.pick_colour(random), changes.pick_colour(random)
    ground: Colour = (252, 250, 242)

    def page(random: Random) -> Image.Image:
        drawn, brush = _page(560, 720, ground)
        brush.rectangle((14, 14, 546, 706), None, frame, 7)
        brush.rectangle((28, 28, 532, 692), None, frame, 2)
        brush.text((280, 86), "CERTIFICATE OF TEST", ink, _font(36), anchor="mm")
        brush.ellipse((240, 130, 320, 210), None, frame, 6)
        lines = (
            f"Certificate no. {random.integers(10_000, 99_999)}",
            "This is to certify that the product",
            _GOODS[int(random.integers(len(_GOODS)))],
            "has been tested and complies with",
            f"standard {random.integers(100, 9_999)}:{random.integers(2004, 2024)}",
            f"Valid until 31 December {random.integers(2026, 2036)}",
        )
        for line, text in enumerate(lines):
            brush.text((280, 265 + line * 54), text, _INK, _font(24), anchor="mm")
        brush.text((80, 650), "Signature", _INK, _font(20))
        return drawn

    return _fill_in_twice(page, random)


def make_plaques(random: Random) -> Pages:
    """A coloured disc or plate with a number on it."""
    plate, is_round = changes.pick_colour(random), random.random() < 0.5
    size_px = int(random.integers(90, 150))

    def page(random: Random) -> Image.Image:
        drawn, brush = _page(520, 520, WHITE)
        shape = brush.ellipse if is_round else brush.rectangle
        shape((60, 60, 460, 460), plate, _INK, 12)
        number = str(random.integers(10, 100))
        brush.text((260, 260), number, WHITE, _font(size_px), anchor="mm")
        return drawn

    return _fill_in_twice(page, random)


def make_dimension_drawings(random: Random) -> Pages:
    """The outline of a cupboard with its measures; only these differ."""
    wide, high = int(random.integers(220, 320)), int(random.integers(280, 380))
    shelves = int(random.integers(2, 6))
    left, top = (600 - wide) // 2 - 20, (600 - high) // 2 - 20
    right, bottom = left + wide, top + high

    def page(random: Random) -> Image.Image:
        drawn, brush = _page(600, 600, WHITE)
        brush.rectangle((left, top, right, bottom), None, _INK, 4)
        for shelf in range(1, shelves):
            y = top + shelf * high // shelves
            brush.line((left, y, right, y), _INK, 2)
        brush.line((left, bottom + 36, right, bottom + 36), _INK, 2)
        brush.line((right + 36, top, right + 36, bottom), _INK, 2)
        below = (left + wide / 2, bottom + 62)
        beside = (right + 92, top + high / 2)
        for place in (below, beside):
            brush.text(place, f"{random.integers(20, 220)} cm", _INK, _font(30), anchor="mm")
        return drawn

    return _fill_in_twice(page, random)


def make_keyboards(random: Random) -> Pages:
    """A keyboard drawn flat, in two layouts of its letters."""
    body = int(random.integers(30, 60))
    rows, columns = 5, int(random.integers(12, 15))
    across, down = 700 / columns, 270 / rows

    def page(random: Random) -> Image.Image:
        drawn, brush = _page(760, 320, (236, 236, 236))
        brush.rounded_rectangle((14, 10, 746, 310), 14, (body, body, body))
        for row in range(rows):
            for column in range(columns):
                x, y = 30 + column * across, 25 + row * down
                key = (x + 3, y + 3, x + across - 3, y + down - 3)
                brush.rounded_rectangle(key, 5, (body + 36, body + 36, body + 36))
                letter = _KEYS[int(random.integers(len(_KEYS)))]
                middle = (x + across / 2, y + down / 2)
                brush.text(middle, letter, WHITE, _font(22), anchor="mm")
        return drawn

    return _fill_in_twice(page, random)


PAGES: dict[str, MakePages] = {
    "size chart": make_size_charts,
    "nutrition label": make_nutrition_labels,
    "specifications": make_specifications,
    "certificate": make_certificates,
    "plaque": make_plaques,
    "dimensions": make_dimension_drawings,
    "keyboard": make_keyboards,
}
"""Every design by name."""
