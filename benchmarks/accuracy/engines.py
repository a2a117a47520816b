"""The project's own detector as the benchmark calls it: the only contact with `detection`."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.accuracy.steps import Steps
from image_duplication.detection import (
    DecodeError,
    Picture,
    compare_pictures,
    decode,
    describe_picture,
    judge_pairs,
)
from image_duplication.records import Kind
from image_duplication.settings import Settings, load_settings

NAME = "this project"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a detector says of two pictures. At most one of `is_duplicate` and `is_related`."""

    is_duplicate: bool = False
    is_related: bool = False
    kinds: frozenset[Kind] = frozenset()


NOTHING_FOUND = Finding()


class ProjectDetector:
    """Detection with the project's default settings."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or load_settings()

    def describe(self, content: bytes) -> Picture | None:
        """What the detector keeps of a file's bytes; None if they cannot be decoded."""
        return self._describe(content, Steps())

    def search(self, pictures: Sequence[Picture]) -> dict[tuple[int, int], Finding]:
        """What it finds among one variant's pictures, by pairs of places, the lower first."""
        return self._search(pictures, Steps())

    def compare(self, first: Picture | None, second: Picture | None) -> Finding:
        """What it says of two pictures alone; nothing if one of them could not be decoded."""
        if first is None or second is None:
            return NOTHING_FOUND
        return self.search([first, second]).get((0, 1), NOTHING_FOUND)

    def time_variant(self, contents: Sequence[bytes], steps: Steps) -> None:
        """Judge one variant, from bytes to matches, and book what each step costs."""
        pictures = [found for content in contents if (found := self._describe(content, steps))]
        self._search(pictures, steps)
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

    def _search(self, pictures: Sequence[Picture], steps: Steps) -> dict[tuple[int, int], Finding]:
        with steps.step("compare"):
            evidence = compare_pictures(pictures, self._settings.detection)
        with steps.step("judge"):
            matches = judge_pairs(evidence, self._settings.detection)
        return {
            (match.first, match.second): Finding(
                match.is_duplicate, not match.is_duplicate, match.kinds
            )
            for match in matches
        }
