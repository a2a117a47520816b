"""What is kept of categories in memory, and for how long."""

from __future__ import annotations

from datetime import timedelta

import pytest

from image_duplication import layout
from image_duplication.errors import MissingArtefactError
from image_duplication_web.review import category_files
from image_duplication_web.review.category_files import CategoryFiles
from tests.judged_rows import NOON, judged_variant
from tests.web.review.worlds import ReviewWorld


def test_category_is_read_once_while_its_files_are_the_same(chairs: ReviewWorld) -> None:
    files = CategoryFiles(chairs.storage)

    assert files.read(7) is files.read(7, is_latest=True)


def test_decision_sees_at_once_what_a_run_has_written(chairs: ReviewWorld) -> None:
    files = CategoryFiles(chairs.storage)
    before = files.read(7)

    chairs.publish([judged_variant("1", [["a", "b"]])], planned_at=NOON + timedelta(days=7))

    assert files.read(7) is before, "for a moment, as a page asks for many pictures"
    after = files.read(7, is_latest=True)
    assert (len(before.duplicates), len(after.duplicates)) == (3, 1)
    assert before.version != after.version


def test_memory_is_bounded_by_rows(chairs: ReviewWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    chairs.publish([judged_variant("5", [["e", "f"]])], category_id=8)
    files = CategoryFiles(chairs.storage)
    first = files.read(7)
    monkeypatch.setattr(category_files, "_MOST_ROWS", first.rows)

    second = files.read(8)

    assert files.read(8) is second
    assert files.read(7) is not first, "it had to go, and is read again"


def test_finding_has_another_id_when_its_picture_is_another(chairs: ReviewWorld) -> None:
    files = CategoryFiles(chairs.storage)
    before = {finding.finding_id for finding in files.read(7).duplicates}
    changed = judged_variant("2", [["a", "b"]])
    changed[1]["content_sha256"] = "f" * 64

    chairs.publish([changed], planned_at=NOON + timedelta(days=7))

    (finding,) = files.read(7, is_latest=True).duplicates
    assert finding.finding_id not in before


def test_category_that_is_gone_is_missing_even_if_it_was_read(chairs: ReviewWorld) -> None:
    files = CategoryFiles(chairs.storage)
    files.read(7)

    chairs.storage.delete(layout.category_state(7))

    with pytest.raises(MissingArtefactError, match="category 7 was never published"):
        files.read(7, is_latest=True)
