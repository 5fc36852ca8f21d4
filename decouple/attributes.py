"""Message attributes: up to ten named values beside the body, as SQS keeps them.

A value is str, int, float, Decimal, bytes or a list of what JSON holds; on the wire these are the types String, Number,
Binary and String.Array. An `Attribute` names its type itself and is kept exactly as it was spelled.
Source: SQS developer guide, "Amazon SQS message metadata".
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeGuard

from decouple.jsontext import json_text

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = ["Attribute", "Value", "check_attributes", "size_of", "wire_form"]

MOST_ATTRIBUTES = 10
LONGEST_NAME = 256
LONGEST_TYPE = 256
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class Attribute:
    """A value with its wire type, `String`, `Number` or `Binary`, each optionally with a label: `Number.cents`.

    Binary takes bytes, the others text. Nothing is converted: "007" stays "007".
    """

    __slots__ = ("type", "value")
    __match_args__ = ("type", "value")

    type: str
    value: str | bytes

    def __init__(self, type: str, value: str | bytes) -> None:
        check_typed(type, value)
        object.__setattr__(self, "type", type)
        object.__setattr__(self, "value", value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an Attribute never changes, so {name!r} cannot be set: make another one")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"an Attribute never changes, so {name!r} cannot be deleted: make another one")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Attribute):
            return NotImplemented
        return (self.type, self.value) == (other.type, other.value)

    def __hash__(self) -> int:
        return hash((self.type, self.value))

    def __repr__(self) -> str:
        return f"Attribute(type={self.type!r}, value={self.value!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Attribute, (self.type, self.value)


Value: TypeAlias = "str | int | float | Decimal | bytes | list[Any] | Attribute"


def check_typed(type: str, value: str | bytes) -> None:
    """What an Attribute may be. Raises TypeError, ValueError."""
    if not isinstance(type, str):
        raise TypeError(f"an attribute's type must be text, not {type!r}")
    base = type.partition(".")[0]
    if base not in ("String", "Number", "Binary"):
        raise ValueError(f"an attribute's type must be String, Number or Binary, with or without .label, not {type!r}")
    if len(type) > LONGEST_TYPE:
        raise ValueError(f"an attribute's type may have {LONGEST_TYPE} characters, not {len(type)}")
    wanted = bytes if base == "Binary" else str
    if not isinstance(value, wanted):
        raise TypeError(f"an attribute of type {type!r} takes {wanted.__name__}, not {value!r}")
    if not value:
        raise ValueError(f"an attribute of type {type!r} must not be empty")
    if base == "Number" and not is_number(value):
        raise ValueError(f"an attribute of type {type!r} takes the text of a finite number, not {value!r}")


def check_attributes(
    attributes: Mapping[str, Value], most: float = MOST_ATTRIBUTES, *, of_topic: bool = False
) -> dict[str, Any]:
    """The attributes as they are kept, sharing nothing mutable with the caller. Raises TypeError, ValueError.

    of_topic: also AWS.SNS.SMS.SMSType and the like, which tell SNS how to deliver.
    """
    if not isinstance(attributes, Mapping):
        raise TypeError(f"attributes must be a mapping of names to values, not {attributes!r}")
    if len(attributes) > most:
        raise ValueError(f"a message has at most {most} attributes, not {len(attributes)}: put more into the body")
    return {check_name(name, of_topic): kept(name, value) for name, value in attributes.items()}


@lru_cache(maxsize=1_024)  # a program has few names, and uses them for each message
def check_name(name: str, of_topic: bool = False) -> str:
    """A name of 1-256 letters, digits, `_`, `-` and `.`, where AWS allows it."""
    if not isinstance(name, str):
        raise TypeError(f"an attribute's name must be text, not {name!r}")
    if not 1 <= len(name) <= LONGEST_NAME:
        raise ValueError(f"an attribute's name has 1 to {LONGEST_NAME} characters, not {len(name)}")
    if not all(character.isalnum() or character in "_-." for character in name):
        raise ValueError(f"an attribute's name has letters, digits, '_', '-' and '.', unlike {name!r}")
    if name.lower().startswith(("aws.", "amazon.")) and not (of_topic and name.startswith("AWS.SNS.")):
        raise ValueError(f"attribute names that start with AWS. or Amazon. are reserved, so {name!r} is not allowed")
    if name.startswith(".") or name.endswith(".") or ".." in name:
        raise ValueError(f"an attribute's name has no '.' at an end and none after another, unlike {name!r}")
    return name


def kept(name: str, value: Value) -> Any:
    """The value as stored: immutable, checked."""
    if isinstance(value, bool):
        raise TypeError(f"attribute {name!r} is the bool {value!r}, which AWS has no type for: send 'true' or 1")
    if (isinstance(value, float) or is_decimal(value)) and not math.isfinite(value):
        raise ValueError(f"attribute {name!r} must be a finite number, not {value!r}")
    if isinstance(value, (str, bytes)) and not value:
        raise ValueError(f"attribute {name!r} must not be empty: leave it out")
    if isinstance(value, str):
        return encodable(name, value)
    if isinstance(value, Attribute):
        if isinstance(value.value, str):
            encodable(name, value.value)
        encodable(name, value.type)
        return value
    if isinstance(value, list):
        return ArrayText(encodable(name, json_text(value, f"attribute {name!r} must be a list of what JSON holds")))
    if isinstance(value, (int, float, bytes)) or is_decimal(value):
        return value
    raise TypeError(f"attribute {name!r} must be str, int, float, Decimal, bytes, list or Attribute, not {value!r}")


class ArrayText(str):
    """A list as the JSON text it is on the wire."""

    __slots__ = ()


def encodable(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"attribute {name!r} holds a lone surrogate, which UTF-8 cannot encode: {text!r:.80}"
        ) from None
    return text


def is_decimal(value: object) -> TypeGuard[Decimal]:
    # Whoever has a Decimal has imported the module; importing it here would cost everybody else 5 ms.
    decimal = sys.modules.get("decimal")
    return decimal is not None and isinstance(value, decimal.Decimal)


def is_number(text: str | bytes) -> bool:
    return isinstance(text, str) and NUMBER.fullmatch(text) is not None


def shown_value(value: Any) -> Any:
    """A stored value as the receiver sees it: what the sender gave, lists as new lists."""
    if not isinstance(value, ArrayText):
        return value
    import json  # here, because few attributes are lists

    return json.loads(value)


def wire_form(value: Any) -> Attribute:
    """A stored value with its wire type."""
    return value if isinstance(value, Attribute) else Attribute(*wire_parts(value))


def wire_parts(value: Any) -> tuple[str, str | bytes]:
    """The wire type of a stored value, and its text or bytes."""
    if isinstance(value, str):
        return ("String.Array", str(value)) if isinstance(value, ArrayText) else ("String", value)
    if isinstance(value, bytes):
        return "Binary", value
    if isinstance(value, Attribute):
        return value.type, value.value
    return "Number", str(value)


def size_of(attributes: Mapping[str, Any]) -> int:
    """What the attributes add to a message's size: name, type and value of each, in UTF-8 bytes."""
    total = 0
    for name, value in attributes.items():
        kind, text = wire_parts(value)
        total += len(name.encode()) + len(kind.encode()) + len(text.encode() if isinstance(text, str) else text)
    return total
