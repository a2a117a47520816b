"""A URL as the request that it leads to, checked before anything is sent."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urljoin

from requests import PreparedRequest, RequestException
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError
from urllib3.util import Url, parse_url

from image_duplication.fetching.refusal import Refusal
from image_duplication.hosts import host_is_allowed
from image_duplication.records import ReasonCode
from image_duplication.settings import UrlSettings

_PORTS = {"http": 80, "https": 443}
_NO_CONDITION: Mapping[str, str] = MappingProxyType({})

_URLS_KEPT = 2_048  # more than are on their way at once


@functools.lru_cache(_URLS_KEPT)
def read_url(url: str) -> Url:
    """A URL in its parts; the check and the connection both read it here."""
    return parse_url(url)


# RFC 9110, sections 8.8.3 and 5.6.7: what else a host gave as a validator is not sent back to it.
_ENTITY_TAG = re.compile(r'(W/)?"[!#-~\x80-\xff]*"')
_HTTP_DATE = re.compile(r"[A-Za-z]{3,9},? [ 0-9A-Za-z:-]{1,40}")


def condition_of(etag: str | None, last_modified: str | None) -> dict[str, str]:
    """The headers that ask for a picture only if it is not the known one; none: unconditionally."""
    if etag is not None and _ENTITY_TAG.fullmatch(etag):
        return {"If-None-Match": etag}
    if last_modified is not None and _HTTP_DATE.fullmatch(last_modified):
        return {"If-Modified-Since": last_modified}
    return {}


@dataclass(frozen=True, slots=True)
class Target:
    """A request ready to be sent, and whom it goes to."""

    request: PreparedRequest
    url: str
    scheme: str
    host: str
    port: int
    is_conditional: bool


class Targets:
    """Turns URLs into targets; the same reading of a URL serves the check and the connection."""

    def __init__(self, urls: UrlSettings, headers: Mapping[str, str]) -> None:
        self._urls = urls
        self._headers = CaseInsensitiveDict(headers)

    def first(self, url: str, condition: Mapping[str, str] = _NO_CONDITION) -> Target:
        """The target of a corrected URL, with a condition of `condition_of`. Raises Refusal."""
        request = PreparedRequest()
        request.method = "GET"
        request.headers = self._headers  # shared: nothing on the way changes them
        if condition:
            request.headers = CaseInsensitiveDict({**self._headers, **condition})
        try:
            request.prepare_url(url, None)
            prepared_url = str(request.url)
            parsed = read_url(prepared_url)
        except (RequestException, HTTPError, ValueError) as error:
            raise Refusal(ReasonCode.URL_UNCORRECTABLE, f"not a URL: {error}") from error
        scheme, host = parsed.scheme or "", parsed.host or ""
        if scheme not in self._urls.allowed_schemes or scheme not in _PORTS:
            raise Refusal(ReasonCode.SCHEME_NOT_ALLOWED, f"scheme {scheme!r} is not allowed")
        if not host_is_allowed(host, self._urls.allowed_hosts):
            raise Refusal(ReasonCode.HOST_NOT_ALLOWED, f"host {host!r} is not allowed")
        if parsed.auth is not None:
            raise Refusal(ReasonCode.URL_UNCORRECTABLE, "user information in a URL is not allowed")
        port = parsed.port or _PORTS[scheme]
        return Target(request, prepared_url, scheme, host, port, bool(condition))

    def next(self, target: Target, location: str) -> Target:
        """The target of a redirect. Raises Refusal; also for one from https to http.

        It has no condition: what a host says of one URL is no knowledge of another.
        """
        try:
            url = urljoin(target.url, location)
        except ValueError as error:
            raise Refusal(ReasonCode.URL_UNCORRECTABLE, f"not a URL: {error}") from error
        following = self.first(url)
        if target.scheme == "https" and following.scheme != "https":
            raise Refusal(ReasonCode.SCHEME_NOT_ALLOWED, "a redirect from https to http")
        return following
