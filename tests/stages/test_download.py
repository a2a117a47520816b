from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from image_duplication import layout, pictures
from image_duplication.errors import DownloadShareError, MissingArtefactError, StorageError
from image_duplication.fetching import journal
from image_duplication.records import ReasonCode, StageReport, Status
from image_duplication.settings import Settings
from image_duplication.stages.download import download_images
from image_duplication.storage import Storage
from image_duplication.tables import CORRECTED, DOWNLOADED, Row, read_rows, write_rows
from tests.fetching import drawing
from tests.fetching.fetching_all import quick_settings
from tests.fetching.hostile_server import Handler, HostileServer, in_turn, says

RUN_ID = "manual__2026-01-05T10:00:00+00:00"
UNIT_ID = "1234/1"
JPEG = drawing.encoded("JPEG")


@pytest.fixture
def server() -> Iterator[HostileServer]:
    server = HostileServer()
    server.otherwise = says(JPEG)
    with server.running() as running:
        yield running


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "root"))


def row(number: int, url: str | None, **columns: Any) -> Row:
    return {
        **dict.fromkeys(CORRECTED.names),
        "category_id": 1234,
        "variant_id": f"v/{number // 5}",
        "image_id": f"image {number}",
        "position": number % 5,
        "image_url": url,
        "status": str(Status.CORRECTED),
        "corrected_url": url,
        "url_rules": [],
        **columns,
    }


def write_unit(storage: Storage, rows: list[Row]) -> None:
    write_rows(storage, key("urls.parquet"), CORRECTED, rows)


def write_urls(storage: Storage, server: HostileServer, count: int) -> None:
    write_unit(storage, [row(number, server.url(f"/{number}.jpg")) for number in range(count)])


def key(name: str) -> str:
    return layout.unit_file(RUN_ID, UNIT_ID, name)


def download(
    storage: Storage, settings: Settings | None = None, *, is_last_attempt: bool = False
) -> StageReport:
    return download_images(
        storage,
        settings or quick_settings(),
        run_id=RUN_ID,
        unit_id=UNIT_ID,
        is_last_attempt=is_last_attempt,
    )


def rows_of(storage: Storage) -> list[Row]:
    return list(read_rows(storage, key("downloads.parquet"), DOWNLOADED))


def journal_files(storage: Storage) -> list[str]:
    return storage.names(key("download-journal"))


# Rows in, rows out ------------------------------------------------------------------------------


def test_download_gives_every_row_in_order(storage: Storage, server: HostileServer) -> None:
    server.routes["/1.jpg"] = says(status=404)
    source = [
        row(0, server.url("/0.jpg")),
        row(1, server.url("/1.jpg")),
        row(2, None, status="failed", reason_code="url_missing", image_id=None),
        row(3, None, status="no_images", image_id=None),
        row(4, server.url("/4.jpg")),
    ]
    write_unit(storage, source)
    report = download(storage, quick_settings({"max_failed_share": 1.0}))
    found = rows_of(storage)
    assert [{name: given[name] for name in CORRECTED.names} for given in found] == [
        {**source[0], "status": "downloaded"},
        {**source[1], "status": "failed", "reason_code": "not_found"},
        source[2],
        source[3],
        {**source[4], "status": "downloaded"},
    ]
    for place in (2, 3):
        added = {name: found[place][name] for name in DOWNLOADED.names[len(CORRECTED.names) :]}
        assert set(added.values()) == {None}
    for place in (0, 4):
        assert storage.read_bytes(pictures.staged_key(RUN_ID, found[place])) == JPEG
    assert report.stage == "download_images"
    assert report.unit_id == UNIT_ID
    assert not report.is_degraded
    assert report.counts == {
        "images": 3,
        "downloaded": 2,
        "failed": 1,
        "reused": 0,
        "unchanged": 0,
        "revalidated": 0,
        "kept": 0,
        "requests": 3,
        "bytes": 2 * len(JPEG),
    }
    assert journal_files(storage) == []


