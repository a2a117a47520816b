"""The project's words as types: codes, and the small records that pass between stages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How far one image row has come."""

    LISTED = "listed"  # extracted from the source, nothing wrong so far
    CORRECTED = "corrected"  # its URL is in standard form
    DOWNLOADED = "downloaded"  # its bytes are in storage, a picture by header
    FAILED = "failed"  # see the row's reason code
    NO_IMAGES = "no_images"  # stands for an active variant without any active image row


class ReasonCode(StrEnum):
    """Why an image row failed. A closed list: reports count by it."""

    # extract: the source row itself
    CATEGORY_NOT_INTEGER = "category_not_integer"
    ID_MISSING = "id_missing"
    ID_MALFORMED = "id_malformed"  # control character in an id, or an id over 255 characters
    IMAGE_ID_REPEATED = "image_id_repeated"
    TEXT_NOT_UTF8 = "text_not_utf8"
    URL_MISSING = "url_missing"
    URL_TOO_LONG = "url_too_long"
    # correct_urls
    URL_UNCORRECTABLE = "url_uncorrectable"
    SCHEME_NOT_ALLOWED = "scheme_not_allowed"
    HOST_NOT_ALLOWED = "host_not_allowed"
    # download_images
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    HOST_UNKNOWN = "host_unknown"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    CONNECTION_FAILED = "connection_failed"
    TIMED_OUT = "timed_out"
    NOT_FOUND = "not_found"
    ACCESS_DENIED = "access_denied"
    REFUSED_BY_SERVER = "refused_by_server"  # another 4xx
    RATE_LIMITED = "rate_limited"
    SERVER_FAILED = "server_failed"  # 5xx
    BODY_INCOMPLETE = "body_incomplete"
    BODY_EMPTY = "body_empty"
    TOO_MANY_BYTES = "too_many_bytes"
    NOT_AN_IMAGE = "not_an_image"
    FORMAT_NOT_ALLOWED = "format_not_allowed"
    TOO_MANY_PIXELS = "too_many_pixels"
    # detect_duplicates
    DECODE_FAILED = "decode_failed"

    @property
    def is_retryable(self) -> bool:
        """Whether fetching again, unchanged, could succeed."""
        return self in _RETRYABLE


_RETRYABLE = frozenset(
    {
        ReasonCode.HOST_UNKNOWN,
        ReasonCode.CONNECTION_FAILED,
        ReasonCode.TIMED_OUT,
        ReasonCode.RATE_LIMITED,
        ReasonCode.SERVER_FAILED,
        ReasonCode.BODY_INCOMPLETE,
        ReasonCode.BODY_EMPTY,
    }
)


class Kind(StrEnum):
    """What was done to a picture; a combination is a set of kinds."""

    IDENTICAL = "identical"
    SAME_PICTURE = "same_picture"
    TRANSFORMED = "transformed"
    CROPPED = "cropped"
    BORDERED = "bordered"
    OVERLAID = "overlaid"
    RECOLOURED = "recoloured"
    COMPOSED = "composed"


class Role(StrEnum):
    """What one image is within its variant."""

    BASE = "base"  # the first of its group by position; alone in it, simply a distinct picture
    DUPLICATE = "duplicate"  # matches the base of its group
    UNJUDGED = "unjudged"  # could not be fetched or decoded
    ABSENT = "absent"  # the row stands for a variant without images


class Verdict(StrEnum):
    """Whether a variant shows enough different pictures. `short` is followed by how many lack."""

    COMPLIANT = "compliant"
    SHORT = "short"
    UNDECIDED = "undecided"

    @classmethod
    def of(cls, code: str) -> Verdict:
        """The verdict that a row states, `short_by_2` for instance. ValueError for another word."""
        return cls(code.partition("_")[0])


class Action(StrEnum):
    """What a finding asks for. Over a group, every redundant image is named exactly once."""

    REMOVE_DUPLICATE = "remove_duplicate"
    REMOVE_BASE = "remove_base"  # the duplicate of this row is the keeper of its group
    NONE = "none"  # related pictures, reported for information


class Relation(StrEnum):
    """How the two pictures of a finding belong together."""

    DUPLICATE = "duplicate"
    RELATED = "related"


class Engine(StrEnum):
    """A way to find matches, in the order in which they are asked."""

    IDENTICAL = "identical"  # equal bytes
    DIFPY = "difpy"  # difPy's own search, its figure set right
    PERCEPTUAL = "perceptual"  # thumbnails of the whole or trimmed pictures, in eight orientations
    ALIGNED = "aligned"  # one picture laid over the other by local features


class QualityNote(StrEnum):
    """What is amiss with one picture; see `detection.quality` for what makes it unusable."""

    TOO_SMALL = "too_small"  # its shorter side is below the setting
    BLURRED = "blurred"  # out of focus, or enlarged
    BLANK = "blank"  # a single colour
    PLACEHOLDER = "placeholder"  # a notice such as "No image available"
    HEAVY_BORDER = "heavy_border"  # most of its area is plain border


class PhotoProblem(StrEnum):
    """Why a picture does not count, as far as its seller can mend it."""

    TOO_SMALL = "too_small"
    BLANK = "blank"
    PLACEHOLDER = "placeholder"
    LISTED_TWICE = "listed_twice"
    UNREADABLE = "unreadable"  # could not be fetched or decoded

    @classmethod
    def of_notes(cls, notes: Iterable[str]) -> PhotoProblem | None:
        """The problem that the quality notes of a picture tell of, the weightiest if several."""
        noted = set(notes)
        told = (cls.BLANK, cls.PLACEHOLDER, cls.TOO_SMALL)
        return next((problem for problem in told if problem in noted), None)


