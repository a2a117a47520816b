"""Undoing a removal: exactly its rows, once, after a kill too."""

from __future__ import annotations

import pytest

from image_duplication.errors import RemovalRefusedError
from image_duplication.records import RemovalState
from image_duplication.removal import applying, restoring
from image_duplication.removal.writer import WriterTransaction
from image_duplication.store.removals import read_removal
from tests.judged_rows import judged_variant
from tests.removal.test_applying import ALL, KEPT, KILLS, Killed, kill_at, start_five
from tests.removal.worlds import OTHER_REMOVAL, REMOVAL, World, left


def test_restore_activates_exactly_what_the_removal_deactivated(world: World) -> None:
    start_five(world)
    world.database.execute("UPDATE inb_images SET is_active = 0 WHERE image_id = 'c'")
    before = world.active()
    world.apply()
    outcome = world.restore()

    assert world.active() == before
    assert (outcome.state, outcome.restored, outcome.applied) == ("restored", 5, 0)
    removal = read_removal(world.store, REMOVAL)
    assert (removal.restored_by, removal.restore_note) == ("operator", "wrong category")
    assert removal.restored_at is not None


def test_second_restore_changes_nothing(world: World) -> None:
    start_five(world)
    world.apply()
    first = world.restore()
    world.database.execute("UPDATE inb_images SET is_active = 0 WHERE image_id = 'b'")

    assert world.restore() == first
    assert world.active() == KEPT


def test_restored_removal_is_not_applied_again(world: World) -> None:
    start_five(world)
    world.apply()
    world.restore()

    with pytest.raises(RemovalRefusedError, match="it is 'restored'"):
        world.apply()
    assert world.active() == ALL


def test_skipped_rows_are_not_restored(world: World) -> None:
    start_five(world)
    world.database.execute(
        "UPDATE inb_images SET is_active = 0 WHERE variant_id = 1 AND image_id = 'b'"
    )
    world.apply()
    world.restore()

    assert world.active() == ALL - {("1", "b")}


def test_row_that_a_person_has_activated_or_deleted_is_left(world: World) -> None:
    start_five(world)
    world.apply()
    world.database.execute(
        "UPDATE inb_images SET is_active = 1 WHERE variant_id = 1 AND image_id = 'b'"
    )
    world.database.execute("DELETE FROM inb_images WHERE variant_id = 2 AND image_id = 'b'")
    outcome = world.restore()

    assert left(outcome) == {"already_active": 1, "row_missing": 1}
    assert world.active() == ALL - {("2", "b")}


def test_row_that_a_later_removal_took_is_its_to_give_back(world: World) -> None:
    start_five(world)
    world.apply()
    world.database.execute("UPDATE inb_images SET is_active = 1 WHERE variant_id = 1")
    world.propose(OTHER_REMOVAL)
    world.approve(OTHER_REMOVAL)
    assert world.apply(OTHER_REMOVAL).applied == 1

    assert left(world.restore()) == {"removed_again": 1}
    assert world.active() == ALL - {("1", "b")}
    assert world.restore(OTHER_REMOVAL).restored == 1
    assert world.active() == ALL


def test_earlier_removal_of_a_row_does_not_keep_the_later_one_from_restoring(world: World) -> None:
    start_five(world)
    world.apply()
    world.database.execute("UPDATE inb_images SET is_active = 1 WHERE variant_id = 1")
    world.propose(OTHER_REMOVAL)
    world.approve(OTHER_REMOVAL)
    world.apply(OTHER_REMOVAL)

    assert world.restore(OTHER_REMOVAL).restored == 1
    assert world.active() == KEPT | {("1", "b")}


@pytest.mark.parametrize("kill", KILLS.values(), ids=KILLS)
def test_removal_that_was_killed_can_be_restored(
    world: World, monkeypatch: pytest.MonkeyPatch, kill: object
) -> None:
    start_five(world)
    with monkeypatch.context() as patched:
        kill(patched, 2)  # type: ignore[operator]
        with pytest.raises(Killed):
            world.apply()
    world.restore()

    assert world.active() == ALL
    assert read_removal(world.store, REMOVAL).state is RemovalState.RESTORED


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize(
    ("owner", "name", "after"),
    [
        (restoring, "write_progress", False),
        (WriterTransaction, "change_rows", False),
        (WriterTransaction, "change_rows", True),
        (restoring, "advance_rows", False),
        (restoring, "advance_rows", True),
    ],
    ids=["not noted", "not changed", "not committed", "not recorded", "between batches"],
)
def test_killed_restore_goes_on_and_comes_to_the_same(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    after: bool,
    batch: int,
) -> None:
    start_five(world)
    world.apply()
    with monkeypatch.context() as patched:
        kill_at(patched, owner, name, batch, after=after)
        with pytest.raises(Killed):
            world.restore()
    with pytest.raises(RemovalRefusedError, match="it is 'restoring'"):
        world.apply()
    outcome = world.restore()

    assert world.active() == ALL
    assert (outcome.restored, outcome.left) == (5, 0)


@pytest.mark.parametrize("is_approved", [False, True])
def test_removal_that_never_began_cannot_be_restored(
    sqlite_world: World, is_approved: bool
) -> None:
    world = sqlite_world
    world.start(judged_variant("1", [["a", "b"]]))
    world.confirm_all()
    world.propose()
    if is_approved:
        world.approve()

    with pytest.raises(RemovalRefusedError, match="cannot restore"):
        world.restore()


def test_row_noted_but_not_changed_is_left_by_a_restore(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_five(world)
    with monkeypatch.context() as patched:
        kill_at(patched, applying.WriterTransaction, "change_rows", 1)
        with pytest.raises(Killed):
            world.apply()

    assert left(world.restore()) == {"not_removed": 2}
    assert world.active() == ALL


def test_dry_restore_says_what_a_restore_would_do_and_changes_nothing(world: World) -> None:
    start_five(world)
    world.apply()
    world.database.execute(
        "UPDATE inb_images SET is_active = 1 WHERE variant_id = 1 AND image_id = 'b'"
    )
    before = world.active()
    dry = world.restore(is_dry=True)

    assert (dry.is_dry, dry.restored, left(dry)) == (True, 4, {"already_active": 1})
    assert world.active() == before
    assert read_removal(world.store, REMOVAL).state is RemovalState.APPLIED
    wet = world.restore()
    assert (wet.categories, wet.restored, wet.applied) == (dry.categories, 4, 0)


def test_dry_restore_of_what_never_began_is_refused_too(sqlite_world: World) -> None:
    start_five(sqlite_world)

    with pytest.raises(RemovalRefusedError, match="cannot restore"):
        sqlite_world.restore(is_dry=True)
