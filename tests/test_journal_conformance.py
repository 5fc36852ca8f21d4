"""The engine of file:// is held to the same specification as that of memory."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from journalled import kill, opened

from decouple import Broker, VirtualClock
from decouple.stores.journal import Journal
from decouple.testing import behaviours_of_queues, behaviours_of_topics
from decouple.testing.conformance.behaviour import Behaviour

TRAITS = Journal.traits("process")


@pytest.fixture
def make(tmp_path: Path) -> Callable[[], Broker]:
    numbers = count()
    return lambda: opened(str(tmp_path / str(next(numbers))), VirtualClock())


def reopen(broker: Broker) -> Broker:
    """As after kill -9."""
    clock = broker.clock
    assert isinstance(clock, VirtualClock)
    return opened(kill(broker), clock)


@pytest.mark.parametrize("behaviour", behaviours_of_queues(TRAITS))
def test_its_queues_behave(behaviour: Behaviour, make: Callable[[], Broker]) -> None:
    outcome = behaviour.check(make, reopen=reopen).outcome

    assert outcome == ("lacking" if behaviour.name == "a_world_is_shared_as_declared" else "held")


@pytest.mark.parametrize("behaviour", behaviours_of_topics(TRAITS))
def test_its_topics_behave(behaviour: Behaviour, make: Callable[[], Broker]) -> None:
    assert behaviour.check(make, reopen=reopen).outcome == "held"
