"""Broker: names, one clock, observers, workers and a life cycle for queues and topics that belong together.

A broker is a value: no default one, nothing shared between two, thousands side by side. What it holds also works alone,
as far as nobody has to work for it; what it adds is that a name means one thing, that all of it lives on one clock, tells
the same observers and ends together, that its workers push what topics deliver, and that the books can be checked over all.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

from decouple.arns import ACCOUNT, REGION, check_account, check_region
from decouple.capabilities import Capabilities
from decouple.clock import AMBIENCE, SECOND, Clock, Seconds, default_clock, nanoseconds
from decouple.core.changes import Change
from decouple.core.places import SHARED
from decouple.declaring import Declaring
from decouple.engine import Engine, EngineOptions, engine_of
from decouple.errors import DecoupleError, TopicNotFound
from decouple.limits import Limit
from decouple.mishaps.injecting import begun
from decouple.numbers import whole
from decouple.observing import Observing
from decouple.post import Post
from decouple.queue import Queue
from decouple.stats import QueueStats

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from os import PathLike

    from decouple.attributes import Value
    from decouple.diagram import Diagram
    from decouple.findings import Finding
    from decouple.function import Function
    from decouple.lint_handlers import Handlers
    from decouple.message import Sent
    from decouple.notification import Notification
    from decouple.outbox import Outbox
    from decouple.runner import Report, Runner
    from decouple.schedules import Schedule
    from decouple.serving import Served
    from decouple.staff import Staff
    from decouple.subscription import Subscription
    from decouple.testing.faults import Faults, Injection
    from decouple.topic import Topic

__all__ = ["Broker"]


class Broker(Declaring, Observing):
    """The owner of a program's queues, topics and functions, and of the workers that do what there is to do for them.

    clock: what time all of them live on, SystemClock() by default, in simulate() the simulation's; observers: callables
    that are told of every Change, in order for each queue or topic, by the thread that caused it; their errors are shown
    and undo nothing; seed: what chance begins with, such as the jitter of retries: a number to have the same again;
    concurrency: how many runs of functions there may be at a time, over all of them (Lambda: 1,000 per account), None for
    no limit; senders: callables (def or async def) that take what goes to "email", "sms" and "application" subscriptions,
    as an Outgoing; what has none waits in `outbox`; account, region: whose the queues, topics and functions are and where,
    as their ARNs say; record: how many of the newest changes are kept for `explain` and `recording`; faults: what goes
    wrong in all of it, a plan from decouple.testing.

    url: where the queues live and what they survive. "memory://": in this process, and end with it. "file:///folder": in
    memory, and in a journal in that folder (one process): they survive its end, also by kill -9. durability: "process",
    written before a call returns, or "disk", also synced to the disk before a send returns, which survives a loss of power.
    "sqlite:///jobs.db": in a database that processes of one machine share; synchronous: "NORMAL", a loss of power may lose
    the last commits, or "FULL". What was declared there is there again; declared anew, it has the settings given then.
    Options may stand in the url, "sqlite:///jobs.db?synchronous=FULL". A path after three slashes is absolute for file and
    relative for sqlite, which takes a fourth for an absolute one. Opening raises StorageInUse for a folder that a process
    has, StorageDamaged, StorageTooNew, ClockBehind, and StorageError or NotKept for what the system refuses.

    Workers run from `start` or `with` (threads) or `async with` (tasks, and threads for what is no async def) until the
    end of it. On a VirtualClock nothing is started: work is done in `run_until_idle` and while the clock is moved.

    >>> with Broker() as broker:
    ...     orders = broker.queue("orders", visibility_timeout=30)
    ...     sent = orders.send({"id": 7})
    ...     for message in orders.receive():
    ...         with message:
    ...             print(message.json()["id"])
    7
    """

    def __init__(
        self,
        url: str | Engine = "memory://",
        *,
        clock: Clock | None = None,
        observers: Iterable[Callable[[Change], object]] = (),
        seed: int | None = None,
        faults: Faults | Injection | None = None,
        concurrency: int | None = None,
        senders: Mapping[str, Callable[[Any], Any]] | None = None,
        account: str = ACCOUNT,
        region: str = REGION,
        record: int = 0,
        **options: Unpack[EngineOptions],
    ) -> None:
        ambience = AMBIENCE.get() if clock is None else None
        self.clock: Clock = clock or default_clock()
        self._observers = tuple(observers)
        for observer in self._observers:
            if not callable(observer):
                raise TypeError(f"observers must be callables that take a Change, not {observer!r}")
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise TypeError(f"seed must be an int or None, not {seed!r}")
        if concurrency is not None:
            whole(concurrency, "concurrency", 1)
        self.account = check_account(account)
        self.region = check_region(region)
        if ambience is not None:
            self._observers += ambience.observers
            seed = ambience.seed if seed is None else seed
        self.seed: int | None = seed
        self._faults = begun(faults, self.clock, seed, ambient=clock is None)
        self._post = Post({} if senders is None else senders)
        self._queues: dict[str, Queue[Any]] = {}
        self._restored: set[str] = set()
        self._topics: dict[str, Topic] = {}
        self._functions: dict[str, Function] = {}
        self._schedules: dict[str, Schedule] = {}
        self._limit = None if concurrency is None else Limit(concurrency)
        self._numbers = itertools.count(SHARED)
        self._schedule_numbers = itertools.count(1)
        self._staff: Staff | None = None
        self._loop: AbstractEventLoop | None = None
        self._record(record)
        self._started = False
        self._lock = threading.Lock()
        self._closed = False
        self._engine = engine_of(url, self.clock, options)
        if self._engine.shelf is not None:
            self._restore(self._engine.shelf)

    def __repr__(self) -> str:
        held = f"{len(self._queues)} queues, {len(self._topics)} topics, {len(self._functions)} functions"
        return f"<Broker: {held}{', closed' if self._closed else ''}>"

    @property
    def capabilities(self) -> Capabilities:
        """What its engine can do."""
        return self._engine.capabilities

    # -- life --------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Let the workers begin, as `with` does. On a VirtualClock nothing is started; nor where there are queues alone."""
        return self._start(None)

    def _start(self, loop: AbstractEventLoop | None) -> Self:
        with self._lock:
            if self._closed:
                raise DecoupleError("the broker is closed: make another one")
            if not self._started:
                self._started, self._loop = True, loop
                if self._staff is not None:
                    self._put_to_work(self._staff.runner)
        return self

    def _put_to_work(self, runner: Runner) -> None:
        if self._loop is None:
            runner.start()
        else:
            runner.start_tasks(self._loop)
        self._look_after()

    def close(self, timeout: Seconds | None = None) -> list[str]:
        """End: work under way may finish, up to `timeout` seconds; the descriptions of what did not. Twice is no error.

        Consumers and triggers take no more; what was published, or sent to functions, is still begun, but on a VirtualClock.
        What waits for another attempt goes to its dead-letter queue, or with a record. Then every queue and topic is
        closed: waits end with QueueClosed, what is in flight can still be settled.
        """
        patience = self._patience(timeout)
        staff = self._refuse()
        late = [] if staff is None else self._end(staff.runner, patience)
        self._close_all()
        return late

    async def aclose(self, timeout: Seconds | None = None) -> list[str]:
        """The same, while the event loop goes on."""
        patience = self._patience(timeout)
        staff = self._refuse()
        late: list[str] = []
        if staff is not None:
            late = await staff.runner.end(self._pushed(), patience)
        await self._post.close()
        self._close_all()
        return late

    def _end(self, runner: Runner, patience: float | None) -> list[str]:
        if self.clock.loop is not None:  # nobody can wait there without a task, and no real time passes
            return runner.close(patience)
        began = time.monotonic()
        runner.finish(self._pushed(), patience)
        return runner.close(None if patience is None else max(0.0, patience - (time.monotonic() - began)))

    def _pushed(self) -> Callable[[], bool]:
        """What tells whether all is begun that waits now to be pushed for the first time."""
        lines = [one.line for topic in self._topics.values() for one in topic.subscriptions if one.line is not None]
        waiting = [(line, last) for line in lines if (last := line.last) is not None]
        return lambda: not any(line.keeps(last) for line, last in waiting)

    def _refuse(self) -> Staff | None:
        # A Ctrl-C may have left a database's lock with this thread, and workers that want it are about to be waited for:
        # who comes by it sets that right.
        with self._together(), self._lock:
            self._closed = True
            return self._staff

    @staticmethod
    def _patience(timeout: Seconds | None) -> float | None:
        return None if timeout is None else nanoseconds(timeout, "timeout") / SECOND

    def _close_all(self) -> None:
        with self._lock:
            makers: list[Schedule | Function] = [*self._schedules.values(), *self._functions.values()]
            topics, queues = list(self._topics.values()), list(self._queues.values())
        for maker in makers:
            maker.close()
        for topic in topics:
            topic.close()
            topic._give_up()
        for queue in queues:
            queue.close()
        self._engine.close()

    def run(self, *, timeout: Seconds | None = 30) -> Served:
        """Serve until SIGINT or SIGTERM, then close: how it ended. In the main thread, on real time.

        Starts the workers. At the signal nothing new is begun: consumers, triggers and schedules stop taking, what they took
        and did not begin goes back at once, with its receive count as it was; handlers under way may finish, up to `timeout`
        seconds, None = as long as it takes. A second signal ends the waiting at once. Ends too when another thread closes
        the broker. The signals' old handlers are back afterwards. Inside a loop of your own: `async with broker`.
        Raises RuntimeError on a VirtualClock or in another thread, DecoupleError.
        """
        from decouple.serving import serve  # here, because an application with a loop of its own never needs it

        return serve(self, timeout)

    def run_until_idle(self, *, budget: Seconds = 0, errors: Literal["raise", "collect"] = "raise") -> Report:
        """Do all work that is due now and what follows from it; with a budget, jump up to so many seconds further.

        On a VirtualClock in this thread, time staying at the last work done; on real time, waiting for it. What is due
        later is no error: it is in the report. Errors of handlers are raised when all is done, one as itself, several as
        an ExceptionGroup; errors="collect" leaves them in the report. Raises RuntimeError in a handler.
        """
        with self._lock:
            runner = self._employed().runner
        if (kept := self._see_topics()) is not None:
            kept.gather(working=True)
        return runner.run_until_idle(budget=budget, errors=errors)

    @property
    def idle(self) -> bool:
        """Whether nothing is due now of what its workers, or run_until_idle(), would do. Cost: under 1 us."""
        return self._staff is None or self._staff.runner.idle

    @property
    def inside(self) -> bool:
        """Whether the caller is part of its work, such as a handler, and so must not call run_until_idle()."""
        return self._staff is not None and self._staff.runner.inside

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        import asyncio

        return self._start(asyncio.get_running_loop())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # -- what goes to subscribers, and what they answer --------------------------------------------------------

    def notify(
        self,
        target: Any,
        body: Any,
        *,
        subject: str | None = None,
        attributes: Mapping[str, Value] | None = None,
        per_protocol: Mapping[str, str] | None = None,
    ) -> Sent:
        """Deliver one message to one target, such as SMS("+15550100"), without a topic: with its retries, then it is lost.

        Arguments as in Topic.publish; body: ... where per_protocol has a default. Raises TypeError, ValueError,
        MessageTooLarge. Source: SNS API, Publish, PhoneNumber and TargetArn.
        """
        from decouple.topic import Topic  # here, because most programs publish to topics, or to nobody

        direct = Topic("direct", clock=self.clock)
        self._settle_in(direct)
        with self._lock:
            direct._employ(self._employed(), self._numbers, self._observers)
        direct._write_as(self._links, self._sign)
        direct.subscribe(target, confirm=False)
        return direct.publish(body, subject=subject, attributes=attributes, per_protocol=per_protocol)

    def write_as(self, links: str | None, sign: Callable[[Notification], Mapping[str, str]] | None = None) -> None:
        """What stands in SNS's envelopes: where links lead (None: to AWS), and SignatureVersion, Signature and
        SigningCertURL of a notification (None: they are left out).
        """
        with self._lock:
            self._links, self._sign = links, sign
            topics = list(self._topics.values())
        for topic in topics:
            topic._write_as(links, sign)

    @property
    def outbox(self) -> Outbox:
        """Mail, text messages and pushes for which there is no sender, oldest first; tests read it."""
        return self._post.outbox

    def open_link(self, url: str) -> Subscription | None:
        """What opening a link from a notification does: it confirms the subscription, which is in the answer, or ends it.

        Raises ValueError for another link, TopicNotFound, SubscriptionNotFound. Source: SNS, SubscribeURL, UnsubscribeURL.
        """
        from urllib.parse import parse_qsl, urlsplit  # here, because few programs have links

        if not isinstance(url, str):
            raise TypeError(f"a link is text, not {url!r:.80}")
        given = dict(parse_qsl(urlsplit(url).query))
        action = given.get("Action")
        if action == "ConfirmSubscription" and "Token" in given:
            return self._topic_of(given.get("TopicArn", "")).confirm(given["Token"])
        if action != "Unsubscribe" or "SubscriptionArn" not in given:
            raise ValueError(f"this link neither confirms nor ends a subscription: {url!r:.200}")
        arn = given["SubscriptionArn"]
        self._topic_of(arn.rpartition(":")[0]).unsubscribe(arn)
        return None

    def _topic_of(self, arn: str) -> Topic:
        topic = self._topics.get(arn.rpartition(":")[2])
        if topic is None or topic.arn != arn:
            raise TopicNotFound(arn, declared=len(self._topics))
        return topic

    # -- the architecture as data ------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """What is declared, as a document of JSON types: every queue and topic by name, with every setting, body type, tag
        and subscription.

        Durations in seconds; dead letters, body types and handlers by name; passwords and what headers say left out; names
        in order, so equal brokers give equal documents. Raises QueueError, TopicError for a queue that is used and not the
        broker's. Cost: O(queues + subscriptions).
        """
        from decouple.describe import describe

        return describe(*self._declared())

    @classmethod
    def from_description(
        cls,
        description: Mapping[str, Any] | str,
        *,
        types: Mapping[str, type[Any]] | None = None,
        targets: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
        observers: Iterable[Callable[[Change], object]] = (),
        seed: int | None = None,
        senders: Mapping[str, Callable[[Any], Any]] | None = None,
        record: int = 0,
    ) -> Self:
        """A broker with everything a description (a mapping, or its JSON text) holds; settings left out have defaults.

        types: the body type of each typed queue, by the queue's name; targets: what subscriptions deliver to and no
        description holds: handlers by their "module:qualname", an HTTP(...) by its URL (or something else in their place,
        in tests). Who had not confirmed is asked again. Raises InvalidDescription; then nothing was made. NotInstalled.
        """
        from decouple.describe import declare

        broker = cls(clock=clock, observers=observers, seed=seed, senders=senders, record=record)
        declare(broker, description, types or {}, targets or {})
        return broker

    def diagram(self, path: str | PathLike[str] | None = None) -> Diagram:
        """Queues, topics, who is subscribed by which filter, and where dead letters go, as Mermaid text, a str that shows
        itself as a picture in a notebook; at `path`, a .svg or .png file, also as a picture.

        The text is the same for equal brokers. The picture needs the extra `diagram` and Graphviz's program dot: without
        them it raises NotInstalled. Raises ValueError, and QueueError, TopicError as describe().
        """
        from decouple.diagram import draw, mermaid

        description = self.describe()
        if path is not None:
            draw(description, path)
        return mermaid(description)

    def lint(self, *, ignore: Iterable[str] = (), handlers: Handlers = ()) -> list[Finding]:
        """What is wrong or risky about the architecture as it is now, worst first, each with how to mend it.

        ignore: names of rules (`Finding.rule`) to leave out; handlers: functions, modules, Python files or folders to read
        for stages that send and acknowledge apart. Cost: O(queues + subscriptions), and for the counts that of stats().
        """
        from decouple.lint import lint

        queues, topics = self._declared()
        return lint(list(queues.values()), list(topics.values()), ignore=ignore, handlers=handlers)

    def _declared(self) -> tuple[dict[str, Queue[Any]], dict[str, Topic]]:
        with self._lock:
            return dict(self._queues), dict(self._topics)

    # -- looking -----------------------------------------------------------------------------------------------

    def stats(self) -> dict[str, QueueStats]:
        """The counts and totals of every queue, by name."""
        return {name: queue.stats() for name, queue in list(self._queues.items())}

    def check(self) -> dict[str, int]:
        """Prove that nothing was lost, also while threads run; the numbers of the law over all queues. Raises LawBroken.

        accepted = deleted + retained_out + purged + rejected + moved_out + moving + visible + in_flight + delayed, in every
        queue and so in all together, and every internal invariant; and of no subscription was a notification lost on its
        way (Topic.check). Cost: O(messages + subscriptions).
        """
        total: dict[str, int] = {}
        for queue in list(self._queues.values()):
            for name, value in queue.check().items():
                total[name] = total.get(name, 0) + value
        for topic in list(self._topics.values()):
            topic.check()
        return total
