"""What a shelf is: where a durable engine keeps all that is no message of a queue, by kind and key, as JSON values.

Topics keep their subscriptions and what was not pushed yet there, functions their events, schedules their next instant,
a broker the settings of its queues. Memory has none. What is put is as durable as the engine when `put` returns.

What is put belongs to the process that put it: work that is under way there. Where that process is gone, the next
one that asks takes it over (`adopt`), so work is neither forgotten nor done by two that live.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

__all__ = ["Shelf", "afterwards"]


class Shelf(Protocol):
    """A durable place for JSON values (None, bool, int, float, str, lists, dicts with text for keys). Thread-safe."""

    @property
    def shared(self) -> bool:
        """Whether other processes may change it meanwhile."""
        ...

    @property
    def revision(self) -> int:
        """Another number when another process has put, dropped or swapped something since. Cost: a few us."""
        ...

    def put(self, kind: str, key: str, value: Any) -> None:
        """Keep `value`, in the place of what was there; it is this process's. Raises NotKept where it cannot be kept."""
        ...

    def drop(self, kind: str, key: str) -> None:
        """Forget it; what is not there is no error. Raises NotKept."""
        ...

    def get(self, kind: str, key: str) -> Any:
        """The value, None where there is none."""
        ...

    def items(self, kind: str) -> dict[str, Any]:
        """All of a kind by key, in the order in which they were put first, whosever they are. Cost: O(all of the kind)."""
        ...

    def adopt(self, kind: str) -> dict[str, Any]:
        """Take over those of a kind whose process is gone: each is in one answer of one process. In the order of `items`."""
        ...

    def swap(self, kind: str, key: str, old: Any, new: Any) -> bool:
        """Put `new` if the value is `old`, in one step; False, and nothing done, if it is another.

        None is for none, of both: an `old` of None if there is none, a `new` of None to drop it.
        """
        ...

    def together(self) -> AbstractContextManager[None]:
        """What this thread sends, publishes, puts and drops within is one transaction where the engine has those.

        Otherwise each is kept as it comes. May be nested; an exception undoes all of it where it is a transaction.
        """
        ...


def afterwards(shelf: Shelf, call: Callable[[], object]) -> None:
    """Call it once what this thread has put is kept for certain: at once, unless it is within a transaction.

    A shelf that has those has a method `then(call)` for it: called after the commit by this thread, never if it is undone.
    """
    then = getattr(shelf, "then", None)
    if then is None:
        call()
    else:
        then(call)
