"""Judges the pictures of an upload, with those that the variant shows already, as one variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from image_duplication.records import (
    CheckMode,
    Engine,
    Kind,
    PictureSource,
    QualityNote,
    Relation,
    Role,
    Suggestion,
)
from image_duplication.settings import Settings
from image_duplication.upload_check.shown import ShownPicture


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that was sent: where the server has put it, and the sender's name for it, to show."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class PictureReport:
    """One picture of the check; `number` counts from 1, those that the variant shows first.

    `problem` says why it cannot be compared; then its size is 0 and it is in no group. `base` and
    `keeper` are the numbers of its group's base image and of the one to keep. Of a shown picture
    there is an `image_id`, of an uploaded one a `name`.
    """

    number: int
    source: PictureSource
    name: str | None
    image_id: str | None
    problem: str | None
    width_px: int
    height_px: int
    is_usable: bool
    quality_notes: tuple[QualityNote, ...]
    role: Role
    base: int | None
    keeper: int | None
    suggestion: Suggestion


@dataclass(frozen=True, slots=True)
class PairReport:
    """Two pictures, by number, that belong together.

    Of a `duplicate`, `first` is the base image of the group; `keep` is the image of the group to
    keep, which may be a third; `replace` is the one of the two to replace, and over a group each
    redundant one is named once. Of a `related` pair, a close-up for instance, nothing is to be
    replaced.
    """

    relation: Relation
    first: int
    second: int
    kinds: tuple[Kind, ...]
    sentence: str
    sentence_hindi: str
    distance: float
    engine: Engine
    keep: int | None
    keep_reason: str | None
    replace: int | None


@dataclass(frozen=True, slots=True)
class UploadCheck:
    """What is to be said of an upload.

    `verdict` is that of the variant with these pictures: `compliant`, `short_by_<n>` or
    `undecided`; `distinct` are its different usable pictures, `missing` those that it lacks.
    """

    mode: CheckMode
    verdict: str
    reason: str
    distinct: int
    required: int
    pictures: tuple[PictureReport, ...]
    pairs: tuple[PairReport, ...]
    message: str
    message_hindi: str

    @property
    def missing(self) -> int:
        """How many more different pictures the rule asks for; of unjudged ones nothing is known."""
        return max(0, self.required - self.distinct)

    @property
    def needs_change(self) -> bool:
        """Whether the upload will not do as it is.

        It will not while the variant with it is short, or while one of its files repeats another
        picture, whichever of the two is better, or cannot be used.
        """
        raise NotImplementedError

    @property
    def is_blocked(self) -> bool:
        """Whether the upload is to be refused: in mode `block`, whenever it needs a change."""
        return self.mode is CheckMode.BLOCK and self.needs_change


def check_pictures(
    files: Sequence[UploadedFile],
    settings: Settings,
    *,
    shown: Sequence[ShownPicture] = (),
    mode: CheckMode = CheckMode.ALERT,
) -> UploadCheck:
    """Judge files in their order, after the pictures that the variant shows, as one variant.

    Matches, roles and keepers are those that the weekly run gives for the same pictures. What is in
    a file raises nothing. Raises UploadRefusedError (`no_files`, `too_many_files`).
    """
    raise NotImplementedError
