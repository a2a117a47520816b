"""What the accuracy benchmark makes of pictures: modifications, frames, twins and pages."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from benchmarks.accuracy import changes
from benchmarks.accuracy.changes import NotApplicableError
from benchmarks.accuracy.frames import FRAMES
from benchmarks.accuracy.modifications import MODIFICATIONS, Family, Modification, modify
from benchmarks.accuracy.pages import PAGES
from benchmarks.accuracy.scoring import FAMILY_GOALS
from benchmarks.accuracy.twins import PLAIN, PRINTS, SYMMETRIC, MakeTwins, print_on_photo
from image_duplication.detection import decode
from image_duplication.records import Kind

FORMATS = ("JPEG", "PNG", "WEBP")
SIZE = (97, 61)
BACKDROP = (232, 236, 240)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """Odd-sized: goods of many colours in the middle of a plain backdrop."""
    random = np.random.default_rng(3)
    pixels = np.full((SIZE[1], SIZE[0], 3), BACKDROP, np.uint8)
    coarse = random.integers(0, 200, (7, 11, 3), dtype=np.uint8)
    pixels[13:48, 21:76] = np.kron(coarse, np.ones((5, 5, 1), np.uint8))
    return Image.fromarray(pixels)


def shown(content: bytes) -> Image.Image:
    """The picture that a buyer sees."""
    return decode(content, formats=FORMATS, max_pixels=10**7)


def apart(first: Image.Image, second: Image.Image) -> float:
    """Mean difference in levels of two pictures of one size."""
    one, other = np.asarray(first, np.float32), np.asarray(second, np.float32)
    return float(np.abs(one - other).mean())


def test_modifications_are_at_least_eighty_and_of_every_family() -> None:
    assert len(MODIFICATIONS) >= 80
    assert {modification.family for modification in MODIFICATIONS.values()} == set(Family)


def test_every_family_has_exactly_one_goal() -> None:
    listed = [family for goal in FAMILY_GOALS for family in goal.families]

    assert sorted(listed) == sorted(Family)


def test_combinations_are_at_least_ten() -> None:
    families = [modification.family for modification in MODIFICATIONS.values()]

    assert families.count(Family.COMBINATION) >= 10


@pytest.mark.parametrize("modification", MODIFICATIONS.values(), ids=list(MODIFICATIONS))
def test_modification_gives_equal_bytes_and_leaves_its_picture_alone(
    picture: Image.Image, modification: Modification
) -> None:
    before = picture.tobytes()

    content = modify(picture, modification, 5)

    assert content == modify(picture, modification, 5)
    assert picture.tobytes() == before
    assert modification.kinds
    assert Kind.IDENTICAL not in modification.kinds
    assert shown(content).mode == "RGB"


@pytest.mark.parametrize(
    "modification",
    [known for known in MODIFICATIONS.values() if known.kinds != {Kind.SAME_PICTURE}],
    ids=lambda known: known.name,
)
def test_modification_of_more_than_the_coding_shows(
    picture: Image.Image, modification: Modification
) -> None:
    changed = shown(modify(picture, modification, 5))

    assert changed.size != picture.size or apart(changed, picture) > 1.0


def test_modification_depends_on_the_seed(picture: Image.Image) -> None:
    badge = MODIFICATIONS["badge_round"]

    assert len({modify(picture, badge, seed) for seed in range(6)}) > 2


def test_modification_reduces_a_picture_over_640_px() -> None:
    large = Image.new("RGB", (1_600, 800), "white")

    assert shown(modify(large, MODIFICATIONS["jpeg_75"], 1)).size == (640, 320)


def test_modification_puts_the_companion_beside_the_picture(picture: Image.Image) -> None:
    companion = Image.new("RGB", SIZE, (200, 0, 0))

    board = np.asarray(shown(modify(picture, MODIFICATIONS["collage_beside"], 1, companion)))

    is_red = (board[..., 0] > 150) & (board[..., 1] < 60)
    assert 0.4 < is_red.mean() < 0.55


@pytest.mark.parametrize(
    ("name", "size"),
    [
        pytest.param("crop_25", (73, 46), id="a crop keeps 75% of each side"),
        pytest.param("crop_40_corner", (58, 37), id="off centre keeps as much"),
        pytest.param("zoom_2", SIZE, id="a zoom fills the frame"),
        pytest.param("rotate_90", (61, 97), id="a quarter turn swaps the sides"),
        pytest.param("exif_8_turned", (61, 97), id="EXIF alone turns as well"),
        pytest.param("exif_6_upright", SIZE, id="EXIF sets lying pixels upright"),
        pytest.param("letterbox_white", (97, 85), id="bars lengthen the shorter side by 40%"),
        pytest.param("resize_150", (146, 92), id="enlarged"),
        pytest.param("inset_40_plain", SIZE, id="an inset keeps the canvas"),
    ],
)
def test_modification_gives_the_size(
    picture: Image.Image, name: str, size: tuple[int, int]
) -> None:
    assert shown(modify(picture, MODIFICATIONS[name], 1)).size == size


@pytest.mark.parametrize(
    ("name", "turn"),
    [
        ("mirror", Image.Transpose.FLIP_LEFT_RIGHT),
        ("exif_2_mirrored", Image.Transpose.FLIP_LEFT_RIGHT),
        ("rotate_270", Image.Transpose.ROTATE_270),
        ("transpose", Image.Transpose.TRANSPOSE),
    ],
)
def test_modification_turns_what_is_shown(
    picture: Image.Image, name: str, turn: Image.Transpose
) -> None:
    turned = shown(modify(picture, MODIFICATIONS[name], 1))

    assert apart(turned, picture.transpose(turn)) < 8
    assert turned.size != picture.size or apart(turned, picture) > 12


@pytest.mark.parametrize("name", ["exif_6_upright", "exif_3_upright"])
def test_modification_by_exif_stores_other_pixels_that_show_the_same(
    picture: Image.Image, name: str
) -> None:
    content = modify(picture, MODIFICATIONS[name], 1)

    assert apart(shown(content), picture) < 8
    with Image.open(io.BytesIO(content)) as stored:
        assert stored.size != picture.size or apart(stored.convert("RGB"), picture) > 12


def test_background_swap_keeps_the_goods(picture: Image.Image) -> None:
    swapped = np.asarray(changes.swap_background(picture, (20, 40, 60), (20, 40, 60)))

    assert swapped[2, 2].tolist() == [20, 40, 60]
    assert np.abs(swapped[16:45, 24:73].astype(int) - np.asarray(picture)[16:45, 24:73]).max() == 0


def test_background_swap_is_refused_without_a_plain_background() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (60, 80, 3), dtype=np.uint8)

    with pytest.raises(NotApplicableError, match="no uniform background"):
        changes.swap_background(Image.fromarray(noise), (0, 0, 0), (0, 0, 0))


# --- frames, twins and pages -------------------------------------------------------------------


def test_frames_are_at_least_six() -> None:
    assert len(FRAMES) >= 6


@pytest.mark.parametrize("design", FRAMES)
def test_frame_is_the_same_around_different_goods(picture: Image.Image, design: str) -> None:
    other = ImageOps.invert(picture)
    framed = [
        np.asarray(FRAMES[design](goods, np.random.default_rng(4)), np.int16)
        for goods in (picture, other)
    ]

    is_equal = np.abs(framed[0] - framed[1]).max(axis=2) < 8
    assert 0.1 < is_equal.mean() < 0.97


@pytest.mark.parametrize(
    "make",
    [SYMMETRIC["van"], PLAIN["trousers"], PLAIN["grille"], PRINTS["two goods"]],
    ids=["symmetric", "plain", "grille", "print"],
)
def test_twins_are_two_different_pictures_and_drawn_the_same_again(make: MakeTwins) -> None:
    first, second = make(np.random.default_rng(2))
    again, _ = make(np.random.default_rng(2))

    assert first.tobytes() == again.tobytes()
    assert apart(first, second) > 2
    assert apart(first, ImageOps.mirror(second)) > 1


@pytest.mark.parametrize("design", PAGES)
def test_pages_share_their_layout_and_are_drawn_the_same_again(design: str) -> None:
    first, second = PAGES[design](np.random.default_rng(2))
    again, _ = PAGES[design](np.random.default_rng(2))
    other, _ = PAGES[design](np.random.default_rng(3))

    assert first.tobytes() == again.tobytes()
    assert first.size == second.size
    is_changed = np.abs(np.asarray(first, int) - np.asarray(second, int)).max(axis=2) > 20
    assert 0.001 < is_changed.mean() < 0.15
    assert other.tobytes() != first.tobytes()


def test_print_on_photo_covers_a_part_of_the_middle(picture: Image.Image) -> None:
    photo = picture.resize((400, 300))
    crest = Image.new("RGBA", (320, 320), (250, 0, 0, 255))

    printed = print_on_photo(photo, crest, np.random.default_rng(1))

    is_changed = np.abs(np.asarray(printed, int) - np.asarray(photo, int)).max(axis=2) > 20
    assert 0.03 < is_changed.mean() < 0.12
    assert not is_changed[:20].any()
