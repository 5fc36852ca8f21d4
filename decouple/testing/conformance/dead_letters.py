"""Dead letters: when a message becomes one, what it keeps, and what it says."""

from __future__ import annotations

from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import Bench
from decouple.testing.conformance.expecting import equal, fail, holds, refused


@behaviour()
def a_message_is_a_dead_letter_at_the_receive_after_the_last_allowed_one(bench: Bench) -> None:
    """With max_receives=2 the third receive does not give the message: it moves it to the dead-letter queue."""
    queue, dead = bench.with_dead(2)
    queue.send("x")
    counts: list[int] = []
    for _ in range(2):
        message = bench.one(queue)
        counts.append(message.receive_count)
        message.nack()
    bench.nothing(dead, "before the last allowed receive is over")

    bench.nothing(queue, "at the receive after the last allowed one")

    equal((counts, bench.one(dead).text), ([1, 2], "x"), "the receive counts, and the dead letter")
    bench.nothing(queue, "after the message has moved")


@behaviour()
def an_expiry_counts_as_a_receive(bench: Bench) -> None:
    """A message whose visibility timeout ends max_receives times is a dead letter too, at the next receive."""
    queue, dead = bench.with_dead(1, visibility_timeout=bench.ticks(1))
    queue.send("x")
    bench.take(queue)
    bench.later(1.5)
    bench.nothing(dead, "before anybody receives again")

    bench.nothing(queue, "at the receive after the last allowed one")

    bench.take(dead)


@behaviour()
def a_receive_for_no_time_counts(bench: Bench) -> None:
    """A receive with a visibility timeout of 0 is one of those allowed."""
    queue, dead = bench.with_dead(2)
    queue.send("x")
    bench.take(queue, visibility_timeout=0)
    bench.take(queue, visibility_timeout=0)

    bench.nothing(queue, "after two receives for no time")
    bench.take(dead)


@behaviour()
def a_dead_letter_keeps_what_it_was(bench: Bench) -> None:
    """It keeps id, body, attributes and the instant of sending, and its receive count goes on."""
    queue, dead = bench.with_dead()
    sent = queue.send("x", attributes={"n": 1})
    first = bench.one(queue)
    bench.later(1)
    first.nack()
    bench.nothing(queue, "at the receive after the last allowed one")

    letter = bench.one(dead)

    found = (letter.id, letter.text, letter.attributes, letter.receive_count)
    equal(found, (sent.id, "x", {"n": 1}, 2), "id, text, attributes and receive count")
    off = abs((letter.sent_at - first.sent_at).total_seconds())
    holds(off < bench.ticks(1), f"the instant of sending moved by {off:g} s")
    holds(letter.receipt != first.receipt, "a dead letter has the receipt of its former queue")


@behaviour()
def a_dead_letter_names_the_queue_it_came_from(bench: Bench) -> None:
    """`source` is that queue; what was sent to the dead-letter queue itself has none."""
    queue, dead = bench.with_dead()
    dead.send("own")
    own = bench.one(dead)
    queue.send("x")
    bench.one(queue).nack()
    bench.nothing(queue, "at the receive after the last allowed one")

    source = bench.one(dead).source

    equal((source.name if source else None, own.source), (queue.name, None), "the sources")


@behaviour()
def a_receive_passes_over_what_it_moves(bench: Bench) -> None:
    """A receive that moves a dead letter gives the next message."""
    queue, dead = bench.with_dead()
    queue.send("poison")
    bench.one(queue).nack()
    queue.send("good")

    equal(bench.one(queue).text, "good", "what the receive gives")
    equal(bench.one(dead).text, "poison", "the dead letter")


@behaviour()
def a_rejected_message_is_a_dead_letter_at_once(bench: Bench) -> None:
    """`reject(reason)` moves it without waiting for further receives, and it carries the reason where that is kept."""
    queue, dead = bench.with_dead(5)
    queue.send("x")
    bench.one(queue).reject("no such customer")

    letter = bench.one(dead)

    equal(letter.text, "x", "the dead letter")
    if bench.traits.reasons:
        equal(letter.failure and letter.failure.text, "no such customer", "the reason")
    bench.nothing(queue, "after a reject")


@behaviour("reasons")
def a_dead_letter_carries_the_last_error_of_its_handlers(bench: Bench) -> None:
    """The error of the last `with` block goes with it: its class, text and the number of attempts."""
    queue, dead = bench.with_dead(2)
    queue.send("x")
    for text in ("first", "last"):
        with refused(ZeroDivisionError, "an error in the block"), bench.one(queue):
            fail(text)
    bench.nothing(queue, "at the receive after the last allowed one")

    failure = bench.one(dead).failure

    found = failure and (failure.error, failure.text, failure.attempts)
    equal(found, ("ZeroDivisionError", "last", 2), "error, text and attempts")


@behaviour("reasons")
def a_message_received_too_often_says_so(bench: Bench) -> None:
    """A dead letter nobody complained about says how often it was received."""
    queue, dead = bench.with_dead()
    queue.send("x")
    bench.one(queue).nack()
    bench.nothing(queue, "at the receive after the last allowed one")

    failure = bench.one(dead).failure

    equal(failure and (failure.error, failure.attempts), ("TooManyReceives", 1), "error and attempts")


@behaviour()
def a_dead_letter_queue_alone_takes_only_what_is_rejected(bench: Bench) -> None:
    """Without max_receives a message may be received any number of times."""
    queue, dead = bench.with_dead(None)
    queue.send("x")

    for _ in range(12):
        bench.take(queue, visibility_timeout=0)

    bench.nothing(dead, "without max_receives")


@behaviour()
def a_dead_letter_may_be_larger_than_its_new_queue_takes(bench: Bench) -> None:
    """The dead-letter queue takes what comes as it is, whatever its own limit for sends."""
    dead = bench.queue("dead", max_message_size=1_024)
    queue = bench.queue(dead_letter=dead)
    queue.send("x" * 2_000)
    bench.one(queue).reject("too large")

    equal(len(bench.one(dead).text), 2_000, "the length of the dead letter")


@behaviour()
def changed_max_receives_hold_for_what_is_stored(bench: Bench) -> None:
    """A message that would have been a dead letter is given again once more receives are allowed."""
    queue, dead = bench.with_dead()
    queue.send("x")
    bench.one(queue).nack()

    queue.configure(max_receives=2)

    equal(bench.one(queue).receive_count, 2, "the receive count")
    bench.nothing(dead, "after more receives were allowed")


@behaviour()
def a_dead_letter_queue_must_make_sense(bench: Bench) -> None:
    """max_receives without a dead-letter queue, a text as one and a circle of them are refused where they are declared."""
    queue, dead = bench.with_dead()

    with refused(ValueError, "max_receives without a dead-letter queue"):
        bench.queue("other", max_receives=3)
    with refused(TypeError, "a name as a dead-letter queue"):
        bench.queue("another", dead_letter="dead")
    with refused(ValueError, "a circle of dead-letter queues"):
        dead.configure(dead_letter=queue)
    with refused(ValueError, "max_receives of 0"):
        bench.queue("one more", dead_letter=dead, max_receives=0)
