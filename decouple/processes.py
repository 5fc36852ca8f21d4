"""isolation="process": a warm worker process for each concurrent run. (What runs in it: process_worker.py.)

A process is started at a cold start, by the path of its handler and never by a fork, which would copy locks that other
threads hold. It is killed, with all that it started, when a run takes longer than the timeout, runs out of memory or is
interrupted; the next run has a new one. The time of a run begins when its process is ready (Lambda: Init Duration is not
billed). As many are kept as ran at a time, until the function is closed. A process lives on real time, so on a VirtualClock,
too, the timeout is real seconds.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import ModuleType, NoneType
from typing import TYPE_CHECKING, Any

from decouple.core.settings import SECOND
from decouple.errors import FunctionFailed, FunctionOutOfMemory, FunctionTimedOut, ProcessDied, ResultNotJSON
from decouple.packages import Package

if TYPE_CHECKING:
    from decouple.invocation import Environment, Invocation

__all__ = ["Processes"]

PROGRAM = "import sys, json; sys.path[:] = json.loads(sys.argv[2]); from decouple.process_worker import serve; serve()"
TO_BEGIN = 60.0
"""Real seconds for what a cold start imports, and for on_init."""
A_MOMENT = 0.5
CHUNK = 65_536


class Child:
    """A worker process, seen from its parent. One thread asks at a time; any may kill it."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._ending, self._asking = threading.Lock(), threading.Lock()
        self._socket, theirs = socket.socketpair()
        # Arenas take 64 MB of addresses for each thread, whatever is in them: memory= counts addresses.
        environment = {"MALLOC_ARENA_MAX": "1", **variables}
        with theirs:
            arguments = [sys.executable, "-c", PROGRAM, str(theirs.fileno()), json.dumps(sys.path)]
            self.process = subprocess.Popen(
                arguments, stdin=subprocess.PIPE, pass_fds=[theirs.fileno()], process_group=0, env=environment
            )

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, request: str, seconds: float) -> dict[str, Any]:
        """What it answers. Raises TimeoutError, or another OSError if it is gone."""
        from time import monotonic

        end, answer = monotonic() + seconds, bytearray()
        with self._asking:
            self._socket.settimeout(seconds)
            self._socket.sendall(request.encode() + b"\n")
            while not answer.endswith(b"\n"):
                self._socket.settimeout(max(0.001, end - monotonic()))
                chunk = self._socket.recv(CHUNK)
                if not chunk:
                    raise ConnectionResetError("the process is gone")
                answer += chunk
        return json.loads(answer)  # type: ignore[no-any-return]

    def end(self) -> int:
        """Kill it, and what it started; its exit status. From any thread: who asks it is told that it is gone."""
        with self._ending:
            if self.process.poll() is None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.process.pid, signal.SIGKILL)
            status = self.process.wait()
            if self.process.stdin is not None:
                self.process.stdin.close()
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        with self._asking:
            self._socket.close()
        return status


