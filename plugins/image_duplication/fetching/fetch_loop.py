"""Many fetches at once: each request in a thread, every decision in one."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from image_duplication import pictures
from image_duplication.fetching.addresses import Resolver, check_addresses
from image_duplication.fetching.pace import Pace
from image_duplication.fetching.refusal import Refusal
from image_duplication.fetching.sniffing import Header, read_header
from image_duplication.fetching.targets import Target, Targets, condition_of
from image_duplication.fetching.transport import Answer, Line, Transport
from image_duplication.fetching.turns import Turns
from image_duplication.records import ReasonCode
from image_duplication.settings import DownloadSettings, UrlSettings
from image_duplication.storage import Storage

logger = logging.getLogger(__name__)

_SPARE_SHARE = 4  # a thread more for so many requests: while pictures are checked and stored
_HAND_OVER_ROWS = 32
_HAND_OVER_S = 0.1
_REFUSALS_IN_A_ROW = 3  # 429 answers after which the host itself, not one picture, is meant
_MIN_FAILURES_IN_A_ROW = 32  # without one success, before a host is given up
_UNREACHABLE = frozenset(
    {ReasonCode.HOST_UNKNOWN, ReasonCode.CONNECTION_FAILED, ReasonCode.TIMED_OUT}
)


class Wanted(NamedTuple):
    """A picture to fetch; `number` is its row in the unit.

    The validators are those of the picture that is in storage already, if there is one.
    """

    number: int
    category_id: int
    variant_id: str
    image_id: str
    url: str
    etag: str | None = None
    last_modified: str | None = None


class Fetched(NamedTuple):
    """What came of it: the columns that a download adds to its row, and what it cost.

    `is_unchanged`: the host says that the picture is the known one; it sent nothing.
    """

    number: int
    requests: int
    reason_code: str | None
    content_sha256: str | None
    size_bytes: int | None
    width_px: int | None
    height_px: int | None
    picture_format: str | None
    http_status: int | None
    attempts: int
    etag: str | None
    last_modified: str | None
    fetched_at: datetime | None
    is_unchanged: bool = False


class WorkOrder(NamedTuple):
    """What a worker needs to know of its unit; `download` is this worker's share of the limits."""

    storage_root: str
    run_id: str
    urls: UrlSettings
    download: DownloadSettings
    resolver: Resolver


class Stop:
    """Put into a loop's inbox: leave what is under way, and return."""


Inbox = queue.SimpleQueue["Sequence[Wanted] | type[Stop] | _Done"]
"""Batches to fetch, until `Stop`."""


class _Picture(NamedTuple):
    content_sha256: str
    size_bytes: int
    width_px: int
    height_px: int
    picture_format: str


class _Fetch:
    """One picture on its way."""

    __slots__ = (
        "answer",
        "attempts",
        "deadline",
        "hops",
        "http_status",
        "line",
        "requests",
        "spent_s",
        "target",
        "wanted",
    )

    def __init__(self, wanted: Wanted, target: Target) -> None:
        self.wanted = wanted
        self.target = target
        self.hops = 0
        self.attempts = 0
        self.requests = 0
        self.spent_s = 0.0
        self.deadline: float | None = None  # None: no thread has begun the request yet
        self.line = Line()
        self.answer = Answer()
        self.http_status: int | None = None


class _Done(NamedTuple):
    fetch: _Fetch
    picture: _Picture | None
    fault: Exception | None  # of the storage, not of the picture


