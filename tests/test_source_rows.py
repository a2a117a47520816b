"""Source values as text, numbers and times; the reason why a row cannot be used."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_duplication.records import ReasonCode
from image_duplication.source_rows import (
    MAX_ID_LENGTH,
    find_fault,
    has_no_images,
    read_integer,
    read_text,
    read_time,
    sign,
)

KOLKATA = ZoneInfo("Asia/Kolkata")
PLAIN: dict[str, Any] = {
    "variant_id": 12,
    "image_id": "12-1",
    "position": 1,
    "image_url": "https://assets-bg.gem.gov.in/a.jpg",
    "updated_at": datetime(2024, 4, 1, 9, 30),  # noqa: DTZ001 - as a driver gives it
}

source_values = st.one_of(
    st.none(),
    st.text(),
    st.text(alphabet=st.characters()),
    st.binary(max_size=20),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.booleans(),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.dates(),
    st.timedeltas(),
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("कुर्सी", "कुर्सी"),
        ("", ""),
        (12, "12"),
        (Decimal("12.0"), "12"),
        (Decimal("1E+1"), "10"),
        (Decimal("1.50"), "1.50"),
        (12.0, "12"),
        (1.5, "1.5"),
        (b"abc", "abc"),
        (bytearray(b"abc"), "abc"),
        pytest.param(memoryview(b"abc"), "abc", id="memoryview"),
        ("कु".encode(), "कु"),
        (b"a\xffb", "a\\xffb"),
        ("a\udcffb", "a\\udcffb"),
        (Decimal("Infinity"), "Infinity"),
        (Decimal("NaN"), "NaN"),
    ],
    ids=repr,
)
def test_text_is_read_from_whatever_the_driver_gives(value: object, text: str | None) -> None:
    assert read_text(value) == text


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (7, 7),
        ("7", 7),
        (" 7 ", 7),
        ("-7", -7),
        (b"7", 7),
        (Decimal("7.0"), 7),
        (7.0, 7),
        (7.5, None),
        ("7.0", None),
        ("७", None),
        ("", None),
        ("-", None),
        ("--7", None),
        ("+7", None),
        ("7a", None),
        (None, None),
        (True, None),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, None),
        (2**63, None),
    ],
    ids=repr,
)
def test_integer_is_read_only_from_what_is_one(value: object, number: int | None) -> None:
    assert read_integer(value) == number


@pytest.mark.parametrize(
    ("value", "time"),
    [
        (datetime(2024, 4, 1, 5, 30), datetime(2024, 4, 1, tzinfo=UTC)),  # noqa: DTZ001
        (datetime(2024, 4, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)),
        (
            datetime(2024, 4, 1, tzinfo=timezone(timedelta(hours=-2))),
            datetime(2024, 4, 1, 2, tzinfo=UTC),
        ),
        ("2024-04-01 05:30:00", datetime(2024, 4, 1, tzinfo=UTC)),
        ("2024-04-01T05:30:00.000001", datetime(2024, 4, 1, 0, 0, 0, 1, tzinfo=UTC)),
        ("2024-04-01T00:00:00Z", datetime(2024, 4, 1, tzinfo=UTC)),
        (date(2024, 4, 1), datetime(2024, 3, 31, 18, 30, tzinfo=UTC)),
        ("0000-00-00 00:00:00", None),
        ("yesterday", None),
        ("", None),
        ("0001-01-01T00:00:00", None),  # before year 1 in UTC
        (None, None),
        (b"2024-04-01", None),
        (1_711_962_000, None),
    ],
    ids=repr,
)
def test_time_without_a_zone_is_in_the_zone_of_the_settings(
    value: object, time: datetime | None
) -> None:
    assert read_time(value, KOLKATA) == time


@given(source_values)
def test_readers_never_raise_and_give_what_a_hand_off_can_hold(value: object) -> None:
    text = read_text(value)
    number = read_integer(value)
    time = read_time(value, KOLKATA)

    assert text is None or text.encode("utf-8").decode() == text
    assert number is None or -(2**63) <= number < 2**63
    assert time is None or time.utcoffset() == timedelta(0)


@given(st.fixed_dictionaries(dict.fromkeys(PLAIN, source_values)))
def test_fault_and_signature_never_raise(row: dict[str, Any]) -> None:
    fault = find_fault(row, max_url_length=100)

    assert fault is None or fault in ReasonCode
    assert sign([row]) == sign([dict(row)])
    is_blank = row["image_id"] is None and row["image_url"] is None and row["position"] is None
    assert has_no_images([row]) == is_blank
    assert not has_no_images([row, row])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"image_id": 5}, None),
        ({"image_id": "कु-1"}, None),
        ({"position": None}, None),
        ({"position": "first"}, None),
        ({"updated_at": "never"}, None),
        ({"image_url": b"https://a.in/a.jpg"}, None),
        ({"image_url": None}, ReasonCode.URL_MISSING),
        ({"image_url": ""}, ReasonCode.URL_MISSING),
        ({"image_url": " \t\n\u00a0"}, ReasonCode.URL_MISSING),
        ({"image_url": "x" * 4_097}, ReasonCode.URL_TOO_LONG),
        ({"image_url": "x" * 4_096}, None),
        ({"image_url": b"https://a.in/\xff.jpg"}, ReasonCode.TEXT_NOT_UTF8),
        ({"image_url": "https://a.in/\udcff.jpg"}, ReasonCode.TEXT_NOT_UTF8),
        ({"image_id": None}, ReasonCode.ID_MISSING),
        ({"image_id": " "}, ReasonCode.ID_MISSING),
        ({"image_id": "a\nb"}, ReasonCode.ID_MALFORMED),
        ({"image_id": "a\0b"}, ReasonCode.ID_MALFORMED),
        ({"image_id": "x" * (MAX_ID_LENGTH + 1)}, ReasonCode.ID_MALFORMED),
        ({"image_id": "x" * MAX_ID_LENGTH}, None),
        ({"image_id": b"\xff"}, ReasonCode.TEXT_NOT_UTF8),
        ({"variant_id": "a\nb"}, ReasonCode.ID_MALFORMED),
        ({"variant_id": b"\xff"}, ReasonCode.TEXT_NOT_UTF8),
        ({"image_id": None, "image_url": None}, ReasonCode.ID_MISSING),
    ],
    ids=repr,
)
def test_fault_names_why_a_row_cannot_be_used(
    changes: dict[str, Any], reason: ReasonCode | None
) -> None:
    assert find_fault(PLAIN | changes, max_url_length=4_096) == reason


@pytest.mark.parametrize(
    "changes",
    [
        {"image_id": "12-2"},
        {"position": 2},
        {"position": None},
        {"image_url": "https://assets-bg.gem.gov.in/b.jpg"},
        {"image_url": None},
        {"updated_at": datetime(2024, 4, 1, 9, 31)},  # noqa: DTZ001
    ],
    ids=repr,
)
def test_signature_changes_with_each_of_its_columns(changes: dict[str, Any]) -> None:
    assert sign([PLAIN | changes]) != sign([PLAIN])


def test_signature_changes_when_a_row_comes_goes_or_is_doubled() -> None:
    other = PLAIN | {"image_id": "12-2", "position": 2}

    assert len({sign(rows) for rows in ([PLAIN], [PLAIN, other], [other], [PLAIN, PLAIN])}) == 4


def test_signature_ignores_the_order_of_rows_and_other_columns() -> None:
    other = PLAIN | {"image_id": "12-2", "position": 2}

    assert sign([PLAIN, other]) == sign([other, PLAIN])
    assert sign([PLAIN | {"category_name": "Chairs"}]) == sign([PLAIN])


def test_signature_does_not_mix_up_neighbouring_columns() -> None:
    assert sign([PLAIN | {"image_id": "a", "image_url": "b"}]) != sign(
        [PLAIN | {"image_id": 'a", "b', "image_url": ""}]
    )
    assert sign([PLAIN | {"image_url": None}]) != sign([PLAIN | {"image_url": "None"}])
