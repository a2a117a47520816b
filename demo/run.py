"""`make demo`: one run of the DAG on the demo catalogue, from its database to the reports."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rich import box
from rich.console import Console
from rich.table import Table

from demo.airflow_home import DAG_ID, PROJECT, AirflowHome, make_airflow_home
from demo.catalogue import Catalogue, build_catalogue, fill_database
from demo.image_server import running_image_server
from demo.mariadb import private_mariadb
from demo.truth import Score, score_findings
from image_duplication import layout
from image_duplication.storage import Storage

FOLDER = PROJECT / "build" / "demo"

# A stalled server must not hold the demo up for as long as it may a weekly run.
FETCHING = {
    "IMAGE_DUPLICATION__DOWNLOAD__READ_TIMEOUT_S": "2",
    "IMAGE_DUPLICATION__DOWNLOAD__MAX_ATTEMPTS": "3",
    "IMAGE_DUPLICATION__DOWNLOAD__BACKOFF_S": "0.2",
}
_RUN_TIMEOUT_S = 240
_WIDTH = 100


class DemoFailedError(Exception):
    """The run did not succeed; the message says where to look."""


def run_demo(source: str, console: Console) -> Path:
    """Run the demo on `sqlite` or `mysql`; the path of the summary that it leaves."""
    started = time.monotonic()
    catalogue = prepare_catalogue(console)
    data = FOLDER / "data"
    # Every demo starts from nothing, so that each shows a first run.
    shutil.rmtree(data, ignore_errors=True)
    shutil.rmtree(FOLDER / "airflow", ignore_errors=True)
    with (
        running_image_server(
            catalogue.served_folder, log_path=FOLDER / "image_server.log"
        ) as server,
        source_database(source, catalogue, FOLDER, console) as source_uri,
    ):
        console.print(f"Image server on {server.base_url}, stopped when the demo ends")
        home = make_airflow_home(
            FOLDER / "airflow",
            data,
            source_uri=source_uri,
            image_base=server.base_url,
            extra=FETCHING,
        )
        _run_dag(home, console)
    return _show_result(catalogue, data, source, time.monotonic() - started, console)


def prepare_catalogue(console: Console) -> Catalogue:
    """Draw the catalogue, or take its pictures from the cache."""
    started = time.monotonic()
    catalogue = build_catalogue(FOLDER / "catalogue")
    console.print(
        f"Catalogue: {len(catalogue.variants)} variants, {len(catalogue.images)} image rows, "
        f"{len(catalogue.planted)} planted duplicates ({time.monotonic() - started:.0f} s)"
    )
    return catalogue


@contextlib.contextmanager
def source_database(
    source: str, catalogue: Catalogue, folder: Path, console: Console
) -> Iterator[str]:
    """The catalogue in a database below the folder; its Airflow connection URI."""
    if source == "mysql":
        with private_mariadb(folder / "mariadb") as server:
            engine = sa.create_engine(server.url("writer"))
            fill_database(engine, catalogue)
            engine.dispose()
            console.print(f"Database: private MariaDB on 127.0.0.1:{server.port}")
            yield server.airflow_uri()
        return
    path = folder / "gem_staging.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    fill_database(engine, catalogue)
    engine.dispose()
    console.print(f"Database: SQLite, {path.relative_to(PROJECT)}")
    # Airflow reads four slashes as an absolute path.
    yield f"sqlite:///{path}"


def _run_dag(home: AirflowHome, console: Console) -> None:
    log = FOLDER / "airflow.log"
    log.unlink(missing_ok=True)
    console.print(f"Airflow: running DAG {DAG_ID} (log: {log.relative_to(PROJECT)}) …")
    started = time.monotonic()
    for command in (("db", "migrate"), ("dags", "test", DAG_ID)):
        try:
            status = home.airflow(*command, log=log, timeout_s=_RUN_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            status = None
        if status != 0:
            outcome = f"exit status {status}" if status else f"not done after {_RUN_TIMEOUT_S} s"
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
            raise DemoFailedError(
                f"`airflow {' '.join(command)}`: {outcome}; the end of {log}:\n{tail}"
            )
    console.print(f"Airflow: the run succeeded ({time.monotonic() - started:.0f} s)\n")


def _show_result(
    catalogue: Catalogue, data: Path, source: str, seconds: float, console: Console
) -> Path:
    storage = Storage(str(data))
    (run_folder,) = storage.names("runs")
    run = storage.read_json(f"runs/{run_folder}/summary.json")
    console.print(storage.read_bytes(f"runs/{run_folder}/summary.txt").decode(), markup=False)
    category_ids = [category["category_id"] for category in run["categories"]]
    score = score_findings(storage, catalogue, category_ids)
    console.print(_score_table(score))
    console.print(f"False findings: {score.false_findings}")
    console.print(f"Missed: {_list_missed(score)}", markup=False)
    console.print("\nLook at:")
    example = category_ids[0]
    for what, key in (
        ("gallery, in a browser", layout.gallery(example)),
        ("page of the run", layout.run_page(run["run_id"])),
        ("duplicates per category", layout.report(example, "duplicates")),
        ("verdict per variant", layout.report(example, "compliance")),
        ("the legacy form", layout.report(example, "summary")),
        ("source rows", layout.extract_csv(example)),
        ("archived pictures", f"archive/category={example}"),
        ("summary of the run", f"runs/{run_folder}/summary.json"),
    ):
        console.print(f"  {what:24}", str(Path(storage.path(key)).relative_to(PROJECT)))
    path = FOLDER / "summary.json"
    path.write_text(json.dumps(_summary(run, score, source, seconds), indent=2, ensure_ascii=False))
    console.print(
        f"  {'planted and found':24}", str(path.relative_to(PROJECT)), f"({seconds:.0f} s)"
    )
    return path


def _list_missed(score: Score) -> str:
    return (
        "; ".join(
            f"{modification} (image {image_id} of variant {variant_id})"
            for variant_id, image_id, modification in score.missed
        )
        or "none"
    )


def _score_table(score: Score) -> Table:
    table = Table(
        box=box.ASCII2,
        title="Planted and found, by the kind that was planted",
        title_justify="left",
    )
    table.add_column("kind")
    table.add_column("planted", justify="right")
    table.add_column("found", justify="right")
    for kind, planted in score.planted.items():
        table.add_row(kind, str(planted), str(score.found[kind]))
    return table


def _summary(run: dict[str, Any], score: Score, source: str, seconds: float) -> dict[str, Any]:
    total = run["total"]
    return {
        "source": source,
        "run_id": run["run_id"],
        "categories": total["categories"],
        "variants": total["variants"],
        "images": total["images"],
        "corrected": total["corrected"],
        "downloaded": total["downloaded"],
        "failed_by_reason": total["failed_by_reason"],
        "findings": total["findings"],
        "findings_by_kind": total["findings_by_kind"],
        "planted_by_kind": score.planted,
        "planted_found_by_kind": score.found,
        "missed": [
            {"variant_id": variant_id, "image_id": image_id, "modification": modification}
            for variant_id, image_id, modification in score.missed
        ],
        "false_findings": score.false_findings,
        "verdicts": total["verdicts"],
        "stages": total["stages"],
        "seconds": round(seconds, 1),
    }
