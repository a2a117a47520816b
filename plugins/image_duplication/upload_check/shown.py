"""The pictures that a variant shows already, as the last run that judged it found them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from image_duplication.queries import Source
from image_duplication.settings import Settings
from image_duplication.storage import Storage


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """One picture of a variant, and how to `read` its bytes.

    `content_sha256` is None for a picture that the run could not fetch; such a one is not read.
    """

    image_id: str
    position: int | None
    content_sha256: str | None
    read: Callable[[], bytes]


def read_shown_pictures(
    storage: Storage, settings: Settings, *, category_id: int, variant_id: str
) -> list[ShownPicture]:
    """The pictures of a variant by position, from its category's published state.

    No picture is read yet. Raises UploadRefusedError (`variant_unknown`) where no run has judged
    such a variant, and (`too_many_shown`) where it has more than `upload.max_shown`.
    """
    raise NotImplementedError


def find_category(source: Source, variant_id: str) -> int:
    """The category of a variant, asked of the catalogue's database.

    Raises UploadRefusedError (`variant_unknown`) where no active variant has this id, and
    (`category_needed`) where variants of several categories have it.
    """
    raise NotImplementedError
