"""Alerts on their way: real mail and real requests, and when publish_run and a failed run tell."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from demo.image_server import running_image_server
from image_duplication import layout
from image_duplication.alerts import Alert, Severity
from image_duplication.errors import PermanentError, StorageError, UnitsFailedError
from image_duplication.settings import Settings
from image_duplication.storage import Storage
from image_duplication.store.database import Store
from image_duplication.store.standings import read_run_trend
from image_duplication.summary import RunSummary
from image_duplication.tables import CHANGES, write_rows
from tests.airflow.conftest import point_at, run_dag
from tests.airflow.receivers import (
    MailServer,
    Webhook,
    running_mail_server,
    running_webhook,
)
from tests.airflow.small_catalogue import fill_small_catalogue

EMAIL = "AIRFLOW_CONN_IMAGE_DUPLICATION_ALERTS_EMAIL"
SLACK = "AIRFLOW_CONN_IMAGE_DUPLICATION_ALERTS_SLACK"
WEBHOOK = "AIRFLOW_CONN_IMAGE_DUPLICATION_ALERTS_WEBHOOK"
ALERT = Alert(
    subject="[image_duplication] high: run is late, run <weekly> & 1",
    what="The run was to be finished by 08:30.",
    where="DAG image_duplication, run <weekly> & 1",
    link="http://localhost:8080/dags/image_duplication/runs/weekly",
    runbook="docs/runbook.md#the-run-is-late",
    severity=Severity.HIGH,
)
# Nothing that the tests connect to would take these.
SECRET_PATH = "T0123/B0123/verysecret"


@pytest.fixture(autouse=True)
def _only_own_connections(airflow_database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (EMAIL, SLACK, WEBHOOK):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with running_mail_server() as server:
        yield server


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with running_webhook() as server:
        yield server


def send(caplog: pytest.LogCaptureFixture, alert: Alert = ALERT) -> int:
    from image_duplication_airflow.alerting import send_alert

    with caplog.at_level(logging.INFO):
        return send_alert(alert)


def test_mail_arrives_with_subject_and_body(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(
        EMAIL, mail_server.uri(to="a@example.com, b@example.com", from_email="z@example.com")
    )

    assert send(caplog) == 1

    (mail,) = mail_server.mails
    assert mail.sender == "z@example.com"
    assert mail.receivers == ("a@example.com", "b@example.com")
    assert mail.subject == ALERT.subject
    assert mail.text.strip() == ALERT.render_body().strip()


def test_mail_goes_to_the_login_when_no_receiver_is_named(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connection = json.loads(mail_server.uri()) | {"login": "ops@example.com"}
    monkeypatch.setenv(EMAIL, json.dumps(connection))

    assert send(caplog) == 1

    assert mail_server.mails[0].receivers == ("ops@example.com",)
    assert mail_server.mails[0].sender == "ops@example.com"


@pytest.mark.parametrize(
    ("extra", "missing"),
    [({"from_email": "z@example.com"}, "no receivers"), ({"to": "a@example.com"}, "no sender")],
    ids=["receivers", "sender"],
)
def test_mail_connection_without_an_address_is_named_in_the_log(
    mail_server: MailServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    extra: dict[str, str],
    missing: str,
) -> None:
    monkeypatch.setenv(EMAIL, mail_server.uri(**extra))

    assert send(caplog) == 0

    assert f"'image_duplication_alerts_email' names {missing}" in caplog.text


def test_webhook_gets_every_field(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(WEBHOOK, f"http://robot:key@127.0.0.1:{webhook.port}/hooks/alerts")

    assert send(caplog) == 1

    (posted,) = webhook.posted
    assert posted.path == "/hooks/alerts"
    assert posted.authorization == "Basic cm9ib3Q6a2V5"
    assert posted.body == ALERT.to_json()


def test_slack_gets_a_text_with_its_three_characters_escaped(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(SLACK, f"http://127.0.0.1:{webhook.port}/{SECRET_PATH}")

    assert send(caplog) == 1

    (posted,) = webhook.posted
    assert posted.path == f"/{SECRET_PATH}"
    assert set(posted.body) == {"text"}
    assert "run &lt;weekly&gt; &amp; 1" in posted.body["text"]
    assert ALERT.link in posted.body["text"]


@pytest.mark.parametrize(
    "connection",
    [
        pytest.param(
            {"conn_type": "generic", "password": "http://127.0.0.1:{port}/a?key=1"},
            id="as the password",
        ),
        pytest.param(
            {"conn_type": "http", "host": "http://127.0.0.1", "port": "{port}", "schema": "a"},
            id="host with its scheme",
        ),
    ],
)
def test_address_may_be_given_in_other_fields(
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    connection: dict[str, str],
) -> None:
    filled = {name: value.format(port=webhook.port) for name, value in connection.items()}
    monkeypatch.setenv(WEBHOOK, json.dumps(filled))

    assert send(caplog) == 1

    assert webhook.posted[0].path in {"/a?key=1", "/a"}


def test_alert_goes_through_every_channel_that_is_defined(
    mail_server: MailServer,
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(EMAIL, mail_server.uri(to="a@example.com", from_email="z@example.com"))
    monkeypatch.setenv(SLACK, f"http://127.0.0.1:{webhook.port}/slack")
    monkeypatch.setenv(WEBHOOK, f"http://127.0.0.1:{webhook.port}/any")

    assert send(caplog) == 3

    assert len(mail_server.mails) == 1
    assert sorted(posted.path for posted in webhook.posted) == ["/any", "/slack"]


def test_one_warning_says_which_connections_may_be_defined_when_none_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert send(caplog) == 0

    (record,) = [r for r in caplog.records if r.name == "image_duplication_airflow.alerting"]
    assert record.levelno == logging.WARNING
    for name in ("email", "slack", "webhook"):
        assert f"image_duplication_alerts_{name}" in record.getMessage()
    assert ALERT.what in record.getMessage()


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({EMAIL: "smtp://127.0.0.1:1/?to=a%40b.in&from_email=c%40d.in"}, id="no mail"),
        pytest.param({SLACK: f"http://127.0.0.1:1/{SECRET_PATH}"}, id="no server"),
        pytest.param({SLACK: f'{{"password": "http://[{SECRET_PATH}"}}'}, id="no url"),
        pytest.param({SLACK: f"ftp://127.0.0.1:1/{SECRET_PATH}"}, id="another scheme"),
    ],
)
def test_broken_channel_is_logged_without_secrets_and_stops_no_other(
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    broken: dict[str, str],
) -> None:
    for name, uri in broken.items():
        monkeypatch.setenv(name, uri)
    monkeypatch.setenv(WEBHOOK, f"http://127.0.0.1:{webhook.port}/alerts")

    assert send(caplog) == 1

    assert len(webhook.posted) == 1
    errors = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "image_duplication_alerts_" in errors[0]
    assert "verysecret" not in caplog.text


@pytest.mark.parametrize("status", [302, 403, 500])
def test_refusal_is_logged_with_its_status_and_not_followed(
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    webhook.status = status
    monkeypatch.setenv(SLACK, f"http://127.0.0.1:{webhook.port}/{SECRET_PATH}")

    assert send(caplog) == 0

    assert f"answered {status}" in caplog.text
    assert len(webhook.posted) == 1
    assert "verysecret" not in caplog.text


def test_refused_receiver_is_logged_without_what_the_server_said(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mail_server.refused.add("a@example.com")
    monkeypatch.setenv(EMAIL, mail_server.uri(to="a@example.com", from_email="z@example.com"))

    assert send(caplog) == 0

    assert "SMTPRecipientsRefused" in caplog.text
    assert "secret server" not in caplog.text


def test_link_is_the_runs_page(monkeypatch: pytest.MonkeyPatch) -> None:
    from image_duplication_airflow.alerting import page_of

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/team/")

    page = page_of("image_duplication", "manual__2026-01-04T00:00:00+00:00")

    assert page.link == (
        "https://airflow.example/team/dags/image_duplication/runs/"
        "manual__2026-01-04T00%3A00%3A00%2B00%3A00"
    )


# When publish_run tells ---------------------------------------------------------------------------


@dataclass
class FakeTask:
    """A task instance as far as alerting asks it."""

    task_id: str = "publish_run"
    states: dict[str, str] = field(default_factory=dict)
    pushed: dict[str, Any] = field(default_factory=dict)
    is_dumb: bool = False

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value

    def xcom_pull(self, task_ids: str, key: str) -> Any:
        if self.is_dumb:
            raise RuntimeError("no supervisor")
        return self.pushed.get(key) if task_ids == "publish_run" else None

    def get_task_states(self, dag_id: str, run_ids: list[str]) -> dict[str, dict[str, str]]:
        if self.is_dumb:
            raise RuntimeError("no supervisor")
        return {run_ids[0]: self.states}


DAG = SimpleNamespace(dag_id="image_duplication")


def summary(failed: dict[int, str]) -> RunSummary:
    return RunSummary("weekly", "changed", "2026-01-04T00:00:00+00:00", 0, (), failed)


def publishing(storage: Storage, settings: Settings, is_last_attempt: bool) -> Any:
    """The run of a task that has published a run."""
    write_rows(storage, layout.run_changes("weekly", "parquet"), CHANGES, [])
    return SimpleNamespace(
        run_id="weekly",
        is_last_attempt=is_last_attempt,
        choices=SimpleNamespace(settings=settings),
        storage=storage,
    )


def publish(
    task: FakeTask,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    error: Exception | None,
    *,
    is_last_attempt: bool = False,
) -> None:
    """publish_run, which hands over a summary with a failed category and then raises."""
    from image_duplication_airflow import alerting, category_reports
    from image_duplication_airflow.publication import following_up

    for module in (alerting, category_reports):
        monkeypatch.setattr(module, "get_current_context", lambda: {"dag": DAG, "ti": task})
    with (
        tempfile.TemporaryDirectory() as folder,
        Store("image_duplication_store", f"sqlite:///{folder}/store.db") as store,
        following_up(publishing(Storage(folder), settings, is_last_attempt), store) as telling,
    ):
        telling(summary({77: "broken"} if error else {}))
        assert [one.run_id for one in read_run_trend(store, limit=9)] == ["weekly"]
        assert (Path(folder) / layout.run_page("weekly")).is_file()
        if error is not None:
            raise error


@pytest.mark.parametrize(
    ("error", "is_last_attempt", "alerts"),
    [
        pytest.param(UnitsFailedError("77"), False, 1, id="units failed"),
        pytest.param(StorageError("full"), False, 0, id="will be tried again"),
        pytest.param(RuntimeError("unknown"), False, 0, id="unknown and tried again"),
        pytest.param(StorageError("full"), True, 1, id="last attempt"),
        pytest.param(PermanentError("wrong"), False, 1, id="permanent"),
    ],
)
def test_publish_run_tells_of_its_failures_unless_it_is_tried_again(
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    error: Exception,
    is_last_attempt: bool,
    alerts: int,
) -> None:
    monkeypatch.setenv(WEBHOOK, f"http://127.0.0.1:{webhook.port}/alerts")
    task = FakeTask()

    with pytest.raises(type(error)):
        publish(task, monkeypatch, settings, error, is_last_attempt=is_last_attempt)

    assert len(webhook.posted) == alerts
    told = {"failures_told": True, "renewed_categories": []}
    assert task.pushed == (told if alerts else {})


def test_publish_run_tells_nothing_of_a_good_run(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setenv(WEBHOOK, f"http://127.0.0.1:{webhook.port}/alerts")
    task = FakeTask()

    publish(task, monkeypatch, settings, None)

    assert webhook.posted == []
    assert task.pushed == {"renewed_categories": []}


def test_publish_run_leaves_it_to_the_run_when_nobody_received_its_alert(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    webhook.status = 503
    monkeypatch.setenv(WEBHOOK, f"http://127.0.0.1:{webhook.port}/alerts")
    task = FakeTask()

    with pytest.raises(UnitsFailedError):
        publish(task, monkeypatch, settings, UnitsFailedError("77"))

    assert task.pushed == {"renewed_categories": []}


# When a failed run tells --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "named"),
    [
        pytest.param(
            FakeTask(states={"plan_work": "failed", "publish_run": "failed"}),
            "plan_work, publish_run",
            id="before publish_run",
        ),
        pytest.param(
            FakeTask(states={"publish_run": "failed", "process_unit.correct_urls_2": "failed"}),
            "process_unit.correct_urls_2, publish_run",
            id="publish_run was killed",
        ),
        pytest.param(
            FakeTask(
                states={"publish_run": "failed", "start_sibling_runs_0": "failed"},
                pushed={"failures_told": True},
            ),
            "publish_run, start_sibling_runs_0",
            id="another task beside what was told",
        ),
        pytest.param(FakeTask(is_dumb=True), "publish_run", id="airflow does not answer"),
    ],
)
def test_failed_run_tells_which_tasks_failed(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch, task: FakeTask, named: str
) -> None:
    from image_duplication_airflow.alerting import tell_of_failed_run

    monkeypatch.setenv(WEBHOOK, f"http://127.0.0.1:{webhook.port}/alerts")

    tell_of_failed_run({"dag": DAG, "run_id": "weekly", "ti": task, "reason": "task_failure"})

    (posted,) = webhook.posted
    assert posted.body["what"].endswith(f"Failed tasks: {named}.")
    assert "(task_failure)" in posted.body["what"]
    assert posted.body["link"].endswith("/dags/image_duplication/runs/weekly")


def test_failed_run_tells_nothing_when_publish_run_told_of_all(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    from image_duplication_airflow.alerting import tell_of_failed_run

    monkeypatch.setenv(WEBHOOK, f"http://127.0.0.1:{webhook.port}/alerts")
    task = FakeTask(
        states={"publish_run": "failed", "process_unit.correct_urls_2": "failed"},
        pushed={"failures_told": True},
    )

    tell_of_failed_run({"dag": DAG, "run_id": "weekly", "ti": task, "reason": "task_failure"})

    assert webhook.posted == []


def test_failed_run_tells_even_when_airflow_says_only_its_id(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    from image_duplication_airflow.alerting import tell_of_failed_run

    monkeypatch.setenv(WEBHOOK, f"http://127.0.0.1:{webhook.port}/alerts")

    tell_of_failed_run({"dag": DAG, "run_id": "weekly", "reason": "timed_out"})

    assert "(timed_out)" in webhook.posted[0].body["what"]


def test_failed_run_tells_with_default_settings_when_the_settings_are_why_it_failed(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    from image_duplication_airflow.alerting import tell_of_failed_run

    monkeypatch.setenv("IMAGE_DUPLICATION__ALERTS__LEAST_NEW", "many")
    monkeypatch.setenv(WEBHOOK, f"http://127.0.0.1:{webhook.port}/alerts")

    tell_of_failed_run({"dag": DAG, "run_id": "weekly", "reason": "task_failure"})

    assert webhook.posted[0].body["runbook"].startswith("docs/runbook.md#")


# A whole run, in this process ---------------------------------------------------------------------


def test_run_with_a_failing_unit_names_it(
    webhook: Webhook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from image_duplication.stages import detect

    def failing(*arguments: Any, **options: Any) -> Any:
        raise PermanentError("this category cannot be judged")

    url = fill_small_catalogue(tmp_path, [41], variants=1)
    with running_image_server(tmp_path / "served") as image_server:
        point_at(monkeypatch, tmp_path, url, image_server.base_url)
        monkeypatch.setenv(WEBHOOK, f"http://127.0.0.1:{webhook.port}/alerts")
        monkeypatch.setattr(detect, "detect_duplicates", failing)

        run = run_dag()

    assert run.state == "failed"
    units, whole = webhook.posted
    assert "1 unit(s) failed" in units.body["subject"]
    assert "41/1 at detect_duplicates" in units.body["what"]
    # Once under a scheduler (test_deadlines); here nobody answers what publish_run has told.
    assert "run failed" in whole.body["subject"]
