"""Pictures are asked for again before they are removed: at real hosts, by the download's rules."""

from __future__ import annotations

from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

import pytest
import requests

from demo.image_server import (
    Behaviour,
    RunningImageServer,
    running_image_server,
    write_behaviours,
)
from image_duplication.errors import DownloadShareError
from image_duplication.records import RemovalKind
from image_duplication.removal.contents import ListedPicture, read_pictures
from image_duplication.removal.inquiry import HostInquiry
from image_duplication.store.notices import record_notices
from image_duplication.tables import Row
from tests.airflow.receivers import wait_until
from tests.fetching.fetching_all import quick_settings
from tests.judged_rows import draw_picture, encode
from tests.removal.served_pictures import picture_name, serve_variant
from tests.removal.worlds import DAY, MORNING, World, skipped

VARIANTS = ("1", "2", "3")


@pytest.fixture
def served(tmp_path: Path) -> Path:
    folder = tmp_path / "served"
    folder.mkdir()
    return folder


@pytest.fixture
def server(served: Path, tmp_path: Path) -> Iterator[RunningImageServer]:
    with running_image_server(served, log_path=tmp_path / "access.log") as running:
        yield running


@pytest.fixture
def world(sqlite_world: World, served: Path, server: RunningImageServer) -> World:
    """Three variants with a redundant picture each; the removal of all three is approved."""
    sqlite_world.allow(max_share=1)
    start(sqlite_world, served, server)
    return sqlite_world


def start(
    world: World, served: Path, server: RunningImageServer, **columns: Any
) -> list[list[Row]]:
    variants = [
        [row | columns for row in serve_variant(served, server.base_url, v, [["a", "b"], ["c"]], 7)]
        for v in VARIANTS
    ]
    world.start(*variants)
    world.confirm_all()
    world.propose()
    world.approve()
    return variants


def inquiry(world: World, *, is_last_attempt: bool = False, **download: Any) -> HostInquiry:
    settings = quick_settings({"max_attempts": 1, "tolerated_failures": 0, **download})
    return HostInquiry(world.storage, settings, is_last_attempt=is_last_attempt)


def listed(world: World) -> Set[ListedPicture]:
    return read_pictures(world.storage, [(7, variant) for variant in VARIANTS])


def behave(served: Path, server: RunningImageServer, *names: str, status: int) -> None:
    write_behaviours(served, {f"/{name}": Behaviour(status=status) for name in names})
    server.reset()


def answers_of(server: RunningImageServer) -> list[tuple[str, int]]:
    """Every file that was asked for, and the status of the answer."""
    requests.get(f"{server.base_url}/mark", timeout=10)
    log = server.log_path
    assert log is not None
    wait_until(lambda: "/mark" in log.read_text(), 30, "the log does not come")
    lines = [line.split()[1:] for line in log.read_text().splitlines()]
    return [(path[1:], int(status)) for path, status in lines if path.endswith(".png")]


def names_of(found: Set[ListedPicture]) -> set[str]:
    return {picture_name(picture.variant_id, picture.image_id) for picture in found}


def test_pictures_that_are_as_judged_are_removed_and_no_file_is_left(
    world: World, tmp_path: Path
) -> None:
    before = {path for path in tmp_path.rglob("*") if "removals" not in path.parts}
    outcome = world.apply(find_changed=inquiry(world).find_changed)

    assert (outcome.applied, outcome.skipped) == (3, 0)
    after = {path for path in tmp_path.rglob("*") if "removals" not in path.parts}
    assert {path.name for path in after - before} <= {"access.log"}


def test_every_picture_is_asked_for_once(world: World, server: RunningImageServer) -> None:
    world.apply(find_changed=inquiry(world).find_changed)

    expected = [(picture_name(v, image), 200) for v in VARIANTS for image in "ab"]
    assert sorted(answers_of(server)) == expected


def test_host_that_says_unchanged_sends_no_picture(
    sqlite_world: World, served: Path, server: RunningImageServer
) -> None:
    sqlite_world.allow(max_share=1)
    modified = "Tue, 01 Jan 2030 00:00:00 GMT"
    start(sqlite_world, served, server, last_modified=modified)
    outcome = sqlite_world.apply(find_changed=inquiry(sqlite_world).find_changed)

    assert (outcome.applied, outcome.skipped) == (3, 0)
    assert [status for _, status in answers_of(server)] == [304] * 6


