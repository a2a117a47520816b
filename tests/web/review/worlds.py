"""Published categories with real pictures, and the pages on them, for users of each sort."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.testclient import TestClient

from image_duplication.pictures import archived_key
from image_duplication.settings import Settings
from image_duplication.stages.publish import publish_run
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.standings import record_summary
from image_duplication.tables import Row
from image_duplication_web.access import Access, User, remember_user
from image_duplication_web.review.app import make_review_app
from image_duplication_web.review.requests import SIGN_HEADER
from image_duplication_web.review.sources import Sources
from tests.judged_rows import (
    NOON,
    Unit,
    draw_picture,
    encode,
    finish_unit,
    judged_variant,
    sha256,
    write_plan,
)

USER_HEADER = "X-Test-User"
PAGE = {"Accept": "text/html"}
SIGNED = {SIGN_HEADER: "review"}


def _named_user(request: Request) -> str:
    name = request.headers.get(USER_HEADER)
    if name is None:
        raise HTTPException(401, "Not authenticated")
    return name


def _viewer(request: Request) -> User:
    name = _named_user(request)
    if name == "stranger":
        raise HTTPException(403, "Forbidden")
    return remember_user(request, User(name, may_decide=name == "olga"))


def _operator(request: Request) -> User:
    if _named_user(request) != "olga":
        raise HTTPException(403, "Forbidden")
    return remember_user(request, User("olga", may_decide=True))


def _login_address(back: str) -> str:
    return f"/auth/login?next={back}"


BY_HEADER = Access(_viewer, _operator, _login_address)
"""Olga decides, Vera looks, a stranger may do neither; the real ones: tests/airflow."""


@dataclass
class ReviewWorld:
    """Storage and store that pages read, and the app."""

    storage: Storage
    settings: Settings
    store: Store
    app: FastAPI
    runs: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def client(self, user: str | None = "olga") -> TestClient:
        headers = {} if user is None else {USER_HEADER: user}
        return TestClient(self.app, headers=headers, follow_redirects=False)

    def decide(self, client: TestClient, category_id: int = 7, **body: Any) -> Any:
        return client.post(f"/categories/{category_id}/decisions", json=body, headers=SIGNED)

    def publish(
        self,
        variants: Sequence[Sequence[Row]],
        *,
        category_id: int = 7,
        name: str = "Chairs",
        planned_at: datetime = NOON,
        failed: Sequence[str] = (),
    ) -> str:
        """Judge and publish a category; `failed` are units of one variant each that did not end."""
        run_id = f"run-{next(self.runs)}"
        archived = [[self._archive(row) for row in rows] for rows in variants]
        units = [Unit(f"{category_id}/1", archived)]
        units += [
            Unit(unit_id, [judged_variant("never", [["z"]])], finished=1) for unit_id in failed
        ]
        active = {category_id: [rows[0]["variant_id"] for rows in archived]}
        write_plan(
            self.storage, run_id, active, units, planned_at=planned_at, names={category_id: name}
        )
        for unit in units:
            finish_unit(self.storage, self.settings, run_id, unit)
        try:
            publish_run(
                self.storage,
                self.settings,
                run_id=run_id,
                telling=lambda summary: record_summary(self.store, summary),
            )
        except Exception:
            if not failed:
                raise
        return run_id

    def _archive(self, row: Row) -> Row:
        if row["content_sha256"] is None:
            return row
        content = encode(draw_picture(int(row["content_sha256"][:8], 16)))
        row = row | {"content_sha256": sha256(content), "size_bytes": len(content)}
        self.storage.write_bytes(archived_key(row), content, durable=False)
        return row


def make_world(storage: Storage, settings: Settings, store: Store, store_url: str) -> ReviewWorld:
    sources = Sources(lambda _: Store("image_duplication_store", store_url))
    return ReviewWorld(storage, settings, store, make_review_app(BY_HEADER, sources))


def of_seller(rows: Sequence[Row], seller_id: str | None) -> list[Row]:
    return [row | {"seller_id": seller_id} for row in rows]


def failing(world: ReviewWorld, sources: Sources) -> ReviewWorld:
    """The same world seen by an app with other sources."""
    return replace(world, app=make_review_app(BY_HEADER, sources))
