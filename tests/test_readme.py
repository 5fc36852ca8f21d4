"""The front door is true: its code runs, and prints what it says."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.splitlines()[-1].strip()[:40])
def test_the_code_in_the_readme_runs(program: str) -> None:
    exec(compile(program, "README.md", "exec"), {"__name__": "readme"})


def test_the_first_program_prints_what_the_readme_shows() -> None:
    shown = re.search(r"```\n(shipped.*?)```", README, re.DOTALL)
    printed = StringIO()

    with redirect_stdout(printed):
        exec(compile(PROGRAMS[0], "README.md", "exec"), {"__name__": "readme"})

    assert shown is not None
    assert printed.getvalue().startswith(shown[1])


def test_ci_runs_the_readmes_second_command() -> None:
    commands = re.findall(r"```\n(python3 -m venv.*?)\n```", README)
    script = (Path(__file__).parent.parent / ".ci" / "run").read_text(encoding="utf-8")

    assert len(commands) == 2
    assert commands[1].replace(".venv/bin/pip install", ".venv/bin/pip install --quiet") in script
