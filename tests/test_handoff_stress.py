"""Hand-offs under load: producers, consumers in threads and tasks on two loops share queues, and the books are read meanwhile.

Nothing is lost, nothing is delivered twice within its visibility timeout, and `check()` holds at any moment.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from random import Random

import pytest

from decouple import Broker, Message, Queue, QueueClosed, SystemClock
from decouple.parking import Park
from decouple.testing import Ledger

pytestmark = pytest.mark.slow

LIMIT = 25
"""Real seconds after which a test gives up on its threads."""


@pytest.fixture(params=[None, 1e-5], ids=["usual switching", "switching all the time"])
def switching(request: pytest.FixtureRequest) -> Iterator[float | None]:
    """How often the interpreter switches threads."""
    usual = sys.getswitchinterval()
    if request.param is not None:
        sys.setswitchinterval(request.param)
    yield request.param
    sys.setswitchinterval(usual)


class Crew:
    """Threads that work until they are done; the first error of any of them is the test's."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.threads: list[threading.Thread] = []

    def start(self, *works: Callable[[], object]) -> None:
        for work in works:
            thread = threading.Thread(target=self._run, args=(work,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _run(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # raised again in the test's own thread
            self.errors.append(error)

    def join(self) -> None:
        for thread in self.threads:
            thread.join(LIMIT)
        if self.errors:
            raise self.errors[0]
        assert not any(thread.is_alive() for thread in self.threads), "somebody waits for ever"


class Tally:
    """What was received and settled, by whom; done when so many messages are settled."""

    def __init__(self, queue: Queue, expected: int) -> None:
        self.queue = queue
        self.expected = expected
        self.seen: list[str] = []
        self._count = count(1).__next__

    def settle(self, message: Message) -> None:
        self.seen.append(message.body)
        message.ack()
        if self._count() == self.expected:
            self.queue.close()


def consumes(queue: Queue, tally: Tally, most: int) -> Callable[[], None]:
    def work() -> None:
        try:
            while True:
                for message in queue.receive(max_messages=most, wait=10):
                    tally.settle(message)
        except QueueClosed:
            pass

    return work


def consumes_in_tasks(queue: Queue, tally: Tally, tasks: int) -> Callable[[], None]:
    async def task() -> None:
        async for message in queue.aio.messages(wait=10):
            tally.settle(message)
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(task() for _ in range(tasks)))

    return lambda: asyncio.run(main())


def checks(queue: Queue, *others: Queue) -> Callable[[], None]:
    def work() -> None:
        pause = threading.Event()
        while not queue.closed:
            for one in (queue, *others):
                one.check()
                one.stats()
            pause.wait(0.003)

    return work


@pytest.mark.parametrize("observed", [False, True], ids=["plain", "observed"])
def test_threads_and_tasks_of_two_loops_share_a_queue_without_loss_or_doubles(
    switching: float | None, observed: bool
) -> None:
    ledger = Ledger()
    queue = Broker(observers=[ledger] if observed else []).queue("work", visibility_timeout=600)
    producers, each = 3, 1_500
    tally, crew = Tally(queue, producers * each), Crew()

    def produces(name: int) -> Callable[[], None]:
        def work() -> None:
            random, number = Random(name), 0
            while number < each:
                size = min(random.choice([1, 1, 1, 5]), each - number)
                bodies = [f"{name}:{number + one}" for one in range(size)]
                if size == 1:
                    queue.send(bodies[0], delay=random.choice([None, None, None, 0.002]))
                else:
                    queue.send_batch(bodies)
                number += size

        return work

    crew.start(
        consumes(queue, tally, 1),
        consumes(queue, tally, 4),
        consumes_in_tasks(queue, tally, 3),
        consumes_in_tasks(queue, tally, 2),
        checks(queue),
        *(produces(name) for name in range(producers)),
    )
    crew.join()

    assert Counter(tally.seen) == Counter(f"{name}:{number}" for name in range(producers) for number in range(each))
    stats = queue.stats()
    assert (stats.sent, stats.deleted, stats.expired, stats.visible, stats.in_flight) == (4_500, 4_500, 0, 0, 0)
    assert stats.parked == 0
    queue.check()
    if observed:
        assert ledger.check()["gone"] == 4_500


def test_messages_given_back_again_and_again_reach_somebody_in_the_end(switching: float | None) -> None:
    queue = Queue("work", visibility_timeout=600)
    expected = 1_500
    tally, crew = Tally(queue, expected), Crew()
    held: set[str] = set()
    doubled: list[str] = []

    def fumbles(seed: int) -> Callable[[], None]:
        random = Random(seed)

        def work() -> None:
            try:
                while True:
                    for message in queue.receive(max_messages=random.choice([1, 3]), wait=10):
                        if message.body in held:
                            doubled.append(message.body)
                        held.add(message.body)
                        if random.random() < 0.4:
                            held.discard(message.body)
                            message.nack(random.choice([0, 0, 0.001]))
                        else:
                            tally.settle(message)
            except QueueClosed:
                pass

        return work

    crew.start(*(fumbles(seed) for seed in range(3)), checks(queue))
    for number in range(expected):
        queue.send(f"m{number}")
    crew.join()

    assert doubled == []
    assert Counter(tally.seen) == Counter(f"m{number}" for number in range(expected))


def test_a_cap_on_messages_in_flight_holds_and_starves_nobody(switching: float | None) -> None:
    queue = Queue("work", visibility_timeout=600, max_in_flight=2)
    expected = 800
    tally, crew = Tally(queue, expected), Crew()
    over: list[int] = []

    def watches() -> None:
        while not queue.closed:
            if (held := queue.stats().in_flight) > 2:
                over.append(held)
            threading.Event().wait(0.001)

    crew.start(
        consumes(queue, tally, 1),
        consumes(queue, tally, 2),
        consumes(queue, tally, 1),
        consumes_in_tasks(queue, tally, 2),
        watches,
    )
    for number in range(expected):
        queue.send(f"m{number}")
    crew.join()

    assert over == []
    assert sorted(tally.seen) == sorted(f"m{number}" for number in range(expected))


@pytest.mark.parametrize("observed", [False, True], ids=["plain", "observed"])
def test_every_dead_letter_arrives_once_under_concurrency(switching: float | None, observed: bool) -> None:
    ledger = Ledger()
    broker = Broker(observers=[ledger] if observed else [])
    grave = broker.queue("grave")
    dead = broker.queue("dead", dead_letter=grave, max_receives=1)
    queue = broker.queue("work", dead_letter=dead, max_receives=2, visibility_timeout=600)
    expected, crew = 500, Crew()
    arrived: list[str] = []

    def gives_up(seed: int) -> Callable[[], None]:
        random = Random(seed)

        def work() -> None:
            try:
                while True:
                    for message in queue.receive(max_messages=2, wait=5):
                        if random.random() < 0.3:
                            message.reject("no good")
                        else:
                            message.nack()
            except QueueClosed:
                pass

        return work

    def gives_up_again() -> None:
        try:
            while True:
                for message in dead.receive(max_messages=3, wait=5):
                    message.nack()
        except QueueClosed:
            pass

    def buries() -> None:
        while len(arrived) < expected:
            for message in grave.receive(wait=5):
                arrived.append(message.body)
                message.ack()
        queue.close()
        dead.close()

    crew.start(
        *(gives_up(seed) for seed in range(2)), gives_up_again, gives_up_again, buries, checks(queue, dead, grave)
    )
    for number in range(expected):
        queue.send(f"m{number}")
    crew.join()

    assert Counter(arrived) == Counter(f"m{number}" for number in range(expected))
    laws = [one.check() for one in (queue, dead, grave)]
    assert [law["moved_out"] for law in laws] == [expected, expected, 0]
    assert [law["moving"] for law in laws] == [0, 0, 0]
    if observed:
        ledger.check()


def test_leases_that_expire_while_others_receive_are_each_given_to_one(switching: float | None) -> None:
    """With a visibility timeout this short messages come again; each receive of a message has its own count."""
    queue = Queue("work", visibility_timeout=0.005)
    deliveries: list[tuple[str, int]] = []
    gone: set[str] = set()
    crew = Crew()

    def dawdles(seed: int) -> Callable[[], None]:
        random, pause = Random(seed), threading.Event()

        def work() -> None:
            while len(gone) < 150:
                for message in queue.receive(max_messages=3, wait=0.05):
                    deliveries.append((message.body, message.receive_count))
                    if random.random() < 0.5:
                        pause.wait(0.006)
                    if random.random() < 0.7:
                        message.ack()
                        gone.add(message.body)

        return work

    for number in range(150):
        queue.send(f"m{number}")
    crew.start(*(dawdles(seed) for seed in range(3)))
    crew.join()

    assert max(Counter(deliveries).values()) == 1, "two receives with the same count"
    assert gone == {f"m{number}" for number in range(150)}
    law = queue.check()
    assert (law["deleted"], law["visible"] + law["in_flight"]) == (150, 0)


def test_tasks_cancelled_all_the_time_lose_nothing(switching: float | None) -> None:
    queue = Queue("work", visibility_timeout=600)
    expected = 800
    tally, crew = Tally(queue, expected), Crew()

    async def impatient(seed: int) -> None:
        random = Random(seed)
        while not queue.closed:
            try:
                async with asyncio.timeout(random.uniform(0, 0.003)):
                    for message in await queue.aio.receive(wait=10):
                        tally.settle(message)
            except TimeoutError:
                pass
            except QueueClosed:
                return

    async def main() -> None:
        await asyncio.gather(*(impatient(seed) for seed in range(3)))

    def produces() -> None:
        pause = threading.Event()
        for number in range(expected):
            queue.send(f"m{number}")
            if number % 5 == 0:
                pause.wait(0.001)

    crew.start(lambda: asyncio.run(main()), lambda: asyncio.run(main()), produces, checks(queue))
    crew.join()

    assert Counter(tally.seen) == Counter(f"m{number}" for number in range(expected))
    assert queue.stats().parked == 0


def test_redrives_under_load_move_every_message_once(switching: float | None) -> None:
    broker = Broker()
    dead = broker.queue("dead")
    queue = broker.queue("work", dead_letter=dead, visibility_timeout=600)
    expected = 500
    tally, crew = Tally(queue, expected), Crew()
    rejected: set[str] = set()

    def rejects_once() -> None:
        try:
            while True:
                for message in queue.receive(wait=5):
                    if message.body in rejected:
                        tally.settle(message)
                    else:
                        rejected.add(message.body)
                        message.reject("first time")
        except QueueClosed:
            pass

    def redrives() -> None:
        pause = threading.Event()
        while not queue.closed:
            dead.redrive()
            pause.wait(0.002)

    crew.start(rejects_once, rejects_once, redrives, checks(queue, dead))
    for number in range(expected):
        queue.send(f"m{number}")
    crew.join()

    assert Counter(tally.seen) == Counter(f"m{number}" for number in range(expected))
    assert dead.check()["accepted"] == expected


class HandClock(SystemClock):
    """Real time as the queue sees it, except that the test moves it, and nothing is settled on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 0

    def now(self) -> int:  # type: ignore[override]
        return self.at


class Seat(Park):
    """A receive that waits, without a thread."""

    def wake(self) -> bool:
        return True


@pytest.mark.parametrize("look", [Queue.check, Queue.stats, Queue.peek], ids=["check", "stats", "peek"])
def test_whoever_notices_a_deadline_first_serves_those_who_wait(look: Callable[[Queue], object]) -> None:
    """Found by the tests above: check() saw the message become visible before it let the parked receives have it."""
    clock = HandClock()
    queue = Queue("work", clock=clock)
    queue.send("later", delay=1)
    seat = Seat("work", 1, 30 * 10**9, 60 * 10**9)
    queue._lobby.enter(seat)
    clock.at = 10**9

    look(queue)

    assert [delivery.record[0] for delivery in seat.messages] == ["later"]
    assert seat.done
    queue.check()
