"""What tests of programs that use decouple need: time that stands still or is simulated, books, stories and laws."""

from typing import TYPE_CHECKING

import decouple.testing.laws as laws
from decouple.clock import VirtualClock
from decouple.testing.ledger import Ledger
from decouple.testing.replaying import Replayed, replay

if TYPE_CHECKING:
    from decouple.testing.simulating import simulate
    from decouple.testing.simulation import Simulation, Stopped

__all__ = ["Ledger", "Replayed", "Simulation", "Stopped", "VirtualClock", "laws", "replay", "simulate"]

# What is loaded when it is asked for, and where it is: simulations load asyncio, which synchronous tests do not need.
LATER = {
    "Simulation": "decouple.testing.simulation",
    "Stopped": "decouple.testing.simulation",
    "simulate": "decouple.testing.simulating",
}

if not TYPE_CHECKING:  # a __getattr__ that type checkers see would make every misspelt name an Any

    def __getattr__(name):
        if name in LATER:
            from importlib import import_module

            return getattr(import_module(LATER[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
