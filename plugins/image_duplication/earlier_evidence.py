"""What the category's state knows of a unit's pictures, so that unchanged ones are not decoded."""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from image_duplication import layout
from image_duplication.detection import MOST_LOOKS, Candidate, PairEvidence, spread_to_copies
from image_duplication.detection.quality import Quality
from image_duplication.errors import SchemaError
from image_duplication.evidence_rows import EVIDENCE, evidence_from_row
from image_duplication.judgement_versions import feature_version
from image_duplication.records import QualityNote, ReasonCode
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.tables import (
    DOWNLOADED,
    JUDGED,
    Row,
    count_rows,
    read_row_groups,
    read_rows,
    read_state_tables,
)

logger = logging.getLogger(__name__)

_FIGURES = ("detail_px", "compression", "is_compression_estimated", "border_share")
_IMAGES = pa.schema(
    [
        JUDGED.field(name)
        for name in (
            "variant_id",
            "reason_code",
            "content_sha256",
            "width_px",
            "height_px",
            "picture_format",
            "quality_notes",
            *_FIGURES,
            "feature_version",
        )
    ]
)
_CONTENTS = pa.schema(
    [JUDGED.field(name) for name in ("variant_id", "content_sha256", "feature_version")]
)

Contents = tuple[str, str]
"""The content hashes of a pair, the lower one first."""


@dataclass(frozen=True, slots=True)
class KnownPicture:
    """A picture that was looked at before; `quality` None: it could not be decoded.

    The size is as stored, before any EXIF rotation.
    """

    width_px: int
    height_px: int
    quality: Quality | None


@dataclass(frozen=True, slots=True)
class Recollection:
    """A variant's pictures as they were found before, in the order asked for.

    `qualities` has a None for each that could not be decoded; the places in `candidates` and
    `evidence` count the others. `evidence` is in hash order, as it is stored.
    """

    qualities: list[Quality | None]
    candidates: list[Candidate]
    evidence: list[PairEvidence]


@dataclass(frozen=True, slots=True)
class EarlierVariant:
    """What is known of one variant's contents, by hash, and of the pairs compared among them."""

    pictures: Mapping[str, KnownPicture]
    pairs: Mapping[Contents, PairEvidence]

    def is_unreadable(self, content_sha256: str) -> bool:
        """Whether these bytes are known to be no picture that can be decoded."""
        known = self.pictures.get(content_sha256)
        return known is not None and known.quality is None

    def recall(self, contents: Sequence[str]) -> Recollection | None:
        """All that judging these contents takes, each as often as it occurs; None: not all known.

        Places follow the order of `contents`, which need not be the order that was judged before.
        """
        known = [self.pictures.get(content) for content in contents]
        if not all(known):
            return None
        qualities = [picture.quality if picture else None for picture in known]
        shown = [content for content, quality in zip(contents, qualities, strict=True) if quality]
        evidence = self._recall_pairs(shown)
        if evidence is None:
            return None
        return Recollection(qualities, self._line_up(shown, evidence), evidence)

    def _recall_pairs(self, contents: Sequence[str]) -> list[PairEvidence] | None:
        if len(set(contents)) > MOST_LOOKS:
            return None
        evidence = []
        for places in _compared_places(contents):
            first, second = sorted(places, key=lambda place: contents[place])
            pair = self._find_pair(contents[first], contents[second])
            if pair is None:
                return None
            evidence.append(replace(pair, first=first, second=second))
        if len(contents) <= MOST_LOOKS:
            return evidence
        spread = spread_to_copies(evidence, contents)
        return sorted(spread, key=lambda pair: sorted((pair.first, pair.second)))

    def _find_pair(self, first: str, second: str) -> PairEvidence | None:
        found = self.pairs.get((first, second))
        if found is None and first == second:
            return self._make_pair_of_copies(first)
        return found

    def _make_pair_of_copies(self, content: str) -> PairEvidence | None:
        """Two copies of one content have all figures by that, if it is known to show anything."""
        for (first, second), pair in self.pairs.items():
            if pair.is_telling and content in (first, second):
                width_px, height_px = _size_of(pair, is_first=content == first)
                return PairEvidence(
                    first=0,
                    second=0,
                    width_first_px=width_px,
                    height_first_px=height_px,
                    width_second_px=width_px,
                    height_second_px=height_px,
                    is_same_content=True,
                    is_same_dimensions=True,
                    difpy_mse=0.0,
                    mse=0.0,
                    rotation_deg=0,
                    is_telling=True,
                    thumbnail_correlation=None,
                    alignment=None,
                )
        return None

    def _line_up(self, contents: Sequence[str], evidence: list[PairEvidence]) -> list[Candidate]:
        sizes = {
            place: _size_of(pair, is_first=place == pair.first)
            for pair in evidence
            for place in (pair.first, pair.second)
        }
        candidates = []
        for place, content in enumerate(contents):
            known = self.pictures[content]
            # Alone in its variant it is in no pair, and no rule asks for its size.
            width_px, height_px = sizes.get(place, (known.width_px, known.height_px))
            if known.quality is not None:
                candidates.append(Candidate(place, width_px, height_px, known.quality))
        return candidates


