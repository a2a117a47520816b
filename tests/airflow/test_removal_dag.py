"""The DAG image_duplicate_removal under a real scheduler, on a real MariaDB, answered by users.

One Airflow for all; each test has a category of its own, published by hand.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
import yaml
from rich.console import Console

from demo.airflow_home import PROJECT
from demo.image_server import running_image_server
from demo.mariadb import MariaDbServer
from demo.standalone import StandaloneAirflow, running_standalone
from image_duplication import layout
from image_duplication.records import DecisionVerdict, RemovalState
from image_duplication.settings import INCLUDE_VARIABLE, load_settings
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.leases import now_in_utc
from image_duplication.store.notices import record_notices
from image_duplication.store.removal_rows import count_rows
from image_duplication.store.removals import Removal, find_removal, read_removal
from tests.airflow.receivers import Webhook, running_webhook, wait_until
from tests.catalogues import SourceDatabase
from tests.removal.served_pictures import picture_name, serve_variant
from tests.removal.worlds import World
from tests.store.conftest import drop_tables

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

DAG = "/api/v2/dags/image_duplicate_removal"
PROPOSER, APPROVER = "admin", "approver"
APPROVAL = "approve_removal"
STEP_TIMEOUT_S = 240.0
_MOMENT_S = 3.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A running Airflow, its users logged in, and what its removals act on."""

    airflow: StandaloneAirflow
    tokens: dict[str, str]
    world: World
    webhook: Webhook
    include: Path
    served: Path
    image_base: str

    # Airflow ------------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None, *, user: str = PROPOSER) -> Any:
        answer = requests.request(
            method,
            f"{self.airflow.address}{DAG}/{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.tokens[user]}"},
            timeout=60,
        )
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def start(self, run_id: str, **conf: Any) -> None:
        body = {"logical_date": None, "dag_run_id": run_id, "conf": conf}
        self.call("POST", "dagRuns", body)

    def propose(self, run_id: str, category_id: int, **conf: Any) -> None:
        """Start a run that is no dry run, and wait until it asks."""
        self.start(run_id, **{"category_ids": [category_id], "dry_run": False, **conf})
        self.wait_until_asked(run_id)

    def tasks(self, run_id: str) -> dict[str, dict[str, Any]]:
        found = self.call("GET", f"dagRuns/{run_id}/taskInstances")["task_instances"]
        return {one["task_id"]: one for one in found}

    def states(self, run_id: str) -> dict[str, str]:
        return {task_id: str(one["state"]) for task_id, one in self.tasks(run_id).items()}

    def wait_for_task(self, run_id: str, task_id: str, *states: str) -> None:
        wait_until(
            lambda: self.states(run_id).get(task_id) in states,
            STEP_TIMEOUT_S,
            f"task {task_id} of run {run_id} is not {states}",
        )

    def question(self, run_id: str) -> dict[str, Any]:
        path = f"dagRuns/{run_id}/taskInstances/{APPROVAL}/-1/hitlDetails"
        found: dict[str, Any] = self.call("GET", path)
        return found

    def is_asked(self, run_id: str) -> bool:
        is_waiting = self.states(run_id).get(APPROVAL) == "awaiting_input"
        return is_waiting and not self.question(run_id)["response_received"]

    def wait_until_asked(self, run_id: str) -> None:
        wait_until(lambda: self.is_asked(run_id), STEP_TIMEOUT_S, f"run {run_id} does not ask")

    def answer(self, run_id: str, option: str, *, user: str = APPROVER, **fields: Any) -> None:
        """Answer, and wait until it is taken or asked for again.

        An answer within a moment of the question may be lost: Airflow has not yet noted that the
        task waits, takes it for dead and tries it again. Then it is given once more.
        """
        path = f"dagRuns/{run_id}/taskInstances/{APPROVAL}/-1/hitlDetails"
        body = {"chosen_options": [option], "params_input": fields}
        while True:
            tries = self.tasks(run_id)[APPROVAL]["try_number"]
            time.sleep(_MOMENT_S)
            self.call("PATCH", path, body, user=user)
            wait_until(
                lambda: self.is_asked(run_id) or self.states(run_id)[APPROVAL] == "success",
                STEP_TIMEOUT_S,
                f"the answer to run {run_id} is not taken",
            )
            task = self.tasks(run_id)[APPROVAL]
            if task["state"] == "success" or task["try_number"] == tries:
                return

    def wait_for_end(self, run_id: str) -> dict[str, str]:
        """The states of the run's tasks, once it has ended, the run's own as `run`."""

        def state() -> str:
            return str(self.call("GET", f"dagRuns/{run_id}")["state"])

        wait_until(
            lambda: state() in {"success", "failed"}, STEP_TIMEOUT_S, f"run {run_id} does not end"
        )
        return self.states(run_id) | {"run": state()}

    def outcome(self, run_id: str, task_id: str = "apply_removal") -> dict[str, Any]:
        path = f"dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        value = self.call("GET", path)["value"]
        found: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
        return found

    def clear(self, run_id: str, task_id: str, *, downstream: bool = False) -> None:
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": [task_id],
            "include_downstream": downstream,
            "only_failed": False,
        }
        self.call("POST", "clearTaskInstances", body)

    def refusals(self, run_id: str) -> list[str]:
        """Why answers were not accepted, as the alerts say."""
        return [
            one.body["what"]
            for one in self.webhook.posted
            if "not accepted" in one.body["subject"] and one.body["subject"].endswith(run_id)
        ]

    # The catalogue and the store ----------------------------------------------------------------

    @contextlib.contextmanager
    def setting(self, **removal: Any) -> Iterator[None]:
        """Other settings of the section `removal`, for the tasks that start meanwhile."""
        path = self.include / "config" / "settings.yaml"
        text = path.read_text()
        settings = yaml.safe_load(text)
        settings["removal"] |= removal
        path.write_text(yaml.safe_dump(settings))
        try:
            yield
        finally:
            path.write_text(text)

    def publish(self, category_id: int, variants: int = 3, *, confirmed: bool = True) -> None:
        """Variants that show `a`, its copy `b`, and `c`, `d`; their findings confirmed."""
        self.publish_groups(category_id, [[["a", "b"], ["c"], ["d"]]] * variants)
        if confirmed:
            self.world.decide(DecisionVerdict.CONFIRMED, category_id=category_id)

    def publish_groups(self, category_id: int, variants: Sequence[Sequence[Sequence[str]]]) -> None:
        """A category of variants, each given as its groups of equal pictures."""
        judged = [
            serve_variant(
                self.served, self.image_base, str(100 * category_id + number), groups, category_id
            )
            for number, groups in enumerate(variants)
        ]
        self.world.fill(judged)
        self.world.publish(judged, category_id=category_id)

    def active(self, category_id: int) -> set[str]:
        """The active images of a category, as `<number of the variant>/<image>`."""
        return {
            f"{int(variant) % 100}/{image}"
            for variant, image in self.world.active()
            if int(variant) // 100 == category_id
        }

    def removal(self, run_id: str) -> Removal:
        return read_removal(self.world.store, layout.removal_id_of(run_id))


