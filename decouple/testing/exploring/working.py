"""Handlers at work step by step: a message is taken, its handler runs, and what comes of it is settled, each when told.

The handler runs as a consumer's does, and what becomes of the message is decided by the same code (turn.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextvars import Context
from random import Random
from typing import Any

from decouple.broker import Broker
from decouple.calls import answer_of
from decouple.clock import SECOND, VirtualClock
from decouple.consumer import Consumer
from decouple.core.deadlines import FAR
from decouple.errors import NotInFlight, ReceiptExpired
from decouple.message import Message
from decouple.turn import Run, Turn

__all__ = ["Bench", "Hand"]


class Hand:
    """Somebody who has a message. done: its handler returned."""

    def __init__(self, message: Message[Any], consumer: Consumer[..., Any], name: str) -> None:
        self.message = message
        self.name = name
        self.done = False
        turn = Turn(consumer)
        turn.message = message
        self.turn = Run(turn, message)
        self.context: Context = consumer._context.copy()

    def __repr__(self) -> str:
        return self.name


class Bench:
    """The handlers of a broker, and where they work. current: whose handler runs now."""

    def __init__(self, broker: Broker, handlers: Mapping[str, Callable[..., Any]]) -> None:
        assert isinstance(broker.clock, VirtualClock)
        self.clock: VirtualClock = broker.clock
        self.names = sorted(handlers)
        self.current: Hand | None = None
        self._broker = broker
        self._numbers: dict[str, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._consumers: dict[str, Consumer[..., Any]] = {}
        for name, handler in handlers.items():
            queue = broker.queues[name]
            consumer = Consumer(queue, queue._runner("a handler"), Random(0), handler)
            consumer._state = "paused"  # it takes nothing by itself
            self._consumers[name] = consumer

    def name_of(self, id: str) -> str:
        """A short name for a message, by the order in which they were seen."""
        return f"message {self._numbers.setdefault(id, len(self._numbers) + 1)}"

    def legend(self) -> list[str]:
        """Which id is meant by which name."""
        return [f"message {number} is {id}" for id, number in self._numbers.items()]

    def take(self, queue: str) -> Hand | None:
        """The next message of the queue, if there is one."""
        for message in self._broker.queues[queue].receive():
            return Hand(message, self._consumers[queue], self.name_of(message.id))
        return None

    def run(self, hand: Hand) -> str:
        """Run its handler; in words, what it raised: then its message is dealt with. Raises AssertionError."""
        self.current = hand
        raised: str = hand.context.run(self._run, hand)
        self.current = None
        return raised

    def _run(self, hand: Hand) -> str:
        run = hand.turn
        try:
            run.__enter__()
            self._call(run)
        except AssertionError:
            raise  # a handler that says so of itself is what a test looks for
        except Exception as error:
            run.__exit__(type(error), error, error.__traceback__)
            return f"it raised {type(error).__name__}: {error}"
        hand.done = True
        return ""

    def _call(self, run: Run) -> None:
        consumer = run.consumer
        if not consumer.awaits:
            answer_of(consumer.handler(run.argument()), consumer.name)
            return
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(consumer.handler(run.argument()))

    def ack(self, hand: Hand) -> None:
        """Its handler returned: what comes of that."""
        hand.context.run(hand.turn.__exit__, None, None, None)

    def nack(self, hand: Hand) -> str:
        """Let its message be there again now; in words, why it is not."""
        try:
            hand.message.owner.change_visibility(hand.message, 0)
        except (NotInFlight, ReceiptExpired) as error:
            return f"too late: {error}"
        return ""

    def work(self) -> None:
        """Do what the broker's own workers have to do; what their handlers raise is dealt with there."""
        report = self._broker.run_until_idle(errors="collect")
        for error in report.errors:
            if isinstance(error, AssertionError):
                raise error

    def pass_on(self) -> None:
        """Let time pass until something happens in the handlers' queues: what is in flight or delayed is there."""
        soonest = min((self._broker.queues[name].next_at() for name in self.names), default=FAR)
        if soonest < FAR:
            self.clock.advance(max(0, soonest - self.clock.now()) / SECOND)

    def close(self) -> None:
        """End the loop of async handlers."""
        if self._loop is not None:
            self._loop.close()
