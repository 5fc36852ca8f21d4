"""What is declared about a schedule: its terms, read and checked.

Source: EventBridge Scheduler API, CreateSchedule. Different from AWS: an expression that is never due is refused.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.clock import Clock, Seconds, nanoseconds
from decouple.core.backoff import exponential, until
from decouple.core.records import EPOCH
from decouple.core.schedule import LONGEST_WINDOW, At, Plan, plan
from decouple.core.settings import SECOND
from decouple.errors import InvalidName, InvalidSchedule
from decouple.outlets import Payload, payload_of
from decouple.queue import Queue
from decouple.settings import same_time
from decouple.terms import read_retry
from decouple.zones import zone

if TYPE_CHECKING:
    from decouple.core.backoff import Schedule as Retries

__all__ = ["DEFAULT_GROUP", "Terms", "check_due", "check_schedule_name", "read_terms"]

NAME = re.compile(r"([0-9A-Za-z_.-]{1,64}/)?[0-9A-Za-z_.-]{1,64}", re.ASCII)
DEFAULT_GROUP = "default"
DEFAULT_RETRIES = until(exponential(1, 600), max_attempts=186, max_age=86_400)
"""EventBridge's: 185 retries within 24 hours, exponential with jitter; AWS does not publish the delays."""


class Terms(NamedTuple):
    """What was declared, as compared when it is declared again. window: seconds."""

    expression: str
    target: Any
    payload: Payload
    timezone: str
    window: float
    start: datetime | None
    end: datetime | None
    group: str | None
    retry: Retries
    dead_letter: Queue[Any] | None


def check_schedule_name(name: str) -> str:
    """A name AWS would accept, with its group before it where that is not the default one. Raises InvalidName."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        rule = "1 to 64 letters, digits, '-', '_' and '.', with or without the like as its group/ before it"
        raise InvalidName(name, kind="schedule", rule=rule)
    return name.removeprefix(f"{DEFAULT_GROUP}/")


def read_terms(
    expression: str,
    target: Any,
    *,
    clock: Clock,
    payload: Any,
    timezone: str | tzinfo,
    window: Seconds,
    start: datetime | None,
    end: datetime | None,
    group: str | None,
    retry: Any,
    dead_letter: Any,
    account: str,
    region: str,
) -> tuple[Terms, Plan, int]:
    """The terms, when they are due, and since when: nanoseconds since 1970.

    Not whether it is ever due: see check_due. Raises InvalidSchedule, TypeError, ValueError, NotInstalled.
    """
    place = zone(timezone)
    width = nanoseconds(window, "window", most=LONGEST_WINDOW / SECOND)
    now = clock.now() + clock.epoch
    first = now if start is None else instant(start, "start")
    planned = plan(expression, zone=place, start=first, end=None if end is None else instant(end, "end"), window=width)
    terms = Terms(
        expression=expression,
        target=target,
        payload=payload_of(payload, target, account, region),
        timezone=str(place),
        window=width / SECOND,
        start=start,
        end=end,
        group=group,
        retry=DEFAULT_RETRIES if retry is None else read_retry(retry),
        dead_letter=check_dead_letter(dead_letter, clock),
    )
    return terms, planned, now


def instant(value: datetime, name: str) -> int:
    """Nanoseconds since 1970."""
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be an aware datetime or None, not {value!r:.80}")
    if value.tzinfo is None:
        raise ValueError(f"{name} must be an aware datetime, not the naive {value!r}: give it tzinfo=")
    return (value - EPOCH) // timedelta(microseconds=1) * 1_000


def check_due(expression: str, planned: Plan, now: int) -> None:
    """At least once, now or later. Raises InvalidSchedule."""
    if planned.next_after(now - 1) is not None:
        return
    reason = "it is never due between its start and its end"
    if isinstance(planned.expression, At):
        due = planned.next_after(0)
        reason = "its time is over" if due is None else f"its time was {(now - due) / SECOND:,.0f} s ago"
    raise InvalidSchedule(expression, field="", reason=f"{reason}; nothing was declared")


def check_dead_letter(queue: Any, clock: Clock) -> Queue[Any] | None:
    """A standard queue on the same time."""
    if queue is None:
        return None
    if not isinstance(queue, Queue):
        raise TypeError(f"dead_letter must be a Queue, not {queue!r:.80}")
    found: Queue[Any] = queue  # pyright: ignore[reportUnknownVariableType]
    if found.fifo:
        raise ValueError(f"dead_letter must be a standard queue (EventBridge), and {found.name!r} is FIFO")
    if not same_time(found.clock, clock):
        raise ValueError(
            f"dead_letter queue {found.name!r} is on another clock than the broker: make both with the same clock="
        )
    return found
