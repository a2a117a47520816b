"""What a publication heeds, people's decisions; and what follows it, from records to alerts."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from image_duplication.errors import PermanentError
from image_duplication.gallery.run_pages import TREND_RUNS, write_run_page
from image_duplication.stages.publish import People
from image_duplication.store.decisions import read_decided, record_carried
from image_duplication.store.standings import read_run_trend, record_summary
from image_duplication_airflow.alerting import tell_of_summary
from image_duplication_airflow.category_reports import note_renewed
from image_duplication_airflow.metrics import count_run

if TYPE_CHECKING:
    from image_duplication.store.database import Store
    from image_duplication.summary import RunSummary
    from image_duplication_airflow.runtime import Run


@contextlib.contextmanager
def following_up(run: Run, store: Store) -> Iterator[Callable[[RunSummary], None]]:
    """Takes the summary that publish_run hands over; at once it is recorded and its page written.

    The rest follows when the task is done, also when it raises, unless it will be tried again.
    """
    summaries: list[RunSummary] = []

    def take(summary: RunSummary) -> None:
        record_summary(store, summary)
        summaries.append(summary)
        write_run_page(run.storage, summary, read_run_trend(store, limit=TREND_RUNS))

    try:
        yield take
    except Exception as error:
        if not isinstance(error, PermanentError) and not run.is_last_attempt:
            summaries.clear()
        raise
    finally:
        for summary in summaries:
            count_run(summary)
            note_renewed(summary)
            tell_of_summary(summary, run)


def people_of(store: Store) -> People:
    """What the store has of people's decisions."""
    return People(functools.partial(read_decided, store), functools.partial(record_carried, store))
