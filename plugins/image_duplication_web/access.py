"""Who may look and who may decide, as the pages take it from whatever knows the users."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request


@dataclass(frozen=True, slots=True)
class User:
    """Who makes a request; decisions bear the name."""

    name: str
    may_decide: bool


@dataclass(frozen=True, slots=True)
class Access:
    """The dependencies that guard routes, each of which gives a `User`, and where to log in.

    A dependency raises HTTPException with status 401 for nobody and 403 for the wrong role, and
    leaves the user with `remember_user`. `login_address` takes the address to come back to.
    """

    require_viewer: Callable[..., Any]
    require_operator: Callable[..., Any]
    login_address: Callable[[str], str]


def remember_user(request: Request, user: User) -> User:
    """Leave the user with the request, for the route itself."""
    request.state.image_duplication_user = user
    return user


def _acting_user(request: Request) -> User:
    # A route without a guard has no user, and fails here rather than act for nobody.
    user: User = request.state.image_duplication_user
    return user


ActingUser = Annotated[User, Depends(_acting_user)]
"""The user whom the route's guard has let in."""
