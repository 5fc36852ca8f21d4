"""The handling half of a Queue: what a broker's workers do for it. A queue knows its broker by one hook, `_employer`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, cast, overload

from decouple.clock import Seconds
from decouple.desk import Desk
from decouple.errors import NeedsBroker, TriggerExists
from decouple.generic import T

if TYPE_CHECKING:
    from decouple.autoscale import Autoscaler
    from decouple.consumer import Consumer
    from decouple.function import Function
    from decouple.queue import Queue
    from decouple.retries import RetryPolicy
    from decouple.runner import Runner
    from decouple.story import Story
    from decouple.testing.faults import Injection
    from decouple.trigger import Trigger

__all__ = ["Handling"]

P = ParamSpec("P")
R = TypeVar("R")


class Handling(Desk[T]):
    """What needs a broker's workers."""

    _employer: Any = None
    _triggers: Mapping[str, Trigger] = MappingProxyType({})

    def _runner(self, what: str) -> Runner:
        """The broker's workers. Raises NeedsBroker."""
        if self._employer is None:
            raise NeedsBroker(f"{what} of queue {self.name!r}")
        runner: Runner = self._employer._workers()
        return runner

    def _story_of(self, id: str) -> Story:
        if self._employer is None:
            raise NeedsBroker(f"the story of a message of queue {self.name!r}")
        story: Story = self._employer.explain(id)
        return story

    def _suffer(self, faults: Injection) -> None:
        """Have these faults from now on, also if it was made without any."""
        from decouple.core.faulty import afflict  # here, because only tests have faults

        with self._lock:
            self._faults = faults
            afflict(self._core, faults)

    def trigger(
        self,
        function: Function | Callable[..., Any],
        *,
        batch_size: int = 10,
        batch_window: Seconds = 0,
        max_concurrency: int | None = None,
        filter: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        partial_failures: bool = True,
        enabled: bool = True,
        scaling: Literal["aws"] | None = None,
        pollers: tuple[int, int] | None = None,
    ) -> Trigger:
        """Let messages of this queue start a function, in batches, as Lambda's event source mapping does.

        function: of the same broker, or a handler, which is declared as one under its own name. What the handler took is
        deleted; when it raises, or takes longer than its timeout, the messages come again after the visibility timeout.
        batch_size: 1 to 10,000, over 10 with a window, 10 at most of a FIFO queue; batch_window: 0 to 300 s to wait for a
        batch to be full, or 6 MB; max_concurrency: 1 to 1,000 batches at a time, None = as many as workers are free;
        filter: an EventBridge pattern over the record, or up to five: what matches none is deleted; partial_failures: the
        handler's answer {"batchItemFailures": [{"itemIdentifier": id}]} says which messages failed, and an answer AWS cannot
        read that all did; enabled: False = paused; scaling="aws": 5 batches at a time, growing by 300 a minute to 1,250;
        pollers: (least, most) of provisioned mode, 10 batches each, growing by 1,000 a minute.

        Raises NeedsBroker, TriggerExists, InvalidFilter, TypeError, and ValueError also where the visibility timeout is
        shorter than the function's. Source: Lambda API, CreateEventSourceMapping.
        """
        from decouple.trigger import Trigger  # here, because not every queue has one
        from decouple.trigger_settings import check_times, read_trigger_settings

        runner, queue = self._runner("a trigger"), cast("Queue[Any]", self)
        settings = read_trigger_settings(
            queue,
            batch_size=batch_size,
            batch_window=batch_window,
            max_concurrency=max_concurrency,
            filter=filter,
            partial_failures=partial_failures,
            scaling=scaling,
            pollers=pollers,
        )
        target: Function = self._employer._function_of(function)
        check_times(queue, target)
        trigger = Trigger(queue, target, runner, settings)
        with self._lock:
            self._check_open()
            if target.name in self._triggers:
                raise TriggerExists(self.name, function=target.name)
            self._triggers = {**self._triggers, target.name: trigger}
        if enabled:
            trigger.resume()
        return trigger

    @property
    def triggers(self) -> Mapping[str, Trigger]:
        """The triggers there are by the names of their functions, read-only; a later change does not show in it."""
        return MappingProxyType(dict(self._triggers))

    def _forget_trigger(self, trigger: Trigger) -> None:
        with self._lock:
            self._triggers = {name: one for name, one in self._triggers.items() if one is not trigger}

    @overload
    def consume(
        self,
        handler: Callable[P, R],
        /,
        *,
        concurrency: int = 1,
        heartbeat: Seconds | None = None,
        retry: RetryPolicy = None,
    ) -> Consumer[P, R]: ...
    @overload
    def consume(
        self,
        handler: None = None,
        /,
        *,
        concurrency: int = 1,
        heartbeat: Seconds | None = None,
        retry: RetryPolicy = None,
    ) -> Callable[[Callable[P, R]], Consumer[P, R]]: ...
    def consume(
        self,
        handler: Callable[P, R] | None = None,
        /,
        *,
        concurrency: int = 1,
        heartbeat: Seconds | None = None,
        retry: RetryPolicy = None,
    ) -> Consumer[P, R] | Callable[[Callable[P, R]], Consumer[P, R]]:
        """Let the broker's workers call a handler with each message: `@orders.consume`, `@orders.consume(concurrency=4)`
        or orders.consume(handler).

        handler: `def` or `async def`, called with the Message, or with what its first parameter is annotated with: str, or
        the decoded body; a body that does not decode goes to the dead-letter queue, without one it is an error. Its return
        acknowledges. Its exception gives the message back after the delay of `retry`: None = at once, a schedule such as
        exponential(1, 300), or one by exception class; one that gives up sends it to the dead-letter queue. It may raise
        Retry(delay=5) or Reject("why"). concurrency: at most so many messages at a time; heartbeat: seconds after which a
        message is kept in flight for another visibility timeout, again and again while the handler runs, for at most 12
        hours; None = never. Raises NeedsBroker, QueueClosed, ValueError, TypeError.
        """
        runner = self._runner("a consumer")
        from decouple.consumer import Consumer  # here, because not every queue has one

        def declare(handler: Callable[P, R]) -> Consumer[P, R]:
            queue: Any = self
            chance = self._employer._staff.chance
            made = Consumer(queue, runner, chance, handler, concurrency=concurrency, heartbeat=heartbeat, retry=retry)
            self._check_open()
            made._go_on()
            return made

        return declare if handler is None else declare(handler)

    def autoscale(
        self,
        consumer: Consumer[..., Any],
        *,
        target_backlog: float | None = None,
        latency: Seconds | None = None,
        minimum: int = 1,
        maximum: int = 32,
        cooldown: Seconds = 300,
        every: Seconds = 60,
    ) -> Autoscaler:
        """Let the broker's workers set a consumer's concurrency by the backlog: visible messages for each worker.

        target_backlog: how many a worker may have before it; or latency: how many seconds the last of them may wait, from
        which and the handler's average time it follows. Scales out at once, and in as far as was wanted all through the
        last `cooldown` seconds. minimum, maximum: of the concurrency (a broker has 32 threads for handlers that are no
        async def); every: seconds between two looks. Raises NeedsBroker, ValueError, TypeError. Source: EC2 Auto Scaling
        user guide, "Scaling based on Amazon SQS".
        """
        from decouple.autoscale import autoscale, read_policy  # here, because few queues have one

        policy = read_policy(target_backlog, latency, minimum, maximum, cooldown)
        queue: Any = self
        return autoscale(queue, self._runner("an autoscaler"), consumer, policy, every)
