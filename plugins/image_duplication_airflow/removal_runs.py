"""The steps of a removal, each for the run whose task is being executed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from image_duplication import layout
from image_duplication.records import RemovalState
from image_duplication.removal import applying, restoring
from image_duplication.removal.approval_page import render_page
from image_duplication.removal.category_states import categories_of_run
from image_duplication.removal.image_proposal import propose_images
from image_duplication.removal.inquiry import HostInquiry
from image_duplication.removal.manifest import Proposal
from image_duplication.removal.outcome import RemovalOutcome, describe_outcome
from image_duplication.removal.variant_proposal import propose_variants
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.removals import Removal, read_removal
from image_duplication_airflow.connections import open_store, open_writer
from image_duplication_airflow.removal_params import RemovalChoices, RemovalMode, read_choices
from image_duplication_airflow.starters import name_starter

_NOT_APPLIED = {
    RemovalState.REJECTED: "it was rejected",
    RemovalState.TIMED_OUT: "nobody decided on it in time",
}


@dataclass(frozen=True, slots=True)
class RemovalRun:
    """A run and its removal."""

    removal_id: str
    choices: RemovalChoices
    storage: Storage
    started_by: str
    is_last_attempt: bool

    @property
    def is_restore(self) -> bool:
        """Whether it undoes a removal instead of proposing one."""
        return self.choices.mode is RemovalMode.RESTORE


def current_removal_run() -> RemovalRun:
    """The run of the task that is being executed; its removal is the same after a clearing.

    Raises ConfigurationError for parameters that do not fit, and when nobody has started it.
    """
    context = get_current_context()
    choices = read_choices(context["params"])
    dag_run: Any = context["dag_run"]
    task_instance = context["ti"]
    return RemovalRun(
        removal_id=choices.removal_id or layout.removal_id_of(context["run_id"]),
        choices=choices,
        storage=Storage(choices.settings.storage_root),
        started_by=name_starter(dag_run),
        is_last_attempt=task_instance.try_number > task_instance.max_tries,
    )


def propose_removal(run: RemovalRun) -> dict[str, Any]:
    """Write what the run would remove, and propose it; its counts, for XCom."""
    _skip_unless(not run.is_restore, run)
    category_ids = _find_categories(run)
    with open_store(run.choices.settings) as store:
        proposal = _propose(run, store, category_ids)
    print(render_page(run.storage, proposal, note=run.choices.note))  # noqa: T201 - for the log
    return {
        "removal_id": proposal.removal_id,
        "kind": str(proposal.kind),
        "rows": proposal.rows,
        "categories": len(proposal.categories),
        "asked_confirmation": proposal.asked_confirmation,
    }


def apply_removal(run: RemovalRun) -> dict[str, Any]:
    """Deactivate the approved rows; the outcome, for XCom."""
    _skip_unless(not run.is_restore, run)
    settings = run.choices.settings
    inquiry = HostInquiry(run.storage, settings, is_last_attempt=run.is_last_attempt)
    with open_store(settings) as store:
        _skip_unless_to_be_applied(read_removal(store, run.removal_id))
        with open_writer(settings) as writer:
            outcome = applying.apply_removal(
                run.storage,
                settings,
                store,
                writer,
                removal_id=run.removal_id,
                is_dry=run.choices.is_dry,
                find_changed=inquiry.find_changed if settings.removal.ask_hosts else None,
            )
    return _tell(outcome)


def restore_removal(run: RemovalRun) -> dict[str, Any]:
    """Activate again what the removal deactivated; the outcome, for XCom."""
    _skip_unless(run.is_restore, run)
    settings = run.choices.settings
    with open_store(settings) as store, open_writer(settings) as writer:
        outcome = restoring.restore_removal(
            settings,
            store,
            writer,
            removal_id=run.removal_id,
            restored_by=run.started_by,
            note=run.choices.note,
            is_dry=run.choices.is_dry,
        )
    return _tell(outcome)


def _find_categories(run: RemovalRun) -> Sequence[int]:
    if run.choices.category_ids is not None:
        return run.choices.category_ids
    return categories_of_run(run.storage, run.choices.run_id or "")


def _propose(run: RemovalRun, store: Store, category_ids: Sequence[int]) -> Proposal:
    if run.choices.mode is RemovalMode.VARIANTS:
        return propose_variants(
            run.storage,
            run.choices.settings,
            store,
            removal_id=run.removal_id,
            category_ids=category_ids,
            proposed_by=run.started_by,
        )
    return propose_images(
        run.storage,
        run.choices.settings,
        store,
        removal_id=run.removal_id,
        category_ids=category_ids,
        proposed_by=run.started_by,
        allow_unreviewed_identical=run.choices.allow_unreviewed_identical,
    )


def _skip_unless(is_needed: bool, run: RemovalRun) -> None:
    if not is_needed:
        raise AirflowSkipException(f"mode {run.choices.mode.value!r} has no use for this task")


def _skip_unless_to_be_applied(removal: Removal) -> None:
    """Raise AirflowSkipException, saying why, when there is nothing to apply.

    Whether an approval suffices is not decided here: applying checks that itself.
    """
    if not removal.manifest_rows:
        raise AirflowSkipException(f"removal {removal.removal_id} proposes nothing")
    reason = _NOT_APPLIED.get(removal.state)
    if reason is not None:
        raise AirflowSkipException(f"removal {removal.removal_id} is not applied: {reason}")


def _tell(outcome: RemovalOutcome) -> dict[str, Any]:
    print(describe_outcome(outcome))  # noqa: T201 - for the task's log
    return outcome.to_json()
