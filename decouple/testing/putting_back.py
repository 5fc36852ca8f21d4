"""Putting back: what functions hold in plain Python, as it was before they were called.

From a function all is found that its code can reach by name: variables it closes over, globals it names, its object's
attributes; in these, containers and objects of the user's own classes, and what they hold. Each is put back in place, so
that everybody who holds it sees it as it was. Anything else (a connection, a file, a broker) is left as it is.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What a user's functions hold is known when it is looked at, not before.

from __future__ import annotations

import functools
import sys
from collections import OrderedDict, UserDict, UserList, deque
from collections.abc import Callable, Iterable, Iterator
from types import CellType, CodeType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any, TypeAlias

from decouple.core.deadlines import Deadlines
from decouple.idempotent import MemoryStore
from decouple.testing.crashing import is_users

__all__ = ["Checkpoint"]

Restore: TypeAlias = Callable[[], object]

CONTAINERS: tuple[type, ...] = (OrderedDict, dict, deque, list, set, bytearray)
OURS: tuple[type, ...] = (MemoryStore, Deadlines, SimpleNamespace, UserDict, UserList)
"""Classes of libraries whose objects are states that tests use."""
MISSING: Any = object()


class Checkpoint:
    """The state of all that can be reached from `roots`, to which `put_back` returns. Cost: O(what is reached)."""

    def __init__(self, roots: Iterable[Any]) -> None:
        self._restores: list[Restore] = []
        self._seen: dict[int, Any] = {}  # with the objects, so that no other gets the address
        waiting = list(roots)
        while waiting:
            one = waiting.pop()
            if id(one) not in self._seen:
                self._seen[id(one)] = one
                waiting += self._keep(one)

    def put_back(self) -> None:
        """Make everything as it was."""
        for restore in self._restores:
            restore()

    def _keep(self, one: Any) -> Iterable[Any]:
        """Note how to restore it; what it leads to."""
        if isinstance(one, FunctionType):
            return self._keep_function(one)
        if isinstance(one, MethodType):
            return [one.__self__, one.__func__]
        if isinstance(one, functools.partial):
            return [one.func, *one.args, *one.keywords.values()]
        if isinstance(one, ModuleType):
            return []
        if isinstance(one, type):
            return self._keep_class(one) if of_users(one) else []
        held = self._keep_contents(one) if isinstance(one, CONTAINERS) else []
        if isinstance(one, (tuple, frozenset)):
            held = list(one)
        return [*held, *self._keep_attributes(one)] if is_state(one) else held

    def _keep_contents(self, one: Any) -> list[Any]:
        kind: Any = next(kind for kind in CONTAINERS if isinstance(one, kind))
        by_key = issubclass(kind, dict)
        saved: Any = dict(one) if by_key else list(one)
        fill = kind.update if by_key or kind is set else kind.extend
        self._restores.append(functools.partial(refill, one, kind.clear, fill, saved))
        return [*saved, *saved.values()] if by_key else saved

    def _keep_attributes(self, one: Any) -> list[Any]:
        saved = dict(vars(one)) if hasattr(one, "__dict__") else {}
        slots = {name: getattr(one, name, MISSING) for name in slots_of(type(one))}
        if saved or hasattr(one, "__dict__"):
            self._restores.append(functools.partial(refill, vars(one), dict.clear, dict.update, saved))
        for name, value in slots.items():
            self._restores.append(functools.partial(set_attribute, one, name, value))
        return [*saved.values(), *slots.values(), type(one)]

    def _keep_class(self, one: type) -> list[Any]:
        saved = {name: value for name, value in vars(one).items() if not is_machinery(name, value)}
        for name, value in saved.items():
            self._restores.append(functools.partial(set_in_class, one, name, value))
        functions = [value for value in vars(one).values() if isinstance(value, FunctionType)]
        return [*saved.values(), *functions, *one.__bases__]

    def _keep_function(self, one: FunctionType) -> list[Any]:
        reached: list[Any] = [*(one.__defaults__ or ()), *(one.__kwdefaults__ or {}).values(), *vars(one).values()]
        for cell in one.__closure__ or ():
            value = contents_of(cell)
            self._restores.append(functools.partial(set_cell, cell, value))
            reached.append(value)
        if not is_users(one.__code__.co_filename):
            return reached
        names = list(names_of(one.__code__))
        for name in names:
            value = one.__globals__.get(name, MISSING)
            if isinstance(value, ModuleType):
                reached += self._keep_module(value, names)
            elif name in one.__globals__:
                self._restores.append(functools.partial(set_item, one.__globals__, name, value))
                reached.append(value)
        return reached

    def _keep_module(self, module: ModuleType, names: Iterable[str]) -> list[Any]:
        """What of a module of the user's own the names may mean."""
        if not is_users(getattr(module, "__file__", None) or "<frozen"):
            return []
        held = {name: vars(module)[name] for name in names if name in vars(module)}
        for name, value in held.items():
            self._restores.append(functools.partial(set_item, vars(module), name, value))
        return list(held.values())


# -- what is whose -------------------------------------------------------------------------------------------------------


def is_state(one: Any) -> bool:
    """Whether it is an object whose attributes are put back."""
    kind = type(one)
    return isinstance(one, OURS) or kind.__module__.startswith("unittest.mock") or of_users(kind)


def of_users(kind: type) -> bool:
    """Whether a class was written by the user: one of a notebook is in no file."""
    if kind.__module__ == "builtins":
        return False
    module = sys.modules.get(kind.__module__)
    return is_users(getattr(module, "__file__", None) or "<a notebook>")


def is_machinery(name: str, value: Any) -> bool:
    """Whether an attribute of a class is part of what the class is, not of its state."""
    kinds = (FunctionType, classmethod, staticmethod, property, type)
    return name.startswith("__") or isinstance(value, kinds) or hasattr(value, "__get__")


def slots_of(kind: type) -> Iterator[str]:
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            private = name.startswith("__") and not name.endswith("__")
            if name not in ("__dict__", "__weakref__"):
                yield f"_{base.__name__.lstrip('_')}{name}" if private else name


def names_of(code: CodeType) -> Iterator[str]:
    """The names its code and the functions in it use."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_of(constant)


def contents_of(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return MISSING


# -- restoring -----------------------------------------------------------------------------------------------------------


def refill(one: Any, clear: Callable[[Any], object], fill: Callable[[Any, Any], object], saved: Any) -> None:
    """By the methods of the plain kind: a subclass's own may do more."""
    clear(one)
    fill(one, saved)


def set_cell(cell: CellType, value: Any) -> None:
    if contents_of(cell) is value:
        return
    if value is MISSING:
        del cell.cell_contents
    else:
        cell.cell_contents = value


def set_item(names: dict[str, Any], name: str, value: Any) -> None:
    if names.get(name, MISSING) is not value:
        names[name] = value


def set_attribute(one: Any, name: str, value: Any) -> None:
    """Past a frozen class's own __setattr__."""
    if getattr(one, name, MISSING) is value:
        return
    if value is MISSING:
        object.__delattr__(one, name)
    else:
        object.__setattr__(one, name, value)


def set_in_class(kind: type, name: str, value: Any) -> None:
    if vars(kind).get(name, MISSING) is not value:
        setattr(kind, name, value)