def _compared_places(contents: Sequence[str]) -> list[tuple[int, int]]:
    """The pairs that `compare_pictures` describes as long as every content has a look.

    What it spreads to the copies is not among them.
    """
    if len(contents) <= MOST_LOOKS:
        return list(itertools.combinations(range(len(contents)), 2))
    first_of: dict[str, int] = {}
    copies = [
        (first, place)
        for place, content in enumerate(contents)
        if (first := first_of.setdefault(content, place)) != place
    ]
    return sorted([*copies, *itertools.combinations(first_of.values(), 2)])


def _size_of(pair: PairEvidence, *, is_first: bool) -> tuple[int, int]:
    """Width and height of one side, after any EXIF rotation."""
    if is_first:
        return pair.width_first_px, pair.height_first_px
    return pair.width_second_px, pair.height_second_px


class EarlierEvidence:
    """The state of one unit's variants, read alongside the unit: a variant at a time.

    Both follow the source's order. A variant that the state has elsewhere, because that order has
    changed since, is not found.
    """

    def __init__(
        self,
        settings: Settings,
        variant_ids: Iterable[str],
        images: Iterator[pa.Table],
        evidence: Iterator[pa.Table],
    ) -> None:
        self._settings = settings
        self._places = {variant_id: place for place, variant_id in enumerate(variant_ids)}
        self._images = _Stream(images, self._places)
        self._evidence = _Stream(evidence, self._places)

    def find(self, variant_id: str) -> EarlierVariant | None:
        """What is known of a variant; to be asked in the order of the unit."""
        place = self._places[variant_id]
        images, evidence = self._images.take(place), self._evidence.take(place)
        if images is None:
            return None
        pictures = {
            row["content_sha256"]: picture
            for row in images.to_pylist()
            if (picture := _read_picture(row, self._settings))
        }
        return EarlierVariant(pictures, _read_pairs(evidence) if evidence is not None else {})


def _read_picture(row: Row, settings: Settings) -> KnownPicture | None:
    """What a row of the state says of its picture; None if not all, or not under these settings."""
    size = (row["width_px"], row["height_px"])
    # Of what the limits no longer allow, decoding has the last word.
    is_allowed = (
        row["content_sha256"] is not None
        and None not in size
        and row["picture_format"] in settings.download.formats
        and size[0] * size[1] <= settings.download.max_pixels
    )
    if not is_allowed:
        return None
    if row["reason_code"] == ReasonCode.DECODE_FAILED:
        return KnownPicture(*size, quality=None)
    figures = {name: row[name] for name in _FIGURES}
    if row["quality_notes"] is None or None in figures.values():
        return None
    stored = {*row["quality_notes"]} - {QualityNote.TOO_SMALL}
    # The one note that a setting decides.
    if min(size) < settings.policy.min_side_px:
        stored.add(QualityNote.TOO_SMALL)
    notes = tuple(note for note in QualityNote if note in stored)
    return KnownPicture(*size, Quality(notes, **figures))


def _read_pairs(table: pa.Table) -> dict[Contents, PairEvidence]:
    hashes = pa.concat_arrays(
        chunk for side in ("first", "second") for chunk in table[f"{side}_sha256"].chunks
    )
    if pc.count_distinct(hashes).as_py() > MOST_LOOKS:
        # Some of these had no look; which, the rows do not say.
        return {}
    # An earlier release kept rows in the variant's order: turned round they would be less exact.
    in_hash_order = pc.less_equal(table["first_sha256"], table["second_sha256"])
    return {
        (row["first_sha256"], row["second_sha256"]): evidence_from_row(
            row, {row["first_image_id"]: 0, row["second_image_id"]: 1}
        )
        for row in table.filter(in_hash_order).to_pylist()
    }


