"""Receipts of FIFO queues: good until their time is over, and receives that can be asked for again."""

from __future__ import annotations

from decouple.errors import DecoupleError, ReceiptExpired
from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import Bench
from decouple.testing.conformance.expecting import equal, refused
from decouple.testing.conformance.fifo import send, texts


@behaviour("fifo", "fences_stale_receipts")
def an_expired_receipt_deletes_nothing(bench: Bench) -> None:
    """A delete after the visibility timeout is over raises ReceiptExpired, and the message comes again."""
    queue = bench.fifo(visibility_timeout=bench.ticks(1))
    send(queue, "a1")
    message = bench.one(queue)
    bench.later(1.5)

    with refused(ReceiptExpired, "a late delete on a FIFO queue"):
        queue.delete(message)
    with refused(ReceiptExpired, "a late acknowledgement on a FIFO queue"):
        message.ack()

    equal(bench.one(queue).receive_count, 2, "the receive count of what came again")


@behaviour("fifo", "fences_stale_receipts")
def the_receipt_of_an_earlier_receive_deletes_nothing(bench: Bench) -> None:
    """Once a message was received again its former receipt is expired, and the new one is good."""
    queue = bench.fifo()
    send(queue, "a1", "a2")
    first = bench.one(queue)
    receipt = first.receipt
    first.nack()
    again = bench.one(queue)

    with refused(ReceiptExpired, "a delete by the receipt of an earlier receive"):
        queue.delete(receipt)

    bench.nothing(queue, "while the message is in flight")
    queue.delete(again)
    equal(bench.one(queue).text, "a2", "after the delete by the new receipt")


@behaviour("fifo", "fences_stale_receipts")
def an_expired_receipt_changes_no_visibility(bench: Bench) -> None:
    """A late `extend` or `nack` raises ReceiptExpired, and the message comes as if it had not been."""
    queue = bench.fifo(visibility_timeout=bench.ticks(1))
    send(queue, "a1")
    message = bench.one(queue)
    bench.later(1.5)

    with refused(ReceiptExpired, "a late extension on a FIFO queue"):
        message.extend(600)
    with refused(ReceiptExpired, "giving back late on a FIFO queue"):
        message.nack(600)

    bench.take(queue)


@behaviour("fifo", "fifo:exact", "fences_stale_receipts")
def of_many_receipts_only_the_expired_ones_are_refused(bench: Bench) -> None:
    """A delete of several messages names those that came too late in `receipts`; the others are deleted."""
    queue = bench.fifo(visibility_timeout=bench.ticks(3))
    send(queue, "a1", "b1")
    late, good = sorted(bench.take(queue) + bench.take(queue), key=lambda message: message.text)
    receipt = late.receipt
    late.nack()

    with refused(ReceiptExpired, "a delete with a receipt that is expired") as refusal:
        queue.delete(receipt, good)

    equal(refusal.error.receipts, (receipt,), "the receipts of the error")
    again = bench.one(queue)
    equal(again.text, "a1", "what comes again")
    again.ack()
    bench.later(3.5)
    bench.nothing(queue, "of what was deleted")


@behaviour("fifo")
def an_extension_keeps_the_receipt_good(bench: Bench) -> None:
    """A message that was extended in time is deleted after its first visibility timeout, and never comes back."""
    queue = bench.fifo(visibility_timeout=bench.ticks(2))
    send(queue, "a1", "a2")
    message = bench.one(queue)
    bench.later(1)
    message.extend(bench.ticks(4))
    bench.later(2)

    message.ack()

    equal(bench.one(queue).text, "a2", "after the delete")


@behaviour("fifo")
def deleting_what_is_gone_from_a_fifo_queue_is_no_error(bench: Bench) -> None:
    """A second delete does nothing, also after the visibility timeout is over."""
    queue = bench.fifo(visibility_timeout=bench.ticks(1))
    send(queue, "a1")
    message = bench.one(queue)
    message.ack()
    bench.later(1.5)

    queue.delete(message)

    bench.nothing(queue, "after two deletes")


# -- receives that are asked for again -------------------------------------------------------------------------------


@behaviour("fifo", "attempts")
def a_receive_asked_for_again_gives_the_same_messages(bench: Bench) -> None:
    """The same attempt id gives the same messages with the same receipts, for a new visibility timeout."""
    queue = bench.fifo(visibility_timeout=bench.ticks(3))
    send(queue, "a1")
    first = bench.one(queue, attempt_id="try-1")
    bench.later(2)

    again = bench.one(queue, attempt_id="try-1")

    found = (again.text, again.receipt, again.receive_count)
    equal(found, ("a1", first.receipt, 1), "text, receipt and receive count")
    bench.later(2)
    bench.nothing(queue, "before the new visibility timeout is over")


@behaviour("fifo", "fifo:exact", "attempts")
def another_attempt_is_another_receive(bench: Bench) -> None:
    """Another attempt id, or none, sees the group blocked."""
    queue = bench.fifo()
    send(queue, "a1", "b1")
    bench.take(queue, attempt_id="try-1")

    other = queue.receive(attempt_id="try-2")

    equal(texts(other), ["b1"], "what another attempt gives")
    equal(bench.one(queue, attempt_id="try-1").text, "a1", "what the first attempt gives again")


@behaviour("fifo", "attempts")
def an_attempt_is_forgotten_once_its_message_went_on(bench: Bench) -> None:
    """After a delete the same attempt id is an ordinary receive."""
    queue = bench.fifo()
    send(queue, "a1", "a2")
    first = bench.one(queue, attempt_id="try-1")
    equal(bench.one(queue, attempt_id="try-1").receipt, first.receipt, "the receipt of the same attempt")
    first.ack()

    equal(bench.one(queue, attempt_id="try-1").text, "a2", "after the delete")


@behaviour("fifo", "attempts")
def an_attempt_id_is_for_fifo_queues(bench: Bench) -> None:
    """On a standard queue, and with characters that ids do not have, it is a ValueError that takes nothing."""
    queue, fifo = bench.queue(), bench.fifo()
    queue.send("x")
    send(fifo, "a1")
    bench.take(fifo, attempt_id="a-good-one")

    with refused((ValueError, DecoupleError), "an attempt id on a standard queue"):
        queue.receive(attempt_id="try-1")
    for wrong in ("", "a b", "x" * 129):
        with refused(ValueError, f"the attempt id {wrong[:9]!r}"):
            fifo.receive(attempt_id=wrong)

    equal(bench.one(queue).receive_count, 1, "the receive count after a refused receive")
