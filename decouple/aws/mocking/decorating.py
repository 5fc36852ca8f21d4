"""Mocks around functions and around the tests of a class, each call and each test in a world of its own.

A unittest.TestCase is entered around its whole run, so setUp, the test and the clean-ups share a world; of other
classes each method whose name begins with "test" is. The signature stays: pytest goes on finding its fixtures.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

__all__ = ["decorated"]

F = TypeVar("F", bound=Callable[..., Any])


def decorated(target: F, another: Callable[[], Any]) -> F:
    """The function or class with a mock around it. another: makes the mock to be entered. Raises TypeError."""
    if isinstance(target, type):
        return cast(F, decorated_class(target, another))
    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        raise TypeError(
            f"{target.__qualname__} is a generator, which goes on after its call has returned: use `with mock()` in it"
        )
    if not callable(target):
        raise TypeError(f"mock() decorates functions and classes, not {target!r:.80}")
    return cast(
        F, decorated_coroutine(target, another) if inspect.iscoroutinefunction(target) else plain(target, another)
    )


def plain(function: Callable[..., Any], another: Callable[[], Any]) -> Callable[..., Any]:
    @wraps(function)
    def mocked(*given: Any, **named: Any) -> Any:
        with another():
            return function(*given, **named)

    return mocked


def decorated_coroutine(function: Callable[..., Any], another: Callable[[], Any]) -> Callable[..., Any]:
    @wraps(function)
    async def mocked(*given: Any, **named: Any) -> Any:
        async with another():
            return await function(*given, **named)

    return mocked


def decorated_class(kind: type[Any], another: Callable[[], Any]) -> type[Any]:
    if is_test_case(kind):
        names = ["run", "debug"]
    else:
        names = [name for name in dir(kind) if name.startswith("test") and inspect.isfunction(getattr(kind, name))]
        names = [name for name in names if not isinstance(inspect.getattr_static(kind, name), staticmethod)]
    for name in names:
        setattr(kind, name, decorated(getattr(kind, name), another))
    return kind


def is_test_case(kind: type[Any]) -> bool:
    """Whether it is one of unittest's, which is loaded then."""
    unittest: Any = sys.modules.get("unittest")
    return unittest is not None and issubclass(kind, unittest.TestCase)
