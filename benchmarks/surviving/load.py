"""The load: threads that send, receive and settle at full speed, and say every fact of it.

Everything a queue does is in it: single sends and batches, delays, a topic with two queues, groups with ids sent twice on
purpose; messages are deleted one by one and in batches, given back, kept longer, rejected, handed on to another queue,
redriven, and left until their lease ends; some tags end in "!": those fail always and become dead letters.
"""

import itertools
import random
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from decouple import Broker, Entry, Message, Queue
from decouple.errors import (
    MoveTaskRunning,
    NotDelivered,
    NotInFlight,
    NotKept,
    QueueClosed,
    ReceiptExpired,
    StorageError,
    TopicClosed,
)
from surviving.facts import Fact, Note, Plan

MS = 1_000_000
PLAN = Plan(
    dead={"work": "work-dead", "orders.fifo": "orders-dead.fifo", "redo": "redo-dead"},
    onward={"work": "shipping"},
    topics={"news": ["copies-a", "copies-b"]},
    handled={"alerts": "alerted", "resize": "resized"},
    max_receives=3,
)
REFUSALS = (QueueClosed, TopicClosed, NotInFlight, ReceiptExpired, MoveTaskRunning)
GROUPS = 3  # of each sender
MOST = 300  # so many messages may wait before senders pause


RUNS: list["Teller"] = []  # who says what the handlers of this process do


def alerted(notification: Any) -> None:
    RUNS[-1].say("ran", ["alerted", notification.body])


def resized(event: Any, context: object) -> None:
    RUNS[-1].say("ran", ["resized", event["tag"]])


def employ(broker: Broker, teller: "Teller") -> None:
    """The handlers of PLAN."""
    RUNS.append(teller)
    broker.topic("alerts").subscribe(alerted)
    broker.function(resized, name="resize")


class Closed(Exception):
    """The broker is closed: the load is over."""


def declare(broker: Broker, lease: float) -> None:
    """The queues and the topic of PLAN."""
    for name, dead in PLAN.dead.items():
        target = broker.queue(dead, visibility_timeout=lease)
        broker.queue(name, visibility_timeout=lease, dead_letter=target, max_receives=PLAN.max_receives)
    for name in PLAN.onward.values():
        broker.queue(name, visibility_timeout=lease)
    for name, queues in PLAN.topics.items():
        topic = broker.topic(name)
        for queue in queues:
            topic.subscribe(broker.queue(queue, visibility_timeout=lease))


