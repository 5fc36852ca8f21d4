"""Message attributes: what may be sent, how it comes back, what is refused."""

from __future__ import annotations

import copy
import enum
import math
import pickle
from decimal import Decimal
from typing import Any

import pytest

from decouple import Attribute, Queue
from decouple.attributes import wire_form


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        ("text", Attribute("String", "text")),
        ("é😀", Attribute("String", "é😀")),
        (42, Attribute("Number", "42")),
        (-1.5, Attribute("Number", "-1.5")),
        (Decimal("1.10"), Attribute("Number", "1.10")),
        (b"\x00\xff", Attribute("Binary", b"\x00\xff")),
        ([1, "two", None, True, {"three": []}], Attribute("String.Array", '[1, "two", null, true, {"three": []}]')),
        ([], Attribute("String.Array", "[]")),
        (Attribute("Number.cents", "007"), Attribute("Number.cents", "007")),
        (Attribute("String.tag", "x"), Attribute("String.tag", "x")),
        (Attribute("Binary.png", b"\x89"), Attribute("Binary.png", b"\x89")),
    ],
)
def test_an_attribute_comes_back_as_it_was_sent_and_has_its_type_on_the_wire(
    queue: Queue, value: Any, wire: Attribute
) -> None:
    """SQS: String, Number and Binary, each optionally with a label."""
    queue.send("x", attributes={"name": value})
    [message] = queue.receive()

    assert message.attributes == {"name": value}
    assert type(message.attributes["name"]) is type(value)
    assert wire_form(message.record[3].attributes["name"]) == wire  # type: ignore[misc]


def test_the_receiver_of_a_list_shares_nothing_with_the_sender(queue: Queue) -> None:
    row = [1, [2]]
    queue.send("x", attributes={"row": row})
    row.append(3)
    [message] = queue.receive()

    message.attributes["row"].append(4)

    assert message.attributes == {"row": [1, [2]]}


@pytest.mark.parametrize("name", ["a", "A.b-c_1", "größe", "n" * 256, "awsome", "aws", "1"])
def test_names_have_letters_digits_and_three_marks(queue: Queue, name: str) -> None:
    """SQS: 1 to 256 letters, digits, `_`, `-`, `.`; recordings show that other alphabets are accepted."""
    queue.send("x", attributes={name: 1})

    assert queue.receive()[0].attributes == {name: 1}


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("", ValueError),
        ("n" * 257, ValueError),
        ("a b", ValueError),
        ("a/b", ValueError),
        ("\ud800", ValueError),
        ("AWS.x", ValueError),
        ("aws.x", ValueError),
        ("Amazon.x", ValueError),
        ("aMaZoN.x", ValueError),
        (".a", ValueError),
        ("a.", ValueError),
        ("a..b", ValueError),
        (1, TypeError),
        (None, TypeError),
    ],
)
def test_a_wrong_name_is_refused_and_sends_nothing(queue: Queue, name: Any, error: type[Exception]) -> None:
    """SQS: no AWS. or Amazon. in any casing, no dot at an end or after another."""
    with pytest.raises(error, match="attribute"):
        queue.send("x", attributes={name: 1})

    assert queue.stats().sent == 0


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        ("", ValueError, "'n' must not be empty"),
        (b"", ValueError, "'n' must not be empty"),
        (True, TypeError, "which AWS has no type for"),
        (math.nan, ValueError, "'n' must be a finite number"),
        (-math.inf, ValueError, "'n' must be a finite number"),
        (Decimal("NaN"), ValueError, "'n' must be a finite number"),
        (None, TypeError, "'n' must be str"),
        ({"a": 1}, TypeError, "'n' must be str"),
        (bytearray(b"x"), TypeError, "'n' must be str"),
        ("\ud800", ValueError, "'n' holds a lone surrogate"),
        (["\ud800"], ValueError, "'n'"),
        ([b"bytes"], TypeError, "'n' must be a list of what JSON holds"),
        ([math.nan], ValueError, "'n' must be a list of what JSON holds"),
        ([{1: "key"}], TypeError, "'n' must be a list of what JSON holds"),
        (Attribute("String", "\ud800"), ValueError, "'n' holds a lone surrogate"),
        (Attribute("String.\ud800", "x"), ValueError, "'n' holds a lone surrogate"),
    ],
)
def test_a_wrong_value_is_refused_and_sends_nothing(
    queue: Queue, value: Any, error: type[Exception], text: str
) -> None:
    """SQS: values are not empty; bool and null have no type."""
    with pytest.raises(error, match=text):
        queue.send("x", attributes={"n": value})

    assert queue.stats().sent == 0


