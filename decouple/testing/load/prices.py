"""Prices: what a load would cost at AWS, by a table that is yours to change.

The figures are AWS's public list prices of us-east-1 as of 2025, from general knowledge: of the first tier, without the
free allowances, data transfer and savings plans. They change, and differ by region, so what matters is given:

    Prices(requests_per_million=0.40, gb_second=0.0000133334, worker_hour=0.0494)

A request is one call to SQS. Whoever works takes what is there at each receive, or waits for up to 20 seconds: a wait in vain
is an empty receive, and is paid for, too. Messages are sent one by one, and so do consumers receive and delete them;
Lambda's pollers take and delete up to ten a request, and pay for five that are always there.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import attrs

from decouple.testing.load.figures import number

__all__ = ["Cost", "Polls", "Prices", "Requests"]

MILLION = 1_000_000


@attrs.frozen(kw_only=True)
class Prices:
    """A price table, in one currency.

    requests_per_million: of SQS, standard queues; fifo_requests_per_million: of FIFO queues; invocations_per_million,
    gb_second: of Lambda (x86); worker_hour: of one consumer, whatever it runs on: 0.0 unless you say; currency: a word.
    """

    requests_per_million: float = 0.40
    fifo_requests_per_million: float = 0.50
    invocations_per_million: float = 0.20
    gb_second: float = 0.0000166667
    worker_hour: float = 0.0
    currency: str = "USD"

    def __attrs_post_init__(self) -> None:
        for field in attrs.fields(Prices):
            if field.name != "currency":
                number(getattr(self, field.name), field.name)

    def cost(self, requests: Requests, *, fifo: bool, runs: int, gb_seconds: float, worker_hours: float) -> Cost:
        """What that costs."""
        per_million = self.fifo_requests_per_million if fifo else self.requests_per_million
        return Cost(
            requests=requests.total * per_million / MILLION,
            invocations=runs * self.invocations_per_million / MILLION,
            compute=gb_seconds * self.gb_second,
            workers=worker_hours * self.worker_hour,
            currency=self.currency,
        )


class Requests(NamedTuple):
    """Calls to SQS. empty_receives are receives, too; changes: of visibility, by which a message is given back or kept."""

    sends: int
    receives: int
    empty_receives: int
    deletes: int
    changes: int

    @property
    def total(self) -> int:
        """All that are paid for."""
        return self.sends + self.receives + self.deletes + self.changes


class Cost(NamedTuple):
    """What a load costs: of SQS's requests, of Lambda's invocations and GB-seconds, of consumers."""

    requests: float
    invocations: float
    compute: float
    workers: float
    currency: str = "USD"

    @property
    def total(self) -> float:
        """All of it."""
        return self.requests + self.invocations + self.compute + self.workers


class Polls:
    """Counts receives in vain: of pollers, each of which waits while it has nothing to do. Of several, the first in line works.

    idle: how many there are; most: that are kept, however many work; wait: nanoseconds of a receive.
    """

    def __init__(self, idle: int, wait: int) -> None:
        self.empty = 0
        self._most = idle
        self._wait = wait
        self._idle = deque([0] * idle)

    def begin(self, now: int) -> None:
        """One of them has got something: the first in line, or another one that came for it."""
        if self._idle:
            self.empty += (now - self._idle.popleft()) // self._wait

    def end(self, now: int) -> None:
        """It has done with it."""
        if len(self._idle) < self._most:
            self._idle.append(now)

    def close(self, now: int) -> None:
        """Nothing more comes."""
        while self._idle:
            self.begin(now)
