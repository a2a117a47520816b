"""Removals: what was proposed, who has decided, and how far each has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from image_duplication.errors import ConfigurationError, RemovalRefusedError
from image_duplication.records import RemovalKind, RemovalState
from image_duplication.store.database import Store
from image_duplication.store.schema import REMOVALS

_LONGEST_NAME = 255
_LONGEST_NOTE = 4_000

_BEGUN = (RemovalState.APPLYING, RemovalState.APPLIED, RemovalState.PARTLY_APPLIED)
_APPROVED = (RemovalState.APPROVED, *_BEGUN)
_RESTORED = (RemovalState.RESTORING, RemovalState.RESTORED)


@dataclass(frozen=True, slots=True)
class Removal:
    """One removal as it stands. Times are in UTC, without a zone.

    `asked_confirmation` are the words that its approval must contain, if any.
    """

    removal_id: str
    kind: RemovalKind
    state: RemovalState
    manifest_sha256: str
    manifest_rows: int
    asked_confirmation: str | None
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_note: str | None = None
    typed_confirmation: str | None = None
    applying_since: datetime | None = None
    applied_at: datetime | None = None
    restored_by: str | None = None
    restored_at: datetime | None = None
    restore_note: str | None = None


def find_removal(store: Store, removal_id: str) -> Removal | None:
    """A removal, or None when there is none of that id."""
    with store.transaction() as connection:
        return _find(connection, removal_id)


def read_removal(store: Store, removal_id: str) -> Removal:
    """A removal. Raises RemovalRefusedError when there is none of that id."""
    with store.transaction() as connection:
        return _read(connection, removal_id)


def read_removals(
    store: Store, *, states: tuple[RemovalState, ...] = tuple(RemovalState)
) -> list[Removal]:
    """All removals in some states, the oldest first."""
    query = (
        sa.select(REMOVALS)
        .where(REMOVALS.c.state.in_([str(state) for state in states]))
        .order_by(REMOVALS.c.proposed_at, REMOVALS.c.removal_id)
    )
    with store.transaction() as connection:
        return [_of_row(row) for row in connection.execute(query).mappings()]


def record_proposal(store: Store, removal: Removal) -> None:
    """Add a removal that nobody has decided on. Raises ConfigurationError if it names nobody."""
    _check_name(removal.proposed_by, "proposed")
    values = {
        "removal_id": removal.removal_id,
        "kind": removal.kind,
        "state": RemovalState.PROPOSED,
        "manifest_sha256": removal.manifest_sha256,
        "manifest_rows": removal.manifest_rows,
        "asked_confirmation": removal.asked_confirmation,
        "proposed_by": removal.proposed_by,
        "proposed_at": removal.proposed_at,
    }
    with store.transaction() as connection:
        connection.execute(REMOVALS.insert().values(values))


# A person's decision ----------------------------------------------------------------------------


def approve(
    store: Store,
    removal_id: str,
    *,
    approved_by: str,
    approved_at: datetime,
    note: str = "",
    confirmation: str | None = None,
    require_second_person: bool,
) -> Removal:
    """Record a person's approval; the same approval again changes nothing.

    Raises RemovalRefusedError when the removal is decided otherwise, when the words that it asks
    for are not typed, and, if a second person is required, when the proposer approves.
    """
    _check_name(approved_by, "approved")
    _check_note(note)
    with store.transaction() as connection:
        removal = _read(connection, removal_id)
        if removal.state in _APPROVED and removal.decided_by == approved_by:
            return removal
        _check_state(removal, "approve", RemovalState.PROPOSED)
        check_approver(removal, approved_by, require_second_person=require_second_person)
        check_confirmation(removal, confirmation)
        return _change(
            connection,
            removal_id,
            state=RemovalState.APPROVED,
            decided_by=approved_by,
            decided_at=approved_at,
            decision_note=note,
            typed_confirmation=confirmation,
        )


def reject(
    store: Store, removal_id: str, *, rejected_by: str, rejected_at: datetime, note: str = ""
) -> Removal:
    """Record a person's refusal; the same again changes nothing.

    Raises RemovalRefusedError when the removal is decided otherwise.
    """
    _check_name(rejected_by, "rejected")
    _check_note(note)
    with store.transaction() as connection:
        removal = _read(connection, removal_id)
        if removal.state is RemovalState.REJECTED and removal.decided_by == rejected_by:
            return removal
        _check_state(removal, "reject", RemovalState.PROPOSED)
        return _change(
            connection,
            removal_id,
            state=RemovalState.REJECTED,
            decided_by=rejected_by,
            decided_at=rejected_at,
            decision_note=note,
        )


def time_out(store: Store, removal_id: str, *, timed_out_at: datetime) -> Removal:
    """Record that nobody has decided in time; a removal that is decided stays as it is."""
    with store.transaction() as connection:
        removal = _read(connection, removal_id)
        if removal.state is not RemovalState.PROPOSED:
            return removal
        return _change(
            connection, removal_id, state=RemovalState.TIMED_OUT, decided_at=timed_out_at
        )


def check_approver(removal: Removal, approved_by: str, *, require_second_person: bool) -> None:
    """Raise RemovalRefusedError when a second person is required and this one is the first."""
    is_same = removal.proposed_by.strip().casefold() == approved_by.strip().casefold()
    if require_second_person and is_same:
        raise RemovalRefusedError(
            f"removal {removal.removal_id} was proposed by {removal.proposed_by!r}, who may not "
            "approve it too; expected another person (setting removal.require_second_person)"
        )


def check_confirmation(removal: Removal, typed: str | None) -> None:
    """Raise RemovalRefusedError when the removal asks for words that were not typed."""
    asked = removal.asked_confirmation
    if asked is not None and " ".join((typed or "").split()) != asked:
        raise RemovalRefusedError(
            f"removal {removal.removal_id} takes more of a category than removal.max_share allows "
            f"without words typed by the approver: received {typed!r}, expected {asked!r}"
        )


# The work ---------------------------------------------------------------------------------------


def begin_applying(
    store: Store, removal_id: str, *, began_at: datetime, require_second_person: bool
) -> Removal:
    """Take an approved removal to `applying`; one whose applying has begun or ended stays.

    Raises RemovalRefusedError when it is in another state, or its approval does not suffice.
    """
    with store.transaction() as connection:
        removal = _read(connection, removal_id)
        _check_state(removal, "apply", *_APPROVED)
        check_approver(
            removal, removal.decided_by or "", require_second_person=require_second_person
        )
        check_confirmation(removal, removal.typed_confirmation)
        if removal.state is not RemovalState.APPROVED:
            return removal
        return _change(connection, removal_id, state=RemovalState.APPLYING, applying_since=began_at)


def finish_applying(
    store: Store, removal_id: str, *, is_whole: bool, finished_at: datetime
) -> Removal:
    """Take a removal from `applying` to `applied`, or to `partly_applied` if rows were skipped."""
    state = RemovalState.APPLIED if is_whole else RemovalState.PARTLY_APPLIED
    with store.transaction() as connection:
        removal = _read(connection, removal_id)
        if removal.state is state:  # another try of the same work was faster
            return removal
        _check_state(removal, "finish", RemovalState.APPLYING)
        return _change(connection, removal_id, state=state, applied_at=finished_at)


def begin_restoring(store: Store, removal_id: str, *, restored_by: str, note: str = "") -> Removal:
    """Take a removal whose applying has begun to `restoring`; one that is restored stays.

    Raises RemovalRefusedError when nothing of it can have been applied.
    """
    _check_name(restored_by, "restored")
    _check_note(note)
    with store.transaction() as connection:
        removal = _read(connection, removal_id)
        check_restorable(removal)
        if removal.state in _RESTORED:
            return removal
        return _change(
            connection,
            removal_id,
            state=RemovalState.RESTORING,
            restored_by=restored_by,
            restore_note=note,
        )


def check_restorable(removal: Removal) -> None:
    """Raise RemovalRefusedError when nothing of a removal can have been applied."""
    _check_state(removal, "restore", *_BEGUN, *_RESTORED)


def finish_restoring(store: Store, removal_id: str, *, finished_at: datetime) -> Removal:
    """Take a removal from `restoring` to `restored`."""
    with store.transaction() as connection:
        removal = _read(connection, removal_id)
        if removal.state is RemovalState.RESTORED:
            return removal
        _check_state(removal, "finish restoring", RemovalState.RESTORING)
        return _change(connection, removal_id, state=RemovalState.RESTORED, restored_at=finished_at)


# Rows -------------------------------------------------------------------------------------------


def _find(connection: sa.Connection, removal_id: str) -> Removal | None:
    # Locked, so that of two that decide at once the second sees what the first has decided.
    query = sa.select(REMOVALS).where(REMOVALS.c.removal_id == removal_id).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _of_row(row)


def _read(connection: sa.Connection, removal_id: str) -> Removal:
    removal = _find(connection, removal_id)
    if removal is None:
        raise RemovalRefusedError(f"there is no removal {removal_id!r}")
    return removal


def _of_row(row: sa.RowMapping) -> Removal:
    return Removal(
        **{
            **row,
            "kind": RemovalKind(row["kind"]),
            "state": RemovalState(row["state"]),
        }
    )


def _change(connection: sa.Connection, removal_id: str, **values: Any) -> Removal:
    this = REMOVALS.c.removal_id == removal_id
    connection.execute(REMOVALS.update().where(this).values(values))
    return _read(connection, removal_id)


def _check_state(removal: Removal, deed: str, *allowed: RemovalState) -> None:
    if removal.state not in allowed:
        raise RemovalRefusedError(
            f"cannot {deed} removal {removal.removal_id}: it is {removal.state.value!r}; expected "
            + " or ".join(repr(state.value) for state in allowed)
        )


def _check_name(name: str, deed: str) -> None:
    if not name.strip() or len(name) > _LONGEST_NAME:
        raise ConfigurationError(
            f"{name[:40]!r} is nobody's name; expected who has {deed} the removal, in at most "
            f"{_LONGEST_NAME} characters"
        )


def _check_note(note: str) -> None:
    if len(note) > _LONGEST_NOTE:
        raise ConfigurationError(
            f"a removal's note has {len(note)} characters; at most {_LONGEST_NOTE} are allowed"
        )
