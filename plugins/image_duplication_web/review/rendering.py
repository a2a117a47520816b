"""HTML from templates that escape everything, under a policy that runs nothing of strangers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from image_duplication.web_addresses import find_web_address
from image_duplication_web.review.assets import ASSETS

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Links:
    """The addresses of the pages, below wherever the app is mounted."""

    def __init__(self, request: Request) -> None:
        self.root: str = request.scope.get("root_path", "")

    def overview(self) -> str:
        """The first page."""
        return f"{self.root}/"

    def categories(self, extension: str = "", **query: Any) -> str:
        """The list of categories; extension `.csv` for the same as a file."""
        return _with_query(f"{self.root}/categories{extension}", query)

    def category(self, category_id: int, **query: Any) -> str:
        """One category's findings."""
        return _with_query(f"{self.root}/categories/{category_id}", query)

    def findings_csv(self, category_id: int, **query: Any) -> str:
        """The same as a file."""
        return _with_query(f"{self.root}/categories/{category_id}/findings.csv", query)

    def decisions(self, category_id: int) -> str:
        """Where decisions are sent."""
        return f"{self.root}/categories/{category_id}/decisions"

    def variant(self, category_id: int, variant_id: str) -> str:
        """One variant. Its id may have any character, a slash too, so it is no part of the path."""
        return _with_query(f"{self.root}/categories/{category_id}/variant", {"id": variant_id})

    def run(self, run_id: str) -> str:
        """What one run did."""
        return f"{self.root}/dags/image_duplication/runs/{quote(run_id, safe='')}"

    def run_csv(self, run_id: str) -> str:
        """The same as a file."""
        return _with_query(f"{self.root}/run.csv", {"id": run_id})

    def thumbnail(self, category_id: int, content_sha256: str) -> str:
        """A picture, small."""
        return f"{self.root}/thumbnails/{category_id}/{content_sha256}"

    def picture(self, category_id: int, content_sha256: str) -> str:
        """A picture as it is in the archive."""
        return f"{self.root}/pictures/{category_id}/{content_sha256}"

    def asset(self, name: str) -> str:
        """A style sheet or script; another content has another address."""
        return f"{self.root}/assets/{name}?v={ASSETS[name].version}"


def _with_query(path: str, query: Mapping[str, Any]) -> str:
    # What is empty or as it is anyway stays out, so that addresses are short enough to keep.
    given = {name: str(value) for name, value in query.items() if value not in (None, "", False)}
    return f"{path}?{urlencode(given)}" if given else path


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page."""
    text = _TEMPLATES.get_template(template).render(
        links=Links(request),
        user=getattr(request.state, "image_duplication_user", None),
        **values,
    )
    return HTMLResponse(text, status_code=status)


def _moment(value: datetime | None) -> str:
    return "" if value is None else f"{value:%d %b %Y, %H:%M} UTC"


def _words(code: str | None) -> str:
    return (code or "").replace("_", " ")


def _count(number: int) -> str:
    return f"{number:,}"


def _share(part: float) -> str:
    return f"{part:.0%}"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


_TEMPLATES.filters.update(
    web_address=find_web_address,
    moment=_moment,
    day=lambda value: f"{value:%d %b %Y}",
    words=_words,
    count=_count,
    share=_share,
    figure=_figure,
)
