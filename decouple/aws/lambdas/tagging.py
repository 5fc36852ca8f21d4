"""Tags: how many there may be. (What may be one, the model says.)"""

from __future__ import annotations

from collections.abc import Mapping

from decouple.aws.lambdas.names import invalid

__all__ = ["check_tags"]

MOST_TAGS = 50


def check_tags(tags: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """The tags with those that are added. Raises ServiceError."""
    both = {**tags, **added}
    if len(both) > MOST_TAGS:
        raise invalid("Number of tags exceeds resource tag limit.")
    return both
