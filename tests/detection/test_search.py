"""How the way from one picture to another is found, and when nobody looks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from demo.modifications import add_badge, add_border, crop, inset, resize, rotate_slightly, tilt
from image_duplication.detection import search
from image_duplication.detection.alignment import Proposal
from image_duplication.detection.looks import Look, look_at
from image_duplication.detection.search import UNSEEN, Sighting, examine
from tests.drawn_photos import draw_photo

PHOTO = draw_photo(3, 300, 260)
BLANK = Image.new("RGB", (300, 260), "white")


def look(picture: Image.Image) -> Look:
    small = picture.resize((50, 50), Image.Resampling.BICUBIC)
    return look_at(np.asarray(picture.convert("L")), np.asarray(small))


def see(picture: Image.Image, *, by_keypoints: bool = True) -> Sighting:
    return examine(look(PHOTO), look(picture), by_keypoints=by_keypoints)


@pytest.mark.parametrize("is_blank_first", [False, True])
def test_picture_that_shows_nothing_is_not_examined(is_blank_first: bool) -> None:
    looks = [look(PHOTO), look(BLANK)]
    assert examine(*(looks[::-1] if is_blank_first else looks)) == UNSEEN
    assert examine(looks[1], looks[1]) == UNSEEN


def test_different_photos_have_a_correlation_and_no_alignment() -> None:
    for seed in range(10, 20):
        seen = see(draw_photo(seed, 300, 260))
        assert seen.alignment is None
        assert seen.correlation is not None
        assert abs(seen.correlation) < 0.9


def middle_of(shares: tuple[float, ...], point: tuple[float, float]) -> tuple[float, float]:
    x, y = cv2.perspectiveTransform(np.array([[point]]), np.array(shares, float).reshape(3, 3))[
        0, 0
    ]
    return float(x), float(y)


def test_alignment_is_that_of_the_crop() -> None:
    seen = see(crop(PHOTO, 0.2, 0.1, 0.1, 0.2))
    assert seen.alignment is not None
    assert middle_of(seen.alignment.homography, (0.2, 0.1)) == pytest.approx((0, 0), abs=0.01)
    assert middle_of(seen.alignment.homography, (0.9, 0.8)) == pytest.approx((1, 1), abs=0.01)
    assert seen.alignment.overlap_first == pytest.approx(0.49, abs=0.02)
    assert seen.alignment.keypoints > 20


FOUND: dict[str, tuple[Callable[[Image.Image], Image.Image], bool]] = {
    "itself": (lambda picture: picture, True),
    "smaller": (lambda picture: resize(picture, 0.5, 0.5), True),
    "mirrored": (ImageOps.mirror, True),
    "turned": (lambda picture: picture.transpose(Image.Transpose.ROTATE_270), True),
    "inverted": (ImageOps.invert, True),
    "bordered": (lambda picture: add_border(picture, 0.2, "#12497a"), True),
    "badge": (add_badge, True),
    "tilted": (lambda picture: rotate_slightly(picture, 6), False),
    "perspective": (tilt, False),
    "cropped": (lambda picture: crop(picture, 0.2, 0.1, 0.0, 0.1), False),
    "inset": (lambda picture: inset(picture, 0.5), False),
}


@pytest.mark.parametrize("name", FOUND)
def test_modified_picture_is_laid_over_its_original(name: str) -> None:
    seen = see(FOUND[name][0](PHOTO))
    assert seen.alignment is not None
    assert seen.alignment.coarse_agreement > 0.8


@pytest.mark.parametrize("name", FOUND)
def test_thumbnails_alone_find_only_what_is_seen_whole(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*looks: Look) -> Iterator[Proposal]:
        raise AssertionError("keypoints were matched")

    monkeypatch.setattr(search, "propose_by_keypoints", refuse)
    change, is_found = FOUND[name]
    seen = see(change(PHOTO), by_keypoints=False)
    assert (seen.alignment is not None) is is_found
    assert seen.alignment is None or seen.alignment.keypoints == 0
    assert seen.correlation is not None


def test_good_alignment_by_thumbnails_spares_the_keypoints(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*looks: Look) -> Iterator[Proposal]:
        yield pytest.fail("keypoints were matched")

    monkeypatch.setattr(search, "propose_by_keypoints", refuse)
    crisp = look(draw_photo(3, 320, 320))
    assert examine(crisp, crisp).alignment is not None


def test_best_of_the_proposals_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    off = np.array([[1.0, 0.0, 3.0], [0.0, 1.0, 2.0], [0.0, 0.0, 1.0]])
    proposals = [Proposal(off, 7), Proposal(np.eye(3), 8), Proposal(off, 9)]
    monkeypatch.setattr(search, "propose_by_keypoints", lambda *looks: iter(proposals))
    monkeypatch.setattr(search, "_THUMBNAILS_ALIKE", 2.0)
    monkeypatch.setattr(search, "_refine", lambda overlap, model: None)
    seen = see(PHOTO)
    assert seen.alignment is not None
    assert seen.alignment.keypoints == 8


def test_alignment_is_refined(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proposal that is three pixels off ends within a tenth of one."""
    off = np.array([[1.0, 0.0, 3.0], [0.0, 1.0, -2.0], [0.0, 0.0, 1.0]])
    monkeypatch.setattr(search, "propose_by_keypoints", lambda *looks: iter([Proposal(off, 9)]))
    monkeypatch.setattr(search, "_THUMBNAILS_ALIKE", 2.0)
    seen = see(PHOTO)
    assert seen.alignment is not None
    assert middle_of(seen.alignment.homography, (0.5, 0.5)) == pytest.approx((0.5, 0.5), abs=3e-3)


def test_proposal_that_shows_nothing_in_common_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many keypoints are said to agree with it."""
    monkeypatch.setattr(
        search, "propose_by_keypoints", lambda *looks: iter([Proposal(np.eye(3), 200)])
    )
    assert see(draw_photo(4, 300, 260)).alignment is None


def test_examination_is_the_same_every_time() -> None:
    other = rotate_slightly(PHOTO, 6)
    assert see(other) == see(other)
    assert see(other).alignment is not None


def test_goods_cut_out_lie_right_though_another_backdrop_turns_their_outline() -> None:
    def put_before(backdrop: str, seed: int = 3) -> Look:
        canvas = Image.new("RGB", (300, 300), backdrop)
        canvas.paste(draw_photo(seed, 180, 160), (60, 70))
        return look(canvas)

    for backdrop in ("#202830", "#405060", "#a0a8b0"):
        seen = examine(put_before("white"), put_before(backdrop))
        assert seen.alignment is not None
        assert seen.alignment.homography == pytest.approx(np.eye(3).ravel(), abs=0.01)
        assert seen.alignment.cutout_agreement > 0.9
        assert seen.alignment.cutout_correlation > 0.97
        other = examine(put_before("white"), put_before(backdrop, seed=4))
        assert other.alignment is None or other.alignment.cutout_agreement < 0.5
