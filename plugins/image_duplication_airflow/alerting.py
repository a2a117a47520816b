"""Alerts on their way: through every Airflow connection that is defined for them.

Addresses and passwords stay out of the logs; what a library says of a failure may hold them, so of
a channel that fails only the sort of failure is logged.
"""

from __future__ import annotations

import asyncio
import html
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseHook, conf, get_current_context
from airflow.sdk.exceptions import AirflowNotFoundException

from image_duplication.alerts import (
    Alert,
    RunPage,
    alert_of_failed_run,
    alert_of_late_run,
    alert_of_summary,
)
from image_duplication.errors import ConfigurationError, ImageDuplicationError
from image_duplication.settings import AlertSettings, load_settings

if TYPE_CHECKING:
    from image_duplication.summary import RunSummary
    from image_duplication_airflow.runtime import Run

logger = logging.getLogger(__name__)

EMAIL_CONNECTION = "image_duplication_alerts_email"
SLACK_CONNECTION = "image_duplication_alerts_slack"
WEBHOOK_CONNECTION = "image_duplication_alerts_webhook"

_TIMEOUT_S = 10.0
_FIRST_REFUSAL = 300  # HTTP; a redirect is not followed, for it may lead anywhere
_TOLD = "failures_told"  # XCom of publish_run
_PUBLISH_TASK = "publish_run"
_ENDED = frozenset({"success", "failed"})


def page_of(dag_id: str, run_id: str) -> RunPage:
    """A run and its page in Airflow's interface."""
    base_url = conf.get("api", "base_url", fallback="") or "http://localhost:8080"
    link = f"{base_url.rstrip('/')}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"
    return RunPage(dag_id, run_id, link)


# When alerts are sent ---------------------------------------------------------------------------


def tell_of_summary(summary: RunSummary, run: Run) -> None:
    """Send the alerts of a run that is published."""
    context = get_current_context()
    page = page_of(context["dag"].dag_id, run.run_id)
    alerts = alert_of_summary(summary, run.choices.settings.alerts, page)
    received = sum(send_alert(alert) for alert in alerts)
    # So that the run, when it fails for this, tells nobody a second time.
    if received and (summary.units_failed or summary.categories_failed):
        context["ti"].xcom_push(key=_TOLD, value=True)


def tell_of_failed_run(context: Mapping[str, Any]) -> None:
    """Send an alert of a run that failed, unless publish_run has told of all that failed in it.

    Airflow calls it in the DAG processor, with the context of the task that failed last; without
    one, the context has `dag`, `run_id` and `reason` only.
    """
    dag_id, run_id = context["dag"].dag_id, context["run_id"]
    failed = _find_failed_tasks(context, dag_id, run_id)
    untold = [task for task in failed if not task.startswith((_PUBLISH_TASK, "process_unit."))]
    if not untold and _is_told(context):
        logger.info("run %s failed; publish_run has told of it", run_id)
        return
    reason = str(context.get("reason") or "unknown")
    page = page_of(dag_id, run_id)
    send_alert(alert_of_failed_run(_read_settings(), page, task_ids=failed, reason=reason))


def _find_failed_tasks(context: Mapping[str, Any], dag_id: str, run_id: str) -> list[str]:
    """Failed tasks, of a mapped one each instance; where Airflow does not say, the last one."""
    last = context.get("ti")
    if last is None:
        return []
    try:
        states = last.get_task_states(dag_id=dag_id, run_ids=[run_id]).get(run_id, {})
    except Exception as error:  # the alert matters more than its list
        logger.warning("the failed tasks of run %s are not known: %s", run_id, _sort_of(error))
        states = {}
    return sorted(task for task, state in states.items() if state == "failed") or [last.task_id]


def _is_told(context: Mapping[str, Any]) -> bool:
    """Whether publish_run has told of the failures; an alert too many is better than none."""
    last = context.get("ti")
    if last is None:
        return False
    try:
        return bool(last.xcom_pull(task_ids=_PUBLISH_TASK, key=_TOLD))
    except Exception as error:
        logger.warning("what publish_run told is not known: %s", _sort_of(error))
        return False


async def tell_of_late_run(context: Mapping[str, Any]) -> None:
    """Send an alert of a run that is not finished at its deadline. Runs in the triggerer.

    The context has only `dag_run`, as the REST API gives it, and `deadline`.
    """
    run, deadline = context["dag_run"], context["deadline"]
    if run["state"] in _ENDED:
        # Airflow takes back the deadline of a run that succeeded, not of one that failed.
        logger.info("run %s is %s: not late", run["dag_run_id"], run["state"])
        return
    page = page_of(run["dag_id"], run["dag_run_id"])
    # Reading files and sending would keep the triggerer's other work waiting.
    await asyncio.to_thread(_send_late, page, str(deadline["deadline_time"]), str(run["state"]))


