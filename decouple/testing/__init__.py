"""What tests of programs that use decouple need: time that stands still or is simulated, faults, books, stories and laws."""

from typing import TYPE_CHECKING

from decouple.clock import VirtualClock
from decouple.mishaps.effects import effect
from decouple.testing.ledger import Ledger

if TYPE_CHECKING:
    import decouple.testing.laws as laws
    import decouple.testing.strategies as strategies
    from decouple.expecting.spying import Call
    from decouple.mishaps.restarting import restartable
    from decouple.testing.conformance.behaviour import Behaviour
    from decouple.testing.conformance.report import Conformance
    from decouple.testing.conformance.running import (
        behaviours_of_queues,
        behaviours_of_topics,
        check_queue,
        check_topic,
    )
    from decouple.testing.exploring.all_orders import consumer, simulate_all
    from decouple.testing.exploring.explored import Explored
    from decouple.testing.exploring.state_machine import machine
    from decouple.testing.faults import Fault, Faults, Occasion
    from decouple.testing.proof.idempotency import Proof, prove_idempotent
    from decouple.testing.replaying import Replayed, replay
    from decouple.testing.simulating import simulate
    from decouple.testing.simulation import Simulation, Stopped

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
    "Call": "decouple.expecting.spying",
    "restartable": "decouple.mishaps.restarting",
    "Behaviour": "decouple.testing.conformance.behaviour",
    "Conformance": "decouple.testing.conformance.report",
    **dict.fromkeys(
        ("behaviours_of_queues", "behaviours_of_topics", "check_queue", "check_topic"),
        "decouple.testing.conformance.running",
    ),
    **dict.fromkeys(("consumer", "simulate_all"), "decouple.testing.exploring.all_orders"),
    "Explored": "decouple.testing.exploring.explored",
    "machine": "decouple.testing.exploring.state_machine",
    **dict.fromkeys(("Fault", "Faults", "Occasion"), "decouple.testing.faults"),
    **dict.fromkeys(("Proof", "prove_idempotent"), "decouple.testing.proof.idempotency"),
    **dict.fromkeys(("Replayed", "replay"), "decouple.testing.replaying"),
    "simulate": "decouple.testing.simulating",
    **dict.fromkeys(("Simulation", "Stopped"), "decouple.testing.simulation"),
    "laws": "decouple.testing.laws",
    "strategies": "decouple.testing.strategies",
}

if not TYPE_CHECKING:  # a __getattr__ that type checkers see would make every misspelt name an Any

    def __getattr__(name):
        if name in LATER:
            from importlib import import_module

            if name == LATER[name].rpartition(".")[2]:  # it is a module
                return import_module(LATER[name])
            return getattr(import_module(LATER[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
