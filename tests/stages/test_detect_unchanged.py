"""Stage detect_duplicates after an earlier run: what it judges without reading a picture."""

from __future__ import annotations

import functools
import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from image_duplication import earlier_evidence, layout, tables
from image_duplication.detection import find_matches, judge_pairs, matching
from image_duplication.evidence_rows import EVIDENCE, evidence_from_row
from image_duplication.records import ReasonCode, Role, StageReport, Status
from image_duplication.settings import Settings, load_settings
from image_duplication.stages import detect
from image_duplication.stages.detect import detect_duplicates
from image_duplication.storage import Storage
from image_duplication.tables import JUDGED, Row, read_rows, write_rows
from tests.drawn_photos import draw_photo
from tests.judged_rows import (
    NOON,
    absent_row,
    downloaded_row,
    draw_picture,
    encode,
    failed_row,
    hours_later,
    stage_picture,
    write_downloads,
)

CATEGORY_ID = 7
UNIT = "7/1"


# Pictures ---------------------------------------------------------------------------------------


@functools.cache
def contents() -> dict[str, bytes]:
    """Pictures of which many are copies of one photo, by name."""
    photo = draw_photo(1, 300, 260)
    framed = Image.new("RGB", (360, 320), "navy")
    framed.paste(photo, (30, 30))
    stamped = photo.copy()
    ImageDraw.Draw(stamped).ellipse((20, 20, 80, 80), fill="red")
    # A half turn leaves it as it is, so a quarter turn is as good as three quarters.
    point_symmetric = Image.new("RGB", (80, 80), "white")
    ImageDraw.Draw(point_symmetric).rectangle((10, 30, 69, 49), fill="black")
    upright = Image.Exif()
    upright[0x0112] = 6
    return {
        "photo": encode(photo),
        "saved again": encode(photo, "JPEG", quality=60),
        "enlarged": encode(photo.resize((600, 520)), "JPEG", quality=90),
        "mirrored": encode(photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "JPEG", quality=88),
        "quarter turn": encode(photo.transpose(Image.Transpose.ROTATE_90)),
        "turned by EXIF": encode(photo, "JPEG", quality=85, exif=upright),
        "cropped": encode(photo.crop((0, 0, 260, 230)), "JPEG", quality=88),
        "close-up": encode(photo.crop((60, 40, 210, 170)).resize((300, 260)), "JPEG", quality=92),
        "framed": encode(framed, "JPEG", quality=88),
        "stamped": encode(stamped, "JPEG", quality=88),
        "other": encode(draw_photo(2, 260, 300), "JPEG", quality=88),
        "bar": encode(point_symmetric),
        "bar upright": encode(
            point_symmetric.transpose(Image.Transpose.ROTATE_90), compress_level=1
        ),
        "white": encode(Image.new("RGB", (60, 60), "white")),
        "black": encode(Image.new("RGB", (60, 60), "black")),
        "tiny": encode(draw_picture(4, 20, 24)),
        "small": encode(draw_picture(5, 40, 44)),
        "broken": b"\x89PNG broken",
        "cut off": encode(photo, "JPEG", quality=85)[:-4_000],
    }


UNREADABLE = {"broken", "cut off"}


def header(name: str) -> dict[str, Any]:
    if name == "broken":
        return {}
    with Image.open(io.BytesIO(contents()[name])) as opened:
        return {
            "width_px": opened.width,
            "height_px": opened.height,
            "picture_format": opened.format,
        }


# Runs -------------------------------------------------------------------------------------------


