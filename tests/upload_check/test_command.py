"""The command line of the check, as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from image_duplication import layout
from image_duplication.pictures import archived_key
from image_duplication.records import Role
from image_duplication.storage import Storage
from image_duplication.tables import JUDGED, write_rows
from image_duplication.upload_check.answer import CheckAnswer
from image_duplication.upload_check.databases import SOURCE_VARIABLE
from tests.catalogues import SourceDatabase
from tests.judged_rows import downloaded_row, judged_row
from tests.upload_check.uploads import BACK, BROKEN, FRONT, MIRRORED_FRONT, SIDE

PROJECT = Path(__file__).parents[2]


def check(
    *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    plain = {name: text for name, text in os.environ.items() if not name.startswith("IMAGE_DUP")}
    return subprocess.run(
        [sys.executable, "-m", "image_duplication", "check", *arguments],
        cwd=cwd,
        env=plain
        | {"PYTHONPATH": str(PROJECT / "plugins"), "COLUMNS": "160"}
        | dict(environment or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in (
        ("front.jpg", FRONT),
        ("mirrored.jpg", MIRRORED_FRONT),
        ("side.jpg", SIDE),
        ("back.jpg", BACK),
        ("broken.jpg", BROKEN),
        ("[red]\x1b[2J.jpg", FRONT),
    ):
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.mark.parametrize(
    ("files", "status"),
    [
        (["front.jpg", "side.jpg", "back.jpg"], 0),
        (["front.jpg", "side.jpg"], 1),
        (["front.jpg", "side.jpg", "back.jpg", "mirrored.jpg"], 1),
        (["front.jpg", "side.jpg", "broken.jpg"], 2),
        (["front.jpg", "side.jpg", "back.jpg", "broken.jpg"], 2),
        (["front.jpg", "mirrored.jpg", "side.jpg", "broken.jpg"], 1),
        (["front.jpg", "missing.jpg"], 64),
        ([], 64),
        (["--mode", "shout", "front.jpg"], 64),
        (["--required", "0", "front.jpg"], 64),
        (["front.jpg"] * 21, 64),
    ],
    ids=[
        "in order",
        "short",
        "repeat",
        "undecided",
        "unreadable",
        "repeat and unreadable",
        "missing file",
        "no file",
        "mode",
        "setting",
        "too many",
    ],
)
def test_exit_status_tells_the_verdict(folder: Path, files: list[str], status: int) -> None:
    done = check(*files, cwd=folder)

    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert bool(done.stdout) == (status < 64)


def test_table_says_what_was_found_and_what_to_do(folder: Path) -> None:
    done = check("front.jpg", "mirrored.jpg", "side.jpg", "--mode", "block", cwd=folder)

    for said in (
        "mirrored.jpg",
        "420x360",
        "transformed of 1: same photo, mirrored",
        "replace",
        "Verdict: short_by_1 (2 different of 3 needed), refused",
        "Keep photo 1 and replace photo 2.",
        "फ़ोटो 1 रखें और फ़ोटो 2 बदलें।",
    ):
        assert said in done.stdout


def test_table_shows_a_hostile_name_harmlessly(folder: Path) -> None:
    done = check("[red]\x1b[2J.jpg", cwd=folder)

    assert "\x1b" not in done.stdout
    assert "[red]\N{REPLACEMENT CHARACTER}[2J.jpg" in done.stdout


def test_table_has_the_whole_name_in_a_narrow_window(folder: Path) -> None:
    name = "office-chair-with-armrests-seen-from-the-front-left.jpg"
    (folder / name).write_bytes(FRONT)

    done = check(name, "mirrored.jpg", cwd=folder, environment={"COLUMNS": "80"})

    lines = done.stdout.partition("Verdict")[0].splitlines()
    heading = next(line for line in lines if "picture" in line)
    begin, end = heading.index("picture"), heading.index("size")
    assert name in "".join(line[begin:end].strip() for line in lines)


def test_json_is_written_when_the_name_of_a_file_is_no_text(folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    (folder / name).write_bytes(FRONT)

    done = check(name, "--json", cwd=folder)

    assert done.returncode == 1, done.stderr
    picture = CheckAnswer.model_validate(json.loads(done.stdout)).pictures[0]
    assert picture.name == "caf\N{REPLACEMENT CHARACTER}.jpg"


@pytest.mark.parametrize("name", ["pipe", "endless", "large.jpg", "folder.jpg", "\x1b[2J"])
def test_what_is_no_file_that_can_be_judged_is_refused_unread(folder: Path, name: str) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "endless").symlink_to("/dev/zero")
    (folder / "folder.jpg").mkdir()
    with (folder / "large.jpg").open("wb") as large:
        large.truncate(1 << 30)

    done = check("front.jpg", name, cwd=folder)

    assert done.returncode == 64
    assert name.replace("\x1b", "\N{REPLACEMENT CHARACTER}") in done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr


def test_json_is_the_answer_of_http(folder: Path) -> None:
    done = check("front.jpg", "mirrored.jpg", "--json", "--required", "1", cwd=folder)
    answer = CheckAnswer.model_validate(json.loads(done.stdout))

    assert (answer.verdict, answer.required, answer.needs_change) == ("compliant", 1, True)
    assert answer.duplicates[0].sentence == "same photo, mirrored"


@pytest.mark.parametrize("names_category", [True, False], ids=["category given", "category asked"])
def test_upload_is_compared_with_what_the_variant_shows(
    folder: Path, storage: Storage, sqlite_database: SourceDatabase, names_category: bool
) -> None:
    row = downloaded_row("12", "image-1", 1, FRONT)
    storage.write_bytes(archived_key(row), FRONT)
    shown = [judged_row(row, role=Role.BASE)]
    write_rows(storage, layout.current("images", 7), JUDGED, shown)
    sqlite_database.add_variant(12, "7")
    sqlite_database.fill()

    done = check(
        "mirrored.jpg",
        "--variant",
        "12",
        *(["--category", "7"] if names_category else []),
        "--json",
        cwd=folder,
        environment={
            "IMAGE_DUPLICATION__STORAGE__ROOT": storage.root,
            SOURCE_VARIABLE: sqlite_database.url,
        },
    )

    assert done.returncode == 1, done.stderr
    answer = CheckAnswer.model_validate_json(done.stdout)
    assert [one.image_id for one in answer.pictures] == ["image-1", None]
    assert (answer.duplicates[0].first, answer.duplicates[0].replace) == (1, 2)


def test_variant_without_a_way_to_its_category_is_refused(folder: Path) -> None:
    done = check("front.jpg", "--variant", "12", cwd=folder, environment={SOURCE_VARIABLE: ""})

    assert done.returncode == 64
    assert "name it, or set AIRFLOW_CONN_GEM_STAGING" in done.stderr
