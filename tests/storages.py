"""What lies below a storage root, seen past the class that is tested."""

from __future__ import annotations

from pathlib import Path

from obstore.store import S3Store

from image_duplication.storage import Storage


def all_files(storage: Storage, folder: str = "") -> list[str]:
    """The keys of every file below a folder of the root, also those that no key should name."""
    if storage.root.startswith("s3://"):
        bucket, _, prefix = storage.root.removeprefix("s3://").partition("/")
        store = S3Store(bucket, client_options={"allow_http": True})
        keys = [entry["path"] for entry in store.list(f"{prefix}/{folder}").collect()]
        return sorted(key.removeprefix(f"{prefix}/") for key in keys)
    root = Path(storage.root)
    paths = (root / folder).rglob("*")
    return sorted(str(path.relative_to(root)) for path in paths if path.is_file())
