"""Applying a removal: each row checked, killed anywhere and gone on with, dry runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

import pytest

from image_duplication import layout
from image_duplication.errors import (
    ConfigurationError,
    RemovalRefusedError,
    SourceContractError,
)
from image_duplication.records import DecisionVerdict, RemovalState
from image_duplication.removal import applying
from image_duplication.removal.contents import ListedPicture
from image_duplication.removal.writer import Writer, WriterTransaction
from image_duplication.store.removal_rows import count_rows
from image_duplication.store.removals import read_removal, reject, time_out
from image_duplication.store.schema import REMOVALS
from tests.catalogues import SQL_FOLDER
from tests.judged_rows import judged_variant
from tests.removal.worlds import OTHER_REMOVAL, REMOVAL, World, skipped


class Killed(BaseException):
    """Stands for the end of the process."""


def kill_at(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, call: int, *, after: bool = False
) -> None:
    """Let a function's n-th call end the work, before or after it has done its own."""
    original = getattr(owner, name)
    calls = 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and not after:
            raise Killed
        given = original(*args, **kwargs)
        if calls == call:
            raise Killed
        return given

    monkeypatch.setattr(owner, name, counted)


def start_five(world: World) -> None:
    """Five variants, each with a redundant image `b` beside `a` and `c`; approved."""
    world.allow(batch_rows=2, max_share=1)
    world.start(*(judged_variant(str(v), [["a", "b"], ["c"]]) for v in range(1, 6)))
    world.confirm_all()
    world.propose()
    world.approve()


ALL = {(str(v), image) for v in range(1, 6) for image in "abc"}
KEPT = {(v, image) for v, image in ALL if image != "b"}


def test_approved_rows_are_deactivated_and_no_others(world: World) -> None:
    start_five(world)
    outcome = world.apply()

    assert world.active() == KEPT
    assert (outcome.state, outcome.applied, outcome.skipped) == ("applied", 5, 0)
    removal = read_removal(world.store, REMOVAL)
    assert removal.state is RemovalState.APPLIED
    assert removal.applying_since is not None
    assert removal.applied_at is not None


def test_applying_again_changes_nothing_and_says_the_same(world: World) -> None:
    start_five(world)
    first = world.apply()
    world.database.execute(
        "UPDATE inb_images SET is_active = 1 WHERE variant_id = 1 AND image_id = 'b'"
    )

    assert world.apply() == first
    assert world.active() == KEPT | {("1", "b")}


def test_dry_run_checks_all_and_writes_nothing(world: World) -> None:
    start_five(world)
    world.database.execute("UPDATE inb_images SET image_url = 'x' WHERE variant_id = 4")
    before = {
        name: world.storage.read_bytes(f"{layout.removal_folder(REMOVAL)}/{name}")
        for name in world.storage.names(layout.removal_folder(REMOVAL))
    }
    outcome = world.apply(is_dry=True)

    assert (outcome.is_dry, outcome.applied, skipped(outcome)) == (True, 4, {"row_changed": 1})
    assert world.active() == ALL
    assert count_rows(world.store, REMOVAL) == {}
    assert read_removal(world.store, REMOVAL).state is RemovalState.APPROVED
    folder = layout.removal_folder(REMOVAL)
    assert before == {
        name: world.storage.read_bytes(f"{folder}/{name}") for name in world.storage.names(folder)
    }


def test_dry_run_needs_neither_an_approval_nor_an_account_that_may_write(world: World) -> None:
    world.start(judged_variant("1", [["a", "b"]]))
    world.confirm_all()
    world.propose()
    world.writer_url = world.database.url

    assert world.apply(is_dry=True).applied == 1


# What an approval must be ------------------------------------------------------------------------


def test_removal_that_nobody_approved_is_refused(world: World) -> None:
    world.start(judged_variant("1", [["a", "b"], ["c"]]))
    world.confirm_all()
    world.propose()

    with pytest.raises(RemovalRefusedError, match="it is 'proposed'"):
        world.apply()
    assert ("1", "b") in world.active()


@pytest.mark.parametrize(
    ("decide", "state"),
    [
        (lambda w: reject(w.store, REMOVAL, rejected_by="x", rejected_at=w.now()), "rejected"),
        (lambda w: time_out(w.store, REMOVAL, timed_out_at=w.now()), "timed_out"),
    ],
    ids=["rejected", "timed out"],
)
def test_removal_that_was_not_approved_is_refused(
    sqlite_world: World, decide: Callable[[World], object], state: str
) -> None:
    world = sqlite_world
    world.start(judged_variant("1", [["a", "b"], ["c"]]))
    world.confirm_all()
    world.propose()
    decide(world)

    with pytest.raises(RemovalRefusedError, match=state):
        world.apply()
    assert ("1", "b") in world.active()


