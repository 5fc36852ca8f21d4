"""Redrive: dead letters go back as new messages."""

from __future__ import annotations

from typing import Any

from decouple.queue import Queue
from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import Bench
from decouple.testing.conformance.expecting import equal, holds, refused


def with_letters(bench: Bench, *texts: str) -> tuple[Queue[Any], Queue[Any], list[str]]:
    """A queue, its dead-letter queue with these in it, and their ids."""
    queue, dead = bench.with_dead(5)
    ids = [queue.send(text, attributes={"n": 1}).id for text in texts]
    for message in bench.take(queue, len(texts)):
        message.reject("no")
    return queue, dead, ids


@behaviour()
def a_redriven_message_is_back_in_the_queue_it_came_from(bench: Bench) -> None:
    """`dead.redrive()` sends each letter back to its source, with body and attributes, and leaves none."""
    queue, dead, _ = with_letters(bench, "a", "b")

    task = dead.redrive()
    task.wait()

    equal((task.moved, task.failed, task.status), (2, 0, "completed"), "moved, failed and status")
    found = sorted((message.text, message.attributes["n"]) for message in bench.take(queue, 2))
    equal(found, [("a", 1), ("b", 1)], "what came back")
    bench.nothing(dead, "after a redrive")


@behaviour()
def a_redriven_message_is_a_new_one(bench: Bench) -> None:
    """It has a new id, is sent at the instant of the redrive, and has all its receives again."""
    queue, dead, [id] = with_letters(bench, "a")
    bench.later(3)
    before = bench.date()

    dead.redrive().wait()

    message = bench.one(queue)
    holds(message.id != id, "a redriven message has the id of the letter")
    equal(message.receive_count, 1, "the receive count")
    off = (message.sent_at - before).total_seconds()
    holds(-bench.ticks(2) < off, f"it was sent {-off:g} s before the redrive")


@behaviour()
def letters_go_to_another_queue_where_one_is_given(bench: Bench) -> None:
    """`dead.redrive(to)` moves all of them there, those that came from nowhere too."""
    queue, dead, _ = with_letters(bench, "a")
    dead.send("from nowhere")
    other = bench.queue("other")

    dead.redrive(other).wait()

    equal(sorted(message.text for message in bench.take(other, 2)), ["a", "from nowhere"], "what arrived")
    bench.nothing(queue, "after a redrive to another queue")


@behaviour()
def what_came_from_nowhere_stays(bench: Bench) -> None:
    """Without a destination a message that was sent to the dead-letter queue itself stays there."""
    dead = bench.queue("dead")
    bench.queue(dead_letter=dead)
    dead.send("own")

    dead.redrive().wait()

    equal(bench.one(dead).text, "own", "what stays")


@behaviour()
def letters_in_flight_stay(bench: Bench) -> None:
    """A redrive moves what is visible: a letter that somebody holds is left to them."""
    queue, dead, _ = with_letters(bench, "a")
    held = bench.one(dead)

    dead.redrive().wait()

    bench.nothing(queue, "of a letter that was in flight")
    held.nack()
    bench.take(dead)


@behaviour("peek")
def only_those_go_for_which_where_is_true(bench: Bench) -> None:
    """`where` sees each letter and chooses."""
    queue, dead, _ = with_letters(bench, "a", "b")

    dead.redrive(where=lambda letter: letter.text == "b").wait()

    equal(bench.one(queue).text, "b", "what came back")
    equal(bench.one(dead).text, "a", "what stayed")


@behaviour("peek")
def an_edited_letter_goes_as_it_was_edited(bench: Bench) -> None:
    """`edit` gives the body to send instead; what it fails for stays, and counts as failed."""
    queue, dead, _ = with_letters(bench, "a", "b")

    task = dead.redrive(edit=lambda letter: {"a": "mended"}[letter.text])
    task.wait()

    equal((task.moved, task.failed), (1, 1), "moved and failed")
    equal(bench.one(queue).text, "mended", "what came back")
    equal(bench.one(dead).text, "b", "what stayed")


@behaviour("peek")
def a_dry_run_moves_nothing(bench: Bench) -> None:
    """With dry_run the task says what would go where, and all stays."""
    queue, dead, _ = with_letters(bench, "a")

    task = dead.redrive(dry_run=True)

    equal(task.targets, {queue.name: 1}, "what would go where")
    bench.nothing(queue, "after a dry run")
    bench.take(dead)


@behaviour("peek")
def a_redrive_may_keep_the_originals(bench: Bench) -> None:
    """With keep=True a copy goes back and the letter stays."""
    queue, dead, _ = with_letters(bench, "a")

    dead.redrive(keep=True).wait()

    equal((bench.one(queue).text, bench.one(dead).text), ("a", "a"), "copy and original")


@behaviour()
def a_redrive_to_nowhere_is_refused(bench: Bench) -> None:
    """A redrive to itself is a ValueError, to what is no queue a TypeError; nothing moves."""
    queue, dead, _ = with_letters(bench, "a")

    with refused(ValueError, "a redrive to itself"):
        dead.redrive(dead)
    with refused(TypeError, "a redrive to a name"):
        dead.redrive("orders")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    bench.nothing(queue, "after refused redrives")
    bench.take(dead)
