from __future__ import annotations

import pytest
from PIL import Image, ImageOps

from image_duplication.detection.transforms import Transform, describe_transform
from tests.drawn_photos import draw_photo
from tests.matches import align_pictures


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return draw_photo()


def _transform(first: Image.Image, second: Image.Image) -> Transform:
    pair = align_pictures(first, second)
    assert pair.alignment is not None
    return describe_transform(pair, pair.alignment)


@pytest.mark.parametrize(
    ("way", "is_mirrored", "rotation_deg"),
    [
        pytest.param(Image.Transpose.FLIP_LEFT_RIGHT, True, 0.0, id="mirror"),
        pytest.param(Image.Transpose.FLIP_TOP_BOTTOM, True, 180.0, id="flip"),
        pytest.param(Image.Transpose.ROTATE_90, False, 90.0, id="quarter turn anticlockwise"),
        pytest.param(Image.Transpose.ROTATE_180, False, 180.0, id="half turn"),
        pytest.param(Image.Transpose.ROTATE_270, False, -90.0, id="quarter turn clockwise"),
    ],
)
def test_transform_tells_orientation(
    photo: Image.Image, way: Image.Transpose, is_mirrored: bool, rotation_deg: float
) -> None:
    found = _transform(photo, photo.transpose(way))

    assert found.is_mirrored == is_mirrored
    assert abs((found.rotation_deg - rotation_deg + 180) % 360 - 180) < 1.0
    assert found.scale == pytest.approx(1.0, abs=0.02)
    assert found.crop_box is None


@pytest.mark.parametrize("angle_deg", [5.0, -5.0, 12.0])
def test_transform_tells_a_small_turn_with_its_sign(photo: Image.Image, angle_deg: float) -> None:
    turned = photo.rotate(angle_deg, Image.Resampling.BICUBIC, fillcolor="white")

    assert _transform(photo, turned).rotation_deg == pytest.approx(angle_deg, abs=0.5)
    assert _transform(turned, photo).rotation_deg == pytest.approx(-angle_deg, abs=0.5)


@pytest.mark.parametrize("is_first_whole", [True, False], ids=["whole first", "crop first"])
def test_transform_gives_the_box_of_a_crop_in_the_whole_picture(
    photo: Image.Image, is_first_whole: bool
) -> None:
    box = (0.1, 0.0, 0.9, 0.75)
    width, height = photo.size
    cut = photo.crop(
        (round(box[0] * width), 0, round(box[2] * width), round(box[3] * height))
    ).resize((500, 402))

    found = _transform(photo, cut) if is_first_whole else _transform(cut, photo)

    assert found.crop_box == pytest.approx(box, abs=0.015)
    assert found.shown_share == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize("scale", [0.5, 1.6])
def test_transform_compares_the_pixels_of_the_files(photo: Image.Image, scale: float) -> None:
    sized = ImageOps.scale(photo, scale)

    assert _transform(photo, sized).scale == pytest.approx(scale, rel=0.02)
    assert _transform(sized, photo).scale == pytest.approx(1 / scale, rel=0.02)


def test_transform_turns_after_mirroring(photo: Image.Image) -> None:
    changed = ImageOps.mirror(photo).rotate(6, Image.Resampling.BICUBIC, fillcolor="white")

    found = _transform(photo, changed)

    assert found.is_mirrored
    assert found.rotation_deg == pytest.approx(6.0, abs=0.5)
