"""Which images are proposed for removal, rule by rule."""

from __future__ import annotations

import csv
import io

import pytest

from image_duplication import layout
from image_duplication.errors import ConfigurationError, RemovalRefusedError
from image_duplication.records import DecisionVerdict
from image_duplication.removal.category_states import categories_of_run
from image_duplication.removal.manifest import read_proposal
from image_duplication.store.removals import read_removal
from image_duplication.tables import SHORT_VARIANTS, read_rows
from tests.judged_rows import NOON, Unit, judged_variant, sha256, write_plan
from tests.removal.worlds import OTHER_REMOVAL, REMOVAL, World, as_identical

CONFIRMED, REJECTED = DecisionVerdict.CONFIRMED, DecisionVerdict.REJECTED


@pytest.fixture
def world(sqlite_world: World) -> World:
    return sqlite_world


def excluded(world: World) -> dict[str, int]:
    (category,) = read_proposal(world.storage, REMOVAL).categories
    return category.excluded


def test_confirmed_finding_is_proposed_with_all_that_its_row_tells(world: World) -> None:
    world.start(judged_variant("1", [["a", "b"], ["c"], ["d"]]))
    world.confirm_all()
    world.propose()

    (row,) = world.manifest()
    assert row == {
        "category_id": 7,
        "variant_id": "1",
        "image_id": "b",
        "image_url": "https://assets-bg.gem.gov.in/1/b.jpg",
        "position": 1,
        "updated_at": NOON,
        "content_sha256": sha256("1b"),
        "keeper_image_id": "a",
        "keeper_image_url": "https://assets-bg.gem.gov.in/1/a.jpg",
        "keeper_updated_at": NOON,
        "keeper_sha256": sha256("1a"),
        "kinds": ["same_picture"],
        "sentence": "same photo, saved again",
        "decision_id": 1,
    }


def test_rows_are_written_for_people_too(world: World) -> None:
    world.start(judged_variant("1", [["a", "b"], ["c"], ["d"]]))
    world.confirm_all()
    world.propose()

    text = world.storage.read_bytes(layout.removal_listing(REMOVAL)).decode("utf-8-sig")
    header, line = csv.reader(io.StringIO(text, newline=""))
    (row,) = world.manifest()
    assert header == list(row)
    assert line[2:4] == ["b", "https://assets-bg.gem.gov.in/1/b.jpg"]


def test_base_is_proposed_when_a_member_is_kept(world: World) -> None:
    world.start(judged_variant("1", [["a", "b", "c"], ["d"]], keepers={"a": "b"}))
    world.confirm_all()
    world.propose()

    kept = {row["image_id"]: row["keeper_image_id"] for row in world.manifest()}
    assert kept == {"a": "b", "c": "b"}


@pytest.mark.parametrize(
    ("confirmed", "rejected", "listed", "why_not"),
    [
        ([], [], [], {"not_confirmed": 2}),
        ([("1", "a", "b")], [], ["a"], {"not_confirmed": 1}),
        ([("1", "a", "c")], [], [], {"not_confirmed": 1, "keeper_not_confirmed": 1}),
        ([("1", "a", "c")], [("1", "a", "b")], [], {"rejected": 2}),
        ([("1", "a", "b")], [("1", "a", "c")], ["a"], {"rejected": 1}),
    ],
    ids=["none", "keeper's match", "other match", "keeper's match rejected", "other rejected"],
)
def test_image_needs_the_confirmed_matches_that_lead_to_its_keeper(
    world: World,
    confirmed: list[tuple[str, str, str]],
    rejected: list[tuple[str, str, str]],
    listed: list[str],
    why_not: dict[str, int],
) -> None:
    world.start(judged_variant("1", [["a", "b", "c"]], keepers={"a": "b"}))
    if confirmed:
        world.decide(CONFIRMED, confirmed)
    if rejected:
        world.decide(REJECTED, rejected)
    world.propose()

    assert [image_id for _, image_id in world.listed()] == listed
    assert excluded(world) == why_not


def test_unreviewed_finding_is_proposed_only_by_choice_and_only_if_identical(world: World) -> None:
    identical = as_identical(judged_variant("1", [["a", "b"], ["c", "d"]]), "a", "b")
    world.start(identical)
    world.propose(OTHER_REMOVAL)
    world.propose(allow_unreviewed_identical=True)

    assert world.listed(OTHER_REMOVAL) == []
    assert world.listed() == [("1", "b")]
    assert world.manifest()[0]["decision_id"] is None


def test_unreviewed_identical_finding_is_proposed_when_the_settings_say_so(world: World) -> None:
    world.allow(allow_unreviewed_identical=True)
    world.start(as_identical(judged_variant("1", [["a", "b"]]), "a", "b"))
    world.propose()
    world.propose(OTHER_REMOVAL, allow_unreviewed_identical=False)

    assert world.listed() == [("1", "b")]
    assert world.listed(OTHER_REMOVAL) == []


def test_identical_with_a_further_kind_needs_a_review(world: World) -> None:
    rows = as_identical(judged_variant("1", [["a", "b"]]), "a", "b")
    rows[1]["kinds"] = ["identical", "bordered"]
    world.start(rows)
    world.propose(allow_unreviewed_identical=True)

    assert world.listed() == []


def test_rejected_pair_is_never_proposed_even_if_identical(world: World) -> None:
    world.start(as_identical(judged_variant("1", [["a", "b"]]), "a", "b"))
    world.decide(REJECTED)
    world.propose(allow_unreviewed_identical=True)

    assert world.listed() == []
    assert excluded(world) == {"rejected": 1}


