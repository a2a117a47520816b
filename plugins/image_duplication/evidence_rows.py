"""Evidence as rows, and back: a changed threshold judges again without reading a pixel.

The schema follows the evidence's own fields, so that no figure can be left out.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from image_duplication.detection.evidence import PairEvidence
from image_duplication.tables import Row

_ARROW_TYPES: dict[Any, pa.DataType] = {
    # Doubles, for a figure that is rounded could fall on the other side of its threshold.
    float: pa.float64(),
    int: pa.int32(),
    bool: pa.bool_(),
    str: pa.string(),
}

_NOT_KEPT = frozenset({"first", "second", "is_same_content"})
"""Places differ from run to run, and the hashes say whether the contents are equal."""


@functools.cache
def _field_types(record: type) -> dict[str, Any]:
    hints = typing.get_type_hints(record)
    return {field.name: hints[field.name] for field in dataclasses.fields(record)}


def _arrow_type(hint: Any) -> pa.DataType:
    hint = _without_none(hint)
    if typing.get_origin(hint) is tuple:
        return pa.list_(_arrow_type(typing.get_args(hint)[0]))
    if dataclasses.is_dataclass(hint):
        fields = _field_types(typing.cast("type", hint))
        return pa.struct([(name, _arrow_type(inner)) for name, inner in fields.items()])
    return _ARROW_TYPES[hint]


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) in {types.UnionType, typing.Union}:
        (hint,) = (inner for inner in typing.get_args(hint) if inner is not types.NoneType)
    return hint


_FIGURES = {
    name: hint for name, hint in _field_types(PairEvidence).items() if name not in _NOT_KEPT
}

EVIDENCE = pa.schema(
    [
        ("category_id", pa.int64()),
        ("variant_id", pa.string()),
        ("first_image_id", pa.string()),
        ("second_image_id", pa.string()),
        ("first_sha256", pa.string()),
        ("second_sha256", pa.string()),
        ("feature_version", pa.string()),
        ("pixel_size", pa.int32()),  # to which difPy reduced the pictures
        *((name, _arrow_type(hint)) for name, hint in _FIGURES.items()),
    ]
)
"""A row per compared pair, matched or not; the figures are those of `PairEvidence`.

The first is the picture of the lower content hash, as pairs are compared: from that order the other
one is made exactly. Of equal contents it is the earlier picture.
"""


def evidence_to_row(
    pair: PairEvidence, first: Row, second: Row, *, feature_version: str, pixel_size: int
) -> Row:
    """A row of EVIDENCE; `first` and `second` are the judged rows of the two images, so ordered."""
    return {
        "category_id": first["category_id"],
        "variant_id": first["variant_id"],
        "first_image_id": first["image_id"],
        "second_image_id": second["image_id"],
        "first_sha256": first["content_sha256"],
        "second_sha256": second["content_sha256"],
        "feature_version": feature_version,
        "pixel_size": pixel_size,
        **{name: _to_plain(getattr(pair, name)) for name in _FIGURES},
    }


def evidence_from_row(row: Row, places: Mapping[str, int]) -> PairEvidence:
    """The evidence of a row of EVIDENCE, in its order; `places` are the variant's by image id."""
    return PairEvidence(
        first=places[row["first_image_id"]],
        second=places[row["second_image_id"]],
        is_same_content=row["first_sha256"] == row["second_sha256"],
        **{name: _from_plain(row[name], hint) for name, hint in _FIGURES.items()},
    )


def _to_plain(figure: Any) -> Any:
    if not dataclasses.is_dataclass(figure):
        return figure
    return {
        field.name: _to_plain(getattr(figure, field.name)) for field in dataclasses.fields(figure)
    }


def _from_plain(value: Any, hint: Any) -> Any:
    hint = _without_none(hint)
    if value is None:
        return None
    if typing.get_origin(hint) is tuple:
        return tuple(value)
    if dataclasses.is_dataclass(hint):
        record = typing.cast("type", hint)
        return record(
            **{
                name: _from_plain(value[name], inner)
                for name, inner in _field_types(record).items()
            }
        )
    return value
