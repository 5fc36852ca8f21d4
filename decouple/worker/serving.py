"""One worker process: it imports the broker, says that it is ready, and serves until its supervisor asks it to end, or is gone.

Started by supervisor.py with a line of JSON. Two pipes connect it: through `report` it says once how its start went; nobody
ever writes to `lifeline`, whose other end the supervisor holds, so that it ends with the supervisor, however that ended.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from typing import Any, NoReturn

from decouple.broker import Broker
from decouple.errors import StorageError
from decouple.worker.finding import Unservable, find
from decouple.worker.orders import GRACE, Orders

__all__ = ["main"]

log = logging.getLogger("decouple.worker")


def main(text: str) -> None:
    """Serve as ordered, until the end of this process. Raises SystemExit."""
    orders = Orders(**json.loads(text))
    for end in (orders.lifeline, orders.report):
        os.set_inheritable(end, False)
    threading.Thread(target=hold, args=(orders,), name="decouple-lifeline", daemon=True).start()
    logging.basicConfig(
        level=orders.level.upper(), format="%(asctime)s %(levelname)s [%(process)d] %(name)s: %(message)s"
    )
    broker = found(orders)
    if isinstance(broker, str):
        tell(orders, refused=broker)
        leave(1)
    tell(orders, shared=broker.capabilities.shared)
    served = broker.run(timeout=orders.timeout)
    for what in served.late:
        log.warning("left behind, it had not ended after %g s: %s", orders.timeout, what)
    if served.late:
        leave(0)


def found(orders: Orders) -> Broker | str:
    """The broker, or why there is none to be had."""
    try:
        return find(orders.broker, alone=orders.alone)
    except Unservable as error:
        return str(error)
    except StorageError as error:
        return f"{orders.broker}: {error}"
    except (Exception, SystemExit) as error:
        log.exception("%s cannot be imported", orders.broker)
        return f"{orders.broker} cannot be imported: {type(error).__name__}: {error}"


def tell(orders: Orders, **what: Any) -> None:
    """Say how the start went, to a supervisor that may be gone."""
    try:
        os.write(orders.report, json.dumps(what).encode() + b"\n")
        os.close(orders.report)
    except OSError as error:
        log.warning("nobody was there to be told of the start: %s", error)


def hold(orders: Orders) -> None:
    """Wait for the supervisor's end, and then end as it would have asked for."""
    os.read(orders.lifeline, 1)
    log.warning("the supervisor is gone: ending")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(orders.timeout + GRACE)
    os._exit(1)


def leave(code: int) -> NoReturn:
    """End this process without waiting for its threads, which may never end."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
