"""Pictures by content: only what a category refers to, only for who may look."""

from __future__ import annotations

import asyncio
import io

import pytest
from PIL import Image

from image_duplication import layout
from image_duplication.pictures import archived_key
from image_duplication.tables import JUDGED, Row, read_rows
from tests.judged_rows import judged_variant
from tests.web.review.worlds import ReviewWorld

KINDS = ["pictures", "thumbnails"]


def first_row(world: ReviewWorld, category_id: int = 7) -> Row:
    rows = read_rows(world.storage, layout.current("images", category_id), JUDGED)
    return next(row for row in rows if row["content_sha256"])


def without_thumbnail(world: ReviewWorld) -> Row:
    """A row whose thumbnail is not there, as runs of earlier releases left none."""
    row = first_row(world)
    world.storage.delete(layout.thumbnail(7, row["content_sha256"]))
    return row


def address(world: ReviewWorld, kind: str, category_id: int = 7) -> str:
    return f"/{kind}/{category_id}/{first_row(world)['content_sha256']}"


def test_picture_is_what_the_archive_has(chairs: ReviewWorld) -> None:
    row = first_row(chairs)

    answer = chairs.client("vera").get(address(chairs, "pictures"))

    assert answer.status_code == 200
    assert answer.content == chairs.storage.read_bytes(archived_key(row))
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-length"] == str(row["size_bytes"])


def test_thumbnail_is_made_once_and_kept(chairs: ReviewWorld) -> None:
    key = layout.thumbnail(7, without_thumbnail(chairs)["content_sha256"])

    answer = chairs.client().get(address(chairs, "thumbnails"))

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert max(Image.open(io.BytesIO(answer.content)).size) <= 320
    assert chairs.storage.read_bytes(key) == answer.content
    chairs.storage.write_bytes(key, b"kept")
    assert chairs.client().get(address(chairs, "thumbnails")).content == b"kept"


def test_thumbnail_of_what_cannot_be_decoded_is_none(chairs: ReviewWorld) -> None:
    chairs.storage.write_bytes(archived_key(without_thumbnail(chairs)), b"no picture at all")

    answer = chairs.client().get(address(chairs, "thumbnails"))

    assert answer.status_code == 404
    assert chairs.client().get(address(chairs, "pictures")).status_code == 200


@pytest.mark.parametrize("kind", KINDS)
def test_picture_may_be_kept_by_the_browser_alone(chairs: ReviewWorld, kind: str) -> None:
    answer = chairs.client().get(address(chairs, kind))

    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = chairs.client().get(
        address(chairs, kind), headers={"If-None-Match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("user", "status"), [(None, 401), ("stranger", 403)])
def test_picture_is_for_nobody_else(
    chairs: ReviewWorld, kind: str, user: str | None, status: int
) -> None:
    tag = chairs.client().get(address(chairs, kind)).headers["etag"]

    answer = chairs.client(user).get(address(chairs, kind), headers={"If-None-Match": tag})

    assert answer.status_code == status


@pytest.mark.parametrize("kind", KINDS)
def test_picture_of_another_category_is_none(chairs: ReviewWorld, kind: str) -> None:
    chairs.publish([judged_variant("5", [["e"]])], category_id=8)

    assert chairs.client().get(address(chairs, kind, category_id=8)).status_code == 404


@pytest.mark.parametrize("kind", KINDS)
def test_picture_that_no_row_refers_to_is_none(chairs: ReviewWorld, kind: str) -> None:
    assert chairs.client().get(f"/{kind}/7/{'0' * 64}").status_code == 404


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["..%2f..%2fstore.db", "A" * 64, "0" * 63, "x"])
def test_picture_has_no_path(chairs: ReviewWorld, kind: str, name: str) -> None:
    assert chairs.client().get(f"/{kind}/7/{name}").status_code in {404, 422}


def test_picture_that_is_gone_from_the_archive_is_none(chairs: ReviewWorld) -> None:
    chairs.storage.delete(archived_key(without_thumbnail(chairs)))

    assert chairs.client().get(address(chairs, "pictures")).status_code == 404
    assert chairs.client().get(address(chairs, "thumbnails")).status_code == 404


def test_thumbnails_that_are_asked_for_at_once_hold_few_pictures_in_memory(
    chairs: ReviewWorld,
) -> None:
    maker = chairs.app.state.sources.thumbnails
    content = chairs.storage.read_bytes(archived_key(first_row(chairs)))
    held = most_held = 0

    async def read() -> bytes:
        nonlocal held, most_held
        held += 1
        most_held = max(most_held, held)
        await asyncio.sleep(0)
        return content

    async def make() -> None:
        nonlocal held
        await maker.make(read)
        held -= 1

    async def make_many() -> None:
        await asyncio.gather(*(make() for _ in range(40)))

    asyncio.run(make_many())

    assert held == 0
    assert 0 < most_held <= 3  # one whose answer is on its way
