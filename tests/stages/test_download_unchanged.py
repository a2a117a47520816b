"""What a later run asks the image host, told by the host's own log and by the stage's counts."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import requests

from demo.image_server import Behaviour, RunningImageServer, running_image_server, write_behaviours
from image_duplication import layout, pictures
from image_duplication.plans import Plan
from image_duplication.records import ReasonCode, Scope, StageReport, Status
from image_duplication.settings import Settings
from image_duplication.stages.archive import archive_images
from image_duplication.stages.download import download_images
from image_duplication.storage import Storage
from image_duplication.tables import CORRECTED, DOWNLOADED, JUDGED, Row, read_rows, write_rows
from tests.fetching import drawing
from tests.fetching.fetching_all import quick_settings

CATEGORY_ID = 1234
UNIT_ID = f"{CATEGORY_ID}/1"
IMAGES = 12
MOVED_AT = datetime(2026, 2, 1, tzinfo=UTC)
JPEG = drawing.encoded("JPEG")
OUTCOME = DOWNLOADED.names[len(CORRECTED.names) :]


class Host:
    """An image host that one can ask what it was asked."""

    def __init__(self, folder: Path, server: RunningImageServer) -> None:
        self.folder = folder
        self._server = server
        self._read = 0
        self._questions = 0

    def url(self, number: int) -> str:
        return f"{self._server.base_url}/{number}.jpg"

    def change(self, number: int, seed: int) -> bytes:
        content = drawing.encoded("JPEG", seed=seed)
        (self.folder / f"{number}.jpg").write_bytes(content)
        return content

    def misbehave(self, **behaviours: Behaviour) -> None:
        write_behaviours(self.folder, {f"/{n}.jpg": b for n, b in behaviours.items()})
        self._server.reset()

    def asked(self) -> dict[str, int]:
        """Paths asked for since the last question, each once, and the status they met."""
        self._questions += 1
        mark = f"/question-{self._questions}"
        requests.get(self._server.base_url + mark, timeout=3)
        log = self._server.log_path
        assert log is not None
        ends_at = time.monotonic() + 5
        while mark not in (text := log.read_text(encoding="utf-8")):
            assert time.monotonic() < ends_at, "the log does not come"
            time.sleep(0.02)
        lines = [line.split()[1:] for line in text.splitlines()]
        new = lines[self._read : lines.index([mark, "404"])]
        self._read += len(new) + 1
        new = [line for line in new if line[0] != "/__reset__"]
        found = {path: int(status) for path, status in new}
        assert len(found) == len(new), f"asked twice: {new}"
        return found


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    folder = tmp_path / "served"
    folder.mkdir()
    for number in range(IMAGES):
        (folder / f"{number}.jpg").write_bytes(drawing.encoded("JPEG", seed=number))
    with running_image_server(folder, log_path=tmp_path / "access.log") as server:
        yield Host(folder, server)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "root"))


def source_rows(host: Host, **moved: datetime) -> list[Row]:
    """The unit's rows; `moved` gives rows, by number, another `updated_at`."""
    return [
        {
            **dict.fromkeys(CORRECTED.names),
            "category_id": CATEGORY_ID,
            "variant_id": f"v/{number // 5}",
            "image_id": f"image {number}",
            "position": number % 5,
            "image_url": host.url(number),
            "updated_at": moved.get(f"row_{number}", datetime(2026, 1, 1, tzinfo=UTC)),
            "status": str(Status.CORRECTED),
            "corrected_url": host.url(number),
            "url_rules": [],
        }
        for number in range(IMAGES)
    ]


def plan(storage: Storage, run_id: str, rows: list[Row], *, days_later: float = 0) -> None:
    planned_at = datetime.now(UTC) + timedelta(days=days_later)
    record = Plan(run_id, Scope.FULL, planned_at, False, ())
    storage.write_json(layout.plan_record(run_id), record.to_json())
    write_rows(storage, layout.unit_file(run_id, UNIT_ID, "urls.parquet"), CORRECTED, rows)


def download(
    storage: Storage, run_id: str, settings: Settings | None = None, **choices: Any
) -> StageReport:
    return download_images(
        storage,
        settings or quick_settings(choices),
        run_id=run_id,
        unit_id=UNIT_ID,
        is_last_attempt=False,
    )


def rows_of(storage: Storage, run_id: str) -> list[Row]:
    key = layout.unit_file(run_id, UNIT_ID, "downloads.parquet")
    return list(read_rows(storage, key, DOWNLOADED))


