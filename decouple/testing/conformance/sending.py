"""Sending one message: what arrives, when it can be seen, and what is refused."""

from __future__ import annotations

from decouple.errors import DecoupleError
from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import Bench
from decouple.testing.conformance.expecting import equal, holds, refused


@behaviour()
def a_sent_message_is_received_with_its_id_and_body(bench: Bench) -> None:
    """A message is received with the body it was sent with and the id that its send answered."""
    queue = bench.queue()

    sent = queue.send("order 7")

    message = bench.one(queue)
    equal((message.id, message.body, message.text), (sent.id, "order 7", "order 7"), "id, body and text")


@behaviour()
def every_message_has_an_id_of_its_own(bench: Bench) -> None:
    """No two messages have the same id, whatever their bodies and queues."""
    queues = bench.queue("one"), bench.queue("two")

    ids = [queue.send("the same").id for queue in queues for _ in range(5)]

    equal(len(set(ids)), 10, "different ids of 10 messages")


@behaviour()
def a_message_says_when_it_was_sent(bench: Bench) -> None:
    """`sent_at` is the instant of the send, an aware date, also when it is received later."""
    queue = bench.queue()
    before = bench.date()
    queue.send("x")
    bench.later(3)

    sent_at = bench.one(queue).sent_at

    off = (sent_at - before).total_seconds()
    holds(-bench.ticks(2) <= off <= bench.ticks(2), f"sent_at is off by {off:g} s")


@behaviour()
def a_plain_message_has_nothing_else(bench: Bench) -> None:
    """A message of a standard queue that was sent with a body alone has no attributes, group, sequence number or source."""
    queue = bench.queue()
    sent = queue.send("x")

    message = bench.one(queue)

    equal(sent.sequence, None, "the sequence number that the send answers")
    found = (message.attributes, message.group, message.sequence, message.deduplication_id, message.source)
    equal(found, ({}, None, None, None, None), "attributes, group, sequence, deduplication id and source")


@behaviour()
def a_group_on_a_standard_queue_arrives_and_blocks_nothing(bench: Bench) -> None:
    """On a standard queue a group names a tenant: it arrives, and messages of it are received side by side."""
    queue = bench.queue()
    queue.send("a", group="tenant-1")
    queue.send("b", group="tenant-1")

    messages = bench.take(queue, 2)

    equal([message.group for message in messages], ["tenant-1"] * 2, "the groups")


@behaviour()
def system_attributes_arrive_beside_the_others(bench: Bench) -> None:
    """The trace header arrives in `system`, and is no attribute."""
    queue = bench.queue()
    queue.send("x", system={"AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793"})

    message = bench.one(queue)

    equal(message.system.get("AWSTraceHeader"), "Root=1-5759e988-bd862e3fe1be46a994272793", "the trace header")
    equal(message.attributes, {}, "the attributes")


@behaviour("longest_delay")
def a_delayed_message_is_hidden_until_its_delay_is_over(bench: Bench) -> None:
    """A message sent with a delay is received once the delay is over, and not before."""
    queue = bench.queue()
    queue.send("later", delay=bench.ticks(2))

    bench.almost(2)
    bench.nothing(queue, "before the delay is over")
    bench.at_last()

    equal(bench.one(queue).text, "later", "after the delay")


@behaviour("longest_delay")
def a_delayed_message_holds_back_no_other(bench: Bench) -> None:
    """On a standard queue a message without a delay is received before one that is delayed and was sent earlier."""
    queue = bench.queue()
    queue.send("later", delay=bench.ticks(2))
    queue.send("now")

    equal(bench.one(queue).text, "now", "while the first is delayed")


@behaviour("longest_delay")
def the_delay_of_the_queue_holds_where_none_is_given(bench: Bench) -> None:
    """A queue's delay holds for messages sent without one."""
    queue = bench.queue(delay=bench.ticks(2))
    queue.send("x")

    bench.almost(2)
    bench.nothing(queue, "before the queue's delay is over")
    bench.at_last()

    bench.take(queue)


@behaviour("longest_delay")
def a_delay_of_0_overrides_that_of_the_queue(bench: Bench) -> None:
    """On a standard queue a message sent with a delay of 0 is visible at once."""
    queue = bench.queue(delay=900 if bench.traits.longest_delay >= 900 else bench.traits.longest_delay)

    queue.send("now", delay=0)

    bench.take(queue)


@behaviour("longest_delay")
def a_changed_delay_holds_for_later_sends_only(bench: Bench) -> None:
    """On a standard queue a new delay of the queue changes nothing for what is stored already."""
    queue = bench.queue()
    queue.send("before")
    queue.configure(delay=bench.ticks(2))
    queue.send("after")

    equal([message.text for message in bench.take(queue)], ["before"], "at once")
    bench.nothing(queue, "before the new delay is over")
    bench.later(2.5)
    equal([message.text for message in bench.take(queue)], ["after"], "after the new delay")


@behaviour("longest_delay")
def the_longest_delay_is_the_declared_one(bench: Bench) -> None:
    """A delay of exactly `longest_delay` is taken, a longer one is refused and nothing is sent."""
    queue, longest = bench.queue(), bench.traits.longest_delay
    queue.send("far", delay=longest)

    with refused((ValueError, DecoupleError), f"a delay of {longest + 1:g} s"):
        queue.send("too far", delay=longest + 1)
    with refused((ValueError, DecoupleError), f"a queue's delay of {longest + 1:g} s"):
        bench.queue("slow", delay=longest + 1)

    bench.nothing(queue, "at once")


@behaviour()
def a_delay_that_is_none_is_refused(bench: Bench) -> None:
    """A negative delay is a ValueError, a text a TypeError, and nothing is sent."""
    queue = bench.queue()

    with refused(ValueError, "a delay of -1"):
        queue.send("x", delay=-1)
    with refused(TypeError, "a delay in words"):
        queue.send("x", delay="soon")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    bench.nothing(queue, "after refused sends")


@behaviour()
def a_wrong_group_is_refused(bench: Bench) -> None:
    """A group has 1 to 128 letters, digits and punctuation marks, on standard queues too."""
    queue = bench.queue()

    for group in ("", "a b", "x" * 129):
        with refused(ValueError, f"the group {group[:9]!r}"):
            queue.send("x", group=group)
    queue.send("x", group="x" * 128)

    equal(bench.one(queue).group, "x" * 128, "the group")
    bench.nothing(queue, "after refused sends")


@behaviour()
def a_deduplication_id_on_a_standard_queue_is_refused(bench: Bench) -> None:
    """A standard queue does not deduplicate, and says so when it is given an id."""
    queue = bench.queue()

    with refused(ValueError, "a deduplication id on a standard queue"):
        queue.send("x", deduplication_id="id")

    bench.nothing(queue, "after a refused send")
