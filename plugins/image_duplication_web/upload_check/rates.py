"""How many requests one user may make."""

from __future__ import annotations

import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from image_duplication_web.access import ActingUser
from image_duplication_web.upload_check.refusals import RefusalCode, RequestRefusedError


class Rates:
    """Counts the requests of each user within the last minute, in this process."""

    def __init__(self, requests_per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(requests_per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def keep(self, user: ActingUser) -> None:
        """Refuse a request too many, as a dependency of a route. Raises RequestRefusedError."""
        if self._limiter.hit(self._limit, user.name):
            return
        free_at = self._limiter.get_window_stats(self._limit, user.name).reset_time
        raise RequestRefusedError(
            RefusalCode.RATE_EXCEEDED,
            f"{user.name} made more than {self._limit.amount} requests within a minute, which is "
            "the most allowed",
            retry_after_s=max(1.0, free_at - time.time()),
            is_unread=True,
        )
