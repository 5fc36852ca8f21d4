"""python-decouple installs a module file `decouple.py`: both libraries work side by side, whichever came first."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import decouple

OURS = Path(decouple.__file__).parent
NEEDED = ("attr", "attrs", "typing_extensions.py", "sortedcontainers")


def install_ours(site: Path) -> None:
    shutil.copytree(OURS, site / "decouple", ignore=shutil.ignore_patterns("__pycache__"))


def install_theirs(site: Path) -> None:
    """The real distribution's own files, as pip lays them out."""
    for file in metadata.files("python-decouple") or []:
        source = Path(str(file.locate()))
        if ".." not in file.parts and source.exists():
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def install_needed(site: Path) -> None:
    for distribution in ("attrs", "typing_extensions", "sortedcontainers"):
        for file in metadata.files(distribution) or []:
            source = Path(str(file.locate()))
            if ".." not in file.parts and source.suffix == ".py":
                target = site / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)


def run(site: Path, program: str, **environment: str) -> str:
    """What the program prints, in an interpreter that sees only that folder."""
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(site)!r})\n{program}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment or None, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


PROGRAM = """
from decouple import Queue, config, Csv, AutoConfig, UndefinedValueError
queue = Queue("orders"); queue.send("hello")
print(queue.receive()[0].body, config("COLOUR"), config("PORTS", cast=Csv(int)), config.__class__ is AutoConfig)
try:
    config("NOTHING_OF_THAT_NAME")
except UndefinedValueError:
    print("undefined")
"""


@pytest.mark.parametrize("order", [[install_ours, install_theirs], [install_theirs, install_ours]])
def test_settings_are_read_by_the_neighbour_and_queues_by_us_whoever_was_installed_first(
    tmp_path: Path, order: list[object]
) -> None:
    install_needed(tmp_path)
    for install in order:
        install(tmp_path)  # type: ignore[operator]

    printed = run(tmp_path, PROGRAM, COLOUR="red", PORTS="80,443")

    assert printed == "hello red [80, 443] True\nundefined"


def test_without_the_neighbour_its_names_say_what_is_going_on(tmp_path: Path) -> None:
    install_needed(tmp_path)
    install_ours(tmp_path)

    printed = run(
        tmp_path,
        """
try:
    from decouple import config
except ImportError as error:
    print(error)
import decouple
print(hasattr(decouple, "no_such_name"))
""",
    )

    assert "'config' belongs to python-decouple" in printed
    assert "pip install python-decouple" in printed
    assert printed.endswith("False")


def test_the_neighbour_is_loaded_only_when_it_is_asked_for(tmp_path: Path) -> None:
    for install in (install_needed, install_ours, install_theirs):
        install(tmp_path)

    assert run(tmp_path, "import decouple; print('python_decouple' in sys.modules)") == "False"


def test_in_this_environment_the_names_are_the_neighbours_own() -> None:
    assert decouple.Csv(int)("1,2") == [1, 2]  # type: ignore[attr-defined]
    assert decouple.config is decouple.config  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["no_such_name", "__path_of_nothing__"])
def test_a_name_that_neither_has_is_an_attribute_error(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(decouple, name)
