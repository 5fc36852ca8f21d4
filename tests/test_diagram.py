"""The picture: Mermaid text that parses whatever the names are, and files drawn by Graphviz where it is installed."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decouple import Broker, Email, Notification, NotInstalled, Queue, QueueError
from decouple.diagram import id_of, mermaid
from decouple.testing import VirtualClock

# What is used of Mermaid's grammar (https://mermaid.js.org/syntax/flowchart.html), line by line. A label in quotes holds no
# quote and no markup of its own; #34; is an entity.
ID = r"[A-Za-z][A-Za-z0-9_]*"
LABEL = r'"(?:[\w .,:()/+=@-]|#\d+;)+"'
NODE = re.compile(rf"    ({ID})(\[|\[\[|\{{\{{|\()({LABEL})(\]|\]\]|\}}\}}|\))")
EDGE = re.compile(rf"    ({ID}) -\.->\|({LABEL})\| ({ID})")
WAY = re.compile(rf"    ({ID}) -->(?:\|({LABEL})\|)? ({ID})")
CLASS = re.compile(rf"    class ({ID}(?:,{ID})*) dead")

SHOP = """\
flowchart LR
    queue_bills["bills"]
    queue_dead["dead"]
    queue_orders["orders"]
    queue_orders_2d_eu["orders-eu"]
    queue_bills -.->|"when rejected"| queue_dead
    queue_orders -.->|"after 3 receives"| queue_dead
    queue_orders_2d_eu -.->|"after 1 receive"| queue_dead
    classDef dead stroke-dasharray: 5 5
    class queue_dead dead
"""


@pytest.fixture
def shop(broker: Broker) -> Broker:
    """Three queues that share a dead-letter queue."""
    dead = broker.queue("dead")
    broker.queue("orders", dead_letter=dead, max_receives=3, tags={"team": "shop"})
    broker.queue("orders-eu", dead_letter=dead, max_receives=1)
    broker.queue("bills", dead_letter=dead)
    return broker


def read(text: str) -> tuple[dict[str, str], list[tuple[str, str, str]], set[str]]:
    """Nodes by id, edges and dead-letter queues of a text, with labels as a reader sees them; every line must parse.

    A subscription is an edge whose label begins with ">".
    """
    first, *lines = text.splitlines()
    assert first == "flowchart LR"
    nodes: dict[str, str] = {}
    edges: list[tuple[str, str, str]] = []
    dead: set[str] = set()
    for line in lines:
        if match := NODE.fullmatch(line):
            assert match[1] not in nodes
            assert (match[2], match[4]) in [("[", "]"), ("[[", "]]"), ("{{", "}}"), ("(", ")")]
            nodes[match[1]] = shown(match[3])
        elif match := EDGE.fullmatch(line):
            edges.append((match[1], shown(match[2]), match[3]))
        elif match := WAY.fullmatch(line):
            edges.append((match[1], f">{shown(match[2]) if match[2] else ''}", match[3]))
        elif match := CLASS.fullmatch(line):
            dead |= set(match[1].split(","))
        else:
            assert line == "    classDef dead stroke-dasharray: 5 5"
    return nodes, edges, dead


def shown(label: str) -> str:
    return re.sub(r"#(\d+);", lambda entity: chr(int(entity[1])), label[1:-1])


def test_queues_are_boxes_and_dead_letters_take_dotted_arrows_that_say_when(shop: Broker) -> None:
    assert shop.diagram() == SHOP


def test_the_text_does_not_depend_on_the_order_of_declaration(shop: Broker, clock: VirtualClock) -> None:
    other = Broker.from_description(dict(shop.describe()), clock=clock)

    assert list(other.queues) != list(shop.queues)
    assert other.diagram() == shop.diagram()


def test_another_queue_adds_lines_and_changes_none(shop: Broker) -> None:
    before = shop.diagram().splitlines()

    shop.queue("a-first-one")

    assert [line for line in shop.diagram().splitlines() if "first" not in line] == before


def test_a_broker_without_queues_is_an_empty_picture(broker: Broker) -> None:
    assert broker.diagram() == "flowchart LR\n"


def test_a_dead_letter_queue_of_nobodys_cannot_be_drawn(broker: Broker, clock: VirtualClock) -> None:
    broker.queue("orders", dead_letter=Queue("dead", clock=clock))

    with pytest.raises(QueueError, match="not this broker's"):
        broker.diagram()


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(
    st.dictionaries(
        NAMES | st.sampled_from(["end", "graph", "a_", "_a", "a_5f_", "o-x"]), st.integers(0, 3), max_size=6
    )
)
def test_any_names_give_a_text_that_parses_to_the_same_graph(queues: dict[str, int]) -> None:
    """Queues are named by AWS's rules; handlers and endpoints are less tame."""
    names = sorted(queues)
    entries: dict[str, Any] = {
        name: {"dead_letter": names[step] if step < len(names) else None, "max_receives": step or None}
        for name, step in queues.items()
    }

    nodes, edges, dead = read(mermaid({"queues": entries}))

    assert sorted(nodes.values()) == names
    assert sorted((nodes[source], nodes[target]) for source, _, target in edges) == sorted(
        (name, entry["dead_letter"]) for name, entry in entries.items() if entry["dead_letter"] is not None
    )
    assert {nodes[one] for one in dead} == {entry["dead_letter"] for entry in entries.values()} - {None}


