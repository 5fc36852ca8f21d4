"""Crashes: a handler that dies at a chosen point, as its process would.

The points of a run are counted where something may have been done: after each call and each change of a variable, item or
attribute in the user's own code (steps.py; by sys.settrace, one instruction at a time), at each `effect(...)` mark, and
wherever an async handler waits. At the chosen one Crash is raised, which no `except Exception` catches. `with` and `finally`
blocks end as ever, for this is still one process; whatever marks or awaits they reach crashes again.

Not reached: C code from within, threads, tasks that the handler began. A debugger's or coverage's own trace function is
set aside while a handler runs that is to crash.
"""

from __future__ import annotations

import asyncio
import functools
import linecache
import os
import site
import sys
import sysconfig
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from types import CodeType, FrameType
from typing import Any

import decouple
from decouple.effects import EFFECTS, Crash
from decouple.testing.steps import steps_of

__all__ = ["Points", "home_of", "is_users"]

LONGEST_LINE = 80
ROUNDS = 3
"""How often a crash is raised again in a coroutine that goes on waiting."""


class Points:
    """The points of one run of a handler: counted, and at number `at` it crashes.

    at: from 1 on, 0 = nowhere; home: the directory of the handler's code, wherever that is; crash: what it crashed with.
    """

    def __init__(self, at: int = 0, *, home: str | None = None) -> None:
        self.at = at
        self.count = 0
        self.crash: Crash | None = None
        self._home = home
        self._begun: set[FrameType] = set()

    def reach(self, name: Callable[[], str]) -> None:
        """One more point. Raises Crash, and again at every point after that."""
        if self.crash is None:
            self.count += 1
            if self.count != self.at:
                return
            self.crash = Crash(name())
        raise self.crash

    def mark(self, name: str) -> None:
        """A mark of the handler's author."""
        self.reach(lambda: repr(name))

    # -- running -------------------------------------------------------------------------------------------------

    def run(self, call: Callable[[], Any]) -> Any:
        """Call a handler; its answer. Raises what it raises."""
        told = EFFECTS.set(self.mark)
        try:
            with self._tracing():
                return call()
        finally:
            EFFECTS.reset(told)
            self._begun.clear()

    async def arun(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """The same for an async handler."""
        told = EFFECTS.set(self.mark)
        try:
            return await Driven(self, call)
        finally:
            EFFECTS.reset(told)
            self._begun.clear()

    @contextmanager
    def _tracing(self) -> Generator[None]:
        """While a handler runs that crashes or is counted, and is not dead yet."""
        before = sys.gettrace()
        if self.crash is None:
            sys.settrace(self._entered)
        try:
            yield
        finally:
            sys.settrace(before)

    def _entered(self, frame: FrameType, event: str, argument: object) -> Any:
        """For Python: a function begins, or a coroutine goes on."""
        steps = steps_of(frame.f_code)
        if not steps or not is_users(frame.f_code.co_filename, self._home):
            return None
        if not self._begun:
            self.reach(lambda: f"the beginning of {frame.f_code.co_qualname}")
        self._begun.add(frame)
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return self._stepped

    def _stepped(self, frame: FrameType, event: str, argument: object) -> Any:
        """For Python: the next instruction is about to be run."""
        if event == "opcode":
            line = steps_of(frame.f_code).get(frame.f_lasti)
            if line is not None:
                self.reach(lambda: words_for(frame.f_code, line))
        return self._stepped


class Driven:
    """An async handler that is awaited: each time it waits for something is a point."""

    def __init__(self, points: Points, call: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._points = points
        self._call = call

    def __await__(self) -> Generator[Any, Any, Any]:
        points = self._points
        coroutine = self._call()
        step: Callable[[], Any] = functools.partial(coroutine.send, None)
        again = 0
        while True:
            try:
                with points._tracing():
                    waits_for = step()
            except StopIteration as end:
                return end.value
            try:
                points.reach(lambda: waiting(coroutine))
                sent = yield waits_for
                step = functools.partial(coroutine.send, sent)
            except Crash as crash:
                again += 1
                forget(waits_for)
                if again > ROUNDS:
                    with suppress(RuntimeError):  # it goes on waiting, whatever it is told
                        coroutine.close()
                    raise
                step = functools.partial(coroutine.throw, crash)
            except BaseException as error:  # for the handler: it was cancelled
                step = functools.partial(coroutine.throw, error)


def forget(waits_for: Any) -> None:
    """Nobody waits for it any more, so nobody is to be told that it failed."""
    if asyncio.isfuture(waits_for):
        waits_for.add_done_callback(lambda future: future.cancelled() or future.exception())


# -- whose code it is ----------------------------------------------------------------------------------------------------


def words_for(code: CodeType, line: int) -> str:
    source = linecache.getline(code.co_filename, line).strip()[:LONGEST_LINE]
    return f"line {line} of {code.co_qualname}{source and f': {source}'}"


def waiting(coroutine: Any) -> str:
    """Where a coroutine waits, in the user's code."""
    frame, words = None, "waiting"
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None)
        if frame is not None and is_users(frame.f_code.co_filename):
            words = f"it began to wait in {words_for(frame.f_code, frame.f_lineno)}"
        coroutine = getattr(coroutine, "cr_await", None)
    return words


def home_of(call: Callable[..., Any]) -> str | None:
    """Where the package of a handler lies, or the handler's own file: it counts as the user's wherever that is."""
    inner: Any = call
    while inner is not None:
        call = inner
        inner = getattr(inner, "func" if isinstance(inner, functools.partial) else "__wrapped__", None)
    module: str = getattr(call, "__module__", None) or ""
    root = sys.modules.get(module.partition(".")[0])
    file: str | None = getattr(root, "__file__", None)
    if file is None or root is decouple:
        return None
    return os.path.dirname(file) + os.sep if hasattr(root, "__path__") else file


@functools.cache
def libraries() -> tuple[str, ...]:
    """Where code lies that is nobody's handler."""
    paths = [sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib", "platstdlib")]
    paths += [*site.getsitepackages(), site.getusersitepackages(), os.path.dirname(os.path.abspath(decouple.__file__))]
    return (*(path + os.sep for path in dict.fromkeys(paths)), "<frozen")


@functools.lru_cache(maxsize=10_000)
def is_users(file: str, home: str | None = None) -> bool:
    """Whether code of this file is the user's own: no library's, or of the directory `home`."""
    return not file.startswith(libraries()) or (home is not None and file.startswith(home))
