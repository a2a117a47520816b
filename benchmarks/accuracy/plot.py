"""The picture of a run: recall by family against the peers, false accusations beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.accuracy.engines import NAME
from benchmarks.accuracy.scoring import WITHIN_PAIRS_GOAL, Accusations, goal_of_family

_OWN_COLOUR = "#c0392b"
_PEER_COLOURS = ("#7f8c8d", "#2c3e50", "#2980b9", "#16a085", "#8e44ad", "#d68910", "#27ae60")
_PEER_MARKS = "osD^v<>"


def plot_recall(
    path: Path,
    families: pd.DataFrame,
    accusations: Mapping[str, Accusations],
    detectors: Sequence[str],
) -> None:
    """Write the plot as PNG."""
    figure = Figure(figsize=(13, 8.5), layout="constrained")
    FigureCanvasAgg(figure)
    recall, accused = figure.subplots(1, 2, width_ratios=(2.4, 1))
    places = np.arange(len(families))[::-1]
    goals = [goal_of_family(str(family)) * 100 for family in families.index]
    recall.scatter(goals, places, marker="|", s=260, color="black", label="goal", zorder=1)
    colours = _colours(detectors)
    for number, name in enumerate(detectors):
        is_own = name == NAME
        recall.scatter(
            families[name] * 100,
            places,
            s=80 if is_own else 30,
            color=colours[name],
            marker="o" if is_own else _PEER_MARKS[(number - 1) % len(_PEER_MARKS)],
            label=name,
            zorder=3 if is_own else 2,
        )
    recall.set_yticks(places, [str(family) for family in families.index])
    recall.set_xlabel("recall, %")
    recall.set_xlim(-2, 102)
    recall.set_title("Modifications found, by family")
    recall.grid(visible=True, color="#e5e5e5")
    recall.set_axisbelow(True)
    recall.legend(loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=5, frameon=False)

    rows = np.arange(len(detectors))[::-1]
    shares = [accusations[name].pairs for name in detectors]
    values = np.array([share.value * 100 for share in shares])
    reach = np.array([[share.low * 100, share.high * 100] for share in shares]).T
    spread = np.abs(reach - values)
    accused.barh(rows, values, color=[colours[name] for name in detectors], xerr=spread, capsize=3)
    for row, share in zip(rows, shares, strict=True):
        accused.annotate(
            f"{share.count}",
            (share.high * 100, row),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
        )
    accused.axvline(WITHIN_PAIRS_GOAL * 100, color="black", linewidth=1, linestyle=":")
    accused.set_yticks(rows, list(detectors))
    accused.set_xlabel("honest pairs of one product flagged, %\n(95% interval; dotted: goal)")
    accused.set_title("False accusations")
    accused.margins(x=0.2)
    figure.savefig(path, dpi=110)


def _colours(detectors: Sequence[str]) -> dict[str, str]:
    peers = [name for name in detectors if name != NAME]
    colours = {name: _PEER_COLOURS[place % len(_PEER_COLOURS)] for place, name in enumerate(peers)}
    return {NAME: _OWN_COLOUR, **colours}
