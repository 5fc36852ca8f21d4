"""A journal that is opened again after any step behaves as a memory that was never closed."""

from __future__ import annotations

import tempfile
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from journalled import journal_of, kill, opened

from decouple import Broker, Message, Queue, QueueStats, VirtualClock

OPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, 3), st.integers(0, 2)),
        st.tuples(st.just("plain"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("rich"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("delay"), st.integers(1, 20), st.integers(0, 2)),
        st.tuples(st.just("receive"), st.integers(1, 3), st.integers(0, 12)),
        st.tuples(st.sampled_from(["ack", "nack", "extend", "reject"]), st.integers(0, 5), st.integers(0, 9)),
        st.tuples(st.just("advance"), st.integers(0, 15), st.just(0)),
        st.tuples(st.just("reopen"), st.integers(0, 1), st.just(0)),
        st.tuples(st.sampled_from(["purge", "redrive", "configure"]), st.integers(0, 3), st.just(0)),
    ),
    max_size=40,
)


class Program:
    """What is done to one broker; `tries` are the messages it holds, by the order of receiving."""

    def __init__(self, broker: Broker, fifo: bool) -> None:
        self.suffix = ".fifo" if fifo else ""
        self.fifo = fifo
        self.sent = 0
        self.held: list[tuple[str, str]] = []
        self.start(broker)

    def start(self, broker: Broker) -> None:
        self.broker = broker
        self.dead: Queue[str] = broker.queue(f"dead{self.suffix}")
        self.queue: Queue[str] = broker.queue(
            f"orders{self.suffix}", visibility_timeout=10, dead_letter=self.dead, max_receives=3, retention=100
        )

    def do(self, op: str, one: int, other: int) -> Any:
        queue = self.queue
        where: dict[str, Any] = {"group": f"g{other}"} if self.fifo else {}
        if op in ("send", "plain", "rich", "delay"):
            self.sent += 1
            if self.fifo:
                where["deduplication_id"] = f"{one}" if op == "send" else f"own-{self.sent}"
                queue.send(f"{self.sent}", **where)
            elif op == "rich":
                queue.send(f"{self.sent}", attributes={"n": one, "raw": b"\0"})
            else:
                queue.send(f"{self.sent}", **({"delay": one} if op == "delay" else {}))
        elif op == "receive":
            most = 50 if self.fifo else one  # which group is next is a courtesy: so all of them are taken
            got = queue.receive(max_messages=most, visibility_timeout=other or None)
            self.held += [(message.text, message.receipt) for message in got]
            return self.told(got)
        elif op in ("ack", "nack", "extend", "reject") and self.held:
            return self.settle(op, self.held[one % len(self.held)][1], other)
        elif op == "purge" and not one:
            return queue.purge()
        elif op == "redrive":
            return self.dead.redrive().moved
        elif op == "configure":
            queue.configure(visibility_timeout=10 + one)
        return None

    def settle(self, op: str, receipt: str, seconds: int) -> Any:
        try:
            if op == "ack":
                self.queue.delete(receipt)
            else:
                self.queue.change_visibility(receipt, 0 if op == "nack" else seconds + 1)
        except Exception as error:
            return type(error).__name__
        return None

    def told(self, messages: list[Message[str]]) -> Any:
        found = [(one.text, one.receive_count, one.sent_at, one.first_received_at, one.group) for one in messages]
        if not self.fifo:
            return Counter(found)
        return {group: [one for one in found if one[-1] == group] for group in ("g0", "g1", "g2")}

    def state(self) -> Any:
        return [
            (
                self.told(queue.peek(100)),
                [self.same(queue.stats())],
                {k: v for k, v in queue.check().items() if k in HERE},
            )
            for queue in (self.queue, self.dead)
        ]

    @staticmethod
    def same(stats: QueueStats) -> Any:
        return stats.visible, stats.in_flight, stats.delayed, stats.oldest_age


HERE = ("visible", "in_flight", "delayed", "moving")


def both(fifo: bool, steps: list[tuple[str, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clock = VirtualClock()
        memory = Program(Broker(clock=clock), fifo)
        journal = Program(opened(folder, clock, segment_bytes=16 << 10), fifo)
        for op, one, other in steps:
            if op == "advance":
                clock.advance(one)
            elif op == "reopen":
                if one:
                    journal_of(journal.broker).compact()
                kill(journal.broker)
                journal.start(opened(folder, clock, segment_bytes=16 << 10))
            else:
                assert journal.do(op, one, other) == memory.do(op, one, other)
            assert journal.state() == memory.state()
        journal.broker.close()


@given(OPS)
@settings(max_examples=60)
def test_a_standard_queue_is_as_if_it_had_never_been_closed(steps: list[tuple[str, int, int]]) -> None:
    both(False, steps)


@given(OPS)
@settings(max_examples=60)
def test_a_fifo_queue_is_as_if_it_had_never_been_closed(steps: list[tuple[str, int, int]]) -> None:
    both(True, steps)
