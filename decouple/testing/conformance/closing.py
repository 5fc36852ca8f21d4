"""The end: what a closed queue still does, and what outlives it."""

from __future__ import annotations

from decouple.errors import QueueClosed
from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import Bench
from decouple.testing.conformance.expecting import equal, refused


@behaviour()
def a_closed_queue_takes_and_gives_no_more(bench: Bench) -> None:
    """Sends, batches and receives raise QueueClosed; closing twice is no error."""
    queue = bench.queue()
    queue.send("x")

    queue.close()
    queue.close()

    with refused(QueueClosed, "a send to a closed queue"):
        queue.send("y")
    with refused(QueueClosed, "a batch to a closed queue"):
        queue.send_batch(["y"])
    with refused(QueueClosed, "a receive from a closed queue"):
        queue.receive()
    with refused(QueueClosed, "a long poll of a closed queue"):
        queue.receive(wait=bench.ticks(2))


@behaviour()
def what_is_in_flight_can_be_settled_after_the_close(bench: Bench) -> None:
    """A message received before the close can be acknowledged, given back and extended after it."""
    queue = bench.queue()
    queue.send_batch(["a", "b", "c"])
    one, two, three = bench.take(queue, 3)

    queue.close()

    one.ack()
    two.nack()
    three.extend(60)
    if bench.traits.exact_counts:
        stats = queue.stats()
        equal((stats.visible, stats.in_flight), (1, 1), "visible and in flight after the close")


@behaviour()
def a_reject_after_the_close_reaches_the_dead_letter_queue(bench: Bench) -> None:
    """A message held when its queue is closed can still become a dead letter."""
    queue, dead = bench.with_dead()
    queue.send("x")
    message = bench.one(queue)
    queue.close()

    message.reject("no")

    equal(bench.one(dead).text, "x", "the dead letter")


@behaviour()
def a_new_world_is_empty(bench: Bench) -> None:
    """A queue that was just made has no messages, whatever other worlds had under its name."""
    bench.nothing(bench.queue(), "in a new world")
    bench.queue().send("for this world alone")


@behaviour("survives")
def messages_survive_as_declared(bench: Bench) -> None:
    """What a send has answered for is there when the world is opened again, what was deleted is not."""
    queue = bench.queue(visibility_timeout=bench.ticks(1))
    sent = queue.send("kept", attributes={"n": 1})
    queue.send("deleted")
    for message in bench.take(queue, 2):
        if message.text == "deleted":
            queue.delete(message)

    with bench.reopened() as world:
        again = world.queue("orders", visibility_timeout=bench.ticks(1))
        bench.later(1.5)
        kept = bench.one(again)
        equal((kept.id, kept.text, kept.attributes), (sent.id, "kept", {"n": 1}), "id, text and attributes")
        bench.nothing(again, "after all that survives")


@behaviour("survives")
def receive_counts_survive_as_declared(bench: Bench) -> None:
    """A message that was received before the end goes on with its count, so that one that kills becomes a dead letter."""
    queue = bench.queue(visibility_timeout=bench.ticks(1))
    queue.send("x")
    bench.take(queue)

    with bench.reopened() as world:
        again = world.queue("orders", visibility_timeout=bench.ticks(1))
        bench.later(1.5)
        equal(bench.one(again).receive_count, 2, "the receive count")


@behaviour("shared")
def a_world_is_shared_as_declared(bench: Bench) -> None:
    """What is sent by one opening of a world is received and deleted by another one beside it."""
    queue = bench.queue(visibility_timeout=bench.ticks(1))
    queue.send("x")

    with bench.joined() as world:
        beside = world.queue("orders", visibility_timeout=bench.ticks(1))
        message = bench.one(beside)
        bench.nothing(queue, "while it is in flight beside")
        beside.delete(message)
        bench.later(1.5)
        bench.nothing(queue, "after it was deleted beside")
