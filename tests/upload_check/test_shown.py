"""The pictures that a variant shows already, and the category that a variant is in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from image_duplication import layout
from image_duplication.errors import MissingArtefactError, UploadRefusedError
from image_duplication.pictures import archived_key
from image_duplication.queries import Source
from image_duplication.records import ReasonCode, Role
from image_duplication.settings import Settings, load_settings
from image_duplication.storage import Storage
from image_duplication.tables import JUDGED, ROW_GROUP_ROWS, Row, write_rows
from image_duplication.upload_check.shown import (
    ShownPicture,
    find_category,
    read_shown_pictures,
)
from tests.catalogues import SQL_FOLDER, SourceDatabase
from tests.judged_rows import absent_row, downloaded_row, failed_row, judged_row, judged_variant

CATEGORY = 7


def publish(storage: Storage, rows: Sequence[Row]) -> None:
    write_rows(storage, layout.current("images", CATEGORY), JUDGED, rows)


def archive(storage: Storage, image_id: str, position: int | None, content: bytes) -> Row:
    row = downloaded_row("v", image_id, position, content)
    storage.write_bytes(archived_key(row), content)
    return judged_row(row, role=Role.BASE)


def read(storage: Storage, settings: Settings, variant_id: str = "v") -> list[ShownPicture]:
    return read_shown_pictures(storage, settings, category_id=CATEGORY, variant_id=variant_id)


def test_shown_pictures_come_by_position_with_their_archived_bytes(
    any_storage: Storage, settings: Settings
) -> None:
    publish(
        any_storage,
        [
            *judged_variant("a", [["1"]]),
            archive(any_storage, "late", None, b"third"),
            archive(any_storage, "b", 2, b"second"),
            archive(any_storage, "a", 1, b"first"),
            *judged_variant("w", [["1"]]),
        ],
    )

    shown = read(any_storage, settings)

    assert [one.image_id for one in shown] == ["a", "b", "late"]
    assert [one.read() for one in shown] == [b"first", b"second", b"third"]


def test_picture_that_could_not_be_fetched_is_shown_without_content(
    storage: Storage, settings: Settings
) -> None:
    publish(storage, [archive(storage, "a", 1, b"first"), judged_row(failed_row("v", "b", 2))])

    assert [one.content_sha256 is None for one in read(storage, settings)] == [False, True]


def test_image_that_is_listed_again_is_one_picture(storage: Storage, settings: Settings) -> None:
    first = archive(storage, "a", 1, b"first")
    again = judged_row(
        failed_row("v", "a", 1, reason_code=ReasonCode.IMAGE_ID_REPEATED), role=Role.UNJUDGED
    )
    publish(storage, [first, again])

    assert len(read(storage, settings)) == 1


def test_variant_without_pictures_shows_none(storage: Storage, settings: Settings) -> None:
    publish(storage, [judged_row(absent_row("v"))])

    assert read(storage, settings) == []


@pytest.mark.parametrize("is_published", [True, False], ids=["of others", "never published"])
def test_variant_that_no_run_has_judged_is_refused(
    storage: Storage, settings: Settings, is_published: bool
) -> None:
    if is_published:
        publish(storage, judged_variant("other", [["1"]]))

    with pytest.raises(UploadRefusedError, match="variant 'v' of category 7") as refused:
        read(storage, settings)
    assert refused.value.code == "variant_unknown"


def test_variant_that_shows_too_many_pictures_is_refused(storage: Storage) -> None:
    publish(storage, [archive(storage, f"{n}", n, b"%d" % n) for n in range(3)])

    with pytest.raises(UploadRefusedError, match="shows 3 pictures; .* at most 2") as refused:
        read(storage, load_settings({"upload": {"max_shown": 2}}))
    assert refused.value.code == "too_many_shown"


def test_picture_that_left_the_archive_is_named(storage: Storage, settings: Settings) -> None:
    publish(storage, [judged_row(downloaded_row("v", "a", 1, b"gone"), role=Role.BASE)])

    (picture,) = read(storage, settings)
    with pytest.raises(MissingArtefactError, match="archive/category=7"):
        picture.read()


def test_only_the_part_of_a_state_that_may_hold_the_variant_is_read(
    storage: Storage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = range(3 * ROW_GROUP_ROWS)
    publish(storage, [judged_row(failed_row(f"v{number:06}", "1", 1)) for number in numbers])
    groups: list[int] = []
    plain = pq.ParquetFile.read_row_group

    def note(file: pq.ParquetFile, number: int, **options: Any) -> pa.Table:
        groups.append(number)
        return plain(file, number, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", note)

    assert len(read(storage, settings, f"v{ROW_GROUP_ROWS + 5:06}")) == 1
    assert set(groups) == {1}


# The category -------------------------------------------------------------------------------------


def ask(database: SourceDatabase, variant_id: str) -> int:
    database.fill()
    with Source("gem_staging", database.url, SQL_FOLDER, fetch_rows=10) as source:
        return find_category(source, variant_id)


def test_category_of_a_variant_is_found(database: SourceDatabase) -> None:
    database.add_variant(12, "7")
    database.add_variant(13, "8")

    assert ask(database, "13") == 8


@pytest.mark.parametrize("variant_id", ["14", "", "12 OR 1=1", "12'; --", "आ"])
def test_variant_that_the_catalogue_does_not_have_is_refused(
    database: SourceDatabase, variant_id: str
) -> None:
    database.add_variant(12, "7")
    database.add_variant(14, "7", is_active=0)

    with pytest.raises(UploadRefusedError, match="no active variant has the id") as refused:
        ask(database, variant_id)
    assert refused.value.code == "variant_unknown"