def _send_late(page: RunPage, deadline: str, state: str) -> None:
    send_alert(alert_of_late_run(_read_settings(), page, deadline=deadline, state=state))


def _read_settings() -> AlertSettings:
    """The settings; their defaults where they cannot be read, which may be why a run failed."""
    try:
        return load_settings().alerts
    except ImageDuplicationError as error:
        logger.warning("alerts go by the default settings: %s", error)
        return AlertSettings()


# How alerts are sent ----------------------------------------------------------------------------


def send_alert(alert: Alert) -> int:
    """Send an alert through every channel whose connection is defined; how many took it.

    Never raises: an alert must not fail what it tells of.
    """
    defined = received = 0
    for name, send in _CHANNELS.items():
        try:
            connection = BaseHook.get_connection(name)
        except AirflowNotFoundException:
            continue
        except Exception as error:  # one channel must not stop another
            logger.error("alert %r: %r cannot be read: %s", alert.subject, name, _sort_of(error))
            defined += 1
            continue
        defined += 1
        try:
            send(alert, connection)
        except ConfigurationError as error:
            logger.error("alert %r is not sent: %s", alert.subject, error)
        except Exception as error:
            logger.error("alert %r is not sent by %r: %s", alert.subject, name, _sort_of(error))
        else:
            received += 1
            logger.info("alert %r is sent by %r", alert.subject, name)
    if not defined:
        logger.warning(
            "alert %r reaches nobody; define at least one of the connections %s. It says:\n%s",
            alert.subject,
            ", ".join(_CHANNELS),
            alert.render_body(),
        )
    return received


def _sort_of(error: Exception) -> str:
    """A failure without its message, which may hold an address or a password."""
    code = getattr(error, "smtp_code", None)
    return type(error).__name__ if code is None else f"{type(error).__name__} {code}"


def _send_email(alert: Alert, connection: Any) -> None:
    from airflow.providers.smtp.hooks.smtp import SmtpHook  # noqa: PLC0415 - only where it is used

    extra = connection.extra_dejson
    login = connection.login if "@" in (connection.login or "") else None
    receivers = extra.get("to") or login
    sender = extra.get("from_email") or login
    if not receivers or not sender:
        raise ConfigurationError(
            f"connection {EMAIL_CONNECTION!r} names no "
            f"{'receivers' if not receivers else 'sender'}; expected the extras `to` and "
            "`from_email`, or a login that is an e-mail address"
        )
    with SmtpHook(smtp_conn_id=EMAIL_CONNECTION) as hook:
        hook.send_email_smtp(
            to=receivers,
            from_email=sender,
            subject=alert.subject,
            html_content=f"<pre>{html.escape(alert.render_body())}</pre>",
        )


def _send_slack(alert: Alert, connection: Any) -> None:
    text = f"{alert.subject}\n{alert.render_body()}"
    # The three characters that Slack asks to be escaped, and only these.
    _post(connection, {"text": html.escape(text, quote=False)})


def _send_webhook(alert: Alert, connection: Any) -> None:
    _post(connection, alert.to_json())


def _post(connection: Any, body: dict[str, str]) -> None:
    import requests  # noqa: PLC0415 - a DAG file is parsed without it

    url, login = _read_address(connection)
    answer = requests.post(
        url, json=body, auth=login, timeout=_TIMEOUT_S, allow_redirects=False, stream=True
    )
    answer.close()  # whatever it says is not read
    if answer.status_code >= _FIRST_REFUSAL:
        raise ConfigurationError(
            f"connection {connection.conn_id!r}: its server answered {answer.status_code}; "
            "expected 2xx"
        )


def _read_address(connection: Any) -> tuple[str, tuple[str, str] | None]:
    """Where to post, and with which user and password.

    The whole address stands in the password, where Airflow hides it, or in the connection's URI.
    """
    if (connection.password or "").startswith(("http://", "https://")):
        return connection.password, None
    if connection.conn_type not in {"http", "https"} or not connection.host:
        raise ConfigurationError(
            f"connection {connection.conn_id!r} of type {connection.conn_type!r} gives no address; "
            "expected one that starts with http:// or https://, as its password or as its URI"
        )
    host: str = connection.host
    start = host.rstrip("/") if "://" in host else f"{connection.conn_type}://{host}"
    port = f":{connection.port}" if connection.port else ""
    login = (connection.login, connection.password or "") if connection.login else None
    return f"{start}{port}/{connection.schema or ''}", login


_CHANNELS: dict[str, Callable[[Alert, Any], None]] = {
    EMAIL_CONNECTION: _send_email,
    SLACK_CONNECTION: _send_slack,
    WEBHOOK_CONNECTION: _send_webhook,
}
