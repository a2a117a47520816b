"""How far a work unit has come."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from image_duplication import layout
from image_duplication.errors import StorageError
from image_duplication.records import StageReport
from image_duplication.storage import Storage
from image_duplication.units import REPORTED, STAGES, read_stage_reports, run_stage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path))


def make_report(stage: str, *, is_degraded: bool = False) -> StageReport:
    return StageReport(stage, "7/1", 0.5, {"images": 3}, is_degraded)


def finish(storage: Storage, *stages: str) -> None:
    for stage in stages:
        run_stage(storage, "run", "7/1", stage, lambda stage=stage: make_report(stage))


def test_stage_record_gives_back_what_the_stage_reported(storage: Storage) -> None:
    degraded = make_report("extract_images", is_degraded=True)
    assert run_stage(storage, "run", "7/1", "extract_images", lambda: degraded) is degraded
    assert read_stage_reports(storage, "run", "7/1") == [degraded]


def test_stage_reports_end_at_the_first_stage_that_did_not_finish(storage: Storage) -> None:
    finish(storage, *STAGES)
    assert [r.stage for r in read_stage_reports(storage, "run", "7/1")] == list(STAGES)
    storage.delete(layout.stage_record("run", "7/1", "download_images"))
    done = [r.stage for r in read_stage_reports(storage, "run", "7/1")]
    assert done == ["extract_images", "correct_urls"]


def test_stage_reports_of_a_unit_that_never_started_are_none(storage: Storage) -> None:
    assert read_stage_reports(storage, "run", "7/1") == []


def test_stage_reports_are_of_one_run_and_one_unit(storage: Storage) -> None:
    finish(storage, "extract_images")
    assert read_stage_reports(storage, "other run", "7/1") == []
    assert read_stage_reports(storage, "run", "7/11") == []


def test_failed_stage_leaves_no_record_not_even_that_of_an_earlier_try(storage: Storage) -> None:
    finish(storage, *STAGES)

    def fail() -> StageReport:
        raise StorageError("disk full")

    with pytest.raises(StorageError, match="disk full"):
        run_stage(storage, "run", "7/1", "detect_duplicates", fail)
    assert len(read_stage_reports(storage, "run", "7/1")) == 3


def test_stage_has_no_record_while_it_runs(storage: Storage) -> None:
    finish(storage, "extract_images")
    seen: list[bool] = []

    def look() -> StageReport:
        seen.append(storage.exists(layout.stage_record("run", "7/1", "extract_images")))
        return make_report("extract_images")

    run_stage(storage, "run", "7/1", "extract_images", look)
    assert seen == [False]


def test_stage_logs_its_start_and_end_with_counts_and_seconds(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="image_duplication.units")
    finish(storage, "extract_images")
    start, end = (record.getMessage() for record in caplog.records)
    assert start == "unit 7/1: extract_images starts"
    assert end.startswith("unit 7/1: extract_images done in 0.")
    assert end.endswith("{'images': 3}")


def test_findings_count_once_the_report_is_written() -> None:
    assert STAGES[REPORTED - 1] == "write_report"
