"""FIFO queues: the order within a group, what blocks a group, and that groups do not block each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from decouple.message import Entry, Message
from decouple.queue import Queue
from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import Bench
from decouple.testing.conformance.expecting import equal, holds, refused


def send(queue: Queue[Any], *bodies: str) -> None:
    """Each to the group that its first letter names."""
    for body in bodies:
        queue.send(body, group=body[0])


def texts(messages: Iterable[Message[Any]]) -> list[str]:
    """Of these messages, in their order."""
    return [message.text for message in messages]


def in_turn(bench: Bench, queue: Queue[Any], count: int) -> list[str]:
    """The texts of so many messages, each deleted before the next is received."""
    seen: list[str] = []
    for _ in range(count):
        message = bench.one(queue)
        seen.append(message.text)
        message.ack()
    return seen


@behaviour("fifo")
def a_group_comes_in_the_order_of_sending(bench: Bench) -> None:
    """The messages of a group are received in the order they were sent."""
    queue = bench.fifo()
    send(queue, *(f"a{number}" for number in range(8)))

    equal(in_turn(bench, queue, 8), [f"a{number}" for number in range(8)], "the order")


@behaviour("fifo")
def a_batch_keeps_its_order(bench: Bench) -> None:
    """The entries of a batch to one group are received in their order."""
    queue = bench.fifo()
    queue.send_batch([Entry(f"a{number}", group="a") for number in range(6)])

    equal(in_turn(bench, queue, 6), [f"a{number}" for number in range(6)], "the order")


@behaviour("fifo")
def a_group_is_blocked_while_its_first_message_is_in_flight(bench: Bench) -> None:
    """While a message of a group is in flight the group gives nothing more, what is sent meanwhile neither."""
    queue = bench.fifo()
    send(queue, "a1", "a2")
    bench.take(queue)

    bench.nothing(queue, "of a group whose first message is in flight")
    send(queue, "a3")
    bench.nothing(queue, "of a message sent to a blocked group")


@behaviour("fifo")
def a_group_opens_when_its_first_message_is_deleted(bench: Bench) -> None:
    """After the delete the next message of the group is received at once."""
    queue = bench.fifo()
    send(queue, "a1", "a2")
    bench.one(queue).ack()

    equal(bench.one(queue).text, "a2", "after the delete of the first")


@behaviour("fifo")
def what_expired_comes_again_before_what_is_behind_it(bench: Bench) -> None:
    """After its visibility timeout a message is received again before any later one of its group."""
    queue = bench.fifo(visibility_timeout=bench.ticks(2))
    send(queue, "a1", "a2", "a3")
    bench.take(queue)

    bench.almost(2)
    bench.nothing(queue, "before the visibility timeout is over")
    bench.at_last()

    equal(in_turn(bench, queue, 3), ["a1", "a2", "a3"], "the order after an expiry")


@behaviour("fifo")
def what_was_given_back_comes_again_before_what_is_behind_it(bench: Bench) -> None:
    """After a nack a message is received again before any later one of its group."""
    queue = bench.fifo()
    send(queue, "a1", "a2")
    bench.one(queue).nack()

    again = bench.one(queue)
    equal((again.text, again.receive_count), ("a1", 2), "text and receive count after a nack")
    again.ack()
    equal(bench.one(queue).text, "a2", "after the delete")


@behaviour("fifo")
def a_nack_for_later_holds_back_the_group(bench: Bench) -> None:
    """A message given back for later keeps its group blocked until then."""
    queue = bench.fifo()
    send(queue, "a1", "a2")
    bench.one(queue).nack(delay=bench.ticks(2))

    bench.almost(2)
    bench.nothing(queue, "before the delay of a nack is over")
    bench.at_last()

    equal(bench.one(queue).text, "a1", "after the delay of a nack")


@behaviour("fifo")
def an_extension_holds_back_the_group(bench: Bench) -> None:
    """A group is blocked as long as its first message is kept."""
    queue = bench.fifo(visibility_timeout=bench.ticks(2))
    send(queue, "a1", "a2")
    message = bench.one(queue)
    bench.later(1)
    message.extend(bench.ticks(4))

    bench.almost(4)
    bench.nothing(queue, "before the extension is over")
    bench.at_last()

    equal(bench.one(queue).text, "a1", "after the extension")


@behaviour("fifo", "fifo:exact")
def groups_do_not_block_each_other(bench: Bench) -> None:
    """While one group is blocked the others are received."""
    queue = bench.fifo()
    send(queue, "a1", "a2", "b1", "b2", "c1")

    found = texts(bench.take(queue) + bench.take(queue) + bench.take(queue))

    equal(sorted(found), ["a1", "b1", "c1"], "one receive after the other")
    bench.nothing(queue, "when all groups are blocked")


@behaviour("fifo", "fifo:exact", tells=("fifo", "fifo:exact"))
def any_number_of_groups_is_in_flight_side_by_side(bench: Bench) -> None:
    """With exact order each of a hundred groups has a message in flight at the same time."""
    queue = bench.fifo()
    for number in range(100):
        queue.send(f"{number}", group=f"g{number}")

    groups = {message.group for message in (bench.one(queue) for _ in range(100))}

    equal(len(groups), 100, "groups in flight")


@behaviour("fifo", "fifo:exact")
def a_receive_takes_what_it_can_of_one_group(bench: Bench) -> None:
    """A receive of many takes the messages of a group in order, several at a time, and the group is blocked by all."""
    queue = bench.fifo()
    send(queue, "a1", "a2", "a3", "a4")

    batch = queue.receive(max_messages=3)

    equal(texts(batch), ["a1", "a2", "a3"], "a receive of three")
    batch[0].ack()
    bench.nothing(queue, "while some of them are in flight")
    queue.delete(*batch[1:])
    equal(bench.one(queue).text, "a4", "after all of them were deleted")


@behaviour("fifo", "fifo:exact")
def a_first_message_shown_again_is_given_alone(bench: Bench) -> None:
    """Of two messages in flight the first is given back: it is received, and the second stays hidden."""
    queue = bench.fifo()
    send(queue, "a1", "a2", "a3")
    first, _ = queue.receive(max_messages=2)

    first.nack()

    equal(texts(queue.receive(max_messages=10)), ["a1"], "after the first was given back")


@behaviour("fifo", "fifo:exact")
def a_receive_for_no_time_leaves_the_group_available(bench: Bench) -> None:
    """A receive with a visibility timeout of 0 gives the first message, and so does the next receive."""
    queue = bench.fifo()
    send(queue, "a1", "a2")

    found = [bench.one(queue, visibility_timeout=0).text for _ in range(2)]

    equal(found, ["a1", "a1"], "two receives for no time")


@behaviour("fifo")
def a_message_has_its_group_and_sequence_number(bench: Bench) -> None:
    """`group` arrives with it; sequence numbers rise in the order of sending, and are those the sends answered."""
    queue = bench.fifo()
    answers = [queue.send(f"{number}", group="a").sequence for number in range(4)]

    messages: list[Message[Any]] = []
    for _ in range(4):
        messages.append(bench.one(queue))
        messages[-1].ack()

    equal([message.group for message in messages], ["a"] * 4, "the groups")
    numbers = [int(message.sequence or "-1") for message in messages]
    equal(numbers, sorted(set(numbers)), "the sequence numbers, rising")
    equal(numbers, [int(answer or "-2") for answer in answers], "the sequence numbers that the sends answered")


@behaviour("fifo")
def a_group_is_needed(bench: Bench) -> None:
    """A send without a group is a ValueError, a batch with such an entry InvalidBatch; nothing is sent."""
    queue = bench.fifo()

    with refused(ValueError, "a send without a group"):
        queue.send("x")
    with refused(ValueError, "a batch without a group"):
        queue.send_batch([Entry("x", group="a"), "y"])

    bench.nothing(queue, "after refused sends")


@behaviour("fifo")
def a_wrong_group_of_a_fifo_queue_is_refused(bench: Bench) -> None:
    """A group has 1 to 128 letters, digits and punctuation marks."""
    queue = bench.fifo()

    for group in ("", "a b", "x" * 129, "grüße"):
        with refused(ValueError, f"the group {group[:9]!r}"):
            queue.send("x", group=group)
    queue.send("x", group="!" + "x" * 127)

    equal(bench.one(queue).group, "!" + "x" * 127, "the group")


@behaviour("fifo", "longest_delay")
def a_message_of_a_fifo_queue_has_no_delay_of_its_own(bench: Bench) -> None:
    """A delay of its own is a ValueError; 0 is taken and means the queue's."""
    queue = bench.fifo(delay=bench.ticks(2))

    with refused(ValueError, "a delay of its own"):
        queue.send("x", group="a", delay=1)
    queue.send("y", group="a", delay=0)

    bench.nothing(queue, "before the queue's delay is over")
    bench.later(2.5)
    equal(bench.one(queue).text, "y", "after the queue's delay")


