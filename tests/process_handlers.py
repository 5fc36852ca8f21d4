"""Handlers that worker processes import."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from decouple import Broker

declared = Broker()
inits: list[str] = []


class Odd(Exception):
    """Cannot be made again from its args."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and {second}")


def init() -> None:
    inits.append("init")


def fail_init() -> None:
    raise OSError("no database")


def look(event: Any, context: Any) -> dict[str, Any]:
    return {
        "event": event,
        "pid": os.getpid(),
        "inits": inits,
        "name": context.function_name,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "id": context.aws_request_id,
        "stream": context.log_stream_name,
        "left": context.get_remaining_time_in_millis(),
    }


def wait(event: Any, context: Any) -> list[int]:
    """The remaining milliseconds before and after a sleep of so many seconds."""
    left = context.get_remaining_time_in_millis()
    time.sleep(event)
    return [left, context.get_remaining_time_in_millis()]


async def wait_async(event: Any, context: Any) -> Any:
    await asyncio.sleep(0)
    if event == "fail":
        raise LookupError("no luck")
    return event


@declared.function(isolation="process", name="other-name")
def decorated(event: Any, context: Any) -> str:
    return "decorated"


class Shop:
    @staticmethod
    def sell(event: Any, context: Any) -> str:
        return "sold"

    def buy(self, event: Any, context: Any) -> str:
        return "bought"


def fail(event: Any, context: Any) -> Any:
    if event == "odd":
        raise Odd(1, 2)
    if event == "exit":
        sys.exit(3)
    if event == "set":
        return {1}
    if event == "coroutine":
        return wait_async(1, None)
    raise LookupError(f"no {event}")


def end(event: Any, context: Any) -> Any:
    if event == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if event == "exit":
        os._exit(3)
    if event == "fork" and os.fork() == 0:
        return "the child's"
    if event == "ctrl-c":
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
    return os.getpid()


def hold(event: Any, context: Any) -> int:
    """The number of bytes held at a time."""
    return len(bytearray(event))


def hang(event: Any, context: Any) -> None:
    """Say where one is, with a program started beside, and hang."""
    beside = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    path = Path(event)
    path.with_suffix(".part").write_text(f"{os.getpid()} {beside.pid}")
    path.with_suffix(".part").rename(path)
    threading.Event().wait(60)


def talk(event: Any, context: Any) -> None:
    print("said", event)
    print("complained", event, file=sys.stderr)
    sys.stdin.read()
