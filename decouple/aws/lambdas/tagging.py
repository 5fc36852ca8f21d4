"""Tags: what may be one."""

from __future__ import annotations

from collections.abc import Mapping

from decouple.aws.lambdas.names import invalid

__all__ = ["check_tags"]

MOST_TAGS, LONGEST_KEY, LONGEST_VALUE = 50, 128, 256


def check_tags(tags: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """The tags with those that are added. Raises ServiceError."""
    both = {**tags, **added}
    if len(both) > MOST_TAGS:
        raise invalid("Number of tags exceeds resource tag limit.")
    for key, value in added.items():
        if not 1 <= len(key) <= LONGEST_KEY:
            raise invalid(f"The tag key {key!r:.200} must have 1 to {LONGEST_KEY} characters")
        if len(value) > LONGEST_VALUE:
            raise invalid(f"The value of tag {key!r} must have at most {LONGEST_VALUE} characters")
    return both
