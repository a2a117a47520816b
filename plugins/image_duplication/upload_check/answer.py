"""The answer of an upload check in its closed form, for HTTP and for the command line."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from image_duplication.records import (
    CheckMode,
    Engine,
    Kind,
    PictureSource,
    QualityNote,
    Role,
    Suggestion,
)
from image_duplication.upload_check.check import UploadCheck


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PictureAnswer(_Closed):
    """One picture of the check."""

    number: int = Field(ge=1, description="From 1; the pictures that the variant shows come first.")
    source: PictureSource
    name: str | None = Field(description="Of an uploaded file, as it was sent.")
    image_id: str | None = Field(description="Of a picture that the variant shows.")
    problem: str | None = Field(description="Why the picture could not be read; else null.")
    width_px: int = Field(ge=0, description="Upright; 0 if it could not be read.")
    height_px: int = Field(ge=0)
    is_usable: bool = Field(description="Whether it counts as a picture at all.")
    quality_notes: list[QualityNote]
    role: Role = Field(description="`base`: the first of its like; `duplicate`: repeats its base.")
    base: int | None = Field(description="Number of the picture that it repeats, or its own.")
    keeper: int | None = Field(description="Number of the picture to keep of those that are alike.")
    suggestion: Suggestion


class PairAnswer(_Closed):
    """Two pictures that belong together, by their numbers."""

    first: int = Field(ge=1)
    second: int = Field(ge=1)
    kinds: list[Kind] = Field(description="What was done to the picture.")
    sentence: str = Field(description="The same in English, without a full stop.")
    sentence_hindi: str = Field(description="The same in Hindi.")
    distance: float = Field(ge=0, description="0: no difference; the scale is the engine's own.")
    engine: Engine


class DuplicateAnswer(PairAnswer):
    """The picture `second` repeats `first`."""

    keep: int = Field(ge=1, description="The one to keep of all that are alike.")
    keep_reason: str
    replace: int = Field(ge=1, description="The one of the two to replace.")


class CheckAnswer(_Closed):
    """What an upload check found."""

    mode: CheckMode
    is_blocked: bool = Field(description="Whether the upload is refused; in mode `alert`, never.")
    needs_change: bool = Field(
        description="Whether pictures are missing, or a file repeats another one or is unusable."
    )
    verdict: str = Field(pattern=r"^(compliant|undecided|short_by_[1-9][0-9]*)$")
    reason: str
    distinct: int = Field(ge=0, description="Different usable pictures.")
    required: int = Field(ge=1)
    missing: int = Field(ge=0)
    pictures: list[PictureAnswer]
    duplicates: list[DuplicateAnswer]
    related: list[PairAnswer] = Field(description="Close-ups and the like: nothing to replace.")
    message: str = Field(description="For the seller, in English: what is wrong and what to do.")
    message_hindi: str = Field(description="The same in Hindi.")

    @classmethod
    def of(cls, check: UploadCheck) -> Self:
        """The answer's form of a check."""
        return cls.model_validate(check, from_attributes=True)
