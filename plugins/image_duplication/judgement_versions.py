"""Versions of what a judgement rests on: how evidence is computed, and how it is judged."""

from __future__ import annotations

import hashlib
from typing import Any

from image_duplication.records import Engine
from image_duplication.settings import DetectionSettings

_FEATURES = 7
"""Raised whenever the code computes evidence in another way."""

_RULES = 6
"""Raised whenever the code judges equal evidence in another way."""


_NOT_JUDGED_BY: Any = {"difpy": {"pixel_size"}, "processes": True, "task_slots": True}


def feature_version(settings: DetectionSettings) -> str:
    """How evidence is computed: evidence of equal versions may be judged together."""
    engines = "+".join(engine for engine in Engine if engine in settings.engines)
    return f"{_FEATURES}-px{settings.difpy.pixel_size}-{engines}"


def threshold_version(settings: DetectionSettings) -> str:
    """How evidence is judged: equal for equal engines and thresholds."""
    # The order in which engines are named changes nothing.
    engines = tuple(engine for engine in Engine if engine in settings.engines)
    named = settings.model_copy(update={"engines": engines})
    judged_by = named.model_dump_json(exclude=_NOT_JUDGED_BY)
    return f"{_RULES}-{hashlib.sha256(judged_by.encode()).hexdigest()[:12]}"
