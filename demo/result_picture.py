"""`python -m demo.result_picture`: the README's picture, drawn from what the last demo run found.

Shows, for each verdict that the run gave, the variant with the most to see: its pictures in their
order, how each was judged, and the verdict.
"""

from __future__ import annotations

import sys
import textwrap
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont, ImageOps

from demo.airflow_home import PROJECT
from demo.run import FOLDER
from image_duplication import layout
from image_duplication.detection import decode
from image_duplication.pictures import archived_key
from image_duplication.records import Role, Verdict
from image_duplication.settings import load_settings
from image_duplication.storage import Storage
from image_duplication.tables import JUDGED, VERDICTS, Row, read_rows, read_variants

TARGET = PROJECT / "docs" / "images" / "result.png"

_ROWS = 4
_COLUMNS = 5
_WIDTH_PX = 1200
_MARGIN_PX = 32
_HEAD_PX = 122
_SIDE_PX = 168
_GAP_PX = 14
_FRAME_PX = 5
_CAPTION_PX = 76
_CAPTION_LETTERS = 20
_ROW_PX = 40 + _SIDE_PX + _CAPTION_PX + 22

_PAPER = "#ffffff"
_INK = "#1f2933"
_FAINT = "#5f6b7a"
_LINE = "#d9dee5"
_BASE = "#1d6fd1"
_DUPLICATE = "#e07a00"
_DIFFERENT = "#c3cad3"
_UNJUDGED = "#f1f3f6"
_KEEP = "#1a8a4a"
_VERDICT_COLOURS = {
    Verdict.SHORT: "#c62f2f",
    Verdict.UNDECIDED: "#8a6d00",
    Verdict.COMPLIANT: "#1a8a4a",
}
_ORDER = tuple(_VERDICT_COLOURS)


@dataclass(frozen=True, slots=True)
class ShownVariant:
    """A variant as the picture shows it: its verdict, its judged images by position."""

    verdict: Row
    images: tuple[Row, ...]

    @property
    def duplicates(self) -> int:
        """How many of its images were found to repeat an earlier one."""
        return sum(row["role"] == Role.DUPLICATE for row in self.images)

    @property
    def interest(self) -> tuple[int, int, int]:
        """What makes one variant more worth showing than another of the same verdict."""
        kinds = {kind for row in self.images for kind in row["kinds"]}
        return (len(kinds), self.duplicates, len(self.images))

    def position_of(self, image_id: str) -> int:
        """The position, from 1, of one of its images."""
        return [row["image_id"] for row in self.images].index(image_id) + 1

    def is_in_group(self, image: Row) -> bool:
        """Whether another image of the variant shows the same picture."""
        bases = [row["base_image_id"] for row in self.images]
        return image["base_image_id"] is not None and bases.count(image["base_image_id"]) > 1


def choose_variants(storage: Storage, category_ids: list[int]) -> list[ShownVariant]:
    """Of each verdict the variant with the most to see, then of other categories; short first."""
    found: list[ShownVariant] = []
    for category_id in category_ids:
        verdicts = {
            row["variant_id"]: row
            for row in read_rows(storage, layout.current("verdicts", category_id), VERDICTS)
        }
        key = layout.current("images", category_id)
        for variant_id, rows in read_variants(storage, key, JUDGED):
            images = sorted(rows, key=lambda row: (row["position"] or 0, row["image_id"] or ""))
            shown = ShownVariant(verdicts[variant_id], tuple(images[:_COLUMNS]))
            if shown.duplicates:
                found.append(shown)
    # Stable, so that among equals the first of the catalogue is shown.
    found.sort(key=lambda shown: shown.interest, reverse=True)
    first_of_verdict = {shown.verdict["verdict"]: shown for shown in reversed(found)}
    chosen = [shown for shown in found if shown in first_of_verdict.values()]
    seen = {shown.verdict["category_id"] for shown in chosen}
    for shown in found:
        if shown.verdict["category_id"] not in seen:
            chosen.append(shown)
            seen.add(shown.verdict["category_id"])
    chosen = chosen[:_ROWS]
    return sorted(chosen, key=lambda shown: _ORDER.index(_word(shown.verdict)))


def _word(verdict: Row) -> Verdict:
    """The verdict without the number of pictures that are missing."""
    return Verdict(str(verdict["verdict"]).partition("_by_")[0])


def draw_result(storage: Storage, variants: list[ShownVariant]) -> Image.Image:
    """The whole picture: a heading with the legend, then a row for each variant."""
    sheet = Image.new("RGB", (_WIDTH_PX, _HEAD_PX + len(variants) * _ROW_PX), _PAPER)
    pen = ImageDraw.Draw(sheet)
    _write(pen, (_MARGIN_PX, 24), "What a run of the demo found", 32, _INK)
    _draw_legend(pen, 80)
    for number, shown in enumerate(variants):
        top = _HEAD_PX + number * _ROW_PX
        pen.line((_MARGIN_PX, top, _WIDTH_PX - _MARGIN_PX, top), _LINE, 1)
        _draw_variant(sheet, pen, storage, shown, top + 12)
    return sheet


def _draw_legend(pen: ImageDraw.ImageDraw, top: int) -> None:
    left = _MARGIN_PX
    for colour, text in (
        (_BASE, "base: first of its group"),
        (_DUPLICATE, "duplicate of the base"),
        (_DIFFERENT, "a different picture"),
    ):
        pen.rectangle((left, top, left + 22, top + 22), _PAPER, colour, 4)
        _write(pen, (left + 32, top), text, 19, _FAINT)
        left += 32 + round(_font(19).getlength(text)) + 30
    width = _draw_tag(pen, (left, top - 1), "keep")
    _write(pen, (left + width + 10, top), "the one to retain", 19, _FAINT)


