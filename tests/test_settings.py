"""Settings: names, ranges, contradictions, and what configure does to a live queue."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from decouple import DecoupleError, InvalidName, Queue, QueueClosed, SystemClock
from decouple.testing import VirtualClock

DEFAULTS = {
    "visibility_timeout": 30,
    "delay": 0,
    "retention": 345_600,
    "wait": 0,
    "max_message_size": 1_048_576,
    "dead_letter": None,
    "redrive_allow": "all",
    "max_receives": None,
    "max_in_flight": 120_000,
    "large_bodies": None,
}


def test_a_queue_has_the_defaults_of_aws(queue: Queue) -> None:
    """SQS: the defaults of CreateQueue; about 120,000 messages in flight on a standard queue."""
    assert queue.settings == DEFAULTS
    assert queue.dead_letter is None
    assert queue.body_type is str


@pytest.mark.parametrize("name", ["a", "A-b_9", "0", "n" * 80, "fifo"])
def test_a_name_has_up_to_80_letters_digits_hyphens_and_underscores(clock: VirtualClock, name: str) -> None:
    """SQS: 1-80 of [A-Za-z0-9_-]."""
    assert Queue(name, clock=clock).name == name


@pytest.mark.parametrize(
    "name", ["", "n" * 81, "a b", "a/b", "a.b", "é", "٣", "a\n", ".fifo", "n" * 76 + ".fifo", None, 7, b"orders"]
)
def test_a_name_that_aws_refuses_is_refused(clock: VirtualClock, name: Any) -> None:
    """SQS: the .fifo suffix counts in the 80."""
    with pytest.raises(InvalidName, match="cannot name a queue: 1 to 80 letters") as caught:
        Queue(name, clock=clock)

    assert caught.value.name == name
    assert isinstance(caught.value, DecoupleError)
    assert isinstance(caught.value, ValueError)


def test_a_fifo_name_is_not_a_standard_queues(clock: VirtualClock) -> None:
    """SQS: .fifo without FifoQueue=true is an error."""
    with pytest.raises(InvalidName, match=r"ends in \.fifo is a FIFO queue's"):
        Queue("orders.fifo", fifo=False, clock=clock)


@pytest.mark.parametrize("fifo", [0, 1, "yes"])
def test_fifo_is_a_bool_or_none(clock: VirtualClock, fifo: Any) -> None:
    with pytest.raises(TypeError, match="fifo must be True, False or None"):
        Queue("orders", fifo=fifo, clock=clock)


RANGES: list[tuple[str, list[Any], list[Any]]] = [
    ("visibility_timeout", [0, 0.5, 43_200, timedelta(hours=12)], [-1, 43_200.001, timedelta(hours=13)]),
    ("delay", [0, 900, timedelta(minutes=15)], [-0.001, 901, timedelta(seconds=-1)]),
    ("retention", [60, 1_209_600, timedelta(days=14)], [0, 59.999, 1_209_601, timedelta(days=15)]),
    ("wait", [0, 20, 86_400, timedelta(days=300)], [-1, 10**12, timedelta(days=-1)]),
]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, good, _ in RANGES for value in good])
def test_durations_within_their_range_are_accepted_when_declared_and_later(
    queue: Queue, clock: VirtualClock, name: str, value: Any
) -> None:
    """SQS: the ranges of CreateQueue and SetQueueAttributes; a wait has no upper end here."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    declared = Queue("declared", clock=clock, **{name: value})
    queue.configure(**{name: value})

    assert declared.settings == queue.settings == DEFAULTS | {name: seconds}


HUGE = [
    pytest.param(math.nan, ValueError, id="nan"),
    pytest.param(math.inf, ValueError, id="inf"),
    pytest.param(-math.inf, ValueError, id="-inf"),
    pytest.param(10**400, ValueError, id="more than a float holds"),
    pytest.param(-(10**400), ValueError, id="less than a float holds"),
    pytest.param(1e308, ValueError, id="more than a float holds in ns"),
    pytest.param(True, TypeError, id="bool"),
    pytest.param(False, TypeError, id="other bool"),
    pytest.param("30", TypeError, id="text"),
    pytest.param(None, TypeError, id="None"),
    pytest.param([30], TypeError, id="list"),
]