@behaviour("fifo", "longest_delay")
def a_changed_delay_of_a_fifo_queue_holds_for_what_is_stored(bench: Bench) -> None:
    """Other than on a standard queue, a new delay holds for messages stored already and not received yet."""
    queue = bench.fifo()
    send(queue, "a1")

    queue.configure(delay=bench.ticks(2))

    bench.nothing(queue, "before the new delay is over")
    bench.later(2.5)
    bench.take(queue)


@behaviour("fifo", seconds=62)
def a_message_behind_one_that_outlives_its_retention_comes(bench: Bench) -> None:
    """When the message that blocks a group is gone by its age, the next one is received."""
    queue = bench.fifo(retention=60)
    send(queue, "a1")
    bench.take(queue, visibility_timeout=1_000)
    bench.after(30)
    send(queue, "a2")
    bench.nothing(queue, "of a blocked group")

    bench.after(31)

    equal(bench.one(queue).text, "a2", "after the first is gone")


@behaviour("fifo", "exact_counts")
def visible_counts_what_waits_in_blocked_groups(bench: Bench) -> None:
    """Messages behind one that is in flight count as visible."""
    queue = bench.fifo()
    send(queue, "a1", "a2", "a3")
    bench.take(queue)

    stats = queue.stats()

    equal((stats.visible, stats.in_flight), (2, 1), "visible and in flight")


