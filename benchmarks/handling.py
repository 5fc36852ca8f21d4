"""w10: a message sent, handled in a worker thread by a consumer or in batches of ten by a function, and acknowledged."""

import threading
from collections.abc import Callable
from typing import Any

from common import BODY, Figures, us
from floor import Floor
from measure import ratio, side_by_side

from decouple import Broker, Message

Run = Callable[[int], None]


class Count:
    """What handlers add to, and whoever dispatched waits for."""

    def __init__(self) -> None:
        self.handled = 0
        self.wanted = -1
        self.reached = threading.Event()

    def add(self, many: int) -> None:
        self.handled += many
        if self.handled == self.wanted:
            self.reached.set()

    def dispatch(self, much: int, send: Callable[[str], object]) -> None:
        self.handled, self.wanted = 0, much
        self.reached.clear()
        for _ in range(much):
            send(BODY)
        self.reached.wait()


def cycle() -> Run:
    """What F is: a send, a receive and an acknowledgement of FLOOR, one after the other in one thread."""
    floor = Floor()

    def run(much: int) -> None:
        for _ in range(much):
            floor.send(BODY)
            floor.ack(floor.receive())

    return run


def bare_thread() -> Run:
    """FLOOR and a worker thread that calls a handler with each body."""
    floor, count = Floor(), Count()

    def handle(body: str) -> None:
        count.add(1)

    def work() -> None:
        while True:
            messages = floor.receive_many(10) or [floor.receive(60.0)]
            for message in messages:
                handle(message.body)
            floor.ack_many(messages)

    threading.Thread(target=work, daemon=True).start()
    return lambda much: count.dispatch(much, floor.send)


def triggered(**settings: Any) -> Run:
    """A trigger, whose handler gets AWS's event of ten records."""
    broker, count = Broker().start(), Count()
    queue = broker.queue("bench", visibility_timeout=60)

    def handle(event: Any, context: Any) -> None:
        count.add(len(event["Records"]))

    queue.trigger(handle, **settings)
    return lambda much: count.dispatch(much, queue.send)


def consumed() -> Run:
    """A consumer, whose handler gets the message."""
    broker, count = Broker().start(), Count()
    queue = broker.queue("bench", visibility_timeout=60)

    @queue.consume
    def handle(message: Message) -> None:
        count.add(1)

    return lambda much: count.dispatch(much, queue.send)


def w10(full: bool) -> Figures:
    runs = {
        "cycle": cycle(),
        "thread": bare_thread(),
        "consumer": consumed(),
        "one": triggered(max_concurrency=1),
        "many": triggered(),
    }
    times = side_by_side(runs, slices=21 if full else 9, per=10)
    return {
        "w10.floor": (ratio(times, "cycle", "thread"), us(times["thread"])),
        "w10.consumer": (ratio(times, "cycle", "consumer"), us(times["consumer"])),
        "w10.trigger": (ratio(times, "cycle", "one"), us(times["one"])),
        "w10.many": (ratio(times, "cycle", "many"), us(times["many"])),
    }