def test_download_keeps_order_over_row_groups_and_processes(
    storage: Storage, server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("image_duplication.tables.ROW_GROUP_ROWS", 100)

    def uneven(handler: Handler) -> None:
        number = int(handler.path.strip("/").removesuffix(".jpg"))
        time.sleep(0.05 if number % 50 == 0 else 0)
        handler.answer(JPEG)

    server.otherwise = uneven
    write_urls(storage, server, 550)
    with storage.reading(key("urls.parquet")) as source:
        assert pq.ParquetFile(source).num_row_groups == 6
    report = download(storage, quick_settings({"processes": 2}))
    assert report.counts["downloaded"] == 550
    assert [found["image_id"] for found in rows_of(storage)] == [f"image {n}" for n in range(550)]


def test_download_takes_an_empty_unit(storage: Storage) -> None:
    write_unit(storage, [])
    assert download(storage).counts["images"] == 0
    assert rows_of(storage) == []


def test_download_raises_when_its_input_is_missing(storage: Storage) -> None:
    with pytest.raises(MissingArtefactError, match=r"urls\.parquet"):
        download(storage)


def test_download_raises_when_the_storage_refuses(storage: Storage, server: HostileServer) -> None:
    write_urls(storage, server, 3)
    Path(storage.path("staging")).write_text("a file where the folder should be")
    with pytest.raises(StorageError):
        download(storage)
    assert not storage.exists(key("downloads.parquet"))


def test_download_logs_its_progress(
    storage: Storage,
    server: HostileServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("image_duplication.stages.download._PROGRESS_S", 0.0)
    write_urls(storage, server, 100)
    with caplog.at_level(logging.INFO, logger="image_duplication.stages.download"):
        download(storage)
    assert caplog.messages[0] == "unit 1234/1: 100 images to download"
    assert any("%), " in message and "s left" in message for message in caplog.messages[1:-1])
    assert caplog.messages[-1].startswith("unit 1234/1: 100 images in ")


def test_download_shares_the_rate_of_the_deployment(
    storage: Storage, server: HostileServer
) -> None:
    write_urls(storage, server, 22)
    download(storage, quick_settings({"rate_per_host_per_s": 160, "pool_slots": 8}))
    times = [request.at for request in server.requests]
    assert max(times) - min(times) >= 0.95 * 20 / 20


# Clearing and resuming --------------------------------------------------------------------------


def messy(server: HostileServer) -> None:
    server.routes["/1.jpg"] = says(status=404)
    server.routes["/2.jpg"] = says(status=503)
    server.routes["/3.jpg"] = says(drawing.HTML)


def test_download_is_equal_when_cleared_with_the_server_gone(
    storage: Storage, server: HostileServer
) -> None:
    messy(server)
    write_urls(storage, server, 20)
    first = download(storage)
    before = storage.read_bytes(key("downloads.parquet"))
    server.stop()
    second = download(storage, quick_settings({"max_attempts": 1}))
    assert storage.read_bytes(key("downloads.parquet")) == before
    assert (first.counts["failed"], second.counts["failed"]) == (3, 3)
    assert (second.counts["reused"], second.counts["requests"]) == (19, 0)


def test_download_is_equal_when_a_degraded_unit_is_cleared_with_the_server_gone(
    storage: Storage, server: HostileServer
) -> None:
    messy(server)
    write_urls(storage, server, 5)
    settings = quick_settings({"tolerated_failures": 0, "max_attempts": 1})
    assert download(storage, settings, is_last_attempt=True).is_degraded
    before = storage.read_bytes(key("downloads.parquet"))
    server.stop()
    assert download(storage, settings).is_degraded
    assert storage.read_bytes(key("downloads.parquet")) == before


def test_download_reuses_what_is_archived(storage: Storage, server: HostileServer) -> None:
    write_urls(storage, server, 10)
    download(storage)
    before = storage.read_bytes(key("downloads.parquet"))
    for found in rows_of(storage):
        storage.move(pictures.staged_key(RUN_ID, found), pictures.archived_key(found))
    server.stop()
    assert download(storage).counts["reused"] == 10
    assert storage.read_bytes(key("downloads.parquet")) == before


def test_download_tries_again_only_what_could_succeed_when_cleared(
    storage: Storage, server: HostileServer
) -> None:
    messy(server)
    write_urls(storage, server, 20)
    download(storage)
    found = rows_of(storage)
    storage.delete(pictures.staged_key(RUN_ID, found[7]))
    storage.write_bytes(pictures.staged_key(RUN_ID, found[9]), b"cut")
    server.routes.clear()
    server.requests.clear()
    report = download(storage)
    assert sorted(server.paths()) == ["/2.jpg", "/7.jpg", "/9.jpg"]
    assert report.counts["reused"] == 17
    again = rows_of(storage)
    assert again[2]["status"] == "downloaded"
    assert [given["content_sha256"] for given in again[4:]] == [
        given["content_sha256"] for given in found[4:]
    ]
    assert [again[place] for place in (0, 1, 3)] == [found[place] for place in (0, 1, 3)]


def test_download_asks_anew_when_a_url_has_changed(storage: Storage, server: HostileServer) -> None:
    write_urls(storage, server, 10)
    download(storage)
    server.requests.clear()
    rows = [row(number, server.url(f"/{number}.jpg")) for number in range(10)]
    rows[4] = row(4, server.url("/new.jpg"))
    write_unit(storage, [row(10, server.url("/10.jpg")), *rows])
    download(storage)
    assert sorted(server.paths()) == ["/10.jpg", "/new.jpg"]


STAGE_CODE = """
import sys
from image_duplication.stages.download import download_images
from image_duplication.storage import Storage
from tests.fetching.fetching_all import quick_settings
download_images(
    Storage(sys.argv[1]),
    quick_settings({"in_flight": 4, "processes": int(sys.argv[4])}),
    run_id=sys.argv[2],
    unit_id=sys.argv[3],
    is_last_attempt=False,
)
"""


@pytest.mark.parametrize("processes", [1, 2])
def test_download_continues_when_it_was_killed(
    storage: Storage, server: HostileServer, processes: int
) -> None:
    def slow(handler: Handler) -> None:
        time.sleep(0.005)
        handler.answer(JPEG)

    server.otherwise = slow
    images = 1_000
    write_urls(storage, server, images)
    task = subprocess.Popen(
        [sys.executable, "-c", STAGE_CODE, storage.root, RUN_ID, UNIT_ID, str(processes)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
    )
    try:
        ends_at = time.monotonic() + 30
        while len(journal_files(storage)) < 2 or len(server.paths()) < 600:
            assert time.monotonic() < ends_at
            assert task.poll() is None
            time.sleep(0.01)
    finally:
        task.send_signal(signal.SIGKILL)
        task.wait(10)
    time.sleep(0.3)  # worker processes notice and leave
    asked_before = server.paths()
    assert len(asked_before) < images
    assert not storage.exists(key("downloads.parquet"))
    journalled = len(journal.Settled(journal.Journal(storage, RUN_ID, UNIT_ID).read()))
    assert journalled >= 256
    server.otherwise = says(JPEG)
    report = download(storage)
    asked_again = server.paths()[len(asked_before) :]
    assert report.counts["downloaded"] == images
    assert report.counts["reused"] == journalled
    assert len(asked_again) == images - report.counts["reused"]
    # What was not in the journal yet: fewer than 256 rows, and those between server and journal.
    assert len(set(asked_before) & set(asked_again)) <= 256 + 128
    assert [found["image_id"] for found in rows_of(storage)] == [
        f"image {n}" for n in range(images)
    ]
    assert journal_files(storage) == []


def test_download_leaves_out_a_broken_journal_file(storage: Storage, server: HostileServer) -> None:
    write_urls(storage, server, 5)
    storage.write_bytes(key("download-journal/000000.parquet"), b"PAR1 and then nothing")
    assert download(storage).counts["downloaded"] == 5
    assert journal_files(storage) == []


def test_journal_writes_after_its_rows_or_its_seconds(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = dict.fromkeys(journal.OUTCOME_COLUMNS)
    kept = journal.Journal(storage, RUN_ID, UNIT_ID)
    for number in range(300):
        kept.add(number, outcome)
    assert journal_files(storage) == ["000000.parquet"]
    kept.flush_if_due()
    assert len(journal_files(storage)) == 1
    monkeypatch.setattr(journal, "_FLUSH_S", 0.0)
    kept.flush_if_due()
    assert len(journal_files(storage)) == 2
    again = journal.Settled(journal.Journal(storage, RUN_ID, UNIT_ID).read())
    assert len(again) == 300
    assert again.find([7, 299, 300]) == {7: outcome, 299: outcome}


# Too many failures ------------------------------------------------------------------------------


def test_download_raises_when_too_many_fail_and_a_retry_could_help(
    storage: Storage, server: HostileServer
) -> None:
    for number in range(3):
        server.routes[f"/{number}.jpg"] = says(status=500)
    server.routes["/3.jpg"] = says(status=404)
    write_urls(storage, server, 10)
    settings = quick_settings(
        {"max_failed_share": 0.25, "tolerated_failures": 0, "max_attempts": 1}
    )
    with pytest.raises(DownloadShareError) as caught:
        download(storage, settings)
    assert str(caught.value) == (
        "unit 1234/1: 4 of 10 downloads failed (40.0%, allowed 25.0%): server_failed 3, not_found 1"
    )
    assert not storage.exists(key("downloads.parquet"))
    server.requests.clear()
    server.routes["/0.jpg"] = server.routes["/1.jpg"] = says(JPEG)
    report = download(storage, settings)
    assert sorted(server.paths()) == ["/0.jpg", "/1.jpg", "/2.jpg"]
    assert not report.is_degraded
    assert (report.counts["failed"], report.counts["reused"]) == (2, 7)
    assert journal_files(storage) == []


def test_download_states_the_latest_failure_of_a_picture(
    storage: Storage, server: HostileServer
) -> None:
    server.otherwise = says(status=503)
    write_urls(storage, server, 4)
    settings = quick_settings({"max_attempts": 1})
    with pytest.raises(DownloadShareError):
        download(storage, settings)
    server.otherwise = says(status=404)
    assert download(storage, settings).is_degraded
    assert [found["reason_code"] for found in rows_of(storage)] == [ReasonCode.NOT_FOUND] * 4


def test_download_does_not_retry_for_a_few_failures_of_a_small_unit(
    storage: Storage, server: HostileServer
) -> None:
    for number in range(3):
        server.routes[f"/{number}.jpg"] = says(status=500)
    write_urls(storage, server, 4)
    report = download(storage, quick_settings({"max_attempts": 1}))
    assert report.counts["failed"] == 3
    assert not report.is_degraded


def test_download_goes_on_as_degraded_when_it_is_the_last_attempt(
    storage: Storage, server: HostileServer
) -> None:
    server.otherwise = says(status=500)
    write_urls(storage, server, 4)
    settings = quick_settings({"max_attempts": 1})
    with pytest.raises(DownloadShareError):
        download(storage, settings)
    report = download(storage, settings, is_last_attempt=True)
    assert report.is_degraded
    assert [found["reason_code"] for found in rows_of(storage)] == [ReasonCode.SERVER_FAILED] * 4


def test_download_does_not_ask_a_host_again_within_minutes_that_refuses(
    storage: Storage, server: HostileServer
) -> None:
    server.otherwise = says(status=429, Retry_After="3600")
    write_urls(storage, server, 5)
    assert download(storage).is_degraded
    assert [f["reason_code"] for f in rows_of(storage)] == [ReasonCode.RATE_LIMITED] * 5


def test_download_goes_on_as_degraded_when_no_retry_could_help(
    storage: Storage, server: HostileServer
) -> None:
    server.otherwise = says(status=404)
    write_urls(storage, server, 4)
    assert download(storage).is_degraded
    assert len(server.requests) == 4


def test_download_mends_what_fails_at_first(storage: Storage, server: HostileServer) -> None:
    for number in range(4):
        server.routes[f"/{number}.jpg"] = in_turn(says(status=500), says(JPEG))
    write_urls(storage, server, 4)
    report = download(storage)
    assert (report.counts["downloaded"], report.counts["requests"]) == (4, 8)
    assert {found["attempts"] for found in rows_of(storage)} == {2}
