"""AWS's words for a value of the wrong kind: a number where a string belongs, a list where nothing like it was expected.

The same words serve whoever meets the value first: the wire, which must turn text into bytes and dates, and the door,
which looks at everything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from decouple.aws.errors import ServiceError

__all__ = ["CORAL", "malformed", "wrong_kind"]

# Shapes that no service's model holds: AWS's common framework answers them in every service.
CORAL = "com.amazon.coral.service"

WANTED: Mapping[str, str] = MappingProxyType(
    {
        "string": "String",
        "integer": "Integer",
        "long": "Long",
        "boolean": "Boolean",
        "double": "Double",
        "float": "Float",
        "timestamp": "Date",
        "blob": "ByteBuffer",
    }
)


def malformed(message: str) -> ServiceError:
    """The error for a request body that is not what the operation reads."""
    return ServiceError("SerializationException", message)


def wrong_kind(value: Any, wanted: str) -> ServiceError:
    """The error for a value of another kind than the shape's. wanted: the shape's type in the model."""
    if isinstance(value, dict):
        return malformed("Start of structure or map found where not expected.")
    if isinstance(value, (list, tuple)):
        return malformed("Start of list found where not expected")
    if wanted not in WANTED:
        return malformed("Unexpected field type")
    return malformed(f"{token(value)} cannot be converted to {WANTED[wanted]}")


def token(value: Any) -> str:
    """What AWS's reader of JSON calls the value."""
    if isinstance(value, bool):
        return "TRUE_VALUE" if value else "FALSE_VALUE"
    if isinstance(value, int):
        return "NUMBER_VALUE"
    if isinstance(value, float):
        return "DECIMAL_VALUE"
    if value is None:
        return "NULL_VALUE"
    return "DATE_VALUE" if isinstance(value, datetime) else "STRING_VALUE"
