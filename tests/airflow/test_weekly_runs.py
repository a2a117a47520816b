"""What a later run does about each change in the catalogue, and what it does not ask or decode."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.image_server import RunningImageServer, running_image_server
from image_duplication import layout
from image_duplication.plans import read_plan
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.leases import Leases
from image_duplication.tables import PLANNED_VARIANTS, read_rows
from tests.airflow.conftest import point_at, run_dag
from tests.airflow.small_catalogue import draw, fill_small_catalogue
from tests.catalogues import SourceDatabase

CATEGORY = 11
LATER = "2024-05-01 10:00:00"


@dataclass(frozen=True, slots=True)
class Scene:
    """A category of four variants that a first run has judged."""

    database: SourceDatabase
    server: RunningImageServer
    storage: Storage
    served: Path

    def requests(self) -> list[tuple[str, int]]:
        """Path and status of every request so far."""
        assert self.server.log_path is not None
        time.sleep(0.7)  # the server writes its log twice a second
        lines = [line.split() for line in self.server.log_path.read_text().splitlines()]
        return [(line[1].rpartition("/")[2], int(line[2])) for line in lines]

    def due(self, run_id: str) -> dict[str, str]:
        rows = read_rows(self.storage, layout.plan_variants(run_id, CATEGORY), PLANNED_VARIANTS)
        return {row["variant_id"]: row["due_reason"] for row in rows if row["due_reason"]}

    def count(self, run_id: str, stage: str, name: str) -> int:
        return sum(
            self.storage.read_json(layout.stage_record(run_id, unit_id, stage))["counts"][name]
            for unit_id in read_plan(self.storage, run_id).unit_ids
        )

    def findings(self) -> dict[str, str]:
        content = self.storage.read_bytes(layout.report(CATEGORY, "duplicates"))
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
        return {row["variant_id"]: row["duplicate_image_id"] for row in rows}

    def total(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.storage.read_json(layout.run_summary(run_id, "json"))["total"]
        return found


@pytest.fixture
def scene(airflow_database: None, tmp_path: Path) -> Iterator[Scene]:
    url = fill_small_catalogue(tmp_path, [CATEGORY], variants=4)
    log = tmp_path / "access.log"
    with (
        running_image_server(tmp_path / "served", log_path=log) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        point_at(patch, tmp_path, url, server.base_url)
        found = Scene(
            SourceDatabase(url, url), server, Storage(str(tmp_path / "data")), tmp_path / "served"
        )
        assert run_dag().state == "success"
        assert len(found.requests()) == 12
        yield found


def change_picture(scene: Scene) -> None:
    draw(999).save(scene.served / "changed.png")
    scene.database.execute(
        "UPDATE inb_images SET image_url = 'https://assets-bg.gem.gov.in/changed.png', "
        f"updated_at = '{LATER}' WHERE image_id = '1101-3'"
    )


def add_picture(scene: Scene) -> None:
    draw(998).save(scene.served / "added.png")
    scene.database.add_image(
        1101, "1101-4", position=4, image_url="https://assets-bg.gem.gov.in/added.png"
    )
    scene.database.fill()


def deactivate_picture(scene: Scene) -> None:
    scene.database.execute("UPDATE inb_images SET is_active = 0 WHERE image_id = '1101-3'")


def delete_picture(scene: Scene) -> None:
    scene.database.execute("DELETE FROM inb_images WHERE image_id = '1101-3'")


def swap_pictures(scene: Scene) -> None:
    scene.database.execute(
        "UPDATE inb_images SET position = 4 - position WHERE variant_id = 1101 AND position <> 2"
    )


@pytest.mark.parametrize(
    ("change", "asked", "finding", "numbers"),
    [
        (change_picture, ["changed.png"], None, (0, 3, 1)),
        (add_picture, ["added.png"], "1101-3", (0, 4, 0)),
        (deactivate_picture, [], None, (0, 3, 1)),
        (delete_picture, [], None, (0, 3, 1)),
        (swap_pictures, [], "1101-1", (0, 4, 0)),
    ],
    ids=["changed", "added", "deactivated", "deleted", "reordered"],
)
def test_changed_variant_alone_is_judged_and_only_what_is_new_is_asked_for(
    scene: Scene,
    change: Callable[[Scene], None],
    asked: list[str],
    finding: str | None,
    numbers: tuple[int, int, int],
) -> None:
    before, found = len(scene.requests()), scene.findings()
    change(scene)

    run = run_dag()

    assert run.state == "success"
    assert scene.due(run.run_id) == {"1101": "changed"}
    assert scene.requests()[before:] == [(name, 200) for name in asked]
    expected = {**found, "1101": finding} if finding else found
    if not finding:
        del expected["1101"]
    assert scene.findings() == expected
    total = scene.total(run.run_id)
    assert (
        total["findings_new"],
        total["findings_repeated"],
        total["findings_resolved"],
    ) == numbers


def test_unchanged_catalogue_is_neither_asked_for_nor_decoded(scene: Scene) -> None:
    before, found = scene.requests(), scene.findings()

    changed, full = run_dag(), run_dag(scope="full")

    assert changed.state == full.state == "success"
    assert read_plan(scene.storage, changed.run_id).unit_ids == []
    assert set(scene.due(full.run_id).values()) == {"full"}
    assert scene.requests() == before
    assert scene.count(full.run_id, "download_images", "unchanged") == 12
    assert scene.count(full.run_id, "detect_duplicates", "decoded") == 0
    assert scene.findings() == found


def test_changed_threshold_judges_anew_without_a_request_or_a_pixel(scene: Scene) -> None:
    before = scene.requests()

    run = run_dag(scope="full", similarity_mse=0)

    assert run.state == "success"
    assert scene.requests() == before
    assert scene.count(run.run_id, "detect_duplicates", "decoded") == 0


def test_hosts_confirm_old_pictures_without_sending_them(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(scene.requests())
    monkeypatch.setenv("IMAGE_DUPLICATION__DOWNLOAD__REVALIDATE_DAYS", "0")

    run = run_dag()

    assert run.state == "success"
    assert set(scene.due(run.run_id).values()) == {"revalidation"}
    assert {status for _, status in scene.requests()[before:]} == {304}
    assert scene.count(run.run_id, "download_images", "revalidated") == 12
    assert scene.count(run.run_id, "detect_duplicates", "decoded") == 0


def test_category_of_another_run_is_tried_again_then_left_to_it_by_name(
    scene: Scene, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from image_duplication_airflow.retries import RETRIES, RETRY_POLICY

    (again,) = [rule for rule in RETRY_POLICY.rules if rule.retry_delay]
    monkeypatch.setattr(again, "retry_delay", timedelta(seconds=1))
    found = scene.findings()
    with Store("store", f"sqlite:///{scene.storage.root}/store/store.db") as store:
        lasting = timedelta(hours=1)
        Leases(store, owner="weekly", run_id="weekly", lasting=lasting).take([CATEGORY])

    run = run_dag(scope="full")

    assert run.state == "failed"
    printed = capfd.readouterr()
    assert "category 11 is being worked on by 'weekly'" in printed.out + printed.err
    tries = {one.task_id: one.try_number for one in run.get_task_instances()}
    assert tries["process_unit.extract_images"] == 1 + RETRIES
    assert scene.findings() == found
