"""A web application and its workers, and `kill -9` for all of them: every job that was accepted is done, once.

    uvicorn --app-dir examples jobs_app:app                            # the web application
    cd examples && decouple worker jobs_app:broker --processes 2       # and in another terminal its workers
    curl -X POST -d '{"number": 12}' localhost:8000/jobs               # 202 {"id": "..."}
    curl localhost:8000/jobs/...                                       # {"state": "done", "answer": 144}

    python examples/jobs_app.py                                        # the story, told by itself in ten seconds

What it shows: jobs are in a database file, jobs.db beside this one or $JOBS_DB, which web and workers share. A POST writes the
job's row and sends its message in one transaction, so there is never one without the other, and answers 202 when both are
there. Whoever is killed then, nothing is forgotten: a message that a worker had comes back when its visibility timeout is
over, to the next worker. The handler may so run twice, and writes its answer in a transaction that looks first whether there
is one: it is done once.

The story starts the application and two workers, posts jobs, kills all three with SIGKILL again and again, starts them again,
and counts: accepted (answered with 202), finished, lost, finished twice. Nothing is installed but uvicorn.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from decouple import Broker, Message, Queue

Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]

FILE = os.environ.get("JOBS_DB") or str(Path(__file__).resolve().with_name("jobs.db"))
"""Web and workers have the same one, wherever each of them is started."""
TAKES = 0.05
"""Seconds of work in a job."""
LARGEST = 999_999_999
"""Its square is a number of SQLite's."""
PATIENCE = 60
TABLES = """
    CREATE TABLE IF NOT EXISTS results (job TEXT PRIMARY KEY, number INTEGER NOT NULL, answer INTEGER);
    CREATE TABLE IF NOT EXISTS finished (job TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS runs (job TEXT NOT NULL);
"""


def opened() -> sqlite3.Connection:
    """A connection of the application's own to the file in which its queues are, too."""
    connection = sqlite3.connect(FILE, timeout=30)
    connection.executescript(TABLES)
    return connection


def jobs_of(broker: Broker) -> Queue[str]:
    """What web and workers share. Two seconds after a worker was killed, another one has its jobs."""
    return broker.queue("jobs", visibility_timeout=2, dead_letter=broker.queue("jobs-dead"), max_receives=20)


# -- the worker ----------------------------------------------------------------------------------------------------------


def broker() -> Broker:
    """What a worker process serves."""
    made = Broker(f"sqlite:///{FILE}")
    opened().close()
    jobs_of(made).consume(work, concurrency=4)
    return made


def work(message: Message[str]) -> None:
    """The handler: it may run twice for a job, and finishes it once."""
    job = message.json()
    with closing(opened()) as connection:
        with connection:
            connection.execute("INSERT INTO runs VALUES (?)", [job["id"]])
        time.sleep(TAKES)
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            answer = connection.execute("SELECT answer FROM results WHERE job = ?", [job["id"]]).fetchone()
            if answer == (None,):
                connection.execute("UPDATE results SET answer = ? WHERE job = ?", [job["number"] ** 2, job["id"]])
                connection.execute("INSERT INTO finished VALUES (?)", [job["id"]])


# -- the web application ---------------------------------------------------------------------------------------------


class Web:
    """The ASGI application. It opens its file when the server starts, and closes it when that ends."""

    broker: Broker
    jobs: Queue[str]
    connection: sqlite3.Connection

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, or live as long as the server."""
        if scope["type"] == "lifespan":
            await self.live(receive, send)
        elif scope["type"] == "http":
            status, answer = self.answer(scope["method"], scope["path"], await body_of(receive))
            text = json.dumps(answer).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(text))]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": text})

    async def live(self, receive: Receive, send: Send) -> None:
        await receive()
        with Broker(f"sqlite:///{FILE}") as self.broker, closing(opened()) as self.connection:
            self.jobs = jobs_of(self.broker)
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer. It takes a fraction of a millisecond, so the server's loop may wait for it."""
        if (method, path) == ("POST", "/jobs"):
            return self.accept(body)
        if method == "GET" and path.startswith("/jobs/"):
            return self.look(path.removeprefix("/jobs/"))
        return 404, {"error": "there are POST /jobs and GET /jobs/<id>"}

    def accept(self, body: bytes) -> tuple[int, dict[str, Any]]:
        try:
            number = int(json.loads(body)["number"])
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return 400, {"error": 'a job is like {"number": 12}'}
        if abs(number) > LARGEST:
            return 400, {"error": f"a number has at most {len(str(LARGEST))} digits"}
        job = str(uuid.uuid4())
        with self.broker.joining(self.connection), self.connection:
            self.connection.execute("INSERT INTO results VALUES (?, ?, NULL)", [job, number])
            self.jobs.send({"id": job, "number": number})
        return 202, {"id": job}

    def look(self, job: str) -> tuple[int, dict[str, Any]]:
        found = self.connection.execute("SELECT answer FROM results WHERE job = ?", [job]).fetchone()
        if found is None:
            return 404, {"error": f"there is no job {job[:40]!r}"}
        return 200, {"state": "queued"} if found[0] is None else {"state": "done", "answer": found[0]}


async def body_of(receive: Receive) -> bytes:
    """The whole body of a request."""
    parts: list[bytes] = []
    more = True
    while more:
        event = await receive()
        parts.append(event.get("body", b""))
        more = event.get("more_body", False)
    return b"".join(parts)


app = Web()


# -- the story -------------------------------------------------------------------------------------------------------


