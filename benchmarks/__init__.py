"""Commands that measure the pipeline; `docs/benchmarks.md` says how to read their figures."""

from __future__ import annotations