class DecisionVerdict(StrEnum):
    """What a person says of two pictures that were reported."""

    CONFIRMED = "confirmed"  # a duplicate indeed
    REJECTED = "rejected"  # two different pictures: never reported again
    WITHDRAWN = "withdrawn"  # an earlier decision no longer holds


class DecisionOrigin(StrEnum):
    """How a decision came about."""

    REVIEW = "review"
    APPEAL = "appeal"  # of a seller, entered by whoever settled it


class RemovalKind(StrEnum):
    """Which rows of the source a removal deactivates."""

    IMAGES = "images"
    VARIANTS = "variants"


class RemovalState(StrEnum):
    """How far a removal has come. A dry run leaves it where it was."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    TIMED_OUT = "timed_out"  # nobody has decided in time
    APPLYING = "applying"
    APPLIED = "applied"  # every row of the manifest
    PARTLY_APPLIED = "partly_applied"  # some rows of the manifest were skipped
    RESTORING = "restoring"
    RESTORED = "restored"


class RemovalRowState(StrEnum):
    """How far one row of a manifest has come; a row without a state waits."""

    STARTED = "started"  # noted before the source is changed: see decision 0023
    APPLIED = "applied"
    SKIPPED = "skipped"  # see the row's reason
    RESTORING = "restoring"  # noted before the source is changed back
    RESTORED = "restored"
    LEFT = "left"  # the restore left it as it is: see the row's reason


class SkipReason(StrEnum):
    """Why a removal, or its restore, left one row as it is."""

    # either
    ROW_MISSING = "row_missing"
    # a removal
    NOT_ACTIVE = "not_active"
    ROW_REPEATED = "row_repeated"  # several active rows have the image id
    ROW_CHANGED = "row_changed"  # another URL, category or `updated_at` than the manifest says
    CONTENT_CHANGED = "content_changed"
    KEEPER_NOT_ACTIVE = "keeper_not_active"
    KEEPER_CHANGED = "keeper_changed"
    LAST_PICTURE = "last_picture"
    IMAGES_CHANGED = "images_changed"  # of a variant, since it was judged
    DECISION_CHANGED = "decision_changed"  # rejected or withdrawn since the proposal
    NOTICE_SETTLED = "notice_settled"  # since the proposal
    NOT_SHORT = "not_short"  # of a variant, by what was judged or decided since the proposal
    IN_ANOTHER_REMOVAL = "in_another_removal"  # which was broken off at this row
    # a restore
    NOT_REMOVED = "not_removed"  # the removal was broken off before this row
    ALREADY_ACTIVE = "already_active"
    REMOVED_AGAIN = "removed_again"  # by a later removal


class ExclusionReason(StrEnum):
    """Why a finding, or a variant with a notice, is not proposed for removal."""

    REJECTED = "rejected"  # by a person
    NOT_CONFIRMED = "not_confirmed"
    KEEPER_NOT_CONFIRMED = "keeper_not_confirmed"  # the keeper's own match with the base
    IS_KEEPER = "is_keeper"
    IMAGE_REPEATED = "image_repeated"
    STATE_DIFFERS = "state_differs"  # the finding is of other bytes than the image's row
    LAST_PICTURE = "last_picture"
    NOT_SHORT = "not_short"  # any more
    NOTICE_NOT_OVER = "notice_not_over"


class RetentionKind(StrEnum):
    """What may be deleted once it is old; see `retention.known_files`."""

    RUN_FILE = "run_file"  # plan, hand-offs and summary of a run
    STAGED = "staged"  # a picture that never came to the archive
    ARCHIVED = "archived"  # a picture that nothing refers to any more
    THUMBNAIL = "thumbnail"  # of a picture that its category does not show any more
    HISTORY = "history"  # findings and changes of one run, manifests of deletions
    PART = "part"  # what a killed writer left


class CheckMode(StrEnum):
    """What a check of an upload does about pictures that will not do."""

    ALERT = "alert"  # says so
    BLOCK = "block"  # refuses the upload


class PictureSource(StrEnum):
    """Where a picture of an upload check comes from."""

    SHOWN = "shown"  # by the variant, already
    UPLOADED = "uploaded"


class Suggestion(StrEnum):
    """What is best done with a picture of an upload check."""

    KEEP = "keep"
    REPLACE = "replace"  # by a picture of another view


class Scope(StrEnum):
    """Which variants a run judges: those that are due, or all."""

    CHANGED = "changed"
    FULL = "full"


Interval = tuple[datetime, datetime]
"""From a moment to before another."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which variants a run is asked to judge.

    Without `category_ids`, those of the categories file, else all. `updated_within` narrows a
    backfill: due are the variants with a row whose `updated_at` lies in it, whatever the scope.
    """

    category_ids: tuple[int, ...] | None = None
    scope: Scope = Scope.CHANGED
    updated_within: Interval | None = None


@dataclass(frozen=True, slots=True)
class StageReport:
    """What a stage did to one unit: small enough for XCom, kept as JSON beside the hand-off.

    `counts` are rows or images by name; `seconds` is wall time; `is_degraded` says that the stage
    went on with less than it should have had.
    """

    stage: str
    unit_id: str
    seconds: float
    counts: dict[str, int]
    is_degraded: bool = False

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON values."""
        return asdict(self)
