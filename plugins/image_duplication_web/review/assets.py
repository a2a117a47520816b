"""Style sheets and scripts, served by the app itself: the pages ask no other host for anything."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

import image_duplication

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_FOLDERS = (
    Path(__file__).parent / "assets",
    Path(image_duplication.__file__).parent / "appearance",  # shared with the galleries
)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages refer to; `version` follows from its content."""

    content: bytes
    media_type: str
    version: str


def _read_assets() -> Iterator[tuple[str, Asset]]:
    for folder in _FOLDERS:
        for path in sorted(folder.glob("*.*")):
            if path.suffix in _TYPES:
                content = path.read_bytes()
                version = hashlib.sha256(content).hexdigest()[:12]
                yield path.name, Asset(content, _TYPES[path.suffix], version)


ASSETS = dict(_read_assets())

router = APIRouter()


@router.get("/assets/{name}")
async def asset(name: str) -> Response:
    """One of the files; never a path."""
    found = ASSETS.get(name)
    if found is None:
        raise HTTPException(404, "no such file")
    return Response(
        found.content,
        media_type=found.media_type,
        headers={"Cache-Control": "private, max-age=31536000, immutable"},
    )
