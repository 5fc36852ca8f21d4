"""The example of jobs that survive kill -9: its application in this process, and its story as a user runs it."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgi_client import Client, living

from decouple import Broker

ROOT = Path(__file__).parent.parent
PATH = ROOT / "examples" / "jobs_app.py"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    spec = importlib.util.spec_from_file_location("jobs_app", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "jobs_app", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "FILE", str(tmp_path / "jobs.db"))
    monkeypatch.setattr(module, "TAKES", 0)
    return module


def test_web_and_workers_have_one_file_wherever_they_are_started(tmp_path: Path) -> None:
    script = "import jobs_app; print(jobs_app.FILE)"
    environment = {**os.environ, "PYTHONPATH": f"{PATH.parent}{os.pathsep}{ROOT}"}
    environment.pop("JOBS_DB", None)

    said = {
        subprocess.check_output([sys.executable, "-c", script], cwd=folder, env=environment, text=True, timeout=30)
        for folder in (tmp_path, PATH.parent)
    }

    assert said == {f"{PATH.with_name('jobs.db')}\n"}


def work_off(example: Any) -> None:
    """What a worker does with what is there."""
    worker: Broker = example.broker()
    worker.run_until_idle()
    worker.close()


def test_a_job_is_queued_until_a_worker_has_done_it(example: Any) -> None:
    async def use() -> None:
        app = Client(example.Web())
        async with living(app.app):
            accepted = await app("POST", "/jobs", b'{"number": 12}')
            path = f"/jobs/{accepted.json()['id']}"
            assert accepted.status == 202
            assert (await app("GET", path)).json() == {"state": "queued"}

            work_off(example)

            assert (await app("GET", path)).json() == {"state": "done", "answer": 144}

    asyncio.run(use())


def test_what_is_no_job_is_not_accepted(example: Any) -> None:
    async def use() -> None:
        app = Client(example.Web())
        async with living(app.app):
            answers = [await app(*asked) for asked in (("POST", "/jobs", b"{}"), ("GET", "/jobs/x"), ("PUT", "/jobs"))]
            assert [answer.status for answer in answers] == [400, 404, 404]
            for number in (b"1e400", b"-1000000000"):
                assert (await app("POST", "/jobs", b'{"number": %s}' % number)).status == 400
            assert app.app.jobs.stats().visible == 0

    asyncio.run(use())


def test_a_job_that_a_killed_worker_began_is_done_by_the_next_one_and_once(example: Any) -> None:
    web = example.Web()
    web.broker, web.connection = Broker(f"sqlite:///{example.FILE}"), example.opened()
    web.jobs = example.jobs_of(web.broker)
    _, job = web.accept(b'{"number": 3}')
    [begun] = web.jobs.receive()
    example.work(begun)  # and it was killed before the message was deleted

    begun.nack()
    work_off(example)

    ended = example.counted(web.connection, [job["id"]])
    assert ended == (1, 1, 0, 0, 2)
    assert web.look(job["id"]) == (200, {"state": "done", "answer": 9})
    web.connection.close()
    web.broker.close()


# -- the story -------------------------------------------------------------------------------------------------------


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(PATH), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_every_job_that_was_accepted_is_finished_once_whoever_is_killed() -> None:
    pytest.importorskip("uvicorn")

    out, err = (story := started("--jobs", "40", "--kills", "2")).communicate(timeout=60)

    assert (story.returncode, err) == (0, "")
    assert re.search(r"^accepted 4\d, finished 4\d, lost 0, finished twice 0 \(in \d+ runs\)$", out, re.MULTILINE)
    assert out.count("killed all three with ") == 2


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.slow
@pytest.mark.skipif(not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="it looks into Linux's /proc")
@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_story_that_is_ended_leaves_no_process(how: signal.Signals, code: int) -> None:
    pytest.importorskip("uvicorn")
    story = started("--kills", "0", "--jobs", "10000")
    try:
        deadline = time.monotonic() + 30
        while len(children := children_of(story.pid)) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        story.send_signal(how)
        story.communicate(timeout=30)
    finally:
        story.kill()

    assert story.returncode == code
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []


@pytest.mark.parametrize("arguments", [["--jobs", "0"], ["--jobs", "5", "--kills", "6"]])
def test_wrong_arguments_are_one_sentence_and_exit_code_2(arguments: list[str]) -> None:
    _, err = (story := started(*arguments)).communicate(timeout=60)

    assert (story.returncode, err) == (2, "--jobs must be from 1 to 10,000, and --kills from 0 to as many\n")
