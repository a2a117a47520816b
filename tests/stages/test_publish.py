"""Stage publish_run: a category's files from its parts and previous state."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from image_duplication import layout
from image_duplication.errors import MissingArtefactError, StorageError, UnitsFailedError
from image_duplication.evidence_rows import EVIDENCE
from image_duplication.records import ReasonCode
from image_duplication.settings import Settings, load_settings
from image_duplication.stages import publish
from image_duplication.stages.publish import publish_run
from image_duplication.storage import Storage
from image_duplication.summary import RunSummary
from image_duplication.tables import CHANGES, FINDINGS, JUDGED, VERDICTS, Row, read_rows
from image_duplication.units import STAGES
from tests.judged_rows import (
    NOON,
    Unit,
    evidence_rows,
    finish_unit,
    hours_later,
    judged_variant,
    write_plan,
)
from tests.storages import all_files

SCHEMAS = {"images": JUDGED, "evidence": EVIDENCE, "findings": FINDINGS, "verdicts": VERDICTS}
REPORTS = ("duplicates", "summary", "compliance")
DETECTED = STAGES.index("detect_duplicates")
ARCHIVE = STAGES.index("archive_images")

Variant = list[Row]


@pytest.fixture
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """A folder; in object storage for a test that says so."""
    in_objects = getattr(request, "param", "local") == "object"
    return Storage(request.getfixturevalue("object_root") if in_objects else str(tmp_path))


anywhere = pytest.mark.parametrize("storage", ["local", "object"], indirect=True)


@pytest.fixture
def settings() -> Settings:
    return load_settings()


class Runs:
    """Runs made by hand, published for real."""

    def __init__(self, storage: Storage, settings: Settings) -> None:
        self.storage = storage
        self.settings = settings

    def prepare(
        self,
        run_id: str,
        active: Mapping[int, Sequence[str]],
        *units: Unit,
        planned_at: datetime = NOON,
        left: Mapping[int, int] | None = None,
        names: Mapping[int, str] | None = None,
        is_dry: bool = False,
        rejected_rows: int = 0,
    ) -> None:
        write_plan(
            self.storage,
            run_id,
            active,
            units,
            planned_at=planned_at,
            left=left,
            names=names,
            is_dry=is_dry,
            rejected_rows=rejected_rows,
        )
        for unit in units:
            finish_unit(self.storage, self.settings, run_id, unit)

    def publish(self, run_id: str) -> RunSummary:
        return publish_run(self.storage, self.settings, run_id=run_id)

    def rows(self, subject: str, category_id: int = 7) -> list[Row]:
        key = layout.current(subject, category_id)
        return list(read_rows(self.storage, key, SCHEMAS[subject]))

    def rows_of(self, subject: str, *variant_ids: str) -> list[Row]:
        return [row for row in self.rows(subject) if row["variant_id"] in variant_ids]

    def runs_of_variants(self, category_id: int = 7) -> list[tuple[str, str]]:
        return [(row["variant_id"], row["run_id"]) for row in self.rows("verdicts", category_id)]

    def csv(self, subject: str, category_id: int = 7) -> list[list[str]]:
        key = (
            layout.extract_csv(category_id)
            if subject == "extract"
            else layout.report(category_id, subject)
        )
        content = self.storage.read_bytes(key)
        assert content.startswith(b"\xef\xbb\xbf")
        return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))

    def changes(self, run_id: str) -> list[tuple[int, str | None, int, int, int]]:
        rows = read_rows(self.storage, layout.run_changes(run_id, "parquet"), CHANGES)
        return [tuple(row.values()) for row in rows]

    def files(self) -> dict[str, str]:
        return {
            key: hashlib.sha256(self.storage.read_bytes(key)).hexdigest()
            for key in all_files(self.storage)
        }


@pytest.fixture
def runs(storage: Storage, settings: Settings) -> Runs:
    return Runs(storage, settings)


def duplicated(variant_id: str, as_of: datetime = NOON) -> Variant:
    """Two pictures alike, a third related to the second, one failure."""
    return judged_variant(
        variant_id,
        [["1", "2"], ["3"]],
        failed=["4"],
        related=[("2", "3")],
        source_as_of=as_of,
    )


def compliant(variant_id: str, as_of: datetime = NOON, category_id: int = 7) -> Variant:
    return judged_variant(
        variant_id, [["1"], ["2"], ["3"]], source_as_of=as_of, category_id=category_id
    )


def publish_first(runs: Runs, variant_ids: Sequence[str] = ("a", "b", "c", "d")) -> None:
    runs.prepare("run 1", {7: variant_ids}, Unit("7/1", [duplicated(v) for v in variant_ids]))
    runs.publish("run 1")


# A whole category ------------------------------------------------------------------------------


@anywhere
def test_publish_states_the_whole_category_from_all_its_parts(runs: Runs) -> None:
    one, two, three = duplicated("a"), compliant("b"), judged_variant("c", [])
    runs.prepare("run 1", {7: ["a", "b", "c"]}, Unit("7/1", [one, two]), Unit("7/2", [three]))
    runs.publish("run 1")
    assert runs.rows("images") == [*one, *two, *three]
    assert runs.rows("evidence") == evidence_rows(one) + evidence_rows(two)
    assert runs.runs_of_variants() == [("a", "run 1"), ("b", "run 1"), ("c", "run 1")]
    assert [row["verdict"] for row in runs.rows("verdicts")] == [
        "undecided",
        "compliant",
        "short_by_3",
    ]
    assert [(f["variant_id"], f["relation"]) for f in runs.rows("findings")] == [
        ("a", "duplicate"),
        ("a", "related"),
    ]


def test_publish_writes_each_category_by_itself(runs: Runs) -> None:
    runs.prepare(
        "run 1",
        {7: ["a"], 8: ["x"]},
        Unit("7/1", [duplicated("a")]),
        Unit("8/1", [compliant("x", category_id=8)]),
    )
    run = runs.publish("run 1")
    assert runs.runs_of_variants(7) == [("a", "run 1")]
    assert runs.runs_of_variants(8) == [("x", "run 1")]
    assert [category.category_id for category in run.categories] == [7, 8]


def test_publish_keeps_history_of_what_the_run_judged(runs: Runs, storage: Storage) -> None:
    publish_first(runs, ["a", "b"])
    runs.prepare("run 2", {7: ["a", "b"]}, Unit("7/1", [duplicated("b", hours_later(1))]))
    runs.publish("run 2")
    history = [
        [row["variant_id"] for row in read_rows(storage, layout.findings_history(r), FINDINGS)]
        for r in ("run 1", "run 2")
    ]
    assert history == [["a", "a", "b", "b"], ["b", "b"]]


def test_publish_does_not_write_a_category_in_which_nothing_happened(runs: Runs) -> None:
    publish_first(runs)
    before = runs.files()
    runs.prepare("run 2", {7: ["a", "b", "c", "d"]}, planned_at=hours_later(1))
    run = runs.publish("run 2")
    after = runs.files()
    assert {path: after[path] for path in before} == before
    (category,) = run.categories
    assert (category.variants, category.variants_judged, category.images) == (4, 0, 0)


# Part of a category ----------------------------------------------------------------------------


def test_publish_says_which_categories_it_wrote_also_when_it_is_repeated(runs: Runs) -> None:
    publish_first(runs, ["a"])
    runs.prepare("run 1b", {8: []}, planned_at=NOON)
    runs.prepare("run 2", {7: ["a"], 8: []}, planned_at=hours_later(1))

    for run_id, renewed in (("run 1b", {8: True}), ("run 2", {7: False, 8: False})):
        for _ in range(2):
            summary = runs.publish(run_id)
            assert {c.category_id: c.is_renewed for c in summary.categories} == renewed


def test_publish_replaces_only_the_variants_that_the_run_judged(runs: Runs) -> None:
    variant_ids = [f"v{number}" for number in range(10)]
    publish_first(runs, variant_ids)
    others = [v for v in variant_ids if v not in {"v2", "v5", "v9"}]
    before = {subject: runs.rows_of(subject, *others) for subject in SCHEMAS}
    judged_again = [compliant(v, hours_later(1)) for v in ("v2", "v5", "v9")]
    runs.prepare("run 2", {7: variant_ids}, Unit("7/1", judged_again), planned_at=hours_later(1))
    run = runs.publish("run 2")
    assert {subject: runs.rows_of(subject, *others) for subject in SCHEMAS} == before
    assert {row["judged_at"] for row in runs.rows_of("verdicts", *others)} == {NOON}
    assert runs.rows_of("images", "v2", "v5", "v9") == sum(judged_again, [])
    assert runs.rows_of("findings", "v2", "v5", "v9") == []
    assert runs.runs_of_variants() == [
        (v, "run 1" if v in others else "run 2") for v in variant_ids
    ]
    (category,) = run.categories
    assert (category.variants, category.variants_judged, category.findings) == (10, 3, 7)
    compliance = {row[2]: row for row in runs.csv("compliance")[1:]}
    assert list(compliance) == variant_ids
    assert compliance["v0"][-2:] == [NOON.isoformat(), "run 1"]
    assert compliance["v2"][-2:] == [hours_later(1).isoformat(), "run 2"]


def test_publish_drops_variants_that_left_with_their_findings(runs: Runs) -> None:
    publish_first(runs)
    runs.prepare("run 2", {7: ["a", "d"]}, planned_at=hours_later(1), left={7: 2})
    run = runs.publish("run 2")
    for subject in SCHEMAS:
        assert {row["variant_id"] for row in runs.rows(subject)} == {"a", "d"}
    for report in ("duplicates", "compliance"):
        assert {row[runs.csv(report)[0].index("variant_id")] for row in runs.csv(report)[1:]} == {
            "a",
            "d",
        }
    assert {row[0] for row in runs.csv("summary")[1:]} == {"catalogue-a", "catalogue-d"}
    assert run.categories[0].variants == 2


def test_publish_adds_new_variants_in_their_place(runs: Runs) -> None:
    publish_first(runs, ["b", "d"])
    fresh = [compliant(v, hours_later(1)) for v in ("a", "c", "e")]
    runs.prepare(
        "run 2", {7: ["a", "b", "c", "d", "e"]}, Unit("7/1", fresh), planned_at=hours_later(1)
    )
    runs.publish("run 2")
    assert runs.runs_of_variants() == [
        ("a", "run 2"),
        ("b", "run 1"),
        ("c", "run 2"),
        ("d", "run 1"),
        ("e", "run 2"),
    ]


@pytest.mark.parametrize(
    "order", [["d", "c", "b", "a"], ["b", "a", "d", "c"]], ids=["reversed", "mixed"]
)
def test_publish_sorts_a_state_whose_order_the_source_changed(runs: Runs, order: list[str]) -> None:
    publish_first(runs)
    fresh = [compliant("c", hours_later(1))]
    runs.prepare("run 2", {7: order}, Unit("7/1", fresh), planned_at=hours_later(1))
    runs.publish("run 2")
    for subject in ("verdicts", "images", "evidence"):
        seen = [row["variant_id"] for row in runs.rows(subject)]
        assert list(dict.fromkeys(seen)) == order
    assert [row[2] for row in runs.csv("compliance")[1:]] == order
    assert len(runs.rows_of("images", "a")) == 4


def test_publish_leaves_out_a_variant_that_a_newer_plan_of_the_run_no_longer_lists(
    runs: Runs,
) -> None:
    runs.prepare("run 1", {7: ["a", "b"]}, Unit("7/1", [duplicated("a"), duplicated("b")]))
    write_plan(runs.storage, "run 1", {7: ["b"]}, [Unit("7/1", [duplicated("b")])])
    runs.publish("run 1")
    for subject in SCHEMAS:
        assert {row["variant_id"] for row in runs.rows(subject)} == {"b"}


# Repeats ---------------------------------------------------------------------------------------


@anywhere
def test_publish_gives_equal_files_when_run_again(runs: Runs) -> None:
    publish_first(runs)
    runs.prepare(
        "run 2",
        {7: ["b", "c", "d", "e"]},
        Unit("7/1", [duplicated("b", hours_later(1)), compliant("e", hours_later(1))]),
        planned_at=hours_later(1),
        left={7: 1},
    )
    runs.publish("run 2")
    first = runs.files()
    runs.publish("run 2")
    assert runs.files() == first


def test_publish_can_be_repeated_after_a_kill_at_any_file(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file appears whole, so a kill is a state in which only the first few are new."""
    publish_first(runs)
    order = ["d", "b", "a", "e"]
    runs.prepare(
        "run 2",
        {7: order},
        Unit("7/1", [compliant("b", hours_later(1)), duplicated("e", hours_later(1))]),
        planned_at=hours_later(1),
        left={7: 1},
    )
    before = {path: Path(runs.storage.root, path).read_bytes() for path in runs.files()}
    runs.publish("run 2")
    expected = runs.files()
    write = Storage._writing_local
    survivors, is_whole = 0, False
    while not is_whole:
        for path in runs.files():
            if path not in before:
                Path(runs.storage.root, path).unlink()
        for path, content in before.items():
            Path(runs.storage.root, path).write_bytes(content)
        written = 0

        def die(self: Storage, key: str, *, durable: bool, limit: int = survivors) -> object:
            nonlocal written
            written += 1
            if written > limit:
                raise KeyboardInterrupt
            return write(self, key, durable=durable)

        with monkeypatch.context() as patch:
            patch.setattr(Storage, "_writing_local", die)
            with contextlib.suppress(KeyboardInterrupt):
                runs.publish("run 2")
                is_whole = True
        runs.publish("run 2")
        assert runs.files() == expected, f"killed after {survivors} files"
        survivors += 1
    assert survivors > len(expected) - len(before)


