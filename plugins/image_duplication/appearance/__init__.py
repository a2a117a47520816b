"""What pages look like: the style sheets and the script that galleries and web pages share."""

from __future__ import annotations

from importlib import resources
from typing import Literal

AppearanceFile = Literal["tokens.css", "compare.css", "compare.js"]


def read_appearance(name: AppearanceFile) -> str:
    """The text of one file of this package; what each is for stands at its head."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
