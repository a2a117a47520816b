"""Which alerts a run's summary makes, and how they read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from image_duplication.alerts import (
    Alert,
    Anchor,
    RunPage,
    Severity,
    alert_of_failed_run,
    alert_of_late_run,
    alert_of_summary,
    alert_of_waiting_removal,
)
from image_duplication.settings import AlertSettings
from image_duplication.summary import CategorySummary, RunSummary, UnitFailure

RUNBOOK = Path(__file__).parents[1] / "docs" / "runbook.md"
PAGE = RunPage("image_duplication", "weekly 1", "https://airflow.example/dags/x/runs/weekly%201")
SETTINGS = AlertSettings(most_new_share=0.25, least_new=10)


def category(
    category_id: int = 1234,
    *,
    name: str = "Office chairs",
    images: int = 100,
    new: int = 0,
    failed: tuple[UnitFailure, ...] = (),
    degraded: tuple[str, ...] = (),
) -> CategorySummary:
    return CategorySummary(
        category_id=category_id,
        name=name,
        variants_judged=10,
        variants=10,
        images=images,
        corrected=0,
        downloaded=images,
        failed_by_reason={},
        findings=new,
        related=0,
        findings_by_kind={},
        findings_new=new,
        findings_repeated=0,
        findings_resolved=0,
        verdicts={},
        units=1,
        units_failed=failed,
        units_degraded=degraded,
        stage_seconds={},
        stage_images={},
        is_renewed=True,
    )


def alerts_of(
    *categories: CategorySummary, categories_failed: Mapping[int, str] | None = None
) -> tuple[Alert, ...]:
    summary = RunSummary(
        "weekly 1", "changed", "2026-01-04T00:00:00+00:00", 0, categories, categories_failed or {}
    )
    return alert_of_summary(summary, SETTINGS, PAGE)


def test_good_run_makes_no_alert() -> None:
    assert alerts_of(category(), category(1305)) == ()


def test_failed_units_are_named_with_their_stage_in_one_alert() -> None:
    (alert,) = alerts_of(
        category(failed=(UnitFailure("1234/1", "correct_urls"),)),
        category(1305, failed=(UnitFailure("1305/2", "detect_duplicates"),)),
    )

    assert alert.subject == "[image_duplication] medium: 2 unit(s) failed, run weekly 1"
    assert "1234/1 at correct_urls, 1305/2 at detect_duplicates" in alert.what
    assert alert.where == "DAG image_duplication, run weekly 1"
    assert alert.link == PAGE.link
    assert alert.runbook == "docs/runbook.md#the-run-failed-at-publish_run"
    assert alert.severity is Severity.MEDIUM


def test_failed_category_is_named_with_its_reason() -> None:
    (alert,) = alerts_of(categories_failed={77: "state.json: not a JSON file"})

    assert "1 category(ies) failed" in alert.subject
    assert "category 77 is not published: state.json: not a JSON file" in alert.what


def test_long_list_names_some_and_counts_the_rest() -> None:
    failures = tuple(UnitFailure(f"1234/{part}", "correct_urls") for part in range(1, 26))

    (alert,) = alerts_of(
        category(failed=failures), categories_failed=dict.fromkeys(range(1, 24), "broken")
    )

    assert "1234/20 at correct_urls, and 5 more" in alert.what
    assert "1234/21" not in alert.what
    assert "and 3 more categories" in alert.what


def test_degraded_units_are_named() -> None:
    (alert,) = alerts_of(category(degraded=("1234/1", "1234/3")))

    assert "2 unit(s) degraded" in alert.subject
    assert "1234/1, 1234/3" in alert.what
    assert alert.runbook.endswith("#a-unit-is-degraded")


@pytest.mark.parametrize(
    ("images", "new", "is_told"),
    [
        pytest.param(100, 26, True, id="beyond the share"),
        pytest.param(100, 25, False, id="at the share"),
        pytest.param(30, 10, True, id="at the least count"),
        pytest.param(30, 9, False, id="below the least count"),
        pytest.param(0, 0, False, id="nothing judged"),
    ],
)
def test_jump_is_told_beyond_the_share_and_from_the_least_count(
    images: int, new: int, is_told: bool
) -> None:
    alerts = alerts_of(category(images=images, new=new), category(1305, images=1000, new=20))

    assert bool(alerts) is is_told
    for alert in alerts:
        assert (
            f"1234 Office chairs: {new} new findings among {images} images "
            "(reports/category=1234/1234.html)." in alert.what
        )
        assert alert.runbook.endswith("#a-jump-in-duplicates")


def test_each_sort_has_an_alert_of_its_own() -> None:
    bad = category(new=90, failed=(UnitFailure("1234/2", "x"),), degraded=("1234/1",))

    assert [alert.runbook.partition("#")[2] for alert in alerts_of(bad)] == [
        Anchor.UNITS_FAILED,
        Anchor.UNITS_DEGRADED,
        Anchor.DUPLICATES_JUMPED,
    ]


def test_late_run_says_by_when_and_how_it_stands() -> None:
    alert = alert_of_late_run(SETTINGS, PAGE, deadline="2026-01-05 08:30", state="running")

    assert alert.subject == "[image_duplication] high: run is late, run weekly 1"
    assert alert.what == "The run was to be finished by 2026-01-05 08:30. It is running."
    assert alert.runbook.endswith("#the-run-is-late")


@pytest.mark.parametrize(
    ("task_ids", "what"),
    [
        (["plan_work", "publish_run"], "Failed tasks: plan_work, publish_run."),
        ([], "may not be published in full."),
    ],
    ids=["tasks known", "tasks unknown"],
)
def test_failed_run_says_how_and_which_tasks(task_ids: list[str], what: str) -> None:
    alert = alert_of_failed_run(SETTINGS, PAGE, task_ids=task_ids, reason="timed_out")

    assert "(timed_out)" in alert.what
    assert alert.what.endswith(what)
    assert alert.severity is Severity.HIGH


def test_waiting_removal_says_what_is_asked() -> None:
    alert = alert_of_waiting_removal(SETTINGS, PAGE, subject="Deactivate 3 images?")

    assert alert.subject == "[image_duplication] low: a removal waits for approval, run weekly 1"
    assert alert.what == "Deactivate 3 images?"
    assert alert.runbook.endswith("#a-removal-waits-for-approval")


def test_refused_approval_says_why_before_what_is_asked_again() -> None:
    alert = alert_of_waiting_removal(
        SETTINGS, PAGE, subject="Deactivate 3 images?", refusal="not the proposer"
    )

    assert "an approval was not accepted" in alert.subject
    assert alert.what.startswith("not the proposer")
    assert alert.what.endswith("Deactivate 3 images?")


def test_body_holds_what_where_link_and_runbook() -> None:
    alert = alert_of_late_run(SETTINGS, PAGE, deadline="2026-01-05 08:30", state="running")

    body = alert.render_body()

    for said in (alert.what, alert.where, alert.link, alert.runbook, "high"):
        assert said in body


def test_json_holds_every_field_as_text() -> None:
    alert = alert_of_late_run(SETTINGS, PAGE, deadline="2026-01-05 08:30", state="running")

    assert alert.to_json() == {
        "subject": alert.subject,
        "what": alert.what,
        "where": alert.where,
        "link": alert.link,
        "runbook": alert.runbook,
        "severity": "high",
    }


def test_subject_is_one_line_whatever_the_run_is_called() -> None:
    page = RunPage("image_duplication", "x\r\nBcc: thief@example.com", "https://airflow.example")

    alert = alert_of_late_run(SETTINGS, page, deadline="", state="running")

    assert len(alert.subject.splitlines()) == 1


@pytest.mark.parametrize("anchor", Anchor)
def test_anchor_is_a_section_of_the_runbook(anchor: Anchor) -> None:
    headings = re.findall(r"^## (.+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    # As GitHub makes them: lower case, spaces to hyphens, no punctuation.
    sections = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}

    assert anchor in sections
