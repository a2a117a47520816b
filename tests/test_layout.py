"""Names and folders that no identifier, however odd, can collide with or leave."""

from __future__ import annotations

import re
import unicodedata
from itertools import combinations
from pathlib import PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from image_duplication import layout
from image_duplication.layout import safe_name

SHA = "0123456789abcdef" * 4
LONGEST = 64

# What ids are made of when somebody wants to leave a folder or to overwrite a neighbour.
odd_ids = st.one_of(
    st.text(max_size=80),
    st.text(alphabet="aA1-_. /\\:\0é\u0301\u0130\u200b", max_size=6),
    st.lists(st.sampled_from(["..", "/", "\\", ":", "a", "A", ".", " ", "%2e"]), max_size=6).map(
        "".join
    ),
    st.text(alphabet="0123456789abcdef", min_size=16, max_size=16).map(lambda h: f"a-{h}"),
)


@given(odd_ids)
@example("")
@example("..")
@example("../../etc/passwd")
@example("a" * 10_000)
@example("कुर्सी 🪑")
def test_safe_name_is_plain_and_short(identifier: str) -> None:
    name = safe_name(identifier)

    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name)
    assert len(name) <= LONGEST


@given(odd_ids, odd_ids)
def test_safe_name_tells_any_two_identifiers_apart(one: str, other: str) -> None:
    assert (safe_name(one) == safe_name(other)) == (one == other)


@given(odd_ids)
def test_safe_name_of_a_name_does_not_collide_with_it(identifier: str) -> None:
    name = safe_name(identifier)

    # Whoever uses a made name as an id must not meet the id that it was made from.
    assert (safe_name(name) == name) == (name == identifier)


@pytest.mark.parametrize(
    "family",
    [
        ["a/b", "a\\b", "a:b", "a-b", "a b", "a\0b", "a.b", "a..b", "a//b"],
        ["abc", "ABC", "Abc", "abc ", " abc", "abc.", "abc..", "abc\n", "abc\t"],
        ["\u00e9", "e\u0301", "e", "é ", "E\u0301"],
        ["\u0915\u093c", "\u0958", "\u0915"],
        ["K", "\u212a", "k"],
        ["ﬁ", "fi"],
        ["ß", "ss", "ẞ"],
        ["", " ", ".", "..", "/", "\0", "id", "id-"],
        ["a" * 64, "a" * 65, "a" * 66, "a" * 63 + "b"],
        ["a-" + "0" * 16, "a-" + "0" * 15, "A-" + "0" * 16],
    ],
    ids=["separators", "case", "accents", "nukta", "kelvin", "ligature", "eszett", "blank",
         "length", "hashed"],
)  # fmt: skip
def test_safe_name_tells_lookalikes_apart_where_case_does_not_count(family: list[str]) -> None:
    names = [unicodedata.normalize("NFKC", safe_name(identifier)).lower() for identifier in family]

    assert len(set(names)) == len(family)


@pytest.mark.parametrize("identifier", ["1234-2", "a", "0", "office_chair-7", "a" * 64])
def test_safe_name_keeps_a_plain_identifier(identifier: str) -> None:
    assert safe_name(identifier) == identifier


def test_safe_name_keeps_what_is_readable() -> None:
    assert safe_name("manual__2024-01-01T00:00:00+00:00").startswith("manual-2024-01-01t00-00")


@given(
    st.tuples(odd_ids, st.integers(1, 10**6), odd_ids),
    st.tuples(odd_ids, st.integers(1, 10**6), odd_ids),
)
@example(("r", 1, "23"), ("r", 12, "3"))
@example(("r1", 1, "2"), ("r", 11, "2"))
@example(("1:r", 1, "2"), ("r", 1, "2"))
def test_picture_folders_are_equal_only_for_equal_variants(
    one: tuple[str, int, str], other: tuple[str, int, str]
) -> None:
    assert (layout.staging_folder(*one) == layout.staging_folder(*other)) == (one == other)
    assert (layout.archive_folder(*one[1:]) == layout.archive_folder(*other[1:])) == (
        one[1:] == other[1:]
    )


