"""Who looks when the time of a function's runs is over: a thread that sleeps until then, or a job on a simulation's loop.

The thread is no job of the runner: its workers may all be busy with the very handlers that take too long. A simulation's
loop is never busy, as nothing in it takes time.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from decouple.core.deadlines import FAR
from decouple.workers import seconds_until

if TYPE_CHECKING:
    from decouple.function import Function
    from decouple.runner import Runner
    from decouple.runtimes import Runtime

__all__ = ["watch"]


def watch(function: Function, runtime: Runtime) -> None:
    """See that somebody looks at the deadlines of the runs that have begun."""
    runner = function._runner
    if runner is None or not runner.started or not runtime.watched:
        return  # nobody could look while it runs, or it is looked at where it runs
    with function._lock:
        if function._watching:
            return
        if not function.clock.threaded:
            runner.put(Look(function, runner), function.clock.now() + function._timeout)
            function._watching = True
            return
        with suppress(RuntimeError):  # no more threads on this machine: the next run tries again
            name = f"decouple-watch-{function.name}"
            threading.Thread(target=keep_watch, args=(function,), name=name, daemon=True).start()
            function._watching = True


def keep_watch(function: Function) -> None:
    """In a thread: look until nothing runs."""
    while (until := function._look()) < FAR:
        function._bell.acquire(timeout=seconds_until(until, function.clock.now()))


class Look:
    """The runner's job that looks, where no thread does."""

    awaits = False

    def __init__(self, function: Function, runner: Runner) -> None:
        self.function = function
        self.runner = runner

    def run(self) -> None:
        """Look, and come again when the next run may be over."""
        until = self.function._look()
        if until < FAR:
            self.runner.put(self, until)

    async def arun(self) -> None:
        self.run()

    def abandon(self) -> None:
        """The broker closes: runs under way end as they may."""
        self.function._watching = False

    def describe(self) -> str:
        return f"a look at the runs of function {self.function.name!r}"
