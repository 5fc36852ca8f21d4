"""Fingerprints: whether two simulations are in the same state, by all that can be reached in their memory.

What is walked through: values, containers in their order, the attributes of objects, what functions and coroutines hold, also
what lies on their stacks between two steps, tasks, futures, timers, iterators. Objects are numbered in the order in which
they are met, so that it counts who shares what with whom, and addresses do not. What cannot be looked into is like nothing
else, and so is every state that holds it: then no two states are taken for one, which costs time and loses nothing. State
that lives in modules and classes is not seen.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What a program's memory holds is known when it is looked at, not before.

from __future__ import annotations

import asyncio
import copyreg
import functools
import gc
import itertools
import threading
import types
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextvars import Context, ContextVar
from enum import Enum
from hashlib import blake2b
from logging import Logger
from random import Random
from typing import Any

from decouple.lobby import Lobby
from decouple.queue import Queue
from decouple.stories.recorder import Recorder
from decouple.testing.simulated_clock import Wait

__all__ = ["Fingerprint"]

PLAIN = frozenset((type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented), range))
FRAMED = (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)
LOCKS = (type(threading.Lock()), type(threading.RLock()))
NAMED = (type, types.ModuleType, ContextVar, Logger, types.CodeType, types.GenericAlias)
"""What stays as it is while a program runs."""
MADE_OF_REFERENCES = ("FutureIter", "TaskStepMethWrapper", "TaskWakeupMethWrapper", "coroutine_wrapper", "SimpleQueue")
"""Types of C whose whole state are the objects they refer to."""
EMPTY: tuple[Any, ...] = (
    iter([]), iter(()), iter(""), iter(b""), iter(range(0)), iter({}), iter({}.values()), iter({}.items()), iter(set()),
    reversed([]), enumerate([]), zip(), map(str, []), filter(None, []),
)  # fmt: skip
ITERATORS = tuple(map(type, EMPTY))
AS_IT_WAS_MADE = frozenset(
    (
        "clock",
        "fifo",
        "aio",
        "_codec",
        "_lock",
        "_now",
        "_make",
        "_order",
        "_reporter",
        "_account",
        "_region",
        "_take_one",
    )
)
"""What of a queue's attributes no run changes, or is there a second time."""


def sees_stacks() -> bool:
    """Whether this interpreter shows what lies on the stack of a coroutine: the iterator of a loop."""

    def loop() -> Iterator[None]:
        for _ in (mark,):
            yield

    mark = object()
    generator = loop()
    next(generator)
    return any(type(found).__name__ == "tuple_iterator" for found in gc.get_referents(generator))


STACK_IS_SEEN = sees_stacks()


