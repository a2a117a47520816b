"""Whether a request that changes something comes from these pages: see decision 0036."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import HTTPException, Request

SIGN_HEADER = "X-Image-Duplication"
"""Any value. A page of another site cannot send it without asking first, and is not allowed."""


def require_own_page(request: Request) -> None:
    """Raise HTTPException with status 403 for what a page of another site may have sent."""
    if SIGN_HEADER not in request.headers:
        raise HTTPException(403, f"the header {SIGN_HEADER} is missing; send it with any value")
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        is_own = site == "same-origin"
    else:
        # Browsers leave it out over plain http; programs that bring a token send neither.
        origin = request.headers.get("Origin")
        is_own = origin is None or urlsplit(origin).netloc == request.headers.get("Host")
    if not is_own:
        raise HTTPException(403, "the request comes from another site; open the page in Airflow")
