from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from image_duplication.fetching.targets import Targets
from image_duplication.fetching.transport import Answer, Line, Transport, read_retry_after
from image_duplication.records import ReasonCode
from tests.fetching import drawing
from tests.fetching.fetching_all import quick_settings
from tests.fetching.hostile_server import HostileServer, says

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


def test_targets_refuse_a_redirect_from_https_to_http() -> None:
    targets = Targets(quick_settings().urls, {})
    target = targets.first("https://127.0.0.1/a.jpg")
    assert targets.next(target, "b.jpg").url == "https://127.0.0.1/b.jpg"
    with pytest.raises(Exception, match="from https to http") as caught:
        targets.next(target, "http://127.0.0.1/b.jpg")
    assert getattr(caught.value, "reason", None) is ReasonCode.SCHEME_NOT_ALLOWED
