"""decouple as a peer of peerbench, the comparison with other libraries: copy this file to its `peers/decouple.py`.

cp benchmarks/peerbench_adapter.py PEERBENCH/peers/decouple.py
python PEERBENCH/bench.py --out results.json --peers "decouple;decouple-async;FLOOR;queue.Queue;asyncio.Queue"
"""

from operator import methodcaller

from decouple import Queue

from .base import AsyncPeer, Peer  # type: ignore[import-not-found]


def new_queue(lease):
    return Queue("bench", visibility_timeout=lease, max_in_flight=100_000_000)


class Decouple(Peer):
    name = "decouple"
    leases = can_block = threadsafe = True
    clock = "cpu"
    ack = staticmethod(methodcaller("ack"))

    def open(self, tmp, lease=30.0):
        queue = self.queue = new_queue(lease)
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


PEERS = [Decouple, DecoupleAsync]
