"""Variants that stay short after their notice: proposed, deactivated, given back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest

from image_duplication.errors import ConfigurationError
from image_duplication.records import DecisionVerdict, RemovalKind, RemovalState
from image_duplication.removal import applying
from image_duplication.removal.manifest import read_proposal
from image_duplication.removal.writer import WriterTransaction
from image_duplication.store.notices import read_open_notices, record_notices, settle_notices
from tests.judged_rows import judged_variant
from tests.removal.test_applying import Killed, kill_at
from tests.removal.worlds import DAY, MORNING, REMOVAL, World, left, skipped

VARIANTS = RemovalKind.VARIANTS
ALL = {"1", "2", "3", "4"}


def start(world: World, noticed: Iterable[str] = ALL, *, days_ago: float = 14) -> None:
    """1 and 2 are short, 3 is compliant, 4 shows nothing; their sellers were told."""
    world.allow(max_share=1, batch_rows=1)
    world.start(
        judged_variant("1", [["a", "b"], ["c"]]),
        judged_variant("2", [["a"]]),
        judged_variant("3", [["a"], ["b"], ["c"]]),
        judged_variant("4", []),
    )
    record_notices(
        world.store,
        7,
        [(variant_id, "seller-1") for variant_id in sorted(noticed)],
        noticed_at=MORNING - days_ago * DAY,
    )


def propose(world: World) -> None:
    world.propose(kind=VARIANTS)


def test_variants_still_short_after_their_notice_are_deactivated_and_given_back(
    world: World,
) -> None:
    start(world)
    propose(world)
    world.approve()

    assert [row["variant_id"] for row in world.manifest()] == ["1", "2", "4"]
    outcome = world.apply()
    assert (outcome.kind, outcome.state, outcome.applied) == ("variants", "applied", 3)
    assert world.active_variants() == {"3"}
    assert len(world.active()) == 7  # no image is touched
    assert world.restore().restored == 3
    assert world.active_variants() == ALL


def test_proposal_says_why_a_variant_with_a_notice_is_left_out(sqlite_world: World) -> None:
    start(sqlite_world, {"1", "3"}, days_ago=13)
    propose(sqlite_world)

    (category,) = read_proposal(sqlite_world.storage, REMOVAL).categories
    assert category.excluded == {"not_short": 1, "notice_not_over": 1}
    assert (category.rows, category.active, category.short_variants) == (0, 4, 3)


def test_variant_without_a_notice_is_not_proposed(sqlite_world: World) -> None:
    start(sqlite_world, {"2"})
    propose(sqlite_world)

    (row,) = sqlite_world.manifest()
    assert (row["variant_id"], row["verdict"], row["notice_id"]) == ("2", "short_by_2", 1)
    assert row["noticed_at"].replace(tzinfo=None) == MORNING - 14 * DAY


def test_variant_that_is_short_by_rejected_duplicates_alone_is_not_proposed(
    sqlite_world: World,
) -> None:
    start(sqlite_world)
    sqlite_world.decide(DecisionVerdict.REJECTED)
    propose(sqlite_world)

    (category,) = read_proposal(sqlite_world.storage, REMOVAL).categories
    assert [row["variant_id"] for row in sqlite_world.manifest()] == ["2", "4"]
    assert category.excluded == {"not_short": 1, "rejected": 1}


def test_undecided_variant_is_not_proposed(sqlite_world: World) -> None:
    world = sqlite_world
    world.start(judged_variant("1", [["a"], ["b"]], failed=["c"]))
    record_notices(world.store, 7, [("1", None)], noticed_at=MORNING - 99 * DAY)
    propose(world)

    assert world.manifest() == []


def test_share_is_of_the_category_s_variants(sqlite_world: World) -> None:
    start(sqlite_world, {"1", "2"})
    sqlite_world.allow(max_share=0.4)
    proposal = sqlite_world.propose(kind=VARIANTS)

    assert proposal.asked_confirmation == "remove 2 of 4"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE inb_variants SET is_active = 0 WHERE variant_id = 2", "not_active"),
        ("DELETE FROM inb_variants WHERE variant_id = 2", "row_missing"),
        ("UPDATE inb_variants SET category_id = '8' WHERE variant_id = 2", "row_changed"),
        ("UPDATE inb_images SET image_url = 'x' WHERE variant_id = 2", "images_changed"),
        ("UPDATE inb_images SET is_active = 0 WHERE variant_id = 2", "images_changed"),
        ("INSERT INTO inb_images (image_id, variant_id, position, image_url, is_active) "
         "VALUES ('z', 2, 9, 'https://x/y.jpg', 1)", "images_changed"),
    ],
    ids=["deactivated", "deleted", "moved", "other picture", "fewer pictures", "more pictures"],
)  # fmt: skip
def test_variant_that_changed_since_it_was_judged_is_skipped(
    world: World, change: str, reason: str
) -> None:
    start(world, {"2"})
    propose(world)
    world.approve()
    world.database.execute(change)
    before = world.active_variants()

    assert skipped(world.apply()) == {reason: 1}
    assert world.active_variants() == before


def test_variant_one_of_whose_pictures_has_other_content_is_skipped(sqlite_world: World) -> None:
    start(sqlite_world, {"1", "2"})
    propose(sqlite_world)
    sqlite_world.approve()
    outcome = sqlite_world.apply(
        find_changed=lambda pictures: {picture for picture in pictures if picture.image_id == "c"}
    )

    assert skipped(outcome) == {"content_changed": 1}
    assert sqlite_world.active_variants() == ALL - {"2"}


def test_variant_whose_notice_was_settled_after_the_approval_is_skipped(
    sqlite_world: World,
) -> None:
    start(sqlite_world, {"1", "2"})
    propose(sqlite_world)
    sqlite_world.approve()
    settled = read_open_notices(sqlite_world.store, 7)["1"].notice_id
    settle_notices(sqlite_world.store, [settled], settled_at=MORNING)

    assert skipped(sqlite_world.apply()) == {"notice_settled": 1}
    assert sqlite_world.active_variants() == ALL - {"2"}


@pytest.mark.parametrize(
    ("owner", "name"),
    [(WriterTransaction, "change_rows"), (applying, "advance_rows")],
    ids=["not changed", "not recorded"],
)
def test_killed_removal_of_variants_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    start(world)
    propose(world)
    world.approve()
    with monkeypatch.context() as patched:
        kill_at(patched, owner, name, 2)
        with pytest.raises(Killed):
            world.apply()
    outcome = world.apply()

    assert (outcome.state, outcome.applied) == (RemovalState.APPLIED, 3)
    assert world.active_variants() == {"3"}


def test_dry_run_deactivates_no_variant(world: World) -> None:
    start(world)
    propose(world)

    assert world.apply(is_dry=True).applied == 3
    assert world.active_variants() == ALL


def test_variant_that_a_person_activated_again_is_left_by_the_restore(sqlite_world: World) -> None:
    start(sqlite_world)
    propose(sqlite_world)
    sqlite_world.approve()
    sqlite_world.apply()
    sqlite_world.database.execute("UPDATE inb_variants SET is_active = 1 WHERE variant_id = 1")

    assert left(sqlite_world.restore()) == {"already_active": 1}
    assert sqlite_world.active_variants() == ALL


def test_id_of_a_removal_of_variants_is_refused_for_images(sqlite_world: World) -> None:
    start(sqlite_world)
    propose(sqlite_world)

    with pytest.raises(ConfigurationError, match="a removal of variants"):
        sqlite_world.propose()


def test_images_and_variants_with_equal_keys_do_not_hold_each_other(world: World) -> None:
    start(world)
    propose(world)
    world.approve()
    world.apply()
    world.database.execute("UPDATE inb_variants SET is_active = 1")
    world.confirm_all()
    world.moment += timedelta(days=1)
    other = "c" * 32
    world.propose(other)
    world.approve(other)
    assert world.apply(other).applied == 1

    assert world.restore(other).restored == 1


def test_variant_whose_duplicates_were_rejected_after_the_approval_is_skipped(
    sqlite_world: World,
) -> None:
    start(sqlite_world, {"1", "2"})
    propose(sqlite_world)
    sqlite_world.approve()
    sqlite_world.decide(DecisionVerdict.REJECTED)

    assert skipped(sqlite_world.apply()) == {"not_short": 1}
    assert sqlite_world.active_variants() == ALL - {"2"}


def test_variant_that_was_judged_compliant_after_the_approval_is_skipped(
    sqlite_world: World,
) -> None:
    start(sqlite_world, {"1", "2"})
    propose(sqlite_world)
    sqlite_world.approve()
    # The same rows, as another threshold judges them.
    sqlite_world.publish(
        [
            judged_variant("1", [["a"], ["b"], ["c"]]),
            judged_variant("2", [["a"]]),
            judged_variant("3", [["a"], ["b"], ["c"]]),
            judged_variant("4", []),
        ]
    )

    assert skipped(sqlite_world.apply()) == {"not_short": 1}
    assert sqlite_world.active_variants() == ALL - {"2"}
