"""Who calls, and where: the account and the region that a request's credentials name, or whose the world gave them to.

Nothing is proved here: see signatures.py.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from decouple.arns import check_region

if TYPE_CHECKING:
    from decouple.aws.wire import Scope
    from decouple.aws.world import Place, World

__all__ = ["caller_of"]

ACCOUNT_KEY = re.compile(r"[0-9]{12}", re.ASCII)
TEMPORARY = "ASIA"


def caller_of(world: World, scope: Scope | None) -> tuple[Place, str]:
    """The caller's place and ARN: of a role that it assumed, else the root user of its account.

    An access key of 12 digits is an account; any other is of the default one.
    """
    if scope is None:
        place = world.place()
        return place, root_of(place.account)
    key, region = scope.access_key, region_of(scope.region)
    if key.startswith(TEMPORARY):
        from decouple.aws.sts import holder_of  # here, because few callers assume a role

        holder = holder_of(world, key)
        if holder is not None:
            return world.place(holder.account, region), holder.arn
    place = world.place(account_of(key), region)
    return place, root_of(place.account)


@lru_cache(maxsize=256)
def region_of(name: str) -> str | None:
    """The region of a scope, if it is one: "local" and the like mean the default one."""
    try:
        return check_region(name)
    except ValueError:
        return None


@lru_cache(maxsize=256)
def account_of(key: str) -> str | None:
    return key if ACCOUNT_KEY.fullmatch(key) else None


@lru_cache(maxsize=256)
def root_of(account: str) -> str:
    return f"arn:aws:iam::{account}:root"
