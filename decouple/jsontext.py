"""JSON as text: in insertion order, refusing what JSON cannot hold instead of bending it."""

# pyright: reportUnknownVariableType=false
# What JSON holds is known when it is looked at, not before.

from __future__ import annotations

from typing import Any

__all__ = ["json_text"]


def json_text(value: Any, what: str) -> str:
    """The JSON of `value`; `what` says in errors what it must be. Raises TypeError, ValueError."""
    import json  # here, because most programs send text

    try:
        check_keys(value)
        return json.dumps(value, allow_nan=False, ensure_ascii=False)
    except RecursionError:
        raise ValueError(f"{what}: it is nested too deep, or holds itself") from None
    except (TypeError, ValueError) as error:
        raise type(error)(f"{what}: {error}") from None


def check_keys(value: Any) -> None:
    """json.dumps would turn the keys 1 and None into "1" and "null"; the receiver would get something else."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(f"keys must be str, not {key!r}")
            check_keys(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            check_keys(inner)
