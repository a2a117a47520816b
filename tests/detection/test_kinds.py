from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from image_duplication.detection.evidence import PairEvidence
from image_duplication.detection.kinds import name_kinds
from image_duplication.detection.transforms import describe_transform
from image_duplication.records import Kind
from tests.drawn_photos import as_jpeg, draw_photo
from tests.matches import align_pictures

Change = Callable[[Image.Image], Image.Image]


def _name(first: Image.Image, second: Image.Image) -> frozenset[Kind]:
    pair = align_pictures(first, second)
    assert pair.alignment is not None
    return name_kinds(pair, describe_transform(pair, pair.alignment))


def _crop(kept: float) -> Change:
    def crop(picture: Image.Image) -> Image.Image:
        across, down = (round(side * (1 - kept) / 2) for side in picture.size)
        return picture.crop((across, down, picture.width - across, picture.height - down))

    return crop


def _inset(picture: Image.Image) -> Image.Image:
    ground = draw_photo(seed=9, width_px=picture.width, height_px=picture.height)
    ground.paste(ImageOps.scale(picture, 0.6), (60, 40))
    return ground


def _beside(picture: Image.Image) -> Image.Image:
    board = Image.new("RGB", (picture.width * 2 + 8, picture.height), "white")
    board.paste(picture)
    other = draw_photo(seed=9, width_px=picture.width, height_px=picture.height)
    board.paste(other, (picture.width + 8, 0))
    return board


def _badge(picture: Image.Image) -> Image.Image:
    badged = picture.copy()
    brush = ImageDraw.Draw(badged)
    brush.ellipse((10, 10, 110, 110), (200, 30, 60), "white", 3)
    brush.text((60, 60), "20%\nOFF", "white", anchor="mm", font_size=24)
    return badged


def _banner(picture: Image.Image) -> Image.Image:
    bannered = picture.copy()
    brush = ImageDraw.Draw(bannered)
    brush.rectangle((0, picture.height - 60, picture.width, picture.height), (20, 70, 120))
    brush.text((20, picture.height - 45), "CITY SUPPLY 1800 000 000", "white", font_size=24)
    return bannered