def test_removal_of_an_unknown_id_is_refused(sqlite_world: World) -> None:
    with pytest.raises(RemovalRefusedError, match="no removal"):
        sqlite_world.apply()


def test_manifest_that_was_changed_after_the_proposal_is_refused(sqlite_world: World) -> None:
    start_five(sqlite_world)
    key = layout.removal_manifest(REMOVAL)
    sqlite_world.storage.write_bytes(key, sqlite_world.storage.read_bytes(key) + b" ")

    with pytest.raises(RemovalRefusedError, match="not what was proposed"):
        sqlite_world.apply()
    assert sqlite_world.active() == ALL


def test_share_that_was_lowered_after_the_proposal_is_held(sqlite_world: World) -> None:
    start_five(sqlite_world)
    sqlite_world.allow(max_share=0.1)

    with pytest.raises(RemovalRefusedError, match="5 of 15 rows of category 7.*propose again"):
        sqlite_world.apply()


def test_category_above_the_share_goes_with_the_typed_words(world: World) -> None:
    world.start(judged_variant("1", [["a", "b"]]))
    world.confirm_all()
    outcome = world.remove_all()

    assert read_removal(world.store, REMOVAL).typed_confirmation == "remove 1 of 2"
    assert outcome.applied == 1


def test_second_person_may_become_required_after_the_approval(sqlite_world: World) -> None:
    world = sqlite_world
    start_five(world)
    with world.store.transaction() as connection:
        connection.execute(REMOVALS.update().values(decided_by="Proposer "))

    with pytest.raises(RemovalRefusedError, match="may not approve it too"):
        world.apply()
    world.allow(require_second_person=False)
    assert world.apply().applied == 5


# Rows that changed -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE inb_images SET is_active = 0 WHERE image_id = 'b'", "not_active"),
        ("UPDATE inb_images SET is_active = 2 WHERE image_id = 'b'", "not_active"),
        ("DELETE FROM inb_images WHERE image_id = 'b'", "row_missing"),
        ("UPDATE inb_images SET variant_id = 2 WHERE image_id = 'b'", "row_missing"),
        ("UPDATE inb_images SET image_url = 'https://x/y.jpg' WHERE image_id = 'b'", "row_changed"),
        ("UPDATE inb_images SET updated_at = '2026-03-09' WHERE image_id = 'b'", "row_changed"),
        ("UPDATE inb_images SET is_active = 0 WHERE image_id = 'a'", "keeper_not_active"),
        ("UPDATE inb_images SET is_active = 0 WHERE image_id <> 'b'", "keeper_not_active"),
        ("DELETE FROM inb_images WHERE image_id = 'a'", "keeper_not_active"),
        ("UPDATE inb_images SET image_url = 'https://x/y.jpg' WHERE image_id = 'a'",
         "keeper_changed"),
        ("INSERT INTO inb_images (image_id, variant_id, position, image_url, is_active) "
         "VALUES ('b', 1, 9, 'https://x/y.jpg', 1)", "row_repeated"),
    ],
    ids=["deactivated", "neither", "deleted", "moved", "other url", "touched", "keeper off",
         "alone", "keeper gone", "keeper url", "listed twice"],
)  # fmt: skip
def test_row_that_is_not_what_the_manifest_says_is_skipped(
    world: World, change: str, reason: str
) -> None:
    world.start(judged_variant("1", [["a", "b"], ["c"]]))
    world.confirm_all()
    world.propose()
    world.approve()
    world.database.execute(change)
    before = world.active()
    outcome = world.apply()

    assert skipped(outcome) == {reason: 1}
    assert outcome.state is RemovalState.PARTLY_APPLIED
    assert world.active() == before


def test_rows_beside_a_skipped_one_are_applied(world: World) -> None:
    start_five(world)
    world.database.execute(
        "UPDATE inb_images SET is_active = 0 WHERE variant_id = 2 AND image_id = 'a'"
    )
    outcome = world.apply()

    assert world.active() == KEPT - {("2", "a")} | {("2", "b")}
    assert (outcome.applied, skipped(outcome)) == (4, {"keeper_not_active": 1})


