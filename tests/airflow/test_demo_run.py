"""The DAG end to end on the demo catalogue, through `dag.test()`, from SQLite and from MariaDB."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from demo.catalogue import Catalogue, fill_database
from demo.image_server import running_image_server
from demo.mariadb import MariaDbServer
from demo.truth import score_findings
from image_duplication import layout
from image_duplication.detection.difpy_engine import dif
from image_duplication.plans import read_plan
from image_duplication.queries import Source
from image_duplication.records import Kind
from image_duplication.settings import load_settings
from image_duplication.stages.archive import archive_images
from image_duplication.stages.detect import detect_duplicates
from image_duplication.stages.download import download_images
from image_duplication.stages.extract import extract_images
from image_duplication.stages.publish import publish_run
from image_duplication.stages.report import write_report
from image_duplication.stages.urls import correct_urls
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.standings import read_run_categories, read_run_trend
from image_duplication.tables import JUDGED, read_rows
from image_duplication.units import STAGES, run_stage
from tests.airflow.conftest import fill_sqlite, point_at, run_dag

HAND_OFFS = {
    "extract_images": ["extract.parquet"],
    "correct_urls": ["urls.parquet"],
    "download_images": ["downloads.parquet"],
    "detect_duplicates": ["judged.parquet", "evidence.parquet"],
    "write_report": ["findings.parquet", "verdicts.parquet"],
    "archive_images": ["archive.parquet"],
}


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A DAG run that has ended, what it was pointed at, and how often difPy's search was called."""

    storage: Storage
    run_id: str
    source_url: str
    task_instances: list[Any]
    difpy_searches: int
    patch: pytest.MonkeyPatch

    def summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = self.storage.read_json(layout.run_summary(self.run_id, "json"))
        return summary

    def files(self, *prefixes: str) -> dict[str, bytes]:
        """The content of every file below the prefixes, by its key."""
        root = Path(self.storage.root)
        return {
            str(path.relative_to(root)): path.read_bytes()
            for prefix in prefixes
            for path in sorted((root / prefix).rglob("*"))
            if path.is_file()
        }


def run_demo_dag(root: Path, source_uri: str, catalogue: Catalogue) -> FinishedRun:
    """Run the DAG once with a fresh image server, which is gone when the run has ended."""
    searches = 0
    original = dif.search.__init__

    def counting(self: Any, *arguments: Any, **options: Any) -> None:
        nonlocal searches
        searches += 1
        original(self, *arguments, **options)

    patch = pytest.MonkeyPatch()
    with running_image_server(catalogue.served_folder) as server:
        point_at(patch, root, source_uri, server.base_url)
        # One process, so that the calls are counted here.
        patch.setenv("IMAGE_DUPLICATION__DETECTION__PROCESSES", "1")
        with pytest.MonkeyPatch.context() as counted:
            counted.setattr(dif.search, "__init__", counting)
            run = run_dag()
    assert run.state == "success"
    return FinishedRun(
        Storage(str(root / "data")),
        run.run_id,
        source_uri,
        run.get_task_instances(),
        searches,
        patch,
    )


@pytest.fixture(scope="module")
def sqlite_run(
    airflow_database: None, catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FinishedRun]:
    root = tmp_path_factory.mktemp("sqlite-run")
    run = run_demo_dag(root, fill_sqlite(root / "gem_staging.db", catalogue), catalogue)
    yield run
    run.patch.undo()


def test_run_states_every_image_of_the_truth(sqlite_run: FinishedRun, catalogue: Catalogue) -> None:
    expected = {
        image.image_id: None if image.expected == "downloaded" else image.expected
        for image in catalogue.images
        if image.expected != "never_extracted"
    }
    found = {
        row["image_id"]: row["reason_code"]
        for category in sqlite_run.summary()["categories"]
        for row in read_rows(
            sqlite_run.storage, layout.current("images", category["category_id"]), JUDGED
        )
        if row["status"] != "no_images"
    }
    assert found == expected


