from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from image_duplication.fetching.targets import Targets, condition_of
from image_duplication.fetching.transport import Answer, Line, Transport, read_retry_after
from image_duplication.records import ReasonCode
from tests.fetching import drawing
from tests.fetching.fetching_all import quick_settings
from tests.fetching.hostile_server import HostileServer, says

LONG_AGO = "Mon, 01 Jan 2001 00:00:00 GMT"
NOW = datetime(2026, 1, 5, 10, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 17 ", 17.0),
        ("9" * 5_000, 999_999_999.0),
        ("Mon, 05 Jan 2026 10:00:30 GMT", 30.0),
        ("Mon, 05 Jan 2026 09:00:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(value: str | None, seconds: float | None) -> None:
    assert read_retry_after(value, NOW) == seconds


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of its own authority for shop.example, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop.example")])
    today = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "shop.pem"
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def get_encrypted(certificate: Path, host: str, ca_file: Path | None) -> tuple[Answer, list[str]]:
    settings = quick_settings(allowed_hosts=["*.example"])

    def check(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    named: list[str] = []
    context.sni_callback = lambda connection, name, _: named.append(name)
    server = HostileServer()
    server.encrypt(context)
    server.otherwise = says(drawing.encoded("PNG"))
    transport = Transport(settings.download, check, ca_file=str(ca_file) if ca_file else None)
    with server.running():
        target = Targets(settings.urls, {}).first(server.url("/x.png", host))
        answer = transport.get(target, Line())
        transport.close()
    return answer, named


def test_transport_keeps_the_host_name_for_tls(certificate: Path) -> None:
    answer, named = get_encrypted(certificate, "shop.example", certificate)
    assert (answer.reason, answer.http_status, named) == (None, 200, ["shop.example"])


@pytest.mark.parametrize(
    ("host", "is_trusted"),
    [
        pytest.param("other.example", True, id="another-host"),
        pytest.param("shop.example", False, id="unknown-authority"),
    ],
)
def test_transport_refuses_a_wrong_certificate(
    certificate: Path, host: str, is_trusted: bool
) -> None:
    answer, _ = get_encrypted(certificate, host, certificate if is_trusted else None)
    assert (answer.reason, answer.http_status) == (ReasonCode.CONNECTION_FAILED, None)
    assert "certificate verify failed" in answer.detail.lower()


@pytest.mark.parametrize(
    ("etag", "last_modified", "condition"),
    [
        pytest.param('"v1"', LONG_AGO, {"If-None-Match": '"v1"'}, id="etag-first"),
        pytest.param('W/"v1"', None, {"If-None-Match": 'W/"v1"'}, id="weak-etag"),
        pytest.param('"caf\xe9"', None, {"If-None-Match": '"caf\xe9"'}, id="latin-etag"),
        pytest.param(None, LONG_AGO, {"If-Modified-Since": LONG_AGO}, id="date-only"),
        pytest.param("*", LONG_AGO, {"If-Modified-Since": LONG_AGO}, id="etag-that-matches-all"),
        pytest.param('"a", "b"', None, {}, id="list-of-etags"),
        pytest.param('"a"\r\nHost: other.example', None, {}, id="etag-with-a-header"),
        pytest.param('"v\u0935"', None, {}, id="etag-that-no-header-takes"),
        pytest.param("", "", {}, id="empty"),
        pytest.param(None, "Mon\r\n X: y", {}, id="date-with-a-header"),
        pytest.param(None, None, {}, id="none"),
    ],
)
def test_condition_is_made_of_what_a_host_may_give(
    etag: str | None, last_modified: str | None, condition: dict[str, str]
) -> None:
    assert condition_of(etag, last_modified) == condition


def test_targets_set_no_condition_for_a_redirect() -> None:
    targets = Targets(quick_settings().urls, {"Accept": "image/*"})
    conditional = targets.first("https://127.0.0.1/a.jpg", {"If-None-Match": '"v1"'})
    assert conditional.is_conditional
    assert dict(conditional.request.headers) == {"Accept": "image/*", "If-None-Match": '"v1"'}
    for location in ("b.jpg", "a.jpg", "https://127.0.0.1:444/a.jpg"):
        following = targets.next(conditional, location)
        assert not following.is_conditional
        assert dict(following.request.headers) == {"Accept": "image/*"}


def test_targets_refuse_a_redirect_from_https_to_http() -> None:
    targets = Targets(quick_settings().urls, {})
    target = targets.first("https://127.0.0.1/a.jpg")
    assert targets.next(target, "b.jpg").url == "https://127.0.0.1/b.jpg"
    with pytest.raises(Exception, match="from https to http") as caught:
        targets.next(target, "http://127.0.0.1/b.jpg")
    assert getattr(caught.value, "reason", None) is ReasonCode.SCHEME_NOT_ALLOWED
