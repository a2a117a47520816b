"""Which hosts a list of host patterns allows."""

from __future__ import annotations

from collections.abc import Sequence


def host_is_allowed(host: str, patterns: Sequence[str]) -> bool:
    """Whether a host name or IP address is listed.

    A pattern is an exact host, or `*.` and a domain for all hosts below it, not the domain itself.
    Letter case and the brackets of an IPv6 address do not count; a port is part of neither.
    """
    name = _plain(host)
    for pattern in patterns:
        listed = _plain(pattern)
        if name == listed:
            return True
        if listed.startswith("*.") and name.endswith(listed[1:]) and len(name) >= len(listed):
            return True
    return False


def _plain(host: str) -> str:
    return host.lower().removeprefix("[").removesuffix("]")
