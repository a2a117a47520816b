"""Brings sellers' image URLs to one standard form, by named rules, and refuses what stays unsafe.

The rules are data (`include/config/url_rules.yaml`); this module knows how to apply them. A rule
either substitutes a regular expression or names a built-in operation. All rules run in file order,
again until none changes anything, so correcting a corrected URL does nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import idna
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from image_duplication.errors import ConfigurationError
from image_duplication.hosts import host_is_allowed
from image_duplication.records import ReasonCode

Operation = Callable[[str], str]

# The shipped rules settle in two or three passes; more means rules that undo each other.
_MAX_PASSES = 6
_MAX_HOST_LENGTH = 253  # RFC 1035, as text without the final dot
_MAX_PORT = 65535
_MAX_SHOWN_LENGTH = 200
_MAX_EXTENSION_LENGTH = len(".webp")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_IMAGE_BASE = "{image_base}"

_HOST = r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*"
# RFC 3986: unreserved, reserved except "?" and "#", which end the path.
_PATH_CHARACTERS = r"A-Za-z0-9\-._~:/\[\]@!$&'()*+,;="

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?#]*)(.*)", re.DOTALL)
_HOST_AND_PORT = re.compile(r"([^:@\[\]]+|\[[^@\[\]]*\])(:[0-9]*)?")
_NOT_PLAIN = re.compile(rf"[^{_PATH_CHARACTERS}?#]")
_ENCODED_OR_FOREIGN = re.compile(rf"%[0-9A-Fa-f]{{2}}|%|[^{_PATH_CHARACTERS}?#%]+")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]")
_PICTURE_EXTENSION = re.compile(
    r"\.(?:jpe?g|jpe|jfif|png|gif|webp|bmp|tiff?|avif|heic|svg)\Z", re.IGNORECASE
)
_HOST_NAME = re.compile(_HOST)
_IPV6 = re.compile(r"(?=.*:.*:)[0-9a-f:.]+")
_TEMPLATE_VARIABLE = re.compile(r"\{([^{}]*)\}")
# Possessive, so that a character that does not fit cannot make the engine try every split.
_STANDARD_FORM = re.compile(
    r"[a-z][a-z0-9+.\-]*://"
    rf"(?:(?P<name>{_HOST})|\[(?P<ipv6>[0-9a-f:.]+)\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    rf"(?P<path>/(?:[{_PATH_CHARACTERS}]++|%[0-9A-Fa-f]{{2}})*+)?"
    rf"(?:\?(?:[{_PATH_CHARACTERS}?]++|%[0-9A-Fa-f]{{2}})*+)?"
)


@dataclass(frozen=True, slots=True)
class CorrectedUrl:
    """What the rules made of one URL: its standard form, or the reason why there is none.

    `rule_names` are the rules that changed it, in order of their first change; they are kept for
    a refused URL too.
    """

    url: str | None
    rule_names: tuple[str, ...]
    reason: ReasonCode | None


class UrlExample(NamedTuple):
    """A URL before and after one rule alone."""

    source: str
    corrected: str


@dataclass(frozen=True, slots=True)
class UrlRule:
    """One named correction, with the cases that prove it."""

    name: str
    why: str
    apply: Operation
    examples: tuple[UrlExample, ...]
    leaves: tuple[str, ...]


class UrlRules:
    """The ordered rules, with the schemes and hosts that a standard form may have."""

    __slots__ = ("_hosts", "_schemes", "rules")

    def __init__(
        self, rules: Sequence[UrlRule], *, hosts: Sequence[str], schemes: frozenset[str]
    ) -> None:
        self.rules = tuple(rules)
        self._hosts = tuple(hosts)
        self._schemes = schemes

    def correct(self, url: str) -> CorrectedUrl:
        """The standard form of a URL. Takes any text; never raises."""
        changed_by: list[str] = []
        for _ in range(_MAX_PASSES):
            is_settled = True
            for rule in self.rules:
                changed = rule.apply(url)
                if changed != url:
                    url = changed
                    is_settled = False
                    if rule.name not in changed_by:
                        changed_by.append(rule.name)
            if is_settled:
                reason = self._refusal(url)
                return CorrectedUrl(None if reason else url, tuple(changed_by), reason)
        return CorrectedUrl(None, tuple(changed_by), ReasonCode.URL_UNCORRECTABLE)

    def _refusal(self, url: str) -> ReasonCode | None:
        scheme = _SCHEME.match(url)
        if scheme is None:
            return ReasonCode.URL_UNCORRECTABLE
        if scheme[1] not in self._schemes:
            return ReasonCode.SCHEME_NOT_ALLOWED
        parts = _STANDARD_FORM.fullmatch(url)
        if parts is None:
            return ReasonCode.URL_UNCORRECTABLE
        host = parts["name"] or parts["ipv6"]
        if len(host) > _MAX_HOST_LENGTH or int(parts["port"] or 1) > _MAX_PORT:
            return ReasonCode.URL_UNCORRECTABLE
        if not host_is_allowed(host, self._hosts):
            return ReasonCode.HOST_NOT_ALLOWED
        return None if parts["path"] else ReasonCode.URL_UNCORRECTABLE


def load_url_rules(
    path: Path,
    *,
    image_base: str,
    allowed_hosts: Sequence[str],
    allowed_schemes: Sequence[str] = ("https", "http"),
) -> UrlRules:
    """Read the rules and prove each on its own examples.

    `image_base` is `scheme://host[:port]` in standard form. An allowed host is a name, an IP
    address, or `*.` and a name for all its subdomains without the name itself; ports play no part.
    Raises ConfigurationError naming the file, the rule, what was received and what was expected.
    """
    _check_image_base(image_base)
    rules: dict[str, UrlRule] = {}
    for number, raw_rule in enumerate(_read_raw_rules(path), start=1):
        rule = _build_rule(path, number, raw_rule, image_base)
        if rule.name in rules:
            raise _fault(_place(path, rule.name), "name", rule.name, "a name used by one rule only")
        rules[rule.name] = rule
    _check_allowed_hosts(allowed_hosts)
    url_rules = UrlRules(
        tuple(rules.values()),
        hosts=allowed_hosts,
        schemes=frozenset(scheme.lower() for scheme in allowed_schemes),
    )
    _check_image_base_stays(url_rules, image_base)
    return url_rules


# --- the YAML edge ---


class _ClosedModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _ExampleSpec(_ClosedModel):
    source: str = Field(alias="from")
    to: str


class _RuleSpec(_ClosedModel):
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    why: str = Field(pattern=r"^\S[^\n]*$")
    examples: list[_ExampleSpec] = Field(min_length=1)
    leaves: list[str] = []


class _PatternSpec(_RuleSpec):
    match: str = Field(min_length=1)
    replace: str


class _OperationSpec(_RuleSpec):
    operation: str
    parameters: list[str] = []


class _FileSpec(_ClosedModel):
    rules: list[dict[str, Any]] = Field(min_length=1)


def _place(path: Path, rule_name: str) -> str:
    return f"{path}: URL rule {rule_name!r}"


def _fault(place: str, what: str, received: object, expected: str) -> ConfigurationError:
    shown = repr(received)
    if len(shown) > _MAX_SHOWN_LENGTH:
        shown = f"{shown[:_MAX_SHOWN_LENGTH]}…"
    return ConfigurationError(f"{place}: {what}: received {shown}, expected {expected}")


def _spec_fault(place: str, model: type[BaseModel], error: ValidationError) -> ConfigurationError:
    first = error.errors()[0]
    what = ".".join(str(step) for step in first["loc"]) or "content"
    if first["type"] == "extra_forbidden":
        keys = ", ".join(field.alias or name for name, field in model.model_fields.items())
        return _fault(place, f"unknown key {what}", first["input"], f"no other key than {keys}")
    if first["type"] == "missing":
        return _fault(place, what, None, "this key to be there")
    return _fault(place, what, first["input"], first["msg"])


def _read_raw_rules(path: Path) -> list[dict[str, Any]]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        raise _fault(f"{path}: URL rules", "file", str(error), "a readable UTF-8 file") from error
    except yaml.YAMLError as error:
        raise _fault(f"{path}: URL rules", "file", str(error), "valid YAML") from error
    try:
        return _FileSpec.model_validate(document).rules
    except ValidationError as error:
        raise _spec_fault(f"{path}: URL rules", _FileSpec, error) from error


def _build_rule(path: Path, number: int, raw_rule: dict[str, Any], image_base: str) -> UrlRule:
    place = _place(path, str(raw_rule.get("name", f"#{number}")))
    spec = _parse_rule(place, raw_rule)
    if isinstance(spec, _PatternSpec):
        apply = _build_substitution(place, spec, image_base)
    else:
        apply = _build_operation(place, spec)
    rule = UrlRule(
        name=spec.name,
        why=spec.why,
        apply=apply,
        examples=tuple(
            UrlExample(
                example.source.replace(_IMAGE_BASE, image_base),
                example.to.replace(_IMAGE_BASE, image_base),
            )
            for example in spec.examples
        ),
        leaves=tuple(url.replace(_IMAGE_BASE, image_base) for url in spec.leaves),
    )
    _check_examples(place, rule)
    return rule


def _parse_rule(place: str, raw_rule: dict[str, Any]) -> _PatternSpec | _OperationSpec:
    model = _OperationSpec if "operation" in raw_rule else _PatternSpec
    try:
        spec = model.model_validate(raw_rule)
    except ValidationError as error:
        raise _spec_fault(place, model, error) from error
    for example in spec.examples:
        if example.source == example.to:
            raise _fault(
                place, "example", example.to, "from and to that differ (else list it in leaves)"
            )
    return spec


def _build_substitution(place: str, spec: _PatternSpec, image_base: str) -> Operation:
    try:
        pattern = re.compile(spec.match)
    except re.error as error:
        raise _fault(place, "match", spec.match, f"a regular expression ({error})") from error
    literal_parts = _TEMPLATE_VARIABLE.sub("", spec.replace)
    variables = {f"{{{name}}}" for name in _TEMPLATE_VARIABLE.findall(spec.replace)}
    if variables - {_IMAGE_BASE} or "{" in literal_parts or "}" in literal_parts:
        raise _fault(place, "replace", spec.replace, f"no other variable than {_IMAGE_BASE}")
    template = spec.replace.replace(_IMAGE_BASE, image_base)
    try:
        pattern.sub(template, "")
    except (re.error, IndexError) as error:
        raise _fault(
            place, "replace", spec.replace, f"a template that fits match ({error})"
        ) from error
    return partial(_substitute, pattern, template)


def _build_operation(place: str, spec: _OperationSpec) -> Operation:
    if spec.operation == _DROP_QUERY_PARAMETERS:
        if not all(spec.parameters) or not spec.parameters:
            raise _fault(
                place, "parameters", spec.parameters, "names of query parameters, such as v, utm_*"
            )
        names = [name.lower() for name in spec.parameters]
        return partial(
            _drop_query_parameters,
            frozenset(name for name in names if not name.endswith("*")),
            tuple(name.removesuffix("*") for name in names if name.endswith("*")),
        )
    if spec.operation not in _OPERATIONS:
        known = ", ".join(sorted([*_OPERATIONS, _DROP_QUERY_PARAMETERS]))
        raise _fault(place, "operation", spec.operation, f"one of {known}")
    if spec.parameters:
        raise _fault(place, "parameters", spec.parameters, f"none for {spec.operation}")
    return _OPERATIONS[spec.operation]


def _check_examples(place: str, rule: UrlRule) -> None:
    for example in rule.examples:
        received = rule.apply(example.source)
        if received != example.corrected:
            raise _fault(
                place, f"example from {example.source!r}", received, repr(example.corrected)
            )
    for url in (*(example.corrected for example in rule.examples), *rule.leaves):
        received = rule.apply(url)
        if received != url:
            raise _fault(place, f"URL to leave alone {url!r}", received, "no change")


def _check_allowed_hosts(allowed_hosts: Sequence[str]) -> None:
    for listed in allowed_hosts:
        host = listed.lower()
        name = host.removeprefix("*.")
        is_address = _IPV6.fullmatch(host.removeprefix("[").removesuffix("]"))
        # A suffix of digits would let in IP addresses that nobody listed.
        is_suffix = _HOST_NAME.fullmatch(name) and not name.rpartition(".")[2].isdigit()
        if not (_HOST_NAME.fullmatch(host) or is_address or is_suffix):
            raise _fault(
                "URL rules",
                "allowed host",
                listed,
                "a host name or IP address without port, or *.<host name>",
            )


def _check_image_base(image_base: str) -> None:
    parts = _STANDARD_FORM.fullmatch(image_base)
    if parts is None or parts["path"] or "?" in image_base:
        raise _fault("URL rules", "image_base", image_base, "scheme://host[:port] in lower case")


def _check_image_base_stays(url_rules: UrlRules, image_base: str) -> None:
    url = f"{image_base}/image.jpg"
    received = url_rules.correct(url)
    if received != CorrectedUrl(url, (), None):
        raise _fault(
            f"URL rules: image_base {image_base!r}",
            url,
            received.reason or received.url,
            "a URL in standard form, of an allowed scheme and host",
        )


# --- what rules do; each leaves alone what it cannot correct, for the final check to refuse ---


def _substitute(pattern: re.Pattern[str], template: str, url: str) -> str:
    """Substitute in what comes before the query and fragment."""
    end = _address_length(url)
    if pattern.search(url, 0, end) is None:
        return url
    return pattern.sub(template, url[:end]) + url[end:]


def _address_length(url: str) -> int:
    """How many characters come before the query and fragment."""
    question_mark, hash_sign = url.find("?"), url.find("#")
    if question_mark < 0:
        return len(url) if hash_sign < 0 else hash_sign
    return question_mark if hash_sign < 0 else min(question_mark, hash_sign)


def _strip_ends(url: str) -> str:
    """Drop white space, control characters and invisible characters at both ends."""
    start, end = 0, len(url)
    while start < end and _is_invisible(url[start]):
        start += 1
    while start < end and _is_invisible(url[end - 1]):
        end -= 1
    return url[start:end]


def _is_invisible(character: str) -> bool:
    return not "!" <= character <= "~" and (
        character.isspace() or unicodedata.category(character) in ("Cc", "Cf")
    )


def _lower_case_scheme_and_host(url: str) -> str:
    parts = _PARTS.match(url)
    if parts is None:
        return url
    scheme, authority, tail = parts.groups()
    # Only ASCII: what lower case means elsewhere is for IDNA to say.
    if "@" in authority or not authority.isascii():
        return f"{scheme.lower()}://{authority}{tail}"
    return f"{scheme.lower()}://{authority.lower()}{tail}"


def _encode_host(url: str) -> str:
    """An international host name in punycode."""
    if url.isascii():
        return url
    parts = _PARTS.match(url)
    if parts is None or parts[2].isascii():
        return url
    host_and_port = _HOST_AND_PORT.fullmatch(parts[2])
    if host_and_port is None:
        return url
    host = _punycode(host_and_port[1])
    return url if host is None else f"{parts[1]}://{host}{host_and_port[2] or ''}{parts[3]}"


@lru_cache(maxsize=4096)
def _punycode(host: str) -> str | None:
    if len(host) > _MAX_HOST_LENGTH:
        return None
    try:
        encoded = idna.encode(host, uts46=True).decode("ascii")
    except UnicodeError:  # idna's errors are subclasses
        return None
    # Not left to the library: a mapped character such as U+2100 must never become URL syntax.
    return encoded if _HOST_NAME.fullmatch(encoded) else None


def _drop_default_port(url: str) -> str:
    if ":" not in url.partition("://")[2]:
        return url
    parts = _PARTS.match(url)
    if parts is None:
        return url
    scheme, authority, tail = parts.groups()
    host_and_port = _HOST_AND_PORT.fullmatch(authority)
    if host_and_port is None or host_and_port[2] is None:
        return url
    if host_and_port[2] in (":", f":{_DEFAULT_PORTS.get(scheme.lower())}"):
        return f"{scheme}://{host_and_port[1]}{tail}"
    return url


def _encode_percent(url: str) -> str:
    """Percent-encode path, query and fragment once, as RFC 3986 writes it (6.2.2)."""
    if _NOT_PLAIN.search(url) is None:
        return url
    parts = _PARTS.match(url)
    if parts is None:
        return url
    return url[: parts.start(3)] + _ENCODED_OR_FOREIGN.sub(_encode_match, parts[3])


def _encode_match(found: re.Match[str]) -> str:
    text = found[0]
    if text == "%":
        return "%25"
    if text.startswith("%"):
        character = chr(int(text[1:], 16))
        return character if _UNRESERVED.fullmatch(character) else text.upper()
    # A control character is no part of any name: left as it is, the final check refuses it.
    if any(unicodedata.category(character) == "Cc" for character in text):
        return text
    try:
        return "".join(f"%{byte:02X}" for byte in text.encode())
    except UnicodeEncodeError:  # half a surrogate pair
        return text


def _remove_dot_segments(url: str) -> str:
    if "/." not in url:
        return url
    parts = _PARTS.match(url)
    if parts is None:
        return url
    path_start, path_end = parts.start(3), _address_length(url)
    segments = url[path_start:path_end].split("/")
    kept: list[str] = []
    for segment in segments[1:]:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return url[:path_start] + "/".join([*segments[:1], *kept]) + url[path_end:]


def _drop_fragment(url: str) -> str:
    return url.partition("#")[0]


def _drop_query_parameters(names: frozenset[str], prefixes: tuple[str, ...], url: str) -> str:
    """Drop the named parameters and, when nothing is left, the question mark."""
    before_fragment, hash_sign, fragment = url.partition("#")
    address, question_mark, query = before_fragment.partition("?")
    if not question_mark:
        return url
    kept: list[str] = []
    for parameter in query.split("&"):
        name = parameter.partition("=")[0].lower()
        if parameter and name not in names and not name.startswith(prefixes):
            kept.append(parameter)
    return f"{address}{'?' if kept else ''}{'&'.join(kept)}{hash_sign}{fragment}"


def _lower_case_extension(url: str) -> str:
    path_end = _address_length(url)
    extension = _PICTURE_EXTENSION.search(url, max(0, path_end - _MAX_EXTENSION_LENGTH), path_end)
    if extension is None or extension[0].islower():
        return url
    parts = _PARTS.match(url)
    if parts is None or extension.start() < parts.start(3):
        return url
    return url[: extension.start()] + extension[0].lower() + url[path_end:]


_DROP_QUERY_PARAMETERS = "drop_query_parameters"
_OPERATIONS: Mapping[str, Operation] = {
    "strip_ends": _strip_ends,
    "lower_case_scheme_and_host": _lower_case_scheme_and_host,
    "encode_host": _encode_host,
    "drop_default_port": _drop_default_port,
    "encode_percent": _encode_percent,
    "remove_dot_segments": _remove_dot_segments,
    "drop_fragment": _drop_fragment,
    "lower_case_extension": _lower_case_extension,
}
