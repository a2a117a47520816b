"""Writes a category's gallery: one page, with the thumbnails in it while they are few."""

from __future__ import annotations

import base64
import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO

from image_duplication import layout
from image_duplication.errors import MissingArtefactError
from image_duplication.gallery.assembly import (
    embed,
    open_templates,
    read_own,
    read_shared,
    to_script_json,
)
from image_duplication.gallery.contents import read_shown
from image_duplication.records import Relation, Verdict
from image_duplication.reviewed_category import ReviewedCategory
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.tables import Row

_MEGABYTE = 1_000_000
_READ_AT_ONCE = 32
_COPIED_CHARACTERS = 1 << 20
_MARK = "@@DATA@@"


@dataclass(slots=True)
class _Totals:
    """What the head of the page says, counted on the way."""

    category_name: str = ""
    variants: int = 0
    shown: int = 0
    findings: int = 0
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    judged_until: datetime | None = None

    def count(self, verdict: Row) -> None:
        self.variants += 1
        self.category_name = verdict["category_name"] or self.category_name
        self.verdicts[Verdict.of(verdict["verdict"])] += 1
        moments = [m for m in (self.judged_until, verdict["judged_at"]) if m is not None]
        self.judged_until = max(moments, default=None)


def write_gallery(reviewed: ReviewedCategory, settings: Settings, *, not_judged: int) -> None:
    """Write the page of a category as people see it; `not_judged` variants have no verdict.

    The page holds the thumbnails that are there, within `report.gallery_inline_mb`; else it refers
    to them by relative path. The same state and thumbnails give the same page.
    """
    storage, category_id = reviewed.storage, reviewed.category_id
    totals = _Totals()
    places: dict[str, int] = {}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as aside:
        variants = read_shown(
            reviewed,
            place_thumbnail=lambda sha256: places.setdefault(sha256, len(places)),
            count=totals.count,
        )
        for variant in variants:
            aside.write(f"{',' if totals.shown else ''}\n{to_script_json(variant)}")
            totals.shown += 1
            totals.findings += sum(
                finding["relation"] == Relation.DUPLICATE for finding in variant["findings"]
            )
        budget = int(settings.report.gallery_inline_mb * _MEGABYTE)
        inline = _read_inline(storage, category_id, list(places), budget)
        head, foot = _render(category_id, totals, not_judged, is_inline=inline is not None)
        thumbnails = list(places) if inline is None else inline
        with storage.writing(layout.gallery(category_id)) as sink:
            sink.write(f"{head}[".encode())
            _copy(aside, sink)
            sink.write(b'\n]</script>\n<script type="application/json" id="thumbnails">')
            sink.write(f"{to_script_json(thumbnails)}{foot}".encode())


def _read_inline(
    storage: Storage, category_id: int, contents: list[str], budget: int
) -> list[str | None] | None:
    """The thumbnails as base64, None for one that is missing; None when they exceed the budget."""
    found: list[str | None] = []
    waiting = iter(contents)
    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        while batch := list(itertools.islice(waiting, _READ_AT_ONCE)):
            for encoded in pool.map(lambda sha: _read_encoded(storage, category_id, sha), batch):
                budget -= len(encoded or "")
                found.append(encoded)
            if budget < 0:
                return None
    return found


def _read_encoded(storage: Storage, category_id: int, sha256: str) -> str | None:
    try:
        content = storage.read_bytes(layout.thumbnail(category_id, sha256))
    except MissingArtefactError:
        return None
    return base64.b64encode(content).decode()


def _render(
    category_id: int, totals: _Totals, not_judged: int, *, is_inline: bool
) -> tuple[str, str]:
    """The page before its variants, and after its thumbnails."""
    steps = "../" * layout.gallery(category_id).count("/")
    folder = layout.thumbnail(category_id, "").rpartition("/")[0]
    page = (
        open_templates()
        .get_template("gallery.html")
        .render(
            **embed(
                f"{read_shared('tokens.css', 'compare.css')}\n{read_own('gallery.css')}",
                f"{read_shared('compare.js')}\n{read_own('gallery.js')}",
                # Beside the page: 'self' is nothing where it is opened as a file.
                pictures=("data:",) if is_inline else ("'self'", "file:"),
            ),
            category_id=category_id,
            totals=totals,
            not_judged=not_judged,
            duplicates_csv=layout.report(category_id, "duplicates").rpartition("/")[2],
            compliance_csv=layout.report(category_id, "compliance").rpartition("/")[2],
            thumbnail_folder="" if is_inline else f"{steps}{folder}/",
            data=_MARK,
        )
    )
    # The last one, for a category may be called so; behind it there is only the page's own script.
    head, _, foot = page.rpartition(_MARK)
    return head, foot


def _copy(aside: IO[str], sink: IO[bytes]) -> None:
    aside.seek(0)
    for text in _chunks(aside):
        sink.write(text.encode())


def _chunks(aside: IO[str]) -> Iterator[str]:
    while text := aside.read(_COPIED_CHARACTERS):
        yield text