class FetchLoop:
    """Fetches what comes through its inbox until it is stopped, and hands over the outcomes.

    One thread calls `run` and decides; others each make one request at a time, at most
    `download.in_flight` of them at once, check what came and store it. A wait before another
    attempt occupies none of them.
    """

    def __init__(
        self, order: WorkOrder, inbox: Inbox, hand_over: Callable[[list[Fetched]], None]
    ) -> None:
        self._download = order.download
        self._run_id = order.run_id
        self._storage = Storage(order.storage_root)
        self._targets = Targets(
            order.urls,
            {
                "User-Agent": order.download.user_agent,
                "Accept": "image/*",
                "Accept-Encoding": "identity",
            },
        )

        def check(host: str, port: int) -> Sequence[str]:
            private_hosts = order.download.private_hosts
            return check_addresses(host, port, resolver=order.resolver, private_hosts=private_hosts)

        self._transport = Transport(order.download, check)
        self._wires = threading.BoundedSemaphore(order.download.in_flight)
        # Without a rate, threads find the next requests waiting; with one, each starts on its due.
        spare = 1 + order.download.in_flight // _SPARE_SHARE
        self._threads_limit = order.download.in_flight + spare
        has_rate = order.download.rate_per_host_per_s is not None
        self._pace = Pace(order.download.in_flight + (0 if has_rate else 2 * spare))
        self._turns: Turns[_Fetch] = Turns(
            # The wires keep the limit of the whole, so a host's own counts only below it.
            connections_per_host=None
            if order.download.connections_per_host >= order.download.in_flight
            else order.download.connections_per_host,
            rate_per_host_per_s=order.download.rate_per_host_per_s,
        )
        self._inbox = inbox
        self._hand_over = hand_over
        self._later: list[tuple[float, int, _Fetch]] = []  # a heap by due time
        self._order = itertools.count()
        self._under_way: set[_Fetch] = set()
        self._jobs: queue.SimpleQueue[_Fetch | None] = queue.SimpleQueue()
        self._threads = 0
        self._failures: dict[str, int] = {}  # by host: in a row, and the host's own
        self._failures_limit = max(
            _MIN_FAILURES_IN_A_ROW, order.download.in_flight * order.download.max_attempts
        )
        self._closed: dict[str, tuple[float, ReasonCode]] = {}  # by host: until when, and why
        self._finished: list[Fetched] = []
        self._hand_over_at = 0.0
        self._tick_s = min(1.0, order.download.total_timeout_s / 4)
        self._check_deadlines_at = 0.0

    def run(self) -> None:
        """Work until stopped. Raises StorageError."""
        try:
            is_going_on = True
            while is_going_on:
                now = time.monotonic()
                self._pace.adjust(now, is_wanted=not self._has_room())
                self._queue_due(now)
                self._start_ready(now)
                self._cut_overdue(now)
                self._hand_over_finished(now)
                is_going_on = self._take_in(self._pause_s(now))
        finally:
            for _ in range(self._threads):
                self._jobs.put(None)
            self._transport.close()

    # Deciding: in the calling thread ------------------------------------------------------------

    def _take_in(self, wait_s: float) -> bool:
        """Handle what has come, waiting at most `wait_s` for the first; False: stop."""
        try:
            message = self._inbox.get(timeout=max(0.0, wait_s))
            while True:
                if message is Stop:
                    return False
                if isinstance(message, _Done):
                    self._settle(message)
                elif not isinstance(message, type):
                    self._add(message)
                message = self._inbox.get_nowait()
        except queue.Empty:
            return True

    def _add(self, batch: Sequence[Wanted]) -> None:
        for wanted in batch:
            try:
                fetch = _Fetch(wanted, self._first_target(wanted))
            except Refusal as refusal:
                self._finish(wanted, refusal.reason)
            else:
                self._queue(fetch)

    def _first_target(self, wanted: Wanted) -> Target:
        return self._targets.first(wanted.url, condition_of(wanted.etag, wanted.last_modified))

    def _queue(self, fetch: _Fetch, *, is_first: bool = False) -> None:
        closed_until, reason = self._closed.get(fetch.target.host, (0.0, None))
        if closed_until > time.monotonic():
            self._finish(fetch.wanted, reason, fetch)
        else:
            self._turns.add(fetch.target.host, fetch, is_first=is_first)

    def _queue_due(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            _, _, fetch = heapq.heappop(self._later)
            self._queue(fetch, is_first=True)

    def _start_ready(self, now: float) -> None:
        while self._has_room():
            fetch = self._turns.take(now)
            if fetch is None:
                return
            if fetch.hops == 0:
                fetch.attempts += 1
            fetch.line = Line()
            fetch.deadline = None
            self._under_way.add(fetch)
            if self._threads < min(len(self._under_way), self._threads_limit):
                self._threads += 1
                threading.Thread(target=self._work, name="fetch", daemon=True).start()
            self._jobs.put(fetch)

    def _has_room(self) -> bool:
        return len(self._under_way) < self._pace.allowed

    def _cut_overdue(self, now: float) -> None:
        if now >= self._check_deadlines_at:
            self._check_deadlines_at = now + self._tick_s
            for fetch in self._under_way:
                if fetch.deadline is not None and fetch.deadline <= now:
                    fetch.line.cut()

    def _pause_s(self, now: float) -> float:
        times = [now + 3600.0]
        if self._later:
            times.append(self._later[0][0])
        if self._under_way:
            times.append(self._check_deadlines_at)
        if self._finished:
            times.append(self._hand_over_at)
        next_turn_at = self._turns.next_at()
        if next_turn_at is not None:
            times.append(next_turn_at if self._has_room() else self._pace.next_at)
        return min(times) - now

    def _settle(self, done: _Done) -> None:
        fetch = done.fetch
        answer = fetch.answer
        now = time.monotonic()
        self._under_way.discard(fetch)
        self._turns.give_back(fetch.target.host)
        if done.fault is not None:
            raise done.fault
        if answer.http_status is not None:
            fetch.http_status = answer.http_status
        self._heed_host(fetch.target.host, answer, now)
        if answer.location is not None:
            self._follow(fetch, answer.location)
        elif answer.reason is None:
            self._finish(fetch.wanted, None, fetch, done.picture)
        elif (wait_s := self._wait_before_retry_s(fetch, answer)) is not None:
            fetch.target = self._first_target(fetch.wanted)
            fetch.hops = 0
            heapq.heappush(self._later, (now + wait_s, next(self._order), fetch))
        else:
            logger.debug("image %s: %s", fetch.wanted.image_id, answer.detail)
            self._finish(fetch.wanted, answer.reason, fetch)

    def _follow(self, fetch: _Fetch, location: str) -> None:
        fetch.hops += 1
        try:
            if fetch.hops > self._download.max_redirects:
                raise Refusal(ReasonCode.TOO_MANY_REDIRECTS, f"{fetch.hops} redirects")
            fetch.target = self._targets.next(fetch.target, location)
        except Refusal as refusal:
            self._finish(fetch.wanted, refusal.reason, fetch)
        else:
            # A redirect is a request like any other: it takes its host's turns.
            self._queue(fetch, is_first=True)

    def _wait_before_retry_s(self, fetch: _Fetch, answer: Answer) -> float | None:
        """Seconds until another attempt; None: there is no point in one."""
        download = self._download
        is_hopeless = answer.reason is None or not answer.reason.is_retryable
        if is_hopeless or fetch.attempts >= download.max_attempts:
            return None
        if fetch.spent_s >= download.total_timeout_s:
            return None
        ceiling_s = min(download.max_wait_s, download.backoff_s * 2 ** (fetch.attempts - 1))
        jitter_s = random.uniform(0.0, ceiling_s)  # noqa: S311 - spreads load, keeps no secret
        if answer.retry_after_s is None:
            return jitter_s
        if answer.retry_after_s > download.max_wait_s:
            logger.warning(
                "image %s: host %s asks to wait %.0f s, more than the %.0f s allowed; given up",
                fetch.wanted.image_id,
                fetch.target.host,
                answer.retry_after_s,
                download.max_wait_s,
            )
            return None
        return answer.retry_after_s + min(jitter_s, download.backoff_s)

    def _heed_host(self, host: str, answer: Answer, now: float) -> None:
        """Leave a host alone that asks for it, or that plainly serves nobody."""
        is_refused = answer.reason is ReasonCode.RATE_LIMITED
        if answer.http_status is not None and not is_refused:
            self._failures.pop(host, None)
            return
        if answer.reason is None or not (is_refused or answer.reason in _UNREACHABLE):
            return
        failures = self._failures[host] = self._failures.get(host, 0) + 1
        if failures >= self._failures_limit:
            self._close(host, float("inf"), answer.reason)
        elif is_refused and failures >= _REFUSALS_IN_A_ROW and answer.retry_after_s is not None:
            if answer.retry_after_s <= self._download.max_wait_s:
                self._turns.pause(host, now + answer.retry_after_s)
            else:
                self._close(host, now + answer.retry_after_s, answer.reason)

    def _close(self, host: str, until: float, reason: ReasonCode) -> None:
        """Fail a host's pictures unasked; a later try of the task may find it well again."""
        if host not in self._closed:
            logger.warning(
                "host %s: %d failures in a row (%s); its other pictures are not asked for now",
                host,
                self._failures[host],
                reason,
            )
        self._closed[host] = (until, reason)
        for fetch in self._turns.remove_all(host):
            self._finish(fetch.wanted, reason, fetch)

    def _finish(
        self,
        wanted: Wanted,
        reason: ReasonCode | None,
        fetch: _Fetch | None = None,
        picture: _Picture | None = None,
    ) -> None:
        answer = Answer() if fetch is None else fetch.answer
        # After a redirect they are another URL's, and this one's condition must not rest on them.
        has_validators = reason is None and fetch is not None and fetch.hops == 0
        self._finished.append(
            Fetched(
                number=wanted.number,
                requests=0 if fetch is None else fetch.requests,
                reason_code=reason,
                content_sha256=picture.content_sha256 if picture else None,
                size_bytes=picture.size_bytes if picture else None,
                width_px=picture.width_px if picture else None,
                height_px=picture.height_px if picture else None,
                picture_format=picture.picture_format if picture else None,
                http_status=None if fetch is None else fetch.http_status,
                attempts=0 if fetch is None else fetch.attempts,
                etag=answer.etag if has_validators else None,
                last_modified=answer.last_modified if has_validators else None,
                fetched_at=datetime.now(UTC),
                is_unchanged=reason is None and answer.is_unchanged,
            )
        )

    def _hand_over_finished(self, now: float) -> None:
        if self._finished and (len(self._finished) >= _HAND_OVER_ROWS or now >= self._hand_over_at):
            self._hand_over(self._finished)
            self._finished = []
            self._hand_over_at = now + _HAND_OVER_S

    # Working: in many threads -------------------------------------------------------------------

    def _work(self) -> None:
        while (fetch := self._jobs.get()) is not None:
            picture: _Picture | None = None
            fault: Exception | None = None
            header = self._fetch_once(fetch)
            fetch.requests += fetch.line.was_used
            content = fetch.answer.content
            fetch.answer = fetch.answer._replace(content=b"")
            if header is not None:
                try:
                    picture = self._keep(fetch.wanted, content, header)
                except Exception as error:
                    fault = error  # no fault of the picture's: it ends the loop
            del content
            self._inbox.put(_Done(fetch, picture, fault))

    def _fetch_once(self, fetch: _Fetch) -> Header | None:
        """Put one answer into the fetch; the header of the picture that came with it, if any."""
        fetch.answer = Answer()
        try:
            with self._wires:
                started = time.monotonic()
                fetch.deadline = started + self._download.total_timeout_s - fetch.spent_s
                try:
                    fetch.answer = self._transport.get(fetch.target, fetch.line)
                finally:
                    fetch.spent_s += time.monotonic() - started
            answer = fetch.answer
            if answer.reason is not None or answer.location is not None or answer.is_unchanged:
                return None
            return read_header(
                answer.content,
                formats=self._download.formats,
                max_pixels=self._download.max_pixels,
            )
        except Refusal as refusal:
            fetch.answer = fetch.answer._replace(reason=refusal.reason, detail=str(refusal))
        except Exception:  # the per-image edge: whatever it is, it costs this picture alone
            logger.warning("image %s: unexpected failure", fetch.wanted.image_id, exc_info=True)
            fetch.answer = fetch.answer._replace(reason=ReasonCode.CONNECTION_FAILED)
        return None

    def _keep(self, wanted: Wanted, content: bytes, header: Header) -> _Picture:
        """Store a picture. Raises StorageError."""
        picture = _Picture(
            hashlib.sha256(content).hexdigest(),
            len(content),
            header.width_px,
            header.height_px,
            header.picture_format,
        )
        key = pictures.staged_key(self._run_id, {**wanted._asdict(), **picture._asdict()})
        self._storage.write_bytes(key, content, durable=False)
        return picture
