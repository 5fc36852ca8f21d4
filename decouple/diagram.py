"""The architecture as a picture: Mermaid text, and a file drawn by Graphviz. Both come from a description alone.

A queue is a box, a topic a hexagon, a handler a box with marked sides, any other target round. An arrow with a full line is
a subscription, with its filter; one with a dotted line is the way of dead letters. Ids are made of the names, so a queue
more or less leaves the other lines of the text as they are; a label may hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple

from decouple.errors import NotInstalled

__all__ = ["Diagram", "draw", "mermaid"]

PICTURES = (".svg", ".png")
EXTRA = "pip install 'decouple-messaging[diagram]'"
PROGRAM = "install the package graphviz of your system (apt-get, dnf, brew or choco install graphviz)"

# What Mermaid would read as markup: a mark, or an underscore that is not inside a word (_so_ is slanted).
MARKUP = re.compile(r"[^\w .,:()/+=@-]|(?<![^\W_])_|_(?![^\W_])")


class Shape(NamedTuple):
    """How a kind of node is drawn: in Mermaid by the marks around its label, in Graphviz by a word."""

    begin: str
    end: str
    word: str


SHAPES = {
    "queue": Shape("[", "]", "box"),
    "topic": Shape("{{", "}}", "hexagon"),
    "handler": Shape("[[", "]]", "component"),
    "function": Shape("[[", "]]", "component"),
}
ENDPOINT = Shape("(", ")", "ellipse")
LONGEST_FILTER = 60


class Node(NamedTuple):
    """Something with a name. `dead`: it is where dead letters go."""

    id: str
    label: str
    shape: Shape
    dead: bool


class Edge(NamedTuple):
    """A way that messages take, or dead letters."""

    source: str
    target: str
    label: str
    dead: bool


class Graph(NamedTuple):
    """Everything in order."""

    nodes: list[Node]
    edges: list[Edge]


def graph_of(description: Mapping[str, Any]) -> Graph:
    """What is to be drawn of a description, as `Broker.describe` gives it."""
    queues: Mapping[str, Mapping[str, Any]] = description["queues"]
    topics: Mapping[str, Mapping[str, Any]] = description.get("topics", {})
    subscriptions = [(name, one) for name, entry in sorted(topics.items()) for one in entry["subscriptions"]]
    dead = {entry["dead_letter"] for entry in (*queues.values(), *(one for _, one in subscriptions))}
    others = {target_of(one) for _, one in subscriptions}
    names = [("queue", name) for name in sorted(queues)] + [("topic", name) for name in sorted(topics)]
    names += sorted(others - {*names})
    return Graph(
        [node(kind, name, dead=kind == "queue" and name in dead) for kind, name in names],
        [
            Edge(id_of("queue", name), id_of("queue", entry["dead_letter"]), after(entry["max_receives"]), True)
            for name, entry in sorted(queues.items())
            if entry["dead_letter"] is not None
        ]
        + [edge for name, one in subscriptions for edge in edges_of(name, one)],
    )


def node(kind: str, name: str, *, dead: bool) -> Node:
    return Node(id_of(kind, name), name, SHAPES.get(kind, ENDPOINT), dead)


def target_of(subscription: Mapping[str, Any]) -> tuple[str, str]:
    """The kind and the name of what it delivers to, which come first in its description."""
    [(kind, name), *_] = subscription["target"].items()
    return kind, name


def edges_of(topic: str, subscription: Mapping[str, Any]) -> Iterator[Edge]:
    """A subscription, and where it ends what it cannot deliver."""
    target = id_of(*target_of(subscription))
    words = [] if subscription["filter"] is None else [in_short(subscription["filter"])]
    words += [] if subscription.get("confirmed", True) else ["not confirmed"]
    yield Edge(id_of("topic", topic), target, ", ".join(words), False)
    if subscription["dead_letter"] is not None:
        yield Edge(target, id_of("queue", subscription["dead_letter"]), f"undelivered from {topic}", True)


def in_short(policy: Mapping[str, Any]) -> str:
    """A filter policy as one reads it, cut where it is long: type: created | {"prefix": "re"}; price: ..."""
    text = "; ".join(f"{key}: {' | '.join(map(value_of, listed(wanted)))}" for key, wanted in policy.items())
    return text if len(text) <= LONGEST_FILTER else f"{text[: LONGEST_FILTER - 3]}..."


def listed(wanted: Any) -> list[Any]:
    return wanted if isinstance(wanted, list) else [wanted]  # pyright: ignore[reportUnknownVariableType]


def value_of(value: Any) -> str:
    """Text as it is, and everything else as JSON."""
    from json import dumps

    return value if isinstance(value, str) else dumps(value, ensure_ascii=False)


def after(max_receives: int | None) -> str:
    """When a message takes this way."""
    if max_receives is None:
        return "when rejected"
    return f"after {max_receives} receive{'s' if max_receives > 1 else ''}"


def id_of(kind: str, name: str) -> str:
    """An id of letters, digits and underscores that no other name has; the kind in front keeps it from being a keyword."""
    return f"{kind}_" + re.sub(r"[^A-Za-z0-9]", lambda mark: "__" if mark[0] == "_" else f"_{ord(mark[0]):x}_", name)


# -- Mermaid -------------------------------------------------------------------------------------------------------


class Diagram(str):
    """The graph as text that Mermaid draws; where a notebook shows it, a picture, by Graphviz if that is installed."""

    graph: Graph | None = None

    def _repr_markdown_(self) -> str:
        return f"```mermaid\n{self}```\n"

    def _repr_svg_(self) -> str | None:
        try:
            return None if self.graph is None else picture_of(self.graph, ".svg").decode()
        except NotInstalled:
            return None  # the text says it all


def mermaid(description: Mapping[str, Any]) -> Diagram:
    """The graph as text that Mermaid draws (https://mermaid.js.org/syntax/flowchart.html)."""
    graph = graph_of(description)
    lines = ["flowchart LR"]
    lines += [f"    {one.id}{one.shape.begin}{quoted(one.label)}{one.shape.end}" for one in graph.nodes]
    lines += [f"    {edge.source} {arrow(edge)} {edge.target}" for edge in graph.edges]
    dead = [one.id for one in graph.nodes if one.dead]
    if dead:
        lines += ["    classDef dead stroke-dasharray: 5 5", f"    class {','.join(dead)} dead"]
    diagram = Diagram("\n".join(lines) + "\n")
    diagram.graph = graph
    return diagram


def arrow(edge: Edge) -> str:
    line = "-.->" if edge.dead else "-->"
    return f"{line}|{quoted(edge.label)}|" if edge.label else line


def quoted(label: str) -> str:
    """A label that stands for itself: what means something to Mermaid is written as its number."""
    return '"' + MARKUP.sub(lambda mark: f"#{ord(mark[0])};", label) + '"'


# -- a picture -----------------------------------------------------------------------------------------------------


def draw(description: Mapping[str, Any], path: str | PathLike[str]) -> None:
    """Write the graph to `path` as the picture its suffix names. Raises ValueError, NotInstalled."""
    suffix = Path(path).suffix.lower()
    if suffix not in PICTURES:
        raise ValueError(f"path must end in {' or '.join(PICTURES)}, not {fspath(path)!r}; the text needs no path")
    Path(path).write_bytes(picture_of(graph_of(description), suffix))


def picture_of(graph: Graph, suffix: str) -> bytes:
    """The graph as a picture of the kind with that suffix. Raises NotInstalled."""
    try:
        graphviz: Any = import_module("graphviz")
    except ModuleNotFoundError:
        raise NotInstalled("the Python package graphviz", purpose=f"a diagram as {suffix}", install=EXTRA) from None
    dot = graphviz.Digraph(graph_attr={"rankdir": "LR"}, node_attr={"fontname": "sans-serif"})
    dot.attr("edge", fontname="sans-serif", fontsize="10")
    for one in graph.nodes:
        dot.node(one.id, graphviz.escape(one.label), shape=one.shape.word, style="dashed" if one.dead else "solid")
    for edge in graph.edges:
        style = "dashed" if edge.dead else "solid"
        dot.edge(edge.source, edge.target, graphviz.escape(edge.label), style=style)
    try:
        picture: bytes = dot.pipe(format=suffix.removeprefix("."))
    except graphviz.ExecutableNotFound:
        raise NotInstalled("Graphviz's program dot", purpose=f"a diagram as {suffix}", install=PROGRAM) from None
    return picture
