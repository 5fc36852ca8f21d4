"""Who takes part in W9: decouple's durable engines, the libraries of PyPI that keep a queue on a disk, and the floors.

Each is a Subject: so many cycles (send, receive, acknowledge 1 KiB) one by one, and so many in hundreds, with one line
that says what survives what. Nobody's defaults are changed but where the name says so. The raw logs and the SQLite floors
are peerbench's (shared with its W9): the least that could be called durable, with no ids, attributes, dead letters,
limits, retention, waiting or checks. pip install -e '.[bench]' brings the libraries.
"""

import os
import sqlite3
import struct
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import time
from typing import Any, NamedTuple

from common import BODY
from floor import Floor

from decouple import Broker

HUNDRED = 100
LEASE = 43_200


class Subject(NamedTuple):
    """single, hundreds: run so many messages through, all of them sent, received and acknowledged."""

    single: Callable[[int], None]
    hundreds: Callable[[int], None]


class Peer(NamedTuple):
    """title: a row's name; guarantee: what survives what; open: in a folder of its own; package: what to install."""

    title: str
    guarantee: str
    open: Callable[[str, ExitStack], Subject]
    package: str = ""


def singly(send: Callable[[str], Any], receive: Callable[[], Any], ack: Callable[[Any], Any]) -> Callable[[int], None]:
    def run(count: int) -> None:
        for _ in range(count):
            send(BODY)
            ack(receive())

    return run


