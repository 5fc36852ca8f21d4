"""Codecs: how a typed queue writes its bodies as text and reads them back.

A typed queue sends and receives one type: an attrs class, a dataclass, a TypedDict, or a pydantic or msgspec model where
those are installed. Only such a queue imports this module, because what it needs takes longer to import than all others.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# What JSON and a user's classes hold is known when it is looked at, not before.

from __future__ import annotations

import dataclasses
import enum
import json
import sys
import types
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NotRequired,
    Required,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)
from uuid import UUID

from typing_extensions import ReadOnly, is_typeddict

from decouple.bodies import check_text
from decouple.jsontext import json_text

__all__ = ["Codec", "codec_for"]

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Codec(Generic[T]):
    """How one type is written as text and read back. Both raise on what does not fit."""

    type: type[T]
    encode: Callable[[T], str]
    decode: Callable[[str], T]

    @property
    def name(self) -> str:
        """The type's name, for errors."""
        return self.type.__name__

    def text_of(self, body: object) -> str:
        """The text of a body that must be of this type."""
        kind: Any = dict if is_typeddict(self.type) else self.type
        if not isinstance(body, kind):
            raise TypeError(f"this queue takes {self.name}, not {type(body).__name__}: {body!r:.80}")
        return check_text(self.encode(cast("T", body)))


def codec_for(body_type: type[T]) -> Codec[T]:
    """The codec of a typed queue. Raises TypeError for a type that says nothing about its fields."""
    wanted: Any = body_type
    # A model's own package is imported already, or there would be no model to pass.
    pydantic, msgspec = sys.modules.get("pydantic"), sys.modules.get("msgspec")
    if pydantic is not None and is_kind(wanted, pydantic.BaseModel):
        return Codec(wanted, pydantic_text, wanted.model_validate_json)
    if msgspec is not None and is_kind(wanted, msgspec.Struct):
        encoder, decoder = msgspec.json.Encoder(), msgspec.json.Decoder(wanted)
        return Codec(wanted, lambda body: encoder.encode(body).decode(), decoder.decode)
    if has_fields(wanted):
        return Codec(
            wanted,
            lambda body: json_text(unstructured(body), "a body must be JSON"),
            lambda text: structured(json.loads(text), wanted, "body"),
        )
    raise TypeError(
        f"body={getattr(wanted, '__name__', wanted)!r} must be str, an attrs class, a dataclass, a TypedDict, "
        f"a pydantic model or a msgspec Struct"
    )


def is_kind(wanted: object, parent: type) -> bool:
    return isinstance(wanted, type) and issubclass(wanted, parent)


def has_fields(wanted: Any) -> bool:
    """Whether it is an attrs class, a dataclass or a TypedDict."""
    return isinstance(wanted, type) and (is_attrs(wanted) or dataclasses.is_dataclass(wanted) or is_typeddict(wanted))


def is_attrs(wanted: type) -> bool:
    # As attrs.has() asks, whose import would cost 40 ms and serve only those who have imported it already.
    return getattr(wanted, "__attrs_attrs__", None) is not None


def pydantic_text(body: Any) -> str:
    return str(body.model_dump_json(by_alias=True, round_trip=True))


