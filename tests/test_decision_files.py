"""Decisions written into a duplicates report, as spreadsheets save it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import datetime

import pytest

from image_duplication import layout
from image_duplication.category_csvs import write_category_csvs
from image_duplication.decision_files import DecisionSource, read_decisions
from image_duplication.errors import ConfigurationError, MissingArtefactError
from image_duplication.records import DecisionOrigin, DecisionVerdict, Kind
from image_duplication.reviewed_category import ReviewedCategory
from image_duplication.reviews import Reviews
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.store.decisions import Decision, Pair
from tests.judged_rows import Unit, finish_unit, judged_variant, sha256, write_plan

NOON = datetime(2026, 3, 10, 12)  # noqa: DTZ001 - the store keeps UTC without a zone
SOURCE = DecisionSource("reviewer", NOON)
VARIANT = "-1 कुर्सी"  # a spreadsheet would take it for a formula
NAME = "week 9.csv"


@pytest.fixture
def report(storage: Storage, settings: Settings) -> list[dict[str, str]]:
    """The lines of a category's duplicates report: a~b and c~d of one variant."""
    from image_duplication.stages.publish import publish_run

    unit = Unit("7/1", [judged_variant(VARIANT, [["a", "b"], ["c", "d"]])])
    write_plan(storage, "run", {7: [VARIANT]}, [unit])
    finish_unit(storage, settings, "run", unit)
    publish_run(storage, settings, run_id="run")
    nobody = Reviews.of({}, allows_unreviewed_identical=True)
    write_category_csvs(
        ReviewedCategory.read(storage, 7, nobody), not_judged=(), write_extract=False
    )
    text = storage.read_bytes(layout.report(7, "duplicates")).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def save(
    storage: Storage,
    rows: list[dict[str, str]],
    *,
    delimiter: str = ",",
    encoding: str = "utf-8-sig",
) -> None:
    sink = io.StringIO(newline="")
    writer = csv.DictWriter(sink, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    storage.write_bytes(layout.decision_file(NAME), sink.getvalue().encode(encoding))


def pair(first: str, second: str) -> Pair:
    sha256s = sha256(f"{VARIANT}{first}"), sha256(f"{VARIANT}{second}")
    return Pair.of(7, VARIANT, sha256s, [Kind.SAME_PICTURE])


@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
def test_decisions_are_read_from_the_report_that_a_person_has_filled(
    storage: Storage, report: list[dict[str, str]], delimiter: str, encoding: str
) -> None:
    first, second = report
    filled = [
        first | {"decision": " Rejected ", "note": "front, and back; of one चीज़"},
        second | {"decision": "confirmed", "note": ""},
    ]
    save(storage, filled, delimiter=delimiter, encoding=encoding)

    assert read_decisions(storage, NAME, SOURCE) == [
        Decision(
            pair("a", "b"),
            DecisionVerdict.REJECTED,
            DecisionOrigin.REVIEW,
            "reviewer",
            NOON,
            "front, and back; of one चीज़",
        ),
        Decision(
            pair("c", "d"), DecisionVerdict.CONFIRMED, DecisionOrigin.REVIEW, "reviewer", NOON
        ),
    ]


def test_line_without_a_decision_is_none_and_note_may_be_left_out(
    storage: Storage, report: list[dict[str, str]]
) -> None:
    first, second = report
    save(storage, [first | {"decision": ""}, second | {"decision": "withdrawn"}])

    (decision,) = read_decisions(storage, NAME, SOURCE)
    assert (decision.pair, decision.verdict) == (pair("c", "d"), DecisionVerdict.WITHDRAWN)


def test_columns_may_stand_in_any_order_beside_others(
    storage: Storage, report: list[dict[str, str]]
) -> None:
    row = {"mine": "x", "decision": "confirmed", **report[0]}
    save(storage, [dict(reversed(row.items()))])

    assert [one.pair for one in read_decisions(storage, NAME, SOURCE)] == [pair("a", "b")]


def test_pair_that_is_listed_twice_is_decided_once(
    storage: Storage, report: list[dict[str, str]]
) -> None:
    row = report[0] | {"decision": "confirmed"}
    save(storage, [row, row])

    assert len(read_decisions(storage, NAME, SOURCE)) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decision": "yes"}, "line 3: decision is 'yes', expected confirmed, rejected, withdrawn"),
        ({"category_id": "1.2E+03"}, "line 3: category_id is '1.2E\\+03'"),
        ({"category_id": "0"}, "line 3: category_id"),
        ({"variant_id": ""}, "line 3: variant_id is empty"),
        ({"variant_id": "v" * 256}, "line 3: variant_id has 256 characters, expected at most 255"),
        ({"base_sha256": "12"}, "line 3: base_sha256 is '12', expected 64 hexadecimal digits"),
        ({"duplicate_sha256": "A" * 64}, "line 3: duplicate_sha256"),
        ({"kinds": "same_picture magic"}, "line 3: kinds is 'same_picture magic'"),
        ({"kinds": ""}, "line 3: kinds is ''"),
    ],
)
def test_wrong_line_is_named_and_nothing_is_read(
    storage: Storage, report: list[dict[str, str]], change: dict[str, str], message: str
) -> None:
    rows = [row | {"decision": "confirmed"} for row in report]
    save(storage, [rows[0], rows[1] | change])

    with pytest.raises(ConfigurationError, match=message):
        read_decisions(storage, NAME, SOURCE)


def test_every_wrong_line_is_named_at_once(storage: Storage, report: list[dict[str, str]]) -> None:
    save(storage, [report[0] | {"decision": f"no {n}"} for n in range(12)])

    with pytest.raises(ConfigurationError, match=r"line 2: .*line 11: .*; and 2 more"):
        read_decisions(storage, NAME, SOURCE)


def test_two_decisions_on_one_pair_are_refused(
    storage: Storage, report: list[dict[str, str]]
) -> None:
    save(storage, [report[0] | {"decision": verdict} for verdict in ("confirmed", "rejected")])

    with pytest.raises(ConfigurationError, match="'rejected', but 'confirmed' in line 2"):
        read_decisions(storage, NAME, SOURCE)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content.replace(b"decision", b"verdict"), "no column 'decision'"),
        (lambda content: content.replace(b"base_sha256", b"base"), "no column 'base_sha256'"),
        (lambda content: content + b"\xff\xfe\n", "not UTF-8"),
        (lambda content: b"", "no column"),
    ],
    ids=["no decisions", "an older report", "another code", "empty"],
)
def test_file_that_is_no_report_is_refused(
    storage: Storage,
    report: list[dict[str, str]],
    spoil: Callable[[bytes], bytes],
    message: str,
) -> None:
    save(storage, [report[0] | {"decision": "confirmed"}])
    key = layout.decision_file(NAME)
    storage.write_bytes(key, spoil(storage.read_bytes(key)))

    with pytest.raises(ConfigurationError, match=message):
        read_decisions(storage, NAME, SOURCE)


def test_file_that_is_not_there_is_named(storage: Storage) -> None:
    with pytest.raises(MissingArtefactError, match=r"decisions/week 9\.csv"):
        read_decisions(storage, NAME, SOURCE)
