"""The body of a request, read as it comes, within bounds: nothing beyond a bound is ever kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from image_duplication.settings import Settings
from image_duplication.upload_check.check import UploadedFile
from image_duplication_web.upload_check.refusals import RefusalCode, RequestRefusedError
from image_duplication_web.upload_check.requests import (
    FILES_FIELD,
    CheckFields,
    UrlsBody,
    read_fields,
)

FORM = "multipart/form-data"
JSON = "application/json"

_MAX_FIELD_BYTES = 1_024  # of a form's field that is no file
_MAX_NAME_CHARACTERS = 255
_URL_BYTES = 4_096 * 4 + 16  # of one address in JSON, every character escaped, at the most


@dataclass(frozen=True, slots=True)
class Received:
    """What a request said: files that are in its folder now, or addresses still to be fetched."""

    fields: CheckFields
    files: tuple[UploadedFile, ...]
    urls: tuple[str, ...]


async def read_request(request: Request, folder: Path, settings: Settings) -> Received:
    """Read the whole body; files go to `folder` under names of ours. Raises RequestRefusedError."""
    kind, options = parse_options_header(request.headers.get("content-type"))
    receive_time_s = settings.upload_service.receive_time_s
    try:
        async with asyncio.timeout(receive_time_s):
            if kind == FORM.encode() and options.get(b"boundary"):
                return await _read_form(request, options[b"boundary"], folder, settings)
            if kind == JSON.encode():
                return await _read_urls(request, settings)
    except TimeoutError as error:
        raise RequestRefusedError(
            RefusalCode.RECEIVE_TIMED_OUT,
            f"the body was not complete after {receive_time_s:g} s, which is the longest allowed",
            is_unread=True,
        ) from error
    raise RequestRefusedError(
        RefusalCode.MEDIA_TYPE_NOT_SUPPORTED,
        f"received the content type {request.headers.get('content-type', '')[:120]!a}; expected "
        f"{FORM} with a boundary, or {JSON}",
        is_unread=True,
    )


async def _read_form(
    request: Request, boundary: bytes, folder: Path, settings: Settings
) -> Received:
    form = _Form(folder, settings)
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": form.begin_part,
                "on_header_field": form.add_header_name,
                "on_header_value": form.add_header_value,
                "on_header_end": form.end_header,
                "on_headers_finished": form.open_part,
                "on_part_data": form.add_data,
                "on_part_end": form.end_part,
                "on_end": form.end,
            },
        )
        async for chunk in _chunks(request, settings.upload.max_request_bytes):
            parser.write(chunk)
    except FormParserError as error:
        raise RequestRefusedError(
            RefusalCode.BODY_UNREADABLE, f"the form cannot be read: {error}", is_unread=True
        ) from error
    finally:
        form.close()
    return form.received()


async def _read_urls(request: Request, settings: Settings) -> Received:
    max_files = settings.upload.max_files
    content = bytearray()
    limit = min(settings.upload.max_request_bytes, _URL_BYTES * (max_files + 1))
    async for chunk in _chunks(request, limit):
        content += chunk
    body = read_fields(UrlsBody, bytes(content))
    _check_count(len(body.urls), max_files)
    return Received(body, (), tuple(body.urls))


async def _chunks(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body as it comes, never more than the limit. Raises RequestRefusedError."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(f"{declared} bytes declared", limit)
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise _too_large(f"more than {limit} bytes", limit)
        yield chunk


def _too_large(received: str, limit: int) -> RequestRefusedError:
    return RequestRefusedError(
        RefusalCode.REQUEST_TOO_LARGE,
        f"the body has {received}; a request may have {limit}",
        is_unread=True,
    )


def _check_count(count: int, most: int) -> None:
    if count == 0:
        raise RequestRefusedError(
            RefusalCode.NO_PICTURES, f"received no picture; expected 1 to {most}"
        )
    if count > most:
        raise RequestRefusedError(
            RefusalCode.TOO_MANY_PICTURES,
            f"received more than {most} pictures; expected 1 to {most}",
            is_unread=True,
        )


class _Form:
    """A form of files and short fields, put together from the parser's pieces."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._max_files = settings.upload.max_files
        self._max_bytes = settings.download.max_bytes
        self._header_name = b""
        self._header_value = b""
        self._headers: dict[bytes, bytes] = {}
        self._part = ""
        self._size_bytes = 0
        self._file: IO[bytes] | None = None
        self._fields: dict[str, bytes] = {}
        self._files: list[UploadedFile] = []
        self._is_complete = False

    def received(self) -> Received:
        """What the whole form said. Raises RequestRefusedError."""
        if not self._is_complete:
            raise RequestRefusedError(
                RefusalCode.BODY_UNREADABLE,
                "the form ends before its last boundary; expected a whole form",
            )
        try:
            given = {name: value.decode() for name, value in self._fields.items()}
        except UnicodeDecodeError as error:
            raise RequestRefusedError(
                RefusalCode.FIELD_NOT_VALID, "a field is no UTF-8; expected text in UTF-8"
            ) from error
        # An empty field of a form is one that was left out.
        fields = read_fields(CheckFields, {name: value for name, value in given.items() if value})
        _check_count(len(self._files), self._max_files)
        return Received(fields, tuple(self._files), ())

    def close(self) -> None:
        """Close the file that was being written, if any."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def begin_part(self) -> None:
        self._headers = {}

    def add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def end_header(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def open_part(self) -> None:
        """The headers of a part are there: it is a file, a field, or nothing that is known."""
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._part = options.get(b"name", b"").decode(errors="replace")
        self._size_bytes = 0
        if self._part == FILES_FIELD:
            _check_count(len(self._files) + 1, self._max_files)
            path = self._folder / f"{len(self._files):02d}"
            name = options.get(b"filename", b"").decode(errors="replace")
            self._files.append(UploadedFile(_plain(name) or f"{len(self._files) + 1}", path))
            self._file = path.open("xb")
        elif self._part not in CheckFields.model_fields or self._part in self._fields:
            fault = "twice" if self._part in self._fields else "which is not known"
            raise RequestRefusedError(
                RefusalCode.FIELD_NOT_VALID,
                f"received the field {self._part[:80]!a}, {fault}; allowed are {FILES_FIELD} "
                f"(up to {self._max_files} times) and once each "
                f"{', '.join(CheckFields.model_fields)}",
                is_unread=True,
            )
        else:
            self._fields[self._part] = b""

    def add_data(self, data: bytes, start: int, end: int) -> None:
        """A piece of the open part, refused before it is kept if it is too much."""
        self._size_bytes += end - start
        if self._file is not None:
            if self._size_bytes > self._max_bytes:
                raise RequestRefusedError(
                    RefusalCode.FILE_TOO_LARGE,
                    f"file {len(self._files)} of the request has more than {self._max_bytes} "
                    "bytes, which is the most allowed",
                    is_unread=True,
                )
            self._file.write(data[start:end])
            return
        if self._size_bytes > _MAX_FIELD_BYTES:
            raise RequestRefusedError(
                RefusalCode.FIELD_NOT_VALID,
                f"the field {self._part} has more than {_MAX_FIELD_BYTES} bytes, which is the "
                "most allowed",
                is_unread=True,
            )
        self._fields[self._part] += data[start:end]

    def end_part(self) -> None:
        self.close()

    def end(self) -> None:
        self._is_complete = True


def _plain(name: str) -> str:
    """A sender's file name, fit to be shown: one line, not too long."""
    return "".join(c if c.isprintable() else "�" for c in name)[:_MAX_NAME_CHARACTERS]
