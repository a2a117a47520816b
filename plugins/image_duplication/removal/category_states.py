"""A category's published state, read for a removal: one variant at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from image_duplication import layout
from image_duplication.errors import RemovalRefusedError, SchemaError
from image_duplication.plans import read_plan
from image_duplication.storage import Storage
from image_duplication.tables import FINDINGS, JUDGED, VERDICTS, Row, read_state

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JudgedVariant:
    """One variant: its verdict, its image rows as judged, and its findings."""

    variant_id: str
    verdict: Row
    images: list[Row]
    findings: list[Row]


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
    findings = _Alongside(read_state(storage, layout.current("findings", category_id), FINDINGS))
    verdicts = _Alongside(read_state(storage, layout.current("verdicts", category_id), VERDICTS))
    for variant_id, images in read_state(storage, layout.current("images", category_id), JUDGED):
        verdict = verdicts.take(variant_id)
        if not verdict:
            raise SchemaError(f"category {category_id}: variant {variant_id!r} has no verdict")
        yield JudgedVariant(variant_id, verdict[0], images, findings.take(variant_id))
    for subject, left in (("findings", findings), ("verdicts", verdicts)):
        if left.waiting is not None:
            raise SchemaError(
                f"category {category_id}: variant {left.waiting[0]!r} has {subject} but no images, "
                "or comes in another order there"
            )


class _Alongside:
    """A file that has some of another file's variants, in the same order."""

    def __init__(self, variants: Iterator[tuple[str, list[Row]]]) -> None:
        self._variants = variants
        self.waiting = next(variants, None)

    def take(self, variant_id: str) -> list[Row]:
        """The rows of a variant, if it is the next one here."""
        if self.waiting is None or self.waiting[0] != variant_id:
            return []
        rows = self.waiting[1]
        self.waiting = next(self._variants, None)
        return rows


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
