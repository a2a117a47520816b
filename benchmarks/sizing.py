"""What a catalogue costs a week, computed from measured figures: the tables of docs/sizing.md.

    python -m benchmarks.sizing             # the tables, as Markdown
    python -m benchmarks.sizing --write     # into docs/sizing.md
    python -m benchmarks.sizing --categories 200 --images 1000000 --rate 50

Every figure that goes in is named here with its unit and where it comes from; a figure that nobody
has measured is an assumption and says so.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "sizing.md"
_START, _END = "<!-- computed: start -->", "<!-- computed: end -->"
_HOUR_S = 3_600
_GB = 1_000_000_000
_DAYS_A_WEEK = 7

_RUN = "this page, the measured run"
_UNITS = "benchmarks.md, Airflow's own cost"
_CALLS = "this page, the counted calls"
_THUMBNAILS = "this page, the thumbnails"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure that goes in: its value, its unit, what it is, where it comes from."""

    value: float
    unit: str
    meaning: str
    source: str


MEASURED = {
    "new_cpu_ms": Figure(18.6, "CPU ms an image", "all stages, an image that is new", _RUN),
    "asked_cpu_ms": Figure(1.63, "CPU ms an image", "all stages, one that its host confirms", _RUN),
    "same_cpu_ms": Figure(1.23, "CPU ms an image", "all stages, an unchanged one, `full`", _RUN),
    "plan_cpu_ms": Figure(0.02, "CPU ms an image", "plan_work, one that is not due", _RUN),
    "publish_cpu_ms": Figure(0.25, "CPU ms an image", "publish_run, any of the category", _RUN),
    "task_cpu_s": Figure(0.78, "CPU s a task", "executor and task process", _UNITS),
    "api_cpu_s": Figure(0.17, "CPU s a task", "API server, at 30 units a run", _UNITS),
    "scheduler_cpu_s": Figure(0.21, "CPU s a task", "scheduler, at 30 units a run", _UNITS),
    "scheduler_cpu_s_at_1000": Figure(2.5, "CPU s a task", "scheduler, at 1,000 units", _UNITS),
    "evidence_bytes": Figure(73.6, "bytes a pair", "`evidence/current/`", _RUN),
    "state_bytes": Figure(106, "bytes an image", "the other files of `…/current/`", _RUN),
    "run_bytes": Figure(433, "bytes a due image", "the run's folder", _RUN),
    "report_bytes": Figure(385, "bytes an image", "CSV reports and extract", _RUN),
    "puts": Figure(1.0, "requests a new image", "PUT of the download", _CALLS),
    "reads": Figure(1.9, "requests a new image", "HEAD and GET of detection", _CALLS),
    "moves": Figure(5.0, "requests a new image", "3 HEAD, COPY, DELETE of archiving", _CALLS),
    "looks": Figure(3.0, "requests an old due image", "HEAD: is it in the archive?", _CALLS),
    "folder_requests": Figure(2.0, "requests a due variant", "staging, listed and removed", _CALLS),
    "thumbnail_cpu_ms": Figure(6.1, "CPU ms a thumbnail", "made in write_report", _THUMBNAILS),
    "thumbnail_bytes": Figure(8_000, "bytes a thumbnail", "`thumbnails/`", _THUMBNAILS),
    "thumbnail_calls": Figure(4.0, "requests a thumbnail", "2 HEAD, GET, PUT", _THUMBNAILS),
    "thumbnail_looks": Figure(
        1.0, "requests an old shown image", "HEAD: is it there?", _THUMBNAILS
    ),
}

ASSUMED = {
    "images_a_variant": Figure(5, "images", "pictures of a variant", "assumed"),
    "picture_bytes": Figure(100_000, "bytes", "mean size of a picture", "assumed"),
    "shown_share": Figure(0.2, "share", "of the images, in variants of a gallery", "assumed"),
    "busy_share": Figure(0.7, "share", "of a worker's CPU that does this work", "assumed"),
    "wall_hours": Figure(24, "hours", "in which a run is to end; the alert comes at 36", "assumed"),
    "revalidate_days": Figure(28, "days", "`download.revalidate_days`", "settings"),
    "part_size_images": Figure(20_000, "images", "`plan.part_size_images`", "settings"),
    "units_per_run": Figure(200, "units", "`plan.max_units_per_run`", "settings"),
    "tasks_a_unit": Figure(6, "tasks", "stages of a unit", "the DAG"),
    "tasks_a_run": Figure(5, "tasks", "tasks of a run outside its units", "the DAG"),
    "active_runs": Figure(4, "runs", "`max_active_runs` of the DAG", "the DAG"),
}