@pytest.mark.parametrize(("image", "reason"), [("b", "content_changed"), ("a", "keeper_changed")])
def test_picture_replaced_under_its_address_stops_its_row(
    world: World, served: Path, image: str, reason: str
) -> None:
    (served / picture_name("2", image)).write_bytes(encode(draw_picture(4711)))
    outcome = world.apply(find_changed=inquiry(world).find_changed)

    assert (outcome.applied, skipped(outcome)) == (2, {reason: 1})
    assert ("2", "b") in world.active()


def test_picture_that_its_host_no_longer_gives_counts_as_changed(
    world: World, served: Path, server: RunningImageServer
) -> None:
    name = picture_name("2", "b")
    behave(served, server, name, status=404)

    assert names_of(inquiry(world).find_changed(listed(world))) == {name}


def test_picture_at_a_host_that_is_not_allowed_is_not_asked_for(
    sqlite_world: World, served: Path, server: RunningImageServer
) -> None:
    start(sqlite_world, served, server, corrected_url="http://evil.example/x.png")
    found = listed(sqlite_world)

    assert inquiry(sqlite_world).find_changed(found) == found


def test_picture_judged_otherwise_since_is_not_asked_for(
    world: World, served: Path, server: RunningImageServer
) -> None:
    before = listed(world)
    variants = [serve_variant(served, server.base_url, v, [["a", "b"], ["c"]], 7) for v in VARIANTS]
    variants[0][0]["content_sha256"] = "0" * 64
    world.publish(variants)
    found = inquiry(world).find_changed(before)

    assert names_of(found) == {picture_name("1", "a")}
    assert picture_name("1", "a") not in dict(answers_of(server))


def test_host_that_fails_says_nothing_so_the_work_is_tried_again(
    world: World, served: Path, server: RunningImageServer
) -> None:
    behave(served, server, picture_name("2", "b"), status=503)

    with pytest.raises(DownloadShareError, match="of 6 pictures 1 could not be asked for"):
        world.apply(find_changed=inquiry(world).find_changed)
    assert len(world.active()) == 9


def test_last_attempt_goes_on_without_the_few_that_could_not_be_asked_for(
    world: World, served: Path, server: RunningImageServer
) -> None:
    behave(served, server, picture_name("2", "b"), status=503)
    asking = inquiry(world, is_last_attempt=True, max_failed_share=0.2)
    outcome = world.apply(find_changed=asking.find_changed)

    assert (outcome.applied, skipped(outcome)) == (2, {"content_changed": 1})


def test_last_attempt_does_not_give_up_a_removal_for_an_outage(
    world: World, served: Path, server: RunningImageServer
) -> None:
    behave(served, server, *(picture_name(v, "b") for v in VARIANTS), status=503)
    asking = inquiry(world, is_last_attempt=True, max_failed_share=0.2)

    with pytest.raises(DownloadShareError):
        world.apply(find_changed=asking.find_changed)
    assert len(world.active()) == 9
    behave(served, server, status=503)
    assert world.apply(find_changed=asking.find_changed).applied == 3


def test_variant_is_asked_for_all_its_pictures_and_one_that_was_replaced_stops_it(
    sqlite_world: World, served: Path, server: RunningImageServer
) -> None:
    sqlite_world.allow(max_share=1)
    sqlite_world.start(
        *(serve_variant(served, server.base_url, v, [["a", "b"], ["c"]], 7) for v in VARIANTS)
    )
    record_notices(
        sqlite_world.store, 7, [(v, "seller-1") for v in VARIANTS], noticed_at=MORNING - 15 * DAY
    )
    sqlite_world.propose(kind=RemovalKind.VARIANTS)
    sqlite_world.approve()
    (served / picture_name("2", "c")).write_bytes(encode(draw_picture(4711)))
    outcome = sqlite_world.apply(find_changed=inquiry(sqlite_world).find_changed)

    assert (outcome.applied, skipped(outcome)) == (2, {"content_changed": 1})
    assert sqlite_world.active_variants() == {"2"}
    assert len(answers_of(server)) == 9