def _faint_text(picture: Image.Image) -> Image.Image:
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    brush = ImageDraw.Draw(layer)
    brush.text((40, 150), "BHARAT TRADERS", (255, 255, 255, 110), font_size=40)
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def _hue(picture: Image.Image) -> Image.Image:
    hue, saturation, value = picture.convert("HSV").split()
    turned = hue.point([(level + 60) % 256 for level in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def _vignette(picture: Image.Image) -> Image.Image:
    y, x = np.ogrid[-1 : 1 : complex(picture.height), -1 : 1 : complex(picture.width)]
    kept = 1 - 0.25 * (x * x + y * y)
    return Image.fromarray((np.asarray(picture) * kept[..., None]).astype(np.uint8))


def _gamma(picture: Image.Image) -> Image.Image:
    return picture.point([round(255 * (level / 255) ** 1.5) for level in range(256)] * 3)


SAME, TURNED, CROPPED = {Kind.SAME_PICTURE}, {Kind.TRANSFORMED}, {Kind.CROPPED}
BORDERED, OVERLAID, RECOLOURED = {Kind.BORDERED}, {Kind.OVERLAID}, {Kind.RECOLOURED}

CHANGES: list[tuple[str, Change, set[Kind]]] = [
    ("saved again", lambda it: as_jpeg(it, 40).convert("RGB"), SAME),
    ("half the size", lambda it: ImageOps.scale(it, 0.5), SAME),
    ("blurred", lambda it: it.filter(ImageFilter.GaussianBlur(1.5)), SAME),
    ("brighter", lambda it: ImageEnhance.Brightness(it).enhance(1.1), SAME),
    ("darker", lambda it: ImageEnhance.Brightness(it).enhance(0.65), SAME),
    ("more contrast", lambda it: ImageEnhance.Contrast(it).enhance(1.4), SAME),
    ("gamma", _gamma, SAME),
    ("vignette", _vignette, SAME),
    ("mirrored", ImageOps.mirror, TURNED),
    ("quarter turn", lambda it: it.transpose(Image.Transpose.ROTATE_90), TURNED),
    ("5 degrees", lambda it: it.rotate(5, Image.Resampling.BICUBIC, fillcolor="white"), TURNED),
    (
        "10 degrees on a grown canvas",
        lambda it: it.rotate(10, Image.Resampling.BICUBIC, expand=True, fillcolor="white"),
        TURNED,
    ),
    ("cropped by 10%", _crop(0.9), CROPPED),
    ("cropped by 20%", _crop(0.8), CROPPED),
    ("half of each side", _crop(0.5), CROPPED),
    ("white border", lambda it: ImageOps.expand(it, 30, "white"), BORDERED),
    ("blue border", lambda it: ImageOps.expand(it, 50, (18, 73, 122)), BORDERED),
    (
        "white mount with a line",
        lambda it: ImageOps.expand(ImageOps.expand(it, 5, "red"), 25, "white"),
        BORDERED,
    ),
    ("bars", lambda it: ImageOps.pad(it, (it.width, 520), color="black"), BORDERED),
    ("badge", _badge, OVERLAID),
    ("banner", _banner, OVERLAID),
    ("faint text", _faint_text, OVERLAID),
    ("hue", _hue, RECOLOURED),
    ("grey", lambda it: it.convert("L").convert("RGB"), RECOLOURED),
    ("inverted", ImageOps.invert, RECOLOURED),
    ("inset", _inset, {Kind.COMPOSED}),
    ("side by side", _beside, {Kind.COMPOSED}),
    ("mirrored with a badge", lambda it: _badge(ImageOps.mirror(it)), TURNED | OVERLAID),
    (
        "badge within a border",
        lambda it: ImageOps.expand(_badge(it), 30, "black"),
        BORDERED | OVERLAID,
    ),
    ("grey crop", lambda it: _crop(0.8)(it.convert("L").convert("RGB")), CROPPED | RECOLOURED),
]


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return draw_photo()


@pytest.mark.parametrize(
    ("change", "expected"), [pytest.param(it[1], it[2], id=it[0]) for it in CHANGES]
)
def test_kinds_name_what_was_done_in_either_order(
    photo: Image.Image, change: Change, expected: set[Kind]
) -> None:
    changed = change(photo)

    assert _name(photo, changed) == expected
    assert _name(changed, photo) == expected


def _goods_on(backdrop: tuple[int, int, int]) -> Image.Image:
    """Goods that stay clear of the picture's edge."""
    canvas = Image.new("RGB", (420, 360), backdrop)
    goods = draw_photo(seed=3, width_px=260, height_px=220)
    mask = Image.new("L", goods.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, 259, 219), 50, 255)
    canvas.paste(goods, (80, 70), mask)
    return canvas


def test_kinds_call_another_backdrop_recoloured() -> None:
    white, blue = _goods_on((255, 255, 255)), _goods_on((90, 140, 200))

    assert _name(white, blue) == RECOLOURED


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(lambda it: ImageOps.expand(it, 40, "white"), BORDERED, id="all around"),
        pytest.param(lambda it: ImageOps.pad(it, (420, 500), color="white"), BORDERED, id="bars"),
        pytest.param(lambda it: it.crop((50, 0, 420, 360)), CROPPED, id="cut at one side"),
        pytest.param(lambda it: it.crop((120, 100, 420, 360)), CROPPED, id="cut through the goods"),
    ],
)
def test_kinds_tell_border_from_crop_when_the_backdrop_goes_on(
    change: Change, expected: set[Kind]
) -> None:
    white = _goods_on((255, 255, 255))

    assert _name(white, change(white)) == expected


def test_kinds_say_identical_alone_when_the_bytes_are_equal(photo: Image.Image) -> None:
    pair = align_pictures(photo, photo)
    identical = PairEvidence(
        **{name: getattr(pair, name) for name in pair.__slots__} | {"is_same_content": True}
    )

    assert name_kinds(identical, None) == {Kind.IDENTICAL}


def test_picture_beside_its_own_mirror_image_is_composed_in_either_order() -> None:
    photo = draw_photo(1, 300, 280)
    paired = Image.new("RGB", (600, 280))
    paired.paste(photo, (0, 0))
    paired.paste(ImageOps.mirror(photo), (300, 0))
    for kinds in (_name(photo, paired), _name(paired, photo)):
        assert Kind.COMPOSED in kinds
        assert Kind.CROPPED not in kinds
