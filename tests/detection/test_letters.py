"""What is written on two pages in one layout, and which pictures are pages at all."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from demo.drawing import draw
from demo.goods import CATEGORIES, Category, make_product
from demo.modifications import add_badge, tile_watermark
from image_duplication.detection import Match, compare_pictures, describe_picture, judge_pairs
from image_duplication.detection.letters import is_page, measure_letters_unlike
from image_duplication.records import Engine
from image_duplication.settings import DetectionSettings
from tests.drawn_photos import as_jpeg, draw_photo

Change = Callable[[Image.Image], Image.Image]

INK = (20, 20, 20)
LIMIT = DetectionSettings().aligned.most_letters_unlike


def write(brush: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size_px: int) -> None:
    brush.text(at, text, INK, ImageFont.load_default(size_px), anchor="mm")


def draw_chart(seed: int) -> Image.Image:
    random = np.random.default_rng(seed)
    page = Image.new("RGB", (640, 640), "white")
    brush = ImageDraw.Draw(page)
    write(brush, (320, 50), "SIZE CHART", 40)
    for row in range(6):
        for column in range(4):
            box = (20 + column * 150, 100 + row * 85, 170 + column * 150, 185 + row * 85)
            brush.rectangle(box, (205, 215, 240) if row == 0 else "white", INK, 2)
            figure = ("Size", "Chest", "Waist", "Length")[column] if row == 0 else "SMLXY"[row - 1]
            if row and column:
                figure = str(random.integers(40, 100))
            write(brush, (box[0] + 75, box[1] + 42), figure, 26)
    return page


def draw_label(seed: int) -> Image.Image:
    random = np.random.default_rng(seed)
    page = Image.new("RGB", (400, 620), "white")
    brush = ImageDraw.Draw(page)
    brush.rectangle((8, 8, 392, 612), None, INK, 4)
    write(brush, (110, 45), "Nutrition", 40)
    for line, name in enumerate(("Energy", "Protein", "Fat", "Sugars", "Fibre", "Iron", "Salt")):
        y = 120 + line * 70
        brush.line((20, y - 30, 380, y - 30), INK, 2)
        write(brush, (80, y), name, 24)
        write(brush, (330, y), f"{random.integers(1, 99)}.{random.integers(10)} g", 24)
    return page


def draw_plaque(seed: int) -> Image.Image:
    page = Image.new("RGB", (520, 520), "white")
    brush = ImageDraw.Draw(page)
    brush.ellipse((60, 60, 460, 460), (200, 30, 30), INK, 12)
    number = str(np.random.default_rng(seed).integers(10, 100))
    brush.text((260, 260), number, "white", ImageFont.load_default(110), anchor="mm")
    return page


def draw_certificate(word: str, size_px: int = 80) -> Image.Image:
    """A sheet of small print about one large word."""
    page = Image.new("RGB", (560, 720), (252, 250, 242))
    brush = ImageDraw.Draw(page)
    brush.rectangle((14, 14, 546, 706), None, INK, 7)
    write(brush, (280, 86), "CERTIFICATE OF TEST", 36)
    write(brush, (280, 300), word, size_px)
    for line, text in enumerate(
        ("This is to certify that it", "complies with all rules", "Signed")
    ):
        write(brush, (280, 440 + line * 70), text, 26)
    return page


DESIGNS = {"chart": draw_chart, "label": draw_label, "plaque": draw_plaque}
CHART = draw_chart(1)


def reduce(picture: Image.Image) -> np.ndarray:
    small = ImageOps.contain(picture.convert("L"), (320, 320), Image.Resampling.BOX)
    return np.asarray(small)


def judge(first: Image.Image, second: Image.Image, *engines: Engine) -> list[Match]:
    settings = DetectionSettings(engines=engines or tuple(Engine))
    described = [
        describe_picture(picture, name, settings, min_side_px=33)
        for name, picture in (("a", first), ("b", second))
    ]
    return judge_pairs(compare_pictures(described, settings), settings)


# Which pictures are pages -------------------------------------------------------------------------


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("quality", [95, 75])
def test_line_art_and_lettering_are_a_page(design: str, quality: int) -> None:
    page = DESIGNS[design](1)
    assert is_page(reduce(as_jpeg(page, quality)))
    assert is_page(reduce(ImageOps.invert(page)))


def test_photos_are_no_page() -> None:
    assert not is_page(reduce(draw_photo(1)))
    on_white = Image.new("RGB", (640, 640), "white")
    on_white.paste(draw_photo(2, 240, 240), (200, 200))
    assert not is_page(reduce(on_white))


@pytest.mark.parametrize("category", CATEGORIES, ids=lambda category: category.slug)
def test_drawn_goods_are_no_page(category: Category) -> None:
    product = make_product(category, 0, 7)
    shot = product.shots[0]
    parts = product.laid if shot.is_laid else product.parts
    assert not is_page(reduce(draw(parts, shot.view, product.studio, 320)))


def test_goods_with_a_label_are_no_page() -> None:
    labelled = draw_photo(3, 480, 480)
    labelled.paste(draw_label(1).resize((120, 186)), (180, 140))
    assert not is_page(reduce(labelled))


def test_grain_and_a_tiny_picture_are_no_page() -> None:
    grain = np.random.default_rng(1).integers(0, 256, (320, 320)).astype(np.uint8)
    assert not is_page(grain)
    assert not is_page(np.full((320, 40), 255, np.uint8))


# What they say ------------------------------------------------------------------------------------


def compare(first: Image.Image, second: Image.Image, *, sign: float = 1.0) -> float:
    here, there = (reduce(page).astype(np.float32) for page in (first, second))
    return measure_letters_unlike(here, there, np.ones_like(here), sign=sign)


@pytest.mark.parametrize("design", DESIGNS)
def test_other_figures_in_one_layout_are_unlike(design: str) -> None:
    first, second = DESIGNS[design](1), DESIGNS[design](2)
    assert compare(first, second) > LIMIT
    assert compare(first, second) == pytest.approx(compare(second, first), rel=0.1)
    assert compare(first, ImageOps.invert(second), sign=-1.0) > LIMIT


@pytest.mark.parametrize("design", DESIGNS)
def test_a_page_is_like_itself(design: str) -> None:
    page = DESIGNS[design](1)
    assert compare(page, page) == 0
    assert compare(page, as_jpeg(page, 40)) == 0
    assert compare(page, ImageOps.invert(page), sign=-1.0) == 0


def test_letters_a_pixel_apart_are_alike() -> None:
    shifted = CHART.transform(CHART.size, Image.Transform.AFFINE, (1, 0, 2, 0, 1, -2))
    assert compare(CHART, shifted) == 0


def test_letters_outside_the_overlap_do_not_count() -> None:
    here, there = (reduce(page).astype(np.float32) for page in (CHART, draw_chart(2)))
    inside = np.zeros_like(here)
    assert measure_letters_unlike(here, there, inside) == 0
    inside[:70] = 1  # heading and table head
    assert measure_letters_unlike(here, there, inside) == 0


# Judged -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("design", DESIGNS)
def test_pages_in_one_layout_are_different_pictures(design: str) -> None:
    assert judge(DESIGNS[design](1), DESIGNS[design](2)) == []


@pytest.mark.parametrize("size_px", [50, 70, 90, 110])
@pytest.mark.parametrize("words", [("MANGO", "LEMON"), ("TABLE", "VICE")])
def test_pages_that_differ_in_one_word_are_different_however_large(
    words: tuple[str, str], size_px: int
) -> None:
    first, second = (draw_certificate(word, size_px) for word in words)
    assert judge(as_jpeg(first, 85), as_jpeg(second, 75)) == []


@pytest.mark.parametrize("fill", ["crimson", "gold", "black"])
def test_badge_over_lettering_is_no_other_word(fill: str) -> None:
    page, stamped = draw_certificate("MANGO"), draw_certificate("MANGO")
    brush = ImageDraw.Draw(stamped)
    brush.rectangle((60, 400, 260, 530), fill)
    font = ImageFont.load_default(56)
    brush.text((160, 465), "SALE", "black" if fill == "gold" else "white", font, anchor="mm")
    (match,) = judge(as_jpeg(page, 85), as_jpeg(stamped, 85))
    assert match.is_duplicate


@pytest.mark.parametrize(
    "change",
    [
        lambda page: as_jpeg(page, 50),
        lambda page: page.resize((410, 410), Image.Resampling.BILINEAR),
        lambda page: page.crop((30, 20, 630, 620)),
        lambda page: page.rotate(90),
        lambda page: ImageOps.expand(page, 40, "navy"),
        lambda page: ImageEnhance.Brightness(page).enhance(0.8),
        ImageOps.invert,
        add_badge,
        tile_watermark,
    ],
    ids=[
        "saved again",
        "resized",
        "cropped",
        "turned",
        "bordered",
        "darkened",
        "inverted",
        "badge",
        "watermark",
    ],
)
def test_changed_page_is_found(change: Change) -> None:
    (match,) = judge(CHART, change(CHART))
    assert match.is_duplicate


def test_difpy_matches_charts_alone_but_not_beside_engines_that_read_them() -> None:
    settings = DetectionSettings(engines=(Engine.DIFPY,))
    first, second = DESIGNS["label"](1), DESIGNS["label"](1).copy()
    for line in range(7):  # small figures, which 50 pixels do not resolve
        ImageDraw.Draw(second).rectangle((280, 100 + line * 70, 380, 140 + line * 70), "white")
        write(ImageDraw.Draw(second), (330, 120 + line * 70), f"{87 - line}.3 g", 24)
    loose = settings.difpy.model_copy(update={"similarity_mse": 200.0})
    described = DetectionSettings(difpy=loose)
    pictures = [
        describe_picture(picture, name, described, min_side_px=33)
        for name, picture in (("a", first), ("b", second))
    ]
    evidence = compare_pictures(pictures, described)
    assert judge_pairs(evidence, settings.model_copy(update={"difpy": loose}))
    assert judge_pairs(evidence, described) == []


def test_saving_again_changes_no_verdict_about_pages() -> None:
    sink = io.BytesIO()
    draw_chart(2).save(sink, "JPEG", quality=60)
    assert judge(as_jpeg(CHART, 85), Image.open(sink).convert("RGB")) == []
