"""Object storage that speaks S3, as the file system that `storage` works on.

Where it is and who asks is read from the variables that such programs share: AWS_ENDPOINT_URL,
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION; without keys, the role of
the machine or container.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from obstore.fsspec import BufferedFile, FsspecStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from obstore import ObjectMeta  # known to type checkers alone

SCHEME: Final = "s3"
_ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"
_TIMEOUT = timedelta(seconds=60)
"""Of one request."""
_RETRY_TIMEOUT = timedelta(minutes=3)
"""In which a request that failed for a moment is made again."""
_MAX_RETRIES = 8


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

    def _open(self, path: str, mode: str = "rb", *_: Any, **__: Any) -> BufferedFile:
        """One object; looked up first, for a file that was made in vain complains at its end."""
        return BufferedFile(self, path, mode, size=self.info(path)["size"])  # type: ignore[call-overload, no-any-return]

    async def _find(
        self, path: str, *_: Any, detail: bool = False, **__: Any
    ) -> list[str] | dict[str, dict[str, Any]]:
        """All objects below a folder, a thousand with each request."""
        bucket, _key = self._split_path(path)
        found = {}
        for meta in await self._list_below(path):
            entry = _describe(bucket, meta)
            found[entry["name"]] = entry
        return found if detail else sorted(found)

    async def _rm(self, path: str, recursive: bool = False, **_: Any) -> None:
        """Remove an object, or all below a folder, many with each request."""
        bucket, key = self._split_path(path)
        keys = [meta["path"] for meta in await self._list_below(path)] if recursive else [key]
        await self._construct_store(bucket).delete_async(keys)

    async def _list_below(self, path: str) -> Sequence[ObjectMeta]:
        bucket, key = self._split_path(path)
        return await self._construct_store(bucket).list(f"{key.rstrip('/')}/").collect_async()


def _describe(bucket: str, meta: ObjectMeta) -> dict[str, Any]:
    return {
        "name": f"{bucket}/{meta['path']}",
        "size": meta["size"],
        "type": "file",
        "LastModified": meta["last_modified"],
    }
