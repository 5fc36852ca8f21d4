"""Queues and topics in a database behave as those in memory do, and as their record says."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from decouple import Broker, VirtualClock
from decouple.capabilities import MEMORY
from decouple.testing import behaviours_of_queues, behaviours_of_topics
from decouple.testing.conformance.behaviour import Behaviour

TRAITS = MEMORY._replace(survives="process", shared="machine", fair=False)


@pytest.fixture
def make(tmp_path) -> Callable[[], Broker]:
    numbers = itertools.count()
    return lambda: Broker(f"sqlite:///{tmp_path}/{next(numbers)}.db", clock=VirtualClock())


def beside(broker: Broker) -> Broker:
    """The same world once more: on the same file and the same time."""
    return Broker(f"sqlite:///{broker._engine.database.path}", clock=broker.clock)


def test_the_record_says_what_survives(make, tmp_path) -> None:
    assert make().capabilities == TRAITS
    assert Broker(f"sqlite:///{tmp_path}/full.db", synchronous="FULL").capabilities.survives == "disk"


@pytest.mark.parametrize(("synchronous", "survives"), [("NORMAL", "process"), ("FULL", "disk")])
def test_each_queue_says_what_its_messages_survive(tmp_path, synchronous, survives) -> None:
    with Broker(f"sqlite:///{tmp_path}/jobs.db", synchronous=synchronous) as broker:
        queues = [broker.queue("orders"), broker.queue("entries.fifo")]

        assert [queue.stats().survives for queue in queues] == [survives, survives]


@pytest.mark.parametrize("behaviour", behaviours_of_queues(TRAITS))
def test_queues_in_a_database_behave(behaviour: Behaviour, make) -> None:
    outcome = behaviour.check(make, reopen=beside, join=beside).outcome

    assert outcome == ("lacking" if "fair" in behaviour.needs else "held")


@pytest.mark.parametrize("behaviour", behaviours_of_topics(TRAITS))
def test_topics_with_queues_in_a_database_behave(behaviour: Behaviour, make) -> None:
    assert behaviour.check(make).outcome == "held"
