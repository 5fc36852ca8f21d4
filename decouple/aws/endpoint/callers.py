"""Who calls: the account and the region that a request's credentials name. Nothing is proved here: see signatures.py."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from decouple.arns import check_region

if TYPE_CHECKING:
    from decouple.aws.wire import Scope

__all__ = ["account_of", "principal_of", "region_of"]

ACCOUNT_KEY = re.compile(r"[0-9]{12}", re.ASCII)


def account_of(scope: Scope | None) -> str | None:
    """An access key of 12 digits is an account; any other is of the default one."""
    return scope.access_key if scope and ACCOUNT_KEY.fullmatch(scope.access_key) else None


def region_of(scope: Scope | None) -> str | None:
    """The region of the scope, if it is one: "local" and the like mean the default one."""
    try:
        return check_region(scope.region) if scope else None
    except ValueError:
        return None


def principal_of(account: str) -> str:
    """The caller's ARN: the root user's of its account."""
    return f"arn:aws:iam::{account}:root"
