"""Versions of what a judgement rests on: how evidence is computed, and how it is judged."""

from __future__ import annotations

import hashlib

from image_duplication.settings import DetectionSettings

_FEATURES = 1
"""Raised whenever the code computes evidence in another way."""

_RULES = 1
"""Raised whenever the code judges equal evidence in another way."""


def feature_version(settings: DetectionSettings) -> str:
    """How evidence is computed: evidence of equal versions may be judged together."""
    return f"{_FEATURES}-px{settings.difpy.pixel_size}"


def threshold_version(settings: DetectionSettings) -> str:
    """How evidence is judged: equal for equal engines and thresholds."""
    judged_by = settings.model_dump_json(
        include={"engines": True, "difpy": {"similarity_mse", "same_dimensions"}}
    )
    return f"{_RULES}-{hashlib.sha256(judged_by.encode()).hexdigest()[:12]}"
