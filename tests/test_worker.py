"""`decouple worker`: processes that are kept at work, reloaded and drained. In real processes, on real time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from decouple.worker.child import Child, status_of
from decouple.worker.supervisor import LONGEST_PAUSE, STEADY, Post

pytestmark = pytest.mark.skipif(os.name != "posix", reason="worker processes need POSIX")

ROOT = Path(__file__).parent.parent
# A broker that says it is shared, whose schedule writes a line with its process and the version of its code.
APP = """\
import os, pathlib, time
from decouple import Broker
from decouple.capabilities import MEMORY
from decouple.engine import Memory

HERE = pathlib.Path(__file__).parent
VERSION = "one"

class Pretended(Memory):
    capabilities = MEMORY._replace(shared="machine")

def write(line):
    with open(HERE / "log", "a") as log:
        log.write(f"{line}\\n")

def broker():
    made = Broker(Pretended())
    made.schedule("rate(1 minute)", lambda *_: write(f"{VERSION} {os.getpid()}"))
    return made

def taken():
    from decouple import StorageInUse
    raise StorageInUse("/srv/queues", pid=7)

alone = Broker()
nothing = 7

def slow(seconds=0.3):
    made = Broker(Pretended())
    jobs = made.queue("jobs")
    def work(job):
        write(f"began {os.getpid()}")
        time.sleep(seconds)
        write(f"ended {os.getpid()}")
    jobs.consume(work)
    jobs.send("one")
    return made

def stuck():
    return slow(60)
"""


class Running:
    """A supervisor that runs in `folder`, and the lines that its processes write."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.log = folder / "log"
        self.said = folder / "said"
        command = [sys.executable, "-c", "from decouple.cli import main; main()", "worker", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        with self.said.open("w") as said:
            self.process = subprocess.Popen(command, cwd=folder, stderr=said, env=environment)

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def until(self, enough: Callable[[list[str]], bool]) -> list[str]:
        """The lines, once there are enough."""
        deadline = time.monotonic() + 30
        while not enough(lines := self.lines()):
            late = self.process.poll() is not None or time.monotonic() > deadline
            assert not late, (lines, self.said.read_text())
            time.sleep(0.01)
        return lines

    def pids(self, lines: list[str]) -> list[int]:
        return [int(line.split()[1]) for line in lines]

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(30)


def alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat")
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 20
    while any(map(alive, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APP)
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def begin(*arguments: str) -> Running:
        started.append(Running(folder, *arguments))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        assert gone(one.pids(one.lines()))


def test_processes_are_started_replaced_reloaded_and_drained(run: Callable[..., Running], folder: Path) -> None:
    running = run("shop:broker", "--processes", "2")
    first = running.pids(running.until(lambda lines: len(lines) == 2))
    assert len({*first, running.process.pid}) == 3

    os.kill(first[0], signal.SIGKILL)
    lines = running.until(lambda lines: len(lines) == 3)
    assert lines[2].startswith("one ")
    assert alive(first[1])
    assert f"process {first[0]} died: SIGKILL; started at once again" in running.said.read_text()

    (folder / "shop.py").write_text(APP.replace('"one"', '"two"'))
    running.process.send_signal(signal.SIGHUP)
    lines = running.until(lambda lines: len(lines) == 5)
    assert [line.split()[0] for line in lines[3:]] == ["two", "two"]
    assert gone(running.pids(lines[:3]))

    assert running.end() == 0
    assert gone(running.pids(lines))
    assert f"[{running.process.pid}] decouple.worker: all have ended" in running.said.read_text()


def test_new_code_that_cannot_be_served_leaves_the_old_at_work(run: Callable[..., Running], folder: Path) -> None:
    running = run("shop:broker")
    [pid] = running.pids(running.until(lambda lines: len(lines) == 1))

    (folder / "shop.py").write_text("raise OSError('no disk')")
    running.process.send_signal(signal.SIGHUP)
    running.until(lambda _: "those at work go on" in running.said.read_text())

    assert "go on: shop:broker cannot be imported: OSError: no disk" in running.said.read_text()
    assert alive(pid)
    assert running.end(signal.SIGINT) == 0


def test_a_handler_under_way_ends_before_its_process_does(run: Callable[..., Running]) -> None:
    running = run("shop:slow")
    running.until(lambda lines: len(lines) == 1)

    assert running.end() == 0

    assert [line.split()[0] for line in running.lines()] == ["began", "ended"]


def test_a_second_signal_ends_all_at_once(run: Callable[..., Running]) -> None:
    running = run("shop:stuck", "--timeout", "60")
    running.until(lambda lines: len(lines) == 1)

    running.process.send_signal(signal.SIGTERM)
    running.until(lambda _: "SIGTERM: ending 1" in running.said.read_text())

    assert running.end(signal.SIGINT) == 0
    assert "left behind, it had not ended" in running.said.read_text()


def test_processes_end_with_a_supervisor_that_is_killed(run: Callable[..., Running]) -> None:
    running = run("shop:broker", "--processes", "2", "--timeout", "1")
    pids = running.pids(running.until(lambda lines: len(lines) == 2))

    running.process.kill()
    running.process.wait()

    assert gone(pids)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["shop:alone", "--processes", "2"],
            "shop:alone keeps its queues in one process, so several cannot serve it: ",
        ),
        (["shop:nothing"], "shop:nothing is int, and no Broker nor a callable that returns one"),
        (["shop:taken"], "shop:taken: '/srv/queues' is open in process 7: "),
        (["shop:missing"], "shop:missing: there is no 'missing' in shop"),
        (["nowhere:broker"], "nowhere:broker: there is no module 'nowhere', neither in "),
        (["shop.py:broker"], "shop.py:broker: there is no module 'shop.py', neither in "),
    ],
)
def test_what_nobody_can_serve_is_one_sentence_and_exit_code_1(
    run: Callable[..., Running], arguments: list[str], sentence: str
) -> None:
    running = run(*arguments, "--log-level", "error")

    assert running.process.wait(30) == 1
    said = running.said.read_text()
    assert f"\ndecouple: {sentence}" in "\n" + said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["shop"], "name the broker as module:broker, such as shop.jobs:broker, not 'shop'"),
        (["shop:broker", "--processes", "0"], "from 1 to 1,000 processes, not '0'"),
        (["shop:broker", "--timeout", "nan"], "from 0 to 43,200 seconds, not 'nan'"),
    ],
)
def test_wrong_arguments_are_one_sentence_and_exit_code_2(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from decouple.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["worker", *arguments])

    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


# -- the pauses ------------------------------------------------------------------------------------------------------


class Process:
    pid = 7


def child_of(post: Post, *, began: float, ready: bool) -> Child:
    child = Child(post.number, Process())  # type: ignore[arg-type]
    child.began = began
    if ready:
        post.serving = child
    else:
        post.coming = child
    return child


def test_a_process_that_keeps_dying_at_its_start_is_started_after_growing_pauses() -> None:
    post = Post(0)

    pauses = [post.died(child_of(post, began=at, ready=False), at + 1) for at in range(7)]

    assert pauses == [1, 2, 4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE]


def test_a_process_that_served_is_followed_at_once_and_later_if_it_dies_again_soon() -> None:
    post = Post(0)

    pauses = [post.died(child_of(post, began=at, ready=True), at + 1) for at in range(4)]
    assert pauses == [0, 1, 2, 4]

    assert post.died(child_of(post, began=0, ready=True), STEADY) == 0


def test_how_a_process_ended_is_said_in_words() -> None:
    assert [status_of(status) for status in (1, -9, -250)] == ["exit status 1", "SIGKILL", "signal 250"]