def outcomes(rows: list[Row]) -> list[Row]:
    return [{name: row[name] for name in ("status", "reason_code", *OUTCOME)} for row in rows]


def publish(storage: Storage, run_id: str, **changed: Any) -> None:
    """Archive the run's pictures, and make its outcomes the state of the category."""
    rows = [{**dict.fromkeys(JUDGED.names), **row} for row in rows_of(storage, run_id)]
    write_rows(storage, layout.unit_file(run_id, UNIT_ID, "judged.parquet"), JUDGED, rows)
    archive_images(storage, run_id=run_id, unit_id=UNIT_ID)
    write_rows(storage, state_key(), JUDGED, [{**row, **changed} for row in rows])


def state_key() -> str:
    return layout.current("images", CATEGORY_ID)


def first_run(storage: Storage, host: Host, **changed: Any) -> list[Row]:
    plan(storage, "first", source_rows(host))
    report = download(storage, "first")
    assert (report.counts["downloaded"], report.counts["requests"]) == (IMAGES, IMAGES)
    publish(storage, "first", **changed)
    assert set(host.asked().values()) == {200}
    return rows_of(storage, "first")


def expected_counts(**counts: int) -> dict[str, int]:
    settled = dict.fromkeys(("reused", "unchanged", "revalidated", "kept", "requests", "bytes"), 0)
    return {"images": IMAGES, "downloaded": IMAGES, "failed": 0, **settled, **counts}


def all_asked(status: int) -> dict[str, int]:
    return {f"/{number}.jpg": status for number in range(IMAGES)}


# Unchanged rows ---------------------------------------------------------------------------------


def test_unchanged_rows_make_no_request(storage: Storage, host: Host) -> None:
    first = first_run(storage, host)
    plan(storage, "second", source_rows(host), days_later=27.9)
    report = download(storage, "second")
    assert host.asked() == {}
    assert report.counts == expected_counts(unchanged=IMAGES)
    assert rows_of(storage, "second") == first
    assert storage.names("staging") == []


def test_unchanged_rows_are_asked_for_once_after_revalidate_days(
    storage: Storage, host: Host
) -> None:
    first = first_run(storage, host)
    plan(storage, "second", source_rows(host), days_later=28.1)
    report = download(storage, "second")
    assert host.asked() == all_asked(304)
    assert report.counts == expected_counts(revalidated=IMAGES, requests=IMAGES)
    assert storage.names("staging") == []
    second = rows_of(storage, "second")
    assert [
        row["fetched_at"] > known["fetched_at"] for row, known in zip(second, first, strict=True)
    ] == ([True] * IMAGES)
    assert second == [
        {**known, "http_status": 304, "fetched_at": row["fetched_at"]}
        for row, known in zip(second, first, strict=True)
    ]
    publish(storage, "second")
    plan(storage, "third", source_rows(host))
    assert download(storage, "third").counts == expected_counts(unchanged=IMAGES)
    assert host.asked() == {}


@pytest.mark.parametrize(
    ("revalidate_days", "days_later", "status"),
    [
        pytest.param(0, 0, 304, id="each-run"),
        pytest.param(0, -2, 304, id="each-run-even-if-planned-before"),
        pytest.param(3, 2.9, None, id="young"),
        pytest.param(3, 3.1, 304, id="old"),
    ],
)
def test_revalidate_days_is_a_setting(
    storage: Storage, host: Host, revalidate_days: int, days_later: float, status: int | None
) -> None:
    first_run(storage, host)
    plan(storage, "second", source_rows(host), days_later=days_later)
    download(storage, "second", revalidate_days=revalidate_days)
    assert host.asked() == ({} if status is None else all_asked(status))


def test_a_picture_that_could_not_be_decoded_is_not_asked_for_again(
    storage: Storage, host: Host
) -> None:
    first = first_run(
        storage, host, status=str(Status.FAILED), reason_code=str(ReasonCode.DECODE_FAILED)
    )
    plan(storage, "second", source_rows(host))
    assert download(storage, "second").counts == expected_counts(unchanged=IMAGES)
    assert rows_of(storage, "second") == first
    assert host.asked() == {}


def test_a_row_that_failed_is_asked_for_by_the_next_run(storage: Storage, host: Host) -> None:
    host.misbehave(**{"3": Behaviour(status=404)})
    plan(storage, "first", source_rows(host))
    download(storage, "first")
    publish(storage, "first")
    host.asked()
    host.misbehave()
    plan(storage, "second", source_rows(host))
    report = download(storage, "second")
    assert host.asked() == {"/3.jpg": 200}
    assert (report.counts["unchanged"], report.counts["downloaded"]) == (IMAGES - 1, IMAGES)


