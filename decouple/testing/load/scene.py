"""A load under way: a real queue, what is sent to it, who works at it, and the books on every message.

Senders, consumers and functions are those of the library, on the simulation's clock. Only what comes from outside is made up:
the instants at which messages come, and how long handling one takes. The books are kept by those two, and by looking
at the queue; nobody observes changes, which would double the time a run takes.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from decouple.broker import Broker
from decouple.clock import SECOND
from decouple.core.records import Failure as Reason
from decouple.message import Message
from decouple.testing.load.prices import Polls, Requests
from decouple.testing.load.result import Latency, Load, Sample
from decouple.testing.load.service import Failure
from decouple.testing.load.settings import Plan

__all__ = ["Failed", "Scene"]

SAMPLES = 400
MOST_GROUPS = 1_000
LONG_POLL = 20 * SECOND
POLLERS = 5
"""Those of Lambda that are always there, each waiting for messages. Source: Lambda, scaling behavior of SQS mappings."""
IN_A_REQUEST = 10
MILLISECOND = 1_000_000
NAN = float("nan")


class Failed(Exception):
    """A handling that was to fail."""


class Scene:
    """A plan, declared in a broker. `run` it in a simulation whose broker it is; elsewhere it only shows that it can be."""

    def __init__(self, plan: Plan, broker: Broker) -> None:
        self.plan = plan
        self.broker = broker
        self.now = broker.clock.now
        suffix = ".fifo" if plan.fifo else ""
        self.dead = broker.queue(f"load-dead{suffix}")
        self.queue = broker.queue(f"load{suffix}", dead_letter=self.dead, **plan.queue)
        self.interval = 0 if plan.heartbeat is None else plan.heartbeat
        self.timeout = None if plan.timeout is None else plan.timeout / SECOND
        if plan.consumers is None:
            self.function: Any = broker.function(self.handle_batch, name="load", **plan.function)
            self.trigger = self.queue.trigger(self.function, **plan.trigger)
        else:
            self.queue.consume(self.handle, concurrency=plan.consumers, **plan.consumer)
        self.books = Books(plan)
        self.polls = Polls(plan.consumers or POLLERS, LONG_POLL)
        self.stage: Any = None  # the loop of the simulation
        self.samples: list[Sample] = []
        self.step = max(MILLISECOND, plan.lasts // SAMPLES)
        self.sending = True

    # -- what comes --------------------------------------------------------------------------------------------

    async def run(self, progress: Callable[[float], None]) -> Load:
        """Until all that came is gone, or the time is over."""
        self.stage = loop = asyncio.get_running_loop()
        self.progress = progress
        self.over: asyncio.Future[None] = loop.create_future()
        self.arrivals = self.plan.arrivals.instants(self.plan.seed)
        self.send_later()
        self.sample()
        await self.over
        return self.result()

    def send_later(self) -> None:
        at, group = next(self.arrivals, (self.plan.lasts, None))
        if at < self.plan.lasts:
            self.stage.call_at_instant(at, partial(self.send, group))
        else:
            self.sending = False

    def send(self, group: str | None) -> None:
        number = self.books.came_in(self.now(), group)
        if group is None:
            self.queue.send(str(number))
        else:
            self.queue.send(str(number), group=group, deduplication_id=str(number) if self.plan.fifo else None)
        self.look()
        self.send_later()

    # -- who works ---------------------------------------------------------------------------------------------

    async def handle(self, message: Message[Any]) -> None:
        """As a consumer's handler."""
        books, began = self.books, self.now()
        self.come(began)
        try:
            await self.work_in_time(int(message.text), message.times_received)
        except BaseException:
            books.failed += 1
            raise
        finally:
            now = self.now()
            books.busy += now - began
            if self.interval:
                books.beats += (now - began - 1) // self.interval
            self.leave(now)

    async def work_in_time(self, number: int, attempt: int) -> None:
        if self.timeout is None:
            await self.work(number, attempt)
            return
        try:
            async with asyncio.timeout(self.timeout):
                await self.work(number, attempt)
        except TimeoutError:
            raise TimeoutError(f"it took longer than {self.timeout:g} s") from None

    async def handle_batch(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """As a function's handler: one message after the other. Those that fail are said to have failed, or all have."""
        began, books, records = self.now(), self.books, event["Records"]
        partly = self.plan.trigger.get("partial_failures", True)
        books.runs += 1
        books.fetches += -(-len(records) // IN_A_REQUEST)
        self.come(began)
        failed: list[dict[str, str]] = []
        try:
            for record in records:
                try:
                    await self.work(int(record["body"]), int(record["attributes"]["ApproximateReceiveCount"]))
                except Failed:
                    books.failed += 1
                    if not partly:
                        raise
                    failed.append({"itemIdentifier": record["messageId"]})
        except asyncio.CancelledError:
            books.failed += 1
            raise
        finally:
            now = self.now()
            books.billed += -(-(now - began) // MILLISECOND)
            self.leave(now)
        return {"batchItemFailures": failed}

    async def work(self, number: int, attempt: int) -> None:
        """At one message. Raises Failed, or never ends."""
        books = self.books
        seconds, fails = books.begin(number, attempt, self.now())
        self.look()
        if fails == "time out":
            await self.stage.create_future()
        await asyncio.sleep(seconds)
        if fails is not None:
            raise Failed(f"attempt {attempt}")
        books.end(number, self.now())

    def come(self, now: int) -> None:
        """Somebody has got something to do."""
        self.polls.begin(now)
        self.books.at_work(1)

    def leave(self, now: int) -> None:
        """And has done with it."""
        self.books.at_work(-1)
        self.books.last_at = now
        self.polls.end(now)
        self.look()

    # -- looking -----------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Something happened: what is visible now?"""
        self.books.see(self.now(), self.queue._core.visible)

    def sample(self) -> None:
        """Look at the queue, and again after a while; when nothing more can happen, it is over."""
        plan, now, stats = self.plan, self.now(), self.queue.stats()
        self.look()
        left = stats.visible + stats.in_flight + stats.delayed + stats.moving
        self.samples.append(
            Sample(
                now / SECOND, stats.visible, stats.in_flight, stats.delayed, stats.oldest_age or 0.0, self.books.working
            )
        )
        if len(self.samples) > 2 * SAMPLES:
            self.step *= 2
            del self.samples[1::2]
        self.progress(min(1.0, now / plan.lasts))
        if now < plan.lasts:
            self.stage.call_at_instant(min(now + self.step, plan.lasts), self.sample)
        elif not self.sending and (not left or now >= plan.lasts + plan.drain):
            self.over.set_result(None)
        else:
            self.stage.call_at_instant(min(now + self.step, plan.lasts + plan.drain), self.sample)

    def result(self) -> Load:
        """All of it, as it is now."""
        books, plan, stats = self.books, self.plan, self.queue.stats()
        left = stats.visible + stats.in_flight + stats.delayed + stats.moving
        ended = self.now() if left else max(plan.lasts, books.last_at)
        self.polls.close(ended)
        dead = self.dead.peek(self.dead.stats().visible)
        requests = self.requests(stats.deleted, stats.nacked)
        gb_seconds = books.billed * MILLISECOND / SECOND * plan.function.get("memory", 128) / 1_024
        hours = (plan.consumers or 0) * ended / SECOND / 3_600
        total = books.totals()
        function = None if plan.consumers is not None else self.function.stats()
        return Load(
            settings=plan.given,
            seed=plan.seed,
            lasted=ended / SECOND,
            arrived=len(books.came),
            handled=sum(at >= 0 for at in books.done),
            dead=len(dead),
            expired=stats.retained_out,
            left=left,
            attempts=books.attempts,
            failed=books.failed,
            duplicates=books.duplicates,
            reasons=dict(Counter(reason_in_words(message.failure) for message in dead).most_common()),
            waiting=Latency.of(waits := books.waits()),
            total=Latency.of(total),
            groups=books.by_group(total),
            samples=tuple(self.samples),
            backlog_peak=books.most_visible,
            backlog_mean=books.area / ended if ended else 0.0,
            oldest_peak=max(sample.oldest for sample in self.samples),
            busy=None if plan.consumers is None else books.busy / (plan.consumers * ended) if ended else 0.0,
            peak=books.peak,
            runs=books.runs,
            gb_seconds=gb_seconds,
            cold_starts=0 if function is None else function.cold_starts,
            throttles=0 if function is None else self.trigger.stats().throttles,
            requests=requests,
            cost=plan.prices.cost(requests, fifo=plan.fifo, runs=books.runs, gb_seconds=gb_seconds, worker_hours=hours),
            waits=waits,
            totals=total,
        )

    def requests(self, deleted: int, nacked: int) -> Requests:
        """The calls that all this is at AWS."""
        books, consumers = self.books, self.plan.consumers is not None
        empty = self.polls.empty
        return Requests(
            sends=len(books.came),
            receives=(books.attempts if consumers else books.fetches) + empty,
            empty_receives=empty,
            deletes=deleted if consumers else books.fetches,
            changes=nacked + books.beats if consumers else 0,
        )


class Books:
    """What is known of each message, by its number: instants in nanoseconds, -1 for what has not happened."""

    def __init__(self, plan: Plan) -> None:
        self.came, self.begun, self.done = array("q"), array("q"), array("q")
        self.attempts = self.failed = self.duplicates = 0
        self.busy = self.billed = self.runs = self.fetches = self.beats = 0
        self.working = self.peak = 0
        self.area = self.most_visible = self.last_at = 0
        self._groups: dict[str, list[int]] = {}
        self._seen_at = self._seen = 0
        self._draw = plan.service.draw
        self._seed = plan.seed
        self._failures = plan.failures
        self._service = Random(f"service {plan.seed}")
        self._luck = Random(f"failures {plan.seed}")
        self._lengths = array("d")
        self._fates: list[tuple[str | None, str | None]] = []  # of the first attempt, and of every one

    # -- what is to be -----------------------------------------------------------------------------------------

    def came_in(self, now: int, group: str | None) -> int:
        """A message came: its number."""
        number = len(self.came)
        self.came.append(now)
        self.begun.append(-1)
        self.done.append(-1)
        self._lengths.append(self._draw(self._service))
        if self._failures:
            always = fate(self._luck, self._failures, "messages")
            self._fates.append((fate(self._luck, self._failures, "attempts"), always))
        if group is not None:
            self._groups.setdefault(group, []).append(number)
        return number

    def begin(self, number: int, attempt: int, now: int) -> tuple[float, str | None]:
        """An attempt at a message: for how many seconds, and how it fails, if it does."""
        self.attempts += 1
        if self.begun[number] < 0:
            self.begun[number] = now
        if attempt == 1:
            first, always = self._fates[number] if self._failures else (None, None)
            return self._lengths[number], always or first
        chance = Random(f"{self._seed} {number} {attempt}")
        seconds = self._draw(chance)
        always = self._fates[number][1] if self._failures else None
        return seconds, always or fate(chance, self._failures, "attempts")

    # -- what happened -----------------------------------------------------------------------------------------

    def end(self, number: int, now: int) -> None:
        """A message was handled."""
        if self.done[number] < 0:
            self.done[number] = now
        else:
            self.duplicates += 1

    def at_work(self, more: int) -> None:
        self.working += more
        self.peak = max(self.peak, self.working)

    def see(self, now: int, visible: int) -> None:
        """So many are visible now."""
        self.area += self._seen * (now - self._seen_at)
        self._seen_at, self._seen = now, visible
        self.most_visible = max(self.most_visible, visible)

    # -- figures -----------------------------------------------------------------------------------------------

    def waits(self) -> array[float]:
        return self._since_they_came(self.begun)

    def totals(self) -> array[float]:
        return self._since_they_came(self.done)

    def _since_they_came(self, instants: array[int]) -> array[float]:
        pairs = zip(self.came, instants, strict=True)
        return array("d", [(at - came) / SECOND if at >= 0 else NAN for came, at in pairs])

    def by_group(self, totals: array[float]) -> dict[str, Latency]:
        """Of up to 1,000 groups."""
        names = sorted(self._groups, key=lambda name: -len(self._groups[name]))[:MOST_GROUPS]
        return {name: Latency.of([totals[number] for number in self._groups[name]]) for name in names}


def fate(chance: Random, failures: tuple[Failure, ...], of: str) -> str | None:
    """How it fails, if it does. As much chance is used whatever the rates are."""
    drawn = [(chance.random(), failure) for failure in failures if failure.of == of]
    return next((failure.kind for luck, failure in drawn if luck < failure.rate), None)


def reason_in_words(reason: Reason | None) -> str:
    """Why a message is dead, by kind."""
    return "?" if reason is None else reason.error.rpartition(".")[2]
