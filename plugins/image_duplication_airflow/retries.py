"""Which failures Airflow tries again: told by the class of the error, once for all tasks."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule

RETRIES = 3
"""Tries of a task after the first."""

RETRY_DELAY = timedelta(minutes=1)

RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception="image_duplication.errors.PermanentError",
            action=RetryAction.FAIL,
            reason="a retry cannot help; the message says what to change",
        ),
        RetryRule(
            exception="image_duplication.errors.TransientError",
            action=RetryAction.RETRY,
            retry_delay=RETRY_DELAY,
            reason="the same call may succeed later",
        ),
    ]
)
"""Errors outside the project's tree follow the task's own `retries`."""
