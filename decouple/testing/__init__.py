"""What tests of programs that use decouple need: time that stands still or is simulated, and books of what happened."""

from typing import TYPE_CHECKING

from decouple.clock import VirtualClock
from decouple.testing.ledger import Ledger

if TYPE_CHECKING:
    from decouple.testing.simulation import Simulation, Stopped, simulate

__all__ = ["Ledger", "Simulation", "Stopped", "VirtualClock", "simulate"]

if not TYPE_CHECKING:  # a __getattr__ that type checkers see would make every misspelt name an Any

    def __getattr__(name):
        if name in ("Simulation", "Stopped", "simulate"):  # they load asyncio, which synchronous tests do not need
            from importlib import import_module

            return getattr(import_module("decouple.testing.simulation"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
