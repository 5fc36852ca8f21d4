"""Addresses nothing is sent to, in every spelling that a resolver or a gateway would take for them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis.strategies import integers, ip_addresses

from decouple.core.addresses import address_of, refusal_of


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.169.254.",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "0xA9.254.0251.0376",
        "169.254.43518",
        "169.16689662",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:c000:201::5601:5601",
    ],
)
def test_the_metadata_address_is_refused_however_it_is_written(host: str) -> None:
    assert refusal_of(host) == "link-local, where clouds answer with a machine's credentials"


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("169.254.0.0", "link-local"),
        ("169.254.170.2", "link-local"),
        ("169.254.255.255", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("FEBF::1", "link-local"),
        ("fd00:ec2::254", "Amazon"),
        ("fd00:ec2::23", "Amazon"),
        ("fd20:ce::254", "Google"),
        ("192.0.0.192", "Oracle"),
        ("fd00:c1::a9fe:a9fe", "Oracle"),
        ("fd00:42::42", "Scaleway"),
        ("100.100.100.200", "Alibaba"),
        ("::ffff:100.100.100.200", "Alibaba"),
        ("168.63.129.16", "Azure"),
    ],
)
def test_link_local_and_metadata_addresses_are_refused_with_the_reason(host: str, why: str) -> None:
    assert why in str(refusal_of(host))


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "2001:db8::1", "0.0.0.0"),
        *("169.253.255.255", "169.255.0.0", "fe7f::1", "fec0::1", "168.63.129.17", "::ffff:127.0.0.1"),
        *("localhost", "example.com", "169.254.169.254.example.com", "metadata.google.internal", ""),
    ],
)
def test_loopback_private_and_public_addresses_and_names_are_not_refused(host: str) -> None:
    assert refusal_of(host) is None


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0X7F000001", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("1.65535", "1.0.255.255"),
        ("1.2.65535", "1.2.255.255"),
        ("4294967295", "255.255.255.255"),
    ],
)
def test_numbers_are_read_as_inet_aton_reads_them(host: str, address: str) -> None:
    assert address_of(host) == IPv4Address(address)


@pytest.mark.parametrize(
    "host",
    [
        *("256.1.1.1", "1.2.3.256", "1.2.65536", "4294967296", "9" * 5_000, "1.2.3.4.5", "1..2", ".", "08.1.1.1"),
        *("0x", "0xg", "-1", "+1.2.3.4", " 1.2.3.4", "1.2.3.4..", "\u0661.2.3.4", "1_0", "1:2", ":::", "[::1]"),
    ],
)
def test_what_spells_no_address_is_none(host: str) -> None:
    assert address_of(host) is None


@given(ip_addresses())
def test_an_address_spelled_as_usual_is_itself(address: IPv4Address | IPv6Address) -> None:
    assert address_of(str(address)) == address


@given(integers(0, 2**32 - 1))
def test_all_spellings_of_an_ipv4_address_are_judged_alike(number: int) -> None:
    usual = str(ip_address(number))
    spellings = (str(number), hex(number), f"0{number:o}", f"{usual}.", f"::ffff:{usual}", f"64:ff9b::{usual}")

    assert {refusal_of(spelling) for spelling in spellings} == {refusal_of(usual)}
