"""What every test here may ask for: a clock that stands still, a queue on it, a broker with a ledger."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import settings

from decouple import Broker, Queue
from decouple.testing import Ledger, VirtualClock


def pytest_configure() -> None:
    """Let examples take their time on a busy machine, and the processes that tests start keep what they compile."""
    settings.register_profile("decouple", deadline=None)
    settings.load_profile("decouple")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What another core is busy with is asked for last, however the others are shuffled."""
    items.sort(key=lambda item: item.name.startswith("test_nothing_to_complain"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin what takes long on another core, if it is among what is to run: once, also with several workers (pytest -n)."""
    wanted = next((item.module for item in session.items if item.name.startswith("test_nothing_to_complain")), None)
    first = os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0"
    if wanted is not None and first and not session.config.option.collectonly:
        checks = wanted.begun()
        if "PYTEST_XDIST_WORKER" in os.environ:
            session.config.add_cleanup(checks.wait)  # another worker may still want to know what comes of them
        else:
            session.config.add_cleanup(lambda: wanted.ended(checks))


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
