"""The sizing page: its tables are what is computed, and what is computed is right."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from benchmarks import sizing
from benchmarks.sizing import PAGE, Week, pairs, scheduler_cpu_s, tables, value, weeks, with_tables
from demo.airflow_home import PROJECT
from image_duplication.settings import Settings
from image_duplication.units import STAGES


def week(**changes: object) -> Week:
    """A thousand categories of a thousand images: 1% new, none asked for again."""
    values = {
        "name": "week",
        "categories": 1_000,
        "images": 1_000_000,
        "new_share": 0.01,
        "asked_share": 0.0,
        "rate_per_s": 10.0,
    }
    return Week(**values | changes)  # type: ignore[arg-type]


def test_page_has_the_tables_that_are_computed() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page, tables(10_000, 50_000_000, 200)) == page


def test_page_with_another_figure_is_told_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    other = sizing.Figure(99, "CPU ms an image", "all stages, an image that is new", "nowhere")
    monkeypatch.setitem(sizing.MEASURED, "new_cpu_ms", other)
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page, tables(10_000, 50_000_000, 200)) != page


def test_requests_are_those_for_new_and_for_old_pictures_at_the_hosts_rate() -> None:
    found = week(asked_share=0.25)
    assert found.new_images == 10_000
    assert found.asked_images == 250_000
    assert found.download_hours == pytest.approx(260_000 / 10 / 3_600)


@pytest.mark.parametrize(
    ("images", "units"), [(1_000_000, 1_000), (20_000_000, 1_000), (20_001_000, 2_000)]
)
def test_units_are_categories_until_one_is_larger_than_a_part(images: int, units: int) -> None:
    found = week(images=images)
    assert found.units == units
    assert found.runs == units // 200
    assert found.tasks == units * 6 + units // 200 * 5


def test_work_adds_up_what_new_confirmed_and_other_images_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    costs = {
        "new_cpu_ms": 20.0,
        "asked_cpu_ms": 2.0,
        "same_cpu_ms": 1.0,
        "plan_cpu_ms": 0.05,
        "publish_cpu_ms": 0.05,
        "thumbnail_cpu_ms": 10.0,  # of a fifth of the new ones
    }
    for name, ms in costs.items():
        figure = sizing.Figure(ms, "CPU ms an image", name, "made up")
        monkeypatch.setitem(sizing.MEASURED, name, figure)
    found = week(new_share=0.1, asked_share=0.3)
    assert found.work_cpu_hours * 3_600 == pytest.approx(2_000 + 200 + 600 + 60)
    whole = week(new_share=0.1, asked_share=0.3, scope_full=True)
    assert whole.work_cpu_hours * 3_600 == pytest.approx(2_000 + 200 + 600 + 600)
    assert week(images=0).work_cpu_hours == 0


def test_workers_are_enough_for_stages_and_tasks_in_the_hours_that_there_are() -> None:
    found = week()
    hours = found.work_cpu_hours + found.task_cpu_hours
    assert found.worker_cpus == pytest.approx(hours / 24 / 0.7)
    assert found.task_cpu_hours == pytest.approx(6_025 * 0.78 / 3_600)
    assert found.api_cpu_hours == pytest.approx(6_025 * 0.17 / 3_600)


@pytest.mark.parametrize(
    ("units", "cpu_s"), [(1, 0.21), (30, 0.21), (515, (0.21 + 2.5) / 2), (1_000, 2.5), (5_000, 2.5)]
)
def test_scheduler_costs_what_was_measured_and_between_that_the_line(
    units: float, cpu_s: float
) -> None:
    assert scheduler_cpu_s(units) == pytest.approx(cpu_s)


def test_pairs_are_all_of_a_variant() -> None:
    assert pairs(5_000) == 1_000 * math.comb(5, 2)


def test_object_storage_is_asked_for_new_and_for_old_due_pictures() -> None:
    assert week(images=500_000).object_requests == pytest.approx(5_000 * 7.9 + 1_000 * (2 + 4))
    asked = week(images=500_000, new_share=0.0, asked_share=0.01)
    assert asked.object_requests == pytest.approx(5_000 * 3 + 1_000 * (2 + 1))
    assert week(scope_full=True).old_images == 990_000


def test_settings_that_the_page_takes_are_those_of_the_project(settings: Settings) -> None:
    assert value("revalidate_days") == settings.download.revalidate_days
    assert value("part_size_images") == settings.plan.part_size_images
    assert value("units_per_run") == settings.plan.max_units_per_run
    assert value("tasks_a_unit") == len(STAGES)


def test_weeks_ask_for_a_quarter_of_the_old_pictures_after_the_first_run() -> None:
    first, *others = weeks(10, 1_000, 1.0)
    assert (first.new_share, first.asked_share) == (1, 0)
    assert {other.asked_share for other in others} == {0.25}


def test_command_computes_another_catalogue() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sizing", "--categories", "3", "--images", "30000"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert "3 categories, 30,000 images:" in done.stdout
    assert "| work units | 3 | 3 | 3 | 3 |" in done.stdout
