"""Stage download_images: every picture in staging, checked by its header, or a reason why not."""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from image_duplication import layout
from image_duplication.errors import DownloadShareError
from image_duplication.fetching.addresses import Resolver, look_up
from image_duplication.fetching.crew import Crew
from image_duplication.fetching.fetch_loop import Fetched, Wanted, WorkOrder
from image_duplication.fetching.journal import (
    OUTCOME_COLUMNS,
    Journal,
    Settled,
    identity_of,
    read_settled,
)
from image_duplication.pictures import find_picture
from image_duplication.records import ReasonCode, StageReport, Status
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.tables import (
    CORRECTED,
    DOWNLOADED,
    Row,
    TableWriter,
    count_rows,
    read_row_groups,
)

logger = logging.getLogger(__name__)

_GROUPS_OPEN = 2  # row groups in memory at once: a slow picture holds up the next group's end only
_COLLECT_S = 0.5
_PROGRESS_S = 10.0
_LOOK_UPS = 16  # of pictures in storage at once
_COMMONEST = 3  # reasons that an error message names

_NOT_FETCHED = dict.fromkeys(
    name for name in OUTCOME_COLUMNS if name not in ("status", "reason_code")
)
_FETCHED_COLUMNS = tuple(_NOT_FETCHED)


def download_images(
    storage: Storage,
    settings: Settings,
    *,
    run_id: str,
    unit_id: str,
    is_last_attempt: bool,
    resolver: Resolver = look_up,
) -> StageReport:
    """Write `downloads.parquet`: the corrected rows with what came of fetching each picture.

    What an earlier try has settled is not asked for again, unless its picture is gone or another
    request could help. Counts: `images` with a corrected URL, of them `downloaded` and `failed`;
    `reused` outcomes of earlier tries; `requests` sent and `bytes` stored by this one. `resolver`
    is used in worker processes too, so it must be a module's function.

    Raises DownloadShareError when too many failed and a retry could help, StorageError.
    """
    started = time.monotonic()
    unit = _Unit(storage, settings, run_id, unit_id, resolver)
    key = layout.unit_file(run_id, unit_id, "downloads.parquet")
    with TableWriter(storage, key, DOWNLOADED) as writer, unit:
        for rows in unit.finished_groups():
            writer.write(rows)
        is_degraded = unit.check_share(is_last_attempt=is_last_attempt)
    unit.journal.delete()
    return StageReport(
        "download_images", unit_id, time.monotonic() - started, dict(unit.counts), is_degraded
    )


class _Group:
    """One row group, of which `left` rows still wait for their outcome."""

    __slots__ = ("left", "rows")

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.left = 0


