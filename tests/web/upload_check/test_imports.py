"""Who of the web part of the upload check imports what."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.web.upload_check.service import ROOT

MODULES = sorted((ROOT / "plugins/image_duplication_web/upload_check").glob("*.py"))


def imported_names(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_module_knows_no_airflow_and_only_workers_know_how_to_judge(path: Path) -> None:
    names = imported_names(path)

    assert not {name.split(".")[0] for name in names} & {
        "airflow",
        "image_duplication_airflow",
        "PIL",
        "cv2",
    }
    if path.stem != "workers":
        assert not [name for name in names if name.endswith(".check_pictures")]
        assert not [name for name in names if name.startswith("image_duplication.detection")]


def test_modules_are_found_by_this_test() -> None:
    workers = next(path for path in MODULES if path.stem == "workers")

    assert "image_duplication.upload_check.check.check_pictures" in imported_names(workers)
