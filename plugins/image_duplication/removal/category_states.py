"""A category's published state, read for a removal: one variant at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from image_duplication import layout
from image_duplication.errors import RemovalRefusedError
from image_duplication.judged_variants import JudgedVariant, join_judged_variants
from image_duplication.plans import read_plan
from image_duplication.storage import Storage

logger = logging.getLogger(__name__)


def categories_of_run(storage: Storage, run_id: str) -> tuple[int, ...]:
    """The categories that a finished run, with its sibling runs, has published.

    Raises RemovalRefusedError when one of the runs is not finished, or none has published any.
    """
    plans = [read_plan(storage, run_id)]
    plans += [read_plan(storage, sibling) for sibling in plans[0].sibling_run_ids]
    for plan in plans:
        if not storage.exists(layout.run_summary(plan.run_id, "json")):
            raise RemovalRefusedError(
                f"run {plan.run_id!r} is not finished: it has no summary; wait for it, or name "
                "categories"
            )
    planned = sorted({c.category_id for plan in plans for c in plan.categories})
    published = [c for c in planned if storage.exists(layout.category_state(c))]
    if len(published) < len(planned):
        logger.warning(
            "run %s: categories never published: %s", run_id, set(planned) - {*published}
        )
    if not published:
        raise RemovalRefusedError(
            f"run {run_id!r} has published no category; expected a run that has, or categories"
        )
    return tuple(published)


def read_judged_variants(storage: Storage, category_id: int) -> Iterator[JudgedVariant]:
    """The variants of a category's state, in its order; only one is in memory at a time.

    Raises RemovalRefusedError when the category was never published, or not to the end.
    """
    _check_whole(storage, category_id)
    yield from join_judged_variants(storage, category_id)


def _check_whole(storage: Storage, category_id: int) -> None:
    key = layout.category_state(category_id)
    if not storage.exists(key):
        raise RemovalRefusedError(
            f"category {category_id} was never published; run the DAG image_duplication for it"
        )
    if storage.read_json(key).get("is_whole") is not True:
        raise RemovalRefusedError(
            f"category {category_id} was not published to the end; clear publish_run of its run"
        )
