"""Goods whose honest pictures look like copies of each other: drawn, each pair from two shots.

Left and right of symmetric goods, front and back of plain goods, one print on two goods or shots.
What a camera would see differently differs: lettering reads the right way on either side, and
light, folds and framing are those of two exposures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from benchmarks.accuracy import changes
from benchmarks.accuracy.changes import Colour, Random
from demo.drawing import (
    Decal,
    Floats,
    Material,
    Part,
    Studio,
    Vector,
    View,
    arc,
    box,
    cylinder,
    draw,
    lathe,
    linear,
    tube,
    turned,
)
from demo.goods import CATEGORIES as DEMO_CATEGORIES
from demo.goods import Category, make_product, printed

Twins = tuple[Image.Image, Image.Image]
MakeTwins = Callable[[Random], Twins]

_SIDE_PX = 420
_PAINTS = ("#1f5fa8", "#b3282d", "#2e7d4f", "#e0a030", "#e9e6df", "#3a3f46", "#7d3c98")
_WORDS = ("AGNI 40", "VAYU PRO", "SHAKTI", "MODEL X2", "TEJAS", "NIRMAL 500")


# --- left and right of symmetric goods ---------------------------------------------------------


def _paint(colour: str, roughness: float = 0.3) -> Material:
    return Material(linear(colour), gloss=0.05, roughness=roughness)


def _pick(random: Random, choices: Sequence[str]) -> str:
    return choices[int(random.integers(len(choices)))]


def _both_sides(
    label: Floats, material: Material, at: Vector, size: tuple[float, float]
) -> list[Part]:
    """Thin plates with one label on the +z and on the -z side, to be read on both."""
    marked = material.with_decals(Decal(label, (0, 0), (size[0] * 1.9, size[1] * 1.9)))
    half = (size[0], size[1], 0.06)
    x, y, z = at
    return [
        box(half, 0.03, marked, (x, y, z)),
        box(half, 0.03, marked, (x, y, -z), turned(y_deg=180)),
    ]


def _make_van(random: Random) -> list[Part]:
    paint, glass = _paint(_pick(random, _PAINTS), 0.2), Material(linear("#26323c"), roughness=0.08)
    tyre, rim = _paint("#1c1d1f", 0.8), Material(linear("#c9ccd0"), roughness=0.2, is_metal=True)
    long, high = float(random.uniform(3.6, 4.4)), float(random.uniform(1.5, 2.0))
    parts = [
        box((long, high, 1.7), 0.35, paint, (-0.6, 0.9 + high, 0)),
        box((1.3, high * 0.62, 1.6), 0.4, paint, (long + 0.2, 0.9 + high * 0.62, 0)),
        box((0.9, 0.45, 1.63), 0.2, glass, (long - 0.1, 0.9 + high * 1.15, 0)),
        box((0.1, 0.25, 1.2), 0.05, _paint("#fff3cf"), (long + 1.5, 1.5, 0)),
    ]
    for x in (-long * 0.7, long * 0.75):
        for z in (-1.55, 1.55):
            parts.append(cylinder(0.85, 0.5, 0.1, tyre, (x, 0.85, z), turned(x_deg=90)))
            parts.append(cylinder(0.45, 0.56, 0.05, rim, (x, 0.85, z), turned(x_deg=90)))
    label = printed((_pick(random, _WORDS), "SERVICE 24 x 7"), "#1b1b1d", "#f6f3e8", "#d1495b")
    return [*parts, *_both_sides(label, paint, (-1.0, 1.2 + high, 1.7), (1.7, 0.85))]


def _make_drill(random: Random) -> list[Part]:
    paint, black = _paint(_pick(random, _PAINTS)), _paint("#202226", 0.5)
    metal = Material(linear("#b9bdc3"), roughness=0.25, is_metal=True)
    lying = turned(z_deg=90)
    label = printed((_pick(random, _WORDS), "750 W"), "#ffffff", "#24282e")
    return [
        cylinder(1.15, 4.6, 0.4, paint, (0, 4.6, 0), lying),
        cylinder(0.7, 1.4, 0.15, black, (2.9, 4.6, 0), lying, ridges=14),
        cylinder(0.16, 2.4, 0.05, metal, (4.6, 4.6, 0), lying),
        box((0.7, 2.0, 0.6), 0.35, paint, (-1.5, 2.4, 0), turned(z_deg=-12)),
        box((0.22, 0.5, 0.3), 0.1, _paint("#c0392b"), (-0.6, 3.2, 0)),
        box((1.2, 0.55, 0.75), 0.2, black, (-1.7, 0.6, 0)),
        *_both_sides(label, black, (-0.4, 4.6, 1.12), (1.3, 0.62)),
    ]


def _make_bag(random: Random) -> list[Part]:
    cloth, trim = _paint(_pick(random, _PAINTS), 0.85), _paint("#2a2320", 0.6)
    wide, tall = float(random.uniform(3.0, 3.8)), float(random.uniform(2.2, 2.8))
    label = printed((_pick(random, _WORDS), "CARRY"), "#f5f0e4", "#3b2f2a")
    parts = [
        box((wide, tall, 1.3), 0.6, cloth, (0, tall, 0), taper=0.12),
        box((wide * 0.96, 0.14, 1.36), 0.08, trim, (0, tall * 1.45, 0)),
        # One thing that a mirror would put elsewhere: a tag at one end.
        box((0.3, 0.55, 0.08), 0.05, _paint("#d1495b"), (wide * 0.75, tall * 0.8, 1.36)),
    ]
    for z in (-0.8, 0.8):
        handle = [(x, y + 2 * tall - 0.2, z) for x, y, _ in arc((0, 0, 0), wide * 0.45, 0, 180)]
        parts.append(tube(handle, 0.16, trim))
    return [*parts, *_both_sides(label, trim, (-0.2, tall * 0.75, 1.3), (1.1, 0.55))]


def _make_jug(random: Random) -> list[Part]:
    paint = _paint(_pick(random, _PAINTS), 0.2)
    tall, wide = float(random.uniform(5.0, 6.4)), float(random.uniform(1.9, 2.4))
    body = lathe(((0, wide * 0.8), (tall * 0.4, wide), (tall, wide * 0.75)), paint)
    grip = arc((-wide * 0.8, tall * 0.55, 0), tall * 0.36, 75, 285, squeeze=0.8)
    label = printed((_pick(random, _WORDS), "2 litre"), "#222222", "#f4f4ee", "#1f6fb2")
    spout = lathe(((-0.8, 0.7), (0.4, 0.45), (0.9, 0.3)), paint, (wide * 0.85, tall * 0.85, 0))
    spout = replace(spout, turn=turned(z_deg=-45))
    plates = _both_sides(label, paint, (0, tall * 0.45, wide + 0.02), (0.95, 0.5))
    return [body, spout, tube(grip, 0.3, paint), *plates]


def _take(
    parts: Sequence[Part], studio: Studio, random: Random, yaw_deg: float, pitch_deg: float
) -> Image.Image:
    """One shot, framed by hand: a few degrees and a few hundredths off what was meant."""
    view = View(
        "shot",
        yaw_deg + float(random.uniform(-2.5, 2.5)),
        pitch_deg + float(random.uniform(-1.5, 1.5)),
        fill=float(random.uniform(0.86, 0.93)),
    )
    return draw(parts, view, studio, _SIDE_PX)


def _studio(random: Random) -> Studio:
    far, near = (("#dfe3e8", "#fafafa"), ("#f3f3f3", "#ffffff"), ("#c4c7cc", "#ececee"))[
        int(random.integers(3))
    ]
    return Studio(far, near)


def _sides_of(make: Callable[[Random], list[Part]]) -> MakeTwins:
    """Left and right of goods whose nose points to +x: yaw θ and 180° - θ mirror each other."""

    def twins(random: Random) -> Twins:
        parts, studio = make(random), _studio(random)
        yaw_deg, pitch_deg = float(random.uniform(8, 50)), float(random.uniform(6, 22))
        return (
            _take(parts, studio, random, yaw_deg, pitch_deg),
            _take(parts, studio, random, 180 - yaw_deg, pitch_deg),
        )

    return twins


def _sides_of_demo(slug: str, *, nose_to_x: bool) -> MakeTwins:
    """Left and right of goods of the demo, which look along +z or along +x."""

    def twins(random: Random) -> Twins:
        category = _demo_category(slug)
        product = make_product(category, int(random.integers(1_000)), 99)
        yaw_deg, pitch_deg = float(random.uniform(25, 65)), float(random.uniform(6, 22))
        mirrored_deg = 180 - yaw_deg if nose_to_x else -yaw_deg
        return (
            _take(product.parts, product.studio, random, yaw_deg, pitch_deg),
            _take(product.parts, product.studio, random, mirrored_deg, pitch_deg),
        )

    return twins


def _demo_category(slug: str) -> Category:
    return next(category for category in DEMO_CATEGORIES if category.slug == slug)


SYMMETRIC: dict[str, MakeTwins] = {
    "van": _sides_of(_make_van),
    "drill": _sides_of(_make_drill),
    "bag": _sides_of(_make_bag),
    "jug": _sides_of(_make_jug),
    "chair": _sides_of_demo("chair", nose_to_x=False),
    "lamp": _sides_of_demo("lamp", nose_to_x=False),
    "stapler": _sides_of_demo("stapler", nose_to_x=True),
    "kettle": _sides_of_demo("kettle", nose_to_x=True),
}
"""Left and right of symmetric goods, by the goods."""


# --- front and back of plain goods -------------------------------------------------------------

_CANVAS_PX = 840  # twice the picture's side, so that edges come out smooth
_CLOTHS: tuple[Colour, ...] = (
    (38, 44, 60),
    (150, 40, 46),
    (224, 222, 214),
    (92, 104, 78),
    (70, 110, 160),
    (196, 170, 132),
)
_SHIRT = ((32, 14), (42, 12), (50, 15), (58, 12), (68, 14), (92, 30), (83, 43), (72, 36))
_OUTLINES: dict[str, tuple[tuple[float, float], ...]] = {
    "t-shirt": (*_SHIRT, (73, 90), (27, 90), (28, 36), (17, 43), (8, 30)),
    "shirt": (
        *((34, 10), (44, 9), (50, 12), (56, 9), (66, 10), (80, 22), (92, 70), (83, 74), (72, 42)),
        *((72, 92), (28, 92), (28, 42), (17, 74), (8, 70), (20, 22)),
    ),
    "trousers": ((32, 8), (68, 8), (74, 92), (56, 92), (50, 38), (44, 92), (26, 92)),
    "skirt": ((36, 14), (64, 14), (80, 84), (20, 84)),
    "cushion": ((18, 20), (50, 23), (82, 20), (79, 50), (82, 80), (50, 77), (18, 80), (21, 50)),
    "towel": ((24, 8), (76, 8), (76, 92), (24, 92)),
}
Brush = ImageDraw.ImageDraw


def _scaled(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(x * _CANVAS_PX / 100, y * _CANVAS_PX / 100) for x, y in points]


def _line(brush: Brush, points: Sequence[tuple[float, float]], ink: Colour, width: int) -> None:
    brush.line(_scaled(points), ink, width, "curve")


def _disc(brush: Brush, x: float, y: float, radius: float, ink: Colour) -> None:
    (left, top), (right, bottom) = _scaled([(x - radius, y - radius), (x + radius, y + radius)])
    brush.ellipse((left, top, right, bottom), ink)


def _rectangle(brush: Brush, box_: tuple[float, float, float, float], ink: Colour) -> None:
    (left, top), (right, bottom) = _scaled([(box_[0], box_[1]), (box_[2], box_[3])])
    brush.rectangle((left, top, right, bottom), None, ink, 4)


def _draw_front(brush: Brush, goods: str, ink: Colour) -> None:
    if goods == "t-shirt":
        _line(brush, ((42, 12), (46, 19), (50, 21), (54, 19), (58, 12)), ink, 5)
        _rectangle(brush, (56, 32, 66, 43), ink)
    elif goods == "shirt":
        _line(brush, ((44, 9), (50, 20), (56, 9)), ink, 5)
        _line(brush, ((50, 20), (50, 92)), ink, 4)
        for y in range(26, 90, 9):
            _disc(brush, 50, y, 0.9, ink)
        _rectangle(brush, (57, 34, 67, 46), ink)
    elif goods == "trousers":
        _line(brush, ((50, 13), (50, 30), (46, 26)), ink, 4)
        _line(brush, ((33, 14), (40, 24)), ink, 4)
        _line(brush, ((67, 14), (60, 24)), ink, 4)
        _disc(brush, 50, 10.5, 1.1, ink)
    elif goods == "skirt":
        for y in (20, 30, 40, 50, 60):
            _disc(brush, 50, y, 1.2, ink)
    elif goods == "cushion":
        _disc(brush, 50, 50, 2.2, ink)
    else:
        _line(brush, ((24, 84), (76, 84)), ink, 10)


def _draw_back(brush: Brush, goods: str, ink: Colour) -> None:
    if goods == "t-shirt":
        _line(brush, ((42, 12), (50, 15), (58, 12)), ink, 5)
        _rectangle(brush, (48, 16, 52, 19), ink)
    elif goods == "shirt":
        _line(brush, ((22, 24), (50, 27), (78, 24)), ink, 4)
        _line(brush, ((50, 27), (50, 92)), ink, 3)
    elif goods == "trousers":
        _rectangle(brush, (34, 18, 44, 30), ink)
        _rectangle(brush, (56, 18, 66, 30), ink)
        _line(brush, ((50, 12), (50, 38)), ink, 4)
    elif goods == "skirt":
        _line(brush, ((50, 14), (50, 40)), ink, 4)
    elif goods == "cushion":
        _line(brush, ((20, 66), (80, 66)), ink, 5)
    else:
        _line(brush, ((24, 14), (76, 14)), ink, 4)
    if goods != "cushion":
        _line(brush, ((34, 16), (66, 16)), ink, 3)


def _soft_noise(random: Random, cells: int) -> Floats:
    """Noise from -1 to 1 in so many soft cells across, canvas-sized."""
    coarse = random.uniform(-1, 1, (cells, cells)).astype(np.float32)
    enlarged = cv2.resize(coarse, (_CANVAS_PX, _CANVAS_PX), interpolation=cv2.INTER_CUBIC)
    return np.asarray(enlarged, np.float32)


def _weave(colour: Colour) -> Floats:
    y, x = np.mgrid[0:_CANVAS_PX, 0:_CANVAS_PX].astype(np.float32)
    thread = 1 + 0.035 * np.sin(x * 0.9) * np.sin(y * 0.9) + 0.02 * np.sin((x + y) * 0.31)
    woven: Floats = np.array(colour, np.float32) * thread[..., None]
    return woven


def _lay_out(goods: str, cloth: Colour, ground: Colour, random: Random, side: int) -> Image.Image:
    """Plain goods laid out and photographed once; side 0 is the front, 1 the back."""
    ink: Colour = (cloth[0] // 2, cloth[1] // 2, cloth[2] // 2)
    shape = Image.new("L", (_CANVAS_PX, _CANVAS_PX))
    ImageDraw.Draw(shape).polygon(_scaled(_OUTLINES[goods]), fill=255)
    shape = shape.filter(ImageFilter.GaussianBlur(7)).point(lambda level: 255 * (level > 127))
    folds = 1 + 0.10 * _soft_noise(random, 6) + 0.05 * _soft_noise(random, 14)
    surface = changes.to_picture(_weave(cloth) * folds[..., None])
    (_draw_front if side == 0 else _draw_back)(ImageDraw.Draw(surface), goods, ink)
    shaded = np.asarray(shape.filter(ImageFilter.GaussianBlur(16)), np.float32)[..., None] / 255
    lit = changes.to_picture(np.asarray(surface, np.float32) * (0.7 + 0.3 * shaded))
    backdrop = Image.new("RGB", shape.size, ground)
    shadow = shape.filter(ImageFilter.GaussianBlur(22)).point(lambda level: level // 5)
    backdrop.paste((90, 90, 94), (6, 10), shadow)
    laid = Image.composite(lit, backdrop, shape.filter(ImageFilter.GaussianBlur(1.2)))
    return _jitter(laid, random, ground)


def _jitter(picture: Image.Image, random: Random, ground: Colour) -> Image.Image:
    """Laid out by hand: everything a little elsewhere, as cloth lies on a table."""
    angle_deg, scale = float(random.uniform(-1.5, 1.5)), float(random.uniform(0.97, 1.02))
    middle = _CANVAS_PX / 2
    turn = cv2.getRotationMatrix2D((middle, middle), angle_deg, scale)
    inverse = cv2.invertAffineTransform(turn)
    y, x = np.mgrid[0:_CANVAS_PX, 0:_CANVAS_PX].astype(np.float32)
    reach = 0.008 * _CANVAS_PX
    across = inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2] + reach * _soft_noise(random, 4)
    down = inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2] + reach * _soft_noise(random, 4)
    moved = cv2.remap(
        np.asarray(picture),
        across.astype(np.float32),
        down.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=ground,
    )
    small = Image.fromarray(moved).resize((_SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS)
    return changes.add_noise(small, random, 1.5)


def _front_and_back(goods: str) -> MakeTwins:
    def twins(random: Random) -> Twins:
        cloth = _CLOTHS[int(random.integers(len(_CLOTHS)))]
        ground: Colour = (255, 255, 255) if random.random() < 0.5 else (236, 237, 240)
        front = _lay_out(goods, cloth, ground, random, 0)
        return front, _lay_out(goods, cloth, ground, random, 1)

    return twins


def _make_grille(random: Random) -> Twins:
    """A loudspeaker's grille: the same holes from front and back, a sign here, screws there."""
    pitch, tone = int(random.integers(13, 19)), int(random.integers(30, 70))
    sides = []
    for side in (0, 1):
        plate = Image.new("RGB", (_CANVAS_PX, _CANVAS_PX), (244, 244, 246))
        brush = ImageDraw.Draw(plate)
        brush.rounded_rectangle((120, 170, 720, 670), 60, (tone, tone, tone + 4))
        for row, y in enumerate(range(210, 640, pitch)):
            for x in range(160 + (row % 2) * pitch // 2, 690, pitch):
                brush.ellipse((x - 4, y - 4, x + 4, y + 4), (tone // 3, tone // 3, tone // 3))
        if side == 0:
            brush.rectangle((340, 590, 500, 640), (tone, tone, tone + 4))
            font = ImageFont.load_default(34)
            brush.text((420, 615), "SUR", (220, 220, 224), font, anchor="mm")
        else:
            for x, y in ((160, 210), (680, 210), (160, 630), (680, 630)):
                brush.ellipse((x - 16, y - 16, x + 16, y + 16), (170, 170, 174))
            brush.rectangle((380, 380, 460, 460), (20, 20, 22))
        light = 1 + 0.12 * _soft_noise(random, 3)
        lit = changes.to_picture(np.asarray(plate, np.float32) * light[..., None])
        sides.append(_jitter(lit, random, (244, 244, 246)))
    return sides[0], sides[1]


PLAIN: dict[str, MakeTwins] = {
    **{goods: _front_and_back(goods) for goods in _OUTLINES},
    "grille": _make_grille,
}
"""Front and back of plain goods, by the goods."""


# --- one print on differently shot goods -------------------------------------------------------


def draw_crest(random: Random) -> Image.Image:
    """A crest with shield, rays, discs and a word: RGBA, 320 by 320, clear around it."""
    crest = Image.new("RGBA", (320, 320), (0, 0, 0, 0))
    brush = ImageDraw.Draw(crest)
    inks = [changes.pick_colour(random) for _ in range(3)]
    shield = [(160, 8), (300, 50), (290, 190), (160, 312), (30, 190), (20, 50)]
    brush.polygon(shield, (*inks[0], 255), (20, 20, 20, 255))
    middle = (160 + int(random.integers(-20, 20)), 130 + int(random.integers(-15, 15)))
    rays = int(random.integers(7, 15))
    for ray in range(rays):
        angle = 2 * math.pi * ray / rays
        end = (middle[0] + 95 * math.cos(angle), middle[1] + 95 * math.sin(angle))
        brush.line([middle, end], (*inks[1], 255), 7)
    sides = int(random.integers(3, 8))
    brush.regular_polygon((*middle, 52), sides, int(random.integers(90)), (*inks[2], 255))
    for _ in range(5):
        x, y = (float(place) for place in random.uniform((70, 60), (250, 220)))
        brush.ellipse((x - 9, y - 9, x + 9, y + 9), (255, 235, 160, 255), (20, 20, 20, 255))
    word = _pick(random, _WORDS)
    brush.rectangle((46, 206, 274, 252), (250, 250, 245, 255), (20, 20, 20, 255))
    brush.text((160, 229), word, (20, 20, 20, 255), ImageFont.load_default(32), anchor="mm")
    return crest


def _as_print(crest: Image.Image) -> Floats:
    values: Floats = np.asarray(crest, np.float32) / np.float32(255)
    values[..., :3] **= 2.2
    return values


def _make_mug(label: Floats, random: Random) -> tuple[list[Part], Vector]:
    radius = float(random.uniform(1.7, 2.1))
    paint = _paint(_pick(random, ("#f2efe8", "#27506f", "#2c2f33")), 0.2)
    marked = paint.with_decals(Decal(label, (0, 0), (2.4, 2.4), wrap_radius=radius))
    handle = [(-radius + x, y + 2.2, 0.0) for x, y, _ in arc((0, 0, 0), 1.3, 90, 270)]
    return [
        cylinder(radius, 4.4, 0.15, marked, (0, 2.2, 0)),
        tube(handle, 0.25, paint),
    ], (0, 2.2, radius)


def _make_cushion(label: Floats, random: Random) -> tuple[list[Part], Vector]:
    cloth = _paint(_pick(random, _PAINTS), 0.9).with_decals(Decal(label, (0, 0), (3.4, 3.4)))
    return [box((3.2, 3.2, 0.9), 0.85, cloth, (0, 3.2, 0), turned(x_deg=-14))], (0, 3.2, 0.9)


def _make_board(label: Floats, random: Random) -> tuple[list[Part], Vector]:
    paint = _paint(_pick(random, ("#e9e6df", "#c9a066", "#3a3f46")), 0.5)
    marked = paint.with_decals(Decal(label, (-1.2, 0.6), (2.6, 2.6)))
    wide = float(random.uniform(3.4, 4.4))
    return [box((wide, 2.6, 0.2), 0.12, marked, (0, 2.7, 0))], (-1.2, 3.3, 0.2)


def _make_crate(label: Floats, random: Random) -> tuple[list[Part], Vector]:
    paint = _paint(_pick(random, _PAINTS), 0.6)
    marked = paint.with_decals(Decal(label, (0.6, 0), (2.9, 2.9)))
    deep = float(random.uniform(1.6, 2.6))
    return [
        box((3.6, 2.2, deep), 0.15, marked, (0, 2.2, 0)),
        box((3.7, 0.2, deep + 0.1), 0.08, paint, (0, 4.5, 0)),
    ], (0.6, 2.2, deep)


_PRINTABLE = (_make_mug, _make_cushion, _make_board, _make_crate)


def _print_on_two_goods(random: Random) -> Twins:
    """One crest on two different goods, each from the front."""
    label = _as_print(draw_crest(random))
    first, second = random.permutation(len(_PRINTABLE))[:2]
    shots = []
    for number in (int(first), int(second)):
        parts, _focus = _PRINTABLE[number](label, random)
        studio, yaw_deg = _studio(random), float(random.uniform(-22, 22))
        shots.append(_take(parts, studio, random, yaw_deg, float(random.uniform(4, 16))))
    return shots[0], shots[1]


def _print_whole_and_close(random: Random) -> Twins:
    """Goods with a crest: the whole, and a close-up that was shot from elsewhere."""
    label = _as_print(draw_crest(random))
    parts, focus = _PRINTABLE[int(random.integers(len(_PRINTABLE)))](label, random)
    studio = _studio(random)
    side = float(random.choice([-1, 1]))
    whole = _take(parts, studio, random, side * float(random.uniform(14, 30)), 10)
    yaw_deg, pitch_deg = -side * float(random.uniform(14, 30)), float(random.uniform(16, 30))
    close = View("close", yaw_deg, pitch_deg, focus, float(random.uniform(1.5, 1.9)))
    return whole, draw(parts, close, studio, _SIDE_PX)


PRINTS: dict[str, MakeTwins] = {
    "two goods": _print_on_two_goods,
    "whole and close-up": _print_whole_and_close,
}
"""One print on drawn goods, by how they are shot."""


def print_on_photo(picture: Image.Image, crest: Image.Image, random: Random) -> Image.Image:
    """A crest printed on whatever a photo shows: somewhere near the middle, seen at an angle."""
    width, height = picture.size
    side = min(picture.size) * float(random.uniform(0.24, 0.34))
    centre = np.array([width, height]) * random.uniform(0.38, 0.62, 2)
    corners = np.array([(0, 0), (320, 0), (320, 320), (0, 320)], np.float32)
    placed = centre + (corners / 320 - 0.5) * side + random.uniform(-0.07, 0.07, (4, 2)) * side
    matrix = cv2.getPerspectiveTransform(corners, placed.astype(np.float32))
    pixels: npt.NDArray[np.uint8] = np.asarray(crest)
    layer = cv2.warpPerspective(pixels, matrix, (width, height)).astype(np.float32) / 255
    ground = np.asarray(picture, np.float32)
    # Ink takes the light of the surface below it.
    shade = 0.45 + 0.55 * cv2.GaussianBlur(ground.mean(axis=2), (0, 0), 3)[..., None] / 255
    cover = layer[..., 3:] * 0.95
    return changes.to_picture(ground * (1 - cover) + 255 * layer[..., :3] * shade * cover)
