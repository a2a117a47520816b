"""From evidence to a match: which pairs are the same picture, and what was done to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from image_duplication.detection.evidence import PairEvidence
from image_duplication.records import Engine, Kind
from image_duplication.settings import DetectionSettings


@dataclass(frozen=True, slots=True)
class Match:
    """Two images judged the same picture. `distance` is the correct mean squared error."""

    first: int
    second: int
    is_duplicate: bool
    kinds: frozenset[Kind]
    distance: float
    engine: Engine
    evidence: PairEvidence


def judge_pairs(evidence: Iterable[PairEvidence], settings: DetectionSettings) -> list[Match]:
    """The matches among compared pairs; reads no pixel, so a changed threshold judges anew."""
    return [match for pair in evidence if (match := _judge_pair(pair, settings))]


def _judge_pair(pair: PairEvidence, settings: DetectionSettings) -> Match | None:
    for engine in Engine:
        if engine in settings.engines and _ACCEPTS[engine](pair, settings):
            return Match(
                first=pair.first,
                second=pair.second,
                is_duplicate=True,
                kinds=_name_kinds(pair),
                distance=0.0 if pair.is_same_content else pair.mse,
                engine=engine,
                evidence=pair,
            )
    return None


def _is_identical(pair: PairEvidence, _settings: DetectionSettings) -> bool:
    return pair.is_same_content


def _is_difpy_match(pair: PairEvidence, settings: DetectionSettings) -> bool:
    limit = settings.difpy.similarity_mse
    return (
        pair.difpy_mse is not None
        and pair.difpy_mse <= limit
        and pair.mse <= limit
        and (pair.is_same_dimensions or not settings.difpy.same_dimensions)
    )


_ACCEPTS = {Engine.IDENTICAL: _is_identical, Engine.DIFPY: _is_difpy_match}


def _name_kinds(pair: PairEvidence) -> frozenset[Kind]:
    if pair.is_same_content:
        return frozenset({Kind.IDENTICAL})
    return frozenset({Kind.TRANSFORMED if pair.rotation_deg else Kind.SAME_PICTURE})
