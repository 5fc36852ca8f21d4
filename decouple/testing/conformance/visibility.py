"""Visibility: how long a received message is hidden, and every way to make that longer or shorter."""

from __future__ import annotations

from decouple.errors import NotInFlight, VisibilityTooLong
from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import Bench
from decouple.testing.conformance.expecting import equal, refused


@behaviour()
def a_received_message_is_hidden_from_other_receives(bench: Bench) -> None:
    """While a message is in flight no other receive gets it."""
    queue = bench.queue()
    queue.send("x")
    bench.take(queue)

    bench.nothing(queue, "while the message is in flight")
    bench.later(2)
    bench.nothing(queue, "while the message is still in flight")


@behaviour()
def a_message_not_settled_comes_again_after_its_visibility_timeout(bench: Bench) -> None:
    """A message that nobody settles is received again once its visibility timeout is over, and not before."""
    queue = bench.queue(visibility_timeout=bench.ticks(2))
    queue.send("x")
    first = bench.one(queue)

    bench.almost(2)
    bench.nothing(queue, "before the visibility timeout is over")
    bench.at_last()

    again = bench.one(queue)
    equal((again.id, again.receive_count), (first.id, 2), "id and receive count of what came again")


@behaviour()
def the_visibility_timeout_runs_from_the_receive(bench: Bench) -> None:
    """It is counted from the receive, not from the send."""
    queue = bench.queue(visibility_timeout=bench.ticks(2))
    queue.send("x")
    bench.later(3)
    bench.take(queue)

    bench.nothing(queue, "right after a receive")
    bench.later(2.5)
    bench.take(queue)


@behaviour()
def a_receive_may_have_a_visibility_timeout_of_its_own(bench: Bench) -> None:
    """A receive's visibility timeout holds for what it takes, and the queue's for the next receive again."""
    queue = bench.queue()
    queue.send("x")
    bench.take(queue, visibility_timeout=bench.ticks(2))

    bench.almost(2)
    bench.nothing(queue, "before the receive's visibility timeout is over")
    bench.at_last()
    bench.take(queue)
    bench.later(3)
    bench.nothing(queue, "before the queue's visibility timeout is over")


@behaviour()
def a_visibility_timeout_of_0_leaves_the_message_visible(bench: Bench) -> None:
    """A receive with a visibility timeout of 0 gives each message once and leaves it visible."""
    queue = bench.queue()
    queue.send("x")

    batch = bench.take(queue, visibility_timeout=0)

    equal(len(batch), 1, "messages of one receive")
    equal(bench.one(queue).receive_count, 2, "the receive count at the next receive")


@behaviour()
def leases_end_in_the_order_of_their_deadlines(bench: Bench) -> None:
    """Of two messages received for different times the one with the shorter comes first, whichever was received first."""
    queue = bench.queue()
    queue.send("a")
    bench.take(queue, visibility_timeout=bench.ticks(6))
    queue.send("b")
    bench.take(queue, visibility_timeout=bench.ticks(2))

    bench.later(3)
    equal(bench.one(queue).text, "b", "after the shorter visibility timeout")
    bench.nothing(queue, "before the longer visibility timeout is over")
    bench.later(4)
    equal(bench.one(queue).text, "a", "after the longer visibility timeout")


@behaviour()
def a_changed_visibility_timeout_holds_for_later_receives(bench: Bench) -> None:
    """A new visibility timeout of the queue changes nothing for what is in flight, and holds for the next receive."""
    queue = bench.queue()
    queue.send_batch(["a", "b"])
    bench.take(queue)

    queue.configure(visibility_timeout=bench.ticks(2))
    taken = bench.one(queue)
    bench.later(2.5)

    again = bench.one(queue)
    equal(again.id, taken.id, "the message that was received after the change")
    bench.nothing(queue, "before the former visibility timeout is over")


@behaviour()
def an_extension_counts_from_the_call(bench: Bench) -> None:
    """`extend(s)` keeps the message for s seconds from now on, whatever was left."""
    queue = bench.queue(visibility_timeout=bench.ticks(3))
    queue.send("x")
    message = bench.one(queue)
    bench.later(1)

    message.extend(bench.ticks(4))

    bench.almost(4)
    bench.nothing(queue, "before the extension is over")
    bench.at_last()
    bench.take(queue)


