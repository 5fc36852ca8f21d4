"""The engine of file:// is held to the same specification as that of memory."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from decouple import Broker, VirtualClock
from decouple.stores.journal import Journal, open_journal
from decouple.testing import behaviours_of_queues, behaviours_of_topics
from decouple.testing.conformance.behaviour import Behaviour

TRAITS = Journal.traits("process")
SMALL = 64 << 10


@pytest.fixture
def make(tmp_path: Path) -> Callable[[], Broker]:
    numbers = count()

    def make() -> Broker:
        clock = VirtualClock()
        return Broker(open_journal(str(tmp_path / str(next(numbers))), clock, segment_bytes=SMALL), clock=clock)

    return make


def reopen(broker: Broker) -> Broker:
    """As after kill -9: nobody says goodbye, only the lock is gone."""
    journal = broker._engine
    assert isinstance(journal, Journal)
    journal.log.close()
    return Broker(open_journal(journal.log.path, broker.clock, segment_bytes=SMALL), clock=broker.clock)


@pytest.mark.parametrize("behaviour", behaviours_of_queues(TRAITS))
def test_its_queues_behave(behaviour: Behaviour, make: Callable[[], Broker]) -> None:
    outcome = behaviour.check(make, reopen=reopen).outcome

    assert outcome == ("lacking" if behaviour.name == "a_world_is_shared_as_declared" else "held")


@pytest.mark.parametrize("behaviour", behaviours_of_topics(TRAITS))
def test_its_topics_behave(behaviour: Behaviour, make: Callable[[], Broker]) -> None:
    assert behaviour.check(make, reopen=reopen).outcome == "held"
