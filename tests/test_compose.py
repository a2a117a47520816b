"""Dockerfile and docker-compose.yaml, checked without a container engine, and broken copies."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.containers import (
    CHECKS,
    COMPOSE,
    DEMO_VARIABLES,
    DOCKERFILE,
    FILES,
    ROOT,
    Containers,
    UnreadableError,
    check_commands,
    check_copied,
    check_dockerfile,
    check_environment,
    check_folders,
    check_health,
    check_images,
    check_limits,
    check_rights,
    check_settings,
    check_variables,
    read_containers,
    resolve_compose,
)

Check = Callable[[Containers], list[str]]

REQUIRED = (
    "POSTGRES_PASSWORD",
    "REDIS_PASSWORD",
    "AIRFLOW_FERNET_KEY",
    "AIRFLOW_JWT_SECRET",
    "AIRFLOW_API_SECRET_KEY",
    "AIRFLOW_CONN_GEM_STAGING",
    "AIRFLOW_CONN_IMAGE_DUPLICATION_STORE",
    "STORAGE_ROOT",
)
VALUES = dict.fromkeys(REQUIRED, "x")


@pytest.fixture(autouse=True)
def airflow_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the commands that are tried may write."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))


@pytest.fixture(scope="module")
def containers() -> Containers:
    return read_containers(ROOT)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_container_files_pass(check: Check, containers: Containers) -> None:
    assert check(containers) == []


def test_services_of_the_demo_are_in_its_profile_alone() -> None:
    usual = resolve_compose(ROOT, "--env-file", "/dev/null", **VALUES)["services"]
    assert set(usual) == {
        "postgres",
        "redis",
        "airflow-init",
        "api-server",
        "scheduler",
        "dag-processor",
        "triggerer",
        "worker",
    }
    demo = resolve_compose(ROOT, "--env-file", DEMO_VARIABLES)["services"]
    assert set(demo) - set(usual) == {"demo-database", "demo-seed", "demo-images", "demo-objects"}


@pytest.mark.parametrize("missing", REQUIRED)
def test_compose_file_asks_for_what_has_no_default(missing: str) -> None:
    values = {name: value for name, value in VALUES.items() if name != missing}
    with pytest.raises(UnreadableError, match=f"set {missing}"):
        resolve_compose(ROOT, "--env-file", "/dev/null", **values)


def test_optional_variables_do_not_reach_the_containers_when_they_are_left_out() -> None:
    services = resolve_compose(ROOT, "--env-file", "/dev/null", **VALUES)["services"]
    passed = services["worker"]["environment"]
    assert passed["IMAGE_DUPLICATION_SCHEDULE"] is None
    assert passed["AIRFLOW_CONN_IMAGE_DUPLICATION_ALERTS_EMAIL"] is None
    given = resolve_compose(
        ROOT, "--env-file", "/dev/null", **VALUES, IMAGE_DUPLICATION_SCHEDULE="", WORKER_SLOTS="8"
    )["services"]["worker"]
    assert given["environment"]["IMAGE_DUPLICATION_SCHEDULE"] == ""
    assert given["environment"]["AIRFLOW__CELERY__WORKER_CONCURRENCY"] == "8"
    assert given["deploy"]["resources"]["limits"]["cpus"] == 8


def test_every_variable_that_a_dag_file_reads_can_be_given() -> None:
    passed = resolve_compose(ROOT, "--env-file", "/dev/null", **VALUES)["services"]["scheduler"]
    sources = [*(ROOT / "dags").glob("*.py"), *(ROOT / "plugins").rglob("deadlines.py")]
    read = {
        name
        for source in sources
        for name in re.findall(r'_VARIABLE = "(\w+)"', source.read_text(encoding="utf-8"))
    }
    assert len(read) == 3
    assert read <= passed["environment"].keys()


def test_workers_can_be_scaled_by_their_number() -> None:
    services = resolve_compose(ROOT, "--env-file", "/dev/null", **VALUES, WORKERS="7")["services"]
    assert services["worker"]["deploy"]["replicas"] == 7
    assert "container_name" not in services["worker"]
    assert "ports" not in services["worker"]


# What is broken in a copy: the file, a pattern in it and what replaces it; who complains, and how.
BROKEN: dict[str, tuple[str, str, str, Check, str]] = {
    "a tag without a version": (
        COMPOSE, "redis:7.2-bookworm", "redis:latest", check_images, "redis:latest: no version"
    ),
    "a base image without a version": (
        DOCKERFILE, "python:3.11.14-slim-bookworm AS airflow", "python AS airflow",
        check_images, "python: no version",
    ),
    "a stage that is not there": (
        COMPOSE, "target: demo", "target: demos", check_images, "no stage 'demos'"
    ),
    "a service as root": (COMPOSE, "user: postgres", "user: root", check_rights, "postgres: runs"),
    "an image as root": (
        DOCKERFILE, r"USER 50000:50000\nWORKDIR /opt/airflow", "WORKDIR /opt/airflow",
        check_rights, "stage airflow: ends as root",
    ),
    "a port for other machines": (
        COMPOSE, '"127.0.0.1:8080:8080"', '"8080:8080"', check_rights, "port 8080 is open"
    ),
    "capabilities": (COMPOSE, r"cap_drop: \[ALL\]", "cap_drop: []", check_rights, "capabilities"),
    "no limit of memory": (
        COMPOSE, 'cpus: "1", memory: 384m', 'cpus: "1"', check_limits, "redis: no limit of memory"
    ),
    "no restart": (
        COMPOSE, "restart: unless-stopped", 'restart: "no"', check_limits, "not started again"
    ),
    "no health check": (
        COMPOSE, r'healthcheck:(\n      test: \["CMD", "pg_isready")', r"x-health:\1", check_health,
        "postgres: no health check",
    ),
    "no health check in the image": (
        DOCKERFILE, r"HEALTHCHECK .*\\\n.*\n", "", check_health, "api-server: no health check"
    ),
    "waiting for a service to end": (
        COMPOSE, r"redis:\n      condition: service_healthy",
        "redis:\n      condition: service_completed_successfully", check_health, "waits for redis",
    ),
    "a command that Airflow has not": (
        COMPOSE, r'"airflow", "dag-processor"\]', '"airflow", "dag-proc"]',
        check_commands, "airflow dag-proc",
    ),
    "a command that only Celery's executor brings, misspelt": (
        COMPOSE, '"celery", "worker"', '"celery", "workers"', check_commands, "celery workers"
    ),
    "an option that Airflow has not": (
        COMPOSE, '"--job-type", "TriggererJob"', '"--job-kind", "TriggererJob"',
        check_commands, "--job-kind",
    ),
    "a command in a script": (
        COMPOSE, "airflow pools set", "airflow pool set", check_commands, "airflow pool set"
    ),
    "an option that celery has not": (
        COMPOSE, "inspect ping --timeout", "inspect ping --wait", check_commands, "--wait"
    ),
    "a module that is not there": (
        COMPOSE, '"demo.image_server"', '"demo.image_host"', check_commands, "demo.image_host"
    ),
    "an option that weed has not": (
        COMPOSE, "-s3.port=8333", "-s3.door=8333", check_commands, "no option s3.door"
    ),
    "a health check of another port": (
        COMPOSE, "127.0.0.1:8000/__health__", "127.0.0.1:8001/__health__",
        check_commands, "does not listen on port 8001",
    ),
    "a health check that is no Python": (
        COMPOSE, r"8974/health', timeout=5\)", "8974/health', timeout=5", check_commands, "closed"
    ),
    "a program that the image has not": (
        COMPOSE, "healthcheck.sh", "healthcheck", check_commands, "no program healthcheck"
    ),
    "an option of Airflow's configuration": (
        COMPOSE, "AIRFLOW__CELERY__BROKER_URL", "AIRFLOW__CELERY__BROKER",
        check_environment, "no option AIRFLOW__CELERY__BROKER",
    ),
    "a connection that nobody reads": (
        COMPOSE, "AIRFLOW_CONN_GEM_STAGING:", "AIRFLOW_CONN_GEM_STAGE:",
        check_environment, "nobody reads AIRFLOW_CONN_GEM_STAGE",
    ),
    "a variable that nobody reads": (
        COMPOSE, "IMAGE_DUPLICATION_SCHEDULE:", "IMAGE_DUPLICATION_CRON:",
        check_environment, "nobody reads IMAGE_DUPLICATION_CRON",
    ),
    "a setting that is not there": (
        COMPOSE, "IMAGE_DUPLICATION__DETECTION__PROCESSES", "IMAGE_DUPLICATION__DETECTION__PROCS",
        check_environment, "nobody reads IMAGE_DUPLICATION__DETECTION__PROCS",
    ),
    "a setting that is not allowed": (
        COMPOSE, "IMAGE_DUPLICATION__DETECTION__PROCESSES: 1",
        "IMAGE_DUPLICATION__DETECTION__PROCESSES: 65", check_settings, "detection.processes",
    ),
    "a variable that is not described": (
        COMPOSE, r"\$\{WORKERS:-2\}", "${COUNT_OF_WORKERS:-2}", check_variables,
        "COUNT_OF_WORKERS: not described",
    ),
    "a described variable that is not used": (
        COMPOSE, r"\$\{WORKER_MEMORY:-4g\}", "4g", check_variables,
        "WORKER_MEMORY: described, but not used",
    ),
    "a default password": (
        COMPOSE, r"\$\{REDIS_PASSWORD:\?set REDIS_PASSWORD\}", "${REDIS_PASSWORD:-redis}",
        check_variables, "REDIS_PASSWORD: a secret that is not asked for",
    ),
    "a password in the file": (
        COMPOSE, r"POSTGRES_PASSWORD: \$\{.*\}", "POSTGRES_PASSWORD: airflow", check_variables,
        "a secret stands in the file: POSTGRES_PASSWORD",
    ),
    "a variable of the demo that is not used": (
        DEMO_VARIABLES, "STORAGE_ROOT=", "STORAGE=x\nSTORAGE_ROOT=", check_variables, "STORAGE: set"
    ),
    "a copied folder that is not there": (
        DOCKERFILE, "COPY include ", "COPY includes ", check_copied, "includes: copied, but not"
    ),
    "a copied folder that is ignored": (
        ".dockerignore", "!plugins\n", "", check_copied, "plugins: copied, but .dockerignore"
    ),
    "a volume on no folder": (
        COMPOSE, "airflow-logs:/opt/airflow/logs", "airflow-logs:/opt/airflow/log", check_folders,
        "/opt/airflow/log is not in its image",
    ),
    "a folder that a variable names": (
        DOCKERFILE, "DAGS_FOLDER=/opt/image-duplication/dags",
        "DAGS_FOLDER=/opt/image-duplication/dag", check_folders, "/image-duplication/dag is not",
    ),
    "a compiler in an image that runs": (
        DOCKERFILE, "recommends libmariadb3", "recommends libmariadb3 build-essential",
        check_dockerfile, "stage airflow: has a compiler",
    ),
    "what hadolint complains of": (
        DOCKERFILE, r"USER 0\n", "USER 0\nRUN cd /tmp\n", check_dockerfile, "DL3003"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_check_complains_of(what: str, tmp_path: Path) -> None:
    file, pattern, replacement, check, complaint = BROKEN[what]
    root = copy_of_files(tmp_path, file, pattern, replacement)
    assert complaint in "\n".join(check(read_containers(root)))


@pytest.mark.parametrize(
    ("pattern", "replacement", "complaint"),
    [
        ("restart: unless-stopped", "restarts: unless-stopped", "restarts"),
        ("- postgres-data:/", "- postgres-date:/", "postgres-date"),
        (r"\$\{STORAGE_ROOT:", "${STORAGE_ROOTS:", "STORAGE_ROOTS"),
        ("source: demo-accounts", "source: demo-account", "demo-account"),
        # Services that wait name one deeper than the services stand.
        (r"(\n    )redis:\n", r"\1rabbit:\n", "rabbit"),
    ],
    ids=["field", "volume", "variable", "config", "service"],
)
def test_docker_compose_itself_refuses_what_it_does_not_know(
    tmp_path: Path, pattern: str, replacement: str, complaint: str
) -> None:
    root = copy_of_files(tmp_path, COMPOSE, pattern, replacement)
    with pytest.raises(UnreadableError, match=complaint):
        read_containers(root)


def copy_of_files(folder: Path, file: str, pattern: str, replacement: str) -> Path:
    """The repository, by links, with one of the container files changed at its first match."""
    root = folder / "copy"
    root.mkdir()
    for path in ROOT.iterdir():
        if path.name not in {*FILES, "demo", ".git"}:
            (root / path.name).symlink_to(path)
    (root / "demo").mkdir()
    for name in FILES:
        if not (ROOT / name).exists():
            continue
        content = (ROOT / name).read_text(encoding="utf-8")
        if name == file:
            changed = re.sub(pattern, replacement, content, count=1)
            assert changed != content, f"{pattern!r} is not in {name}"
            content = changed
        (root / name).write_text(content, encoding="utf-8")
    return root
