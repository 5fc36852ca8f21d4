"""decouple as a peer of peerbench, the comparison with other libraries: copy this file to its `peers/decouple.py`.

cp benchmarks/peerbench_adapter.py PEERBENCH/peers/decouple.py
python PEERBENCH/bench.py --out results.json --peers "decouple;decouple-async;FLOOR;queue.Queue;asyncio.Queue"
python PEERBENCH/bench.py --out durable.json --only w9
"""

import os
from operator import methodcaller

from decouple import Broker, Queue

from .base import AsyncPeer, Peer  # type: ignore[import-not-found]


def new_queue(lease):
    return Queue("bench", visibility_timeout=lease, max_in_flight=100_000_000)


class Decouple(Peer):
    name = "decouple"
    leases = can_block = threadsafe = True
    clock = "cpu"
    ack = staticmethod(methodcaller("ack"))

    def open(self, tmp, lease=30.0):
        self.use(new_queue(lease))

    def use(self, queue):
        self.queue = queue
        receive, delete = queue.receive, queue.delete
        self.send, self.send_many = queue.send, queue.send_batch

        def receive_one(wait=None):
            if wait is None:
                return receive()[0]
            got = receive(wait=wait)
            return got[0] if got else None

        self.receive = receive_one
        self.receive_many = lambda most: receive(max_messages=most)
        self.ack_many = lambda messages: delete(*messages)

    def text(self, message):
        return message.body


class DecoupleAsync(AsyncPeer):
    name = "decouple-async"
    leases = can_block = True
    clock = "cpu"

    def open(self, tmp, lease=30.0):
        aio = new_queue(lease).aio
        receive = aio.receive
        self.asend = aio.send

        async def receive_one():
            while not (got := await receive(wait=20)):
                pass
            return got[0]

        async def ack(message):
            message.ack()

        self.areceive, self.aack = receive_one, ack

    def text(self, message):
        return message.body


class Journal(Decouple):
    """W9: the durable engines, on the disk that PEERBENCH_TMP names."""

    name = "decouple file://, process"
    clock = "wall"
    w9 = True
    guarantee = "written before each call returns: survives a killed process, not a power cut; one process"
    url, query = "file://{}/journal", ""

    def open(self, tmp, lease=30.0):
        self.broker = Broker(self.url.format(os.path.abspath(tmp)) + self.query)
        self.use(self.broker.queue("bench", visibility_timeout=lease, max_in_flight=100_000_000))

    def close(self):
        self.broker.close()


class JournalDisk(Journal):
    name = "decouple file://, disk"
    guarantee = "synced before each call returns: made to survive a power cut; one process"
    query = "?durability=disk"


class Sqlite(Journal):
    name = "decouple sqlite://, NORMAL"
    guarantee = "WAL synchronous=NORMAL: survives a killed process, a power cut may take the last commits; N processes"
    url, query = "sqlite:///{}/bench.db", ""


class SqliteFull(Sqlite):
    name = "decouple sqlite://, FULL"
    guarantee = "WAL synchronous=FULL, leases on disk: made to survive a power cut; N processes"
    query = "?synchronous=FULL"


PEERS = [Decouple, DecoupleAsync, Journal, JournalDisk, Sqlite, SqliteFull]
