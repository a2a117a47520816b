"""An Airflow of the demo's own: its home, its environment, its commands."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from image_duplication.settings import INCLUDE_VARIABLE

PROJECT = Path(__file__).resolve().parents[1]
DAG_ID = "image_duplication"
DOWNLOAD_POOL = "image_downloads"

_COMMAND_TIMEOUT_S = 180


@dataclass(frozen=True, slots=True)
class AirflowHome:
    """A folder with an Airflow in it, and the variables that its processes need."""

    folder: Path
    data: Path
    environment: dict[str, str]

    def airflow(self, *arguments: str, log: Path, timeout_s: float = _COMMAND_TIMEOUT_S) -> int:
        """Run an `airflow` command to its end; what it prints goes to the log."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "airflow", *arguments],
                cwd=PROJECT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                return process.wait(timeout=timeout_s)
            except BaseException:
                # The command may have children: end its whole group, and nothing else.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise


def make_airflow_home(
    folder: Path, data: Path, *, source_uri: str, image_base: str, extra: dict[str, str]
) -> AirflowHome:
    """Describe an Airflow that reads `source_uri` and fetches pictures from `image_base`."""
    folder.mkdir(parents=True, exist_ok=True)
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "IMAGE_DUPLICATION"))
    }
    host = image_base.removeprefix("http://").partition(":")[0]
    environment = inherited | {
        # `airflow standalone` starts its parts by the command's bare name.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        # SQLite and more parallel tasks than this: "database is locked" ends the scheduler.
        "AIRFLOW__CORE__PARALLELISM": "4",
        # A request that has to wait for the scheduler's writing gives up after so many seconds.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}?timeout=60",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_GEM_STAGING": source_uri,
        # Runs are started by hand: one that the schedule started would be in the way.
        "IMAGE_DUPLICATION_SCHEDULE": "",
        # A deadline makes `airflow dags test` fail after all has succeeded.
        "IMAGE_DUPLICATION_DEADLINE_HOURS": "",
        INCLUDE_VARIABLE: str(PROJECT / "include"),
        "IMAGE_DUPLICATION__STORAGE__ROOT": str(data),
        "IMAGE_DUPLICATION__URLS__IMAGE_BASE": image_base,
        "IMAGE_DUPLICATION__URLS__ALLOWED_HOSTS": json.dumps(["gem.gov.in", "*.gem.gov.in", host]),
        "IMAGE_DUPLICATION__DOWNLOAD__PRIVATE_HOSTS": json.dumps([host]),
        **extra,
    }
    return AirflowHome(folder, data, environment)


def write_password(home: AirflowHome, user: str) -> str:
    """Give the user of Airflow's simple login a password, kept across starts."""
    path = home.folder / "simple_auth_manager_passwords.json.generated"
    if path.exists():
        return str(json.loads(path.read_text())[user])
    password = secrets.token_urlsafe(12)
    path.touch(mode=0o600)
    path.write_text(json.dumps({user: password}))
    return password
