"""Which addresses that sellers gave a page may link to."""

from __future__ import annotations

import re

_WEB_ADDRESS = re.compile(r"https?://", re.IGNORECASE)


def find_web_address(url: str | None) -> str | None:
    """An address that a browser may open: `javascript:` and the like would run in the page."""
    return url if url and _WEB_ADDRESS.match(url) else None
