"""The statements in include/sql: one each, described, ordered, and with every value bound."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from image_duplication.tables import SOURCE_COLUMNS
from tests.catalogues import SQL_FOLDER, SourceDatabase

FILES = sorted(SQL_FOLDER.glob("*.sql"))
REMOVAL_FILES = sorted((SQL_FOLDER / "removal").glob("*.sql"))
READING = [path for path in REMOVAL_FILES if path.stem.endswith("_rows")]
CHANGING = [path for path in REMOVAL_FILES if path not in READING]
HEADER = re.compile(
    r"-- Purpose: (?P<purpose>.+)\n-- Binds:(?P<binds>.+)\n-- Result:(?P<result>.+)"
)
# What a plan and an extract of the tests bind; lists are expanding.
BINDS: dict[str, object] = {
    "category_id": "7",
    "category_ids": ["7", "8"],
    "first_variant_id": 1,
    "last_variant_id": 9,
    "variant_id": "1",
}

statement = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
removal = pytest.mark.parametrize("path", REMOVAL_FILES, ids=lambda path: path.stem)
reading = pytest.mark.parametrize("path", READING, ids=lambda path: path.stem)
changing = pytest.mark.parametrize("path", CHANGING, ids=lambda path: path.stem)


def split_header(path: Path) -> tuple[dict[str, str], str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line for line in lines if line.startswith("--")]
    joined = re.sub(r"\n--\s{2,}", " ", "\n".join(comments))
    header = HEADER.match(joined)
    assert header, f"{path.name} has no header with Purpose, Binds and Result"
    return header.groupdict(), "\n".join(lines[len(comments) :])


def stated_columns(header: dict[str, str]) -> tuple[str, ...]:
    listed = re.match(r"[a-z_]+(?:, +[a-z_]+)*", header["result"].strip())
    assert listed
    return tuple(listed[0].replace(" ", "").split(","))


def bound_names(body: str) -> set[str]:
    return set(sa.text(body).compile().params)


def test_there_are_statements() -> None:
    assert "active_images" in {path.stem for path in FILES}


@statement
def test_sql_file_holds_one_statement_that_only_reads(path: Path) -> None:
    _, body = split_header(path)

    assert body.startswith("SELECT")
    assert ";" not in body
    assert not re.search(r"\b(INSERT|UPDATE|DELETE|DROP|ALTER)\b", body)


@statement
def test_sql_file_header_names_exactly_the_binds(path: Path) -> None:
    header, body = split_header(path)
    named = set(re.findall(r"[a-z_]+_ids?\b", header["binds"]))

    assert named == bound_names(body)


@statement
def test_sql_file_names_its_columns_and_states_a_stable_order(path: Path) -> None:
    _, body = split_header(path)

    assert "*" not in body
    assert "ORDER BY" in body


@statement
def test_sql_file_gives_the_result_columns_of_its_header(
    path: Path, database: SourceDatabase
) -> None:
    header, body = split_header(path)
    stated = stated_columns(header)
    binds = {name: BINDS[name] for name in bound_names(body)}

    with database.source() as source:
        rows = list(source.rows(path.stem, stated, binds))

    assert rows == []
    assert len(stated) > 1


def test_active_images_gives_the_contract_columns_in_their_order() -> None:
    header, _ = split_header(SQL_FOLDER / "active_images.sql")

    assert stated_columns(header) == SOURCE_COLUMNS


def test_signatures_and_images_mean_the_same_columns() -> None:
    _, images = split_header(SQL_FOLDER / "active_images.sql")
    _, signatures = split_header(SQL_FOLDER / "variant_signatures.sql")
    selected = re.compile(r"^\s+([iv]\.\w+)\s+AS (\w+)", re.MULTILINE)
    of_images = {name: column for column, name in selected.findall(images)}
    of_signatures = {name: column for column, name in selected.findall(signatures)}

    assert {"variant_id", "image_id", "position", "image_url", "updated_at"} == set(of_signatures)
    assert of_signatures.items() <= of_images.items()


# Removal -----------------------------------------------------------------------------------------


def test_every_row_that_is_read_for_a_removal_can_be_changed_and_changed_back() -> None:
    assert {path.stem for path in CHANGING} == {
        f"{deed}_{path.stem.removesuffix('_rows')}s"
        for path in READING
        for deed in ("deactivate", "reactivate")
    }


@removal
def test_removal_statement_names_exactly_its_binds(path: Path) -> None:
    header, body = split_header(path)

    assert ";" not in body
    assert set(re.findall(r"[a-z_]+_(?:ids|keys)\b", header["binds"])) == bound_names(body)


@reading
def test_removal_statement_that_reads_is_ordered_and_can_be_locked(path: Path) -> None:
    header, body = split_header(path)

    assert body.startswith("SELECT")
    assert not re.search(r"\b(INSERT|UPDATE|DELETE|DROP|ALTER)\b", body)
    assert "*" not in body
    # FOR UPDATE is added at the end: nothing may follow the order.
    assert re.search(r"\nORDER BY [a-z_., ]+\s*$", body)
    assert set(re.findall(r"AS ([a-z_]+),?\n", body.partition("FROM")[0])) == {
        *stated_columns(header)
    }


@changing
def test_removal_statement_changes_only_whether_rows_are_active(path: Path) -> None:
    _, body = split_header(path)
    to, of = (0, 1) if path.stem.startswith("deactivate") else (1, 0)

    assert re.fullmatch(
        rf"UPDATE inb_(images|variants)\nSET is_active = {to}\n"
        rf"WHERE [a-z_]+ IN :row_keys\n    AND is_active = {of}\s*",
        body,
    )
