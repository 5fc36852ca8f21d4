"""The checks a reviewer should not have to make: lint, format, and both type checkers at their strictest.

They take half a minute, so they run beside the other tests, on a core that those leave free (conftest.py).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CHECKS = ("ruff check .", "ruff format --check .", "mypy", "basedpyright")
ONE_AFTER_THE_OTHER = """
import json, subprocess, sys
for command in sys.argv[1:]:
    done = subprocess.run([sys.executable, "-m", *command.split()], capture_output=True, text=True)
    print(json.dumps([command, done.returncode, done.stdout + done.stderr]))
"""


def begun() -> subprocess.Popen[str]:
    """A process that makes the checks and writes down what came of each."""
    return subprocess.Popen(
        [sys.executable, "-c", ONE_AFTER_THE_OTHER, *CHECKS], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def findings(request: pytest.FixtureRequest) -> dict[str, tuple[int, str]]:
    import json

    told, _ = request.config.stash[CHECKING].communicate(timeout=300)
    return {command: (code, text) for command, code, text in map(json.loads, told.splitlines())}


CHECKING = pytest.StashKey[subprocess.Popen[str]]()


@pytest.mark.slow
@pytest.mark.parametrize("command", CHECKS)
def test_nothing_to_complain_about(command: str, findings: dict[str, tuple[int, str]]) -> None:
    code, text = findings[command]

    assert code == 0, text
