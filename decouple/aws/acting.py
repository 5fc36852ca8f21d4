"""Who is at it, in AWS's words: what the records of changes say of the calls that caused them.

    arn:aws:iam::123456789012:root (sqs:SendMessage)
    arn:aws:iam::123456789012:root (sqs:ReceiveMessage), thread worker-2
    function 'charge', request 5f0c... (sqs:SendMessage)

Asked only where somebody listens.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from decouple.callers import WORK

if TYPE_CHECKING:
    from decouple.aws.world import Call

__all__ = ["acting"]


class Acting(str):
    """Who calls. handles: of what it is the handler, if it is one."""

    __slots__ = ("handles",)

    def __new__(cls, who: str, handles: str | None) -> Self:
        self = super().__new__(cls, who)
        self.handles = handles
        return self

    handles: str | None


@contextmanager
def acting(call: Call, service: str, operation: str) -> Generator[Callable[[dict[str, Any]], dict[str, Any]]]:
    """While a call is answered, what happens is its doing. Gives what is to see the answer, and hands it on."""
    work = WORK.get()
    who = f"{call.principal if work is None else work} ({service}:{operation})"
    if work is None and call.client:
        who += f", {call.client}"
    token = WORK.set(Acting(who, getattr(work, "handles", None)))

    def answered(answer: dict[str, Any]) -> dict[str, Any]:
        call.world.note(call.request_id, answer)
        return answer

    try:
        yield answered
    finally:
        WORK.reset(token)
