"""benchmarks/survival.py, a few kills of each: what is acknowledged is there, what is deleted stays away, order holds.

The script does the same for a hundred kills and more; benchmarks/survival.txt has its figures.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from surviving_path import BENCHMARKS

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX")]


def survival(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """The script, with its files in `folder`."""
    command = [sys.executable, str(BENCHMARKS / "survival.py"), *map(str, words)]
    environment = os.environ | {"TMPDIR": str(folder)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)


def test_what_keeps_nothing_is_found_out(tmp_path):
    """So the script can fail: a broker in memory loses all at each kill."""
    run = survival(tmp_path, "--engine", "memory", "--kills", 3)

    assert run.returncode == 1, run.stderr
    assert "\nlost: " in run.stderr
    assert "violations; all is in" in run.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--engine", "journal", "--kills", 4, "--segment-kib", 16),
        ("--engine", "sqlite", "--kills", 4, "--processes", 2),
    ],
    ids=["journal", "sqlite"],
)
def test_what_is_kept_survives_kill_9(tmp_path, words):
    run = survival(tmp_path, "--handlers", *words)

    assert run.returncode == 0, run.stderr
    assert "messages sent and answered" in run.stdout


def test_what_is_kept_survives_a_full_disk(tmp_path):
    """Sends are refused, the rest goes on, and what was refused never comes."""
    run = survival(tmp_path, "--engine", "journal", "--kills", 3, "--segment-kib", 16, "--trouble", "full")

    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("engine", ["journal", "sqlite"])
def test_what_is_kept_survives_ctrl_c(tmp_path, engine):
    run = survival(tmp_path, "--engine", engine, "--kills", 2, "--signal", "INT", "--handlers")

    assert run.returncode == 0, run.stderr
