"""Looking and declaring: numbers, peeks, purges, settings and names."""

from __future__ import annotations

from decouple.errors import InvalidName, QueueExists, ReceiptInvalid
from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import Bench
from decouple.testing.conformance.expecting import equal, holds, refused


@behaviour("exact_counts")
def the_stats_say_where_messages_are(bench: Bench) -> None:
    """`stats()` counts what is visible, in flight and delayed at the moment it is asked."""
    queue = bench.queue(visibility_timeout=bench.ticks(2))
    queue.send_batch(["a", "b", "c"])
    if bench.traits.longest_delay:
        queue.send("later", delay=bench.ticks(2))
    bench.take(queue)

    stats = queue.stats()
    delayed = 1 if bench.traits.longest_delay else 0
    equal((stats.visible, stats.in_flight, stats.delayed), (2, 1, delayed), "visible, in flight and delayed")

    bench.later(2.5)
    stats = queue.stats()
    equal((stats.visible, stats.in_flight, stats.delayed), (3 + delayed, 0, 0), "the same when all is visible again")


@behaviour("books")
def the_stats_say_what_has_happened(bench: Bench) -> None:
    """The totals count sends, receives, deletes, what was given back and what expired."""
    queue = bench.queue(visibility_timeout=bench.ticks(1))
    queue.send_batch(["a", "b", "c"])
    bench.one(queue).ack()
    bench.one(queue).nack()
    bench.take(queue)
    bench.later(1.5)

    stats = queue.stats()

    found = (stats.sent, stats.received, stats.deleted, stats.nacked, stats.expired)
    equal(found, (3, 3, 1, 1, 1), "sent, received, deleted, nacked and expired")


@behaviour("books")
def the_oldest_age_is_since_the_send_of_the_oldest(bench: Bench) -> None:
    """`oldest_age` counts from the send, also of a message in flight; it is None for an empty queue."""
    queue = bench.queue()
    empty = queue.stats().oldest_age
    queue.send("x")
    bench.take(queue)
    bench.later(2)
    queue.send("y")

    age = queue.stats().oldest_age

    equal(empty, None, "the age in an empty queue")
    holds(age is not None and age >= bench.ticks(2) * 0.9, f"the age is {age} s")


@behaviour("books")
def the_books_balance(bench: Bench) -> None:
    """`check()` answers numbers in which all that was accepted is accounted for."""
    queue, dead = bench.with_dead()
    queue.send_batch(["a", "b", "c"])
    bench.one(queue).ack()
    bench.one(queue).reject("no")
    bench.take(queue)

    numbers = queue.check()

    equal(numbers["accepted"], sum(numbers.values()) - numbers["accepted"], "accepted, and where it all is")
    found = (numbers["accepted"], numbers["deleted"], numbers["in_flight"], dead.check()["accepted"])
    equal(found, (3, 1, 1, 1), "accepted, deleted, in flight, and accepted by the dead-letter queue")


@behaviour("peek")
def a_peek_shows_what_comes_and_takes_nothing(bench: Bench) -> None:
    """`peek(n)` shows the next visible messages in order; they are not received by it."""
    queue = bench.queue()
    queue.send_batch(["a", "b", "c"])
    bench.take(queue)

    equal([message.text for message in queue.peek(1)], ["b"], "the next message")
    equal([message.text for message in queue.peek()], ["b", "c"], "the messages that are visible")
    equal(bench.one(queue).receive_count, 1, "the receive count after two looks")


@behaviour("peek")
def what_was_only_looked_at_cannot_be_settled(bench: Bench) -> None:
    """A message from `peek` has no receipt: deleting it is ReceiptInvalid or NotInFlight, and it stays."""
    from decouple.errors import NotInFlight

    queue = bench.queue()
    queue.send("x")
    [seen] = queue.peek()

    with refused((NotInFlight, ReceiptInvalid), "deleting what was only looked at"):
        queue.delete(seen)

    bench.take(queue)


