"""Mail addresses and telephone numbers: what may be one, checked before anything is sent there.

Mail addresses are the plain `local@domain` of RFC 5321, without quotes and comments: nobody has those, and they are how
headers are forged. Both sides may be international: a domain is shown as it was written and goes over the wire in ASCII.
"""

from __future__ import annotations

import re

__all__ = ["check_address", "check_number", "wire_address"]

LONGEST_LOCAL = 64
LONGEST_ADDRESS = 254
ATOM = r'[^ .@"(),:;<>\[\\\]]+'
LOCAL = re.compile(rf"{ATOM}(\.{ATOM})*")
LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
DOMAIN = re.compile(rf"{LABEL}(\.{LABEL})*")
NUMBER = re.compile(r"\+[1-9][0-9]{1,14}")
SEPARATORS = str.maketrans("", "", " -./")


def check_address(address: str) -> str:
    """The address itself, when it is `local@domain`. Raises TypeError, ValueError."""
    if not isinstance(address, str):
        raise TypeError(f"a mail address is text, not {address!r}")
    if address.count("@") != 1:
        raise ValueError(f"a mail address has one @, unlike {address!r:.80}")
    local = address.partition("@")[0]
    if not LOCAL.fullmatch(local) or not local.isprintable():
        raise ValueError(
            f"a mail address has before its @ letters, digits and signs, without spaces, quotes, brackets, control "
            f"characters and dots at an end, unlike {address!r:.80}"
        )
    if len(local.encode()) > LONGEST_LOCAL or len(wire_address(address).encode()) > LONGEST_ADDRESS:
        raise ValueError(
            f"a mail address has at most {LONGEST_LOCAL} bytes before its @ and {LONGEST_ADDRESS} in all, "
            f"unlike {address!r:.400}"
        )
    return address


def wire_address(address: str) -> str:
    """The address with its domain in ASCII, `xn--...` where it is not. Raises ValueError."""
    local, _, domain = address.partition("@")
    return f"{local}@{domain if domain.isascii() and DOMAIN.fullmatch(domain) else ascii_domain(domain)}"


def ascii_domain(domain: str) -> str:
    try:
        text = domain.encode("idna").decode()
        same = text.encode().decode("idna") == domain.lower()
    except UnicodeError:
        text, same = "", False
    # Python's codec is of 2003 and turns some letters into others, ß into ss: that mail would go to somebody else's domain.
    if not same or not DOMAIN.fullmatch(text):
        raise ValueError(
            f"a mail address has a domain of labels of 1 to 63 letters, digits and '-' joined by dots after its @, not "
            f"{domain!r:.80}: write an international one that is refused in its xn-- form"
        )
    return text


def check_number(number: str) -> str:
    """The number in E.164: `+`, the country code, and 2 to 15 digits in all; spaces and `-./` are left out.

    Brackets are refused: in "+44 (0)20 7946 0000" they hold a digit that must not be dialled. Raises TypeError, ValueError.
    """
    if not isinstance(number, str):
        raise TypeError(f"a telephone number is text, not {number!r}")
    digits = number.translate(SEPARATORS)
    if not NUMBER.fullmatch(digits):
        raise ValueError(f"a telephone number is + and 2 to 15 digits, as in '+15550100', not {number!r:.80}")
    return digits
