"""Findings that contradict each other: no image goes that any of them keeps."""

from __future__ import annotations

from image_duplication.removal.category_states import read_judged_variants
from image_duplication.removal.choosing import choose_images
from image_duplication.reviews import Reviews
from image_duplication.store.decisions import read_current
from tests.judged_rows import judged_variant
from tests.removal.worlds import World


def test_image_that_another_finding_keeps_is_never_chosen(sqlite_world: World) -> None:
    world = sqlite_world
    world.start(judged_variant("1", [["a", "b"], ["c", "d"]]))
    world.confirm_all()
    (variant,) = read_judged_variants(world.storage, 7)
    reviews = Reviews.of(read_current(world.store, 7), allows_unreviewed_identical=True)
    assert [row["image_id"] for row in choose_images(variant, reviews)[0]] == ["b", "d"]

    variant.findings[1]["keeper_image_id"] = "b"
    chosen, excluded = choose_images(variant, reviews)

    assert chosen == []
    assert excluded == {"is_keeper": 1, "keeper_not_confirmed": 1}


def test_finding_of_other_bytes_than_the_image_has_now_is_not_chosen(sqlite_world: World) -> None:
    world = sqlite_world
    world.start(judged_variant("1", [["a", "b"], ["c"]]))
    world.confirm_all()
    (variant,) = read_judged_variants(world.storage, 7)
    reviews = Reviews.of(read_current(world.store, 7), allows_unreviewed_identical=True)
    variant.images[0]["content_sha256"] = "0" * 64

    assert choose_images(variant, reviews) == ([], {"state_differs": 1})
