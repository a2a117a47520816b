"""Fetches URLs to the end, as a unit does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from image_duplication.fetching.addresses import Resolver, look_up
from image_duplication.fetching.crew import Crew
from image_duplication.fetching.fetch_loop import Fetched, Wanted, WorkOrder
from image_duplication.settings import Settings, load_settings

LIMIT_S = 20.0


def quick_settings(
    download: dict[str, Any] | None = None, allowed_hosts: Sequence[str] = ("127.0.0.1",)
) -> Settings:
    quick = {
        "in_flight": 8,
        "connections_per_host": 8,
        "processes": 1,
        "rate_per_host_per_s": None,
        # Long enough for a busy machine; what is about timeouts sets its own.
        "connect_timeout_s": 5.0,
        "read_timeout_s": 5.0,
        "total_timeout_s": 10.0,
        "max_attempts": 2,
        "backoff_s": 0.02,
        "max_wait_s": 3.0,
        "private_hosts": ["127.0.0.1"],
    }
    return load_settings(
        {
            "download": {**quick, **(download or {})},
            "urls": {"allowed_hosts": list(allowed_hosts), "allowed_schemes": ["https", "http"]},
        }
    )


def fetch_all(
    root: Path, urls: Sequence[str], settings: Settings, *, resolver: Resolver = look_up
) -> list[Fetched]:
    """The outcomes, by URL."""
    wanted = [Wanted(number, 1, "v", f"i{number}", url) for number, url in enumerate(urls)]
    return fetch_wanted(root, wanted, settings, resolver=resolver)


def fetch_wanted(
    root: Path, wanted: Sequence[Wanted], settings: Settings, *, resolver: Resolver = look_up
) -> list[Fetched]:
    """The outcomes, by number."""
    order = WorkOrder(str(root), "run", settings.urls, settings.download, resolver)
    outcomes: dict[int, Fetched] = {}
    ends_at = time.monotonic() + LIMIT_S
    with Crew(order, images=len(wanted)) as crew:
        crew.give(wanted)
        while len(outcomes) < len(wanted):
            assert time.monotonic() < ends_at, f"only {len(outcomes)} of {len(wanted)} are done"
            outcomes |= {fetched.number: fetched for fetched in crew.collect(0.1)}
    return [outcomes[number] for number in range(len(wanted))]
