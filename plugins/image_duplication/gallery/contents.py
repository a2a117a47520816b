"""What a category's gallery shows of each variant, read from the category's state."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from image_duplication import layout
from image_duplication.evidence_rows import EVIDENCE
from image_duplication.judged_variants import JudgedVariant, list_images, number_images
from image_duplication.overlays import find_overlay
from image_duplication.records import Action, Verdict
from image_duplication.reviewed_category import ReviewedCategory
from image_duplication.tables import Row, read_state_rows
from image_duplication.web_addresses import find_web_address

Shown = dict[str, Any]
"""A variant as the page's script takes it; the names of its fields stand in gallery.js."""

_EVIDENCE = pa.schema(
    [
        EVIDENCE.field(name)
        for name in (
            "variant_id",
            "first_sha256",
            "second_sha256",
            "rotation_deg",
            "mse",
            "thumbnail_correlation",
            "alignment",
        )
    ]
)
_SIGNIFICANT = 6


def read_shown(
    reviewed: ReviewedCategory,
    *,
    place_thumbnail: Callable[[str], int],
    count: Callable[[Row], None],
) -> Iterator[Shown]:
    """The variants with a finding or without enough pictures, in the order of the state.

    `place_thumbnail` gives the place of a content hash among the page's thumbnails; `count` is told
    every verdict (`tables.VERDICTS`), shown or not. One variant is in memory at a time.
    """
    key = layout.current("evidence", reviewed.category_id)
    evidence = itertools.groupby(
        read_state_rows(reviewed.storage, key, _EVIDENCE), key=lambda pair: pair["variant_id"]
    )
    waiting = next(evidence, None)
    for variant in reviewed.variants():
        pairs: list[Row] = []
        # In the same order, but of those variants alone that have several pictures.
        if waiting is not None and waiting[0] == variant.variant_id:
            pairs = list(waiting[1])
            waiting = next(evidence, None)
        count(variant.verdict)
        if variant.findings or variant.verdict["verdict"] != Verdict.COMPLIANT:
            yield _show_variant(variant, pairs, place_thumbnail)


def _show_variant(
    variant: JudgedVariant, pairs: list[Row], place_thumbnail: Callable[[str], int]
) -> Shown:
    verdict = variant.verdict
    images = list_images(variant.images)
    places = {image_id: number - 1 for image_id, number in number_images(images).items()}
    evidence = {frozenset((pair["first_sha256"], pair["second_sha256"])): pair for pair in pairs}
    return {
        "id": verdict["variant_id"],
        "catalogue": verdict["catalogue_id"],
        "seller": verdict["seller_id"],
        "url": find_web_address(verdict["product_url"]),
        "verdict": verdict["verdict"],
        "says": say_verdict(verdict),
        "images": [_show_image(row, places, place_thumbnail) for row in images],
        "findings": [_show_finding(row, places, evidence) for row in variant.findings],
    }


def say_verdict(verdict: Row) -> str:
    """Why a variant has its verdict, as a sentence."""
    images, distinct, required = (
        verdict[name] for name in ("images", "distinct_usable", "required")
    )
    unjudged = verdict["unjudged"]
    shows = f"Shows {_count(distinct, 'different picture')}"
    if not images:
        return f"Shows no picture at all; {required} different ones are required."
    if distinct >= required:
        return f"{shows} in {_count(images, 'image')}; {required} are required."
    if verdict["verdict"] == Verdict.UNDECIDED:
        return (
            f"{shows} so far, and {unjudged} of {_count(images, 'image')} could not be judged; "
            f"{required} are required."
        )
    also = f", {unjudged} of them not judged" if unjudged else ""
    return f"{shows} in {_count(images, 'image')}{also}; {required} are required."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _show_image(row: Row, places: dict[str, int], place_thumbnail: Callable[[str], int]) -> Shown:
    sha256 = row["content_sha256"]
    return {
        "id": row["image_id"],
        "thumbnail": place_thumbnail(sha256) if sha256 else None,
        "role": row["role"],
        "base": places.get(row["base_image_id"]),
        "keeper": places.get(row["keeper_image_id"]),
        "size": [row["width_px"], row["height_px"], row["size_bytes"], row["picture_format"]],
        "notes": [
            *(row["quality_notes"] or []),
            *([row["reason_code"]] * bool(row["reason_code"])),
        ],
    }


def _show_finding(
    finding: Row, places: dict[str, int], evidence: dict[frozenset[str], Row]
) -> Shown:
    below, above = finding["base_sha256"], finding["duplicate_sha256"]
    pair = evidence.get(frozenset((below, above)))
    overlay = find_overlay(pair, engine=finding["engine"], below_sha256=below, above_sha256=above)
    return {
        "base": places[finding["base_image_id"]],
        "duplicate": places[finding["duplicate_image_id"]],
        "relation": finding["relation"],
        "kinds": finding["kinds"] or [],  # null in the state of an earlier release
        "sentence": finding["sentence"],
        "distance": _round(finding["distance"]),
        "engine": finding["engine"],
        "keeper": places.get(finding["keeper_image_id"]),
        "why": finding["keeper_reason"],
        "removes": _find_removed(finding, places),
        "overlay": overlay and [_round(value) for value in overlay],
        "evidence": _show_evidence(pair, below) if pair else None,
    }


def _find_removed(finding: Row, places: dict[str, int]) -> int | None:
    if finding["action"] == Action.REMOVE_DUPLICATE:
        return places[finding["duplicate_image_id"]]
    if finding["action"] == Action.REMOVE_BASE:
        return places[finding["base_image_id"]]
    return None


def _show_evidence(pair: Row, below_sha256: str) -> list[float | int | None]:
    """The figures that help a person to follow a judgement, those of the picture below first."""
    figures = [pair["mse"], pair["rotation_deg"], pair["thumbnail_correlation"]]
    aligned = pair["alignment"]
    if aligned is not None:
        overlaps = [aligned["overlap_first"], aligned["overlap_second"]]
        if below_sha256 != pair["first_sha256"]:
            overlaps.reverse()
        figures += [
            *overlaps,
            *(aligned[name] for name in ("fine_agreement", "edges_kept", "keypoints")),
        ]
    return [_round(figure) for figure in figures]


def _round(figure: float | int | None) -> float | int | None:
    """As precise as an eye can use; full figures are in the evidence's own file."""
    return figure if figure is None else float(f"{figure:.{_SIGNIFICANT}g}")
