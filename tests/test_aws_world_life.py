"""The workers of a world: of all its brokers, also of those that come later."""

from __future__ import annotations

from decouple import VirtualClock
from decouple.aws import World


def test_every_broker_of_a_started_world_works() -> None:
    world, done = World(), list[object]()
    before = world.broker()
    world.start()
    after = world.broker("111122223333", "eu-central-1")

    for broker in (before, after):
        broker.function(lambda event, context: done.append(event), name="note").send(broker.account)
        broker.run_until_idle()

    assert done == ["000000000000", "111122223333"]
    assert [broker._staff is not None and broker._staff.runner.started for broker in (before, after)] == [True, True]
    world.close()


def test_after_a_reset_the_new_brokers_work_too() -> None:
    world = World()
    world.start()
    world.reset()

    broker = world.broker()
    broker.function(print, name="note")

    assert broker._staff is not None
    assert broker._staff.runner.started
    world.close()


def test_on_a_virtual_clock_nothing_is_started() -> None:
    world = World(clock=VirtualClock())
    world.start()

    broker = world.broker()
    broker.function(print, name="note")

    assert broker._staff is not None
    assert not broker._staff.runner.started
