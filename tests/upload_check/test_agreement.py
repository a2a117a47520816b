"""The check and the weekly run say the same of the same pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks.accuracy.changes import NotApplicableError
from benchmarks.accuracy.modifications import MODIFICATIONS, modify
from demo.catalogue import Catalogue
from image_duplication import layout
from image_duplication.records import CheckMode, Kind, Suggestion
from image_duplication.settings import Settings
from image_duplication.stages.detect import detect_duplicates
from image_duplication.stages.report import write_report
from image_duplication.storage import Storage
from image_duplication.tables import FINDINGS, JUDGED, VERDICTS, Row, read_rows
from image_duplication.upload_check.check import UploadCheck, UploadedFile, check_pictures
from image_duplication.upload_check.shown import ShownPicture
from tests.drawn_photos import draw_photo
from tests.judged_rows import NOON, downloaded_row, encode, sha256, stage_picture, write_downloads

RUN, UNIT = "run 1", "7/1"
MODIFIED_PER_VARIANT = 6

Said = dict[str, Any]
"""What is said of a variant, with the places of its pictures, from 1, as their names."""


def judge_by_stages(
    storage: Storage, settings: Settings, variants: Mapping[str, Sequence[bytes]]
) -> dict[str, Said]:
    rows = [
        stage_picture(
            storage, RUN, downloaded_row(variant_id, f"{place:03}", place, content), content
        )
        for variant_id, contents in variants.items()
        for place, content in enumerate(contents, start=1)
    ]
    write_downloads(storage, RUN, UNIT, rows)
    detect_duplicates(storage, settings, run_id=RUN, unit_id=UNIT, judged_at=NOON)
    write_report(storage, settings, run_id=RUN, unit_id=UNIT)
    judged, findings, verdicts = (
        list(read_rows(storage, layout.unit_file(RUN, UNIT, f"{name}.parquet"), schema))
        for name, schema in (("judged", JUDGED), ("findings", FINDINGS), ("verdicts", VERDICTS))
    )
    return {
        variant_id: {
            "pictures": [_say_row(row) for row in judged if row["variant_id"] == variant_id],
            "findings": sorted(
                (_say_finding(row) for row in findings if row["variant_id"] == variant_id), key=str
            ),
            "verdict": next(
                (row["verdict"], row["reason"], row["distinct_usable"], row["required"])
                for row in verdicts
                if row["variant_id"] == variant_id
            ),
        }
        for variant_id in variants
    }


def _number(image_id: str | None) -> int | None:
    return int(image_id) if image_id else None


def _say_row(row: Row) -> Said:
    return {
        "role": row["role"],
        "base": _number(row["base_image_id"]),
        "keeper": _number(row["keeper_image_id"]),
        "is_usable": row["is_usable"],
        "notes": list(row["quality_notes"]),
    }


def _say_finding(row: Row) -> Said:
    keeper = _number(row["keeper_image_id"])
    return {
        "relation": row["relation"],
        "pair": (_number(row["base_image_id"]), _number(row["duplicate_image_id"])),
        "kinds": list(row["kinds"]),
        "sentence": row["sentence"],
        "distance": row["distance"],
        "engine": row["engine"],
        "keeper": keeper,
        "reason": row["keeper_reason"],
        "replaced": {"remove_base": 0, "remove_duplicate": 1}.get(row["action"]),
    }


def say(check: UploadCheck) -> Said:
    return {
        "pictures": [
            {
                "role": picture.role,
                "base": picture.base,
                "keeper": picture.keeper,
                "is_usable": picture.is_usable,
                "notes": list(picture.quality_notes),
            }
            for picture in check.pictures
        ],
        "findings": sorted(
            (
                {
                    "relation": relation,
                    "pair": (pair.first, pair.second),
                    "kinds": list(pair.kinds),
                    "sentence": pair.sentence,
                    "distance": pair.distance,
                    "engine": pair.engine,
                    "keeper": getattr(pair, "keep", None),
                    "reason": getattr(pair, "keep_reason", None),
                    "replaced": (pair.first, pair.second).index(pair.replace)
                    if relation == "duplicate"
                    else None,
                }
                for relation, pairs in (
                    ("duplicate", check.duplicates),
                    ("related", check.related),
                )
                for pair in pairs
            ),
            key=str,
        ),
        "verdict": (check.verdict, check.reason, check.distinct, check.required),
    }


def check_upload(
    folder: Path, settings: Settings, contents: Sequence[bytes], *, shown: int = 0
) -> UploadCheck:
    """Check pictures of which the first ones are shown by the variant already."""
    files = []
    for place, content in enumerate(contents[shown:]):
        path = folder / f"{place}"
        path.write_bytes(content)
        files.append(UploadedFile(f"{place}.jpg", path))
    before = [
        ShownPicture(f"{place}", place, sha256(content), lambda content=content: content)
        for place, content in enumerate(contents[:shown], start=1)
    ]
    return check_pictures(files, settings, shown=before, mode=CheckMode.BLOCK)


def modified_variants() -> dict[str, list[bytes]]:
    """Two photos and copies of the first: every modification once, a close-up, equal files."""
    photo, other = draw_photo(1), encode(draw_photo(2), "JPEG", quality=88)
    copies = []
    for modification in MODIFICATIONS.values():
        try:
            copies.append(modify(photo, modification, 3))
        except NotApplicableError:
            continue
    assert len(copies) > 100
    copies.append(encode(photo.crop((140, 110, 300, 250)).resize((640, 560)), "JPEG", quality=88))
    original = encode(photo, "JPEG", quality=88)
    starts = range(0, len(copies), MODIFIED_PER_VARIANT)
    return {
        f"v{start:03}": [original, other, *copies[start : start + MODIFIED_PER_VARIANT], other]
        for start in starts
    }


def test_check_and_weekly_run_agree_on_every_modification(
    storage: Storage, settings: Settings, tmp_path: Path
) -> None:
    variants = modified_variants()
    by_stages = judge_by_stages(storage, settings, variants)

    by_check = {
        # What is shown already and what is uploaded makes no difference.
        name: say(check_upload(tmp_path, settings, contents, shown=number % 4))
        for number, (name, contents) in enumerate(variants.items())
    }

    assert by_check == by_stages
    found = [finding for said in by_check.values() for finding in said["findings"]]
    kinds = {kind for finding in found for kind in finding["kinds"]}
    assert kinds == set(Kind)
    assert {finding["relation"] for finding in found} == {"duplicate", "related"}
    assert {finding["replaced"] for finding in found} == {0, 1, None}


def test_check_and_weekly_run_agree_on_the_demo_catalogue(
    storage: Storage, settings: Settings, tmp_path: Path, catalogue: Catalogue
) -> None:
    variants: dict[str, list[bytes]] = {}
    for row in catalogue.images:
        path = row.path and catalogue.served_folder / row.path.lstrip("/")
        if path and path.is_file():
            variants.setdefault(str(row.variant_id), []).append(path.read_bytes())
    variants = {name: contents for name, contents in variants.items() if len(contents) <= 20}
    assert len(variants) > 60

    by_stages = judge_by_stages(storage, settings, variants)
    by_check = {
        name: say(check_upload(tmp_path, settings, contents)) for name, contents in variants.items()
    }

    assert by_check == by_stages
    assert sum(len(said["findings"]) for said in by_check.values()) > 80


@pytest.mark.parametrize("is_copy_first", [False, True], ids=["original first", "copy first"])
@pytest.mark.parametrize("original_px", [(2720, 2040), (1360, 1020)], ids=["reduced", "enlarged"])
def test_check_and_weekly_run_agree_on_large_pictures(
    storage: Storage,
    settings: Settings,
    tmp_path: Path,
    original_px: tuple[int, int],
    is_copy_first: bool,
) -> None:
    """Of a large picture and a small one the original is kept, whichever of them it is."""
    photo = draw_photo(1, *original_px)
    copy_px = (1360, 1020) if original_px == (2720, 2040) else (2720, 2040)
    original = encode(photo, "JPEG", quality=90)
    copy = encode(photo.resize(copy_px, Image.Resampling.LANCZOS), "JPEG", quality=90)
    contents = [copy, original] if is_copy_first else [original, copy]
    contents.append(encode(draw_photo(2, 2720, 2040), "JPEG", quality=90))

    check = check_upload(tmp_path, settings, contents)

    assert say(check) == judge_by_stages(storage, settings, {"v": contents})["v"]
    sizes = {(picture.width_px, picture.height_px): picture for picture in check.pictures[:2]}
    assert sizes[original_px].suggestion is Suggestion.KEEP
    assert sizes[copy_px].suggestion is Suggestion.REPLACE