class Runs:
    """Runs over one storage, whose category's state is what they publish."""

    def __init__(self, root: Path) -> None:
        self.storage = Storage(str(root))
        self._number = 0

    def give(self, variants: Mapping[str, Sequence[str | None]], prefix: str = "") -> list[Row]:
        """Rows of pictures by name, staged; None is one that could not be fetched."""
        rows: list[Row] = []
        for variant_id, names in variants.items():
            for place, name in enumerate(names):
                image_id = f"{prefix}{variant_id}-{place}"
                if name is None:
                    rows.append(failed_row(variant_id, image_id, place))
                    continue
                row = downloaded_row(variant_id, image_id, place, contents()[name]) | header(name)
                rows.append(stage_picture(self.storage, self.run_id, row, contents()[name]))
            if not names:
                rows.append(absent_row(variant_id))
        return rows

    @property
    def run_id(self) -> str:
        return f"run {self._number}"

    def judge(self, rows: list[Row], settings: Settings | None = None) -> StageReport:
        write_downloads(self.storage, self.run_id, UNIT, rows)
        return self.detect(settings)

    def detect(self, settings: Settings | None = None) -> StageReport:
        return detect_duplicates(
            self.storage,
            settings or settle(),
            run_id=self.run_id,
            unit_id=UNIT,
            judged_at=hours_later(self._number),
        )

    def publish(self) -> None:
        """Make the run's rows the state of the category; its pictures are gone after that."""
        for name, subject, schema in (
            ("judged.parquet", "images", JUDGED),
            ("evidence.parquet", "evidence", EVIDENCE),
        ):
            rows = read_rows(self.storage, layout.unit_file(self.run_id, UNIT, name), schema)
            write_rows(self.storage, layout.current(subject, CATEGORY_ID), schema, rows)
        self.storage.delete_folder("staging")
        self._number += 1

    def judged(self) -> list[Row]:
        key = layout.unit_file(self.run_id, UNIT, "judged.parquet")
        return [{**row, "judged_at": NOON} for row in read_rows(self.storage, key, JUDGED)]

    def evidence(self) -> list[Row]:
        key = layout.unit_file(self.run_id, UNIT, "evidence.parquet")
        return list(read_rows(self.storage, key, EVIDENCE))

    def hand_off(self) -> tuple[bytes, bytes]:
        return (
            self.storage.read_bytes(layout.unit_file(self.run_id, UNIT, "judged.parquet")),
            self.storage.read_bytes(layout.unit_file(self.run_id, UNIT, "evidence.parquet")),
        )

    def state_path(self, subject: str) -> Path:
        return Path(self.storage.path(layout.current(subject, CATEGORY_ID)))


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "root")


@pytest.fixture
def afresh(tmp_path: Path) -> Runs:
    """Runs without any state."""
    return Runs(tmp_path / "afresh")


def settle(policy: Mapping[str, Any] | None = None, **detection: Any) -> Settings:
    choices: dict[str, Any] = {"detection": {"processes": 1, **detection}}
    return load_settings(choices | ({"policy": policy} if policy else {}))


def found(report: StageReport) -> tuple[int, int]:
    return report.counts["decoded"], report.counts["remembered"]


def strip_pictures(runs: Runs) -> None:
    runs.storage.delete_folder("staging")


COPIES = ("photo", "saved again", "mirrored", "cropped", "close-up", "photo")
VARIANTS: dict[str, Sequence[str | None]] = {
    "v1": COPIES,
    "v2": (),
    "v3": ("other", "white", None, "black", "white", "broken"),
    "v4": ("framed",),
    "v5": (None,),
    "v6": ("bar upright", "quarter turn", "bar", "turned by EXIF", "stamped"),
    "v7": ("tiny", "small", "cut off"),
}
IMAGES = sum(name is not None for names in VARIANTS.values() for name in names)


def judge_twice(
    runs: Runs,
    afresh: Runs,
    first: Mapping[str, Sequence[str | None]],
    second: Mapping[str, Sequence[str | None]],
    settings: Settings | None = None,
    *,
    prefix: str = "",
) -> StageReport:
    """Judge, publish, judge without pictures; the same as judged without a state."""
    runs.judge(runs.give(first))
    runs.publish()
    rows = runs.give(second, prefix)
    strip_pictures(runs)
    report = runs.judge(rows, settings)
    compare_with_afresh(runs, afresh, second, settings, prefix=prefix)
    return report


