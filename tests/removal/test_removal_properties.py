"""Whatever was found and decided: what a removal never takes."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from image_duplication.records import DecisionVerdict, Kind, Relation
from image_duplication.storage import Storage
from image_duplication.store.decisions import read_current
from image_duplication.store.schema import METADATA
from image_duplication.tables import Row
from tests.judged_rows import judged_variant, sha256
from tests.removal.worlds import REMOVAL, World

IMAGES = "abcdef"


@st.composite
def variants(draw: st.DrawFn) -> list[list[Row]]:
    """Up to three variants: groups with any keeper, equal bytes, unusable, related pictures."""
    made = []
    for number in range(1, draw(st.integers(1, 3)) + 1):
        images = list(IMAGES[: draw(st.integers(1, len(IMAGES)))])
        groups: dict[int, list[str]] = {}
        for image in images:
            groups.setdefault(draw(st.integers(0, 2)), []).append(image)
        listed = sorted(groups.values())
        keepers = {group[0]: draw(st.sampled_from(group)) for group in listed}
        rows = judged_variant(
            str(number),
            listed,
            keepers=keepers,
            unusable=draw(st.lists(st.sampled_from(images), max_size=3)),
            related=[(images[0], images[-1])] if len(listed) > 1 and draw(st.booleans()) else [],
        )
        contents = draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
        for row, content in zip(rows, contents, strict=True):
            if row["kinds"] and draw(st.booleans()):
                row["kinds"] = [draw(st.sampled_from(list(Kind)))]
            if draw(st.booleans()):  # few contents, so that many are equal
                row["content_sha256"] = sha256(f"content {content}")
        made.append(rows)
    return made


decided = st.sampled_from([*DecisionVerdict, *[DecisionVerdict.CONFIRMED] * 3, None])


@pytest.fixture
def empty_world(sqlite_world: World) -> Callable[[], World]:
    """The same world, emptied for every example: making its tables anew would take longer."""
    roots = itertools.count()

    def make() -> World:
        sqlite_world.database.create_tables()
        with sqlite_world.store.transaction() as connection:
            for table in METADATA.sorted_tables:
                connection.execute(table.delete())
        sqlite_world.storage = Storage(f"{sqlite_world.storage.root}-{next(roots)}")
        return sqlite_world

    return make


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(variants(), st.lists(decided, min_size=40, max_size=40), st.booleans(), st.data())
def test_removal_never_takes_a_keeper_a_last_picture_or_a_rejected_pair(
    empty_world: Callable[[], World],
    judged: list[list[Row]],
    decisions: list[DecisionVerdict | None],
    allows_identical: bool,
    data: st.DataObject,
) -> None:
    world = empty_world()
    world.allow(max_share=1, batch_rows=data.draw(st.integers(1, 4)))
    world.start(*judged)
    findings = world.findings()
    for row, verdict in zip(findings, decisions, strict=False):
        if verdict is not None:
            key = (row["variant_id"], row["base_image_id"], row["duplicate_image_id"])
            world.decide(verdict, [key])
    world.propose(allow_unreviewed_identical=allows_identical)
    world.approve()
    for variant_id, image_id in data.draw(st.sets(st.sampled_from(sorted(world.active())))):
        if data.draw(st.integers(0, 3)) == 0:
            world.database.execute(
                "UPDATE inb_images SET is_active = 0 WHERE variant_id = :v AND image_id = :i",
                v=variant_id,
                i=image_id,
            )
    found = world.active()
    outcome = world.apply()

    removed = found - world.active()
    event(f"{min(len(removed), 3)} removed")
    _check(world, judged, findings, removed, found)
    assert outcome.applied == len(removed)
    assert removed <= set(world.listed(REMOVAL))
    world.restore()
    assert world.active() == found


def _check(
    world: World,
    judged: list[list[Row]],
    findings: list[Row],
    removed: set[tuple[str, str]],
    found: set[tuple[str, str]],
) -> None:
    duplicates = [row for row in findings if row["relation"] == Relation.DUPLICATE]
    assert not removed & {(row["variant_id"], row["keeper_image_id"]) for row in duplicates}
    left = found - removed
    contents = {(r["variant_id"], r["image_id"]): r["content_sha256"] for v in judged for r in v}
    rejected = _rejected(world)
    for variant_id, image_id in removed:
        assert any(variant == variant_id for variant, _ in left)
        naming = [
            row
            for row in duplicates
            if row["variant_id"] == variant_id
            and image_id in {row["base_image_id"], row["duplicate_image_id"]}
        ]
        mine = contents[variant_id, image_id]
        keepers = {row["keeper_image_id"] for row in naming}
        assert keepers, "removed without a finding"
        for keeper in keepers:
            assert (variant_id, keeper) in left
            assert (variant_id, frozenset({mine, contents[variant_id, keeper]})) not in rejected
        if not any(row["base_image_id"] == image_id for row in naming):
            (own,) = naming
            pair = frozenset({own["base_sha256"], own["duplicate_sha256"]})
            assert (variant_id, pair) not in rejected


def _rejected(world: World) -> set[tuple[str, frozenset[str]]]:
    return {
        (pair.variant_id, frozenset({pair.lower_sha256, pair.higher_sha256}))
        for pair, (_, decision) in read_current(world.store, 7).items()
        if decision.verdict is DecisionVerdict.REJECTED
    }
