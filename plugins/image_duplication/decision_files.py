"""Decisions by hand: a duplicates report with a column `decision`, as a spreadsheet saved it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from image_duplication import layout
from image_duplication.csv_files import from_cell
from image_duplication.errors import ConfigurationError
from image_duplication.records import DecisionOrigin, DecisionVerdict, Kind
from image_duplication.source_rows import MAX_ID_LENGTH
from image_duplication.storage import Storage
from image_duplication.store.decisions import Decision, Pair

_NAMING_COLUMNS = ("category_id", "variant_id", "base_sha256", "duplicate_sha256", "kinds")
_DECISION = "decision"
_NOTE = "note"  # may be left out
_DELIMITERS = ",;\t"  # as spreadsheets write it in one country or another
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FAULTS_NAMED = 10

VERDICTS = ", ".join(DecisionVerdict)


@dataclass(frozen=True, slots=True)
class DecisionSource:
    """Whose decisions a file holds, and since when. The time is in UTC, without a zone."""

    decided_by: str
    decided_at: datetime


def read_decisions(storage: Storage, name: str, source: DecisionSource) -> list[Decision]:
    """The decisions of `decisions/<name>`: one for each pair whose column `decision` is filled.

    Raises ConfigurationError naming file, line, what was received and what is allowed, for all
    lines at once; MissingArtefactError when there is no such file.
    """
    key = layout.decision_file(name)
    found: dict[Pair, tuple[int, Decision]] = {}
    faults: list[str] = []
    for line, cells in _read_lines(storage, key):
        try:
            decision = _read_decision(cells, source)
            if decision is not None:
                _add(found, line, decision)
        except ValueError as fault:
            faults.append(f"line {line}: {fault}")
    if faults:
        more = f"; and {len(faults) - _FAULTS_NAMED} more" if len(faults) > _FAULTS_NAMED else ""
        raise ConfigurationError(
            f"{key!r}: {'; '.join(faults[:_FAULTS_NAMED])}{more}; nothing is recorded"
        )
    return [decision for _, decision in found.values()]


def _read_lines(storage: Storage, key: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Each row with its line number, its cells by column."""
    with storage.reading(key) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        try:
            header = text.readline()
            delimiter = max(_DELIMITERS, key=header.count)
            columns = next(csv.reader([header], delimiter=delimiter), [])
            missing = sorted({*_NAMING_COLUMNS, _DECISION} - set(columns))
            if missing:
                raise ConfigurationError(
                    f"{key!r} has no column {missing[0]!r}; expected a duplicates report with a "
                    f"column {_DECISION!r}"
                )
            rows = csv.DictReader(text, columns, restval="", delimiter=delimiter)
            for cells in rows:
                yield rows.line_num + 1, {n: from_cell(cells[n].strip()) for n in columns if n}
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{key!r} is not UTF-8: {error}; save it as such") from error
        except csv.Error as error:
            raise ConfigurationError(f"{key!r} is no CSV file: {error}") from error


def _read_decision(cells: Mapping[str, str], source: DecisionSource) -> Decision | None:
    """A row's decision, None for one without. Raises ValueError saying what is wrong."""
    verdict = cells[_DECISION].casefold()
    if not verdict:
        return None
    if verdict not in set(DecisionVerdict):
        raise ValueError(f"decision is {cells[_DECISION]!r}, expected {VERDICTS}, or nothing")
    if not re.fullmatch(r"[1-9][0-9]{0,17}", cells["category_id"]):
        raise ValueError(f"category_id is {cells['category_id']!r}, expected a whole number")
    if not cells["variant_id"]:
        raise ValueError("variant_id is empty")
    if len(cells["variant_id"]) > MAX_ID_LENGTH:
        raise ValueError(
            f"variant_id has {len(cells['variant_id'])} characters, expected at most "
            f"{MAX_ID_LENGTH}"
        )
    for column in ("base_sha256", "duplicate_sha256"):
        if not _SHA256.fullmatch(cells[column]):
            raise ValueError(f"{column} is {cells[column]!r}, expected 64 hexadecimal digits")
    kinds = cells["kinds"].split()
    if not kinds or not set(kinds) <= set(Kind):
        raise ValueError(f"kinds is {cells['kinds']!r}, expected of {', '.join(Kind)}")
    return Decision(
        pair=Pair.of(
            int(cells["category_id"]),
            cells["variant_id"],
            (cells["base_sha256"], cells["duplicate_sha256"]),
            kinds,
        ),
        verdict=DecisionVerdict(verdict),
        origin=DecisionOrigin.REVIEW,
        decided_by=source.decided_by,
        decided_at=source.decided_at,
        note=cells.get(_NOTE, ""),
    )


def _add(found: dict[Pair, tuple[int, Decision]], line: int, decision: Decision) -> None:
    """Add a decision. Raises ValueError when another line says otherwise of the same pair."""
    earlier_line, earlier = found.setdefault(decision.pair, (line, decision))
    if earlier.verdict is not decision.verdict:
        raise ValueError(
            f"decision is {decision.verdict.value!r}, but {earlier.verdict.value!r} in line "
            f"{earlier_line} of the same two contents"
        )
