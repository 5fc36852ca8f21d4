"""What a handler wants: the message itself, or its body decoded, by the annotation of its first parameter.

    def handle(message)             the Message; also annotated Message, Any or object
    def handle(text: str)           the body's text
    def handle(order: Order)        an attrs class, a dataclass, a TypedDict, or a pydantic or msgspec model, as codecs.py
    def handle(items: list[int])    decoded JSON: dict, list, tuple, numbers, bool, None, unions and literals of them

Read once, when the handler is declared; nothing is guessed later.
"""

from __future__ import annotations

import functools
import inspect
import json
import types
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from decouple.codecs import codec_for, has_fields, structured
from decouple.message import Message

__all__ = ["Wanted", "wanted_by"]

SCALARS = (str, int, float, bool, None, type(None), date, datetime, Decimal, UUID, Any, object)
CONTAINERS = (list, tuple, dict, Mapping)


class Wanted:
    """What is passed to a handler. type: None for the Message itself; decode: makes it from the body's text."""

    __slots__ = ("decode", "name", "type")

    def __init__(self, type: Any, decode: Callable[[str], Any]) -> None:
        self.type = type
        self.name = str(getattr(type, "__name__", type))
        self.decode = decode

    def __repr__(self) -> str:
        return f"<Wanted {'Message' if self.type is None else self.name}>"


def wanted_by(handler: Callable[..., Any], name: str) -> Wanted:
    """What this handler is to be called with. Raises TypeError where it cannot be called with one argument, or decoded."""
    try:
        signature = inspect.signature(handler)
    except ValueError:  # a builtin, which says nothing about its parameters
        return Wanted(None, str)
    try:
        signature.bind(None)
    except TypeError as error:
        raise TypeError(f"{name} must take one argument, the message or its body, but: {error}") from None
    first = next(iter(signature.parameters.values()))
    if first.annotation is inspect.Parameter.empty:
        return Wanted(None, str)
    return wanted_as(resolved(handler, first.annotation, first.name, name), name)


def wanted_as(annotation: Any, name: str) -> Wanted:
    origin = get_origin(annotation) or annotation
    if (
        origin in (Any, object)
        or isinstance(origin, TypeVar)
        or (inspect.isclass(origin) and issubclass(origin, Message))
    ):
        return Wanted(None, str)
    if annotation is str:
        return Wanted(str, str)
    if inspect.isclass(annotation) and not decodable(annotation):
        try:
            return Wanted(annotation, codec_for(annotation).decode)
        except TypeError:
            pass  # said below
    if has_fields(annotation) or decodable(annotation):
        return Wanted(annotation, lambda text: structured(json.loads(text), annotation, "body"))
    raise TypeError(
        f"{name} takes {getattr(annotation, '__name__', annotation)!r}, which no body can be decoded to: annotate it with "
        f"Message, str, dict, list, an attrs class, a dataclass, a TypedDict, or a pydantic or msgspec model"
    )


def decodable(wanted: Any) -> bool:
    """Whether `structured` knows what to make of JSON for it, all the way down; a class with fields is asked when it does."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin is Literal or has_fields(wanted):
        return True
    if origin is Annotated:
        return decodable(arguments[0])
    if origin in (Union, types.UnionType) or origin in CONTAINERS:
        return all(one is Ellipsis or decodable(one) for one in arguments)
    if inspect.isclass(wanted) and issubclass(wanted, Enum):
        return True
    return any(wanted is one for one in (*SCALARS, *CONTAINERS))


def resolved(handler: Callable[..., Any], annotation: Any, parameter: str, name: str) -> Any:
    """The annotation itself, where it is text or has text in it. Raises TypeError."""

    def stub() -> None: ...

    stub.__annotations__ = {parameter: annotation}
    try:
        # The handler's own names win; Message is known also where it was imported for type checkers alone.
        names = {"Message": Message, **globals_of(handler)}
        return get_type_hints(stub, globalns=names, include_extras=True)[parameter]
    except Exception as error:
        raise TypeError(
            f"{name} annotates {parameter!r} with {annotation!r}, which cannot be resolved ({error}): import or define it "
            f"at module level, not under TYPE_CHECKING or in a function"
        ) from error


def globals_of(handler: Callable[..., Any]) -> dict[str, Any]:
    """The names the handler's own code sees."""
    call: Any = handler
    while (inner := inside(call)) is not None:
        call = inner
    call = getattr(call, "__func__", call)
    if not hasattr(call, "__globals__"):
        call = inspect.unwrap(type(call).__call__)
    names: dict[str, Any] = getattr(call, "__globals__", {})
    return names


def inside(call: Any) -> Any:
    """The callable that this one is made of; None if it is of one piece."""
    return getattr(call, "func" if isinstance(call, functools.partial) else "__wrapped__", None)
