"""The steps of a run of notices, and of an appeal, each for the task that is being executed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from airflow.sdk import get_current_context

from image_duplication import layout
from image_duplication.notices import appeals, listing, pages, recording
from image_duplication.removal.category_states import categories_of_run
from image_duplication.settings import load_settings
from image_duplication.storage import Storage
from image_duplication_airflow import appeal_params
from image_duplication_airflow.connections import open_store
from image_duplication_airflow.notice_params import NoticeChoices, read_choices
from image_duplication_airflow.starters import name_starter


@dataclass(frozen=True, slots=True)
class NoticeRun:
    """The run of notices that the current task belongs to."""

    run_id: str
    choices: NoticeChoices
    storage: Storage


def current_notice_run() -> NoticeRun:
    """The run of the task that is being executed."""
    context = get_current_context()
    choices = read_choices(context["params"])
    return NoticeRun(context["run_id"], choices, Storage(choices.settings.storage_root))


def list_short_variants(run: NoticeRun) -> dict[str, Any]:
    """List what the notices are about; the counts, for XCom."""
    category_ids = _find_categories(run)
    with open_store(run.choices.settings) as store:
        listed = listing.list_short_variants(
            run.storage,
            run.choices.settings,
            store,
            run_id=run.run_id,
            category_ids=category_ids,
            is_dry=run.choices.is_dry,
        )
    return {
        "categories": len(listed.category_ids),
        "categories_left_out": len(listed.failed),
        "variants": listed.variants,
    }


def write_pages(run: NoticeRun) -> str:
    """Write every seller's notice; where the list of sellers is."""
    pages.write_pages(run.storage, run.choices.settings, run_id=run.run_id)
    return run.storage.url(layout.noticed_sellers(run.run_id))


def record_notices(run: NoticeRun) -> dict[str, int]:
    """Record the notices, unless the run is dry; the counts, for XCom.

    Raises CategoriesLeftOutError once that is done.
    """
    with open_store(run.choices.settings) as store:
        recorded = recording.record_listing(run.storage, store, run_id=run.run_id)
    listing.read_listing(run.storage, run.run_id).check_complete()
    return asdict(recorded)


def record_appeal() -> bool:
    """Record the answer to the appeal of the current run; whether a notice is withdrawn."""
    context = get_current_context()
    choices = appeal_params.read_choices(context["params"])
    settings = load_settings()
    with open_store(settings) as store:
        return appeals.record_appeal(
            Storage(settings.storage_root),
            store,
            category_id=choices.category_id,
            variant_id=choices.variant_id,
            image_ids=choices.image_ids,
            is_granted=choices.is_granted,
            settled_by=name_starter(context["dag_run"]),
            note=choices.note,
        )


def _find_categories(run: NoticeRun) -> Sequence[int]:
    if run.choices.category_ids is not None:
        return run.choices.category_ids
    return categories_of_run(run.storage, run.choices.run_id or "")