class Processes:
    """In a process of its own, which is kept for the next run."""

    awaits = False
    watched = False

    def __init__(self, name: str, handler: Callable[..., Any], on_init: Callable[[], object] | None) -> None:
        if os.name != "posix":
            raise ValueError(
                "isolation='process' needs a POSIX system, such as Linux: leave it out, and a thread is used"
            )
        self._package = handler if isinstance(handler, Package) else None
        self._handler = None if self._package else path_of(handler, f"the handler of function {name!r}")
        self._on_init = None if on_init is None else path_of(on_init, f"on_init of function {name!r}")
        self._children: set[Child] = set()
        # Also when the interpreter ends.
        self._ended = weakref.finalize(self, end_all, self._children)

    def run(self, invocation: Invocation) -> Any:
        environment, function = invocation.environment, invocation.function
        if environment.process is None:
            self._begin(environment, invocation)
        invocation.started()
        request = {
            "event": invocation.event,
            "id": invocation.request_id,
            "stream": environment.stream,
            "remaining": function._timeout,
            "frozen": not function.clock.threaded,
            "client": invocation.client,
        }
        return self._asked(invocation, request, function._timeout / SECOND)

    def _begin(self, environment: Environment, invocation: Invocation) -> None:
        function = invocation.function
        refuse_while_importing(function.name)
        package = self._package
        child = Child(os.environ if package is None else package.variables)
        self._children.add(child)
        environment.process = child
        terms = {
            "name": function.name,
            "arn": function.arn,
            "memory": function.memory,
            "handler": self._handler,
            "package": None if package is None else [os.fspath(package.folder), package.handler],
            "on_init": self._on_init,
        }
        self._asked(invocation, terms, TO_BEGIN, began=False)
        environment.ready = True

    def _asked(self, invocation: Invocation, request: dict[str, Any], seconds: float, *, began: bool = True) -> Any:
        """The result. Whatever else comes than a result or an error of the handler's is the end of the process."""
        function, environment = invocation.function, invocation.environment
        child: Child = environment.process
        try:
            answer = child.ask(json.dumps(request), seconds)
            if "memory" in answer:
                raise FunctionOutOfMemory(function.name, memory=function.memory, request_id=invocation.request_id)
        except TimeoutError:
            invocation.killed = True
            self._drop(environment)
            raise timed_out(invocation, seconds, began) from None
        except OSError:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(A_MOMENT)  # its socket is closed: how it ended is to be had soon
            status = self._drop(environment)
            raise ProcessDied(function.name, status=status, request_id=invocation.request_id) from None
        except BaseException:
            self._drop(environment)
            raise
        if "error" in answer:
            if not began:
                self._drop(environment)
            raise raised_here(function.name, answer["error"], trusted=self._package is None)
        return answer["result"]

    def _drop(self, environment: Environment) -> int:
        child: Child = environment.process
        environment.ready = False
        self._children.discard(child)
        return child.end()

    async def arun(self, invocation: Invocation) -> Any:
        return self.run(invocation)

    def kill(self, invocation: Invocation) -> None:
        """From any thread; the one that waits for its answer learns it from the socket."""
        invocation.killed = True
        if invocation.environment.process is not None:
            invocation.environment.process.end()

    def usable(self, environment: Environment) -> bool:
        """Whether its process still lives."""
        if environment.process.alive:
            return True
        self._children.discard(environment.process)
        environment.process.end()
        return False

    def close(self) -> None:
        """End all of them."""
        end_all(self._children)


def end_all(children: set[Child]) -> None:
    while children:
        with suppress(KeyError):
            children.pop().end()


def timed_out(invocation: Invocation, seconds: float, began: bool) -> Exception:
    function = invocation.function
    if began:
        return FunctionTimedOut(function.name, seconds=seconds, request_id=invocation.request_id)
    text = f"importing its module and on_init took longer than {seconds:g} seconds"
    return FunctionFailed(function.name, error_type="Sandbox.Timedout", text=text)


def raised_here(function: str, told: dict[str, Any], *, trusted: bool) -> BaseException:
    """The handler's error: of its own class where that can be had, with the traceback of its process as its cause.

    trusted: what comes from it may be unpickled here. A package's classes are its own, so words are all there is.
    """
    failed = FunctionFailed(
        function, error_type=told["type"], text=told["text"], stack=told["stack"], where=" in its process"
    )
    if failed.stack:
        failed.add_note("".join(failed.stack).rstrip())
    if not trusted:
        return ResultNotJSON(function, why=told["why"]) if "why" in told else failed
    error = unpickled(told["pickle"])
    if not isinstance(error, Exception) or type(error).__name__ != told["type"]:
        return failed
    error.__cause__ = failed
    return error


def unpickled(text: str | None) -> Any:
    import pickle  # here, because only errors need it
    from base64 import b64decode

    if text is not None:
        with suppress(Exception):  # a class that cannot be had here: its words are known
            return pickle.loads(b64decode(text))
    return None


def path_of(call: Callable[..., Any], what: str) -> list[str]:
    """Its module and qualname, by which another process finds it. Raises ValueError."""
    module, qualname = getattr(call, "__module__", None), getattr(call, "__qualname__", None)
    if not module or not qualname:
        why = "it has no name"
    elif "<lambda>" in qualname:
        why = "it is a lambda"
    elif "<locals>" in qualname:
        why = "it is defined in a function"
    elif module == "__main__":
        why = "it is in the script that was started, which a process would have to run again"
    elif not isinstance(getattr(call, "__self__", None), (type, ModuleType, NoneType)):
        why = "it is a method of one object"
    else:
        return [module, qualname]
    raise ValueError(
        f"{what} cannot run in a process of its own, which imports it by module and name: {why}; "
        f"define it at the top of a module, or leave isolation='process' out"
    )


def refuse_while_importing(name: str) -> None:
    """A module that invokes when it is imported would start processes that start processes."""
    worker = sys.modules.get("decouple.process_worker")
    module = None if worker is None else worker.IMPORTING.get()
    if module is not None:
        raise FunctionFailed(
            name,
            error_type="RuntimeError",
            text=f"module {module} runs it while it is imported by a worker process: put that under if __name__ == '__main__'",
        )
