"""isolation="process": a warm worker process for each concurrent run, killed when it must be."""

from __future__ import annotations

import functools
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import process_handlers as handlers
import pytest

import decouple
from decouple import Broker
from decouple.errors import (
    FunctionFailed,
    FunctionOutOfMemory,
    FunctionTimedOut,
    ProcessDied,
    RecursionStopped,
    ResultNotJSON,
)
from decouple.function import Function
from decouple.testing import VirtualClock

# A process takes a quarter of a second to start.
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="needs POSIX")]


@pytest.fixture
def real() -> Iterator[Broker]:
    """A broker whose threads are at work, on real time."""
    with Broker() as broker:
        yield broker


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Look again and again, for at most so many real seconds."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        pause.wait(0.005)


def alive(pid: int) -> bool:
    """Whether there is such a process that runs (a zombie does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")


# -- warm and cold -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("virtual", [False, True])
def test_a_handler_runs_in_a_process_that_is_kept_warm(virtual: bool) -> None:
    with Broker(clock=VirtualClock() if virtual else None) as broker:
        function = broker.function(
            handlers.look, name="f", isolation="process", on_init=handlers.init, memory=256, timeout=60
        )

        first, second = function.invoke({"ä": [1, None]}), function.invoke(2)

        assert first["event"] == {"ä": [1, None]}
        assert first["pid"] == second["pid"] != os.getpid()
        assert first["inits"] == second["inits"] == ["init"]
        assert (first["name"], first["arn"], first["memory"]) == ("f", function.arn, "256")
        assert first["stream"] == second["stream"]
        assert first["id"] != second["id"]
        assert 50_000 < first["left"] <= 60_000
        assert (function.stats().cold_starts, function.stats().warm_starts) == (1, 1)
    assert handlers.inits == []


def test_every_run_at_a_time_has_a_process_of_its_own_and_as_many_are_kept(real: Broker) -> None:
    function = real.function(handlers.look, isolation="process", timeout=60)
    outcomes: list[Any] = []
    for invocation in [function.begin(None, outcomes.append) for _ in range(3)]:
        real._workers().put(invocation)
    until(lambda: len(outcomes) == 3, 60)

    pids = {outcome.result["pid"] for outcome in outcomes}
    assert len(pids) == 3
    assert function.invoke()["pid"] in pids
    assert (function.stats().cold_starts, function.stats().warm_starts) == (3, 1)


def test_the_remaining_time_runs_in_the_process_on_real_time_and_stands_still_on_a_virtual_clock(real: Broker) -> None:
    running = real.function(handlers.wait, isolation="process", timeout=60).invoke(0.1)
    frozen = Function(handlers.wait, isolation="process", timeout=60, clock=VirtualClock()).invoke(0.01)

    assert 50_000 < running[0] <= 60_000
    assert running[0] - running[1] >= 100
    assert frozen == [60_000, 60_000]


def test_an_async_handler_a_decorated_one_and_a_static_method_run_there_too(clock: VirtualClock) -> None:
    handlers.declared.clock = clock
    waiting = Function(handlers.wait_async, isolation="process", clock=clock)

    assert waiting.invoke({"a": 1}) == {"a": 1}
    with pytest.raises(LookupError, match="no luck"):
        waiting.invoke("fail")
    assert handlers.decorated.invoke() == "decorated"
    assert Function(handlers.Shop.sell, isolation="process", clock=clock).invoke() == "sold"
    handlers.decorated.close()


def test_what_the_handler_prints_goes_where_the_parent_prints(capfd: pytest.CaptureFixture[str]) -> None:
    Function(handlers.talk, isolation="process", clock=VirtualClock()).invoke(7)

    said = capfd.readouterr()
    assert (said.out, said.err) == ("said 7\n", "complained 7\n")


def test_a_large_event_and_a_large_result_pass() -> None:
    function = Function(handlers.wait_async, isolation="process", timeout=60, clock=VirtualClock())
    text = "ä" * 3_000_000

    assert function.invoke(text) == text


def test_a_task_invokes_a_process_without_blocking_its_loop(real: Broker) -> None:
    import asyncio

    function = real.function(handlers.wait, isolation="process", timeout=60)

    async def main() -> int:
        ticks, waiting = 0, asyncio.create_task(function.aio.invoke(0.1))
        while not waiting.done():
            ticks += 1
            await asyncio.sleep(0.005)
        return ticks

    assert asyncio.run(main()) > 5


# -- errors ------------------------------------------------------------------------------------------------------------


def test_an_error_is_raised_as_itself_with_the_traceback_of_the_process(clock: VirtualClock) -> None:
    function = Function(handlers.fail, isolation="process", clock=clock)

    with pytest.raises(LookupError, match="no luck") as caught:
        function.invoke("luck")

    cause = caught.value.__cause__
    assert isinstance(cause, FunctionFailed)
    assert (cause.error_type, cause.text) == ("LookupError", "no luck")
    assert [frame.count("process_handlers.py") for frame in cause.stack] == [1]
    assert 'raise LookupError(f"no {event}")' in "".join(traceback.format_exception(caught.value))
    with pytest.raises(LookupError):
        function.invoke("luck")
    assert (function.stats().cold_starts, function.stats().errors) == (1, 2)


def test_an_error_that_cannot_be_had_here_is_told_in_words(clock: VirtualClock) -> None:
    function = Function(handlers.fail, isolation="process", clock=clock)

    with pytest.raises(FunctionFailed, match="failed in its process: Odd: 1 and 2") as caught:
        function.invoke("odd")
    assert caught.value.error_type == "Odd"
    with pytest.raises(FunctionFailed, match="SystemExit: 3"):
        function.invoke("exit")
    with pytest.raises(ResultNotJSON, match="set is not JSON"):
        function.invoke("set")
    with pytest.raises(TypeError, match="declare it async def"):
        function.invoke("coroutine")
    assert function.stats().cold_starts == 1


def test_the_record_of_a_failure_has_the_stack_of_the_process(broker: Broker) -> None:
    bad = broker.queue("bad")
    broker.function(handlers.fail, isolation="process", retries=0, on_failure=bad).send("luck")
    broker.function(handlers.end, isolation="process", retries=0, on_failure=bad).send("kill")

    broker.run_until_idle(errors="collect")

    failed, died = (message.json() for message in bad.receive(max_messages=10))
    assert failed["responsePayload"]["errorType"] == "LookupError"
    assert "in fail" in failed["responsePayload"]["stackTrace"][0]
    assert died["responsePayload"]["errorType"] == "Runtime.ExitError"
    assert died["responsePayload"]["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")


def test_an_init_that_fails_is_the_error_of_the_run_and_the_next_has_a_new_process(clock: VirtualClock) -> None:
    function = Function(handlers.look, isolation="process", on_init=handlers.fail_init, clock=clock)

    for _ in range(2):
        with pytest.raises(OSError, match="no database"):
            function.invoke()

    assert (function.stats().cold_starts, function.stats().errors) == (2, 2)
    assert not function._runtime._children  # type: ignore[attr-defined]


# -- the end of a process ----------------------------------------------------------------------------------------------


def test_a_process_that_is_killed_in_the_middle_fails_its_run_and_the_next_has_a_new_one(real: Broker) -> None:
    function = real.function(handlers.end, isolation="process")

    first = function.invoke("well")
    with pytest.raises(ProcessDied, match="was killed by signal 9 in the middle of request"):
        function.invoke("kill")
    with pytest.raises(ProcessDied, match="ended with exit status 3"):
        function.invoke("exit")
    second = function.invoke("well")

    assert first != second
    assert (function.stats().cold_starts, function.stats().errors, function.stats().running) == (3, 2, 0)


def test_a_process_that_was_killed_while_idle_is_replaced_without_an_error(real: Broker) -> None:
    function = real.function(handlers.end, isolation="process")
    pid = function.invoke("well")
    [child] = function._runtime._children  # type: ignore[attr-defined]

    os.kill(pid, signal.SIGKILL)
    until(lambda: not child.alive)  # not only its main thread, as /proc says

    assert function.invoke("well") != pid
    assert (function.stats().cold_starts, function.stats().errors) == (2, 0)


def test_a_killed_process_loses_no_event(real: Broker) -> None:
    """An event of send whose process is killed in the middle is retried, and here at last given to the failures."""
    kept: list[Any] = []
    real.function(handlers.end, isolation="process", retries=0, on_failure=kept.append).send("kill")

    real.run_until_idle(errors="collect")

    assert kept[0]["requestPayload"] == "kill"


def test_a_process_past_the_timeout_is_killed_with_all_it_started(tmp_path: Path, real: Broker) -> None:
    function = real.function(handlers.hang, isolation="process", timeout=0.7)
    file = tmp_path / "pids"

    with pytest.raises(FunctionTimedOut, match=r"after 0\.70 seconds"):
        function.invoke(str(file))

    pids = [int(word) for word in file.read_text().split()]
    until(lambda: not any(alive(pid) for pid in pids))
    stats = function.stats()
    assert (stats.timeouts, stats.errors, stats.late, stats.running) == (1, 0, 0, 0)
    assert stats.longest == 0.7


def test_a_process_that_hangs_is_killed_after_real_seconds_on_a_virtual_clock_too(clock: VirtualClock) -> None:
    function = Function(handlers.wait, isolation="process", timeout=0.2, clock=clock)

    with pytest.raises(FunctionTimedOut):
        function.invoke(60)
    assert function.invoke(0) == [200, 200]
    assert (function.stats().timeouts, function.stats().cold_starts, clock.now()) == (1, 2, 0)


@needs_proc
def test_a_handler_that_takes_more_than_its_memory_is_reported_as_such(real: Broker) -> None:
    """Lambda: Runtime.OutOfMemory."""
    kept: list[Any] = []
    function = real.function(handlers.hold, isolation="process", memory=128, retries=0, on_failure=kept.append)

    assert function.invoke(100_000_000) == 100_000_000
    with pytest.raises(FunctionOutOfMemory, match="ran out of its memory of 128 MB") as caught:
        function.invoke(150_000_000)
    assert function.invoke(100_000_000) == 100_000_000
    function.send(150_000_000)
    real.run_until_idle(errors="collect")

    assert caught.value.memory == 128
    assert (function.stats().cold_starts, function.stats().errors) == (2, 2)
    assert kept[0]["responsePayload"] == {
        "errorType": "Runtime.OutOfMemory",
        "errorMessage": f"RequestId: {kept[0]['requestContext']['requestId']} "
        "Error: Runtime exited with error: signal: killed",
    }


@needs_proc
def test_more_memory_is_more(clock: VirtualClock) -> None:
    function = Function(handlers.hold, isolation="process", memory=256, clock=clock)

    assert function.invoke(200_000_000) == 200_000_000


def test_a_ctrl_c_is_the_parents_business(clock: VirtualClock) -> None:
    function = Function(handlers.end, isolation="process", clock=clock)

    assert function.invoke("ctrl-c") == function.invoke("well")


@pytest.mark.parametrize("virtual", [False, True])
def test_a_ctrl_c_while_invoke_waits_ends_the_process(tmp_path: Path, virtual: bool) -> None:
    file, main = tmp_path / "pids", threading.get_ident()

    def interrupt() -> None:
        until(file.exists)
        signal.pthread_kill(main, signal.SIGINT)

    with Broker(clock=VirtualClock() if virtual else None) as broker:
        function = broker.function(handlers.hang, isolation="process", timeout=60)
        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            function.invoke(str(file))

        pids = [int(word) for word in file.read_text().split()]
        until(lambda: not any(alive(pid) for pid in pids))
        broker.run_until_idle()
        assert (function.stats().running, function.stats().errors, function.stats().late) == (0, 1, 0)


def test_the_child_of_a_handler_that_forks_and_returns_has_no_say(
    clock: VirtualClock, capfd: pytest.CaptureFixture[str]
) -> None:
    function = Function(handlers.end, isolation="process", clock=clock)

    assert function.invoke("fork") == function.invoke("well") == function.invoke("well")
    until(lambda: "the child returned" in capfd.readouterr().err)


@pytest.mark.parametrize("how", ["close", "delete", "drop"])
def test_no_process_outlives_its_broker(how: str) -> None:
    broker = Broker().start()
    function: Any = broker.function(handlers.end, isolation="process")
    pid = function.invoke("well")
    assert alive(pid)

    if how == "close":
        broker.close()
    elif how == "delete":
        broker.delete(function)
    else:
        del broker, function
        gc.collect()

    until(lambda: not alive(pid))
    if how == "delete":
        broker.close()


def test_close_waits_for_a_run_and_with_a_timeout_kills_it(tmp_path: Path) -> None:
    broker = Broker().start()
    outcomes: list[Any] = []
    function = broker.function(handlers.hang, isolation="process", timeout=60)
    broker._workers().put(function.begin(str(tmp_path / "pids"), outcomes.append))
    until((tmp_path / "pids").exists)

    [late] = broker.close(timeout=0.01)

    until(lambda: len(outcomes) == 1)
    assert "function 'hang', request" in late
    assert isinstance(outcomes[0].error, ProcessDied)


@pytest.mark.parametrize("how", ["SIGKILL", "exit"])
def test_no_process_outlives_its_program(tmp_path: Path, how: str) -> None:
    """Also not one that is in the middle of a run, with what it started."""
    file = tmp_path / "pids"
    program = f"""
    import sys, threading, process_handlers as handlers
    from pathlib import Path
    from decouple import Broker
    broker = Broker().start()
    function = broker.function(handlers.hang, isolation="process", timeout=60)
    broker._workers().put(function.begin({str(file)!r}, print))
    while not Path({str(file)!r}).exists():
        threading.Event().wait(0.01)
    if {how!r} == "SIGKILL":
        threading.Event().wait(60)
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests")))}
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], env=environment) as parent:
        until(file.exists)
        if how == "SIGKILL":
            parent.kill()
        parent.wait(10)

    pids = [int(word) for word in file.read_text().split()]
    until(lambda: not any(alive(pid) for pid in pids))


