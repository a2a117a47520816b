"""Evidence as rows: every figure is kept, and judges as it did before."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from image_duplication.detection import compare_pictures, describe_picture, judge_pairs
from image_duplication.detection.evidence import Alignment, PairEvidence
from image_duplication.evidence_rows import EVIDENCE, evidence_from_row, evidence_to_row
from image_duplication.settings import DetectionSettings
from image_duplication.storage import Storage
from image_duplication.tables import read_rows, write_rows
from tests.drawn_photos import draw_photo
from tests.judged_rows import downloaded_row, sha256
from tests.matches import make_alignment, make_pair


def round_trip(
    storage: Storage, pairs: list[PairEvidence], contents: dict[str, bytes]
) -> list[PairEvidence]:
    rows = [
        downloaded_row("v", image_id, place, content)
        for place, (image_id, content) in enumerate(contents.items())
    ]
    write_rows(
        storage,
        "evidence.parquet",
        EVIDENCE,
        (
            evidence_to_row(
                pair, rows[pair.first], rows[pair.second], feature_version="1", pixel_size=50
            )
            for pair in pairs
        ),
    )
    places = {image_id: place for place, image_id in enumerate(contents)}
    return [
        evidence_from_row(row, places) for row in read_rows(storage, "evidence.parquet", EVIDENCE)
    ]


@pytest.mark.parametrize(
    "pair",
    [
        make_pair(0, 2),
        make_pair(1, 2, difpy_mse=4.1, mse=4.100000000000001, rotation_deg=270),
        make_pair(0, 1, thumbnail_correlation=-0.987654321),
        make_pair(0, 1, alignment=make_alignment(keypoints=37, fine_agreement=1 / 3)),
    ],
    ids=["bare", "difpy", "perceptual", "aligned"],
)
def test_evidence_comes_back_as_it_was(storage: Storage, pair: PairEvidence) -> None:
    assert round_trip(storage, [pair], {"a": b"1", "b": b"2", "c": b"3"}) == [pair]


def test_evidence_of_equal_bytes_says_so(storage: Storage) -> None:
    (pair,) = round_trip(storage, [make_pair(0, 1)], {"a": b"1", "b": b"1"})
    assert pair.is_same_content


def test_schema_has_every_figure() -> None:
    figures = {field.name for field in dataclasses.fields(PairEvidence)}
    assert figures - set(EVIDENCE.names) == {"first", "second", "is_same_content"}
    alignment = EVIDENCE.field("alignment").type
    assert [alignment.field(i).name for i in range(alignment.num_fields)] == [
        field.name for field in dataclasses.fields(Alignment)
    ]
    assert alignment.field("homography").type == pa.list_(pa.float64())
    assert alignment.field("overlap_first").type == pa.float64()
    assert alignment.field("keypoints").type == pa.int32()
    assert EVIDENCE.field("is_same_dimensions").type == pa.bool_()


def frame(picture: Image.Image) -> Image.Image:
    return Image.fromarray(
        np.pad(np.asarray(picture), ((20, 20), (20, 20), (0, 0)), constant_values=255)
    )


def test_judging_from_rows_gives_the_matches_of_judging_afresh(storage: Storage) -> None:
    """Copies of several kinds, so that every engine has something to say."""
    original = draw_photo(1, 360, 300)
    pictures = [
        original,
        original,
        original.resize((300, 240)),
        original.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        frame(original),
        original.crop((20, 20, 320, 270)),
        draw_photo(2, 360, 300),
    ]
    contents = {str(place): picture.tobytes() for place, picture in enumerate(pictures)}
    settings = DetectionSettings()
    hashes = [sha256(content) for content in contents.values()]
    fresh = compare_pictures(
        [
            describe_picture(picture, content_sha256, settings, min_side_px=33)
            for picture, content_sha256 in zip(pictures, hashes, strict=True)
        ],
        settings,
    )
    assert len(fresh) == len(list(itertools.combinations(pictures, 2)))
    kept = round_trip(storage, fresh, contents)
    assert kept == fresh
    matches = judge_pairs(fresh, settings)
    assert judge_pairs(kept, settings) == matches
    found = {(match.first, match.second) for match in matches}
    assert {(0, 1), (0, 3), (0, 4)} <= found
    assert not {(place, 6) for place in range(6)} & found
