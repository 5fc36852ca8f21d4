"""Publishing: who has a message afterwards, what it is there, and what is refused with nothing delivered."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from decouple.attributes import Attribute
from decouple.errors import InvalidBatch, InvalidName, MessageTooLarge, NotDelivered, TopicClosed, TopicExists
from decouple.publishing import Publish
from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import Bench
from decouple.testing.conformance.expecting import equal, holds, refused


@behaviour()
def every_subscribed_queue_has_a_copy(bench: Bench) -> None:
    """A published message is received from each queue that is subscribed, once."""
    topic, queues = bench.topic(), [bench.queue(f"q{number}") for number in range(3)]
    for queue in queues:
        topic.subscribe(queue)

    topic.publish("x")

    for queue in queues:
        equal(bench.one(queue).text, "x", f"what queue {queue.name!r} has")
        bench.nothing(queue, "after the only copy")


@behaviour()
def who_subscribes_later_gets_nothing_of_before(bench: Bench) -> None:
    """A topic keeps nothing: what was published before a subscription does not reach it."""
    topic, queue = bench.topic(), bench.queue()
    topic.publish("to nobody")
    topic.subscribe(queue)

    bench.nothing(queue, "of what was published before")
    topic.publish("to somebody")

    equal(bench.one(queue).text, "to somebody", "what was published after the subscription")


@behaviour()
def every_publication_has_an_id_of_its_own(bench: Bench) -> None:
    """No two publications have the same id."""
    topic = bench.topic()

    ids = {topic.publish("x").id for _ in range(10)}

    equal(len(ids), 10, "different ids of 10 publications")


@behaviour()
def copies_are_settled_each_alone(bench: Bench) -> None:
    """Deleting a copy in one queue leaves the copies in the others."""
    topic, one, other = bench.topic(), bench.queue("one"), bench.queue("other")
    topic.subscribe(one)
    topic.subscribe(other)
    topic.publish("x")

    bench.one(one).ack()

    bench.nothing(one, "after the delete")
    equal(bench.one(other).receive_count, 1, "the receive count of the other copy")


@behaviour()
def a_queue_may_have_several_topics(bench: Bench) -> None:
    """What is published to any of them arrives, beside what is sent to the queue itself."""
    one, other, queue = bench.topic("one"), bench.topic("other"), bench.queue()
    one.subscribe(queue)
    other.subscribe(queue)

    one.publish("a")
    other.publish("b")
    queue.send("c")

    equal(sorted(bench.texts(queue, 3)), ["a", "b", "c"], "what arrived")


@behaviour()
def what_json_holds_is_published_as_json_text(bench: Bench) -> None:
    """A dict, list, number, bool or None arrives as JSON text; text arrives unchanged."""
    topic, queue = bench.topic(), bench.queue()
    topic.subscribe(queue)

    bodies: list[Any] = [{"id": 7}, [1, "é"], 7, None]
    for body in bodies:
        topic.publish(body)
        message = bench.one(queue)
        message.ack()
        equal(message.json(), body, "the decoded body")
    topic.publish("grüße\n🙂")
    equal(bench.one(queue).text, "grüße\n🙂", "the text")


@behaviour()
def attributes_arrive_with_their_types(bench: Bench) -> None:
    """The attributes of a publication are those of the message in a queue, kinds and labels included."""
    topic, queue = bench.topic(), bench.queue()
    topic.subscribe(queue)
    given: dict[str, Any] = {
        "text": "a", "number": Decimal("99.12"), "bytes": b"\x00", "list": ["a", 1], "own": Attribute("String.x", "b"),
    }  # fmt: skip

    topic.publish("x", attributes=given)

    equal(bench.one(queue).attributes, given, "the attributes")


@behaviour()
def the_group_of_a_standard_topic_arrives_as_the_tenant(bench: Bench) -> None:
    """A group given with a publication to a standard topic is that of the message in a queue."""
    topic, queue = bench.topic(), bench.queue()
    topic.subscribe(queue)

    topic.publish("x", group="tenant-1")

    equal(bench.one(queue).group, "tenant-1", "the group")


@behaviour()
def the_trace_header_goes_through(bench: Bench) -> None:
    """System attributes of a publication arrive in `system`."""
    topic, queue = bench.topic(), bench.queue()
    topic.subscribe(queue)

    topic.publish("x", system={"AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793"})

    found = bench.one(queue).system.get("AWSTraceHeader")
    equal(found, "Root=1-5759e988-bd862e3fe1be46a994272793", "the trace header")


@behaviour("longest_delay")
def the_delay_of_a_queue_holds_for_what_is_published(bench: Bench) -> None:
    """A copy is hidden for the delay of its queue."""
    topic, queue = bench.topic(), bench.queue(delay=bench.ticks(2))
    topic.subscribe(queue)

    topic.publish("x")

    bench.nothing(queue, "before the delay is over")
    bench.later(2.5)
    bench.take(queue)


@behaviour()
def a_thread_that_waits_at_a_queue_is_given_what_is_published(bench: Bench) -> None:
    """A receive that waits has the copy long before its wait is over."""
    topic, queue = bench.topic(), bench.queue()
    topic.subscribe(queue)
    waiting = bench.waiting(queue)

    topic.publish("x")

    equal([message.text for message in waiting.result()], ["x"], "what the waiting thread was given")


@behaviour()
def every_protocol_may_have_a_text_of_its_own(bench: Bench) -> None:
    """`per_protocol` gives queues the text for "sqs", or the default; unknown protocols are no error."""
    topic, queue = bench.topic(), bench.queue()
    topic.subscribe(queue)

    topic.publish(per_protocol={"default": "for all", "sqs": "for queues", "fax": "?"})
    equal(bench.texts(queue, 1), ["for queues"], "the text for queues")
    topic.publish("for all", per_protocol={"email": "for people"})
    equal(bench.texts(queue, 1), ["for all"], "the text where queues have none of their own")


# -- batches -----------------------------------------------------------------------------------------------------


@behaviour()
def a_batch_of_publications_answers_for_each_in_order(bench: Bench) -> None:
    """`publish_batch` answers one id for each entry, in order, and all of them arrive with what each brings."""
    topic, queue = bench.topic(), bench.queue()
    topic.subscribe(queue)

    answers = topic.publish_batch(["a", Publish("b", attributes={"n": 1}), {"c": 3}])

    equal(len({sent.id for sent in answers}), 3, "different ids")
    found = {message.text[0]: message.attributes for message in bench.take(queue, 3)}
    equal(found, {"a": {}, "b": {"n": 1}, "{": {}}, "the attributes by the first letter of the text")


@behaviour()
def a_wrong_entry_publishes_nothing(bench: Bench) -> None:
    """InvalidBatch has every wrong entry by its position, and nothing is delivered; a text is no batch."""
    topic, queue = bench.topic(), bench.queue()
    topic.subscribe(queue)

    with refused(InvalidBatch, "a batch with a wrong entry") as refusal:
        topic.publish_batch(["good", ""])
    with refused(TypeError, "a text as a batch"):
        topic.publish_batch("text")

    equal(list(refusal.error.errors), [1], "the positions of the errors")
    bench.nothing(queue, "after refused batches")


# -- what is refused ---------------------------------------------------------------------------------------------


@behaviour()
def a_wrong_publication_is_refused(bench: Bench) -> None:
    """No body, an empty one, bytes, and a subject of two lines or 100 characters: one error, and nothing is delivered."""
    topic, queue = bench.topic(), bench.queue()
    topic.subscribe(queue)

    with refused(TypeError, "no body"):
        topic.publish()
    with refused(ValueError, "an empty body"):
        topic.publish("")
    with refused(TypeError, "bytes"):
        topic.publish(b"x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    for subject in ("", "s" * 100, "a\nb"):
        with refused(ValueError, f"the subject {subject[:9]!r}"):
            topic.publish("x", subject=subject)
    with refused(ValueError, "an attribute with a space in its name"):
        topic.publish("x", attributes={"a b": "1"})
    with refused(ValueError, "a deduplication id on a standard topic"):
        topic.publish("x", deduplication_id="d")

    bench.nothing(queue, "after refused publications")


@behaviour()
def a_publication_of_exactly_the_limit_is_taken_and_a_byte_more_is_not(bench: Bench) -> None:
    """`max_message_size` of a topic counts body and attributes; one byte more is MessageTooLarge."""
    topic, queue = bench.topic(max_message_size=1_024), bench.queue()
    topic.subscribe(queue)
    beside = len("aStringbc")
    topic.publish("x" * (1_024 - beside), attributes={"a": "bc"})

    with refused(MessageTooLarge, "a byte too many"):
        topic.publish("x" * (1_024 - beside + 1), attributes={"a": "bc"})

    bench.take(queue)
    bench.nothing(queue, "after a refused publication")


@behaviour()
def a_closed_topic_publishes_nothing(bench: Bench) -> None:
    """A publication to it is TopicClosed, and reaches no queue; closing twice is no error."""
    topic, queue = bench.topic(), bench.queue()
    topic.subscribe(queue)

    topic.close()
    topic.close()

    with refused(TopicClosed, "a publication to a closed topic"):
        topic.publish("x")
    bench.nothing(queue, "after the close")


@behaviour()
def a_topic_name_means_one_topic(bench: Bench) -> None:
    """A topic declared again is the same one, with another setting TopicExists; names are those of SNS."""
    topic, queue = bench.topic(max_message_size=2_048), bench.queue()
    topic.subscribe(queue)

    bench.topic().publish("x")
    with refused(TopicExists, "another size"):
        bench.topic(max_message_size=4_096)
    for name in ("", "a b", "ü", "x" * 257):
        with refused(InvalidName, f"the name {name[:9]!r}"):
            bench.topic(name)

    bench.take(queue)


# -- a queue that does not take it -------------------------------------------------------------------------------


@behaviour()
def a_queue_that_does_not_take_it_is_named_and_all_others_have_it(bench: Bench) -> None:
    """NotDelivered names the closed queue in `failures`; the message was published, and every other queue has it."""
    topic, queues = bench.topic(), [bench.queue(f"q{number}") for number in range(3)]
    for queue in queues:
        topic.subscribe(queue)
    queues[1].close()

    with refused(NotDelivered, "a publication to a closed queue") as refusal:
        topic.publish("x")

    equal(len(refusal.error.failures), 1, "failures")
    holds("q1" in next(iter(refusal.error.failures)), "the failure does not name the queue")
    holds(refusal.error.published.id, "the error has no id of what was published")
    for queue in (queues[0], queues[2]):
        equal(bench.one(queue).text, "x", f"what queue {queue.name!r} has")


@behaviour()
def a_message_too_large_for_one_queue_reaches_the_others(bench: Bench) -> None:
    """A queue's own limit holds for what is published to it, and for it alone."""
    topic, small, large = bench.topic(), bench.queue("small", max_message_size=1_024), bench.queue("large")
    topic.subscribe(small)
    topic.subscribe(large)

    with refused(NotDelivered, "a publication too large for a queue"):
        topic.publish("x" * 2_000)

    equal(len(bench.one(large).text), 2_000, "the length in the larger queue")
    bench.nothing(small, "too large for it")