@behaviour()
def a_purge_removes_everything(bench: Bench) -> None:
    """A purge removes visible, in flight and delayed messages, and counts them where counts are exact."""
    queue = bench.queue(visibility_timeout=bench.ticks(1))
    queue.send_batch(["a", "b"])
    bench.take(queue)
    if bench.traits.longest_delay:
        queue.send("later", delay=bench.ticks(1))

    gone = queue.purge()

    if bench.traits.exact_counts:
        equal(gone, 3 if bench.traits.longest_delay else 2, "how many the purge removed")
    bench.later(1.5)
    bench.nothing(queue, "after a purge")


@behaviour()
def a_queue_goes_on_after_a_purge(bench: Bench) -> None:
    """What is sent after a purge arrives; a handle from before it is no error."""
    queue = bench.queue()
    queue.send("old")
    held = bench.one(queue)
    queue.purge()

    queue.send("new")
    held.ack()

    equal(bench.one(queue).text, "new", "after a purge")


# -- settings and names --------------------------------------------------------------------------------------------


@behaviour()
def a_queue_shows_its_settings(bench: Bench) -> None:
    """`settings` has what was declared and what was changed, durations in seconds, and the defaults of SQS."""
    queue = bench.queue(visibility_timeout=45)
    queue.configure(retention=120)

    found = {name: queue.settings[name] for name in ("visibility_timeout", "retention", "delay", "wait")}

    equal(found, {"visibility_timeout": 45, "retention": 120, "delay": 0, "wait": 0}, "the settings")


@behaviour()
def a_wrong_setting_changes_nothing(bench: Bench) -> None:
    """`configure` takes all of what it is given or nothing; an unknown setting is a TypeError."""
    queue = bench.queue()

    with refused(ValueError, "a retention of 1 s"):
        queue.configure(visibility_timeout=5, retention=1)
    with refused(TypeError, "an unknown setting"):
        queue.configure(colour="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

    equal(queue.settings["visibility_timeout"], 30, "the visibility timeout after refused changes")


@behaviour()
def settings_out_of_range_are_refused(bench: Bench) -> None:
    """Visibility up to 12 hours, delay and retention within SQS's limits: all else is refused where it is declared."""
    wrong = {"visibility_timeout": 43_201, "delay": -1, "retention": 59, "wait": -1, "max_message_size": 0}

    for setting, value in wrong.items():
        with refused(ValueError, f"{setting}={value}"):
            bench.queue("wrong", **{setting: value})
    with refused(TypeError, "a visibility timeout in words"):
        bench.queue("wrong", visibility_timeout="long")

    equal(bench.queue("wrong").settings["visibility_timeout"], 30, "the visibility timeout of a queue declared then")


@behaviour()
def a_name_means_one_queue(bench: Bench) -> None:
    """A queue declared again is the same one; with another setting it is QueueExists, which names the setting."""
    queue = bench.queue(visibility_timeout=45)
    queue.send("x")

    again = bench.queue()
    with refused(QueueExists, "another visibility timeout") as refusal:
        bench.queue(visibility_timeout=46)

    equal(refusal.error.setting, "visibility_timeout", "the setting that differs")
    equal(bench.one(again).text, "x", "what the queue has, declared again")


@behaviour()
def names_are_those_of_sqs(bench: Bench) -> None:
    """A name has 1 to 80 letters, digits, '-' and '_'; others are InvalidName."""
    for name in ("", "a b", "a/b", "ü", "x" * 81):
        with refused(InvalidName, f"the name {name[:9]!r}"):
            bench.queue(name)

    equal(bench.queue("x" * 80).name, "x" * 80, "the longest name")


@behaviour()
def queues_of_different_names_share_nothing(bench: Bench) -> None:
    """What is sent to one queue is received from no other, and a purge of one leaves the other."""
    one, other = bench.queue("one"), bench.queue("other")
    one.send("x")

    bench.nothing(other, "in a queue of another name")
    other.purge()
    bench.take(one)
