"""URL rules: the shipped ones, what the loader refuses, and what no URL may get past."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
import urllib3
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from image_duplication.errors import ConfigurationError
from image_duplication.records import ReasonCode
from image_duplication.url_rules import CorrectedUrl, UrlRules, load_url_rules

RULES_FILE = Path(__file__).parents[1] / "include" / "config" / "url_rules.yaml"
IMAGE_BASE = "https://assets-bg.gem.gov.in"
LOOPBACK_BASE = "http://127.0.0.1:8123"
HOSTS = ("assets-bg.gem.gov.in", "*.gem.gov.in", "*.xn--h2brj9c", "127.0.0.1")
RULE_NAMES = (
    "stray_whitespace",
    "backslashes",
    "root_relative",
    "protocol_relative",
    "missing_scheme",
    "scheme_slashes",
    "scheme_and_host_case",
    "idn_host",
    "default_port",
    "legacy_hosts",
    "standard_host",
    "fragment",
    "percent_encoding",
    "doubled_slashes",
    "dot_segments",
    "query_junk",
    "size_rendition",
    "extension_case",
)
MAX_URL_LENGTH = 4096
MAX_RULE_SECONDS = 0.05
MAX_CORRECT_SECONDS = 0.5


def load(path: Path = RULES_FILE, **changes: Any) -> UrlRules:
    return load_url_rules(path, **{"image_base": IMAGE_BASE, "allowed_hosts": HOSTS, **changes})


RULES = load()


# --- the shipped rules ---


def test_shipped_rules_keep_their_order() -> None:
    assert tuple(rule.name for rule in RULES.rules) == RULE_NAMES


@pytest.mark.parametrize("name", RULE_NAMES)
@pytest.mark.parametrize("image_base", [IMAGE_BASE, LOOPBACK_BASE], ids=["standard", "loopback"])
def test_shipped_rule_does_what_its_examples_say(name: str, image_base: str) -> None:
    rule = next(r for r in load(image_base=image_base).rules if r.name == name)
    assert rule.examples
    assert rule.leaves
    assert [rule.apply(case.source) for case in rule.examples] == [
        case.corrected for case in rule.examples
    ]
    assert [rule.apply(url) for url in rule.leaves] == list(rule.leaves)


@pytest.mark.parametrize("name", RULE_NAMES)
def test_shipped_rule_uses_its_image_base_only_where_it_rewrites_hosts(name: str) -> None:
    rule = next(r for r in load(image_base=LOOPBACK_BASE).rules if r.name == name)
    moves_to_loopback = any(LOOPBACK_BASE in case.corrected for case in rule.examples)
    assert moves_to_loopback == (name in {"root_relative", "legacy_hosts", "standard_host"})


def _filled(prefix: str, unit: str, end: str) -> str:
    room = MAX_URL_LENGTH - len(prefix) - len(end)
    return prefix + (unit * (room // len(unit) + 1))[:room] + end


HOSTILE_UNITS = {
    "slashes": "/",
    "backslashes": "\\",
    "percents": "%",
    "half_escapes": "%2",
    "lower_escapes": "%e0",
    "dashes": "-",
    "digits": "9",
    "digits_and_x": "999x99",
    "renditions": "999x99x99",
    "dots": ".",
    "labels": "a.",
    "dot_segments": "/..",
    "spaces": " ",
    "zero_width": "\u200b",
    "line_ends": "\r\n",
    "ampersands": "&",
    "junk_parameters": "v=1&utm_",
    "question_marks": "?",
    "hashes": "#",
    "ats": "@",
    "colons": ":",
    "schemes": "http://",
    "hindi": "कु",
    "surrogates": "\ud800",
    "extensions": ".jpg",
    "brackets": "[",
}


@pytest.mark.parametrize("unit", HOSTILE_UNITS.values(), ids=HOSTILE_UNITS.keys())
def test_shipped_rules_stay_fast_on_hostile_input(unit: str) -> None:
    prefixes = ("", "http://", f"{IMAGE_BASE}/", f"{IMAGE_BASE}/a?", f"{IMAGE_BASE}/999x99x")
    for url in (
        _filled(prefix, unit, end) for prefix in prefixes for end in ("", "\x00a", "!.JPG")
    ):
        assert len(url) == MAX_URL_LENGTH
        for rule in RULES.rules:
            assert _seconds(rule.apply, url) < MAX_RULE_SECONDS, rule.name
        assert _seconds(RULES.correct, url) < MAX_CORRECT_SECONDS


@pytest.mark.parametrize("start", ["/", "/a.jpg?"], ids=["path", "query"])
def test_correct_refuses_fast_when_the_last_character_does_not_fit(start: str) -> None:
    url = _filled(f"{IMAGE_BASE}{start}", "a", "\x00a")
    assert _seconds(RULES.correct, url) < MAX_CORRECT_SECONDS
    assert RULES.correct(url).reason == ReasonCode.URL_UNCORRECTABLE


def _seconds(apply: Callable[[str], object], url: str) -> float:
    """CPU seconds, the best of three: garbage is collected in one, a slow pattern stays slow."""
    return min(_seconds_once(apply, url) for _ in range(3))


def _seconds_once(apply: Callable[[str], object], url: str) -> float:
    started = time.thread_time()
    apply(url)
    return time.thread_time() - started


# --- whole URLs ---

CATALOGUE = {
    "standard": (
        f"{IMAGE_BASE}/resources/upload/chair999x420x420.jpg",
        "/resources/upload/chair999x420x420.jpg",
        (),
    ),
    "standard_over_http": (
        "http://assets-bg.gem.gov.in/a.jpg",
        "/a.jpg",
        ("standard_host",),
    ),
    "legacy_fileserver": (
        "http://fileserver.gem.gov.in/resources/upload/chair-999x64x64.JPG",
        "/resources/upload/chair-999x420x420.jpg",
        ("legacy_hosts", "size_rendition", "extension_case"),
    ),
    "legacy_bulk_without_scheme": (
        "bulk.gem.gov.in//upload//a.jpg?v=3",
        "/upload/a.jpg",
        ("missing_scheme", "legacy_hosts", "doubled_slashes", "query_junk"),
    ),
    "legacy_www_mkp_protocol_relative": (
        "//www.mkp.gem.gov.in/a.png",
        "/a.png",
        ("protocol_relative", "legacy_hosts"),
    ),
    "windows_path": (
        "https:\\\\assets-bg.gem.gov.in\\resources\\a.jpg",
        "/resources/a.jpg",
        ("backslashes",),
    ),
    "escaped_windows_path": (
        "http:\\\\\\\\fileserver.gem.gov.in\\\\a.jpg",
        "/a.jpg",
        ("backslashes", "scheme_slashes", "legacy_hosts", "doubled_slashes"),
    ),
    "root_relative": (
        " /resources/upload/shared_doc/a.jpeg\t",
        "/resources/upload/shared_doc/a.jpeg",
        ("stray_whitespace", "root_relative"),
    ),
    "hindi_and_spaces": (
        f"{IMAGE_BASE}/फोटो 1.jpg",
        "/%E0%A4%AB%E0%A5%8B%E0%A4%9F%E0%A5%8B%201.jpg",
        ("percent_encoding",),
    ),
    "full_width_host": (
        "https://ＢＵＬＫ.gem.gov.in/a.jpg",
        "/a.jpg",
        ("idn_host", "legacy_hosts"),
    ),
    "hidden_dot_segments": (
        f"{IMAGE_BASE}/x/%2e%2E/a.jpg",
        "/a.jpg",
        ("percent_encoding", "dot_segments"),
    ),
    "hidden_junk_parameter": (
        f"{IMAGE_BASE}/a.jpg?%76=1",
        "/a.jpg",
        ("percent_encoding", "query_junk"),
    ),
    "unknown_parameters": (
        f"{IMAGE_BASE}/a.jpg?z=1&utm_source=q&y=2&Y=3#top",
        "/a.jpg?z=1&y=2&Y=3",
        ("fragment", "query_junk"),
    ),
    "everything_at_once": (
        "\u200bHTTP://WWW.Bulk.GEM.gov.in:80//x/./फ 999x1000x1000.JpEg?_=1#f \n",
        "/x/%E0%A4%AB%20999x420x420.jpeg",
        (
            "stray_whitespace",
            "scheme_and_host_case",
            "default_port",
            "legacy_hosts",
            "fragment",
            "percent_encoding",
            "doubled_slashes",
            "dot_segments",
            "query_junk",
            "size_rendition",
            "extension_case",
        ),
    ),
}


@pytest.mark.parametrize("image_base", [IMAGE_BASE, LOOPBACK_BASE], ids=["standard", "loopback"])
@pytest.mark.parametrize(("url", "path", "names"), CATALOGUE.values(), ids=CATALOGUE.keys())
def test_correct_gives_standard_form_and_names_its_rules(
    url: str, path: str, names: tuple[str, ...], image_base: str
) -> None:
    corrected = load(image_base=image_base).correct(url)
    assert corrected.url == f"{image_base}{path}"
    assert corrected.reason is None
    # The standard host itself moves when the image base is another.
    assert set(names) - {"standard_host"} == set(corrected.rule_names) - {"standard_host"}
    if image_base == IMAGE_BASE:
        assert corrected.rule_names == names


def test_correct_keeps_other_allowed_hosts_as_they_are() -> None:
    url = "https://cdn.gem.gov.in:8443/a.jpg?w=3"
    assert RULES.correct(url) == CorrectedUrl(url, (), None)
    assert (
        RULES.correct("https://चित्र.भारत/a.jpg").url == "https://xn--61bu0b6cud.xn--h2brj9c/a.jpg"
    )


UNCORRECTABLE = ReasonCode.URL_UNCORRECTABLE
SCHEME = ReasonCode.SCHEME_NOT_ALLOWED
HOST = ReasonCode.HOST_NOT_ALLOWED
REFUSED = {
    "empty": ("", UNCORRECTABLE),
    "only_space": (" \t\n", UNCORRECTABLE),
    "words": ("not a url", UNCORRECTABLE),
    "file_name": ("chair.jpg", UNCORRECTABLE),
    "absolute_path": ("/etc/passwd", UNCORRECTABLE),
    "no_host": ("https:///", UNCORRECTABLE),
    "no_path": (IMAGE_BASE, UNCORRECTABLE),
    "no_path_but_query": (f"{IMAGE_BASE}?a=1", UNCORRECTABLE),
    "javascript": ("javascript:alert(1)", SCHEME),
    "javascript_upper_case": ("JavaScript://assets-bg.gem.gov.in/%0aalert(1)", SCHEME),
    "file": ("file:///etc/passwd", SCHEME),
    "data": ("data:image/png;base64,iVBORw0KGgo=", SCHEME),
    "ftp": ("ftp://assets-bg.gem.gov.in/a.jpg", SCHEME),
    "gopher": ("gopher://127.0.0.1:6379/_SET", SCHEME),
    "user_in_host": ("http://assets-bg.gem.gov.in@evil.example/", UNCORRECTABLE),
    "user_and_password": ("https://user:pw@assets-bg.gem.gov.in/a.jpg", UNCORRECTABLE),
    "empty_user": ("https://@assets-bg.gem.gov.in/a.jpg", UNCORRECTABLE),
    "user_after_backslash": ("http://evil.example\\@assets-bg.gem.gov.in/a.jpg", HOST),
    "host_suffix": ("http://assets-bg.gem.gov.in.evil.example/", HOST),
    "host_prefix": ("https://evilassets-bg.gem.gov.in.example/a.jpg", HOST),
    "backslashes": ("http:\\\\evil.example\\assets-bg.gem.gov.in\\a.jpg", HOST),
    "escaped_backslashes": ("http:\\\\\\\\evil.example\\\\a.jpg", HOST),
    "bare_domain_of_wildcard": ("https://gem.gov.in/a.jpg", HOST),
    "unlike_domain_of_wildcard": ("https://evilgem.gov.in/a.jpg", HOST),
    "empty_label_of_wildcard": ("https://.gem.gov.in/a.jpg", UNCORRECTABLE),
    "fragment_before_host": ("http://127.0.0.1#@assets-bg.gem.gov.in", UNCORRECTABLE),
    "fragment_after_path": ("http://10.0.0.1/#@assets-bg.gem.gov.in/a.jpg", HOST),
    "query_before_host": ("http://evil.example?@assets-bg.gem.gov.in/a.jpg", HOST),
    "private_ip": ("http://10.0.0.1/a.jpg", HOST),
    "metadata_ip": ("http://169.254.169.254/latest/meta-data", HOST),
    "decimal_ip": ("http://2130706433/a.jpg", HOST),
    "octal_ip": ("http://0177.0.0.1/a.jpg", HOST),
    "hex_ip": ("http://0x7f000001/a.jpg", HOST),
    "short_ip": ("http://127.1/a.jpg", HOST),
    "full_width_other_ip": ("http://１０.0.0.1/a.jpg", HOST),
    "ipv6_loopback": ("http://[::1]/a.jpg", HOST),
    "ipv6_mapped": ("http://[::ffff:127.0.0.1]/a.jpg", HOST),
    "ipv6_zone": ("http://[fe80::1%25eth0]/a.jpg", UNCORRECTABLE),
    "percent_encoded_host": ("https://assets-bg%2Egem.gov.in/a.jpg", UNCORRECTABLE),
    "space_in_host": ("https://assets-bg .gem.gov.in/a.jpg", UNCORRECTABLE),
    "host_mapping_to_slash": ("https://evil.example℀.gem.gov.in/a.jpg", UNCORRECTABLE),
    "label_over_63": (f"https://{'a' * 64}.gem.gov.in/a.jpg", UNCORRECTABLE),
    "host_over_253": (f"https://{'a.' * 122}gem.gov.in/a.jpg", UNCORRECTABLE),
    "port_zero": ("https://assets-bg.gem.gov.in:0/a.jpg", UNCORRECTABLE),
    "port_too_large": ("https://assets-bg.gem.gov.in:65536/a.jpg", UNCORRECTABLE),
    "port_not_number": ("https://assets-bg.gem.gov.in:8o/a.jpg", UNCORRECTABLE),
    "two_ports": ("https://assets-bg.gem.gov.in:80:443/a.jpg", UNCORRECTABLE),
    "line_end_inside": (f"{IMAGE_BASE}/a\r\nHost: evil.example", UNCORRECTABLE),
    "null_inside": (f"{IMAGE_BASE}/a.jpg\x00.png", UNCORRECTABLE),
    "half_surrogate_pair": (f"{IMAGE_BASE}/\ud83d.jpg", UNCORRECTABLE),
}


@pytest.mark.parametrize(("url", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_correct_refuses_with_reason(url: str, reason: ReasonCode) -> None:
    corrected = RULES.correct(url)
    assert (corrected.url, corrected.reason) == (None, reason)


@pytest.mark.parametrize(
    ("allowed", "host", "is_allowed"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1:9000", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "127.1", False),
        ("127.0.0.1", "2130706433", False),
        ("[::1]", "[::1]", True),
        ("::1", "[::1]:9000", True),
        ("::1", "[0:0:0:0:0:0:0:1]", False),
        ("Pictures.Example", "pictures.example", True),
        ("pictures.example", "www.pictures.example", False),
        ("*.pictures.example", "a.b.pictures.example", True),
        ("*.pictures.example", "pictures.example", False),
        ("*.pictures.example", "badpictures.example", False),
    ],
)
def test_allowed_host_covers_exactly_what_it_says(
    allowed: str, host: str, is_allowed: bool
) -> None:
    rules = load(allowed_hosts=["assets-bg.gem.gov.in", allowed])
    reason = rules.correct(f"https://{host}/a.jpg").reason
    assert reason == (None if is_allowed else ReasonCode.HOST_NOT_ALLOWED)


def test_allowed_schemes_can_be_narrowed() -> None:
    rules = load(allowed_schemes=["https"])
    assert rules.correct("http://cdn.gem.gov.in/a.jpg").reason == ReasonCode.SCHEME_NOT_ALLOWED
    assert rules.correct("http://assets-bg.gem.gov.in/a.jpg").url == f"{IMAGE_BASE}/a.jpg"


def test_url_rules_survive_pickling() -> None:
    copy = pickle.loads(pickle.dumps(RULES))
    url = "bulk.gem.gov.in/a.JPG?v=1"
    assert copy.correct(url) == RULES.correct(url)


# --- any text at all ---

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200)
PIECES = st.sampled_from(
    [
        *HOSTILE_UNITS.values(),
        *(
            "https:",
            "HTTP:",
            "ftp:",
            "//",
            "assets-bg.gem.gov.in",
            "bulk.gem.gov.in",
            "Cdn.Gem.gov.in",
        ),
        *(
            "127.0.0.1",
            "[::1]",
            "evil.example",
            "चित्र.भारत",
            ":443",
            ":80",
            ":",
            "user@",
            "℀",
            "。",
        ),
        *("/", "resources/upload/", "chair", "-999x64x64", ".JPG", ".", "..", "%2E", "%2f", "%41"),
        *(
            "?",
            "&",
            "=",
            "v=1",
            "b=2",
            "utm_x",
            "#",
            " ",
            "\n",
            "\x00",
            "+",
            "é",
            "😀",
            "|",
            "{",
            "<",
        ),
    ]
)
URL_LIKE = st.one_of(
    st.lists(PIECES, max_size=14).map("".join),
    st.builds(lambda tail: f"{IMAGE_BASE}/{tail}", ANY_TEXT),
    st.builds(lambda pieces: f"{IMAGE_BASE}/{''.join(pieces)}", st.lists(PIECES, max_size=14)),
    st.builds(lambda host: f"https://{host}.gem.gov.in/a", ANY_TEXT),
)
LONG = st.builds(_filled, PIECES, st.one_of(PIECES, ANY_TEXT.filter(bool)), PIECES)
PROPERTY = settings(deadline=None, max_examples=500, database=None)


@PROPERTY
@given(st.one_of(ANY_TEXT, URL_LIKE, LONG))
@example("http://[/a")
@example(f"{IMAGE_BASE}/%%34%31")
@example(f"{IMAGE_BASE}//..//?&#?")
@example("http:https://bulk.gem.gov.in/a.jpg")
def test_correct_takes_any_text_and_is_idempotent(url: str) -> None:
    corrected = RULES.correct(url)
    assert (corrected.url is None) == (corrected.reason is not None)
    assert set(corrected.rule_names) <= set(RULE_NAMES)
    assert len(set(corrected.rule_names)) == len(corrected.rule_names)
    if corrected.url is not None:
        assert corrected.url.isascii()
        assert corrected.url.isprintable()
        assert " " not in corrected.url
        assert (corrected.url != url) == bool(corrected.rule_names)
        assert RULES.correct(corrected.url) == CorrectedUrl(corrected.url, (), None)


@PROPERTY
@given(URL_LIKE)
def test_corrected_url_names_the_same_host_to_every_parser(url: str) -> None:
    corrected = RULES.correct(url).url
    if corrected is None:
        return
    by_library = urlsplit(corrected)
    by_client = urllib3.util.parse_url(corrected)
    assert by_library.scheme in {"http", "https"}
    assert by_library.username is None
    assert by_client.auth is None
    assert by_library.hostname == by_client.host
    assert by_library.port == by_client.port
    host = by_library.hostname or ""
    assert host == "127.0.0.1" or host.endswith((".gem.gov.in", ".xn--h2brj9c"))


@PROPERTY
@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=60))
def test_encoded_name_decodes_to_itself_after_correction(name: str) -> None:
    # Letters around the name and an encoded slash keep it out of the other rules' reach.
    url = f"{IMAGE_BASE}/a{quote(name, safe='')}a"
    corrected = RULES.correct(url)
    assert corrected.url is not None
    assert unquote(urlsplit(corrected.url).path) == f"/a{name}a"


# --- what the loader refuses ---

GOOD_RULE: dict[str, Any] = {
    "name": "old_host",
    "why": "The host moved.",
    "match": r"\Ahttp://old\.example(?=/)",
    "replace": "{image_base}",
    "examples": [{"from": "http://old.example/a", "to": "{image_base}/a"}],
    "leaves": ["http://older.example/a"],
}
GOOD_OPERATION: dict[str, Any] = {
    "name": "no_fragment",
    "why": "Nobody sends it.",
    "operation": "drop_fragment",
    "examples": [{"from": "https://a.example/#b", "to": "https://a.example/"}],
}


def _without(rule: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in rule.items() if name != key}


def _write(tmp_path: Path, *rules: object) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"rules": list(rules)}, allow_unicode=True), encoding="utf-8")
    return path


def test_load_accepts_both_sorts_of_rule(tmp_path: Path) -> None:
    rules = load(_write(tmp_path, GOOD_RULE, GOOD_OPERATION))
    assert rules.correct("http://old.example/a#b") == CorrectedUrl(
        f"{IMAGE_BASE}/a", ("old_host", "no_fragment"), None
    )


BAD_RULES = {
    "regex": (GOOD_RULE | {"match": "("}, "match: received '('", "a regular expression"),
    "group": (GOOD_RULE | {"replace": r"\2"}, "replace: received", "a template that fits match"),
    "variable": (
        GOOD_RULE | {"replace": "{image_bas}"},
        "replace: received '{image_bas}'",
        "expected no other variable than {image_base}",
    ),
    "loose_brace": (GOOD_RULE | {"replace": "{image_base"}, "replace: received", "{image_base}"),
    "operation": (
        GOOD_OPERATION | {"operation": "drop_everything"},
        "operation: received 'drop_everything'",
        "expected one of drop_default_port, drop_fragment",
    ),
    "example_fails": (
        GOOD_RULE | {"examples": [{"from": "http://old.example/a", "to": "https://x.example/a"}]},
        "example from 'http://old.example/a': received 'https://assets-bg.gem.gov.in/a'",
        "expected 'https://x.example/a'",
    ),
    "example_without_change": (
        GOOD_RULE | {"examples": [{"from": "https://x/a", "to": "https://x/a"}]},
        "example: received 'https://x/a'",
        "from and to that differ",
    ),
    "leaves_fails": (
        GOOD_RULE | {"leaves": ["http://old.example/b"]},
        "URL to leave alone 'http://old.example/b'",
        "expected no change",
    ),
    "own_result_changes": (
        GOOD_RULE
        | {"match": "a", "replace": "aa", "examples": [{"from": "a", "to": "aa"}], "leaves": []},
        "URL to leave alone 'aa': received 'aaaa'",
        "expected no change",
    ),
    "no_examples": (GOOD_RULE | {"examples": []}, "examples: received []", "at least 1"),
    "examples_missing": (_without(GOOD_RULE, "examples"), "examples: received None", "be there"),
    "why_missing": (_without(GOOD_RULE, "why"), "why: received None", "this key to be there"),
    "why_two_lines": (GOOD_RULE | {"why": "a\nb"}, "why: received 'a\\nb'", "match pattern"),
    "extra_key": (
        GOOD_RULE | {"flags": "i"},
        "unknown key flags: received 'i'",
        "no other key than name, why, examples, leaves, match, replace",
    ),
    "extra_key_in_example": (
        GOOD_RULE | {"examples": [{"from": "a", "to": "b", "note": "c"}]},
        "unknown key examples.0.note: received 'c'",
        "no other key",
    ),
    "both_sorts": (GOOD_RULE | {"operation": "strip_ends"}, "unknown key match", "operation"),
    "neither_sort": (_without(GOOD_RULE, "match"), "match: received None", "this key to be there"),
    "wrong_type": (GOOD_RULE | {"replace": 7}, "replace: received 7", "valid string"),
    "parameters_missing": (
        GOOD_OPERATION | {"operation": "drop_query_parameters"},
        "parameters: received []",
        "names of query parameters",
    ),
    "parameters_unasked": (
        GOOD_OPERATION | {"parameters": ["v"]},
        "parameters: received ['v']",
        "expected none for drop_fragment",
    ),
}


@pytest.mark.parametrize(("rule", "received", "expected"), BAD_RULES.values(), ids=BAD_RULES.keys())
def test_load_refuses_bad_rule_by_name(
    tmp_path: Path, rule: dict[str, Any], received: str, expected: str
) -> None:
    path = _write(tmp_path, GOOD_RULE | {"name": "first"}, rule)
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: URL rule {rule['name']!r}: ")
    assert received in message
    assert expected in message


def test_load_refuses_a_name_used_twice(tmp_path: Path) -> None:
    path = _write(tmp_path, GOOD_RULE, GOOD_OPERATION | {"name": "old_host"})
    with pytest.raises(ConfigurationError, match="URL rule 'old_host': name: received 'old_host'"):
        load(path)


def test_load_numbers_a_rule_without_name(tmp_path: Path) -> None:
    path = _write(tmp_path, GOOD_RULE, _without(GOOD_OPERATION, "name"))
    with pytest.raises(ConfigurationError, match="URL rule '#2': name: received None"):
        load(path)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"rules: [", "valid YAML"),
        (b"rules: []", "at least 1"),
        (b"rules:\n  - just text", "valid dictionary"),
        (b"", "valid dictionary"),
        (b"rule: []", "this key to be there"),
        (b"\xff\xfe\xff", "readable UTF-8 file"),
    ],
    ids=["broken_yaml", "no_rule", "text_rule", "empty", "wrong_key", "not_utf8"],
)
def test_load_refuses_bad_file_by_path(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert expected in str(caught.value)


def test_load_refuses_missing_file_by_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.yaml: URL rules: file: received"):
        load(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    "image_base",
    [
        "",
        "assets-bg.gem.gov.in",
        "https://assets-bg.gem.gov.in/",
        "https://assets-bg.gem.gov.in/pictures",
        "https://assets-bg.gem.gov.in?a",
        "HTTPS://assets-bg.gem.gov.in",
        "https://assets-bg.gem.gov.in\\1",
    ],
)
def test_load_refuses_image_base_of_another_shape(image_base: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(image_base=image_base)
    assert f"image_base: received {image_base!r}, expected scheme://host[:port]" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("image_base", "received"),
    [
        ("https://assets-bg.gem.gov.in:443", "'url_uncorrectable'"),
        ("https://evil.example", "'host_not_allowed'"),
        ("ftp://assets-bg.gem.gov.in", "'scheme_not_allowed'"),
    ],
)
def test_load_refuses_image_base_that_its_rules_refuse(image_base: str, received: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(image_base=image_base)
    assert f"image_base {image_base!r}" in str(caught.value)
    assert received in str(caught.value)


@pytest.mark.parametrize(
    "host", ["", "*", "*.", "*.0.0.1", "a b", "https://x.example", "x.example:80", "a.*.example"]
)
def test_load_refuses_allowed_host_that_is_no_host(host: str) -> None:
    with pytest.raises(ConfigurationError, match="allowed host: received"):
        load(allowed_hosts=[*HOSTS, host])


def test_correct_refuses_when_rules_undo_each_other(tmp_path: Path) -> None:
    there = GOOD_RULE | {
        "name": "there",
        "match": "/left/",
        "replace": "/right/",
        "examples": [{"from": "/left/", "to": "/right/"}],
    }
    back = GOOD_RULE | {
        "name": "back",
        "match": "/right/",
        "replace": "/left/",
        "examples": [{"from": "/right/", "to": "/left/"}],
    }
    corrected = load(_write(tmp_path, there, back)).correct(f"{IMAGE_BASE}/left/a.jpg")
    assert corrected == CorrectedUrl(None, ("there", "back"), ReasonCode.URL_UNCORRECTABLE)
