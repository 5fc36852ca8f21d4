"""Idempotent handlers: a message delivered twice does its work once, and both callers get the same result.

    @idempotent(MemoryStore(), key=lambda message: message.json()["order"], ttl=3600)
    def charge(message): ...

A key is free, in progress or completed. Whoever finds it free runs the handler; who finds it in progress gets InProgress;
who finds it completed gets the stored result, until `ttl` is over. A handler that raises, is cancelled or interrupted frees
its key. One that crashed holds it for `lease` at most; should it finish after another has taken the key over, its token is
stale and its result is not stored.

Results are kept as JSON text: no caller can change what the next one gets, and any store can hold text. Nothing here waits,
and no lock is held while a handler runs.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar, cast

from decouple.calls import is_async
from decouple.clock import Clock, Seconds, default_clock, nanoseconds
from decouple.core.deadlines import Deadlines
from decouple.effects import WATCHED, Crash, asking, done
from decouple.errors import InProgress, QueueError
from decouple.jsontext import json_text
from decouple.message import Message

__all__ = ["Claim", "IdempotencyStore", "Key", "MemoryStore", "idempotent"]

Handler = TypeVar("Handler", bound=Callable[..., Any])
Key: TypeAlias = str | int | Sequence[str | int]

SECOND = 1_000_000_000
LONGEST_HIDDEN = 43_200
PRUNED_AT_A_BEGIN = 8


class Claim(NamedTuple):
    """The answer to `begin`: the key is yours now; or its result; or how many nanoseconds longer it is in progress."""

    mine: bool = False
    result: str | None = None
    remaining: int = 0


class IdempotencyStore(Protocol):
    """Where keys are kept. Durations are nanoseconds; each call is one atomic step, seen by all who share the store.

    The token is the caller's own, new at each run: a call that was interrupted may be made again, and only the run that has
    the key can complete or free it.
    """

    def begin(self, key: str, token: str, lease: int) -> Claim:
        """Take the key for `lease` when it is free: absent, or what it holds has expired. Otherwise say what it holds."""
        ...

    def complete(self, key: str, token: str, result: str, ttl: int) -> bool:
        """Keep the result for `ttl`, unless somebody else has the key by now: then False, and nothing is changed."""
        ...

    def release(self, key: str, token: str) -> None:
        """Free the key if it is in progress under this token."""
        ...


class Held(NamedTuple):
    """What the store has for a key until `expires_at`; no result while it is in progress. `number`: its deadline's."""

    expires_at: int
    number: int
    token: str
    result: str | None


