"""A manifest that names a picture as its own keeper still takes no variant's last one."""

from __future__ import annotations

from typing import Any

from image_duplication.records import SkipReason
from image_duplication.removal.checks import Check, ImageChecks
from image_duplication.removal.source_records import SourceRecord


def record(image_id: str) -> SourceRecord:
    return SourceRecord(f"key-{image_id}", "1", True, image_id, f"https://x/{image_id}.jpg")


def row(image_id: str, keeper: str) -> dict[str, Any]:
    return {
        "category_id": 7,
        "variant_id": "1",
        "image_id": image_id,
        "image_url": f"https://x/{image_id}.jpg",
        "updated_at": None,
        "content_sha256": "0" * 64,
        "keeper_image_id": keeper,
        "keeper_image_url": f"https://x/{keeper}.jpg",
        "keeper_updated_at": None,
        "keeper_sha256": "1" * 64,
    }


def test_last_picture_stays_whatever_the_manifest_says() -> None:
    checks = ImageChecks([record("a"), record("b")], frozenset())

    assert checks.check(row("b", "b"), None) == Check("key-b")
    assert checks.check(row("a", "a"), None) == Check(reason=SkipReason.LAST_PICTURE)


def test_keeper_that_goes_in_the_same_batch_is_none() -> None:
    checks = ImageChecks([record("a"), record("b"), record("c")], frozenset())

    assert checks.check(row("b", "a"), None) == Check("key-b")
    assert checks.check(row("c", "b"), None) == Check(reason=SkipReason.KEEPER_NOT_ACTIVE)