# Changed rows -----------------------------------------------------------------------------------


def test_a_changed_picture_is_the_only_request(storage: Storage, host: Host) -> None:
    first = first_run(storage, host)
    content = host.change(4, seed=100)
    plan(storage, "second", source_rows(host, row_4=MOVED_AT))
    report = download(storage, "second")
    assert host.asked() == {"/4.jpg": 200}
    assert report.counts == expected_counts(unchanged=IMAGES - 1, requests=1, bytes=len(content))
    second = rows_of(storage, "second")
    assert second[4]["content_sha256"] != first[4]["content_sha256"]
    assert storage.read_bytes(pictures.staged_key("second", second[4])) == content
    assert second[:4] + second[5:] == first[:4] + first[5:]


def test_a_changed_row_of_the_same_picture_is_one_conditional_request(
    storage: Storage, host: Host
) -> None:
    first = first_run(storage, host)
    rows = source_rows(host, row_4=MOVED_AT)
    plan(storage, "second", rows)
    report = download(storage, "second")
    assert host.asked() == {"/4.jpg": 304}
    assert report.counts == expected_counts(unchanged=IMAGES - 1, revalidated=1, requests=1)
    second = rows_of(storage, "second")
    assert second[4]["updated_at"] == MOVED_AT
    assert second[4]["content_sha256"] == first[4]["content_sha256"]
    publish(storage, "second")
    plan(storage, "third", rows)
    assert download(storage, "third").counts["unchanged"] == IMAGES
    assert host.asked() == {}


def test_a_row_with_another_url_is_fetched_without_condition(storage: Storage, host: Host) -> None:
    first_run(storage, host)
    rows = source_rows(host)
    rows[4] = {**rows[4], "corrected_url": host.url(5)}  # of equal ETag if it were asked with it
    plan(storage, "second", rows)
    download(storage, "second")
    assert host.asked() == {"/5.jpg": 200}


def test_a_picture_that_went_from_the_archive_is_fetched_again(
    storage: Storage, host: Host
) -> None:
    first = first_run(storage, host)
    storage.delete(pictures.archived_key(first[2]))
    storage.write_bytes(pictures.archived_key(first[7]), b"cut")
    plan(storage, "second", source_rows(host), days_later=40)
    report = download(storage, "second")
    assert host.asked() == {**all_asked(304), "/2.jpg": 200, "/7.jpg": 200}
    assert report.counts["revalidated"] == IMAGES - 2
    for number in (2, 7):
        assert storage.exists(pictures.staged_key("second", first[number]))


# Hosts that do not answer -----------------------------------------------------------------------