def compare_with_afresh(
    runs: Runs,
    afresh: Runs,
    variants: Mapping[str, Sequence[str | None]],
    settings: Settings | None = None,
    *,
    prefix: str = "",
) -> None:
    assert afresh.judge(afresh.give(variants, prefix), settings).counts["remembered"] == 0
    assert runs.judged() == afresh.judged()
    assert runs.evidence() == afresh.evidence()


# Unchanged pictures -----------------------------------------------------------------------------


def test_unchanged_pictures_are_judged_without_reading_one(runs: Runs, afresh: Runs) -> None:
    report = judge_twice(runs, afresh, VARIANTS, VARIANTS)
    assert found(report) == (0, IMAGES)
    roles = [row["role"] for row in runs.judged()]
    assert roles.count(Role.DUPLICATE) >= 6
    assert report.counts["pairs"] == len(runs.evidence()) > 30


@pytest.mark.parametrize("step", [1, -1], ids=["in order", "backwards"])
def test_stored_evidence_judges_as_files_compared_alone_do(
    runs: Runs, tmp_path: Path, step: int
) -> None:
    """To the last bit, so an upload check and the weekly report cannot disagree."""
    names = (*COPIES, "other", "bar upright", "bar", "quarter turn")[::step]
    runs.judge(runs.give({"v": names}))
    places = {f"v-{place}": place for place in range(len(names))}
    stored = [evidence_from_row(row, places) for row in runs.evidence()]
    paths = [tmp_path / f"{place}" for place in range(len(names))]
    for path, name in zip(paths, names, strict=True):
        path.write_bytes(contents()[name])
    assert find_matches(paths, settle()) == judge_pairs(stored, settle().detection)


def test_a_third_run_remembers_what_the_second_did(runs: Runs, afresh: Runs) -> None:
    judge_twice(runs, afresh, VARIANTS, VARIANTS)
    runs.publish()
    rows = runs.give(VARIANTS)
    strip_pictures(runs)
    assert found(runs.judge(rows)) == (0, IMAGES)
    assert runs.judged() == afresh.judged()
    assert runs.evidence() == afresh.evidence()


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"close_up_share": 0.5}, id="close-ups"),
        pytest.param({"difpy": {"similarity_mse": 150}}, id="difPy looser"),
        pytest.param(
            {"difpy": {"similarity_mse": 0, "same_dimensions": True}}, id="difPy stricter"
        ),
        pytest.param({"aligned": {"least_cells": 64}}, id="aligned"),
        pytest.param({"perceptual": {"correlation": 0.9999}}, id="thumbnails"),
        pytest.param({"policy": {"min_side_px": 200}}, id="larger pictures only"),
        pytest.param({"policy": {"min_side_px": 1}}, id="tiny ones too"),
    ],
)
def test_changed_thresholds_judge_as_a_fresh_judgement_does(
    runs: Runs, afresh: Runs, settings: dict[str, Any]
) -> None:
    report = judge_twice(runs, afresh, VARIANTS, VARIANTS, settle(**settings))
    assert found(report) == (0, IMAGES)
    before = [
        {**row, "judged_at": NOON}
        for row in read_rows(
            runs.storage, layout.unit_file("run 0", UNIT, "judged.parquet"), JUDGED
        )
    ]
    told = ("role", "related", "is_usable", "keeper_reason", "engine", "kinds")
    assert [[row[name] for name in told] for row in before] != [
        [row[name] for name in told] for row in runs.judged()
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(COPIES, COPIES[::-1], id="reversed"),
        pytest.param(COPIES, ("close-up", *COPIES[:4], COPIES[5]), id="last first"),
        pytest.param(COPIES, COPIES[1:4], id="some left"),
        pytest.param(COPIES, ("cropped",), id="one left"),
        pytest.param(COPIES, (*COPIES, "cropped", "mirrored"), id="copies added"),
        pytest.param(("photo", "other"), ("other", "other", "photo"), id="first copy"),
        pytest.param(("white", "white", "other"), ("other", "white", "white"), id="blank copies"),
        pytest.param(("photo",), ("photo",), id="alone"),
        pytest.param(("broken", "photo"), ("photo", "broken", "broken"), id="unreadable"),
        pytest.param(("broken",), ("broken",), id="only unreadable"),
        pytest.param(("bar", "bar upright"), ("bar upright", "bar"), id="equally good turns"),
    ],
)
def test_moved_pictures_are_judged_without_reading_one(
    runs: Runs, afresh: Runs, first: Sequence[str], second: Sequence[str]
) -> None:
    report = judge_twice(runs, afresh, {"v": first}, {"v": second}, prefix="renamed ")
    assert found(report) == (0, len(second))


