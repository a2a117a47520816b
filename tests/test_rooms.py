"""Who imports whom (docs: the rooms of the design), and what Airflow executes as a plugin."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec

ROOT = Path(__file__).parents[1]
PLUGINS = ROOT / "plugins"
DOMAIN = PLUGINS / "image_duplication"
PACKAGE = DOMAIN.name
FOUNDATION = {"object_store", "settings", "tables", "storage", "queries", "database_urls"}
STAGES = {path.stem for path in (DOMAIN / "stages").glob("*.py")} - {"__init__"}


def module_name(path: Path) -> str:
    parts = path.relative_to(PLUGINS).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(DOMAIN.rglob("*.py"))}


def imported_names(path: Path) -> Iterator[str]:
    """Every module that a file imports, inside functions too, by its absolute name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import, which this test cannot follow"
            assert node.module is not None
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module


def domain_imports(path: Path) -> set[str]:
    return {name for name in imported_names(path) if name.split(".")[0] == PACKAGE}


GRAPH = {name: domain_imports(path) - {name} for name, path in MODULES.items()}


def test_imports_are_found_by_this_test() -> None:
    assert f"{PACKAGE}.layout" in GRAPH[f"{PACKAGE}.stages.archive"]
    assert "archive" in STAGES


@pytest.mark.parametrize("name", MODULES)
def test_domain_module_imports_neither_airflow_nor_a_web_framework(name: str) -> None:
    foreign = {imported.split(".")[0] for imported in imported_names(MODULES[name])}

    assert not foreign & {
        "airflow",
        "fastapi",
        "starlette",
        "image_duplication_airflow",
        "image_duplication_web",
    }


def test_errors_import_nothing_of_the_domain_and_records_only_errors() -> None:
    assert GRAPH[f"{PACKAGE}.errors"] == set()
    assert GRAPH[f"{PACKAGE}.records"] <= {f"{PACKAGE}.errors"}


@pytest.mark.parametrize("name", sorted(FOUNDATION))
def test_foundation_module_imports_only_errors_records_and_its_like(name: str) -> None:
    allowed = {f"{PACKAGE}.{known}" for known in {"errors", "records"} | FOUNDATION}

    assert GRAPH[f"{PACKAGE}.{name}"] <= allowed


@pytest.mark.parametrize("name", [name for name in MODULES if ".stages" not in name])
def test_module_outside_the_stages_imports_no_stage(name: str) -> None:
    assert not {found for found in GRAPH[name] if found.startswith(f"{PACKAGE}.stages")}


@pytest.mark.parametrize("stage", sorted(STAGES))
def test_stage_imports_no_other_stage(stage: str) -> None:
    assert not {found for found in GRAPH[f"{PACKAGE}.stages.{stage}"] if ".stages" in found}


def test_domain_has_no_circle_of_imports() -> None:
    order = graphlib.TopologicalSorter(GRAPH).static_order()  # raises CycleError naming a circle

    assert set(order) >= MODULES.keys()


WEB = PLUGINS / "image_duplication_web"
WEB_MODULES = {module_name(path): path for path in sorted(WEB.rglob("*.py"))}
KNOW_AIRFLOW = {"image_duplication_web.airflow_auth", "image_duplication_web.airflow_app"}


@pytest.mark.parametrize("name", sorted(WEB_MODULES.keys() - KNOW_AIRFLOW))
def test_web_module_knows_nothing_of_airflow(name: str) -> None:
    foreign = {imported.split(".")[0] for imported in imported_names(WEB_MODULES[name])}

    assert not foreign & {"airflow", "image_duplication_airflow"}


def test_one_web_module_knows_airflows_users() -> None:
    knowing = {
        name
        for name, path in WEB_MODULES.items()
        if "airflow" in {imported.split(".")[0] for imported in imported_names(path)}
    }

    assert knowing == {"image_duplication_web.airflow_auth"}


def executed_as_plugins(plugins: Path) -> set[str]:
    """What Airflow executes below a plugins folder: it asks for each folder and file by name."""
    rules = GitIgnoreSpec.from_lines((plugins / ".airflowignore").read_text().splitlines())
    executed: set[str] = set()
    folders = [plugins]
    while folders:
        for path in folders.pop().iterdir():
            is_ignored = rules.match_file(f"{path.name}/" if path.is_dir() else path.name)
            if path.is_dir() and not is_ignored:
                folders.append(path)
            elif path.suffix == ".py" and not is_ignored:
                executed.add(path.relative_to(plugins).as_posix())
    return executed


def test_airflow_executes_only_the_registration_module() -> None:
    assert executed_as_plugins(PLUGINS) == {"image_duplication_plugin.py"}


def test_no_module_of_the_packages_is_executed_even_when_its_folder_is_entered() -> None:
    rules = GitIgnoreSpec.from_lines((PLUGINS / ".airflowignore").read_text().splitlines())
    modules = [path for path in PLUGINS.rglob("*.py") if path.parent != PLUGINS]

    assert len(modules) > 20
    assert [path for path in modules if not rules.match_file(path.name)] == []


def test_every_folder_without_the_ignore_file_would_be_executed(tmp_path: Path) -> None:
    (tmp_path / ".airflowignore").write_text("# nothing is ignored\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "csv.py").touch()
    (tmp_path / "image_duplication_plugin.py").touch()

    assert executed_as_plugins(tmp_path) == {"package/csv.py", "image_duplication_plugin.py"}
