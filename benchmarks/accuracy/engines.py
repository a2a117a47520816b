"""The project's own detector as the benchmark calls it: the only contact with `detection`."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.accuracy.steps import Steps
from image_duplication.detection import (
    DecodeError,
    PairEvidence,
    Picture,
    compare_pictures,
    decode,
    describe_picture,
    judge_pairs,
)
from image_duplication.records import Kind
from image_duplication.settings import DetectionSettings, Settings, load_settings

NAME = "this project"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a detector says of two pictures. At most one of `is_duplicate` and `is_related`."""

    is_duplicate: bool = False
    is_related: bool = False
    kinds: frozenset[Kind] = frozenset()


NOTHING_FOUND = Finding()


def judge_evidence(evidence: PairEvidence, settings: DetectionSettings) -> Finding:
    """What the project says of one compared pair under these settings."""
    for match in judge_pairs([evidence], settings):
        return Finding(match.is_duplicate, not match.is_duplicate, match.kinds)
    return NOTHING_FOUND


class ProjectDetector:
    """Detection with the project's default settings."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or load_settings()

    def describe(self, content: bytes) -> Picture | None:
        """What the detector keeps of a file's bytes; None if they cannot be decoded."""
        return self._describe(content, Steps())

    def compare(self, pictures: Sequence[Picture]) -> list[PairEvidence]:
        """The evidence of every pair of one variant's pictures."""
        return compare_pictures(pictures, self._settings.detection)

    def judge(self, evidence: PairEvidence) -> Finding:
        """What it says of one compared pair."""
        return judge_evidence(evidence, self._settings.detection)

    def time_variant(self, contents: Sequence[bytes], steps: Steps) -> None:
        """Judge one variant, from bytes to matches, and book what each step costs."""
        pictures = [found for content in contents if (found := self._describe(content, steps))]
        with steps.step("compare"):
            evidence = self.compare(pictures)
        with steps.step("judge"):
            judge_pairs(evidence, self._settings.detection)
        steps.pictures += len(contents)
        steps.pairs += len(list(itertools.combinations(pictures, 2)))

    def _describe(self, content: bytes, steps: Steps) -> Picture | None:
        download = self._settings.download
        try:
            with steps.step("decode"):
                decoded = decode(content, formats=download.formats, max_pixels=download.max_pixels)
        except DecodeError:
            return None
        with steps.step("describe"):
            return describe_picture(
                decoded,
                hashlib.sha256(content).hexdigest(),
                self._settings.detection,
                min_side_px=self._settings.policy.min_side_px,
            )
