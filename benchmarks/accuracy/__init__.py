"""Measures what detection finds and whom it accuses; `docs/accuracy.md` says how to read it."""

from __future__ import annotations
