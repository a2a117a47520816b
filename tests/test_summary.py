"""The summary of a run, for machines and for people."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from image_duplication.plans import Plan
from image_duplication.records import Scope
from image_duplication.summary import CategorySummary, RunSummary, UnitFailure, render_text
from image_duplication.units import STAGES
from tests.judged_rows import NOON

CHAIRS = CategorySummary(
    category_id=7,
    name="Chairs",
    variants_judged=3,
    variants=10,
    images=40,
    corrected=5,
    downloaded=37,
    failed_by_reason={"not_found": 2, "timed_out": 1},
    findings=6,
    related=1,
    findings_by_kind={"identical": 4, "same_picture": 2},
    findings_new=1,
    findings_repeated=6,
    findings_resolved=3,
    verdicts={"compliant": 7, "short_by_1": 2, "undecided": 1},
    units=2,
    units_failed=(UnitFailure("7/2", "download_images"),),
    units_degraded=("7/1",),
    stage_seconds={"extract_images": 2.0, "detect_duplicates": 4.0},
    stage_images={"extract_images": 40, "detect_duplicates": 40},
    is_renewed=True,
)
TABLES = replace(
    CHAIRS,
    category_id=8,
    name="Tables",
    failed_by_reason={"not_found": 3},
    findings_by_kind={"transformed": 6},
    findings_new=7,
    findings_repeated=0,
    findings_resolved=2,
    verdicts={"short_by_2": 10},
    units_failed=(),
    units_degraded=(),
)


def make_run(*categories: CategorySummary, rejected_rows: int = 0) -> RunSummary:
    return RunSummary("run 1", "full", NOON.isoformat(), rejected_rows, categories, {})


def test_summary_takes_its_run_from_the_plan() -> None:
    plan = Plan("run 9", Scope.CHANGED, NOON, False, (), rejected_rows=4)
    run = RunSummary.of(plan, [CHAIRS], {8: "no such file"})
    assert run == RunSummary(
        "run 9", "changed", NOON.isoformat(), 4, (CHAIRS,), {8: "no such file"}
    )


def test_summary_says_why_a_category_is_not_published() -> None:
    run = replace(make_run(CHAIRS), categories_failed={8: "cannot read '[x]'"})
    assert json.loads(json.dumps(run.to_json()))["categories_failed"] == {"8": "cannot read '[x]'"}
    assert "category 8 is not published: cannot read '[x]'" in render_text(run)


def test_totals_add_up_the_categories() -> None:
    totals = make_run(CHAIRS, TABLES).totals()
    assert totals == {
        "categories": 2,
        "variants_judged": 6,
        "variants": 20,
        "images": 80,
        "corrected": 10,
        "downloaded": 74,
        "failed_by_reason": {"not_found": 5, "timed_out": 1},
        "findings": 12,
        "related": 2,
        "findings_by_kind": {"identical": 4, "same_picture": 2, "transformed": 6},
        "findings_new": 8,
        "findings_repeated": 6,
        "findings_resolved": 5,
        "verdicts": {"compliant": 7, "short_by_1": 2, "short_by_2": 10, "undecided": 1},
        "units": 4,
        "units_failed": ["7/2 at download_images"],
        "units_degraded": ["7/1"],
        "decisions_carried": 0,
        "stages": {
            "extract_images": {"seconds": 4.0, "images_per_s": 20.0},
            "detect_duplicates": {"seconds": 8.0, "images_per_s": 10.0},
        },
    }


def test_totals_count_rows_that_belong_to_no_category() -> None:
    totals = make_run(CHAIRS, rejected_rows=3).totals()
    assert totals["images"] == 43
    assert totals["failed_by_reason"]["category_not_integer"] == 3
    assert sum(totals["failed_by_reason"].values()) + totals["downloaded"] == totals["images"]


def test_totals_of_a_run_without_categories_are_nothing() -> None:
    totals = make_run().totals()
    assert {name for name, value in totals.items() if value} == set()


def test_totals_list_the_stages_in_their_order() -> None:
    seconds = dict.fromkeys(reversed(STAGES), 1.0)
    totals = make_run(replace(CHAIRS, stage_seconds=seconds)).totals()
    assert list(totals["stages"]) == list(STAGES)


def test_totals_of_a_stage_that_took_no_time_have_a_finite_rate() -> None:
    instant = replace(CHAIRS, stage_seconds={"extract_images": 0.0}, stage_images={})
    assert make_run(instant).totals()["stages"]["extract_images"]["images_per_s"] == 0


def test_summary_is_plain_json() -> None:
    summary = json.loads(json.dumps(make_run(CHAIRS, TABLES).to_json()))
    assert (summary["run_id"], summary["scope"]) == ("run 1", "full")
    assert [category["name"] for category in summary["categories"]] == ["Chairs", "Tables"]
    assert summary["categories"][0]["units_failed"] == [
        {"unit_id": "7/2", "stage": "download_images"}
    ]
    assert summary["total"]["images"] == 80


def test_text_shows_categories_reasons_kinds_verdicts_stages_and_failures() -> None:
    text = render_text(make_run(CHAIRS, TABLES))
    for part in (
        "Run run 1, scope full",
        "7 Chairs",
        "8 Tables",
        "images of this run that failed, by reason: not_found 5, timed_out 1",
        "findings of the whole categories, by kind: identical 4, same_picture 2, transformed 6",
        "findings and related pictures, against what the run found: new 8, repeated 6, resolved 5",
        "verdicts of the whole categories: compliant 7, short_by_1 2, short_by_2 10, undecided 1",
        "units failed: 7/2 at download_images",
        "units degraded: 7/1",
    ):
        assert part in text
    chairs = next(line for line in text.splitlines() if "7 Chairs" in line)
    assert [cell.strip() for cell in chairs.strip("|").split("|")] == [
        "7 Chairs",
        "10",
        "40",
        "5",
        "37",
        "3",
        "6",
        "1",
        "6",
        "3",
        "2",
    ]
    stage = next(line for line in text.splitlines() if "detect_duplicates" in line)
    assert [cell.strip() for cell in stage.strip("|").split("|")] == [
        "detect_duplicates",
        "8.0",
        "10",
    ]


def test_text_says_none_where_nothing_was_counted() -> None:
    text = render_text(make_run())
    assert "findings of the whole categories, by kind: none" in text
    assert "units failed" not in text
    assert "units degraded" not in text


@pytest.mark.parametrize(
    "name",
    [
        "[bold]Chairs[/bold]",
        "[/]",
        "\\[/]",
        "Chairs :smile:",
        "कार्यालय कुर्सी",
        "Stühle \\",
        "[link=file:///x]y[/link]",
    ],
)
def test_text_shows_any_category_name_as_it_is(name: str) -> None:
    assert f"7 {name}" in render_text(make_run(replace(CHAIRS, name=name)))


def test_text_shows_any_run_id_as_it_is() -> None:
    run = replace(make_run(CHAIRS), run_id="manual [/] [red]1")
    assert "Run manual [/] [red]1, scope full" in render_text(run)


def test_text_keeps_a_long_category_name_whole() -> None:
    name = "Chair" * 40
    text = render_text(make_run(replace(CHAIRS, name=name)))
    first_cells = [line.strip("|").split("|")[0].strip() for line in text.splitlines()]
    assert name in "".join(first_cells).replace(" ", "")


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_text_has_no_control_characters_on_any_terminal(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    text = render_text(make_run(CHAIRS))
    assert all(character.isprintable() or character == "\n" for character in text)