def value(name: str) -> float:
    """A figure by its name."""
    return (MEASURED | ASSUMED)[name].value


@dataclass(frozen=True, slots=True)
class Week:
    """One week of a catalogue: how large it is, what changed, how fast hosts may be asked."""

    name: str
    categories: int
    images: int
    new_share: float  # of the images
    asked_share: float  # of the images, asked again with a condition
    rate_per_s: float  # requests to the image host by the whole deployment
    scope_full: bool = False

    @property
    def variants(self) -> float:
        """Variants of the catalogue."""
        return self.images / value("images_a_variant")

    @property
    def new_images(self) -> float:
        """Images that are fetched and decoded."""
        return self.images * self.new_share

    @property
    def asked_images(self) -> float:
        """Images that their host confirms."""
        return self.images * self.asked_share

    @property
    def requests(self) -> float:
        """Requests to the image host, without retries."""
        return self.new_images + self.asked_images

    @property
    def download_hours(self) -> float:
        """At the rate that the host allows."""
        return self.requests / self.rate_per_s / _HOUR_S

    @property
    def units(self) -> int:
        """Work units: each category has due variants, and is split above the part size."""
        parts = math.ceil(self.images / self.categories / value("part_size_images"))
        return self.categories * parts

    @property
    def runs(self) -> int:
        """The run and its siblings."""
        return math.ceil(self.units / value("units_per_run"))

    @property
    def tasks(self) -> float:
        """Task instances of Airflow."""
        return self.units * value("tasks_a_unit") + self.runs * value("tasks_a_run")

    @property
    def old_images(self) -> float:
        """Due images that are in the archive: confirmed ones and, with scope full, all others."""
        return self.images - self.new_images if self.scope_full else self.asked_images

    @property
    def work_cpu_hours(self) -> float:
        """Of the stages, over all workers."""
        unchanged = self.old_images - self.asked_images
        not_due = self.images - self.new_images - self.old_images
        ms = (
            self.new_images * value("new_cpu_ms")
            + self.new_images * value("shown_share") * value("thumbnail_cpu_ms")
            + self.asked_images * value("asked_cpu_ms")
            + unchanged * value("same_cpu_ms")
            # A category's files are written whole, whatever of it was due.
            + not_due * (value("plan_cpu_ms") + value("publish_cpu_ms"))
        )
        return ms / 1_000 / _HOUR_S

    @property
    def publish_hours(self) -> float:
        """Of publish_run: one task in each run, some runs at once."""
        cpu_hours = self.images * value("publish_cpu_ms") / 1_000 / _HOUR_S
        return cpu_hours / min(self.runs, value("active_runs"))

    @property
    def task_cpu_hours(self) -> float:
        """Of Airflow on the workers."""
        return self.tasks * value("task_cpu_s") / _HOUR_S

    @property
    def api_cpu_hours(self) -> float:
        """Of the API server."""
        return self.tasks * value("api_cpu_s") / _HOUR_S

    @property
    def scheduler_hours(self) -> float:
        """Of one scheduler, which uses one core: no run is faster than this."""
        return self.tasks * scheduler_cpu_s(min(self.units, value("units_per_run"))) / _HOUR_S

    @property
    def worker_cpus(self) -> float:
        """CPUs of workers, so that the run ends in time."""
        hours = self.work_cpu_hours + self.task_cpu_hours
        return hours / value("wall_hours") / value("busy_share")

    @property
    def object_requests(self) -> float:
        """Requests to the object storage for pictures; a variant is due with all of its own."""
        of_new = value("puts") + value("reads") + value("moves")
        due_variants = (self.new_images + self.old_images) / value("images_a_variant")
        return (
            self.new_images * of_new
            + self.old_images * value("looks")
            + due_variants * value("folder_requests")
            + self.new_images * value("shown_share") * value("thumbnail_calls")
            + self.old_images * value("shown_share") * value("thumbnail_looks")
        )

    @property
    def run_gb(self) -> float:
        """What the runs' own folders take."""
        return (self.new_images + self.old_images) * value("run_bytes") / _GB


def scheduler_cpu_s(units: float) -> float:
    """CPU seconds of the scheduler for a task of a run of so many units.

    Measured at 30 and at 1,000; between them on the line through both, which nobody has measured.
    """
    few, many = 30, 1_000
    low, high = value("scheduler_cpu_s"), value("scheduler_cpu_s_at_1000")
    share = min(max(units - few, 0), many - few) / (many - few)
    return low + share * (high - low)


