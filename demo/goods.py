"""The goods of the demo catalogue: nine categories of products and the shots taken of each.

Products are about ten units across. Within a category the random generator chooses proportions,
colours, materials and prints; the same generator state gives the same product.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

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
    checked,
    cylinder,
    lathe,
    linear,
    moved,
    rod,
    striped,
    tube,
    turned,
    wood,
)

Random = np.random.Generator

# Where Debian and Ubuntu put a font with Devanagari; without one, prints are in English alone.
_DEVANAGARI_FONTS = (
    Path("/usr/share/fonts/truetype/lohit-devanagari/Lohit-Devanagari.ttf"),
    Path("/usr/share/fonts/truetype/noto/NotoSansDevanagari-Bold.ttf"),
    Path("/usr/share/fonts/truetype/noto/NotoSansDevanagari-Regular.ttf"),
)


@dataclass(frozen=True, slots=True)
class Shot:
    """One view of a product, standing or in its other pose."""

    view: View
    is_laid: bool = False


@dataclass(frozen=True, slots=True)
class Product:
    """One product: its parts, its parts in the other pose, its set, its shots in order."""

    parts: tuple[Part, ...]
    laid: tuple[Part, ...]
    studio: Studio
    shots: tuple[Shot, ...]


@dataclass(frozen=True, slots=True)
class Category:
    """One category of goods: how its products are named and made."""

    category_id: int
    name: str
    slug: str
    hindi_words: str
    make: Callable[[Random], Product]


# --- prints and materials ----------------------------------------------------------------------


@cache
def devanagari_font() -> Path | None:
    """A font that can print Hindi, if one is installed and Pillow can shape it."""
    if not features.check("raqm"):
        return None
    return next((path for path in _DEVANAGARI_FONTS if path.is_file()), None)


def _is_hindi(text: str) -> bool:
    return any("\u0900" <= letter <= "\u097f" for letter in text)


def printed(lines: tuple[str, ...], ink: str, paper: str | None, band: str | None = None) -> Floats:
    """A label, (160, 320, 4) linear: lines of text on paper, or on nothing when paper is None."""
    ground = (0, 0, 0, 0) if paper is None else paper
    label = Image.new("RGBA", (320, 160), ground)
    brush = ImageDraw.Draw(label)
    if band is not None:
        brush.rectangle((0, 0, 320, 34), fill=band)
        brush.rectangle((0, 148, 320, 160), fill=band)
    hindi_font = devanagari_font()
    shown = [line for line in lines if hindi_font is not None or not _is_hindi(line)]
    top, room = (36, 110) if band is not None else (4, 152)
    for number, line in enumerate(shown):
        height = room / (len(shown) + 0.4) * (1.4 if number == 0 else 1.0)
        font: ImageFont.FreeTypeFont | ImageFont.ImageFont
        points = min(height * 0.8, 520 / max(len(line), 1))
        if _is_hindi(line) and hindi_font is not None:
            font = ImageFont.truetype(str(hindi_font), points)
        else:
            font = ImageFont.load_default(points)
        brush.text((160, top + height / 2), line, fill=ink, font=font, anchor="mm")
        top += int(height)
    values: Floats = np.asarray(label, np.float32) / np.float32(255)
    values[..., :3] **= 2.2
    return values


def _pick(random: Random, *choices: str) -> str:
    return choices[int(random.integers(len(choices)))]


def _between(random: Random, low: float, high: float) -> float:
    return float(random.uniform(low, high))


def _plastic(colour: str, gloss: float = 0.05, roughness: float = 0.3) -> Material:
    return Material(linear(colour), gloss=gloss, roughness=roughness)


def _matt(colour: str) -> Material:
    return Material(linear(colour), gloss=0.02, roughness=0.8)


def _metal(colour: str = "#c9ccd0", roughness: float = 0.18) -> Material:
    return Material(linear(colour), roughness=roughness, is_metal=True)


def _studio(random: Random) -> Studio:
    far, near = [
        ("#dfe3e8", "#fafafa"),
        ("#e8e2d8", "#fbf8f3"),
        ("#cfdbe6", "#f2f7fb"),
        ("#d9e2d6", "#f7faf5"),
        ("#f3f3f3", "#ffffff"),
        ("#c4c7cc", "#ececee"),
    ][int(random.integers(6))]
    return Studio(far, near, shadow=_between(random, 0.4, 0.62))


def _shots(random: Random, *shots: Shot) -> tuple[Shot, ...]:
    """The shots with the small differences of a hand-held camera."""
    return tuple(
        replace(
            shot,
            view=replace(
                shot.view,
                yaw_deg=shot.view.yaw_deg + _between(random, -5, 5),
                pitch_deg=shot.view.pitch_deg + _between(random, -2, 2),
                fill=shot.view.fill + _between(random, -0.04, 0.03),
            ),
        )
        for shot in shots
    )


def _shot(
    name: str,
    yaw: float,
    pitch: float,
    focus: Vector | None = None,
    span: float = 1.0,
    laid: bool = False,
) -> Shot:
    return Shot(View(name, yaw, pitch, focus, span), laid)


def _product(
    random: Random, parts: list[Part], shots: tuple[Shot, ...], laid: list[Part] | None = None
) -> Product:
    studio = _studio(random)
    return Product(tuple(parts), tuple(laid or parts), studio, _shots(random, *shots))


# --- the categories ----------------------------------------------------------------------------


def _upholstery(random: Random) -> Material:
    choice = int(random.integers(4))
    if choice == 0:
        pair = [("#2c3e66", "#8fa3c8"), ("#6b2d2d", "#c9a58b"), ("#3d4a3a", "#aab79c")]
        first, second = pair[int(random.integers(3))]
        return checked(first, second, _between(random, 0.35, 0.6), bool(random.integers(2)))
    if choice == 1:
        return striped(_pick(random, "#2b2f36", "#20406a"), "#4a515c", 0.16, 1)
    colour = _pick(random, "#1f5fa8", "#a92f2f", "#2f3338", "#3f7d4e", "#c7772c", "#6a5a4a")
    return _plastic(colour, 0.04, 0.45) if choice == 2 else _matt(colour)


def make_chair(random: Random) -> Product:
    """An office chair on castors, with or without arms and headrest."""
    cloth = _upholstery(random)
    frame = _metal() if random.random() < 0.4 else _plastic(_pick(random, "#24272b", "#8a9098"))
    black = _plastic("#1d1f22")
    wide, tall = _between(random, 2.0, 2.6), _between(random, 1.9, 2.9)
    parts: list[Part] = []
    for leg in range(5):
        angle = math.radians(72 * leg + 18)
        end = (2.75 * math.sin(angle), 0.75, 2.75 * math.cos(angle))
        parts.append(tube(((0, 1.15, 0), end), 0.2, frame))
        wheel = turned(z_deg=90) if leg % 2 else turned(x_deg=90)
        parts.append(cylinder(0.4, 0.5, 0.12, black, (end[0], 0.4, end[2]), wheel))
    parts += [
        cylinder(0.42, 1.6, 0.1, black, (0, 1.7, 0)),
        cylinder(0.24, 2.6, 0.05, _metal(), (0, 3.0, 0)),
        box((1.0, 0.22, 1.2), 0.1, black, (0, 4.05, 0)),
        box((wide, 0.45, 2.2), 0.4, cloth, (0, 4.65, 0.15)),
        box(
            (wide * 0.92, tall, 0.3),
            0.28,
            cloth,
            (0, 5.4 + tall, -2.15),
            turned(x_deg=-7),
            0.07,
            _between(random, 0.0, 0.25),
        ),
        tube(((0, 4.1, -0.9), (0, 4.3, -2.3), (0, 5.3, -2.75), (0, 6.9, -2.7)), 0.26, frame),
    ]
    if random.random() < 0.65:
        for side in (-1, 1):
            x = side * (wide + 0.45)
            path = ((side * wide * 0.8, 4.2, 0), (x, 4.5, 0), (x, 6.2, -0.2))
            parts.append(tube(path, 0.17, frame))
            parts.append(box((0.34, 0.16, 1.35), 0.14, black, (x, 6.35, 0.1)))
    if random.random() < 0.4:
        parts.append(box((1.2, 0.6, 0.25), 0.24, cloth, (0, 6.5 + 2 * tall, -2.5), bow=0.08))
        parts.append(tube(((0, 5 + 2 * tall, -2.6), (0, 6.4 + 2 * tall, -2.75)), 0.12, frame))
    return _product(
        random,
        parts,
        (
            _shot("three_quarter", 38, 16),
            _shot("back", 180, 8),
            _shot("top", 65, 62),
            _shot("side", 92, 4),
            _shot("detail", 335, 30, (1.3, 5.2, 1.0), 2.3),
            _shot("back_three_quarter", 222, 34),
        ),
    )


def make_lamp(random: Random) -> Product:
    """A desk lamp with two arms and a turned shade."""
    colour = _pick(random, "#c0392b", "#20639b", "#2f3640", "#e1a925", "#3a7d5d", "#e9e6df")
    paint = _plastic(colour, 0.06, 0.22)
    arm = _metal() if random.random() < 0.6 else paint
    foot = _between(random, 1.7, 2.3)
    elbow = (0.0, _between(random, 4.2, 5.2), _between(random, -2.6, -1.6))
    head = (0.0, _between(random, 7.0, 8.2), _between(random, 1.0, 1.8))
    parts = [
        lathe(((0, foot), (0.25, foot), (0.45, foot * 0.8), (0.55, 0.5)), paint),
        cylinder(0.3, 0.7, 0.1, arm, (0, 0.8, 0)),
    ]
    gap = 0.22 if random.random() < 0.5 else 0.0
    for side in (-1, 1) if gap else (0,):
        x = side * gap
        parts.append(rod((x, 0.9, 0), (x, elbow[1], elbow[2]), 0.12, arm))
        parts.append(rod((x, elbow[1], elbow[2]), (x, head[1], head[2]), 0.11, arm))
    parts.append(cylinder(0.32, 0.75, 0.08, _plastic("#222222"), elbow, turned(z_deg=90)))
    parts.append(cylinder(0.3, 0.7, 0.08, _plastic("#222222"), head, turned(z_deg=90)))
    shape = int(random.integers(3))
    profiles = (
        ((-1.5, 1.9), (-0.6, 1.5), (0.3, 0.9), (0.8, 0.45)),
        ((-1.3, 1.8), (-0.9, 1.78), (-0.1, 1.5), (0.5, 0.9), (0.8, 0.4)),
        ((-1.6, 1.05), (0.3, 1.0), (0.7, 0.85), (0.8, 0.5)),
    )
    tilt = turned(x_deg=_between(random, -32, -18))
    way = tilt @ np.array([0, -1, 0], np.float32)
    centre = (0.0, head[1] + float(way[1]) * 0.8, head[2] + 0.3 + float(way[2]) * 0.8)
    inside = np.array(centre) + way * 0.55
    parts.append(lathe(profiles[shape], paint, centre, tilt, wall=0.05))
    bulb = Material(linear("#fff3cf"), glow=1.2)
    bulb_at = (float(inside[0]), float(inside[1]), float(inside[2]))
    parts.append(cylinder(0.55, 1.3, 0.5, bulb, bulb_at, tilt))
    parts.append(cylinder(0.3, 0.12, 0.05, _plastic("#b02020"), (0.9, 0.5, 0.6)))
    return _product(
        random,
        parts,
        (
            _shot("side", 84, 8),
            _shot("front", 5, 12),
            _shot("back_three_quarter", 212, 38),
            _shot("detail", 48, -4, bulb_at, 2.2),
            _shot("top", 130, 66),
        ),
    )


def make_bottle(random: Random) -> Product:
    """A water bottle with a printed label, a cap and a carrying loop."""
    colour = _pick(random, "#1f6fb2", "#2e8b57", "#d1495b", "#e8e8e4", "#30343b", "#e39b2d")
    coat = _metal(roughness=0.25) if random.random() < 0.3 else _plastic(colour, 0.05, 0.25)
    tall, wide = _between(random, 6.6, 8.2), _between(random, 1.35, 1.75)
    litres = _pick(random, "500 ml", "750 ml", "1 litre")
    front = printed(
        (_pick(random, "AQUA", "SAFAR", "JAL"), "पानी की बोतल", litres),
        "#ffffff",
        _pick(random, "#12355b", "#7a1e2c", "#1f5135", "#3b3355"),
        _pick(random, "#f2b632", "#e4572e", "#76c7c0"),
    )
    back = printed(
        ("BPA FREE  |  FOOD GRADE", "Wash before first use", "Batch " + str(random.integers(9999))),
        "#222222",
        "#f4f4ee",
    )
    low = -tall / 2 + tall * 0.36
    coat = coat.with_decals(
        Decal(front, (0, low), (wide * 2.4, wide * 1.7), wrap_radius=wide),
    )
    hidden = replace(
        coat,
        decals=(
            *coat.decals,
            Decal(back, (wide * math.pi * 0.62, low + 0.2), (wide * 1.7, wide), wrap_radius=wide),
        ),
    )
    waist = wide * _between(random, 0.86, 1.0)
    neck = wide * _between(random, 0.5, 0.72)
    body = lathe(
        (
            (0, wide * 0.9),
            (0.25, wide),
            (tall * 0.62, wide),
            (tall * 0.72, waist),
            (tall * 0.86, neck * 1.1),
            (tall * 0.92, neck),
            (tall, neck),
        ),
        hidden,
    )
    cap = _plastic(_pick(random, "#1b1b1d", "#f1f1ee", "#c0392b"), 0.05, 0.35)
    parts = [
        body,
        cylinder(neck * 1.18, 0.95, 0.12, cap, (0, tall + 0.42, 0), ridges=28),
        cylinder(neck * 0.8, 0.35, 0.12, cap, (0, tall + 1.0, 0)),
        tube(arc((0, tall + 0.9, 0), neck * 1.15, -8, 188), 0.16, cap),
    ]
    laid = moved(parts, turned(z_deg=90), (tall / 2, wide, 0))
    return _product(
        random,
        parts,
        (
            _shot("front", 0, 6),
            _shot("lying", 35, 22, laid=True),
            _shot("high", 118, 48),
            _shot("detail", 300, 20, (0, tall + 0.4, 0), 1.9),
            _shot("lying_end", 265, 14, laid=True),
        ),
        laid,
    )


def make_kettle(random: Random) -> Product:
    """An electric kettle on its base, spout to its left."""
    is_steel = random.random() < 0.5
    body = (
        _metal("#d5d7da", 0.12)
        if is_steel
        else _plastic(_pick(random, "#f2efe8", "#b63a3a", "#27506f", "#2c2f33"), 0.06, 0.18)
    )
    black = _plastic(_pick(random, "#1c1d20", "#3a3d42", "#6b1f22"))
    tall, wide = _between(random, 4.8, 6.2), _between(random, 2.2, 2.7)
    text = printed(
        (_pick(random, "1.5 L", "1.8 L", "1.2 L"), "केतली", "1500 W"), "#333333", "#e6e2d6"
    )
    label = Decal(text, (0.3, -0.4), (1.7, 0.85), wrap_radius=wide)
    top = wide * _between(random, 0.62, 0.8)
    shell = lathe(
        (
            (0.7, wide * 0.94),
            (1.0, wide),
            (0.7 + tall * 0.35, wide * 0.99),
            (0.7 + tall * 0.8, top * 1.12),
            (0.7 + tall, top),
        ),
        body.with_decals(label),
    )
    lid_height = 0.7 + tall
    grip = arc((-wide * 0.75, 0.9 + tall * 0.55, 0), tall * 0.42, 70, 275, squeeze=0.85)
    parts = [
        cylinder(wide * 1.05, 0.5, 0.15, black, (0, 0.25, 0)),
        cylinder(wide * 0.85, 0.3, 0.05, black, (0, 0.6, 0)),
        shell,
        lathe(((0, top), (0.25, top * 0.9), (0.5, top * 0.3)), black, (0, lid_height, 0)),
        cylinder(0.35, 0.5, 0.2, black, (0, lid_height + 0.65, 0)),
        tube(grip, 0.34, black),
        lathe(
            ((-1.1, 0.75), (0.3, 0.5), (1.0, 0.3)),
            body,
            (wide * 0.88, 0.7 + tall * 0.74, 0),
            turned(z_deg=-48),
        ),
        box((0.05, tall * 0.3, 0.25), 0.04, _plastic("#7fb6d6"), (-wide * 0.99, 2.6, 0)),
        box((0.3, 0.14, 0.2), 0.08, _plastic("#c0392b"), (-wide * 0.95, 0.95, 0)),
    ]
    return _product(
        random,
        parts,
        (
            _shot("side", 4, 10),
            _shot("three_quarter", 62, 36),
            _shot("handle", 258, 12),
            _shot("top", 150, 70),
            _shot("detail", 318, 42, (wide * 0.5, tall * 0.95, 0), 2.0),
        ),
    )


def make_stapler(random: Random) -> Product:
    """A desk stapler, its mouth towards +x."""
    colour = _pick(random, "#b3282d", "#1f4e8c", "#25282c", "#2f7d4a", "#e0a030", "#7d3c98")
    paint = _plastic(colour, 0.06, 0.2)
    black = _matt("#1e1f21")
    text = printed(
        (_pick(random, "No. 10", "24/6", "HD-45"), _pick(random, "STAPLER", "स्टेपलर")),
        "#f5f5f0",
        None,
    )
    length, open_deg = _between(random, 4.0, 4.8), _between(random, 5, 13)
    thick = _between(random, 0.5, 0.75)
    arm = paint.with_decals(Decal(text, (-0.6, 0), (2.4, thick * 1.5)))
    lift = math.sin(math.radians(open_deg)) * length
    parts = [
        box((length, 0.16, 0.95), 0.12, black, (0, 0.16, 0)),
        box((length * 0.98, 0.22, 0.85), 0.15, paint, (0, 0.45, 0)),
        box((0.5, 0.06, 0.45), 0.03, _metal(), (length * 0.78, 0.7, 0)),
        box(
            (length * 0.93, 0.3, 0.5),
            0.05,
            _metal(),
            (0.1, 0.95 + lift * 0.85, 0),
            turned(z_deg=open_deg * 0.9),
        ),
        box(
            (length, thick, 0.78),
            min(0.42, thick * 0.9),
            arm,
            (0, 1.6 + lift, 0),
            turned(z_deg=open_deg),
        ),
        box((0.75, 0.9, 0.8), 0.25, paint, (-length * 0.82, 0.95, 0)),
        cylinder(0.26, 1.9, 0.05, _metal(), (-length * 0.82, 1.15, 0), turned(x_deg=90)),
    ]
    laid = moved(parts, turned(x_deg=90), (0, 0.95, 0))
    return _product(
        random,
        parts,
        (
            _shot("side", 3, 8),
            _shot("three_quarter", 52, 34),
            _shot("mouth", 96, 16),
            _shot("back_three_quarter", 228, 52),
            _shot("detail", 25, 18, (length * 0.75, 1.3 + lift, 0.3), 1.6),
        ),
        laid,
    )


def make_fan(random: Random) -> Product:
    """A ceiling fan, photographed hanging, mostly from below."""
    colour = _pick(random, "#7a4a2b", "#f0ede4", "#2f2a28", "#b8bcc2", "#36506b")
    blade = (
        wood("#b07a45", "#6d4322", 0, _between(random, 0, 6))
        if random.random() < 0.4
        else _plastic(colour, 0.05, 0.3)
    )
    trim = _metal(_pick(random, "#d0b36a", "#cfd2d6", "#a86f4a"), 0.2)
    motor = _plastic(colour, 0.06, 0.2)
    count = int(random.choice([3, 3, 4, 5]))
    broad = _between(random, 0.55, 0.85)
    parts = [
        lathe(((-0.6, 0.6), (-0.45, 1.15), (0, 1.35), (0.35, 1.25), (0.6, 0.5)), motor),
        cylinder(1.38, 0.14, 0.05, trim, (0, 0.05, 0)),
        rod((0, 0.6, 0), (0, 3.0, 0), 0.16, motor),
        lathe(((2.9, 0.3), (3.3, 0.6), (3.8, 0.95)), motor),
        lathe(((-1.0, 0.2), (-0.85, 0.6), (-0.55, 0.75)), trim),
    ]
    if random.random() < 0.4:
        globe = Material(linear("#fff6dd"), glow=0.5)
        parts.append(lathe(((-1.7, 0.25), (-1.4, 0.75), (-1.0, 0.85), (-0.7, 0.6)), globe))
    start = _between(random, 0, 90)
    for number in range(count):
        spin = start + 360 / count * number
        angle = math.radians(spin)
        out, bracket = 3.5, 1.55
        turn = turned(y_deg=spin) @ turned(x_deg=12)
        at = (out * math.cos(angle), 0.0, -out * math.sin(angle))
        near = (bracket * math.cos(angle), 0.0, -bracket * math.sin(angle))
        parts.append(box((2.0, 0.05, broad), 0.04, blade, at, turn))
        parts.append(box((0.5, 0.06, broad * 0.5), 0.05, trim, near, turn))
    studio = replace(_studio(random), has_floor=False)
    product = _product(
        random,
        parts,
        (
            _shot("below", 20, -34),
            _shot("level", 70, 4),
            _shot("under", 140, -80),
            _shot("detail", 300, -28, (0.3, -0.1, 0), 2.2),
            _shot("above", 250, 30),
        ),
    )
    return replace(product, studio=studio)


def make_desk(random: Random) -> Product:
    """A writing desk with drawers."""
    pairs = [("#c89b62", "#8a5a2b"), ("#7c4a2d", "#42210f"), ("#d9c3a0", "#b39468")]
    pale, deep = pairs[int(random.integers(3))]
    shift = _between(random, 0, 6)
    board = wood(pale, deep, 0, shift)
    upright = wood(pale, deep, 1, shift + 1)
    front = (
        _plastic(_pick(random, "#f0eee8", "#4d5b66", "#2f5d50")) if random.random() < 0.4 else board
    )
    knob = _metal(_pick(random, "#d8dadd", "#c8a85a"))
    wide, deep_z, tall = _between(random, 4.4, 5.4), _between(random, 2.1, 2.7), 6.0
    parts = [box((wide, 0.16, deep_z), 0.06, board, (0, tall, 0))]
    side = 1 if random.random() < 0.5 else -1
    if random.random() < 0.5:
        leg = _metal("#8f949a", 0.3) if random.random() < 0.5 else upright
        for z in (-deep_z + 0.35, deep_z - 0.35):
            parts.append(box((0.2, tall / 2, 0.2), 0.05, leg, (-side * (wide - 0.35), tall / 2, z)))
        parts.append(
            box((0.12, 0.2, deep_z - 0.5), 0.04, leg, (-side * (wide - 0.35), tall - 0.5, 0))
        )
    else:
        parts.append(
            box((0.14, tall / 2, deep_z - 0.2), 0.03, upright, (-side * (wide - 0.3), tall / 2, 0))
        )
    centre = side * (wide - 1.45)
    parts.append(
        box((1.25, tall / 2 - 0.08, deep_z - 0.2), 0.05, upright, (centre, tall / 2 - 0.08, 0))
    )
    drawers = int(random.integers(2, 5))
    height = (tall - 0.9) / drawers
    for number in range(drawers):
        y = 0.6 + height * (number + 0.5)
        parts.append(box((1.1, height / 2 - 0.09, 0.1), 0.04, front, (centre, y, deep_z - 0.15)))
        parts.append(cylinder(0.16, 0.35, 0.1, knob, (centre, y, deep_z + 0.1), turned(x_deg=90)))
    parts.append(box((wide - 0.5, 1.6, 0.08), 0.03, board, (0, tall - 1.8, -deep_z + 0.35)))
    if random.random() < 0.4:
        parts.append(box((wide * 0.6, 0.1, 0.7), 0.04, board, (0, tall + 1.6, -deep_z + 0.8)))
        for x in (-wide * 0.55, 0.0, wide * 0.55):
            parts.append(box((0.1, 0.75, 0.7), 0.03, upright, (x, tall + 0.8, -deep_z + 0.8)))
    return _product(
        random,
        parts,
        (
            _shot("three_quarter", -side * 36, 20),
            _shot("side", side * 88, 8),
            _shot("back", 180 + side * 28, 26),
            _shot("detail", side * 40, 26, (centre, tall * 0.78, deep_z - 0.5), 1.9),
            _shot("top", 4, 68),
        ),
    )


def make_printer(random: Random) -> Product:
    """A laser printer with a paper tray and a printed sheet coming out."""
    pale = _plastic(_pick(random, "#eceae4", "#d5d9de", "#3a3d42", "#f4f4f2"), 0.05, 0.35)
    dark = _plastic(_pick(random, "#2b2e33", "#3c4a5a", "#51555b"), 0.05, 0.3)
    wide, tall, deep = _between(random, 3.3, 4.1), _between(random, 1.4, 2.0), 2.8
    name = printed((_pick(random, "LP-2040", "M 126", "PRINT 80"),), "#6a6f76", None)
    screen = printed(("Ready", "तैयार", _pick(random, "A4", "1/1")), "#d9f2ff", "#17324a")
    page = printed(
        ("TEST PAGE", "परीक्षण पृष्ठ", "the quick brown fox", "0123456789", "jumps over"),
        "#202020",
        "#ffffff",
        _pick(random, "#1f6fb2", "#2e8b57", "#b3282d"),
    )
    front = pale.with_decals(Decal(name, (-wide * 0.55, -tall * 0.1), (1.8, 0.9)))
    sheet = _matt("#fdfdfd").with_decals(Decal(page, (0, 0), (3.2, 1.9), axis=1))
    panel = dark.with_decals(Decal(screen, (-0.25, 0), (1.4, 0.75), axis=1))
    parts = [
        box((wide, tall, deep), 0.35, front, (0, tall + 0.15, 0)),
        box((wide * 0.94, 0.12, deep * 0.92), 0.05, dark, (0, 0.12, 0)),
        box((wide * 0.75, 0.4, 0.3), 0.1, dark, (0, 0.75, deep - 0.18)),
        box((wide * 0.25, 0.08, 0.12), 0.05, pale, (0, 0.75, deep + 0.15)),
        box((wide * 0.72, 0.3, 1.3), 0.12, dark, (-wide * 0.15, 2 * tall + 0.1, 0.6)),
        box(
            (1.8, 0.02, 1.25), 0.015, sheet, (-wide * 0.15, 2 * tall + 0.62, 0.75), turned(x_deg=9)
        ),
        box((0.75, 0.2, 0.8), 0.1, panel, (wide * 0.72, 2 * tall + 0.2, 1.4), turned(x_deg=14)),
        cylinder(0.18, 0.2, 0.06, _plastic("#2fa85a"), (wide * 0.88, 2 * tall + 0.4, 1.3)),
    ]
    if random.random() < 0.6:
        parts.append(box((wide * 0.9, 0.35, 1.1), 0.2, pale, (0, 2 * tall + 0.35, -1.5)))
    for row in range(4):
        parts.append(box((0.03, 0.06, 0.9), 0.02, _matt("#15171a"), (wide, 1.0 + 0.28 * row, -0.9)))
    return _product(
        random,
        parts,
        (
            _shot("front", -22, 18),
            _shot("side", 84, 14),
            _shot("top", 28, 66),
            _shot("back", 205, 30),
            _shot("detail", 42, 40, (wide * 0.5, 2 * tall, 1.2), 1.8),
        ),
    )


def make_torch(random: Random) -> Product:
    """An LED torch, lying with its lens towards +x, or standing on its tail."""
    coat = (
        _metal(_pick(random, "#3b3f45", "#8d9299", "#7a5a2a"), 0.3)
        if random.random() < 0.5
        else _plastic(_pick(random, "#f0b41c", "#c7352e", "#1d1f22", "#2a6b45"), 0.05, 0.3)
    )
    black = _plastic("#17181a", 0.05, 0.4)
    wide, length = _between(random, 0.75, 1.05), _between(random, 6.4, 8.0)
    head = wide * _between(random, 1.45, 1.9)
    text = printed((_pick(random, "LED 3 W", "LED 5 W", "LUX 900"), "टॉर्च"), "#f7f7f0", "#22262b")
    label = Decal(np.rot90(text), (0, 0.08), (0.68, 1.36), wrap_radius=wide)
    parts = [
        cylinder(wide, length * 0.55, 0.1, coat.with_decals(label), (0, length * 0.33, 0)),
        cylinder(wide * 1.06, length * 0.16, 0.05, coat, (0, length * 0.16, 0), ridges=26),
        cylinder(wide * 1.08, 0.5, 0.18, black, (0, 0.25, 0)),
        lathe(
            (
                (length * 0.58, wide),
                (length * 0.66, wide * 1.1),
                (length * 0.82, head),
                (length, head),
            ),
            coat,
            rounding=0.08,
        ),
        cylinder(head * 0.88, 0.12, 0.04, _metal("#8d959e", 0.05), (0, length, 0)),
        cylinder(head * 0.62, 0.16, 0.04, _metal("#c9cdd2", 0.1), (0, length, 0)),
        *(
            cylinder(
                head * 0.17,
                0.26,
                0.05,
                Material(linear("#fff3b0"), glow=0.5),
                (head * 0.3 * math.cos(turn), length, head * 0.3 * math.sin(turn)),
            )
            for turn in (0.5, 2.6, 4.7)
        ),
        cylinder(head * 1.02, 0.3, 0.08, black, (0, length - 0.12, 0), ridges=18),
        box((0.28, 0.5, 0.2), 0.15, _plastic("#c0392b"), (0, length * 0.52, wide)),
        tube(
            (
                (0, 0.3, 0),
                (0.9, -0.05 + wide * 0.3, 1.0),
                (2.2, 0.1, 1.9),
                (1.6, 0.1, 2.9),
                (0.4, 0.1, 2.4),
                (0, 0.3, 0.6),
            ),
            0.09,
            black,
        ),
    ]
    laid = moved(parts[:-1], turned(z_deg=-90), (-length / 2, head, 0))
    return _product(
        random,
        parts,
        (
            _shot("lying", -20, 16, laid=True),
            _shot("standing", 8, 12),
            _shot("lens", 68, 18, laid=True),
            _shot("standing_high", 140, 55),
            _shot("detail", 330, 40, (length * 0.05, head, 0.4), 1.7, laid=True),
        ),
        laid,
    )


CATEGORIES: tuple[Category, ...] = (
    Category(1234, "Office chairs / कार्यालय कुर्सियाँ", "chair", "कार्यालय-कुर्सी", make_chair),
    Category(1305, "Desk lamps / टेबल लैम्प", "lamp", "टेबल-लैम्प", make_lamp),
    Category(1410, "Water bottles / पानी की बोतलें", "bottle", "पानी-की-बोतल", make_bottle),
    Category(1522, "Electric kettles / बिजली की केतलियाँ", "kettle", "बिजली-की-केतली", make_kettle),
    Category(1633, "Staplers / स्टेपलर", "stapler", "स्टेपलर", make_stapler),
    Category(1748, "Ceiling fans / छत के पंखे", "fan", "छत-का-पंखा", make_fan),
    Category(1857, "Writing desks / लिखने की मेज़ें", "desk", "लिखने-की-मेज़", make_desk),
    Category(1966, "Laser printers / लेज़र प्रिंटर", "printer", "लेज़र-प्रिंटर", make_printer),
    Category(2071, "LED torches / एलईडी टॉर्च", "torch", "एलईडी-टॉर्च", make_torch),
)


def make_product(category: Category, number: int, seed: int) -> Product:
    """The product with that number in its category; the same seed gives the same product."""
    return category.make(np.random.default_rng([seed, category.category_id, number]))
