"""Messages: bodies, attributes, and what else `send`, `send_batch` and `publish` take."""

# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# What hypothesis hands to a function, and what JSON holds, is known when it is looked at, not before.

from __future__ import annotations

from functools import cache
from string import ascii_letters, digits, punctuation
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from decouple.attributes import MOST_ATTRIBUTES, Attribute, Value
from decouple.message import Entry
from decouple.publishing import LONGEST_SUBJECT

__all__ = ["attributes", "bodies", "entries", "groups", "messages", "names", "numbers", "publications", "texts"]

LONGEST = 100
"""Characters of a drawn text: so that ten attributes and a body are far below the 64 KiB of the smallest queue drawn."""
LARGEST = 10**30
"""A Number of SQS has up to 38 digits."""
# #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF. Source: SQS API, SendMessage.
CHARACTERS = st.characters(
    exclude_categories=["Cs"],
    exclude_characters="".join(map(chr, {*range(32), 0xFFFE, 0xFFFF} - {*b"\t\n\r"})),
)
LINE = st.characters(
    exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="".join(map(chr, (0x85, 0xFFFE, 0xFFFF)))
)
CONSTANTS: SearchStrategy[bool | None] = st.sampled_from([None, False, True])
"""As one choice: nothing shrinks to them that could be a text."""
IDS = st.text(ascii_letters + digits + punctuation, min_size=1, max_size=128)


def texts(min_size: int = 0, max_size: int = LONGEST) -> SearchStrategy[str]:
    """Text of the characters that SQS takes."""
    return st.text(CHARACTERS, min_size=min_size, max_size=max_size)


@cache
def numbers() -> SearchStrategy[int | float]:
    """Finite numbers."""
    return st.integers(-LARGEST, LARGEST) | st.floats(-1e30, 1e30, allow_subnormal=False)


@cache
def json_values() -> SearchStrategy[Any]:
    """What JSON holds, nested a little."""
    plain = CONSTANTS | numbers() | texts()
    return st.recursive(
        plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(), inner, max_size=3), max_leaves=8
    )


@cache
def bodies() -> SearchStrategy[Any]:
    """What an untyped queue or topic takes: text, or a dict, list, number, bool or None that becomes JSON text."""
    containers = st.dictionaries(texts(), json_values(), max_size=5) | st.lists(json_values(), max_size=5)
    return texts(min_size=1) | containers | numbers() | CONSTANTS


@cache
def names() -> SearchStrategy[str]:
    """Names of attributes: letters, digits, `_`, `-`, and single dots inside; none that AWS reserves."""
    part = st.text(ascii_letters + digits + "_-", min_size=1, max_size=8)
    return st.lists(part, min_size=1, max_size=3).map(".".join).map(unreserved)


def unreserved(name: str) -> str:
    return f"x{name}" if name.lower().startswith(("aws.", "amazon.")) else name


@cache
def values() -> SearchStrategy[Value]:
    """The value of an attribute: text, numbers, bytes, lists, and any type with a label."""
    decimals = st.decimals(-(10**20), 10**20, places=5)
    binary = st.binary(min_size=1, max_size=LONGEST)
    label = st.just("") | st.text(ascii_letters, min_size=1, max_size=8).map(lambda one: f".{one}")
    labelled = (
        st.builds(lambda label, text: Attribute(f"String{label}", text), label, texts(min_size=1))
        | st.builds(lambda label, number: Attribute(f"Number{label}", f"{number:04}"), label, st.integers(0, LARGEST))
        | st.builds(lambda label, octets: Attribute(f"Binary{label}", octets), label, binary)
    )
    array = st.lists(CONSTANTS | numbers() | texts(), max_size=3)
    return texts(min_size=1) | numbers() | decimals | binary | array | labelled


def attributes(*, min_size: int = 0, max_size: int = MOST_ATTRIBUTES) -> SearchStrategy[dict[str, Value]]:
    """The attributes of a message, up to ten of every type."""
    return st.dictionaries(names(), values(), min_size=min_size, max_size=max_size)


@cache
def groups() -> SearchStrategy[str]:
    """Message groups: mostly few, so that some messages are in the same; else any that SQS takes."""
    return st.sampled_from("abc") | IDS


def seconds(least: float, most: float) -> SearchStrategy[int | float]:
    """A duration, whole or not."""
    return st.integers(int(least), int(most)) | st.floats(least, most, allow_subnormal=False)


def messages(*, fifo: bool = False) -> SearchStrategy[dict[str, Any]]:
    """The arguments of a send: `queue.send(**message)`. fifo: for a FIFO queue, which needs a group and an id."""
    if fifo:
        always = {"body": bodies(), "group": groups(), "deduplication_id": st.sampled_from("0123456789") | IDS}
        return st.fixed_dictionaries(always, optional={"attributes": attributes()})
    more = {"attributes": attributes(), "delay": seconds(0, 900), "group": groups()}
    return st.fixed_dictionaries({"body": bodies()}, optional=more)


def entries(*, fifo: bool = False) -> SearchStrategy[Entry]:
    """The same as entries of `queue.send_batch`."""
    return messages(fifo=fifo).map(lambda message: Entry(**message))


def publications(*, fifo: bool = False) -> SearchStrategy[dict[str, Any]]:
    """The arguments of a publish: `topic.publish(**publication)`. fifo: to a FIFO topic."""
    more: dict[str, SearchStrategy[Any]] = {
        "subject": st.text(LINE, min_size=1, max_size=LONGEST_SUBJECT),
        "per_protocol": st.dictionaries(st.sampled_from(["sqs", "lambda", "http"]), texts(min_size=1), max_size=2),
    }
    without_delay = messages(fifo=fifo).map(lambda one: {name: it for name, it in one.items() if name != "delay"})
    return st.builds(lambda message, more: {**message, **more}, without_delay, st.fixed_dictionaries({}, optional=more))
