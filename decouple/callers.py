"""Who is at it: what the records of changes call the thread, the task or the handler that caused them.

A handler that a broker runs is known by what it is (a consumer, a run of a function, a schedule), whatever thread it is in;
who comes from outside is a thread or an asyncio task, on AWS's wire a principal. Asked only where somebody listens.
"""

from __future__ import annotations

import sys
import threading
from contextvars import ContextVar

__all__ = ["OUTSIDE", "WORK", "caller", "handled"]

WORK: ContextVar[object] = ContextVar("work", default=None)
"""What a broker runs here, which str() names, and what it `handles` if it does; None outside of its work."""

OUTSIDE = ("thread ", "task ", "arn:", "anonymous ")
"""How a caller begins who is no part of a broker's work."""


def caller() -> str:
    """Who calls: "consumer charge of queue 'orders'", "thread MainThread", "task Task-3". Cost: under 1 us."""
    work = WORK.get()
    if work is not None:
        return str(work)
    asyncio = sys.modules.get("asyncio")  # whoever is a task has imported it
    if asyncio is not None and asyncio._get_running_loop() is not None:
        task = asyncio.current_task()
        if task is not None:
            return f"task {task.get_name()}"
    return f"thread {threading.current_thread().name}"


def handled() -> str | None:
    """The id of the message or request that the caller is a handler of; None for all others."""
    id: str | None = getattr(WORK.get(), "handles", None)
    return id