def pairs(images: float) -> float:
    """Pairs that are compared and whose evidence is kept: all of a variant's."""
    each = value("images_a_variant")
    return images / each * each * (each - 1) / 2


def weeks(categories: int, images: int, rate_per_s: float) -> list[Week]:
    """The first run, and what follows it."""
    asked = _DAYS_A_WEEK / value("revalidate_days")
    first = Week("first run", categories, images, 1.0, 0.0, rate_per_s)
    usual = [
        replace(first, name=f"weekly, {share:.0%} new", new_share=share, asked_share=asked)
        for share in (0.01, 0.05)
    ]
    full = replace(usual[0], name="scope `full`, 1% new", scope_full=True)
    return [first, *usual, full]


def tables(categories: int, images: int, rate_per_s: float) -> str:
    """All tables of the page."""
    found = weeks(categories, images, rate_per_s)
    rows: list[tuple[str, list[str]]] = [
        ("images fetched", [_count(week.new_images) for week in found]),
        ("images asked for with a condition", [_count(week.asked_images) for week in found]),
        (
            f"hours of requests at {rate_per_s:g} a second",
            [_hours(w.download_hours) for w in found],
        ),
        ("work units", [_count(week.units) for week in found]),
        ("runs, siblings included", [_count(week.runs) for week in found]),
        ("task instances", [_count(week.tasks) for week in found]),
        ("CPU hours of the stages", [_hours(week.work_cpu_hours) for week in found]),
        ("hours of publish_run, four runs at once", [_hours(week.publish_hours) for week in found]),
        ("CPU hours of Airflow on the workers", [_hours(week.task_cpu_hours) for week in found]),
        ("CPU hours of the API server", [_hours(week.api_cpu_hours) for week in found]),
        ("hours of one scheduler's core", [_hours(week.scheduler_hours) for week in found]),
        (
            f"worker CPUs to end in {value('wall_hours'):g} hours",
            [f"{math.ceil(week.worker_cpus)}" for week in found],
        ),
        (
            f"requests a second to end in {value('wall_hours'):g} hours",
            [f"{week.requests / value('wall_hours') / _HOUR_S:,.0f}" for week in found],
        ),
        ("requests to object storage", [_count(week.object_requests) for week in found]),
        ("GB of run folders", [f"{week.run_gb:,.0f}" for week in found]),
    ]
    head = ["", *(week.name for week in found)]
    return "\n\n".join(
        [
            f"{categories:,} categories, {images:,} images:",
            _table(head, [[name, *cells] for name, cells in rows]),
            "What stays, whatever the week:",
            _table(["", "GB"], _kept(images)),
            "Measured:",
            _figures(MEASURED),
            "Assumed, or set:",
            _figures(ASSUMED),
        ]
    )


def _kept(images: int) -> list[list[str]]:
    sizes = {
        "archive, one file a picture": images * value("picture_bytes"),
        "thumbnails": images * value("shown_share") * value("thumbnail_bytes"),
        "evidence of all pairs": pairs(images) * value("evidence_bytes"),
        "rest of the current state": images * value("state_bytes"),
        "reports and extracts": images * value("report_bytes"),
    }
    return [[name, f"{size / _GB:,.0f}"] for name, size in sizes.items()]


def _figures(figures: dict[str, Figure]) -> str:
    rows = [
        [figure.meaning, f"{figure.value:,g}", figure.unit, figure.source]
        for figure in figures.values()
    ]
    return _table(["figure", "value", "unit", "from"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _hours(hours: float) -> str:
    return f"{hours:,.1f}"


def with_tables(page: str, computed: str) -> str:
    """The page with these tables in place of those that it has."""
    before, _, rest = page.partition(_START)
    _, _, after = rest.partition(_END)
    return f"{before}{_START}\n\n{computed}\n\n{_END}{after}"


def main() -> None:
    """Print the tables, or write them into the page."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--categories", type=int, default=10_000)
    parser.add_argument("--images", type=int, default=50_000_000)
    parser.add_argument("--rate", type=float, default=200, help="requests a second to the host")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}, as printed")
    arguments = parser.parse_args()
    computed = tables(arguments.categories, arguments.images, arguments.rate)
    if arguments.write:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), computed), encoding="utf-8")
    else:
        print(computed)


if __name__ == "__main__":
    main()
