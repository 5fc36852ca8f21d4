"""Who calls: the account and the principal that an access key stands for. Nothing is proved by it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from decouple.arns import TWELVE_DIGITS

if TYPE_CHECKING:
    from decouple.aws.world import World

__all__ = ["holder", "root_of"]

TEMPORARY = "ASIA"


def holder(world: World, access_key: str) -> tuple[str, str]:
    """The account and the principal's ARN: of 12 digits that account, of a role's key the role, else the world's own."""
    if access_key.startswith(TEMPORARY):
        from decouple.aws.sts import holder_of  # here, because few callers assume a role

        known = holder_of(world, access_key)
        if known is not None:
            return known.account, known.arn
    account = access_key if TWELVE_DIGITS.fullmatch(access_key) else world.account
    return account, root_of(account)


@lru_cache(maxsize=256)
def root_of(account: str) -> str:
    """The ARN of an account's root user."""
    return f"arn:aws:iam::{account}:root"
