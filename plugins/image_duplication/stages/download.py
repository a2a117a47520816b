"""Stage download_images: every picture in staging, checked by its header, or a reason why not."""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from image_duplication import layout
from image_duplication.errors import DownloadShareError
from image_duplication.fetching.addresses import Resolver, look_up
from image_duplication.fetching.crew import Crew, make_order
from image_duplication.fetching.earlier_outcomes import KnownPicture, read_earlier_outcomes
from image_duplication.fetching.fetch_loop import Fetched, Wanted
from image_duplication.fetching.journal import (
    OUTCOME_COLUMNS,
    Journal,
    Settled,
    identity_of,
    read_settled,
)
from image_duplication.pictures import archived_key, find_picture
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

_COUNTS = (
    "images",
    "downloaded",
    "failed",
    "reused",
    "unchanged",
    "revalidated",
    "kept",
    "requests",
    "bytes",
)

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
    request could help. Nor is what an earlier run downloaded for the same row, while it is younger
    than `revalidate_days`; after that its host is asked whether it changed.

    Counts: `images` with a corrected URL, of them `downloaded` and `failed`; `reused` outcomes of
    earlier tries; of earlier runs those that were `unchanged` without a request, `revalidated` by
    the host's word, or `kept` because the host could not be asked; `requests` sent and `bytes`
    stored by this try. `resolver` is used in worker processes too, so it must be a module's
    function.

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


class _Found(NamedTuple):
    """What there is of a row before it is asked for."""

    outcome: Row | None = None  # of an earlier try of this task
    is_accepted: bool = False  # that outcome is in a finished hand-off
    known: KnownPicture | None = None  # from an earlier run, its bytes in the archive


class _Waiting(NamedTuple):
    """A row that is being asked for; `found` may hold a failure and a known picture."""

    group: _Group
    place: int
    found: _Found


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
        self._order = make_order(storage, run_id, settings, resolver)
        self.journal = Journal(storage, run_id, unit_id)
        self._journalled = Settled(self.journal.read())
        self._accepted = read_settled(
            storage, layout.unit_file(run_id, unit_id, "downloads.parquet")
        )
        self._of_earlier_runs = read_earlier_outcomes(
            storage,
            run_id=run_id,
            urls_key=self._source_key,
            revalidate_days=settings.download.revalidate_days,
        )
        self.counts = Counter(dict.fromkeys(_COUNTS, 0))
        self._reasons: Counter[ReasonCode] = Counter()
        self._mendable = 0  # failures that a retry could mend
        self._waiting: dict[int, _Waiting] = {}  # by row number
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
        if self.counts["kept"]:
            logger.warning(
                "unit %s: of %d pictures the host did not say whether they changed; they stay",
                self._unit_id,
                self.counts["kept"],
            )

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
        for place, found in zip(due, self._find([rows[p] for p in due]), strict=True):
            if found.outcome is not None and _is_final(found.outcome):
                self.counts["reused"] += 1
                self._settle(group, place, found.outcome, found.is_accepted)
            elif found.known is not None and found.known.needs_no_request:
                self.counts["unchanged"] += 1
                self._settle(group, place, found.known.outcome)
            else:
                number = self._rows_read + place
                self._waiting[number] = _Waiting(group, place, found)
                wanted.append(_wanted(number, rows[place], found.known))
        group.left = len(wanted)
        self._rows_read += len(rows)
        if wanted:
            # What is unread is due as well, as far as nothing has settled it.
            settled = max(len(self._journalled), len(self._accepted), self._of_earlier_runs.young)
            self._have_fetched(wanted, images=max(len(wanted), rows_total - settled))
        return group

    def _have_fetched(self, wanted: list[Wanted], *, images: int) -> None:
        if self._crew is None:
            self._crew = self._stack.enter_context(Crew(self._order, images=images))
        self._crew.give(wanted)

    def _find(self, rows: list[Row]) -> list[_Found]:
        """What there is of each row; not what has lost its picture since."""
        identities = [identity_of(row) for row in rows]
        journalled = self._journalled.find(identities)
        accepted = self._accepted.find(identities)
        known = self._of_earlier_runs.find(dict(zip(identities, rows, strict=True)))
        if not journalled and not accepted and not known:
            return [_Found()] * len(rows)

        def look(row: Row, identity: int) -> _Found:
            outcome = journalled.get(identity) or accepted.get(identity)
            if outcome is not None and self._is_whole(row, outcome):
                is_accepted = identity in accepted and accepted[identity] == outcome
            else:
                outcome, is_accepted = None, False
            if outcome is not None and _is_final(outcome):
                return _Found(outcome, is_accepted)
            picture = known.get(identity)
            if picture is not None and not self._is_archived(row, picture):
                picture = None
            return _Found(outcome, is_accepted, picture)

        return list(self._look_ups.map(look, rows, identities))

    def _is_whole(self, row: Row, outcome: Row) -> bool:
        """Whether an earlier try's outcome still has its picture, if it is to have one."""
        if outcome["status"] != Status.DOWNLOADED:
            return True
        return find_picture(self._storage, self._run_id, {**row, **outcome}) is not None

    def _is_archived(self, row: Row, known: KnownPicture) -> bool:
        # Not `find_picture`: this run has staged nothing for it, and each look-up is a request.
        size_bytes: int = known.outcome["size_bytes"]
        return self._storage.size(archived_key({**row, **known.outcome})) == size_bytes

    def _take_in(self, fetched: Fetched) -> None:
        group, place, found = self._waiting.pop(fetched.number)
        self.counts["requests"] += fetched.requests
        self.counts["bytes"] += fetched.size_bytes or 0
        group.left -= 1
        outcome, is_accepted = self._weigh(fetched, found)
        self.journal.add(identity_of(group.rows[place]), outcome)
        self._settle(group, place, outcome, is_accepted)

    def _weigh(self, fetched: Fetched, found: _Found) -> tuple[Row, bool]:
        """The outcome that holds after a request, and whether it was accepted before."""
        if found.known is not None and fetched.is_unchanged:
            self.counts["revalidated"] += 1
            return _revalidated(found.known, fetched), False
        if found.known is not None and found.known.is_same_row and _is_outage(fetched):
            # Its age stays as it was, so the next run asks again.
            self.counts["kept"] += 1
            return found.known.outcome, False
        if fetched.reason_code is not None and found.outcome is not None and found.is_accepted:
            # Only success replaces an accepted failure, so that a cleared task gives an equal file.
            return found.outcome, True
        return _outcome_of(fetched), False

    def _settle(self, group: _Group, place: int, outcome: Row, is_accepted: bool = False) -> None:
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


def _wanted(number: int, row: Row, known: KnownPicture | None) -> Wanted:
    return Wanted(
        number,
        row["category_id"],
        row["variant_id"],
        row["image_id"],
        row["corrected_url"],
        etag=known and known.outcome["etag"],
        last_modified=known and known.outcome["last_modified"],
    )


def _is_outage(fetched: Fetched) -> bool:
    """Whether the host gave no answer, or none that says anything of the picture."""
    return fetched.reason_code is not None and ReasonCode(fetched.reason_code).is_retryable


def _revalidated(known: KnownPicture, fetched: Fetched) -> Row:
    return {
        **known.outcome,
        "http_status": fetched.http_status,
        "attempts": fetched.attempts,
        "etag": fetched.etag or known.outcome["etag"],
        "last_modified": fetched.last_modified or known.outcome["last_modified"],
        "fetched_at": fetched.fetched_at,
    }


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
