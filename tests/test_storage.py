"""Files that appear whole or not at all, on a local disk and in object storage."""

from __future__ import annotations

import errno
import os
import pickle
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from obstore.store import S3Store

from image_duplication.errors import (
    ConfigurationError,
    MissingArtefactError,
    SourceError,
    StorageError,
)
from image_duplication.storage import Storage
from tests.storages import all_files


@pytest.fixture
def storage(any_storage: Storage) -> Storage:
    return any_storage


def write_half(storage: Storage, key: str, error: BaseException) -> None:
    with storage.writing(key) as sink:
        sink.write(b"half")
        sink.flush()
        raise error


def read_through(storage: Storage, key: str) -> bytes:
    with storage.reading(key) as file:
        return file.read()


def test_storage_reads_back_what_was_written(storage: Storage) -> None:
    storage.write_bytes("a/b/picture.jpg", b"\xff\xd8")

    assert storage.read_bytes("a/b/picture.jpg") == b"\xff\xd8"
    assert storage.size("a/b/picture.jpg") == 2
    assert storage.exists("a/b/picture.jpg")
    assert all_files(storage) == ["a/b/picture.jpg"]


def test_storage_replaces_a_file(storage: Storage) -> None:
    storage.write_bytes("a/state", b"a long first version")
    storage.write_bytes("a/state", b"second")

    assert storage.read_bytes("a/state") == b"second"
    assert all_files(storage) == ["a/state"]


def test_storage_shows_nothing_before_the_block_ends(storage: Storage) -> None:
    with storage.writing("a/report.csv") as sink:
        sink.write(b"half")
        sink.flush()
        assert not storage.exists("a/report.csv")

    assert storage.read_bytes("a/report.csv") == b"half"


def test_storage_leaves_nothing_when_the_writer_raises(storage: Storage) -> None:
    with pytest.raises(ZeroDivisionError):
        write_half(storage, "a/report.csv", ZeroDivisionError())

    assert all_files(storage) == []


def test_storage_keeps_the_earlier_version_when_the_writer_raises(storage: Storage) -> None:
    storage.write_bytes("a/report.csv", b"whole")

    with pytest.raises(KeyboardInterrupt):
        write_half(storage, "a/report.csv", KeyboardInterrupt())

    assert storage.read_bytes("a/report.csv") == b"whole"
    assert all_files(storage) == ["a/report.csv"]


def test_storage_keeps_an_empty_file(storage: Storage) -> None:
    storage.write_bytes("a/empty", b"")

    assert storage.size("a/empty") == 0
    assert storage.read_bytes("a/empty") == b""


def test_storage_json_round_trip_keeps_hindi_readable(storage: Storage) -> None:
    storage.write_json("plan.json", {"name": "कुर्सी", "ids": [1, 2]})

    assert storage.read_json("plan.json") == {"name": "कुर्सी", "ids": [1, 2]}
    assert "कुर्सी" in storage.read_bytes("plan.json").decode()


def test_storage_opens_a_file_for_reading_with_seek(storage: Storage) -> None:
    storage.write_bytes("a", b"0123456789")

    with storage.reading("a") as file:
        file.seek(7)
        assert file.read() == b"789"


def test_storage_moves_a_file_into_a_new_folder(storage: Storage) -> None:
    storage.write_bytes("staging/1/a.jpg", b"picture")

    storage.move("staging/1/a.jpg", "archive/category=1/2/a.jpg")

    assert all_files(storage) == ["archive/category=1/2/a.jpg"]
    assert storage.read_bytes("archive/category=1/2/a.jpg") == b"picture"


def test_storage_move_replaces_its_target(storage: Storage) -> None:
    storage.write_bytes("a", b"new")
    storage.write_bytes("b", b"old")

    storage.move("a", "b")

    assert all_files(storage) == ["b"]
    assert storage.read_bytes("b") == b"new"