@given(names=st.lists(st.sampled_from(sorted(contents())), max_size=6), data=st.data())
@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_selection_of_the_pictures_is_judged_as_afresh(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], data: st.DataObject
) -> None:
    """From stored evidence where it is known, from the pictures where it is not: equal rows."""
    chosen = st.sampled_from([*names, "photo"])
    second = data.draw(st.lists(chosen, max_size=6))
    root = tmp_path_factory.mktemp("any")
    runs, afresh = Runs(root / "runs"), Runs(root / "afresh")
    runs.judge(runs.give({"v": names}))
    runs.publish()
    report = runs.judge(runs.give({"v": second}))
    compare_with_afresh(runs, afresh, {"v": second})
    # What may be missing is whether a picture that had no partner shows anything.
    is_known = set(second) <= set(names) and (len(set(second)) == len(second))
    if is_known:
        assert found(report) == (0, len(second))


# Changed pictures -------------------------------------------------------------------------------


def test_a_changed_picture_has_its_whole_variant_decoded_and_no_other(
    runs: Runs, afresh: Runs
) -> None:
    changed = {**VARIANTS, "v6": ("bar upright", "other", "bar", "turned by EXIF", "stamped")}
    runs.judge(runs.give(VARIANTS))
    runs.publish()
    report = runs.judge(runs.give(changed))
    assert found(report) == (5, IMAGES - 5)
    compare_with_afresh(runs, afresh, changed)


def test_a_new_variant_is_decoded_wherever_it_stands(runs: Runs, afresh: Runs) -> None:
    later = {"v0": ("other", "photo"), **VARIANTS, "v65": ("framed",), "v9": ("other",)}
    ordered = dict(sorted(later.items()))
    runs.judge(runs.give(VARIANTS))
    runs.publish()
    assert found(runs.judge(runs.give(ordered))) == (4, IMAGES)
    compare_with_afresh(runs, afresh, ordered)


def test_variants_that_left_or_belong_to_other_units_are_passed_over(
    runs: Runs, afresh: Runs
) -> None:
    some = {variant_id: VARIANTS[variant_id] for variant_id in ("v3", "v6")}
    assert found(judge_twice(runs, afresh, VARIANTS, some)) == (0, 10)


def test_a_picture_that_cannot_be_decoded_is_not_tried_again(runs: Runs, afresh: Runs) -> None:
    runs.judge(runs.give({"v": ("broken", "photo", "cut off")}))
    runs.publish()
    changed = {"v": ("broken", "other", "cut off", "photo")}
    report = runs.judge(runs.give(changed))
    assert found(report) == (2, 2)
    assert report.counts["failed"] == 2
    rows = runs.judged()
    assert [row["status"] for row in rows] == ["failed", "downloaded", "failed", "downloaded"]
    assert rows[0]["reason_code"] == rows[2]["reason_code"] == ReasonCode.DECODE_FAILED
    compare_with_afresh(runs, afresh, changed)


