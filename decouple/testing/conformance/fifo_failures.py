"""FIFO queues and what fails: dead letters, groups that are set aside, and declarations that make no sense."""

from __future__ import annotations

from decouple.errors import InvalidName
from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import Bench
from decouple.testing.conformance.expecting import equal, refused
from decouple.testing.conformance.fifo import in_turn, send, texts

# -- dead letters ------------------------------------------------------------------------------------------------


@behaviour("fifo")
def a_group_goes_on_after_a_dead_letter(bench: Bench) -> None:
    """A message received too often goes to the FIFO dead-letter queue, and the next of its group is received."""
    dead = bench.fifo("dead.fifo")
    queue = bench.fifo(dead_letter=dead, max_receives=1)
    send(queue, "a1", "a2")
    bench.one(queue).nack()

    equal(bench.one(queue).text, "a2", "after the dead letter")

    letter = bench.one(dead)
    equal((letter.text, letter.group), ("a1", "a"), "text and group of the dead letter")


@behaviour("fifo")
def dead_letters_keep_the_order_of_their_group(bench: Bench) -> None:
    """Messages of a group that are rejected one after the other are dead letters in that order."""
    dead = bench.fifo("dead.fifo")
    queue = bench.fifo(dead_letter=dead, max_receives=5)
    send(queue, "a1", "a2", "a3")

    for _ in range(3):
        bench.one(queue).reject("no")

    equal(in_turn(bench, dead, 3), ["a1", "a2", "a3"], "the order of the dead letters")


@behaviour("fifo")
def dead_letters_go_to_a_queue_of_the_same_kind(bench: Bench) -> None:
    """A FIFO queue has a FIFO dead-letter queue, a standard queue a standard one; anything else is a ValueError."""
    plain, fifo = bench.queue("dead"), bench.fifo("dead.fifo")

    with refused(ValueError, "a standard queue for the dead letters of a FIFO queue"):
        bench.fifo(dead_letter=plain)
    with refused(ValueError, "a FIFO queue for the dead letters of a standard queue"):
        bench.queue(dead_letter=fifo)


@behaviour("fifo")
def a_redrive_brings_dead_letters_back_to_their_group(bench: Bench) -> None:
    """A redriven message is received in its group again, and is never taken for a duplicate."""
    dead = bench.fifo("dead.fifo")
    queue = bench.fifo(dead_letter=dead, max_receives=5)
    send(queue, "a1", "a2")
    for _ in range(2):
        bench.one(queue).reject("no")

    dead.redrive().wait()

    equal(in_turn(bench, queue, 2), ["a1", "a2"], "what came back, in order")


# -- names -------------------------------------------------------------------------------------------------------


@behaviour("fifo")
def a_name_that_ends_in_fifo_makes_a_fifo_queue(bench: Bench) -> None:
    """And a standard queue cannot have such a name."""
    equal((bench.fifo().fifo, bench.queue().fifo), (True, False), "which are FIFO")
    with refused(InvalidName, "a standard queue with the name of a FIFO queue"):
        bench.queue("other.fifo", fifo=False)


@behaviour("fifo")
def settings_of_fifo_queues_are_refused_elsewhere(bench: Bench) -> None:
    """Content-based deduplication and a deduplication scope of a standard queue are ValueErrors."""
    equal(bench.fifo().fifo, True, "that it is FIFO")
    with refused(ValueError, "content-based deduplication of a standard queue"):
        bench.queue("one", content_based_deduplication=True)
    with refused(ValueError, "a deduplication scope of a standard queue"):
        bench.queue("other", deduplication_scope="messageGroup")


# -- groups that are set aside -------------------------------------------------------------------------------------


@behaviour("fifo", "parks_groups")
def a_group_that_keeps_failing_is_set_aside_until_it_is_released(bench: Bench) -> None:
    """With on_poison="park" a group whose first message was received max_receives times gives nothing until `release`."""
    queue = bench.fifo(on_poison="park", max_receives=1)
    send(queue, "a1", "a2", "b1")
    bench.one(queue).nack()

    equal(texts(queue.receive(max_messages=10)), ["b1"], "while the first group is set aside")
    parked = {group.group: group.parked for group in queue.groups()}
    equal(parked.get("a"), True, "that groups() says so")
    queue.release("a")

    equal(in_turn(bench, queue, 2), ["a1", "a2"], "after the release")


@behaviour("fifo", "parks_groups")
def a_group_may_be_blocked_behind_a_message_that_keeps_failing(bench: Bench) -> None:
    """With on_poison="block" the first message is given again and again, and its group waits."""
    queue = bench.fifo(on_poison="block", max_receives=1)
    send(queue, "a1", "a2")

    for _ in range(3):
        bench.one(queue).nack()

    message = bench.one(queue)
    equal((message.text, message.receive_count), ("a1", 4), "text and receive count")


@behaviour("fifo", "parks_groups")
def groups_says_what_each_waits_behind(bench: Bench) -> None:
    """`groups()` lists how many messages of each group are visible and in flight, and the message that blocks it."""
    queue = bench.fifo()
    send(queue, "a1", "a2")
    held = bench.one(queue)

    [group] = queue.groups()

    found = (group.group, group.visible, group.in_flight, group.parked, group.blocker)
    equal(found, ("a", 1, 1, False, held.id), "group, visible, in flight, parked and blocker")
    with refused(ValueError, "the release of a group that is not set aside"):
        queue.release("a")
