"""Which addresses nothing is sent to: link-local ones and those where clouds keep a machine's credentials.

A web endpoint is often named by somebody else than who runs the program. Addresses that only this machine can ask, and
that answer with its secrets, are therefore refused, however they are written: as a number, in hexadecimal or octal, or
inside an IPv6 address that a gateway turns back into IPv4. Loopback and private networks are no such addresses.

Decisions on text alone: no name is looked up here, and no socket opened.
Sources: RFC 3927, 4291 (link-local), 6052 (NAT64), 3056 (6to4), 4380 (Teredo); the clouds' pages on instance metadata.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

__all__ = ["Address", "address_of", "refusal_of"]

Address: TypeAlias = IPv4Address | IPv6Address

LINK_LOCAL = "link-local, where clouds answer with a machine's credentials"
REFUSED: dict[IPv4Network | IPv6Network, str] = {
    ip_network(network): why
    for network, why in {
        "169.254.0.0/16": LINK_LOCAL,
        "fe80::/10": LINK_LOCAL,
        "fd00:ec2::/32": "Amazon's services for an instance, such as its credentials",
        "fd20:ce::254/128": "Google's metadata of an instance",
        "fd00:c1::a9fe:a9fe/128": "Oracle's metadata of an instance",
        "192.0.0.192/32": "Oracle's metadata of an instance",
        "fd00:42::42/128": "Scaleway's metadata of an instance",
        "100.100.100.200/32": "Alibaba's metadata of an instance",
        "168.63.129.16/32": "Azure's services for an instance",
    }.items()
}

# Mapped, compatible and translated IPv4, and NAT64 by its two prefixes: the last 32 bits are the IPv4 address.
CARRIERS = tuple(
    IPv6Network(network) for network in ("::ffff:0:0/96", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
PART = re.compile(r"0[xX][0-9a-fA-F]+|[0-9]+", re.ASCII)


def refusal_of(host: str) -> str | None:
    """Why nothing is sent to the address that `host` spells; None where it may be, and for names."""
    address = address_of(host)
    if address is None:
        return None
    return next((why for one in reached(address) for network, why in REFUSED.items() if one in network), None)


def address_of(host: str) -> Address | None:
    """The address that `host` spells, in any way a resolver may take; None for a name."""
    if ":" not in host:
        return ipv4_of(host.removesuffix("."))
    try:
        return ip_address(host)
    except ValueError:
        return None


def ipv4_of(host: str) -> IPv4Address | None:
    """What inet_aton makes of it: one to four numbers, each decimal, octal or hexadecimal; the last fills what is left."""
    parts = host.split(".")
    if len(parts) > 4 or not all(map(PART.fullmatch, parts)):
        return None
    try:
        *leading, last = map(number_of, parts)
    except ValueError:
        return None  # an octal number with an 8 or a 9
    if any(byte > 255 for byte in leading) or last >= 256 ** (5 - len(parts)):
        return None
    return IPv4Address(sum(byte << 8 * (3 - place) for place, byte in enumerate(leading)) + last)


def number_of(part: str) -> int:
    if part[:2] in ("0x", "0X"):
        return int(part, 16)
    return int(part, 8 if part.startswith("0") else 10)


def reached(address: Address) -> Iterator[Address]:
    """The address, and the IPv4 addresses that a gateway on the way would make of it."""
    yield address
    if isinstance(address, IPv6Address):
        if any(address in carrier for carrier in CARRIERS):
            yield IPv4Address(int(address) & 0xFFFFFFFF)
        if address.sixtofour is not None:
            yield address.sixtofour
        if address.teredo is not None:
            yield address.teredo[1]
