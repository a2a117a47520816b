"""Which parameters a run may have been given: Airflow takes any, known or not."""

from __future__ import annotations

from collections.abc import Iterable

from image_duplication.errors import ConfigurationError


def refuse_unknown(given: Iterable[str], known: Iterable[str]) -> None:
    """Raise ConfigurationError naming a parameter that no form asks for, and those that are."""
    expected = list(known)
    unknown = sorted(set(given) - set(expected))
    if unknown:
        raise ConfigurationError(
            f"run parameter {unknown[0]!r} is not known; expected {', '.join(expected)}"
        )