def images(variants: int, names: str) -> set[str]:
    return {f"{number}/{name}" for number in range(variants) for name in names}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, mariadb: MariaDbServer) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("removal")
    include = folder / "include"
    shutil.copytree(PROJECT / "include", include)
    served = folder / "served"
    served.mkdir()
    drop_tables(mariadb.url("writer"))
    database = SourceDatabase(mariadb.url("reader"), mariadb.url("writer"))
    database.create_tables()
    with (
        running_webhook() as webhook,
        running_image_server(served) as server,
        running_standalone(
            folder,
            source_uri=mariadb.airflow_uri(),
            image_base=server.base_url,
            console=Console(quiet=True),
            extra={
                INCLUDE_VARIABLE: str(include),
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{PROPOSER}:admin,{APPROVER}:op",
                "AIRFLOW_CONN_GEM_STAGING_WRITER": mariadb.airflow_uri("writer"),
                "AIRFLOW_CONN_IMAGE_DUPLICATION_ALERTS_WEBHOOK": f"http://127.0.0.1:{webhook.port}/",
            },
        ) as airflow,
        Store("image_duplication_store", f"sqlite:///{airflow.data}/store/store.db") as store,
    ):
        world = World(
            Storage(str(airflow.data)), load_settings(), store, database, mariadb.url("writer")
        )
        passwords = json.loads(
            (folder / "airflow" / "simple_auth_manager_passwords.json.generated").read_text()
        )
        tokens = {user: log_in(airflow, user, passwords[user]) for user in (PROPOSER, APPROVER)}
        yield Scene(airflow, tokens, world, webhook, include, served, server.base_url)


