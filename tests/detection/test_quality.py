"""Quality notes and the figures of the keeper rule, on drawn pictures."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from image_duplication.detection.quality import Quality, assess_quality
from image_duplication.records import QualityNote
from tests.drawn_photos import as_jpeg, draw_photo

WHITE = (255, 255, 255)


def assess(picture: Image.Image, min_side_px: int = 33) -> Quality:
    return assess_quality(
        np.asarray(picture.convert("L")),
        np.asarray(picture.resize((50, 50))),
        min_side_px=min_side_px,
        quantization=None,
    )


def scale(picture: Image.Image, factor: float, resample: Image.Resampling) -> Image.Image:
    return picture.resize((round(picture.width * factor), round(picture.height * factor)), resample)


def pad(picture: Image.Image, border_px: int, colour: tuple[int, int, int]) -> Image.Image:
    framed = Image.new(
        "RGB", (picture.width + 2 * border_px, picture.height + 2 * border_px), colour
    )
    framed.paste(picture, (border_px, border_px))
    return framed


# True resolution ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("quality", [60, 85, 95])
@pytest.mark.parametrize(
    "resample", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS]
)
@pytest.mark.parametrize("factor", [1.3, 1.5, 2.0])
def test_enlarged_copy_has_no_more_detail_than_its_original(
    factor: float, resample: Image.Resampling, quality: int, seed: int
) -> None:
    original = as_jpeg(draw_photo(seed), 88)
    enlarged = as_jpeg(scale(original, factor, resample), quality)
    assert assess(enlarged).detail_px < 1.15 * assess(original).detail_px


def add_noise(picture: Image.Image, deviation: float) -> Image.Image:
    noise = np.random.default_rng(5).normal(0, deviation, (picture.height, picture.width, 1))
    return Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))


def pixelate(picture: Image.Image, block_px: int) -> Image.Image:
    size = (picture.width // block_px, picture.height // block_px)
    return scale(picture.resize(size, Image.Resampling.BOX), block_px, Image.Resampling.NEAREST)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("factor", [1.25, 1.5, 2.0, 2.6, 3.0])
def test_copy_enlarged_by_repeating_pixels_has_no_more_detail(factor: float, seed: int) -> None:
    original = as_jpeg(draw_photo(seed), 88)
    enlarged = as_jpeg(scale(original, factor, Image.Resampling.NEAREST), 90)
    ratio = assess(enlarged).detail_px / assess(original).detail_px
    assert 0.8 < ratio < 1.15


def mask(picture: Image.Image) -> Image.Image:
    return picture.filter(ImageFilter.UnsharpMask(2, 150, 2))


def enhance(picture: Image.Image) -> Image.Image:
    return ImageEnhance.Sharpness(picture).enhance(3)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("sharpen", [mask, enhance])
@pytest.mark.parametrize("resample", [Image.Resampling.BICUBIC, Image.Resampling.LANCZOS])
@pytest.mark.parametrize("factor", [1.5, 2.0])
def test_copy_enlarged_and_sharpened_has_no_more_detail(
    factor: float,
    resample: Image.Resampling,
    sharpen: Callable[[Image.Image], Image.Image],
    seed: int,
) -> None:
    original = as_jpeg(draw_photo(seed), 88)
    enlarged = as_jpeg(sharpen(scale(original, factor, resample)), 90)
    assert assess(enlarged).detail_px < 1.15 * assess(original).detail_px


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("sharpen", [mask, enhance])
@pytest.mark.parametrize("resample", [Image.Resampling.BICUBIC, Image.Resampling.LANCZOS])
@pytest.mark.parametrize("factor", [4 / 3, 8 / 5, 8 / 3])
def test_sharpened_copy_whose_rhythm_is_that_of_jpeg_blocks_does_not_count_as_sharper(
    factor: float,
    resample: Image.Resampling,
    sharpen: Callable[[Image.Image], Image.Image],
    seed: int,
) -> None:
    """The keeper takes copies within a factor of 1.2 for equally sharp."""
    original = as_jpeg(draw_photo(seed), 88)
    enlarged = as_jpeg(sharpen(scale(original, factor, resample)), 90)
    assert assess(enlarged).detail_px < 1.2 * assess(original).detail_px


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("quality", [25, 40, 60, 90])
def test_blocks_of_a_jpeg_file_are_not_taken_for_an_enlargement(quality: int, seed: int) -> None:
    """It would measure below two thirds then; saving at so low a quality takes up to a fifth."""
    photo = draw_photo(seed)
    assert assess(as_jpeg(photo, quality)).detail_px > 0.75 * assess(photo).detail_px


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("deviation", [3, 6, 10])
def test_copy_enlarged_and_made_noisy_has_no_more_detail(deviation: float, seed: int) -> None:
    original = as_jpeg(draw_photo(seed), 88)
    enlarged = scale(original, 2.0, Image.Resampling.BICUBIC)
    noisy = as_jpeg(add_noise(enlarged, deviation), 90)
    assert assess(noisy).detail_px < 1.15 * assess(original).detail_px


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("block_px", [2, 4, 8])
def test_pixelated_copy_has_the_detail_of_its_blocks(block_px: int, seed: int) -> None:
    original = as_jpeg(draw_photo(seed), 88)
    pixelated = as_jpeg(pixelate(original, block_px), 90)
    ratio = assess(pixelated).detail_px / assess(original).detail_px
    assert ratio == pytest.approx(1 / block_px, rel=0.3)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    "doctor",
    [mask, enhance, lambda picture: add_noise(picture, 3), lambda picture: add_noise(picture, 6)],
    ids=["unsharp mask", "sharpness", "slight noise", "noise"],
)
def test_sharpening_and_noise_at_the_size_itself_add_less_than_half(
    doctor: Callable[[Image.Image], Image.Image], seed: int
) -> None:
    original = as_jpeg(draw_photo(seed), 88)
    doctored = as_jpeg(doctor(original), 90)
    assert assess(doctored).detail_px < 1.5 * assess(original).detail_px


@pytest.mark.parametrize("deviation", [0, 3])
def test_notes_do_not_depend_on_how_a_picture_was_enlarged(deviation: float) -> None:
    """The note is of what is seen: a picture out of focus that is sharp again is none."""
    soft = scale(draw_photo(), 3.0, Image.Resampling.BICUBIC)
    assert assess(soft).notes == (QualityNote.BLURRED,)
    pixelated = add_noise(pixelate(draw_photo(), 2), deviation)
    assert assess(pixelated).notes == ()


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("factor", [0.5, 0.7, 0.8])
def test_reduced_copy_has_less_detail_in_proportion(factor: float, seed: int) -> None:
    original = as_jpeg(draw_photo(seed), 88)
    reduced = as_jpeg(scale(original, factor, Image.Resampling.LANCZOS), 88)
    ratio = assess(reduced).detail_px / assess(original).detail_px
    assert ratio == pytest.approx(factor, rel=0.1)


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_saving_again_leaves_the_detail(quality: int) -> None:
    original = draw_photo()
    ratio = assess(as_jpeg(original, quality)).detail_px / assess(original).detail_px
    assert ratio == pytest.approx(1.0, abs=0.1)


def test_detail_is_at_most_the_size() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    assert assess(Image.fromarray(noise)).detail_px == 300


def test_detail_of_large_pictures_is_taken_from_their_middle() -> None:
    large = draw_photo(1, 1_400, 1_100)
    assert 0.5 * 1_400 < assess(large).detail_px <= 1_400


@pytest.mark.parametrize("radius", [1.5, 3.0, 6.0])
def test_picture_out_of_focus_is_noted_as_blurred_and_stays_usable(radius: float) -> None:
    blurred = draw_photo().filter(ImageFilter.GaussianBlur(radius))
    assert assess(blurred).notes == (QualityNote.BLURRED,)
    assert assess(blurred).is_usable
    assert assess(draw_photo()).notes == ()


def test_small_picture_is_not_called_blurred() -> None:
    soft = draw_photo().resize((90, 300)).filter(ImageFilter.GaussianBlur(3))
    assert assess(soft).notes == ()


# Compression --------------------------------------------------------------------------------------


def test_compression_is_the_mean_of_the_files_own_table() -> None:
    tables = {1: [9] * 64, 0: [2] * 32 + [4] * 32}
    photo = draw_photo()
    quality = assess_quality(
        np.asarray(photo.convert("L")),
        np.asarray(photo.resize((50, 50))),
        min_side_px=33,
        quantization=tables,
    )
    assert quality.compression == 3.0
    assert not quality.is_compression_estimated


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_compression_is_estimated_from_pixels_without_a_table(seed: int) -> None:
    photo = draw_photo(seed)
    lossless = assess(photo)
    lossy = [assess(as_jpeg(photo, quality)) for quality in (90, 75, 50, 30)]
    figures = [lossless.compression, *(one.compression for one in lossy)]
    assert figures == sorted(figures)
    assert figures[0] < 8
    assert figures[-1] > 40
    assert all(one.is_compression_estimated for one in lossy)


def test_compression_is_seen_when_the_blocks_are_no_longer_at_the_edge() -> None:
    photo = as_jpeg(draw_photo(), 40)
    assert assess(photo.crop((3, 5, 403, 345))).compression == pytest.approx(
        assess(photo).compression, rel=0.3
    )


# Borders ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("colour", [WHITE, (0, 0, 0), (30, 90, 200)])
@pytest.mark.parametrize("border_px", [20, 60, 120])
def test_border_share_is_that_of_the_plain_frame(
    border_px: int, colour: tuple[int, int, int]
) -> None:
    photo = draw_photo()
    framed = as_jpeg(pad(photo, border_px, colour), 85)
    share = 1 - photo.width * photo.height / (framed.width * framed.height)
    assert assess(framed).border_share == pytest.approx(share, abs=0.03)


def test_frame_within_a_margin_is_border_too() -> None:
    photo = draw_photo()
    framed = pad(pad(photo, 40, (200, 30, 30)), 40, WHITE)
    share = 1 - photo.width * photo.height / (framed.width * framed.height)
    assert assess(framed).border_share == pytest.approx(share, abs=0.03)


def test_photo_that_fills_its_frame_has_no_border() -> None:
    assert assess(draw_photo()).border_share == 0.0


def test_heavy_border_is_noted_and_leaves_the_picture_usable() -> None:
    heavy = assess(pad(draw_photo(1, 200, 200), 150, WHITE))
    assert heavy.notes == (QualityNote.HEAVY_BORDER,)
    assert heavy.is_usable
    assert assess(pad(draw_photo(1, 200, 200), 80, WHITE)).notes == ()


# Blank pictures and placeholders ------------------------------------------------------------------


@pytest.mark.parametrize("size", [(33, 33), (60, 60), (420, 420), (1_000, 300)])
@pytest.mark.parametrize("colour", [WHITE, (0, 0, 0), (20, 200, 90)])
def test_picture_of_one_colour_is_blank(
    colour: tuple[int, int, int], size: tuple[int, int]
) -> None:
    quality = assess(Image.new("RGB", size, colour))
    assert quality.notes == (QualityNote.BLANK,)
    assert not quality.is_usable
    assert quality.detail_px == 0.0


def test_picture_of_codec_noise_alone_is_blank() -> None:
    noise = np.random.default_rng(1).integers(250, 254, (60, 60, 3), dtype=np.uint8)
    assert QualityNote.BLANK in assess(Image.fromarray(noise)).notes


def test_picture_with_two_colours_of_one_grey_is_not_blank() -> None:
    samples = np.full((200, 200, 3), (200, 60, 60), np.uint8)
    samples[:, 100:] = (60, 124, 90)
    greys = np.asarray(Image.fromarray(samples).convert("L"))
    assert np.ptp(greys) < 4
    assert QualityNote.BLANK not in assess(Image.fromarray(samples)).notes


def draw_notice(
    text: str,
    ink: tuple[int, int, int],
    background: tuple[int, int, int],
    size: tuple[int, int] = (420, 420),
    *,
    has_icon: bool = False,
) -> Image.Image:
    notice = Image.new("RGB", size, background)
    brush = ImageDraw.Draw(notice)
    font = ImageFont.load_default(size=round(0.08 * size[0]))
    middle = (size[0] / 2, size[1] / 2)
    brush.multiline_text(middle, text, font=font, fill=ink, anchor="mm", align="center")
    if has_icon:
        x, y, side = size[0] / 2, 0.3 * size[1], 0.1 * size[0]
        brush.rectangle((x - side, y - side, x + side, y + side), outline=ink, width=4)
    return notice


@pytest.mark.parametrize("quality", [None, 85])
@pytest.mark.parametrize(
    "notice",
    [
        draw_notice("No image available", (120, 120, 120), (238, 238, 238)),
        draw_notice("NO IMAGE", (0, 0, 0), WHITE, (640, 480)),
        draw_notice("Image\ncoming soon", (255, 255, 255), (90, 110, 140), (1_200, 1_200)),
        draw_notice("No photo", (170, 170, 170), (245, 245, 245), has_icon=True),
        draw_notice("Photo not found", (200, 0, 0), WHITE, (300, 300), has_icon=True),
    ],
    ids=["grey", "black", "white on blue", "with an icon", "red"],
)
def test_notice_in_place_of_a_picture_is_a_placeholder(
    notice: Image.Image, quality: int | None
) -> None:
    assessed = assess(as_jpeg(notice, quality) if quality else notice)
    assert QualityNote.PLACEHOLDER in assessed.notes
    assert not assessed.is_usable


def draw_disc(brush: ImageDraw.ImageDraw) -> None:
    brush.ellipse((160, 160, 260, 260), fill=(20, 20, 20))


def draw_ball(brush: ImageDraw.ImageDraw) -> None:
    for step in range(60):
        brush.ellipse((150 + step, 150 + step, 270 - step, 270 - step), fill=(4 * step,) * 3)


def draw_beads(brush: ImageDraw.ImageDraw) -> None:
    for x, step in itertools.product(range(60, 360, 25), range(10)):
        box = (x + step, 200 + step, x + 20 - step, 220 - step)
        brush.ellipse(box, fill=(60 + 15 * step,) * 3)


def draw_shirt(brush: ImageDraw.ImageDraw) -> None:
    for number, x in enumerate(range(80, 340, 10)):
        brush.rectangle((x, 60, x + 9, 360), fill=(40, 40, 120) if number % 2 else (220,) * 3)


def draw_ruler(brush: ImageDraw.ImageDraw) -> None:
    brush.rectangle((40, 190, 380, 230), fill=(230, 200, 90))
    for x in range(50, 380, 10):
        brush.line((x, 190, x, 205), fill=(0, 0, 0))


@pytest.mark.parametrize("draw", [draw_disc, draw_ball, draw_beads, draw_shirt, draw_ruler])
def test_plain_goods_on_white_are_no_placeholder(
    draw: Callable[[ImageDraw.ImageDraw], None],
) -> None:
    picture = Image.new("RGB", (420, 420), WHITE)
    draw(ImageDraw.Draw(picture))
    assert assess(as_jpeg(picture, 85)).is_usable


# Sizes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width_px", "height_px", "is_too_small"),
    [(33, 33, False), (32, 400, True), (400, 32, True), (34, 33, False)],
)
def test_picture_below_the_least_side_is_too_small(
    width_px: int, height_px: int, is_too_small: bool
) -> None:
    quality = assess(draw_photo().resize((width_px, height_px)))
    assert (QualityNote.TOO_SMALL in quality.notes) is is_too_small
    assert quality.is_usable is not is_too_small


@settings(deadline=None, database=None, max_examples=60)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31))
def test_tiny_picture_of_any_shape_is_assessed(width_px: int, height_px: int, seed: int) -> None:
    samples = np.random.default_rng(seed).integers(0, 256, (height_px, width_px, 3), np.uint8)
    quality = assess(Image.fromarray(samples))
    assert 0 <= quality.detail_px <= max(width_px, height_px)
    assert quality.compression >= 0
    assert 0 <= quality.border_share <= 1


@pytest.mark.parametrize("size", [(1, 5_000), (5_000, 1), (3, 4_000), (4_000, 40)])
def test_strip_is_assessed(size: tuple[int, int]) -> None:
    strip = draw_photo().resize(size)
    assert 0 <= assess(strip).detail_px <= max(size)


def test_quality_is_the_same_on_every_run_and_of_any_memory_layout() -> None:
    samples = np.asarray(draw_photo().convert("L"))
    colour = np.asarray(draw_photo().resize((50, 50)))
    turned = np.rot90(np.rot90(samples, 1).copy(), -1)
    assert not turned.flags.c_contiguous
    expected = assess_quality(samples, colour, min_side_px=33, quantization=None)
    for same in (turned, samples.copy()):
        assert assess_quality(same, colour, min_side_px=33, quantization=None) == expected


def test_ruled_page_has_more_detail_than_its_reduced_copy() -> None:
    """Its lines have a rhythm, as repeated pixels have."""
    page = Image.new("RGB", (800, 800), "white")
    brush = ImageDraw.Draw(page)
    for row in range(0, 800, 50):
        brush.line((0, row, 800, row), "black", 3)
        for column in range(0, 800, 160):
            brush.line((column, 0, column, 800), "black", 3)
            brush.text((column + 20, row + 15), f"{row + column}", "black", font_size=22)

    whole, half = (
        assess(picture).detail_px for picture in (page, scale(page, 0.5, Image.Resampling.BOX))
    )

    assert whole > 1.5 * half
