from __future__ import annotations

import pytest

from image_duplication.hosts import host_is_allowed


@pytest.mark.parametrize(
    ("host", "pattern"),
    [
        pytest.param("gem.gov.in", "gem.gov.in", id="exact"),
        pytest.param("GEM.gov.IN", "gem.gov.in", id="letter-case"),
        pytest.param("a.gem.gov.in", "*.gem.gov.in", id="below"),
        pytest.param("a.b.gem.gov.in", "*.gem.gov.in", id="two-below"),
        pytest.param("[::1]", "::1", id="ipv6-brackets"),
    ],
)
def test_host_is_allowed_when_listed(host: str, pattern: str) -> None:
    assert host_is_allowed(host, [pattern])


@pytest.mark.parametrize(
    ("host", "pattern"),
    [
        pytest.param("gem.gov.in", "*.gem.gov.in", id="domain-itself"),
        pytest.param(".gem.gov.in", "*.gem.gov.in", id="empty-label"),
        pytest.param("evilgem.gov.in", "*.gem.gov.in", id="suffix-without-dot"),
        pytest.param("gem.gov.in.evil.example", "gem.gov.in", id="prefix"),
        pytest.param("a.gem.gov.in", "gem.gov.in", id="below-exact"),
        pytest.param("", "*.gem.gov.in", id="empty"),
    ],
)
def test_host_is_refused_when_not_listed(host: str, pattern: str) -> None:
    assert not host_is_allowed(host, [pattern])