class _Unit:
    """The state of one unit's download."""

    def __init__(
        self, storage: Storage, settings: Settings, run_id: str, unit_id: str, resolver: Resolver
    ) -> None:
        self._storage = storage
        self._run_id = run_id
        self._unit_id = unit_id
        self._max_failed_share = settings.download.max_failed_share
        self._tolerated_failures = settings.download.tolerated_failures
        self._source_key = layout.unit_file(run_id, unit_id, "urls.parquet")
        download = settings.download
        if download.rate_per_host_per_s is not None:
            # The pool lets that many tasks run; together they keep the deployment's promise.
            share = download.rate_per_host_per_s / download.pool_slots
            download = download.model_copy(update={"rate_per_host_per_s": share})
        self._order = WorkOrder(storage.root, run_id, settings.urls, download, resolver)
        self.journal = Journal(storage, run_id, unit_id)
        self._journalled = Settled(self.journal.read())
        self._accepted = read_settled(
            storage, layout.unit_file(run_id, unit_id, "downloads.parquet")
        )
        self.counts = Counter(images=0, downloaded=0, failed=0, reused=0, requests=0, bytes=0)
        self._reasons: Counter[ReasonCode] = Counter()
        self._mendable = 0  # failures that a retry could mend
        self._waiting: dict[int, tuple[_Group, int]] = {}  # by row number
        self._earlier_failures: dict[int, tuple[Row, bool]] = {}  # tried again now; was accepted
        self._rows_read = 0
        self._stack = contextlib.ExitStack()
        self._crew: Crew | None = None

    def __enter__(self) -> None:
        self._look_ups = self._stack.enter_context(ThreadPoolExecutor(_LOOK_UPS))

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def finished_groups(self) -> Iterator[list[Row]]:
        """The unit's rows with their outcomes, in the order of the source, by row groups."""
        groups = read_row_groups(self._storage, self._source_key, CORRECTED)
        first = next(groups, [])  # which checks the file
        rows_total = count_rows(self._storage, self._source_key)
        progress = _Progress(self._unit_id, rows_total)
        opened: deque[_Group] = deque()
        for rows in itertools.chain([first], groups):
            opened.append(self._open(rows, rows_total))
            while len(opened) == _GROUPS_OPEN:
                yield from self._advance(opened, progress)
        while opened:
            yield from self._advance(opened, progress)
        self.journal.flush()
        progress.end()

    def check_share(self, *, is_last_attempt: bool) -> bool:
        """Whether too many pictures failed. Raises DownloadShareError if a retry could help."""
        images, failed = self.counts["images"], self.counts["failed"]
        if failed <= self._tolerated_failures or failed / images <= self._max_failed_share:
            return False
        commonest = ", ".join(
            f"{reason} {count}" for reason, count in self._reasons.most_common(_COMMONEST)
        )
        message = (
            f"unit {self._unit_id}: {failed} of {images} downloads failed "
            f"({failed / images:.1%}, allowed {self._max_failed_share:.1%}): {commonest}"
        )
        if self._mendable and not is_last_attempt:
            raise DownloadShareError(message)
        logger.warning("%s; going on as degraded", message)
        return True

    def _advance(self, opened: deque[_Group], progress: _Progress) -> Iterator[list[Row]]:
        if opened[0].left and self._crew is not None:
            for fetched in self._crew.collect(_COLLECT_S):
                self._take_in(fetched)
            self.journal.flush_if_due()
        if not opened[0].left:
            yield opened.popleft().rows
        left = sum(group.left for group in opened)
        progress.report(self._rows_read - left)

    def _open(self, rows: list[Row], rows_total: int) -> _Group:
        """Settle what needs no request, and have the rest fetched."""
        due = [place for place, row in enumerate(rows) if row["status"] == Status.CORRECTED]
        group = _Group([{**row, **_NOT_FETCHED} for row in rows])
        self.counts["images"] += len(due)
        wanted: list[Wanted] = []
        for place, earlier in zip(due, self._find_earlier([rows[p] for p in due]), strict=True):
            row = rows[place]
            number = self._rows_read + place
            if earlier is not None and _is_final(earlier[0]):
                self.counts["reused"] += 1
                self._settle(group, place, *earlier)
                continue
            if earlier is not None and earlier[0]["status"] == Status.FAILED:
                self._earlier_failures[number] = earlier
            self._waiting[number] = (group, place)
            wanted.append(
                Wanted(
                    number,
                    row["category_id"],
                    row["variant_id"],
                    row["image_id"],
                    row["corrected_url"],
                )
            )
        group.left = len(wanted)
        self._rows_read += len(rows)
        if wanted:
            # What is unread is due as well, as far as no earlier try has settled it.
            known = max(len(self._journalled), len(self._accepted))
            self._have_fetched(wanted, images=max(len(wanted), rows_total - known))
        return group

    def _have_fetched(self, wanted: list[Wanted], *, images: int) -> None:
        if self._crew is None:
            self._crew = self._stack.enter_context(Crew(self._order, images=images))
        self._crew.give(wanted)

    def _find_earlier(self, rows: list[Row]) -> list[tuple[Row, bool] | None]:
        """Each row's outcome of an earlier try, and whether it is in an accepted hand-off.

        None as well where a picture was had and is in neither place now.
        """
        identities = [identity_of(row) for row in rows]
        journalled = self._journalled.find(identities)
        accepted = self._accepted.find(identities)
        if not journalled and not accepted:
            return [None] * len(rows)

        def look(row: Row, identity: int) -> tuple[Row, bool] | None:
            earlier = journalled.get(identity) or accepted.get(identity)
            if earlier is None:
                return None
            if earlier["status"] == Status.DOWNLOADED and not find_picture(
                self._storage, self._run_id, {**row, **earlier}
            ):
                return None
            return earlier, identity in accepted and accepted[identity] == earlier

        return list(self._look_ups.map(look, rows, identities))

    def _take_in(self, fetched: Fetched) -> None:
        group, place = self._waiting.pop(fetched.number)
        earlier = self._earlier_failures.pop(fetched.number, None)
        self.counts["requests"] += fetched.requests
        self.counts["bytes"] += fetched.size_bytes or 0
        group.left -= 1
        if fetched.reason_code is not None and earlier is not None and earlier[1]:
            # Only success replaces an accepted failure, so that a cleared task gives an equal file.
            outcome, is_accepted = earlier
        else:
            outcome, is_accepted = _outcome_of(fetched), False
        self.journal.add(identity_of(group.rows[place]), outcome)
        self._settle(group, place, outcome, is_accepted)

    def _settle(self, group: _Group, place: int, outcome: Row, is_accepted: bool) -> None:
        group.rows[place].update(outcome)
        if outcome["status"] == Status.DOWNLOADED:
            self.counts["downloaded"] += 1
            return
        reason = ReasonCode(outcome["reason_code"])
        self.counts["failed"] += 1
        self._reasons[reason] += 1
        # What a finished hand-off already says is accepted: raising again would mend nothing. And a
        # host that still refuses after the waits it asked for is not asked again within minutes.
        is_mendable = reason.is_retryable and reason is not ReasonCode.RATE_LIMITED
        self._mendable += is_mendable and not is_accepted


def _is_final(outcome: Row) -> bool:
    """Whether another request is not called for."""
    if outcome["status"] == Status.DOWNLOADED:
        return True
    return not ReasonCode(outcome["reason_code"]).is_retryable


def _outcome_of(fetched: Fetched) -> Row:
    is_had = fetched.reason_code is None
    return {
        "status": str(Status.DOWNLOADED if is_had else Status.FAILED),
        "reason_code": fetched.reason_code and str(fetched.reason_code),
        **{name: getattr(fetched, name) for name in _FETCHED_COLUMNS},
    }


class _Progress:
    """Lines in the log: at the start, every ten seconds, and at the end."""

    def __init__(self, unit_id: str, rows: int) -> None:
        self._unit_id = unit_id
        self._rows = rows
        self._started = time.monotonic()
        self._reported = self._started
        self._done = 0
        logger.info("unit %s: %d images to download", unit_id, rows)

    def report(self, done: int) -> None:
        """Say how far the work is, if it is time to."""
        self._done = done
        now = time.monotonic()
        if now - self._reported < _PROGRESS_S or not done:
            return
        self._reported = now
        rate = done / (now - self._started)
        logger.info(
            "unit %s: %d of %d images (%.0f%%), %.1f/s, %.0f s left",
            self._unit_id,
            done,
            self._rows,
            100 * done / self._rows,
            rate,
            (self._rows - done) / rate,
        )

    def end(self) -> None:
        """Say that the work is done."""
        seconds = time.monotonic() - self._started
        logger.info(
            "unit %s: %d images in %.1f s (%.1f/s)",
            self._unit_id,
            self._done,
            seconds,
            self._done / max(seconds, 1e-9),
        )
