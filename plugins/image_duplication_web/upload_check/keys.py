"""API keys: who may use the service. Only their hashes are kept."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from image_duplication.errors import ConfigurationError
from image_duplication.settings import Settings
from image_duplication_web.access import User, remember_user
from image_duplication_web.upload_check.refusals import RefusalCode, RequestRefusedError

logger = logging.getLogger(__name__)

_KEY_BYTES = 32
_PREFIX = "idk_"  # by which people, and programs that search for leaked secrets, know a key
_LINE = re.compile(r"(?P<name>[\w.-]{1,64}):(?P<hash>[0-9a-f]{64})", re.ASCII)
_HEADERS = "'Authorization: Bearer KEY' or 'X-API-Key: KEY'"
_BearerKey = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]
_HeaderKey = Annotated[str | None, Depends(APIKeyHeader(name="X-API-Key", auto_error=False))]


def make_key() -> str:
    """A new key of 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(_KEY_BYTES)


def hash_key(key: str) -> str:
    """What is kept of a key.

    A plain hash: no search through 256 random bits ever ends, so there is nothing for salt or a
    slow hash, made for passwords that people choose, to add.
    """
    return hashlib.sha256(key.encode()).hexdigest()


def keys_path(settings: Settings) -> Path:
    """The file of the keys' hashes."""
    named = Path(settings.upload_service.keys_file).expanduser()
    return (settings.include.parent / named).resolve()


def add_key(path: Path, name: str) -> str:
    """A new key, whose hash is now in the file. Raises ConfigurationError."""
    key = make_key()
    line = f"{name}:{hash_key(key)}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # another key may be made at the same time
        earlier = _read_file(path)
        if not _LINE.fullmatch(line) or name in earlier:
            raise ConfigurationError(
                f"received the name {name!r} for an API key; expected 1 to 64 letters, digits, "
                f"'.', '_' or '-', and none of {sorted(earlier)}"
            )
        # An editor may have left the last line without an end.
        end = path.read_bytes()[-1:]
        file.write(f"{line}\n" if end in {b"", b"\n"} else f"\n{line}\n")
    return key


class Keys:
    """The keys that hold now: the file is read again when it has changed."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigurationError when there is no key at all, or a line is none."""
        self._path = keys_path(settings)
        self._given = _read_lines(settings.upload_service.keys, "upload_service.keys")
        self._version = _version(self._path)
        self._kept = _read_file(self._path)
        if not self._given and not self._kept:
            raise ConfigurationError(
                f"no API key is known: {str(self._path)!r} has no line, nor has the setting "
                "upload_service.keys; make one with 'python -m image_duplication_web.upload_check "
                "key NAME'"
            )

    async def require_key(
        self, request: Request, bearer: _BearerKey = None, header: _HeaderKey = None
    ) -> User:
        """Whose key the request has, as a dependency of a route. Raises RequestRefusedError."""
        key = header
        if "authorization" in request.headers:  # then it counts, and nothing beside it
            key = None if bearer is None else bearer.credentials
        if not key:
            raise RequestRefusedError(
                RefusalCode.NOT_AUTHENTICATED,
                f"received no API key; expected the header {_HEADERS}",
                is_unread=True,
            )
        name = self._find(hash_key(key))
        if name is None:
            raise RequestRefusedError(
                RefusalCode.NOT_AUTHENTICATED,
                "received an API key that is not known; expected one that still holds",
                is_unread=True,
            )
        return remember_user(request, User(name, may_decide=False))

    def _find(self, hashed: str) -> str | None:
        self._read_changes()
        found = None
        for name, known in {**self._kept, **self._given}.items():
            # All are compared, each in the same time, so that the time says nothing.
            if hmac.compare_digest(known, hashed):
                found = name
        return found

    def _read_changes(self) -> None:
        version = _version(self._path)
        if version == self._version:
            return
        try:
            self._kept = _read_file(self._path)
        except ConfigurationError:
            logger.exception("the API keys stay as they were")
        self._version = version


def _version(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size)


def _read_file(path: Path) -> Mapping[str, str]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"API keys {str(path)!r} cannot be read: {error}") from error
    return _read_lines(_stated(text), str(path))


def _stated(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            yield line.strip()


def _read_lines(lines: Iterable[str], where: str) -> Mapping[str, str]:
    known: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        parts = _LINE.fullmatch(line)
        if parts is None or parts["name"] in known:
            raise ConfigurationError(  # without the line: it might be a key itself
                f"API key {number} of {where}: expected 'name:hash', each name once, the hash as "
                "64 hexadecimal digits"
            )
        known[parts["name"]] = parts["hash"]
    return known
