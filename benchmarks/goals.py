"""What is measured, and how good it has to be: one Goal a figure. Every figure is better when smaller."""

from typing import NamedTuple


class Goal(NamedTuple):
    """unit: what the number counts; must, aim: the most it may be, None where no goal was set."""

    title: str
    unit: str
    must: float | None = None
    aim: float | None = None


GOALS = {
    "w1.floor": Goal("W1 send + receive + ack", "x FLOOR", 1.5),
    "w1.queue": Goal("W1 send + receive + ack", "x queue.Queue", None, 1.0),
    "w1.simple": Goal("W1 send + receive + ack", "x SimpleQueue"),
    "w1.deque": Goal("W1 send + receive + ack", "x deque"),
    "w2.floor": Goal("W2 the same in tens", "x FLOOR", 1.5, 1.0),
    "w2.queue": Goal("W2 the same in tens", "x queue.Queue"),
    "w2.simple": Goal("W2 the same in tens", "x SimpleQueue"),
    "w3.send": Goal("W3 a send into a backlog", "x at 10 k", 1.3, 1.1),
    "w3.drain": Goal("W3 draining a backlog", "x at 10 k", 1.3, 1.1),
    "w3.gc": Goal("W3 full collection, 1 M queued", "x deque of str", 2.0),
    "w3.bytes": Goal("W3 a queued message, over a deque", "bytes", 130, 100),
    "w3.flight": Goal("W3 more while in flight", "bytes", 220, 180),
    "w3.lost": Goal("W3 messages lost of 10 M queued", "messages", 0),
    "w4.floor": Goal("W4 redelivery after expiry", "x FLOOR", 1.0, 0.5),
    "w4.pause": Goal("W4 longest call, 100 k expire at once", "ms CPU", 2.0),
    "w5.10": Goal("W5 a copy, to 10 queues", "x SimpleQueue loop"),
    "w5.100": Goal("W5 a copy, to 100 queues", "x SimpleQueue loop", 4.0, 2.0),
    "w5.1000": Goal("W5 a copy, to 1,000 queues", "x SimpleQueue loop", 4.0, 2.0),
    "w5.bytes100": Goal("W5 memory of a copy, 100 queues", "bytes", 24, 12),
    "w5.bytes1000": Goal("W5 memory of a copy, 1,000 queues", "bytes", 24, 12),
    "w5.exact": Goal("W5 publish, 10 exact of 10,000 match", "x 10 of 10", 3.0, 1.2),
    "w5.prefix": Goal("W5 publish, 10 prefixes of 10,000 match", "x 10 of 10", 3.0, 1.2),
    "w5.numeric": Goal("W5 publish, 10 ranges of 10,000 match", "x 10 of 10", 3.0, 1.2),
    "w6.threads": Goal("W6 hand-off to a thread, p50", "x SimpleQueue", 1.7, 1.4),
    "w6.threads99": Goal("W6 hand-off to a thread, p99", "x SimpleQueue"),
    "w6.tasks": Goal("W6 hand-off to a task, p50", "x asyncio.Queue", 1.8, 1.3),
    "w6.tasks99": Goal("W6 hand-off to a task, p99", "x asyncio.Queue"),
    "w7.floor": Goal("W7 1-8 x 1-8 threads", "x FLOOR", 1.3, 0.8),
    "w7.queue": Goal("W7 1-8 x 1-8 threads", "x queue.Queue"),
    "w7.lost": Goal("W7 messages lost or doubled", "messages", 0),
    "w8.asyncio": Goal("W8 a cycle in asyncio", "x asyncio.Queue", 2.5, 1.5),
    "w10.floor": Goal("W10 FLOOR + a worker thread, in tens", "x FLOOR"),
    "w10.consumer": Goal("W10 a consumer, one message at a time", "x FLOOR", 3.0, 1.5),
    "w10.trigger": Goal("W10 a function, one batch at a time", "x FLOOR", 3.0, 1.5),
    "w10.many": Goal("W10 the same, as many as come", "x FLOOR", 3.0, 1.5),
    "fifo.1": Goal("FIFO cycle, 1 group", "x standard", 2.0, 1.5),
    "fifo.1000": Goal("FIFO cycle, 1,000 groups", "x standard", 2.0, 1.5),
    "fifo.waiting": Goal("FIFO cycle, 1 M other groups wait", "x standard with 1 M", 2.0, 1.5),
    "fifo.blocked": Goal("FIFO cycle, 0.5 M others blocked", "x standard with 1 M", 2.0, 1.5),
    "fifo.content": Goal("FIFO cycle, ids from the content", "x standard"),
    "dedup.bytes": Goal("dedup: memory of an id for 5 minutes", "bytes"),
    "dedup.flat": Goal("dedup: a cycle with 1 M ids remembered", "x with few", 1.5, 1.1),
    "fair.on": Goal("fair: a cycle with 1,000 tenants", "x standard"),
    "filter.exact": Goal("filter: 10 exact of 10,000 match", "x 10 of 10", 3.0, 1.2),
    "filter.prefix": Goal("filter: 10 prefixes of 10,000 match", "x 10 of 10", 3.0, 1.2),
    "filter.numeric": Goal("filter: 10 ranges of 10,000 match", "x 10 of 10", 3.0, 1.2),
    "filter.10": Goal("filter: 10 match of 10", "% of the loop", 100),
    "filter.100": Goal("filter: 10 match of 100", "% of the loop"),
    "filter.1000": Goal("filter: 10 match of 1,000", "% of the loop"),
    "filter.10000": Goal("filter: 10 match of 10,000", "% of the loop"),
    "filter.100000": Goal("filter: 10 match of 100,000", "% of the loop"),
    "http.1": Goal("http: a delivery, one at a time", "x aiohttp"),
    "http.16": Goal("http: a delivery, 16 at once", "x aiohttp"),
    "aws.cycle": Goal("aws: send, receive, delete through boto3", "x canned", 1.5),
    "aws.send": Goal("aws: send through boto3", "x canned", 1.5),
    "aws.moto10": Goal("aws: a cycle with 10 queued", "x moto", 0.2),
    "aws.moto10000": Goal("aws: a cycle with 10,000 queued", "x moto", 0.01),
    "endpoint.floor": Goal("endpoint: time of a request", "x bare ASGI app"),
    "endpoint.moto": Goal("endpoint: time of a request", "x moto server", 0.2),
    "endpoint.fauxqs": Goal("endpoint: time of a request", "x fauxqs", 0.5),
    "endpoint.localsqs": Goal("endpoint: time of a request", "x local-aws-sqs", 0.5),
    "endpoint.ministack": Goal("endpoint: time of a request", "x ministack", 0.5),
    "endpoint.flat": Goal("endpoint: a request with 1 M queued", "x empty queue", 1.2),
    "endpoint.polls": Goal("endpoint: with 1,000 waiting polls", "x none waiting", 1.2),
    "simulate.event": Goal("simulate: a queue event, 4 x 4 tasks, tens", "us CPU", 5.0),
    "simulate.tens": Goal("simulate: the same program", "x asyncio.run", None, 1.0),
    "simulate.handoff": Goal("simulate: 4 x 4 tasks, one by one", "x asyncio.run", None, 1.0),
    "simulate.day": Goal("simulate: a day, 100 at each second", "s CPU", 120),
    "simulate.even": Goal("simulate: a day, one each 10 ms", "s CPU"),
    "idle.cpu": Goal("idle: 10 k queues, 1 k waiting tasks, 2 s", "ms CPU", 1.0),
    "import.ms": Goal("import decouple", "ms", 60),
    "import.asyncio": Goal("import decouple loads asyncio", "modules", 0),
    "churn.mib": Goal("churn: memory grown after 10 M, 12 h leases", "MiB", 1.0),
    "churn.left": Goal("churn: entries left inside", "entries", 100),
}

