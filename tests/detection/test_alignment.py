"""Ways to lay one picture over another, from thumbnails and from keypoints."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from demo.modifications import tilt
from image_duplication.detection.alignment import (
    Proposal,
    correlate_thumbnails,
    propose_by_keypoints,
    propose_by_thumbnails,
)
from image_duplication.detection.looks import Look, look_at
from tests.drawn_photos import draw_photo

SIDE_PX = 320
PHOTO = draw_photo(3, SIDE_PX, SIDE_PX)


def look(picture: Image.Image) -> Look:
    return look_at(np.asarray(picture.convert("L")), np.asarray(picture.resize((50, 50))))


def turn(picture: Image.Image, orientation: int) -> Image.Image:
    samples = np.asarray(ImageOps.mirror(picture) if orientation >= 4 else picture)
    return Image.fromarray(np.rot90(samples, orientation % 4).copy())


def carry(proposal: Proposal, points: np.ndarray) -> np.ndarray:
    found = cv2.perspectiveTransform(points[None].astype(np.float64), proposal.homography)
    return np.asarray(found[0])


POINTS = np.array([[60.0, 50.0], [250.0, 70.0], [240.0, 260.0], [80.0, 230.0], [160.0, 160.0]])


def where_turned(points: np.ndarray, orientation: int) -> np.ndarray:
    """Where points of the square picture are once it is mirrored, if so, and turned."""
    x, y = points[:, 0].copy(), points[:, 1].copy()
    last = SIDE_PX - 1
    if orientation >= 4:
        x = last - x
    for _ in range(orientation % 4):
        x, y = y, last - x
    return np.column_stack([x, y])


@pytest.mark.parametrize("orientation", range(8))
def test_thumbnails_propose_the_orientation_that_was_given(orientation: int) -> None:
    first, second = look(PHOTO), look(turn(PHOTO, orientation))
    correlation, found, is_trimmed = correlate_thumbnails(first, second)
    assert correlation > 0.999
    proposal = propose_by_thumbnails(first, second, found, is_trimmed=is_trimmed)
    assert proposal.keypoints == 0
    offsets = carry(proposal, POINTS) - where_turned(POINTS, orientation)
    assert np.abs(offsets).max() < 1.0


def test_thumbnails_of_an_inverted_picture_correlate_negatively() -> None:
    correlation, _, _ = correlate_thumbnails(look(PHOTO), look(ImageOps.invert(PHOTO)))
    assert correlation == pytest.approx(-1, abs=0.01)


def test_trimmed_thumbnails_lay_the_content_over_each_other() -> None:
    canvas = Image.new("RGB", (600, 500), "white")
    canvas.paste(PHOTO, (200, 100))
    first, second = look(PHOTO), look(canvas)
    correlation, orientation, is_trimmed = correlate_thumbnails(first, second)
    assert is_trimmed
    assert orientation == 0
    assert correlation > 0.9
    proposal = propose_by_thumbnails(first, second, orientation, is_trimmed=True)
    expected = (POINTS + (200, 100)) * 320 / 600
    assert np.abs(carry(proposal, POINTS) - expected).max() < 6


def test_different_photos_do_not_correlate() -> None:
    looks = [look(draw_photo(seed, SIDE_PX, SIDE_PX)) for seed in range(1, 8)]
    for number, first in enumerate(looks):
        for second in looks[:number]:
            assert abs(correlate_thumbnails(first, second)[0]) < 0.8


def warp(picture: Image.Image, homography: np.ndarray, size: tuple[int, int]) -> Image.Image:
    warped = cv2.warpPerspective(
        np.asarray(picture), homography, size, flags=cv2.INTER_LINEAR, borderValue=(150, 160, 150)
    )
    return Image.fromarray(warped)


def similarity(angle_deg: float, scale: float, x: float = 0, y: float = 0) -> np.ndarray:
    """About the middle of the picture, then moved."""
    affine = cv2.getRotationMatrix2D((SIDE_PX / 2, SIDE_PX / 2), angle_deg, scale)
    affine[:, 2] += (x, y)
    return np.vstack([affine, (0, 0, 1)])


MADE = {
    "nothing": np.eye(3),
    "moved": similarity(0, 1, 30, -25),
    "tilted": similarity(7, 1),
    "upside down": similarity(180, 1),
    "smaller": similarity(0, 0.6),
    "larger": similarity(0, 1.7),
    "turned, smaller, moved": similarity(-35, 0.75, 10, 15),
    "stretched": np.array([[1.0, 0, 0], [0, 0.8, 20], [0, 0, 1]]),
}


def nearest_offset(first: Look, second: Look, expected: np.ndarray) -> float:
    """How far the best of the proposals is off, at the points."""
    return min(
        float(np.abs(carry(proposal, POINTS) - expected).max())
        for proposal in propose_by_keypoints(first, second)
    )


@pytest.mark.parametrize("name", MADE)
def test_keypoints_propose_the_transformation_that_was_made(name: str) -> None:
    made = MADE[name]
    first, second = look(PHOTO), look(warp(PHOTO, made, (SIDE_PX, SIDE_PX)))
    expected = cv2.perspectiveTransform(POINTS[None], made)[0]
    assert nearest_offset(first, second, expected) < 2.5


@pytest.mark.parametrize("name", MADE)
def test_keypoints_propose_a_mirroring_transformation_too(name: str) -> None:
    made = np.array([[-1.0, 0, SIDE_PX - 1], [0, 1, 0], [0, 0, 1]]) @ MADE[name]
    first, second = look(PHOTO), look(warp(PHOTO, made, (SIDE_PX, SIDE_PX)))
    expected = cv2.perspectiveTransform(POINTS[None], made)[0]
    assert nearest_offset(first, second, expected) < 3.5
    best = max(propose_by_keypoints(first, second), key=lambda proposal: proposal.keypoints)
    assert np.linalg.det(best.homography[:2, :2]) < 0


def test_keypoints_propose_a_perspective() -> None:
    first, second = look(PHOTO), look(tilt(PHOTO))
    best = max(propose_by_keypoints(first, second), key=lambda proposal: proposal.keypoints)
    # The demo's tilt takes the right corners in by a tenth and six hundredths of the height.
    corners = np.array([[20.0, 20.0], [300.0, 20.0], [300.0, 300.0], [20.0, 300.0]])
    source = np.array([[0, 0], [320, 0], [320, 320], [0, 320]], np.float32)
    target = np.array([[0, 0], [307.2, 32], [307.2, 300.8], [0, 320]], np.float32)
    made = cv2.getPerspectiveTransform(source, target)
    expected = cv2.perspectiveTransform(corners[None], made)[0]
    assert np.abs(carry(best, corners) - expected).max() < 6


def test_more_keypoints_agree_on_a_copy_than_on_another_photo() -> None:
    first = look(PHOTO)
    copies = [proposal.keypoints for proposal in propose_by_keypoints(first, first)]
    others = [
        proposal.keypoints
        for seed in range(10, 20)
        for proposal in propose_by_keypoints(first, look(draw_photo(seed, SIDE_PX, SIDE_PX)))
    ]
    assert max(copies) > 100
    assert max(others, default=0) < 20


def test_proposals_are_the_same_every_time() -> None:
    first, second = look(PHOTO), look(warp(PHOTO, MADE["tilted"], (SIDE_PX, SIDE_PX)))
    one, other = (list(propose_by_keypoints(first, second)) for _ in range(2))
    assert one
    for proposal, again in zip(one, other, strict=True):
        assert np.array_equal(proposal.homography, again.homography)
        assert proposal.keypoints == again.keypoints


@pytest.mark.parametrize("is_blank_first", [False, True])
def test_picture_without_keypoints_gets_no_proposal(is_blank_first: bool) -> None:
    looks = [look(PHOTO), look(Image.new("RGB", (300, 200), "white"))]
    first, second = reversed(looks) if is_blank_first else looks
    assert list(propose_by_keypoints(first, second)) == []


def test_matching_leaves_numpys_buffer_as_it_was() -> None:
    before = np.getbufsize()
    assert list(propose_by_keypoints(look(PHOTO), look(PHOTO)))
    assert np.getbufsize() == before
