"""A world ends with what the wire keeps beside its brokers."""

from __future__ import annotations

import pytest

from decouple import DecoupleError
from decouple.aws import World
from decouple.testing import VirtualClock


class Kept:
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class Plain:
    """Nothing to close."""


@pytest.mark.parametrize("end", ["close", "reset"])
def test_what_is_kept_beside_a_broker_is_closed_with_it(clock: VirtualClock, end: str) -> None:
    world = World(clock=clock)
    place = world.place()
    kept, _ = place.keep(Kept), place.keep(Plain)

    getattr(world, end)()

    assert kept.closed == 1
    with pytest.raises(DecoupleError, match="closed"):
        place.broker.queue("orders")


def test_registered_handlers_outlive_a_reset(clock: VirtualClock) -> None:
    world = World(clock=clock)
    world.handlers["app.handler"] = print

    world.reset()

    assert world.handlers == {"app.handler": print}