CONTROLS = {
    "FLOOR": "the leanest lease queue (floor.py): no dead letters, delays, retention, attributes, ids, checks, limits, "
    "observers, statistics, virtual time or asyncio; expiry is not bounded",
    "queue.Queue": "put + get: no lease, no acknowledgement, no redelivery; a message taken and lost is gone",
    "SimpleQueue": "put + get in C: no lease, no acknowledgement, no limit, no task_done",
    "asyncio.Queue": "put + get in one event loop: not for threads; no lease, no acknowledgement",
    "SimpleQueue loop": "put() into as many SimpleQueues, one after the other: no filters, no lease, no acknowledgement",
    "10 of 10": "the same index, or topic, holding only the ten filter policies that match",
    "the loop": "the same compiled policies tested one after the other; the message is read once, as by the index",
    "aiohttp": "a post of the same bytes: no JSON, no headers of SNS, no time limit of its own, no redirects, no look at the "
    "addresses a name leads to",
    "canned": "botocore alone: the request checked, written and signed, and an answer read that was there before; no queue",
    "asyncio.run": "the same program and queue on asyncio's own loop, in real time; it looks for sockets between the steps",
    "moto": "moto 5 in the process, under the same client: SQS without the work of a real queue's leases, by scanning lists",
    "deque": "append + popleft in C: no lock, no waiting, no lease, no acknowledgement",
}


def verdict(goal: Goal, value: float) -> str:
    """In one word, how a figure stands to its goals."""
    if goal.must is not None and value > goal.must:
        return "MISSED"
    if goal.aim is None:
        return "" if goal.must is None else "met"
    return "aim met" if value <= goal.aim else "met" if goal.must is not None else "aim missed"
