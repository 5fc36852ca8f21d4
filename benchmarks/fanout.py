"""w5: one publish to many queues, and a publish that few of many subscriptions want a copy of."""

from queue import SimpleQueue
from typing import Any

from common import Figures, bodies, fresh
from matching import KINDS
from measure import cpu, median, ratio, resident, settle_memory, side_by_side

from decouple import Broker, Topic

COPIES = 200_000
"""So many are there at the end of a slice: the more, the longer both sides wait for memory."""


def topic_of(queues: int) -> tuple[Broker, Topic]:
    """A topic with so many queues, and the broker that holds them."""
    broker = Broker()
    topic = broker.topic("bench")
    for number in range(queues):
        topic.subscribe(broker.queue(f"queue-{number}"))
    return broker, topic


def a_copy(queues: int, slices: int) -> tuple[float, str]:
    """CPU time of a copy, against putting the same bodies into as many SimpleQueues in a loop."""
    times: dict[str, list[float]] = {"decouple": [], "loop": []}
    for _ in range(slices):
        holds, topic = topic_of(queues)
        targets: list[SimpleQueue[str]] = [SimpleQueue() for _ in range(queues)]
        texts = bodies(0, COPIES // queues)
        settle_memory()
        times["decouple"].append(published(topic, texts) / COPIES)
        times["loop"].append(put(targets, texts) / COPIES)
        del holds
    return ratio(times, "loop"), f"{median(times['decouple']):.0f} ns a copy here"


def published(topic: Topic, texts: list[str]) -> int:
    start = cpu()
    for text in texts:
        topic.publish(text)
    return cpu() - start


def put(targets: list[SimpleQueue[str]], texts: list[str]) -> int:
    start = cpu()
    for text in texts:
        for target in targets:
            target.put(text)
    return cpu() - start


def bytes_of_a_copy(queues: int, copies: int) -> float:
    """Resident bytes a copy, the bodies not counted. In a process of its own."""
    holds, topic = topic_of(queues)
    texts = bodies(0, copies // queues)
    before = resident()
    for text in texts:
        topic.publish(text)
    grown = (resident() - before) / copies
    assert holds.check()["visible"] == copies
    return grown


def few_of_many(kind: str, slices: int) -> tuple[float, str]:
    """A publish with 10,000 subscriptions of which ten match, against one with those ten alone."""
    times = side_by_side({"ten": publishing(kind, 10), "decouple": publishing(kind, 10_000)}, slices=slices)
    return ratio(times, "ten"), f"{median(times['decouple']) / 1e3:.1f} us a publish here"


def publishing(kind: str, many: int) -> Any:
    policy, message = KINDS[kind]
    broker = Broker()
    topic = broker.topic("bench")
    for number in range(max(0, 50 - many), max(50, many)):
        topic.subscribe(broker.queue(f"queue-{number}"), filter=policy(number))

    def run(much: int) -> None:
        for _ in range(much):
            topic.publish("x", attributes=message)
        for queue in met:
            queue.purge()

    topic.publish("x", attributes=message)
    met = [queue for queue in broker.queues.values() if queue.purge()]
    assert len(met) == 10
    return run


def w5(full: bool) -> Figures:
    slices = 21 if full else 7
    figures = {f"w5.{queues}": a_copy(queues, slices) for queues in (10, 100, 1_000)}
    for queues in (100, 1_000):
        figures[f"w5.bytes{queues}"] = (fresh(bytes_of_a_copy, queues, 2_000_000 if full else 400_000), "")
    for kind in KINDS:
        figures[f"w5.{kind}"] = few_of_many(kind, 9 if full else 5)
    return figures
