"""Which kind of file a key names; what matches nothing here is never deleted."""

from __future__ import annotations

import re

from image_duplication import layout
from image_duplication.records import RetentionKind

_NAME = r"[a-z0-9][a-z0-9_-]*"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_CATEGORY = r"category=[0-9]+"
_CATEGORY_NAME = re.compile(r"category=(0|[1-9][0-9]*)")

_PRUNABLE = {
    # Of files that are being written, as `storage` names them.
    RetentionKind.PART: r".+\.[^/]+-\d+-\d+\.part",
    RetentionKind.RUN_FILE: rf"runs/{_NAME}/"
    rf"(?:plan/(?:{_CATEGORY}/)?[^/]+|units/\d+/\d+/[^/]+|publish/{_CATEGORY}/[^/]+|summary\.\w+)",
    RetentionKind.STAGED: rf"staging/{_UUID}/[^/]+",
    RetentionKind.ARCHIVED: rf"archive/{_CATEGORY}/{_UUID}/[^/]+",
    RetentionKind.THUMBNAIL: rf"thumbnails/{_CATEGORY}/[0-9a-f]{{64}}\.jpg",
    RetentionKind.HISTORY: rf"findings/history/run={_NAME}\.parquet"
    rf"|reports/runs/run={_NAME}/[^/]+|retention/runs/{_NAME}/[^/]+",
}
_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _PRUNABLE.items()}

_KEPT = (
    "decisions/",
    "evidence/",
    "extract/",
    "findings/current/",
    "images/",
    "notices/",
    "removals/",
    "reports/category=",
    "retention/unreferenced/",
    "store/",
    "verdicts/",
)
"""Where everything stays for good, but for what a killed writer left."""

ROOTS = (
    "archive",
    "decisions",
    "evidence",
    "extract",
    "findings",
    "images",
    "notices",
    "removals",
    "reports",
    "retention",
    "runs",
    "staging",
    "store",
    "thumbnails",
    "verdicts",
)
"""The folders directly below the storage root."""


def find_kind(key: str) -> RetentionKind | None:
    """The kind of file that may be deleted when it is old; None: not one of them."""
    for kind, pattern in _PATTERNS.items():
        if pattern.fullmatch(key):
            return kind
    return None


def category_of(name: str) -> int | None:
    """The category that a folder's name stands for; None for any that the layout never gives."""
    found = _CATEGORY_NAME.fullmatch(name)
    return int(found[1]) if found else None


def is_kept(key: str) -> bool:
    """Whether it is a known place of files that stay."""
    return key.startswith(_KEPT)


def is_plan_record(key: str) -> bool:
    """Whether it is the record of a run's plan."""
    return key == layout.plan_record_of_folder(run_folder_of(key))


def run_folder_of(key: str) -> str:
    """The folder of a run's file."""
    return "/".join(key.split("/")[:2])
