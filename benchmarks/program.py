"""idle, import, churn: what a program pays for having it."""

import asyncio
import gc
import os
import resource
import subprocess
import sys
import tempfile
from itertools import repeat
from pathlib import Path
from typing import Any

from common import BODY, Figures, new_queue
from measure import cpu, median, resident

from decouple import Broker

ROOT = Path(__file__).resolve().parent.parent


def idle(full: bool) -> Figures:
    async def spent(waits: list[Any]) -> float:
        tasks = [asyncio.create_task(wait) for wait in waits]
        await asyncio.sleep(1)
        gc.collect()
        start = cpu()
        await asyncio.sleep(2)
        took = (cpu() - start) / 1e6
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return took

    with Broker() as broker:
        queues = [broker.queue(f"queue-{number}") for number in range(10_000)]
        ours = asyncio.run(spent([queue.aio.receive(wait=600) for queue in queues[:1000]]))
    control = asyncio.run(spent([asyncio.Queue[str]().get() for _ in range(1000)]))
    return {"idle.cpu": (ours, f"asyncio.Queue {control:.2f} ms")}


def imports(full: bool) -> Figures:
    """With byte code cached, as on every start but the first: in a folder of its own, whatever the environment says."""
    code = "import decouple, sys; print(sum(name.partition('.')[0] == 'asyncio' for name in sys.modules))"
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def start(code: str) -> tuple[float, str]:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            told = subprocess.run([sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.PIPE)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            return spent * 1e3, told.stdout.decode()

        loaded = int(start(code)[1])
        pairs = [(start("import decouple")[0], start("pass")[0]) for _ in range(31 if full else 9)]
    bare = median(without for _, without in pairs)
    return {
        "import.ms": (
            median(ours - without for ours, without in pairs),
            f"CPU; a bare interpreter takes {bare:.0f} ms",
        ),
        "import.asyncio": (loaded, ""),
    }


def churn(full: bool) -> Figures:
    """Half of the messages with the queue's own 12 hours, half with 12 hours asked for at each receive."""
    count = 10_000_000 if full else 200_000
    lanes, heap = new_queue(43_200), new_queue(30)

    def run(messages: int) -> None:
        for _ in repeat(None, messages // 2):
            lanes.send(BODY)
            lanes.receive()[0].ack()
            heap.send(BODY)
            heap.receive(visibility_timeout=43_200)[0].ack()

    run(20_000)
    before = resident()
    run(count)
    grown = (resident() - before) / 2**20
    left = 0
    for queue in (lanes, heap):
        core = queue._core
        held = (core.fresh, core.again, core.leased, core.odd, core.delayed, core.moving, core.outgoing, core.log)
        left += sum(map(len, held)) + len(core.deadlines)
    return {"churn.mib": (max(0.0, grown), f"{count:,} messages"), "churn.left": (left, "")}
