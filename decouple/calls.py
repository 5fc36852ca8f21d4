"""What a caller must know of a callable that somebody else wrote: whether it is to be awaited."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

__all__ = ["answer_of", "is_async"]


def is_async(call: Callable[..., Any]) -> bool:
    """Whether it is an `async def`, or an object that is called like one."""
    import inspect  # here, because it takes longer to import than all the rest

    while isinstance(call, functools.partial):
        call = call.func
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004


def answer_of(answer: Any, name: str) -> Any:
    """What a callable that is no `async def` returned, unless it returned a coroutine all the same. Raises TypeError."""
    if not hasattr(answer, "__await__"):
        return answer
    close = getattr(answer, "close", None)
    if close is not None:
        close()  # or Python would warn, somewhere else, that it was never awaited
    raise TypeError(f"{name} is no async def and returned a coroutine: declare it async def")
