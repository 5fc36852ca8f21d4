"""Where faults come in: a plan of them (testing.Faults), begun on a clock, is asked by whatever it may strike.

Without one nothing is asked: what may be struck has None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decouple.clock import AMBIENCE, Clock

if TYPE_CHECKING:
    from decouple.function import Function
    from decouple.testing.faults import Injection

__all__ = ["begun", "check_plan", "check_suffers", "suffer"]


def begun(faults: Any, clock: Clock, seed: int | None, *, ambient: bool) -> Injection | None:
    """The faults given, begun; where `ambient`, those of the simulation if none are given; None without any.

    seed: where the plan has none. Raises TypeError; ValueError for jumps of a clock that cannot jump.
    """
    ambience = AMBIENCE.get() if ambient else None
    if ambience is not None:
        faults = ambience.faults if faults is None else faults
        seed = ambience.seed if seed is None else seed
    if check_plan(faults) is None:
        return None
    injection: Injection = faults.begin(clock, seed)
    if injection.has("clock_jump") and clock.threaded:
        raise ValueError("clock_jump needs a VirtualClock or a simulation: real time cannot be made to jump")
    return injection


def check_plan(faults: Any) -> Any:
    """What was given as faults, if it is a plan or None. Raises TypeError."""
    if faults is not None and (isinstance(faults, type) or not callable(getattr(faults, "begin", None))):
        raise TypeError(f"faults must be decouple.testing.Faults(...) or None, not {faults!r:.80}")
    return faults


def check_suffers(function: Function, faults: Injection | None) -> None:
    """Raises ValueError where its handler is to be restarted, and cannot be."""
    if faults is not None:
        from decouple.mishaps.handlers import mishaps_of_function  # here, and below, because only tests have faults

        mishaps_of_function(function, faults)


def suffer(function: Function, faults: Injection | None) -> None:
    """These strike that function from now on. Raises ValueError where its handler cannot be restarted, and is to be."""
    function._faults = faults
    if faults is not None:
        from decouple.mishaps.handlers import befall

        befall(function, faults)
