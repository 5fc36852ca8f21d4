"""`decouple serve` as a process of its own, on a free port of this machine."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-c", "from decouple.cli import main; main()"]
PREFIX = "decouple: listening on "


class Served(NamedTuple):
    """A server that runs. url: where it listens."""

    url: str
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Ask it to end: its exit code, and what it said on stderr."""
        self.process.send_signal(how)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as typed, until it ends by itself."""
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False, env=environment()
    )


@contextmanager
def served(*arguments: str, port: int = 0) -> Iterator[Served]:
    """`decouple serve` with these arguments, ended at the end of it."""
    command = [*COMMAND, "serve", "--port", str(port), *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(PREFIX), process.communicate(timeout=10)[1]
        yield Served(line.removeprefix(PREFIX).strip(), process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


def environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONWARNINGS": "error"}


def settings(served: Served, **more: Any) -> dict[str, Any]:
    """What boto3.client needs to talk to it, whatever the environment says."""
    given = {"endpoint_url": served.url, "region_name": "us-east-1"}
    return given | {"aws_access_key_id": "test", "aws_secret_access_key": "test"} | more