def test_picture_that_was_judged_anew_with_other_bytes_is_skipped(world: World) -> None:
    variant = judged_variant("1", [["a", "b"], ["c"]])
    world.start(variant)
    world.confirm_all()
    world.propose()
    world.approve()
    world.publish(
        [[r | {"content_sha256": "0" * 64} if r["image_id"] == "b" else r for r in variant]]
    )

    assert skipped(world.apply()) == {"content_changed": 1}


@pytest.mark.parametrize(("changed", "reason"), [("b", "content_changed"), ("a", "keeper_changed")])
def test_picture_whose_content_is_no_longer_the_same_is_skipped(
    world: World, changed: str, reason: str
) -> None:
    world.start(judged_variant("1", [["a", "b"], ["c"]]))
    world.confirm_all()
    world.propose()
    world.approve()
    asked: list[ListedPicture] = []

    def find_changed(pictures: Set[ListedPicture]) -> Set[ListedPicture]:
        asked.extend(pictures)
        return {picture for picture in pictures if picture.image_id == changed}

    assert skipped(world.apply(find_changed=find_changed)) == {reason: 1}
    assert {picture.image_url[-5:] for picture in asked} == {"a.jpg", "b.jpg"}
    assert ("1", "b") in world.active()


@pytest.mark.parametrize("verdict", [DecisionVerdict.REJECTED, DecisionVerdict.WITHDRAWN])
def test_decision_that_changed_after_the_approval_stops_the_row(
    world: World, verdict: DecisionVerdict
) -> None:
    start_five(world)
    world.decide(verdict, [("3", "a", "b")])
    outcome = world.apply()

    assert skipped(outcome) == {"decision_changed": 1}
    assert world.active() == KEPT | {("3", "b")}


def test_rejection_of_the_keeper_s_own_match_after_the_approval_stops_the_row(
    sqlite_world: World,
) -> None:
    world = sqlite_world
    world.start(judged_variant("1", [["a", "b", "c"], ["d"]], keepers={"a": "b"}))
    world.confirm_all()
    world.propose()
    world.approve()
    assert world.listed() == [("1", "a"), ("1", "c")]
    world.decide(DecisionVerdict.REJECTED, [("1", "a", "b")])

    assert skipped(world.apply()) == {"decision_changed": 2}


def test_decision_that_changes_while_the_removal_is_at_work_stops_the_row(
    sqlite_world: World,
) -> None:
    start_five(sqlite_world)
    asked: list[str] = []

    def find_changed(pictures: Set[ListedPicture]) -> Set[ListedPicture]:
        asked.extend(picture.variant_id for picture in pictures)
        if "5" in asked:  # the last batch
            sqlite_world.decide(DecisionVerdict.REJECTED, [("5", "a", "b")])
        return set()

    assert skipped(sqlite_world.apply(find_changed=find_changed)) == {"decision_changed": 1}
    assert sqlite_world.active() == KEPT | {("5", "b")}


def test_second_confirmation_stops_nothing(sqlite_world: World) -> None:
    start_five(sqlite_world)
    sqlite_world.confirm_all()

    assert sqlite_world.apply().applied == 5


def test_second_removal_of_the_same_rows_finds_them_inactive(world: World) -> None:
    start_five(world)
    world.propose(OTHER_REMOVAL)
    world.approve(OTHER_REMOVAL)
    world.apply()

    assert skipped(world.apply(OTHER_REMOVAL)) == {"not_active": 5}
    assert world.active() == KEPT


def test_statement_that_changes_another_number_of_rows_leaves_all_as_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_five(world)
    read = Writer._read

    def read_wrongly(writer: Writer, statement: str) -> str:
        sql = read(writer, statement)
        return sql.replace("row_id IN :row_keys", "row_id >= 1 OR row_id IN :row_keys")

    monkeypatch.setattr(Writer, "_read", read_wrongly)
    with pytest.raises(SourceContractError, match="deactivate_images.*expected 2"):
        world.apply()
    assert world.active() == ALL
    monkeypatch.undo()
    assert world.apply().applied == 5


# Kills -------------------------------------------------------------------------------------------

