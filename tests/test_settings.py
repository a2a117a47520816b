"""Settings: where each value comes from, and what is said about a wrong one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from image_duplication.errors import ConfigurationError
from image_duplication.records import Engine
from image_duplication.settings import (
    INCLUDE_VARIABLE,
    DetectionSettings,
    Settings,
    load_settings,
)

SHIPPED = Path(__file__).parents[1] / "include"

pytestmark = pytest.mark.usefixtures("plain_environment")


@pytest.fixture
def include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An include folder of its own, with an empty settings file."""
    folder = tmp_path / "include"
    shutil.copytree(SHIPPED, folder)
    (folder / "config" / "settings.yaml").write_text("")
    monkeypatch.setenv(INCLUDE_VARIABLE, str(folder))
    return folder


def write_settings(include: Path, text: str) -> None:
    (include / "config" / "settings.yaml").write_text(text, encoding="utf-8")


def test_settings_have_their_defaults_when_the_file_states_nothing(include: Path) -> None:
    settings = load_settings()

    assert settings.include == include
    assert settings.policy.required_pictures == 3
    assert settings.plan.max_units_per_run == 200
    assert settings.detection.engines == tuple(Engine)
    assert settings.detection.close_up_share == 0.2
    assert settings.report.write_extract_csv is True


def test_shipped_settings_file_is_valid_and_found_beside_the_plugins() -> None:
    settings = load_settings()

    assert settings.include == SHIPPED
    assert settings.storage_root == str(SHIPPED.parent / "build" / "data")


def test_shipped_settings_file_states_the_default_engines_and_thresholds() -> None:
    assert load_settings().detection == DetectionSettings()


def test_file_overrides_the_default(include: Path) -> None:
    write_settings(include, "policy:\n  required_pictures: 4\n")

    assert load_settings().policy.required_pictures == 4


