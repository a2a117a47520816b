"""Every path below the storage root, and the safe names they are made of."""

from __future__ import annotations

import hashlib
import re
import uuid

_NAMESPACE = uuid.UUID("6f0dd5f3-2a53-5c1b-9d5e-6c1c0a7f5f1e")
_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_LOOKS_HASHED = re.compile(r".*-[0-9a-f]{16}")

EXTENSIONS = {
    "JPEG": "jpg",
    "MPO": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tif",
}
"""Pillow's format name to file extension, without the dot."""


def safe_name(identifier: str) -> str:
    """A file name for any identifier: [a-z0-9_-] only, at most 64 characters, no collisions.

    A plain identifier is kept as it is. Any other gets what is readable of it and 64 bits of its
    SHA-256; so does one that looks like such a name already, or differs from another by case only,
    which many file systems ignore.
    """
    if _PLAIN.fullmatch(identifier) and not _LOOKS_HASHED.fullmatch(identifier):
        return identifier
    digest = hashlib.sha256(identifier.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    readable = re.sub(r"[^a-z0-9]+", "-", identifier.lower()).strip("-")[:47].rstrip("-")
    return f"{readable or 'id'}-{digest}"


def _uuid(*parts: str) -> str:
    # The length before each part keeps ("1", "23") and ("12", "3") apart.
    return str(uuid.uuid5(_NAMESPACE, "".join(f"{len(part)}:{part}" for part in parts)))


# One run ----------------------------------------------------------------------------------------


def run_folder(run_id: str) -> str:
    """Everything that one run writes and no later run needs."""
    return f"runs/{safe_name(run_id)}"


def plan_record(run_id: str) -> str:
    """What was asked for and when; written last, so that its presence says the plan is whole."""
    return f"{run_folder(run_id)}/plan/plan.json"


def plan_record_of_folder(folder: str) -> str:
    """The same, where only the run's folder is known."""
    return f"{folder}/plan/plan.json"


def plan_units(run_id: str) -> str:
    """The run's work units."""
    return f"{run_folder(run_id)}/plan/units.parquet"


def plan_rejected(run_id: str) -> str:
    """Source rows that belong to no category."""
    return f"{run_folder(run_id)}/plan/rejected.parquet"


def plan_variants(run_id: str, category_id: int) -> str:
    """One category's active variants in source order, with what is due."""
    return f"{run_folder(run_id)}/plan/category={category_id}/variants.parquet"


def unit_file(run_id: str, unit_id: str, name: str) -> str:
    """A hand-off of one unit, e.g. name `downloads.parquet`."""
    return f"{run_folder(run_id)}/units/{unit_id}/{name}"


def stage_record(run_id: str, unit_id: str, stage: str) -> str:
    """What a finished stage did to one unit; its presence says that the stage finished."""
    return unit_file(run_id, unit_id, f"{stage}.json")


def run_summary(run_id: str, extension: str) -> str:
    """The summary of a run, as `json` or `txt`."""
    return f"{run_folder(run_id)}/summary.{extension}"


def found_findings(run_id: str, category_id: int) -> str:
    """The findings of a category as a run found them, before it replaced any."""
    return f"{run_folder(run_id)}/publish/category={category_id}/found.parquet"


def settled_variants(run_id: str, category_id: int) -> str:
    """The variants of a category that a run judged, or found to have left."""
    return f"{run_folder(run_id)}/publish/category={category_id}/settled.parquet"


def carried_decisions(run_id: str, category_id: int) -> str:
    """The decisions of a category that a run carried over to changed pictures."""
    return f"{run_folder(run_id)}/publish/category={category_id}/carried.json"


# Pictures ---------------------------------------------------------------------------------------


def staging_folder(run_id: str, category_id: int, variant_id: str) -> str:
    """A variant's own folder for one run: unique, plain characters, the same on a retry."""
    return f"staging/{_uuid(run_id, str(category_id), variant_id)}"


def archive_folder(category_id: int, variant_id: str) -> str:
    """A variant's folder for the long term, the same in every run."""
    return f"archive/category={category_id}/{_uuid(str(category_id), variant_id)}"


def picture_name(image_id: str, content_sha256: str, picture_format: str) -> str:
    """A picture's file name; the content hash in it tells versions of one image apart."""
    extension = EXTENSIONS.get(picture_format, picture_format.lower())
    return f"{safe_name(image_id)}-{content_sha256[:16]}.{extension}"


# Across runs ------------------------------------------------------------------------------------


def current(subject: str, category_id: int) -> str:
    """The latest state of a category; subject: images, evidence, findings or verdicts."""
    return f"{subject}/current/category={category_id}/{subject}.parquet"


def category_state(category_id: int) -> str:
    """Which run a category's current files come from; written after them."""
    return f"verdicts/current/category={category_id}/state.json"


def category_index() -> str:
    """The names of all categories that were ever published, by id."""
    return "verdicts/current/categories.json"


def findings_history(run_id: str) -> str:
    """The findings of the variants that one run judged, sorted by category and variant."""
    return f"findings/history/run={safe_name(run_id)}.parquet"


def run_changes(run_id: str, extension: str) -> str:
    """New, repeated and resolved findings of one run, as `csv` or `parquet`.

    Not in the run's folder: it outlives it.
    """
    return f"reports/runs/run={safe_name(run_id)}/changes.{extension}"


def report(category_id: int, subject: str) -> str:
    """A category's CSV; subject: duplicates, summary or compliance."""
    return f"reports/category={category_id}/{category_id}_{subject}.csv"


def gallery(category_id: int) -> str:
    """A category's findings as a page to look at."""
    return f"reports/category={category_id}/{category_id}.html"


def run_page(run_id: str) -> str:
    """What a run found, as a page to look at. Not in the run's folder: it outlives it."""
    return f"reports/runs/run={safe_name(run_id)}/index.html"


def thumbnail(category_id: int, content_sha256: str) -> str:
    """A small copy of an archived picture, the same for equal bytes of one category."""
    return f"thumbnails/category={category_id}/{content_sha256}.jpg"


def extract_csv(category_id: int) -> str:
    """A category's source rows as CSV."""
    return f"extract/{category_id}.csv"


# Notices ----------------------------------------------------------------------------------------


def notices_folder(run_id: str) -> str:
    """What one run of notices says to sellers."""
    return f"notices/{safe_name(run_id)}"


def noticed_variants(run_id: str) -> str:
    """The variants that a run of notices is about, by category."""
    return f"{notices_folder(run_id)}/variants.parquet"


def settled_notices(run_id: str) -> str:
    """The earlier notices that a run of notices settles."""
    return f"{notices_folder(run_id)}/settled.parquet"


def notices_record(run_id: str) -> str:
    """What a run of notices was asked; its presence says that its two lists are whole."""
    return f"{notices_folder(run_id)}/notices.json"


def seller_notice(run_id: str, seller_id: str | None, extension: str) -> str:
    """One seller's notice, as `csv` or `html`; variants without a seller share one."""
    folder = "without_seller" if seller_id is None else f"seller={safe_name(seller_id)}"
    return f"{notices_folder(run_id)}/{folder}/notice.{extension}"


def noticed_sellers(run_id: str) -> str:
    """A row per seller of a run of notices; written last."""
    return f"{notices_folder(run_id)}/sellers.csv"


# Retention --------------------------------------------------------------------------------------


def retention_manifest(run_id: str) -> str:
    """The files that one run of the maintenance may delete, and no others."""
    return f"retention/runs/{safe_name(run_id)}/manifest.parquet"


def retention_record(run_id: str, subject: str) -> str:
    """What was planned or done, in counts; subject: plan or outcome."""
    return f"retention/runs/{safe_name(run_id)}/{subject}.json"


def unreferenced_pictures(category_id: int) -> str:
    """Archived pictures of a category that nothing refers to, and since when."""
    return f"retention/unreferenced/category={category_id}.parquet"


# Decisions and removals ---------------------------------------------------------------------------


def decision_file(name: str) -> str:
    """Decisions that people have written into a report; `name` without a folder."""
    return f"decisions/{name}"


def removal_id_of(run_id: str) -> str:
    """The id of the removal that a run proposes, 32 hexadecimal digits: the same on a retry."""
    return _uuid("removal", run_id).replace("-", "")


def removal_folder(removal_id: str) -> str:
    """What a removal acts on; kept for as long as it may be undone."""
    return f"removals/{safe_name(removal_id)}"


def removal_manifest(removal_id: str) -> str:
    """The rows that a removal deactivates, and no others."""
    return f"{removal_folder(removal_id)}/manifest.parquet"


def removal_listing(removal_id: str) -> str:
    """The manifest's rows for people to read; nothing acts on it."""
    return f"{removal_folder(removal_id)}/manifest.csv"


def removal_short_variants(removal_id: str) -> str:
    """The variants that show too few pictures, with the removal or without it."""
    return f"{removal_folder(removal_id)}/short_variants.parquet"


def removal_record(removal_id: str) -> str:
    """What was proposed, in counts; written last, so that its presence says it is whole."""
    return f"{removal_folder(removal_id)}/proposal.json"
