from __future__ import annotations

import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from image_duplication.errors import ConfigurationError
from image_duplication.settings import Settings, load_settings
from image_duplication_web.upload_check.keys import Keys, add_key, hash_key, make_key
from tests.web.upload_check.service import Service, running_service


def settings_with(path: Path, *lines: str) -> Settings:
    return load_settings({"upload_service": {"keys_file": str(path), "keys": lines}})


def test_keys_are_long_and_never_the_same() -> None:
    keys = {make_key() for _ in range(50)}

    assert len(keys) == 50
    assert all(len(key) >= 43 for key in keys)


def test_key_is_added_as_a_hash_that_only_its_owner_may_read(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "keys"

    key = add_key(path, "portal")

    assert path.read_text() == f"portal:{hash_key(key)}\n"
    assert key not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["", "a b", "a:b", "x" * 65, "ü", "portal"])
def test_name_of_a_key_is_refused_when_it_is_none_or_taken(tmp_path: Path, name: str) -> None:
    add_key(tmp_path / "keys", "portal")

    with pytest.raises(ConfigurationError, match=r"expected 1 to 64 letters"):
        add_key(tmp_path / "keys", name)


def test_key_gets_a_line_of_its_own_when_the_file_was_edited_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# of the shop\nportal:{hash_key('a')}")

    key = add_key(path, "another")

    assert path.read_text().splitlines()[1:] == [
        f"portal:{hash_key('a')}",
        f"another:{hash_key(key)}",
    ]


def test_name_is_given_once_when_several_ask_for_it_at_once(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    begin = threading.Barrier(8)

    def add(_: int) -> bool:
        begin.wait()
        try:
            add_key(path, "portal")
        except ConfigurationError:
            return False
        return True

    for _ in range(20):
        path.unlink(missing_ok=True)
        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(add, range(8))) == 1
        assert len(path.read_text().splitlines()) == 1


def test_keys_are_refused_when_there_is_none(plain_environment: None, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no API key is known.*upload_check key NAME"):
        Keys(settings_with(tmp_path / "keys"))


@pytest.mark.parametrize(
    "line", ["portal", "portal:" + hash_key("portal").upper(), "portal:" + "0" * 63, ":" + "0" * 64]
)
def test_line_that_is_no_key_is_refused_without_being_quoted(
    plain_environment: None, tmp_path: Path, line: str
) -> None:
    with pytest.raises(ConfigurationError, match="API key 1 of upload_service.keys") as refused:
        Keys(settings_with(tmp_path / "keys", line))

    assert line not in str(refused.value)


def ask(service: Service, key: str) -> int:
    answer = requests.get(f"{service.url}/metrics", headers={"X-API-Key": key}, timeout=10)
    return answer.status_code


def test_key_holds_from_when_its_line_is_there_until_it_is_taken_out(tmp_path: Path) -> None:
    with running_service(tmp_path, UPLOAD__PROCESSES=1) as service:
        path = tmp_path / "keys"
        first = path.read_text()
        assert ask(service, service.key) == 200

        second = add_key(path, "another")
        assert (ask(service, service.key), ask(service, second)) == (200, 200)

        path.write_text(path.read_text().replace(first, ""))
        assert (ask(service, service.key), ask(service, second)) == (401, 200)

        path.write_text("nonsense")
        assert ask(service, second) == 200  # what cannot be read changes nothing


def test_command_prints_a_new_key_once_and_the_service_refuses_to_start_without_one(
    plain_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys"
    monkeypatch.setenv("IMAGE_DUPLICATION__UPLOAD_SERVICE__KEYS_FILE", str(path))
    command = [sys.executable, "-m", "image_duplication_web.upload_check"]

    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert "no API key is known" in refused.stderr

    made = subprocess.run(
        [*command, "key", "portal"], capture_output=True, text=True, timeout=60, check=True
    )
    assert path.read_text() == f"portal:{hash_key(made.stdout.strip())}\n"
