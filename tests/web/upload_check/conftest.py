"""A running upload check for the tests that only ask it, and pictures to send."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from PIL import Image

from tests.drawn_photos import draw_photo
from tests.web.upload_check.service import Service, running_service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("upload-check"), UPLOAD__PROCESSES=2) as running:
        yield running


def as_bytes(picture: Image.Image, picture_format: str = "JPEG", **options: object) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, picture_format, **options)
    return sink.getvalue()


@pytest.fixture(scope="session")
def views() -> list[bytes]:
    """Four different pictures, as JPEG files."""
    return [as_bytes(draw_photo(seed), quality=88) for seed in range(1, 5)]


@pytest.fixture(scope="session")
def cropped_view() -> bytes:
    """The first of them, cropped and saved again."""
    return as_bytes(draw_photo(1).crop((20, 15, 400, 340)), quality=80)
