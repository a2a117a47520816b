"""Which categories the list shows, as its address says."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from image_duplication.store.standings import StandingOrder

PAGE_ROWS = 50


class CategoryQuery(BaseModel):
    """A search, an order and a page of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    search: str = Field("", max_length=255)
    """In the name, or the beginning of the id."""
    order: StandingOrder = StandingOrder.FINDINGS
    descending: bool = True
    page: int = Field(1, ge=1, le=1_000_000)