ROOT = Path(decouple.__file__).parent.parent


# -- what no process can import ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (lambda event, context: None, "it is a lambda"),
        (functools.partial(handlers.look), "it has no name"),
        (handlers.Shop().buy, "it is a method of one object"),
    ],
)
def test_a_handler_that_a_process_could_not_import_is_refused_at_declaration(handler: Any, why: str) -> None:
    with pytest.raises(ValueError, match=f"the handler of function 'f' cannot run in a process of its own.*: {why};"):
        Function(handler, name="f", isolation="process")
    with pytest.raises(ValueError, match="on_init of function 'look' cannot"):
        Function(handlers.look, on_init=handler, isolation="process")


def test_a_closure_and_a_handler_of_the_script_itself_are_refused_at_declaration() -> None:
    def inner(event: Any, context: Any) -> None: ...

    def script(event: Any, context: Any) -> None: ...

    script.__module__, script.__qualname__ = "__main__", "script"

    with pytest.raises(ValueError, match="it is defined in a function; define it at the top of a module"):
        Function(inner, isolation="process")
    with pytest.raises(ValueError, match="it is in the script that was started"):
        Function(script, isolation="process")


def test_a_module_that_cannot_be_imported_there_is_the_error_of_the_run(clock: VirtualClock) -> None:
    def gone(event: Any, context: Any) -> None: ...

    gone.__module__, gone.__qualname__ = "no_such_module", "gone"

    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        Function(gone, isolation="process", clock=clock).invoke()


def test_a_module_that_invokes_when_it_is_imported_starts_no_processes_without_end(tmp_path: Path) -> None:
    (tmp_path / "eager.py").write_text(
        textwrap.dedent("""
        from decouple import Broker
        broker = Broker()
        @broker.function(isolation="process")
        def f(event, context): return 1
        try:
            f.invoke()
        except Exception as error:
            print(type(error).__name__, error)
        broker.close()
        """)
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}

    done = subprocess.run(
        [sys.executable, "-c", "import eager"], env=environment, capture_output=True, text=True, timeout=60, check=True
    )

    assert "under if __name__ == '__main__'" in done.stdout
    assert done.stderr == ""


def test_a_loop_over_processes_is_stopped_as_well(clock: VirtualClock) -> None:
    function = Function(handlers.look, isolation="process", clock=clock)

    with pytest.raises(RecursionStopped):
        function.begin(None, lambda outcome: None, lineage={function.mark: 16})
