"""A state machine for hypothesis of a user's own broker: it sends, takes, handles, crashes and waits in any order.

    TestShop = machine(make_broker, {"orders": charge}, laws=[once]).TestCase

Hypothesis chooses the steps, and shrinks a failure to the fewest. A step is what a distributed queue may do to a consumer: a
message is taken, its handler runs, the message is acknowledged, or the process dies before or after the handler ran, or the
time in flight ends while somebody still works on it. After each step the broker's books are checked. At the end all that was
begun is left lying, time passes, and what comes again is handled calmly, until nothing is left; then the laws are checked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Any, NamedTuple, TypeAlias, cast

from decouple.broker import Broker
from decouple.clock import VirtualClock
from decouple.errors import NotInstalled, QueueNotFound, TopicNotFound
from decouple.message import Entry
from decouple.queue import Queue
from decouple.testing.exploring.working import Bench, Hand
from decouple.testing.faults import Faults
from decouple.testing.laws import Law, watch

try:
    from hypothesis import Phase, settings
    from hypothesis import strategies as st
    from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
    from hypothesis.strategies import SearchStrategy
except ModuleNotFoundError as error:
    raise NotInstalled(
        "hypothesis", purpose="decouple.testing.machine", install="pip install 'decouple-messaging[hypothesis]'"
    ) from error

from decouple.testing.strategies import bodies, passing

__all__ = ["machine"]

Handlers: TypeAlias = Mapping[str, Callable[..., Any]]
MOST_ROUNDS = 50
MOST_EACH = 20
"""How often a message is handled at the end, before it is left where it is: it fails for ever."""


def machine(
    make_broker: Callable[..., Broker],
    handlers: Handlers | Callable[[Broker], Handlers] = {},  # noqa: B006  # it is read only
    *,
    laws: Iterable[Law] = (),
    messages: Mapping[str, SearchStrategy[Any]] | None = None,
    faults: Faults | SearchStrategy[Faults] | None = None,
) -> type[RuleBasedStateMachine]:
    """A hypothesis state machine: `.TestCase` is a test for pytest and unittest, run_state_machine_as_test runs it.

    make_broker: declares a new broker on a VirtualClock, for each run; consumers and triggers it declares work, too. With
    `faults`, a plan or a strategy of plans, it is called as make_broker(faults=plan), and gives it to Broker(faults=...).
    handlers: by queue, taking what `queue.consume` hands to a handler; or what makes them, of the broker, so that what they
    remember is new in each run. A handler that raises gives its message back, but AssertionError fails the run.
    laws: of decouple.testing.laws, beside those that always hold. messages: what is sent, by queue and topic: strategies of
    bodies or Entries; by default any message to each topic, and to each queue with a handler that no topic delivers to.

    A failure shows the steps, shrunk, and the story of the message. Rules and invariants of one's own may be added in a
    subclass, where `self.broker` is the broker. Raises TypeError, QueueNotFound, TopicNotFound.
    """
    plan = st.just(faults) if isinstance(faults, Faults) else faults
    make = Making(make_broker, handlers, tuple(laws), plan is not None)
    sample = make.sample()
    queues = sorted(make.handlers_of(sample))
    places = places_of(sample, queues, messages)
    steps = one_step(queues, places, durations(sample))

    class BrokerMachine(Steps):
        _make = make

        @initialize(plan=st.none() if plan is None else plan)
        def begin(self, plan: Faults | None) -> None:
            self._begin(plan)

        # One rule for all, and numbers instead of bundles: any step can be left out, and those after it still mean
        # something, which is what shrinking lives on. With a rule for each, failures shrank to twice as many steps.
        @rule(step=steps)
        def step(self, step: Step) -> None:
            self._do(step)

    # Without the phase that says which lines ran only in failing runs: it makes all of them ten times slower.
    BrokerMachine.TestCase.settings = settings(
        BrokerMachine.TestCase.settings, phases=[phase for phase in Phase if phase is not Phase.explain]
    )
    return BrokerMachine


class Action(Enum):
    """What a worker does next, or what happens to it."""

    HANDLE = "take a message, handle it, acknowledge it"
    TAKE = "take a message"
    RUN = "run the handler with a message that was taken, or with the next one"
    ACK = "acknowledge a message whose handler ran"
    CRASH = "die with a message"
    NACK = "give a message back"
    REDELIVER = "lose a message to somebody else, while working on it"
    WORK = "let the broker's own workers do what is due"

    def __repr__(self) -> str:
        return f"Action.{self.name}"


class Send(NamedTuple):
    """A message is sent, or published. entry: an Entry, or a body."""

    to: str
    entry: Any


class Act(NamedTuple):
    """Somebody does something. which: with which of the messages with which it can be done."""

    what: Action
    which: int = 0


class Wait(NamedTuple):
    """Time passes."""

    seconds: float


Step: TypeAlias = Send | Act | Wait


def one_step(
    queues: list[str], places: Mapping[str, SearchStrategy[Any]], waits: SearchStrategy[float]
) -> SearchStrategy[Step]:
    """Any step; a send is one of three, for without messages nothing happens."""
    sends: list[SearchStrategy[Step]] = [st.builds(Send, st.just(name), entry) for name, entry in places.items()]
    number = st.integers(0, 3)
    acts: list[SearchStrategy[Step]] = [
        st.builds(Act, st.just(what), number) for what in Action if queues and what is not Action.WORK
    ]
    often = 1 + len(acts) // (2 * len(sends)) if sends else 0
    return st.one_of([*sends * often, *acts, st.builds(Wait, waits), st.just(Act(Action.WORK))])


class Making:
    """What each run begins with."""

    def __init__(
        self, make_broker: Callable[..., Broker], handlers: Any, laws: tuple[Law, ...], with_faults: bool
    ) -> None:
        if not callable(make_broker):
            raise TypeError(f"make_broker must be a callable that gives a new broker, not {make_broker!r:.80}")
        self.make_broker = make_broker
        self.handlers = handlers
        self.laws = laws
        self.with_faults = with_faults

    def broker(self, plan: Faults | None) -> Broker:
        """A new one. Raises TypeError."""
        made = self.make_broker(faults=plan) if self.with_faults else self.make_broker()
        if not isinstance(made, Broker):
            raise TypeError(f"make_broker must give a Broker, not {made!r:.80}")
        if not isinstance(made.clock, VirtualClock) or not made.clock.by_hand:
            raise TypeError("make_broker must give a broker on a clock of its own: Broker(clock=VirtualClock())")
        return made

    def sample(self) -> Broker:
        """One to look at, nothing of which is used."""
        return self.broker(Faults() if self.with_faults else None)

    def handlers_of(self, broker: Broker) -> Handlers:
        """By queue. Raises TypeError, QueueNotFound."""
        found: Any = self.handlers(broker) if callable(self.handlers) else self.handlers
        if not isinstance(found, Mapping):
            raise TypeError(f"handlers must be a mapping of queues' names to handlers, not {found!r:.80}")
        handlers = cast("Handlers", found)
        for name in handlers:
            if name not in broker.queues:
                raise QueueNotFound(name, declared=len(broker.queues))
        return handlers


def places_of(
    broker: Broker, queues: list[str], messages: Mapping[str, SearchStrategy[Any]] | None
) -> dict[str, SearchStrategy[Any]]:
    """Where messages are sent to, and which. Raises TopicNotFound."""
    if messages is None:
        fed = [one.target for topic in broker.topics.values() for one in topic.subscriptions]
        names = [*broker.topics, *(name for name in queues if broker.queues[name] not in fed)]
        return {name: usual(broker, name) for name in names}
    for name in messages:
        if name not in broker.queues and name not in broker.topics:
            raise TopicNotFound(name, declared=len(broker.topics) + len(broker.queues))
    return dict(messages)


def usual(broker: Broker, name: str) -> SearchStrategy[Any]:
    """Any body that goes there; to a topic also what its subscriptions' filters let pass."""
    body, attributes, fifo = bodies(), st.none(), False
    if name in broker.topics:
        topic = broker.topics[name]
        fifo = topic.fifo
        for policy in filter(None, (one.filter for one in topic.subscriptions)):
            wanted: Any = passing(json.loads(policy.text), scope=policy.scope)
            if policy.scope == "body":
                body = body | wanted
            else:
                attributes = attributes | wanted
    else:
        queue = broker.queues[name]
        fifo = queue.fifo
        body = bodies() if queue.body_type is str else st.from_type(queue.body_type)
    if not fifo:
        return st.builds(Entry, body, attributes=attributes)
    ids = st.sampled_from("0123456789")
    return st.builds(Entry, body, attributes=attributes, group=st.sampled_from("ab"), deduplication_id=ids)


