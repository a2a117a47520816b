"""Limits chosen on all sources but one and scored on that one, for each source in turn.

The procedure, fixed beforehand and the same for every source that is held out:

1. Start with the strictest value of every limit in `GRID`, whatever the settings are.
2. Take the limits in the order of `GRID`. Of each one's values keep the one with the highest
   primary recall, the other limits staying as chosen so far, among those that flag at most
   `MOST_FLAGGED` of the pairs that nobody made; equal ones go to the stricter. Where no value
   keeps within that, the one that exceeds it least.
3. Go over all limits again until none changes, at most `ROUNDS` times.

Only pairs without a picture of the held-out source are looked at in this; where a modification adds
another product's picture, that one may be of any source. Hard pairs of drawn goods have no source
and are always looked at. Limits that are not in `GRID` stay as the settings have them. No pixel is
read: the evidence of each pair is judged anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.dataset import PairLabel
from benchmarks.accuracy.engines import Finding, judge_evidence
from benchmarks.accuracy.modifications import MODIFICATIONS
from benchmarks.accuracy.outcomes import (
    PairGroup,
    PositiveRow,
    Row,
    counts_as_found,
)
from image_duplication.detection import PairEvidence
from image_duplication.settings import DetectionSettings

Verdicts = npt.NDArray[np.bool_]
"""One per pair: whether a modification is found, or a pair that nobody made is flagged."""

Choice = tuple[float, ...]
"""One value for each limit of a grid."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of `detection.aligned`, as `section.name`, and its values, the strictest first.

    A pair that is accepted at one value must be accepted at every looser one.
    """

    name: str
    values: tuple[float, ...]


GRID: tuple[Limit, ...] = (
    Limit("throughout.fine", (0.80, 0.75, 0.70, 0.65, 0.60)),
    Limit("throughout.edges", (0.85, 0.80, 0.75, 0.70, 0.65)),
    Limit("kept.edges", (0.95, 0.90, 0.85, 0.80)),
    Limit("kept.fine", (0.75, 0.70, 0.65, 0.60, 0.55)),
    Limit("patched.remaining", (0.95, 0.90, 0.85, 0.80, 0.75)),
    Limit("goods.agreement", (0.90, 0.85, 0.80, 0.75, 0.70)),
    Limit("extra_in_doubt", (0.20, 0.15, 0.10, 0.05, 0.0)),
    Limit("most_unlike", (0.005, 0.01, 0.02, 0.04)),
)
"""Round values, so that none was taken from the settings; these lie among them."""

MOST_FLAGGED: Mapping[PairGroup, float] = MappingProxyType(
    {PairGroup.WITHIN: 3 / 1600, PairGroup.CROSS: 0.005, PairGroup.HARD: 0.1}
)
"""Largest share of the pairs that nobody made, by where they come from."""

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Figures:
    """What was found and, of the pairs that nobody made, flagged, by where they come from.

    `recall` is the mean over modifications; NaN where there is none.
    """

    found: int
    modified: int
    recall: float
    flagged: Mapping[PairGroup, int]
    pairs: Mapping[PairGroup, int]


@dataclass(frozen=True, slots=True)
class Fold:
    """One source held out: its figures with the settings as they are, and with `limits`.

    A pair of two sources counts in the figures of both. `limits` were chosen on the other sources,
    by name; `training` are the figures there.
    """

    source: str
    as_is: Figures
    held_out: Figures
    training: Figures
    limits: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """Every source held out once, and all of them pooled.

    Pooled, a pair of two sources is flagged if it is flagged with either held out, and pairs of
    drawn goods, which are never held out, are left out. `limits` are those of the settings as they
    are, by name.
    """

    folds: tuple[Fold, ...]
    as_is: Figures
    held_out: Figures
    limits: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Case:
    """One pair: its modification, or `group` where nobody made it. Drawn goods have no sources."""

    sources: frozenset[str]
    modification: str
    group: PairGroup | None
    finding: Finding
    evidence: PairEvidence | None

    def judge(self, finding: Finding) -> bool:
        """Whether this is to find the modification, or to flag a pair that nobody made."""
        if self.group is None:
            return counts_as_found(self.modification, finding)
        return finding.is_duplicate


def cross_validate(
    rows: Sequence[Row],
    settings: DetectionSettings,
    grid: Sequence[Limit] = GRID,
    most_flagged: Mapping[PairGroup, float] = MOST_FLAGGED,
) -> CrossValidation | None:
    """Choose and score for each source; None where all pictures come from one.

    `rows` are those of a run that kept evidence.
    """
    cases = [case for row in rows if (case := _make_case(row)) is not None]
    sources = sorted({name for case in cases for name in case.sources})
    if len(sources) < 2:
        return None
    score = _Score(cases, most_flagged)
    judge = _Rejudge(cases, settings, grid)
    as_is = np.array([case.judge(case.finding) for case in cases], dtype=np.bool_)
    pooled = np.zeros_like(as_is)
    folds = []
    for source in sources:
        is_held_out = np.array([source in case.sources for case in cases], dtype=np.bool_)
        choice = _choose(judge, score, ~is_held_out, grid)
        verdicts = judge.under(choice)
        pooled |= verdicts & is_held_out
        folds.append(
            Fold(
                source=source,
                as_is=score.figures(as_is, is_held_out),
                held_out=score.figures(verdicts, is_held_out),
                training=score.figures(verdicts, ~is_held_out),
                limits={limit.name: value for limit, value in zip(grid, choice, strict=True)},
            )
        )
    of_photos = np.array([bool(case.sources) for case in cases], dtype=np.bool_)
    return CrossValidation(
        folds=tuple(folds),
        as_is=score.figures(as_is, of_photos),
        held_out=score.figures(pooled, of_photos),
        limits={limit.name: _read_limit(settings, limit.name) for limit in grid},
    )


def _make_case(row: Row) -> _Case | None:
    """None where the pair counts in none of the figures."""
    if isinstance(row, PositiveRow):
        if not (row.is_applicable and MODIFICATIONS[row.modification].is_primary):
            return None
        return _Case(frozenset({row.source}), row.modification, None, row.finding, row.evidence)
    if row.group is PairGroup.WITHIN and row.category != PairLabel.HONEST:
        return None
    return _Case(row.sources, "", row.group, row.finding, row.evidence)


def _choose(judge: _Rejudge, score: _Score, is_training: Verdicts, grid: Sequence[Limit]) -> Choice:
    """The procedure at the top of this module, on the training pairs."""
    choice = tuple(limit.values[0] for limit in grid)
    for _round in range(ROUNDS):
        before = choice
        for place, limit in enumerate(grid):
            offered = [(*choice[:place], value, *choice[place + 1 :]) for value in limit.values]
            # The first of equal ones is kept, which is the strictest.
            choice = max(offered, key=lambda one: score.rank(judge.under(one), is_training))
        if choice == before:
            break
    return choice


class _Rejudge:
    """Judges every case under any choice of the grid.

    Every limit is tighter at one end of its values, so a pair that is judged alike at the strictest
    and at the loosest corner of the grid is judged so everywhere in it.
    """

    def __init__(
        self, cases: Sequence[_Case], settings: DetectionSettings, grid: Sequence[Limit]
    ) -> None:
        self._settings = settings
        self._names = [limit.name for limit in grid]
        self._known: dict[Choice, Verdicts] = {}
        self._verdicts = np.array([case.judge(case.finding) for case in cases], dtype=np.bool_)
        self._open = [
            (place, case, case.evidence)
            for place, case in enumerate(cases)
            if case.evidence is not None
        ]
        strictest = self.under(tuple(limit.values[0] for limit in grid))
        loosest = self.under(tuple(limit.values[-1] for limit in grid))
        self._verdicts = strictest
        self._open = [known for known in self._open if strictest[known[0]] != loosest[known[0]]]

    def under(self, choice: Choice) -> Verdicts:
        """The verdict on every case."""
        if choice not in self._known:
            settings = with_limits(self._settings, dict(zip(self._names, choice, strict=True)))
            verdicts = self._verdicts.copy()
            for place, case, evidence in self._open:
                verdicts[place] = case.judge(judge_evidence(evidence, settings))
            self._known[choice] = verdicts
        return self._known[choice]


def with_limits(settings: DetectionSettings, limits: Mapping[str, float]) -> DetectionSettings:
    """The settings with these limits of `aligned` instead; checked as settings are."""
    changed = settings.model_dump()
    for name, value in limits.items():
        section, _, field = name.rpartition(".")
        aligned = changed["aligned"]
        (aligned[section] if section else aligned)[field] = value
    return DetectionSettings.model_validate(changed)


def _read_limit(settings: DetectionSettings, name: str) -> float:
    return float(attrgetter(name)(settings.aligned))


class _Score:
    """Figures of any part of the cases."""

    def __init__(self, cases: Sequence[_Case], most_flagged: Mapping[PairGroup, float]) -> None:
        names = sorted({case.modification for case in cases if case.group is None})
        codes = {name: code for code, name in enumerate(names)}
        # The last code is that of pairs as they are.
        self._modifications = len(names)
        self._codes = np.array([codes.get(case.modification, len(names)) for case in cases])
        self._is_modified = self._codes < len(names)
        self._of_group = {
            group: np.array([case.group is group for case in cases], dtype=np.bool_)
            for group in PairGroup
        }
        self._most_flagged = most_flagged

    def figures(self, verdicts: Verdicts, chosen: Verdicts) -> Figures:
        """The figures of the chosen cases."""
        modified = chosen & self._is_modified
        return Figures(
            found=int(verdicts[modified].sum()),
            modified=int(modified.sum()),
            recall=self._recall(verdicts, modified),
            flagged={
                group: int((verdicts & chosen & of_it).sum())
                for group, of_it in self._of_group.items()
            },
            pairs={group: int((chosen & of_it).sum()) for group, of_it in self._of_group.items()},
        )

    def rank(self, verdicts: Verdicts, chosen: Verdicts) -> tuple[float, float]:
        """What is better ranks higher: first to keep within `most_flagged`, then recall."""
        excess = 0.0
        for group, most in self._most_flagged.items():
            pairs = chosen & self._of_group[group]
            if pairs.any():
                excess += max(0.0, float(verdicts[pairs].mean()) - most)
        return -excess, np.nan_to_num(self._recall(verdicts, chosen & self._is_modified))

    def _recall(self, verdicts: Verdicts, modified: Verdicts) -> float:
        """Mean over modifications, as `scoring.primary_recall`; NaN where there is none."""
        counts = np.bincount(self._codes[modified], minlength=self._modifications)
        found = np.bincount(self._codes[modified & verdicts], minlength=self._modifications)
        judged = counts > 0
        return float(np.mean(found[judged] / counts[judged])) if judged.any() else float("nan")
