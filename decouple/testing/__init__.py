"""What tests of programs that use decouple need: time that stands still or is simulated, books, stories and laws."""

from typing import TYPE_CHECKING

import decouple.testing.laws as laws
from decouple.clock import VirtualClock
from decouple.effects import effect
from decouple.spying import Call
from decouple.testing.ledger import Ledger
from decouple.testing.replaying import Replayed, replay

if TYPE_CHECKING:
    from decouple.testing.faults import Fault, Faults, Occasion
    from decouple.testing.idempotency import Proof, prove_idempotent
    from decouple.testing.simulation import Simulation, Stopped, simulate

__all__ = [
    "Call",
    "Fault",
    "Faults",
    "Ledger",
    "Occasion",
    "Proof",
    "Replayed",
    "Simulation",
    "Stopped",
    "VirtualClock",
    "effect",
    "laws",
    "prove_idempotent",
    "replay",
    "simulate",
]

# What is loaded when it is asked for, and where it is: simulations load asyncio, which synchronous tests do not need.
LATER = {
    **dict.fromkeys(("Simulation", "Stopped", "simulate"), "decouple.testing.simulation"),
    **dict.fromkeys(("Fault", "Faults", "Occasion"), "decouple.testing.faults"),
    **dict.fromkeys(("Proof", "prove_idempotent"), "decouple.testing.idempotency"),
}

if not TYPE_CHECKING:  # a __getattr__ that type checkers see would make every misspelt name an Any

    def __getattr__(name):
        if name in LATER:
            from importlib import import_module

            return getattr(import_module(LATER[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
