"""Reviewers' decisions: append-only, the newest of a pair holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from image_duplication.errors import ConfigurationError
from image_duplication.records import DecisionOrigin, DecisionVerdict, Kind
from image_duplication.store.database import Store
from image_duplication.store.decisions import (
    Decided,
    Decision,
    Pair,
    read_current,
    read_decided,
    record,
    record_carried,
    record_unless_newer,
)

NOON = datetime(2026, 1, 5, 12, 0, 0, 123456)  # noqa: DTZ001 - the store keeps UTC without a zone
PAIR = Pair.of(7, "v1", ("b" * 64, "a" * 64), ["cropped", "transformed"])
CONFIRMED = Decision(PAIR, DecisionVerdict.CONFIRMED, DecisionOrigin.REVIEW, "reviewer", NOON)


def test_decision_reads_back_as_it_was_recorded(store: Store) -> None:
    spoken = replace(CONFIRMED, note="वही तस्वीर 🪑", origin=DecisionOrigin.APPEAL)
    record(store, [spoken])

    ((_, found),) = read_current(store, 7).values()

    assert found == spoken


def test_pair_is_the_same_in_either_order() -> None:
    assert Pair.of(7, "v1", ("a" * 64, "b" * 64), [Kind.TRANSFORMED, Kind.CROPPED]) == PAIR


def test_newest_decision_of_a_pair_holds(store: Store) -> None:
    record(store, [CONFIRMED])
    record(store, [replace(CONFIRMED, verdict=DecisionVerdict.REJECTED, decided_by="second")])

    ((_, found),) = read_current(store, 7).values()

    assert (found.verdict, found.decided_by) == (DecisionVerdict.REJECTED, "second")


def test_withdrawn_decision_is_none(store: Store) -> None:
    record(store, [CONFIRMED, replace(CONFIRMED, verdict=DecisionVerdict.WITHDRAWN)])

    assert read_current(store, 7) == {}


def test_other_kinds_variants_and_categories_are_decided_apart(store: Store) -> None:
    others = [
        replace(PAIR, kinds=frozenset({Kind.CROPPED})),
        replace(PAIR, variant_id="V1"),
        replace(PAIR, category_id=8),
    ]
    record(store, [CONFIRMED, *(replace(CONFIRMED, pair=pair) for pair in others)])

    assert read_current(store, 7).keys() == {PAIR, others[0], others[1]}
    assert read_current(store, 8).keys() == {others[2]}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"decided_by": ""}, "names nobody"), ({"note": "x" * 4_001}, "4001 characters")],
    ids=["nobody", "long note"],
)
def test_bad_decision_is_refused_and_nothing_recorded(
    store: Store, wrong: dict[str, str], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        record(store, [CONFIRMED, replace(CONFIRMED, **wrong)])

    assert read_current(store, 7) == {}


def test_decisions_recorded_again_add_nothing(store: Store) -> None:
    other = replace(CONFIRMED, pair=replace(PAIR, category_id=8))

    assert record_unless_newer(store, [CONFIRMED, other]) == [CONFIRMED, other]
    assert record_unless_newer(store, [CONFIRMED, other]) == []
    assert [number for number, _ in read_current(store, 7).values()] == [1]


@pytest.mark.parametrize("verdict", [DecisionVerdict.REJECTED, DecisionVerdict.WITHDRAWN])
def test_older_decision_does_not_overrule_a_newer_one(
    store: Store, verdict: DecisionVerdict
) -> None:
    newer = replace(CONFIRMED, verdict=verdict, decided_at=NOON + timedelta(hours=1))
    record(store, [newer])
    before = read_current(store, 7)

    assert record_unless_newer(store, [CONFIRMED]) == []
    assert read_current(store, 7) == before
    later = replace(CONFIRMED, decided_at=NOON + timedelta(hours=2))
    assert record_unless_newer(store, [later]) == [later]


def test_all_that_was_decided_counts_withdrawals(store: Store) -> None:
    assert read_decided(store, 7) == Decided()
    other = replace(CONFIRMED, pair=replace(PAIR, variant_id="v2"))
    record(store, [CONFIRMED, other, replace(other, verdict=DecisionVerdict.WITHDRAWN)])
    record(store, [replace(CONFIRMED, pair=replace(PAIR, category_id=8), carried_from=1)])

    assert read_decided(store, 7) == Decided(
        newest=3,
        holding={PAIR: (1, CONFIRMED)},
        contents=frozenset({PAIR.contents, ("v2", *PAIR.contents[1:])}),
    )
    assert read_decided(store, 8).gone_on == {1}


def test_decision_that_goes_on_knows_what_a_person_has_seen(store: Store) -> None:
    second, third = (
        replace(CONFIRMED, pair=Pair.of(7, "v1", ("a" * 64, end * 64), ["cropped"]), carried_from=n)
        for n, end in ((1, "c"), (2, "d"))
    )
    withdrawn = replace(second, verdict=DecisionVerdict.WITHDRAWN, carried_from=None)
    record(store, [CONFIRMED, second, third, withdrawn])

    seen = frozenset((PAIR.lower_sha256, PAIR.higher_sha256))
    assert read_decided(store, 7).seen == {2: seen, 3: seen}


def test_carried_decision_is_recorded_unless_something_was_decided_of_its_contents(
    store: Store,
) -> None:
    carried = [
        replace(CONFIRMED, pair=pair, carried_from=1)
        for kinds in (["cropped"], ["bordered"])
        for pair in (
            Pair.of(7, "v1", ("a" * 64, "c" * 64), kinds),
            Pair.of(7, "v1", ("a" * 64, "d" * 64), kinds),
        )
    ]
    record(store, [CONFIRMED, replace(carried[0], verdict=DecisionVerdict.WITHDRAWN)])

    record_carried(store, carried)
    record_carried(store, carried)
    record_carried(store, [])

    assert [d for _, d in read_current(store, 7).values()] == [CONFIRMED, carried[1], carried[3]]
    assert read_decided(store, 7).newest == 4


def test_pair_finds_the_other_of_its_contents() -> None:
    assert [PAIR.find_other(one * 64) for one in "abc"] == ["b" * 64, "a" * 64, None]
