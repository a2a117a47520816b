from __future__ import annotations

from image_duplication.fetching.turns import Turns


def taken(turns: Turns[str], now: float) -> list[str]:
    names = []
    while (turn := turns.take(now)) is not None:
        names.append(turn)
    return names


def test_turns_alternate_between_hosts() -> None:
    turns: Turns[str] = Turns(connections_per_host=None, rate_per_host_per_s=None)
    for turn in ("a1", "a2", "a3", "b1", "b2"):
        turns.add(turn[0], turn)
    assert taken(turns, 0.0) == ["a1", "b1", "a2", "b2", "a3"]


def test_turns_keep_the_limit_of_each_host() -> None:
    turns: Turns[str] = Turns(connections_per_host=2, rate_per_host_per_s=None)
    for turn in ("a1", "a2", "a3", "b1"):
        turns.add(turn[0], turn)
    assert taken(turns, 0.0) == ["a1", "b1", "a2"]
    assert turns.next_at() is None
    turns.give_back("a")
    assert taken(turns, 0.0) == ["a3"]


def test_turns_keep_the_rate_of_each_host() -> None:
    turns: Turns[int] = Turns(connections_per_host=None, rate_per_host_per_s=10)
    for number in range(100):
        turns.add("a", number)
    count = 0
    for tick in range(1, 51):  # 5 s from 100 s on
        while turns.take(100 + tick / 10) is not None:
            count += 1
    assert 50 <= count <= 52


def test_turns_wait_for_a_paused_host_only() -> None:
    turns: Turns[str] = Turns(connections_per_host=None, rate_per_host_per_s=None)
    for turn in ("a1", "a2", "b1"):
        turns.add(turn[0], turn)
    turns.pause("a", 5.0)
    assert taken(turns, 1.0) == ["b1"]
    assert turns.next_at() == 5.0
    assert taken(turns, 5.0) == ["a1", "a2"]


def test_turns_begin_with_what_was_begun() -> None:
    turns: Turns[str] = Turns(connections_per_host=None, rate_per_host_per_s=None)
    turns.add("a", "a1")
    turns.add("a", "a0", is_first=True)
    assert taken(turns, 0.0) == ["a0", "a1"]


def test_turns_forget_what_is_removed() -> None:
    turns: Turns[str] = Turns(connections_per_host=None, rate_per_host_per_s=None)
    for turn in ("a1", "a2", "b1"):
        turns.add(turn[0], turn)
    assert turns.remove_all("a") == ["a1", "a2"]
    assert turns.remove_all("a") == []
    turns.add("a", "a3")
    assert taken(turns, 0.0) == ["b1", "a3"]