def test_a_first_copy_of_what_may_show_nothing_is_decoded(runs: Runs, afresh: Runs) -> None:
    """Beside another picture a blank one leaves open which of the two shows nothing."""
    runs.judge(runs.give({"v": ("white", "other")}))
    runs.publish()
    assert found(runs.judge(runs.give({"v": ("white", "other", "white")}))) == (2, 0)
    compare_with_afresh(runs, afresh, {"v": ("white", "other", "white")})


def test_what_was_not_fetched_before_is_decoded(runs: Runs, afresh: Runs) -> None:
    runs.judge(runs.give({"v": ("photo", None)}))
    runs.publish()
    assert found(runs.judge(runs.give({"v": ("photo", "cropped")}))) == (2, 0)
    compare_with_afresh(runs, afresh, {"v": ("photo", "cropped")})


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"difpy": {"pixel_size": 40}}, id="pixel size"),
        pytest.param({"engines": ["identical", "difpy"]}, id="engines"),
    ],
)
def test_evidence_of_another_feature_version_is_not_judged_by(
    runs: Runs, afresh: Runs, settings: dict[str, Any]
) -> None:
    variants = {"v": COPIES, "w": ("other",), "x": ("broken",)}
    runs.judge(runs.give(variants))
    runs.publish()
    assert found(runs.judge(runs.give(variants), settle(**settings)))[1] == 0
    compare_with_afresh(runs, afresh, variants, settle(**settings))


@pytest.mark.parametrize(
    "download", [{"formats": ["JPEG"]}, {"max_pixels": 20_000}], ids=["format", "pixels"]
)
def test_what_the_limits_no_longer_allow_is_tried_again(
    runs: Runs, download: dict[str, Any]
) -> None:
    runs.judge(runs.give({"v": ("photo",), "w": ("broken",)}))
    runs.publish()
    settings = load_settings({"detection": {"processes": 1}, "download": download})
    report = runs.judge(runs.give({"v": ("photo",)}), settings)
    assert found(report) == (1, 0)
    assert report.counts["failed"] == 1


# Many pictures ----------------------------------------------------------------------------------


@pytest.fixture
def few_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (matching, earlier_evidence):
        monkeypatch.setattr(module, "MOST_LOOKS", 3)


@pytest.mark.usefixtures("few_looks")
def test_pictures_that_had_no_look_are_decoded(runs: Runs, afresh: Runs) -> None:
    """Their pairs have evidence, of which the most is missing."""
    many = ("other", "bar", "white", "photo", "saved again")
    runs.judge(runs.give({"v": many}))
    assert ("photo", "saved again") in {
        tuple(sorted(many[int(row[f"{side}_image_id"][-1])] for side in ("first", "second")))
        for row in runs.evidence()
    }
    runs.publish()
    assert found(runs.judge(runs.give({"v": ("photo", "saved again")}))) == (2, 0)
    compare_with_afresh(runs, afresh, {"v": ("photo", "saved again")})


@pytest.mark.usefixtures("few_looks")
def test_more_contents_than_get_a_look_are_decoded(runs: Runs, afresh: Runs) -> None:
    many = {"v": ("other", "bar", "photo", "saved again", "other")}
    runs.judge(runs.give(many))
    runs.publish()
    assert found(runs.judge(runs.give(many))) == (4, 0)
    compare_with_afresh(runs, afresh, many)


@pytest.mark.usefixtures("few_looks")
@pytest.mark.parametrize(
    "names",
    [
        ("saved again", "photo", "photo", "photo"),
        ("photo", "saved again", "saved again", "other", "photo", "saved again"),
        ("mirrored", "quarter turn", "photo", "mirrored", "quarter turn", "photo"),
    ],
    ids=["one twice", "both", "three"],
)
def test_every_copy_of_many_joins_the_group_of_its_content(
    runs: Runs, names: Sequence[str]
) -> None:
    runs.judge(runs.give({"v": names}))
    rows = runs.judged()
    bases = [place for place, row in enumerate(rows) if row["role"] == Role.BASE]
    assert bases == sorted({names.index("other"), 0} if "other" in names else {0})
    assert not any(row["related"] for row in rows)