def test_publish_of_an_older_run_takes_no_judgement_back(runs: Runs) -> None:
    runs.prepare("older", {7: ["a", "b"]}, Unit("7/1", [duplicated("a"), duplicated("b")]))
    runs.prepare(
        "newer",
        {7: ["a", "b"]},
        Unit("7/1", [compliant("a", hours_later(1))]),
        planned_at=hours_later(1),
    )
    runs.publish("newer")
    newest = runs.rows_of("images", "a")
    runs.publish("older")
    assert runs.runs_of_variants() == [("a", "newer"), ("b", "older")]
    assert runs.rows_of("images", "a") == newest
    assert runs.rows_of("findings", "a") == []


def test_publish_of_an_older_run_keeps_variants_that_came_after_it(runs: Runs) -> None:
    runs.prepare("older", {7: ["a", "b"]}, Unit("7/1", [duplicated("a"), duplicated("b")]))
    runs.prepare(
        "newer",
        {7: ["a", "b", "c"]},
        Unit("7/1", [compliant(v, hours_later(1)) for v in "abc"]),
        planned_at=hours_later(1),
    )
    runs.publish("newer")
    before = {subject: runs.rows(subject) for subject in SCHEMAS}
    runs.publish("older")
    assert {subject: runs.rows(subject) for subject in SCHEMAS} == before


