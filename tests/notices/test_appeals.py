"""An appeal that was settled: a decision in the store, and what follows from it at once."""

from __future__ import annotations

import pytest

from image_duplication.errors import ConfigurationError, RemovalRefusedError
from image_duplication.notices.appeals import record_appeal
from image_duplication.records import DecisionOrigin, DecisionVerdict, RemovalKind
from image_duplication.store.decisions import Decision, read_current
from image_duplication.store.notices import count_settled_by_variant, read_open_notices
from tests.judged_rows import judged_variant
from tests.notices.telling import tell
from tests.removal.worlds import DAY, World, skipped


def appeal(world: World, *image_ids: str, is_granted: bool = True, variant_id: str = "1") -> bool:
    first, second = image_ids
    return record_appeal(
        world.storage,
        world.store,
        category_id=7,
        variant_id=variant_id,
        image_ids=(first, second),
        is_granted=is_granted,
        settled_by="officer",
        note="two sides of the chair",
        now=world.now(),
    )


def start(world: World) -> None:
    world.allow(max_share=1)
    world.start(
        judged_variant("1", [["a", "b"], ["c"]]),
        judged_variant("2", [["a", "b", "c"]]),
        judged_variant("3", [["a"], ["b"], ["c"]]),
    )
    tell(world, "first")


def decision(world: World) -> Decision:
    ((_, found),) = read_current(world.store, 7).values()
    return found


@pytest.mark.parametrize("image_ids", [("a", "b"), ("b", "a")])
def test_granted_appeal_is_a_decision_and_takes_the_notice_back(
    world: World, image_ids: tuple[str, str]
) -> None:
    start(world)

    assert appeal(world, *image_ids)
    found = decision(world)
    assert (found.verdict, found.origin) == (DecisionVerdict.REJECTED, DecisionOrigin.APPEAL)
    assert (found.decided_by, found.note) == ("officer", "two sides of the chair")
    assert read_open_notices(world.store, 7).keys() == {"2"}
    assert count_settled_by_variant(world.store, 7) == {}
    assert tell(world, "second").variants() == ["2"]


def test_granted_appeal_of_a_variant_that_stays_short_leaves_its_notice(
    sqlite_world: World,
) -> None:
    start(sqlite_world)

    assert not appeal(sqlite_world, "a", "c", variant_id="2")
    assert read_open_notices(sqlite_world.store, 7).keys() == {"1", "2"}
    row = tell(sqlite_world, "second").row("2")
    assert [finding["image_id"] for finding in row["findings"]] == ["b"]
    assert row["distinct_usable"] == 2


def test_refused_appeal_confirms_the_finding(sqlite_world: World) -> None:
    start(sqlite_world)

    assert not appeal(sqlite_world, "a", "b", is_granted=False)
    assert decision(sqlite_world).verdict is DecisionVerdict.CONFIRMED
    assert read_open_notices(sqlite_world.store, 7).keys() == {"1", "2"}
    sqlite_world.propose()
    assert sqlite_world.listed() == [("1", "b")]


def test_appeal_granted_after_the_approval_stops_the_removal_of_the_variant(
    world: World,
) -> None:
    start(world)
    world.moment += 15 * DAY
    world.propose(kind=RemovalKind.VARIANTS)
    world.approve()
    appeal(world, "a", "b")

    assert skipped(world.apply()) == {"notice_settled": 1}
    assert world.active_variants() == {"1", "3"}


def test_variant_whose_appeal_was_granted_is_not_proposed(sqlite_world: World) -> None:
    start(sqlite_world)
    appeal(sqlite_world, "a", "b")
    sqlite_world.moment += 15 * DAY
    sqlite_world.propose(kind=RemovalKind.VARIANTS)

    assert [row["variant_id"] for row in sqlite_world.manifest()] == ["2"]


def test_appeal_against_what_is_no_finding_is_refused_and_says_what_is(
    sqlite_world: World,
) -> None:
    start(sqlite_world)

    with pytest.raises(ConfigurationError, match="no finding of images a and c; expected a and b$"):
        appeal(sqlite_world, "a", "c")
    with pytest.raises(ConfigurationError, match="expected none, for it has no finding"):
        appeal(sqlite_world, "a", "b", variant_id="3")
    with pytest.raises(ConfigurationError, match="variant '9' is not in category 7"):
        appeal(sqlite_world, "a", "b", variant_id="9")
    assert read_current(sqlite_world.store, 7) == {}


def test_appeal_in_a_category_that_was_never_published_is_refused(sqlite_world: World) -> None:
    with pytest.raises(RemovalRefusedError, match="never published"):
        appeal(sqlite_world, "a", "b")
