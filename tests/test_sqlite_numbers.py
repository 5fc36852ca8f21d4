"""Numbers of messages in a database: none is given out twice, not in one transaction either."""

from __future__ import annotations

from pathlib import Path

import pytest

from decouple import Broker, VirtualClock


@pytest.fixture
def broker(tmp_path: Path) -> Broker:
    return Broker(f"sqlite:///{tmp_path}/jobs.db", clock=VirtualClock())


@pytest.mark.parametrize("suffix", ["", ".fifo"])
def test_several_messages_die_in_one_receive(broker: Broker, suffix: str) -> None:
    dead = broker.queue("dead" + suffix)
    orders = broker.queue("orders" + suffix, dead_letter=dead, max_receives=1, visibility_timeout=1)
    for number in range(3):
        more = {"group": f"g{number}", "deduplication_id": str(number)} if suffix else {}
        orders.send(f"order {number}", **more)
    assert len(orders.receive(max_messages=10)) == 3
    broker.clock.advance(2)

    assert orders.receive(max_messages=10) == []

    assert sorted(message.text for message in dead.receive(max_messages=10)) == ["order 0", "order 1", "order 2"]
    broker.check()


def test_a_number_is_not_given_out_again_where_its_message_is_deleted_in_the_same_transaction(broker: Broker) -> None:
    orders = broker.queue("orders")
    first = orders.send("first")

    shelf = broker._engine.shelf
    assert shelf is not None
    with shelf.together():
        [message] = orders.receive()
        orders.delete(message)
        second = orders.send("second", attributes={"number": 2})
        [again] = orders.receive()
        again.nack()

    assert len({first.id, second.id}) == 2
    assert [message.id for message in orders.receive()] == [second.id]
    broker.check()
