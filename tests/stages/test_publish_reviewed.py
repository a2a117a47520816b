"""Stage publish_run with what people have decided: rejected pairs, decisions carried over."""

from __future__ import annotations

import contextlib
import csv
import functools
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from PIL import Image

from image_duplication import layout
from image_duplication.records import DecisionOrigin, DecisionVerdict, Kind, StageReport
from image_duplication.removal.image_proposal import propose_images
from image_duplication.settings import Settings, load_settings
from image_duplication.stages.archive import archive_images
from image_duplication.stages.detect import detect_duplicates
from image_duplication.stages.publish import People, publish_run
from image_duplication.stages.report import write_report
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.decisions import (
    Decision,
    Pair,
    read_decided,
    record,
    record_carried,
)
from image_duplication.summary import CarriedDecision, CategorySummary
from image_duplication.tables import CHANGES, FINDINGS, Row, read_rows
from image_duplication.units import STAGES
from tests.drawn_photos import draw_photo
from tests.judged_rows import (
    Unit,
    downloaded_row,
    encode,
    finish_unit,
    hours_later,
    judged_variant,
    stage_picture,
    write_downloads,
    write_plan,
)
from tests.storages import all_files

NOON = datetime(2026, 1, 5, 12)  # noqa: DTZ001 - the store keeps UTC without a zone
REJECTED, CONFIRMED = DecisionVerdict.REJECTED, DecisionVerdict.CONFIRMED
UNIT = "7/1"
_DRIFTS = 8


@functools.cache
def contents() -> dict[str, bytes]:
    photo = draw_photo(1, 300, 260)
    return {
        "photo": encode(photo),
        "saved again": encode(photo, "JPEG", quality=70),
        "saved anew": encode(photo, "JPEG", quality=85),
        "saved once more": encode(photo, "JPEG", quality=78),
        "cropped": encode(photo.crop((0, 0, 260, 230)), "JPEG", quality=88),
        "mirrored": encode(photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "JPEG", quality=88),
        "other": encode(draw_photo(2, 260, 300), "JPEG", quality=88),
        "other saved anew": encode(draw_photo(2, 260, 300), "JPEG", quality=70),
        "third": encode(draw_photo(3, 280, 280), "JPEG", quality=88),
        "white": encode(Image.new("RGB", (60, 60), "white")),
        **{
            f"drifted {step}": encode(
                Image.blend(photo, draw_photo(3, 300, 260), step / 40), "JPEG", quality=92
            )
            for step in range(1, _DRIFTS + 1)
        },
    }


def sha(name: str) -> str:
    return hashlib.sha256(contents()[name]).hexdigest()


