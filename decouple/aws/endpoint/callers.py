"""Who calls, and where: the account and the region that a request's credentials name, or whose the world gave them to.

Nothing is proved here: see signatures.py.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from decouple.arns import check_region
from decouple.aws.callers import holder, root_of

if TYPE_CHECKING:
    from decouple.aws.wire import Scope
    from decouple.aws.world import Place, World

__all__ = ["caller_of"]


def caller_of(world: World, scope: Scope | None) -> tuple[Place, str]:
    """The caller's place and ARN. Who signs nothing calls as the default account."""
    if scope is None:
        place = world.place()
        return place, root_of(place.account)
    account, principal = holder(world, scope.access_key)
    return world.place(account, region_of(scope.region)), principal


@lru_cache(maxsize=256)
def region_of(name: str) -> str | None:
    """The region of a scope, if it is one: "local" and the like mean the default one."""
    try:
        return check_region(name)
    except ValueError:
        return None
