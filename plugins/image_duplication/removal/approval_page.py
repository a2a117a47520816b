"""What a person reads before deciding on a removal, as Markdown.

Names that sellers or other programs gave are shown as plain text: none of them becomes a link.
"""

from __future__ import annotations

import itertools
import re
from datetime import datetime

from image_duplication import layout
from image_duplication.records import RemovalKind
from image_duplication.removal.manifest import CategoryProposal, Proposal
from image_duplication.storage import Storage
from image_duplication.tables import SHORT_VARIANTS, Row, read_rows

_CATEGORIES_SHOWN = 50
_VARIANTS_SHOWN = 20
_MARKUP = re.compile(r"([!-/:-@\[-`{-~])")  # ASCII punctuation, each of which Markdown can escape
# Airflow's page makes links of addresses after it has taken the escapes away.
_LINKED = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)", re.IGNORECASE)
_WORD_JOINER = "\u2060"  # seen by nobody


def render_subject(proposal: Proposal) -> str:
    """The question in one line."""
    categories = sum(category.rows > 0 for category in proposal.categories)
    return f"Deactivate {proposal.rows} {proposal.kind} of {categories} categories?"


def render_page(
    storage: Storage, proposal: Proposal, *, note: str = "", decide_by: datetime | None = None
) -> str:
    """What is proposed: who, how much of which category, what is left out, where the files are.

    `note` is the proposer's; `decide_by` is in UTC.
    """
    parts = [
        _render_head(proposal, note, decide_by),
        _render_confirmation(proposal),
        _render_categories(proposal),
        _render_short_variants(storage, proposal),
        _render_files(storage, proposal),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _render_head(proposal: Proposal, note: str, decide_by: datetime | None) -> str:
    said = f": “{_as_text(note)}”" if note.strip() else ""
    lines = [
        f"**{proposal.rows} {proposal.kind}** would be deactivated in the catalogue, none deleted. "
        f"Removal `{proposal.removal_id}`; the mode `restore` undoes it by this id.",
        f"**Proposed by** {_as_text(proposal.proposed_by)}, {_as_time(proposal.proposed_at)}{said}",
    ]
    if decide_by is not None:
        lines.append(f"**Decide by** {_as_time(decide_by)}; after that nothing is applied.")
    return "\n\n".join(lines)


def _render_confirmation(proposal: Proposal) -> str:
    words = proposal.asked_confirmation
    if words is None:
        return ""
    return (
        f"**Above the limit.** Categories marked **!** lose more than {proposal.max_share:.0%}. "
        f"Whoever approves types these words into *confirmation*: `{words}`"
    )


def _render_categories(proposal: Proposal) -> str:
    unit = proposal.kind
    lines = [
        f"| category | {unit} | of active | share | variants | short variants | not proposed |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    # The largest shares first: they are what a person has to look at.
    ordered = sorted(proposal.categories, key=lambda one: (-one.share, one.category_id))
    lines += [_render_category(one) for one in ordered[:_CATEGORIES_SHOWN]]
    rest = ordered[_CATEGORIES_SHOWN:]
    if rest:
        rows, active = sum(one.rows for one in rest), sum(one.active for one in rest)
        lines.append(f"| {len(rest)} more | {rows} | {active} | | | | see `proposal.json` |")
    return "\n".join(lines)


def _render_category(category: CategoryProposal) -> str:
    mark = " **!**" if category.needs_confirmation else ""
    left_out = ", ".join(f"{count} {reason}" for reason, count in category.excluded.items())
    cells = (
        f"{category.category_id} {_as_text(category.category_name)}{mark}",
        category.rows,
        category.active,
        f"{category.share:.1%}",
        category.variants,
        category.short_variants,
        left_out,
    )
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _render_short_variants(storage: Storage, proposal: Proposal) -> str:
    """The variants that show too few pictures, with the removal or without it."""
    total = sum(category.short_variants for category in proposal.categories)
    if proposal.kind is not RemovalKind.IMAGES or not total:
        return ""
    key = layout.removal_short_variants(proposal.removal_id)
    shown = list(itertools.islice(read_rows(storage, key, SHORT_VARIANTS), _VARIANTS_SHOWN))
    lines = [f"**{total} variants stay short** of pictures; their sellers get notices:", ""]
    lines += [f"- {_render_variant(row)}" for row in shown]
    if total > len(shown):
        lines.append(f"- and {total - len(shown)} more")
    return "\n".join(lines)


def _render_variant(row: Row) -> str:
    variant, verdict = _as_text(row["variant_id"]), _as_text(row["verdict"])
    return (
        f"{variant} of category {row['category_id']}: {verdict}, "
        f"{row['removed_images']} pictures removed"
    )


def _render_files(storage: Storage, proposal: Proposal) -> str:
    removal_id = proposal.removal_id
    lines = [
        "**Files**",
        "",
        f"- manifest: `{_locate(storage, layout.removal_manifest(removal_id))}`",
    ]
    if proposal.kind is RemovalKind.IMAGES:
        short = layout.removal_short_variants(removal_id)
        lines.append(f"- variants that stay short: `{_locate(storage, short)}`")
    lines.append(f"- counts: `{_locate(storage, layout.removal_record(removal_id))}`")
    lines.append(f"- the rows, to read: `{_locate(storage, layout.removal_listing(removal_id))}`")
    with_rows = [one.category_id for one in proposal.categories if one.rows]
    lines += [
        f"- gallery of category {category_id}: `{_locate(storage, layout.gallery(category_id))}`; "
        "its CSVs lie beside it"
        for category_id in with_rows[:_VARIANTS_SHOWN]
    ]
    return "\n".join(lines)


def _locate(storage: Storage, key: str) -> str:
    return f"{storage.root.rstrip('/')}/{key}"


def _as_text(name: str) -> str:
    """A name in one line, every character of it shown as it is, and no part of it a link."""
    return _MARKUP.sub(r"\\\1", _LINKED.sub(_WORD_JOINER, " ".join(name.split())))


def _as_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