class Reviewed:
    """Runs over one category, and people who decide on what they found."""

    def __init__(self, storage: Storage, settings: Settings, store: Store) -> None:
        self.storage = storage
        self.settings = settings
        self.number = 0
        self.open(store)

    def open(self, store: Store) -> None:
        """Take another store from now on."""
        self.store = store
        self.people = People(
            functools.partial(read_decided, store), functools.partial(record_carried, store)
        )

    @property
    def run_id(self) -> str:
        return f"run {self.number}"

    # Runs by hand: what is judged is given.

    def take(self, *variants: Sequence[Row]) -> CategorySummary:
        """A run that judged these variants, or none of them."""
        self.number += 1
        units = [Unit(UNIT, variants)] if variants else []
        active = [rows[0]["variant_id"] for rows in variants] or ["v"]
        write_plan(
            self.storage, self.run_id, {7: active}, units, planned_at=hours_later(self.number)
        )
        for unit in units:
            finish_unit(self.storage, self.settings, self.run_id, unit)
        return self.publish()

    # Runs by the real stages: the pictures are given.

    def judge(self, names: Sequence[str]) -> None:
        """All of a run but its publication; images keep their ids by place."""
        self.number += 1
        moment = hours_later(self.number)
        rows = []
        for place, name in enumerate(names):
            content = contents()[name]
            with Image.open(io.BytesIO(content)) as opened:
                header = {
                    "width_px": opened.width,
                    "height_px": opened.height,
                    "picture_format": opened.format,
                }
            row = downloaded_row("v", f"i{place}", place, content, source_as_of=moment) | header
            rows.append(stage_picture(self.storage, self.run_id, row, content))
        write_plan(self.storage, self.run_id, {7: ["v"]}, [Unit(UNIT, [rows])], planned_at=moment)
        write_downloads(self.storage, self.run_id, UNIT, rows)
        done = {
            "detect_duplicates": detect_duplicates(
                self.storage, self.settings, run_id=self.run_id, unit_id=UNIT, judged_at=moment
            ),
            "write_report": write_report(
                self.storage, self.settings, run_id=self.run_id, unit_id=UNIT
            ),
            "archive_images": archive_images(self.storage, run_id=self.run_id, unit_id=UNIT),
        }
        counts = {"images": len(rows), "changed": 0, "downloaded": len(rows)}
        for stage in STAGES:
            report = done.get(stage, StageReport(stage, UNIT, 1.0, counts))
            self.storage.write_json(
                layout.stage_record(self.run_id, UNIT, stage), replace(report, seconds=1).to_json()
            )

    def run(self, *names: str) -> CategorySummary:
        self.judge(names)
        return self.publish()

    def publish(self) -> CategorySummary:
        summary = publish_run(self.storage, self.settings, run_id=self.run_id, people=self.people)
        return summary.categories[0]

    # Decisions

    def decide(
        self,
        verdict: DecisionVerdict,
        sha256s: tuple[str, str] | None = None,
        kinds: Sequence[Kind] = (Kind.SAME_PICTURE,),
        variant_id: str = "v",
    ) -> None:
        pair = Pair.of(7, variant_id, sha256s or (sha("photo"), sha("saved again")), kinds)
        record(self.store, [Decision(pair, verdict, DecisionOrigin.REVIEW, "reviewer", NOON, "so")])

    def decisions(self) -> dict[tuple[str, str], Decision]:
        holding = read_decided(self.store, 7).holding
        return {
            (pair.lower_sha256, pair.higher_sha256): decision
            for pair, (_, decision) in holding.items()
        }

    # What people read

    def csv(self, subject: str) -> list[dict[str, str]]:
        content = self.storage.read_bytes(layout.report(7, subject)).decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(content, newline="")))

    def told(self) -> list[tuple[str, ...]]:
        """Of each duplicate told of: base, duplicate, keeper and what is redundant."""
        columns = ("base_image_id", "duplicate_image_id", "keeper_image_id", "redundant_image_id")
        return [tuple(row[name] for name in columns) for row in self.csv("duplicates")]

    def changes(self) -> list[tuple[int, int, int]]:
        key = layout.run_changes(self.run_id, "parquet")
        return [
            (row["new"], row["repeated"], row["resolved"])
            for row in read_rows(self.storage, key, CHANGES)
        ]

    def files(self) -> Mapping[str, bytes]:
        return {
            key: self.storage.read_bytes(key)
            for key in all_files(self.storage)
            if not key.startswith("store/")
        }


@pytest.fixture
def reviewed(tmp_path: Path) -> Iterator[Reviewed]:
    with Store("image_duplication_store", f"sqlite:///{tmp_path / 'store.db'}") as store:
        yield Reviewed(Storage(str(tmp_path / "root")), load_settings(), store)


def content_of(variant: Sequence[Row], *image_ids: str) -> tuple[str, str]:
    """The contents of two images of a variant."""
    of_image = {row["image_id"]: row["content_sha256"] for row in variant}
    first, second = image_ids
    return of_image[first], of_image[second]


def as_copy(variant: Sequence[Row], image_id: str, of: str) -> list[Row]:
    """The variant with the bytes of another of its images in one."""
    content, _ = content_of(variant, of, of)
    return [
        row | {"content_sha256": content} if row["image_id"] == image_id else row for row in variant
    ]


# Rejected pairs ---------------------------------------------------------------------------------


def test_rejected_pair_is_in_no_report_of_the_next_full_run(reviewed: Reviewed) -> None:
    before = reviewed.run("photo", "saved again", "other", "third")
    assert (before.findings, before.verdicts) == (1, {"compliant": 1})
    before = reviewed.run("photo", "saved again", "other")
    assert (before.findings, before.verdicts) == (1, {"short_by_1": 1})

    reviewed.decide(REJECTED)
    after = reviewed.run("photo", "saved again", "other")

    assert (after.findings, after.findings_by_kind, after.verdicts) == (0, {}, {"compliant": 1})
    assert reviewed.csv("duplicates") == reviewed.csv("summary") == []
    (row,) = reviewed.csv("compliance")
    assert [row[n] for n in ("verdict", "distinct_usable", "redundant")] == ["compliant", "3", "0"]
    assert reviewed.changes() == []
    facts = read_rows(reviewed.storage, layout.current("findings", 7), FINDINGS)
    assert [row["relation"] for row in facts] == ["duplicate"]
    proposal = propose_images(
        reviewed.storage,
        reviewed.settings,
        reviewed.store,
        removal_id="a" * 32,
        category_ids=[7],
        proposed_by="proposer",
        allow_unreviewed_identical=True,
    )
    (proposed,) = proposal.categories
    assert (proposed.rows, proposed.short_variants, proposed.excluded) == (0, 0, {"rejected": 1})


