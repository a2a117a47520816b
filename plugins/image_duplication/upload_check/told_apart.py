"""Which pictures of a variant people have called different: no check says otherwise."""

from __future__ import annotations

from image_duplication.records import DecisionVerdict
from image_duplication.store.database import Store
from image_duplication.store.decisions import read_history

ToldApart = frozenset[frozenset[str]]
"""Pairs of content hashes."""


def read_told_apart(store: Store, category_id: int, variant_id: str) -> ToldApart:
    """The pairs of contents that were rejected as duplicates, by the newest word on each."""
    history = read_history(store, category_id, variant_id)
    newest = {decision.pair: decision.verdict for decision in history}  # the oldest come first
    pairs = [
        frozenset({pair.lower_sha256, pair.higher_sha256})
        for pair, verdict in newest.items()
        if verdict is DecisionVerdict.REJECTED
    ]
    # Two copies of one file are one picture, whatever was said.
    return frozenset(pair for pair in pairs if len(pair) > 1)
