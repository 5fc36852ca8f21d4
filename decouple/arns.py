"""Amazon resource names, and whose they are when nobody says: made here and nowhere else."""

from __future__ import annotations

import re

__all__ = ["ACCOUNT", "REGION", "arn_of", "check_account", "check_region"]

ACCOUNT = "000000000000"
"""The account of whatever was declared without one."""
REGION = "us-east-1"
TWELVE_DIGITS = re.compile(r"[0-9]{12}", re.ASCII)
REGIONS = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}", re.ASCII)


def check_account(account: str) -> str:
    """The account, if it is one: 12 digits. Raises TypeError, ValueError."""
    if not isinstance(account, str):
        raise TypeError(f"account must be text of 12 digits, not {account!r}")
    if not TWELVE_DIGITS.fullmatch(account):
        raise ValueError(f"account must have 12 digits, such as {ACCOUNT!r}, not {account!r:.40}")
    return account


def check_region(region: str) -> str:
    """The region, if its name is one's: eu-central-1. Raises TypeError, ValueError."""
    if not isinstance(region, str):
        raise TypeError(f"region must be text such as {REGION!r}, not {region!r}")
    if not REGIONS.fullmatch(region):
        raise ValueError(f"region must read as {REGION!r} does, not {region!r:.40}")
    return region


def arn_of(service: str, name: str, *, account: str = ACCOUNT, region: str = REGION) -> str:
    """The name of a queue, topic or function for the whole of AWS: arn:aws:sqs:us-east-1:000000000000:orders."""
    return f"arn:aws:{service}:{region}:{account}:{name}"
