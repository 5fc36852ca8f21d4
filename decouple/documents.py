"""Reading a description: its JSON text, its sections, and objects that hold none but known keys.

What is wrong is an InvalidDescription with the place. What the sections mean is in describe.py and describe_topics.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from decouple.errors import InvalidDescription

__all__ = ["VERSION", "Section", "an_object", "check_keys", "parsed", "sections"]

VERSION = 1

Section: TypeAlias = Mapping[str, Mapping[str, Any]]
"""The entries of one kind by name."""


def parsed(text: str) -> Any:
    """The document of a JSON text."""
    import json  # here, because what is described as a mapping needs none

    try:
        return json.loads(text, object_pairs_hook=without_doubles)
    except RecursionError:
        raise InvalidDescription("", why="it is nested too deep") from None
    except json.JSONDecodeError as error:
        raise InvalidDescription("", why=f"it is not JSON: {error}") from None


def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are all different: json.loads alone would keep the last of two and lose the first."""
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        double = next(key for key in keys if keys.count(key) > 1)
        raise InvalidDescription("", why=f"the key {double!r} is there twice in one object")
    return result


def sections(document: Any, kinds: Mapping[str, tuple[str, ...]]) -> list[Section]:
    """The sections of a document in the order of `kinds`, which has the keys of each one's entries; an absent one is empty."""
    top = an_object(document, "")
    check_keys(top, ("version", *kinds), "")
    version = top.get("version")
    if version != VERSION or isinstance(version, bool):
        raise InvalidDescription("version", why=f"it is {version!r}, and this release reads {VERSION}")
    return [section(top.get(kind, {}), kind, keys) for kind, keys in kinds.items()]


def section(found: Any, kind: str, keys: tuple[str, ...]) -> Section:
    entries = an_object(found, kind)
    for name, entry in entries.items():
        check_keys(an_object(entry, f"{kind}.{name}"), keys, f"{kind}.{name}.")
    return entries


def an_object(value: Any, path: str) -> Mapping[str, Any]:
    """The value, if it is an object."""
    if not isinstance(value, Mapping):
        raise InvalidDescription(path, why=f"it must be an object of names and values, not {value!r:.60}")
    return cast("Mapping[str, Any]", value)


def check_keys(entry: Mapping[str, Any], known: tuple[str, ...], path: str) -> None:
    """Every key is known."""
    for key in entry:
        if key not in known:
            raise InvalidDescription(f"{path}{key}", why=f"it is not known here; known are {', '.join(known)}")
