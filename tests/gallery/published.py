"""A category as a run left it, and its gallery read back as the page's script reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from image_duplication import layout
from image_duplication.gallery.category_pages import write_gallery
from image_duplication.reviewed_category import ReviewedCategory
from image_duplication.reviews import Reviews
from image_duplication.settings import load_settings
from image_duplication.stages.publish import publish_run
from image_duplication.storage import Storage
from image_duplication.store.standings import CatalogueStanding
from image_duplication.summary import RunSummary
from image_duplication.tables import Row
from tests.judged_rows import Unit, draw_picture, encode, finish_unit, write_plan


def publish(
    storage: Storage, variants: Sequence[Sequence[Row]], run_id: str = "weekly"
) -> RunSummary:
    """Publish one run of category 7 that judged these variants."""
    unit = Unit("7/1", variants)
    write_plan(storage, run_id, {7: [rows[0]["variant_id"] for rows in variants]}, [unit])
    finish_unit(storage, load_settings(), run_id, unit)
    return publish_run(storage, load_settings(), run_id=run_id)


def write_thumbnail(storage: Storage, row: Row, seed: int = 1) -> None:
    content = encode(draw_picture(seed, 160, 160), "JPEG")
    storage.write_bytes(layout.thumbnail(7, row["content_sha256"]), content, durable=False)


def rewrite(
    storage: Storage, *, inline_mb: float = 15, not_judged: int = 0, reviews: Reviews | None = None
) -> Gallery:
    settings = load_settings({"report": {"gallery_inline_mb": inline_mb}})
    reviewed = ReviewedCategory.read(
        storage, 7, reviews or Reviews.of({}, allows_unreviewed_identical=True)
    )
    write_gallery(reviewed, settings, not_judged=not_judged)
    return read_gallery(storage)


@dataclass(frozen=True)
class Gallery:
    text: str

    def read(self, element_id: str) -> Any:
        found = re.search(rf'id="{element_id}">(.*?)</script>', self.text, re.DOTALL)
        assert found is not None
        return json.loads(found[1])

    @property
    def variants(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.read("variants")
        return found

    @property
    def thumbnails(self) -> list[str | None]:
        found: list[str | None] = self.read("thumbnails")
        return found

    @property
    def head(self) -> str:
        """What is said before the data, without the style sheet."""
        head = self.text.partition('id="variants"')[0]
        return re.sub(r"<style>.*?</style>", "", head, flags=re.DOTALL)


def read_gallery(storage: Storage) -> Gallery:
    return Gallery(storage.read_bytes(layout.gallery(7)).decode())


def standing(weeks_ago: int, findings: int) -> CatalogueStanding:
    """How the catalogue stood some weeks before 2 March 2026."""
    return CatalogueStanding(
        run_id=f"run {weeks_ago}",
        planned_at=datetime(2026, 3, 2) - timedelta(weeks=weeks_ago),  # noqa: DTZ001
        scope="changed",
        variants_judged=1,
        new=3,
        repeated=0,
        resolved=1,
        units_failed=0,
        categories_failed=0,
        categories=1,
        variants=10,
        compliant=5,
        short=4,
        undecided=1,
        findings=findings,
        by_kind={},
    )
