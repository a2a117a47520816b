"""What sellers and shop systems do to a picture: RGB picture in, RGB picture out.

Every function is pure: whatever is left to chance comes from the generator that is passed in.
Shares are of the picture's side unless a name says area; opacities run from 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Random = np.random.Generator
Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)

_SHOP_NAMES = ("BHARAT TRADERS", "OFFICE MART", "SHREE STORE", "CITY SUPPLY", "MODERN SALES")
_SHOP_COLOURS: tuple[Colour, ...] = (
    (215, 38, 61),
    (27, 127, 76),
    (18, 73, 122),
    (242, 160, 30),
    (98, 54, 140),
    (20, 20, 24),
)
_OFFERS = ("20%\nOFF", "NEW", "BEST\nPRICE", "SALE", "ISI\nMARK", "2 YEAR\nWARRANTY")
_CLAIMS = (
    "BEST QUALITY * 2 YEAR WARRANTY",
    "CALL 1800 000 000 FOR BULK ORDERS",
    "GENUINE PRODUCT * FREE DELIVERY",
    "MADE IN INDIA * GST BILL",
)

_BACKGROUND_TOLERANCE = 9
_BACKGROUND_EDGE_SHARE = 0.75
_BACKGROUND_AREA = (0.15, 0.93)


class NotApplicableError(Exception):
    """The change cannot be made to this picture; the message says why."""


# --- choices and conversions -------------------------------------------------------------------


def pick_colour(random: Random) -> Colour:
    """One of the colours that shops use."""
    return _SHOP_COLOURS[int(random.integers(len(_SHOP_COLOURS)))]


def pick_text(texts: Sequence[str], random: Random) -> str:
    """One of the texts."""
    return texts[int(random.integers(len(texts)))]


def to_picture(pixels: npt.NDArray[np.floating]) -> Image.Image:
    """Levels from 0 to 255, rounded and clipped, as a picture."""
    return Image.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))


def fit(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture scaled and cut about its middle to fill a size."""
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


def _font(height_px: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(6.0, height_px))


# --- the same picture --------------------------------------------------------------------------


