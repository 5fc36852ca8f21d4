"""What the workloads share: the queue they measure, the bodies they send, a process of their own."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from measure import median

from decouple import Queue

Figures = dict[str, tuple[float | None, str]]  # None: not run, and the text says why
BODY = "x" * 1024


def fresh(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function answers in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def new_queue(lease: float = 60) -> Queue[str]:
    return Queue("bench", visibility_timeout=lease, max_in_flight=100_000_000)


def bodies(start: int, stop: int) -> list[str]:
    """Distinct bodies of 100 characters."""
    return [f"{number:0100d}" for number in range(start, stop)]


def us(nanoseconds: list[float]) -> str:
    return f"{median(nanoseconds) / 1e3:.2f} us a message here"
