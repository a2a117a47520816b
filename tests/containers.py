"""What is wrong with Dockerfile and docker-compose.yaml, as far as no container engine is needed.

Each check is a function of a `Containers` and returns complaints, so that a test can show it a
broken copy of the files. What a check compares with is installed or in the repository: Docker
Compose's own parser, hadolint, the options of Airflow's command line and configuration.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from image_duplication.errors import ConfigurationError
from image_duplication.settings import INCLUDE_VARIABLE, load_settings

ROOT = Path(__file__).parents[1]
COMPOSE, DEMO_VARIABLES, DOCKERFILE = "docker-compose.yaml", "demo/compose.env", "Dockerfile"
FILES = (COMPOSE, DEMO_VARIABLES, DOCKERFILE, ".dockerignore", "requirements-cluster.txt")

# Programs of images that others make, from their makers' documentation.
FOREIGN_PROGRAMS = {
    "postgres": {"pg_isready"},
    "redis": {"redis-server", "redis-cli"},
    "mariadb": {"healthcheck.sh"},
}
# By these every S3 client finds its server and its account.
S3_VARIABLES = {
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
}
_LITERAL_SECRET = re.compile(r"\s+\w*(PASSWORD|SECRET|_KEY|AUTH|CONN_\w+): (?!\$\{|\"1\")\S")
_TIMEOUT_S = 120
_PROGRAMS = Path(sys.executable).parent

# In a process of its own: Airflow reads its executor, which brings `airflow celery`, once.
_ASK_AIRFLOW = """
import contextlib, io, json, sys
asked = json.load(sys.stdin)
with contextlib.redirect_stdout(io.StringIO()):
    from airflow.cli.cli_parser import get_parser
    from airflow.configuration import conf
    refused = {}
    for command in asked["commands"]:
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                get_parser().parse_args(command)
        except SystemExit:
            refused[" ".join(command)] = said.getvalue().strip().splitlines()[-1]
    known = {
        f"AIRFLOW__{section}__{option}".upper()
        for section, described in conf.configuration_description.items()
        for option in described["options"]
    }
print(json.dumps({"refused": refused, "unknown": sorted(set(asked["options"]) - known)}))
"""


@dataclass(frozen=True, slots=True)
class Containers:
    """The folder of the files, which is the repository or a copy, and their resolved content."""

    root: Path
    services: dict[str, dict[str, Any]]
    stages: tuple[Stage, ...]

    @property
    def text(self) -> str:
        """The Compose file as it is written."""
        return (self.root / COMPOSE).read_text(encoding="utf-8")

    def stage_of(self, name: str) -> Stage | None:
        """The stage that a service's image is built from; None: others build it."""
        image = self.services[name]["image"]
        for service in self.services.values():
            if "build" in service and service["image"] == image:
                target = service["build"]["target"]
                return next((stage for stage in self.stages if stage.name == target), None)
        return None

    def parents(self, stage: Stage) -> list[Stage]:
        """The stage and those that it starts from, itself first."""
        found = [stage]
        for earlier in reversed(self.stages[: self.stages.index(stage)]):
            if earlier.name == found[-1].base:
                found.append(earlier)
        return found

    def instructions(self, name: str, keyword: str) -> list[str]:
        """Arguments of the instructions that hold for a built service, the latest last."""
        stage = self.stage_of(name)
        stages = [] if stage is None else reversed(self.parents(stage))
        return [words for one in stages for word, words in one.instructions if word == keyword]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the Dockerfile: its instructions as keyword and arguments."""

    name: str
    base: str
    instructions: tuple[tuple[str, str], ...]


class UnreadableError(Exception):
    """Docker Compose's own words about a file that it refuses."""


def read_containers(root: Path) -> Containers:
    """Both files, all profiles, with the variables of the demo. Raises UnreadableError."""
    content = resolve_compose(root, "--env-file", DEMO_VARIABLES, "--profile", "*")
    return Containers(root, content["services"], tuple(_stages(root / DOCKERFILE)))