class MemoryStore:
    """Keys in this process's memory. Thread-safe; a restart forgets them.

    clock: what leases and ttls are measured on, SystemClock() by default. Cost: O(log keys) a call, and about 500 bytes
    a key, result not counted. What has expired is dropped a few at each `begin`; nothing ticks.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        if clock is not None and not callable(getattr(clock, "now", None)):
            raise TypeError(f"clock must be a Clock, SystemClock() or VirtualClock(), not {clock!r}")
        self._now = (clock or default_clock()).now
        self._lock = threading.Lock()
        self._held: dict[str, Held] = {}
        self._names: dict[int, str] = {}  # the key of each deadline that still means something
        self._deadlines = Deadlines(lambda at, number: number in self._names)
        self._last = 0

    def __len__(self) -> int:
        """How many keys take memory, expired ones not yet dropped included."""
        return len(self._held)

    def __repr__(self) -> str:
        return f"<MemoryStore: {len(self)} keys>"

    def begin(self, key: str, token: str, lease: int) -> Claim:
        with self._lock:
            now = self._now()
            self._prune(now)
            held = self._held.get(key)
            if held is not None and held.expires_at > now:
                return Claim(result=held.result, remaining=0 if held.result is not None else held.expires_at - now)
            self._put(key, held, now + lease, token, None)
            return Claim(mine=True)

    def complete(self, key: str, token: str, result: str, ttl: int) -> bool:
        with self._lock:
            now = self._now()
            held = self._held.get(key)
            if held is not None and held.token != token and held.expires_at > now:
                return False
            self._put(key, held, now + ttl, token, result)
            return True

    def release(self, key: str, token: str) -> None:
        with self._lock:
            held = self._held.get(key)
            if held is not None and held.token == token and held.result is None:
                # commit (as in core/places.py: lines that no interrupt comes between)
                del self._held[key]
                del self._names[held.number]

    def _put(self, key: str, old: Held | None, expires_at: int, token: str, result: str | None) -> None:
        self._last += 1
        held = Held(expires_at, self._last, token, result)
        self._deadlines.push(expires_at, held.number, live=len(self._held))
        # commit
        if old is not None:
            del self._names[old.number]
        self._held[key] = held
        self._names[held.number] = key

    def _prune(self, now: int) -> None:
        """Drop some of what has expired: more than one call can add."""
        for _ in range(PRUNED_AT_A_BEGIN):
            entry = self._deadlines.first()
            if entry is None or entry[0] > now:
                return
            key = self._names.get(entry[1])
            if key is not None:
                # commit
                del self._held[key]
                del self._names[entry[1]]
            self._deadlines.drop(entry)


def idempotent(
    store: IdempotencyStore,
    *,
    key: Callable[..., Key] | None = None,
    ttl: Seconds = 3600,
    lease: Seconds | None = None,
    name: str | None = None,
) -> Callable[[Handler], Handler]:
    """Decorate a handler, `def` or `async def`, so that it runs once for each key while the result is kept.

    key: takes the handler's arguments; text, a number or several of them; by default the id of the Message among the
    arguments, which dead letters keep and redriven messages do not. ttl: for how many seconds after its end a run is
    remembered. lease: for how many seconds a run that never ends, because its process died, holds the key; by default until
    the Message comes back, so a handler that extends its message, or takes none, gives its own. name: what the handler is
    called in the store, by default its module and qualified name; handlers of different names never share a key.

    Raises InProgress while another run has the key. A Message among the arguments is then hidden until that run must be over,
    instead of coming back at once. The result must be what JSON holds, and come back from it as it was: otherwise the
    run ends in a TypeError or ValueError, and as after any error the key is free. Calls of `store` block, also in a task.
    """
    for method in ("begin", "complete", "release"):
        if not callable(getattr(store, method, None)):
            raise TypeError(f"store must have begin, complete and release, as MemoryStore() has, not {store!r}")
    if key is not None and not callable(key):
        raise TypeError(f"key must be a callable that takes the handler's arguments, not {key!r}")
    kept = nanoseconds(ttl, "ttl", least=0.001)
    leased = None if lease is None else nanoseconds(lease, "lease", least=0.001)

    def decorate(handler: Handler) -> Handler:
        if not callable(handler):
            raise TypeError(f"idempotent(...) decorates a handler, not {handler!r}")
        called = name or name_of(handler)

        def run(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run:
            message = message_among(args, kwargs)
            full = f"{called}#{key_of(key, args, kwargs, message)}"
            return Run(store, full, lease_of(leased, message), kept, message)

        if is_async(handler):

            @functools.wraps(handler)
            async def in_a_task(*args: Any, **kwargs: Any) -> Any:
                with run(args, kwargs) as this:
                    return this.result if this.over else this.done(await handler(*args, **kwargs))

            return cast("Handler", in_a_task)

        @functools.wraps(handler)
        def in_a_thread(*args: Any, **kwargs: Any) -> Any:
            with run(args, kwargs) as this:
                return this.result if this.over else this.done(handler(*args, **kwargs))

        return cast("Handler", in_a_thread)

    return decorate


class Run:
    """One call of an idempotent handler, from taking the key to completing or freeing it."""

    __slots__ = ("_key", "_lease", "_message", "_store", "_token", "_ttl", "over", "result")

    def __init__(self, store: IdempotencyStore, key: str, lease: int, ttl: int, message: Message[Any] | None) -> None:
        self._store = store
        self._key = key
        self._lease = lease
        self._ttl = ttl
        self._message = message
        self._token = os.urandom(12).hex()
        self.over = False  # somebody has completed it already, with `result`
        self.result: Any = None

    def __enter__(self) -> Run:
        try:
            self._asking("begin")
            claim = self._store.begin(self._key, self._token, self._lease)
            if WATCHED:
                done("a key taken")
        except BaseException as error:
            self._free(error)  # an interrupt: perhaps the key was taken by then
            raise
        if claim.result is not None:
            self.over, self.result = True, decoded(claim.result)
        elif not claim.mine:
            self._put_off(claim.remaining)
            raise InProgress(self._key, seconds=claim.remaining / SECOND)
        return self

    def done(self, result: Any) -> Any:
        """Keep what the handler returned."""
        text = text_of(result)
        self._asking("complete")
        if not self._store.complete(self._key, self._token, text, self._ttl):
            import logging  # here, because most programs never need it

            logging.getLogger("decouple").warning(
                "key %r was taken over and may have been handled twice: this run took longer than its lease of %g s; "
                "give idempotent(...) a longer lease=",
                self._key,
                self._lease / SECOND,
            )
        if WATCHED:
            done("a result kept")
        return result

    def _asking(self, operation: str) -> None:
        """The store may fail here, for a test: with the faults of the handler, or else with those of its message's queue."""
        if WATCHED and asking(self._store, operation):
            return
        message = self._message
        if message is not None and message.owner._faults is not None:
            from decouple.mishaps import message_store_fault  # here, because only tests have faults

            message_store_fault(message, self._store, operation)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None and not self.over:
            self._free(error)

    def _free(self, error: BaseException) -> None:
        release = functools.partial(self._store.release, self._key, self._token)
        if isinstance(error, Crash):
            error.left.append(release)  # the dead free nothing: that is what leases are for
        else:
            release()

    def _put_off(self, remaining: int) -> None:
        """Hide the message until the other run is over: `with message:` would bring it back at once, again and again."""
        message = self._message
        # An expired handle is left alone: by now the message may be in the hands of whoever has the key.
        if message is not None and time_left(message) > 0:
            with suppress(
                QueueError
            ):  # deleted, or at the end of its 12 hours: nothing to hide, and InProgress says the rest
                message.nack(min(remaining / SECOND, LONGEST_HIDDEN))


