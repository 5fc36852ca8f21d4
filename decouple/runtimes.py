"""How a handler is run: in the thread that has the job, or as the task. (In a process of its own: processes.py.)

A thread cannot be ended from outside: a handler past its timeout is abandoned, and its result discarded when it comes. It
keeps one of the broker's workers until then. A task is cancelled.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from decouple.calls import answer_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from decouple.function import Function
    from decouple.function_settings import FunctionSettings
    from decouple.invocation import Environment, Invocation

__all__ = ["Runtime", "Tasks", "Threads", "runtime_for"]


class Runtime(Protocol):
    """Runs the handler of an invocation, after what a cold start needs. watched: others look when its time is over."""

    awaits: bool
    watched: bool

    def run(self, invocation: Invocation) -> Any: ...

    async def arun(self, invocation: Invocation) -> Any: ...

    def kill(self, invocation: Invocation) -> None:
        """Its time is over: end it, if that can be done."""
        ...

    def usable(self, environment: Environment) -> bool:
        """Whether another run can take place where one ended well."""
        ...

    def close(self) -> None:
        """There will be no other run."""
        ...


class Threads:
    """In the thread that took the job."""

    awaits = False
    watched = True

    def run(self, invocation: Invocation) -> Any:
        function = invocation.function
        function.warm_up(invocation.environment)
        handler = handler_of(function)
        return answer_of(handler(invocation.event, invocation.context), f"function {function.name!r}")

    async def arun(self, invocation: Invocation) -> Any:
        return self.run(invocation)

    def kill(self, invocation: Invocation) -> None:
        """Nothing can: it is abandoned."""

    def usable(self, environment: Environment) -> bool:
        return True

    def close(self) -> None:
        """Nothing is kept."""


class Tasks:
    """As a task of the loop that took the job; for `async def` handlers."""

    awaits = True
    watched = True

    def run(self, invocation: Invocation) -> Any:
        raise NotImplementedError  # the runner awaits what says so

    async def arun(self, invocation: Invocation) -> Any:
        function = invocation.function
        function.warm_up(invocation.environment)
        return await handler_of(function)(invocation.event, invocation.context)

    def kill(self, invocation: Invocation) -> None:
        """Cancel the task, from whatever thread."""
        invocation.killed = True
        task = invocation.task
        if task is not None:
            with suppress(RuntimeError):  # its loop was closed meanwhile
                task.get_loop().call_soon_threadsafe(task.cancel)

    def usable(self, environment: Environment) -> bool:
        return True

    def close(self) -> None:
        """Nothing is kept."""


def handler_of(function: Function) -> Callable[..., Any]:
    """The one that was declared, or the one that a fault made anew."""
    return function.handler if function._mishaps is None else function._mishaps.handler


def runtime_for(name: str, handler: Callable[..., Any], settings: FunctionSettings) -> Runtime:
    """What runs the handler of that function, as its settings say."""
    if settings.isolation == "task":
        return Tasks()
    if settings.isolation == "thread":
        return Threads()
    from decouple.processes import Processes  # here, because few functions have processes of their own

    return Processes(name, handler, settings.on_init)
