"""Finds pairs of files that show the same picture; used alike by the weekly run and others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2

from image_duplication.detection.decoding import DecodeError, decode
from image_duplication.detection.evidence import PairEvidence, Picture
from image_duplication.detection.grouping import Candidate, Group, group_images
from image_duplication.detection.judgement import Match, judge_pairs
from image_duplication.detection.matching import MOST_LOOKS, compare_pictures, describe_picture
from image_duplication.settings import Settings, load_settings

# Whoever uses this works on several pictures at once already.
cv2.setNumThreads(1)

__all__ = [
    "MOST_LOOKS",
    "Candidate",
    "DecodeError",
    "Group",
    "Match",
    "PairEvidence",
    "Picture",
    "compare_pictures",
    "decode",
    "describe_picture",
    "find_matches",
    "group_images",
    "judge_pairs",
]


def find_matches(paths: Sequence[Path | str], settings: Settings | None = None) -> list[Match]:
    """The matches among picture files, as indices into `paths`; an unreadable file has none.

    `settings` None means the project's own.
    """
    settings = settings or load_settings()
    pictures: list[Picture] = []
    places: list[int] = []
    for place, path in enumerate(paths):
        content = Path(path).read_bytes()
        try:
            picture = decode(
                content,
                formats=settings.download.formats,
                max_pixels=settings.download.max_pixels,
            )
        except DecodeError:
            continue
        places.append(place)
        pictures.append(
            describe_picture(
                picture,
                hashlib.sha256(content).hexdigest(),
                settings.detection,
                min_side_px=settings.policy.min_side_px,
                with_look=len({one.content_sha256 for one in pictures}) < MOST_LOOKS,
            )
        )
    return [
        replace(match, first=places[match.first], second=places[match.second])
        for match in judge_pairs(compare_pictures(pictures, settings.detection), settings.detection)
    ]
