"""The type of a queue's bodies, and of what JSON holds.

A TypeVar with a default (PEP 696) and a recursive alias are in `typing` from Python 3.13 and 3.12 on. Type checkers read
them from typing_extensions; at run time nobody asks, so importing decouple does not load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["Json", "T"]

if TYPE_CHECKING:
    from typing_extensions import TypeAliasType, TypeVar

    T = TypeVar("T", default=str)
    Json = TypeAliasType("Json", "str | int | float | bool | list[Json] | dict[str, Json] | None")
else:
    from typing import TypeVar

    T = TypeVar("T")
    Json = Any
