"""What a run asks about its removal, and what becomes of the answers; without a scheduler."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from image_duplication.errors import ConfigurationError, RemovalRefusedError
from image_duplication.records import RemovalState
from image_duplication.store.removals import read_removal
from tests.removal.worlds import DAY, MORNING, REMOVAL, World

WORDS = "remove 2 of 4"


def run_of(world: World, **choices: Any) -> Any:
    """The run that proposed the world's removal."""
    from image_duplication_airflow.removal_params import read_choices
    from image_duplication_airflow.removal_runs import RemovalRun

    return RemovalRun(
        removal_id=REMOVAL,
        choices=read_choices({"category_ids": [7], "dry_run": False, **choices}),
        storage=world.storage,
        started_by="proposer",
        is_last_attempt=False,
    )


def record(world: World, **answer: Any) -> RemovalState:
    """Record an answer, of a day after the proposal."""
    from image_duplication_airflow.removal_answers import Answer, record_answer

    given = {"is_approval": True, "given_by": "approver", "confirmation": WORDS}
    given |= {"given_at": MORNING + DAY} | answer
    return record_answer(run_of(world), Answer(**given))


@pytest.fixture
def proposed(world: World) -> World:
    """With a removal of half its pictures proposed, which asks for words."""
    world.confirm_all()
    world.propose()
    return world


def test_question_says_what_until_when_and_which_words(proposed: World) -> None:
    from image_duplication_airflow.removal_answers import Question, find_question

    question = find_question(run_of(proposed, note="as agreed"))

    assert isinstance(question, Question)
    assert question.subject == "Deactivate 2 images of 1 categories?"
    assert f"`{WORDS}`" in question.page
    assert "as agreed" in question.page
    assert question.decide_by - read_removal(proposed.store, REMOVAL).proposed_at == timedelta(7)
    assert question.time_left() == timedelta(seconds=1)  # it is long past
    assert question.decide_by - MORNING < timedelta(days=7, hours=1)


def test_approval_is_recorded_with_who_and_why(proposed: World) -> None:
    assert record(proposed, note="looked at") is RemovalState.APPROVED

    removal = read_removal(proposed.store, REMOVAL)
    assert (removal.decided_by, removal.decision_note) == ("approver", "looked at")
    assert removal.typed_confirmation == WORDS


def test_answer_that_came_too_late_is_none(proposed: World) -> None:
    assert record(proposed, given_at=MORNING + 8 * DAY) is RemovalState.TIMED_OUT

    removal = read_removal(proposed.store, REMOVAL)
    assert (removal.state, removal.decided_by) == (RemovalState.TIMED_OUT, None)


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        pytest.param({"given_by": "Proposer"}, RemovalRefusedError, "another person", id="same"),
        pytest.param({"confirmation": None}, RemovalRefusedError, WORDS, id="no words"),
        pytest.param({"confirmation": "yes"}, RemovalRefusedError, WORDS, id="other words"),
        pytest.param({"note": "x" * 5_000}, ConfigurationError, "5000 characters", id="long note"),
    ],
)
def test_answer_that_does_not_suffice_leaves_the_removal_to_be_decided(
    proposed: World, answer: dict[str, Any], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        record(proposed, **answer)

    assert read_removal(proposed.store, REMOVAL).state is RemovalState.PROPOSED
    assert record(proposed) is RemovalState.APPROVED


def test_proposer_may_approve_where_no_second_person_is_asked_for(
    proposed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE_DUPLICATION__REMOVAL__REQUIRE_SECOND_PERSON", "false")

    assert record(proposed, given_by="proposer") is RemovalState.APPROVED


def test_anybody_may_reject_without_words(proposed: World) -> None:
    state = record(proposed, is_approval=False, given_by="proposer", confirmation=None)

    assert state is RemovalState.REJECTED


def test_decided_removal_is_not_asked_about(proposed: World) -> None:
    from image_duplication_airflow.removal_answers import find_question, record_time_out

    run = run_of(proposed)
    assert record_time_out(run) is RemovalState.TIMED_OUT
    assert find_question(run) is RemovalState.TIMED_OUT


def test_answer_that_came_before_the_time_out_holds(proposed: World) -> None:
    from image_duplication_airflow.removal_answers import record_time_out

    record(proposed)
    assert record_time_out(run_of(proposed)) is RemovalState.APPROVED


def test_removal_of_nothing_is_not_asked_about(world: World) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    from image_duplication_airflow.removal_answers import find_question

    world.propose()
    with pytest.raises(AirflowSkipException, match="proposes nothing"):
        find_question(run_of(world))


@pytest.mark.parametrize("decided", ["rejected", "timed out"])
def test_removal_that_was_not_approved_is_skipped(proposed: World, decided: str) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    from image_duplication_airflow.removal_answers import record_time_out
    from image_duplication_airflow.removal_runs import apply_removal

    if decided == "rejected":
        record(proposed, is_approval=False)
    else:
        record_time_out(run_of(proposed))
    with pytest.raises(AirflowSkipException, match="is not applied"):
        apply_removal(run_of(proposed))
    assert len(proposed.active()) == 4


def test_removal_that_nobody_decided_on_is_refused_whatever_airflow_says(proposed: World) -> None:
    from image_duplication_airflow.removal_runs import apply_removal

    with pytest.raises(RemovalRefusedError, match="it is 'proposed'"):
        apply_removal(run_of(proposed))
    assert len(proposed.active()) == 4


def test_approved_removal_is_applied_and_undone(proposed: World) -> None:
    from dataclasses import replace

    from image_duplication_airflow.removal_runs import apply_removal, restore_removal

    record(proposed)
    assert apply_removal(run_of(proposed))["applied"] == 2
    assert len(proposed.active()) == 2
    undo = replace(
        run_of(proposed, mode="restore", removal_id=REMOVAL, note="wrong", category_ids=None),
        started_by="operator",
    )
    assert restore_removal(undo)["restored"] == 2
    assert len(proposed.active()) == 4
    assert read_removal(proposed.store, REMOVAL).restored_by == "operator"
