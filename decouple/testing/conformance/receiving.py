"""Receiving: what a receive takes, what it answers when there is nothing, and how a long poll ends."""

from __future__ import annotations

from decouple.errors import TooManyInFlight
from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import Bench
from decouple.testing.conformance.expecting import equal, holds, refused


@behaviour()
def a_receive_from_an_empty_queue_is_an_empty_list(bench: Bench) -> None:
    """A receive that finds nothing and does not wait answers [], and no error."""
    equal(bench.queue().receive(), [], "a receive from an empty queue")


@behaviour("complete_receives")
def messages_come_oldest_first(bench: Bench) -> None:
    """A standard queue in calm times gives the oldest visible message first."""
    queue = bench.queue()
    for number in range(6):
        queue.send(f"{number}")

    one_by_one = [bench.one(queue).text for _ in range(3)]

    equal(one_by_one, ["0", "1", "2"], "the order, one by one")
    equal([message.text for message in bench.take(queue, 3)], ["3", "4", "5"], "the order of several at a time")


@behaviour()
def a_receive_takes_no_more_than_asked(bench: Bench) -> None:
    """`max_messages` is the most that one receive gives, 1 by default; the others stay."""
    queue = bench.queue()
    queue.send_batch(["a", "b", "c", "d"])

    holds(len(queue.receive()) <= 1, "a receive gave more than one message")
    holds(len(queue.receive(max_messages=2)) <= 2, "a receive of 2 gave more than two messages")


@behaviour("complete_receives")
def a_receive_takes_all_there_is_up_to_the_number_asked(bench: Bench) -> None:
    """A receive of many gives as many as are visible, up to the number asked."""
    queue = bench.queue()
    queue.send_batch(["a", "b", "c"])

    equal(len(queue.receive(max_messages=2)), 2, "a receive of 2 from a queue of 3")
    equal(len(queue.receive(max_messages=10)), 1, "a receive of 10 from a queue with 1 visible")


@behaviour()
def every_receive_counts(bench: Bench) -> None:
    """`receive_count` is 1 at the first receive and one more at each further one."""
    queue = bench.queue()
    queue.send("x")

    counts = [bench.one(queue, visibility_timeout=0).receive_count for _ in range(3)]

    equal(counts, [1, 2, 3], "the receive counts")


@behaviour()
def the_first_receive_is_remembered(bench: Bench) -> None:
    """`first_received_at` is the instant of the first receive, at every later one too."""
    queue = bench.queue()
    queue.send("x")
    first = bench.one(queue, visibility_timeout=0)
    bench.later(3)

    again = bench.one(queue)

    if first.first_received_at is None or again.first_received_at is None:
        raise AssertionError("a received message does not say when it was received first")
    off = (again.first_received_at - first.first_received_at).total_seconds()
    holds(abs(off) < bench.ticks(1), f"first_received_at moved by {off:g} s")


@behaviour()
def every_receive_has_a_receipt_of_its_own(bench: Bench) -> None:
    """Two receives of one message have two receipts, and an older handle keeps its own receipt and count."""
    queue = bench.queue()
    queue.send("x")
    first = bench.one(queue, visibility_timeout=0)
    receipt = first.receipt

    again = bench.one(queue)

    holds(again.receipt != receipt, "two receives have the same receipt")
    equal((first.receipt, first.receive_count), (receipt, 1), "receipt and count of the older handle")


@behaviour()
def a_wrong_argument_of_receive_is_refused_and_takes_nothing(bench: Bench) -> None:
    """max_messages under 1, a negative wait and a visibility timeout over 12 hours are ValueErrors."""
    queue = bench.queue()
    queue.send("x")

    with refused(ValueError, "max_messages of 0"):
        queue.receive(max_messages=0)
    with refused(ValueError, "a wait of -1"):
        queue.receive(wait=-1)
    for timeout in (-1, 43_201):
        with refused(ValueError, f"a visibility timeout of {timeout}"):
            queue.receive(visibility_timeout=timeout)

    equal(bench.one(queue).receive_count, 1, "the receive count after refused receives")


@behaviour("caps_in_flight")
def a_receive_beyond_the_cap_on_messages_in_flight_is_refused(bench: Bench) -> None:
    """With max_in_flight messages in flight a standard queue's receive raises TooManyInFlight, until one is settled."""
    queue = bench.queue(max_in_flight=2)
    queue.send_batch(["a", "b", "c"])
    held = bench.take(queue, 2)

    with refused(TooManyInFlight, "a third message in flight") as refusal:
        queue.receive()
    equal((refusal.error.in_flight, refusal.error.limit), (2, 2), "in flight, and the limit, of the error")

    held[0].ack()
    bench.take(queue)