def _draw_variant(
    sheet: Image.Image,
    pen: ImageDraw.ImageDraw,
    storage: Storage,
    shown: ShownVariant,
    top: int,
) -> None:
    verdict = shown.verdict
    # The bundled font has Latin letters only; the demo's names are "English / Hindi".
    category = str(verdict["category_name"]).partition(" / ")[0]
    title = f"Variant {verdict['variant_id']}  ·  {category}"
    _write(pen, (_MARGIN_PX, top), title, 21, _INK)
    top += 34
    for place, image in enumerate(shown.images):
        left = _MARGIN_PX + place * (_SIDE_PX + _GAP_PX)
        _draw_image(sheet, pen, storage, image, (left, top))
        if shown.is_in_group(image):
            colour = _DUPLICATE if image["role"] == Role.DUPLICATE else _BASE
            pen.rectangle(_frame(left, top), outline=colour, width=_FRAME_PX)
            if image["keeper_image_id"] == image["image_id"]:
                _draw_tag(pen, (left + 10, top + 10), "keep")
        else:
            pen.rectangle(_frame(left, top), outline=_DIFFERENT, width=1)
        lines = _caption(shown, image, place + 1)
        for line, text in enumerate(lines):
            colour = _INK if line == 0 else _FAINT
            _write(pen, (left, top + _SIDE_PX + 8 + 22 * line), text, 17, colour)
    _draw_verdict(pen, verdict, top)


def _draw_image(
    sheet: Image.Image,
    pen: ImageDraw.ImageDraw,
    storage: Storage,
    image: Row,
    corner: tuple[int, int],
) -> None:
    if image["role"] == Role.UNJUDGED:
        pen.rectangle(_frame(*corner), _UNJUDGED)
        centre = (corner[0] + _SIDE_PX // 2, corner[1] + _SIDE_PX // 2)
        pen.text(centre, "no picture", _FAINT, _font(17), anchor="mm")
        return
    settings = load_settings().download
    picture = decode(
        storage.read_bytes(archived_key(image)),
        formats=settings.formats,
        max_pixels=settings.max_pixels,
    )
    side = (_SIDE_PX, _SIDE_PX)
    sheet.paste(ImageOps.pad(picture, side, Image.Resampling.LANCZOS, color=_PAPER), corner)


def _frame(left: int, top: int) -> tuple[int, int, int, int]:
    return (left, top, left + _SIDE_PX - 1, top + _SIDE_PX - 1)


def _caption(shown: ShownVariant, image: Row, position: int) -> list[str]:
    if image["role"] == Role.DUPLICATE:
        base = shown.position_of(image["base_image_id"])
        kinds = textwrap.wrap(", ".join(image["kinds"]), _CAPTION_LETTERS)
        return [f"{position}  same as {base}", *kinds]
    if image["role"] == Role.UNJUDGED:
        return [f"{position}  not judged", str(image["reason_code"])]
    return [f"{position}  {'base' if shown.is_in_group(image) else 'different'}"]


def _draw_verdict(pen: ImageDraw.ImageDraw, verdict: Row, top: int) -> None:
    left = _MARGIN_PX + _COLUMNS * (_SIDE_PX + _GAP_PX) + 8
    code = str(verdict["verdict"])
    colour = _VERDICT_COLOURS[_word(verdict)]
    width = round(_font(21).getlength(code)) + 28
    pen.rounded_rectangle((left, top + 4, left + width, top + 44), 8, colour)
    pen.text((left + width / 2, top + 24), code, "white", _font(21), anchor="mm")
    lines = [f"{verdict['distinct_usable']} different,", f"{verdict['required']} required"]
    if verdict["redundant"]:
        lines.append(f"{verdict['redundant']} redundant")
    if verdict["unjudged"]:
        lines.append(f"{verdict['unjudged']} not judged")
    for line, text in enumerate(lines):
        _write(pen, (left, top + 58 + 24 * line), text, 19, _INK)


def _draw_tag(pen: ImageDraw.ImageDraw, corner: tuple[int, int], text: str) -> int:
    """A small label with white letters; its width in px."""
    width = round(_font(17).getlength(text)) + 16
    left, top = corner
    pen.rounded_rectangle((left, top, left + width, top + 25), 5, _KEEP)
    pen.text((left + width / 2, top + 12), text, "white", _font(17), anchor="mm")
    return width


def _write(
    pen: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, size: int, colour: str
) -> None:
    pen.text(corner, text, colour, _font(size))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def main() -> int:
    data = FOLDER / "data"
    storage = Storage(str(data))
    runs = storage.names("runs")
    if not runs:
        print(f"There is no demo run below {data}; run `make demo` first.", file=sys.stderr)
        return 1
    summary = storage.read_json(f"runs/{runs[-1]}/summary.json")
    category_ids = [category["category_id"] for category in summary["categories"]]
    picture = draw_result(storage, choose_variants(storage, category_ids))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    picture.save(TARGET, optimize=True)
    size_kb = TARGET.stat().st_size // 1000
    print(f"{TARGET.relative_to(PROJECT)}: {picture.width} x {picture.height} px, {size_kb} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
