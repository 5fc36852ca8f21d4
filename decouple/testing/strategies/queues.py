"""Settings of queues."""

# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# What hypothesis hands to a function, and what JSON holds, is known when it is looked at, not before.

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from decouple.queue import Queue
from decouple.settings import DURATIONS, FIFO
from decouple.testing.strategies.contents import seconds

__all__ = ["queue_settings"]

SMALLEST = 65_536
LONGEST_WAIT = 20


def queue_settings(*, fifo: bool = False, dead_letter: Queue[Any] | None = None) -> SearchStrategy[dict[str, Any]]:
    """What `Queue(name, **settings)` and `broker.queue(name, **settings)` take; any message drawn here fits into the queue.

    fifo: those of FIFO queues, too; dead_letter: the dead-letter queue of some of them.
    """
    more: dict[str, SearchStrategy[Any]] = {
        name: seconds(least, min(most, LONGEST_WAIT) if name == "wait" else most)
        for name, (least, most) in DURATIONS.items()
    }
    more["max_message_size"] = st.integers(SMALLEST, 1_048_576)
    more["max_in_flight"] = st.integers(1, 120_000)
    more["redrive_allow"] = st.sampled_from(["all", "none"])
    if fifo:
        more |= {name: st.sampled_from(choices) for name, choices in FIFO.items() if name != "on_poison"}
        more["on_poison"] = st.sampled_from([None, "block"])
    plain = st.fixed_dictionaries({}, optional=more)
    if dead_letter is None:
        return plain
    always = {"dead_letter": st.just(dead_letter), "max_receives": st.integers(1, 1_000)}
    poison = {"on_poison": st.sampled_from(FIFO["on_poison"])} if fifo else {}
    return plain | st.fixed_dictionaries(always, optional={**more, **poison})