def test_pair_is_back_once_its_rejection_is_withdrawn(reviewed: Reviewed) -> None:
    variant = judged_variant("v", [["a", "b"], ["c"]])
    reviewed.take(variant)
    reviewed.decide(REJECTED, content_of(variant, "a", "b"))
    reviewed.take()
    assert reviewed.told() == []

    reviewed.decide(DecisionVerdict.WITHDRAWN, content_of(variant, "a", "b"))
    summary = reviewed.take()

    assert reviewed.told() == [("a", "b", "a", "b")]
    assert (summary.findings, summary.is_renewed) == (1, True)
    assert reviewed.changes() == [(0, 1, 0)]


def test_reports_are_written_anew_only_when_something_was_decided(reviewed: Reviewed) -> None:
    variant = judged_variant("v", [["a", "b"], ["c"]])
    reviewed.take(variant)
    reviewed.decide(REJECTED, content_of(variant, "a", "b"))
    state = layout.current("findings", 7)
    written = Path(reviewed.storage.root, state).stat().st_mtime_ns

    renewed = [reviewed.take().is_renewed, reviewed.publish().is_renewed]
    renewed.append(reviewed.take().is_renewed)

    assert renewed == [True, True, False]
    assert Path(reviewed.storage.root, state).stat().st_mtime_ns == written


def test_withdrawal_of_an_older_decision_is_noticed(reviewed: Reviewed) -> None:
    variant = judged_variant("v", [["a", "b"], ["c", "d"]])
    reviewed.take(variant)
    for pair in (content_of(variant, "a", "b"), content_of(variant, "c", "d")):
        reviewed.decide(REJECTED, pair)
    reviewed.take()
    reviewed.decide(DecisionVerdict.WITHDRAWN, content_of(variant, "a", "b"))
    reviewed.take()

    assert reviewed.told() == [("a", "b", "a", "b")]


def test_state_of_an_earlier_release_heeds_the_decisions(reviewed: Reviewed) -> None:
    variant = judged_variant("v", [["a", "b"], ["c"]])
    reviewed.take(variant)
    key = layout.category_state(7)
    record = reviewed.storage.read_json(key)
    assert record.pop("newest_decision") == 0
    reviewed.storage.write_json(key, record)
    assert not reviewed.take().is_renewed

    reviewed.decide(REJECTED, content_of(variant, "a", "b"))

    assert reviewed.take().is_renewed
    assert reviewed.told() == []


def test_rejected_related_pictures_are_not_told_of(reviewed: Reviewed) -> None:
    variant = judged_variant("v", [["a"], ["b"], ["c"]], related=[("a", "b"), ("b", "c")])
    reviewed.take(variant)
    reviewed.decide(REJECTED, content_of(variant, "a", "b"), [Kind.TRANSFORMED])
    summary = reviewed.take(variant)

    assert [row["duplicate_image_id"] for row in reviewed.csv("duplicates")] == ["c"]
    assert summary.related == 1


@pytest.mark.parametrize(
    ("unusable", "told", "links"),
    [
        ([], [("a", "c", "a", "c"), ("a", "d", "a", "d")], ["c", "d"]),
        (["a"], [("a", "c", "c", "a"), ("a", "d", "c", "d")], ["a", "d"]),
    ],
    ids=["base usable", "base unusable"],
)
def test_group_whose_keeper_is_told_apart_keeps_one_of_the_rest(
    reviewed: Reviewed, unusable: list[str], told: list[tuple[str, ...]], links: list[str]
) -> None:
    variant = judged_variant("v", [["a", "b", "c", "d"]], keepers={"a": "b"}, unusable=unusable)
    reviewed.take(variant)
    assert reviewed.told()[1] == ("a", "c", "b", "c")

    reviewed.decide(REJECTED, content_of(variant, "a", "b"))
    reviewed.take(variant)

    assert reviewed.told() == told
    (row,) = reviewed.csv("summary")
    assert [link[-5] for link in row["duplicate_links"].split()] == links
    assert row["No.of Duplicates"] == "2"
    assert [row["redundant"] for row in reviewed.csv("compliance")] == ["2"]


def test_group_keeps_its_keeper_when_another_is_told_apart(reviewed: Reviewed) -> None:
    variant = judged_variant("v", [["a", "b", "c"]], keepers={"a": "c"})
    reviewed.take(variant)
    reviewed.decide(REJECTED, content_of(variant, "a", "b"))
    reviewed.take(variant)

    assert reviewed.told() == [("a", "c", "c", "a")]


