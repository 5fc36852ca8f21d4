"""The one table of operations: what each service answers, and to which of its operations.

A service's modules add their operations by decorator; the wire and the mock look them up here, and so does the table in
the README. An operation is a function of (call, parameters) that answers a plain dict as the model shapes it, or
raises ServiceError. It stands above the public surface of Broker, Queue, Topic and Function.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from functools import cache, cached_property
from importlib import import_module
from typing import Any, Literal, NamedTuple, TypeAlias

from decouple.aws.acting import acting
from decouple.aws.constraints import ALL, Kind
from decouple.aws.errors import ServiceError
from decouple.aws.model import Model, load_model
from decouple.aws.validation import Door
from decouple.aws.world import Call

__all__ = ["Answer", "Given", "Level", "Operation", "Service", "find_service", "services"]

Given: TypeAlias = dict[str, Any]
Answer: TypeAlias = dict[str, Any]
Level: TypeAlias = Literal["works", "stored", "refused"]


class Operation(NamedTuple):
    """One line of the table. note: what stands in the README beside "works", "stored only" or "refused"."""

    name: str
    level: Level
    note: str
    run: Callable[[Call, Given], Answer]
    arun: Callable[[Call, Given], Awaitable[Answer]] | None = None
    now: Callable[[Call, Given], Answer | None] | None = None


class Service:
    """One service: its model in botocore, the table of its operations, and the codes of its errors.

    name: botocore's ("sqs"); errors: shape -> (code, HTTP status) where the model does not hold them; modules: what adds
    the operations, loaded with the first look at the table; checks: which of the model's constraints are held to before
    an operation sees its parameters (what a request requires and the kinds of values always are); missing: the service's
    own error for a required parameter that is not there, by its path: "MessageBody", "Entries.1.Id".
    """

    def __init__(
        self,
        name: str,
        title: str,
        *,
        modules: tuple[str, ...],
        errors: dict[str, tuple[str, int]] | None = None,
        checks: Iterable[Kind] = ALL,
        missing: Callable[[str], ServiceError] | None = None,
    ) -> None:
        self.name = name
        self.title = title
        self.checks = frozenset(checks)
        self._modules = modules
        self._errors = errors or {}
        self._missing = missing
        self._table: dict[str, Operation] = {}

    def __repr__(self) -> str:
        return f"<Service {self.name}>"

    @cached_property
    def model(self) -> Model:
        """The service as botocore describes it."""
        return load_model(self.name)

    @cached_property
    def operations(self) -> dict[str, Operation]:
        """The table. What the model has and nobody answers is not in it."""
        for module in self._modules:
            import_module(module)
        return self._table

    def operation(
        self, name: str, level: Level = "works", note: str = ""
    ) -> Callable[[Callable[[Call, Given], Any]], Callable[[Call, Given], Any]]:
        """Add the decorated function to the table under this name: a `def`, or an `async def` beside it for what waits.

        An operation that may wait has both forms: the `async def` serves event loops.
        """

        def add(function: Callable[[Call, Given], Any]) -> Callable[[Call, Given], Any]:
            known = self._table.get(name)
            if inspect.iscoroutinefunction(function):
                if known is None:
                    raise TypeError(f"{name} needs its plain form before the async one")
                self._table[name] = known._replace(arun=function)
            else:
                self._table[name] = Operation(name, level, note, function)
            return function

        return add

    def unless_waiting(self, name: str) -> Callable[[Callable[[Call, Given], Any]], Callable[[Call, Given], Any]]:
        """Add the form that answers at once, or None with nothing done, to an operation that may wait."""

        def add(function: Callable[[Call, Given], Any]) -> Callable[[Call, Given], Any]:
            self._table[name] = self._table[name]._replace(now=function)
            return function

        return add

    def error(self, shape: str, message: str, **more: Any) -> ServiceError:
        """The service's error of that shape, with its code and status."""
        code, status = self._errors.get(shape) or self.model.error_of(shape)
        return ServiceError(shape, message, code=code, status=status, sender=status < 500, **more)

    def perform(self, call: Call, name: str, given: Given) -> Answer:
        """Check the parameters against the model, then do it. Raises ServiceError."""
        operation = self._admit(name, given)
        if not call.place.world.watched:
            return operation.run(call, given)
        with acting(call, self.name, name) as answered:
            return answered(operation.run(call, given))

    async def aperform(self, call: Call, name: str, given: Given) -> Answer:
        """The same on an event loop: what waits lets other tasks run."""
        operation = self._admit(name, given)
        if not call.place.world.watched:
            return operation.run(call, given) if operation.arun is None else await operation.arun(call, given)
        with acting(call, self.name, name) as answered:
            return answered(operation.run(call, given) if operation.arun is None else await operation.arun(call, given))

    def at_once(self, call: Call, name: str, given: Given) -> Answer | None:
        """The same where nobody may wait: None if it has to be waited for, and nothing was done."""
        operation = self._admit(name, given)
        now = operation.run if operation.arun is None else operation.now
        if now is None or not call.place.world.watched:
            return None if now is None else now(call, given)
        with acting(call, self.name, name) as answered:
            answer = now(call, given)
            return None if answer is None else answered(answer)

    def _admit(self, name: str, given: Given) -> Operation:
        operation = self.operations.get(name)
        if operation is None:
            raise self.refusal(name)
        self._door.check(name, given)
        return operation

    def refusal(self, name: str) -> ServiceError:
        """The error for an operation that is not in the table."""
        if name in self.model.operations:
            text = f"{self.title} operation {name} is not part of decouple: the README's table lists those that are"
            return ServiceError("NotImplemented", text, status=501, sender=False)
        return self.unknown(name)

    def missing(self, path: str) -> ServiceError | None:
        """The service's own error for a required parameter that is not there; None: as the model's other constraints."""
        return None if self._missing is None else self._missing(path)

    def unknown(self, name: str) -> ServiceError:
        """The error for an operation that the service does not have."""
        return ServiceError("InvalidAction", f"The action {name} is not valid for this endpoint.")

    @cached_property
    def _door(self) -> Door:
        return Door(self)


TABLE = {
    "sqs": "decouple.aws.sqs:SQS",
    "sns": "decouple.aws.sns:SNS",
    "lambda": "decouple.aws.lambdas:LAMBDA",
    "sts": "decouple.aws.sts:STS",
    "events": "decouple.aws.events:EVENTS",
    "scheduler": "decouple.aws.scheduler:SCHEDULER",
}


def services() -> tuple[str, ...]:
    """Names, as botocore has them, of the services there are."""
    return tuple(TABLE)


@cache
def find_service(name: str) -> Service | None:
    """The service of that name in botocore, loaded when first asked for."""
    where = TABLE.get(name)
    if where is None:
        return None
    module, _, attribute = where.partition(":")
    service: Service = getattr(import_module(module), attribute)
    return service
