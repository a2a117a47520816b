"""Stage archive_images: every picture to the long term, by manifest, whatever interrupts it."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from image_duplication import layout
from image_duplication.errors import MissingArtefactError
from image_duplication.pictures import archived_key, find_picture, staged_key
from image_duplication.records import StageReport
from image_duplication.stages.archive import archive_images
from image_duplication.storage import Storage
from image_duplication.tables import ARCHIVE_MANIFEST, JUDGED, Row, read_rows, write_rows
from tests.storages import all_files

RUN = "manual"
UNIT = "7/1"


class KilledError(BaseException):
    """Stands for the end of the process: nothing may catch it."""


@pytest.fixture
def storage(any_storage: Storage) -> Storage:
    return any_storage


def picture_row(variant_id: str, image_id: str, **columns: Any) -> Row:
    content = content_of(variant_id, image_id)
    return (
        dict.fromkeys(JUDGED.names)
        | {
            "category_id": 7,
            "variant_id": variant_id,
            "image_id": image_id,
            "status": "downloaded",
            "content_sha256": hashlib.sha256(content).hexdigest(),
            "size_bytes": len(content),
            "picture_format": "JPEG",
        }
        | columns
    )


def content_of(variant_id: str, image_id: str) -> bytes:
    return f"picture of {variant_id} {image_id}".encode()


def stage(storage: Storage, rows: list[Row]) -> list[Row]:
    """Write the judged rows and the pictures as the stages before leave them."""
    write_rows(storage, layout.unit_file(RUN, UNIT, "judged.parquet"), JUDGED, rows)
    for row in rows:
        if row["content_sha256"]:
            content = content_of(row["variant_id"], row["image_id"])
            storage.write_bytes(staged_key(RUN, row), content)
    return rows


def archive(storage: Storage) -> StageReport:
    return archive_images(storage, run_id=RUN, unit_id=UNIT)


def assert_archived(storage: Storage, rows: list[Row]) -> None:
    pictures = [row for row in rows if row["content_sha256"]]
    assert all_files(storage, "staging") == []
    assert all_files(storage, "archive") == sorted(archived_key(row) for row in pictures)
    for row in pictures:
        content = storage.read_bytes(archived_key(row))
        assert hashlib.sha256(content).hexdigest() == row["content_sha256"]
        assert find_picture(storage, RUN, row) == archived_key(row)


FOUR = [picture_row("12", f"12-{n}") for n in (1, 2)] + [
    picture_row("../13", f"13/{n}") for n in (1, 2)
]


def test_every_picture_moves_to_its_variants_folder(storage: Storage) -> None:
    rows = stage(storage, FOUR)

    report = archive(storage)

    assert_archived(storage, rows)
    assert report.stage == "archive_images"
    assert report.counts == {
        "images": 4,
        "moved": 4,
        "bytes": sum(row["size_bytes"] for row in rows),
    }


def test_archived_name_tells_category_image_and_content(storage: Storage) -> None:
    [row] = stage(storage, [picture_row("12", "12-1")])

    archive(storage)

    [key] = all_files(storage, "archive")
    assert key == (f"{layout.archive_folder(7, '12')}/12-1-{row['content_sha256'][:16]}.jpg")


def test_manifest_lists_exactly_what_is_moved(storage: Storage) -> None:
    rows = stage(storage, FOUR)

    archive(storage)

    manifest = list(
        read_rows(storage, layout.unit_file(RUN, UNIT, "archive.parquet"), ARCHIVE_MANIFEST)
    )
    assert [(m["staged_key"], m["archived_key"]) for m in manifest] == [
        (staged_key(RUN, row), archived_key(row)) for row in rows
    ]
    assert [m["content_sha256"] for m in manifest] == [row["content_sha256"] for row in rows]


def test_picture_that_could_not_be_decoded_is_archived_too(storage: Storage) -> None:
    rows = stage(
        storage,
        [
            picture_row("12", "12-1", status="failed", reason_code="decode_failed"),
            picture_row("12", "12-2", role="duplicate"),
        ],
    )

    archive(storage)

    assert_archived(storage, rows)


def test_rows_without_a_picture_are_not_in_the_manifest(storage: Storage) -> None:
    without = {"content_sha256": None, "size_bytes": None, "picture_format": None}
    rows = stage(
        storage,
        [
            picture_row("12", "12-1", status="failed", reason_code="not_found", **without),
            picture_row("12", "12-2"),
            picture_row("13", "13-1", status="no_images", **without) | {"image_id": None},
        ],
    )

    assert archive(storage).counts["images"] == 1
    assert_archived(storage, rows)


def test_second_call_moves_nothing_and_gives_an_equal_manifest(storage: Storage) -> None:
    rows = stage(storage, FOUR)
    archive(storage)
    manifest = storage.read_bytes(layout.unit_file(RUN, UNIT, "archive.parquet"))

    report = archive(storage)

    assert (report.counts["images"], report.counts["moved"]) == (4, 0)
    assert storage.read_bytes(layout.unit_file(RUN, UNIT, "archive.parquet")) == manifest
    assert_archived(storage, rows)


@pytest.mark.parametrize("moves", [0, 1, 2, 3])
@pytest.mark.parametrize("is_moved", [False, True], ids=["before_the_move", "after_the_move"])
def test_kill_between_moves_loses_nothing_and_the_next_call_goes_on(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, moves: int, is_moved: bool
) -> None:
    rows = stage(storage, FOUR)
    done: list[str] = []
    move = Storage.move

    def move_then_die(self: Storage, source: str, target: str) -> None:
        if len(done) == moves and not is_moved:
            raise KilledError
        move(self, source, target)
        done.append(source)
        if len(done) > moves:
            raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(Storage, "move", move_then_die)
        with pytest.raises(KilledError):
            archive(storage)
    # Whoever judges again now still finds each picture.
    assert all(find_picture(storage, RUN, row) for row in rows)

    report = archive(storage)

    assert report.counts["images"] == 4
    assert report.counts["moved"] == 4 - len(done)
    assert_archived(storage, rows)


KILLED_AFTER_A_REQUEST = """
import itertools, os, signal, sys
from image_duplication.object_store import ObjectStore
from image_duplication.stages.archive import archive_images
from image_duplication.storage import Storage

