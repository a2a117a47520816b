"""The IP addresses that a host's requests may go to."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator, Sequence

from image_duplication.fetching.refusal import Refusal
from image_duplication.hosts import host_is_allowed
from image_duplication.records import ReasonCode

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

Resolver = Callable[[str, int], Sequence[str]]
"""Host name and port to IP addresses, best first; raises OSError when there are none."""

# RFC 6052: the last 32 bits are an IPv4 address.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# RFC 8215: NAT64 within one network; older Pythons call it global.
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
# RFC 4291, 2.5.5.1: deprecated, and not in the registry that `is_global` follows.
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")


def look_up(host: str, port: int) -> Sequence[str]:
    """The system's answer."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in answers))


def check_addresses(
    host: str, port: int, *, resolver: Resolver, private_hosts: Sequence[str]
) -> Sequence[str]:
    """Resolve a host once; its addresses, all of them fit to be connected to.

    One address that is not refuses the host: whoever mixes them means harm. Raises Refusal.
    """
    try:
        addresses = resolver(host, port)
    except (OSError, UnicodeError) as error:
        raise Refusal(ReasonCode.HOST_UNKNOWN, f"{host!r} does not resolve: {error}") from error
    if not addresses:
        raise Refusal(ReasonCode.HOST_UNKNOWN, f"{host!r} has no address")
    may_be_private = host_is_allowed(host, private_hosts)
    for address in addresses:
        if not _is_fit(address, may_be_private=may_be_private):
            raise Refusal(
                ReasonCode.ADDRESS_NOT_ALLOWED,
                f"{host!r} resolves to {address}, which is not a public address",
            )
    return addresses


def _is_fit(address: str, *, may_be_private: bool) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if may_be_private:
        return not parsed.is_multicast
    return all(_is_public(each) for each in _with_embedded(parsed))


def _is_public(address: _Address) -> bool:
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    # Site-local (RFC 3879) is deprecated, not in the registry, and still routed in places.
    return not address.is_site_local and address not in _LOCAL_NAT64


def _with_embedded(address: _Address) -> Iterator[_Address]:
    """The address, or the IPv4 addresses within it to which a gateway would send the packets."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
        return
    yield address
    if address in _NAT64 or address in _IPV4_COMPATIBLE:
        yield ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
