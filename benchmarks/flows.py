"""What both flows that `benchmarks.pipeline` compares have in common: their order, their result."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

Made = TypeVar("Made")

Groups = dict[str, list[list[str]]]
"""By variant id, sets of image ids found to show the same picture."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a flow works on. `result` is the JSON file that it leaves: its stages, its groups.

    The pipeline works on `slots` units at once, as an Airflow with so many task slots does, with
    `in_flight` requests over all of them; `processes` are those of one unit.
    """

    database: str
    image_base: str
    work_folder: str
    result: str
    slots: int = 1
    part_size_images: int = 20_000
    in_flight: int = 64
    processes: int = 0
    engines: tuple[str, ...] = ("difpy",)

    def to_json(self) -> str:
        """The order as text, for a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Order:
        """The order that `to_json` gave."""
        values = json.loads(text)
        return cls(**values | {"engines": tuple(values["engines"])})


def pipeline_settings(order: Order) -> dict[str, Any]:
    """The settings of a pipeline that fetches from the image server as fast as it may."""
    host = order.image_base.removeprefix("http://").partition(":")[0]
    return {
        "storage": {"root": order.work_folder},
        "urls": {"image_base": order.image_base, "allowed_hosts": [host]},
        "download": {
            "in_flight": max(1, order.in_flight // order.slots),
            "connections_per_host": max(1, order.in_flight // order.slots),
            "rate_per_host_per_s": None,
            "processes": order.processes,
            "private_hosts": [host],
        },
        "plan": {"part_size_images": order.part_size_images},
        # difPy's own defaults: `duplicates`, rotations, equal dimensions.
        "detection": {
            "engines": list(order.engines),
            "processes": order.processes,
            "difpy": {"similarity_mse": 0.0, "same_dimensions": True},
        },
    }


class StageTimes:
    """Wall and CPU seconds of each stage, its finished children included."""

    def __init__(self) -> None:
        self.seconds: dict[str, dict[str, float]] = {}

    def add(self, other: StageTimes, slots: int) -> None:
        """Add the times of a unit that ran beside others: of its wall seconds, its slot's share."""
        for name, spent in other.seconds.items():
            entry = self.seconds.setdefault(name, {"wall_s": 0.0, "cpu_s": 0.0})
            entry["wall_s"] += spent["wall_s"] / slots
            entry["cpu_s"] += spent["cpu_s"]

    def time(self, name: str, work: Callable[[], Made]) -> Made:
        """Run a stage; times of equal names add up."""
        started, cpu_before = time.monotonic(), _cpu_s()
        made = work()
        entry = self.seconds.setdefault(name, {"wall_s": 0.0, "cpu_s": 0.0})
        entry["wall_s"] += time.monotonic() - started
        entry["cpu_s"] += _cpu_s() - cpu_before
        return made


def _cpu_s() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def leave_result(
    order: Order, times: StageTimes, *, images: int, fetched: int, groups: Groups | None = None
) -> None:
    """Write what the comparing process wants to know; groups: None when they are in the report."""
    left = {"stages": times.seconds, "images": images, "fetched": fetched, "groups": groups}
    Path(order.result).write_text(json.dumps(left))
