"""The states of a removal: who may bring it where."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from image_duplication.errors import ConfigurationError, RemovalRefusedError
from image_duplication.records import RemovalKind, RemovalRowState, RemovalState
from image_duplication.store.database import Store
from image_duplication.store.removal_rows import RemovalRow, count_rows, write_progress
from image_duplication.store.removals import (
    Removal,
    approve,
    begin_applying,
    begin_restoring,
    find_removal,
    finish_applying,
    finish_restoring,
    read_removal,
    read_removals,
    record_proposal,
    reject,
    time_out,
)

NOON = datetime(2026, 1, 5, 12, 0, 0, 123456)  # noqa: DTZ001 - the store keeps UTC without a zone
ID = "0123456789abcdef" * 2


def propose(store: Store, removal_id: str = ID, *, asked: str | None = None) -> None:
    record_proposal(
        store,
        Removal(
            removal_id=removal_id,
            kind=RemovalKind.IMAGES,
            state=RemovalState.PROPOSED,
            manifest_sha256="f" * 64,
            manifest_rows=3,
            asked_confirmation=asked,
            proposed_by="asha",
            proposed_at=NOON,
        ),
    )


def approve_it(store: Store, by: str = "ravi", **choices: Any) -> Removal:
    return approve(
        store,
        ID,
        **{"approved_by": by, "approved_at": NOON, "require_second_person": True, **choices},
    )


def begin(store: Store, *, require_second_person: bool = True) -> Removal:
    return begin_applying(store, ID, began_at=NOON, require_second_person=require_second_person)


DEEDS: dict[str, Callable[[Store], Removal]] = {
    "approve": approve_it,
    "reject": lambda s: reject(s, ID, rejected_by="ravi", rejected_at=NOON),
    "begin": begin,
    "finish": lambda s: finish_applying(s, ID, is_whole=True, finished_at=NOON),
    "begin restoring": lambda s: begin_restoring(s, ID, restored_by="ravi"),
    "finish restoring": lambda s: finish_restoring(s, ID, finished_at=NOON),
}
WAY = ["approve", "begin", "finish", "begin restoring", "finish restoring"]
STATES = ["approved", "applying", "applied", "restoring", "restored"]


def test_removal_goes_its_way_and_every_step_may_be_repeated(store: Store) -> None:
    propose(store)
    for deed, state in zip(WAY, STATES, strict=True):
        assert DEEDS[deed](store).state == state
        assert DEEDS[deed](store).state == state
        assert read_removal(store, ID).state == state


@pytest.mark.parametrize(
    ("before", "refused"),
    [
        ([], ["begin", "finish", "begin restoring", "finish restoring"]),
        (["reject"], ["approve", "begin", "finish", "begin restoring"]),
        (["approve"], ["reject", "finish", "begin restoring", "finish restoring"]),
        (["approve", "begin"], ["reject", "finish restoring"]),
        (WAY[:3], ["reject", "finish restoring"]),
        (WAY[:4], ["approve", "reject", "begin", "finish"]),
        (WAY, ["approve", "reject", "begin", "finish"]),
    ],
    ids=["proposed", "rejected", *STATES],
)
def test_removal_takes_no_other_step(store: Store, before: list[str], refused: list[str]) -> None:
    propose(store)
    for deed in before:
        DEEDS[deed](store)
    state = read_removal(store, ID).state
    for deed in refused:
        with pytest.raises(RemovalRefusedError, match=f"it is '{state}'"):
            DEEDS[deed](store)
    assert read_removal(store, ID).state == state


def test_approval_is_recorded_with_its_person_note_and_words(store: Store) -> None:
    propose(store, asked="remove 3 of 9")
    approve_it(store, note="seen, ठीक है", confirmation=" remove 3  of 9 ")

    found = read_removal(store, ID)
    assert (found.decided_by, found.decided_at, found.decision_note) == (
        "ravi",
        NOON,
        "seen, ठीक है",
    )
    assert found.typed_confirmation == " remove 3  of 9 "


@pytest.mark.parametrize("typed", [None, "", "remove 3 of 8", "yes"])
def test_approval_without_the_words_is_refused(store: Store, typed: str | None) -> None:
    propose(store, asked="remove 3 of 9")

    with pytest.raises(RemovalRefusedError, match="expected 'remove 3 of 9'"):
        approve_it(store, confirmation=typed)
    assert read_removal(store, ID).state is RemovalState.PROPOSED


@pytest.mark.parametrize("name", ["asha", "Asha", " ASHA "])
def test_proposer_may_approve_only_where_no_second_person_is_required(
    store: Store, name: str
) -> None:
    propose(store)

    with pytest.raises(RemovalRefusedError, match="'asha', who may not approve it too"):
        approve_it(store, name)
    assert approve_it(store, name, require_second_person=False).state == "approved"
    with pytest.raises(RemovalRefusedError, match="may not approve"):
        begin(store)
    assert begin(store, require_second_person=False).state == "applying"


def test_second_approver_does_not_replace_the_first(store: Store) -> None:
    propose(store)
    approve_it(store)

    with pytest.raises(RemovalRefusedError, match="'approved'"):
        approve_it(store, "meera")
    assert read_removal(store, ID).decided_by == "ravi"


def test_time_out_ends_only_a_removal_that_nobody_decided_on(store: Store) -> None:
    propose(store)
    propose(store, "other")
    approve_it(store)

    assert time_out(store, ID, timed_out_at=NOON).state == "approved"
    assert time_out(store, "other", timed_out_at=NOON).state == "timed_out"
    assert time_out(store, "other", timed_out_at=NOON).state == "timed_out"


def test_removals_are_found_by_id_and_by_state(store: Store) -> None:
    propose(store)
    propose(store, "other")
    approve_it(store)

    assert find_removal(store, "none") is None
    assert [r.removal_id for r in read_removals(store)] == [ID, "other"]
    assert [r.removal_id for r in read_removals(store, states=(RemovalState.PROPOSED,))] == [
        "other"
    ]
    with pytest.raises(RemovalRefusedError, match="no removal 'none'"):
        read_removal(store, "none")


@pytest.mark.parametrize(
    ("choices", "says"),
    [({"by": " "}, "nobody's name"), ({"by": "x" * 256}, "255"), ({"note": "x" * 4_001}, "4001")],
    ids=["nobody", "long name", "long note"],
)
def test_bad_approval_is_refused(store: Store, choices: dict[str, str], says: str) -> None:
    propose(store)

    with pytest.raises(ConfigurationError, match=says):
        approve_it(store, **choices)
    assert read_removal(store, ID).state is RemovalState.PROPOSED


def test_rows_are_written_only_while_their_removal_is_in_the_right_state(store: Store) -> None:
    propose(store)
    row = RemovalRow(0, 7, "v1", "a", RemovalRowState.SKIPPED)

    with pytest.raises(RemovalRefusedError, match="has become 'proposed'"):
        write_progress(store, ID, [row], during=RemovalState.APPLYING, changed_at=NOON)
    assert count_rows(store, ID) == {}
