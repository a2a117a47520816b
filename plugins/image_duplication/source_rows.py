"""Source rows as they should be: text, numbers and times from whatever the driver hands out.

Nothing here raises for a bad value: a value that cannot be read becomes null or escaped text, and
`find_fault` says why the row cannot be used.
"""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from image_duplication.records import ReasonCode

MAX_ID_LENGTH = 255
"""Characters of a variant or image id; the usual width of a key column."""

_SAFE_DIGITS = 18  # any number of so many digits fits 64 bits
_WIDEST_NUMBER = 10**65  # MySQL's DECIMAL has 65 digits at most

_SIGNED = ("image_id", "position", "image_url", "updated_at")


def read_text(value: object) -> str | None:
    r"""Any source value as text; bytes that are not UTF-8 keep their values as `\xNN`."""
    if value is None:
        return None
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, Decimal | float) and _is_whole(value):
        return str(int(value))  # a key in a DECIMAL or REAL column reads as 12, not 12.0 or 1E+1
    return str(value).encode("utf-8", "backslashreplace").decode()


def _is_whole(value: Decimal | float) -> bool:
    is_finite = value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)
    return is_finite and -_WIDEST_NUMBER < value < _WIDEST_NUMBER and value == int(value)


def read_integer(value: object) -> int | None:
    """An integer that fits 64 bits, from a number or its text; otherwise None."""
    text = (read_text(value) or "").strip()
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > _SAFE_DIGITS:
        return None
    return int(text)


def read_time(value: object, zone: ZoneInfo) -> datetime | None:
    """A time in UTC; one without a zone is taken to be in `zone`. None when unreadable."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - zone set below
    if not isinstance(value, datetime):
        return None
    try:
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def sign(rows: Iterable[Mapping[str, Any]]) -> str:
    """The signature of one variant's source rows: equal exactly when no row changed.

    The order of the rows does not count; a position does, for it is a column.
    """
    listed = sorted(json.dumps([read_text(row[name]) for name in _SIGNED]) for row in rows)
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()[:32]


def has_no_images(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a variant's rows are the outer join's one stand-in for a variant without images."""
    return len(rows) == 1 and all(
        rows[0][name] is None for name in ("image_id", "image_url", "position")
    )


def find_fault(row: Mapping[str, Any], *, max_url_length: int) -> ReasonCode | None:
    """Why a source row, as the driver gave it, cannot be used; None when it can."""
    for name in ("variant_id", "image_id"):
        fault = _find_id_fault(row[name])
        if fault:
            return fault
    url = row["image_url"]
    if not is_utf8(url):
        return ReasonCode.TEXT_NOT_UTF8
    text = read_text(url)
    if text is None or not text.strip():
        return ReasonCode.URL_MISSING
    return ReasonCode.URL_TOO_LONG if len(text) > max_url_length else None


def _find_id_fault(value: object) -> ReasonCode | None:
    if not is_utf8(value):
        return ReasonCode.TEXT_NOT_UTF8
    text = read_text(value)
    if text is None or not text.strip():
        return ReasonCode.ID_MISSING
    if len(text) > MAX_ID_LENGTH or any(
        unicodedata.category(character)[0] == "C" for character in text
    ):
        return ReasonCode.ID_MALFORMED
    return None


def is_utf8(value: object) -> bool:
    """Whether a source value, as text, is UTF-8; one that is no text is."""
    try:
        if isinstance(value, bytes | bytearray | memoryview):
            bytes(value).decode("utf-8")
        elif isinstance(value, str):
            value.encode("utf-8")
    except UnicodeError:
        return False
    return True