class Ended(NamedTuple):
    """What became of the jobs."""

    accepted: int
    finished: int
    lost: int
    twice: int
    runs: int


class Shop:
    """The application and its workers as processes, which can be killed and started again."""

    def __init__(self, folder: str, port: int) -> None:
        self.port = port
        self.environment = {**os.environ, "JOBS_DB": str(Path(folder) / "jobs.db")}
        self.running: list[subprocess.Popen[bytes]] = []
        self.asked: int | None = None  # the signal that asks the story to end

    def start(self) -> None:
        here = Path(__file__).resolve()
        web = ["-m", "uvicorn", "--app-dir", str(here.parent), "--port", str(self.port), "--log-level", "error"]
        for arguments in ([*web, f"{here.stem}:app"], [str(here), "worker"], [str(here), "worker"]):
            self.running.append(subprocess.Popen([sys.executable, *arguments], env=self.environment))

    def kill(self) -> None:
        """SIGKILL for all of them: nobody can say goodbye."""
        for process in self.running:
            process.kill()
        for process in self.running:
            process.wait()
        self.running.clear()

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[int, dict[str, Any]] | None:
        """The answer to a request; None where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()


@contextmanager
def open_shop(folder: str) -> Iterator[Shop]:
    """A shop that is open; its processes end with this, however it ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shop = Shop(folder, port)

    def ask(number: int, _: object) -> None:
        shop.asked = number  # an exception here could come up between a process's start and its place in the list

    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, ask)
    try:
        shop.start()
        yield shop
    finally:
        shop.kill()


def tell(folder: str, jobs: int, kills: int) -> Ended:
    """Post so many jobs while all is killed so many times; what became of them."""
    accepted: list[str] = []
    killed = 0
    with open_shop(folder) as shop:
        deadline = time.monotonic() + PATIENCE
        while len(accepted) < jobs:
            check(shop, deadline)
            answer = shop.ask("POST", "/jobs", json.dumps({"number": len(accepted)}))
            if answer is None or answer[0] != 202:
                time.sleep(0.02)
                continue
            accepted.append(answer[1]["id"])
            if killed < kills and len(accepted) * (kills + 1) >= jobs * (killed + 1):
                time.sleep(TAKES)  # let the workers have some in hand
                kill_while_posting(shop, accepted)
                killed += 1
                print(f"killed all three with {len(accepted)} jobs accepted, and started them again", flush=True)
        wait_for(shop, accepted, deadline)
        with closing(sqlite3.connect(shop.environment["JOBS_DB"])) as connection:
            return counted(connection, accepted)


def kill_while_posting(shop: Shop, accepted: list[str]) -> None:
    """Kill everything under a request, and start it again."""
    killing = threading.Thread(target=shop.kill)
    killing.start()
    while killing.is_alive():
        answer = shop.ask("POST", "/jobs", json.dumps({"number": len(accepted)}))
        if answer is not None and answer[0] == 202:
            accepted.append(answer[1]["id"])
    killing.join()
    shop.start()


def wait_for(shop: Shop, accepted: list[str], deadline: float) -> None:
    """Until all are done, as anybody can see."""
    for job in accepted:
        check(shop, deadline)
        while (answer := shop.ask("GET", f"/jobs/{job}")) is None or answer[1].get("state") == "queued":
            check(shop, deadline)
            time.sleep(0.02)


def check(shop: Shop, deadline: float) -> None:
    """Raise what there is against going on: a signal, a process that ended, or the time."""
    if shop.asked is not None:
        raise SystemExit(128 + shop.asked)
    for process in shop.running:
        if process.poll() is not None:
            raise RuntimeError(f"{' '.join(process.args)} ended with {process.returncode}")  # type: ignore[arg-type]
    if time.monotonic() > deadline:
        raise RuntimeError(f"not all jobs were done after {PATIENCE} s")


def counted(connection: sqlite3.Connection, accepted: list[str]) -> Ended:
    """The count, from the file."""
    finished = [job for (job,) in connection.execute("SELECT job FROM finished")]
    [(runs,)] = connection.execute("SELECT count(*) FROM runs")
    done = set(finished)
    mine = [job for job in accepted if job in done]
    return Ended(len(accepted), len(mine), len(accepted) - len(mine), len(finished) - len(done), runs)


def main() -> int:
    """Tell the story, or be one of its workers. Exit code 1: a job was lost, or done twice."""
    parser = argparse.ArgumentParser(description="Jobs that survive kill -9.")
    parser.add_argument("role", nargs="?", choices=["worker"], help="be a worker; nothing: tell the story")
    parser.add_argument("--jobs", type=int, default=200, help="how many are posted (%(default)s)")
    parser.add_argument("--kills", type=int, default=5, help="how often all is killed (%(default)s)")
    asked = parser.parse_args()
    if asked.role == "worker":
        broker().run(timeout=10)
        return 0
    if not (1 <= asked.jobs <= 10_000 and 0 <= asked.kills <= asked.jobs):
        print("--jobs must be from 1 to 10,000, and --kills from 0 to as many", file=sys.stderr)
        return 2
    if find_spec("uvicorn") is None:
        print("the story needs uvicorn: pip install 'decouple-messaging[server]'", file=sys.stderr)
        return 2
    try:
        with tempfile.TemporaryDirectory() as folder:
            ended = tell(folder, asked.jobs, asked.kills)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"accepted {ended.accepted}, finished {ended.finished}, lost {ended.lost}, finished twice {ended.twice} "
        f"(in {ended.runs} runs)"
    )
    return 1 if ended.lost or ended.twice else 0


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        sys.exit(main())
