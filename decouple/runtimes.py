"""How a handler is run: in the thread that has the job, or as the task. (In a process of its own: processes.py.)

A thread cannot be ended from outside: a handler past its timeout is abandoned, and its result discarded when it comes.
A task is cancelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from decouple.calls import answer_of

if TYPE_CHECKING:
    from decouple.invocation import Invocation

__all__ = ["Runtime", "Tasks", "Threads"]


class Runtime(Protocol):
    """Runs the handler of an invocation, after what a cold start needs."""

    awaits: bool

    def run(self, invocation: Invocation) -> Any: ...

    async def arun(self, invocation: Invocation) -> Any: ...

    def kill(self, invocation: Invocation) -> None:
        """Its time is over: end it, if that can be done."""
        ...

    def close(self) -> None:
        """There will be no other run."""
        ...


class Threads:
    """In the thread that took the job."""

    awaits = False

    def run(self, invocation: Invocation) -> Any:
        function = invocation.function
        function.warm_up(invocation.environment)
        return answer_of(function.handler(invocation.event, invocation.context), f"function {function.name!r}")

    async def arun(self, invocation: Invocation) -> Any:
        return self.run(invocation)

    def kill(self, invocation: Invocation) -> None:
        """Nothing can: it is abandoned."""

    def close(self) -> None:
        """Nothing is kept."""


class Tasks:
    """As a task of the loop that took the job; for `async def` handlers."""

    awaits = True

    def run(self, invocation: Invocation) -> Any:
        raise NotImplementedError  # the runner awaits what says so

    async def arun(self, invocation: Invocation) -> Any:
        function = invocation.function
        function.warm_up(invocation.environment)
        return await function.handler(invocation.event, invocation.context)

    def kill(self, invocation: Invocation) -> None:
        """Cancel the task, from whatever thread."""
        task = invocation.task
        if task is not None:
            task.get_loop().call_soon_threadsafe(task.cancel)

    def close(self) -> None:
        """Nothing is kept."""
