"""Plans of faults."""

# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# What hypothesis hands to a function, and what JSON holds, is known when it is looked at, not before.

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from decouple.testing.faults import KINDS, Fault, Faults

__all__ = ["fault_plans"]


def fault_plans(kinds: Iterable[str] = tuple(KINDS)) -> SearchStrategy[Faults]:
    """What `Broker(faults=...)` and `simulate(faults=...)` take: kinds by rate, or at single occasions; and the seed.

    kinds: those there may be, all by default. It shrinks to no faults, to few kinds, to the first occasions.
    Raises ValueError.
    """
    wanted = list(kinds)
    for kind in wanted:
        if kind not in KINDS:
            raise ValueError(f"there is no fault {kind!r}: there are {', '.join(KINDS)}")
    one = st.integers(1, 5).map(lambda nth: Fault(nth=nth)) | st.floats(0, 1, allow_subnormal=False)
    plan = st.fixed_dictionaries({}, optional=dict.fromkeys(wanted, one))
    return st.builds(lambda plan, seed: Faults(seed, **plan), plan, st.integers(0, 1_000))
