"""The uploads that the benchmark of the check sends, and what it measures of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.accuracy.dataset import Dataset, read_dataset
from benchmarks.upload_check.cpu import measure_cpu
from benchmarks.upload_check.uploads import as_phone_picture, write_uploads
from image_duplication.settings import Settings
from tests.drawn_photos import draw_photo


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("photos")
    for seed in range(1, 7):
        place = folder / f"drawn__{seed}"
        place.mkdir()
        draw_photo(seed).save(place / "front.jpg", quality=92)
    return read_dataset(folder)


def test_uploads_have_none_one_and_two_copies(
    dataset: Dataset, settings: Settings, tmp_path: Path
) -> None:
    uploads = write_uploads(dataset, tmp_path, count=3, side_px=420, seed=7)
    cost = measure_cpu(uploads, settings, rounds=2)

    assert [len(upload) for upload in uploads] == [5, 5, 5]
    assert (cost.checks, cost.duplicates) == (6, 3)
    assert 0 < cost.median_ms <= cost.p95_ms
    for upload in uploads:
        for file in upload:
            with Image.open(file.path) as opened:
                assert max(opened.size) <= 420


def test_phone_picture_has_twelve_megapixels_and_grain() -> None:
    picture = as_phone_picture(Image.new("RGB", (40, 60), "grey"), np.random.default_rng(1))

    assert picture.size == (3024, 4032)
    assert 2 < np.asarray(picture.crop((0, 0, 200, 200)), np.float64).std() < 4