root, run_id, unit_id, last = *sys.argv[1:4], int(sys.argv[4])
numbers = itertools.count(1)

def counted(request):
    async def answer(*arguments, **options):
        number = next(numbers)
        answered = await request(*arguments, **options)
        if number == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return answered
    return answer

for name in ("_put_file", "_cp_file", "_rm_file", "_rm"):
    setattr(ObjectStore, name, counted(getattr(ObjectStore, name)))
archive_images(Storage(root), run_id=run_id, unit_id=unit_id)
"""
"""The stage in a process that dies as soon as so many of its changes are made."""


@pytest.mark.parametrize(
    "last",
    [
        pytest.param(1, id="manifest_written"),
        pytest.param(2, id="first_copied"),
        pytest.param(4, id="in_the_midst"),
        pytest.param(6, id="later"),
        pytest.param(8, id="almost_done"),
    ],
)
def test_killed_process_leaves_all_to_the_next_one_in_object_storage(
    object_root: str, last: int
) -> None:
    storage, unharmed = Storage(f"{object_root}/killed"), Storage(f"{object_root}/unharmed")
    rows = stage(storage, FOUR)
    stage(unharmed, FOUR)
    archive(unharmed)

    command = [sys.executable, "-c", KILLED_AFTER_A_REQUEST, storage.root, RUN, UNIT, str(last)]
    assert subprocess.run(command, timeout=100, check=False).returncode == -signal.SIGKILL
    assert all(find_picture(storage, RUN, row) for row in rows)
    archive(storage)

    assert_archived(storage, rows)
    assert all_files(storage) == all_files(unharmed)
    for key in all_files(storage):
        assert storage.read_bytes(key) == unharmed.read_bytes(key)


def test_torn_copy_in_the_archive_is_replaced(storage: Storage) -> None:
    rows = stage(storage, FOUR)
    storage.write_bytes(archived_key(rows[0]), b"torn")

    archive(storage)

    assert_archived(storage, rows)


def test_pictures_fetched_again_after_archiving_are_stored_once(storage: Storage) -> None:
    rows = stage(storage, FOUR)
    archive(storage)
    stage(storage, rows)

    archive(storage)

    assert_archived(storage, rows)


def test_same_content_in_two_runs_is_stored_once(storage: Storage) -> None:
    [row] = stage(storage, [picture_row("12", "12-1")])
    archive(storage)
    write_rows(storage, layout.unit_file("later", UNIT, "judged.parquet"), JUDGED, [row])
    storage.write_bytes(staged_key("later", row), content_of("12", "12-1"))

    archive_images(storage, run_id="later", unit_id=UNIT)

    assert_archived(storage, [row])


def test_equal_pictures_of_two_images_are_both_kept(storage: Storage) -> None:
    one, other = picture_row("12", "12-1"), picture_row("12", "12-1") | {"image_id": "12-2"}
    write_rows(storage, layout.unit_file(RUN, UNIT, "judged.parquet"), JUDGED, [one, other])
    for row in (one, other):
        storage.write_bytes(staged_key(RUN, row), content_of("12", "12-1"))

    archive(storage)

    assert_archived(storage, [one, other])


@pytest.mark.parametrize("left", [None, b"torn"], ids=["gone", "torn"])
def test_missing_picture_names_image_and_variant(storage: Storage, left: bytes | None) -> None:
    rows = stage(storage, FOUR)
    storage.delete(staged_key(RUN, rows[1]))
    if left is not None:
        storage.write_bytes(staged_key(RUN, rows[1]), left)

    with pytest.raises(MissingArtefactError) as caught:
        archive(storage)

    for named in ("'12-2'", "variant '12'", staged_key(RUN, rows[1]), "clear download_images"):
        assert named in str(caught.value)
    # What was there is still found.
    assert all(find_picture(storage, RUN, row) for row in (rows[0], *rows[2:]))


def test_only_this_runs_staging_folders_are_removed(storage: Storage, tmp_path: Path) -> None:
    rows = stage(storage, FOUR)
    folder = layout.staging_folder(RUN, 7, "12")
    storage.write_bytes(f"{folder}/12-1.half.part", b"left by a kill")
    foreign = staged_key("another run", rows[0])
    storage.write_bytes(foreign, b"in work")

    archive(storage)

    assert all_files(storage, "staging") == [foreign]
    if not storage.root.startswith("s3"):
        kept = [path.name for path in (tmp_path / "root" / "staging").iterdir()]
        assert kept == [foreign.split("/")[1]]


def test_unit_without_judged_rows_is_named(storage: Storage) -> None:
    with pytest.raises(MissingArtefactError, match=r"judged\.parquet"):
        archive(storage)


def test_unit_without_pictures_archives_nothing(storage: Storage) -> None:
    stage(storage, [])

    assert archive(storage).counts == {"images": 0, "moved": 0, "bytes": 0}
    assert all_files(storage, "archive") == []
