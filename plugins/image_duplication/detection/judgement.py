"""From evidence to a match: which pairs are the same picture, and what was done to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from image_duplication.detection.evidence import Alignment, PairEvidence
from image_duplication.detection.kinds import name_kinds
from image_duplication.detection.transforms import Transform, describe_transform
from image_duplication.records import Engine, Kind
from image_duplication.settings import (
    AlignedSettings,
    CutoutSettings,
    DetectionSettings,
    GoodsSettings,
)

_FINGERPRINTS = frozenset({Engine.PERCEPTUAL, Engine.ALIGNED})


@dataclass(frozen=True, slots=True)
class Match:
    """Two images judged the same picture, or related ones: one is a close-up of the other.

    `distance` is the engine's own: difPy's is the correct mean squared error; of `perceptual` and
    `aligned` it is the share of the compared texture that does not agree; 0 for equal files.
    `transform` is None for equal files, and where difPy alone says that they are alike.
    """

    first: int
    second: int
    is_duplicate: bool
    kinds: frozenset[Kind]
    transform: Transform | None
    distance: float
    engine: Engine
    evidence: PairEvidence


def judge_pairs(evidence: Iterable[PairEvidence], settings: DetectionSettings) -> list[Match]:
    """The matches among compared pairs; reads no pixel, so a changed threshold judges anew.

    A match has the earlier picture first. Pairs are judged as they stand, though, which is the
    order of their hashes: evidence that is turned round differs in its last digits.
    """
    return [_in_places(match) for pair in evidence if (match := _judge_pair(pair, settings))]


def _in_places(match: Match) -> Match:
    if match.first <= match.second:
        return match
    pair = match.evidence.reversed()
    transform = match.transform
    if transform is not None and pair.alignment is not None:
        transform = describe_transform(pair, pair.alignment)
    return replace(match, first=pair.first, second=pair.second, transform=transform, evidence=pair)


def _judge_pair(pair: PairEvidence, settings: DetectionSettings) -> Match | None:
    for engine in Engine:
        if engine in settings.engines and _ACCEPTS[engine](pair, settings):
            return _match(pair, engine, settings)
    return None


def _match(pair: PairEvidence, engine: Engine, settings: DetectionSettings) -> Match:
    alignment = pair.alignment
    # What difPy alone has found may lie over the other picture in no way that agrees.
    if alignment and not (engine in _FINGERPRINTS or agrees(pair, alignment, settings.aligned)):
        alignment = None
    transform = describe_transform(pair, alignment) if alignment else None
    kinds = name_kinds(pair, transform)
    is_close_up = (
        transform is not None
        and Kind.CROPPED in kinds
        and transform.shown_share < settings.close_up_share
    )
    return Match(
        first=pair.first,
        second=pair.second,
        is_duplicate=not is_close_up,
        kinds=kinds,
        transform=transform,
        distance=_measure_distance(pair, engine),
        engine=engine,
        evidence=pair,
    )


def _measure_distance(pair: PairEvidence, engine: Engine) -> float:
    if pair.is_same_content:
        return 0.0
    if engine in _FINGERPRINTS and pair.alignment:
        return 1.0 - pair.alignment.coarse_agreement
    return pair.mse


def _is_identical(pair: PairEvidence, _settings: DetectionSettings) -> bool:
    return pair.is_same_content


def _is_difpy_match(pair: PairEvidence, settings: DetectionSettings) -> bool:
    if _FINGERPRINTS & set(settings.engines) and _is_refuted(pair, settings.aligned):
        return False
    limit = settings.difpy.similarity_mse
    return (
        pair.difpy_mse is not None
        and pair.difpy_mse <= limit
        and pair.mse <= limit
        and (pair.is_same_dimensions or not settings.difpy.same_dimensions)
    )


def _is_refuted(pair: PairEvidence, settings: AlignedSettings) -> bool:
    """Whether more is known than difPy sees: there is nothing to see, or letters differ."""
    alignment = pair.alignment
    return not pair.is_telling or (alignment is not None and _is_another_page(alignment, settings))


def _is_perceptual_match(pair: PairEvidence, settings: DetectionSettings) -> bool:
    correlation = pair.thumbnail_correlation
    return pair.is_same_content or (
        correlation is not None
        and abs(correlation) >= settings.perceptual.correlation
        and _is_aligned_match(pair, settings)
    )


def _is_aligned_match(pair: PairEvidence, settings: DetectionSettings) -> bool:
    return pair.is_same_content or (
        pair.alignment is not None and agrees(pair, pair.alignment, settings.aligned)
    )


_ACCEPTS = {
    Engine.IDENTICAL: _is_identical,
    Engine.DIFPY: _is_difpy_match,
    Engine.PERCEPTUAL: _is_perceptual_match,
    Engine.ALIGNED: _is_aligned_match,
}


def agrees(pair: PairEvidence, alignment: Alignment, settings: AlignedSettings) -> bool:
    """Whether two pictures that lie over each other show one photo, rather than like things.

    Either they agree throughout, or all that one shows is in the other (a watermark), or they agree
    but for one place (a badge, a banner), or the goods alone agree (another background), by
    themselves or up to their outline. Where the goods plainly differ, nothing around them counts.
    """
    if (
        alignment.cells < settings.least_cells
        or alignment.anisotropy > settings.most_anisotropy
        or alignment.perspective > settings.most_perspective
    ):
        return False
    if (
        _is_outline_alone(alignment, settings)
        or _is_laid_anew(alignment, settings.goods)
        or _is_another_page(alignment, settings)
    ):
        return False
    # The other side of symmetric goods looks mirrored; another viewpoint looks like perspective.
    is_doubtful = alignment.is_mirrored or alignment.perspective > settings.doubtful_perspective
    extra = settings.extra_in_doubt if is_doubtful else 0.0
    seen = max(alignment.overlap_first, alignment.overlap_second)
    is_whole = seen >= settings.least_overlap
    if is_whole and _is_cut_out(alignment, settings.cutout, extra):
        return True
    if _is_another_thing(alignment, settings):
        return False
    has_goods = alignment.goods_cells >= settings.goods.cells
    kept = alignment.goods_kept if has_goods else 1.0
    if kept < settings.goods.least_kept:
        return False
    return _agrees_throughout(alignment, settings, extra) or (
        is_whole
        and (
            _is_kept(pair, alignment, settings, extra)
            or _is_patched(alignment, settings, extra)
            or (has_goods and _are_goods_alike(alignment, settings, extra))
        )
    )


def _is_cut_out(alignment: Alignment, limits: CutoutSettings, extra: float) -> bool:
    """Whether the goods' own pixels are the same up to their outline, whatever is around them."""
    return (
        alignment.cutout_agreement >= limits.agreement + extra
        and alignment.cutout_correlation >= limits.correlation
        and alignment.cutout_contradicted_cells <= limits.contradicted_cells
        and alignment.cutout_cells >= limits.cells
    )