def log_in(airflow: StandaloneAirflow, user: str, password: str) -> str:
    answer = requests.post(
        f"{airflow.address}/auth/token",
        json={"username": user, "password": password},
        timeout=60,
    )
    answer.raise_for_status()
    token: str = answer.json()["access_token"]
    return token


def test_dry_run_says_what_would_go_and_changes_nothing(scene: Scene) -> None:
    scene.publish(41)
    scene.start("dry", category_ids=[41])
    states = scene.wait_for_end("dry")

    assert states == {
        "propose_removal": "success",
        "approve_removal": "skipped",
        "apply_removal": "success",
        "restore_removal": "skipped",
        "run": "success",
    }
    outcome = scene.outcome("dry")
    assert (outcome["is_dry"], outcome["applied"], outcome["skipped"]) == (True, 3, 0)
    assert scene.active(41) == images(3, "abcd")
    assert scene.removal("dry").state is RemovalState.PROPOSED


def test_approved_removal_is_applied_recorded_repeated_and_undone(scene: Scene) -> None:
    scene.publish(42)
    with scene.setting(max_share=0.25):
        scene.propose("approved", 42, note="agreed with sales")
        question = scene.question("approved")
        scene.answer("approved", "Approve", note="looked at all")
        states = scene.wait_for_end("approved")

    assert question["subject"] == "Deactivate 3 images of 1 categories?"
    assert "| 3 | 12 | 25.0% | 3 |" in question["body"]
    assert "agreed with sales" in question["body"]
    assert states["apply_removal"] == states["run"] == "success"
    assert scene.active(42) == images(3, "acd")
    removal = scene.removal("approved")
    assert removal.state is RemovalState.APPLIED
    assert (removal.proposed_by, removal.decided_by) == (PROPOSER, APPROVER)
    assert removal.decision_note == "looked at all"
    assert removal.decided_at is not None

    # All of it again: nothing is asked, nothing changes, not even a row that became active since.
    scene.world.database.execute("UPDATE inb_images SET is_active = 1 WHERE variant_id = 4200")
    first = scene.outcome("approved")
    scene.clear("approved", "propose_removal", downstream=True)
    scene.wait_for_task("approved", "propose_removal", "running", "success")
    assert scene.wait_for_end("approved")["run"] == "success"
    assert scene.outcome("approved") == first
    assert scene.removal("approved") == removal
    assert scene.active(42) == images(3, "acd") | {"0/b"}

    # Undone: first dry.
    undo = {"mode": "restore", "removal_id": removal.removal_id, "note": "wrong category"}
    scene.start("undo-dry", **undo)
    assert scene.wait_for_end("undo-dry")["run"] == "success"
    would = scene.outcome("undo-dry", "restore_removal")
    assert (would["is_dry"], would["restored"], would["left"]) == (True, 2, 1)
    assert scene.active(42) == images(3, "acd") | {"0/b"}
    scene.start("undo", **undo, dry_run=False)
    states = scene.wait_for_end("undo")
    assert (states["restore_removal"], states["apply_removal"]) == ("success", "skipped")
    assert scene.active(42) == images(3, "abcd")
    restored = scene.removal("approved")
    assert restored.state is RemovalState.RESTORED
    assert (restored.restored_by, restored.restore_note) == (PROPOSER, "wrong category")


