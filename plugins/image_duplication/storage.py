"""The storage root: files that appear whole, on a local disk or in object storage.

Keys are relative paths with `/`; every path of the project is made in `layout`.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, cast

from fsspec.implementations.local import LocalFileSystem
from obstore.exceptions import BaseError as ObjectStoreError
from upath import UPath

from image_duplication.errors import (
    ConfigurationError,
    MissingArtefactError,
    SchemaError,
    StorageError,
)
from image_duplication.object_store import SCHEME, ObjectStore

# Names of files that are being written: no two writers, and no two writes of one, share any.
_HOST = socket.gethostname()
_WRITES = itertools.count()


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as its file system lists it."""

    key: str
    size_bytes: int
    modified_at: datetime

    def is_unchanged(self, since: StoredFile) -> bool:
        """Whether it is the very file that was listed earlier.

        To the second, for a store may tell the time more exactly in a listing than of one file.
        """
        return (self.size_bytes, self.modified_at.replace(microsecond=0)) == (
            since.size_bytes,
            since.modified_at.replace(microsecond=0),
        )


class Storage:
    """One storage root, `file://`, `s3://` or any other that universal-pathlib knows."""

    def __init__(self, root: str) -> None:
        try:
            self._fs, base = _open_root(root)
        except (ValueError, ImportError, OSError, ObjectStoreError) as error:
            raise ConfigurationError(f"storage root {root!r} cannot be used: {error}") from error
        self._is_local = isinstance(self._fs, LocalFileSystem)
        self._base = base.rstrip("/")
        self.root = root

    def __reduce__(self) -> tuple[type[Storage], tuple[str]]:
        """Worker processes open the root anew."""
        return (Storage, (self.root,))

    def path(self, key: str) -> str:
        """The full path of a key on the root's file system."""
        return f"{self._base}/{key}"

    def url(self, key: str) -> str:
        """The address of a key for people and other tools."""
        return self.path(key) if self._is_local else str(self._fs.unstrip_protocol(self.path(key)))

    def size(self, key: str) -> int | None:
        """Size in bytes, or None when there is no such file."""
        with _reported("look up", key):
            if self._is_local:
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    found = os.stat(self.path(key))
                    return found.st_size if stat.S_ISREG(found.st_mode) else None
                return None
            with contextlib.suppress(FileNotFoundError):
                entry = self._fs.info(self.path(key))
                return int(entry["size"]) if entry["type"] == "file" else None
            return None

    def exists(self, key: str) -> bool:
        """Whether the file is there."""
        return self.size(key) is not None

    def read_bytes(self, key: str) -> bytes:
        """The whole file. Raises MissingArtefactError when there is none."""
        with _reported("read", key):
            if self._is_local:
                with open(self.path(key), "rb") as file:
                    return file.read()
            return bytes(self._fs.cat_file(self.path(key)))

    @contextlib.contextmanager
    def reading(self, key: str) -> Iterator[IO[bytes]]:
        """The file, open for reading with seek."""
        with _reported("read", key), self._fs.open(self.path(key), "rb") as file:
            yield file

    @contextlib.contextmanager
    def writing(self, key: str, *, durable: bool = True) -> Iterator[IO[bytes]]:
        """A sink whose file appears whole under `key` when the block ends, or not at all.

        `durable` forces a local file to disk before it gets its name.
        """
        if self._is_local:
            with self._writing_local(key, durable=durable) as sink:
                yield sink
        else:
            with self._writing_object(key) as sink:
                yield sink

    @contextlib.contextmanager
    def _writing_local(self, key: str, *, durable: bool) -> Iterator[IO[bytes]]:
        target = self.path(key)
        temporary = f"{target}.{_HOST}-{os.getpid()}-{next(_WRITES)}.part"
        with _reported("write", key):
            try:
                file = open(temporary, "wb")  # noqa: SIM115 - closed below, on either way out
            except FileNotFoundError:
                os.makedirs(os.path.dirname(target), exist_ok=True)
                file = open(temporary, "wb")  # noqa: SIM115
        try:
            with _full_disk_reported(key), file:
                yield file
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            with _reported("write", key):
                os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise

    @contextlib.contextmanager
    def _writing_object(self, key: str) -> Iterator[IO[bytes]]:
        # An object that is written in place may appear half-written: some stores show it at once,
        # and some complete the upload when an abandoned writer is collected.
        with tempfile.NamedTemporaryFile() as aside:
            with _full_disk_reported(key):
                yield cast("IO[bytes]", aside)
                aside.flush()
            with _reported("write", key):
                self._fs.put_file(aside.name, self.path(key))

    def write_bytes(self, key: str, content: bytes, *, durable: bool = True) -> None:
        """Write a whole file, replacing what is there."""
        if self._is_local:
            with self._writing_local(key, durable=durable) as sink:
                sink.write(content)
            return
        with _reported("write", key):
            self._fs.pipe_file(self.path(key), content)

    def read_json(self, key: str) -> Any:
        """The JSON value in a file. Raises SchemaError when it holds none."""
        try:
            return json.loads(self.read_bytes(key))
        except ValueError as error:
            raise SchemaError(f"{key}: not a JSON file: {error}") from error

    def write_json(self, key: str, value: Any) -> None:
        """Write a JSON value, readable and in stable order."""
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
        self.write_bytes(key, (text + "\n").encode())

    def move(self, source: str, target: str) -> None:
        """Give a file another key: a rename, or in object storage copy, check, then delete."""
        with _reported("move", source):
            if self._is_local:
                try:
                    os.replace(self.path(source), self.path(target))
                except FileNotFoundError:
                    os.makedirs(os.path.dirname(self.path(target)), exist_ok=True)
                    os.replace(self.path(source), self.path(target))
                return
            self._fs.cp_file(self.path(source), self.path(target))
            if self._fs.size(self.path(target)) != self._fs.size(self.path(source)):
                raise StorageError(f"copy of {source!r} to {target!r} has another size")
            self._fs.rm_file(self.path(source))

    def delete(self, key: str) -> None:
        """Remove a file; nothing happens when there is none."""
        with _reported("delete", key), contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self.path(key))

    def delete_folder(self, key: str) -> None:
        """Remove a folder with all that is in it; nothing happens when there is none."""
        with _reported("delete", key), contextlib.suppress(FileNotFoundError):
            self._fs.rm(self.path(key), recursive=True)

    def names(self, key: str) -> list[str]:
        """The names directly below a folder, sorted; for people, never for a stage's input."""
        with _reported("list", key), contextlib.suppress(FileNotFoundError):
            return sorted(str(p).rsplit("/", 1)[-1] for p in self._fs.ls(self.path(key), False))
        return []

    def files(self, key: str) -> Iterator[StoredFile]:
        """Every file below a folder, in stable order; for the maintenance, never for a stage.

        On a disk links are left out. A folder at a time is in memory, or some objects.
        """
        with _reported("list", key):
            if self._is_local:
                yield from self._local_files(key)
                return
            if isinstance(self._fs, ObjectStore):
                entries = self._fs.list_below(self.path(key))
            else:
                found = self._fs.find(self.path(key), detail=True)
                entries = (entry for _, entry in sorted(found.items()))
            for entry in entries:
                yield self._stored_file(entry["name"].removeprefix(f"{self._base}/"), entry)

    def _local_files(self, key: str) -> Iterator[StoredFile]:
        with contextlib.suppress(FileNotFoundError), os.scandir(self.path(key)) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                below = f"{key}/{entry.name}".lstrip("/")
                if entry.is_dir(follow_symlinks=False):
                    yield from self._local_files(below)
                elif entry.is_file(follow_symlinks=False):
                    with contextlib.suppress(FileNotFoundError):
                        yield _local_file(below, entry.stat(follow_symlinks=False))

    def find_file(self, key: str) -> StoredFile | None:
        """The file as `files` would list it, or None when there is none."""
        with _reported("look up", key), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if self._is_local:
                found = os.lstat(self.path(key))
                return _local_file(key, found) if stat.S_ISREG(found.st_mode) else None
            entry = self._fs.info(self.path(key))
            return self._stored_file(key, entry) if entry["type"] == "file" else None
        return None

    def _stored_file(self, key: str, entry: dict[str, Any]) -> StoredFile:
        # Each store has its own name for it.
        names = ("LastModified", "last_modified", "mtime", "created")
        modified = next((entry[name] for name in names if entry.get(name)), None)
        modified = self._fs.modified(self.path(key)) if modified is None else modified
        if not isinstance(modified, datetime):
            modified = datetime.fromtimestamp(float(modified), UTC)
        return StoredFile(key, int(entry["size"]), modified)

    def delete_empty_folder(self, key: str) -> None:
        """Remove a folder of a disk if nothing is in it; object storage has none."""
        if self._is_local:
            with contextlib.suppress(OSError):
                os.rmdir(self.path(key))


def _local_file(key: str, found: os.stat_result) -> StoredFile:
    return StoredFile(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _open_root(root: str) -> tuple[Any, str]:
    """The root's file system and the root's path on it."""
    scheme, _, place = root.partition("://")
    if scheme == SCHEME:
        return ObjectStore(), place
    path = UPath(root)
    return path.fs, path.path


_DISK_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG}


@contextlib.contextmanager
def _full_disk_reported(key: str) -> Iterator[None]:
    """Turn a fault of the disk into this project's error; what else the block raises is its own."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FAULTS:
            raise StorageError(f"cannot write {key!r}: {error}") from error
        raise


@contextlib.contextmanager
def _reported(deed: str, key: str) -> Iterator[None]:
    """Turn what the file system raises into this project's errors, naming the file."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError) as error:
        if deed == "write":  # no bucket, or a folder in the way
            raise StorageError(f"cannot write {key!r}: {error}") from error
        raise MissingArtefactError(f"cannot {deed} {key!r}: there is no such file") from error
    except (OSError, ObjectStoreError) as error:
        raise StorageError(f"cannot {deed} {key!r}: {error}") from error