@behaviour("fifo")
def a_waiting_receive_is_served_when_a_group_opens(bench: Bench) -> None:
    """A thread that waits has the next message of a group as soon as the one before it is deleted."""
    queue = bench.fifo()
    send(queue, "a1", "a2")
    held = bench.one(queue)
    waiting = bench.waiting(queue)

    held.ack()

    equal(texts(waiting.result()), ["a2"], "what the waiting thread was given")


@behaviour("fifo", "peek")
def a_peek_at_a_fifo_queue_shows_the_order_of_each_group(bench: Bench) -> None:
    """`peek` shows messages in the order of their group."""
    queue = bench.fifo()
    send(queue, "a1", "b1", "a2")

    found = texts(queue.peek())

    equal([text for text in found if text[0] == "a"], ["a1", "a2"], "the messages of a group")
    equal(bench.one(queue).receive_count, 1, "the receive count after a look")


@behaviour("fifo")
def threads_keep_the_order_of_each_group(bench: Bench) -> None:
    """Threads that share a FIFO queue and delete what they receive have each group's messages in order."""
    queue, seen = bench.fifo(visibility_timeout=30), list[str]()
    wanted = [f"{group}{number}" for number in range(8) for group in "abc"]
    send(queue, *wanted)

    def receive() -> None:
        # Whoever finds nothing ends: another one holds what blocks the groups, and goes on with them.
        while batch := queue.receive(wait=bench.ticks(2) if bench.moved is None else 0):
            seen.append(batch[0].text)
            batch[0].ack()

    bench.waited = True
    for thread in [bench.start(receive) for _ in range(3)]:
        thread.result(20)
    equal(sorted(seen), sorted(wanted), "what the threads received")
    for group in "abc":
        of_group = [text for text in seen if text[0] == group]
        holds(of_group == sorted(of_group), f"a group came as {of_group}")
