"""A database gives the same answers as memory does, whatever is done with a queue."""

from __future__ import annotations

import tempfile
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from decouple import Broker, DecoupleError, VirtualClock

TEXTS = st.sampled_from(["a", "b", "c", "ä"])
GROUPS = st.sampled_from(["g", "h"])
TICK = 1e-9


def shown(message: Any) -> tuple[Any, ...]:
    failure = message.failure
    return (
        message.text, message.receive_count, message.group, message.attributes, message.sent_at,
        message.first_received_at, message.source and message.source.name,
        failure and failure[:2],
    )  # fmt: skip


class Same(RuleBasedStateMachine):
    """Two brokers on one clock, and everything is done with both."""

    fifo = False

    @initialize(observed=st.booleans(), poison=st.sampled_from(["dead_letter", "park", "block"]))
    def begin(self, observed: bool, poison: str) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = VirtualClock()
        self.told: tuple[list[Any], list[Any]] = ([], [])
        self.brokers = [
            Broker(url, clock=self.clock, observers=[told.append] if observed else [])
            for url, told in zip(("memory://", f"sqlite:///{self.folder.name}/q.db"), self.told, strict=True)
        ]
        name = ".fifo" if self.fifo else ""
        more = {"on_poison": poison} if self.fifo else {}
        self.dead = [broker.queue(f"dead{name}", retention=400) for broker in self.brokers]
        self.queues = [
            broker.queue(f"jobs{name}", dead_letter=dead, max_receives=2, visibility_timeout=10, retention=200, **more)
            for broker, dead in zip(self.brokers, self.dead, strict=True)
        ]
        self.held: list[tuple[Any, Any]] = []
        self.known: dict[Any, dict[str, int]] = {queue: {} for queue in self.queues}

    def teardown(self) -> None:
        if hasattr(self, "brokers"):
            for broker in self.brokers:
                broker.close()
            self.folder.cleanup()

    def both(self, do: Any) -> list[Any]:
        """Do it with both queues, and compare the answers. Nothing happens at one instant but what belongs together."""
        self.clock.advance(TICK)
        answers = [self.answer(do, queue) for queue in self.queues]
        if self.fifo and all(isinstance(answer, list) for answer in answers):
            # Which of two groups comes first that became free at one instant is not promised.
            answers = [sorted(answer, key=lambda message: message.group) for answer in answers]
        assert comparable(answers[0]) == comparable(answers[1])
        return answers

    def answer(self, do: Any, queue: Any) -> Any:
        try:
            return do(queue)
        except (DecoupleError, ValueError) as error:
            return type(error).__name__

    def ordinal(self, queue: Any, identity: str) -> int:
        """Which of those sent it is: memory may leave a number out."""
        return self.known[queue].setdefault(identity, len(self.known[queue]))

    @rule(text=TEXTS, delay=st.sampled_from([None, 0, 5]), n=st.integers(1, 3), data=st.data())
    def send(self, text: str, delay: Any, n: int, data: Any) -> None:
        group = data.draw(GROUPS) if self.fifo else None
        identity = data.draw(st.sampled_from(["1", "2", "3", "4", "5", "6"])) if self.fifo else None

        def do(queue: Any) -> Any:
            if self.fifo:
                return self.ordinal(queue, queue.send(text, delay=delay, group=group, deduplication_id=identity).id)
            if n == 1:
                return self.ordinal(queue, queue.send(text, delay=delay, attributes={"n": n, "b": b"x"}).id)
            return [self.ordinal(queue, one.id) for one in queue.send_batch([text] * n)]

        self.both(do)

    @rule(n=st.integers(1, 4), visibility=st.sampled_from([None, None, 0, 3]), dead=st.booleans())
    def receive(self, n: int, visibility: Any, dead: bool) -> None:
        n = 20 if self.fifo else n
        if dead:
            self.queues, self.dead = self.dead, self.queues
        try:
            answers = self.both(lambda queue: queue.receive(max_messages=n, visibility_timeout=visibility))
        finally:
            if dead:
                self.queues, self.dead = self.dead, self.queues
        if isinstance(answers[0], list):
            self.held += zip(*answers, strict=True)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), how=st.sampled_from(["ack", "nack", "late", "extend", "reject", "fail", "handle"]))
    def settle(self, data: Any, how: str) -> None:
        at = data.draw(st.integers(0, len(self.held) - 1))
        self.clock.advance(TICK)
        answers = []
        for message in self.held[at]:
            try:
                answers.append(act(message, how))
            except DecoupleError as error:
                answers.append(type(error).__name__)
        assert answers[0] == answers[1]

    @rule(seconds=st.sampled_from([1, 4, 11, 100]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def peek(self) -> None:
        self.both(lambda queue: queue.peek(50))

    @rule()
    def redrive(self) -> None:
        self.clock.advance(TICK)
        answers = [(task.moved, task.failed, task.remaining) for task in (one.redrive() for one in self.dead)]
        assert answers[0] == answers[1]

    @precondition(lambda self: self.fifo)
    @rule(group=GROUPS)
    def release(self, group: str) -> None:
        self.both(lambda queue: queue.release(group))

    @precondition(lambda self: self.fifo)
    @rule(attempt=st.sampled_from(["x", "y"]))
    def attempt(self, attempt: str) -> None:
        answers = self.both(lambda queue: queue.receive(max_messages=20, attempt_id=attempt))
        if isinstance(answers[0], list):
            self.held += zip(*answers, strict=True)

    @rule(change=st.sampled_from([{"visibility_timeout": 5}, {"visibility_timeout": 10}, {"delay": 3}, {"delay": 0}]))
    def configure(self, change: Any) -> None:
        self.both(lambda queue: queue.configure(**change))

    @rule()
    def purge(self) -> None:
        self.both(lambda queue: queue.purge())

    @invariant()
    def the_books_are_the_same(self) -> None:
        if not hasattr(self, "brokers"):
            return
        for queues in (self.queues, self.dead):
            numbers = [queue.stats()._replace(empty_receives=0, survives="") for queue in queues]
            assert numbers[0] == numbers[1]
            assert queues[1].check()
            if self.fifo:
                views = [
                    [view._replace(blocker=view.blocker is not None) for view in queue.groups()] for queue in queues
                ]
                assert sorted(views[0]) == sorted(views[1])
        told = [[(one.cause, one.queue, one.at, one.receives, one.text) for one in changes] for changes in self.told]
        assert sorted(told[0], key=repr) == sorted(told[1], key=repr)


def comparable(answer: Any) -> Any:
    return (
        [shown(one) if hasattr(one, "receive_count") else one for one in answer] if isinstance(answer, list) else answer
    )


def act(message: Any, how: str) -> Any:
    if how == "ack":
        return message.ack()
    if how == "nack":
        return message.nack(4)
    if how == "late":
        return message.owner.delete(message.receipt)
    if how == "extend":
        return message.extend(20)
    if how == "reject":
        return message.reject("bad")
    if how == "fail":
        return message.owner._give_up(message, None)
    return message.owner._holds(message)


class SameInOrder(Same):
    fifo = True


PROFILE = settings(max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
TestStandardQueuesAreTheSame = Same.TestCase
TestStandardQueuesAreTheSame.settings = PROFILE
TestFifoQueuesAreTheSame = SameInOrder.TestCase
TestFifoQueuesAreTheSame.settings = PROFILE
