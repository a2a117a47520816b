"""Airflow's login and roles; no other module of the web app knows them.

Whoever may read the runs of the DAG may look. Whoever may start them may decide: in Airflow's
simple roles `user`, `op` and `admin`, with other auth managers as their administrator grants it.
"""

from __future__ import annotations

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import HTTPException, Request

from image_duplication_web.access import Access, User, remember_user

_DAG_ID = "image_duplication"

_check_may_read = requires_access_dag("GET", DagAccessEntity.RUN, _DAG_ID)
_check_may_start = requires_access_dag("POST", DagAccessEntity.RUN, _DAG_ID)


# Not coroutines: Airflow may ask its database for the DAG's team, so they run in threads.


def require_viewer(request: Request, user: GetUserDep) -> User:
    """The user, who may look. Status 401 for nobody, 403 for who may not."""
    _check_may_read(request, user)
    try:
        _check_may_start(request, user)
    except HTTPException:
        return remember_user(request, User(user.get_name(), may_decide=False))
    return remember_user(request, User(user.get_name(), may_decide=True))


def require_operator(request: Request, user: GetUserDep) -> User:
    """The user, who may decide. Status 401 for nobody, 403 for who may only look."""
    _check_may_start(request, user)
    return remember_user(request, User(user.get_name(), may_decide=True))


def _login_address(next_address: str) -> str:
    return get_auth_manager().get_url_login(next_url=next_address)


AIRFLOW_ACCESS = Access(require_viewer, require_operator, _login_address)