def _are_goods_alike(alignment: Alignment, settings: AlignedSettings, extra: float) -> bool:
    limits = settings.goods
    return (
        alignment.cutout_contradicted_cells <= settings.cutout.contradicted_cells
        and alignment.goods_agreement >= limits.agreement + extra
        and alignment.edges_kept >= limits.edges
        and alignment.cutout_correlation >= limits.correlation
    )


def _is_outline_alone(alignment: Alignment, settings: AlignedSettings) -> bool:
    """Whether no more than a plain shape is alike, of another size and another colour."""
    return (
        not alignment.keypoints
        and alignment.goods_cells < settings.goods.cells
        and min(alignment.overlap_first, alignment.overlap_second) < settings.least_overlap
        and alignment.recoloured > settings.goods.recoloured_outline
    )


def _is_laid_anew(alignment: Alignment, limits: GoodsSettings) -> bool:
    """Whether plain goods agree in their outline alone, which fits but roughly."""
    return (
        alignment.goods_cells >= limits.cells
        and alignment.goods_agreement < limits.least_agreement_if_laid_anew
        and alignment.perspective > limits.laid_anew_perspective
        and alignment.keypoints < limits.laid_anew_keypoints
    )


def _is_another_thing(alignment: Alignment, settings: AlignedSettings) -> bool:
    """Whether one frame or template surrounds two things that have nothing in common."""
    return (
        alignment.contradicted_inside >= settings.disputed_inside
        and alignment.unlike > settings.most_unlike
    )


def _is_another_page(alignment: Alignment, settings: AlignedSettings) -> bool:
    """Whether two charts, labels or drawings in one layout say different things."""
    return alignment.letters_unlike > settings.most_letters_unlike


def _agrees_throughout(alignment: Alignment, settings: AlignedSettings, extra: float) -> bool:
    limits = settings.throughout
    return (
        max(alignment.overlap_first, alignment.overlap_second) >= limits.overlap
        and alignment.coarse_agreement >= limits.coarse + extra
        and alignment.fine_agreement >= limits.fine + extra
        and alignment.cell_correlation_low >= limits.cells + extra
        and alignment.edges_kept_by_both >= limits.edges + extra
        and alignment.edges_kept_least >= limits.edges_least + extra
        and alignment.contradicted <= limits.contradicted
    )


def _is_kept(
    pair: PairEvidence, alignment: Alignment, settings: AlignedSettings, extra: float
) -> bool:
    limits = settings.kept
    fine = max(alignment.fine_agreement_first, alignment.fine_agreement_second)
    are_alike = abs(pair.thumbnail_correlation or 0.0) >= limits.alike
    return (
        alignment.coarse_agreement >= limits.coarse
        and alignment.edges_kept_least >= limits.edges_least
        and alignment.contradicted_inside <= limits.contradicted_inside
        and (
            (alignment.edges_kept >= limits.edges + extra / 2 and fine >= limits.fine + extra)
            or (
                are_alike
                and alignment.edges_kept >= limits.edges_if_alike + 2 * extra
                and fine >= limits.fine_if_alike + extra
            )
        )
    )


def _is_patched(alignment: Alignment, settings: AlignedSettings, extra: float) -> bool:
    limits = settings.patched
    fine = max(alignment.fine_agreement_first, alignment.fine_agreement_second)
    is_patch = (
        alignment.contradicted <= limits.contradicted
        and alignment.contradicted_inside <= limits.contradicted_inside
    )
    remaining = alignment.remaining_correlation
    return is_patch and (
        (
            remaining >= limits.remaining + extra
            and alignment.contradicted_scattered <= limits.scattered
            and fine >= limits.fine
        )
        or (
            alignment.edges_kept >= limits.edges + 1.5 * extra
            and remaining >= limits.remaining_with_edges
            and alignment.contradicted_scattered <= limits.scattered_with_edges
            and fine >= limits.fine_with_edges + extra
        )
    )
