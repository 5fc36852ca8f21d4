"""What a broker lends to what it holds: who works, what targets share, and where jitter comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from decouple.core.backoff import Chance
    from decouple.post import Post
    from decouple.runner import Runner
    from decouple.testing.faults import Injection

__all__ = ["Staff"]


class Staff(NamedTuple):
    """What a broker lends its topics: who works, what targets share, where jitter comes from, and what goes wrong."""

    runner: Runner
    post: Post
    chance: Chance
    faults: Injection | None = None
