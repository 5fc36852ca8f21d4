"""Random lives of a topic against a naive model: every subscriber whose filter is true has exactly one copy."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from decouple import Broker, Queue
from decouple.errors import NotDelivered
from decouple.testing import VirtualClock
from decouple.topic import Topic

COLOURS = ("red", "green", "blue", None)
FILTERS: dict[str, tuple[dict[str, Any] | None, Any]] = {
    "all": (None, lambda colour, n: True),
    "red": ({"colour": ["red"]}, lambda colour, n: colour == "red"),
    "no red": ({"colour": [{"anything-but": ["red"]}]}, lambda colour, n: colour not in ("red", None)),
    "none": ({"colour": [{"exists": False}]}, lambda colour, n: colour is None),
    "prefix": ({"colour": [{"prefix": "gr"}]}, lambda colour, n: colour == "green"),
    "large": ({"n": [{"numeric": [">", 3]}]}, lambda colour, n: n > 3),
    "either": ({"$or": [{"colour": ["blue"]}, {"n": [1]}]}, lambda colour, n: colour == "blue" or n == 1),
}


class TopicMachine(RuleBasedStateMachine):
    """Queues of several kinds and handlers come and go; each publication is counted in a model of plain lists."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.broker = Broker(clock=self.clock, seed=1)
        self.topic = self.broker.topic("t")
        self.queues = [Queue(f"q{number}", clock=self.clock, delay=5 if number == 3 else 0) for number in range(5)]
        self.got: list[list[str]] = [[] for _ in range(3)]
        self.handlers = [one.append for one in self.got]
        self.wanted: dict[str, Counter[str]] = {}
        self.subscribed: dict[int, tuple[Any, str]] = {}
        self.expected = [Counter[str]() for _ in range(8)]
        self.seen = [Counter[str]() for _ in range(8)]
        self.number = 0

    def target(self, which: int) -> Any:
        return self.queues[which] if which < 5 else self.handlers[which - 5]

    @rule(which=st.integers(0, 7), name=st.sampled_from(sorted(FILTERS)), scope=st.sampled_from(["attributes", "body"]))
    def subscribes(self, which: int, name: str, scope: Any) -> None:
        if which not in self.subscribed:
            subscription = self.topic.subscribe(self.target(which), filter=FILTERS[name][0], filter_scope=scope)
            self.subscribed[which] = (subscription, name)

    @rule(which=st.integers(0, 7))
    def cancels(self, which: int) -> None:
        if which in self.subscribed:
            self.deliver()
            self.subscribed.pop(which)[0].cancel()

    @rule(
        entries=st.lists(st.tuples(st.sampled_from(COLOURS), st.integers(0, 5)), min_size=1, max_size=4),
        batch=st.booleans(),
    )
    def publishes(self, entries: list[tuple[str | None, int]], batch: bool) -> None:
        from decouple.publishing import Publish

        made: list[Publish] = []
        lost = False
        for colour, n in entries:
            self.number += 1
            fields = {"n": n} if colour is None else {"n": n, "colour": colour}
            made.append(Publish({**fields, "id": str(self.number)}, attributes=fields))
            for which, (_, name) in self.subscribed.items():
                if FILTERS[name][1](colour, n):
                    closed = which < 5 and self.queues[which].closed
                    lost = lost or closed
                    self.expected[which][str(self.number)] += not closed
        with pytest.raises(NotDelivered) if lost else nullcontext():
            if batch:
                self.topic.publish_batch(made)
            elif lost:
                self.publish_each(made)
            else:
                for one in made:
                    self.topic.publish(one.body, attributes=one.attributes)

    def publish_each(self, made: list[Any]) -> None:
        failed: list[NotDelivered] = []
        for one in made:
            try:
                self.topic.publish(one.body, attributes=one.attributes)
            except NotDelivered as error:
                failed.append(error)
        raise failed[0]

    @rule(which=st.integers(0, 4))
    def closes(self, which: int) -> None:
        if sum(queue.closed for queue in self.queues) < 2:
            self.collect()
            self.queues[which].close()

    @rule()
    def deliver(self) -> None:
        self.broker.run_until_idle()

    @rule(seconds=st.sampled_from([1, 5, 31]))
    def advances(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def collect(self) -> None:
        """What is in the queues, taken out."""
        for which, queue in enumerate(self.queues):
            while not queue.closed and (batch := queue.receive(max_messages=100)):
                for message in batch:
                    self.seen[which][json.loads(message.text)["id"]] += 1
                    message.ack()

    @invariant()
    def books_balance(self) -> None:
        self.broker.check()
        for queue in self.queues:
            queue.check()

    def teardown(self) -> None:
        self.broker.run_until_idle()
        self.clock.advance(5)
        self.collect()
        for position, got in enumerate(self.got):
            self.seen[5 + position].update(json.loads(one.text)["id"] for one in got)
        for which in range(8):
            if which > 4 or not self.queues[which].closed:
                assert +self.seen[which] == +self.expected[which], self.target(which)


TopicMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
test_random_lives_of_a_topic = TopicMachine.TestCase


@pytest.mark.slow
def test_every_subscription_has_each_publication_once_while_others_come_and_go():
    """Who was there before and stayed has each exactly once; who came or went meanwhile at most once."""
    topic = Topic("t")
    steady = [Queue(f"s{number}") for number in range(4)]
    for position, queue in enumerate(steady):
        topic.subscribe(queue, filter={"a": ["1"]} if position % 2 else None, envelope=position == 2)
    coming = [Queue(f"c{number}") for number in range(4)]
    stop = threading.Event()
    errors: list[BaseException] = []

    def publishes(name: int) -> None:
        try:
            for number in range(400):
                topic.publish(f"{name}-{number}", attributes={"a": "1"})
        except BaseException as error:
            errors.append(error)

    def comes_and_goes(queue: Queue[str]) -> None:
        try:
            while not stop.is_set():
                topic.subscribe(queue, filter={"a": ["1"]}).cancel()
                topic.subscribe(queue).cancel()
        except BaseException as error:
            errors.append(error)

    publishers = [threading.Thread(target=publishes, args=(name,)) for name in range(4)]
    others = [threading.Thread(target=comes_and_goes, args=(queue,)) for queue in coming]
    for thread in (*publishers, *others):
        thread.start()
    for thread in publishers:
        thread.join()
    stop.set()
    for thread in others:
        thread.join()

    assert errors == []
    every = {f"{name}-{number}" for name in range(4) for number in range(400)}
    for position, queue in enumerate(steady):
        texts = [message.text for message in queue.receive(max_messages=2_000)]
        if position == 2:
            texts = [json.loads(text)["Message"] for text in texts]
        assert Counter(texts) == Counter(every)
    for queue in coming:
        texts = [message.text for message in queue.receive(max_messages=2_000)]
        assert len(texts) == len(set(texts))
    assert topic.stats().published == 1_600
    topic.check()