class _Stream:
    """One file of the state, by variant, forwards only."""

    def __init__(self, tables: Iterator[pa.Table], places: Mapping[str, int]) -> None:
        self._variants = _split_by_variant(tables)
        self._places = places
        self._next = next(self._variants, None)

    def take(self, place: int) -> pa.Table | None:
        """The rows of the unit's variant at a place; None if they are not there."""
        while self._next is not None and self._places[self._next[0]] < place:
            self._next = next(self._variants, None)
        if self._next is None or self._places[self._next[0]] != place:
            return None
        _, table = self._next
        self._next = next(self._variants, None)
        return table


def _split_by_variant(tables: Iterator[pa.Table]) -> Iterator[tuple[str, pa.Table]]:
    variant_id: str | None = None
    open_parts: list[pa.Table] = []  # of one variant, which may go on in the next row group
    for table in tables:
        start = 0
        for found, rows in itertools.groupby(table["variant_id"].to_pylist()):
            if variant_id is not None and found != variant_id:
                yield variant_id, pa.concat_tables(open_parts)
                open_parts = []
            variant_id = found
            length = sum(1 for _ in rows)
            open_parts.append(table.slice(start, length))
            start += length
    if variant_id is not None:
        yield variant_id, pa.concat_tables(open_parts)


def read_earlier_evidence(
    storage: Storage, settings: Settings, downloads_key: str
) -> tuple[EarlierEvidence, int]:
    """The evidence that the category's state has for a unit, and for how many images it has none.

    Those are the images of variants with a content that is new to them. A state that cannot be
    read, or of another release's evidence, is left out: then everything is decoded.
    """
    category_id, contents = _read_contents(storage, downloads_key)
    known: dict[str, set[str]] = {}
    images: Iterator[pa.Table] = iter(())
    evidence: Iterator[pa.Table] = iter(())
    if category_id is not None and _has_state(storage, category_id):
        state = functools.partial(
            _read_state,
            storage,
            category_id,
            pa.array(contents, pa.string()),
            feature_version(settings.detection),
        )
        known = _list_contents(state("images", _CONTENTS))
        images, evidence = state("images", _IMAGES), state("evidence", EVIDENCE)
    unknown = sum(
        len(listed)
        for variant_id, listed in contents.items()
        if not known.get(variant_id, set()).issuperset(listed)
    )
    return EarlierEvidence(settings, contents, images, evidence), unknown


def _read_contents(storage: Storage, downloads_key: str) -> tuple[int | None, dict[str, list[str]]]:
    """The unit's category, and the content hashes of each of its variants, in its order."""
    category_id: int | None = None
    contents: dict[str, list[str]] = {}
    columns = ("category_id", "variant_id", "content_sha256")
    for row in read_rows(storage, downloads_key, DOWNLOADED, columns):
        category_id = row["category_id"]
        listed = contents.setdefault(row["variant_id"], [])
        if row["content_sha256"] is not None:
            listed.append(row["content_sha256"])
    return category_id, contents


def _has_state(storage: Storage, category_id: int) -> bool:
    """Whether the category has a state that this release may judge from."""
    images_key, evidence_key = (
        layout.current(subject, category_id) for subject in ("images", "evidence")
    )
    if not (storage.exists(images_key) and storage.exists(evidence_key)):
        return False
    try:
        count_rows(storage, images_key)
        # Strictly: a figure that an earlier release did not keep would read as one that is None.
        next(read_row_groups(storage, evidence_key, EVIDENCE, ("variant_id",)), None)
    except SchemaError as error:
        logger.warning("earlier evidence left out: %s", error)
        return False
    return True


def _read_state(
    storage: Storage,
    category_id: int,
    variant_ids: pa.Array,
    version: str,
    subject: str,
    schema: pa.Schema,
) -> Iterator[pa.Table]:
    key = layout.current(subject, category_id)
    for table in read_state_tables(storage, key, schema, variant_ids):
        yield table.filter(pc.equal(table["feature_version"], version))


def _list_contents(tables: Iterator[pa.Table]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for table in tables:
        columns = (table[name].to_pylist() for name in ("variant_id", "content_sha256"))
        for variant_id, content in zip(*columns, strict=True):
            found.setdefault(variant_id, set()).add(content)
    return found