def resize(picture: Image.Image, across: float, down: float) -> Image.Image:
    """The picture with its width and height scaled."""
    size = (max(1, round(picture.width * across)), max(1, round(picture.height * down)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def blur(picture: Image.Image, radius_px: float) -> Image.Image:
    """Out of focus."""
    return picture.filter(ImageFilter.GaussianBlur(radius_px))


def sharpen(picture: Image.Image, percent: int) -> Image.Image:
    """Sharpened as photo software does."""
    return picture.filter(ImageFilter.UnsharpMask(2, percent, 2))


def add_noise(picture: Image.Image, random: Random, deviation: float) -> Image.Image:
    """Sensor noise of so many levels."""
    pixels = np.asarray(picture, np.float32)
    return to_picture(pixels + random.normal(0, deviation, pixels.shape).astype(np.float32))


def smooth(picture: Image.Image, window_px: int) -> Image.Image:
    """Smoothed by a median, as noise removal does."""
    return Image.fromarray(cv2.medianBlur(np.asarray(picture), window_px))


def pixelate(picture: Image.Image, block_px: int) -> Image.Image:
    """In visible blocks, as a small picture enlarged without smoothing."""
    size = (max(1, picture.width // block_px), max(1, picture.height // block_px))
    small = picture.resize(size, Image.Resampling.BOX)
    return small.resize(picture.size, Image.Resampling.NEAREST)


def brighten(picture: Image.Image, factor: float) -> Image.Image:
    """Brighter above 1, darker below."""
    return ImageEnhance.Brightness(picture).enhance(factor)


def change_contrast(picture: Image.Image, factor: float) -> Image.Image:
    """More contrast above 1, less below."""
    return ImageEnhance.Contrast(picture).enhance(factor)


def change_gamma(picture: Image.Image, gamma: float) -> Image.Image:
    """Lighter middle tones below 1, darker above."""
    curve = [round(255 * (level / 255) ** gamma) for level in range(256)]
    return picture.point(curve * 3)


def stretch_levels(picture: Image.Image) -> Image.Image:
    """Levels stretched over the whole range, as "auto contrast" does."""
    return ImageOps.autocontrast(picture, cutoff=2, preserve_tone=True)


def add_vignette(picture: Image.Image, strength: float) -> Image.Image:
    """Darker towards the corners."""
    y, x = np.ogrid[-1 : 1 : complex(picture.height), -1 : 1 : complex(picture.width)]
    kept = 1 - strength * np.clip((x * x + y * y) / 2, 0, 1) ** 1.3
    return to_picture(np.asarray(picture, np.float32) * kept[..., None].astype(np.float32))


# --- orientation and geometry ------------------------------------------------------------------


def corner_fill(picture: Image.Image) -> Colour:
    """The middle colour along the picture's edge."""
    pixels = np.asarray(picture)
    ring = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    red, green, blue = np.median(ring, axis=0)
    return (int(red), int(green), int(blue))


def rotate(picture: Image.Image, angle_deg: float, fill: Colour | None) -> Image.Image:
    """Turned about its middle at equal size; `fill` None continues the pixels of the edge."""
    width, height = picture.size
    return Image.fromarray(
        cv2.warpAffine(
            np.asarray(picture),
            cv2.getRotationMatrix2D((width / 2, height / 2), angle_deg, 1.0),
            (width, height),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE if fill is None else cv2.BORDER_CONSTANT,
            borderValue=fill or BLACK,
        )
    )


def rotate_expanded(picture: Image.Image, angle_deg: float, fill: Colour) -> Image.Image:
    """Turned about its middle, the canvas grown so that nothing is cut off."""
    return picture.rotate(angle_deg, Image.Resampling.BICUBIC, expand=True, fillcolor=fill)


def rotate_and_crop(picture: Image.Image, angle_deg: float) -> Image.Image:
    """Turned, then cut to the largest box of equal proportions without empty corners."""
    angle = math.radians(abs(angle_deg))
    width, height = picture.size
    across = width * math.cos(angle) + height * math.sin(angle)
    down = width * math.sin(angle) + height * math.cos(angle)
    kept = min(width / across, height / down)
    turned = rotate(picture, angle_deg, None)
    return crop(turned, kept, 0.5, 0.5)


def tilt(picture: Image.Image, random: Random, strength: float) -> Image.Image:
    """Seen as if photographed from a print: the far side shrinks by twice the strength."""
    width, height = picture.size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    pull = strength * np.array([width, height], np.float32)
    far = int(random.integers(4))
    moved = corners.copy()
    near_corner, far_corner = corners[far], corners[(far + 1) % 4]
    way = np.sign(far_corner - near_corner)
    inward = np.sign(corners[(far + 2) % 4] - far_corner)
    moved[far] += (way + 0.5 * inward) * pull
    moved[(far + 1) % 4] += (-way + 0.5 * inward) * pull
    matrix = cv2.getPerspectiveTransform(corners, moved)
    return Image.fromarray(
        cv2.warpPerspective(
            np.asarray(picture),
            matrix,
            (width, height),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=corner_fill(picture),
        )
    )


# --- crops -------------------------------------------------------------------------------------


def crop(picture: Image.Image, kept: float, across: float, down: float) -> Image.Image:
    """A box that keeps that share of each side; `across`, `down` place it, 0.5 in the middle."""
    width, height = max(1, round(picture.width * kept)), max(1, round(picture.height * kept))
    left = round((picture.width - width) * across)
    top = round((picture.height - height) * down)
    return picture.crop((left, top, left + width, top + height))


def crop_off_centre(picture: Image.Image, random: Random, kept: float) -> Image.Image:
    """A box as `crop` takes it, towards one of the corners."""
    across, down = random.choice([0.05, 0.95], 2) + random.uniform(-0.05, 0.05, 2)
    return crop(picture, kept, float(across), float(down))


def crop_one_side(picture: Image.Image, random: Random, lost: float) -> Image.Image:
    """Without a share of the width or of the height, all of it at one side."""
    width, height = picture.size
    x, y = round(width * lost), round(height * lost)
    boxes = (
        (x, 0, width, height),
        (0, y, width, height),
        (0, 0, width - x, height),
        (0, 0, width, height - y),
    )
    return picture.crop(boxes[int(random.integers(4))])


def zoom(picture: Image.Image, factor: float, across: float, down: float) -> Image.Image:
    """A part enlarged to the full size."""
    return crop(picture, 1 / factor, across, down).resize(picture.size, Image.Resampling.BICUBIC)


# --- borders -----------------------------------------------------------------------------------


def add_border(
    picture: Image.Image, left: float, top: float, right: float, bottom: float, colour: Colour
) -> Image.Image:
    """A plain border; each width is a share of the picture's longer side."""
    side = max(picture.size)
    edges = tuple(round(side * share) for share in (left, top, right, bottom))
    return ImageOps.expand(picture, (edges[0], edges[1], edges[2], edges[3]), colour)


def add_even_border(picture: Image.Image, width: float, colour: Colour) -> Image.Image:
    """A plain border as wide at every side."""
    return add_border(picture, width, width, width, width, colour)


def add_uneven_border(picture: Image.Image, random: Random, colour: Colour) -> Image.Image:
    """A border whose four widths differ, from nothing to a fifth of the longer side."""
    left, top, right, bottom = (float(width) for width in random.uniform(0.02, 0.2, 4))
    return add_border(picture, left, top, right, bottom, colour)


def add_lined_frame(picture: Image.Image, random: Random) -> Image.Image:
    """A white mount with a coloured line around the picture."""
    return add_even_border(add_even_border(picture, 0.012, pick_colour(random)), 0.06, WHITE)


def letterbox(picture: Image.Image, added: float, colour: Colour) -> Image.Image:
    """Bars that lengthen the shorter side by a share of it, half of it at either end."""
    return _paste_middle(Image.new("RGB", _boxed(picture.size, added), colour), picture)


def letterbox_blurred(picture: Image.Image, added: float) -> Image.Image:
    """As `letterbox`, the bars filled by the picture itself, enlarged and blurred."""
    canvas = fit(picture, _boxed(picture.size, added))
    return _paste_middle(brighten(blur(canvas, max(picture.size) / 28), 0.85), picture)


def _boxed(size: tuple[int, int], added: float) -> tuple[int, int]:
    width, height = size
    if width <= height:
        return round(width * (1 + added)), height
    return width, round(height * (1 + added))


def _paste_middle(canvas: Image.Image, picture: Image.Image) -> Image.Image:
    place = ((canvas.width - picture.width) // 2, (canvas.height - picture.height) // 2)
    canvas.paste(picture, place)
    return canvas


# --- badges and watermarks ---------------------------------------------------------------------


def add_badge(picture: Image.Image, random: Random, share: float) -> Image.Image:
    """A round offer badge in a corner; `share` of the shorter side."""
    badged = picture.copy()
    side = min(picture.size) * share
    gap = min(picture.size) * 0.03
    left = float(random.choice([gap, picture.width - side - gap]))
    top = float(random.choice([gap, picture.height - side - gap]))
    brush = ImageDraw.Draw(badged)
    brush.ellipse((left, top, left + side, top + side), pick_colour(random), WHITE, 3)
    middle = (left + side / 2, top + side / 2)
    text = pick_text(_OFFERS, random)
    brush.multiline_text(middle, text, WHITE, _font(side * 0.2), anchor="mm", align="center")
    return badged


def add_ribbon(picture: Image.Image, random: Random) -> Image.Image:
    """A diagonal ribbon across an upper corner."""
    side = round(min(picture.size) * 0.42)
    layer = Image.new("RGBA", (side * 2, side * 2), (0, 0, 0, 0))
    brush = ImageDraw.Draw(layer)
    half = side * 0.1
    brush.rectangle((0, side - half, side * 2, side + half), (*pick_colour(random), 255))
    text = pick_text(("SPECIAL OFFER", "NEW ARRIVAL", "TOP SELLER"), random)
    brush.text((side, side), text, WHITE, _font(side * 0.12), anchor="mm")
    is_left = bool(random.integers(2))
    layer = layer.rotate(45 if is_left else -45, Image.Resampling.BICUBIC)
    edge = round(side * 0.3)
    place = (edge - side, edge - side) if is_left else (picture.width - edge - side, edge - side)
    ribboned = picture.copy()
    ribboned.paste(layer, place, layer)
    return ribboned


def add_price_tag(picture: Image.Image, random: Random) -> Image.Image:
    """A yellow price tag near a lower corner."""
    tagged = picture.copy()
    width, height = picture.width * 0.3, min(picture.size) * 0.12
    left = float(random.choice([0.03, 0.67])) * picture.width
    top = picture.height * 0.95 - height
    brush = ImageDraw.Draw(tagged)
    box = (left, top, left + width, top + height)
    brush.rounded_rectangle(box, height * 0.2, (255, 214, 10), BLACK, 2)
    price = f"Rs {int(random.integers(90, 9_999)):,}"
    middle = (left + width / 2, top + height / 2)
    brush.text(middle, price, BLACK, _font(min(height * 0.6, width * 0.17)), anchor="mm")
    return tagged


def add_banner(picture: Image.Image, random: Random, share: float) -> Image.Image:
    """A dealer's banner over the upper or lower edge, `share` of the height."""
    bannered = picture.copy()
    height = picture.height * share
    top = float(random.choice([0.0, picture.height - height]))
    brush = ImageDraw.Draw(bannered)
    brush.rectangle((0, top, picture.width, top + height), pick_colour(random))
    size = min(height * 0.42, picture.width * 0.048)
    x, y = picture.width / 2, top + height / 2
    brush.text((x, y - size * 0.6), pick_text(_SHOP_NAMES, random), WHITE, _font(size), anchor="mm")
    claim = pick_text(_CLAIMS, random)
    brush.text((x, y + size * 0.7), claim, (255, 220, 90), _font(size * 0.7), anchor="mm")
    return bannered


def add_text_lines(picture: Image.Image, random: Random) -> Image.Image:
    """Three lines of a product's claims written over one side."""
    written = picture.copy()
    size = min(picture.width * 0.055, picture.height * 0.06)
    left = float(random.choice([0.04, 0.42])) * picture.width
    top = float(random.choice([0.08, 0.62])) * picture.height
    brush = ImageDraw.Draw(written)
    colour = pick_colour(random)
    for line in range(3):
        text = f"* {pick_text(_CLAIMS, random).split(' * ')[0].title()[:22]}"
        place = (left, top + line * size * 1.5)
        brush.text(place, text, colour, _font(size), stroke_width=2, stroke_fill=WHITE)
    return written


def _laid_over(picture: Image.Image, layer: Image.Image) -> Image.Image:
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def add_corner_logo(
    picture: Image.Image, random: Random, share: float, opacity: float
) -> Image.Image:
    """A shop's sign, a ring with initials, in a corner; `share` of the shorter side."""
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    side, gap = min(picture.size) * share, min(picture.size) * 0.04
    left = float(random.choice([gap, picture.width - side - gap]))
    top = float(random.choice([gap, picture.height - side - gap]))
    _draw_logo(layer, (left + side / 2, top + side / 2), side, opacity, random)
    return _laid_over(picture, layer)


def add_centre_logo(
    picture: Image.Image, random: Random, share: float, opacity: float
) -> Image.Image:
    """The same sign over the middle of the picture."""
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    middle = (picture.width / 2, picture.height / 2)
    _draw_logo(layer, middle, min(picture.size) * share, opacity, random)
    return _laid_over(picture, layer)


def _draw_logo(
    layer: Image.Image, middle: tuple[float, float], side: float, opacity: float, random: Random
) -> None:
    x, y = middle
    ink = (*pick_colour(random), round(255 * opacity))
    brush = ImageDraw.Draw(layer)
    ring = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    brush.ellipse(ring, None, ink, max(2, round(side * 0.07)))
    name = pick_text(_SHOP_NAMES, random)
    initials = "".join(word[0] for word in name.split())
    brush.text((x, y - side * 0.06), initials, ink, _font(side * 0.42), anchor="mm")
    brush.text((x, y + side * 0.26), name, ink, _font(side * 0.085), anchor="mm")


def add_line_watermark(
    picture: Image.Image,
    random: Random,
    height_share: float,
    opacity: float,
    angle_deg: float,
) -> Image.Image:
    """A shop's name across the middle; letters of that share of the width."""
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    grey = int(random.choice([255, 120, 40]))
    ink = (grey, grey, grey, round(255 * opacity))
    font = _font(picture.width * height_share)
    middle = (picture.width / 2, picture.height / 2)
    ImageDraw.Draw(layer).text(middle, pick_text(_SHOP_NAMES, random), ink, font, anchor="mm")
    return _laid_over(picture, layer.rotate(angle_deg, Image.Resampling.BICUBIC))


def add_small_text(picture: Image.Image, random: Random, opacity: float) -> Image.Image:
    """A small web address by the lower edge, white with a dark rim."""
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    cover = round(255 * opacity)
    shop = pick_text(_SHOP_NAMES, random).lower().replace(" ", "")
    place = (picture.width * float(random.uniform(0.3, 0.7)), picture.height * 0.95)
    ImageDraw.Draw(layer).text(
        place,
        f"www.{shop}.example",
        (255, 255, 255, cover),
        _font(picture.width * 0.035),
        anchor="mm",
        stroke_width=1,
        stroke_fill=(40, 40, 40, cover),
    )
    return _laid_over(picture, layer)


def tile_watermark(
    picture: Image.Image, random: Random, columns: int, opacity: float, angle_deg: float
) -> Image.Image:
    """A small name repeated over the whole picture."""
    side = round(math.hypot(*picture.size))
    layer = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    grey = int(random.choice([255, 110, 30]))
    ink = (grey, grey, grey, round(255 * opacity))
    step = picture.width / columns
    font = _font(step * 0.14)
    brush = ImageDraw.Draw(layer)
    text = pick_text(_SHOP_NAMES, random)
    down = step * 0.45
    for row in range(int(side / down) + 1):
        shift = 0.5 * (row % 2)
        for column in range(int(side / step) + 1):
            place = ((column + shift) * step, (row + 0.5) * down)
            brush.text(place, text, ink, font, anchor="mm")
    turned = layer.rotate(angle_deg, Image.Resampling.BILINEAR)
    left, top = (side - picture.width) // 2, (side - picture.height) // 2
    box = (left, top, left + picture.width, top + picture.height)
    return _laid_over(picture, turned.crop(box))


def tile_logos(picture: Image.Image, random: Random, columns: int, opacity: float) -> Image.Image:
    """A shop's sign repeated over the whole picture."""
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    step = picture.width / columns
    state = random.integers(2**31)
    for row in range(math.ceil(picture.height / step)):
        for column in range(columns):
            middle = ((column + 0.5) * step, (row + 0.5) * step)
            # The same draw each time: one sign, many times.
            _draw_logo(layer, middle, step * 0.7, opacity, np.random.default_rng(state))
    return _laid_over(picture, layer)


# --- colours -----------------------------------------------------------------------------------


def turn_hue(picture: Image.Image, turn_deg: float) -> Image.Image:
    """Every hue turned round the colour circle."""
    hue, saturation, value = picture.convert("HSV").split()
    moved = hue.point([(level + round(turn_deg * 256 / 360)) % 256 for level in range(256)])
    return Image.merge("HSV", (moved, saturation, value)).convert("RGB")


def saturate(picture: Image.Image, factor: float) -> Image.Image:
    """Stronger colours above 1, paler below."""
    return ImageEnhance.Color(picture).enhance(factor)


def to_grey(picture: Image.Image) -> Image.Image:
    """Without colour."""
    return picture.convert("L").convert("RGB")


def to_sepia(picture: Image.Image) -> Image.Image:
    """In brown, as an old print."""
    mix = np.array(
        [[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]], np.float32
    )
    return to_picture(np.asarray(picture, np.float32) @ mix.T)


def tint(picture: Image.Image, colour: Colour, strength: float) -> Image.Image:
    """Mixed with a colour, as a wrong white balance or a filter does."""
    pixels = np.asarray(picture, np.float32)
    shade = np.array(colour, np.float32) / 255
    return to_picture(pixels * (1 - strength + strength * shade))


def invert(picture: Image.Image) -> Image.Image:
    """As a negative."""
    return ImageOps.invert(picture)


def find_background(picture: Image.Image) -> npt.NDArray[np.bool_]:
    """Where a near-uniform backdrop reaches the edge. Raises NotApplicableError without one."""
    pixels = cv2.medianBlur(np.asarray(picture), 3)
    height, width = pixels.shape[:2]
    mask = np.zeros((height + 2, width + 2), np.uint8)
    tolerance = (_BACKGROUND_TOLERANCE,) * 3
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE | (1 << 8)
    for seed in ((0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)):
        cv2.floodFill(pixels, mask, seed, BLACK, tolerance, tolerance, flags)
    found = mask[1:-1, 1:-1] > 0
    ring = np.concatenate([found[0], found[-1], found[:, 0], found[:, -1]])
    low, high = _BACKGROUND_AREA
    if ring.mean() < _BACKGROUND_EDGE_SHARE or not low <= found.mean() <= high:
        raise NotApplicableError(
            f"no uniform background: {ring.mean():.0%} of the edge and {found.mean():.0%} of the "
            f"area, expected at least {_BACKGROUND_EDGE_SHARE:.0%} and {low:.0%} to {high:.0%}"
        )
    return found


def swap_background(picture: Image.Image, upper: Colour, lower: Colour) -> Image.Image:
    """The goods cut out of a uniform backdrop and laid on a colour that runs into another."""
    goods = np.where(find_background(picture), 0, 255).astype(np.uint8)
    eroded = cv2.erode(goods, np.ones((3, 3), np.uint8))
    mask = Image.fromarray(eroded).filter(ImageFilter.GaussianBlur(0.8))
    rows = np.linspace(0, 1, picture.height, dtype=np.float32)[:, None, None]
    board = np.array(upper, np.float32) * (1 - rows) + np.array(lower, np.float32) * rows
    backdrop = to_picture(np.repeat(board, picture.width, axis=1))
    return Image.composite(picture, backdrop, mask)


# --- composed ----------------------------------------------------------------------------------


def inset(picture: Image.Image, ground: Image.Image, random: Random, share: float) -> Image.Image:
    """The picture smaller, somewhere upon a ground of its own size; `share` of each side."""
    small = resize(picture, share, share)
    canvas = fit(ground, picture.size)
    across, down = random.uniform(0.15, 0.85, 2)
    place = (
        round((canvas.width - small.width) * float(across)),
        round((canvas.height - small.height) * float(down)),
    )
    canvas.paste(small, place)
    return canvas


def plain_ground(picture: Image.Image, colour: Colour) -> Image.Image:
    """One colour, as large as the picture."""
    return Image.new("RGB", picture.size, colour)


def put_beside(picture: Image.Image, other: Image.Image, random: Random) -> Image.Image:
    """Two pictures side by side, in either order, with a white gap."""
    gap = max(2, picture.width // 60)
    board = Image.new("RGB", (picture.width * 2 + gap, picture.height), WHITE)
    pair = [picture, fit(other, picture.size)]
    if random.integers(2):
        pair.reverse()
    board.paste(pair[0], (0, 0))
    board.paste(pair[1], (picture.width + gap, 0))
    return board


def put_above(picture: Image.Image, other: Image.Image, random: Random) -> Image.Image:
    """Two pictures one above the other, in either order."""
    board = Image.new("RGB", (picture.width, picture.height * 2), WHITE)
    pair = [picture, fit(other, picture.size)]
    if random.integers(2):
        pair.reverse()
    board.paste(pair[0], (0, 0))
    board.paste(pair[1], (0, picture.height))
    return board


def put_in_grid(picture: Image.Image, other: Image.Image, random: Random) -> Image.Image:
    """Four cells: the picture in one, the other picture, a part of it and its mirror elsewhere."""
    second = fit(other, picture.size)
    part = crop(second, 0.5, 0.5, 0.5).resize(picture.size, Image.Resampling.BICUBIC)
    cells = [picture, second, part, ImageOps.mirror(second)]
    board = Image.new("RGB", (picture.width * 2, picture.height * 2), WHITE)
    for place, index in enumerate(random.permutation(4)):
        corner = ((place % 2) * picture.width, (place // 2) * picture.height)
        board.paste(cells[int(index)], corner)
    return board