def durations(broker: Broker) -> SearchStrategy[float]:
    """Those that matter there, and others."""
    settings = [queue.settings for queue in broker.queues.values()]
    known = {one[name] for one in settings for name in ("visibility_timeout", "delay")} - {0}
    return st.sampled_from(sorted({1, *known})) | st.integers(1, 3_600)


class Steps(RuleBasedStateMachine):
    """What the steps do. steps: what was done in each, in words."""

    _make: Making
    broker: Broker
    _failed = False

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[list[str]] = []
        self._hands: list[Hand] = []
        self._last: Hand | None = None

    def _begin(self, plan: Faults | None) -> None:
        self.broker = self._make.broker(plan)
        self._bench = Bench(self.broker, self._make.handlers_of(self.broker))
        self._watch = watch(self.broker, *self._make.laws)
        self._watch.__enter__()

    # -- steps -------------------------------------------------------------------------------------------------

    def _do(self, step: Step) -> None:
        with self._step():
            match step:
                case Send(to, entry):
                    self._send(to, entry)
                case Wait(seconds):
                    self._say(f"{seconds} s pass")
                    self._bench.clock.advance(seconds)
                case Act(Action.WORK):
                    if not self.broker.idle:
                        self._say("the broker's own workers do what is due")
                        self._bench.work()
                case Act(what, which):
                    self._act(what, which)

    def _send(self, place: str, given: Any) -> None:
        entry = given if isinstance(given, Entry) else Entry(given)
        arguments = {name: value for name, value in entry._asdict().items() if value is not None or name == "body"}
        self._say(f"send to {place!r}: {shown(arguments)}")
        if place in self.broker.queues:
            self._say(self._bench.name_of(self.broker.queues[place].send(**arguments).id))
        else:
            self.broker.topics[place].publish(**arguments)

    def _act(self, what: Action, which: int) -> None:
        """Do it with the one that is meant, of those with which it can be done; if there is none, with the next message."""
        new = what in (Action.HANDLE, Action.TAKE)
        fitting = [] if new else [hand for hand in self._hands if fits(hand, what)]
        self._last = hand = fitting[which % len(fitting)] if fitting else self._take(which)
        if hand is None:
            return
        match what:
            case Action.RUN:
                self._run(hand)
            case Action.HANDLE | Action.ACK:
                if hand.done or self._run(hand):
                    self._ack(hand)
            case Action.CRASH:
                self._hands.remove(hand)
                self._say(
                    f"{hand}: who has it dies, {'not having acknowledged it' if hand.done else 'before its handler'}"
                )
            case Action.NACK:
                self._hands.remove(hand)
                self._say(f"{hand}: given back")
                self._say(self._bench.nack(hand))
            case Action.REDELIVER:
                self._say(f"{hand}: there again, while somebody works on it")
                self._say(self._bench.nack(hand))
            case _:  # it is taken
                pass

    def _take(self, which: int) -> Hand | None:
        queues = [name for name in self._bench.names if self.broker.queues[name].stats().visible]
        if not queues:
            return None
        queue = queues[which % len(queues)]
        hand = self._bench.take(queue)
        self._say(f"nothing of {queue!r} is to be had" if hand is None else f"{hand}: taken from {queue!r}")
        self._hands += () if hand is None else (hand,)
        return hand

    def _run(self, hand: Hand) -> bool:
        self._say(f"{hand}: its handler runs")
        raised = self._bench.run(hand)
        self._say(raised)
        if not hand.done:
            self._hands.remove(hand)
        return hand.done

    def _ack(self, hand: Hand) -> None:
        self._hands.remove(hand)
        self._say(f"{hand}: acknowledged")
        self._bench.ack(hand)

    # -- their frame -------------------------------------------------------------------------------------------

    def _say(self, words: str) -> None:
        """Of the step under way."""
        if words:
            self.steps[-1].append(words)

    @contextmanager
    def _step(self) -> Generator[None]:
        """A step, after which the books are right."""
        self.steps.append([])
        try:
            yield
            self.broker.check()
        except Exception as error:
            self._failed = True
            self._explain(error)
            raise

    def _explain(self, error: Exception) -> None:
        """Put the steps, and where the error does not have it the story of the message, into the error's notes."""
        listed = ["; ".join(words) for words in self.steps if words]
        lines = [f"{number:3}  {line}" for number, line in enumerate(listed, 1)]
        error.add_note("\n".join(["the steps:", *lines, *self._bench.legend()]))
        hand = self._bench.current or self._last
        if getattr(error, "story", None) is None and hand is not None:
            error.add_note(str(self._watch.recording().explain(hand.message.id)))

    # -- the end -----------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Come to rest, and check the laws."""
        if self._failed or not hasattr(self, "_watch"):
            return
        try:
            with self._step():
                self._say("the end: what was begun is left, and what comes again is handled")
                self._rest()
                self._watch.check()
        finally:
            self._bench.close()

    def _rest(self) -> None:
        """Handle calmly what is there and what comes again; what fails for ever is left after some times."""
        queues = [self.broker.queues[name] for name in self._bench.names]
        left = MOST_EACH * (1 + sum(held(queue) for queue in queues))
        for _ in range(MOST_ROUNDS):
            self._bench.work()
            moved = False
            for queue in queues:
                while left > 0 and (hand := self._bench.take(queue.name)) is not None:
                    left, moved = left - 1, True
                    self._bench.run(hand)
                    if hand.done:
                        self._bench.ack(hand)
            if left <= 0 or not any(held(queue) for queue in queues):
                return
            if not moved:
                self._bench.pass_on()


def fits(hand: Hand, what: Action) -> bool:
    """Whether it can be done with that one."""
    return what in (Action.CRASH, Action.REDELIVER) or hand.done is (what is Action.ACK)


def held(queue: Queue[Any]) -> int:
    """How many messages are there."""
    stats = queue.stats()
    return stats.visible + stats.in_flight + stats.delayed


def shown(arguments: Mapping[str, Any]) -> str:
    body = f"{arguments['body']!r:.60}"
    return ", ".join([body, *(f"{name}={value!r:.60}" for name, value in arguments.items() if name != "body")])