@given(NAMES, NAMES)
def test_two_names_have_two_ids(one: str, other: str) -> None:
    assert (id_of("queue", one) == id_of("queue", other)) == (one == other)


# -- topics ----------------------------------------------------------------------------------------------------

EVENTS = """\
flowchart LR
    queue_bills["bills"]
    queue_dead["dead"]
    topic_alarms{{"alarms"}}
    topic_events{{"events"}}
    email_a_40_example_2e_com("a@example.com")
    handler_shop_3a_Audit[["shop:Audit"]]
    topic_alarms --> handler_shop_3a_Audit
    topic_events -->|"not confirmed"| email_a_40_example_2e_com
    topic_events --> handler_shop_3a_Audit
    handler_shop_3a_Audit -.->|"undelivered from events"| queue_dead
    topic_events -->|"price: #123;#34;numeric#34;: #91;#34;#62;=#34;, 100#93;#125;#59; type: paid #124; null"| queue_bills
    classDef dead stroke-dasharray: 5 5
    class queue_dead dead
"""


class Audit:
    """A handler."""

    def deliver(self, notification: Notification) -> None: ...


Audit.__module__ = "shop"


@pytest.fixture
def events(broker: Broker) -> Broker:
    """Two topics that share a handler."""
    topic, audit = broker.topic("events"), Audit()
    topic.subscribe(broker.queue("bills"), filter={"type": ["paid", None], "price": [{"numeric": [">=", 100]}]})
    topic.subscribe(audit, dead_letter=broker.queue("dead"))
    topic.subscribe(Email("a@example.com"))
    broker.topic("alarms").subscribe(audit)
    return broker


def test_topics_are_hexagons_and_subscriptions_arrows_with_their_filters(events: Broker) -> None:
    assert events.diagram() == EVENTS
    read(EVENTS)


def test_a_long_filter_is_cut(broker: Broker) -> None:
    broker.topic("events").subscribe(broker.queue("q"), filter={"type": ["x" * 70]})

    [(_, label, _)] = read(broker.diagram())[1]

    assert label == f">type: {'x' * 51}..."


def test_a_nested_filter_is_shown_as_json(broker: Broker) -> None:
    policy = {"order": {"type": ["paid"]}, "$or": [{"a": [1]}, {"b": [2]}]}
    broker.topic("events").subscribe(broker.queue("q"), filter=policy, filter_scope="body")

    [(_, label, _)] = read(broker.diagram())[1]

    assert label == '>$or: {"a": [1]} | {"b": [2]}; order: {"type": ["paid"]}'