@pytest.mark.usefixtures("few_looks")
def test_many_copies_of_few_contents_are_remembered(runs: Runs, afresh: Runs) -> None:
    first = {"v": ("photo", "saved again", "photo", "other")}
    second = {"v": ("other", "photo", "other", "saved again", "photo", "other")}
    assert found(judge_twice(runs, afresh, first, second)) == (0, 6)
    # Of the contents, of further copies with the first, and of one copy with what it is like.
    assert len(runs.evidence()) == 3 + 3 + 1


# Streaming --------------------------------------------------------------------------------------


@pytest.mark.parametrize("row_group", [1, 2, 3, 5])
def test_variants_are_found_across_row_groups(
    runs: Runs, afresh: Runs, monkeypatch: pytest.MonkeyPatch, row_group: int
) -> None:
    monkeypatch.setattr(tables, "ROW_GROUP_ROWS", row_group)
    assert found(judge_twice(runs, afresh, VARIANTS, VARIANTS)) == (0, IMAGES)


def test_a_state_in_another_order_is_used_as_far_as_it_goes(runs: Runs, afresh: Runs) -> None:
    """The source's collation changed: variants that stand behind are computed."""
    runs.judge(runs.give(dict(sorted(VARIANTS.items(), reverse=True))))
    runs.publish()
    decoded, remembered = found(runs.judge(runs.give(VARIANTS)))
    assert decoded > 0
    assert remembered > 0
    compare_with_afresh(runs, afresh, VARIANTS)


@pytest.mark.parametrize("processes", [1, 2])
def test_processes_give_equal_files_with_and_without_a_state(
    runs: Runs, afresh: Runs, processes: int
) -> None:
    variants = {f"v{number:03}": ("small", "tiny", "small") for number in range(60)}
    changed = {**variants, "v010": ("tiny", "bar"), "v050": ("bar", "small")}
    runs.judge(runs.give(variants))
    runs.publish()
    report = runs.judge(runs.give(changed), settle(processes=processes))
    assert found(report) == (4, 58 * 3)
    compare_with_afresh(runs, afresh, changed)


