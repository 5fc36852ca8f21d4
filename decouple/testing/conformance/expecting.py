"""What a behaviour expects, said so that a failure reads well: `assert` says nothing outside of pytest, and -O drops it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

__all__ = ["Refusal", "equal", "fail", "holds", "refused"]


class Refusal:
    """What `refused` caught: `error`."""

    error: Any = None


def equal(found: Any, wanted: Any, what: str) -> None:
    """Raises AssertionError unless both are equal; `what` names what was found."""
    if found != wanted:
        raise AssertionError(f"{what}: {found!r:.200} instead of {wanted!r:.200}")


def holds(condition: object, otherwise: str) -> None:
    """Raises AssertionError with `otherwise` unless it is true."""
    if not condition:
        raise AssertionError(otherwise)


def fail(text: str = "") -> None:
    """What a handler does that fails."""
    raise ZeroDivisionError(text)


@contextmanager
def refused(kind: type[Exception] | tuple[type[Exception], ...], what: str) -> Generator[Refusal]:
    """The block must raise one of these errors. `what` is what should not be possible."""
    caught = Refusal()
    try:
        yield caught
    except kind as error:
        caught.error = error
        return
    except Exception as error:
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wanted = " or ".join(one.__name__ for one in kinds)
        raise AssertionError(f"{what}: {type(error).__name__} instead of {wanted}: {error}") from error
    raise AssertionError(f"{what}: it was not refused")
