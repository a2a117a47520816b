"""CSV files that people open in a spreadsheet: UTF-8 with its mark, and no cell that runs."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from image_duplication.storage import Storage

# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA_STARTS = ("=", "+", "-", "@")
_BREAKING_STARTS = ("\t", "\r", "\n")


def to_cell(value: object) -> str | int | float:
    """A value as a cell: text that a spreadsheet would run gets an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, list | tuple):
        return to_cell(" ".join(str(part) for part in value))
    if isinstance(value, datetime):
        return value.isoformat()
    # A NUL ends a cell in some spreadsheets and hides what follows.
    text = str(value).replace("\x00", "")
    return f"'{text}" if _may_run(text) else text


def from_cell(text: str) -> str:
    """A text as it was before `to_cell`, as far as that is known of it."""
    return text[1:] if text.startswith("'") and _may_run(text[1:]) else text


def _may_run(text: str) -> bool:
    """Whether a spreadsheet may take a text for a formula."""
    if text.startswith(_BREAKING_STARTS):
        return True
    # Spreadsheets skip blank and invisible characters, and fold full-width ones.
    visible = (c for c in text if unicodedata.category(c)[0] not in "CZ")
    return unicodedata.normalize("NFKC", next(visible, "")).startswith(_FORMULA_STARTS)


def encode_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """A CSV file piece by piece: the mark, by which spreadsheets know UTF-8, then each line."""
    yield codecs.BOM_UTF8
    line = io.StringIO(newline="")
    writer = csv.writer(line)
    for cells in itertools.chain([header], rows):
        writer.writerow([to_cell(value) for value in cells])
        yield line.getvalue().encode()
        line.seek(0)
        line.truncate()


def write_csv(
    storage: Storage, key: str, header: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """Write a whole CSV file, a row at a time."""
    with storage.writing(key) as sink:
        sink.writelines(encode_csv(header, rows))
