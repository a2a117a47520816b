"""Stage correct_urls: each listed row with its standard URL, every other row as it was."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from image_duplication import layout
from image_duplication.errors import MissingArtefactError, SchemaError
from image_duplication.records import ReasonCode, Status
from image_duplication.settings import Settings, load_settings
from image_duplication.stages.urls import correct_urls
from image_duplication.storage import Storage
from image_duplication.tables import CORRECTED, EXTRACTED, UNITS, Row, read_rows, write_rows

RUN = "manual"
UNIT = "7/1"
NOON = datetime(2024, 4, 1, 12, tzinfo=UTC)
STANDARD = "https://assets-bg.gem.gov.in/resources/a-999x420x420.jpg"


def extracted_row(image_id: str | None, image_url: str | None, **columns: object) -> Row:
    return {
        "category_id": 7,
        "category_name": "Office chairs",
        "variant_id": "12",
        "catalogue_id": "c",
        "seller_id": "s",
        "product_url": "p",
        "image_id": image_id,
        "position": 1,
        "image_url": image_url,
        "updated_at": NOON,
        "signature": "0",
        "source_as_of": NOON,
        "status": Status.LISTED,
        "reason_code": None,
    } | columns


def correct(storage: Storage, settings: Settings, rows: list[Row]) -> list[Row]:
    write_rows(storage, layout.unit_file(RUN, UNIT, "extract.parquet"), EXTRACTED, rows)
    correct_urls(storage, settings, run_id=RUN, unit_id=UNIT)
    return list(read_rows(storage, layout.unit_file(RUN, UNIT, "urls.parquet"), CORRECTED))


def test_standard_url_stays_and_names_no_rule(storage: Storage, settings: Settings) -> None:
    [row] = correct(storage, settings, [extracted_row("1", STANDARD)])

    assert (row["status"], row["corrected_url"], row["url_rules"]) == ("corrected", STANDARD, [])


def test_corrected_url_names_the_rules_and_keeps_the_source(
    storage: Storage, settings: Settings
) -> None:
    source = "  https:\\\\assets-bg.gem.gov.in\\resources\\a-999x420x420.jpg\n"

    [row] = correct(storage, settings, [extracted_row("1", source)])

    assert (row["status"], row["corrected_url"], row["image_url"]) == (
        "corrected",
        STANDARD,
        source,
    )
    assert row["url_rules"] == ["stray_whitespace", "backslashes"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://elsewhere.example/a.jpg", ReasonCode.HOST_NOT_ALLOWED),
        ("ftp://assets-bg.gem.gov.in/a.jpg", ReasonCode.SCHEME_NOT_ALLOWED),
        ("just words", ReasonCode.URL_UNCORRECTABLE),
    ],
)
def test_url_that_cannot_be_used_is_a_row_with_its_reason(
    storage: Storage, settings: Settings, url: str, reason: ReasonCode
) -> None:
    [row] = correct(storage, settings, [extracted_row("1", url)])

    assert (row["status"], row["reason_code"], row["corrected_url"]) == ("failed", reason, None)


def test_rows_that_failed_before_or_have_no_image_pass_unchanged(
    storage: Storage, settings: Settings
) -> None:
    rows = [
        extracted_row("1", None, status="failed", reason_code="url_missing"),
        extracted_row("1", STANDARD, status="failed", reason_code="image_id_repeated"),
        extracted_row(None, None, status="no_images", position=None),
    ]

    corrected = correct(storage, settings, rows)

    assert corrected == [row | {"corrected_url": None, "url_rules": []} for row in rows]


def test_every_row_comes_out_in_its_order_and_is_counted(
    storage: Storage, settings: Settings
) -> None:
    rows = [
        extracted_row("1", STANDARD),
        extracted_row("2", f" {STANDARD}"),
        extracted_row("3", "ftp://x/a.jpg"),
        extracted_row("4", None, status="failed", reason_code="url_missing"),
    ] * 2_000

    corrected = correct(storage, settings, rows)

    assert [row["image_id"] for row in corrected] == [row["image_id"] for row in rows]
    report = correct_urls(storage, settings, run_id=RUN, unit_id=UNIT)
    assert report.counts == {"images": 6_000, "changed": 2_000, "failed": 2_000}


def test_second_call_gives_an_equal_file(storage: Storage, settings: Settings) -> None:
    correct(storage, settings, [extracted_row("1", f" {STANDARD}")])
    key = layout.unit_file(RUN, UNIT, "urls.parquet")
    first = storage.read_bytes(key)

    correct_urls(storage, settings, run_id=RUN, unit_id=UNIT)

    assert storage.read_bytes(key) == first


def test_image_base_and_allowed_hosts_come_from_the_settings(
    storage: Storage, plain_environment: None
) -> None:
    settings = load_settings(
        {"urls": {"image_base": "http://127.0.0.1:8080", "allowed_hosts": ["127.0.0.1"]}}
    )

    relative, foreign = correct(
        storage,
        settings,
        [
            extracted_row("1", "/resources/upload/a.jpg"),
            extracted_row("2", "https://elsewhere.gem.gov.in/a.jpg"),
        ],
    )

    assert relative["corrected_url"] == "http://127.0.0.1:8080/resources/upload/a.jpg"
    assert foreign["reason_code"] == "host_not_allowed"


def test_missing_extract_is_named_and_nothing_is_written(
    storage: Storage, settings: Settings
) -> None:
    with pytest.raises(MissingArtefactError, match=r"extract\.parquet"):
        correct_urls(storage, settings, run_id=RUN, unit_id=UNIT)

    assert not storage.exists(layout.unit_file(RUN, UNIT, "urls.parquet"))


def test_extract_with_another_schema_is_named(storage: Storage, settings: Settings) -> None:
    write_rows(storage, layout.unit_file(RUN, UNIT, "extract.parquet"), UNITS, [])

    with pytest.raises(SchemaError, match=r"extract\.parquet: column 'variant_id' is missing"):
        correct_urls(storage, settings, run_id=RUN, unit_id=UNIT)


@pytest.mark.parametrize(("refused", "is_degraded"), [(3, False), (4, True)])
def test_unit_is_degraded_when_too_many_hosts_are_not_allowed(
    storage: Storage, settings: Settings, refused: int, is_degraded: bool
) -> None:
    rows = [extracted_row(str(n), f"https://elsewhere.example/{n}.jpg") for n in range(refused)]
    rows += [extracted_row("ok", "https://assets-bg.gem.gov.in/ok.jpg")]
    write_rows(storage, layout.unit_file(RUN, UNIT, "extract.parquet"), EXTRACTED, rows)
    assert correct_urls(storage, settings, run_id=RUN, unit_id=UNIT).is_degraded is is_degraded
