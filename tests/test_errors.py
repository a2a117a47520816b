"""The error tree, and the reason codes that decide what a retry may mend."""

from __future__ import annotations

import inspect
import re

import pytest

from image_duplication import errors
from image_duplication.errors import ImageDuplicationError, PermanentError, TransientError
from image_duplication.records import ReasonCode

CLASSES = [
    found
    for found in vars(errors).values()
    if inspect.isclass(found) and issubclass(found, ImageDuplicationError)
]


def test_error_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    drawn: list[tuple[str, str | None]] = []
    parents: list[str] = []
    for line in str(errors.__doc__).splitlines():
        name = re.match(r"^    (.*?)([A-Z]\w+Error)\b", line)
        if name is None:
            continue
        depth = len(name[1]) // 4
        parents = parents[:depth]
        drawn.append((name[2], parents[-1] if parents else None))
        parents.append(name[2])

    assert len(drawn) > 5
    assert drawn == [
        (one.__name__, None if one.__base__ is Exception else one.__base__.__name__)
        for one in sorted(CLASSES, key=lambda one: [name for name, _ in drawn].index(one.__name__))
    ]


@pytest.mark.parametrize(
    "error",
    [c for c in CLASSES if c not in {ImageDuplicationError, PermanentError, TransientError}],
    ids=lambda error: error.__name__,
)
def test_error_is_either_permanent_or_transient(error: type[ImageDuplicationError]) -> None:
    assert issubclass(error, PermanentError) != issubclass(error, TransientError)


def test_errors_of_the_file_system_and_the_project_stay_apart() -> None:
    assert not any(issubclass(error, OSError) for error in CLASSES)


@pytest.mark.parametrize(
    ("reason", "is_retryable"),
    [
        (ReasonCode.SERVER_FAILED, True),
        (ReasonCode.RATE_LIMITED, True),
        (ReasonCode.TIMED_OUT, True),
        (ReasonCode.NOT_FOUND, False),
        (ReasonCode.ADDRESS_NOT_ALLOWED, False),
        (ReasonCode.URL_MISSING, False),
        (ReasonCode.DECODE_FAILED, False),
    ],
)
def test_reason_code_says_whether_fetching_again_could_help(
    reason: ReasonCode, is_retryable: bool
) -> None:
    assert reason.is_retryable is is_retryable
