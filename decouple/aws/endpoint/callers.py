"""Who calls: the account and the region that a request's credentials name. Nothing is proved here: see signatures.py."""

from __future__ import annotations

import re
from functools import lru_cache

from decouple.arns import check_region

__all__ = ["account_of", "principal_of", "region_of"]

ACCOUNT_KEY = re.compile(r"[0-9]{12}", re.ASCII)


def account_of(access_key: str) -> str | None:
    """An access key of 12 digits is an account; any other is of the default one."""
    return access_key if ACCOUNT_KEY.fullmatch(access_key) else None


@lru_cache(maxsize=256)
def region_of(name: str) -> str | None:
    """The region of a scope, if it is one: "local" and the like mean the default one."""
    try:
        return check_region(name)
    except ValueError:
        return None


def principal_of(account: str) -> str:
    """The caller's ARN: the root user's of its account."""
    return f"arn:aws:iam::{account}:root"
