"""The demo catalogue, drawn and built once for all tests of the demo."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.catalogue import Catalogue, build_catalogue

SEED = 7


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo-cache")


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory, cache_folder: Path) -> Catalogue:
    folder = tmp_path_factory.mktemp("demo-catalogue")
    return build_catalogue(folder, SEED, cache_folder=cache_folder)