def unstructured(value: Any) -> Any:
    """What JSON can hold of an attrs class, a dataclass or a TypedDict, field by field."""
    names: Any = getattr(value, "__attrs_attrs__", None) or getattr(value, "__dataclass_fields__", {}).values()
    if names:
        return {field.name: unstructured(getattr(value, field.name)) for field in names}
    if isinstance(value, enum.Enum):
        return unstructured(value.value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (Decimal, UUID)):
        return str(value)
    if isinstance(value, dict):
        return {key: unstructured(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [unstructured(inner) for inner in value]
    return value


def structured(value: Any, wanted: Any, where: str) -> Any:
    """The JSON `value` as the type `wanted`; `where` is its place in the body, for errors. Unknown fields are left out."""
    origin, arguments = get_origin(wanted), get_args(wanted)
    if wanted is Any or wanted is object:
        return value
    if origin in (Required, NotRequired, ReadOnly, Annotated):
        return structured(value, arguments[0], where)
    if origin in (Union, types.UnionType):
        return one_of(value, arguments, where)
    if origin is Literal:
        if value in arguments:
            return value
        raise ValueError(f"{where} must be one of {arguments}, not {value!r}")
    if origin in (list, tuple) or wanted in (list, tuple):
        return structured_row(value, origin or wanted, arguments, where)
    if origin in (dict, Mapping) or wanted is dict:
        kind = arguments[1] if arguments else Any
        return {key: structured(inner, kind, f"{where}.{key}") for key, inner in of_type(value, dict, where).items()}
    if has_fields(wanted):
        return structured_fields(value, wanted, where)
    return structured_scalar(value, wanted, where)


def structured_scalar(value: Any, wanted: Any, where: str) -> Any:
    if wanted in (None, type(None)):
        return of_type(value, type(None), where)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if wanted in (datetime, date):
        return wanted.fromisoformat(of_type(value, str, where))
    if wanted in (Decimal, UUID):
        try:
            return wanted(of_type(value, str, where))
        except ArithmeticError:
            raise ValueError(f"{where} must be a decimal number, not {value!r}") from None
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return wanted(value)
    if wanted in (str, int, float, bool):
        return of_type(value, wanted, where)
    raise TypeError(f"{where} is annotated {wanted!r}, which only a pydantic or msgspec model can decode")


def structured_row(value: Any, kind: type, arguments: tuple[Any, ...], where: str) -> Any:
    row = of_type(value, list, where)
    if kind is tuple and arguments and arguments[-1] is not Ellipsis:
        if len(row) != len(arguments):
            raise ValueError(f"{where} must have {len(arguments)} items, not {len(row)}")
        return tuple(
            structured(inner, want, f"{where}[{i}]") for i, (inner, want) in enumerate(zip(row, arguments, strict=True))
        )
    want = arguments[0] if arguments else Any
    return cast(Any, kind)(structured(inner, want, f"{where}[{i}]") for i, inner in enumerate(row))


def structured_fields(value: Any, wanted: Any, where: str) -> Any:
    given = of_type(value, dict, where)
    hints = get_type_hints(wanted, include_extras=is_typeddict(wanted))
    if is_typeddict(wanted):
        # __required_keys__ cannot see into annotations that are text (from __future__ import annotations).
        optional = {name for name, hint in hints.items() if get_origin(hint) is NotRequired}
        required = {name for name, hint in hints.items() if get_origin(hint) is Required}
        missing = ((wanted.__required_keys__ | required) - optional) - given.keys()
        names = {name: name for name in hints}
    elif is_attrs(wanted):
        import attrs

        fields = [field for field in attrs.fields(wanted) if field.init]
        missing = {field.name for field in fields if field.default is attrs.NOTHING} - given.keys()
        names = {field.name: field.alias for field in fields}
    else:
        plain = [field for field in dataclasses.fields(wanted) if field.init]
        nothing = dataclasses.MISSING
        missing = {
            field.name for field in plain if field.default is nothing and field.default_factory is nothing
        } - given.keys()
        names = {field.name: field.name for field in plain}
    if missing:
        raise ValueError(f"{where} lacks {', '.join(sorted(missing))}")
    return wanted(
        **{
            names[name]: structured(given[name], hints.get(name, Any), f"{where}.{name}")
            for name in names
            if name in given
        }
    )


def one_of(value: Any, arguments: tuple[Any, ...], where: str) -> Any:
    reasons: list[str] = []
    for wanted in arguments:
        try:
            return structured(value, wanted, where)
        except (TypeError, ValueError) as error:
            reasons.append(str(error))
    raise ValueError("; or ".join(reasons))


def of_type(value: Any, wanted: type, where: str) -> Any:
    if isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool)):
        return value
    raise TypeError(f"{where} must be {wanted.__name__}, not {value!r:.80}")
