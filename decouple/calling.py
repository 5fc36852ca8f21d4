"""Waiting for the end of a run: as a thread (`function.invoke`), or as a task (`await function.aio.invoke(...)`)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from decouple.core.settings import SECOND
from decouple.invocation import Invocation, Outcome, interrupts, own_copy
from decouple.lineage import LINEAGE
from decouple.tasks import here_or_elsewhere, running_loop
from decouple.waiter import Waiter

if TYPE_CHECKING:
    import asyncio

    from decouple.function import Function

__all__ = ["AsyncFunction", "Call", "call_and_wait", "result_of"]


class Call(Waiter):
    """A caller that waits for an outcome."""

    __slots__ = ("outcome",)

    outcome: Outcome

    def __init__(self, name: str) -> None:
        super().__init__(f"invoke waits for function {name!r}")

    def __call__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.wake()


def call_and_wait(
    function: Function, event: Any, request_id: str | None = None, client: Mapping[str, Any] | None = None
) -> Outcome:
    """See `Function.invoke` and `Function.attempt`."""
    refuse_own_loop(function)
    call = Call(function.name)
    invocation = new_invocation(function, event, call, request_id, client)
    try:
        function.admit(invocation)
        # In a context of its own, so that an interrupt leaves no lineage behind in the caller's.
        copy_context().run(run_and_wait, invocation, call)
    except BaseException as error:
        function.give_back(invocation, error)
        raise
    return call.outcome


def new_invocation(
    function: Function,
    event: Any,
    ended: Callable[[Outcome], object],
    request_id: str | None,
    client: Mapping[str, Any] | None,
) -> Invocation:
    """A run whose caller waits, and raises what it ended with."""
    request_id = request_id or function.new_request_id()
    invocation = Invocation(function, own_copy(event, function.name), ended, request_id, LINEAGE.get())
    invocation.quiet = True
    invocation.client = None if client is None else own_copy(dict(client), function.name)
    return invocation


def run_and_wait(invocation: Invocation, call: Call) -> None:
    if not invocation.function.clock.threaded:
        run_here(invocation)
    else:
        run_elsewhere(invocation)
        wait(call, invocation)


def refuse_own_loop(function: Function) -> None:
    """Who blocks the loop that is to run the handler waits for ever."""
    loop = running_loop()
    if loop is None or not function.awaits or function.clock.by_hand:
        return
    if function.clock.loop is loop or (function._runner is not None and function._runner._tasks.loop is loop):
        raise RuntimeError(
            f"invoke() would block the event loop that runs function {function.name!r}: "
            f"await {function.name}.aio.invoke(...), or asyncio.to_thread(...) with it"
        )


def wait(call: Call, invocation: Invocation) -> None:
    """Until it has ended, or its time is over: where all workers are busy nobody else may look. It may not have begun yet."""
    function, clock = invocation.function, invocation.function.clock
    while not call.done:
        until = clock.now() + function._timeout
        if invocation.environment.runtime.watched:
            until = min(until, invocation.deadline)
        clock.sleep(call, until)
        if not call.done and invocation.environment.runtime.watched and clock.now() >= invocation.deadline:
            invocation.time_out()
            clock.sleep(call, clock.now() + SECOND)  # somebody else is just ending it


def run_elsewhere(invocation: Invocation) -> None:
    """By one of the broker's workers; in a new thread where there are none, and for a worker, which must not wait for others."""
    runner = invocation.function._runner
    workers = None if runner is None else runner._workers
    if runner is not None and workers is not None and (invocation.awaits or threading.current_thread() not in workers):
        runner.put(invocation)
        return
    name = f"decouple-{invocation.function.name}"
    threading.Thread(target=copy_context().run, args=(run_here, invocation), name=name, daemon=True).start()


def run_here(invocation: Invocation) -> None:
    """Run it in this thread; what the handler raises is in its outcome."""
    try:
        if invocation.awaits:
            complete(invocation)
        else:
            invocation.run()
    except BaseException as error:
        if interrupts(error) or not invocation.over:
            raise


def complete(invocation: Invocation) -> None:
    """On the broker's loop, so that what is bound to it goes on working; on a new one if that is busy."""
    runner = invocation.function._runner
    if runner is not None and runner._workers is None and invocation.function.clock.by_hand:
        kept = runner._kept
        if kept.loop is None or not (kept.loop.is_running() or kept.loop.is_closed()):
            kept.complete(invocation, copy_context())
            return
    import asyncio

    here_or_elsewhere(lambda: asyncio.run(invocation.arun()))


def result_of(outcome: Outcome) -> Any:
    """The result, or the error raised."""
    if outcome.error is not None:
        raise outcome.error
    return outcome.result


class AsyncFunction:
    """A function's methods that wait, as coroutines: `await function.aio.invoke(event)`."""

    __slots__ = ("_function",)

    def __init__(self, function: Function) -> None:
        self._function = function

    async def invoke(self, event: Any = None) -> Any:
        """Like Function.invoke. An async handler runs as a task of this loop. Cancelled, the run is ended or abandoned."""
        return result_of(await self.attempt(event))

    async def attempt(
        self, event: Any = None, *, request_id: str | None = None, client_context: Mapping[str, Any] | None = None
    ) -> Outcome:
        """Like Function.attempt."""
        import asyncio

        function = self._function
        ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        invocation = new_invocation(function, event, Answer(ended), request_id, client_context)
        try:
            function.admit(invocation)
            await self._run(invocation, ended)
        except BaseException as error:
            function.give_back(invocation, error)
            raise
        return ended.result()

    async def _run(self, invocation: Invocation, ended: asyncio.Future[Outcome]) -> None:
        import asyncio

        function = self._function
        task: asyncio.Task[None] | None = None
        if function._in_tasks:
            task = asyncio.create_task(quietly(invocation))
        elif not function.clock.threaded:
            copy_context().run(run_here, invocation)
        else:
            run_elsewhere(invocation)
        while not ended.done():
            await asyncio.wait([ended], timeout=self._patience(invocation))
            watched = invocation.environment.runtime.watched
            if not ended.done() and watched and function.clock.now() >= invocation.deadline:
                invocation.time_out()
        if task is not None and task.done():
            await task

    def _patience(self, invocation: Invocation) -> float | None:
        function = self._function
        if function.clock.by_hand:
            return None
        now = function.clock.now()
        return max(0.001, (min(now + function._timeout, invocation.deadline) - now) / SECOND)


class Answer:
    """Hands an outcome over to a task, from whatever thread."""

    __slots__ = ("_future",)

    def __init__(self, future: asyncio.Future[Outcome]) -> None:
        self._future = future

    def __call__(self, outcome: Outcome) -> None:
        with suppress(RuntimeError):  # its loop was closed meanwhile: nobody waits
            self._future.get_loop().call_soon_threadsafe(self._set, outcome)

    def _set(self, outcome: Outcome) -> None:
        if not self._future.done():
            self._future.set_result(outcome)


async def quietly(invocation: Invocation) -> None:
    """As a task of its own; what the handler raises is in its outcome."""
    try:
        await invocation.arun()
    except BaseException:
        if not invocation.over:
            raise
