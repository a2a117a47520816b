"""Every error the project raises on purpose, in one tree; the DAG decides retries by class alone.

    ImageDuplicationError
    ├── PermanentError            a retry cannot help; a person must change something
    │   ├── ConfigurationError    a setting, parameter, URL rule or connection is wrong
    │   ├── SourceContractError   no such table, or a statement gives other columns
    │   ├── SchemaError           a hand-off file is not what its declared schema says
    │   ├── MissingArtefactError  a file that an earlier stage must have written is not there
    │   ├── RemovalRefusedError   a removal lacks what it needs: approval, confirmation, manifest
    │   ├── CategoriesLeftOutError notices are written, but not for some categories
    │   ├── UploadRefusedError    an upload cannot be checked as it was sent; has a code
    │   └── UnitsFailedError      a run is published, but some of its units failed
    └── TransientError            the same call may succeed later
        ├── SourceError           the database is out of reach or dropped the connection
        ├── StorageError          the storage root is out of reach or refused a write
        ├── StoreError            the store of decisions and leases is out of reach
        ├── CategoryTakenError    another run is working on the category
        └── DownloadShareError    too many downloads failed in a way that a retry could mend

A picture that cannot be fetched or read is no error: it is a row with a reason code.
"""

from __future__ import annotations


class ImageDuplicationError(Exception):
    """Base of every error raised on purpose."""


class PermanentError(ImageDuplicationError):
    """A retry cannot help; a person must change something."""


class ConfigurationError(PermanentError):
    """A setting, parameter, URL rule or connection is wrong."""


class SourceContractError(PermanentError):
    """The source lacks a table or column, or a statement gives other columns than declared."""


class SchemaError(PermanentError):
    """A hand-off file differs from its declared schema."""


class MissingArtefactError(PermanentError):
    """A file that an earlier stage must have written is not there."""


class RemovalRefusedError(PermanentError):
    """A removal lacks what it needs: an approval, a typed confirmation, its very manifest."""


class CategoriesLeftOutError(PermanentError):
    """Notices are written and recorded, but not for categories whose state cannot be read."""


class UnitsFailedError(PermanentError):
    """A run is published with what there is, but some of its units failed."""


class UploadRefusedError(PermanentError):
    """An upload cannot be checked as it was sent; `code` says why in one word, for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TransientError(ImageDuplicationError):
    """The same call may succeed later."""


class SourceError(TransientError):
    """The database is out of reach or dropped the connection."""


class StorageError(TransientError):
    """The storage root is out of reach or refused a write."""


class StoreError(TransientError):
    """The store of decisions, leases and records is out of reach."""


class CategoryTakenError(TransientError):
    """Another run is working on the category."""


class DownloadShareError(TransientError):
    """More downloads failed than the settings allow, and a retry could mend some of them."""
