"""Stage correct_urls: every image URL in standard form, or a reason why it has none."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from image_duplication import layout
from image_duplication.records import StageReport, Status
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.tables import CORRECTED, EXTRACTED, Row, TableWriter, read_rows
from image_duplication.url_rules import UrlRules, load_url_rules

logger = logging.getLogger(__name__)


def correct_urls(storage: Storage, settings: Settings, *, run_id: str, unit_id: str) -> StageReport:
    """Write `urls.parquet`: the extracted rows with the corrected URL and the rules that did it."""
    started = time.monotonic()
    rules = load_url_rules(
        settings.include / "config" / "url_rules.yaml",
        image_base=settings.urls.image_base,
        allowed_hosts=settings.urls.allowed_hosts,
        allowed_schemes=settings.urls.allowed_schemes,
    )
    counts = {"images": 0, "changed": 0, "failed": 0}

    def corrected_rows() -> Iterator[Row]:
        for row in read_rows(
            storage, layout.unit_file(run_id, unit_id, "extract.parquet"), EXTRACTED
        ):
            corrected = _correct(row, rules)
            if row["status"] == Status.LISTED:
                counts["images"] += 1
                counts["changed"] += bool(corrected["url_rules"])
                counts["failed"] += corrected["status"] == Status.FAILED
            yield corrected

    with TableWriter(
        storage, layout.unit_file(run_id, unit_id, "urls.parquet"), CORRECTED
    ) as writer:
        writer.write(corrected_rows())
    failed, allowed = counts["failed"], settings.download.max_failed_share * counts["images"]
    is_degraded = failed > max(allowed, settings.download.tolerated_failures)
    if is_degraded:
        logger.warning(
            "unit %s: %d of %d URLs have no standard form on an allowed host (%s)",
            unit_id,
            failed,
            counts["images"],
            ", ".join(settings.urls.allowed_hosts),
        )
    seconds = time.monotonic() - started
    return StageReport("correct_urls", unit_id, seconds, counts, is_degraded)


def _correct(row: Row, rules: UrlRules) -> Row:
    if row["status"] != Status.LISTED:
        return {**row, "corrected_url": None, "url_rules": []}
    corrected = rules.correct(row["image_url"])
    return {
        **row,
        "corrected_url": corrected.url,
        "url_rules": list(corrected.rule_names),
        "status": Status.FAILED if corrected.url is None else Status.CORRECTED,
        "reason_code": corrected.reason,
    }
