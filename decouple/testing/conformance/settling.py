"""Settling: what becomes of a received message, and how long an unreceived one is kept."""

from __future__ import annotations

from decouple.errors import DecoupleError, NotInFlight, ReceiptInvalid
from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import Bench
from decouple.testing.conformance.expecting import equal, fail, refused


@behaviour()
def a_deleted_message_never_comes_back(bench: Bench) -> None:
    """A message that was deleted in time is never received again."""
    queue = bench.queue(visibility_timeout=bench.ticks(1))
    queue.send("x")
    queue.delete(bench.one(queue))

    bench.later(2)
    bench.nothing(queue, "after a delete")


@behaviour()
def an_acknowledged_message_never_comes_back(bench: Bench) -> None:
    """`message.ack()` deletes it."""
    queue = bench.queue(visibility_timeout=bench.ticks(1))
    queue.send("x")
    bench.one(queue).ack()

    bench.later(2)
    bench.nothing(queue, "after an acknowledgement")


@behaviour()
def deleting_one_message_leaves_the_others(bench: Bench) -> None:
    """A delete takes what it names and nothing else."""
    queue = bench.queue(visibility_timeout=bench.ticks(1))
    queue.send_batch(["a", "b", "c"])
    held = {message.text: message for message in bench.take(queue, 3)}
    held["b"].ack()

    bench.later(1.5)
    equal(sorted(message.text for message in bench.take(queue, 2)), ["a", "c"], "what comes again")
    bench.nothing(queue, "after the others came")


@behaviour()
def deleting_twice_is_no_error(bench: Bench) -> None:
    """A second delete of the same message does nothing."""
    queue = bench.queue()
    queue.send("x")
    message = bench.one(queue)

    queue.delete(message)
    queue.delete(message)
    message.ack()

    queue.send("y")
    equal(bench.one(queue).text, "y", "what comes after two deletes")


@behaviour()
def a_late_delete_on_a_standard_queue_deletes(bench: Bench) -> None:
    """A receipt of a standard queue deletes the message also after its visibility timeout is over."""
    queue = bench.queue(visibility_timeout=bench.ticks(1))
    queue.send("x")
    message = bench.one(queue)
    bench.later(1.5)

    message.ack()

    bench.nothing(queue, "after a late delete")


@behaviour()
def an_old_receipt_of_a_standard_queue_deletes_what_was_received_again(bench: Bench) -> None:
    """Of several receives of one message on a standard queue the receipt of any deletes it."""
    queue = bench.queue(visibility_timeout=bench.ticks(2))
    queue.send("x")
    first = bench.one(queue, visibility_timeout=0)
    bench.take(queue)

    queue.delete(first)

    bench.later(2.5)
    bench.nothing(queue, "after a delete by an older receipt")


@behaviour()
def several_messages_are_deleted_at_once(bench: Bench) -> None:
    """`delete` takes handles and receipts together; none at all is no error."""
    queue = bench.queue(visibility_timeout=bench.ticks(1))
    queue.send_batch(["a", "b", "c"])
    a, b, c = bench.take(queue, 3)

    queue.delete(a, b.receipt, c)
    queue.delete()

    bench.later(1.5)
    bench.nothing(queue, "after all were deleted")


