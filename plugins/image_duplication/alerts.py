"""What a person is told of a run without asking, and the rules that decide it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from image_duplication import layout
from image_duplication.settings import AlertSettings

if TYPE_CHECKING:  # it draws tables; whoever tells only that a run is late needs none
    from image_duplication.summary import CategorySummary, RunSummary

_NAMED = 20


class Severity(StrEnum):
    """As in the runbook."""

    HIGH = "high"  # results are missing or will be late
    MEDIUM = "medium"  # results are there but incomplete
    LOW = "low"  # nothing is lost


class Anchor(StrEnum):
    """The sections of the runbook that alerts lead to."""

    RUN_LATE = "the-run-is-late"
    RUN_FAILED = "a-run-failed-before-it-was-published"
    UNITS_FAILED = "the-run-failed-at-publish_run"
    UNITS_DEGRADED = "a-unit-is-degraded"
    DUPLICATES_JUMPED = "a-jump-in-duplicates"
    REMOVAL_WAITS = "a-removal-waits-for-approval"


@dataclass(frozen=True, slots=True)
class RunPage:
    """A run, and the address of its page in Airflow."""

    dag_id: str
    run_id: str
    link: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One message; `subject` is a single line, `runbook` an address with its section."""

    subject: str
    what: str
    where: str
    link: str
    runbook: str
    severity: Severity

    def to_json(self) -> dict[str, str]:
        """The fields as plain JSON values."""
        return {name: str(value) for name, value in asdict(self).items()}

    def render_body(self) -> str:
        """The message as plain text, without its subject."""
        return (
            f"{self.what}\n\n"
            f"Where:    {self.where}\n"
            f"Run:      {self.link}\n"
            f"Runbook:  {self.runbook}\n"
            f"Severity: {self.severity}\n"
        )


def alert_of_summary(
    summary: RunSummary, settings: AlertSettings, page: RunPage
) -> tuple[Alert, ...]:
    """The alerts that a published run asks for: at most one of each sort, all units named in it."""
    found = (
        _tell_failures(summary, settings, page),
        _tell_degraded(summary, settings, page),
        _tell_jumps(summary, settings, page),
    )
    return tuple(alert for alert in found if alert is not None)


def alert_of_late_run(
    settings: AlertSettings, page: RunPage, *, deadline: str, state: str
) -> Alert:
    """The alert for a run that is not finished at its deadline, a time as text."""
    return _make_alert(
        settings,
        page,
        Anchor.RUN_LATE,
        Severity.HIGH,
        "run is late",
        f"The run was to be finished by {deadline}. It is {state}.",
    )


def alert_of_failed_run(
    settings: AlertSettings, page: RunPage, *, task_ids: Sequence[str], reason: str
) -> Alert:
    """The alert for a run that failed without a summary of its own that would say why.

    `reason` is Airflow's word for how the run failed, e.g. `task_failure` or `timed_out`.
    """
    tasks = f" Failed tasks: {_list_some(task_ids)}." if task_ids else ""
    return _make_alert(
        settings,
        page,
        Anchor.RUN_FAILED,
        Severity.HIGH,
        "run failed",
        f"The run failed ({reason}) and may not be published in full.{tasks}",
    )


def alert_of_waiting_removal(
    settings: AlertSettings, page: RunPage, *, subject: str, refusal: str = ""
) -> Alert:
    """The alert for a removal that waits for a person's decision, asked for by `subject`.

    `refusal` is why an answer was not accepted, if one was given.
    """
    headline = "a removal waits for approval" if not refusal else "an approval was not accepted"
    again = f"{refusal}\n\nThe removal waits for another answer. " if refusal else ""
    return _make_alert(
        settings,
        page,
        Anchor.REMOVAL_WAITS,
        Severity.LOW,
        headline,
        f"{again}{subject}",
    )


def _tell_failures(summary: RunSummary, settings: AlertSettings, page: RunPage) -> Alert | None:
    units = summary.units_failed
    categories = summary.categories_failed
    if not units and not categories:
        return None
    parts = [(len(units), "unit(s)"), (len(categories), "category(ies)")]
    counted = " and ".join(f"{count} {noun}" for count, noun in parts if count)
    lines = ["The rest of the run is published; what failed keeps its earlier verdicts."]
    if units:
        lines.append(f"Units failed: {_list_some([str(failure) for failure in units])}.")
    reasons = [f"category {c} is not published: {reason}" for c, reason in categories.items()]
    lines += reasons[:_NAMED]
    if len(reasons) > _NAMED:
        lines.append(f"and {len(reasons) - _NAMED} more categories")
    return _make_alert(
        settings,
        page,
        Anchor.UNITS_FAILED,
        Severity.MEDIUM,
        f"{counted} failed",
        "\n".join(lines),
    )


def _tell_degraded(summary: RunSummary, settings: AlertSettings, page: RunPage) -> Alert | None:
    units = [unit_id for category in summary.categories for unit_id in category.units_degraded]
    if not units:
        return None
    return _make_alert(
        settings,
        page,
        Anchor.UNITS_DEGRADED,
        Severity.MEDIUM,
        f"{len(units)} unit(s) degraded",
        "Too many downloads failed; the units went on with what they had. "
        f"Units: {_list_some(units)}.",
    )


def _tell_jumps(summary: RunSummary, settings: AlertSettings, page: RunPage) -> Alert | None:
    jumps = [one for one in summary.categories if _is_jump(one, settings)]
    if not jumps:
        return None
    named = [
        f"{one.category_id} {one.name}: {one.findings_new} new findings among {one.images} images "
        f"({layout.gallery(one.category_id)})"
        for one in jumps
    ]
    return _make_alert(
        settings,
        page,
        Anchor.DUPLICATES_JUMPED,
        Severity.MEDIUM,
        f"duplicates jumped in {len(jumps)} category(ies)",
        f"More than {settings.most_new_share:.0%} of the images that the run judged, and at least "
        f"{settings.least_new}, are newly found duplicates or related pictures. "
        f"Categories: {_list_some(named)}.",
    )


def _is_jump(category: CategorySummary, settings: AlertSettings) -> bool:
    return (
        category.findings_new >= settings.least_new
        and category.findings_new > settings.most_new_share * category.images
    )


def _list_some(names: Sequence[str]) -> str:
    more = f", and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _make_alert(
    settings: AlertSettings,
    page: RunPage,
    anchor: Anchor,
    severity: Severity,
    headline: str,
    what: str,
) -> Alert:
    # A line break in a subject would be a mail header of somebody else's making.
    subject = " ".join(f"[{page.dag_id}] {severity}: {headline}, run {page.run_id}".split())
    return Alert(
        subject=subject,
        what=what,
        where=f"DAG {page.dag_id}, run {page.run_id}",
        link=page.link,
        runbook=f"{settings.runbook}#{anchor}",
        severity=severity,
    )
