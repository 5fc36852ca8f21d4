"""The checks a reviewer should not have to make: lint, format, and both type checkers at their strictest.

They take half a minute, so they run beside the other tests, on a core that those leave free (conftest.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CHECKS = ("ruff check .", "ruff format --check .", "mypy", "basedpyright")
ONE_AFTER_THE_OTHER = """
import json, subprocess, sys
with open(sys.argv[1], "w", buffering=1, encoding="utf-8") as told:
    for command in sys.argv[2:]:
        done = subprocess.run([sys.executable, "-m", *command.split()], capture_output=True, text=True)
        print(json.dumps([command, done.returncode, done.stdout + done.stderr]), file=told)
"""


def told() -> Path:
    """Where the checks of this run say what came of them, whichever worker asks."""
    return Path(tempfile.gettempdir(), f"decouple-checks-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}")


def begun() -> subprocess.Popen[bytes]:
    """A process that makes the checks and writes down what came of each."""
    return subprocess.Popen([sys.executable, "-c", ONE_AFTER_THE_OTHER, str(told()), *CHECKS], cwd=ROOT)


def ended(checks: subprocess.Popen[bytes]) -> None:
    """Whatever is under way: nobody asks any more."""
    checks.kill()
    checks.wait()
    told().unlink(missing_ok=True)


def finding(command: str) -> tuple[int, str]:
    """What came of one of them, as soon as it is known."""
    until = time.monotonic() + 300
    while time.monotonic() < until:
        lines = told().read_text(encoding="utf-8").splitlines(keepends=True) if told().exists() else []
        for name, code, text in (json.loads(line) for line in lines if line.endswith("\n")):
            if name == command:
                return code, text
        time.sleep(0.1)  # another process is at work
    raise TimeoutError(f"{command} took longer than 300 s")


@pytest.mark.slow
@pytest.mark.parametrize("command", CHECKS)
def test_nothing_to_complain_about(command: str) -> None:
    code, text = finding(command)

    assert code == 0, text
