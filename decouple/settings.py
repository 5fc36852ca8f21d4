"""The settings of a queue at the door: what users say in seconds, checked, in the engine's own terms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from decouple.clock import Seconds, nanoseconds
from decouple.core.settings import SECOND, Settings
from decouple.errors import InvalidName
from decouple.large_bodies import LargeBodies
from decouple.numbers import whole

if TYPE_CHECKING:
    from decouple.queue import Queue

__all__ = ["QueueSettings", "check_queue_name", "read_settings", "shown_setting"]

NAME = re.compile(r"[A-Za-z0-9_-]+(\.fifo)?", re.ASCII)
LONGEST_NAME = 80


class QueueSettings(TypedDict, total=False):
    """What `Queue(...)`, `broker.queue(...)` and `configure(...)` take. Durations in seconds."""

    visibility_timeout: Seconds
    delay: Seconds
    retention: Seconds
    wait: Seconds
    max_message_size: int
    dead_letter: Queue[Any] | None
    max_receives: int | None
    max_in_flight: int
    content_based_deduplication: bool
    deduplication_scope: str
    on_poison: str | None
    large_bodies: LargeBodies | None
    redrive_allow: Literal["all", "none"] | Iterable[Queue[Any] | str]


# name: (least, most) seconds, AWS's limits; a wait has none, because the 20 s are the wire's
DURATIONS: dict[str, tuple[float, float]] = {
    "visibility_timeout": (0, 43_200),
    "delay": (0, 900),
    "retention": (60, 1_209_600),
    "wait": (0, float("inf")),
}
MOST_ALLOWED = 10
NUMBERS = ("max_message_size", "max_receives", "max_in_flight")
# of FIFO queues only: what each may be
FIFO: dict[str, tuple[Any, ...]] = {
    "content_based_deduplication": (False, True),
    "deduplication_scope": ("queue", "messageGroup"),
    "on_poison": (None, "block", "dead_letter", "park"),
}


def check_queue_name(name: str, fifo: bool | None, kind: str = "queue", longest: int = LONGEST_NAME) -> str:
    """A name AWS would accept for a queue, or another kind that may be FIFO. Raises InvalidName, TypeError."""
    if not isinstance(name, str) or not NAME.fullmatch(name) or len(name) > longest:
        raise InvalidName(name, kind=kind, rule=f"1 to {longest} letters, digits, '-' and '_', then perhaps '.fifo'")
    if fifo is not None and not isinstance(fifo, bool):
        raise TypeError(f"fifo must be True, False or None, not {fifo!r}")
    if name.endswith(".fifo") and fifo is False:
        raise InvalidName(name, kind=f"standard {kind}", rule=f"a name that ends in .fifo is a FIFO {kind}'s")
    return name


def read_settings(given: Mapping[str, Any], current: Settings, queue: Queue[Any]) -> dict[str, Any]:
    """The settings given, in the engine's terms, when they make sense with the others. Raises TypeError, ValueError."""
    read: dict[str, Any] = {}
    for name, value in given.items():
        if name in DURATIONS:
            least, most = DURATIONS[name]
            read[name] = nanoseconds(value, name, least=least, most=most)
        elif name in NUMBERS:
            read[name] = check_number(name, value)
        elif name == "dead_letter":
            read[name] = check_dead_letter(value, queue)
            if value is not None and value is not current.dead_letter:
                check_allowed(value, queue.name)
        elif name == "redrive_allow":
            read[name] = check_redrive_allow(value, queue)
        elif name in FIFO:
            read[name] = check_choice(name, value, queue)
        elif name == "large_bodies":
            if value is not None and not isinstance(value, LargeBodies):
                raise TypeError(f"large_bodies must be LargeBodies(folder) or None, not {value!r}")
            read[name] = value
        else:
            names = ", ".join((*DURATIONS, *NUMBERS, "dead_letter", "redrive_allow", *FIFO, "large_bodies"))
            raise TypeError(f"{name!r} is not a setting of a queue; there are {names}")
    dead_letter = read.get("dead_letter", current.dead_letter)
    max_receives = read.get("max_receives", current.max_receives)
    on_poison = read.get("on_poison", current.on_poison)
    if on_poison in ("dead_letter", "park") and max_receives is None:
        raise ValueError(f"on_poison={on_poison!r} needs max_receives, to tell when a message fails for good")
    if on_poison == "dead_letter" and dead_letter is None:
        raise ValueError("on_poison='dead_letter' needs a dead_letter queue to move messages to")
    if max_receives is not None and dead_letter is None and on_poison is None:
        raise ValueError(f"max_receives={max_receives} needs a dead_letter queue to move messages to")
    return read