def test_only_what_is_unknown_is_worth_processes(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def count_processes(requested: int, *, images: int, **_: int) -> int:
        asked.append(images)
        return 1

    monkeypatch.setattr(detect, "count_processes", count_processes)
    runs.judge(runs.give(VARIANTS))
    runs.publish()
    runs.judge(runs.give({**VARIANTS, "v4": ("framed", "photo")}))
    assert asked == [IMAGES, 2]


# Clearing ---------------------------------------------------------------------------------------


def test_a_cleared_task_gives_equal_files_whatever_the_state_has_become(runs: Runs) -> None:
    runs.judge(runs.give(VARIANTS))
    runs.publish()
    changed = {**VARIANTS, "v6": ("stamped", "other", "quarter turn")}
    rows = runs.give(changed)
    assert found(runs.judge(rows))[0] == 3
    before = runs.hand_off()
    # The state has this run's evidence, then that of a reordered later one, then none.
    second = runs.run_id
    runs.publish()
    runs.give(changed)
    later = {**VARIANTS, "v6": ("quarter turn", "stamped", "other"), "v1": COPIES[::-1]}
    runs.judge(runs.give(later))
    runs.publish()
    runs._number = 1
    assert runs.run_id == second
    assert found(runs.detect()) == (0, IMAGES - 2)
    assert runs.hand_off() == before
    runs.give(changed)
    for subject in ("images", "evidence"):
        runs.storage.delete(layout.current(subject, CATEGORY_ID))
    assert found(runs.detect())[1] == 0
    assert runs.hand_off() == before


# States of other releases -----------------------------------------------------------------------


def without_columns(path: Path, *names: str) -> None:
    pq.write_table(pq.read_table(path).drop_columns(list(names)), path)


@pytest.mark.parametrize(
    "column",
    [
        "content_sha256",
        "width_px",
        "quality_notes",
        "detail_px",
        "compression",
        "is_compression_estimated",
        "border_share",
        "feature_version",
    ],
)
def test_an_older_state_without_a_figure_has_all_decoded(
    runs: Runs, afresh: Runs, column: str
) -> None:
    runs.judge(runs.give({"v": COPIES}))
    runs.publish()
    without_columns(runs.state_path("images"), column)
    assert found(runs.judge(runs.give({"v": COPIES})))[1] == 0
    compare_with_afresh(runs, afresh, {"v": COPIES})


@pytest.mark.parametrize("column", ["alignment", "mse", "first_image_id"])
def test_evidence_with_other_columns_is_left_out(
    runs: Runs, afresh: Runs, caplog: pytest.LogCaptureFixture, column: str
) -> None:
    runs.judge(runs.give({"v": COPIES}))
    runs.publish()
    without_columns(runs.state_path("evidence"), column)
    assert found(runs.judge(runs.give({"v": COPIES})))[1] == 0
    assert "earlier evidence left out: evidence/current/category=7/evidence.parquet: column " in (
        caplog.text
    )
    compare_with_afresh(runs, afresh, {"v": COPIES})


def test_evidence_that_an_earlier_release_kept_in_the_variants_order_is_left_out(
    runs: Runs, afresh: Runs
) -> None:
    runs.judge(runs.give({"v": COPIES}))
    runs.publish()
    path = runs.state_path("evidence")
    turned = [
        {
            **row,
            "first_image_id": row["second_image_id"],
            "second_image_id": row["first_image_id"],
            "first_sha256": row["second_sha256"],
            "second_sha256": row["first_sha256"],
        }
        for row in pq.read_table(path).to_pylist()
    ]
    write_rows(runs.storage, layout.current("evidence", CATEGORY_ID), EVIDENCE, turned)
    assert found(runs.judge(runs.give({"v": COPIES})))[1] == 0
    compare_with_afresh(runs, afresh, {"v": COPIES})


@pytest.mark.parametrize("subject", ["images", "evidence"])
def test_a_broken_state_is_left_out(
    runs: Runs, caplog: pytest.LogCaptureFixture, subject: str
) -> None:
    runs.judge(runs.give({"v": COPIES}))
    runs.publish()
    runs.state_path(subject).write_bytes(b"PAR1 and then nothing")
    assert found(runs.judge(runs.give({"v": COPIES})))[1] == 0
    assert "earlier evidence left out" in caplog.text


@pytest.mark.parametrize("subject", ["images", "evidence"])
def test_half_a_state_is_no_state(runs: Runs, subject: str) -> None:
    runs.judge(runs.give({"v": COPIES}))
    runs.publish()
    runs.state_path(subject).unlink()
    assert found(runs.judge(runs.give({"v": COPIES})))[1] == 0


def test_a_failed_row_stays_as_it_was_beside_remembered_ones(runs: Runs) -> None:
    runs.judge(runs.give({"v": ("photo", None, "cropped")}))
    runs.publish()
    rows = runs.give({"v": ("photo", None, "cropped")})
    strip_pictures(runs)
    assert found(runs.judge(rows)) == (0, 2)
    assert [row["status"] for row in runs.judged()] == [
        Status.DOWNLOADED,
        Status.FAILED,
        Status.DOWNLOADED,
    ]


def test_pictures_by_name_are_different_contents() -> None:
    for one, other in itertools.combinations(contents(), 2):
        assert contents()[one] != contents()[other], (one, other)
