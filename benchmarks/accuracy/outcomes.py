"""What was found in each pair that the benchmark judged, as rows and as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from benchmarks.accuracy.engines import NAME, Finding
from benchmarks.accuracy.modifications import MODIFICATIONS, RELATED_COUNTS
from image_duplication.detection import PairEvidence
from image_duplication.records import Kind


class PairGroup(StrEnum):
    """Where a pair that nobody made a copy of comes from."""

    WITHIN = "within"  # two views of one product; the category is their label
    CROSS = "cross"  # pictures of two products; the category says whether of one source
    HARD = "hard"  # made to look like copies


@dataclass(frozen=True, slots=True)
class PositiveRow:
    """A view against a modification of it. `peers` are the names of the peers that found it.

    Not applicable: the modification could not be made of this view. Not visible: it was made, but
    hardly shows, as a turned hue on a grey picture. `evidence` is None where the run keeps none, or
    one of the files could not be read.
    """

    product: str
    view: str
    modification: str
    is_applicable: bool = True
    is_visible: bool = True
    finding: Finding = Finding()
    peers: tuple[str, ...] = ()
    evidence: PairEvidence | None = None

    @property
    def source(self) -> str:
        """The shop that the view comes from."""
        return self.product.partition("__")[0]


@dataclass(frozen=True, slots=True)
class PairRow:
    """Two pictures as they are. `product` is what resampling draws: equal names stay together.

    `evidence` as in PositiveRow.
    """

    group: PairGroup
    category: str
    design: str
    product: str
    first: str
    second: str
    finding: Finding
    peers: tuple[str, ...] = ()
    evidence: PairEvidence | None = None

    @property
    def sources(self) -> frozenset[str]:
        """The shops that the two pictures come from; none of drawn goods."""
        if self.group is PairGroup.WITHIN:
            return frozenset({self.product.partition("__")[0]})
        shown = [name for name in (self.first, self.second) if "/" in name]
        return frozenset(name.partition("__")[0] for name in shown)


Row = PositiveRow | PairRow


def counts_as_found(modification: str, finding: Finding) -> bool:
    """Whether the modification is found: as a duplicate, or as `related` where that is as good."""
    counts_related = MODIFICATIONS[modification].family in RELATED_COUNTS
    return finding.is_duplicate or (counts_related and finding.is_related)


def join_kinds(kinds: frozenset[Kind]) -> str:
    """A set of kinds as one word, in a fixed order."""
    return "+".join(sorted(kinds)) or "none"


def positives_table(rows: Sequence[PositiveRow], peers: Sequence[str]) -> pd.DataFrame:
    """One line per row; besides its columns one per detector: whether it found the pair.

    The project's column counts a `related` match in the families where that is as good;
    `is_duplicate` never does.
    """
    lines = []
    for row in rows:
        modification = MODIFICATIONS[row.modification]
        finding = row.finding
        lines.append(
            {
                "product": row.product,
                "source": row.source,
                "view": row.view,
                "modification": row.modification,
                "family": modification.family.value,
                "is_primary": modification.is_primary,
                "is_single": modification.is_single,
                "is_applicable": row.is_applicable,
                "is_visible": row.is_visible,
                "is_duplicate": finding.is_duplicate,
                "is_related": finding.is_related,
                "expected_kinds": join_kinds(modification.kinds),
                "kinds": join_kinds(finding.kinds),
                NAME: counts_as_found(row.modification, finding),
                **{name: name in row.peers for name in peers},
            }
        )
    return pd.DataFrame(lines)


def pairs_table(rows: Sequence[PairRow], peers: Sequence[str]) -> pd.DataFrame:
    """One line per row; besides its columns one per detector: whether it called a duplicate."""
    lines = [
        {
            "group": row.group.value,
            "category": row.category,
            "design": row.design,
            "product": row.product,
            "source": row.product.partition("__")[0],
            "first": row.first,
            "second": row.second,
            "is_related": row.finding.is_related,
            "kinds": join_kinds(row.finding.kinds),
            NAME: row.finding.is_duplicate,
            **{name: name in row.peers for name in peers},
        }
        for row in rows
    ]
    columns = ["group", "category", "design", "product", "source", "first", "second"]
    return pd.DataFrame(lines, columns=[*columns, "is_related", "kinds", NAME, *peers])