def check_choice(name: str, value: Any, queue: Queue[Any]) -> Any:
    """A setting of FIFO queues."""
    choices = FIFO[name]
    if value == "message_group":
        value = "messageGroup"  # as AWS spells it
    if not any(value is choice or (isinstance(choice, str) and value == choice) for choice in choices):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")
    if not queue.fifo:
        raise ValueError(f"{name} is for FIFO queues, and {queue.name!r} is a standard queue: leave it out")
    return value


def check_number(name: str, value: Any) -> int | None:
    if value is None and name == "max_receives":
        return None
    return whole(value, name, 1)


def check_dead_letter(target: Any, queue: Queue[Any]) -> Any:
    """A queue on the same time, from which no chain of dead-letter queues leads back."""
    if target is None:
        return None
    if not isinstance(target, queue.__class__):
        raise TypeError(f"dead_letter must be a Queue, not {target!r}")
    if target._home is not queue._home:
        raise ValueError(
            f"dead_letter queue {target.name!r} lives in another broker than {queue.name!r}, and a dead letter is moved in "
            f"one transaction: declare both with the same broker"
        )
    chain = [queue.name]
    wanted: Queue[Any] = target  # pyright: ignore[reportUnknownVariableType]  # a class cannot be tested with its Any
    step: Queue[Any] | None = wanted
    while step is not None:
        chain.append(step.name)
        if step is queue:
            raise ValueError(f"dead-letter queues must not form a cycle: {' -> '.join(chain)}")
        step = step.dead_letter
    if queue.fifo != wanted.fifo:
        kinds = ["FIFO" if one.fifo else "standard" for one in (queue, wanted)]
        raise ValueError(f"the dead-letter queue of {kinds[0]} queue {queue.name!r} must be one too, not {kinds[1]}")
    if not same_time(queue.clock, target.clock):
        raise ValueError(
            f"dead_letter queue {target.name!r} is on another clock than {queue.name!r}: make both with the same clock="
        )
    return wanted


def check_redrive_allow(value: Any, queue: Queue[Any]) -> str | tuple[str, ...]:
    """Who may have this queue as dead-letter queue: "all", "none", or up to ten names, sorted (SQS: RedriveAllowPolicy)."""
    if isinstance(value, str):
        if value not in ("all", "none"):
            raise ValueError(f"redrive_allow must be 'all', 'none' or a list of queues, not {value!r}: try [{value!r}]")
        return value
    if not isinstance(value, Iterable) or isinstance(value, (bytes, Mapping)):
        raise TypeError(f"redrive_allow must be 'all', 'none' or a list of queues, not {value!r}")
    kind = queue.__class__
    allowed: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]  # looked at one by one
    names = {check_queue_name(one.name if isinstance(one, kind) else one, None) for one in allowed}
    if not 1 <= len(names) <= MOST_ALLOWED:
        raise ValueError(f"redrive_allow names 1 to {MOST_ALLOWED} queues, not {len(names)}: use 'none' or 'all'")
    return tuple(sorted(names))


def check_allowed(dead_letter: Queue[Any], name: str) -> None:
    """Whether queue `name` may begin to use it. Raises ValueError."""
    allowed = dead_letter._core.settings.redrive_allow
    if allowed == "none" or (allowed != "all" and name not in allowed):
        whom = "no queue" if allowed == "none" else f"only {', '.join(allowed)}"
        raise ValueError(
            f"queue {name!r} may not have {dead_letter.name!r} as its dead-letter queue, which allows {whom}: "
            f"change that with its configure(redrive_allow=...)"
        )


def same_time(one: Any, other: Any) -> bool:
    """Whether instants of both clocks mean the same: one clock, or both reading the machine's monotonic one."""
    return one is other or one.now is other.now


def shown_setting(name: str, value: Any) -> Any:
    """A setting as users gave it: seconds."""
    if name not in DURATIONS:
        return value
    return value // SECOND if value % SECOND == 0 else value / SECOND