def test_picture_folders_of_staging_and_archive_stay_the_same_for_ever() -> None:
    # Pictures are found again by these names, years later: a change here loses an archive.
    archived = "archive/category=7/7dcf963b-01a3-53ca-8afa-034cc7572c28"
    staged = "staging/52abacd5-160b-555a-8358-7f4461d8cf47"

    assert layout.archive_folder(7, "v/1") == archived
    assert layout.staging_folder("r", 7, "v/1") == staged


@given(odd_ids, odd_ids)
def test_picture_names_are_equal_only_for_equal_images(one: str, other: str) -> None:
    of_one = layout.picture_name(one, SHA, "JPEG")

    assert (of_one == layout.picture_name(other, SHA, "JPEG")) == (one == other)
    assert of_one != layout.picture_name(one, SHA[::-1], "JPEG")


@pytest.mark.parametrize(
    ("picture_format", "extension"),
    [("JPEG", "jpg"), ("MPO", "jpg"), ("PNG", "png"), ("TIFF", "tif"), ("WEBP", "webp")],
)
def test_picture_name_has_the_extension_of_its_content(picture_format: str, extension: str) -> None:
    assert layout.picture_name("a", SHA, picture_format) == f"a-{SHA[:16]}.{extension}"


@given(odd_ids, odd_ids, odd_ids)
@example("../../..", "/etc", "..\\..")
def test_no_key_leaves_its_folder(run_id: str, variant_id: str, image_id: str) -> None:
    picture = layout.picture_name(image_id, SHA, "JPEG")
    keys = {
        "runs": [
            layout.run_folder(run_id),
            layout.plan_record(run_id),
            layout.plan_units(run_id),
            layout.plan_rejected(run_id),
            layout.plan_variants(run_id, 7),
            layout.unit_file(run_id, "7/1", "extract.parquet"),
            layout.stage_record(run_id, "7/1", "extract_images"),
            layout.run_summary(run_id, "json"),
            layout.found_findings(run_id, 7),
            layout.settled_variants(run_id, 7),
        ],
        "reports": [layout.run_changes(run_id, "csv")],
        "staging": [f"{layout.staging_folder(run_id, 7, variant_id)}/{picture}"],
        "archive": [f"{layout.archive_folder(7, variant_id)}/{picture}"],
        "findings": [layout.findings_history(run_id), layout.current("findings", 7)],
    }

    for room, paths in keys.items():
        for key in paths:
            path = PurePosixPath(key)
            assert path.parts[0] == room
            assert ".." not in path.parts
            assert key == str(path)
            assert re.fullmatch(r"[a-z0-9_=./-]+", key)


def test_files_of_one_run_have_keys_of_their_own() -> None:
    keys = [
        layout.plan_record("r"),
        layout.plan_units("r"),
        layout.plan_rejected("r"),
        layout.plan_variants("r", 1),
        layout.plan_variants("r", 11),
        layout.unit_file("r", "1/1", "extract.parquet"),
        layout.unit_file("r", "1/11", "extract.parquet"),
        layout.unit_file("r", "11/1", "extract.parquet"),
        layout.stage_record("r", "1/1", "extract_images"),
        layout.run_summary("r", "json"),
        layout.run_summary("r", "txt"),
        layout.found_findings("r", 1),
        layout.found_findings("r", 11),
        layout.settled_variants("r", 1),
        layout.run_changes("r", "csv"),
        layout.run_changes("r", "parquet"),
    ]

    assert all(one != other for one, other in combinations(keys, 2))


def test_outputs_of_a_category_are_named_after_its_id() -> None:
    assert layout.report(7, "duplicates") == "reports/category=7/7_duplicates.csv"
    assert layout.extract_csv(7) == "extract/7.csv"


@given(odd_ids, odd_ids)
def test_removal_id_is_that_of_its_run_and_of_no_other(one: str, other: str) -> None:
    first, second = layout.removal_id_of(one), layout.removal_id_of(other)

    assert re.fullmatch("[0-9a-f]{32}", first)
    assert (first == second) == (one == other)
