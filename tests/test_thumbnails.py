"""Thumbnails: small, upright, over white; and a picture that is none stops nothing."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from image_duplication import layout
from image_duplication.detection.decoding import DecodeError
from image_duplication.pictures import archived_key
from image_duplication.settings import load_settings
from image_duplication.storage import Storage
from image_duplication.tables import Row
from image_duplication.thumbnails import THUMBNAIL_PX, make_thumbnail, write_thumbnails
from tests.judged_rows import downloaded_row, draw_picture, encode, stage_picture

RUN = "weekly"


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def thumbnail_of(content: bytes) -> Image.Image:
    return opened(make_thumbnail(content, load_settings()))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        pytest.param((2400, 1200), (320, 160), id="wide"),
        pytest.param((500, 3000), (53, 320), id="tall"),
        pytest.param((60, 40), (60, 40), id="smaller already"),
    ],
)
@pytest.mark.parametrize("picture_format", ["JPEG", "PNG"])
def test_thumbnail_has_a_bounded_longer_side(
    size: tuple[int, int], expected: tuple[int, int], picture_format: str
) -> None:
    small = thumbnail_of(encode(draw_picture(1, *size), picture_format))

    assert small.format == "JPEG"
    assert small.size == pytest.approx(expected, abs=1)


def test_thumbnail_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6

    assert thumbnail_of(encode(draw_picture(1, 800, 400), "JPEG", exif=exif)).size == (160, 320)


def test_thumbnail_shows_transparent_places_white() -> None:
    small = thumbnail_of(encode(Image.new("RGBA", (50, 50), (255, 0, 0, 0))))

    assert small.getpixel((25, 25)) == (255, 255, 255)


def test_thumbnail_of_no_picture_is_refused() -> None:
    with pytest.raises(DecodeError):
        make_thumbnail(b"no picture", load_settings())


# Many -------------------------------------------------------------------------------------------


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path))


def write(storage: Storage, *rows: Row) -> dict[str, int]:
    counts = write_thumbnails(storage, load_settings(), RUN, rows)
    return {name.removeprefix("thumbnails_"): count for name, count in counts.items()}


def row_of(image_id: str, content: bytes) -> Row:
    return downloaded_row("v", image_id, 1, content)


def test_thumbnails_are_made_of_staged_and_archived_pictures_once(storage: Storage) -> None:
    staged, archived = encode(draw_picture(1)), encode(draw_picture(2))
    rows = [row_of("1", staged), row_of("2", archived), row_of("3", staged)]
    stage_picture(storage, RUN, rows[0], staged)
    storage.write_bytes(archived_key(rows[1]), archived)

    assert write(storage, *rows) == {"kept": 0, "made": 2, "failed": 0}
    assert write(storage, *rows) == {"kept": 2, "made": 0, "failed": 0}
    for row in rows:
        key = layout.thumbnail(7, row["content_sha256"])
        assert max(opened(storage.read_bytes(key)).size) <= THUMBNAIL_PX


def test_thumbnail_that_fails_is_counted_and_stops_no_other(storage: Storage) -> None:
    broken, good = b"no picture", encode(draw_picture(1))
    rows = [row_of("1", broken), row_of("2", b"gone"), row_of("3", good)]
    stage_picture(storage, RUN, rows[0], broken)
    stage_picture(storage, RUN, rows[2], good)

    assert write(storage, *rows) == {"kept": 0, "made": 1, "failed": 2}


def test_thumbnail_that_a_crash_left_empty_is_made_anew(storage: Storage) -> None:
    content = encode(draw_picture(1))
    row = stage_picture(storage, RUN, row_of("1", content), content)
    key = layout.thumbnail(7, row["content_sha256"])
    storage.write_bytes(key, b"")

    assert write(storage, row)["made"] == 1
    assert storage.size(key)