def test_answer_that_does_not_suffice_is_refused_and_asked_for_again(scene: Scene) -> None:
    scene.publish(43)
    scene.propose("above", 43)
    words = "remove 3 of 12"
    assert words in scene.question("above")["body"]
    wrong: list[tuple[str, dict[str, Any]]] = [
        (PROPOSER, {"confirmation": words}),
        (APPROVER, {}),
        (APPROVER, {"confirmation": "remove 3 of 13"}),
        (APPROVER, {"confirmed": words}),
    ]
    for user, fields in wrong:
        scene.answer("above", "Approve", user=user, **fields)
        assert scene.removal("above").state is RemovalState.PROPOSED
    scene.answer("above", "Approve", confirmation=words, note="")
    assert scene.wait_for_end("above")["run"] == "success"

    refused = scene.refusals("above")
    assert len(refused) == len(wrong)
    for refusal, reason in zip(
        refused,
        ["may not approve it too", "received None", "received 'remove 3 of 13'", "'confirmed'"],
        strict=True,
    ):
        assert reason in refusal
    assert scene.active(43) == images(3, "acd")
    removal = scene.removal("above")
    assert (removal.decided_by, removal.typed_confirmation) == (APPROVER, words)


def test_rejected_removal_is_not_applied(scene: Scene) -> None:
    scene.publish(44)
    scene.propose("rejected", 44)
    scene.answer("rejected", "Reject", note="b is the better picture")
    states = scene.wait_for_end("rejected")

    assert (states[APPROVAL], states["apply_removal"]) == ("success", "skipped")
    assert states["run"] == "success"
    assert scene.active(44) == images(3, "abcd")
    removal = scene.removal("rejected")
    assert (removal.state, removal.decided_by) == (RemovalState.REJECTED, APPROVER)
    assert removal.decision_note == "b is the better picture"

    # Nor when its tasks are cleared: they do not ask again.
    scene.clear("rejected", APPROVAL, downstream=True)
    scene.wait_for_task("rejected", APPROVAL, "running", "success")
    assert scene.wait_for_end("rejected")["apply_removal"] == "skipped"
    assert scene.active(44) == images(3, "abcd")


def test_removal_that_nobody_decides_on_in_time_is_not_applied(scene: Scene) -> None:
    scene.publish(45)
    with scene.setting(approval_days=5 / timedelta(days=1).total_seconds()):
        scene.start("late", category_ids=[45], dry_run=False)
        states = scene.wait_for_end("late")

    assert (states["apply_removal"], states["run"]) == ("skipped", "success")
    assert scene.removal("late").state is RemovalState.TIMED_OUT
    assert scene.active(45) == images(3, "abcd")


def test_row_or_picture_that_changed_after_the_proposal_is_skipped_and_the_others_go(
    scene: Scene,
) -> None:
    scene.publish(46)
    with scene.setting(max_share=1):
        scene.propose("partly", 46)
        scene.world.database.execute(
            "UPDATE inb_images SET image_url = 'https://assets-bg.gem.gov.in/new.jpg' "
            "WHERE variant_id = 4601 AND image_id = 'b'"
        )
        # Another picture under the address that was judged.
        shutil.copy(
            scene.served / picture_name("4602", "d"), scene.served / picture_name("4602", "b")
        )
        scene.answer("partly", "Approve")
        assert scene.wait_for_end("partly")["run"] == "success"

    (category,) = scene.outcome("partly")["categories"]
    assert category["applied"] == 1
    assert category["skipped"] == {"content_changed": 1, "row_changed": 1}
    assert scene.removal("partly").state is RemovalState.PARTLY_APPLIED
    assert scene.active(46) == images(3, "acd") | {"1/b", "2/b"}


