"""Finds pairs of files that show the same picture; used alike by the weekly run and others."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from image_duplication.detection.decoding import DecodeError, decode, decode_to_compare
from image_duplication.detection.evidence import PairEvidence, Picture
from image_duplication.detection.grouping import Candidate, Group, group_images
from image_duplication.detection.judgement import Match, judge_pairs
from image_duplication.detection.matching import (
    MOST_LOOKS,
    compare_pictures,
    describe_contents,
    describe_picture,
    spread_to_copies,
)
from image_duplication.detection.quality import Quality
from image_duplication.records import QualityNote
from image_duplication.settings import Settings, load_settings

logger = logging.getLogger(__name__)

# Whoever uses this works on several pictures at once already.
cv2.setNumThreads(1)

_COLOURS_OF_ONE = 6
"""Pixels, along either side, of which one of difPy's is made: what a usual picture has at least."""

__all__ = [
    "MOST_LOOKS",
    "Candidate",
    "DecodeError",
    "Examination",
    "FileReport",
    "Group",
    "Match",
    "PairEvidence",
    "Picture",
    "compare_pictures",
    "decode",
    "describe_content",
    "describe_contents",
    "describe_picture",
    "examine_contents",
    "examine_files",
    "find_matches",
    "group_images",
    "hash_file",
    "judge_pairs",
    "spread_to_copies",
]


@dataclass(frozen=True, slots=True)
class FileReport:
    """What is known of one picture file. Of an unreadable one, only the `problem`.

    A picture that is not `is_telling`, one colour for instance, matches by equal bytes alone.
    """

    problem: str | None
    width_px: int = 0
    height_px: int = 0
    is_telling: bool = False
    quality: Quality | None = None

    @property
    def is_usable(self) -> bool:
        """Whether it is a picture that a buyer can look at."""
        return self.quality is not None and self.quality.is_usable

    @property
    def quality_notes(self) -> tuple[QualityNote, ...]:
        """What is amiss with it, as far as it could be read."""
        return self.quality.notes if self.quality else ()


@dataclass(frozen=True, slots=True)
class Examination:
    """A report for each file, in their order, and the matches as indices into it."""

    files: tuple[FileReport, ...]
    matches: tuple[Match, ...]

    def group(self) -> tuple[list[Group], list[Match]]:
        """The groups of the readable files, and the matches between files of different groups."""
        candidates = [
            Candidate(place, file.width_px, file.height_px, file.quality)
            for place, file in enumerate(self.files)
            if file.quality is not None
        ]
        return group_images(candidates, self.matches)


def examine_files(paths: Sequence[Path | str], settings: Settings | None = None) -> Examination:
    """Every file's state and the matches among them, judged as one variant in the order given.

    Each file is read twice: looks go by content hashes, so all of these come first.
    `settings` None means the project's own. OSError where a file cannot be opened; what is in it
    raises nothing.
    """
    contents = [hash_file(path) for path in paths]
    path_of = dict(zip(contents, paths, strict=True))
    return examine_contents(
        contents, lambda content: Path(path_of[content]).read_bytes(), settings or load_settings()
    )


def hash_file(path: Path | str) -> str:
    """The SHA-256 of a file's bytes."""
    with Path(path).open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def examine_contents(
    contents: Sequence[str], read: Callable[[str], bytes], settings: Settings
) -> Examination:
    """The same as `examine_files`, of contents named by their hashes, in the variant's order.

    `read` is asked once for the bytes of each; what it raises is raised.
    """
    problems: dict[str, str] = {}

    def describe(content: str, with_look: bool) -> Picture | None:
        try:
            return describe_content(read(content), content, settings, with_look=with_look)
        except DecodeError as error:
            problems[content] = str(error)
            return None

    described = describe_contents(contents, describe)
    places = [place for place, content in enumerate(contents) if content in described]
    evidence = compare_pictures(
        [described[contents[place]] for place in places], settings.detection
    )
    return Examination(
        tuple(
            _report(described[content]) if content in described else FileReport(problems[content])
            for content in contents
        ),
        tuple(
            replace(match, first=places[match.first], second=places[match.second])
            for match in judge_pairs(evidence, settings.detection)
        ),
    )


def describe_content(
    content: bytes, content_sha256: str, settings: Settings, *, with_look: bool
) -> Picture:
    """Decode bytes within the settings' limits, and reduce them to what comparison needs.

    Raises DecodeError.
    """
    picture, grey = decode_to_compare(
        content,
        formats=settings.download.formats,
        max_pixels=settings.download.max_pixels,
        least_side_px=_COLOURS_OF_ONE * settings.detection.difpy.pixel_size,
    )
    return describe_picture(
        picture,
        content_sha256,
        settings.detection,
        min_side_px=settings.policy.min_side_px,
        with_look=with_look,
        grey=grey,
    )


def _report(picture: Picture) -> FileReport:
    return FileReport(
        problem=None,
        width_px=picture.width_px,
        height_px=picture.height_px,
        is_telling=picture.is_telling,
        quality=picture.quality,
    )


def find_matches(paths: Sequence[Path | str], settings: Settings | None = None) -> list[Match]:
    """The matches among picture files, as indices into `paths`.

    An unreadable file has none, and is named in the log; `examine_files` reports on each.
    `settings` None means the project's own.
    """
    examination = examine_files(paths, settings)
    for path, report in zip(paths, examination.files, strict=True):
        if report.problem:
            logger.warning("%s cannot be compared: %s", path, report.problem)
    return list(examination.matches)