def test_storage_move_names_the_file_when_there_is_none(storage: Storage) -> None:
    with pytest.raises(MissingArtefactError, match=r"move 'staging/gone\.jpg'"):
        storage.move("staging/gone.jpg", "archive/gone.jpg")


def test_storage_deletes_a_file_and_does_not_mind_a_second_time(storage: Storage) -> None:
    storage.write_bytes("a/b", b"1")
    storage.write_bytes("a/c", b"2")

    storage.delete("a/b")
    storage.delete("a/b")

    assert all_files(storage) == ["a/c"]


def test_storage_deletes_a_folder_and_does_not_mind_a_second_time(storage: Storage) -> None:
    storage.write_bytes("a/b/one", b"1")
    storage.write_bytes("a/b/two/three", b"2")
    storage.write_bytes("a/bystander", b"3")

    storage.delete_folder("a/b")
    storage.delete_folder("a/b")

    assert all_files(storage) == ["a/bystander"]


def test_storage_names_what_is_directly_below_a_folder(storage: Storage) -> None:
    storage.write_bytes("runs/b/plan.json", b"1")
    storage.write_bytes("runs/a", b"2")

    assert storage.names("runs") == ["a", "b"]
    assert storage.names("nothing/here") == []


def test_storage_lists_every_file_below_a_folder_with_size_and_time(storage: Storage) -> None:
    before = datetime.now(UTC)
    for key in ("runs/b/deep/er.bin", "runs/a.bin", "elsewhere/c.bin"):
        storage.write_bytes(key, key.encode())

    files = list(storage.files("runs"))

    assert [(file.key, file.size_bytes) for file in files] == [
        ("runs/a.bin", 10),
        ("runs/b/deep/er.bin", 18),
    ]
    assert all(abs(file.modified_at - before) < timedelta(minutes=5) for file in files)
    assert list(storage.files("nothing/here")) == []
    for file in files:
        found = storage.find_file(file.key)
        assert found is not None
        assert found.is_unchanged(file)
    assert storage.find_file("runs/b") is None
    assert storage.find_file("runs/gone") is None


def test_storage_tells_that_a_listed_file_changed(storage: Storage) -> None:
    storage.write_bytes("a.bin", b"short")
    (listed,) = storage.files("")
    assert listed.key == "a.bin"
    storage.write_bytes("a.bin", b"longer")

    found = storage.find_file("a.bin")

    assert found is not None
    assert not found.is_unchanged(listed)
    assert not listed.is_unchanged(replace(listed, modified_at=before_now(hours=1)))


def before_now(**span: float) -> datetime:
    return datetime.now(UTC) - timedelta(**span)


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("name", "content_type"),
    [("7.html", "text/html; charset=utf-8"), ("a.jpg", "image/jpeg")],
)
def test_object_says_what_it_is_to_a_browser(
    object_root: str, name: str, content_type: str, is_streamed: bool
) -> None:
    storage = Storage(object_root)
    if is_streamed:
        with storage.writing(name) as sink:
            sink.write(b"content")
    else:
        storage.write_bytes(name, b"content")
    bucket, _, prefix = object_root.removeprefix("s3://").partition("/")
    found = S3Store(bucket, client_options={"allow_http": True}).get(f"{prefix}/{name}")

    assert found.attributes["Content-Type"] == content_type


def test_storage_lists_no_link_and_does_not_follow_one(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "picture.jpg").touch()
    root = tmp_path / "root"
    root.mkdir()
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "file.jpg").symlink_to(tmp_path / "outside" / "picture.jpg")
    storage = Storage(str(root))

    assert list(storage.files("")) == []
    assert storage.find_file("file.jpg") is None


