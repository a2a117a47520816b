"""Stage write_report: findings and verdicts from judged rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_duplication import layout
from image_duplication.errors import MissingArtefactError
from image_duplication.records import StageReport
from image_duplication.settings import load_settings
from image_duplication.stages.report import write_report
from image_duplication.storage import Storage
from image_duplication.tables import FINDINGS, JUDGED, VERDICTS, Row, read_rows, write_rows
from tests.judged_rows import (
    NOON,
    draw_picture,
    encode,
    judged_variant,
    sha256,
    stage_picture,
)

RUN = "run 1"
UNIT = "7/1"


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path))


def report(storage: Storage, *variants: list[Row]) -> StageReport:
    key = layout.unit_file(RUN, UNIT, "judged.parquet")
    write_rows(storage, key, JUDGED, (row for rows in variants for row in rows))
    return write_report(storage, load_settings(), run_id=RUN, unit_id=UNIT)


def findings(storage: Storage) -> list[Row]:
    return list(read_rows(storage, layout.unit_file(RUN, UNIT, "findings.parquet"), FINDINGS))


def verdicts(storage: Storage) -> list[Row]:
    return list(read_rows(storage, layout.unit_file(RUN, UNIT, "verdicts.parquet"), VERDICTS))


def redundant(found: list[Row]) -> list[str]:
    return [
        row["duplicate_image_id" if row["action"] == "remove_duplicate" else "base_image_id"]
        for row in found
        if row["action"] != "none"
    ]


def test_report_names_base_duplicate_keeper_and_action(storage: Storage) -> None:
    rows = judged_variant("v1", [["1", "2"], ["3"]])
    report(storage, rows)
    (finding,) = findings(storage)
    base, duplicate, _ = rows
    assert finding == {
        "category_id": 7,
        "variant_id": "v1",
        "catalogue_id": "catalogue-v1",
        "seller_id": "seller-1",
        "product_url": "https://mkp.gem.gov.in/v1",
        "relation": "duplicate",
        "base_image_id": "1",
        "base_position": 0,
        "base_url": base["corrected_url"],
        "base_sha256": base["content_sha256"],
        "duplicate_image_id": "2",
        "duplicate_position": 1,
        "duplicate_url": duplicate["corrected_url"],
        "duplicate_sha256": duplicate["content_sha256"],
        "kinds": ["same_picture"],
        "sentence": "same photo, saved again",
        "distance": 2.5,
        "engine": "difpy",
        "base_quality_notes": [],
        "duplicate_quality_notes": [],
        "keeper_image_id": "1",
        "keeper_reason": "kept for its greater resolution",
        "action": "remove_duplicate",
        "feature_version": "1-px50",
        "threshold_version": "1-0123456789ab",
        "judged_at": NOON,
        "run_id": RUN,
    }


def test_report_removes_the_base_when_a_duplicate_is_kept(storage: Storage) -> None:
    report(storage, judged_variant("v1", [["1", "2", "3"]], keepers={"1": "3"}))
    found = findings(storage)
    assert [(f["base_image_id"], f["duplicate_image_id"], f["action"]) for f in found] == [
        ("1", "2", "remove_duplicate"),
        ("1", "3", "remove_base"),
    ]
    assert {f["keeper_image_id"] for f in found} == {"3"}
    assert sorted(redundant(found)) == ["1", "2"]


def test_report_gives_related_pictures_without_an_action(storage: Storage) -> None:
    report(storage, judged_variant("v1", [["1", "2"], ["3"]], related=[("2", "3")]))
    _, related = findings(storage)
    names = ("relation", "base_image_id", "duplicate_image_id", "kinds", "action")
    assert [related[name] for name in names] == ["related", "2", "3", ["transformed"], "none"]
    assert related["keeper_image_id"] is related["keeper_reason"] is None


def test_report_carries_sentence_and_quality_of_both_pictures(storage: Storage) -> None:
    rows = judged_variant("v1", [["1", "2"], ["3"]], unusable=["2"], related=[("2", "3")])
    rows[1]["sentence"] = "same photo, mirrored"
    report(storage, rows)
    names = ("sentence", "base_quality_notes", "duplicate_quality_notes")
    assert [[finding[name] for name in names] for finding in findings(storage)] == [
        ["same photo, mirrored", [], ["blank"]],
        ["same photo, saved again", ["blank"], []],
    ]


def test_report_finds_the_base_wherever_its_row_stands(storage: Storage) -> None:
    rows = judged_variant("v1", [["1", "2"], ["3"]], related=[("1", "3")])
    report(storage, rows[::-1])
    pairs = [(f["base_image_id"], f["duplicate_image_id"]) for f in findings(storage)]
    assert sorted(pairs) == [("1", "2"), ("1", "3")]


def test_report_finds_the_base_beside_a_failed_row_of_the_same_image(storage: Storage) -> None:
    repeated = judged_variant("v1", [], failed=["1"])
    report(storage, judged_variant("v1", [["1", "2"]]) + repeated)
    (finding,) = findings(storage)
    assert finding["base_sha256"]


def test_report_writes_a_verdict_for_each_variant_in_order(storage: Storage) -> None:
    report(
        storage,
        judged_variant("v2", [["1"], ["2"], ["3"]]),
        judged_variant("v10", []),
        judged_variant("v1", [["1", "2"]], failed=["3"]),
    )
    names = ("variant_id", "verdict", "images", "distinct_usable", "unjudged", "redundant")
    assert [tuple(row[name] for name in names) for row in verdicts(storage)] == [
        ("v2", "compliant", 3, 3, 0, 0),
        ("v10", "short_by_3", 0, 0, 0, 0),
        ("v1", "short_by_2", 3, 1, 1, 1),
    ]


def test_report_verdict_carries_what_its_variant_is_and_when_it_was_judged(
    storage: Storage,
) -> None:
    report(storage, judged_variant("v1", [["1"]]))
    (verdict,) = verdicts(storage)
    assert verdict == {
        "category_id": 7,
        "category_name": "Chairs",
        "variant_id": "v1",
        "catalogue_id": "catalogue-v1",
        "seller_id": "seller-1",
        "product_url": "https://mkp.gem.gov.in/v1",
        "verdict": "short_by_2",
        "reason": "too_few_images",
        "required": 3,
        "images": 1,
        "distinct_usable": 1,
        "unjudged": 0,
        "unfetched": 0,
        "fetched_at": NOON,
        "redundant": 0,
        "signature": "signature-v1",
        "feature_version": "1-px50",
        "threshold_version": "1-0123456789ab",
        "source_as_of": NOON,
        "judged_at": NOON,
        "run_id": RUN,
    }


def test_report_counts_what_it_wrote(storage: Storage) -> None:
    done = report(
        storage,
        judged_variant("v1", [["1", "2"], ["3"]], related=[("2", "3")]),
        judged_variant("v2", []),
    )
    assert (done.stage, done.unit_id) == ("write_report", UNIT)
    assert {name: done.counts[name] for name in ("variants", "images", "findings")} == {
        "variants": 2,
        "images": 3,
        "findings": 2,
    }


def test_report_makes_thumbnails_of_what_people_look_at(storage: Storage) -> None:
    variants = [
        judged_variant("repeats", [["1", "2"], ["3"], ["4"]]),
        judged_variant("short", [["1"]], failed=["2"]),
        judged_variant("compliant", [["1"], ["2"], ["3"]]),
    ]
    for rows in variants:
        for seed, row in enumerate(rows):
            if row["content_sha256"]:
                content = encode(draw_picture(seed))
                row |= {"content_sha256": sha256(content + row["variant_id"].encode())}
                row["size_bytes"] = len(content)
                stage_picture(storage, RUN, row, content)
    counts = report(storage, *variants).counts

    assert counts["thumbnails_made"] == 5
    shown = {row["content_sha256"] for rows in variants[:2] for row in rows} - {None}
    assert {name.removesuffix(".jpg") for name in storage.names("thumbnails/category=7")} == shown


def test_report_of_an_empty_unit_writes_empty_files(storage: Storage) -> None:
    report(storage)
    assert findings(storage) == verdicts(storage) == []


def test_report_gives_equal_files_when_run_again(storage: Storage) -> None:
    def files() -> list[bytes]:
        return [
            storage.read_bytes(layout.unit_file(RUN, UNIT, f"{name}.parquet"))
            for name in ("findings", "verdicts")
        ]

    rows = judged_variant("v1", [["1", "2"], ["3"]], related=[("2", "3")])
    report(storage, rows)
    first = files()
    report(storage, rows)
    assert files() == first


def test_report_without_judged_rows_names_the_missing_file(storage: Storage) -> None:
    with pytest.raises(MissingArtefactError, match=r"judged\.parquet"):
        write_report(storage, load_settings(), run_id=RUN, unit_id=UNIT)


@st.composite
def groupings(draw: st.DrawFn) -> tuple[list[list[str]], dict[str, str]]:
    names = iter("abcdefghijkl")
    sizes = draw(st.lists(st.integers(1, 4), max_size=3))
    groups = [[next(names) for _ in range(size)] for size in sizes]
    return groups, {group[0]: draw(st.sampled_from(group)) for group in groups}


@settings(deadline=None, database=None, max_examples=50)
@given(groupings())
def test_report_names_every_redundant_image_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, grouping: tuple[list[list[str]], dict[str, str]]
) -> None:
    groups, keepers = grouping
    storage = Storage(str(tmp_path_factory.mktemp("report")))
    report(storage, judged_variant("v1", groups, keepers=keepers))
    expected = {name for group in groups for name in group} - set(keepers.values())
    assert sorted(redundant(findings(storage))) == sorted(expected)
