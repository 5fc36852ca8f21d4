"""Whether anything is due on a virtual clock, for those who let it happen at moments of their own choice."""

from __future__ import annotations

from decouple import Broker, VirtualClock


def test_work_that_waits_to_be_done_is_due_until_it_is_done() -> None:
    clock = VirtualClock()
    broker, done = Broker(clock=clock), list[object]()
    note = broker.function(lambda event, context: done.append(event), name="note")
    assert not clock.due

    note.send("now")
    assert clock.due

    clock.advance(0)
    assert (done, clock.due) == (["now"], False)


def test_what_happens_later_is_not_due_yet() -> None:
    clock = VirtualClock()
    broker = Broker(clock=clock)
    queue = broker.queue("orders", visibility_timeout=30)
    queue.send("order 7")
    queue.receive()

    clock.advance(29.999)

    assert not clock.due
