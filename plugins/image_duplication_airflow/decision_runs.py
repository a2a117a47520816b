"""Records the decisions of a file, for the run whose task is being executed."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import UTC
from typing import Any

from airflow.sdk import get_current_context

from image_duplication.decision_files import DecisionSource, read_decisions
from image_duplication.settings import load_settings
from image_duplication.storage import Storage
from image_duplication.store.decisions import record_unless_newer
from image_duplication_airflow.connections import open_store
from image_duplication_airflow.decision_params import read_file_name
from image_duplication_airflow.starters import name_starter

logger = logging.getLogger(__name__)


def record_decisions() -> dict[str, int]:
    """Record the decisions of the run's file; counts by verdict, and how many were known."""
    context = get_current_context()
    file_name = read_file_name(context["params"])
    dag_run: Any = context["dag_run"]
    settings = load_settings()
    decisions = read_decisions(
        Storage(settings.storage_root),
        file_name,
        DecisionSource(
            name_starter(dag_run),
            # The run's own time: repeated later, it must not overrule what was decided meanwhile.
            dag_run.run_after.astimezone(UTC).replace(tzinfo=None),
        ),
    )
    with open_store(settings) as store:
        recorded = record_unless_newer(store, decisions)
    counts = Counter(str(decision.verdict) for decision in recorded)
    logger.info(
        "%s: %d decisions, %d recorded %s; the others are known, or newer ones hold",
        file_name,
        len(decisions),
        len(recorded),
        dict(counts),
    )
    return {**counts, "decisions": len(decisions), "recorded": len(recorded)}