@behaviour("fair")
def a_busy_tenant_does_not_delay_the_others(bench: Bench) -> None:
    """What a quiet tenant sends is received before the backlog of a noisy one, on a standard queue."""
    queue = bench.queue()
    for number in range(100):
        queue.send(f"busy {number}", group="busy")
    bench.take(queue, 40)
    queue.send("quiet", group="quiet")

    equal(bench.one(queue).text, "quiet", "what comes next, with 60 messages of a busy tenant waiting")


# -- long polls --------------------------------------------------------------------------------------------------


@behaviour()
def a_long_poll_returns_at_once_when_there_is_a_message(bench: Bench) -> None:
    """A receive with a wait returns as soon as it has one message; it does not wait for more."""
    queue = bench.queue()
    queue.send("x")
    before = bench.clock()

    batch = queue.receive(max_messages=10, wait=bench.ticks(20))

    took = bench.clock() - before
    equal([message.text for message in batch], ["x"], "what the long poll gave")
    holds(took < bench.ticks(10), f"the long poll waited {took:g} s though a message was there")


@behaviour()
def a_long_poll_ends_empty_at_its_deadline(bench: Bench) -> None:
    """A receive with a wait from an empty queue answers [] when the wait is over, and not before."""
    queue = bench.queue()
    before = bench.clock()
    bench.waited = True

    equal(queue.receive(wait=bench.ticks(2)), [], "what a long poll on an empty queue gave")

    took = bench.clock() - before
    holds(took >= bench.ticks(2) * 0.95, f"a wait of {bench.ticks(2):g} s ended after {took:g} s")
    holds(took <= bench.ticks(12), f"a wait of {bench.ticks(2):g} s took {took:g} s")


@behaviour()
def a_receive_waits_as_long_as_the_queue_says(bench: Bench) -> None:
    """Without a wait of its own a receive waits for the queue's; a wait of 0 of its own does not."""
    queue = bench.queue(wait=bench.ticks(2))
    before = bench.clock()
    bench.waited = True

    equal(queue.receive(wait=0), [], "a receive that does not wait")
    short = bench.clock() - before
    equal(queue.receive(), [], "a receive that waits")
    took = bench.clock() - before

    holds(short < bench.ticks(2), f"a receive with wait=0 took {short:g} s")
    holds(took >= bench.ticks(2) * 0.95, f"the queue's wait of {bench.ticks(2):g} s was ended after {took:g} s")


@behaviour("longest_delay")
def a_long_poll_gets_a_message_whose_delay_ends(bench: Bench) -> None:
    """A waiting receive has a delayed message when the delay is over, not only at the end of its wait."""
    queue = bench.queue()
    queue.send("x", delay=bench.ticks(2))
    before = bench.clock()
    bench.waited = True

    batch = queue.receive(wait=bench.ticks(18))

    took = bench.clock() - before
    equal([message.text for message in batch], ["x"], "what the long poll gave")
    holds(took >= bench.ticks(2) * 0.9, f"it came after {took:g} s of a delay of {bench.ticks(2):g} s")
    holds(took < bench.ticks(9), f"it came after {took:g} s, long after its delay of {bench.ticks(2):g} s")


@behaviour()
def a_long_poll_gets_a_message_whose_visibility_timeout_ends(bench: Bench) -> None:
    """A waiting receive has a message when another receiver's visibility timeout for it is over."""
    queue = bench.queue(visibility_timeout=bench.ticks(2))
    queue.send("x")
    bench.take(queue)
    before = bench.clock()
    bench.waited = True

    batch = queue.receive(wait=bench.ticks(18))

    took = bench.clock() - before
    equal([message.receive_count for message in batch], [2], "the receive counts of what the long poll gave")
    holds(took < bench.ticks(9), f"it came after {took:g} s of a visibility timeout of {bench.ticks(2):g} s")


@behaviour()
def a_changed_wait_holds_for_later_receives(bench: Bench) -> None:
    """A new wait of the queue holds from the next receive on."""
    queue = bench.queue()
    queue.configure(wait=bench.ticks(2))
    before = bench.clock()
    bench.waited = True

    equal(queue.receive(), [], "a receive from an empty queue")

    took = bench.clock() - before
    holds(took >= bench.ticks(2) * 0.95, f"the new wait of {bench.ticks(2):g} s was ended after {took:g} s")