def test_copies_of_one_file_that_are_told_apart_from_the_base_stay_one_picture(
    reviewed: Reviewed,
) -> None:
    variant = as_copy(judged_variant("v", [["a", "b", "c"]]), "c", of="b")
    reviewed.take(variant)
    reviewed.decide(REJECTED, content_of(variant, "a", "b"))
    summary = reviewed.take(variant)

    assert reviewed.told() == [("b", "c", "b", "c")]
    assert summary.findings_by_kind == {"identical": 1}
    (row,) = reviewed.csv("compliance")
    assert (row["verdict"], row["distinct_usable"], row["redundant"]) == ("short_by_1", "2", "1")


def test_rejected_copy_of_the_base_s_own_file_is_no_finding_and_no_further_picture(
    reviewed: Reviewed,
) -> None:
    reviewed.run("photo", "photo", "other")

    reviewed.decide(REJECTED, (sha("photo"), sha("photo")))
    after = reviewed.run("photo", "photo", "other")

    assert after.findings == 0
    (row,) = reviewed.csv("compliance")
    assert (row["verdict"], row["distinct_usable"], row["redundant"]) == ("short_by_1", "2", "1")


def test_rejected_pair_of_one_variant_is_a_pair_in_another(reviewed: Reviewed) -> None:
    variants = [judged_variant(v, [["a", "b"]]) for v in ("v", "w")]
    variants[1] = [
        row | {"content_sha256": other["content_sha256"]}
        for row, other in zip(variants[1], variants[0], strict=True)
    ]
    reviewed.take(*variants)
    reviewed.decide(REJECTED, content_of(variants[0], "a", "b"))
    reviewed.take(*variants)

    assert [row["variant_id"] for row in reviewed.csv("duplicates")] == ["w"]


def test_rejected_pair_that_is_gone_resolves_nothing(reviewed: Reviewed) -> None:
    variant = judged_variant("v", [["a", "b"], ["c", "d"]])
    reviewed.take(variant)
    reviewed.decide(REJECTED, content_of(variant, "a", "b"))
    reviewed.take(judged_variant("v", [["a"], ["b"], ["c", "d"]], source_as_of=hours_later(9)))

    assert reviewed.changes() == [(0, 1, 0)]


# Carrying over ----------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", [REJECTED, CONFIRMED])
def test_decision_goes_on_when_a_picture_is_saved_anew(
    reviewed: Reviewed, verdict: DecisionVerdict
) -> None:
    reviewed.run("photo", "saved again", "other")
    reviewed.decide(verdict)
    summary = reviewed.run("photo", "saved anew", "other")

    now = tuple(sorted((sha("photo"), sha("saved anew"))))
    carried = reviewed.decisions()[now]
    assert summary.decisions_carried == (CarriedDecision("v", verdict, 1, now),)
    assert (carried.verdict, carried.carried_from, carried.decided_by) == (verdict, 1, "reviewer")
    assert carried.note == "carried over from decision 1, as a picture was saved anew: so"
    assert carried.decided_at > NOON
    assert len(reviewed.told()) == (verdict is CONFIRMED)
    listed = reviewed.storage.read_json(layout.run_summary(reviewed.run_id, "json"))
    assert listed["total"]["decisions_carried"] == 1
    assert b"decisions carried over: 1" in reviewed.storage.read_bytes(
        layout.run_summary(reviewed.run_id, "txt")
    )


def test_decision_goes_on_from_one_that_was_carried(reviewed: Reviewed) -> None:
    reviewed.run("photo", "saved again", "other")
    reviewed.decide(REJECTED)
    reviewed.run("photo", "saved anew", "other")
    summary = reviewed.run("photo", "saved once more", "other")

    assert [one.carried_from for one in summary.decisions_carried] == [2]
    assert reviewed.told() == []


def test_decision_does_not_drift_to_another_picture_in_small_steps(reviewed: Reviewed) -> None:
    reviewed.run("photo", "saved again", "other")
    reviewed.decide(REJECTED)
    carried = [
        reviewed.run(f"drifted {step}", "saved again", "other").decisions_carried
        for step in range(1, _DRIFTS + 1)
    ]

    assert carried[0]
    assert not carried[-1]


def test_decision_goes_on_after_a_run_that_lacked_the_picture(reviewed: Reviewed) -> None:
    reviewed.run("photo", "saved again", "other")
    reviewed.decide(REJECTED)
    reviewed.run("photo", "third", "other")
    summary = reviewed.run("photo", "saved anew", "other")

    assert [one.carried_from for one in summary.decisions_carried] == [1]