@given(NAMES, NAMES, NAMES)
def test_any_words_of_targets_and_filters_give_a_text_that_parses(topic: str, word: str, wanted: str) -> None:
    subscription = {"target": {"handler": word}, "filter": {wanted: [wanted]}, "dead_letter": None}

    nodes, edges, _ = read(mermaid({"queues": {}, "topics": {topic: {"subscriptions": [subscription]}}}))

    assert list(nodes.values()) == [topic, word]
    [(source, label, target)] = edges
    assert (nodes[source], label, nodes[target]) == (topic, f">{wanted}: {wanted}", word)


# -- a file ----------------------------------------------------------------------------------------------------


def drawing() -> None:
    """Skip where pictures cannot be drawn."""
    pytest.importorskip("graphviz", reason="the extra `diagram` is not installed")
    if shutil.which("dot") is None:
        pytest.skip("Graphviz's program dot is not on PATH")


def test_an_svg_shows_every_queue_and_every_way_of_dead_letters(shop: Broker, tmp_path: Path) -> None:
    drawing()

    text = shop.diagram(tmp_path / "shop.svg")

    root = ElementTree.parse(tmp_path / "shop.svg").getroot()
    groups = {
        (group.get("class"), group.findtext("{*}title")): [words.text for words in group.findall(".//{*}text")]
        for group in root.findall(".//{*}g")
    }
    assert text == SHOP
    assert {key: words for key, words in groups.items() if key[0] != "graph"} == {
        ("node", "queue_bills"): ["bills"],
        ("node", "queue_dead"): ["dead"],
        ("node", "queue_orders"): ["orders"],
        ("node", "queue_orders_2d_eu"): ["orders-eu"],
        ("edge", "queue_bills->queue_dead"): ["when rejected"],
        ("edge", "queue_orders->queue_dead"): ["after 3 receives"],
        ("edge", "queue_orders_2d_eu->queue_dead"): ["after 1 receive"],
    }


def test_an_svg_shows_topics_and_subscriptions_too(events: Broker, tmp_path: Path) -> None:
    drawing()

    events.diagram(tmp_path / "events.svg")

    titles = {
        group.findtext("{*}title")
        for group in ElementTree.parse(tmp_path / "events.svg").getroot().findall(".//{*}g")
        if group.get("class") != "graph"
    }
    assert titles == {
        *("queue_bills", "queue_dead", "topic_alarms", "topic_events", "email_a_40_example_2e_com"),
        *("handler_shop_3a_Audit", "topic_alarms->handler_shop_3a_Audit", "topic_events->handler_shop_3a_Audit"),
        *("topic_events->email_a_40_example_2e_com", "topic_events->queue_bills", "handler_shop_3a_Audit->queue_dead"),
    }


def test_a_png_is_a_picture_too(shop: Broker, tmp_path: Path) -> None:
    drawing()

    shop.diagram(str(tmp_path / "shop.PNG"))

    assert (tmp_path / "shop.PNG").read_bytes().startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize("path", ["shop", "shop.pdf", "svg", ".svg"])
def test_only_svg_and_png_files_are_drawn(shop: Broker, path: str) -> None:
    with pytest.raises(ValueError, match=r"path must end in \.svg or \.png"):
        shop.diagram(path)


def test_without_the_package_one_sentence_names_the_extra(
    shop: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "graphviz", None)

    with pytest.raises(NotInstalled, match=r"pip install 'decouple-messaging\[diagram\]'$") as caught:
        shop.diagram(tmp_path / "shop.svg")

    assert caught.value.wanted == "the Python package graphviz"
    assert list(tmp_path.iterdir()) == []


def test_without_the_program_one_sentence_names_the_systems_package(
    shop: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("graphviz", reason="the extra `diagram` is not installed")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NotInstalled, match="install the package graphviz of your system") as caught:
        shop.diagram(tmp_path / "shop.svg")

    assert caught.value.wanted == "Graphviz's program dot"
    assert list(tmp_path.iterdir()) == []


def test_the_text_needs_neither(shop: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "graphviz", None)

    assert shop.diagram() == SHOP
