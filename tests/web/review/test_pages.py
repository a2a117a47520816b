"""The pages, in whatever state what they read is in."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from image_duplication import layout
from image_duplication.errors import StoreError
from image_duplication.records import ReasonCode
from image_duplication.settings import Settings
from image_duplication.store.database import Store
from image_duplication_web.review.sources import Sources
from tests.judged_rows import NOON, judged_variant
from tests.web.review.worlds import BY_HEADER, PAGE, ReviewWorld, failing

PAGES = [
    "/",
    "/categories",
    "/categories/7",
    "/categories/7/variant?id=1",
    "/dags/image_duplication/runs/run-1",
]
FILES = ["/categories.csv", "/categories/7/findings.csv", "/run.csv?id=run-1", "/assets/review.css"]


def test_every_route_has_a_guard(world: ReviewWorld) -> None:
    guards = {BY_HEADER.require_viewer, BY_HEADER.require_operator}
    routes = [route for route in world.app.routes if isinstance(route, APIRoute)]

    assert len(routes) == len(world.app.routes) > 9
    unguarded = [
        route.path
        for route in routes
        if not guards & {dependency.call for dependency in route.dependant.dependencies}
    ]
    assert unguarded == []


def test_only_operators_reach_what_changes_something(world: ReviewWorld) -> None:
    for route in world.app.routes:
        assert isinstance(route, APIRoute)
        calls = {dependency.call for dependency in route.dependant.dependencies}
        assert route.methods is not None
        assert (BY_HEADER.require_operator in calls) == (route.methods != {"GET"})


@pytest.mark.parametrize("path", PAGES)
def test_page_leads_to_the_login_when_anonymous(chairs: ReviewWorld, path: str) -> None:
    answer = chairs.client(None).get(path, headers=PAGE)

    assert answer.status_code == 303
    assert answer.headers["location"] == f"/auth/login?next={path}"
    assert "Chairs" not in answer.text


@pytest.mark.parametrize("path", [*PAGES, *FILES])
def test_nobody_anonymous_gets_anything(chairs: ReviewWorld, path: str) -> None:
    assert chairs.client(None).get(path).status_code == 401


@pytest.mark.parametrize("path", [*PAGES, *FILES])
def test_stranger_is_refused(chairs: ReviewWorld, path: str) -> None:
    answer = chairs.client("stranger").get(path, headers=PAGE)

    assert answer.status_code == 403
    assert "Chairs" not in answer.text


@pytest.mark.parametrize("path", [*PAGES, *FILES])
@pytest.mark.parametrize("user", ["olga", "vera"])
def test_viewer_and_operator_see_it(chairs: ReviewWorld, path: str, user: str) -> None:
    answer = chairs.client(user).get(path, headers=PAGE)

    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy


@pytest.mark.parametrize("path", ["/categories/7", "/categories/7/variant?id=1"])
def test_viewer_is_offered_no_decision(chairs: ReviewWorld, path: str) -> None:
    assert "data-say=" in chairs.client("olga").get(path, headers=PAGE).text
    assert "data-say=" not in chairs.client("vera").get(path, headers=PAGE).text


@pytest.mark.parametrize("path", PAGES)
def test_page_has_nothing_that_the_policy_would_block(chairs: ReviewWorld, path: str) -> None:
    text = chairs.client().get(path, headers=PAGE).text

    assert " style=" not in text
    assert "<style" not in text
    assert " onclick=" not in text
    assert len(re.findall('<script [^>]*src="/assets/[^"]+"></script>', text)) == text.count(
        "<script"
    )


# Empty ------------------------------------------------------------------------------------------


def test_overview_says_what_to_do_before_the_first_run(world: ReviewWorld) -> None:
    answer = world.client().get("/", headers=PAGE)

    assert answer.status_code == 200
    assert "No run has been published yet" in answer.text
    assert "Trigger the DAG" in answer.text


def test_list_says_what_to_do_before_the_first_run(world: ReviewWorld) -> None:
    assert "No category has been published yet" in world.client().get("/categories").text


def test_list_says_that_nothing_matches(chairs: ReviewWorld) -> None:
    assert "No category is called “sofa”" in chairs.client().get("/categories?search=sofa").text


def test_category_without_duplicates_says_so(world: ReviewWorld) -> None:
    world.publish([judged_variant("1", [["a"], ["b"], ["c"]])])

    assert "No picture is shown twice here" in world.client().get("/categories/7").text


def test_category_says_that_no_finding_matches(chairs: ReviewWorld) -> None:
    assert "No finding matches" in chairs.client().get("/categories/7?seller=nobody").text


def test_variant_without_pictures_says_so(world: ReviewWorld) -> None:
    world.publish([judged_variant("1", [])])

    assert "lists no picture" in world.client().get("/categories/7/variant?id=1").text


def test_tab_of_another_dag_says_what_it_is_for(world: ReviewWorld) -> None:
    answer = world.client().get("/dags/other/runs/run-1")

    assert answer.status_code == 200
    assert "Nothing to show for other" in answer.text


# Missing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/categories/8", "category 8 was never published"),
        ("/categories/8/variant?id=1", "category 8 was never published"),
        ("/categories/8/findings.csv", "category 8 was never published"),
        ("/categories/7/variant?id=nine", "no active variant &#39;nine&#39;"),
        ("/dags/image_duplication/runs/run-9", "has planned and published nothing"),
        ("/run.csv?id=run-9", "has planned and published nothing"),
        ("/assets/../pages.py", "Not Found"),
        ("/assets/nothing.css", "no such file"),
    ],
)
def test_page_says_that_there_is_nothing(chairs: ReviewWorld, path: str, told: str) -> None:
    answer = chairs.client().get(path, headers=PAGE)

    assert answer.status_code == 404
    assert told in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/categories/seven",
        "/categories/7?status=perhaps",
        "/categories/7?colour=red",
        "/categories?order=beauty",
        "/categories?page=0",
        "/categories/7/variant",
    ],
)
def test_page_says_what_of_its_address_is_wrong(chairs: ReviewWorld, path: str) -> None:
    answer = chairs.client().get(path, headers=PAGE)

    assert answer.status_code == 422
    assert "This address cannot be read" in answer.text


def test_run_at_work_says_when_to_look_again(chairs: ReviewWorld) -> None:
    chairs.storage.write_json(layout.plan_record("run-2"), {})

    assert "not published yet" in chairs.client().get("/dags/image_duplication/runs/run-2").text


# Failed -----------------------------------------------------------------------------------------


def test_run_names_its_failed_units(world: ReviewWorld) -> None:
    run_id = world.publish([judged_variant("1", [["a", "b"]])], failed=["7/2"])

    text = world.client().get(f"/dags/image_duplication/runs/{run_id}").text

    assert "<code>7/2 at correct_urls</code>" in text
    assert "clear the task with downstream" in text


def test_run_is_told_from_the_store_once_its_folder_is_gone(chairs: ReviewWorld) -> None:
    chairs.storage.delete_folder(layout.run_folder("run-1"))

    text = chairs.client().get("/dags/image_duplication/runs/run-1").text

    assert "deleted after their time" in text
    assert "Chairs" in text


def test_category_that_is_being_written_says_so(chairs: ReviewWorld) -> None:
    key = layout.category_state(7)
    chairs.storage.write_json(key, chairs.storage.read_json(key) | {"is_whole": False})

    assert "is writing this category" in chairs.client().get("/categories/7").text


@pytest.mark.parametrize("path", ["/categories/7", "/categories/7/variant?id=1"])
def test_page_says_that_the_storage_is_out_of_reach(
    chairs: ReviewWorld, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    # Nobody listens at port 1.
    monkeypatch.setenv("IMAGE_DUPLICATION__STORAGE__ROOT", "s3://bucket/root")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    world = failing(chairs, Sources(lambda _: chairs.store))

    answer = world.client().get(path, headers=PAGE)

    assert answer.status_code == 503
    assert "Out of reach just now" in answer.text
    assert answer.headers["retry-after"]


@pytest.mark.parametrize("path", ["/", "/categories", "/categories/7"])
def test_page_says_that_the_store_is_out_of_reach(chairs: ReviewWorld, path: str) -> None:
    def refuse(_: Settings) -> Store:
        raise StoreError("connection 'image_duplication_store': refused")

    answer = failing(chairs, Sources(refuse)).client().get(path, headers=PAGE)

    assert answer.status_code == 503
    assert "Decisions are kept there" in answer.text


def test_page_comes_back_with_the_store(chairs: ReviewWorld) -> None:
    tries = iter([StoreError("refused"), chairs.store])

    def open_store(_: Settings) -> Store:
        store = next(tries)
        if isinstance(store, StoreError):
            raise store
        return store

    client = failing(chairs, Sources(open_store)).client()

    assert [client.get("/categories").status_code for _ in range(2)] == [503, 200]


def test_page_says_which_setting_is_wrong(
    chairs: ReviewWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE_DUPLICATION__POLICY__REQUIRED_PICTURES", "many")
    world = failing(chairs, Sources(lambda _: chairs.store))

    answer = world.client().get("/", headers=PAGE)

    assert answer.status_code == 503
    assert "policy.required_pictures" in answer.text


def test_damaged_state_is_named(chairs: ReviewWorld) -> None:
    chairs.storage.write_bytes(layout.current("findings", 7), b"not parquet")

    answer = chairs.client().get("/categories/7", headers=PAGE)

    assert answer.status_code == 503
    assert "findings.parquet" in answer.text


# What they show -----------------------------------------------------------------------------------


def test_overview_says_how_the_catalogue_stands(chairs: ReviewWorld) -> None:
    text = chairs.client().get("/").text

    assert "<b>3</b> duplicate pictures" in text
    assert 'href="/categories/7"' in text
    assert "Trends appear after the second run" in text


def test_overview_draws_the_weeks(chairs: ReviewWorld) -> None:
    chairs.publish([judged_variant("1", [["a", "b"]])], planned_at=NOON + timedelta(days=7))

    text = chairs.client().get("/").text

    assert text.count("<polyline") == 2
    assert "Duplicate pictures, 2 runs: from 3 to 1" in text


def test_category_is_read_again_once_a_run_has_written_it(chairs: ReviewWorld) -> None:
    client = chairs.client()
    assert "3 findings" in client.get("/categories/7").text

    chairs.publish(
        [judged_variant(number, [["a"], ["b"], ["c"]]) for number in "123"],
        planned_at=NOON + timedelta(days=7),
    )
    chairs.app.state.sources.files.read(7, is_latest=True)

    assert "No picture is shown twice here" in client.get("/categories/7").text


def test_variant_shows_what_each_picture_is(chairs: ReviewWorld) -> None:
    text = chairs.client().get("/categories/7/variant?id=2").text

    assert "shown again as 2" in text
    assert "repeats picture 1" in text
    assert "not judged: not found" in text
    assert "Product page" in text
    assert "short by 2" in text


def test_variant_numbers_its_pictures_as_galleries_and_notices_do(world: ReviewWorld) -> None:
    first, second, unplaced, repeated = judged_variant(
        "1", [["a", "b"], ["c"]], failed=["d"], keepers={"a": "b"}
    )
    unplaced["position"] = None
    repeated |= {"image_id": "b", "reason_code": ReasonCode.IMAGE_ID_REPEATED}
    # As a database lists them that puts those without a position first.
    world.publish([[unplaced, first, second, repeated]])

    text = world.client().get("/categories/7/variant?id=1").text

    assert re.findall(r"<p><b>(\d)</b> ([^<]*?)(?: <span[^>]*>(keep)</span>)?</p>", text) == [
        ("1", "shown again as 2", ""),
        ("2", "repeats picture 1", "keep"),
        ("3", "not judged: image id repeated", ""),
        ("4", "a picture of its own", ""),
    ]
    assert "Pictures 1 and 2</h3>" in text


def test_links_stand_below_the_mount(chairs: ReviewWorld) -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    outer = FastAPI()
    outer.mount("/image-duplication", chairs.app)
    client = TestClient(outer, headers={"X-Test-User": "olga"})

    text = client.get("/image-duplication/categories/7").text

    assert 'href="/image-duplication/categories"' in text
    assert 'data-decisions="/image-duplication/categories/7/decisions"' in text


def test_pages_ask_no_other_host(chairs: ReviewWorld) -> None:
    folder = Path(layout.__file__).parent / "appearance"
    sheets = [*folder.glob("*.css"), *folder.glob("*.js")]

    assert sheets
    assert [
        sheet.name
        for sheet in sheets
        if "http" in sheet.read_text().replace("http://www.w3.org", "")
    ] == []


def test_variant_shows_a_rejected_picture_as_one_of_its_own(chairs: ReviewWorld) -> None:
    client = chairs.client()
    assert "short by 2" in client.get("/categories/7/variant?id=2").text
    finding_id = chairs.app.state.sources.files.read(7).duplicates[2].finding_id

    chairs.decide(client, verdict="rejected", finding_ids=[finding_id])

    text = client.get("/categories/7/variant?id=2").text
    assert "repeats picture" not in text
    assert "undecided" in text