def name_of(handler: Callable[..., Any]) -> str:
    name = getattr(handler, "__qualname__", None)
    if name is None:
        raise TypeError(f"{handler!r} has no name of its own to be kept under: give idempotent(..., name=...)")
    return f"{getattr(handler, '__module__', None)}.{name}"


def message_among(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Message[Any] | None:
    """The Message a handler is called with, wherever it takes it: a method's comes after self."""
    for one in (*args, *kwargs.values()):
        if isinstance(one, Message):
            return one  # pyright: ignore[reportUnknownVariableType]  # a class cannot be tested with its Any
    return None


def key_of(
    key: Callable[..., Key] | None, args: tuple[Any, ...], kwargs: dict[str, Any], message: Message[Any] | None
) -> str:
    """The key of one call, as text. Raises TypeError, ValueError."""
    if key is None:
        if message is None:
            raise TypeError(
                "no Message is among the arguments: give idempotent(..., key=...), a callable that takes them and "
                "returns what names this piece of work"
            )
        return message.id
    value: Any = key(*args, **kwargs)
    parts = cast("Sequence[Any]", value if isinstance(value, (tuple, list)) else (value,))
    for part in parts:
        # None above all: what has no key would share one with everything else that has none.
        if isinstance(part, bool) or not isinstance(part, (str, int)):
            raise TypeError(f"key must return str, int or a tuple of them, not {value!r:.80}")
    if not parts or "" in parts:
        raise ValueError(f"key must not return what is empty, as in {value!r:.80}: all such calls would share one key")
    return json_text(value, "a key must be JSON")  # so that 7 and "7" are two keys


def lease_of(lease: int | None, message: Message[Any] | None) -> int:
    """For how long a run holds its key: as asked, or until its message comes back."""
    if lease is not None:
        return lease
    if message is None:
        raise TypeError(
            "no Message is among the arguments: give idempotent(..., lease=...), the seconds after which a run that has "
            "not ended is taken for dead"
        )
    left = time_left(message)
    return left if left > 0 else message.owner._core.lease or 30 * SECOND


def time_left(message: Message[Any]) -> int:
    """For how long the message stays with whoever received it."""
    return message.due - message.owner.clock.now()


def text_of(result: Any) -> str:
    text = json_text(result, "the result of an idempotent handler must be JSON")
    if decoded(text) != result:
        raise TypeError(f"the result of an idempotent handler must come back from JSON as it was, not {result!r:.80}")
    return text


def decoded(text: str) -> Any:
    import json  # here, because most programs never need it

    return json.loads(text)
