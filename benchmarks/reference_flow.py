"""The flow `reference`: what one would write in an afternoon, as the work of one process.

python -m benchmarks.reference_flow '{"database": …}'
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import requests
from difPy import dif

from benchmarks.flows import Groups, Order, StageTimes, leave_result

_IMAGE_BASE = "https://assets-bg.gem.gov.in"


def run_reference(order: Order) -> None:
    """The plain flow: one request after another, then difPy on one folder after another."""
    times = StageTimes()
    folder = Path(order.work_folder)
    rows = times.time("read", lambda: _read_rows(order.database))
    folders = {variant_id: folder / variant_id for variant_id, _, _ in rows}

    def download() -> int:
        fetched = 0
        for variant_id, image_id, url in rows:
            folders[variant_id].mkdir(parents=True, exist_ok=True)
            answer = requests.get(url.replace(_IMAGE_BASE, order.image_base), timeout=30)
            answer.raise_for_status()
            suffix = url.rpartition(".")[2]
            (folders[variant_id] / f"{image_id}.{suffix}").write_bytes(answer.content)
            fetched += 1
        return fetched

    def detect() -> Groups:
        groups = {}
        for variant_id, variant_folder in folders.items():
            built = dif.build(str(variant_folder), show_progress=False)
            found = dif.search(built, show_progress=False).result
            if found:
                groups[variant_id] = [
                    [Path(name).stem for name in (base, *(match[0] for match in matches))]
                    for base, matches in found.items()
                ]
        return groups

    fetched = times.time("download_images", download)
    groups = times.time("detect_duplicates", detect)
    leave_result(order, times, images=len(rows), fetched=fetched, groups=groups)


def _read_rows(database: str) -> list[tuple[str, str, str]]:
    """Variant id, image id and URL of every active image, in the catalogue's order."""
    connection = sqlite3.connect(database)
    try:
        found = connection.execute(
            "SELECT v.variant_id, i.image_id, i.image_url FROM inb_variants v "
            "JOIN inb_images i ON i.variant_id = v.variant_id "
            "WHERE v.is_active = 1 AND i.is_active = 1 "
            "ORDER BY v.category_id, v.variant_id, i.position"
        )
        return [(str(variant_id), image_id, url) for variant_id, image_id, url in found]
    finally:
        connection.close()


if __name__ == "__main__":
    run_reference(Order.from_json(sys.argv[1]))
