"""Object storage that speaks S3, as the file system that `storage` works on.

Where it is and who asks is read from the variables that such programs share: AWS_ENDPOINT_URL,
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION; without keys, the role of
the machine or container.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from obstore.fsspec import BufferedFile, FsspecStore

if TYPE_CHECKING:
    from obstore import Attributes, ObjectMeta  # known to type checkers alone

SCHEME: Final = "s3"
_ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"
_TIMEOUT = timedelta(seconds=60)
"""Of one request."""
_RETRY_TIMEOUT = timedelta(minutes=3)
"""In which a request that failed for a moment is made again."""
_MAX_RETRIES = 8
_LISTED_AT_ONCE = 1_000
_CONTENT_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "jpg": "image/jpeg",
    "json": "application/json",
    "png": "image/png",
    "txt": "text/plain; charset=utf-8",
}
"""By extension, of what people open in a browser; it saves what comes without one."""


class ObjectStore(FsspecStore):
    """Objects, listed and looked up anew each time: other workers write too.

    Each is written by one request, or by several parts that appear when the last is there.
    """

    cachable = False  # whoever opens a root sees the variables as they are then

    def __init__(self) -> None:
        endpoint = os.environ.get(_ENDPOINT_VARIABLE, "")
        super().__init__(
            SCHEME,
            client_options={"allow_http": endpoint.startswith("http://"), "timeout": _TIMEOUT},
            retry_config={"max_retries": _MAX_RETRIES, "retry_timeout": _RETRY_TIMEOUT},
        )

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        """One object; FileNotFoundError for a folder too, which object storage does not have."""
        bucket, key = self._split_path(path)
        return _describe(bucket, await self._construct_store(bucket).head_async(key))

    async def _put_file(self, lpath: str, rpath: str, *_: Any, **__: Any) -> None:
        """A file of the disk as an object; in parts when it is large."""
        bucket, key = self._split_path(rpath)
        store = self._construct_store(bucket)
        await store.put_async(key, Path(lpath), attributes=_attributes_of(key))

    async def _pipe_file(self, path: str, value: bytes, *_: Any, **__: Any) -> None:
        """Bytes as an object."""
        bucket, key = self._split_path(path)
        store = self._construct_store(bucket)
        await store.put_async(key, value, attributes=_attributes_of(key))

    def list_below(self, path: str) -> Iterator[dict[str, Any]]:
        """Every object below a folder, in the store's order; some are in memory at a time."""
        bucket, key = self._split_path(path)
        found = self._construct_store(bucket).list(
            f"{key.rstrip('/')}/", chunk_size=_LISTED_AT_ONCE
        )
        for entries in found:
            for entry in entries:
                yield _describe(bucket, entry)

    def _open(self, path: str, mode: str = "rb", *_: Any, **__: Any) -> BufferedFile:
        """One object; looked up first, for a file that was made in vain complains at its end."""
        return BufferedFile(self, path, mode, size=self.info(path)["size"])  # type: ignore[call-overload, no-any-return]

    async def _rm(self, path: str, recursive: bool = False, **_: Any) -> None:
        """Remove an object, or all below a folder, many with each request."""
        bucket, key = self._split_path(path)
        store = self._construct_store(bucket)
        keys = [key]
        if recursive:
            found = await store.list(f"{key.rstrip('/')}/").collect_async()
            keys = [meta["path"] for meta in found]
        await store.delete_async(keys)


def _attributes_of(key: str) -> Attributes:
    content_type = _CONTENT_TYPES.get(key.rpartition(".")[2])
    return {"Content-Type": content_type} if content_type else {}


def _describe(bucket: str, meta: ObjectMeta) -> dict[str, Any]:
    return {
        "name": f"{bucket}/{meta['path']}",
        "size": meta["size"],
        "type": "file",
        "LastModified": meta["last_modified"],
    }
