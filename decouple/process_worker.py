"""The other end of isolation="process": what runs in the worker process. (The parent's end: processes.py.)

It imports the handler by its path, answers one request after the other over a socket, a line of JSON each, and ends
when its parent does: a thread waits for the end of a pipe that nobody writes into. Prints of the handler go where the
parent's go. A Ctrl-C is the parent's business. `memory` is what may be taken in addresses on top of what the interpreter and
the imports had taken: how many those are depends on the machine (thread stacks, arenas), so they are not counted.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from decouple.calls import answer_of, is_async
from decouple.context import Context
from decouple.errors import ResultNotJSON
from decouple.function import Function
from decouple.invocation import stay
from decouple.jsontext import json_text
from decouple.stacks import stack_of

__all__ = ["IMPORTING", "serve"]

MEGABYTE = 1_048_576
SMALL_STACK = 262_144
IMPORTING: ContextVar[str | None] = ContextVar("importing", default=None)
"""The module of the handler, while it is imported."""


def serve() -> None:
    """Answer until the parent ends. Started by the parent, with the number of the socket and sys.path as arguments."""
    sys.path[:] = json.loads(sys.argv[2])
    line = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, leave_it)  # not SIG_IGN, which programs that a handler starts would inherit
    watch_parent()
    requests = line.makefile("rb")
    worker: Worker | None = None
    try:
        while request := requests.readline():
            if worker is None:
                answer, worker = begun(json.loads(request))
            else:
                answer = worker.answer(request)
            sys.stdout.flush()
            sys.stderr.flush()
            line.sendall(answer.encode() + b"\n")
    except MemoryError:
        set_limit(None)  # the answer itself needs some
        line.sendall(b'{"memory": true}\n')


def leave_it(number: int, frame: object) -> None:
    """A Ctrl-C: the parent's business."""


def watch_parent() -> None:
    """End, with all that the handler started, when the pipe at stdin does, whatever runs."""
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def watch() -> None:
        with suppress(OSError):
            os.read(pipe, 1)
        os.killpg(0, signal.SIGKILL)

    before = threading.stack_size(SMALL_STACK)
    threading.Thread(target=watch, name="decouple-parent", daemon=True).start()
    threading.stack_size(before)


class Worker:
    """A handler, and what it needs to be called."""

    def __init__(self, terms: dict[str, Any]) -> None:
        self.name: str = terms["name"]
        self.arn: str = terms["arn"]
        self.memory: int = terms["memory"]
        package = terms["package"]
        self.handler = found(terms["handler"]) if package is None else found_in(*package)
        on_init = None if terms["on_init"] is None else found(terms["on_init"])
        limit_memory(self.memory)
        if on_init is not None:
            on_init()
        self.call: Callable[[Any, Context], Any] = self.awaited if is_async(self.handler) else self.handler

    def awaited(self, event: Any, context: Context) -> Any:
        import asyncio  # here, because few handlers are async

        result, error = asyncio.run(outcome(self.handler, event, context))
        if error is not None:
            raise error
        return result

    def answer(self, text: bytes) -> str:
        """The result, or the error, as a line of JSON. After a MemoryError nothing here can be relied on."""
        me = os.getpid()
        try:
            request = json.loads(text)
            try:
                result = answer_of(self.call(request["event"], self.context(request)), f"function {self.name!r}")
            finally:
                stay(me, self.name)
            return '{"result": ' + result_text(result, self.name) + "}"
        except MemoryError:
            raise
        except BaseException as error:  # raised in the parent
            return json.dumps({"error": told(error)})

    def context(self, request: dict[str, Any]) -> Context:
        remaining: int = request["remaining"]
        if request["frozen"]:
            now, deadline = (lambda: 0), remaining
        else:
            now, deadline = time.monotonic_ns, time.monotonic_ns() + remaining
        return Context(
            self.name, self.arn, self.memory, request["id"], request["stream"], now, deadline, request["client"]
        )


def begun(terms: dict[str, Any]) -> tuple[str, Worker | None]:
    """The worker, and the answer that says so; or why there is none."""
    try:
        return '{"result": true}', Worker(terms)
    except MemoryError:
        raise
    except BaseException as error:  # raised in the parent
        return json.dumps({"error": told(error)}), None


def found(path: list[str]) -> Callable[..., Any]:
    """What module and qualname name; of a declared function, its handler."""
    from importlib import import_module

    module, qualname = path
    IMPORTING.set(module)
    try:
        one: Any = import_module(module)
    finally:
        IMPORTING.set(None)
    for name in qualname.split("."):
        one = getattr(one, name)
    return one.handler if isinstance(one, Function) else one


class Fault(Exception):
    """Why a package's handler cannot be had, in the words of Lambda's own runtime. kind: the type of the error."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def found_in(folder: str, handler: str) -> Callable[..., Any]:
    """The handler of a package, as Lambda's runtime for Python finds it: "app.handler", "jobs/app.handler"."""
    from importlib import import_module

    os.chdir(folder)
    sys.path.insert(0, folder)
    module, dot, name = handler.rpartition(".")
    if not dot:
        why = f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)"
        raise Fault("Runtime.MalformedHandlerName", why)
    IMPORTING.set(module)
    try:
        one: Any = import_module(module.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module}': {error}") from error
    except SyntaxError as error:
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {error}") from error
    finally:
        IMPORTING.set(None)
    found = getattr(one, name, None)
    if found is None:
        raise Fault("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module}'")
    return found.handler if isinstance(found, Function) else found


async def outcome(handler: Callable[..., Any], event: Any, context: Context) -> tuple[Any, BaseException | None]:
    """The error is caught here, because asyncio would let some through on its own way."""
    try:
        return await handler(event, context), None
    except BaseException as error:  # raised by the caller
        return None, error


def result_text(result: Any, name: str) -> str:
    try:
        return json_text(result, "")
    except (TypeError, ValueError) as error:
        raise ResultNotJSON(name, why=str(error).removeprefix(": ")) from None


def told(error: BaseException) -> dict[str, Any]:
    """An error for the other process: its words, and itself where it can be pickled."""
    import pickle  # here, because only errors need it
    from base64 import b64encode

    if isinstance(error, Fault):
        return {"type": error.kind, "text": str(error), "stack": [], "pickle": None}
    kept = None
    with suppress(Exception):  # no more than words, then
        kept = b64encode(pickle.dumps(error)).decode()
    answer = {"type": type(error).__name__, "text": str(error), "stack": stack_of(error), "pickle": kept}
    return answer | {"why": error.why} if isinstance(error, ResultNotJSON) else answer


# -- memory ------------------------------------------------------------------------------------------------------------


def limit_memory(megabytes: int) -> None:
    """Let this process take so much more. Only where the system says what it has (Linux)."""
    try:
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[0])
    except OSError:
        return
    set_limit(pages * os.sysconf("SC_PAGE_SIZE") + megabytes * MEGABYTE)


def set_limit(most: int | None) -> None:
    import resource  # here, because not every system has it

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    soft = hard if most is None else most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
