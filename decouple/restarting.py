"""Restarts: a handler made anew, so that what it kept in memory is gone, as when its process begins again.

    @restartable
    def make():
        seen = set()

        def handle(message): ...

        return handle

    orders.consume(make)

Besides what `restartable` makes: a function at the top of a module, whose module is executed anew (only that one, and not
in sys.modules: everybody else goes on with the old one), and the method of an object whose class can be called without
arguments.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeAlias

from decouple.calls import is_async

__all__ = ["Maker", "made_on_purpose", "maker_of", "restartable"]

Maker: TypeAlias = Callable[[], Callable[..., Any]]


def restartable(make: Maker) -> Callable[..., Any]:
    """A handler that faults can make anew, `def` or `async def` as what `make()` gives: it is called now, and at each restart.

    What the handler keeps in memory belongs into `make`, what others see (a database, a list that a test looks at) outside
    of it. Raises TypeError.
    """
    if not callable(make):
        raise TypeError(f"restartable takes what makes a handler, a callable without arguments, not {make!r:.80}")
    first = make()
    if not callable(first):
        raise TypeError(f"restartable takes what makes a handler: {make!r:.80} gave {first!r:.80}, which is none")
    if is_async(first):

        @functools.wraps(first)
        async def acall(*arguments: Any, **named: Any) -> Any:
            return await first(*arguments, **named)

        return marked(acall, make)

    @functools.wraps(first)
    def call(*arguments: Any, **named: Any) -> Any:
        return first(*arguments, **named)

    return marked(call, make)


def marked(call: Any, make: Maker) -> Callable[..., Any]:
    call.__decouple_make__ = make
    made: Callable[..., Any] = call
    return made


def made_on_purpose(handler: Callable[..., Any]) -> Maker | None:
    """What makes it anew, where its author said so."""
    make: Maker | None = getattr(handler, "__decouple_make__", None)
    return make


def maker_of(handler: Callable[..., Any]) -> Maker | None:
    """What makes it anew; None where nothing can."""
    if (make := made_on_purpose(handler)) is not None:
        return make
    if inspect.ismethod(handler):
        name, owning = handler.__name__, type(handler.__self__)
        if issubclass(owning, type) or not made_of_nothing(owning):
            return None
        return lambda: getattr(owning(), name)
    if inspect.isfunction(handler):
        return maker_of_function(handler)
    kind = type(handler)
    return kind if made_of_nothing(kind) and not inspect.isbuiltin(handler) else None


def made_of_nothing(kind: type[Any]) -> bool:
    """Whether the class can be called without arguments."""
    try:
        inspect.signature(kind).bind()
    except (TypeError, ValueError):
        return False
    return True


def maker_of_function(handler: Any) -> Maker | None:
    """What executes its module anew."""
    module = sys.modules.get(handler.__module__)
    if module is None or "<" in handler.__qualname__ or found_in(module, handler.__qualname__) is None:
        return None
    path = getattr(module, "__file__", None)
    # What lives on a clock would be another one then: the handler would send to a queue that nobody reads.
    if path is None or not os.path.exists(path) or any(lives_on_a_clock(one) for one in vars(module).values()):
        return None
    return functools.partial(made_anew, module, path, handler.__qualname__)


def lives_on_a_clock(one: Any) -> bool:
    """Whether it is a broker, or one of its parts. Breakers and limiters are no such thing: a restart forgets theirs."""
    home = type(one).__module__
    return home.startswith("decouple.") and not home.startswith("decouple.resilience") and hasattr(one, "clock")


def made_anew(module: ModuleType, path: str, qualname: str) -> Callable[..., Any]:
    """The function of that name in its module executed anew."""
    spec = module.__spec__
    if spec is None or spec.loader is None or spec.name == "__main__":  # a script: without what it does when it is one
        spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(path))[0], path)
    assert spec is not None
    assert spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    handler: Callable[..., Any] = found_in(fresh, qualname)
    return handler


def found_in(module: ModuleType, qualname: str) -> Any:
    """The object of that name; None if there is none."""
    found: Any = module
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found
