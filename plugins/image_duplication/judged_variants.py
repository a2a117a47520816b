"""A category's state, one variant at a time with all that was judged of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from image_duplication import layout
from image_duplication.errors import SchemaError
from image_duplication.records import Role
from image_duplication.storage import Storage
from image_duplication.tables import FINDINGS, JUDGED, VERDICTS, Row, read_state


@dataclass(frozen=True, slots=True)
class JudgedVariant:
    """One variant: its verdict, its image rows as judged, and its findings."""

    variant_id: str
    verdict: Row
    images: list[Row]
    findings: list[Row]


def by_position(row: Row) -> tuple[bool, int, str]:
    """Sorts a variant's images as they are judged: by position, the last without one; then by id.

    Databases put those without a position first or last, as they please.
    """
    position = row["position"]
    return (position is None, position or 0, row["image_id"] or "")


def list_images(images: Iterable[Row]) -> list[Row]:
    """A variant's images as people see them: in the order of judgement; none if it has none."""
    return sorted((row for row in images if row["role"] != Role.ABSENT), key=by_position)


def number_images(listed: Sequence[Row]) -> dict[str, int]:
    """The number of each listed image, from 1, by its id.

    Of an id that is listed again, the row with a picture is the one that was judged.
    """
    numbers: dict[str, int] = {}
    for number, row in enumerate(listed, start=1):
        earlier = numbers.setdefault(row["image_id"], number)
        if row["content_sha256"] and not listed[earlier - 1]["content_sha256"]:
            numbers[row["image_id"]] = number
    return numbers


def join_judged_variants(storage: Storage, category_id: int) -> Iterator[JudgedVariant]:
    """The variants of a category's state, in its order; only one is in memory at a time.

    Raises SchemaError when its files do not belong together.
    """
    findings = _Alongside(read_state(storage, layout.current("findings", category_id), FINDINGS))
    verdicts = _Alongside(read_state(storage, layout.current("verdicts", category_id), VERDICTS))
    for variant_id, images in read_state(storage, layout.current("images", category_id), JUDGED):
        verdict = verdicts.take(variant_id)
        if not verdict:
            raise SchemaError(f"category {category_id}: variant {variant_id!r} has no verdict")
        yield JudgedVariant(variant_id, verdict[0], images, findings.take(variant_id))
    for subject, left in (("findings", findings), ("verdicts", verdicts)):
        if left.waiting is not None:
            raise SchemaError(
                f"category {category_id}: variant {left.waiting[0]!r} has {subject} but no images, "
                "or comes in another order there"
            )


class _Alongside:
    """A file that has some of another file's variants, in the same order."""

    def __init__(self, variants: Iterator[tuple[str, list[Row]]]) -> None:
        self._variants = variants
        self.waiting = next(variants, None)

    def take(self, variant_id: str) -> list[Row]:
        """The rows of a variant, if it is the next one here."""
        if self.waiting is None or self.waiting[0] != variant_id:
            return []
        rows = self.waiting[1]
        self.waiting = next(self._variants, None)
        return rows
