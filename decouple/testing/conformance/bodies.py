"""Bodies and attributes: what goes through unchanged, what becomes text, how large it may be, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from decouple.attributes import Attribute
from decouple.errors import BodyNotDecoded, DecoupleError, MessageTooLarge
from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import Bench
from decouple.testing.conformance.expecting import equal, refused

TEXTS = (
    "x", " ", "grüße", "日本語", "🙂", "a\nb\r\nc\td", "&lt;b&gt; &amp; <b>", '"quoted" \\ %s {} \u00a0', "a\r", "\u2028",
    "{'no': json",
)  # fmt: skip
SMALL = 1_024


@dataclass
class Order:
    """A typed body."""

    id: int
    note: str = ""


@behaviour()
def text_arrives_unchanged(bench: Bench) -> None:
    """Any text arrives character by character: letters of all scripts, quotes, entities, line ends."""
    queue = bench.queue()

    for text in TEXTS:
        queue.send(text)
        message = bench.one(queue)
        message.ack()
        equal(message.text, text, "the text")


@behaviour()
def what_json_holds_becomes_json_text(bench: Bench) -> None:
    """A dict, list, number, bool or None is sent as JSON text, in insertion order, and `json()` gives it back."""
    queue = bench.queue()

    for value in ({"b": 1, "a": [1, 2.5, None]}, [1, "é"], 7, True, None, {}):
        queue.send(value)
        message = bench.one(queue)
        message.ack()
        equal(message.json(), value, "the decoded body")
        if value == {"b": 1, "a": [1, 2.5, None]}:
            equal(list(message.json()), ["b", "a"], "the keys in order")


@behaviour()
def the_receiver_shares_no_object_with_the_sender(bench: Bench) -> None:
    """What the sender does to a body or its attributes after the send does not reach the receiver."""
    queue = bench.queue()
    body: dict[str, Any] = {"lines": [1]}
    labels: list[Any] = ["a"]
    queue.send(body, attributes={"labels": labels})

    body["lines"].append(2)
    labels.append("b")

    message = bench.one(queue)
    equal((message.json(), message.attributes), ({"lines": [1]}, {"labels": ["a"]}), "body and attributes")


@behaviour()
def a_body_that_is_no_text_is_refused(bench: Bench) -> None:
    """An empty text, half a character and NaN are ValueErrors, bytes and objects TypeErrors; nothing is sent."""
    queue = bench.queue()

    for body in ("", "\ud800", {"x": float("nan")}):
        with refused(ValueError, f"the body {body!r}"):
            queue.send(body)
    for other in (b"bytes", {1, 2}, object()):
        with refused(TypeError, f"a body of {type(other).__name__}"):
            queue.send(other)

    bench.nothing(queue, "after refused sends")


@behaviour()
def a_body_of_exactly_the_limit_is_taken_and_a_byte_more_is_not(bench: Bench) -> None:
    """`max_message_size` counts the bytes of the body; one more is MessageTooLarge, with `size` and `limit`."""
    queue = bench.queue(max_message_size=SMALL)
    queue.send("x" * SMALL)

    with refused(MessageTooLarge, "a byte too many") as refusal:
        queue.send("y" * (SMALL + 1))

    equal((refusal.error.size, refusal.error.limit), (SMALL + 1, SMALL), "size and limit of the error")
    equal(bench.one(queue).text, "x" * SMALL, "the body that fitted")
    bench.nothing(queue, "after a refused send")


@behaviour()
def the_size_counts_bytes_of_utf_8(bench: Bench) -> None:
    """A character counts as many bytes as UTF-8 needs for it."""
    queue = bench.queue(max_message_size=SMALL)
    queue.send("é" * (SMALL // 2))

    with refused(MessageTooLarge, "an é too many"):
        queue.send("é" * (SMALL // 2) + "é")

    bench.take(queue)


@behaviour()
def the_size_counts_name_type_and_value_of_attributes(bench: Bench) -> None:
    """Attributes count with their names, types and values; system attributes and the group do not."""
    queue = bench.queue(max_message_size=SMALL)
    beside = len("aStringbc")
    header = {"AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793"}
    queue.send("x" * (SMALL - beside), attributes={"a": "bc"}, system=header, group="g")

    with refused(MessageTooLarge, "a byte too many"):
        queue.send("x" * (SMALL - beside + 1), attributes={"a": "bc"})

    bench.take(queue)


@behaviour()
def a_changed_size_holds_for_later_sends(bench: Bench) -> None:
    """A smaller limit refuses later sends and leaves what is stored."""
    queue = bench.queue()
    queue.send("x" * 2_000)
    queue.configure(max_message_size=SMALL)

    with refused(MessageTooLarge, "a body over the new limit"):
        queue.send("x" * 2_000)

    equal(len(bench.one(queue).text), 2_000, "the length of what was stored")


@behaviour()
def the_largest_body_is_the_declared_one(bench: Bench) -> None:
    """A body of exactly `largest_body` goes through; a queue for larger ones cannot be declared."""
    largest = bench.traits.largest_body
    size = 2_000_000 if largest is None else largest
    queue = bench.queue("large", max_message_size=size)
    queue.send("x" * size)

    equal(len(bench.one(queue).text), size, "the length of the largest body")
    if largest is not None:
        with refused((ValueError, DecoupleError), f"a queue for bodies of {largest + 1} bytes"):
            bench.queue("larger", max_message_size=largest + 1)


@behaviour()
def attributes_come_back_as_they_were_sent(bench: Bench) -> None:
    """Text, int, float, Decimal, bytes and lists are attributes, and arrive with their values and kinds."""
    queue = bench.queue()
    given: dict[str, Any] = {
        "text": "grüße", "int": 7, "float": 1.5, "decimal": Decimal("99.12"), "bytes": b"\x00\xff",
        "list": ["a", 1, None, True],
    }  # fmt: skip
    queue.send("x", attributes=given)

    found = bench.one(queue).attributes

    equal(found, given, "the attributes")
    equal(isinstance(found["bytes"], bytes), True, "that bytes are bytes")


@behaviour()
def an_attribute_keeps_a_type_of_its_own(bench: Bench) -> None:
    """`Attribute("Number.price", "1.50")` arrives with its label and its spelling."""
    queue = bench.queue()
    queue.send("x", attributes={"price": Attribute("Number.price", "1.50")})

    equal(bench.one(queue).attributes, {"price": Attribute("Number.price", "1.50")}, "the attributes")


@behaviour()
def ten_attributes_are_taken_and_eleven_are_not(bench: Bench) -> None:
    """A message has up to ten attributes."""
    queue = bench.queue()
    ten = {f"a{number}": "x" for number in range(10)}
    queue.send("x", attributes=ten)

    with refused(ValueError, "eleven attributes"):
        queue.send("x", attributes=ten | {"one more": "x"})

    equal(len(bench.one(queue).attributes), 10, "attributes")
    bench.nothing(queue, "after a refused send")


@behaviour()
def a_wrong_attribute_is_refused(bench: Bench) -> None:
    """Names have letters, digits, '_', '-' and '.' and are not AWS's; values are not empty and no bools; nothing is sent."""
    queue = bench.queue()

    for name in ("", "a b", ".a", "a.", "AWS.a", "amazon.a", "x" * 257):
        with refused(ValueError, f"the attribute name {name[:9]!r}"):
            queue.send("x", attributes={name: "1"})
    with refused(ValueError, "an empty attribute"):
        queue.send("x", attributes={"a": ""})
    with refused(TypeError, "a bool as an attribute"):
        queue.send("x", attributes={"a": True})
    with refused(TypeError, "attributes in a list"):
        queue.send("x", attributes=["a"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    bench.nothing(queue, "after refused sends")


@behaviour()
def a_typed_body_arrives_as_its_type(bench: Bench) -> None:
    """A queue of a dataclass takes and gives its instances; the text is JSON."""
    queue = bench.queue("typed", body=Order)
    queue.send(Order(7, "é"))

    message = bench.one(queue)

    equal((message.body, message.json()), (Order(7, "é"), {"id": 7, "note": "é"}), "body and JSON")


@behaviour()
def a_typed_queue_takes_only_its_type(bench: Bench) -> None:
    """What is not of the queue's type is a TypeError, and nothing is sent."""
    queue = bench.queue("typed", body=Order)

    for body in ('{"id": 7}', {"id": 7}, None):
        with refused(TypeError, f"the body {body!r} in a queue of orders"):
            queue.send(body)

    bench.nothing(queue, "after refused sends")


@behaviour()
def a_body_that_does_not_decode_is_delivered_and_says_so(bench: Bench) -> None:
    """Without a dead-letter queue it is received; `body` raises BodyNotDecoded, `text` has it, and it can be settled."""
    typed = bench.queue("typed", body=Order)
    source = bench.queue("source", dead_letter=typed)
    source.send("five!")
    bench.one(source).reject("it belongs there")

    message = bench.one(typed)

    with refused(BodyNotDecoded, "a body that is no order"):
        _ = message.body
    equal(message.text, "five!", "the text")
    message.ack()


@behaviour()
def a_body_that_does_not_decode_is_a_dead_letter_where_it_can_be(bench: Bench) -> None:
    """With a dead-letter queue it goes there, as text, and the receive gives what comes after it."""
    dead = bench.queue("dead")
    typed = bench.queue("typed", body=Order, dead_letter=dead)
    source = bench.queue("source", dead_letter=typed)
    source.send("five!")
    bench.one(source).reject("it belongs there")

    bench.nothing(typed, "a body that does not decode")

    letter = bench.one(dead)
    equal(letter.text, "five!", "the dead letter")
    if bench.traits.reasons:
        equal(letter.failure and letter.failure.error, "BodyNotDecoded", "the reason")
