"""Which broker a worker process serves: what `module:broker` names, imported here."""

from __future__ import annotations

import importlib
import os
from typing import Any

from decouple.broker import Broker

__all__ = ["Unservable", "find"]


class Unservable(Exception):
    """Nobody can serve that; the sentence says why."""


def find(name: str, *, alone: bool) -> Broker:
    """The broker: the object of that name, or what it answers when it is called. Raises Unservable, and what the import does.

    alone: whether this process is the only one that serves it; where it is not, the engine must be one that processes share.
    """
    module, _, what = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # what the module itself imports
        raise Unservable(f"{name}: there is no module {error.name!r}, neither in {os.getcwd()} nor installed") from None
    for part in what.split("."):
        if not hasattr(found, part):
            raise Unservable(f"{name}: there is no {part!r} in {getattr(found, '__name__', found)}")
        found = getattr(found, part)
    made = found() if callable(found) and not isinstance(found, Broker) else found
    if not isinstance(made, Broker):
        raise Unservable(f"{name} is {type(made).__name__}, and no Broker nor a callable that returns one")
    if not alone and made.capabilities.shared == "process":
        raise Unservable(
            f"{name} keeps its queues in one process, so several cannot serve it: "
            f"use Broker('sqlite:///file.db'), or --processes 1"
        )
    return made
