"""The architecture as a document: complete, the same for equal brokers, and enough to build one again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decouple import Broker, Change, DecoupleError, InvalidDescription, LargeBodies, Queue, QueueError
from decouple.settings import QueueSettings
from decouple.testing import VirtualClock


@dataclasses.dataclass
class Order:
    id: int


class Line(TypedDict):
    sku: str


PLAIN = {
    "fifo": False,
    "visibility_timeout": 30,
    "delay": 0,
    "retention": 345_600,
    "wait": 0,
    "max_message_size": 1_048_576,
    "dead_letter": None,
    "max_receives": None,
    "max_in_flight": 120_000,
    "redrive_allow": "all",
    "large_bodies": None,
    "body": "str",
    "tags": {},
    "policy": None,
}


def test_a_description_holds_every_setting_in_seconds_and_others_by_name(broker: Broker) -> None:
    dead = broker.queue("orders-dead")
    broker.queue("orders", delay=1.5, dead_letter=dead, max_receives=3, body=Order, tags={"b": "2", "a": "1"})

    assert broker.describe() == {
        "version": 1,
        "queues": {
            "orders": PLAIN
            | {
                "delay": 1.5,
                "dead_letter": "orders-dead",
                "max_receives": 3,
                "body": "Order",
                "tags": {"a": "1", "b": "2"},
            },
            "orders-dead": PLAIN,
        },
    }


def test_every_setting_of_a_queue_is_in_its_description(broker: Broker) -> None:
    broker.queue("orders.fifo")

    entry = broker.describe()["queues"]["orders.fifo"]

    assert set(QueueSettings.__annotations__) | {"fifo", "body", "tags", "policy"} == set(entry)


def test_the_text_of_a_description_does_not_depend_on_the_order_of_declaration(clock: VirtualClock) -> None:
    one, other = Broker(clock=clock), Broker(clock=clock)
    one.queue("a", tags={"x": "1", "y": "2"}), one.queue("b")
    other.queue("b"), other.queue("a", tags={"y": "2", "x": "1"})

    assert json.dumps(one.describe()) == json.dumps(other.describe())


def test_a_description_is_of_the_settings_and_tags_as_they_are_now(broker: Broker) -> None:
    orders = broker.queue("orders")
    before = broker.describe()
    orders.configure(delay=7)
    orders.tag(team="shop")

    assert before["queues"]["orders"] == PLAIN
    assert broker.describe()["queues"]["orders"] == PLAIN | {"delay": 7, "tags": {"team": "shop"}}


def test_a_dead_letter_queue_of_nobodys_cannot_be_described(broker: Broker, clock: VirtualClock) -> None:
    broker.queue("dead")
    broker.queue("orders", dead_letter=Queue("dead", clock=clock))

    with pytest.raises(QueueError, match="dead-letter queue 'dead' that is not this broker's") as caught:
        broker.describe()

    assert caught.value.queue == "orders"


def test_a_broker_without_queues_has_a_description_too(clock: VirtualClock) -> None:
    empty = Broker(clock=clock).describe()

    assert empty == {"version": 1, "queues": {}}
    assert dict(Broker.from_description(empty).queues) == {}


# -- back again ------------------------------------------------------------------------------------------------


def short(**settings: Any) -> dict[str, Any]:
    """A description of one queue, as somebody writes it by hand."""
    return {"version": 1, "queues": {"orders": settings}}


def test_what_is_left_out_has_its_default(clock: VirtualClock) -> None:
    broker = Broker.from_description(short(delay=5), clock=clock)

    assert broker.describe()["queues"]["orders"] == PLAIN | {"delay": 5}
    assert broker.clock is broker.queues["orders"].clock is clock


def test_json_text_is_a_description_as_well(clock: VirtualClock) -> None:
    text = '{"version": 1, "queues": {"orders": {"dead_letter": "dead", "max_receives": 2}, "dead": {}}}'

    broker = Broker.from_description(text, clock=clock)

    assert broker.queues["orders"].dead_letter is broker.queues["dead"]


@pytest.mark.parametrize("names", ["abc", "acb", "bac", "bca", "cab", "cba"])
def test_dead_letter_queues_may_stand_in_any_order(clock: VirtualClock, names: str) -> None:
    entries = {"a": {"dead_letter": "b"}, "b": {"dead_letter": "c", "max_receives": 3}, "c": {}}

    queues = Broker.from_description({"version": 1, "queues": {n: entries[n] for n in names}}, clock=clock).queues

    assert (queues["a"].dead_letter, queues["b"].dead_letter) == (queues["b"], queues["c"])


def test_typed_queues_get_their_types_and_work(clock: VirtualClock) -> None:
    first = Broker(clock=clock)
    first.queue("orders", body=Order), first.queue("lines", body=Line), first.queue("notes")

    again = Broker.from_description(first.describe(), types={"orders": Order, "lines": Line}, clock=clock)

    again.queues["orders"].send(Order(7))
    assert again.queues["orders"].receive()[0].body == Order(7)
    assert again.queues["lines"].body_type is Line
    assert again.describe() == first.describe()


def test_observers_are_told_what_happens_and_not_of_the_building(clock: VirtualClock) -> None:
    seen: list[Change] = []
    description = {"version": 1, "queues": {"orders": {"dead_letter": "dead", "tags": {"a": "b"}}, "dead": {}}}

    broker = Broker.from_description(description, clock=clock, observers=[seen.append])
    assert seen == []
    broker.queues["orders"].send("x")

    assert [change.cause for change in seen] == ["sent"]


ORDERS = "queues.orders"
WRONG: list[tuple[Any, str, str]] = [
    ("{", "", "not JSON: .* line 1 column 2"),
    ("[" * 100_000, "", "nested too deep|not JSON"),
    ('{"version": 1, "queues": {"orders": {"delay": 1, "delay": 2}}}', "", "'delay' is there twice"),
    ("[]", "", "must be an object"),
    ([], "", "must be an object"),
    (b"{}", "", "must be an object"),
    (None, "", "must be an object"),
    ({}, "version", "it is None, and this release reads 1"),
    ({"version": 2}, "version", "it is 2"),
    ({"version": True}, "version", "it is True"),
    ({"version": 1, "colour": {}}, "colour", "not known here"),
    ({"version": 1, "queues": []}, "queues", "must be an object"),
    ({"version": 1, "queues": {"orders": 7}}, ORDERS, "must be an object"),
    ({"version": 1, "queues": {"a b": {}}}, "queues.a b", "cannot name a queue"),
    ({"version": 1, "queues": {7: {}}}, "queues.7", "cannot name a queue"),
    (short(colour="red"), f"{ORDERS}.colour", "known are fifo, visibility_timeout, delay"),
    (short(clock=None), f"{ORDERS}.clock", "not known here"),
    (short(delay=3, retention=5), f"{ORDERS}.retention", "retention must be from 60"),
    (short(retention="60"), f"{ORDERS}.retention", "retention must be seconds"),
    (short(visibility_timeout=float("nan")), f"{ORDERS}.visibility_timeout", "finite"),
    (short(delay=None), f"{ORDERS}.delay", "delay must be seconds"),
    (short(max_in_flight=1.5), f"{ORDERS}.max_in_flight", "must be an int"),
    (short(max_receives=3), f"{ORDERS}.max_receives", "needs a dead_letter queue"),
    (short(tags={"aws:x": "y"}), f"{ORDERS}.tags", "AWS's own"),
    (short(tags=["x"]), f"{ORDERS}.tags", "must be a mapping"),
    (short(dead_letter="dead"), f"{ORDERS}.dead_letter", "no queue 'dead'"),
    (short(dead_letter=["orders"]), f"{ORDERS}.dead_letter", "no queue"),
    (short(dead_letter="orders"), f"{ORDERS}.dead_letter", "cycle: orders -> orders"),
    (
        {"version": 1, "queues": {"z": {"dead_letter": "a"}, "a": {"dead_letter": "b"}, "b": {"dead_letter": "a"}}},
        "queues.b.dead_letter",
        "cycle: a -> b -> a",
    ),
    (short(body="Order"), f"{ORDERS}.body", "bodies are 'Order' and no type was given .* pass types="),
    (short(body=None), f"{ORDERS}.body", "bodies are None"),
]


@pytest.mark.parametrize(("description", "path", "words"), WRONG)
def test_a_wrong_description_is_one_error_that_names_the_place(description: Any, path: str, words: str) -> None:
    with pytest.raises(InvalidDescription, match=words) as caught:
        Broker.from_description(description)

    assert caught.value.path == path
    assert str(caught.value).startswith(f"the description is wrong{path and f' at {path}'}: ")
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, DecoupleError)


@pytest.mark.parametrize(
    ("body", "types", "path"),
    [
        ("Order", {"orders": Line}, f"{ORDERS}.body"),
        ("Order", {"orders": "Order"}, f"{ORDERS}.body"),
        ("str", {"orders": Order}, f"{ORDERS}.body"),
        ("int", {"orders": int}, f"{ORDERS}.body"),
        ("Order", {"orders": Order, "bills": Order}, "queues.bills"),
    ],
)
def test_types_that_do_not_fit_the_description_are_refused(body: str, types: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidDescription) as caught:
        Broker.from_description(short(body=body), types=types)

    assert caught.value.path == path


def test_a_chain_of_dead_letter_queues_may_be_longer_than_the_stack() -> None:
    length = 1_500
    entries = {f"q{n}": {"dead_letter": f"q{n + 1}"} for n in range(length)} | {f"q{length}": {}}

    assert len(Broker.from_description({"version": 1, "queues": entries}).queues) == length + 1


# -- whatever it is --------------------------------------------------------------------------------------------

SECONDS = st.integers(0, 900) | st.floats(0, 900)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "visibility_timeout": SECONDS | st.floats(0, 43_200),
        "delay": SECONDS,
        "retention": st.integers(60, 1_209_600) | st.floats(60, 1_209_600),
        "wait": st.floats(0, 1_000_000),
        "max_message_size": st.integers(1, 10**9),
        "max_in_flight": st.integers(1, 10**9),
        "body": st.sampled_from([str, Order, Line]),
        "tags": st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10).filter(
                lambda key: not key.lower().startswith("aws:")
            ),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
            max_size=5,
        ),
    },
)
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)


@st.composite
def brokers(draw: st.DrawFn) -> Broker:
    """A broker with queues of any settings; dead letters go to some queue declared before."""
    broker = Broker(clock=VirtualClock())
    for name in draw(st.lists(NAMES, unique=True, max_size=6)):
        settings = draw(SETTINGS)
        target = draw(st.sampled_from([None, *broker.queues.values()]))
        if target is not None:
            settings |= {"dead_letter": target, "max_receives": draw(st.none() | st.integers(1, 1_000))}
        broker.queue(name, **settings)
    return broker


@given(brokers())
def test_a_broker_made_from_a_description_has_that_description(broker: Broker) -> None:
    description = broker.describe()
    types = {name: queue.body_type for name, queue in broker.queues.items()}

    again = Broker.from_description(description, types=types)
    by_text = Broker.from_description(json.dumps(description, allow_nan=False), types=types)

    assert again.describe() == by_text.describe() == description
    assert {name: queue._core.settings._replace(dead_letter=None) for name, queue in again.queues.items()} == {
        name: queue._core.settings._replace(dead_letter=None) for name, queue in broker.queues.items()
    }


def test_fifo_queues_policies_and_folders_of_large_bodies_are_described_too(
    clock: VirtualClock, tmp_path: Path
) -> None:
    broker = Broker(clock=clock)
    entries = broker.queue("entries", fifo=True, max_receives=3, on_poison="park", large_bodies=LargeBodies(tmp_path))
    entries.grant("readers", "111122223333", ["ReceiveMessage"])
    described = broker.describe()

    again = Broker.from_description(json.dumps(described), clock=clock)

    assert again.describe() == described
    assert again.queues["entries"].fifo
    assert again.queues["entries"].as_principal("111122223333").may("ReceiveMessage")


def test_a_wrong_policy_is_named_by_its_path(clock: VirtualClock) -> None:
    with pytest.raises(InvalidDescription, match=r"wrong at queues\.orders\.policy: ") as caught:
        Broker.from_description(short(policy={"Statement": 7}), clock=clock)

    assert caught.value.path == "queues.orders.policy"


def test_a_store_of_ones_own_cannot_be_described(clock: VirtualClock) -> None:
    class Store:
        put = get = delete = print

    broker = Broker(clock=clock)
    broker.queue("orders", large_bodies=LargeBodies(Store()))

    with pytest.raises(TypeError, match=r"orders\.large_bodies is a store of its own making"):
        broker.describe()


@pytest.mark.parametrize("allowed", ["none", ["bills"]])
def test_a_dead_letter_queue_that_allows_no_more_queues_is_described_with_those_it_has(
    broker: Broker, clock: VirtualClock, allowed: Any
) -> None:
    """SQS: the redrive allow policy is asked when a queue begins to use it, not afterwards."""
    dead = broker.queue("dead")
    broker.queue("orders", dead_letter=dead, max_receives=3)
    dead.configure(redrive_allow=allowed)

    again = Broker.from_description(broker.describe(), clock=clock)

    assert again.describe() == broker.describe()
    with pytest.raises(ValueError, match="may not have 'dead'"):
        again.queue("late", dead_letter=again.queues["dead"], max_receives=3)


def test_a_wrong_redrive_allow_is_named() -> None:
    with pytest.raises(InvalidDescription, match=r"queues\.dead\.redrive_allow: redrive_allow must be 'all'"):
        Broker.from_description({"version": 1, "queues": {"dead": {"redrive_allow": "some"}}})