def test_publish_of_an_older_run_keeps_newcomers_beside_what_it_judged(runs: Runs) -> None:
    runs.prepare("older", {7: ["a", "c"]}, Unit("7/1", [duplicated("c")]))
    later = hours_later(1)
    active = ["a", "b", "c"]
    fresh = [compliant("a", later), compliant("b", later)]
    runs.prepare("newer", {7: active}, Unit("7/1", fresh), planned_at=later)
    runs.publish("newer")
    runs.publish("older")
    assert sorted(runs.runs_of_variants()) == [("a", "newer"), ("b", "newer"), ("c", "older")]
    for subject in ("images", "evidence"):
        assert {row["variant_id"] for row in runs.rows(subject)} == {"a", "b", "c"}
    # The older plan does not know the newcomer's place; the next run that judges gives it.
    latest = hours_later(2)
    runs.prepare("latest", {7: active}, Unit("7/1", [compliant("a", latest)]), planned_at=latest)
    runs.publish("latest")
    assert runs.runs_of_variants() == [("a", "latest"), ("b", "newer"), ("c", "older")]


def test_publish_of_an_older_run_brings_no_departed_variant_back(runs: Runs) -> None:
    runs.prepare("older", {7: ["a", "b"]}, Unit("7/1", [duplicated("a"), duplicated("b")]))
    later = hours_later(1)
    runs.prepare("newer", {7: ["a"]}, Unit("7/1", [compliant("a", later)]), planned_at=later)
    runs.publish("newer")
    runs.publish("older")
    assert runs.runs_of_variants() == [("a", "newer")]
    assert runs.rows("findings") == []


# Units that failed -----------------------------------------------------------------------------


@anywhere
def test_publish_keeps_the_verdicts_of_a_missing_part_and_fails_at_the_end(runs: Runs) -> None:
    publish_first(runs)
    later = hours_later(1)
    runs.prepare(
        "run 2",
        {7: ["a", "b", "c", "d"], 8: ["x"]},
        Unit("7/1", [compliant("a", later), compliant("b", later)], finished=DETECTED),
        Unit("7/2", [compliant("c", later), compliant("d", later)]),
        Unit("8/1", [compliant("x", later, category_id=8)]),
        planned_at=later,
    )
    kept = {subject: runs.rows_of(subject, "a", "b") for subject in SCHEMAS}
    with pytest.raises(UnitsFailedError, match=r"1 of 3 units.*7/1 at detect_duplicates"):
        runs.publish("run 2")
    assert {subject: runs.rows_of(subject, "a", "b") for subject in SCHEMAS} == kept
    assert runs.runs_of_variants() == [
        ("a", "run 1"),
        ("b", "run 1"),
        ("c", "run 2"),
        ("d", "run 2"),
    ]
    assert runs.runs_of_variants(8) == [("x", "run 2")]
    summary = runs.storage.read_json(layout.run_summary("run 2", "json"))
    assert summary["total"]["units_failed"] == ["7/1 at detect_duplicates"]
    assert summary["categories"][0]["variants"] == 4
    assert summary["categories"][0]["variants_judged"] == 2
    text = runs.storage.read_bytes(layout.run_summary("run 2", "txt")).decode()
    assert "7/1 at detect_duplicates" in text


def test_publish_takes_the_findings_of_a_unit_whose_archive_failed(runs: Runs) -> None:
    runs.prepare("run 1", {7: ["a"]}, Unit("7/1", [duplicated("a")], finished=ARCHIVE))
    with pytest.raises(UnitsFailedError, match="7/1 at archive_images"):
        runs.publish("run 1")
    assert runs.runs_of_variants() == [("a", "run 1")]
    assert len(runs.rows("findings")) == 2


def test_publish_of_a_first_run_that_failed_whole_writes_empty_reports(runs: Runs) -> None:
    runs.prepare("run 1", {7: ["a"]}, Unit("7/1", [duplicated("a")], finished=0))
    with pytest.raises(UnitsFailedError, match="7/1 at extract_images"):
        runs.publish("run 1")
    assert runs.rows("verdicts") == []
    header, only = runs.csv("compliance")
    stated = dict(zip(header, only, strict=True))
    assert (stated["variant_id"], stated["verdict"]) == ("a", "not_judged")
    assert stated["reason"] == "unit_failed"


def unfetched(variant_id: str, as_of: datetime) -> Variant:
    """The pictures of `duplicated`, but the image host is down."""
    rows = judged_variant(variant_id, [], failed=["1", "2", "3", "4"], source_as_of=as_of)
    for row in rows:
        row["reason_code"] = ReasonCode.CONNECTION_FAILED
    return rows


