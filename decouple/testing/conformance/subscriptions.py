"""Subscriptions: their terms, their end, and what becomes of what cannot be delivered."""

from __future__ import annotations

from decouple.errors import SubscriptionExists
from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import Bench
from decouple.testing.conformance.expecting import equal, refused


@behaviour()
def the_same_queue_again_is_the_same_subscription(bench: Bench) -> None:
    """Subscribing a queue twice on the same terms is one subscription, and one copy."""
    topic, queue = bench.topic(), bench.queue()
    first = topic.subscribe(queue)

    again = topic.subscribe(queue)

    equal((again.arn, len(topic.subscriptions)), (first.arn, 1), "the ARN, and how many subscriptions there are")
    topic.publish("x")
    bench.take(queue)
    bench.nothing(queue, "after the only copy")


@behaviour()
def other_terms_for_the_same_queue_are_refused(bench: Bench) -> None:
    """SubscriptionExists, and the first terms hold."""
    topic, queue = bench.topic(), bench.queue()
    topic.subscribe(queue)

    with refused(SubscriptionExists, "the same queue with an envelope"):
        topic.subscribe(queue, envelope=True)

    topic.publish("x")
    equal(bench.one(queue).text, "x", "what is delivered by the first terms")


@behaviour()
def after_cancel_nothing_more_is_delivered(bench: Bench) -> None:
    """What was published before the cancel stays in the queue, nothing published after it comes; twice is no error."""
    topic, queue = bench.topic(), bench.queue()
    subscription = topic.subscribe(queue)
    topic.publish("before")

    subscription.cancel()
    subscription.cancel()
    topic.publish("after")

    equal(bench.one(queue).text, "before", "what was published before")
    bench.nothing(queue, "of what was published after the cancel")
    equal((subscription.state, topic.subscriptions), ("cancelled", []), "state, and the subscriptions there are")


@behaviour()
def a_queue_may_subscribe_anew_on_other_terms_after_cancel(bench: Bench) -> None:
    """After the cancel the queue is free for other terms."""
    topic, queue = bench.topic(), bench.queue()
    topic.subscribe(queue).cancel()

    topic.subscribe(queue, envelope=True)
    topic.publish("x")

    equal(bench.one(queue).json()["Message"], "x", "what is delivered by the new terms")


@behaviour()
def a_subscription_is_found_by_its_arn_and_its_target(bench: Bench) -> None:
    """`topic.subscription(arn)` and `topic.subscribed(queue)` give it; a queue that has none gives None."""
    topic, queue = bench.topic(), bench.queue()
    made = topic.subscribe(queue)

    equal(topic.subscription(made.arn).arn, made.arn, "the subscription by its ARN")
    found = topic.subscribed(queue)
    equal((found and found.arn, topic.subscribed(bench.queue("other"))), (made.arn, None), "by their targets")


@behaviour()
def changed_terms_hold_for_what_is_published_from_then_on(bench: Bench) -> None:
    """`configure` changes form and filter of a live subscription."""
    topic, queue = bench.topic(), bench.queue()
    subscription = topic.subscribe(queue)
    subscription.configure(envelope=True, filter={"type": ["a"]})

    topic.publish("filtered out", attributes={"type": "b"})
    topic.publish("x", attributes={"type": "a"})

    equal(bench.one(queue).json()["Message"], "x", "what is delivered by the new terms")
    bench.nothing(queue, "of what the new filter does not let pass")


@behaviour()
def what_a_queue_does_not_take_goes_to_the_dead_letter_queue_at_once(bench: Bench) -> None:
    """With a dead-letter queue the publication does not fail: the letter has text and attributes, and where kept the reason."""
    topic, gone, dead = bench.topic(), bench.queue("gone"), bench.queue("dead")
    topic.subscribe(gone, dead_letter=dead)
    gone.close()

    topic.publish("x", attributes={"n": 1})

    letter = bench.one(dead)
    equal((letter.text, letter.attributes), ("x", {"n": 1}), "text and attributes of the dead letter")
    if bench.traits.reasons:
        equal(letter.failure and letter.failure.error, "decouple.errors.QueueClosed", "the reason")


@behaviour()
def what_a_queue_of_envelopes_does_not_take_is_a_dead_letter_in_its_envelope(bench: Bench) -> None:
    """The letter has the form that the queue would have been given."""
    topic, gone, dead = bench.topic(), bench.queue("gone"), bench.queue("dead")
    topic.subscribe(gone, dead_letter=dead, envelope=True)
    gone.close()

    topic.publish("x")

    equal(bench.one(dead).json()["Message"], "x", "the message in the dead letter's envelope")


@behaviour()
def a_wrong_subscription_is_refused_and_changes_nothing(bench: Bench) -> None:
    """What is no target, a scope that is none and a dead-letter queue that is none are refused."""
    topic, queue = bench.topic(), bench.queue()

    with refused(TypeError, "a number as a target"):
        topic.subscribe(7)
    with refused(ValueError, "a scope that is none"):
        topic.subscribe(queue, filter={"a": ["b"]}, filter_scope="subject")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with refused(TypeError, "a name as a dead-letter queue"):
        topic.subscribe(queue, dead_letter="dead")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    equal(topic.subscriptions, [], "subscriptions after refused ones")


@behaviour("books")
def a_subscription_counts_what_it_was_offered(bench: Bench) -> None:
    """`stats()` counts what was accepted, filtered out, delivered and dead-lettered since it began."""
    topic, queue, gone, dead = bench.topic(), bench.queue(), bench.queue("gone"), bench.queue("dead")
    topic.publish("before")
    chosen = topic.subscribe(queue, filter={"type": ["a"]})
    lost = topic.subscribe(gone, dead_letter=dead)
    gone.close()

    topic.publish("1", attributes={"type": "a"})
    topic.publish("2", attributes={"type": "b"})

    stats = chosen.stats()
    found = (stats.accepted, stats.filtered_out, stats.delivered)
    equal(found, (1, 1, 1), "accepted, filtered out and delivered")
    stats = lost.stats()
    equal((stats.accepted, stats.delivered, stats.dead_lettered), (2, 0, 2), "accepted, delivered and dead-lettered")
    equal(topic.stats().published, 3, "published")