class Fingerprint:
    """A walk. known: objects that are the same in every run, and their names; nameless: ids of tasks whose name and number do
    not count; unseen: context variables that do not; lasting: what walks before this one met of
    types and functions' code, which must not go while addresses are compared; opaque: names of types not looked into.
    """

    unique = itertools.count()

    def __init__(
        self,
        known: Iterable[tuple[Any, str]] = (),
        *,
        nameless: Collection[int] = (),
        unseen: Collection[ContextVar[Any]] = (),
        lasting: dict[int, Any] | None = None,
    ) -> None:
        self._nameless, self._unseen = nameless, unseen
        self.opaque: set[str] = set()
        self._lasting: dict[int, Any] = {} if lasting is None else lasting
        self._out: list[str] = []
        self._numbers: dict[int, str] = {id(self): "unset"}
        self._numbers.update((id(one), name) for one, name in known)

        self._kept: list[Any] = []  # so that no id is used again

    def add(self, *found: Any) -> None:
        """Walk through these."""
        try:
            for one in found:
                self._walk(one)
        except RecursionError:
            self._give_up("deep")

    def digest(self) -> bytes:
        """Of all that was added."""
        return blake2b("\0".join(self._out).encode("utf-8", "surrogatepass"), digest_size=16).digest()

    # -- one object --------------------------------------------------------------------------------------------

    def _walk(self, one: Any) -> None:
        kind: type = type(one)
        if kind in PLAIN:
            self._out.append(f"{kind.__name__}:{one!r}")
            return
        number = self._numbers.get(id(one))
        if number is not None:
            self._out.append(number)
            return
        self._numbers[id(one)] = f"#{len(self._kept)}"
        self._kept.append(one)
        self._out.append(f"{kind.__module__}.{kind.__qualname__}")
        walk = WALKS.get(kind)
        if walk is not None:
            walk(self, one)
        else:
            self._look(one, kind)

    def _look(self, one: Any, kind: type) -> None:
        """At something of a type that has no walk of its own."""
        if isinstance(one, Enum):
            self._out.append(one.name)
        elif isinstance(one, NAMED):
            self._name(one)
        elif isinstance(one, (asyncio.Task, asyncio.Future)):
            self._walk_future(one)
        elif isinstance(one, Recorder):
            pass  # what happened is no state: nobody acts on it
        elif isinstance(one, Random):
            self._out.append(str(hash(one.getstate())))
        elif kind.__name__ in MADE_OF_REFERENCES:
            self._several(gc.get_referents(one))
        elif not self._parts(one, kind):
            self._reduced(one, kind)

    def _parts(self, one: Any, kind: type) -> bool:
        """What a container or an object written in Python is made of; False where there is more to it, in C."""
        base = next((base for base in (*CONTAINERS, BaseException) if isinstance(one, base)), object)
        if base is not BaseException and kind.__basicsize__ > size_of(kind, base):
            return False
        if base is BaseException:
            self._walk(one.args)
        elif base is not object:
            WALKS[base](self, one)
        attributes = getattr(one, "__dict__", None)
        if attributes:
            self._walk_dict(attributes)
        slots = slots_of(kind)
        if slots:
            self._several(getattr(one, name, self) for name in slots)
        return True

    def _reduced(self, one: Any, kind: type) -> None:
        """As it would be pickled."""
        try:
            registered = copyreg.dispatch_table.get(kind)
            made = one.__reduce_ex__(4) if registered is None else registered(one)
        except Exception:
            self._give_up(f"{kind.__module__}.{kind.__qualname__}")
            return
        self._kept.append(made)
        self._several(made if isinstance(made, tuple) else (made,))

    def _name(self, one: Any) -> None:
        """It is there once, and stays."""
        self._lasting[id(one)] = one
        self._out.append(str(id(one)))

    def _give_up(self, name: str) -> None:
        self.opaque.add(name)
        self._out.append(f"like nothing else {next(self.unique)}")

    # -- kinds of them -----------------------------------------------------------------------------------------

    def _several(self, found: Iterable[Any]) -> None:
        out, numbers, walk = self._out, self._numbers, self._walk
        out.append("(")
        for one in found:
            # What `_walk` does first, without the call: half of all that is met is plain.
            kind: type = type(one)
            if kind in PLAIN:
                out.append(f"{kind.__name__}:{one!r}")
            elif (number := numbers.get(id(one))) is not None:
                out.append(number)
            else:
                walk(one)
        out.append(")")

    def _walk_dict(self, one: dict[Any, Any]) -> None:
        self._several(dict.keys(one))
        self._several(dict.values(one))

    def _walk_set(self, one: set[Any]) -> None:
        plain = all(type(value) in PLAIN for value in one)
        self._several(sorted(one, key=repr) if plain else one)

    def _walk_function(self, one: types.FunctionType) -> None:
        self._name(one.__code__)
        if is_nothing_but_code(one):
            return
        self._walk(one.__defaults__)
        self._walk(one.__kwdefaults__)
        self._walk(one.__closure__)
        self._walk(one.__dict__)

    def _walk_cell(self, one: types.CellType) -> None:
        try:
            self._walk(one.cell_contents)
        except ValueError:
            self._out.append("empty")

    def _walk_frames(self, one: Any) -> None:
        frame = next((found for name in FRAMES if (found := getattr(one, name, None)) is not None), None)
        if frame is None:
            self._out.append("over")
            return
        if not STACK_IS_SEEN:
            self._give_up("a stack of this version of Python")
            return
        held = frame.f_locals
        self._kept += (frame, held)
        self._name(frame.f_code)
        self._out.append(f"at {frame.f_lasti} with {','.join(sorted(held))}")
        # All it refers to, in order: also what is on its stack between two steps, such as the iterators of its loops.
        skip = {id(held), id(frame), id(frame.f_code)}
        self._several([found for found in gc.get_referents(one) if id(found) not in skip])

    def _walk_future(self, one: Any) -> None:
        self._out.append(one._state)
        if isinstance(one, asyncio.Task):
            self._out.append("" if id(one) in self._nameless else f"{one.get_name()} {hash(one)}")
            self._out.append(str(one.cancelling()))
            self._walk(one.get_coro())
            self._walk(getattr(one, "_fut_waiter", None))
        self._walk(getattr(one, "_exception", None))
        self._walk(getattr(one, "_result", None))
        for callback, context in one._callbacks or ():
            self._walk(callback)
            self._walk(context)

    def _walk_context(self, one: Context) -> None:
        for variable in sorted(one, key=name_of):
            if variable not in self._unseen:
                self._out.append(variable.name)
                self._walk(one[variable])


