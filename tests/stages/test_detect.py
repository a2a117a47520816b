"""Stage detect_duplicates on pictures in storage."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from image_duplication import layout
from image_duplication.detection import Candidate, compare_pictures
from image_duplication.detection.grouping import choose_keeper
from image_duplication.detection.quality import Quality
from image_duplication.errors import MissingArtefactError
from image_duplication.evidence_rows import EVIDENCE
from image_duplication.pictures import archived_key, staged_key
from image_duplication.records import (
    Engine,
    Kind,
    QualityNote,
    ReasonCode,
    Role,
    StageReport,
    Status,
)
from image_duplication.settings import Settings, load_settings
from image_duplication.stages import detect
from image_duplication.stages.detect import detect_duplicates
from image_duplication.storage import Storage
from image_duplication.tables import DOWNLOADED, JUDGED, Row, read_rows
from tests.drawn_photos import draw_photo
from tests.judged_rows import (
    NOON,
    absent_row,
    downloaded_row,
    draw_picture,
    encode,
    failed_row,
    sha256,
    stage_picture,
    write_downloads,
)
from tests.matches import make_match

RUN = "run 1"
UNIT = "7/1"


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path))


def settle(**detection: object) -> Settings:
    return load_settings({"detection": {"processes": 1, **detection}})


def run(storage: Storage, settings: Settings | None = None) -> StageReport:
    return detect_duplicates(
        storage, settings or settle(), run_id=RUN, unit_id=UNIT, judged_at=NOON
    )


def judged(storage: Storage) -> list[Row]:
    return list(read_rows(storage, layout.unit_file(RUN, UNIT, "judged.parquet"), JUDGED))


def evidence(storage: Storage) -> list[Row]:
    return list(read_rows(storage, layout.unit_file(RUN, UNIT, "evidence.parquet"), EVIDENCE))


def hand_off(storage: Storage) -> tuple[bytes, bytes]:
    return (
        storage.read_bytes(layout.unit_file(RUN, UNIT, "judged.parquet")),
        storage.read_bytes(layout.unit_file(RUN, UNIT, "evidence.parquet")),
    )


def give(
    storage: Storage, variant_id: str, image_id: str, position: int | None, content: bytes
) -> Row:
    """A downloaded row whose picture is staged."""
    row = downloaded_row(variant_id, image_id, position, content)
    return stage_picture(storage, RUN, row, content)


def judge(storage: Storage, *rows: Row, settings: Settings | None = None) -> dict[str, Row]:
    write_downloads(storage, RUN, UNIT, rows)
    run(storage, settings)
    return {row["image_id"]: row for row in judged(storage)}


def pair_of(row: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted((row["first_image_id"], row["second_image_id"])))


def group_of(row: Mapping[str, object]) -> tuple[object, ...]:
    return row["role"], row["base_image_id"], row["keeper_image_id"]


A, B, C = (encode(draw_picture(seed)) for seed in (1, 2, 3))


def mixed_rows(storage: Storage) -> list[Row]:
    return [
        give(storage, "v1", "1", 1, A),
        give(storage, "v1", "2", 2, B),
        give(storage, "v1", "3", 3, A),
        failed_row("v1", "4", 4),
        absent_row("v2"),
        give(storage, "v3", "1", 1, b"\x89PNG broken"),
        give(storage, "v3", "2", 2, C),
        give(storage, "v4", "1", 1, B),
    ]


def test_detect_keeps_every_row_in_its_order(storage: Storage) -> None:
    rows = mixed_rows(storage)
    write_downloads(storage, RUN, UNIT, rows)
    run(storage)
    found = judged(storage)
    assert [(r["variant_id"], r["image_id"]) for r in found] == [
        (r["variant_id"], r["image_id"]) for r in rows
    ]
    changed = {"status", "reason_code"}
    for before, after in zip(rows, found, strict=True):
        kept = [name for name in DOWNLOADED.names if name not in changed]
        assert {n: after[n] for n in kept} == {n: before[n] for n in kept}
    assert [row["role"] for row in found] == [
        Role.BASE,
        Role.BASE,
        Role.DUPLICATE,
        Role.UNJUDGED,
        Role.ABSENT,
        Role.UNJUDGED,
        Role.BASE,
        Role.BASE,
    ]


def test_detect_reports_what_it_did(storage: Storage) -> None:
    write_downloads(storage, RUN, UNIT, mixed_rows(storage))
    report = run(storage)
    assert (report.stage, report.unit_id, report.is_degraded) == ("detect_duplicates", UNIT, False)
    assert report.seconds > 0
    assert report.counts == {
        "images": 7,
        "judged": 5,
        "failed": 2,
        "pairs": 3,
        "duplicates": 1,
        "related": 0,
        "decoded": 5,
        "remembered": 0,
    }


def test_detect_marks_a_picture_that_cannot_be_decoded(storage: Storage) -> None:
    truncated = encode(draw_picture(1, 200, 200), "JPEG")[:-500]
    rows = judge(
        storage, give(storage, "v", "1", 1, truncated), give(storage, "v", "2", 2, truncated)
    )
    for row in rows.values():
        assert row["status"] == Status.FAILED
        assert row["reason_code"] == ReasonCode.DECODE_FAILED
        # Two unreadable pictures never make a group, even with equal bytes.
        assert group_of(row) == (Role.UNJUDGED, None, None)
        assert row["content_sha256"] == sha256(truncated)
        assert not row["is_usable"]
    assert evidence(storage) == []


def test_detect_keeps_the_figures_by_which_the_keeper_is_chosen(storage: Storage) -> None:
    photo = draw_photo()
    lossless, lossy = encode(photo), encode(photo, "JPEG", quality=80)
    rows = judge(
        storage,
        give(storage, "v", "1", 1, lossless),
        give(storage, "v", "2", 2, lossy),
        give(storage, "v", "3", 3, b"\x89PNG broken"),
        failed_row("v", "4", 4),
    )
    assert rows["2"]["role"] == Role.DUPLICATE
    for row in (rows["1"], rows["2"]):
        assert 0.5 * photo.width < row["detail_px"] <= photo.width
        assert row["border_share"] == 0.0
    assert rows["1"]["is_compression_estimated"] is True
    assert rows["2"]["is_compression_estimated"] is False
    assert rows["2"]["compression"] == pytest.approx(23.2, abs=1.0)
    figures = ("detail_px", "compression", "is_compression_estimated", "border_share")
    for row in (rows["3"], rows["4"]):
        assert [row[name] for name in figures] == [None] * 4


def test_detect_keeps_figures_that_choose_the_same_keeper_again(storage: Storage) -> None:
    photo = draw_photo()
    enlarged = photo.resize((2 * photo.width, 2 * photo.height), Image.Resampling.NEAREST)
    contents = {
        "1": encode(enlarged, "JPEG", quality=90),
        "2": encode(photo, "JPEG", quality=90),
        "3": encode(photo, "JPEG", quality=40),
    }
    rows = judge(storage, *(give(storage, "v", k, int(k), c) for k, c in contents.items()))
    assert {row["keeper_image_id"] for row in rows.values()} == {"2"}
    candidates = [
        Candidate(
            place,
            size.width,
            size.height,
            Quality(
                tuple(QualityNote(note) for note in row["quality_notes"]),
                row["detail_px"],
                row["compression"],
                row["is_compression_estimated"],
                row["border_share"],
            ),
        )
        for place, (row, size) in enumerate(
            zip(rows.values(), (enlarged, photo, photo), strict=True)
        )
    ]
    matches = [make_match(Kind.SAME_PICTURE, first=0, second=place) for place in (1, 2)]
    keeper, reason = choose_keeper(candidates[0], list(zip(candidates[1:], matches, strict=True)))
    assert (keeper, reason) == (1, rows["1"]["keeper_reason"])


def test_detect_leaves_a_row_that_failed_earlier_as_it_was(storage: Storage) -> None:
    rows = judge(storage, failed_row("v", "1", reason_code=ReasonCode.TIMED_OUT))
    assert (rows["1"]["status"], rows["1"]["reason_code"]) == ("failed", "timed_out")


def test_detect_names_the_picture_that_is_nowhere(storage: Storage) -> None:
    row = downloaded_row("variant-9", "image-5", 1, A)
    write_downloads(storage, RUN, UNIT, [row])
    with pytest.raises(MissingArtefactError, match=r"'image-5'.*'variant-9'.*download_images"):
        run(storage)
    assert not storage.exists(layout.unit_file(RUN, UNIT, "judged.parquet"))
    assert not storage.exists(layout.unit_file(RUN, UNIT, "evidence.parquet"))


def test_detect_does_not_take_a_picture_of_another_size(storage: Storage) -> None:
    row = stage_picture(storage, RUN, downloaded_row("v", "1", 1, A), A[:-1])
    write_downloads(storage, RUN, UNIT, [row])
    with pytest.raises(MissingArtefactError, match="'1'"):
        run(storage)


def test_detect_without_downloads_names_the_missing_file(storage: Storage) -> None:
    with pytest.raises(MissingArtefactError, match=r"downloads\.parquet"):
        run(storage)


def test_detect_finds_pictures_that_were_archived(storage: Storage) -> None:
    rows = mixed_rows(storage)
    write_downloads(storage, RUN, UNIT, rows)
    run(storage)
    first = hand_off(storage)
    for row in rows:
        if row["content_sha256"]:
            storage.move(staged_key(RUN, row), archived_key(row))
    run(storage)
    assert hand_off(storage) == first


def test_detect_gives_equal_files_when_run_again(storage: Storage) -> None:
    write_downloads(storage, RUN, UNIT, mixed_rows(storage))
    run(storage)
    first = hand_off(storage)
    run(storage)
    assert hand_off(storage) == first


def many_variants(storage: Storage, variants: int) -> list[Row]:
    """Variants of five small pictures, two of them alike."""
    contents = [encode(draw_picture(seed, 12, 12)) for seed in range(7)]
    return [
        give(storage, f"v{number:04}", f"{place}", place, contents[(number + place % 4) % 7])
        for number in range(variants)
        for place in range(5)
    ]


def test_detect_gives_the_same_bytes_in_several_processes(storage: Storage) -> None:
    write_downloads(storage, RUN, UNIT, many_variants(storage, 150))
    run(storage)
    alone = hand_off(storage)
    run(storage, settle(processes=2))
    assert hand_off(storage) == alone


def test_detect_names_the_missing_picture_from_another_process(storage: Storage) -> None:
    rows = many_variants(storage, 40)
    write_downloads(storage, RUN, UNIT, rows)
    storage.delete(staged_key(RUN, rows[77]))
    with pytest.raises(MissingArtefactError, match=f"'{rows[77]['variant_id']}'"):
        run(storage, settle(processes=2))


def test_detect_judges_a_unit_of_5000_images(storage: Storage) -> None:
    write_downloads(storage, RUN, UNIT, many_variants(storage, 1_000))
    started = time.monotonic()
    report = run(storage)
    assert time.monotonic() - started < 60
    assert report.counts["images"] == report.counts["judged"] == 5_000
    assert report.counts["pairs"] == 10_000
    assert report.counts["duplicates"] == 1_000
    assert sum(1 for _ in judged(storage)) == 5_000


def test_detect_keeps_evidence_of_every_pair_matched_or_not(storage: Storage) -> None:
    again = encode(draw_picture(1, 90, 90))
    judge(
        storage,
        give(storage, "v", "1", 1, A),
        give(storage, "v", "2", 2, B),
        give(storage, "v", "3", 3, A),
        give(storage, "v", "4", 4, again),
        settings=settle(difpy={"similarity_mse": 50}),
    )
    rows = {pair_of(row): row for row in evidence(storage)}
    assert list(rows) == list(itertools.combinations("1234", 2))
    hashes = {"1": sha256(A), "2": sha256(B), "3": sha256(A), "4": sha256(again)}
    for row in rows.values():
        for side in ("first", "second"):
            assert row[f"{side}_sha256"] == hashes[row[f"{side}_image_id"]]
        # As they were compared, whatever their order in the variant.
        assert row["first_sha256"] <= row["second_sha256"]
        assert (row["category_id"], row["variant_id"], row["pixel_size"]) == (7, "v", 50)
    assert rows["1", "3"]["mse"] == rows["1", "3"]["difpy_mse"] == 0
    assert rows["1", "2"]["mse"] > 200
    assert 0 < rows["1", "4"]["mse"] <= 50
    assert not rows["1", "4"]["is_same_dimensions"]


def test_detect_orders_by_position_then_image_with_null_positions_last(
    storage: Storage,
) -> None:
    rows = judge(
        storage,
        give(storage, "v", "none-b", None, A),
        give(storage, "v", "none-a", None, A),
        give(storage, "v", "late", 9, A),
        give(storage, "v", "tie-b", 2, A),
        give(storage, "v", "tie-a", 2, A),
        give(storage, "v", "below", -1, B),
    )
    assert rows["tie-a"]["role"] == Role.BASE
    assert {row["base_image_id"] for row in rows.values()} == {"tie-a", "below"}
    order = ["below", "tie-a", "tie-b", "late", "none-a", "none-b"]
    pairs = [sorted(pair_of(row), key=order.index) for row in evidence(storage)]
    assert pairs == [list(pair) for pair in itertools.combinations(order, 2)]


def test_detect_groups_never_chain(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    flat = [encode(Image.new("RGB", (60, 60), (v, v, v))) for v in (100, 102, 104)]
    rows = judge(
        storage,
        *(give(storage, "v", str(n), n, content) for n, content in enumerate(flat, 1)),
        settings=settle(engines=["identical", "difpy"]),
    )
    assert group_of(rows["1"]) == (Role.BASE, "1", "1")
    assert group_of(rows["2"])[:2] == (Role.DUPLICATE, "1")
    assert group_of(rows["3"])[:2] == (Role.BASE, "3")
    (related,) = rows["3"]["related"]
    assert related == {
        "image_id": "2",
        "kinds": [Kind.SAME_PICTURE],
        "sentence": "same photo, saved again",
        "distance": 4.0,
        "engine": Engine.DIFPY,
    }
    assert rows["1"]["related"] == rows["2"]["related"] == []


def test_detect_never_matches_blank_pictures_that_differ(storage: Storage) -> None:
    flat = [encode(Image.new("RGB", (60, 60), (v, v, v))) for v in (100, 102, 104)]
    rows = judge(
        storage, *(give(storage, "v", str(n), n, content) for n, content in enumerate(flat, 1))
    )
    assert {row["role"] for row in rows.values()} == {Role.BASE}
    assert all(row["related"] == [] for row in rows.values())


def test_detect_says_what_was_done_to_each_copy(storage: Storage) -> None:
    photo = draw_photo(1, 360, 300)
    mirrored = photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    framed = Image.new("RGB", (420, 360), "navy")
    framed.paste(photo, (30, 30))
    cropped = photo.crop((36, 30, 360, 300))
    rows = judge(
        storage,
        *(
            give(storage, "v", str(number), number, encode(picture, "JPEG", quality=88))
            for number, picture in enumerate((photo, mirrored, framed, cropped), 1)
        ),
    )
    assert {row["base_image_id"] for row in rows.values()} == {"1"}
    assert {row["keeper_image_id"] for row in rows.values()} == {"1"}
    described = [(rows[number]["kinds"], rows[number]["sentence"]) for number in "234"]
    assert described == [
        ([Kind.TRANSFORMED], "same photo, mirrored"),
        ([Kind.BORDERED], "same photo with a border added"),
        ([Kind.CROPPED], "same photo, cropped by about 20%"),
    ]


def test_detect_writes_the_match_with_the_base_on_the_duplicate(storage: Storage) -> None:
    square = draw_picture(1, 50, 50)
    turned = encode(square.transpose(Image.Transpose.ROTATE_180))
    rows = judge(
        storage,
        give(storage, "v", "1", 1, encode(square)),
        give(storage, "v", "2", 2, encode(square)),
        give(storage, "v", "3", 3, turned),
    )
    fields = ("kinds", "sentence", "distance", "engine")
    assert [rows["1"][name] for name in fields] == [[], None, None, None]
    assert [rows["2"][name] for name in fields] == [
        [Kind.IDENTICAL],
        "same file",
        0.0,
        Engine.IDENTICAL,
    ]
    assert [rows["3"][name] for name in fields] == [
        [Kind.TRANSFORMED],
        "same photo, turned by 180°",
        0.0,
        Engine.DIFPY,
    ]


def test_detect_keeps_the_larger_picture(storage: Storage) -> None:
    large = draw_photo(1, 240, 240)
    small = large.resize((120, 120), Image.Resampling.LANCZOS)
    rows = judge(
        storage,
        give(storage, "v", "1", 1, encode(small)),
        give(storage, "v", "2", 2, encode(large)),
        settings=settle(difpy={"similarity_mse": 50}),
    )
    assert group_of(rows["1"]) == (Role.BASE, "1", "2")
    assert group_of(rows["2"]) == (Role.DUPLICATE, "1", "2")
    assert {row["keeper_reason"] for row in rows.values()} == {"kept for its greater resolution"}


def test_detect_does_not_keep_a_picture_for_being_enlarged(storage: Storage) -> None:
    original = draw_photo(1, 120, 120)
    enlarged = original.resize((240, 240), Image.Resampling.LANCZOS)
    rows = judge(
        storage,
        give(storage, "v", "1", 1, encode(enlarged)),
        give(storage, "v", "2", 2, encode(original)),
        settings=settle(difpy={"similarity_mse": 50}),
    )
    assert group_of(rows["1"]) == (Role.BASE, "1", "2")
    assert {row["keeper_reason"] for row in rows.values()} == {"kept for its greater resolution"}


def test_detect_keeps_the_usable_picture_of_a_group(storage: Storage) -> None:
    """A strip with more pixels is no reason to lose the only picture that counts."""
    strip = encode(draw_picture(1, 20, 1_000))
    rows = judge(
        storage,
        give(storage, "v", "1", 1, strip),
        give(storage, "v", "2", 2, A),
        settings=settle(difpy={"similarity_mse": 200}),
    )
    assert [rows[image_id]["is_usable"] for image_id in "12"] == [False, True]
    assert group_of(rows["2"]) == (Role.DUPLICATE, "1", "2")


def test_detect_marks_blank_and_tiny_pictures_unusable(storage: Storage) -> None:
    rows = judge(
        storage,
        give(storage, "v", "1", 1, encode(Image.new("RGB", (60, 60), "white"))),
        give(storage, "v", "2", 2, encode(draw_picture(1, 20, 20))),
        give(storage, "v", "3", 3, B),
    )
    assert [rows[i]["quality_notes"] for i in "123"] == [["blank"], ["too_small"], []]
    assert [rows[i]["is_usable"] for i in "123"] == [False, False, True]


def test_detect_never_matches_across_variants(storage: Storage) -> None:
    write_downloads(
        storage, RUN, UNIT, [give(storage, v, f"{v}-1", 1, A) for v in ("v1", "v2", "v3")]
    )
    run(storage)
    assert [row["role"] for row in judged(storage)] == [Role.BASE] * 3
    assert evidence(storage) == []


def test_detect_of_an_empty_unit_writes_empty_files(storage: Storage) -> None:
    write_downloads(storage, RUN, UNIT, [])
    report = run(storage)
    assert judged(storage) == evidence(storage) == []
    assert set(report.counts.values()) == {0}


def test_detect_of_variants_that_failed_whole_judges_nothing(storage: Storage) -> None:
    rows = judge(storage, failed_row("v", "1"), failed_row("v", "2"))
    assert {row["role"] for row in rows.values()} == {Role.UNJUDGED}


def test_detect_compares_every_variant_by_the_package_that_others_use(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []

    def counting(pictures: list[object], settings: object) -> object:
        counts.append(len(pictures))
        return compare_pictures(pictures, settings)  # type: ignore[arg-type]

    monkeypatch.setattr(detect, "compare_pictures", counting)
    write_downloads(storage, RUN, UNIT, mixed_rows(storage))
    run(storage)
    assert counts == [3, 0, 1, 1]


def test_detect_logs_progress_with_share_and_rate(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(detect, "_PROGRESS_INTERVAL_S", 0.0)
    caplog.set_level("INFO", logger=detect.__name__)
    write_downloads(storage, RUN, UNIT, mixed_rows(storage))
    run(storage)
    assert re.search(
        r"unit 7/1: 7 of \d images judged \(\d+%\), \d+ a second, \d+ s left", caplog.text
    )
