"""How many requests a process has under way, by how busy it is itself."""

from __future__ import annotations

import pytest

from image_duplication.fetching import pace
from image_duplication.fetching.pace import Pace


class Clock:
    """Wall and CPU seconds that a test sets forward."""

    def __init__(self) -> None:
        self.wall_s = 100.0
        self.cpu_s = 7.0

    def pass_by(self, wall_s: float, busy_share: float) -> float:
        self.wall_s += wall_s
        self.cpu_s += wall_s * busy_share
        return self.wall_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pace.time, "monotonic", lambda: clock.wall_s)
    monkeypatch.setattr(pace.time, "process_time", lambda: clock.cpu_s)
    return clock


def test_pace_doubles_up_to_the_limit_while_the_network_is_slow(clock: Clock) -> None:
    found = Pace(32)
    allowed = []
    for _ in range(5):
        found.adjust(clock.pass_by(0.06, 0.1), is_wanted=True)
        allowed.append(found.allowed)
    assert allowed == [8, 16, 32, 32, 32]


def test_pace_stays_where_nothing_more_is_wanted(clock: Clock) -> None:
    found = Pace(32)
    found.adjust(clock.pass_by(0.06, 0.1), is_wanted=False)
    assert found.allowed == 4


def test_pace_gives_way_when_the_process_is_the_bottleneck(clock: Clock) -> None:
    found = Pace(32)
    for _ in range(3):
        found.adjust(clock.pass_by(0.06, 0.1), is_wanted=True)
    allowed = []
    for _ in range(10):
        found.adjust(clock.pass_by(0.06, 1.0), is_wanted=True)
        allowed.append(found.allowed)
    assert allowed[:3] == [24, 18, 13]
    assert allowed[-1] == 4


def test_pace_looks_again_only_after_its_tick(clock: Clock) -> None:
    found = Pace(32)
    found.adjust(clock.pass_by(0.06, 0.1), is_wanted=True)
    found.adjust(clock.pass_by(0.01, 0.1), is_wanted=True)
    assert found.allowed == 8


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pace_never_leaves_a_small_limit(clock: Clock, limit: int) -> None:
    found = Pace(limit)
    for busy_share in (0.1, 1.0, 1.0, 0.1):
        found.adjust(clock.pass_by(0.06, busy_share), is_wanted=True)
        assert found.allowed == limit
