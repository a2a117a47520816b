"""Fetches the pictures of a request that names addresses, with the safety of a download."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from image_duplication.fetching.addresses import check_addresses, look_up
from image_duplication.fetching.refusal import Refusal
from image_duplication.fetching.targets import Target, Targets
from image_duplication.fetching.transport import Answer, Line, Transport
from image_duplication.records import ReasonCode
from image_duplication.settings import Settings
from image_duplication.upload_check.check import UploadedFile
from image_duplication_web.upload_check.refusals import RefusalCode, RequestRefusedError

_THREADS = 16  # each holds one picture in memory until it is written


class UrlPictures:
    """Fetches addresses into files: allowed hosts and schemes, checked IP addresses, bounded bytes.

    Once each, without another attempt, for a person waits. The bytes are only written here.
    """

    def __init__(self, settings: Settings) -> None:
        self._download = settings.download
        self._max_request_bytes = settings.upload.max_request_bytes
        self._targets = Targets(
            settings.urls,
            {
                "User-Agent": self._download.user_agent,
                "Accept": "image/*",
                "Accept-Encoding": "identity",
            },
        )
        self._transport = Transport(self._download, self._check)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="upload-check-url")
        self._rates = MovingWindowRateLimiter(MemoryStorage())
        rate = self._download.rate_per_host_per_s
        # One slot's part of what the whole deployment may ask of a host.
        share = None if rate is None else max(1, int(rate / self._download.pool_slots))
        self._rate = None if share is None else RateLimitItemPerSecond(share)

    def close(self) -> None:
        """Close the idle connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._transport.close()

    async def fetch(self, urls: Sequence[str], folder: Path) -> tuple[UploadedFile, ...]:
        """The pictures, in order, as files of the folder. Raises RequestRefusedError.

        When it is cancelled, the requests under way are cut.
        """
        loop = asyncio.get_running_loop()
        lines = [Line() for _ in urls]
        left = _Allowance(self._max_request_bytes)
        jobs = [
            loop.run_in_executor(
                self._threads, self._fetch, url, folder / f"{number:02d}", lines[number], left
            )
            for number, url in enumerate(urls)
        ]
        try:
            reasons = await asyncio.gather(*jobs)
        finally:
            for line in lines:
                line.cut()
        refused = [
            f"{number} ({url[:200]!a}): {said}"
            for number, (url, said) in enumerate(zip(urls, reasons, strict=True), 1)
            if said is not None
        ]
        if refused:
            raise RequestRefusedError(
                RefusalCode.PICTURE_NOT_FETCHED,
                f"of {len(urls)} pictures {len(refused)} could not be fetched: "
                + "; ".join(refused[:3]),
            )
        return tuple(UploadedFile(url, folder / f"{number:02d}") for number, url in enumerate(urls))

    # In a thread ---------------------------------------------------------------------------------

    def _fetch(self, url: str, path: Path, line: Line, left: _Allowance) -> str | None:
        """Write one picture; else why not."""
        if line.is_cut:
            return ReasonCode.TIMED_OUT.value
        try:
            answer = self._follow(url, line)
        except Refusal as refusal:
            return f"{refusal.reason.value}, {refusal}"
        if answer.reason is not None:
            return f"{answer.reason.value}, {answer.detail}"
        if not left.take(len(answer.content)):
            return f"{ReasonCode.TOO_MANY_BYTES.value}, the request's pictures together"
        path.write_bytes(answer.content)
        return None

    def _follow(self, url: str, line: Line) -> Answer:
        target = self._targets.first(url)
        for _ in range(self._download.max_redirects + 1):
            answer = self._ask(target, line)
            if answer.location is None:
                return answer
            target = self._targets.next(target, answer.location)
        raise Refusal(
            ReasonCode.TOO_MANY_REDIRECTS, f"at most {self._download.max_redirects} allowed"
        )

    def _ask(self, target: Target, line: Line) -> Answer:
        if self._rate is not None and not self._rates.hit(self._rate, target.host):
            raise Refusal(ReasonCode.RATE_LIMITED, f"{self._rate.amount} requests a second allowed")
        return self._transport.get(target, line)

    def _check(self, host: str, port: int) -> Sequence[str]:
        return check_addresses(
            host, port, resolver=look_up, private_hosts=self._download.private_hosts
        )


class _Allowance:
    """Bytes that the pictures of one request may still take; shared by threads."""

    def __init__(self, size_bytes: int) -> None:
        self._left = size_bytes
        self._lock = threading.Lock()

    def take(self, size_bytes: int) -> bool:
        """Whether so many were left; then they are taken."""
        with self._lock:
            if size_bytes > self._left:
                return False
            self._left -= size_bytes
            return True