@behaviour()
def a_receipt_that_the_queue_never_gave_out_is_refused(bench: Bench) -> None:
    """ReceiptInvalid, also for one of another queue; nothing is deleted, the right ones beside it neither."""
    queue, other = bench.queue(visibility_timeout=bench.ticks(1)), bench.queue("other")
    queue.send("x")
    other.send("y")
    message, alien = bench.one(queue), bench.one(other)

    for receipt in ("made up", "", alien.receipt, alien):
        with refused(ReceiptInvalid, f"the receipt {str(receipt)[:12]!r}"):
            queue.delete(message, receipt)
    with refused(TypeError, "a number as a receipt"):
        queue.delete(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    bench.later(1.5)
    bench.take(queue)


@behaviour()
def a_with_block_acknowledges_at_its_end(bench: Bench) -> None:
    """`with message:` deletes the message when the block ends well."""
    queue = bench.queue(visibility_timeout=bench.ticks(1))
    queue.send("x")

    with bench.one(queue):
        pass

    bench.later(1.5)
    bench.nothing(queue, "after a block that ended well")


@behaviour()
def a_with_block_that_raises_gives_the_message_back(bench: Bench) -> None:
    """The message is visible at once when the block raises, and the error goes on."""
    queue = bench.queue()
    queue.send("x")

    with refused(ZeroDivisionError, "an error in the block"), bench.one(queue):
        fail()

    equal(bench.one(queue).receive_count, 2, "the receive count of what came again")


@behaviour()
def a_with_block_leaves_a_settled_message_as_it_is(bench: Bench) -> None:
    """A block that gives its message back does not delete it at its end."""
    queue = bench.queue()
    queue.send("x")

    with bench.one(queue) as message:
        message.nack()

    bench.take(queue)


@behaviour()
def a_rejected_message_is_gone_without_a_dead_letter_queue(bench: Bench) -> None:
    """`reject(reason)` ends a message; a second one is NotInFlight."""
    queue = bench.queue(visibility_timeout=bench.ticks(1))
    queue.send("x")
    message = bench.one(queue)

    message.reject("no use")

    with refused(NotInFlight, "a second reject"):
        message.reject("no use")
    bench.later(1.5)
    bench.nothing(queue, "after a reject")


@behaviour()
def a_reject_must_say_why(bench: Bench) -> None:
    """A reject without a reason is a ValueError and changes nothing."""
    queue = bench.queue(visibility_timeout=bench.ticks(1))
    queue.send("x")
    message = bench.one(queue)

    with refused(ValueError, "a reject without a reason"):
        message.reject("")

    bench.later(1.5)
    bench.take(queue)


@behaviour()
def a_moved_message_is_in_the_other_queue_and_not_here(bench: Bench) -> None:
    """`message.move(to)` acknowledges it here and sends it there, under its id and with its attributes."""
    queue, to = bench.queue(visibility_timeout=bench.ticks(1)), bench.queue("next")
    sent = queue.send("x", attributes={"n": 1})

    bench.one(queue).move(to)

    arrived = bench.one(to)
    found = (arrived.id, arrived.text, arrived.attributes, arrived.receive_count)
    equal(found, (sent.id, "x", {"n": 1}, 1), "id, text, attributes and receive count of what arrived")
    bench.later(1.5)
    bench.nothing(queue, "after a move")


@behaviour()
def a_move_to_a_closed_queue_leaves_the_message(bench: Bench) -> None:
    """A move that the other queue refuses raises, and the message stays in flight here."""
    queue, to = bench.queue(visibility_timeout=bench.ticks(2)), bench.queue("next")
    queue.send("x")
    message = bench.one(queue)
    to.close()

    with refused(DecoupleError, "a move to a closed queue"):
        message.move(to)

    bench.later(2.5)
    bench.take(queue)


# -- retention ---------------------------------------------------------------------------------------------------


@behaviour(seconds=62)
def a_message_is_gone_after_its_retention(bench: Bench) -> None:
    """A message that nobody received is gone once it is older than the queue's retention, and not before."""
    queue = bench.queue(retention=60)
    queue.send("x")

    bench.after(50)
    bench.take(queue, visibility_timeout=0)
    bench.after(11)

    bench.nothing(queue, "after the retention")


@behaviour(seconds=62)
def retention_counts_from_the_send(bench: Bench) -> None:
    """Receives, extensions and giving back do not prolong it; a message in flight goes too."""
    queue = bench.queue(retention=60)
    queue.send("x")
    bench.after(50)
    message = bench.one(queue, visibility_timeout=1_000)
    bench.after(11)

    with refused(NotInFlight, "giving back what is older than the retention"):
        message.nack()

    bench.nothing(queue, "after the retention")


@behaviour("longest_delay", seconds=62)
def a_delayed_message_does_not_outlive_its_retention(bench: Bench) -> None:
    """A delay longer than the retention gives the message to nobody."""
    queue = bench.queue(retention=60)
    queue.send("x", delay=min(61, bench.traits.longest_delay))

    bench.after(62)

    bench.nothing(queue, "after the retention")


@behaviour(seconds=62)
def a_shorter_retention_holds_for_what_is_stored(bench: Bench) -> None:
    """A changed retention applies to messages that are in the queue already."""
    queue = bench.queue()
    queue.send("x")
    bench.after(61)

    queue.configure(retention=60)

    bench.nothing(queue, "after a shorter retention")


@behaviour(seconds=62)
def deleting_what_retention_removed_is_no_error(bench: Bench) -> None:
    """A receipt of a message that is gone by its age deletes nothing, and says nothing."""
    queue = bench.queue(retention=60)
    queue.send("x")
    message = bench.one(queue, visibility_timeout=1_000)
    bench.after(61)

    message.ack()

    bench.nothing(queue, "after the retention")
