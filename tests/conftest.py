"""What every test here may ask for: a clock that stands still, a queue on it, a broker with a ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache

import pytest

from decouple import Broker, Queue
from decouple.testing import Ledger, VirtualClock


def pytest_configure() -> None:
    """Let the processes that tests start keep what they compile, or each compiles all of decouple again."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What another core is busy with is asked for last, however the others are shuffled."""
    items.sort(key=lambda item: item.name.startswith("test_nothing_to_complain"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin what takes long on another core, if it is among what is to run."""
    wanted = next((item.module for item in session.items if item.name.startswith("test_nothing_to_complain")), None)
    if wanted is not None and not session.config.option.collectonly:
        session.config.stash[wanted.CHECKING] = checks = wanted.begun()
        session.config.add_cleanup(checks.kill)


@pytest.fixture(scope="session")
def models_kept() -> Iterator[None]:
    """All sessions of botocore share what each would read and parse for itself, for 0.1 s: endpoints and models."""
    from botocore import session

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "create_loader", cache(session.create_loader))
        yield


@pytest.fixture
def clock() -> VirtualClock:
    """Time that the test moves, from 2026-01-01 on."""
    return VirtualClock()


@pytest.fixture
def queue(clock: VirtualClock) -> Iterator[Queue]:
    """A queue with all defaults; at the end its books must balance."""
    queue = Queue("orders", clock=clock)
    yield queue
    queue.check()


@pytest.fixture
def ledger() -> Ledger:
    """The records of everything that happens in `broker`."""
    return Ledger()


@pytest.fixture
def broker(clock: VirtualClock, ledger: Ledger) -> Iterator[Broker]:
    """A broker on the test's clock whose changes the ledger keeps; at the end both must balance and agree."""
    with Broker(clock=clock, observers=[ledger]) as broker:
        yield broker
    broker.check()
    ledger.check()
