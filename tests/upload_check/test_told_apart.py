"""What people have told apart is no duplicate for a check either."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from image_duplication.records import DecisionOrigin, DecisionVerdict, Kind
from image_duplication.settings import Settings
from image_duplication.store.database import Store
from image_duplication.store.decisions import Decision, Pair, record
from image_duplication.upload_check.check import check_pictures
from image_duplication.upload_check.told_apart import read_told_apart
from tests.judged_rows import NOON, sha256
from tests.upload_check.uploads import BACK, FRONT, MIRRORED_FRONT, send, show

REJECTED, CONFIRMED = DecisionVerdict.REJECTED, DecisionVerdict.CONFIRMED


def decide(
    store: Store, first: bytes, second: bytes, *verdicts: DecisionVerdict, kind: Kind
) -> None:
    pair = Pair.of(7, "v", (sha256(first), sha256(second)), [kind])
    record(
        store,
        [
            Decision(
                pair,
                verdict,
                DecisionOrigin.REVIEW,
                "reviewer",
                NOON.replace(tzinfo=None) + timedelta(hours=hour),
            )
            for hour, verdict in enumerate(verdicts)
        ],
    )


@pytest.fixture
def store(tmp_path: Path):  # type: ignore[no-untyped-def]
    with Store("image_duplication_store", f"sqlite:///{tmp_path}/store.db") as opened:
        yield opened


@pytest.mark.parametrize(
    ("verdicts", "is_told_apart"),
    [
        ([REJECTED], True),
        ([CONFIRMED], False),
        ([CONFIRMED, REJECTED], True),
        ([REJECTED, CONFIRMED], False),
        ([REJECTED, DecisionVerdict.WITHDRAWN], False),
    ],
)
def test_newest_word_on_a_pair_says_whether_it_is_told_apart(
    store: Store, verdicts: list[DecisionVerdict], is_told_apart: bool
) -> None:
    decide(store, FRONT, MIRRORED_FRONT, *verdicts, kind=Kind.TRANSFORMED)

    told_apart = read_told_apart(store, 7, "v")

    pair = frozenset({sha256(FRONT), sha256(MIRRORED_FRONT)})
    assert told_apart == (frozenset({pair}) if is_told_apart else frozenset())
    assert read_told_apart(store, 7, "another") == frozenset()


def test_two_copies_of_one_file_are_never_told_apart(store: Store) -> None:
    decide(store, FRONT, FRONT, REJECTED, kind=Kind.IDENTICAL)

    assert read_told_apart(store, 7, "v") == frozenset()


def test_shown_pictures_that_were_told_apart_count_as_two(
    store: Store, tmp_path: Path, settings: Settings
) -> None:
    shown = show(FRONT, MIRRORED_FRONT)
    files = send(tmp_path, [BACK])
    assert check_pictures(files, settings, shown=shown).verdict == "short_by_1"

    decide(store, FRONT, MIRRORED_FRONT, REJECTED, kind=Kind.TRANSFORMED)
    found = check_pictures(files, settings, shown=shown, told_apart=read_told_apart(store, 7, "v"))

    assert (found.verdict, found.distinct, found.duplicates) == ("compliant", 3, ())
    assert not found.needs_change
