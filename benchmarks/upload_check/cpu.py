"""What one check costs in CPU time, alone in its process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from image_duplication.settings import Settings
from image_duplication.upload_check.check import UploadedFile, check_pictures


@dataclass(frozen=True, slots=True)
class CheckCost:
    """CPU milliseconds of a check, all threads of the process included."""

    checks: int
    duplicates: int
    median_ms: float
    mean_ms: float
    p95_ms: float


def measure_cpu(
    uploads: Sequence[Sequence[UploadedFile]], settings: Settings, *, rounds: int
) -> CheckCost:
    """Check every upload so many times, the first one once more before, to warm up."""
    check_pictures(uploads[0], settings)
    costs_ms = []
    duplicates = 0
    for _ in range(rounds):
        for upload in uploads:
            started = time.process_time()
            duplicates += len(check_pictures(upload, settings).duplicates)
            costs_ms.append(1_000 * (time.process_time() - started))
    return CheckCost(
        checks=len(costs_ms),
        duplicates=duplicates // rounds,
        median_ms=statistics.median(costs_ms),
        mean_ms=statistics.fmean(costs_ms),
        p95_ms=statistics.quantiles(costs_ms, n=20)[-1],
    )