def unbatched(send: Callable[[str], Any], receive: Callable[[], Any], ack: Callable[[Any], Any]) -> Subject:
    """Of a library without batches: a hundred at once are a hundred sends, as many receives, and the acknowledgements."""

    def hundreds(count: int) -> None:
        for _ in range(count // HUNDRED):
            for _ in range(HUNDRED):
                send(BODY)
            for one in [receive() for _ in range(HUNDRED)]:
                ack(one)

    return Subject(singly(send, receive, ack), hundreds)


def batches(
    send: Callable[[list[str]], Any], receive: Callable[[int], list[Any]], ack: Callable[[list[Any]], Any]
) -> Callable[[int], None]:
    def run(count: int) -> None:
        for _ in range(count // HUNDRED):
            send([BODY] * HUNDRED)
            ack(receive(HUNDRED))

    return run


# -- decouple --------------------------------------------------------------------------------------------------------


def through(queue: Any) -> Subject:
    """The cycles of a decouple queue."""

    def single(count: int) -> None:
        send, receive = queue.send, queue.receive
        for _ in range(count):
            send(BODY)
            receive()[0].ack()

    def take(most: int) -> list[Any]:
        taken: list[Any] = queue.receive(max_messages=most)
        return taken

    return Subject(single, batches(queue.send_batch, take, lambda messages: queue.delete(*messages)))


def url_of(engine: str, folder: str) -> str:
    return {"memory": "memory://", "file": f"file://{folder}/journal", "sqlite": f"sqlite:///{folder}/bench.db"}[engine]


@contextmanager
def queue_on(engine: str, folder: str, **options: Any) -> Iterator[Any]:
    """A queue of decouple's engine in the folder, until the end of the block."""
    with Broker(url_of(engine, folder), **options) as broker:
        yield broker.queue("bench", visibility_timeout=LEASE, max_in_flight=100_000_000)


def ours(engine: str, **options: Any) -> Callable[[str, ExitStack], Subject]:
    return lambda folder, stack: through(stack.enter_context(queue_on(engine, folder, **options)))


# -- the floors: peerbench's -----------------------------------------------------------------------------------------


def raw_log(sync: Callable[[int], None]) -> Callable[[str, ExitStack], Subject]:
    """A record in a file for each operation, and the queue itself a deque."""

    def opened(folder: str, stack: ExitStack) -> Subject:
        file = os.open(os.path.join(folder, "log"), os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        stack.callback(os.close, file)
        waiting: deque[bytes] = deque()

        def write(records: list[bytes]) -> None:
            os.write(file, b"".join(records))
            sync(file)

        def send(texts: list[str]) -> None:
            encoded = [text.encode() for text in texts]
            write([struct.pack("<BI", 1, len(one)) + one for one in encoded])
            waiting.extend(encoded)

        def receive(most: int) -> list[bytes]:
            taken = [waiting.popleft() for _ in range(min(most, len(waiting)))]
            write([struct.pack("<BQ", 2, 0)] * len(taken))
            return taken

        def ack(taken: list[bytes]) -> None:
            write([struct.pack("<BQ", 3, 0)] * len(taken))

        single = singly(lambda body: send([body]), lambda: receive(1), ack)
        return Subject(single, batches(send, receive, ack))

    return opened


INSERT = "insert into q(vis, body) values(0, ?)"
TAKE = """update q set vis=?, n=n+1 where id in (select id from q where vis<=? order by vis, id limit ?)
returning id, body"""
DELETE = "delete from q where id=?"


def table(folder: str, stack: ExitStack, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(os.path.join(folder, "floor.db"), isolation_level=None)
    stack.callback(connection.close)
    for statement in (
        "pragma journal_mode=wal",
        f"pragma synchronous={synchronous}",
        "create table q(id integer primary key, vis real not null, n integer not null default 0, body text not null)",
        "create index qi on q(vis, id)",
    ):
        connection.execute(statement)
    return connection


def sqlite_floor(synchronous: str) -> Callable[[str, ExitStack], Subject]:
    """One table, one index, leases in it; three transactions a cycle."""

    def opened(folder: str, stack: ExitStack) -> Subject:
        connection = table(folder, stack, synchronous)
        execute = connection.execute

        def receive(most: int) -> list[Any]:
            now = time()
            return execute(TAKE, (now + 30.0, now, most)).fetchall()

        def together(statement: str, rows: list[Any]) -> None:
            execute("begin immediate")
            connection.executemany(statement, rows)
            execute("commit")

        single = singly(
            lambda body: execute(INSERT, (body,)), lambda: receive(1)[0], lambda row: execute(DELETE, (row[0],))
        )
        return Subject(
            single,
            batches(
                lambda texts: together(INSERT, [(text,) for text in texts]),
                receive,
                lambda rows: together(DELETE, [(row[0],) for row in rows]),
            ),
        )

    return opened


def sqlite_floor_in_memory(synchronous: str) -> Callable[[str, ExitStack], Subject]:
    """Only sends and deletions are written; a crash forgets all leases and counts. Two transactions a cycle."""

    def opened(folder: str, stack: ExitStack) -> Subject:
        connection = table(folder, stack, synchronous)
        execute = connection.execute
        floor = Floor(LEASE)

        def send(body: str) -> None:
            floor.send((execute(INSERT, (body,)).lastrowid, body))

        def send_many(texts: list[str]) -> None:
            execute("begin immediate")
            numbers = [execute(INSERT, (text,)).lastrowid for text in texts]
            execute("commit")
            floor.send_many(list(zip(numbers, texts, strict=True)))

        def ack(message: Any) -> None:
            execute(DELETE, (message.body[0],))
            floor.ack(message)

        def ack_many(messages: list[Any]) -> None:
            execute("begin immediate")
            connection.executemany(DELETE, [(message.body[0],) for message in messages])
            execute("commit")
            floor.ack_many(messages)

        return Subject(singly(send, floor.receive, ack), batches(send_many, floor.receive_many, ack_many))

    return opened


# -- libraries -------------------------------------------------------------------------------------------------------


def litequeue(folder: str, stack: ExitStack) -> Subject:
    from litequeue import LiteQueue

    queue = LiteQueue(os.path.join(folder, "litequeue.db"))
    stack.callback(queue.close)
    return unbatched(queue.put, queue.pop, lambda message: queue.done(message.message_id))


def diskcache(folder: str, stack: ExitStack) -> Subject:
    from diskcache import Deque

    queue = Deque(directory=os.path.join(folder, "diskcache"))
    stack.callback(queue.cache.close)
    return unbatched(queue.append, queue.popleft, lambda body: None)


def persist_ack(folder: str, stack: ExitStack) -> Subject:
    from persistqueue import SQLiteAckQueue

    queue = SQLiteAckQueue(os.path.join(folder, "persist"), multithreading=True)
    stack.callback(queue.close)
    return unbatched(queue.put, lambda: queue.get(block=False, raw=True), queue.ack)


def persist_file(folder: str, stack: ExitStack) -> Subject:
    from persistqueue import Queue

    queue = Queue(os.path.join(folder, "persist-file"), autosave=False)
    return unbatched(queue.put, queue.get_nowait, lambda body: queue.task_done())


KILL = "survives a killed process; a power cut may take the last commits"
POWER = "made to survive a power cut: synced before each call returns"

PEERS = {
    "memory": Peer("decouple memory://", "nothing survives: what durability costs is the difference", ours("memory")),
    "journal": Peer("decouple file://, process", "survives a killed process, not a power cut", ours("file")),
    "disk": Peer("decouple file://, disk", POWER, ours("file", durability="disk")),
    "normal": Peer("decouple sqlite://, NORMAL", f"{KILL}; any number of processes", ours("sqlite")),
    "full": Peer("decouple sqlite://, FULL", f"{POWER}; any number of processes", ours("sqlite", synchronous="FULL")),
    "raw": Peer("raw append", "survives a killed process; no index, no leases", raw_log(lambda file: None)),
    "rawsync": Peer("raw append + fdatasync", f"{POWER}, three a cycle; no index, no leases", raw_log(os.fdatasync)),
    "floor": Peer("SQLite floor NORMAL", f"{KILL}; leases on disk", sqlite_floor("normal")),
    "floor.memory": Peer(
        "SQLite floor NORMAL, leases in RAM", f"{KILL}, and all leases", sqlite_floor_in_memory("normal")
    ),
    "floor.full": Peer("SQLite floor FULL", f"{POWER}; leases on disk", sqlite_floor("full")),
    "floor.fullmemory": Peer(
        "SQLite floor FULL, leases in RAM", f"{POWER}; leases are forgotten", sqlite_floor_in_memory("full")
    ),
    "litequeue": Peer("litequeue", f"{KILL}; rows that are done stay", litequeue, "litequeue"),
    "diskcache": Peer("diskcache.Deque", f"{KILL}; a pop deletes, no lease", diskcache, "diskcache"),
    "persist": Peer(
        "persist-queue SQLiteAckQueue", "WAL FULL: a power cut; no lease ends, rows stay", persist_ack, "persist-queue"
    ),
    "persistfile": Peer(
        "persist-queue Queue", "a killed process; no acknowledgement of one", persist_file, "persist-queue"
    ),
}
