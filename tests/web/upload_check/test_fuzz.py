"""Requests made up from the service's description: each is answered as the description says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.upload_check.service import Service, running_service

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    unlimited = {"UPLOAD__PROCESSES": 2, "UPLOAD_SERVICE__REQUESTS_PER_MINUTE": 1_000_000}
    with running_service(tmp_path_factory.mktemp("fuzzed"), **unlimited) as running:
        yield running


def fuzz(service: Service, folder: Path, *, examples: int, timeout_s: int) -> None:
    """Valid and invalid requests; a status from 500 on is a fault, as is any undescribed answer."""
    done = subprocess.run(
        [
            *(SCHEMATHESIS, "run", f"{service.url}/openapi.json"),
            *("--header", f"X-API-Key: {service.key}", "--checks", "all", "--mode", "all"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", str(examples)),
            # Whether an address can be fetched or a variant is known, no schema can say.
            *("--exclude-checks", "positive_data_acceptance"),
            *("--seed", "7", "--generation-database", ":memory:", "--no-color"),
            *("--request-timeout", "30", "--suppress-health-check", "all"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert service.process.poll() is None
    assert service.measure("upload_check_pictures_total") > 0  # some requests were judged
    assert service.measure('upload_check_requests_total{outcome="rejected"}') > 0
    assert service.measure("upload_check_worker_restarts_total") == 0
    assert service.kept_files() == []


def test_service_answers_made_up_requests_as_it_says(fuzzed: Service, tmp_path: Path) -> None:
    fuzz(fuzzed, tmp_path, examples=60, timeout_s=200)


@pytest.mark.long
def test_service_answers_many_made_up_requests_as_it_says(fuzzed: Service, tmp_path: Path) -> None:
    fuzz(fuzzed, tmp_path, examples=1_500, timeout_s=1_700)