def test_publish_keeps_a_judgement_that_an_outage_of_the_image_host_would_erase(
    runs: Runs,
) -> None:
    publish_first(runs, ["a", "b"])
    before = runs.rows_of("findings", "a")
    later = hours_later(1)
    changed = [{**row, "signature": "of other rows"} for row in unfetched("b", later)]
    runs.prepare(
        "run 2",
        {7: ["a", "b"]},
        Unit("7/1", [unfetched("a", later), changed]),
        planned_at=later,
    )
    runs.publish("run 2")
    # The rows of variant b changed, so what was found in the old ones says nothing of them.
    assert runs.runs_of_variants() == [("a", "run 1"), ("b", "run 2")]
    assert runs.rows_of("findings", "a") == before
    assert runs.rows_of("findings", "b") == []


def test_publish_that_broke_off_is_made_good_by_the_next_run_that_judges_nothing(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_first(runs, ["a"])
    later = hours_later(1)
    fresh = Unit("7/1", [compliant("a", later)])
    runs.prepare("run 2", {7: ["a"]}, fresh, planned_at=later)
    with monkeypatch.context() as broken:

        def fail(*arguments: object, **options: object) -> None:
            raise StorageError("the disk is full")

        broken.setattr(publish, "write_category_csvs", fail)
        with pytest.raises(StorageError, match="category 7: the disk is full"):
            runs.publish("run 2")
    runs.prepare("run 3", {7: ["a"]}, planned_at=hours_later(2))
    runs.publish("run 3")
    assert [row[:2] for row in runs.csv("duplicates")[1:]] == []
    assert runs.runs_of_variants() == [("a", "run 2")]


def test_publish_lists_a_new_variant_of_a_failed_unit_until_it_is_judged(runs: Runs) -> None:
    publish_first(runs, ["a"])
    later, latest = hours_later(1), hours_later(2)
    broken = Unit("7/1", [compliant("b", later)], finished=1)
    runs.prepare("run 2", {7: ["a", "b"]}, broken, planned_at=later)
    with pytest.raises(UnitsFailedError):
        runs.publish("run 2")
    assert [row[2] for row in runs.csv("compliance")[1:]] == ["a", "b"]
    runs.prepare("run 3", {7: ["a"]}, planned_at=latest)
    runs.publish("run 3")
    assert [row[2] for row in runs.csv("compliance")[1:]] == ["a"]


@anywhere
def test_publish_of_other_categories_goes_on_when_a_state_is_no_json(runs: Runs) -> None:
    publish_first(runs, ["a"])
    later = hours_later(1)
    runs.prepare(
        "run 2",
        {7: ["a"], 8: ["x"]},
        Unit("7/1", [compliant("a", later)]),
        Unit("8/1", [compliant("x", later, category_id=8)]),
        planned_at=later,
    )
    runs.storage.write_bytes(layout.category_state(7), b"")
    with pytest.raises(UnitsFailedError, match="category 7: .*state.json: not a JSON file"):
        runs.publish("run 2")
    assert runs.storage.exists(layout.run_summary("run 2", "json"))
    assert runs.storage.exists(layout.report(8, "compliance"))


def test_publish_completes_once_the_failed_unit_was_mended(runs: Runs) -> None:
    broken = Unit("7/1", [duplicated("a")], finished=1)
    runs.prepare("run 1", {7: ["a", "b"]}, broken, Unit("7/2", [duplicated("b")]))
    with pytest.raises(UnitsFailedError):
        runs.publish("run 1")
    finish_unit(runs.storage, runs.settings, "run 1", Unit("7/1", [duplicated("a")]))
    assert runs.publish("run 1").units_failed == []
    assert runs.runs_of_variants() == [("a", "run 1"), ("b", "run 1")]


def test_publish_message_names_a_bounded_number_of_units(runs: Runs) -> None:
    variant_ids = [f"v{number:02}" for number in range(30)]
    units = [
        Unit(f"7/{number}", [compliant(v)], finished=0) for number, v in enumerate(variant_ids, 1)
    ]
    runs.prepare("run 1", {7: variant_ids}, *units)
    with pytest.raises(UnitsFailedError, match="^30 of 30 units") as caught:
        runs.publish("run 1")
    assert str(caught.value).count(" at extract_images") == 20


@pytest.mark.parametrize("damage", ["lost", "damaged"])
@pytest.mark.parametrize("name", ["judged", "evidence", "findings", "verdicts"])
def test_publish_of_a_category_whose_part_is_unreadable_stops_no_other(
    runs: Runs, name: str, damage: str
) -> None:
    publish_first(runs, ["a"])
    later = hours_later(1)
    runs.prepare(
        "run 2",
        {7: ["a"], 8: ["x"]},
        Unit("7/1", [compliant("a", later)]),
        Unit("8/1", [compliant("x", later, category_id=8)]),
        planned_at=later,
    )
    key = layout.unit_file("run 2", "7/1", f"{name}.parquet")
    if damage == "lost":
        runs.storage.delete(key)
    else:
        runs.storage.write_bytes(key, b"PAR1 no more")
    with pytest.raises(UnitsFailedError, match=rf"category 7.*{name}\.parquet"):
        runs.publish("run 2")
    assert runs.runs_of_variants(8) == [("x", "run 2")]
    assert runs.runs_of_variants(7) == [("a", "run 1")]
    summary = runs.storage.read_json(layout.run_summary("run 2", "json"))
    assert [category["category_id"] for category in summary["categories"]] == [8]
    assert list(summary["categories_failed"]) == ["7"]
    assert name in summary["categories_failed"]["7"]
    text = runs.storage.read_bytes(layout.run_summary("run 2", "txt")).decode()
    assert "category 7" in text


def test_publish_lists_degraded_units(runs: Runs) -> None:
    runs.prepare(
        "run 1",
        {7: ["a", "b"]},
        Unit("7/1", [compliant("a")], is_degraded=True),
        Unit("7/2", [compliant("b")]),
    )
    run = runs.publish("run 1")
    assert run.totals()["units_degraded"] == ["7/1"]
    text = runs.storage.read_bytes(layout.run_summary("run 1", "txt")).decode()
    assert "units degraded: 7/1" in text


def test_publish_without_a_plan_names_the_missing_file(runs: Runs) -> None:
    with pytest.raises(MissingArtefactError, match=r"plan\.json"):
        runs.publish("run 1")


def test_publish_of_a_plan_only_run_writes_nothing(runs: Runs) -> None:
    publish_first(runs)
    runs.prepare("dry", {7: ["a"]}, Unit("7/1", [], finished=0), is_dry=True, left={7: 3})
    before = runs.files()
    run = runs.publish("dry")
    assert runs.files() == before
    assert run.categories == ()


# Files for people -------------------------------------------------------------------------------


def test_publish_of_an_empty_category_gives_headers_alone(runs: Runs) -> None:
    runs.prepare("run 1", {7: []})
    runs.publish("run 1")
    for report in (*REPORTS, "extract"):
        assert len(runs.csv(report)) == 1
    for subject in SCHEMAS:
        assert runs.rows(subject) == []


def test_publish_writes_the_columns_that_the_reports_promise(runs: Runs) -> None:
    publish_first(runs)
    assert runs.storage.read_bytes(layout.report(7, "summary")).startswith(
        b"\xef\xbb\xbfcatalogue_id,duplicate_links,No.of Duplicates\r\n"
    )
    assert runs.csv("duplicates")[0] == [
        "category_id",
        "variant_id",
        "catalogue_id",
        "seller_id",
        "product_url",
        "relation",
        "base_image_id",
        "base_url",
        "duplicate_image_id",
        "duplicate_url",
        "kinds",
        "sentence",
        "distance",
        "engine",
        "base_quality_notes",
        "duplicate_quality_notes",
        "keeper_image_id",
        "keeper_reason",
        "action",
        "base_sha256",
        "duplicate_sha256",
        "redundant_image_id",
    ]
    assert runs.csv("compliance")[0] == [
        "category_id",
        "category_name",
        "variant_id",
        "catalogue_id",
        "seller_id",
        "product_url",
        "verdict",
        "reason",
        "required",
        "images",
        "distinct_usable",
        "unjudged",
        "redundant",
        "threshold_version",
        "judged_at",
        "run_id",
    ]
    assert runs.csv("extract")[0] == [
        "category_id",
        "category_name",
        "variant_id",
        "catalogue_id",
        "seller_id",
        "product_url",
        "image_id",
        "position",
        "image_url",
        "updated_at",
        "status",
        "reason_code",
        "corrected_url",
    ]


def test_publish_names_the_redundant_image_when_the_base_is_not_kept(runs: Runs) -> None:
    rows = judged_variant("a", [["1", "2", "3"]], keepers={"1": "3"})
    runs.prepare("run 1", {7: ["a"]}, Unit("7/1", [rows]))
    runs.publish("run 1")
    header, *found = runs.csv("duplicates")
    names = ("base_image_id", "duplicate_image_id", "action", "redundant_image_id")
    assert [tuple(row[header.index(name)] for name in names) for row in found] == [
        ("1", "2", "remove_duplicate", "2"),
        ("1", "3", "remove_base", "1"),
    ]
    first, second, _ = rows
    assert runs.csv("summary")[1:] == [
        ["catalogue-a", f"{second['corrected_url']} {first['corrected_url']}", "2"]
    ]


def test_publish_leaves_related_pictures_out_of_the_legacy_summary(runs: Runs) -> None:
    rows = judged_variant("a", [["1"], ["2"]], related=[("1", "2")])
    runs.prepare("run 1", {7: ["a"]}, Unit("7/1", [rows]))
    runs.publish("run 1")
    assert runs.csv("summary")[1:] == []
    header, related = runs.csv("duplicates")
    assert related[header.index("relation")] == "related"
    assert related[header.index("redundant_image_id")] == ""


def test_publish_sums_the_variants_of_one_catalogue_entry(runs: Runs) -> None:
    variants = [judged_variant(v, [["1", "2"]]) for v in ("a", "b", "c")]
    for rows, catalogue_id in zip(variants, ("K", "L", "K"), strict=True):
        for row in rows:
            row["catalogue_id"] = catalogue_id
    runs.prepare("run 1", {7: ["a", "b", "c"]}, Unit("7/1", variants))
    runs.publish("run 1")
    assert [(row[0], row[2]) for row in runs.csv("summary")[1:]] == [("K", "2"), ("L", "1")]


def test_publish_lists_every_source_row_but_no_placeholder_in_the_extract(runs: Runs) -> None:
    runs.prepare("run 1", {7: ["a", "b"]}, Unit("7/1", [duplicated("a"), judged_variant("b", [])]))
    runs.publish("run 1")
    header, *rows = runs.csv("extract")
    names = ("variant_id", "image_id", "status", "reason_code")
    assert [tuple(row[header.index(name)] for name in names) for row in rows] == [
        ("a", "1", "downloaded", ""),
        ("a", "2", "downloaded", ""),
        ("a", "3", "downloaded", ""),
        ("a", "4", "failed", "not_found"),
    ]


def test_publish_leaves_the_extract_out_when_it_is_not_wanted(storage: Storage) -> None:
    runs = Runs(storage, load_settings({"report": {"write_extract_csv": False}}))
    publish_first(runs)
    assert not storage.exists(layout.extract_csv(7))
    assert storage.exists(layout.report(7, "duplicates"))


def test_publish_lets_no_cell_run(runs: Runs) -> None:
    rows = judged_variant("a", [["1", "2"]])
    for row in rows:
        row["seller_id"] = '=HYPERLINK("http://127.0.0.1")'
        row["catalogue_id"] = "@SUM(1)"
    runs.prepare("run 1", {7: ["a"]}, Unit("7/1", [rows]))
    runs.publish("run 1")
    for report in REPORTS:
        for row in runs.csv(report):
            assert not [cell for cell in row if cell.startswith(("=", "@", "+"))]
    assert runs.csv("summary")[1][0] == "'@SUM(1)"


# Against the state that the run found -----------------------------------------------------------

CHANGED_COLUMNS = ["category_id", "seller_id", "new", "repeated", "resolved"]


def sold_by(seller_id: str | None, rows: Variant) -> Variant:
    return [{**row, "seller_id": seller_id} for row in rows]


def publish_a_second_run(runs: Runs) -> RunSummary:
    """Of four variants with two findings each one is mended, one judged alike, one is gone."""
    publish_first(runs)
    later = hours_later(1)
    runs.prepare(
        "run 2",
        {7: ["a", "b", "d", "e"]},
        Unit("7/1", [compliant("a", later), duplicated("b", later)]),
        Unit("7/2", [judged_variant("e", [["1", "2", "3"]], source_as_of=later)]),
        planned_at=later,
        left={7: 1},
    )
    return runs.publish("run 2")


def test_changes_of_the_first_run_ever_are_all_new(runs: Runs) -> None:
    publish_first(runs, ["a", "b"])
    assert runs.changes("run 1") == [(7, "seller-1", 4, 0, 0)]
    totals = runs.storage.read_json(layout.run_summary("run 1", "json"))["total"]
    assert (totals["findings_new"], totals["findings"], totals["related"]) == (4, 2, 2)


def test_changes_tell_new_repeated_and_resolved_findings_apart(runs: Runs) -> None:
    (category,) = publish_a_second_run(runs).categories
    # New are those of e, repeated those of b and of d, resolved those of a and of the gone c.
    assert runs.changes("run 2") == [(7, "seller-1", 2, 4, 4)]
    assert (
        category.findings_new,
        category.findings_repeated,
        category.findings_resolved,
    ) == (2, 4, 4)
    assert len(runs.rows("findings")) == 2 + 4
    text = runs.storage.read_bytes(layout.run_summary("run 2", "txt")).decode()
    assert "against what the run found: new 2, repeated 4, resolved 4" in text


def test_changes_are_counted_per_category_and_seller(runs: Runs) -> None:
    runs.prepare(
        "run 1",
        {8: ["x"], 7: ["a", "b", "c", "d"]},
        Unit("8/1", [judged_variant("x", [["1", "2"]], category_id=8)]),
        Unit("7/1", [sold_by("two", duplicated("a")), sold_by("one", duplicated("b"))]),
        Unit("7/2", [sold_by(None, duplicated("c")), sold_by("none found", compliant("d"))]),
    )
    run = runs.publish("run 1")
    assert runs.changes("run 1") == [
        (8, "seller-1", 1, 0, 0),
        (7, None, 2, 0, 0),
        (7, "one", 2, 0, 0),
        (7, "two", 2, 0, 0),
    ]
    assert [category.findings_new for category in run.categories] == [1, 6]
    assert run.totals()["findings_new"] == 7


def test_changes_csv_says_what_the_parquet_says_and_lets_no_cell_run(runs: Runs) -> None:
    hostile = '=HYPERLINK("http://127.0.0.1")\r\n'
    sellers = [hostile, None, "@SUM(1)", "-1", "विक्रेता", ""]
    variants = [sold_by(s, duplicated(f"v{n}")) for n, s in enumerate(sellers)]
    runs.prepare("run 1", {7: [f"v{n}" for n in range(6)]}, Unit("7/1", variants))
    runs.publish("run 1")
    content = runs.storage.read_bytes(layout.run_changes("run 1", "csv")).decode("utf-8")
    assert content.startswith("\ufeff")
    header, *rows = csv.reader(io.StringIO(content.removeprefix("\ufeff"), newline=""))
    assert header == CHANGED_COLUMNS
    assert sorted(row[1] for row in rows) == sorted(
        ["'" + hostile, "", "'@SUM(1)", "'-1", "विक्रेता", ""]
    )
    assert [row[2:] for row in rows] == [["2", "0", "0"]] * 6
    assert {seller_id for _, seller_id, *_ in runs.changes("run 1")} == set(sellers)


def test_changes_of_a_finding_follow_the_pictures_not_their_order_or_ids(runs: Runs) -> None:
    first = judged_variant("a", [["1", "2"]])
    runs.prepare("run 1", {7: ["a"]}, Unit("7/1", [first]))
    runs.publish("run 1")
    later = hours_later(1)
    one, two = judged_variant("a", [["1", "2"]], source_as_of=later)
    swapped = [
        {**one, "content_sha256": two["content_sha256"]},
        {**two, "content_sha256": one["content_sha256"]},
    ]
    runs.prepare("run 2", {7: ["a"]}, Unit("7/1", [swapped]), planned_at=later)
    runs.publish("run 2")
    assert runs.changes("run 2") == [(7, "seller-1", 0, 1, 0)]


@pytest.mark.parametrize(
    ("groups", "related"),
    [([["1"], ["2"]], [("1", "2")]), ([["1", "3"]], [])],
    ids=["relation", "picture"],
)
def test_changes_take_another_relation_or_picture_for_another_finding(
    runs: Runs, groups: list[list[str]], related: list[tuple[str, str]]
) -> None:
    runs.prepare("run 1", {7: ["a"]}, Unit("7/1", [judged_variant("a", [["1", "2"]])]))
    runs.publish("run 1")
    later = hours_later(1)
    rows = judged_variant("a", groups, related=related, source_as_of=later)
    runs.prepare("run 2", {7: ["a"]}, Unit("7/1", [rows]), planned_at=later)
    runs.publish("run 2")
    assert runs.changes("run 2") == [(7, "seller-1", 1, 0, 1)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [("123", "12", (0, 1, 1)), ("12", "123", (1, 1, 0)), ("123", "123", (0, 2, 0))],
    ids=["removed", "added", "kept"],
)
def test_changes_count_copies_of_one_file_one_against_one(
    runs: Runs, before: str, after: str, expected: tuple[int, int, int]
) -> None:
    def copies(image_ids: str, as_of: datetime) -> Variant:
        rows = judged_variant("a", [list(image_ids)], source_as_of=as_of)
        return [{**row, "content_sha256": rows[0]["content_sha256"]} for row in rows]

    later = hours_later(1)
    runs.prepare("run 1", {7: ["a"]}, Unit("7/1", [copies(before, NOON)]))
    runs.publish("run 1")
    runs.prepare("run 2", {7: ["a"]}, Unit("7/1", [copies(after, later)]), planned_at=later)
    runs.publish("run 2")
    assert runs.changes("run 2") == [(7, "seller-1", *expected)]


def test_changes_resolve_for_the_seller_who_had_it_and_find_for_the_one_who_has(
    runs: Runs,
) -> None:
    rows = sold_by("old", judged_variant("a", [["1", "2"], ["3", "4"]]))
    runs.prepare("run 1", {7: ["a"]}, Unit("7/1", [rows]))
    runs.publish("run 1")
    later = hours_later(1)
    rows = sold_by("now", judged_variant("a", [["1", "2"], ["3", "5"]], source_as_of=later))
    runs.prepare("run 2", {7: ["a"]}, Unit("7/1", [rows]), planned_at=later)
    runs.publish("run 2")
    assert runs.changes("run 2") == [(7, "now", 1, 1, 0), (7, "old", 0, 0, 1)]


def test_changes_of_a_category_with_nothing_due_are_all_repeated(runs: Runs) -> None:
    publish_first(runs, ["a", "b"])
    runs.prepare("run 2", {7: ["a", "b"]}, planned_at=hours_later(1))
    runs.publish("run 2")
    assert runs.changes("run 2") == [(7, "seller-1", 0, 4, 0)]


def test_changes_of_a_run_without_findings_are_no_rows(runs: Runs) -> None:
    runs.prepare("run 1", {7: ["a"], 8: []}, Unit("7/1", [compliant("a")]))
    runs.publish("run 1")
    assert runs.changes("run 1") == []
    content = runs.storage.read_bytes(layout.run_changes("run 1", "csv")).decode("utf-8-sig")
    assert content == ",".join(CHANGED_COLUMNS) + "\r\n"


def test_changes_resolve_nothing_of_a_unit_that_failed(runs: Runs) -> None:
    publish_first(runs)
    later = hours_later(1)
    broken = Unit("7/1", [compliant("a", later), compliant("b", later)], finished=DETECTED)
    whole = Unit("7/2", [compliant("c", later)])
    runs.prepare("run 2", {7: ["a", "b", "c"]}, broken, whole, planned_at=later, left={7: 1})
    with pytest.raises(UnitsFailedError):
        runs.publish("run 2")
    assert runs.changes("run 2") == [(7, "seller-1", 0, 4, 4)]
    # Once it is mended, the run is still compared with what it found at first.
    mended = Unit("7/1", [compliant("a", later), duplicated("b", later)])
    finish_unit(runs.storage, runs.settings, "run 2", mended)
    runs.publish("run 2")
    assert runs.changes("run 2") == [(7, "seller-1", 0, 2, 6)]


def test_changes_resolve_nothing_that_an_outage_of_the_image_host_kept_away(runs: Runs) -> None:
    publish_first(runs, ["a", "b"])
    later = hours_later(1)
    runs.prepare("run 2", {7: ["a", "b"]}, Unit("7/1", [unfetched("a", later)]), planned_at=later)
    runs.publish("run 2")
    assert runs.changes("run 2") == [(7, "seller-1", 0, 4, 0)]


def test_changes_leave_out_a_category_that_could_not_be_published(runs: Runs) -> None:
    runs.prepare(
        "run 1",
        {7: ["a"], 8: ["x"]},
        Unit("7/1", [duplicated("a")]),
        Unit("8/1", [judged_variant("x", [["1", "2"]], category_id=8)]),
    )
    runs.storage.delete(layout.unit_file("run 1", "7/1", "findings.parquet"))
    with pytest.raises(UnitsFailedError, match="category 7"):
        runs.publish("run 1")
    assert runs.changes("run 1") == [(8, "seller-1", 1, 0, 0)]
    finish_unit(runs.storage, runs.settings, "run 1", Unit("7/1", [duplicated("a")]))
    runs.publish("run 1")
    assert runs.changes("run 1") == [(7, "seller-1", 2, 0, 0), (8, "seller-1", 1, 0, 0)]


def changed_files(runs: Runs, run_id: str) -> list[bytes]:
    keys = (layout.run_changes(run_id, extension) for extension in ("csv", "parquet"))
    return [runs.storage.read_bytes(key) for key in keys]


@anywhere
def test_changes_are_the_same_when_a_run_is_published_again(runs: Runs) -> None:
    publish_a_second_run(runs)
    first = changed_files(runs, "run 2")
    summary = runs.storage.read_json(layout.run_summary("run 2", "json"))
    runs.publish("run 2")
    assert changed_files(runs, "run 2") == first
    assert runs.storage.read_json(layout.run_summary("run 2", "json")) == summary


def test_changes_are_the_same_when_a_run_is_published_again_after_a_newer_one(runs: Runs) -> None:
    publish_a_second_run(runs)
    expected = {run_id: changed_files(runs, run_id) for run_id in ("run 1", "run 2")}
    latest = hours_later(2)
    # The newer run settles anew all that the second one settled, and what it let be.
    runs.prepare(
        "run 3",
        {7: ["a", "b", "c", "d"]},
        Unit("7/1", [duplicated(v, latest) for v in "abc"] + [compliant("d", latest)]),
        planned_at=latest,
        left={7: 1},
    )
    runs.publish("run 3")
    expected["run 3"] = changed_files(runs, "run 3")
    # Found b and d alike and e, which is gone; a and c are taken back, so new again.
    assert runs.changes("run 3") == [(7, "seller-1", 4, 2, 4)]
    for run_id in ("run 1", "run 2", "run 3", "run 2"):
        runs.publish(run_id)
        assert changed_files(runs, run_id) == expected[run_id], run_id


def test_changes_of_an_older_run_published_late_are_against_what_it_found(runs: Runs) -> None:
    variant_ids = ["a", "b", "c"]
    older = [duplicated(v) for v in variant_ids]
    runs.prepare("older", {7: variant_ids}, Unit("7/1", older))
    later = hours_later(1)
    newer = [compliant("a", later), judged_variant("b", [["1", "2"]], source_as_of=later)]
    runs.prepare("newer", {7: variant_ids}, Unit("7/1", newer), planned_at=later)
    runs.publish("newer")
    assert runs.changes("newer") == [(7, "seller-1", 1, 0, 0)]
    for _ in range(2):
        runs.publish("older")
        # Only c is taken from it: a stays mended, and b stays as the newer run judged it.
        assert runs.changes("older") == [(7, "seller-1", 2, 1, 0)]
    assert len(runs.rows("findings")) == 3


def test_changes_of_an_older_run_bring_no_departed_variant_back(runs: Runs) -> None:
    runs.prepare("older", {7: ["a", "b"]}, Unit("7/1", [compliant("a"), duplicated("b")]))
    later = hours_later(1)
    runs.prepare("newer", {7: ["a"]}, Unit("7/1", [duplicated("a", later)]), planned_at=later)
    runs.publish("newer")
    for _ in range(2):
        runs.publish("older")
        assert runs.changes("older") == [(7, "seller-1", 0, 2, 0)]


def test_changes_of_sibling_runs_in_one_category_do_not_count_each_other(runs: Runs) -> None:
    publish_first(runs)
    later = hours_later(1)
    active = ["a", "b", "d"]  # c has left, and both plans say so
    for run_id, unit in (
        ("lead", Unit("7/1", [compliant("a", later)])),
        ("sibling", Unit("7/2", [judged_variant("b", [["1", "4"]], source_as_of=later)])),
    ):
        runs.prepare(run_id, {7: active}, unit, planned_at=later, left={7: 1})
    expected = {"lead": (0, 4, 4), "sibling": (1, 2, 2)}
    for run_id in ("lead", "sibling", "lead", "sibling"):
        runs.publish(run_id)
        assert runs.changes(run_id) == [(7, "seller-1", *expected[run_id])]


def test_changes_do_not_take_leftovers_of_another_run_for_the_state(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken run had written the findings of a newcomer, but no verdict for it."""
    publish_first(runs, ["a"])
    later, latest = hours_later(1), hours_later(2)
    runs.prepare("broken", {7: ["a", "b"]}, Unit("7/1", [duplicated("b", later)]), planned_at=later)
    write = publish.write_rows

    def fail(storage: Storage, key: str, schema: object, rows: object) -> int:
        if schema is VERDICTS:
            raise StorageError("the disk is full")
        return write(storage, key, schema, rows)

    with monkeypatch.context() as patch:
        patch.setattr(publish, "write_rows", fail)
        with pytest.raises(StorageError):
            runs.publish("broken")
    assert len(runs.rows("findings")) == 4
    runs.prepare("next", {7: ["a"]}, planned_at=latest)
    runs.publish("next")
    assert runs.changes("next") == [(7, "seller-1", 0, 2, 0)]
    assert len(runs.rows("findings")) == 2


def test_changes_follow_the_state_when_a_unit_is_cleared_and_fails(runs: Runs) -> None:
    """Its earlier judgement by the same run stands in the report, so it is still counted."""
    publish_first(runs, ["a"])
    later = hours_later(1)
    fresh = Unit("7/1", [compliant("a", later), duplicated("b", later)])
    runs.prepare("run 2", {7: ["a", "b"]}, fresh, planned_at=later)
    runs.publish("run 2")
    for stage in STAGES[DETECTED:]:
        runs.storage.delete(layout.stage_record("run 2", "7/1", stage))
    with pytest.raises(UnitsFailedError):
        runs.publish("run 2")
    assert runs.runs_of_variants() == [("a", "run 2"), ("b", "run 2")]
    assert runs.changes("run 2") == [(7, "seller-1", 2, 0, 2)]


def test_changes_read_a_state_of_an_earlier_release(runs: Runs) -> None:
    publish_first(runs, ["a", "b"])
    key = layout.current("findings", 7)
    with runs.storage.reading(key) as source:
        older = pq.read_table(source).drop_columns(["sentence", "base_quality_notes"])
    sink = io.BytesIO()
    pq.write_table(older, sink)
    runs.storage.write_bytes(key, sink.getvalue())
    later = hours_later(1)
    runs.prepare("run 2", {7: ["a", "b"]}, Unit("7/1", [compliant("a", later)]), planned_at=later)
    runs.publish("run 2")
    assert runs.changes("run 2") == [(7, "seller-1", 0, 2, 2)]


def drawn_at_random(chance: random.Random, variant_id: str, as_of: datetime) -> Variant:
    """Up to two findings; images of one id are one picture in every run."""
    if chance.random() < 0.3:
        return compliant(variant_id, as_of)
    one, two, three = chance.sample("12345", 3)
    related = [(min(two, three), max(two, three))] if chance.random() < 0.5 else []
    groups = [sorted([one, two]), [three]]
    return judged_variant(variant_id, groups, related=related, source_as_of=as_of)


def count_findings(rows: Sequence[Row]) -> Counter[tuple[str, ...]]:
    return Counter(
        (
            row["variant_id"],
            row["relation"],
            min(row["base_sha256"], row["duplicate_sha256"]),
            max(row["base_sha256"], row["duplicate_sha256"]),
        )
        for row in rows
    )


@pytest.mark.parametrize("seed", range(6))
def test_changes_agree_with_the_whole_states_before_and_after_each_run(
    runs: Runs, seed: int
) -> None:
    chance = random.Random(seed)
    before: Counter[tuple[str, ...]] = Counter()
    known: set[str] = set()
    total: Counter[str] = Counter()
    for number in range(6):
        run_id, as_of = f"run {number}", hours_later(number)
        active = sorted(chance.sample("abcdefghij", 7))
        due = [v for v in active if v not in known or chance.random() < 0.5]
        drawn = [drawn_at_random(chance, v, as_of) for v in due]
        units = [Unit("7/1", drawn[:3]), Unit("7/2", drawn[3:])]
        left = {7: len(known - set(active))}
        runs.prepare(run_id, {7: active}, *units, planned_at=as_of, left=left)
        runs.publish(run_id)
        after = count_findings(runs.rows("findings"))
        expected = {
            "new": (after - before).total(),
            "repeated": (after & before).total(),
            "resolved": (before - after).total(),
        }
        (row,) = read_rows(runs.storage, layout.run_changes(run_id, "parquet"), CHANGES)
        assert {name: row[name] for name in expected} == expected
        total.update(expected)
        before, known = after, set(active)
    assert min(total[name] for name in ("new", "repeated", "resolved")) > 5


# Summary ----------------------------------------------------------------------------------------


def test_publish_summary_adds_up(runs: Runs) -> None:
    one, two = duplicated("a"), compliant("b")
    two[0]["url_rules"] = ["https_scheme", "size_rendition"]
    three = judged_variant("x", [["1"]], failed=["2", "3"], category_id=8)
    three[1]["reason_code"] = ReasonCode.TIMED_OUT
    runs.prepare(
        "run 1",
        {7: ["a", "b"], 8: ["x", "y"]},
        Unit("7/1", [one]),
        Unit("7/2", [two]),
        Unit("8/1", [three, judged_variant("y", [], category_id=8)]),
        names={7: "Chairs", 8: "[Tables]"},
        rejected_rows=2,
    )
    run = runs.publish("run 1")
    summary = runs.storage.read_json(layout.run_summary("run 1", "json"))
    total = summary["total"]
    assert total == run.totals()
    assert {name: total[name] for name in total if name != "stages"} == {
        "categories": 2,
        "variants_judged": 4,
        "variants": 4,
        "images": 12,
        "corrected": 1,
        "downloaded": 7,
        "failed_by_reason": {"category_not_integer": 2, "not_found": 2, "timed_out": 1},
        "findings": 1,
        "related": 1,
        "findings_by_kind": {"same_picture": 1},
        "findings_new": 2,
        "findings_repeated": 0,
        "findings_resolved": 0,
        "verdicts": {"compliant": 1, "short_by_3": 1, "undecided": 2},
        "units": 3,
        "units_failed": [],
        "units_degraded": [],
        "decisions_carried": 0,
    }
    assert total["images"] == total["downloaded"] + sum(total["failed_by_reason"].values())
    assert sum(total["verdicts"].values()) == total["variants"]
    assert set(total["stages"]) == set(STAGES)
    assert total["stages"]["detect_duplicates"] == {"seconds": 4.5, "images_per_s": 2.2}
    for count in ("images", "downloaded", "findings", "variants", "units", "corrected"):
        extra = summary["total"][count] - sum(c[count] for c in summary["categories"])
        assert extra == (2 if count == "images" else 0)


def test_publish_summary_says_what_the_readable_one_says(runs: Runs) -> None:
    runs.prepare("run 1", {7: ["a"]}, Unit("7/1", [duplicated("a")]), names={7: "कुर्सी"})
    runs.publish("run 1")
    text = runs.storage.read_bytes(layout.run_summary("run 1", "txt")).decode()
    assert "7 कुर्सी" in text
    assert "images of this run that failed, by reason: not_found 1" in text
