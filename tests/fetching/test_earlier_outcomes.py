from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from image_duplication import layout
from image_duplication.fetching.earlier_outcomes import EarlierOutcomes, read_earlier_outcomes
from image_duplication.fetching.journal import OUTCOME_COLUMNS, identity_of
from image_duplication.plans import Plan
from image_duplication.records import Scope, Status
from image_duplication.storage import Storage
from image_duplication.tables import CORRECTED, JUDGED, Row, write_rows

RUN_ID = "run"
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
URLS = "urls.parquet"


def row(variant: int, image: int = 0, **columns: Any) -> Row:
    return {
        **dict.fromkeys(JUDGED.names),
        "category_id": 7,
        "variant_id": f"v{variant}",
        "image_id": f"{variant}-{image}",
        "status": str(Status.CORRECTED),
        "corrected_url": f"https://images.example/{variant}/{image}.jpg",
        "updated_at": NOW,
        **columns,
    }


def known_row(variant: int, image: int = 0, **columns: Any) -> Row:
    picture = {
        "status": str(Status.DOWNLOADED),
        "content_sha256": f"{variant:064x}",
        "size_bytes": 100,
        "width_px": 60,
        "height_px": 40,
        "picture_format": "JPEG",
        "http_status": 200,
        "attempts": 1,
        "etag": '"v1"',
        "fetched_at": NOW - timedelta(days=1),
    }
    return row(variant, image, **{**picture, **columns})


def read(
    storage: Storage, unit: list[Row], state: list[Row], revalidate_days: int = 28
) -> EarlierOutcomes:
    plan = Plan(RUN_ID, Scope.FULL, NOW, False, ())
    storage.write_json(layout.plan_record(RUN_ID), plan.to_json())
    source = [{name: given[name] for name in CORRECTED.names} for given in unit]
    write_rows(storage, URLS, CORRECTED, source)
    write_rows(storage, layout.current("images", 7), JUDGED, state)
    return read_earlier_outcomes(
        storage, run_id=RUN_ID, urls_key=URLS, revalidate_days=revalidate_days
    )


def find(earlier: EarlierOutcomes, given: Row) -> Any:
    return earlier.find({identity_of(given): given}).get(identity_of(given))


def test_known_picture_has_the_outcome_of_its_download(storage: Storage) -> None:
    state = known_row(1, kinds=["cropped"], judged_at=NOW)
    known = find(read(storage, [row(1)], [state]), row(1))
    assert known.outcome == {name: state[name] for name in OUTCOME_COLUMNS}
    assert known.needs_no_request


@pytest.mark.parametrize(
    ("in_state", "days", "is_same_row", "is_young"),
    [
        pytest.param({}, 28, True, True, id="unchanged"),
        pytest.param({"updated_at": NOW - timedelta(seconds=1)}, 28, False, True, id="moved"),
        pytest.param({"fetched_at": NOW - timedelta(days=28)}, 28, True, False, id="just-old"),
        pytest.param({"fetched_at": NOW - timedelta(days=27.99)}, 28, True, True, id="just-young"),
        pytest.param({"fetched_at": None}, 28, True, False, id="of-unknown-age"),
        pytest.param({"fetched_at": NOW + timedelta(days=1)}, 0, True, False, id="never-young"),
    ],
)
def test_known_picture_needs_a_request_when_row_or_age_ask_for_one(
    storage: Storage, in_state: Row, days: int, is_same_row: bool, is_young: bool
) -> None:
    earlier = read(storage, [row(1)], [known_row(1, **in_state)], days)
    known = find(earlier, row(1))
    assert (known.is_same_row, known.is_young) == (is_same_row, is_young)
    assert known.needs_no_request == (is_same_row and is_young)
    assert earlier.young == int(is_young)


@pytest.mark.parametrize(
    "other",
    [
        row(1, variant_id="v2"),
        row(1, image_id="other"),
        row(1, corrected_url="https://images.example/other.jpg"),
    ],
    ids=["variant", "image", "url"],
)
def test_known_picture_is_of_the_same_variant_image_and_url(storage: Storage, other: Row) -> None:
    assert find(read(storage, [row(1), other], [known_row(1)]), other) is None


def test_state_without_a_picture_knows_nothing(storage: Storage) -> None:
    failed = row(1, status=str(Status.FAILED), reason_code="timed_out", fetched_at=NOW)
    absent = row(2, status=str(Status.NO_IMAGES), image_id=None, corrected_url=None)
    earlier = read(storage, [row(1), row(2)], [failed, absent])
    assert find(earlier, row(1)) is None
    assert earlier.young == 0


def test_only_the_unit_s_variants_are_held(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("image_duplication.tables.ROW_GROUP_ROWS", 10)
    state = [known_row(variant, image) for variant in range(40) for image in range(5)]
    earlier = read(storage, [row(13), row(14)], state)
    assert earlier.young == 10
    assert find(earlier, row(13, 4)) is not None
    assert find(earlier, row(12)) is None


def test_unit_without_rows_or_state_knows_nothing(storage: Storage) -> None:
    assert read(storage, [], [known_row(1)]).young == 0
    storage.delete(layout.current("images", 7))
    write_rows(storage, URLS, CORRECTED, [{name: row(1)[name] for name in CORRECTED.names}])
    earlier = read_earlier_outcomes(storage, run_id=RUN_ID, urls_key=URLS, revalidate_days=28)
    assert find(earlier, row(1)) is None