def test_an_outage_during_revalidation_takes_nothing_back(
    storage: Storage, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    first = first_run(storage, host)
    host.misbehave(**{str(number): Behaviour(status=503) for number in range(IMAGES)})
    plan(storage, "second", source_rows(host), days_later=40)
    report = download(storage, "second", max_attempts=1)
    assert host.asked() == all_asked(503)
    assert report.counts == expected_counts(kept=IMAGES, requests=IMAGES)
    assert not report.is_degraded
    assert rows_of(storage, "second") == first
    assert f"of {IMAGES} pictures the host did not say whether they changed" in caplog.text
    publish(storage, "second")
    host.misbehave()
    plan(storage, "third", source_rows(host), days_later=40)
    assert download(storage, "third").counts["revalidated"] == IMAGES


def test_a_host_that_is_gone_during_revalidation_takes_nothing_back(
    storage: Storage, tmp_path: Path
) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    for number in range(IMAGES):
        (folder / f"{number}.jpg").write_bytes(JPEG)
    with running_image_server(folder, log_path=tmp_path / "access.log") as server:
        host = Host(folder, server)
        first = first_run(storage, host)
    plan(storage, "second", source_rows(host, row_4=MOVED_AT), days_later=40)
    report = download(storage, "second")
    assert (report.counts["kept"], report.counts["failed"]) == (IMAGES - 1, 1)
    second = rows_of(storage, "second")
    assert outcomes(second[:4] + second[5:]) == outcomes(first[:4] + first[5:])
    # The source says that it changed: what it was is no outcome for what it is.
    assert (second[4]["status"], second[4]["reason_code"]) == ("failed", "connection_failed")


def test_a_picture_that_the_host_no_longer_has_fails(storage: Storage, host: Host) -> None:
    first_run(storage, host)
    (host.folder / "4.jpg").unlink()
    plan(storage, "second", source_rows(host), days_later=40)
    report = download(storage, "second")
    assert host.asked() == {**all_asked(304), "/4.jpg": 404}
    assert (report.counts["revalidated"], report.counts["failed"]) == (IMAGES - 1, 1)
    assert rows_of(storage, "second")[4]["reason_code"] == "not_found"


# Clearing ---------------------------------------------------------------------------------------


def test_a_cleared_task_gives_an_equal_file(storage: Storage, host: Host) -> None:
    first_run(storage, host)
    host.change(4, seed=100)
    plan(storage, "second", source_rows(host, row_4=MOVED_AT, row_6=MOVED_AT))
    download(storage, "second")
    key = layout.unit_file("second", UNIT_ID, "downloads.parquet")
    before = storage.read_bytes(key)
    publish(storage, "second")
    host.asked()
    report = download(storage, "second", revalidate_days=0)
    assert storage.read_bytes(key) == before
    assert report.counts == expected_counts(reused=IMAGES)
    assert host.asked() == {}


def test_a_task_decides_by_the_time_of_its_plan(
    storage: Storage, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_run(storage, host, fetched_at=datetime.now(UTC) - timedelta(days=27, hours=23))
    plan(storage, "second", source_rows(host))
    again_at = datetime.now(UTC) + timedelta(days=10)

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return again_at

    for module in ("fetching.earlier_outcomes", "fetching.fetch_loop"):
        monkeypatch.setattr(f"image_duplication.{module}.datetime", Later)
    assert download(storage, "second").counts == expected_counts(unchanged=IMAGES)
    assert host.asked() == {}


# States of other releases -----------------------------------------------------------------------


def without_columns(storage: Storage, *names: str) -> None:
    path = Path(storage.path(state_key()))
    pq.write_table(pq.read_table(path).drop_columns(list(names)), path)


@pytest.mark.parametrize(
    "column",
    ["variant_id", "corrected_url", "content_sha256", "size_bytes", "width_px", "picture_format"],
)
def test_an_older_state_without_a_needed_column_has_all_fetched(
    storage: Storage, host: Host, column: str
) -> None:
    first_run(storage, host)
    without_columns(storage, column)
    plan(storage, "second", source_rows(host))
    assert download(storage, "second").counts["requests"] == IMAGES
    assert host.asked() == all_asked(200)


@pytest.mark.parametrize(
    ("columns", "days_later", "asked"),
    [
        pytest.param(("etag", "last_modified"), 0, {}, id="young-without-validators"),
        pytest.param(("etag", "last_modified"), 40, all_asked(200), id="old-without-validators"),
        pytest.param(("etag",), 40, all_asked(304), id="old-with-date"),
        pytest.param(("updated_at",), 0, all_asked(304), id="of-unknown-rows"),
        pytest.param(("fetched_at",), 0, all_asked(304), id="of-unknown-age"),
        pytest.param(("related", "sentence"), 0, {}, id="without-what-is-not-needed"),
    ],
)
def test_an_older_state_is_used_as_far_as_it_goes(
    storage: Storage,
    host: Host,
    columns: tuple[str, ...],
    days_later: float,
    asked: dict[str, int],
) -> None:
    first_run(storage, host)
    without_columns(storage, *columns)
    plan(storage, "second", source_rows(host), days_later=days_later)
    assert download(storage, "second").counts["downloaded"] == IMAGES
    assert host.asked() == asked


def test_a_broken_state_is_left_out(
    storage: Storage, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    first_run(storage, host)
    storage.write_bytes(state_key(), b"PAR1 and then nothing")
    plan(storage, "second", source_rows(host))
    assert download(storage, "second").counts["requests"] == IMAGES
    assert "earlier outcomes left out" in caplog.text


@pytest.mark.parametrize("processes", [1, 2])
def test_worker_processes_are_given_the_conditions(
    storage: Storage, host: Host, processes: int
) -> None:
    first_run(storage, host)
    os.utime(host.folder / "4.jpg")
    host.change(5, seed=100)
    plan(storage, "second", source_rows(host), days_later=40)
    report = download(storage, "second", processes=processes)
    assert host.asked() == {**all_asked(304), "/5.jpg": 200}
    assert report.counts["revalidated"] == IMAGES - 1
