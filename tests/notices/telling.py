"""Runs of notices in a world, and what they leave."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from image_duplication import layout
from image_duplication.notices.listing import Listing, list_short_variants, read_noticed
from image_duplication.notices.pages import write_pages
from image_duplication.notices.recording import Recorded, record_listing
from image_duplication.tables import Row
from tests.removal.worlds import World

RUN = "manual__2026-03-10T09:00:00+00:00"


@dataclass(frozen=True, slots=True)
class Told:
    """One run of notices, done to its end."""

    world: World
    listing: Listing
    recorded: Recorded

    def rows(self) -> list[Row]:
        return [row for _, mine in read_noticed(self.world.storage, self.listing) for row in mine]

    def variants(self) -> list[str]:
        return [row["variant_id"] for row in self.rows()]

    def row(self, variant_id: str) -> Row:
        (found,) = [row for row in self.rows() if row["variant_id"] == variant_id]
        return found

    def files(self) -> dict[str, bytes]:
        """Every file of the run, by its path below the run's folder."""
        folder = Path(self.world.storage.path(layout.notices_folder(self.listing.run_id)))
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    def page(self, seller_id: str | None = "seller-1") -> Page:
        key = layout.seller_notice(self.listing.run_id, seller_id, "html")
        return Page.parse(self.world.storage.read_bytes(key).decode())

    def csv(self, seller_id: str | None = "seller-1") -> list[dict[str, str]]:
        return self._read_csv(layout.seller_notice(self.listing.run_id, seller_id, "csv"))

    def sellers(self) -> list[dict[str, str]]:
        return self._read_csv(layout.noticed_sellers(self.listing.run_id))

    def _read_csv(self, key: str) -> list[dict[str, str]]:
        text = self.world.storage.read_bytes(key).decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text)))


def tell(
    world: World,
    run_id: str = RUN,
    *,
    category_ids: Iterable[int] = (7,),
    is_dry: bool = False,
) -> Told:
    """List, write and record, as the DAG does."""
    listing = list_short_variants(
        world.storage,
        world.settings,
        world.store,
        run_id=run_id,
        category_ids=category_ids,
        is_dry=is_dry,
        now=world.now(),
    )
    write_pages(world.storage, world.settings, run_id=run_id)
    return Told(world, listing, record_listing(world.storage, world.store, run_id=run_id))


_VOID = {"meta", "input", "img", "br", "link"}


@dataclass
class Page:
    """A page as a browser reads it: its elements, and the text of each language."""

    elements: list[tuple[str, dict[str, str | None]]]
    texts: list[tuple[str | None, str]]  # language, text

    @classmethod
    def parse(cls, text: str) -> Page:
        """Read a page; every element that is opened has to be closed, in order."""
        parser = _Parser()
        parser.feed(text)
        parser.close()
        assert parser.open == [], "elements are left open"
        return cls(parser.elements, parser.texts)

    def tags(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]

    def addresses(self) -> list[str | None]:
        return [attributes.get("href") for attributes in self.tags("a")]

    def says(self, language: str | None) -> str:
        """All text in a language; None: what stands outside of any."""
        return "\n".join(text for found, text in self.texts if found == language)


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str | None, str]] = []
        self.open: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag not in _VOID:
            inherited = next(self._languages(), None)
            # The page's own language is only that of its title.
            own = attributes.get("lang") if tag != "html" else None
            self.open.append((tag, own or inherited))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if text and self.open and self.open[-1][0] not in {"style", "title"}:
            self.texts.append((next(self._languages(), None), text))

    def _languages(self) -> Iterator[str]:
        return (language for _, language in reversed(self.open) if language)
