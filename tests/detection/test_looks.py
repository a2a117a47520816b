"""A picture reduced: greys, thumbnails, the box of its content, keypoints."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from PIL import Image, ImageOps

from image_duplication.detection.looks import (
    LOOK_SIDE_PX,
    ORIENTATIONS,
    THUMBNAIL_PX,
    Look,
    look_at,
    shrink,
)
from tests.drawn_photos import draw_photo

PHOTO = draw_photo(1, 420, 360)


def draw_grain(deviation: float) -> Image.Image:
    grain = np.random.default_rng(1).normal(128, deviation, (200, 300))
    return Image.fromarray(grain.clip(0, 255).astype(np.uint8)).convert("RGB")


def look(picture: Image.Image) -> Look:
    return look_at(np.asarray(picture.convert("L")), np.asarray(picture.resize((50, 50))))


def test_greys_halve_from_level_to_level() -> None:
    seen = look(PHOTO)
    assert [level.shape for level in seen.pyramid] == [(274, 320), (137, 160), (68, 80)]
    assert seen.grey is seen.pyramid[0]
    for finer, coarser in zip(seen.pyramid, seen.pyramid[1:], strict=False):
        assert abs(float(finer.mean()) - float(coarser.mean())) < 1


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1_000, 500), (320, 160)),
        ((500, 1_000), (160, 320)),
        ((320, 200), (320, 200)),
        ((100, 60), (100, 60)),
        ((321, 321), (320, 320)),
        ((3_200, 3), (320, 1)),
        ((1, 1), (1, 1)),
    ],
    ids=str,
)
def test_shrunk_picture_has_the_longer_side_asked_for_and_is_never_enlarged(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    samples = np.asarray(draw_photo(1).convert("L").resize(size))
    assert shrink(samples, LOOK_SIDE_PX).shape == expected[::-1]


def test_shrinking_averages_every_pixel() -> None:
    """A fine pattern becomes its mean; picking single pixels would show stripes."""
    stripes = np.tile(np.array([0, 200], np.uint8), (1_280, 640))
    shrunk = shrink(stripes, LOOK_SIDE_PX)
    assert shrunk.shape == (320, 320)
    assert abs(shrunk.astype(int) - 100).max() <= 1


def test_thumbnails_have_zero_mean_and_unit_length() -> None:
    thumbnails = look(PHOTO).thumbnails
    assert thumbnails.shape == (2 * ORIENTATIONS, THUMBNAIL_PX**2)
    assert np.linalg.norm(thumbnails, axis=1) == pytest.approx(1, abs=1e-4)
    assert thumbnails.mean(axis=1) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_thumbnails_are_those_of_the_picture_turned_and_mirrored(
    turns: int, is_mirrored: bool
) -> None:
    picture = PHOTO.crop((0, 0, 320, 320))
    samples = np.asarray(ImageOps.mirror(picture) if is_mirrored else picture)
    turned = look(Image.fromarray(np.rot90(samples, turns).copy()))
    row = turns + (ORIENTATIONS // 2 if is_mirrored else 0)
    likeness = look(picture).thumbnails[:ORIENTATIONS] @ turned.thumbnails[0]
    assert likeness.argmax() == row
    assert likeness[row] > 0.999


def test_box_is_the_content_without_its_plain_margin() -> None:
    canvas = Image.new("RGB", (400, 400), (240, 240, 240))
    canvas.paste(PHOTO.resize((200, 100)), (100, 200))
    assert look(canvas).box == pytest.approx((0.25, 0.5, 0.75, 0.75), abs=0.03)


def test_trimmed_thumbnails_do_not_depend_on_the_margin() -> None:
    canvas = Image.new("RGB", (640, 512), (255, 255, 255))
    canvas.paste(PHOTO.resize((320, 256)), (160, 192))
    framed, bare = look(canvas).thumbnails, look(PHOTO).thumbnails
    assert framed[ORIENTATIONS] @ bare[ORIENTATIONS] > 0.95
    assert framed[0] @ bare[0] < 0.6


@pytest.mark.parametrize(
    "picture",
    [PHOTO, Image.new("RGB", (300, 200), "white"), draw_grain(4)],
    ids=["content to the edge", "blank", "grain"],
)
def test_box_is_the_whole_picture_where_there_is_no_margin_or_no_content(
    picture: Image.Image,
) -> None:
    left, top, right, bottom = look(picture).box
    assert max(left, top, 1 - right, 1 - bottom) <= 0.05


def test_speck_on_a_plain_ground_is_no_content() -> None:
    speckled = Image.new("RGB", (320, 320), "white")
    speckled.paste((0, 0, 0), (100, 100, 112, 112))
    assert look(speckled).box == (0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("picture", "is_telling"),
    [
        (PHOTO, True),
        (Image.new("RGB", (300, 200), "white"), False),
        (Image.new("RGB", (300, 200), (10, 90, 200)), False),
        (draw_grain(2), False),
        (Image.linear_gradient("L").convert("RGB"), True),
    ],
    ids=["photo", "white", "one colour", "grain", "gradient"],
)
def test_picture_is_telling_if_its_thumbnail_shows_anything(
    picture: Image.Image, is_telling: bool
) -> None:
    seen = look(picture)
    assert seen.is_telling is is_telling
    assert seen.thumbnails[0].any() == is_telling


@pytest.mark.parametrize(
    "size",
    [(1, 1), (2, 1), (3, 3), (8, 8), (31, 31), (32, 32), (2_000, 3), (3, 2_000), (400, 20)],
    ids=lambda size: f"{size[0]}x{size[1]}",
)
def test_any_size_can_be_looked_at(size: tuple[int, int]) -> None:
    seen = look(PHOTO.resize(size))
    assert np.isfinite(seen.thumbnails).all()
    assert seen.keypoints.places.shape == (len(seen.keypoints.descriptors), 4)


def test_blank_picture_has_no_keypoints() -> None:
    seen = look(Image.new("RGB", (300, 200), "white"))
    for keypoints in (seen.keypoints, seen.mirrored):
        assert keypoints.places.shape == (0, 4)
        assert keypoints.descriptors.shape == (0, 32)


def test_keypoints_lie_within_the_grey_picture_and_have_angles_in_radians() -> None:
    seen = look(PHOTO)
    height, width = seen.grey.shape
    places = seen.keypoints.places
    assert 100 < len(places) <= 220
    assert (places[:, 0] >= 0).all()
    assert (places[:, 0] < width).all()
    assert (places[:, 1] < height).all()
    assert 4 < places[:, 3].max() < 2 * np.pi


def test_mirrored_keypoints_are_those_of_the_mirror_image() -> None:
    """Found without a second search: the places mirrored, and what is seen there."""
    seen, mirrored = look(PHOTO), look(ImageOps.mirror(PHOTO))
    one, other = seen.mirrored, mirrored.keypoints
    bits = np.unpackbits(one.descriptors[:, None] ^ other.descriptors[None], axis=2).sum(axis=2)
    nearest = bits.argmin(axis=1)
    offsets = np.hypot(*(one.places[:, :2] - other.places[nearest, :2]).T)
    is_same = (offsets < 2) & (bits.min(axis=1) <= 48)
    assert is_same.mean() > 0.7
    turn = one.places[is_same, 3] - other.places[nearest[is_same], 3]
    assert np.cos(turn).mean() > 0.95


def test_mirror_image_is_described_once() -> None:
    seen = look(PHOTO)
    assert seen.mirrored is seen.mirrored


def test_looks_of_equal_pictures_are_equal_in_any_thread() -> None:
    expected = look(PHOTO)
    seen: list[Look] = []

    def look_often() -> None:
        for seed in (2, 1, 3, 1):
            found = look(draw_photo(seed, 420, 360))
            if seed == 1:
                seen.append(found)

    threads = [threading.Thread(target=look_often) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(seen) == 6
    for one in seen:
        assert np.array_equal(one.keypoints.descriptors, expected.keypoints.descriptors)
        assert np.array_equal(one.keypoints.places, expected.keypoints.places)
        assert np.array_equal(one.thumbnails, expected.thumbnails)
