"""Batches: many messages in one call, all of them or none."""

from __future__ import annotations

from decouple.errors import InvalidBatch
from decouple.message import Entry
from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import Bench
from decouple.testing.conformance.expecting import equal, refused


@behaviour()
def a_batch_answers_for_each_entry_in_order(bench: Bench) -> None:
    """`send_batch` answers one Sent for each entry, in their order, and every message arrives under its id."""
    queue = bench.queue()
    bodies = [f"{number}" for number in range(10)]

    answers = queue.send_batch(bodies)

    arrived = {message.id: message.text for message in bench.take(queue, 10)}
    equal([arrived.get(sent.id) for sent in answers], bodies, "the bodies by the ids of the answers")


@behaviour()
def a_batch_may_have_any_number_of_entries(bench: Bench) -> None:
    """More than ten entries are one batch; an iterator is as good as a list; none is no error."""
    queue = bench.queue()

    answers = queue.send_batch(f"{number}" for number in range(25))

    equal(len(answers), 25, "answers")
    equal({message.text for message in bench.take(queue, 25)}, {f"{number}" for number in range(25)}, "the bodies")
    equal(queue.send_batch([]), [], "the answers to an empty batch")


@behaviour()
def an_entry_has_attributes_of_its_own_and_a_dict_is_a_body(bench: Bench) -> None:
    """An Entry brings attributes and a group for its message alone; a dict among the entries is a body."""
    queue = bench.queue()

    queue.send_batch([Entry("a", attributes={"n": 1}, group="g"), {"body": "b"}, "c"])

    messages = bench.take(queue, 3)
    found = {message.text: (message.attributes, message.group) for message in messages}
    equal(found.get("a"), ({"n": 1}, "g"), "attributes and group of the entry")
    equal(found.get("c"), ({}, None), "attributes and group of a body")
    equal([one.json() for one in messages if one.text not in "ac"], [{"body": "b"}], "what the dict became")


@behaviour("longest_delay")
def an_entry_has_a_delay_of_its_own(bench: Bench) -> None:
    """In a batch each message has its own delay."""
    queue = bench.queue()

    queue.send_batch([Entry("later", delay=bench.ticks(2)), "now"])

    equal(bench.one(queue).text, "now", "at once")
    bench.nothing(queue, "before the delay is over")
    bench.later(2.5)
    equal(bench.one(queue).text, "later", "after the delay")


@behaviour()
def a_wrong_entry_refuses_the_whole_batch(bench: Bench) -> None:
    """InvalidBatch has every wrong entry in `errors`, by its position, and nothing is sent."""
    queue = bench.queue()

    with refused(InvalidBatch, "a batch with wrong entries") as refusal:
        queue.send_batch(["good", "", Entry("bad", delay=-1), "good too"])

    equal(sorted(refusal.error.errors), [1, 2], "the positions of the errors")
    bench.nothing(queue, "after a refused batch")


@behaviour()
def what_is_one_body_is_no_batch(bench: Bench) -> None:
    """A text, a dict or an Entry where a list of bodies belongs is a TypeError, and nothing is sent."""
    queue = bench.queue()

    for entries in ("text", {"a": 1}, Entry("x"), b"bytes"):
        with refused(TypeError, f"{type(entries).__name__} as a batch"):
            queue.send_batch(entries)

    bench.nothing(queue, "after refused batches")