def test_a_list_that_is_nested_too_deep_or_holds_itself_is_refused(queue: Queue) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    itself: list[Any] = []
    itself.append(itself)

    for value in (itself, deep):
        with pytest.raises(ValueError, match="'n'"):
            queue.send("x", attributes={"n": value})
    assert queue.stats().sent == 0


def test_ten_attributes_are_accepted_and_eleven_are_not(queue: Queue) -> None:
    """SQS developer guide, message quotas: up to 10 attributes."""
    queue.send("x", attributes={f"n{number}": number for number in range(10)})

    with pytest.raises(ValueError, match="at most 10 attributes, not 11"):
        queue.send("x", attributes={f"n{number}": number for number in range(11)})
    assert queue.stats().sent == 1


@pytest.mark.parametrize("attributes", ["text", [("n", 1)], 7, [], "", 0, False, ()])
def test_attributes_that_are_no_mapping_are_refused_also_when_empty(queue: Queue, attributes: Any) -> None:
    with pytest.raises(TypeError, match="attributes must be a mapping"):
        queue.send("x", attributes=attributes)

    assert queue.stats().sent == 0


def test_no_attributes_are_no_error(queue: Queue) -> None:
    queue.send("x", attributes={}, system={})

    assert queue.receive()[0].attributes == {}


@pytest.mark.parametrize(
    ("kind", "value", "error", "text"),
    [
        ("Text", "x", ValueError, "must be String, Number or Binary"),
        ("string", "x", ValueError, "must be String, Number or Binary"),
        ("", "x", ValueError, "must be String, Number or Binary"),
        (7, "x", TypeError, "type must be text"),
        ("String." + "l" * 250, "x", ValueError, "may have 256 characters, not 257"),
        ("String", b"x", TypeError, "takes str"),
        ("Number", 7, TypeError, "takes str"),
        ("Binary", "x", TypeError, "takes bytes"),
        ("String", "", ValueError, "must not be empty"),
        ("Binary", b"", ValueError, "must not be empty"),
        ("Number", "seven", ValueError, "the text of a finite number"),
        ("Number", "NaN", ValueError, "the text of a finite number"),
        ("Number.cents", "Infinity", ValueError, "the text of a finite number"),
    ],
)
def test_an_attribute_with_its_own_type_is_checked_when_it_is_made(
    kind: Any, value: Any, error: type[Exception], text: str
) -> None:
    """SQS: types are case-sensitive, up to 256 characters with their label."""
    with pytest.raises(error, match=text):
        Attribute(kind, value)


def test_the_longest_type_is_accepted() -> None:
    """SQS: the whole type has up to 256 characters."""
    assert Attribute("String." + "l" * 249, "x").value == "x"


def test_an_attribute_with_its_own_type_is_a_value() -> None:
    price = Attribute("Number.cents", "007")

    with pytest.raises(AttributeError, match="'value' cannot be set"):
        price.value = "8"
    with pytest.raises(AttributeError, match="'type' cannot be deleted"):
        del price.type

    assert repr(price) == "Attribute(type='Number.cents', value='007')"
    assert price == Attribute("Number.cents", "007") == copy.copy(price) == pickle.loads(pickle.dumps(price))
    assert price != Attribute("Number.cents", "7")
    assert price != ("Number.cents", "007")
    assert {price, Attribute("Number.cents", "007")} == {price}


def test_a_number_that_is_an_enum_is_sent_as_the_number(queue: Queue) -> None:
    class Priority(enum.IntEnum):
        HIGH = 3

    queue.send("x", attributes={"n": Priority.HIGH})

    assert wire_form(queue.receive()[0].record[3].attributes["n"]) == Attribute("Number", "3")  # type: ignore[misc]
