"""`make docs`: writes docs/DAGs.md from the DAGs themselves; `--check` says whether it is true.

    python -m docs [--check]

Airflow parses the DAG files in a home of its own, without a database, and with none of this
machine's variables: so the page shows what the files say by default.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "DAGs.md"

_HEAD = """# DAGs

What each DAG file says of itself. Written by `make docs`; `make check` fails when it differs.
"""


def main() -> int:
    """Write or check the page; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m docs", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    is_check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as home:
        page = render_page(_parse_dags(Path(home)))
    found = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if page == found:
        print(f"{PAGE.relative_to(PROJECT)} is what the DAGs say.")
        return 0
    if is_check:
        lines = found.splitlines(), page.splitlines()
        print(*difflib.unified_diff(*lines, "docs/DAGs.md", "the DAGs", lineterm=""), sep="\n")
        print("docs/DAGs.md differs from the DAGs: make docs")
        return 1
    PAGE.write_text(page, encoding="utf-8")
    print(f"{PAGE.relative_to(PROJECT)} written.")
    return 0


def _parse_dags(home: Path) -> list[Any]:
    """Every DAG of dags/, by id. Airflow reads its environment when it is first imported."""
    for name in list(os.environ):
        if name.startswith(("AIRFLOW", "IMAGE_DUPLICATION")):
            del os.environ[name]
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    }
    sys.path.insert(0, str(PROJECT / "plugins"))
    from airflow.dag_processing.dagbag import DagBag  # noqa: PLC0415 - see above

    bag = DagBag(str(PROJECT / "dags"))
    if bag.import_errors:
        raise SystemExit("\n".join(f"{path}: {error}" for path, error in bag.import_errors.items()))
    return [bag.dags[dag_id] for dag_id in sorted(bag.dags)]


def render_page(dags: Iterable[Any]) -> str:
    """The page in Markdown."""
    return "\n".join([_HEAD, *(line for dag in dags for line in _render_dag(dag))])


def _render_dag(dag: Any) -> Iterator[str]:
    yield f"## {dag.dag_id}"
    yield ""
    yield dag.doc_md.strip()
    yield ""
    yield from _render_table(("what", "value"), _list_facts(dag))
    if dag.params:
        yield "### Parameters of `" + dag.dag_id + "`"
        yield ""
        yield from _render_table(("name", "type", "default", "description"), _list_params(dag))
    yield "### Tasks of `" + dag.dag_id + "`"
    yield ""
    columns = ("task", "after", "runs when", "timeout", "tries", "pool", "what it does")
    yield from _render_table(columns, _list_tasks(dag))


def _render_table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


def _list_facts(dag: Any) -> Iterator[tuple[str, str]]:
    cron = getattr(dag.timetable, "expression", None)
    yield "file", f"`dags/{Path(dag.fileloc).name}`"
    yield "schedule", f"`{cron}`, UTC" if cron else "none"
    yield "runs at once", f"{dag.max_active_runs}"
    yield "deadline", ", ".join(one.name for one in _as_list(dag.deadline)) or "none"
    yield "tags", ", ".join(sorted(dag.tags))


def _as_list(found: Any) -> list[Any]:
    if found is None:
        return []
    return list(found) if isinstance(found, (list, tuple)) else [found]


def _list_params(dag: Any) -> Iterator[tuple[str, ...]]:
    for name in dag.params:
        param = dag.params.get_param(name)
        kinds = " or ".join(k for k in _as_list(param.schema.get("type")) if k != "null")
        default = "empty" if param.value is None else f"`{param.value}`"
        yield f"`{name}`", kinds, default, param.description or ""


def _list_tasks(dag: Any) -> Iterator[tuple[str, ...]]:
    for task in dag.topological_sort():
        doc = task.partial_kwargs.get("doc_md") if task.is_mapped else task.doc_md
        yield (
            f"`{task.task_id}`",
            ", ".join(f"`{upstream}`" for upstream in sorted(task.upstream_task_ids)),
            task.trigger_rule.value.replace("_", " "),
            str(task.execution_timeout or "none"),
            str((task.retries or 0) + 1),
            "" if task.pool == "default_pool" else f"`{task.pool}`",
            " ".join((doc or "").strip().partition("\n\n")[0].split()),
        )


if __name__ == "__main__":
    sys.exit(main())
