"""Worlds: a broker for one test, on virtual or simulated time, with a look at its end, and what to say when the test fails.

Knows nothing of a test framework: pytest_plugin.py makes one for each test that asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from decouple.broker import Broker
from decouple.clock import Clock
from decouple.errors import Deadlock, LawBroken
from decouple.expecting.expectations import left_in
from decouple.stories.recording import Recording
from decouple.testing.laws import check as check_laws

if TYPE_CHECKING:
    from decouple.aws import AWS
    from decouple.stories.story import Story
    from decouple.testing.faults import Faults

__all__ = ["AsyncWorld", "Mocked", "World"]

K = TypeVar("K")
RECORDED = 100_000
MOST_STORIES = 3
LONGEST_STORY = 60  # lines
ADVICE = (
    "receive them, assert them with queue.assert_sent(...), purge() the queue, or mark the test with "
    "@pytest.mark.decouple(leftovers=True), or leftovers= with the names of queues that may keep theirs"
)
UNDONE = "work is due that nobody has done, such as handling a message: broker.run_until_idle() does it, here and now"


class World:
    """A recording broker on a clock. leftovers: True = anything may be left at the end, or the names of what may be left."""

    def __init__(
        self,
        clock: Clock | None,
        *,
        seed: int | None = None,
        faults: Faults | None = None,
        leftovers: bool | Collection[str] = (),
    ) -> None:
        self.broker = Broker(clock=clock, seed=seed, faults=faults, record=RECORDED)
        self.anything = leftovers is True
        self.allowed: Collection[str] = () if isinstance(leftovers, bool) else leftovers

    def check(self) -> None:
        """That the laws hold and nothing is left. Raises LawBroken, AssertionError."""
        __tracebackhide__ = True
        recording = judged(self.broker)
        if found := [] if self.anything else list(self._left(recording)):
            lines = ["the test leaves behind what nobody has read:", *(f"  {one}" for one in found), ADVICE]
            raise AssertionError("\n".join(lines))

    def _left(self, recording: Recording) -> Iterator[str]:
        """In words, what is left and may not be."""
        # What a fault struck (a second copy, a lost acknowledgement) comes again when it likes, which no test waits for.
        struck = {change.id for change in recording.changes if change.cause == "fault"}
        for queue in self._strict(self.broker.queues):
            for one in left_in(queue):
                # What was asserted is accounted for, unless somebody tried to handle it and is not done.
                asserted = one.id in queue._asserted and (one.dead or not one.receives)
                if not asserted and one.id not in struck:
                    yield f"queue {queue.name!r}: {one} ({one.id})"
        for topic in self._strict(self.broker.topics):
            for subscription in topic.subscriptions:
                if subscription.line is not None and (pending := subscription.line.numbers()["pending"]):
                    yield f"topic {topic.name!r}: {pending} not delivered yet to {subscription.name}"
        for function in self._strict(self.broker.functions):
            if pending := function.stats().pending:
                yield f"function {function.name!r}: {pending} sent and not seen through yet"

    def _strict(self, named: Mapping[str, K]) -> list[K]:
        """Those that may not leave anything."""
        return [one for name, one in named.items() if name not in self.allowed]

    @property
    def undone(self) -> list[str]:
        """In words, whether work was due at the end of the test that nobody did."""
        return [] if self.broker.idle else [UNDONE]

    def stories(self, failure: str, about: Sequence[str] = ()) -> list[str]:
        """Of the messages a failure is about or names by their ids, or else of those touched last; but those it tells itself."""
        return untold(self.broker.recording(), failure, about)


class AsyncWorld(World):
    """A broker in a simulation, in which one async test runs while its workers work."""

    def __init__(self, *, seed: int = 0, faults: Faults | None = None, leftovers: bool | Collection[str] = ()) -> None:
        from decouple.testing.simulation import Simulation  # here, because synchronous tests do without asyncio

        self._test: Callable[[], Coroutine[Any, Any, object]] | None = None
        self.simulation = Simulation(self._main, seed=seed, faults=faults, record=0)
        self.simulation._context.run(super().__init__, None, leftovers=leftovers)

    def run(self, test: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Let it run to its end, and the broker close. Raises what it raises, Deadlock, BlockingCall."""
        import asyncio

        from decouple.testing.simulation import in_a_thread

        __tracebackhide__ = True
        self._test = test
        if asyncio._get_running_loop() is None:
            self._run()
        else:
            in_a_thread(self._run, self.simulation._interrupt)

    def _run(self) -> None:
        __tracebackhide__ = True
        try:
            with self.simulation:
                self.simulation.run()
        except Deadlock as error:
            raise error.with_traceback(None) from None  # it says where who waits

    @property
    def undone(self) -> list[str]:
        """Nothing: its workers work by themselves."""
        return []

    async def _main(self) -> None:
        assert self._test is not None
        await self.broker.__aenter__()
        try:
            await self._test()
        except BaseException:
            await self.broker.aclose(timeout=0)  # a handler that never ends must not hide it
            raise
        await self.broker.aclose()


class Mocked:
    """AWS in the process, as one test sees it. It may leave what it likes: AWS does not mind either."""

    def __init__(self, aws: AWS) -> None:
        self.aws = aws

    @property
    def undone(self) -> list[str]:
        """Nothing: AWS works by itself."""
        return []

    def check(self) -> None:
        """That the laws hold. Raises LawBroken."""
        __tracebackhide__ = True
        judged(self.aws)

    def stories(self, failure: str, about: Sequence[str] = ()) -> list[str]:
        """See World."""
        return untold(self.aws.recording(), failure, about)


def judged(books: Broker | AWS) -> Recording:
    """What was recorded, by which the laws hold. Raises LawBroken."""
    __tracebackhide__ = True
    try:
        books.check()  # what is due, and was not noticed yet, is recorded by this
        recording = books.recording()
        check_laws(recording)
    except LawBroken as error:
        raise error.with_traceback(None) from None  # the story says more than where we looked
    return recording


def untold(recording: Recording, failure: str, about: Sequence[str]) -> list[str]:
    """See World.stories."""
    told = [str(story) for story in involved(recording, "\n".join([failure, *about]))]
    return [shortened(story) for story in told if not all(line.strip() in failure for line in story.split("\n"))]


def involved(recording: Recording, failure: str) -> list[Story]:
    """The stories of a few messages, each told once though it has several ids."""
    last: dict[str, None] = {}
    for change in reversed(recording.changes):
        if change.id is not None and (change.queue or change.topic):
            last.setdefault(change.id)
    named = sorted((at, id) for id in last if (at := failure.find(id)) >= 0)
    stories: list[Story] = []
    for id in [id for _, id in named] or last:
        if len(stories) == MOST_STORIES:
            break
        if not any(id in story.ids for story in stories):
            stories.append(recording.explain(id))
    return stories


def shortened(text: str) -> str:
    lines = text.split("\n")
    if len(lines) <= LONGEST_STORY:
        return text
    half = LONGEST_STORY // 2
    return "\n".join([*lines[:half], f"... {len(lines) - 2 * half} lines ...", *lines[-half:]])
