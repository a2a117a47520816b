"""A published category, its source and a store, for a removal to act on."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from image_duplication import layout
from image_duplication.records import DecisionOrigin, DecisionVerdict, Kind, RemovalKind
from image_duplication.removal.applying import apply_removal
from image_duplication.removal.image_proposal import propose_images
from image_duplication.removal.manifest import SCHEMAS, Proposal, read_proposal
from image_duplication.removal.outcome import RemovalOutcome
from image_duplication.removal.restoring import restore_removal
from image_duplication.removal.variant_proposal import propose_variants
from image_duplication.removal.writer import Writer
from image_duplication.settings import RemovalSettings, Settings
from image_duplication.source_rows import sign
from image_duplication.stages.publish import publish_run
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.decisions import Decision, Pair, record
from image_duplication.store.removals import approve
from image_duplication.tables import FINDINGS, Row, read_rows
from tests.catalogues import SQL_FOLDER, SourceDatabase
from tests.judged_rows import NOON, Unit, finish_unit, sha256, write_plan

REMOVAL = "a" * 32
OTHER_REMOVAL = "b" * 32
DAY = timedelta(days=1)
MORNING = datetime(2026, 3, 10, 9)  # noqa: DTZ001 - the store keeps UTC without a zone
_COLUMNS = ("variant_id", "image_id", "position", "image_url", "updated_at")


@dataclass
class World:
    """Everything that a removal touches. `writer_url` changes the source, as an account may."""

    storage: Storage
    settings: Settings
    store: Store
    database: SourceDatabase
    writer_url: str
    moment: datetime = MORNING
    runs: Iterator[int] = field(default_factory=itertools.count)

    def allow(self, **removal: Any) -> None:
        """Change settings of the section `removal`."""
        section = RemovalSettings(**(self.settings.removal.model_dump() | removal))
        self.settings = self.settings.model_copy(update={"removal": section})

    def now(self) -> datetime:
        """A clock that goes on by a second whenever it is looked at."""
        self.moment += timedelta(seconds=1)
        return self.moment

    # The catalogue ------------------------------------------------------------------------------

    def fill(self, variants: Sequence[Sequence[Row]]) -> None:
        """Fill the source with the rows that the variants were judged from."""
        for rows in variants:
            self.database.add_variant(rows[0]["variant_id"], rows[0]["category_id"])
            for row in rows:
                if row["image_id"] is not None:
                    self.database.add_image(
                        row["variant_id"],
                        row["image_id"],
                        position=row["position"],
                        image_url=row["image_url"],
                        updated_at=NOON.replace(tzinfo=None),
                    )
        self.database.fill()

    def publish(self, variants: Sequence[Sequence[Row]], *, category_id: int = 7) -> str:
        """Judge and publish a category, its signatures as the source has them."""
        run_id = f"run-{next(self.runs)}"
        unit = Unit(f"{category_id}/1", [self._sign(rows) for rows in variants])
        active = {category_id: [rows[0]["variant_id"] for rows in variants]}
        write_plan(self.storage, run_id, active, [unit])
        finish_unit(self.storage, self.settings, run_id, unit)
        publish_run(self.storage, self.settings, run_id=run_id)
        return run_id

    def _sign(self, rows: Sequence[Row]) -> list[Row]:
        category_id = str(rows[0]["category_id"])
        with self.database.source() as source:
            found = source.rows("variant_signatures", _COLUMNS, {"category_id": category_id})
            mine = [r for r in found if str(r["variant_id"]) == rows[0]["variant_id"]]
        return [{**row, "signature": sign(mine)} for row in rows]

    def start(self, *variants: Sequence[Row]) -> str:
        """Fill the source with the variants of category 7, and publish them."""
        self.fill(variants)
        return self.publish(variants)

    def active(self) -> set[tuple[str, str]]:
        """The active images of the source, as (variant_id, image_id)."""
        query = "SELECT variant_id, image_id FROM inb_images WHERE is_active = 1"
        return {(str(v), i) for v, i in self._fetch(query)}

    def active_variants(self) -> set[str]:
        query = "SELECT variant_id FROM inb_variants WHERE is_active = 1"
        return {str(v) for (v,) in self._fetch(query)}

    def _fetch(self, query: str) -> list[Any]:
        self.database.fill()
        engine = sa.create_engine(self.writer_url, poolclass=NullPool)
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    def writer(self) -> Writer:
        self.database.fill()
        return Writer("gem_staging_writer", self.writer_url, SQL_FOLDER)

    # Decisions ----------------------------------------------------------------------------------

    def findings(self, category_id: int = 7) -> list[Row]:
        return list(read_rows(self.storage, layout.current("findings", category_id), FINDINGS))

    def decide(
        self,
        verdict: DecisionVerdict,
        pairs: Iterable[tuple[str, str, str]] | None = None,
        *,
        category_id: int = 7,
    ) -> None:
        """Decide on findings, given as (variant, base, duplicate); on all when none is given."""
        chosen = None if pairs is None else set(pairs)
        found = [
            row
            for row in self.findings(category_id)
            if chosen is None
            or (row["variant_id"], row["base_image_id"], row["duplicate_image_id"]) in chosen
        ]
        assert found, "nothing to decide on"
        record(
            self.store,
            [
                Decision(
                    Pair.of(
                        row["category_id"],
                        row["variant_id"],
                        (row["base_sha256"], row["duplicate_sha256"]),
                        row["kinds"],
                    ),
                    verdict,
                    DecisionOrigin.REVIEW,
                    "reviewer",
                    MORNING,
                )
                for row in found
            ],
        )

    def confirm_all(self) -> None:
        self.decide(DecisionVerdict.CONFIRMED)

    # Removals -----------------------------------------------------------------------------------

    def propose(
        self,
        removal_id: str = REMOVAL,
        *,
        kind: RemovalKind = RemovalKind.IMAGES,
        category_ids: Sequence[int] = (7,),
        allow_unreviewed_identical: bool | None = None,
    ) -> Proposal:
        if kind is RemovalKind.VARIANTS:
            return propose_variants(
                self.storage,
                self.settings,
                self.store,
                removal_id=removal_id,
                category_ids=category_ids,
                proposed_by="proposer",
                now=self.now(),
            )
        return propose_images(
            self.storage,
            self.settings,
            self.store,
            removal_id=removal_id,
            category_ids=category_ids,
            proposed_by="proposer",
            allow_unreviewed_identical=allow_unreviewed_identical,
            now=self.now(),
        )

    def approve(self, removal_id: str = REMOVAL) -> None:
        """Approve, with the words that are asked for."""
        approve(
            self.store,
            removal_id,
            approved_by="approver",
            approved_at=self.now(),
            confirmation=read_proposal(self.storage, removal_id).asked_confirmation,
            require_second_person=True,
        )

    def manifest(self, removal_id: str = REMOVAL) -> list[Row]:
        kind = read_proposal(self.storage, removal_id).kind
        return list(read_rows(self.storage, layout.removal_manifest(removal_id), SCHEMAS[kind]))

    def listed(self, removal_id: str = REMOVAL) -> list[tuple[str, str]]:
        return [(row["variant_id"], row["image_id"]) for row in self.manifest(removal_id)]

    def apply(self, removal_id: str = REMOVAL, **choices: Any) -> RemovalOutcome:
        with self.writer() as writer:
            return apply_removal(
                self.storage,
                self.settings,
                self.store,
                writer,
                removal_id=removal_id,
                now=self.now,
                **{"is_dry": False, **choices},
            )

    def restore(self, removal_id: str = REMOVAL, *, is_dry: bool = False) -> RemovalOutcome:
        with self.writer() as writer:
            return restore_removal(
                self.settings,
                self.store,
                writer,
                removal_id=removal_id,
                restored_by="operator",
                note="wrong category",
                is_dry=is_dry,
                now=self.now,
            )

    def remove_all(self, removal_id: str = REMOVAL) -> RemovalOutcome:
        """Propose, approve and apply."""
        self.propose(removal_id)
        self.approve(removal_id)
        return self.apply(removal_id)


def as_identical(rows: list[Row], *image_ids: str) -> list[Row]:
    """Rows of a variant in which some images have the bytes of the first of them."""
    content = sha256(f"identical {rows[0]['variant_id']} {image_ids}")
    return [
        row
        if row["image_id"] not in image_ids
        else row | {"content_sha256": content, "kinds": row["kinds"] and [Kind.IDENTICAL]}
        for row in rows
    ]


def skipped(outcome: RemovalOutcome) -> dict[str, int]:
    """The rows of category 7 that were skipped, by reason."""
    return {r: n for c in outcome.categories for r, n in c.skipped.items()}


def left(outcome: RemovalOutcome) -> dict[str, int]:
    """The rows of category 7 that the restore left, by reason."""
    return {r: n for c in outcome.categories for r, n in c.left.items()}
