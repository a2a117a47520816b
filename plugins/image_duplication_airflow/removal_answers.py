"""What a run asks a person about its removal, and what becomes of the answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from image_duplication.errors import RemovalRefusedError
from image_duplication.records import RemovalState
from image_duplication.removal.approval_page import render_page, render_subject
from image_duplication.removal.manifest import read_proposal
from image_duplication.store.leases import now_in_utc
from image_duplication.store.removals import Removal, approve, read_removal, reject, time_out
from image_duplication_airflow.approval import ANSWER_PARAMS, APPROVE, REJECT
from image_duplication_airflow.connections import open_store
from image_duplication_airflow.removal_runs import RemovalRun

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; `page` is Markdown, `decide_by` in UTC without a zone."""

    subject: str
    page: str
    decide_by: datetime

    def time_left(self) -> timedelta:
        """How long a person may still take: at least a second."""
        return max(self.decide_by - now_in_utc(), timedelta(seconds=1))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person said; `given_at` is in UTC without a zone."""

    is_approval: bool
    given_by: str
    given_at: datetime
    note: str = ""
    confirmation: str | None = None


def find_question(run: RemovalRun) -> Question | RemovalState:
    """What is to be asked; the state of a removal that is decided already.

    Raises AirflowSkipException when nothing is proposed.
    """
    with open_store(run.choices.settings) as store:
        removal = read_removal(store, run.removal_id)
    if not removal.manifest_rows:
        raise AirflowSkipException(f"removal {run.removal_id} proposes nothing")
    if removal.state is not RemovalState.PROPOSED:
        logger.info("removal %s is %s, by %s", run.removal_id, removal.state, removal.decided_by)
        return removal.state
    proposal = read_proposal(run.storage, run.removal_id)
    decide_by = _find_decide_by(run, removal)
    page = render_page(run.storage, proposal, note=run.choices.note, decide_by=decide_by)
    return Question(render_subject(proposal), page, decide_by)


def read_answer(event: Mapping[str, Any]) -> Answer:
    """An answer as Airflow hands it over, which has checked neither its fields nor their types.

    Raises RemovalRefusedError for one that cannot count.
    """
    chosen = event.get("chosen_options")
    if chosen not in ([APPROVE], [REJECT]):
        raise RemovalRefusedError(f"the answer is {chosen!r}; expected {[APPROVE]} or {[REJECT]}")
    name = (event.get("responded_by_user") or {}).get("name")
    if not isinstance(name, str) or not name.strip():
        raise RemovalRefusedError("the answer names nobody; expected who has given it")
    given_at = event.get("responded_at")
    if not isinstance(given_at, datetime):
        raise RemovalRefusedError(f"the answer is of {given_at!r}; expected when it was given")
    fields = event.get("params_input") or {}
    for field, value in fields.items():
        if field not in ANSWER_PARAMS or not isinstance(value, str | None):
            raise RemovalRefusedError(
                f"the answer's field {field!r} is {value!r}; expected text, in "
                f"{' or '.join(ANSWER_PARAMS)}"
            )
    return Answer(
        is_approval=chosen == [APPROVE],
        given_by=name,
        given_at=given_at.astimezone(UTC).replace(tzinfo=None),
        note=(fields.get("note") or "").strip(),
        confirmation=fields.get("confirmation") or None,
    )


def record_answer(run: RemovalRun, answer: Answer) -> RemovalState:
    """Record a person's word in the store; the removal's state.

    One that came too late is none: Airflow takes it until a scheduler has seen that time is over.
    Raises RemovalRefusedError or ConfigurationError when it does not suffice: nothing is recorded.
    """
    settings = run.choices.settings
    with open_store(settings) as store:
        decide_by = _find_decide_by(run, read_removal(store, run.removal_id))
        if answer.given_at > decide_by:
            logger.warning("the answer came too late: %s, after %s", answer.given_at, decide_by)
            return record_time_out(run)
        if answer.is_approval:
            removal = approve(
                store,
                run.removal_id,
                approved_by=answer.given_by,
                approved_at=now_in_utc(),
                note=answer.note,
                confirmation=answer.confirmation,
                require_second_person=settings.removal.require_second_person,
            )
        else:
            removal = reject(
                store,
                run.removal_id,
                rejected_by=answer.given_by,
                rejected_at=now_in_utc(),
                note=answer.note,
            )
    logger.info("removal %s: %s by %s", run.removal_id, removal.state, removal.decided_by)
    return removal.state


def _find_decide_by(run: RemovalRun, removal: Removal) -> datetime:
    return removal.proposed_at + timedelta(days=run.choices.settings.removal.approval_days)


def record_time_out(run: RemovalRun) -> RemovalState:
    """Record that nobody has decided in time; the removal's state."""
    with open_store(run.choices.settings) as store:
        removal = time_out(store, run.removal_id, timed_out_at=now_in_utc())
    logger.warning("removal %s: %s", run.removal_id, removal.state)
    return removal.state
