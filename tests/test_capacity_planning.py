"""The example capacity_planning.py, run as a user runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "capacity_planning.py"
WITHOUT = """
import runpy, sys
sys.modules["matplotlib"] = None  # from now on, importing it raises ImportError
sys.argv = {argv!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""
SMALL = ("--consumers", 2, 8, "--visibility", 2, 30, "--peak", 20)


def run(folder: Path, *arguments: object, drawing: bool = True) -> subprocess.CompletedProcess[str]:
    """In a folder of its own: it writes where one is."""
    argv = [str(EXAMPLE), *map(str, arguments)]
    start = argv if drawing else ["-c", WITHOUT.format(argv=argv)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", *start]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False)


def test_a_short_timeout_costs_duplicates_and_few_consumers_cost_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    ended = run(tmp_path, *SMALL)

    assert (ended.returncode, ended.stderr) == (0, "")
    head, *rows = (re.split(r"\s{2,}", line.strip()) for line in ended.stdout.splitlines()[2:7])
    assert head[:4] == ["consumers", "visibility_timeout", "handled", "duplicates"]
    assert [row[:2] for row in rows] == [["2", "2"], ["2", "30"], ["8", "2"], ["8", "30"]]
    few, few_long, many, many_long = (int(row[3]) for row in rows)
    assert many > few > few_long == many_long == 0
    assert "8 consumers and a visibility timeout of 30 s do: 99 % of " in ended.stdout
    assert (tmp_path / "capacity_planning.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_without_matplotlib_there_is_the_table(tmp_path: Path) -> None:
    ended = run(tmp_path, "--consumers", 1, "--visibility", 30, "--peak", 5, drawing=False)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "none of these handles 99 % of the orders within 150 s" in ended.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--consumers", 0, 2], "--consumers must be from 1 to 100, not 0 2\n"),
        (["--visibility", 0], "--visibility must be from 0.1 to 43,200 s, not 0.0\n"),
        (["--target", "nan"], "--target must be over 0 seconds, not nan\n"),
        (["--peak", 0], "--peak must be over 0 and at most 1,000 orders a second, not 0.0\n"),
    ],
)
def test_wrong_arguments_are_one_sentence_and_exit_code_2(
    tmp_path: Path, arguments: list[object], sentence: str
) -> None:
    ended = run(tmp_path, *arguments)

    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", sentence)