@behaviour()
def a_change_may_shorten(bench: Bench) -> None:
    """`change_visibility` may make the time in flight shorter."""
    queue = bench.queue()
    queue.send("x")
    message = bench.one(queue)

    queue.change_visibility(message, bench.ticks(2))

    bench.almost(2)
    bench.nothing(queue, "before the shorter time is over")
    bench.at_last()
    bench.take(queue)


@behaviour()
def a_change_to_0_makes_the_message_visible(bench: Bench) -> None:
    """`change_visibility(message, 0)` gives the message back at once."""
    queue = bench.queue()
    queue.send("x")
    queue.change_visibility(bench.one(queue), 0)

    equal(bench.one(queue).receive_count, 2, "the receive count of what came again")


@behaviour()
def a_change_is_not_remembered_for_the_next_receive(bench: Bench) -> None:
    """The next receive has the queue's visibility timeout again."""
    queue = bench.queue()
    queue.send("x")
    bench.one(queue).extend(bench.ticks(1))
    bench.later(1.5)
    bench.take(queue)

    bench.later(2.5)
    bench.nothing(queue, "before the queue's visibility timeout is over")


@behaviour()
def a_receipt_is_as_good_as_its_message(bench: Bench) -> None:
    """`change_visibility` and `delete` take the receipt as text, as another process would have it."""
    queue = bench.queue()
    queue.send("x")

    queue.change_visibility(bench.one(queue).receipt, 0)
    message = bench.one(queue)
    queue.delete(message.receipt)

    queue.send("y")
    equal(bench.one(queue).text, "y", "after a delete by receipt")


@behaviour()
def a_nack_gives_the_message_back_at_once(bench: Bench) -> None:
    """`nack()` makes the message visible at once; the receive stays counted."""
    queue = bench.queue()
    queue.send("x")
    bench.one(queue).nack()

    equal(bench.one(queue).receive_count, 2, "the receive count of what came again")


@behaviour()
def a_nack_may_be_for_later(bench: Bench) -> None:
    """`nack(delay=s)` gives the message back in s seconds, and not before."""
    queue = bench.queue()
    queue.send("x")
    bench.one(queue).nack(delay=bench.ticks(2))

    bench.almost(2)
    bench.nothing(queue, "before the delay of a nack is over")
    bench.at_last()
    bench.take(queue)


@behaviour()
def a_late_change_hides_the_message_again(bench: Bench) -> None:
    """On a standard queue a change after the visibility timeout is over hides the message again."""
    queue = bench.queue(visibility_timeout=bench.ticks(1))
    queue.send("x")
    message = bench.one(queue)
    bench.later(1.5)

    message.extend(bench.ticks(4))

    bench.nothing(queue, "after a late extension")
    bench.later(4.5)
    bench.take(queue)


@behaviour()
def a_message_is_in_flight_for_twelve_hours_at_most(bench: Bench) -> None:
    """A change that would keep it for over 12 hours since its receive is VisibilityTooLong, and changes nothing."""
    queue = bench.queue()
    queue.send("x")
    message = bench.one(queue, visibility_timeout=bench.ticks(4))
    bench.later(2)

    with refused(VisibilityTooLong, "twelve hours more"):
        message.extend(43_200)

    bench.later(2.5)
    bench.take(queue)


@behaviour()
def a_wrong_visibility_timeout_is_refused(bench: Bench) -> None:
    """A change to less than 0 or more than 12 hours is a ValueError, words are a TypeError, and nothing changes."""
    queue = bench.queue()
    queue.send("x")
    message = bench.one(queue)

    for timeout in (-1, 43_201):
        with refused(ValueError, f"a visibility timeout of {timeout}"):
            message.extend(timeout)
    with refused(TypeError, "a visibility timeout in words"):
        message.extend("long")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    bench.nothing(queue, "after refused changes")


@behaviour()
def the_visibility_of_a_message_that_is_gone_cannot_change(bench: Bench) -> None:
    """After a delete, `extend` and `nack` raise NotInFlight."""
    queue = bench.queue()
    queue.send("x")
    message = bench.one(queue)
    queue.delete(message)

    with refused(NotInFlight, "an extension of a deleted message"):
        message.extend(30)
    with refused(NotInFlight, "giving back a deleted message"):
        message.nack()

    bench.nothing(queue, "after a delete")
