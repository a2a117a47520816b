"""How a single picture's failure travels to the row that it becomes."""

from __future__ import annotations

from image_duplication.records import ReasonCode


class Refusal(Exception):  # noqa: N818 - it never leaves the package: it becomes a row, not an error
    """This picture cannot be had, for a reason of the closed list."""

    def __init__(self, reason: ReasonCode, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