def resolve_compose(root: Path, *options: str, **variables: str) -> dict[str, Any]:
    """The Compose file as Docker Compose understands it. Raises UnreadableError."""
    command = [str(_PROGRAMS / "docker-compose"), *options, "config", "--format", "json"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(root), **variables}
    done = subprocess.run(
        command,
        check=False,
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    if done.returncode:
        raise UnreadableError(done.stderr.strip())
    resolved: dict[str, Any] = json.loads(done.stdout)
    return resolved


def _stages(dockerfile: Path) -> Iterator[Stage]:
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line for line in re.sub(r"\\\n\s*", " ", text).splitlines() if line.strip()]
    starts = [number for number, line in enumerate(lines) if line.startswith("FROM ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        base, _, name = lines[start].removeprefix("FROM ").partition(" AS ")
        instructions = [line.split(maxsplit=1) for line in lines[start + 1 : end]]
        yield Stage(name, base, tuple((word, words) for word, words in instructions))


# --- what must hold ----------------------------------------------------------------------------


def check_images(containers: Containers) -> list[str]:
    """Each image has a tag that says its version, and what is built is built from a stage."""
    bases = {stage.base for stage in containers.stages} - {s.name for s in containers.stages}
    images = {service["image"] for service in containers.services.values()} | bases
    wrong = [f"{image}: no version" for image in images if not re.search(r":\d+\.?[\w.-]+$", image)]
    for name, service in containers.services.items():
        if "build" in service and containers.stage_of(name) is None:
            wrong.append(f"{name}: the Dockerfile has no stage {service['build']['target']!r}")
        if containers.stage_of(name) is None and _maker(service) not in FOREIGN_PROGRAMS:
            wrong.append(f"{name}: nobody builds its image {service['image']!r}")
    return wrong


def _maker(service: dict[str, Any]) -> str:
    return str(service["image"]).partition(":")[0]


def check_rights(containers: Containers) -> list[str]:
    """No process is root, has capabilities or gains any; nothing but loopback reaches a port."""
    wrong = []
    for name, service in containers.services.items():
        if str(service.get("user", "root")).partition(":")[0] in {"root", "0"}:
            wrong.append(f"{name}: runs as root")
        if service.get("cap_drop") != ["ALL"]:
            wrong.append(f"{name}: keeps capabilities")
        if "no-new-privileges:true" not in service.get("security_opt", []):
            wrong.append(f"{name}: may gain privileges")
        for port in service.get("ports", []):
            if port.get("host_ip") != "127.0.0.1":
                wrong.append(f"{name}: port {port['target']} is open to other machines")
    for stage in containers.stages[1:]:
        user = [words for word, words in stage.instructions if word == "USER"][-1:]
        if not user or user[0].partition(":")[0] in {"root", "0"}:
            wrong.append(f"stage {stage.name}: ends as root")
    return wrong


def check_limits(containers: Containers) -> list[str]:
    """Each service has a limit of memory and CPUs, and is started again when it ends."""
    wrong = []
    for name, service in containers.services.items():
        limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
        wrong += [
            f"{name}: no limit of {what}" for what in ("memory", "cpus") if what not in limits
        ]
        if service.get("restart", "no") == "no":
            wrong.append(f"{name}: is not started again when it ends")
    return wrong


def check_health(containers: Containers) -> list[str]:
    """Services have a health check, jobs end; what waits for one or the other can be satisfied."""
    wrong = []
    for name, service in containers.services.items():
        if not _is_job(service) and not _health_command(containers, name):
            wrong.append(f"{name}: no health check")
        for other, wanted in service.get("depends_on", {}).items():
            awaited = containers.services[other]
            if (wanted["condition"] == "service_completed_successfully") != _is_job(awaited):
                wrong.append(f"{name}: waits for {other} to be {wanted['condition']}")
            if awaited.get("profiles") and not service.get("profiles"):
                wrong.append(f"{name}: waits for {other} of profile {awaited['profiles'][0]}")
    return wrong


def _health_command(containers: Containers, name: str) -> list[str]:
    """What checks a service: its own command, else its image's."""
    own: list[str] | None = containers.services[name].get("healthcheck", {}).get("test")
    if own is not None:
        return own
    of_image = containers.instructions(name, "HEALTHCHECK")[-1:]
    return ["CMD", *json.loads(of_image[0].partition("CMD ")[2])] if of_image else []


def check_commands(containers: Containers) -> list[str]:
    """Each command and health check is one that its image has, with options that it knows."""
    wrong, airflow_commands = [], []
    for name, service in containers.services.items():
        for command in _commands(containers, name, service):
            if command[0] == "airflow":
                airflow_commands.append(tuple(command[1:]))
            elif complaint := _refusal(containers, service, command):
                wrong.append(f"{name}: {shlex.join(command)}: {complaint}")
    refused = _ask_airflow(tuple(airflow_commands))["refused"]
    return wrong + [f"airflow {command}: {said}" for command, said in refused.items()]


def _is_job(service: dict[str, Any]) -> bool:
    """Whether it ends: it is started again only after a failure, and nobody asks its health."""
    return str(service.get("restart", "")).startswith("on-failure")


def _commands(
    containers: Containers, name: str, service: dict[str, Any]
) -> Iterator[Sequence[str]]:
    health = [] if _is_job(service) else _health_command(containers, name)
    for given in (service.get("command"), health):
        if not given:
            continue
        words = [_with_values(word, service.get("environment", {})) for word in given]
        if words[0] in {"CMD", "CMD-SHELL"}:
            words = words[1:] if words[0] == "CMD" else ["sh", "-c", *words[1:]]
        if words[0] in {"sh", "bash"}:
            for part in words[-1].split(" && "):
                yield shlex.split(part.removeprefix("exec "))
        else:
            yield words


def _with_values(word: str, environment: dict[str, str]) -> str:
    """What a shell in the container makes of a word; what only the container knows is x."""
    return re.sub(r"\$\$(\w+)", lambda found: environment.get(found[1], "x"), word)


def _refusal(containers: Containers, service: dict[str, Any], command: Sequence[str]) -> str | None:
    program, *arguments = command
    if _maker(service) in FOREIGN_PROGRAMS:
        known = FOREIGN_PROGRAMS[_maker(service)]
        return None if program in known else f"the image has no program {program}"
    if program == "python":
        return _refusal_by_python(arguments, service)
    if program == "celery":
        return _refusal_by_celery(tuple(arguments))
    if program == "weed":
        return _refusal_by_weed(arguments)
    return f"no program {program}"


def _refusal_by_python(arguments: Sequence[str], service: dict[str, Any]) -> str | None:
    option, code = arguments[:2]
    if option == "-m":
        found = importlib.util.find_spec(code)
        return None if found is not None else f"no module {code}"
    try:
        ast.parse(code)
    except SyntaxError as error:
        return str(error)
    port = re.search(r"127\.0\.0\.1:(\d+)", code)
    listens = " ".join([*service.get("command", []), "8974 by airflow scheduler"])
    if port is None or not re.search(rf"\b{port[1]}\b", listens):
        return f"the service does not listen on port {port and port[1]}"
    return None


@functools.cache
def _refusal_by_celery(arguments: tuple[str, ...]) -> str | None:
    """Run for real, with no worker there: any end but that no worker answered is a refusal."""
    quick = [re.sub(r"^\d+$", "1", argument) for argument in arguments]
    environment = os.environ | {"AIRFLOW__CELERY__BROKER_URL": "memory://"}
    done = subprocess.run(
        [str(_PROGRAMS / "celery"), *quick],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    said = (done.stdout + done.stderr).strip()
    return None if "No nodes replied" in said else said


def _refusal_by_weed(arguments: Sequence[str]) -> str | None:
    program, *_ = (word for word in arguments if not word.startswith("-"))
    known = _options_of_weed(program)
    given = [word.lstrip("-").partition("=")[0] for word in arguments if word.startswith("-")]
    unknown = [option for option in given if option not in known | {"logtostderr"}]
    return f"no option {unknown[0]}" if unknown else None


@functools.cache
def _options_of_weed(program: str) -> frozenset[str]:
    said = subprocess.run(
        [str(_PROGRAMS / "weed"), "help", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    return frozenset(re.findall(r"^\s+-([\w.]+)", said.stdout + said.stderr, re.MULTILINE))


@functools.cache
def _ask_airflow(
    commands: tuple[tuple[str, ...], ...], options: tuple[str, ...] = ()
) -> dict[str, Any]:
    """What of these Airflow's command line refuses and its configuration does not know."""
    done = subprocess.run(
        [sys.executable, "-c", _ASK_AIRFLOW],
        input=json.dumps({"commands": commands, "options": options}),
        env=os.environ | {"AIRFLOW__CORE__EXECUTOR": "CeleryExecutor"},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def check_environment(containers: Containers) -> list[str]:
    """Each variable that is passed is read by Airflow, by this project or by an S3 client."""
    options, wrong = [], []
    for name, service in containers.services.items():
        if containers.stage_of(name) is None:
            continue
        of_image = [
            part.partition("=")[0]
            for words in containers.instructions(name, "ENV")
            for part in words.split()
        ]
        passed = [*service.get("environment", {}), *of_image]
        for variable in dict.fromkeys(passed):
            if re.match(r"AIRFLOW__\w+__\w+$", variable):
                options.append(variable)
            elif not _is_read(variable):
                wrong.append(f"{name}: nobody reads {variable}")
    unknown = _ask_airflow((), tuple(sorted(set(options))))["unknown"]
    return wrong + [f"Airflow has no option {option}" for option in unknown]


def _is_read(variable: str) -> bool:
    if variable.startswith("IMAGE_DUPLICATION__"):
        return _is_setting(variable)
    plain = {"PATH", "PYTHONPATH", "PYTHONUNBUFFERED", "AIRFLOW_HOME"}
    if variable in S3_VARIABLES | plain:
        return True
    name = variable
    if variable.startswith("AIRFLOW_CONN_"):
        name = variable.removeprefix("AIRFLOW_CONN_").lower()
    return f'"{name}"' in _code()


@functools.cache
def _code() -> str:
    """The code in which a name must stand to be read."""
    folders = ("plugins", "dags", "demo", "tests/removal")
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


@functools.cache
def _is_setting(variable: str) -> bool:
    """Whether the settings have it."""
    section, _, name = variable.removeprefix("IMAGE_DUPLICATION__").lower().partition("__")
    found = getattr(load_settings_of(ROOT / "include"), section, None)
    return found is not None and hasattr(found, name)


def load_settings_of(include: Path, **variables: str) -> Any:
    """The settings with these variables and no others."""
    kept = {key: os.environ.pop(key) for key in list(os.environ) if key.startswith("IMAGE_DUPL")}
    os.environ.update({INCLUDE_VARIABLE: str(include), **variables})
    try:
        return load_settings()
    finally:
        for key in (INCLUDE_VARIABLE, *variables):
            del os.environ[key]
        os.environ.update(kept)


def check_settings(containers: Containers) -> list[str]:
    """What the demo sets is allowed by the settings."""
    wrong = []
    for name, service in containers.services.items():
        given = {
            variable: value
            for variable, value in service.get("environment", {}).items()
            if variable.startswith("IMAGE_DUPLICATION__") and value is not None
        }
        try:
            load_settings_of(containers.root / "include", **given)
        except ConfigurationError as error:
            wrong.append(f"{name}: {error}")
    return wrong


def check_variables(containers: Containers) -> list[str]:
    """Each variable of the file is described at its head; what is a secret has no default."""
    head, _, body = containers.text.partition("\nname: ")
    filled_in = re.findall(r"(?<!\$)\$\{(\w+)((?::[?-][^}]*)?)\}", body)
    passed_on = re.findall(r"^ {4,6}([A-Z_]+):$", body, re.MULTILINE)
    used = {name for name, _ in filled_in} | set(passed_on)
    described = set(re.findall(r"\b(?:AIRFLOW|AWS|IMAGE|[A-Z]+)_[A-Z_]+[A-Z]\b|\bWORKERS\b", head))
    wrong = [f"{name}: not described" for name in sorted(used - described)]
    wrong += [f"{name}: described, but not used" for name in sorted(described - used)]
    for name, otherwise in filled_in:
        if re.search(r"PASSWORD|SECRET|KEY|CONN", name) and not otherwise.startswith(":?"):
            wrong.append(f"{name}: a secret that is not asked for")
    demo = (containers.root / DEMO_VARIABLES).read_text(encoding="utf-8")
    set_there = set(re.findall(r"^(\w+)=", demo, re.MULTILINE)) - {"COMPOSE_PROFILES"}
    wrong += [f"{name}: set for the demo, but not used" for name in sorted(set_there - used)]
    wrong += [
        f"a secret stands in the file: {line.strip()}"
        for line in body.splitlines()
        if _LITERAL_SECRET.match(line)
    ]
    return wrong


def check_copied(containers: Containers) -> list[str]:
    """What is copied into an image exists, and .dockerignore lets it through."""
    wrong = []
    ignore = (containers.root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for source in _copied(containers.stages):
        if not (containers.root / source).exists():
            wrong.append(f"{source}: copied, but not there")
        if f"!{source}" not in ignore:
            wrong.append(f"{source}: copied, but .dockerignore keeps it out")
    return wrong


def _copied(stages: Sequence[Stage]) -> list[str]:
    words = [words for stage in stages for word, words in stage.instructions if word == "COPY"]
    return [source for source, *_ in map(str.split, words) if not source.startswith("--from=")]


def check_folders(containers: Containers) -> list[str]:
    """The folder of a volume, and what a variable of an image names, is in the image."""
    wrong = []
    for name, service in containers.services.items():
        if containers.stage_of(name) is None:
            continue
        made = " ".join(containers.instructions(name, "RUN")).split()
        made += [words.split()[-1] for words in containers.instructions(name, "COPY")]
        named = [volume["target"] for volume in service.get("volumes", [])]
        for words in containers.instructions(name, "ENV"):
            named += re.findall(r"=(/opt/image-duplication/\S+)", words)
        wrong += [f"{name}: {path} is not in its image" for path in named if path not in made]
    return wrong


def check_dockerfile(containers: Containers) -> list[str]:
    """What hadolint says, and that no compiler is left in an image that runs."""
    done = subprocess.run(
        [str(_PROGRAMS / "hadolint"), "--no-color", str(containers.root / DOCKERFILE)],
        check=False,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    wrong = (done.stdout + done.stderr).splitlines()
    for stage in containers.stages[1:]:
        for word, words in stage.instructions:
            if word == "RUN" and re.search(r"build-essential|gcc|g\+\+", words):
                wrong.append(f"stage {stage.name}: has a compiler")
    return wrong


CHECKS = (
    check_images,
    check_rights,
    check_limits,
    check_health,
    check_commands,
    check_environment,
    check_settings,
    check_variables,
    check_copied,
    check_folders,
    check_dockerfile,
)
