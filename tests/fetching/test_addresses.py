from __future__ import annotations

from collections.abc import Sequence

import pytest

from image_duplication.fetching.addresses import check_addresses
from image_duplication.fetching.refusal import Refusal
from image_duplication.records import ReasonCode

PUBLIC = "93.184.216.34"


def check(*addresses: str, private_hosts: Sequence[str] = ()) -> Sequence[str]:
    return check_addresses(
        "shop.example", 80, resolver=lambda host, port: addresses, private_hosts=private_hosts
    )


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_address_is_allowed_when_public(address: str) -> None:
    assert check(address) == (address,)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "ff0e::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "not an address",
    ],
)
def test_address_is_refused_when_not_public(address: str) -> None:
    with pytest.raises(Refusal) as caught:
        check(address)
    assert caught.value.reason is ReasonCode.ADDRESS_NOT_ALLOWED


def test_address_refuses_the_host_when_one_of_several_is_private() -> None:
    with pytest.raises(Refusal, match=r"127\.0\.0\.1"):
        check(PUBLIC, "127.0.0.1")


def test_address_may_be_private_when_its_host_is_listed() -> None:
    assert check("127.0.0.1", private_hosts=["shop.example"]) == ("127.0.0.1",)
    with pytest.raises(Refusal):
        check("127.0.0.1", private_hosts=["other.example"])


@pytest.mark.parametrize("fault", [OSError("no such host"), UnicodeError("label too long")])
def test_address_is_unknown_when_the_resolver_fails(fault: Exception) -> None:
    def resolver(host: str, port: int) -> Sequence[str]:
        raise fault

    with pytest.raises(Refusal) as caught:
        check_addresses("shop.example", 80, resolver=resolver, private_hosts=[])
    assert caught.value.reason is ReasonCode.HOST_UNKNOWN
