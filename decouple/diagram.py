"""The architecture as a picture: Mermaid text, and a file drawn by Graphviz. Both come from a description alone.

An arrow with a dotted line is the way of dead letters. Ids are made of the names, so a queue more or less leaves the other
lines of the text as they are; a label may hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple

from decouple.errors import NotInstalled

__all__ = ["draw", "mermaid"]

PICTURES = (".svg", ".png")
EXTRA = "pip install 'decouple-messaging[diagram]'"
PROGRAM = "install the package graphviz of your system (apt-get, dnf, brew or choco install graphviz)"

# What Mermaid would read as markup: a mark, or an underscore that is not inside a word (_so_ is slanted).
MARKUP = re.compile(r"[^\w .,:()/+=@-]|(?<![^\W_])_|_(?![^\W_])")


class Node(NamedTuple):
    """Something with a name. `dead`: it is where dead letters go."""

    id: str
    label: str
    dead: bool


class Edge(NamedTuple):
    """A way that dead letters take."""

    source: str
    target: str
    label: str


class Graph(NamedTuple):
    """Everything in order. Topics and functions will be nodes of other shapes, subscriptions edges with a full line."""

    nodes: list[Node]
    edges: list[Edge]


def graph_of(description: Mapping[str, Any]) -> Graph:
    """What is to be drawn of a description, as `Broker.describe` gives it."""
    queues: Mapping[str, Mapping[str, Any]] = description["queues"]
    dead = {entry["dead_letter"] for entry in queues.values()}
    return Graph(
        [Node(id_of("queue", name), name, name in dead) for name in sorted(queues)],
        [
            Edge(id_of("queue", name), id_of("queue", entry["dead_letter"]), after(entry["max_receives"]))
            for name, entry in sorted(queues.items())
            if entry["dead_letter"] is not None
        ],
    )


def after(max_receives: int | None) -> str:
    """When a message takes this way."""
    if max_receives is None:
        return "when rejected"
    return f"after {max_receives} receive{'s' if max_receives > 1 else ''}"


def id_of(kind: str, name: str) -> str:
    """An id of letters, digits and underscores that no other name has; the kind in front keeps it from being a keyword."""
    return f"{kind}_" + re.sub(r"[^A-Za-z0-9]", lambda mark: "__" if mark[0] == "_" else f"_{ord(mark[0]):x}_", name)


# -- Mermaid -------------------------------------------------------------------------------------------------------


def mermaid(description: Mapping[str, Any]) -> str:
    """The graph as text that Mermaid draws (https://mermaid.js.org/syntax/flowchart.html)."""
    graph = graph_of(description)
    lines = ["flowchart LR"]
    lines += [f"    {node.id}[{quoted(node.label)}]" for node in graph.nodes]
    lines += [f"    {edge.source} -.->|{quoted(edge.label)}| {edge.target}" for edge in graph.edges]
    dead = [node.id for node in graph.nodes if node.dead]
    if dead:
        lines += ["    classDef dead stroke-dasharray: 5 5", f"    class {','.join(dead)} dead"]
    return "\n".join(lines) + "\n"


def quoted(label: str) -> str:
    """A label that stands for itself: what means something to Mermaid is written as its number."""
    return '"' + MARKUP.sub(lambda mark: f"#{ord(mark[0])};", label) + '"'


# -- a file --------------------------------------------------------------------------------------------------------


def draw(description: Mapping[str, Any], path: str | PathLike[str]) -> None:
    """Write the graph to `path` as the picture its suffix names. Raises ValueError, NotInstalled."""
    suffix = Path(path).suffix.lower()
    if suffix not in PICTURES:
        raise ValueError(f"path must end in {' or '.join(PICTURES)}, not {fspath(path)!r}; the text needs no path")
    try:
        graphviz: Any = import_module("graphviz")
    except ModuleNotFoundError:
        raise NotInstalled("the Python package graphviz", purpose=f"a diagram as {suffix}", install=EXTRA) from None
    graph = graph_of(description)
    dot = graphviz.Digraph(graph_attr={"rankdir": "LR"}, node_attr={"shape": "box", "fontname": "sans-serif"})
    dot.attr("edge", fontname="sans-serif", fontsize="10", style="dashed")
    for node in graph.nodes:
        dot.node(node.id, graphviz.escape(node.label), style="dashed" if node.dead else "solid")
    for edge in graph.edges:
        dot.edge(edge.source, edge.target, graphviz.escape(edge.label))
    try:
        picture: bytes = dot.pipe(format=suffix.removeprefix("."))
    except graphviz.ExecutableNotFound:
        raise NotInstalled("Graphviz's program dot", purpose=f"a diagram as {suffix}", install=PROGRAM) from None
    Path(path).write_bytes(picture)
