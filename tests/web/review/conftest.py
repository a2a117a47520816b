"""A world of published categories for each test, empty at first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from image_duplication.settings import load_settings
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from tests.judged_rows import judged_variant
from tests.web.review.worlds import ReviewWorld, make_world, of_seller


@pytest.fixture
def world(
    tmp_path: Path, plain_environment: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ReviewWorld]:
    root = tmp_path / "root"
    monkeypatch.setenv("IMAGE_DUPLICATION__STORAGE__ROOT", str(root))
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with Store("image_duplication_store", url) as store:
        made = make_world(Storage(str(root)), load_settings(), store, url)
        yield made
        made.app.state.sources.close()


@pytest.fixture
def chairs(world: ReviewWorld) -> ReviewWorld:
    """Category 7: variant 1 with two findings, 2 with one, 3 with none."""
    world.publish(
        [
            of_seller(judged_variant("1", [["a", "b"], ["c", "d"]]), "shop-1"),
            of_seller(judged_variant("2", [["a", "b"]], failed=["x"]), "shop-2"),
            judged_variant("3", [["a"], ["b"], ["c"]]),
        ]
    )
    return world
