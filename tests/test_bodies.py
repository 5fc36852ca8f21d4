"""Bodies: text and what becomes text, typed queues, and what is done with a body that does not decode."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest

from decouple import BodyNotDecoded, Broker, Queue, QueueError
from decouple.testing import Ledger, VirtualClock

# -- untyped ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["x", " ", "a\r\nb\t", "&amp;<x>", "é", "😀" * 3, "\x00\x01", "\uffff", "null", '{"a": 1}']
)
def test_text_arrives_unchanged(queue: Queue, text: str) -> None:
    """SQS: carriage returns and entity-like text come back unchanged."""
    queue.send(text)
    [message] = queue.receive()

    assert (message.body, message.text) == (text, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None, 1.5]}, '{"b": 1, "a": [true, null, 1.5]}'),
        ({}, "{}"),
        ([], "[]"),
        ([1, "é"], '[1, "é"]'),
        (7, "7"),
        (-0.5, "-0.5"),
        (True, "true"),
        (None, "null"),
        (10**30, "1" + "0" * 30),
    ],
)
def test_what_json_holds_becomes_json_text_in_insertion_order(queue: Queue, value: Any, text: str) -> None:
    queue.send(value)
    queue.send_batch([value])

    for message in queue.receive(max_messages=2):
        assert (message.body, message.text) == (text, text)
        assert message.json() == value
        assert type(message.json()) is type(value)


def test_the_receiver_never_shares_an_object_with_the_sender(queue: Queue) -> None:
    order = {"lines": [1]}
    queue.send(order)
    order["lines"].append(2)
    [message] = queue.receive()

    message.json()["lines"].append(3)

    assert message.json() == {"lines": [1]}


def test_a_kind_of_text_is_sent_as_the_text_it_is(queue: Queue) -> None:
    class Colour(str, enum.Enum):  # noqa: UP042  # a StrEnum's str() is its text already
        RED = "red"

    queue.send(Colour.RED)

    assert queue.receive()[0].body == "red"


def test_json_of_text_that_is_no_json_is_a_value_error(queue: Queue) -> None:
    queue.send("not json")

    with pytest.raises(json.JSONDecodeError):
        queue.receive()[0].json()


def circle() -> list[Any]:
    row: list[Any] = []
    row.append(row)
    return row


def well() -> list[Any]:
    row: list[Any] = []
    for _ in range(100_000):
        row = [row]
    return row


@pytest.mark.parametrize(
    ("body", "error", "text"),
    [
        ("", ValueError, "must not be empty"),
        ("a\ud800", ValueError, r"character 1 is the lone surrogate '\\ud800'"),
        ({"a": "\udfff"}, ValueError, "lone surrogate"),
        (b"bytes", TypeError, "text, not bytes: decode it"),
        (bytearray(b"bytes"), TypeError, "text, not bytes"),
        (memoryview(b"bytes"), TypeError, "text, not bytes"),
        (math.nan, ValueError, "a body must be JSON"),
        ([math.inf], ValueError, "a body must be JSON"),
        ({"a": {1}}, TypeError, "a body must be JSON"),
        ({"a": b"b"}, TypeError, "a body must be JSON"),
        ({1: "a"}, TypeError, "keys must be str, not 1"),
        ([{"a": {None: 1}}], TypeError, "keys must be str, not None"),
        pytest.param(circle(), ValueError, "nested too deep, or holds itself", id="a circle"),
        pytest.param(well(), ValueError, "nested too deep, or holds itself", id="a deep one"),
        pytest.param([10**5_000], ValueError, "a body must be JSON", id="a number too long to write"),
        ((1, 2), TypeError, "not tuple: encode it, or declare the queue with body=tuple"),
        ({1, 2}, TypeError, "not set"),
        (object(), TypeError, "not object"),
        (Decimal(1), TypeError, "not Decimal"),
        (datetime(2026, 1, 1, tzinfo=UTC), TypeError, "not datetime"),
    ],
)
def test_a_body_that_is_no_text_and_no_json_is_refused_and_nothing_is_sent(
    queue: Queue, body: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        queue.send(body)

    assert queue.stats().sent == 0


# -- typed -----------------------------------------------------------------------------------------------------


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


@attrs.frozen
class Line:
    article: str
    count: int = 1
    _note: str | None = None
    total: int = attrs.field(init=False, default=0)


@attrs.define
class Order:
    id: int
    lines: list[Line]
    price: Decimal
    size: Size
    key: UUID
    day: date
    at: datetime
    state: Literal["open", "done"]
    point: tuple[int, str]
    row: tuple[float, ...]
    names: Mapping[str, Line]
    anything: Any
    flag: bool
    nothing: None = None
    either: int | str | None = None
    plain: dict = attrs.field(factory=dict)  # type: ignore[type-arg]
    items: list = attrs.field(factory=list)  # type: ignore[type-arg]


@dataclasses.dataclass
class Parcel:
    weight: float
    lines: list[Line] = dataclasses.field(default_factory=list)
    computed: int = dataclasses.field(init=False, default=3)
    tag: str = "none"


class Address(TypedDict, total=False):
    street: Required[str]
    number: NotRequired[int]
    parcels: list[Parcel]


class Noted(TypedDict):
    number: Annotated[int, "of the house"]


class Partly(TypedDict):
    street: str
    number: NotRequired[int]


class Model(pydantic.BaseModel):
    id: int
    at: datetime
    tags: set[str] = set()


class Aliased(pydantic.BaseModel):
    order_id: int = pydantic.Field(alias="orderId")


class Struct(msgspec.Struct):
    id: int
    at: datetime
    tags: list[str] = []


class Renamed(msgspec.Struct, rename="camel"):
    order_id: int


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ORDER = Order(
    id=7,
    lines=[Line("pen", 2, "blue"), Line("ink")],
    price=Decimal("1.10"),
    size=Size.LARGE,
    key=UUID(int=5),
    day=date(2026, 1, 2),
    at=NOON,
    state="open",
    point=(1, "one"),
    row=(1.0, 2.5),
    names={"a": Line("pen")},
    anything=[1, {"b": None}],
    flag=True,
    either="text",
    plain={"k": 1},
    items=[1],
)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        pytest.param(Order, ORDER, id="attrs"),
        pytest.param(Order, attrs.evolve(ORDER, either=3, lines=[]), id="attrs, the other of a union"),
        pytest.param(Order, attrs.evolve(ORDER, either=None), id="attrs, None of a union"),
        pytest.param(Parcel, Parcel(1.5, [Line("pen")], "t"), id="dataclass"),
        pytest.param(Parcel, Parcel(2), id="dataclass, an int for a float"),
        pytest.param(Address, {"street": "s", "number": 1, "parcels": [Parcel(1.5)]}, id="TypedDict"),
        pytest.param(Address, {"street": "s"}, id="TypedDict, what is required"),
        pytest.param(Partly, {"street": "s"}, id="TypedDict, without what is not required"),
        pytest.param(Model, Model(id=1, at=NOON, tags={"a"}), id="pydantic"),
        pytest.param(Aliased, Aliased(orderId=3), id="pydantic, an alias"),
        pytest.param(Struct, Struct(1, NOON, ["a"]), id="msgspec"),
        pytest.param(Renamed, Renamed(3), id="msgspec, renamed"),
    ],
)
def test_a_typed_body_arrives_as_an_equal_object_of_its_own(clock: VirtualClock, kind: Any, body: Any) -> None:
    queue: Queue[Any] = Queue("typed", body=kind, clock=clock)
    assert queue.body_type is kind
    queue.send(body)
    queue.send_batch([body])

    for message in queue.receive(max_messages=2):
        assert message.body == body
        assert message.body is not body
        assert message.body is message.body
        assert json.loads(message.text) == message.json()


def test_a_typed_queue_takes_only_its_type(clock: VirtualClock) -> None:
    queue: Queue[Any] = Queue("typed", body=Parcel, clock=clock)

    for wrong in ("text", {"weight": 1.0}, None, Line("pen"), Parcel):
        with pytest.raises(TypeError, match="this queue takes Parcel, not"):
            queue.send(wrong)
    assert queue.stats().sent == 0


def test_a_typed_dict_queue_takes_only_dicts(clock: VirtualClock) -> None:
    queue: Queue[Any] = Queue("typed", body=Address, clock=clock)

    with pytest.raises(TypeError, match="this queue takes Address, not list"):
        queue.send([])


@pytest.mark.parametrize("body", [Parcel(math.nan), Parcel(1.0, tag="\ud800"), Parcel({1})])  # type: ignore[arg-type]
def test_a_typed_body_that_json_cannot_hold_is_refused(clock: VirtualClock, body: Parcel) -> None:
    queue: Queue[Parcel] = Queue("typed", body=Parcel, clock=clock)

    with pytest.raises((TypeError, ValueError), match="a body must"):
        queue.send(body)
    assert queue.stats().sent == 0


class Plain:
    pass


@pytest.mark.parametrize("kind", [int, bytes, dict, Plain, "Order", list[int], None, Parcel(1.0)])
def test_a_type_that_says_nothing_about_its_fields_is_refused(clock: VirtualClock, kind: Any) -> None:
    with pytest.raises(TypeError, match="body"):
        Queue("typed", body=kind, clock=clock)


@attrs.define
class Sets:
    tags: set[str]


def test_an_annotation_beside_a_type_changes_nothing(clock: VirtualClock) -> None:
    queue: Queue[Any] = Queue("typed", body=Noted, clock=clock)
    queue.send({"number": 3})

    assert queue.receive()[0].body == {"number": 3}


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        (Parcel, "not json", "JSONDecodeError"),
        (Parcel, "[]", "body must be dict, not"),
        (Parcel, "{}", "body lacks weight"),
        (Parcel, '{"weight": "heavy"}', "body.weight must be float, not 'heavy'"),
        (Parcel, '{"weight": true}', "body.weight must be float, not True"),
        (Parcel, '{"weight": 1, "lines": [{}]}', r"body.lines\[0\] lacks article"),
        (Parcel, '{"weight": 1, "lines": {}}', "body.lines must be list"),
        (Parcel, '{"weight": 1, "lines": [{"article": "a", "count": true}]}', r"body.lines\[0\].count must be int"),
        (Parcel, '{"weight": 1, "lines": [{"article": "a", "_note": 1}]}', r"str, not 1; or .*NoneType, not 1"),
        (Address, "{}", "body lacks street"),
        (Address, '{"street": 1}', "body.street must be str, not 1"),
        (Sets, '{"tags": ["a"]}', "only a pydantic or msgspec model can decode"),
        (Model, '{"id": "x"}', "ValidationError"),
        (Struct, '{"id": "x"}', "ValidationError"),
    ],
)
def test_without_a_dead_letter_queue_a_body_that_does_not_decode_is_delivered_and_says_why(
    clock: VirtualClock, kind: Any, text: str, why: str
) -> None:
    queue: Queue[Any] = Queue("typed", body=kind, clock=clock)
    put_text(queue, text)

    [message] = queue.receive()

    for _ in range(2):
        with pytest.raises(BodyNotDecoded, match=why) as caught:
            message.body  # noqa: B018
    assert (caught.value.queue, caught.value.text, caught.value.wanted) == ("typed", text, kind.__name__)
    assert isinstance(caught.value, QueueError)
    assert message.text == text
    message.ack()
    assert queue.stats().deleted == 1


WRONG_FIELDS = [
    ("price", "dear", "body.price must be a decimal number"),
    ("price", 1, "body.price must be str"),
    ("size", "m", "'m' is not a valid Size"),
    ("key", "no uuid", "badly formed"),
    ("day", "tomorrow", "isoformat"),
    ("at", 5, "body.at must be str"),
    ("state", "lost", "body.state must be one of"),
    ("point", [1], "body.point must have 2 items, not 1"),
    ("point", [1, 2], r"body.point\[1\] must be str"),
    ("row", ["x"], r"body.row\[0\] must be float"),
    ("names", {"a": {}}, "body.names.a lacks article"),
    ("flag", 1, "body.flag must be bool"),
    ("nothing", 1, "body.nothing must be NoneType"),
    ("plain", [], "body.plain must be dict"),
    ("items", {}, "body.items must be list"),
]


@pytest.mark.parametrize(("field", "value", "why"), WRONG_FIELDS, ids=[f"{f} {v}" for f, v, _ in WRONG_FIELDS])
def test_a_field_that_does_not_decode_is_named(clock: VirtualClock, field: str, value: Any, why: str) -> None:
    queue: Queue[Any] = Queue("typed", body=Order, clock=clock)
    queue.send(ORDER)
    fields = queue.receive()[0].json()
    put_text(queue, json.dumps(fields | {field: value}))

    with pytest.raises(BodyNotDecoded, match=why):
        queue.receive()[0].body  # noqa: B018


def test_fields_that_the_type_does_not_know_are_left_out(clock: VirtualClock) -> None:
    queue: Queue[Any] = Queue("typed", body=Parcel, clock=clock)
    put_text(queue, '{"weight": 1, "added": "by a newer sender", "computed": 9}')

    assert queue.receive()[0].body == Parcel(1.0)


def put_text(queue: Queue[Any], *texts: str) -> None:
    """Any text into a typed queue, as a dead letter or a redrive of an untyped queue brings it."""
    source = Queue("untyped", clock=queue.clock)
    source.send_batch(texts)
    assert source.redrive(queue).moved == len(texts)


@pytest.mark.parametrize("most", [1, 10])
def test_with_a_dead_letter_queue_a_body_that_does_not_decode_goes_there_with_the_reason(
    broker: Broker, clock: VirtualClock, ledger: Ledger, most: int
) -> None:
    dead = broker.queue("dead")
    typed = broker.queue("typed", body=Parcel, dead_letter=dead)
    put_text(typed, "not json", '{"weight": 1}')

    messages = [message for _ in range(2) for message in typed.receive(max_messages=most)]

    assert [message.body for message in messages] == [Parcel(1.0)]
    [letter] = dead.receive()
    assert (letter.body, letter.source, letter.receive_count) == ("not json", typed, 2)
    assert letter.failure is not None
    assert (letter.failure.error, letter.failure.attempts) == ("BodyNotDecoded", 1)
    assert "is not Parcel: JSONDecodeError" in letter.failure.text
    assert typed.receive() == []


def test_a_wait_goes_on_when_only_bodies_that_do_not_decode_came(clock: VirtualClock) -> None:
    dead = Queue("dead", clock=clock)
    typed: Queue[Any] = Queue("typed", body=Parcel, dead_letter=dead, delay=3, clock=clock)
    put_text(typed, "not json")
    typed.send(Parcel(1.0))

    [message] = typed.receive(wait=20)

    assert message.body == Parcel(1.0)
    assert clock.time == datetime(2026, 1, 1, 0, 0, 3, tzinfo=UTC)


def test_dead_letters_move_as_text_into_a_queue_of_another_type(clock: VirtualClock) -> None:
    last = Queue("last", clock=clock)
    dead: Queue[Any] = Queue("dead", body=Line, dead_letter=last, clock=clock)
    typed: Queue[Any] = Queue("typed", body=Parcel, dead_letter=dead, clock=clock)
    typed.send(Parcel(1.0))
    typed.receive()[0].reject("no")

    assert dead.receive() == []

    [letter] = last.receive()
    assert json.loads(letter.text)["weight"] == 1.0
    assert letter.failure is not None
    assert "is not Line" in letter.failure.text


def test_a_body_that_does_not_decode_stays_in_flight_when_its_target_is_closed(clock: VirtualClock) -> None:
    dead = Queue("dead", clock=clock)
    typed: Queue[Any] = Queue("typed", body=Parcel, dead_letter=dead, clock=clock)
    put_text(typed, "not json")
    dead.close()

    assert typed.receive() == []

    assert (typed.stats().in_flight, typed.stats().refused) == (1, 1)


def test_the_size_of_a_typed_body_is_that_of_its_text(clock: VirtualClock) -> None:
    text = '{"weight": 1.0, "lines": [], "computed": 3, "tag": "é"}'
    queue: Queue[Any] = Queue("typed", body=Parcel, max_message_size=len(text.encode()), clock=clock)

    queue.send(Parcel(1.0, tag="é"))

    assert queue.receive()[0].text == text
