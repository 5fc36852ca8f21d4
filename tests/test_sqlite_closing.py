"""What a Ctrl-C may leave behind in a database's broker holds up nobody when the broker is closed."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from decouple import Broker
from decouple.engines.sqlite import SqliteEngine


def test_closing_waits_for_no_worker_that_waits_for_what_an_interrupt_left_held(tmp_path: Path) -> None:
    """The interrupt came between taking the lock and the first line under it, so no `with` will ever release it."""
    broker = Broker(f"sqlite:///{tmp_path}/jobs.db")
    orders = broker.queue("orders")
    handled = threading.Event()
    orders.consume(lambda message: handled.set())
    engine = broker._engine
    assert isinstance(engine, SqliteEngine)

    with broker:
        orders.send("order 7")
        assert handled.wait(10)
        interrupted(engine)
        threading.Thread(target=orders.send, args=("order 8",), daemon=True).start()

    assert not engine.database.gate.mine


def interrupted(engine: SqliteEngine) -> None:
    gate = engine.database.gate
    gate._acquire()
    gate._holder = sys._getframe()
