"""What the maintenance may delete, on a disk and in object storage, and what it never does."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from image_duplication import layout
from image_duplication.errors import MissingArtefactError, StorageError
from image_duplication.pictures import archived_key
from image_duplication.records import (
    DecisionOrigin,
    DecisionVerdict,
    Kind,
    RemovalKind,
    RemovalState,
)
from image_duplication.removal.manifest import CategoryProposal
from image_duplication.removal.proposing import propose
from image_duplication.retention.known_files import find_kind, is_kept
from image_duplication.retention.planning import RetentionPlan, plan_retention
from image_duplication.retention.pruning import RetentionOutcome, prune_files
from image_duplication.settings import Settings
from image_duplication.stages.publish import publish_run
from image_duplication.storage import Storage
from image_duplication.store import removals
from image_duplication.store.database import Store
from image_duplication.store.decisions import Decision, Pair, record
from image_duplication.store.leases import Leases
from image_duplication.tables import Row, TableWriter
from tests.judged_rows import (
    Unit,
    downloaded_row,
    finish_unit,
    judged_variant,
    write_downloads,
    write_plan,
)

NOW = datetime.now(UTC)
REMOVAL = "0123456789abcdef" * 2


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def days_on(days: float) -> datetime:
    return NOW + timedelta(days=days)


@pytest.fixture
def storage(any_storage: Storage) -> Storage:
    return any_storage


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store("image_duplication_store", f"sqlite:///{tmp_path / 'store.db'}") as opened:
        yield opened


@dataclass
class World:
    """A storage root with published runs, and the maintenance of it."""

    storage: Storage
    settings: Settings
    store: Store
    active: frozenset[str] = frozenset()

    def publish(self, run_id: str, planned_at: datetime, variants: Sequence[list[Row]]) -> None:
        """A run of category 7 that judged some variants, published, its pictures archived."""
        unit = Unit("7/1", variants)
        active = [rows[0]["variant_id"] for rows in variants]
        write_plan(self.storage, run_id, {7: active}, [unit], planned_at=planned_at)
        finish_unit(self.storage, self.settings, run_id, unit)
        for rows in variants:
            for row in rows:
                self.storage.write_bytes(archived_key(row), content_of(row))
        publish_run(self.storage, self.settings, run_id=run_id)

    def plan_only(self, run_id: str, planned_at: datetime) -> None:
        write_plan(self.storage, run_id, {7: ["a"]}, planned_at=planned_at)

    def leases(self, owner: str) -> Leases:
        return Leases(self.store, owner=owner, run_id=owner, lasting=timedelta(hours=1))

    def plan(self, run_id: str, now: datetime) -> RetentionPlan:
        return plan_retention(self.storage, self.settings, self.store, **self._tools(run_id, now))

    def prune(self, run_id: str, now: datetime) -> RetentionOutcome:
        return prune_files(self.storage, self.settings, self.store, **self._tools(run_id, now))

    def maintain(self, run_id: str, now: datetime) -> RetentionOutcome:
        self.plan(run_id, now)
        return self.prune(run_id, now)

    def _tools(self, run_id: str, now: datetime) -> dict[str, Any]:
        owning = self.leases(f"maintenance {run_id}").owning
        is_active = self.active.__contains__
        return {"run_id": run_id, "owning": owning, "is_active": is_active, "now": now}

    def keys(self, folder: str) -> list[str]:
        return [file.key for file in self.storage.files(folder)]

    def run_folders(self) -> list[str]:
        return sorted({key.split("/")[1] for key in self.keys("runs")})

    def contents(self) -> dict[str, bytes]:
        """Every file but those of the maintenance itself."""
        roots = [name for name in self.storage.names("") if name != "retention"]
        return {key: self.storage.read_bytes(key) for root in roots for key in self.keys(root)}


@pytest.fixture
def world(storage: Storage, settings: Settings, store: Store) -> World:
    return World(storage, settings, store)


def variant(variant_id: str, *image_ids: str) -> list[Row]:
    return judged_variant(variant_id, [[image_id] for image_id in image_ids])


def content_of(row: Row) -> bytes:
    """The bytes of which `judged_variant` has stated hash and size."""
    return f"{row['variant_id']}{row['image_id']}".encode()


def picture(variant_id: str, image_id: str) -> Row:
    return downloaded_row(variant_id, image_id, 1, f"{variant_id}{image_id}".encode())


def counts(plan: RetentionPlan) -> dict[str, int]:
    return {kind: count.files for kind, count in plan.kinds.items() if count.files}


def deleted(outcome: RetentionOutcome) -> dict[str, int]:
    return {kind: count.files for kind, count in outcome.deleted.items() if count.files}


# Runs -------------------------------------------------------------------------------------------


@pytest.fixture
def runs(world: World) -> World:
    """Two published runs of one category, and others that were only planned, all but one old."""
    world.publish("older", ago(100), [variant("a", "1")])
    world.publish("newer", ago(90), [variant("a", "1", "2")])
    for run_id in ("failed", "running", "owning", "owning__sibling_1"):
        world.plan_only(run_id, ago(95))
    world.plan_only("young", ago(10))
    world.active = frozenset({"running"})
    world.leases("owning").take([8])
    return world


def test_old_run_folders_go_but_for_those_that_something_needs(runs: World) -> None:
    plan = runs.plan("m", NOW)
    outcome = runs.prune("m", NOW)

    assert runs.run_folders() == sorted(
        ["newer", "owning", "owning__sibling_1", "running", "young"]
    )
    assert deleted(outcome) == counts(plan)
    assert set(deleted(outcome)) == {"run_file"}
    assert plan.kept_runs == {"at_work": 3, "newest_published": 1, "young": 1}


def test_run_behind_a_category_stays_though_a_newer_one_was_published(world: World) -> None:
    world.publish("behind", ago(100), [variant("a", "1")])
    write_plan(world.storage, "newest", {7: ["a"]}, planned_at=ago(80))
    publish_run(world.storage, world.settings, run_id="newest")

    plan = world.plan("m", NOW)

    assert plan.kept_runs == {"behind_a_category": 1, "newest_published": 1}
    assert counts(plan) == {}


def test_older_run_can_still_be_published_after_the_maintenance(runs: World) -> None:
    runs.maintain("m", NOW)
    runs.publish("late", ago(92), [variant("a", "1")])

    assert runs.storage.read_json(layout.category_state(7))["run_id"] == "newer"


def test_dry_run_deletes_nothing_and_counts_files_and_bytes(runs: World) -> None:
    before = runs.contents()
    plan = runs.plan("m", NOW)

    assert runs.contents() == before
    sizes = [len(before[key]) for key in before if key.startswith(("runs/older/", "runs/failed/"))]
    assert (plan.kinds["run_file"].files, plan.kinds["run_file"].size_bytes) == (
        len(sizes),
        sum(sizes),
    )
    assert f"may be deleted: run_file {len(sizes)} files" in plan.describe()


def test_manifest_that_is_there_is_kept(runs: World) -> None:
    first = runs.plan("m", NOW)
    runs.plan_only("later found", ago(99))

    assert runs.plan("m", days_on(100)) == first


def test_deleting_without_a_manifest_is_refused(world: World) -> None:
    with pytest.raises(MissingArtefactError, match="manifest"):
        world.prune("m", NOW)


def test_run_that_started_work_since_the_plan_stays(runs: World) -> None:
    plan = runs.plan("m", NOW)
    runs.active |= {"failed"}
    outcome = runs.prune("m", NOW)

    assert "failed" in runs.run_folders()
    assert "older" not in runs.run_folders()
    assert outcome.left + deleted(outcome)["run_file"] == counts(plan)["run_file"]


def test_deleting_goes_on_after_a_kill(runs: World, monkeypatch: pytest.MonkeyPatch) -> None:
    total = counts(runs.plan("m", NOW))["run_file"]
    delete, calls = Storage.delete, iter(range(total))

    def dying(self: Storage, key: str) -> None:
        if next(calls) == 3:
            raise StorageError("killed")
        delete(self, key)

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "delete", dying)
        with pytest.raises(StorageError, match="killed"):
            runs.prune("m", NOW)
    outcome = runs.prune("m", NOW)

    assert outcome.gone > 0
    assert outcome.gone + deleted(outcome)["run_file"] == total
    assert "older" not in runs.run_folders()
    assert deleted(runs.prune("m", NOW)) == {}


# Pictures ---------------------------------------------------------------------------------------


@pytest.fixture
def replaced(world: World) -> World:
    """Variant `a` had picture 1, and now has 2 instead; `b` is as it was. Noted as unreferenced."""
    world.publish("first", ago(70), [variant("a", "1"), variant("b", "1")])
    world.publish("second", ago(65), [variant("a", "2"), variant("b", "1")])
    assert counts(world.plan("first seen", NOW)).get("archived") is None
    return world


OLD_PICTURE = archived_key(picture("a", "1"))
DUE = days_on(181)


def test_unreferenced_picture_goes_after_its_days_and_the_others_stay(replaced: World) -> None:
    plans = [replaced.plan(f"after {days}", days_on(days)) for days in (1, 179, 181)]

    assert [counts(plan).get("archived", 0) for plan in plans] == [0, 0, 1]
    outcome = replaced.prune("after 181", DUE)
    assert deleted(outcome)["archived"] == 1
    assert outcome.deleted["archived"].size_bytes == len("a1")
    assert replaced.keys("archive") == sorted(
        archived_key(picture(variant_id, image_id)) for variant_id, image_id in ("a2", "b1")
    )


def test_picture_that_is_referred_to_again_counts_its_days_anew(replaced: World) -> None:
    replaced.publish("third", ago(64), [variant("a", "1"), variant("b", "1")])
    replaced.plan("back", days_on(100))
    replaced.publish("fourth", ago(63), [variant("a", "2"), variant("b", "1")])
    replaced.plan("gone again", days_on(101))

    assert counts(replaced.plan("m", DUE)).get("archived") is None
    assert counts(replaced.plan("m2", days_on(282)))["archived"] == 1


def thumbnail_of(variant_id: str, image_id: str) -> str:
    return layout.thumbnail(7, picture(variant_id, image_id)["content_sha256"])


def test_thumbnail_goes_when_its_category_shows_the_picture_no_more(replaced: World) -> None:
    shown, gone = thumbnail_of("a", "2"), thumbnail_of("a", "1")
    for key in (shown, gone):
        replaced.storage.write_bytes(key, b"thumbnail")

    assert counts(replaced.plan("early", days_on(179))).get("thumbnail") is None
    assert counts(replaced.plan("m", DUE)).get("thumbnail") == 1
    assert deleted(replaced.prune("m", DUE))["thumbnail"] == 1
    assert replaced.keys("thumbnails") == [shown]


def test_thumbnail_stays_when_its_picture_is_shown_again_since_the_plan(replaced: World) -> None:
    replaced.storage.write_bytes(thumbnail_of("a", "1"), b"thumbnail")
    replaced.plan("m", DUE)
    replaced.publish("back", ago(1), [variant("a", "1"), variant("b", "1")])

    assert deleted(replaced.prune("m", DUE)).get("thumbnail", 0) == 0
    assert replaced.keys("thumbnails") == [thumbnail_of("a", "1")]


def propose_images(world: World, *, proposed_at: datetime = NOW) -> None:
    """A removal that names the old picture."""

    def write(manifest: TableWriter) -> list[CategoryProposal]:
        row = picture("a", "1")
        manifest.write(
            [
                {
                    **{name: row[name] for name in ("category_id", "variant_id", "image_id")},
                    **{name: row[name] for name in ("image_url", "position", "updated_at")},
                    "content_sha256": row["content_sha256"],
                    "keeper_image_id": "2",
                    "keeper_image_url": "https://assets-bg.gem.gov.in/a/2.jpg",
                    "keeper_updated_at": None,
                    "keeper_sha256": "0" * 64,
                    "kinds": [Kind.IDENTICAL],
                    "sentence": "same file",
                    "decision_id": None,
                }
            ]
        )
        return [CategoryProposal(7, "Chairs", 1, 3, False, 1, 0, {})]

    propose(
        world.storage,
        world.store,
        write,
        kind=RemovalKind.IMAGES,
        removal_id=REMOVAL,
        proposed_by="a person",
        max_share=1,
        now=proposed_at.replace(tzinfo=None),
    )


def apply_removal(world: World, applied_at: datetime) -> None:
    propose_images(world)
    moment = applied_at.replace(tzinfo=None)
    removals.approve(
        world.store,
        REMOVAL,
        approved_by="another",
        approved_at=moment,
        require_second_person=True,
    )
    removals.begin_applying(world.store, REMOVAL, began_at=moment, require_second_person=True)
    removals.finish_applying(world.store, REMOVAL, is_whole=True, finished_at=moment)


def restore(world: World) -> None:
    apply_removal(world, DUE)
    removals.begin_restoring(world.store, REMOVAL, restored_by="a person")
    removals.finish_restoring(world.store, REMOVAL, finished_at=DUE.replace(tzinfo=None))


def reject(world: World) -> None:
    propose_images(world)
    removals.reject(
        world.store, REMOVAL, rejected_by="another", rejected_at=NOW.replace(tzinfo=None)
    )


def propose_variant(world: World) -> None:
    """A removal of the variant that had the old picture."""

    def write(manifest: TableWriter) -> list[CategoryProposal]:
        manifest.write(
            [
                {
                    "category_id": 7,
                    "variant_id": "a",
                    "catalogue_id": "c",
                    "seller_id": "s",
                    "product_url": "u",
                    "verdict": "short_by_2",
                    "required": 3,
                    "distinct_usable": 1,
                    "signature": "s",
                    "judged_at": NOW,
                    "notice_id": 1,
                    "noticed_at": NOW,
                }
            ]
        )
        return [CategoryProposal(7, "Chairs", 1, 2, False, 1, 1, {})]

    propose(
        world.storage,
        world.store,
        write,
        kind=RemovalKind.VARIANTS,
        removal_id=REMOVAL,
        proposed_by="a person",
        max_share=1,
        now=NOW.replace(tzinfo=None),
    )


def decide(world: World, verdict: DecisionVerdict) -> None:
    hashes = (picture("a", "1")["content_sha256"], picture("a", "2")["content_sha256"])
    decision = Decision(
        pair=Pair.of(7, "a", hashes, [Kind.SAME_PICTURE]),
        verdict=verdict,
        origin=DecisionOrigin.REVIEW,
        decided_by="a person",
        decided_at=NOW.replace(tzinfo=None),
    )
    record(world.store, [decision])


def keep_a_run(world: World) -> None:
    """A run at work that downloaded the old picture."""
    write_plan(
        world.storage, "running", {7: ["a"]}, [Unit("7/1", [variant("a", "1")])], planned_at=ago(66)
    )
    write_downloads(world.storage, "running", "7/1", [picture("a", "1")])
    world.active = frozenset({"running"})


@pytest.mark.parametrize(
    "happens",
    [
        pytest.param(keep_a_run, id="run at work"),
        pytest.param(propose_images, id="pending removal"),
        pytest.param(propose_variant, id="pending removal of the variant"),
        pytest.param(lambda world: apply_removal(world, days_on(20)), id="removal to be undone"),
        pytest.param(lambda world: decide(world, DecisionVerdict.REJECTED), id="decision"),
    ],
)
def test_unreferenced_picture_stays_while_something_else_needs_it(
    replaced: World, happens: Callable[[World], None]
) -> None:
    happens(replaced)
    outcome = replaced.maintain("m", DUE)

    assert outcome.deleted["archived"].files == 0
    assert replaced.storage.exists(OLD_PICTURE)


@pytest.mark.parametrize(
    "happens",
    [
        pytest.param(reject, id="rejected removal"),
        pytest.param(restore, id="restored removal"),
        pytest.param(
            lambda world: propose_images(world, proposed_at=ago(190)), id="dry run of long ago"
        ),
        pytest.param(lambda world: apply_removal(world, ago(190)), id="removal of long ago"),
        pytest.param(lambda world: decide(world, DecisionVerdict.WITHDRAWN), id="withdrawn"),
    ],
)
def test_unreferenced_picture_goes_when_what_needed_it_is_over(
    replaced: World, happens: Callable[[World], None]
) -> None:
    happens(replaced)
    removal_files = replaced.keys("removals")
    replaced.maintain("m", DUE)

    assert not replaced.storage.exists(OLD_PICTURE)
    assert replaced.keys("removals") == removal_files


@pytest.mark.parametrize("is_deleting", [False, True], ids=["planning", "deleting"])
def test_category_that_a_run_works_on_is_left_alone(replaced: World, is_deleting: bool) -> None:
    if is_deleting:
        replaced.plan("m", DUE)
    replaced.leases("weekly").take([7])
    left = replaced.prune("m", DUE) if is_deleting else replaced.plan("m", DUE)

    assert "weekly" in left.categories_left_alone["7"]
    assert replaced.storage.exists(OLD_PICTURE)


def break_state(world: World) -> None:
    state = world.storage.read_json(layout.category_state(7))
    world.storage.write_json(layout.category_state(7), state | {"is_whole": False})


@pytest.mark.parametrize(
    "breaks",
    [
        pytest.param(break_state, id="not published to the end"),
        pytest.param(lambda world: world.storage.delete(layout.category_state(7)), id="no state"),
        pytest.param(
            lambda world: world.storage.delete(layout.current("evidence", 7)), id="no evidence"
        ),
        pytest.param(
            lambda world: world.storage.write_bytes(layout.current("images", 7), b"junk"),
            id="unreadable",
        ),
    ],
)
def test_category_whose_state_cannot_be_read_is_left_alone(
    replaced: World, breaks: Callable[[World], None]
) -> None:
    breaks(replaced)
    plan = replaced.plan("m", DUE)

    assert list(plan.categories_left_alone) == ["7"]
    assert "archived" not in counts(plan)


def test_picture_that_changed_or_is_needed_again_since_the_plan_stays(replaced: World) -> None:
    replaced.publish("third", ago(60), [variant("a", "2"), variant("b", "2")])
    replaced.plan("seen", NOW)
    assert counts(replaced.plan("m", DUE))["archived"] == 2
    decide(replaced, DecisionVerdict.CONFIRMED)
    other = archived_key(picture("b", "1"))
    replaced.storage.write_bytes(other, b"longer than before")

    outcome = replaced.prune("m", DUE)

    assert (outcome.deleted["archived"].files, outcome.left) == (0, 2)
    assert replaced.storage.exists(OLD_PICTURE)
    assert replaced.storage.exists(other)


# Other files ------------------------------------------------------------------------------------

STAGED = f"{layout.staging_folder('weekly', 7, 'a')}/1-0123456789abcdef.jpg"
PART = "reports/category=7/7_duplicates.csv.worker-12-3.part"


@pytest.mark.parametrize(
    ("key", "kind", "days"),
    [
        pytest.param(STAGED, "staged", 14, id="staged"),
        pytest.param(PART, "part", 2, id="part"),
        pytest.param("runs/weekly/units/7/1/x.parquet.a-1-2.part", "part", 2, id="part of a run"),
        pytest.param(layout.findings_history("weekly"), "history", 1_095, id="history"),
        pytest.param(layout.run_changes("weekly", "csv"), "history", 1_095, id="changes"),
        pytest.param(layout.retention_manifest("past"), "history", 1_095, id="past manifest"),
        pytest.param("runs/weekly/plan/units.parquet", "run_file", 60, id="run without a plan"),
    ],
)
def test_file_goes_once_it_is_old(world: World, key: str, kind: str, days: int) -> None:
    world.storage.write_bytes(key, b"content")

    assert counts(world.plan("before", days_on(days - 0.1))) == {}
    # The manifest and the record of the first maintenance are history too.
    found = {kind: 3 if kind == "history" else 1}
    assert counts(world.plan("after", days_on(days + 0.1))) == found
    world.prune("after", days_on(days + 0.1))
    assert not world.storage.exists(key)


def test_staged_picture_stays_while_a_run_is_at_work_that_may_have_staged_it(world: World) -> None:
    world.storage.write_bytes(STAGED, b"picture")
    world.plan_only("weekly", ago(1))
    world.active = frozenset({"weekly"})

    assert counts(world.plan("m", days_on(40))) == {}


UNKNOWN = (
    "archive/category=7/notes.txt",
    "archive/readme",
    "findings/old.parquet",
    "holiday/photo.jpg",
    "reports/mine.xlsx",
    "runs/older/units/7/1/deep/er.bin",
    "staging/leftover.jpg",
)


def test_unknown_files_are_reported_and_never_deleted(runs: World) -> None:
    for key in UNKNOWN:
        runs.storage.write_bytes(key, b"somebody's")
    plan = runs.plan("m", days_on(4_000))
    runs.prune("m", days_on(4_000))

    assert set(plan.unknown) == {*UNKNOWN, "holiday"} - {"holiday/photo.jpg"}
    assert plan.unknown_files == len(UNKNOWN)
    assert [key for key in UNKNOWN if not runs.storage.exists(key)] == []


@pytest.mark.parametrize("name", ["category=07", "category=²", "category=٧", "category="])
def test_folder_that_looks_like_a_category_is_reported(replaced: World, name: str) -> None:
    strays = [f"archive/{name}/x", f"verdicts/current/{name}/state.json"]
    for key in strays:
        replaced.storage.write_bytes(key, b"x")
    plan = replaced.plan("m", DUE)

    assert f"archive/{name}" in plan.unknown
    assert counts(plan)["archived"] == 1  # of category 7, listed once
    replaced.prune("m", DUE)
    assert all(replaced.storage.exists(key) for key in strays)


def test_state_reports_removals_and_store_stay_for_ever(replaced: World) -> None:
    propose_images(replaced)
    before = {key: content for key, content in replaced.contents().items() if is_kept(key)}
    replaced.maintain("m", days_on(10_000))

    after = replaced.contents()
    assert len(before) > 10
    assert {key: after.get(key) for key in before} == before


def places() -> list[str]:
    """A key of each place of the layout: made by each of its functions, called with examples."""
    examples: dict[str, Any] = {"category_id": 7, "unit_id": "7/1", "folder": "runs/weekly"}
    examples |= {"subject": "images", "content_sha256": "0" * 64}
    keys = []
    for name, place in inspect.getmembers(layout, inspect.isfunction):
        if name.startswith("_") or name == "run_folder":  # whose files other functions name
            continue
        key = place(*(examples.get(each, "json") for each in inspect.signature(place).parameters))
        is_folder = name in {"staging_folder", "archive_folder", "removal_folder"}
        keys.append(f"{key}/file" if is_folder else key)
    # What has no folder is a part of a key.
    return [key for key in keys if "/" in key]


@pytest.mark.parametrize("key", places())
def test_every_place_of_the_layout_is_known(key: str) -> None:
    assert find_kind(key) or is_kept(key)


def test_days_are_settings(world: World) -> None:
    world.plan_only("short", ago(20))
    retention = world.settings.retention.model_copy(update={"run_days": 14})
    world.settings = world.settings.model_copy(update={"retention": retention})

    assert counts(replace(world).plan("m", NOW))["run_file"] > 0


def test_removal_states_are_all_thought_of() -> None:
    from image_duplication.retention import archive

    pending = set(RemovalState) - archive._ENDED - archive._APPLIED
    assert pending == {"proposed", "approved", "applying", "restoring"}