class Teller:
    """Makes calls, and says so before and after. One for each thread."""

    def __init__(self, who: str, note: Note, instant: Callable[[], int] = time.monotonic_ns) -> None:
        self.who = who
        self.note = note
        self.instant = instant
        self.numbers = itertools.count(1)

    def call(self, kind: str, *args: Any, do: Callable[[], Any], unsure: bool = False) -> Any:
        """Do it; None if it was refused. unsure: a part of it may be done also where it is refused."""
        number = next(self.numbers)
        self.note(self.instant(), self.who, number, kind, *args)
        try:
            answer = do()
            shown = told(kind, answer)
        except (*REFUSALS, NotDelivered, StorageError) as error:
            # A settlement that could not be written down yet may be later; a send is refused, or it is not.
            late = isinstance(error, StorageError) and not (isinstance(error, NotKept) and kind == "send")
            how = "broke" if unsure or late or isinstance(error, NotDelivered) else "refused"
            self.note(self.instant(), self.who, number, how, type(error).__name__, str(error))
            if isinstance(error, (QueueClosed, TopicClosed)) or str(error).endswith("is closed"):
                raise Closed from error
            return None
        except BaseException as error:
            self.note(self.instant(), self.who, number, "broke", type(error).__name__, str(error))
            raise
        self.note(self.instant(), self.who, number, "did", shown)
        return answer

    def say(self, kind: str, what: Any) -> None:
        """A fact that is about no call."""
        self.note(self.instant(), self.who, next(self.numbers), kind, what)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Say it where an error comes that nobody expects."""
        try:
            yield
        except Closed:
            pass
        except Exception:
            self.say("wrong", traceback.format_exc())


def told(kind: str, answer: Any) -> Any:
    if kind == "send":
        return [sent.id for sent in answer] if isinstance(answer, list) else None
    return handles(answer) if kind == "receive" else None


def handles(messages: list[Message[str]]) -> list[list[Any]]:
    return [[message.body, message.id, message.receive_count] for message in messages]


class Worker:
    """One thread's part of the load; each `step` is a few calls."""

    def __init__(
        self, broker: Broker, teller: Teller, seed: object, slot: str, lease: float, backlog: "Backlog"
    ) -> None:
        self.broker = broker
        self.teller = teller
        self.chance = random.Random(f"{seed}")
        self.slot = slot  # its groups go on in the process that comes in the place of this one
        self.lease = round(lease * 1e9)
        self.backlog = backlog
        self.tags = itertools.count(1)
        self.sent: list[list[Any]] = []  # the last ones that were sent in order
        self.ways = [self.send, self.send, self.send_many, self.publish, self.send_in_order, self.send_in_order]
        self.ways += [self.send_to_redo, self.redrive]
        if "resize" in broker.functions:
            self.ways += [self.alert, self.invoke]

    def step(self) -> None:
        """Send something, or receive something and settle it."""
        if self.backlog.waiting < MOST and self.chance.random() < 0.5:
            self.chance.choice(self.ways)()
        else:
            self.consume(
                self.chance.choice(
                    ("work", "work", "orders.fifo", "orders.fifo", "copies-a", "copies-b", "shipping", "redo")
                )
            )

    # -- sending -----------------------------------------------------------------------------------------------

    def tag(self) -> str:
        """A new one: its last character says whether it will fail always."""
        return f"{self.teller.who}-{next(self.tags)}{'!' if self.chance.random() < 0.03 else ''}"

    def item(self) -> list[Any]:
        delay = self.chance.choice((30, 150)) * MS if self.chance.random() < 0.1 else 0
        return [self.tag(), None, None, delay]

    def send(self) -> None:
        tag, _, _, delay = item = self.item()
        queue = self.broker.queues["work"]
        self.teller.call("send", "work", [item], do=lambda: [queue.send(tag, delay=delay / 1e9)])
        self.backlog.add(1)

    def send_many(self) -> None:
        items = [self.item() for _ in range(self.chance.randint(2, 12))]
        self.send_batch("work", items)

    def send_batch(self, name: str, items: list[list[Any]]) -> None:
        entries = [
            Entry(tag, group=group, deduplication_id=identity, delay=delay / 1e9 if delay else None)
            for tag, group, identity, delay in items
        ]
        self.teller.call("send", name, items, do=lambda: self.broker.queues[name].send_batch(entries))
        self.backlog.add(len(items))

    def publish(self) -> None:
        items = [[self.tag(), None, None, 0] for _ in range(self.chance.choice((1, 1, 1, 4)))]
        topic = self.broker.topics["news"]
        if len(items) == 1:
            self.teller.call("send", "news", items, do=lambda: [topic.publish(items[0][0])], unsure=True)
        else:
            bodies = [item[0] for item in items]
            self.teller.call("send", "news", items, do=lambda: topic.publish_batch(bodies), unsure=True)
        self.backlog.add(2 * len(items))

    def send_to_redo(self) -> None:
        self.send_batch("redo", [[self.tag(), None, None, 0] for _ in range(8)])

    def redrive(self) -> None:
        if self.chance.random() < 0.3:
            dead, rate = self.broker.queues["redo-dead"], self.chance.choice((None, 500))
            self.teller.call("redrive", dead.name, do=lambda: dead.redrive(max_per_second=rate))

    def alert(self) -> None:
        tag, topic = self.tag(), self.broker.topics["alerts"]
        self.teller.call("send", "alerts", [[tag, None, None, 0]], do=lambda: [topic.publish(tag)], unsure=True)

    def invoke(self) -> None:
        tag, function = self.tag(), self.broker.functions["resize"]
        self.teller.call("send", "resize", [[tag, None, None, 0]], do=lambda: function.send({"tag": tag}), unsure=True)

    def send_in_order(self) -> None:
        if self.sent and self.chance.random() < 0.1:
            items = [self.chance.choice(self.sent)]  # once more, on purpose
        else:
            count = self.chance.choice((1, 1, 1, 5))
            group = f"{self.slot}-{self.chance.randrange(GROUPS)}"
            items = [[tag := self.tag(), group, tag, 0] for _ in range(count)]
        self.send_ordered(items)

    def send_ordered(self, items: list[list[Any]]) -> None:
        tag, group, identity, _ = items[0]
        if len(items) == 1:
            queue = self.broker.queues["orders.fifo"]
            send = lambda: [queue.send(tag, group=group, deduplication_id=identity)]  # noqa: E731
            self.teller.call("send", "orders.fifo", items, do=send)
            self.backlog.add(1)
        else:
            self.send_batch("orders.fifo", items)
        self.sent = [*self.sent, *items][-20:]

    def send_again(self, facts: list[Fact]) -> None:
        """What the process before said to send in order, and had no answer for; and the last ones it had an answer for."""
        answered = {(fact[1], fact[2]): fact[3] for fact in facts if fact[3] in ("did", "refused", "broke")}
        calls = [fact for fact in facts if fact[3:5] == ["send", "orders.fifo"]]
        for fact in calls:
            if answered.get((fact[1], fact[2]), "broke") == "broke":
                self.send_ordered(fact[5])
        for fact in [one for one in calls if answered.get((one[1], one[2])) == "did"][-3:]:
            self.send_ordered(fact[5])

    # -- receiving ---------------------------------------------------------------------------------------------

    def consume(self, name: str) -> None:
        most, wait = self.chance.choice((1, 1, 3, 10)), self.chance.choice((0, 0, 0, 0.01))
        for message in self.receive(name, most, wait):
            self.settle(message)

    def receive(self, name: str, most: int, wait: float) -> list[Message[str]]:
        queue = self.broker.queues[name]
        take = lambda: queue.receive(max_messages=most, wait=wait)  # noqa: E731
        return self.teller.call("receive", name, most, self.lease, do=take) or []

    def settle(self, message: Message[str]) -> None:
        """What becomes of a message: the more often it was received, the likelier it is deleted."""
        owner, fate = message.owner, self.chance.random()
        handle = [owner.name, handles([message])]
        call = self.teller.call
        if owner.name == "redo" and fate < 0.4:
            call("reject", *handle, do=lambda: message.reject("later"))
        elif message.body.endswith("!"):
            if fate < 0.7:
                call("keep", *handle, 0, do=message.nack)
        elif fate < 0.5 or message.receive_count > 1:
            call("delete", *handle, do=message.ack)
            self.backlog.add(-1)
        elif fate < 0.8:
            call("delete", *handle, do=lambda: owner.delete(message))
            self.backlog.add(-1)
        elif fate < 0.85:
            call("keep", *handle, 0, do=message.nack)
        elif fate < 0.88:
            call("keep", *handle, 50 * MS, do=lambda: message.nack(0.05))
        elif fate < 0.9:
            longer = 2 * self.lease
            call("keep", *handle, longer, do=lambda: message.extend(longer / 1e9))
        elif fate < 0.915 and owner.name in PLAN.dead:
            call("reject", *handle, do=lambda: message.reject("not wanted"))
        elif fate < 0.96 and owner.name in PLAN.onward:
            onward = PLAN.onward[owner.name]
            call("move", *handle, onward, do=lambda: message.move(self.broker.queues[onward]))

    # -- the end -----------------------------------------------------------------------------------------------

    def drain(self, patience: float, look: Callable[[float], object] = time.sleep) -> None:
        """Receive and delete all there is, until every queue is empty, and say what is left."""
        queues = [self.broker.queues[name] for name in PLAN.queues()]
        end = self.teller.instant() + round(patience * 1e9)
        while (left := {queue.name: held(queue) for queue in queues if held(queue)}) and self.teller.instant() < end:
            if not sum([self.empty(self.broker.queues[name]) for name in left]):
                look(0.02)
        while not self.broker.idle and self.teller.instant() < end:
            look(0.02)
        self.teller.say("left", left)

    def empty(self, queue: Queue[Any]) -> int:
        """Delete what is visible: how many messages those were."""
        count = 0
        while messages := self.receive(queue.name, 100, 0):
            count += len(messages)
            delete = lambda batch=messages: queue.delete(*batch)  # noqa: E731
            self.teller.call("delete", queue.name, handles(messages), do=delete, unsure=True)
        return count


class Backlog:
    """About how many messages wait, over all threads of a process."""

    def __init__(self, waiting: int = 0) -> None:
        self.waiting = waiting

    def add(self, count: int) -> None:
        """Thread-safe enough: a lost update makes it a little wrong."""
        self.waiting += count


def held(queue: Queue[Any]) -> int:
    stats = queue.stats()
    return stats.visible + stats.in_flight + stats.delayed + stats.moving


def work(
    broker: Broker, note: Note, *, who: str, slot: str, seed: int, lease: float, threads: int, before: list[Fact]
) -> None:
    """Work in this thread and others until the broker is closed, or the process ends."""
    waiting = sum(held(queue) for queue in broker.queues.values())
    backlog = Backlog(waiting)

    def worker(number: int) -> Worker:
        name = f"{who}.{number}"
        return Worker(broker, Teller(name, note), f"{seed} {name}", f"{slot}.{number}", lease, backlog)

    def toil(one: Worker) -> None:
        with one.teller.watched():
            while True:
                one.step()

    workers = [worker(number) for number in range(threads)]
    workers[0].send_again(before)
    for one in workers[1:]:
        threading.Thread(target=toil, args=(one,), daemon=True).start()
    toil(workers[0])
