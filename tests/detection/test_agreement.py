"""How well two pictures agree where one is laid over the other."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from demo.modifications import add_badge, brighten, tile_watermark, turn_hue
from image_duplication.detection.agreement import (
    NO_CUTOUT,
    Cutout,
    correlate,
    describe_alignment,
    edges_kept,
    find_goods,
    measure_cutout,
    measure_goods,
    overlap_of,
    weigh,
)
from image_duplication.detection.differences import measure_steepness
from image_duplication.detection.evidence import Alignment
from image_duplication.detection.looks import Look, look_at
from tests.drawn_photos import draw_photo

SIDE_PX = 320
PHOTO = draw_photo(3, SIDE_PX, SIDE_PX)
OTHER = draw_photo(4, SIDE_PX, SIDE_PX)
SAME = np.eye(3)


def look(picture: Image.Image) -> Look:
    small = picture.resize((50, 50), Image.Resampling.BICUBIC)
    return look_at(np.asarray(picture.convert("L")), np.asarray(small))


def lay(first: Image.Image, second: Image.Image, homography: np.ndarray = SAME) -> Alignment:
    looks = look(first), look(second)
    overlap = overlap_of(*looks, homography)
    assert overlap is not None
    return describe_alignment(*looks, homography, 0, overlap)


def crop_to(left: int, top: int, right: int, bottom: int) -> tuple[Image.Image, np.ndarray]:
    """A part of the photo, too small to be reduced, and the way from the photo to it."""
    return PHOTO.crop((left, top, right, bottom)), np.array(
        [[1.0, 0, -left], [0, 1.0, -top], [0, 0, 1.0]]
    )


# The overlap --------------------------------------------------------------------------------------


def test_overlap_of_a_picture_with_itself_is_all_of_it() -> None:
    overlap = overlap_of(look(PHOTO), look(PHOTO), SAME)
    assert overlap is not None
    assert overlap.share_of_first > 0.97
    assert overlap.share_of_second > 0.97
    assert np.array_equal(overlap.first, overlap.second)
    assert overlap.first.shape == overlap.inside.shape == (128, 128)


def test_overlap_with_a_part_is_a_share_of_one_and_all_of_the_other() -> None:
    part, way = crop_to(40, 60, 240, 260)
    overlap = overlap_of(look(PHOTO), look(part), way)
    assert overlap is not None
    assert overlap.share_of_first == pytest.approx(200 * 200 / 320**2, abs=0.02)
    assert overlap.share_of_second > 0.97
    inside = overlap.inside > 0
    assert np.abs(overlap.first - overlap.second)[inside].max() <= 2


def test_overlap_shows_each_picture_at_the_size_of_the_frame() -> None:
    """A copy of half the size is compared at the size that both have detail for."""
    half = PHOTO.resize((160, 160), Image.Resampling.BOX)
    way = np.diag((0.5, 0.5, 1.0))
    overlap = overlap_of(look(PHOTO), look(half), way)
    assert overlap is not None
    assert np.abs(overlap.first - overlap.second)[4:-4, 4:-4].mean() < 4


@pytest.mark.parametrize(
    "homography",
    [
        np.array([[1.0, 0, 200], [0, 1.0, 200], [0, 0, 1.0]]),
        np.array([[1.0, 0, 900], [0, 1.0, 0], [0, 0, 1.0]]),
        np.diag((50.0, 50.0, 1.0)),
        np.diag((1.0, 0.0, 1.0)),
        np.zeros((3, 3)),
    ],
    ids=["corners alone", "beside", "a dot enlarged", "flattened", "nothing"],
)
def test_pictures_that_hardly_meet_have_no_overlap(homography: np.ndarray) -> None:
    assert overlap_of(look(PHOTO), look(OTHER), homography) is None


# Correlation --------------------------------------------------------------------------------------


def weigh_pair(first: Image.Image, second: Image.Image) -> float:
    overlap = overlap_of(look(first), look(second), SAME)
    assert overlap is not None
    return weigh(correlate(overlap, 9))


def test_correlation_is_1_of_equal_pictures_and_minus_1_of_inverted_ones() -> None:
    assert weigh_pair(PHOTO, PHOTO) > 0.95
    assert weigh_pair(PHOTO, ImageOps.invert(PHOTO)) < -0.9
    assert abs(weigh_pair(PHOTO, OTHER)) < 0.2


@pytest.mark.parametrize("factor", [0.6, 0.8, 1.1])
def test_correlation_does_not_mind_brightness(factor: float) -> None:
    assert weigh_pair(PHOTO, brighten(PHOTO, factor)) > 0.9


def test_correlation_is_that_of_each_window() -> None:
    """By the plain formula, in one window inside."""
    overlap = overlap_of(look(PHOTO), look(add_badge(PHOTO)), SAME)
    assert overlap is not None
    windows = correlate(overlap, 9)
    rows, columns = slice(60, 69), slice(40, 49)
    one, other = overlap.first[rows, columns], overlap.second[rows, columns]
    assert windows.is_valid[64, 44]
    assert windows.first[64, 44] == pytest.approx(one.std(), rel=1e-2)
    covariance = ((one - one.mean()) * (other - other.mean())).mean()
    plain = covariance / np.sqrt((one.var() + 6.0) * (other.var() + 6.0))
    assert windows.correlation[64, 44] == pytest.approx(plain, abs=1e-2)


def test_edges_are_kept_by_a_copy_and_not_by_another_photo() -> None:
    copy = overlap_of(look(PHOTO), look(tile_watermark(PHOTO)), SAME)
    other = overlap_of(look(PHOTO), look(OTHER), SAME)
    inverted = overlap_of(look(PHOTO), look(ImageOps.invert(PHOTO)), SAME)
    assert copy is not None
    assert other is not None
    assert inverted is not None
    assert edges_kept(copy, is_inverted=False) > 0.8
    assert edges_kept(other, is_inverted=False) < 0.2
    assert edges_kept(inverted, is_inverted=True) > 0.9
    assert edges_kept(inverted, is_inverted=False) < 0.1


# Figures ------------------------------------------------------------------------------------------


def test_figures_of_equal_pictures_are_perfect() -> None:
    figures = lay(PHOTO, PHOTO)
    for name in (
        "fine_agreement",
        "fine_agreement_first",
        "fine_agreement_second",
        "coarse_agreement",
        "edges_kept",
        "edges_kept_least",
        "edges_kept_by_both",
        "tone_agreement",
        "tone_slope",
        "anisotropy",
    ):
        assert getattr(figures, name) == pytest.approx(1, abs=0.02), name
    assert figures.cell_correlation_low > 0.95
    assert figures.cells > 50
    for name in ("contradicted", "contradicted_inside", "edges_added", "recoloured", "perspective"):
        assert getattr(figures, name) == pytest.approx(0, abs=1e-3), name
    assert not figures.is_mirrored


def test_figures_of_different_photos_tell_them_apart() -> None:
    figures = lay(PHOTO, OTHER)
    assert figures.fine_agreement < 0.2
    assert figures.coarse_agreement < 0.2
    assert figures.contradicted > 0.8
    assert figures.edges_kept < 0.2


def test_slight_misalignment_shows() -> None:
    exact, off = lay(PHOTO, PHOTO), lay(PHOTO, PHOTO, np.array([[1.0, 0, 8], [0, 1, 6], [0, 0, 1]]))
    assert off.fine_agreement < exact.fine_agreement - 0.3


def test_badge_contradicts_one_connected_place() -> None:
    figures = lay(PHOTO, add_badge(PHOTO))
    assert 0.03 < figures.contradicted < 0.3
    assert figures.contradicted_scattered < 0.02
    assert figures.remaining_correlation > 0.9


def test_steepness_does_not_depend_on_where_in_memory_the_slopes_are() -> None:
    across, down = np.random.default_rng(0).normal(0, 10, (2, 1, 128 * 121)).astype(np.float32)

    def place(values: np.ndarray, offset: int) -> np.ndarray:
        """The same values so many floats after an aligned address."""
        placed = np.empty((1, values.size + offset), np.float32)[:, offset:]
        placed[:] = values
        return placed

    # OpenCV's own, which is faster, gives two different answers here.
    found = {measure_steepness(place(across, n), place(down, n)).tobytes() for n in range(16)}
    assert len(found) == 1


def test_another_photo_in_one_frame_is_unlike_but_an_overlay_and_an_inversion_are_not() -> None:
    def put_in_frame(photo: Image.Image) -> Image.Image:
        framed = PHOTO.copy()
        framed.paste(photo.resize((200, 200)), (60, 60))
        return framed

    framed = put_in_frame(OTHER)
    assert lay(framed, put_in_frame(draw_photo(5, SIDE_PX, SIDE_PX))).unlike > 0.03
    assert lay(framed, put_in_frame(ImageOps.invert(OTHER))).unlike < 0.015
    assert lay(framed, tile_watermark(framed)).unlike < 0.005


def test_what_covers_a_plain_ground_takes_nothing_from_the_first() -> None:
    plain = Image.new("RGB", (SIDE_PX, SIDE_PX), (205, 205, 205))
    plain.paste(PHOTO.resize((160, 160)), (30, 30))
    lettered = plain.copy()
    for row in range(210, 310, 16):
        ImageDraw.Draw(lettered).text((20, row), "BEST PRICE - FREE DELIVERY " * 3, "black")
    figures = lay(plain, lettered)
    assert figures.fine_agreement_first > 0.95
    assert figures.fine_agreement_second < 0.9
    assert figures.edges_added > lay(plain, plain).edges_added + 0.01


def test_inverted_picture_agrees_with_a_falling_slope() -> None:
    figures = lay(PHOTO, ImageOps.invert(PHOTO))
    assert figures.tone_slope == pytest.approx(-1, abs=0.05)
    assert figures.fine_agreement > 0.95
    assert figures.coarse_agreement > 0.95


def test_slope_of_tones_is_that_of_the_contrast() -> None:
    assert lay(PHOTO, brighten(PHOTO, 0.7)).tone_slope == pytest.approx(0.7, abs=0.05)


def test_mirrored_alignment_is_known_as_such() -> None:
    way = np.array([[-1.0, 0, SIDE_PX - 1], [0, 1, 0], [0, 0, 1]])
    figures = lay(PHOTO, ImageOps.mirror(PHOTO), way)
    assert figures.is_mirrored
    assert figures.coarse_agreement > 0.95


def test_homography_of_the_figures_is_in_shares() -> None:
    part, way = crop_to(80, 160, 320, 320)
    figures = lay(PHOTO, part, way)
    shares = np.array(figures.homography).reshape(3, 3)
    for point, expected in (((0.25, 0.5), (0, 0)), ((1, 1), (1, 1))):
        x, y, w = shares @ (*point, 1.0)
        assert (x / w, y / w) == pytest.approx(expected, abs=1e-6)
    assert figures.overlap_first == pytest.approx(0.375, abs=0.02)
    assert figures.overlap_second > 0.95


def test_stretching_is_measured() -> None:
    stretched = PHOTO.resize((SIDE_PX, 200))
    figures = lay(PHOTO, stretched, np.diag((1.0, 200 / SIDE_PX, 1.0)))
    assert figures.anisotropy == pytest.approx(1.6, abs=0.01)


def test_chroma_tells_colour_from_grey() -> None:
    figures = lay(PHOTO, PHOTO.convert("L").convert("RGB"))
    assert figures.chroma_first > 20
    assert figures.chroma_second < 2
    assert (
        lay(PHOTO, turn_hue(PHOTO, 100)).chroma_difference
        > lay(PHOTO, brighten(PHOTO, 0.8)).chroma_difference
    )


# Goods --------------------------------------------------------------------------------------------


def on_backdrop(goods: Image.Image, colour: str) -> Image.Image:
    canvas = Image.new("RGB", (SIDE_PX, SIDE_PX), colour)
    canvas.paste(goods.resize((200, 200)), (60, 60))
    return canvas


def goods_of(first: Image.Image, second: Image.Image) -> tuple[float, float, int]:
    overlap = overlap_of(look(first), look(second), SAME)
    assert overlap is not None
    goods = measure_goods(find_goods(overlap), correlate(overlap, 9), 9)
    return goods.agreement, goods.kept, goods.cells


def test_goods_agree_upon_another_backdrop() -> None:
    agreement, kept, cells = goods_of(on_backdrop(PHOTO, "white"), on_backdrop(PHOTO, "#203050"))
    assert agreement > 0.88
    assert kept > 0.9
    assert cells >= 9


def test_other_goods_upon_one_backdrop_do_not_agree() -> None:
    agreement, kept, cells = goods_of(on_backdrop(PHOTO, "white"), on_backdrop(OTHER, "white"))
    assert agreement < 0.3
    assert kept < 0.4
    assert cells >= 9


def test_pictures_without_a_plain_backdrop_have_no_goods() -> None:
    assert goods_of(PHOTO, OTHER) == (0.0, 1.0, 0)


def draw_lattice(photo: Image.Image, backdrop: str) -> Image.Image:
    """Goods of bars too thin for a window to lie within them."""
    bars = Image.new("L", (SIDE_PX, SIDE_PX))
    brush = ImageDraw.Draw(bars)
    for start in range(60, 261, 40):
        brush.line((start, 60, start, 260), 255, 14)
        brush.line((60, start, 260, start), 255, 14)
    return Image.composite(photo, Image.new("RGB", photo.size, backdrop), bars)


def cutout_of(first: Image.Image, second: Image.Image) -> Cutout:
    overlap = overlap_of(look(first), look(second), SAME)
    assert overlap is not None
    return measure_cutout(overlap, find_goods(overlap), 9)


@pytest.mark.parametrize("backdrop", ["#203050", "#787878"])
def test_goods_cut_out_agree_up_to_their_outline(backdrop: str) -> None:
    first, second = draw_lattice(PHOTO, "white"), draw_lattice(PHOTO, backdrop)
    found = cutout_of(first, second)
    assert found.agreement > 0.85
    assert found.correlation > 0.97
    assert found.contradicted_cells <= 1
    assert found.cells > goods_of(first, second)[2]


def test_other_goods_of_one_outline_do_not_agree() -> None:
    found = cutout_of(draw_lattice(PHOTO, "white"), draw_lattice(OTHER, "white"))
    assert found.agreement < 0.4
    assert found.correlation < 0.8


def test_other_goods_beside_one_panel_contradict_in_one_place() -> None:
    """A shop's panel has most of the texture, and agrees."""

    def put_beside(goods: Image.Image) -> Image.Image:
        board = Image.new("RGB", (SIDE_PX, SIDE_PX), "white")
        board.paste(PHOTO.crop((0, 0, 260, 150)), (30, 150))
        board.paste(goods.resize((70, 60)), (125, 60))
        return board

    found = cutout_of(put_beside(OTHER), put_beside(draw_photo(5, SIDE_PX, SIDE_PX)))
    assert found.agreement > 0.85
    assert found.contradicted_cells > 1
    assert cutout_of(put_beside(OTHER), put_beside(OTHER)).contradicted_cells == 0


def test_brighter_goods_correlate_as_they_were() -> None:
    first, second = on_backdrop(PHOTO, "white"), on_backdrop(brighten(PHOTO, 0.7), "#203050")
    assert cutout_of(first, second).correlation > 0.97


def test_nothing_is_cut_out_without_a_plain_backdrop_or_goods_before_it() -> None:
    assert cutout_of(PHOTO, OTHER) == NO_CUTOUT
    plain = Image.new("RGB", (SIDE_PX, SIDE_PX), "white")
    assert cutout_of(plain, plain) == NO_CUTOUT
