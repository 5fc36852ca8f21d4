"""What tests of programs that use decouple need: time that stands still or is simulated, faults, books, stories and laws."""

from typing import TYPE_CHECKING

import decouple.testing.laws as laws
from decouple.clock import VirtualClock
from decouple.effects import effect
from decouple.spying import Call
from decouple.testing.ledger import Ledger
from decouple.testing.replaying import Replayed, replay

if TYPE_CHECKING:
    import decouple.testing.strategies as strategies
    from decouple.restarting import restartable
    from decouple.testing.all_orders import consumer, simulate_all
    from decouple.testing.conformance.behaviour import Behaviour
    from decouple.testing.conformance.report import Conformance
    from decouple.testing.conformance.running import (
        behaviours_of_queues,
        behaviours_of_topics,
        check_queue,
        check_topic,
    )
    from decouple.testing.explored import Explored
    from decouple.testing.faults import Fault, Faults, Occasion
    from decouple.testing.idempotency import Proof, prove_idempotent
    from decouple.testing.simulation import Simulation, Stopped, simulate
    from decouple.testing.state_machine import machine

__all__ = [
    "Behaviour",
    "Call",
    "Conformance",
    "Explored",
    "Fault",
    "Faults",
    "Ledger",
    "Occasion",
    "Proof",
    "Replayed",
    "Simulation",
    "Stopped",
    "VirtualClock",
    "behaviours_of_queues",
    "behaviours_of_topics",
    "check_queue",
    "check_topic",
    "consumer",
    "effect",
    "laws",
    "machine",
    "prove_idempotent",
    "replay",
    "restartable",
    "simulate",
    "simulate_all",
    "strategies",
]

# What is loaded when it is asked for, and where it is: simulations load asyncio, which synchronous tests do not need.
LATER = {
    "Explored": "decouple.testing.explored",
    **dict.fromkeys(("consumer", "simulate_all"), "decouple.testing.all_orders"),
    "restartable": "decouple.restarting",
    "Behaviour": "decouple.testing.conformance.behaviour",
    "Conformance": "decouple.testing.conformance.report",
    **dict.fromkeys(
        ("behaviours_of_queues", "behaviours_of_topics", "check_queue", "check_topic"),
        "decouple.testing.conformance.running",
    ),
    **dict.fromkeys(("Fault", "Faults", "Occasion"), "decouple.testing.faults"),
    **dict.fromkeys(("machine",), "decouple.testing.state_machine"),
    **dict.fromkeys(("Proof", "prove_idempotent"), "decouple.testing.idempotency"),
    **dict.fromkeys(("Simulation", "Stopped", "simulate"), "decouple.testing.simulation"),
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
