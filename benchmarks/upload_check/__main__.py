"""Measures what an upload check costs.

    python -m benchmarks.upload_check [--dataset folder] [--uploads 90]

Uploads of five pictures, none, one or two of them copies of others by the modifications of the
accuracy benchmark, are checked one after another in this process. The first row is of pictures of
420 px, the second of 12-megapixel JPEG files as phones make them. The pictures are the demo's drawn
goods, or photos in a folder as benchmarks.accuracy takes them. The goal is a mean of at most 80 ms
of CPU time at 420 px; with `--check` the exit status is 1 above it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy.dataset import Dataset, draw_dataset, read_dataset
from benchmarks.upload_check.cpu import CheckCost, measure_cpu
from benchmarks.upload_check.uploads import PICTURES, write_uploads
from image_duplication.settings import load_settings

GOAL_MS = 80.0
_SMALL_PX = 420
_ROUNDS = 3
_PHONE_UPLOADS_PER = 10  # of the small ones: they take long to make
_SEED = 7


def main() -> int:
    """Write the uploads into a temporary folder, check them, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", type=Path, help="folder of photos; default: drawn goods")
    parser.add_argument("--uploads", type=int, default=90, help="different uploads of small ones")
    parser.add_argument("--check", action="store_true", help="exit status 1 above the goal")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="upload-check-") as folder:
        place = Path(folder)
        dataset = _find_dataset(arguments.dataset, place / "drawn")
        settings = load_settings()
        small = measure_cpu(
            write_uploads(
                dataset, place / "small", count=arguments.uploads, side_px=_SMALL_PX, seed=_SEED
            ),
            settings,
            rounds=_ROUNDS,
        )
        phone = measure_cpu(
            write_uploads(
                dataset,
                place / "phone",
                count=max(3, arguments.uploads // _PHONE_UPLOADS_PER),
                side_px=None,
                seed=_SEED,
            ),
            settings,
            rounds=1,
        )
    _print({f"{PICTURES} of {_SMALL_PX} px": small, f"{PICTURES} of 12 megapixels": phone})
    return 1 if arguments.check and small.mean_ms > GOAL_MS else 0


def _find_dataset(folder: Path | None, drawn: Path) -> Dataset:
    return read_dataset(folder) if folder else draw_dataset(drawn)


def _print(costs: dict[str, CheckCost]) -> None:
    table = Table("pictures", box=box.SIMPLE, title="CPU time of one upload check")
    for heading in ("checks", "duplicates found", "median ms", "mean ms", "95% below, ms"):
        table.add_column(heading, justify="right")
    for pictures, cost in costs.items():
        table.add_row(
            pictures,
            str(cost.checks),
            str(cost.duplicates),
            *(f"{figure:.0f}" for figure in (cost.median_ms, cost.mean_ms, cost.p95_ms)),
        )
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