KILLS: dict[str, Callable[[pytest.MonkeyPatch, int], None]] = {
    "before the rows are noted": lambda m, n: kill_at(m, applying, "write_progress", n),
    "noted, not changed": lambda m, n: kill_at(m, WriterTransaction, "change_rows", n),
    "changed, not committed": lambda m, n: kill_at(
        m, WriterTransaction, "change_rows", n, after=True
    ),
    "committed, not recorded": lambda m, n: kill_at(m, applying, "advance_rows", n),
    "between two batches": lambda m, n: kill_at(m, applying, "advance_rows", n, after=True),
    "at the end": lambda m, _: kill_at(m, applying, "finish_applying", 1),
}


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("kill", KILLS.values(), ids=KILLS)
def test_killed_removal_goes_on_and_comes_to_the_same(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    kill: Callable[[pytest.MonkeyPatch, int], None],
    batch: int,
) -> None:
    start_five(world)
    world.database.execute("DELETE FROM inb_images WHERE variant_id = 3 AND image_id = 'b'")
    with monkeypatch.context() as patched:
        kill(patched, batch)
        with pytest.raises(Killed):
            world.apply()
    assert read_removal(world.store, REMOVAL).state is RemovalState.APPLYING
    outcome = world.apply()

    assert world.active() == KEPT
    assert (outcome.applied, skipped(outcome)) == (4, {"row_missing": 1})
    assert outcome.state is RemovalState.PARTLY_APPLIED
    counts = count_rows(world.store, REMOVAL)
    assert counts == {(7, "applied", None): 4, (7, "skipped", "row_missing"): 1}


def test_row_that_another_deactivated_before_it_was_noted_is_not_counted_as_ours(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_five(world)
    with monkeypatch.context() as patched:
        kill_at(patched, applying, "write_progress", 2)
        with pytest.raises(Killed):
            world.apply()
    world.database.execute(
        "UPDATE inb_images SET is_active = 0 WHERE variant_id = 4 AND image_id = 'b'"
    )

    assert skipped(world.apply()) == {"not_active": 1}
    world.restore()
    assert world.active() == ALL - {("4", "b")}


def test_row_at_which_a_removal_was_broken_off_is_left_to_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_five(world)
    world.propose(OTHER_REMOVAL)
    world.approve(OTHER_REMOVAL)
    with monkeypatch.context() as patched:
        kill_at(patched, WriterTransaction, "change_rows", 1)
        with pytest.raises(Killed):
            world.apply()

    assert skipped(world.apply(OTHER_REMOVAL)) == {"in_another_removal": 2}
    assert skipped(world.apply()) == {"not_active": 3}
    assert world.active() == KEPT


def test_batch_that_waits_while_its_removal_is_restored_is_stopped(world: World) -> None:
    start_five(world)
    restored = []

    def restore_meanwhile(_pictures: Set[ListedPicture]) -> Set[ListedPicture]:
        if not restored and count_rows(world.store, REMOVAL):
            restored.append(world.restore())
        return set()

    with pytest.raises(RemovalRefusedError, match="has become 'restored'"):
        world.apply(find_changed=restore_meanwhile)
    assert len(restored) == 1
    assert world.active() == ALL


def test_removal_that_is_applied_stays_so_when_less_is_allowed_later(sqlite_world: World) -> None:
    start_five(sqlite_world)
    first = sqlite_world.apply()
    sqlite_world.allow(max_share=0.1)

    assert sqlite_world.apply() == first


# The connection ----------------------------------------------------------------------------------


def test_account_that_may_only_read_is_refused_by_name(mysql_world: World) -> None:
    start_five(mysql_world)
    mysql_world.writer_url = mysql_world.database.url

    with pytest.raises(ConfigurationError, match="gem_staging_writer"):
        mysql_world.apply()


def test_column_that_a_statement_lacks_is_named(sqlite_world: World, tmp_path: Path) -> None:
    folder = shutil.copytree(SQL_FOLDER, tmp_path / "sql")
    path = folder / "removal" / "image_rows.sql"
    path.write_text(path.read_text().replace("AS image_url", "AS url"))
    start_five(sqlite_world)

    with (
        Writer("gem_staging_writer", sqlite_world.writer_url, folder) as writer,
        pytest.raises(SourceContractError, match="no column 'image_url'"),
        writer.transaction() as transaction,
    ):
        transaction.read_rows("image_rows", ("row_key", "image_url"), ["1"])


def test_rows_of_other_variants_are_not_locked(mysql_world: World) -> None:
    world = mysql_world
    world.database.add_variants(300, 3)
    world.database.fill()
    world.database.execute("ANALYZE TABLE inb_images")
    with world.writer() as writer, writer.transaction() as transaction:
        assert len(transaction.read_rows("image_rows", ("row_key",), ["700001"])) == 3
        # Would wait for the lock, and fail, if the statement had gone through the whole table.
        world.database.execute(
            "SET STATEMENT innodb_lock_wait_timeout = 1 FOR "
            "UPDATE inb_images SET is_active = 0 WHERE variant_id = 700200"
        )