def test_environment_overrides_the_file_and_a_run_overrides_both(
    include: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_settings(include, "download: {in_flight: 8, max_attempts: 2, max_redirects: 1}\n")
    monkeypatch.setenv("IMAGE_DUPLICATION__DOWNLOAD__IN_FLIGHT", "16")
    monkeypatch.setenv("IMAGE_DUPLICATION__DOWNLOAD__MAX_ATTEMPTS", "3")

    download = load_settings({"download": {"in_flight": 32}}).download

    assert (download.in_flight, download.max_attempts, download.max_redirects) == (32, 3, 1)
    assert download.pool_slots == 4


def test_environment_takes_lists_as_json(include: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_DUPLICATION__URLS__ALLOWED_HOSTS", '["a.in", "*.b.in"]')

    assert load_settings().urls.allowed_hosts == ("a.in", "*.b.in")


def test_environment_reaches_nested_sections(
    include: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE_DUPLICATION__DETECTION__DIFPY__PIXEL_SIZE", "64")

    assert load_settings().detection.difpy.pixel_size == 64


@pytest.mark.parametrize(
    ("overrides", "named", "received", "allowed"),
    [
        ({"plan": {"max_units_per_run": 5_000}}, "plan.max_units_per_run", "5000", "1024"),
        ({"plan": {"part_size_images": 0}}, "plan.part_size_images", "0", "1"),
        ({"download": {"in_flight": "many"}}, "download.in_flight", "'many'", "integer"),
        ({"download": {"max_failed_share": 1.5}}, "download.max_failed_share", "1.5", "1"),
        ({"detection": {"engines": ["magic"]}}, "detection.engines.0", "'magic'", "'difpy'"),
        ({"detection": {"engines": []}}, "detection.engines", "[]", "1"),
        (
            {"detection": {"difpy": {"similarity_mse": 201}}},
            "detection.difpy.similarity_mse",
            "201",
            "200",
        ),
        ({"detection": {"close_up_share": 0}}, "detection.close_up_share", "0", "greater than 0"),
        ({"detection": {"close_up_share": 1.01}}, "detection.close_up_share", "1.01", "1"),
        (
            {"detection": {"perceptual": {"correlation": 2}}},
            "detection.perceptual.correlation",
            "2",
            "1",
        ),
        ({"source": {"timezone": "Asia/Nowhere"}}, "source.timezone", "'Asia/Nowhere'", "IANA"),
        ({"urls": {"image_base": "ftp://x"}}, "urls.image_base", "'ftp://x'", "https?"),
        ({"storage": {"root": ""}}, "storage.root", "''", "1 character"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else None,
)
def test_wrong_value_is_named_with_what_was_received_and_what_is_allowed(
    overrides: dict[str, Any], named: str, received: str, allowed: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(overrides)

    message = str(caught.value)
    assert f"{named} = {received}" in message
    assert allowed in message.partition(named)[2]


def test_every_wrong_value_is_named_at_once(include: Path) -> None:
    write_settings(include, "plan: {part_size_images: -1}\npolicy: {required_pictures: none}\n")

    with pytest.raises(ConfigurationError) as caught:
        load_settings({"download": {"in_flight": 0}})

    for named in ("plan.part_size_images", "policy.required_pictures", "download.in_flight"):
        assert named in str(caught.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("downloads: {in_flight: 1}", "downloads"),
        ("download: {in_fligth: 1}", "download.in_fligth"),
        ("detection: {difpy: {pixels: 1}}", "detection.difpy.pixels"),
    ],
)
def test_unknown_key_in_the_file_is_named(include: Path, text: str, named: str) -> None:
    write_settings(include, text)

    with pytest.raises(ConfigurationError, match=named):
        load_settings()


def test_unknown_key_of_a_run_is_named() -> None:
    with pytest.raises(ConfigurationError, match="downlod"):
        load_settings({"downlod": {"in_flight": 1}})


@pytest.mark.parametrize("name", ["DOWNLOAD__IN_FLIHGT", "DOWNLOD__IN_FLIGHT", "IN_FLIGHT"])
def test_unknown_key_in_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"IMAGE_DUPLICATION__{name}", "1")

    with pytest.raises(ConfigurationError, match=f"(?i){name.replace('__', '(__|.)')}"):
        load_settings()


@pytest.mark.parametrize(
    "content",
    [
        b"download: [in_flight: 1",
        b"download:\n\tin_flight: 1",
        b"policy: {required_pictures: 3}\n\xff\xfe",
        b"- download\n- policy\n",
        b"just a sentence\n",
    ],
    ids=["unclosed", "tab", "not_utf8", "list", "text"],
)
def test_settings_file_that_cannot_be_read_is_named(include: Path, content: bytes) -> None:
    path = include / "config" / "settings.yaml"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError) as caught:
        load_settings()

    assert "settings.yaml" in str(caught.value)


def test_environment_value_that_is_no_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_DUPLICATION__URLS__ALLOWED_HOSTS", "a.in,b.in")

    with pytest.raises(ConfigurationError, match='field "urls" from source "EnvSettings'):
        load_settings()


@pytest.mark.parametrize("missing", ["", "sql", "config"])
def test_include_folder_that_is_missing_is_named(
    include: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    shutil.rmtree(include / missing)

    with pytest.raises(ConfigurationError) as caught:
        load_settings()

    assert repr(str(include)) in str(caught.value)
    assert INCLUDE_VARIABLE in str(caught.value)


def test_relative_storage_root_starts_beside_the_include_folder(include: Path) -> None:
    assert load_settings({"storage": {"root": "kept"}}).storage_root == str(include.parent / "kept")
    assert load_settings({"storage": {"root": "/srv/kept"}}).storage_root == "/srv/kept"
    assert load_settings({"storage": {"root": "s3://b/kept"}}).storage_root == "s3://b/kept"


def test_settings_cannot_be_changed() -> None:
    settings: Settings = load_settings()

    with pytest.raises(ValidationError, match="frozen"):
        settings.policy.required_pictures = 1  # type: ignore[misc]
