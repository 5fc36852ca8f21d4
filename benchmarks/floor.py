"""FLOOR: the leanest lease queue in pure Python, the control that shows what CPython itself charges for
send, receive with a lease, and delete.

What it does not do: dead letters, delays, retention, per-message timeouts, message attributes, ids and sent instants,
receive limits, size and type checks, observers, statistics, close, virtual time, asyncio, undoing an interrupted
receive, and expiry in bounded steps (100,000 leases that end together stall one call for 70 ms).

    ready     deque[Msg]                 O(1) at both ends
    inflight  dict[receipt -> Msg]       O(1) delete by receipt
    heap      [(deadline, receipt)]      lazy deletion, compaction when more than two thirds are stale
    lock      one threading.Lock; waiters are raw locks with direct hand-off
"""

from collections import deque
from heapq import heapify, heappop, heappush
from threading import Lock
from time import monotonic


class Msg:
    __slots__ = ("body", "count", "receipt")

    def __init__(self, body):
        self.body = body
        self.count = 0
        self.receipt = 0


class Floor:
    __slots__ = ("heap", "inflight", "lease", "lock", "ready", "seq", "waiters")

    def __init__(self, lease=30.0):
        self.ready, self.inflight, self.heap = deque(), {}, []
        self.lock, self.waiters, self.seq, self.lease = Lock(), deque(), 0, lease

    def _lease(self, m, now):
        m.receipt = r = self.seq = self.seq + 1
        m.count += 1
        self.inflight[r] = m
        heappush(self.heap, (now + self.lease, r))

    def _expire(self, now):
        heap, pop, back = self.heap, self.inflight.pop, self.ready.append
        while heap and heap[0][0] <= now:
            m = pop(heappop(heap)[1], None)
            if m is not None:
                back(m)

    def send(self, body):
        m = Msg(body)
        with self.lock:
            if self.waiters:
                w = self.waiters.popleft()
                self._lease(m, monotonic())
                w[1] = m
                w[0].release()
            else:
                self.ready.append(m)
        return m

    def send_many(self, bodies):
        ms = [Msg(b) for b in bodies]
        with self.lock:
            self.ready.extend(ms)
        return ms

    def receive(self, wait=0.0):
        now = monotonic()
        with self.lock:
            heap = self.heap
            if heap and heap[0][0] <= now:
                self._expire(now)
            if self.ready:
                m = self.ready.popleft()
                m.receipt = r = self.seq = self.seq + 1
                m.count += 1
                self.inflight[r] = m
                heappush(heap, (now + self.lease, r))
                return m
            if not wait:
                return None
            w = [Lock(), None]
            w[0].acquire()
            self.waiters.append(w)
        if not w[0].acquire(True, wait):
            with self.lock:
                if w[1] is None:
                    self.waiters.remove(w)
        return w[1]

    def receive_many(self, n):
        now = monotonic()
        with self.lock:
            heap = self.heap
            if heap and heap[0][0] <= now:
                self._expire(now)
            ready, inflight, r, deadline = self.ready, self.inflight, self.seq, now + self.lease
            out = [ready.popleft() for _ in range(min(n, len(ready)))]
            for m in out:
                r += 1
                m.receipt = r
                m.count += 1
                inflight[r] = m
                heappush(heap, (deadline, r))
            self.seq = r
        return out

    def ack(self, m):
        with self.lock:
            if self.inflight.pop(m.receipt, None) is None:
                return False
            if len(self.heap) > 2 * len(self.inflight) + 64:
                self._compact()
        return True

    def ack_many(self, ms):
        with self.lock:
            pop = self.inflight.pop
            for m in ms:
                pop(m.receipt, None)
            if len(self.heap) > 2 * len(self.inflight) + 64:
                self._compact()

    def _compact(self):
        live = self.inflight
        self.heap[:] = [e for e in self.heap if e[1] in live]
        heapify(self.heap)