def test_run_makes_no_false_finding_and_finds_all_that_is_planted(
    sqlite_run: FinishedRun, catalogue: Catalogue
) -> None:
    categories = [c["category_id"] for c in sqlite_run.summary()["categories"]]
    score = score_findings(sqlite_run.storage, catalogue, categories)
    assert score.false_findings == 0
    assert score.missed == ()
    assert set(score.planted) == set(Kind)
    assert score.found == score.planted


def test_run_gives_every_honest_variant_enough_pictures(
    sqlite_run: FinishedRun, catalogue: Catalogue
) -> None:
    total = sqlite_run.summary()["total"]
    assert sum(total["verdicts"].values()) == total["variants"]
    assert total["verdicts"]["compliant"] >= len(catalogue.honest_variant_ids)


def test_run_calls_difpys_own_search_for_each_variant_with_pictures(
    sqlite_run: FinishedRun,
) -> None:
    judged = sqlite_run.summary()["total"]["variants_judged"]
    # One search a variant, but for those with fewer than two pictures to compare.
    assert judged - 4 <= sqlite_run.difpy_searches <= judged


def test_units_are_labelled_by_category(sqlite_run: FinishedRun) -> None:
    labels = {
        instance.rendered_map_index
        for instance in sqlite_run.task_instances
        if instance.task_id == "process_unit.detect_duplicates"
    }
    assert any(label.startswith("1234 Office chairs") for label in labels)
    assert len(labels) == sqlite_run.summary()["total"]["categories"]


def test_run_is_recorded_in_the_store_as_its_summary_says(sqlite_run: FinishedRun) -> None:
    url = f"sqlite:///{sqlite_run.storage.root}/store/store.db"
    with Store("image_duplication_store", url) as store:
        (recorded,) = read_run_trend(store, limit=52)
        categories = read_run_categories(store, sqlite_run.run_id)

    total = sqlite_run.summary()["total"]
    assert recorded.run_id == sqlite_run.run_id
    assert recorded.findings == total["findings"] > 0
    assert recorded.by_kind == total["findings_by_kind"]
    assert recorded.variants == total["variants"]
    assert len(categories) == total["categories"]


def test_every_downloaded_picture_is_archived_and_none_is_left_in_staging(
    sqlite_run: FinishedRun,
) -> None:
    archived = sqlite_run.files("archive")
    total = sqlite_run.summary()["total"]
    assert len(archived) == total["downloaded"]
    assert sqlite_run.files("staging") == {}


def test_run_from_mysql_gives_the_same_reports(
    catalogue: Catalogue,
    mariadb: MariaDbServer,
    sqlite_run: FinishedRun,
    tmp_path: Path,
) -> None:
    engine = sa.create_engine(mariadb.url("writer"))
    fill_database(engine, catalogue)
    engine.dispose()
    run = run_demo_dag(tmp_path, mariadb.airflow_uri(), catalogue)
    run.patch.undo()
    assert _comparable(run) == _comparable(sqlite_run)


def _comparable(run: FinishedRun) -> dict[str, str]:
    """CSVs and galleries without what differs from run to run: its id, its time, its server."""
    files = run.files("reports", "extract")
    summary = run.summary()
    planned_at = datetime.fromisoformat(summary["planned_at"])
    port = json.loads(json.dumps(_image_base(run)))
    return {
        key: content.decode("utf-8-sig")
        .replace(run.run_id, "RUN")
        .replace(summary["planned_at"], "TIME")
        .replace(f"{planned_at:%d %B %Y, %H:%M UTC}", "TIME")
        .replace(port, "BASE")
        for key, content in files.items()
        if not key.startswith("reports/runs/")  # what one run changed, and not as text alone
    }