def name_of(variable: ContextVar[Any]) -> str:
    return variable.name


def is_nothing_but_code(function: types.FunctionType) -> bool:
    """Whether it has nothing that could be another thing another time."""
    return not (function.__closure__ or function.__defaults__ or function.__kwdefaults__ or function.__dict__)


FRAMES = ("cr_frame", "gi_frame", "ag_frame")
WORD = tuple.__itemsize__
CONTAINERS: tuple[type, ...] = (OrderedDict, defaultdict, dict, list, tuple, set, frozenset, deque)


def size_of(kind: type, base: type) -> int:
    """How large its objects are if all they have beside their base are attributes; larger ones have more, in C. As in pickle."""
    # Tuples and frozensets hold theirs in themselves, and cannot have slots.
    places = len(slots_of(kind)) + (kind.__dictoffset__ != 0) + (kind.__weakrefoffset__ != 0)
    return base.__basicsize__ + WORD * places


@functools.lru_cache(maxsize=1_000)
def slots_of(kind: type) -> tuple[str, ...]:
    """The names of its slots, of all its bases, as attributes."""
    found: list[str] = []
    for base in kind.__mro__:
        names = base.__dict__.get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            private = name.startswith("__") and not name.endswith("__")
            found.append(f"_{base.__name__.lstrip('_')}{name}" if private else name)
    return tuple(name for name in found if name not in ("__dict__", "__weakref__"))


def walk_lobby(print: Fingerprint, one: Lobby) -> None:
    """Whoever watched, and is served, is no watcher any more, and nobody looks at what it was."""
    for name in slots_of(Lobby):
        if name != "_watch":
            print._walk(getattr(one, name))
    print._several([(place, park, at) for place, (park, at) in one._watch.items() if not park.done])


def walk_queue(print: Fingerprint, one: Queue[Any]) -> None:
    print._walk_dict({name: value for name, value in one.__dict__.items() if name not in AS_IT_WAS_MADE})


def walk_weak(print: Fingerprint, one: weakref.ref[Any]) -> None:
    print._walk(one())


def walk_partial(print: Fingerprint, one: functools.partial[Any]) -> None:
    print._several((one.func, one.args, one.keywords))


def walk_method(print: Fingerprint, one: types.MethodType) -> None:
    print._several((one.__func__, one.__self__))


def walk_builtin(print: Fingerprint, one: types.BuiltinFunctionType) -> None:
    print._out.append(one.__qualname__)
    print._walk(one.__self__)


def walk_lock(print: Fingerprint, one: Any) -> None:
    print._out.append("taken" if "unlocked" not in repr(one) else "free")


def walk_shown(print: Fingerprint, one: Any) -> None:
    print._out.append(repr(one))


def walk_default(print: Fingerprint, one: defaultdict[Any, Any]) -> None:
    print._walk_dict(one)
    print._walk(one.default_factory)


def walk_proxy(print: Fingerprint, one: types.MappingProxyType[Any, Any]) -> None:
    print._walk_dict(dict(one))


def walk_past(print: Fingerprint, one: Any) -> None:
    """A thread: there is one, and it does all the work. Or what is only there to tell who waits."""


WALKS: dict[type, Callable[[Fingerprint, Any], None]] = {
    **dict.fromkeys((list, tuple, deque), Fingerprint._several),
    **dict.fromkeys((set, frozenset), Fingerprint._walk_set),
    **dict.fromkeys(LOCKS, walk_lock),
    **dict.fromkeys(FRAMED, Fingerprint._walk_frames),
    **dict.fromkeys(ITERATORS, lambda print, one: print._several(one.__reduce__())),
    dict: Fingerprint._walk_dict,
    OrderedDict: lambda print, one: print._several(one.items()),
    defaultdict: walk_default,
    types.MappingProxyType: walk_proxy,
    types.FunctionType: Fingerprint._walk_function,
    types.CellType: Fingerprint._walk_cell,
    types.MethodType: walk_method,
    types.BuiltinFunctionType: walk_builtin,
    functools.partial: walk_partial,
    weakref.ref: walk_weak,
    itertools.count: walk_shown,
    Context: Fingerprint._walk_context,
    Lobby: walk_lobby,
    Queue: walk_queue,
    Wait: walk_past,
    threading.local: walk_past,
    type(threading.main_thread()): walk_past,
    threading.Thread: walk_past,
}