def test_removal_killed_in_the_middle_goes_on_when_it_is_cleared(scene: Scene) -> None:
    scene.publish(47, variants=5)
    removal_id = layout.removal_id_of("killed")
    engine = sa.create_engine(scene.world.writer_url)
    with scene.setting(max_share=1, batch_rows=1):
        scene.propose("killed", 47)
        with engine.connect() as holder:
            # The work waits at its third batch for as long as another program holds the row.
            holder.execute(
                sa.text("SELECT * FROM inb_images WHERE variant_id = 4702 FOR UPDATE")
            ).all()
            scene.answer("killed", "Approve")
            wait_until(
                lambda: count_rows(scene.world.store, removal_id).total() == 2,
                STEP_TIMEOUT_S,
                "the removal does not reach its third batch",
            )
            os.kill(scene.tasks("killed")["apply_removal"]["pid"], signal.SIGKILL)
            scene.wait_for_task("killed", "apply_removal", "up_for_retry")
            holder.rollback()
        assert scene.active(47) == images(5, "abcd") - {"0/b", "1/b"}
        scene.clear("killed", "apply_removal")
        scene.wait_for_task("killed", "apply_removal", "success")
        assert scene.wait_for_end("killed")["run"] == "success"
    engine.dispose()

    outcome = scene.outcome("killed")
    assert (outcome["state"], outcome["applied"], outcome["skipped"]) == ("applied", 5, 0)
    assert scene.active(47) == images(5, "acd")


def test_variants_that_stay_short_are_deactivated_and_given_back(scene: Scene) -> None:
    scene.publish_groups(48, [[["a", "b"], ["c"]], [["a", "b"], ["c"]], [["a"], ["b"], ["c"]]])
    record_notices(
        scene.world.store,
        48,
        [("4800", "seller-1")],
        noticed_at=now_in_utc() - timedelta(days=15),
    )
    record_notices(scene.world.store, 48, [("4801", "seller-1")], noticed_at=now_in_utc())

    def active() -> set[str]:
        return {one for one in scene.world.active_variants() if one.startswith("48")}

    with scene.setting(max_share=1):
        scene.propose("variants", 48, mode="variants")
        assert "1 notice_not_over" in scene.question("variants")["body"]
        scene.answer("variants", "Approve", note="told twice")
        assert scene.wait_for_end("variants")["run"] == "success"
    assert active() == {"4801", "4802"}
    removal = scene.removal("variants")
    assert (removal.kind, removal.state) == ("variants", RemovalState.APPLIED)

    scene.start(
        "variants-undo",
        mode="restore",
        removal_id=removal.removal_id,
        note="new pictures",
        dry_run=False,
    )
    assert scene.wait_for_end("variants-undo")["run"] == "success"
    assert active() == {"4800", "4801", "4802"}


def test_removal_of_nothing_asks_nobody(scene: Scene) -> None:
    scene.publish(49, confirmed=False)
    scene.start("nothing", category_ids=[49], dry_run=False)
    states = scene.wait_for_end("nothing")

    assert states == {
        "propose_removal": "success",
        "approve_removal": "skipped",
        "apply_removal": "skipped",
        "restore_removal": "skipped",
        "run": "success",
    }


def test_parameters_that_do_not_fit_together_fail_with_their_names(scene: Scene) -> None:
    scene.start("unsaid", mode="restore", dry_run=False)
    states = scene.wait_for_end("unsaid")

    assert states["run"] == "failed"
    assert set(states.values()) <= {"failed", "upstream_failed"}
    assert find_removal(scene.world.store, layout.removal_id_of("unsaid")) is None