def _image_base(run: FinishedRun) -> str:
    row = next(
        row
        for category in run.summary()["categories"]
        for row in read_rows(run.storage, layout.current("images", category["category_id"]), JUDGED)
        if row["corrected_url"]
    )
    return str(row["corrected_url"]).partition("/resources")[0]


@pytest.mark.parametrize("stage", STAGES)
def test_task_cleared_alone_gives_equal_files_with_the_image_hosts_gone(
    sqlite_run: FinishedRun, stage: str
) -> None:
    storage, run_id = sqlite_run.storage, sqlite_run.run_id
    plan = read_plan(storage, run_id)
    outputs = [
        layout.unit_file(run_id, unit_id, name)
        for unit_id in plan.unit_ids
        for name in HAND_OFFS[stage]
    ]
    before = {key: storage.read_bytes(key) for key in outputs}
    archived = sqlite_run.files("archive")
    for unit_id in plan.unit_ids:
        run_stage(storage, run_id, unit_id, stage, _stage_work(sqlite_run, stage, unit_id))
    assert {key: storage.read_bytes(key) for key in outputs} == before
    assert sqlite_run.files("archive") == archived
    assert sqlite_run.files("staging") == {}


def _stage_work(run: FinishedRun, stage: str, unit_id: str) -> Callable[[], Any]:
    settings = load_settings()
    storage, run_id = run.storage, run.run_id

    def extract() -> Any:
        source = Source("gem_staging", run.source_url, settings.include / "sql", fetch_rows=100)
        with source:
            return extract_images(storage, settings, source, run_id=run_id, unit_id=unit_id)

    work: dict[str, Callable[[], Any]] = {
        "extract_images": extract,
        "correct_urls": lambda: correct_urls(storage, settings, run_id=run_id, unit_id=unit_id),
        "download_images": lambda: download_images(
            storage, settings, run_id=run_id, unit_id=unit_id, is_last_attempt=False
        ),
        "detect_duplicates": lambda: detect_duplicates(
            storage,
            settings,
            run_id=run_id,
            unit_id=unit_id,
            judged_at=read_plan(storage, run_id).planned_at,
        ),
        "write_report": lambda: write_report(storage, settings, run_id=run_id, unit_id=unit_id),
        "archive_images": lambda: archive_images(storage, run_id=run_id, unit_id=unit_id),
    }
    return work[stage]


def test_publishing_again_gives_equal_files(sqlite_run: FinishedRun) -> None:
    kept = ("reports", "extract", "findings", "verdicts", "images", "evidence")
    before = sqlite_run.files(*kept)
    publish_run(sqlite_run.storage, load_settings(), run_id=sqlite_run.run_id)
    assert sqlite_run.files(*kept) == before


def test_second_run_finds_only_the_undecided_due_and_changes_no_report(
    sqlite_run: FinishedRun, catalogue: Catalogue
) -> None:
    """The image hosts are gone, so every picture of the second run must come from nowhere new."""
    first = _comparable(sqlite_run)
    undecided = sqlite_run.summary()["total"]["verdicts"]["undecided"]
    run = run_dag(plan_only=True)
    assert run.state == "success"
    plan = read_plan(sqlite_run.storage, run.run_id)
    assert sum(category.variants_due for category in plan.categories) == undecided
    assert _comparable(sqlite_run) == first


def test_full_second_run_gives_equal_reports_and_doubles_nothing(
    sqlite_run: FinishedRun, catalogue: Catalogue
) -> None:
    first = _comparable(sqlite_run)
    archived = sqlite_run.files("archive")
    base = _image_base(sqlite_run)
    with running_image_server(catalogue.served_folder, port=int(base.rpartition(":")[2])):
        run = run_dag(scope="full")
    assert run.state == "success"
    second = FinishedRun(
        sqlite_run.storage, run.run_id, sqlite_run.source_url, [], 0, sqlite_run.patch
    )
    assert _comparable(second) == first
    assert second.files("archive") == archived
    assert second.files("staging") == {}
