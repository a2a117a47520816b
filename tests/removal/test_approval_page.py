"""What the approver reads: every count, every way out, and no markup of anybody else's."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from image_duplication.records import DecisionVerdict, RemovalKind, RemovalState
from image_duplication.removal.approval_page import render_page, render_subject
from image_duplication.removal.manifest import CategoryProposal, read_proposal
from image_duplication.removal.outcome import describe_outcome
from image_duplication.store.notices import record_notices
from tests.judged_rows import judged_variant
from tests.removal.worlds import DAY, MORNING, REMOVAL, World


@pytest.fixture
def world(sqlite_world: World) -> World:
    """Category 7 loses 2 of its 8 images, more than it may; variant 2 is short."""
    name = "Chairs | [wide](http://evil.example)"
    sqlite_world.start(
        judged_variant("1", [["a", "b"], ["c"], ["d"]], category_name=name),
        judged_variant("2", [["a", "b"], ["c"]], category_name=name),
        judged_variant("3", [["a"]], category_name=name),
    )
    sqlite_world.confirm_all()
    return sqlite_world


def page_of(world: World, **choices: str) -> str:
    proposal = read_proposal(world.storage, REMOVAL)
    return render_page(world.storage, proposal, decide_by=MORNING + timedelta(days=7), **choices)


def test_page_says_who_how_much_and_by_when(world: World) -> None:
    world.propose()
    page = page_of(world, note="agreed with <b>sales</b>")

    assert render_subject(read_proposal(world.storage, REMOVAL)) == (
        "Deactivate 2 images of 1 categories?"
    )
    assert f"Removal `{REMOVAL}`" in page
    assert (
        r"**Proposed by** proposer, 2026-03-10 09:00 UTC: “agreed with \<b\>sales\<\/b\>”" in page
    )
    assert "**Decide by** 2026-03-17 09:00 UTC" in page
    assert "| 2 | 8 | 25.0% | 2 | 2 |  |" in page


def test_page_asks_for_the_words_when_a_category_is_above_its_share(world: World) -> None:
    world.propose()

    assert "lose more than 10%" in page_of(world)
    assert "`remove 2 of 8`" in page_of(world)
    assert "**!**" in page_of(world)


def test_page_asks_for_no_words_within_the_share(world: World) -> None:
    world.allow(max_share=0.25)
    world.propose()

    assert "confirmation" not in page_of(world)
    assert "**!**" not in page_of(world)


def test_page_names_the_short_variants_and_every_file(world: World) -> None:
    world.propose()
    page = page_of(world)

    assert "**2 variants stay short**" in page
    assert r"- 2 of category 7: short\_by\_1, 1 pictures removed" in page
    assert r"- 3 of category 7: short\_by\_2, 0 pictures removed" in page
    for file in ("manifest.parquet", "manifest.csv", "short_variants.parquet", "proposal.json"):
        assert f"/removals/{REMOVAL}/{file}`" in page
    assert f"`{world.storage.root}/reports/category=7/7.html`" in page


def test_page_says_what_is_left_out_and_why(world: World) -> None:
    world.decide(DecisionVerdict.REJECTED, [("1", "a", "b")])
    world.propose()

    assert "| 1 rejected |" in page_of(world)


def test_names_of_others_are_shown_as_plain_text(world: World) -> None:
    world.propose()

    row = next(line for line in page_of(world).splitlines() if line.startswith("| 7 "))
    assert "7 Chairs \\| \\[wide\\]\\(http\\:\u2060\\/\\/evil\\.example\\) **!**" in row


@pytest.mark.parametrize(
    "address",
    ["HTTPS://evil.example/x", "http://evil.example", "WWW.evil.example", "a@evil.example"],
)
def test_address_in_a_name_becomes_no_link(world: World, address: str) -> None:
    world.propose()
    page = page_of(world, note=f"see {address} first")
    # As Airflow's page does, which uses remark-gfm: escapes away first, then links.
    shown = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", page)

    assert re.search(r"evil\.example", shown)
    assert not re.search(r"(?i)(https?://|www(?=\.))[-.\w]+|[-.\w+]+@[-\w]+(\.[-\w]+)+", shown)


def test_page_of_many_categories_shows_the_largest_shares(world: World) -> None:
    world.propose()
    proposal = read_proposal(world.storage, REMOVAL)
    categories = tuple(
        CategoryProposal(number, "Chairs", number, 1000, False, 1, 0, {}) for number in range(1, 71)
    )
    page = render_page(world.storage, replace(proposal, categories=categories))

    assert "| 70 Chairs | 70 | 1000 | 7.0% |" in page
    assert "| 20 Chairs |" not in page
    assert "| 20 more | 210 | 20000 |" in page


def test_page_of_variants_speaks_of_variants(world: World) -> None:
    record_notices(world.store, 7, [("3", "seller-1")], noticed_at=MORNING - 20 * DAY)
    world.propose(kind=RemovalKind.VARIANTS)
    page = page_of(world)

    assert "**1 variants** would be deactivated" in page
    assert "| category | variants | of active |" in page
    assert "short_variants.parquet" not in page


def test_outcome_is_told_in_words(world: World) -> None:
    world.propose()
    world.approve()
    world.database.execute(
        "UPDATE inb_images SET is_active = 0 WHERE image_id = 'b' AND variant_id = 1"
    )

    dry = describe_outcome(world.apply(is_dry=True))
    assert dry.endswith("category 7: 1 deactivated, 1 skipped: not_active")
    assert "a dry run, nothing is changed" in dry
    outcome = world.apply()
    assert outcome.state is RemovalState.PARTLY_APPLIED
    assert "2 images, partly_applied" in describe_outcome(outcome)
    assert "1 active again" in describe_outcome(world.restore())
