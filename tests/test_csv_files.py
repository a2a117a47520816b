"""CSV files as a spreadsheet reads them: every text as it was, and nothing that runs."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from image_duplication.csv_files import from_cell, to_cell, write_csv
from image_duplication.storage import Storage

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
formulas = st.tuples(
    st.text(alphabet=" \t\r\n\x0b\x0c\u00a0\u200b\u3000\ufeff\x00\x01\u2028", max_size=4),
    st.sampled_from("=+-@＝＋－＠﹢﹣﹫⁼⁺⁻"),
    texts,
).map("".join)


def written(tmp_path: Path, rows: Iterable[list[object]], header: list[str]) -> str:
    storage = Storage(str(tmp_path))
    write_csv(storage, "report.csv", header, rows)
    return storage.read_bytes("report.csv").decode("utf-8")


def parsed(text: str) -> list[list[str]]:
    assert text.startswith("\ufeff"), "spreadsheets take a file without the mark for another code"
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def starts_as_formula(cell: str) -> bool:
    """What a wary spreadsheet would run: the first character that is not blank or invisible."""
    if cell.startswith(("\t", "\r", "\n")):
        return True
    visible = [c for c in cell if unicodedata.category(c)[0] not in "CZ"]
    return bool(visible) and unicodedata.normalize("NFKC", visible[0])[0] in "=+-@"


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(texts | formulas, min_size=1, max_size=4))
@example(["=1+1"])
@example(["\ufeff=1+1"])
@example(["\t=1+1"])
@example(["\r\n@SUM(A1)"])
@example(["＝1+1"])
@example(["\x00=1"])
@example(['=HYPERLINK("http://x","y")'])
@example(["\tplain"])
def test_csv_has_no_cell_that_starts_as_a_formula(tmp_path: Path, cells: list[str]) -> None:
    [_, row] = parsed(written(tmp_path, [list(cells)], ["h"] * len(cells)))

    assert len(row) == len(cells)
    assert [cell for cell in row if starts_as_formula(cell)] == []


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(texts, min_size=1, max_size=4))
@example(["कार्यालय की कुर्सी", 'say "hello", then\r\ngo', ""])
@example([""])
@example(["a;b\tc"])
def test_csv_keeps_every_text_but_for_the_apostrophe(tmp_path: Path, cells: list[str]) -> None:
    [header, row] = parsed(written(tmp_path, [list(cells)], ["h"] * len(cells)))

    assert header == ["h"] * len(cells)
    for cell, text in zip(row, cells, strict=True):
        assert cell in {text.replace("\x00", ""), "'" + text.replace("\x00", "")}


@pytest.mark.parametrize(
    "text", ["chair", "a=b", "1-2", "x@y.in", "कुर्सी -=", "'quoted'", "", " spaced out "]
)
def test_cell_leaves_harmless_text_alone(text: str) -> None:
    assert to_cell(text) == text


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (-5, "-5"),
        (0, "0"),
        (1.25, "1.25"),
        (-0.5, "-0.5"),
        (True, "True"),
        ("-5", "'-5"),
        (["cropped", "bordered"], "cropped bordered"),
        ([], ""),
        (["=1", "x"], "'=1 x"),
        (datetime(2024, 4, 1, 9, 30, tzinfo=UTC), "2024-04-01T09:30:00+00:00"),
    ],
    ids=repr,
)
def test_csv_writes_each_type_in_its_own_form(tmp_path: Path, value: object, cell: str) -> None:
    assert parsed(written(tmp_path, [[value, "end"]], ["h", "end"]))[1] == [cell, "end"]


def test_csv_of_no_rows_has_its_header(tmp_path: Path) -> None:
    assert parsed(written(tmp_path, [], ["variant_id", "No.of Duplicates"])) == [
        ["variant_id", "No.of Duplicates"]
    ]


def test_csv_leaves_no_file_when_its_rows_raise(tmp_path: Path) -> None:
    def rows() -> Iterable[list[object]]:
        yield ["whole"]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_csv(Storage(str(tmp_path)), "reports/7.csv", ["h"], rows())

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_csv_is_written_to_object_storage_too() -> None:
    storage = Storage("memory://csv_files")

    write_csv(storage, "7.csv", ["name"], [["कुर्सी"]])

    assert storage.read_bytes("7.csv").decode() == "\ufeffname\r\nकुर्सी\r\n"
    storage.delete("7.csv")


@given(st.one_of(texts, formulas).filter(lambda text: not text.startswith("'")))
def test_text_comes_back_from_its_cell(text: str) -> None:
    assert from_cell(str(to_cell(text))) == text.replace("\x00", "")