@pytest.mark.parametrize(
    "names",
    [
        ("photo", "cropped", "other"),
        ("photo", "mirrored", "other"),
        ("photo", "third", "other"),
        ("photo", "white", "other"),
        ("third", "cropped", "other"),
        ("third", "saved anew", "other"),
        ("photo", "other", "third"),
    ],
    ids=["cropped", "mirrored", "replaced", "blank", "both changed", "one of both", "moved up"],
)
def test_decision_does_not_go_on_to_another_picture(
    reviewed: Reviewed, names: tuple[str, ...]
) -> None:
    reviewed.run("photo", "saved again", "other")
    reviewed.decide(REJECTED)
    summary = reviewed.run(*names)

    assert summary.decisions_carried == ()
    assert len(reviewed.decisions()) == 1


def test_decision_goes_on_when_both_pictures_are_saved_anew(reviewed: Reviewed) -> None:
    reviewed.run("photo", "other", "third")
    reviewed.decide(REJECTED, (sha("photo"), sha("other")), [Kind.CROPPED])
    summary = reviewed.run("saved anew", "other saved anew", "third")

    assert [one.carried_from for one in summary.decisions_carried] == [1]


def test_nothing_is_compared_while_no_decision_has_lost_a_side(
    reviewed: Reviewed, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewed.run("photo", "saved again", "other")
    reviewed.decide(REJECTED)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a picture is looked at")

    monkeypatch.setattr("image_duplication.carried_decisions.examine_contents", refuse)
    reviewed.run("other", "photo", "saved again")


@pytest.mark.parametrize("verdict", [CONFIRMED, DecisionVerdict.WITHDRAWN])
def test_what_was_decided_of_the_new_pair_stands(
    reviewed: Reviewed, verdict: DecisionVerdict
) -> None:
    reviewed.run("photo", "saved again", "other")
    reviewed.decide(REJECTED)
    reviewed.decide(verdict, (sha("photo"), sha("saved anew")), [Kind.CROPPED])
    summary = reviewed.run("photo", "saved anew", "other")

    assert summary.decisions_carried == ()


def test_carried_decision_that_is_withdrawn_stays_so(reviewed: Reviewed) -> None:
    reviewed.run("photo", "saved again", "other")
    reviewed.decide(REJECTED)
    reviewed.run("photo", "saved anew", "other")
    reviewed.decide(DecisionVerdict.WITHDRAWN, (sha("photo"), sha("saved anew")))
    reviewed.publish()

    assert len(reviewed.told()) == 1
    reviewed.run("photo", "saved once more", "other")
    assert len(reviewed.told()) == 1
    assert len(reviewed.decisions()) == 1


def test_published_again_carries_nothing_twice_and_gives_equal_files(reviewed: Reviewed) -> None:
    reviewed.run("photo", "saved again", "other")
    reviewed.decide(REJECTED)
    reviewed.run("photo", "saved anew", "other")
    before, newest = reviewed.files(), read_decided(reviewed.store, 7).newest

    reviewed.publish()

    assert reviewed.files() == before
    assert read_decided(reviewed.store, 7).newest == newest == 2


def test_decision_is_carried_once_whatever_file_the_publication_is_killed_at(
    reviewed: Reviewed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reviewed.run("photo", "saved again", "other")
    reviewed.judge(("photo", "saved anew", "other"))
    before = reviewed.files()
    write = Storage._writing_local
    expected: Mapping[str, bytes] = {}
    files_written, survivors = 1, -1
    while survivors < files_written:
        for path in reviewed.files():
            Path(reviewed.storage.root, path).unlink()
        for path, content in before.items():
            reviewed.storage.write_bytes(path, content, durable=False)
        written = 0

        def die(self: Storage, key: str, *, durable: bool, limit: int = survivors) -> object:
            nonlocal written
            written += 1
            if written > limit >= 0:
                raise KeyboardInterrupt
            return write(self, key, durable=durable)

        with Store("image_duplication_store", f"sqlite:///{tmp_path}/{survivors}.db") as store:
            reviewed.open(store)
            reviewed.decide(REJECTED)
            with monkeypatch.context() as patch:
                patch.setattr(Storage, "_writing_local", die)
                with contextlib.suppress(KeyboardInterrupt):
                    reviewed.publish()
            if survivors < 0:
                expected, files_written = reviewed.files(), written
            reviewed.publish()

            assert reviewed.files() == expected, f"killed after {survivors} files"
            assert read_decided(store, 7).newest == 2
        survivors += 1
    assert files_written > 10