@pytest.mark.parametrize("name", [name for name, _, _ in RANGES])
@pytest.mark.parametrize(("value", "error"), HUGE)
def test_what_is_no_duration_is_refused_when_declared_and_later(
    queue: Queue, clock: VirtualClock, name: str, value: Any, error: type[Exception]
) -> None:
    before = queue.settings

    with pytest.raises(error, match=f"{name} must be"):
        Queue("declared", clock=clock, **{name: value})
    with pytest.raises(error, match=f"{name} must be"):
        queue.configure(**{name: value})

    assert queue.settings == before


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, _, bad in RANGES for value in bad])
def test_durations_outside_their_range_are_refused_when_declared_and_later(
    queue: Queue, clock: VirtualClock, name: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        Queue("declared", clock=clock, **{name: value})
    with pytest.raises(ValueError, match=f"{name} must be"):
        queue.configure(**{name: value})

    assert queue.settings == DEFAULTS


@pytest.mark.parametrize("name", ["max_message_size", "max_receives", "max_in_flight"])
@pytest.mark.parametrize(
    ("value", "error"), [(0, ValueError), (-1, ValueError), (1.0, TypeError), (True, TypeError), ("1", TypeError)]
)
def test_numbers_are_ints_of_at_least_1(
    queue: Queue, clock: VirtualClock, name: str, value: Any, error: type[Exception]
) -> None:
    dead = Queue("dead", clock=clock)

    with pytest.raises(error, match=f"{name} must be"):
        Queue("declared", dead_letter=dead, clock=clock, **{name: value})
    with pytest.raises(error, match=f"{name} must be"):
        queue.configure(dead_letter=dead, **{name: value})

    assert queue.settings == DEFAULTS


@pytest.mark.parametrize("name", ["max_message_size", "max_in_flight"])
def test_only_max_receives_may_be_none(queue: Queue, name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} must be an int, not None"):
        queue.configure(**{name: None})  # type: ignore[misc]


# -- settings that contradict each other -----------------------------------------------------------------------


def test_max_receives_needs_somewhere_to_move_messages_to(queue: Queue, clock: VirtualClock) -> None:
    """SQS: a redrive policy needs both keys."""
    with pytest.raises(ValueError, match="max_receives=3 needs a dead_letter queue"):
        Queue("declared", max_receives=3, clock=clock)
    with pytest.raises(ValueError, match="max_receives=3 needs a dead_letter queue"):
        queue.configure(max_receives=3)

    assert queue.settings == DEFAULTS


def test_a_dead_letter_queue_is_not_taken_away_from_under_max_receives(clock: VirtualClock) -> None:
    dead = Queue("dead", clock=clock)
    queue = Queue("orders", dead_letter=dead, max_receives=3, clock=clock)

    with pytest.raises(ValueError, match="max_receives=3 needs a dead_letter queue"):
        queue.configure(dead_letter=None)
    assert queue.dead_letter is dead

    queue.configure(dead_letter=None, max_receives=None)
    assert queue.settings == DEFAULTS


@pytest.mark.parametrize("target", ["dead", 7, object(), VirtualClock()])
def test_a_dead_letter_queue_is_a_queue(queue: Queue, clock: VirtualClock, target: Any) -> None:
    with pytest.raises(TypeError, match="dead_letter must be a Queue"):
        Queue("declared", dead_letter=target, clock=clock)
    with pytest.raises(TypeError, match="dead_letter must be a Queue"):
        queue.configure(dead_letter=target)


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_cycle_of_dead_letter_queues_is_refused_and_named(clock: VirtualClock, length: int) -> None:
    chain = [Queue("q0", clock=clock)]
    for number in range(1, length):
        chain.append(Queue(f"q{number}", dead_letter=chain[-1], clock=clock))
    cycle = " -> ".join(queue.name for queue in [chain[0], *reversed(chain)])

    with pytest.raises(ValueError, match=f"must not form a cycle: {cycle}$"):
        chain[0].configure(dead_letter=chain[-1])

    assert chain[0].dead_letter is None


def test_a_dead_letter_queue_on_another_clock_is_refused(queue: Queue) -> None:
    other = Queue("dead", clock=VirtualClock())

    with pytest.raises(ValueError, match="'dead' is on another clock than 'orders'"):
        queue.configure(dead_letter=other)
    assert queue.dead_letter is None


def test_a_queue_without_a_clock_lives_on_its_dead_letter_queues(clock: VirtualClock) -> None:
    dead = Queue("dead", clock=clock)

    assert Queue("orders", dead_letter=dead).clock is clock


def test_two_queues_on_real_time_may_have_clocks_of_their_own() -> None:
    dead = Queue("dead", clock=SystemClock())

    assert Queue("orders", dead_letter=dead, clock=SystemClock()).dead_letter is dead


# -- configure -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["name", "fifo", "body", "clock", "visibility", "VisibilityTimeout"])
def test_what_is_not_a_setting_cannot_be_configured(queue: Queue, name: str) -> None:
    with pytest.raises(TypeError, match=f"{name!r} is not a setting of a queue; there are visibility_timeout"):
        queue.configure(delay=5, **{name: 1})  # type: ignore[misc]

    assert queue.settings == DEFAULTS


def test_one_wrong_setting_leaves_all_as_they_were(queue: Queue) -> None:
    with pytest.raises(ValueError, match="retention must be"):
        queue.configure(delay=5, visibility_timeout=5, retention=1)

    assert queue.settings == DEFAULTS


def test_only_the_settings_given_change(queue: Queue) -> None:
    queue.configure(delay=5, wait=1.5)
    queue.configure(max_message_size=10)
    queue.configure()

    assert queue.settings == DEFAULTS | {"delay": 5, "wait": 1.5, "max_message_size": 10}


def test_a_changed_size_limit_holds_for_later_messages(queue: Queue) -> None:
    queue.send("x" * 100)
    queue.configure(max_message_size=10)

    with pytest.raises(DecoupleError, match="11 bytes is over the 10"):
        queue.send("x" * 11)
    assert queue.receive()[0].body == "x" * 100


def test_a_changed_wait_holds_for_later_receives(queue: Queue, clock: VirtualClock) -> None:
    queue.configure(wait=3)
    before = clock.time

    assert queue.receive() == []
    assert clock.time - before == timedelta(seconds=3)


def test_a_dead_letter_queue_given_later_applies_to_messages_received_before(queue: Queue, clock: VirtualClock) -> None:
    dead = Queue("dead", clock=clock)
    queue.send("x")
    queue.receive(visibility_timeout=0)

    queue.configure(dead_letter=dead, max_receives=1)

    assert queue.receive() == []
    assert dead.stats().visible == 1


def test_a_closed_queue_can_still_be_looked_at(queue: Queue) -> None:
    queue.close()

    with pytest.raises(QueueClosed):
        queue.send("x")
    assert queue.settings == DEFAULTS