def test_storage_removes_only_an_empty_folder(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    storage.write_bytes("full/a.bin", b"")
    (tmp_path / "empty").mkdir()

    for key in ("full", "empty", "never there"):
        storage.delete_empty_folder(key)

    assert storage.names("") == ["full"]


@pytest.mark.parametrize(
    "read", [Storage.read_bytes, Storage.read_json, read_through], ids=lambda read: read.__name__
)
def test_storage_names_the_file_that_is_missing(
    storage: Storage, read: Callable[[Storage, str], object]
) -> None:
    with pytest.raises(MissingArtefactError, match=r"'runs/x/plan\.json'"):
        read(storage, "runs/x/plan.json")


def test_storage_has_no_size_for_what_is_missing(storage: Storage) -> None:
    storage.write_bytes("a/file", b"1")

    assert storage.size("a/other") is None
    assert storage.size("a/file/below") is None
    assert not storage.exists("b/c/d")


def test_storage_has_no_size_for_a_folder(storage: Storage) -> None:
    storage.write_bytes("a/b/file", b"1")

    assert storage.size("a/b") is None


def test_storage_passes_to_another_process(storage: Storage) -> None:
    storage.write_bytes("a", b"1")

    opened_anew = pickle.loads(pickle.dumps(storage))

    assert opened_anew.root == storage.root
    assert opened_anew.read_bytes("a") == b"1"


def test_storage_error_names_the_file_when_a_file_stands_where_its_folder_should(
    tmp_path: Path,
) -> None:
    # Root may write anywhere, so what refuses the write is not a permission.
    storage = Storage(str(tmp_path))
    (tmp_path / "reports").write_text("in the way")

    with pytest.raises(StorageError, match=r"'reports/7\.csv'"):
        storage.write_bytes("reports/7.csv", b"1")


def test_storage_error_says_that_the_disk_is_full_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(str(tmp_path))
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def refuse(_file_descriptor: int) -> None:
        raise full

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match=r"write 'a/b': .*No space left on device"):
        storage.write_bytes("a/b", b"1")

    assert all_files(storage) == []


@pytest.mark.parametrize(
    "use",
    [
        lambda storage: storage.write_bytes("a/b", b"1"),
        lambda storage: storage.read_bytes("a/b"),
        lambda storage: storage.size("a/b"),
        lambda storage: storage.move("a/b", "c"),
        lambda storage: storage.delete_folder("a/b"),
        lambda storage: storage.names("a/b"),
    ],
    ids=["write", "read", "look up", "move", "delete", "list"],
)
def test_storage_error_names_what_the_object_store_refuses(
    object_root: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    use: Callable[[Storage], object],
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")

    deed = request.node.callspec.id
    with pytest.raises(StorageError, match=f"cannot {deed} 'a/b': .*403"):
        use(Storage(object_root))


class NoBucketHandler(BaseHTTPRequestHandler):
    """Answers as S3 does for a bucket that does not exist."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b"<Error><Code>NoSuchBucket</Code></Error>"
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_storage_error_says_that_there_is_no_bucket(
    object_root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), NoBucketHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(StorageError, match="write 'a/b': .*NoSuchBucket"):
            Storage(object_root).write_bytes("a/b", b"1")
        server.shutdown()


@pytest.mark.parametrize(
    "root", ["nonsense://bucket/x", "gs://bucket/x"], ids=["unknown", "not_installed"]
)
def test_storage_names_a_root_that_cannot_be_used(root: str) -> None:
    with pytest.raises(ConfigurationError, match=root):
        Storage(root)


def test_storage_url_is_an_address_for_people(tmp_path: Path) -> None:
    assert Storage(str(tmp_path)).url("a/b") == f"{tmp_path}/a/b"
    assert Storage(f"file://{tmp_path}").url("a/b") == f"{tmp_path}/a/b"
    assert Storage("s3://bucket/root").url("a/b") == "s3://bucket/root/a/b"


def test_storage_passes_on_this_projects_errors_from_inside_a_block(storage: Storage) -> None:
    with pytest.raises(SourceError, match="from inside"):
        write_half(storage, "a", SourceError("from inside"))

    assert all_files(storage) == []
