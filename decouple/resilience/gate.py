"""Guards that let a call in or refuse it, at once or after it waited in line.

What a call holds is given back however it ends, also by a cancellation, an interrupt at any instruction, or the
collection of a task whose loop is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from decouple.calls import answer_of
from decouple.clock import Clock, Seconds, nanoseconds
from decouple.core.breaker import Visit
from decouple.core.deadlines import FAR
from decouple.errors import CallRefused
from decouple.resilience.events import Watcher
from decouple.resilience.guard import RAISE, Guard
from decouple.resilience.line import Line

__all__ = ["Door", "Gate"]


class Gate(Guard):
    """A guard that lets a call in or refuses it. `_inside`: those that are in, where that matters."""

    _inside: dict[Visit, None]
    _line: Line

    def _in_a_thread(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        visit = Visit()
        try:
            until = self._admit(visit)
            if until is not None:
                self._waited(visit, self._line.wait(visit, until))
            answer = function(*args, **kwargs)
        except Exception as error:
            self._judge(visit, error)
            if self._fallback is RAISE or not self._covers(visit, error):
                raise
            return self._stand_in(error, args, kwargs)
        else:
            self._judge(visit, None)
            return answer if not hasattr(answer, "__await__") else answer_of(answer, repr(function))
        finally:
            # Both lines at once, as far as interrupts go: neither calls anything written in Python.
            visit.over = True
            self._inside.pop(visit, None)
            self._left()

    async def _in_a_task(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        visit = Visit()
        collected = False
        try:
            until = self._admit(visit)
            if until is not None:
                self._waited(visit, await self._line.wait_in_task(visit, until))
            answer = await function(*args, **kwargs)
        except GeneratorExit:
            collected = True  # perhaps by a thread that holds the lock
            raise
        except Exception as error:
            self._judge(visit, error)
            if self._fallback is RAISE or not self._covers(visit, error):
                raise
            return await self._stand_in_task(error, args, kwargs)
        else:
            self._judge(visit, None)
            return answer
        finally:
            visit.over = True
            self._inside.pop(visit, None)
            if not collected:
                self._left()

    def _admit(self, visit: Visit) -> int | None:
        """None: it is in. An instant: it may wait in line until then. Raises CallRefused."""
        raise NotImplementedError

    def _judge(self, visit: Visit, error: Exception | None) -> None:
        """Its call has ended by itself, or it was refused."""

    def _covers(self, visit: Visit, error: Exception) -> bool:
        """Whether the fallback stands in for this error."""
        return visit.refused

    def _waited(self, visit: Visit, let_in: bool) -> None:
        """It waited in line. Raises CallRefused if that was in vain."""

    def _left(self) -> None:
        """There may be room for another."""

    def _refuse(self, visit: Visit, error: CallRefused) -> NoReturn:
        visit.refused = True
        self._record("refused", str(error))
        raise error


class Door(Gate):
    """A gate before which calls may wait in line. `_patience`: for how long, in nanoseconds."""

    def __init__(
        self, name: str | None, fallback: Any, observers: Iterable[Watcher], clock: Clock | None, wait: Seconds
    ) -> None:
        super().__init__(name, fallback, observers, clock)
        self._patience = nanoseconds(wait, "wait")
        self._line = Line(self.clock, self._lock, f"room in {self.kind}", self._let_in, self._ready_at)
        self._inside = self._line.inside

    def _let_in(self, now: int, visit: Visit) -> bool:
        """Under the lock: take a place, if there is one."""
        raise NotImplementedError

    def _ready_at(self, now: int, ahead: int) -> int:
        """Under the lock: when there will be a place for whoever has so many ahead, as far as that is known."""
        return FAR

    def _refusal(self, ready_at: int, waited: int) -> CallRefused:
        raise NotImplementedError

    def _admit(self, visit: Visit) -> int | None:
        ready_at = self._line.enter(visit)
        if ready_at is None:
            return None
        until = self.clock.now() + self._patience
        if not self._patience or until < ready_at < FAR:
            self._refuse(visit, self._refusal(ready_at, waited=0))
        return until

    def _waited(self, visit: Visit, let_in: bool) -> None:
        if not let_in:
            self._refuse(visit, self._refusal(self._line.ready_at(), waited=self._patience))