def test_rejected_pair_stays_rejected_when_it_is_reported_with_other_kinds(world: World) -> None:
    variant = judged_variant("1", [["a", "b"]])
    world.start(variant)
    world.decide(REJECTED)
    world.publish([[row | {"kinds": row["kinds"] and ["cropped"]} for row in variant]])
    world.decide(CONFIRMED)
    world.propose()

    assert world.listed() == []


def test_withdrawn_confirmation_is_none(world: World) -> None:
    world.start(judged_variant("1", [["a", "b"]]))
    world.confirm_all()
    world.decide(DecisionVerdict.WITHDRAWN)
    world.propose()

    assert world.listed() == []


def test_related_pictures_are_never_proposed(world: World) -> None:
    world.start(judged_variant("1", [["a"], ["b"]], related=[("a", "b")]))
    world.confirm_all()
    world.propose()

    assert world.listed() == []


def test_nothing_is_taken_from_a_variant_without_any_usable_picture(world: World) -> None:
    world.start(judged_variant("1", [["a", "b"]], unusable=["a", "b"]))
    world.confirm_all()
    world.propose()

    assert world.listed() == []
    assert excluded(world) == {"last_picture": 1}


def test_unusable_copies_go_while_another_picture_is_usable(world: World) -> None:
    world.start(judged_variant("1", [["a", "b"], ["c"]], unusable=["a", "b"]))
    world.confirm_all()
    world.propose()

    assert world.listed() == [("1", "b")]


def test_image_whose_id_is_listed_twice_is_not_proposed(world: World) -> None:
    rows = judged_variant("1", [["a", "b"], ["c"]])
    repeated = rows[1] | {
        "status": "failed",
        "reason_code": "image_id_repeated",
        "role": "unjudged",
        "content_sha256": None,
        "kinds": [],
    }
    world.start([*rows, repeated])
    world.confirm_all()
    world.propose()

    assert world.listed() == []
    assert excluded(world) == {"image_repeated": 1}


def test_counts_say_what_the_removal_means_for_the_category(world: World) -> None:
    world.start(
        judged_variant("1", [["a", "b", "c"]]),
        judged_variant("2", [["a", "b"], ["c"], ["d"]]),
        judged_variant("3", [["a"], ["b"], ["c"]]),
        judged_variant("4", []),
    )
    world.confirm_all()
    proposal = world.propose()

    (category,) = proposal.categories
    assert (category.rows, category.active, category.share) == (3, 10, 0.3)
    assert (category.variants, category.short_variants) == (2, 2)
    assert category.needs_confirmation
    assert proposal.asked_confirmation == "remove 3 of 10"
    key = layout.removal_short_variants(REMOVAL)
    short = {
        r["variant_id"]: r["removed_images"] for r in read_rows(world.storage, key, SHORT_VARIANTS)
    }
    assert short == {"1": 2, "4": 0}


@pytest.mark.parametrize(("max_share", "asks"), [(0.2, True), (0.25, False)])
def test_words_are_asked_for_only_above_the_share(
    world: World, max_share: float, asks: bool
) -> None:
    world.allow(max_share=max_share)
    world.start(judged_variant("1", [["a", "b"], ["c"], ["d"]]))
    world.confirm_all()

    assert (world.propose().asked_confirmation is not None) is asks


def test_repeated_proposal_keeps_the_manifest_that_may_be_approved_already(world: World) -> None:
    world.start(judged_variant("1", [["a", "b"]]))
    world.confirm_all()
    first = world.propose()
    world.decide(REJECTED)

    assert world.propose() == first
    assert world.listed() == [("1", "b")]
    assert len(list(world.storage.names(layout.removal_folder(REMOVAL)))) == 4


def test_proposal_is_recorded_in_the_store(world: World) -> None:
    world.start(judged_variant("1", [["a", "b"]]))
    world.confirm_all()
    proposal = world.propose()

    removal = read_removal(world.store, REMOVAL)
    assert (removal.kind, removal.state, removal.proposed_by) == ("images", "proposed", "proposer")
    assert removal.manifest_rows == 1
    assert removal.manifest_sha256 == proposal.manifest_sha256
    assert read_proposal(world.storage, REMOVAL) == proposal


def test_category_that_was_never_published_is_refused_by_name(world: World) -> None:
    with pytest.raises(RemovalRefusedError, match="category 8 was never published"):
        world.propose(category_ids=[8])


def test_category_that_was_published_in_part_is_refused(world: World) -> None:
    world.start(judged_variant("1", [["a", "b"]]))
    key = layout.category_state(7)
    world.storage.write_json(key, world.storage.read_json(key) | {"is_whole": False})

    with pytest.raises(RemovalRefusedError, match="category 7 was not published to the end"):
        world.propose()


@pytest.mark.parametrize("removal_id", ["", "x" * 32, "../" + "a" * 29])
def test_removal_id_that_is_no_uuid_is_refused(world: World, removal_id: str) -> None:
    with pytest.raises(ConfigurationError, match="32 hexadecimal digits"):
        world.propose(removal_id)


def test_finished_run_names_its_published_categories(world: World) -> None:
    run_id = world.start(judged_variant("1", [["a"]]))

    assert categories_of_run(world.storage, run_id) == (7,)


def test_unfinished_run_is_refused(world: World) -> None:
    write_plan(world.storage, "running", {7: ["1"]}, [Unit("7/1", [judged_variant("1", [["a"]])])])

    with pytest.raises(RemovalRefusedError, match="'running' is not finished"):
        categories_of_run(world.storage, "running")


def test_run_that_published_no_category_is_refused(world: World) -> None:
    write_plan(world.storage, "empty", {})
    world.storage.write_json(layout.run_summary("empty", "json"), {})

    with pytest.raises(RemovalRefusedError, match="'empty' has published no category"):
        categories_of_run(world.storage, "empty")
