"""Puts a page together: one file that needs no network and runs no script but its own."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from image_duplication.appearance import AppearanceFile, read_appearance

# What a browser could take for the end of a script, and what JavaScript once took for line ends.
_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def to_script_json(value: Any) -> str:
    """A value as JSON that may stand inside a script element, whatever texts it has."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


@functools.cache
def read_own(name: str) -> str:
    """The text of a file of this package."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


@functools.cache
def read_shared(*names: AppearanceFile) -> str:
    """Files of the shared appearance, one after the other."""
    return "\n".join(read_appearance(name) for name in names)


@functools.cache
def open_templates() -> jinja2.Environment:
    """The templates of this package; every value is escaped."""
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(read_own),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def embed(style: str, script: str = "", *, pictures: Sequence[str] = ()) -> dict[str, Any]:
    """What a template puts into its head: style, script, and the policy that allows these alone.

    `pictures` are the sources that images may come from, in the policy's own words.
    """
    allowed = ["default-src 'none'", "base-uri 'none'", "form-action 'none'"]
    allowed.append(f"style-src '{_digest(style)}'")
    if script:
        allowed.append(f"script-src '{_digest(script)}'")
    if pictures:
        allowed.append(f"img-src {' '.join(pictures)}")
    return {
        "policy": "; ".join(allowed),
        # Files of this project, not data.
        "style": Markup(style),  # noqa: S704
        "script": Markup(script),  # noqa: S704
    }


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
