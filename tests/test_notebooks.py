"""What results show of themselves in a notebook."""

from __future__ import annotations

import pickle
import sys

import pytest

from decouple import Broker, VirtualClock
from decouple.resilience import exponential
from decouple.stories.recording import Recording
from decouple.testing import replay


@pytest.fixture
def broker() -> Broker:
    """On virtual time, with one order of many."""
    broker = Broker(clock=VirtualClock(), record=1_000)
    broker.queue("orders").send("<b>7</b>")
    return broker


def test_a_story_is_shown_as_its_time_line(broker: Broker) -> None:
    [message] = broker.queues["orders"].receive()

    shown = message.story()._repr_html_()

    assert '<div class="story">' in shown
    assert message.id in shown


def test_a_recording_is_shown_as_a_table_of_its_newest_changes(broker: Broker) -> None:
    for _ in range(60):
        broker.queues["orders"].send("more")

    shown = broker.recording()._repr_html_()

    assert shown.startswith(
        "<pre>&lt;Recording: 61 changes in 0 s, 0 dropped, seed None&gt; the newest 50 of them:</pre>"
    )
    assert shown.count("<tr>") == 51
    assert shown.count("queue orders") == 50


def test_what_came_from_outside_is_escaped(broker: Broker) -> None:
    other = Broker(clock=VirtualClock(), record=1_000)
    other.queue("orders").send("<i>7</i>")

    difference = broker.recording().diff(other.recording())
    shown = difference._repr_html_()

    assert "&lt;b&gt;7&lt;/b&gt;" in shown
    assert "<b>" not in shown + broker.recording()._repr_html_()


def test_a_replay_is_shown_as_it_is_printed(broker: Broker) -> None:
    again = Broker(clock=VirtualClock(), record=1_000)
    again.queue("orders")

    replayed = replay(broker.recording(), into=again)

    assert replayed._repr_html_() == f"<pre>{replayed}</pre>"


def test_a_report_is_shown_with_its_errors_and_what_is_to_come(broker: Broker) -> None:
    @broker.queues["orders"].consume(retry=exponential(60, 60))
    def handle(body: str) -> None:
        raise ValueError(f"no {body}")

    shown = broker.run_until_idle(errors="collect")._repr_html_()

    assert shown.startswith("<pre>handled: ")
    assert "ValueError: no &lt;b&gt;7&lt;/b&gt;" in shown
    assert "waiting for" in shown


def test_an_empty_recording_is_shown_too() -> None:
    assert "0 changes" in Recording([])._repr_html_()


def test_a_diagram_is_text_that_is_shown_as_mermaid(broker: Broker) -> None:
    diagram = broker.diagram()

    assert isinstance(diagram, str)
    assert diagram._repr_markdown_() == f"```mermaid\n{diagram}```\n"
    assert pickle.loads(pickle.dumps(diagram)) == diagram


def test_a_diagram_is_shown_as_a_picture_where_graphviz_is_installed(broker: Broker) -> None:
    from shutil import which

    pytest.importorskip("graphviz", reason="the extra `diagram` is not installed")
    if which("dot") is None:
        pytest.skip("Graphviz's program dot is not installed")

    picture = broker.diagram()._repr_svg_()

    assert picture is not None
    assert "<svg" in picture
    assert "orders" in picture


def test_without_graphviz_a_diagram_is_no_picture(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "graphviz", None)

    assert broker.diagram()._repr_svg_() is None
