"""The settings of a function at the door: what users say in seconds, checked, in the engine's own terms."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from decouple.calls import is_async
from decouple.clock import Seconds, nanoseconds
from decouple.core.settings import SECOND
from decouple.errors import InvalidName
from decouple.numbers import whole
from decouple.packages import Package

if TYPE_CHECKING:
    from decouple.function import Function

__all__ = [
    "COLD",
    "FunctionSettings",
    "GivenFunctionSettings",
    "changed_settings",
    "check_function_name",
    "check_handler",
    "in_words",
    "read_function_settings",
]

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
ISOLATIONS = ("thread", "task", "process")
MOST_RETRIES = 2
LEAST_MEMORY, MOST_MEMORY = 128, 10_240
COLD = ("memory", "isolation", "on_init")
"""What is looked at when a run begins cold."""


class FunctionSettings(NamedTuple):
    """timeout, max_age: nanoseconds."""

    timeout: int = 3 * SECOND
    memory: int = 128
    concurrency: int | None = None
    retries: int = 2
    max_age: int = 21_600 * SECOND
    on_success: Any = None
    on_failure: Any = None
    dead_letter: Any = None
    isolation: str = "thread"
    on_init: Callable[[], object] | None = None
    recursion: str = "stop"


class GivenFunctionSettings(TypedDict, total=False):
    """What `Function(...)` and `broker.function(...)` take."""

    timeout: Seconds
    memory: int
    concurrency: int | None
    retries: int
    max_age: Seconds
    on_success: Any
    on_failure: Any
    dead_letter: Any
    isolation: str | None
    on_init: Callable[[], object] | None
    recursion: str


def check_function_name(name: str) -> str:
    """A name AWS would accept. Raises InvalidName."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InvalidName(name, kind="function", rule="1 to 64 letters, digits, '-' and '_'; give it with name=")
    return name


def check_handler(handler: Callable[..., Any]) -> Callable[..., Any]:
    """What can be called. Raises TypeError."""
    if not callable(handler):
        raise TypeError(f"a function's handler must be callable with (event, context), not {handler!r:.80}")
    return handler


def in_words(settings: FunctionSettings) -> dict[str, Any]:
    """The settings as users say them."""
    return settings._asdict() | {"timeout": settings.timeout / SECOND, "max_age": settings.max_age / SECOND}


def changed_settings(function: Function, handler: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What it is to have: what is given, else what it has. A package and what is none run in different ways."""
    words = in_words(function._settings)
    others = isinstance(handler, Package) is not isinstance(function.handler, Package)
    if others or (words["isolation"] != "process" and is_async(handler) != function.awaits):
        words["isolation"] = None
    return words | dict(given)


def read_function_settings(handler: Callable[..., Any], given: Mapping[str, Any]) -> FunctionSettings:
    """The settings in the engine's terms. Raises TypeError, ValueError."""
    unknown = [name for name in given if name not in FunctionSettings._fields]
    if unknown:
        raise TypeError(
            f"{unknown[0]!r} is not a setting of a function; there are {', '.join(FunctionSettings._fields)}"
        )
    settings = FunctionSettings(**given)
    timeout = nanoseconds(given.get("timeout", 3), "timeout", least=0.001)
    max_age = nanoseconds(given.get("max_age", 21_600), "max_age", least=60, most=21_600)
    whole(settings.memory, "memory", LEAST_MEMORY, MOST_MEMORY)
    whole(settings.retries, "retries", 0, MOST_RETRIES)
    if settings.concurrency is not None:
        whole(settings.concurrency, "concurrency", 0, 1_000_000)
    if settings.on_init is not None and not callable(settings.on_init):
        raise TypeError(f"on_init must be callable without arguments, not {settings.on_init!r:.80}")
    if settings.recursion not in ("stop", "allow"):
        raise ValueError(f"recursion must be 'stop' or 'allow', not {settings.recursion!r}")
    for name in ("on_success", "on_failure", "dead_letter"):
        check_destination(name, getattr(settings, name))
    isolation = read_isolation(given.get("isolation"), handler)
    return settings._replace(timeout=timeout, max_age=max_age, isolation=isolation)


def read_isolation(isolation: Any, handler: Callable[..., Any]) -> str:
    """Where the handler runs: an async one as a task, or in a process; a package in a process."""
    awaits = is_async(handler)
    if isinstance(handler, Package):
        if isolation not in (None, "process"):
            raise ValueError(f"a package runs with isolation='process' alone, not {isolation!r}: leave it out")
        return "process"
    if isolation is None:
        return "task" if awaits else "thread"
    if isolation not in ISOLATIONS:
        raise ValueError(f"isolation must be one of {', '.join(map(repr, ISOLATIONS))}, not {isolation!r}")
    if isolation == "task" and not awaits:
        raise ValueError("isolation='task' is for async def handlers: leave it out, and a thread runs this one")
    if isolation == "thread" and awaits:
        raise ValueError("an async def handler runs as a task or in a process: leave isolation='thread' out")
    return str(isolation)


def check_destination(name: str, target: Any) -> None:
    """Something an event can be handed to."""
    if target is not None and not hasattr(target, "send") and callable(target) and is_async(target):
        raise TypeError(
            f"{name} must be a plain def where it is a callable, not {target!r:.80}: use an async function's send"
        )
    if target is None or callable(target) or any(callable(getattr(target, verb, None)) for verb in ("send", "publish")):
        if name != "dead_letter" or target is None or not callable(target):
            check_order(name, target)
            return
        raise TypeError(
            f"dead_letter must be a Queue or a Topic (Lambda), not {target!r:.80}: on_failure takes callables"
        )
    raise TypeError(f"{name} must be a Queue, a Topic, a Function or a callable, not {target!r:.80}")


def check_order(name: str, target: Any) -> None:
    if getattr(target, "fifo", False):
        raise ValueError(f"{name} must be a standard queue or topic (Lambda), and {target.name!r} is FIFO")
