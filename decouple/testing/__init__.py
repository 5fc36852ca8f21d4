"""What tests of programs that use decouple need: time that stands still or is simulated, books, stories and laws."""

from typing import TYPE_CHECKING

import decouple.testing.laws as laws
from decouple.clock import VirtualClock
from decouple.testing.ledger import Ledger
from decouple.testing.replaying import Replayed, replay

if TYPE_CHECKING:
    import decouple.testing.strategies as strategies
    from decouple.testing.faults import Fault, Faults, Occasion
    from decouple.testing.simulation import Simulation, Stopped, simulate
    from decouple.testing.state_machine import machine

__all__ = [
    "Fault",
    "Faults",
    "Ledger",
    "Occasion",
    "Replayed",
    "Simulation",
    "Stopped",
    "VirtualClock",
    "laws",
    "machine",
    "replay",
    "simulate",
    "strategies",
]

# What is loaded when it is asked for, and where it is: simulations load asyncio, which synchronous tests do not need.
LATER = {
    **dict.fromkeys(("Simulation", "Stopped", "simulate"), "decouple.testing.simulation"),
    **dict.fromkeys(("Fault", "Faults", "Occasion"), "decouple.testing.faults"),
    **dict.fromkeys(("machine",), "decouple.testing.state_machine"),
}
ROOMS = ("strategies",)

if not TYPE_CHECKING:  # a __getattr__ that type checkers see would make every misspelt name an Any

    def __getattr__(name):
        from importlib import import_module

        if name in LATER:
            return getattr(import_module(LATER[name]), name)
        if name in ROOMS:
            return import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
