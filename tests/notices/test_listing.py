"""Which variants a run of notices is about, by when, and what it settles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from image_duplication import layout
from image_duplication.errors import CategoriesLeftOutError, ConfigurationError, SchemaError
from image_duplication.judged_variants import JudgedVariant
from image_duplication.notices import listing
from image_duplication.notices.listing import Listing
from image_duplication.records import DecisionVerdict, ReasonCode, RemovalKind
from image_duplication.removal.category_states import read_judged_variants
from image_duplication.storage import Storage
from image_duplication.store.notices import count_settled_by_variant, read_open_notices
from tests.judged_rows import failed_row, judged_row, judged_variant
from tests.notices.telling import Told, tell
from tests.removal.worlds import DAY, World

SHORT = judged_variant("1", [["a", "b"], ["c"]])
COMPLIANT = judged_variant("1", [["a"], ["b"], ["c"]])


def open_variants(world: World, category_id: int = 7) -> set[str]:
    return set(read_open_notices(world.store, category_id))


def test_short_variants_are_told_and_no_others(world: World) -> None:
    world.start(
        SHORT,
        judged_variant("2", [["a"], ["b"], ["c"], ["d", "e"]]),
        judged_variant("3", [["a"], ["b"]], failed=["c"]),
        judged_variant("4", []),
    )
    told = tell(world)

    told.listing.check_complete()
    assert told.variants() == ["1", "4"]
    assert open_variants(world) == {"1", "4"}
    assert (told.recorded.new, told.recorded.settled) == (2, 0)


def test_dry_run_records_nothing(sqlite_world: World) -> None:
    sqlite_world.start(SHORT)
    told = tell(sqlite_world, is_dry=True)

    assert told.variants() == ["1"]
    assert open_variants(sqlite_world) == set()
    assert told.recorded.new == 0


def test_run_that_is_repeated_gives_equal_files_and_no_second_notice(world: World) -> None:
    world.start(SHORT, judged_variant("2", [["a"]]))
    first = tell(world)
    before, notices = first.files(), read_open_notices(world.store, 7)
    world.moment += 3 * DAY
    again = tell(world)

    assert again.files() == before
    assert read_open_notices(world.store, 7) == notices
    assert (again.recorded.new, again.recorded.settled) == (0, 0)


def test_old_run_that_is_repeated_says_nothing_of_today(world: World) -> None:
    world.start(SHORT)
    first = tell(world, "first")
    world.publish([COMPLIANT])
    world.moment += DAY
    tell(world, "second")
    world.publish([SHORT])
    world.moment += DAY
    tell(world, "third")
    today = read_open_notices(world.store, 7)
    tell(world, "first")
    tell(world, "second")

    assert read_open_notices(world.store, 7) == today
    assert today["1"].noticed_at > first.listing.noticed_at + DAY
    assert count_settled_by_variant(world.store, 7) == {"1": 1}


def test_run_killed_before_its_notices_were_recorded_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.start(SHORT, judged_variant("2", [["a"]]))
    with monkeypatch.context() as patched:
        patched.setattr("tests.notices.telling.record_listing", _killed)
        with pytest.raises(KeyboardInterrupt):
            tell(world)
    world.moment += DAY
    told = tell(world)

    assert {n.noticed_at for n in read_open_notices(world.store, 7).values()} == {
        told.listing.noticed_at
    }
    assert told.listing.noticed_at < world.moment - DAY + timedelta(minutes=1)


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_days_count_from_the_first_notice(sqlite_world: World) -> None:
    sqlite_world.start(SHORT)
    first = tell(sqlite_world, "first").row("1")
    sqlite_world.moment += 14 * DAY
    second = tell(sqlite_world, "second").row("1")

    # Noticed on 10 March, 14:30 in India: 14 days are over on the 24th, and the 23rd is whole.
    assert (first["due_on"], first["is_overdue"]) == ("2026-03-23", False)
    assert (second["due_on"], second["is_overdue"]) == ("2026-03-23", True)


def test_date_is_over_when_its_day_is(sqlite_world: World) -> None:
    sqlite_world.start(SHORT)
    tell(sqlite_world, "first")
    sqlite_world.moment = sqlite_world.moment.replace(day=23, hour=18, minute=0)
    last = tell(sqlite_world, "last hour").row("1")
    sqlite_world.moment = sqlite_world.moment.replace(hour=18, minute=30)  # midnight in India
    over = tell(sqlite_world, "over").row("1")

    assert (last["is_overdue"], over["is_overdue"]) == (False, True)


def test_date_is_that_of_the_sellers_zone(sqlite_world: World) -> None:
    sqlite_world.moment = sqlite_world.moment.replace(hour=20)  # the 11th, 01:30, in India
    sqlite_world.start(SHORT)

    assert tell(sqlite_world).row("1")["due_on"] == "2026-03-24"


def test_variant_is_proposed_for_removal_after_its_date_and_not_before(
    sqlite_world: World,
) -> None:
    world = sqlite_world
    world.allow(max_share=1)
    world.start(SHORT, judged_variant("2", [["a"], ["b"], ["c"]]))
    tell(world)
    world.moment += 14 * DAY - timedelta(minutes=1)
    world.propose("a" * 32, kind=RemovalKind.VARIANTS)
    world.moment += timedelta(minutes=2)
    world.propose("b" * 32, kind=RemovalKind.VARIANTS)

    assert world.manifest("a" * 32) == []
    assert [row["variant_id"] for row in world.manifest("b" * 32)] == ["1"]


def test_notice_is_settled_once_the_variant_shows_enough_or_is_gone(world: World) -> None:
    other = judged_variant("2", [["a"]])
    world.start(SHORT, other)
    tell(world, "first")
    world.publish([COMPLIANT])
    world.moment += DAY
    told = tell(world, "second")

    assert told.variants() == []
    assert (told.recorded.settled, told.recorded.withdrawn) == (2, 0)
    assert open_variants(world) == set()


def test_variant_left_undecided_keeps_its_notice_and_is_not_told(sqlite_world: World) -> None:
    sqlite_world.start(SHORT)
    tell(sqlite_world, "first")
    sqlite_world.publish([judged_variant("1", [["a"], ["b"]], failed=["c"])])
    sqlite_world.moment += DAY

    assert tell(sqlite_world, "second").variants() == []
    assert open_variants(sqlite_world) == {"1"}


def test_repeat_offence_is_counted_for_the_variant_and_its_seller(world: World) -> None:
    other = judged_variant("2", [["a"]])
    world.start(SHORT, other)
    first = tell(world, "first")
    world.publish([COMPLIANT, other])
    world.moment += DAY
    tell(world, "second")
    world.publish([SHORT, other])
    world.moment += DAY
    third = tell(world, "third")

    assert counts(first) == {"1": (0, 0), "2": (0, 0)}
    assert counts(third) == {"1": (1, 1), "2": (0, 1)}
    assert third.row("1")["due_on"] > third.row("2")["due_on"]


def counts(told: Told) -> dict[str, tuple[int, int]]:
    return {
        row["variant_id"]: (row["earlier_notices"], row["seller_earlier_notices"])
        for row in told.rows()
    }


def test_rejected_finding_is_not_told_and_its_notice_is_no_offence(world: World) -> None:
    world.start(judged_variant("1", [["a", "b"], ["c"]]), judged_variant("2", [["a", "b"]]))
    tell(world, "first")
    world.decide(DecisionVerdict.REJECTED)
    world.moment += DAY
    told = tell(world, "second")

    assert told.variants() == ["2"]  # two pictures, and three are needed
    row = told.row("2")
    assert (row["findings"], row["distinct_usable"], row["images"]) == ([], 2, 2)
    assert (told.recorded.settled, told.recorded.withdrawn) == (0, 1)
    assert count_settled_by_variant(world.store, 7) == {}


def test_two_copies_of_equal_bytes_that_were_told_apart_count_once(sqlite_world: World) -> None:
    rows = judged_variant("1", [["a", "b", "c"]])
    rows[2]["content_sha256"] = rows[1]["content_sha256"]
    sqlite_world.start(rows)
    sqlite_world.decide(DecisionVerdict.REJECTED)
    row = tell(sqlite_world).row("1")

    assert (row["distinct_usable"], row["findings"]) == (2, [])


def test_withdrawn_rejection_is_a_finding_again(sqlite_world: World) -> None:
    sqlite_world.start(SHORT)
    sqlite_world.decide(DecisionVerdict.REJECTED)
    sqlite_world.decide(DecisionVerdict.WITHDRAWN)

    assert len(tell(sqlite_world).row("1")["findings"]) == 1


def test_finding_names_the_picture_to_replace_and_the_one_to_keep(sqlite_world: World) -> None:
    sqlite_world.start(
        judged_variant("1", [["a", "b"], ["c"]]),
        judged_variant("2", [["a", "b", "c"]], keepers={"a": "c"}),
    )
    told = tell(sqlite_world)

    def named(variant_id: str) -> list[tuple[int, int, int]]:
        return [
            (f["photo"], f["other_photo"], f["keep_photo"])
            for f in told.row(variant_id)["findings"]
        ]

    assert named("1") == [(2, 1, 1)]
    assert sorted(named("2")) == [(1, 3, 3), (2, 1, 3)]


def test_keeper_that_was_told_apart_is_not_the_one_to_keep(sqlite_world: World) -> None:
    sqlite_world.start(judged_variant("1", [["a", "b", "c"]], keepers={"a": "c"}))
    sqlite_world.decide(DecisionVerdict.REJECTED, [("1", "a", "c")])
    row = tell(sqlite_world).row("1")

    (finding,) = row["findings"]
    assert (finding["photo"], finding["other_photo"], finding["keep_photo"]) == (2, 1, 1)
    assert row["distinct_usable"] == 2


def test_photos_are_numbered_by_position(sqlite_world: World) -> None:
    rows = judged_variant("1", [["a", "b"]])
    rows[0]["position"], rows[1]["position"] = 40, 7
    sqlite_world.start(rows)
    (finding,) = tell(sqlite_world).row("1")["findings"]

    assert (finding["image_id"], finding["photo"]) == ("b", 1)


def test_pictures_that_do_not_count_are_named_with_the_reason(sqlite_world: World) -> None:
    rows = judged_variant("1", [["a"], ["b"], ["c"], ["d"]], unusable=["b", "c", "d"], failed=["e"])
    rows[2]["quality_notes"] = ["blurred", "placeholder"]
    rows[3]["quality_notes"] = ["too_small"]
    sqlite_world.start(rows)

    assert [(p["photo"], p["problem"]) for p in tell(sqlite_world).row("1")["problems"]] == [
        (2, "blank"),
        (3, "placeholder"),
        (4, "too_small"),
        (5, "unreadable"),
    ]


def test_image_that_is_listed_twice_is_named_so(sqlite_world: World) -> None:
    rows = judged_variant("1", [["a"], ["b"]])
    again = failed_row("1", "b", 9, reason_code=ReasonCode.IMAGE_ID_REPEATED)
    sqlite_world.start([*rows, judged_row(again)])
    row = tell(sqlite_world).row("1")

    assert [p["problem"] for p in row["problems"]] == ["listed_twice"]


def test_picture_that_does_not_count_is_not_called_a_copy_too(sqlite_world: World) -> None:
    sqlite_world.start(judged_variant("1", [["a", "b"]], unusable=["a", "b"]))
    row = tell(sqlite_world).row("1")

    assert (row["findings"], len(row["problems"])) == ([], 2)


def test_category_that_cannot_be_read_is_named_and_the_others_are_told(world: World) -> None:
    world.start(SHORT)
    world.publish([judged_variant("5", [["a"]], category_id=8)], category_id=8)
    state = layout.category_state(8)
    world.storage.write_json(state, world.storage.read_json(state) | {"is_whole": False})
    told = tell(world, category_ids=[9, 8, 7])

    assert told.variants() == ["1"]
    assert told.listing.variants == 1
    assert sorted(told.listing.failed) == [8, 9]
    with pytest.raises(CategoriesLeftOutError, match=r"2 category\(ies\) .* 9 was never published"):
        told.listing.check_complete()
    assert open_variants(world) == {"1"}


def test_category_that_breaks_off_midway_is_left_out_whole(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    world.start(SHORT, judged_variant("2", [["a"]]))
    tell(world, "first")

    def break_off(storage: Storage, category_id: int) -> Iterator[JudgedVariant]:
        yield next(read_judged_variants(storage, category_id))
        raise SchemaError("broken off")

    monkeypatch.setattr(listing, "read_judged_variants", break_off)
    told = tell(world, "second")

    assert (told.variants(), told.listing.failed) == ([], {7: "broken off"})
    assert told.sellers() == []
    assert open_variants(world) == {"1", "2"}


def test_list_of_a_dry_run_is_not_taken_for_a_real_one(sqlite_world: World) -> None:
    sqlite_world.start(SHORT)
    tell(sqlite_world, is_dry=True)

    with pytest.raises(ConfigurationError, match="written with dry_run True"):
        tell(sqlite_world)


def test_record_of_a_list_is_read_as_it_was_written(sqlite_world: World) -> None:
    sqlite_world.start(SHORT)
    listed = replace(tell(sqlite_world).listing, failed={9: "never published"})

    assert Listing.from_json(json.loads(json.dumps(listed.to_json()))) == listed
