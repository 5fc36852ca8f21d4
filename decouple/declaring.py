"""The declaring half of a Broker: a name means one queue, topic or function, and what is declared twice is the same."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Unpack, cast, overload

from decouple.clock import Clock, Seconds
from decouple.core.changes import Change
from decouple.errors import (
    DecoupleError,
    FunctionExists,
    FunctionNotFound,
    QueueExists,
    QueueNotFound,
    TopicExists,
    TopicNotFound,
)
from decouple.generic import T
from decouple.mishaps.injecting import suffer
from decouple.outliving import Outliving
from decouple.queue import Queue
from decouple.settings import QueueSettings, check_queue_name, read_settings, shown_setting
from decouple.tags import Tags, check_tags

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from decouple.declaring_schedules import Shelved
    from decouple.engine import Engine
    from decouple.function import Function
    from decouple.function_settings import GivenFunctionSettings
    from decouple.limits import Limit
    from decouple.notification import Notification
    from decouple.post import Post
    from decouple.runner import Runner
    from decouple.schedules import Schedule
    from decouple.staff import Staff
    from decouple.testing.faults import Injection
    from decouple.topic import Topic
    from decouple.topic_settings import GivenTopicSettings


__all__ = ["Declaring"]


class Declaring(Outliving):
    """The state of a broker; Broker fills it."""

    clock: Clock
    _observers: tuple[Callable[[Change], object], ...]
    _post: Post
    _faults: Injection | None
    _engine: Engine
    _queues: dict[str, Queue[Any]]
    _looked: int = -1  # at which revision of a shelf that others change, too
    _restored: set[str]  # the names of queues that were there before this process, and not declared in it yet
    _topics: dict[str, Topic]
    _functions: dict[str, Function]
    _schedules: dict[str, Schedule]
    _limit: Limit | None
    _numbers: Iterator[int]
    _schedule_numbers: itertools.count[int]
    _staff: Staff | None
    _started: bool
    _closed: bool
    _lock: threading.Lock
    seed: int | None
    account: str
    region: str
    _links: str | None = None
    _sign: Callable[[Notification], Mapping[str, str]] | None = None

    def _settle_in(self, thing: Queue[Any] | Topic | Function | Schedule) -> None:
        """Its ARN says whose it is."""
        thing._account, thing._region = self.account, self.region

    def _suffer(self, faults: Injection) -> None:
        """Let these faults happen from now on, in what is there and in what is declared later."""
        with self._lock:
            self._faults = faults
            queues, functions = list(self._queues.values()), list(self._functions.values())
        for queue in queues:
            queue._suffer(faults)
        for function in functions:
            suffer(function, faults)

    def _put_to_work(self, runner: Runner) -> None:
        """Let the workers begin, as the broker was started."""
        raise NotImplementedError

    @property
    def queues(self) -> Mapping[str, Queue[Any]]:
        """The declared queues by name, read-only."""
        self._look()
        return MappingProxyType(self._queues)

    def _look(self) -> None:
        """Where other processes declare and delete queues, too: have those that are there now."""
        shelf = self._engine.shelf
        if shelf is not None and shelf.shared and (revision := shelf.revision) != self._looked:
            from decouple.keeping import catch_up  # here, because in memory nobody else declares anything

            with self._together(), self._lock:
                self._looked = revision
                catch_up(cast("Any", self))

    def queue(
        self,
        name: str,
        *,
        fifo: bool | None = None,
        body: type[T] = str,  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]  # T is str by default
        tags: Tags | None = None,
        **settings: Unpack[QueueSettings],
    ) -> Queue[T]:
        """Declare a queue. Declared again, it is the same one; QueueExists if a setting given differs from what it has.

        Settings as in Queue. Works before the broker is started. Raises InvalidName, ValueError, TypeError.
        """
        check_queue_name(name, fifo)
        self._look()
        with self._together(), self._lock:
            if self._closed:
                raise DecoupleError(f"the broker is closed: declare queue {name!r} before, or with another broker")
            queue = self._queues.get(name)
            if queue is None:
                queue = self._make_queue(name, fifo=fifo, body=body, tags=tags, **settings)
                queue._keep()
                self._queues[name] = queue
                return queue
            restored = name in self._restored
            self._restored.discard(name)
        if restored:
            from decouple.keeping import declare_anew  # here, because in memory nothing is restored

            return cast("Queue[T]", declare_anew(queue, fifo, body, tags, settings))
        if fifo is not None and fifo != queue.fifo:
            raise QueueExists(name, setting="fifo", current=queue.fifo, asked=fifo)
        self._compare(queue, body, tags, settings)
        return cast("Queue[T]", queue)

    def _make_queue(self, name: str, **settings: Any) -> Queue[Any]:
        """Under the lock: a queue that knows its broker."""
        queue = self._engine.queue(name, clock=self.clock, faults=self._faults, **settings)
        self._settle_in(queue)
        queue._observe(self._observers)
        queue._employer = self
        queue._shelf = self._engine.shelf
        return queue

    def _compare(self, queue: Queue[Any], body: type[Any], tags: Tags | None, settings: Mapping[str, Any]) -> None:
        """A declaration again: only what is given is compared, with the current settings (SQS, CreateQueue)."""
        if body is not queue.body_type and body is not str:
            raise QueueExists(queue.name, setting="body", current=queue.body_type.__name__, asked=body.__name__)
        current = queue._core.settings
        for setting, value in read_settings(settings, current, queue).items():
            if getattr(current, setting) != value:
                now, asked = (shown_setting(setting, one) for one in (getattr(current, setting), value))
                raise QueueExists(queue.name, setting=setting, current=now, asked=asked)
        if tags is not None and check_tags(tags) != queue.tags:
            raise QueueExists(queue.name, setting="tags", current=dict(queue.tags), asked=dict(tags))

    @property
    def topics(self) -> Mapping[str, Topic]:
        """The declared topics by name, read-only."""
        self._see_topics()
        return MappingProxyType(self._topics)

    def topic(self, name: str, *, fifo: bool | None = None, **settings: Unpack[GivenTopicSettings]) -> Topic:
        """Declare a topic. Declared again, it is the same one; TopicExists if a setting given differs from what it has.

        Settings as in Topic. Works before the broker is started. Raises InvalidName, ValueError, TypeError.
        """
        # Here, and so in other places below, because programs with queues alone need none of it.
        from decouple.topic_settings import check_topic_name, read_topic_settings, shown_topic_setting

        check_topic_name(name, fifo)
        kept = self._keep_topics()
        with self._together(), self._lock:
            if self._closed:
                raise DecoupleError(f"the broker is closed: declare topic {name!r} before, or with another broker")
            topic = self._topics.get(name)
            if topic is None:
                made = self._make_topic(name, fifo, **settings)
                if kept is None or kept.enter(made):
                    return self._topics.setdefault(name, made)
        if topic is None:  # another process was first
            return self.topic(name, fifo=fifo, **settings)
        if fifo is not None and fifo != topic.fifo:
            raise TopicExists(name, setting="fifo", current=topic.fifo, asked=fifo)
        if kept is not None and kept.anew(topic, settings):
            return topic
        asked = read_topic_settings(topic, settings)
        for setting in settings:
            current, wanted = getattr(topic._settings, setting), getattr(asked, setting)
            if current != wanted:
                now, then = (shown_topic_setting(setting, one) for one in (current, wanted))
                raise TopicExists(name, setting=setting, current=now, asked=then)
        return topic

    @property
    def functions(self) -> Mapping[str, Function]:
        """The declared functions by name, read-only."""
        return MappingProxyType(self._functions)

    @overload
    def function(
        self, handler: Callable[..., Any], /, *, name: str | None = None, **settings: Unpack[GivenFunctionSettings]
    ) -> Function: ...
    @overload
    def function(
        self, handler: None = None, /, *, name: str | None = None, **settings: Unpack[GivenFunctionSettings]
    ) -> Callable[[Callable[..., Any]], Function]: ...
    def function(
        self,
        handler: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        **settings: Unpack[GivenFunctionSettings],
    ) -> Function | Callable[[Callable[..., Any]], Function]:
        """Declare a function: `@broker.function`, `@broker.function(timeout=10)` or broker.function(handler, timeout=10).

        Settings as in Function; the name is the handler's unless given. The same handler declared again under its name
        gives the same function; FunctionExists for another one, or if a setting given differs from what it has.
        Raises InvalidName, ValueError, TypeError.
        """
        if handler is None:
            return partial(self._decorate, name, settings)
        return self._function(handler, name, settings)

    def _decorate(self, name: str | None, settings: Mapping[str, Any], handler: Callable[..., Any]) -> Function:
        return self._function(handler, name, settings)

    def _function(self, handler: Callable[..., Any], name: str | None, settings: Mapping[str, Any]) -> Function:
        from decouple.function import Function

        made = Function(handler, name=name, clock=self.clock, **settings)
        with self._lock:
            if self._closed:
                raise DecoupleError(
                    f"the broker is closed: declare function {made.name!r} before, or with another broker"
                )
            function = self._functions.get(made.name)
            if function is None:
                self._settle_in(made)
                suffer(made, self._faults)
                made._employ(self._employed().runner, self._limit, self._observers)
                if self._engine.shelf is not None:
                    from decouple.keeping_events import KeptEvents  # here, because in memory nothing is kept

                    made._kept = KeptEvents(self._engine.shelf, made)
                self._functions[made.name] = made
        if function is None:
            self._go_on_with(made)
            return made
        if function.handler is not handler:
            raise FunctionExists(made.name, setting="handler", current=function.handler, asked=handler)
        for setting in settings:
            now, asked = (getattr(one._settings, setting) for one in (function, made))
            if now != asked:
                raise FunctionExists(made.name, setting=setting, current=now, asked=settings[setting])
        return function

    def _go_on_with(self, function: Function) -> None:
        """Let a new function have what waits for one of its name, where that outlives a process."""
        if self._kept_topics is not None:
            self._kept_topics.declared(function)
        if function._kept is not None:
            self._looks().adopt(function._kept.kind, function._kept.take)

    def _function_of(self, what: Function | Callable[..., Any]) -> Function:
        """The function that a queue of ours is to trigger. Raises ValueError for one that is not ours."""
        from decouple.function import Function

        if not isinstance(what, Function):
            return self._function(what, None, {})
        if self._functions.get(what.name) is not what:
            where = "is of another broker" if what.clock is self.clock else "lives on another clock"
            raise ValueError(
                f"function {what.name!r} {where}: declare it with broker.function(...) of the queue's broker"
            )
        return what

    @property
    def schedules(self) -> Mapping[str, Schedule]:
        """The declared schedules by name, read-only; without those that have ended."""
        return MappingProxyType(self._schedules)

    def schedule(
        self,
        expression: str,
        target: Any,
        *,
        payload: Any = None,
        name: str | None = None,
        timezone: str | tzinfo = "UTC",
        window: Seconds = 0,
        start: datetime | None = None,
        end: datetime | None = None,
        group: str | None = None,
        retry: Any = None,
        dead_letter: Queue[Any] | None = None,
    ) -> Schedule:
        """Give a Queue, Topic, Function or callable the payload whenever the expression is due.

        expression: "rate(5 minutes)", which begins at its start or at once, "cron(0 9 ? * MON-FRI *)" or
        "at(2026-12-24T18:00:00)", by the clocks of `timezone`, an IANA name; payload: text or JSON, None for AWS's
        scheduled event; "<aws.scheduler.scheduled-time>", -schedule-arn, -execution-id and -attempt-number in it are filled
        in; window: seconds after each instant within which to do it, any time, up to a day; start, end: aware datetimes,
        for an at() without meaning; group: for FIFO targets; retry: a schedule of delays, or a mapping in SNS's names, for a
        target that fails (185 times within 24 hours); dead_letter: a queue for what was given up; name: numbered by default,
        "reports/nightly" for a schedule in the group reports.

        Declared again under its name with the same terms it is the same one, ScheduleExists with others. One that has ended
        leaves its name. Where it outlives the process (declaring_schedules.py) the next one has it, with the terms given there;
        among processes each instant is done once. Raises InvalidSchedule, also for what is never due; InvalidName, ValueError,
        TypeError, NotInstalled. Source: EventBridge Scheduler API, CreateSchedule.
        """
        from decouple.schedule_terms import check_due, check_schedule_name, read_terms
        from decouple.schedules import Schedule  # here, because few programs have any

        terms, planned, since = read_terms(
            expression, target, clock=self.clock, payload=payload, timezone=timezone, window=window, start=start,
            end=end, group=group, retry=retry, dead_letter=dead_letter, account=self.account, region=self.region,
        )  # fmt: skip
        if self._engine.shelf is not None:
            return self._shelved.declare(name, terms, planned, since)
        check_due(expression, planned, since)
        with self._lock:
            if self._closed:
                raise DecoupleError(
                    f"the broker is closed: declare schedule {expression!r} before, or with another broker"
                )
            name = self._free_name() if name is None else check_schedule_name(name)
            made = Schedule(name, terms, planned, since, self.clock, self._employed(), self._observers, self._forget)
            self._settle_in(made)
            schedule = self._schedules.setdefault(name, made)
        if schedule is not made:
            schedule.compare(made)
        schedule._go_on()
        return schedule

    @property
    def _shelved(self) -> Shelved:
        """The schedules that outlive the process, where the engine has a shelf."""
        from decouple.declaring_schedules import Shelved

        with self._lock:
            if self._kept_schedules is None:
                assert self._engine.shelf is not None
                self._kept_schedules = Shelved(self, self._engine.shelf)
            return self._kept_schedules

    def _free_name(self) -> str:
        """Under the lock: a name for a schedule that was given none."""
        return next(name for number in self._schedule_numbers if (name := f"schedule-{number}") not in self._schedules)

    def _forget(self, schedule: Schedule) -> None:
        with self._lock:
            if self._schedules.get(schedule.name) is schedule:
                del self._schedules[schedule.name]

    def _workers(self) -> Runner:
        """The runner, for queues whose messages are to be handled."""
        with self._lock:
            return self._employed().runner

    def _employed(self) -> Staff:
        """The workers, from the first time they are needed. Under the lock."""
        if self._staff is None:
            from random import Random

            from decouple.runner import Runner
            from decouple.staff import Staff

            self._staff = Staff(Runner(self.clock), self._post, Random(self.seed), self._faults)
            if self._started:
                self._put_to_work(self._staff.runner)
        return self._staff

    def delete(self, what: Queue[Any] | Topic | Function) -> None:
        """End a queue, topic or function; its name is free. A queue's waits end, and its messages are purged with a record each.

        A topic's subscriptions are cancelled, a function's triggers closed. Raises QueueNotFound, TopicNotFound,
        FunctionNotFound; ValueError for a queue that is another one's dead-letter queue. A subscription of a deleted queue
        stays, and fails, until it is cancelled (SNS).
        """
        from decouple.function import Function
        from decouple.topic import Topic

        if isinstance(what, Topic):
            self._delete_topic(what)
        elif isinstance(what, Function):
            self._delete_function(what)
        elif isinstance(what, Queue):
            self._delete_queue(what)
        else:
            raise TypeError(
                f"expected a Queue, Topic or Function, not {what!r}: broker.queues[name] and so on have them"
            )

    def _delete_function(self, function: Function) -> None:
        with self._lock:
            if self._functions.get(function.name) is not function:
                raise FunctionNotFound(function.name, declared=len(self._functions))
            del self._functions[function.name]
            queues = list(self._queues.values())
        if function._kept is not None:
            self._looks().leave(function._kept.kind)
        for queue in queues:
            if (trigger := queue._triggers.get(function.name)) is not None:
                trigger.close()
        function.close()

    def _delete_topic(self, topic: Topic) -> None:
        with self._lock:
            if self._topics.get(topic.name) is not topic:
                raise TopicNotFound(topic.name, declared=len(self._topics))
            del self._topics[topic.name]
        topic.close()
        for subscription in topic.subscriptions:
            subscription.cancel()
        if self._kept_topics is not None:
            self._kept_topics.forget(topic)

    def _delete_queue(self, queue: Queue[Any]) -> None:
        with self._lock:
            if self._queues.get(queue.name) is not queue:
                raise QueueNotFound(queue.name, declared=len(self._queues))
            users = [other.name for other in self._queues.values() if other.dead_letter is queue]
            if users:
                raise ValueError(
                    f"queue {queue.name!r} is the dead-letter queue of {', '.join(users)}: configure those first"
                )
            del self._queues[queue.name]
        queue.close()
        queue.purge()
        if self._engine.shelf is not None:
            self._engine.shelf.drop("queue", queue.name)
            for task in queue._tasks:
                if task._kept is not None:
                    task._kept.drop()
        self._engine.forget(queue)
