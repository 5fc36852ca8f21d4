"""The examples, run as a user runs them: each in an interpreter of its own, with every warning an error."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
AUDIT, LEVELLING, LINT = "source_audit.py", "load_levelling.py", "lint_architecture.py"
WITHOUT = """\
import runpy, sys
sys.modules[{module!r}] = None  # from now on, importing it raises ImportError
sys.argv = {argv!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}


def command_for(example: str, *arguments: object, without: str | None = None) -> list[str]:
    """How to start it; `without` a module, as if that were not installed."""
    argv = [str(ROOT / "examples" / example), *map(str, arguments)]
    start = argv if without is None else ["-c", WITHOUT.format(module=without, argv=argv)]
    return [sys.executable, "-W", "error", *start]


def run(example: str, *arguments: object, without: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    command = command_for(example, *arguments, without=without)
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment(), timeout=60, check=False)


def finished(ended: subprocess.CompletedProcess[str]) -> str:
    """What it printed, once it is sure that it ended well and had nothing to complain of."""
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def assert_the_law_balances(output: str) -> dict[str, int]:
    """Add up the line that shows the law; its terms by name."""
    [(accepted, terms)] = re.findall(r"^the law: ([\d,]+) accepted = (.+)$", output, re.MULTILINE)
    numbers = {
        name: int(number.replace(",", "")) for number, name in re.findall(r"([\d,]+)(?: ([a-z ]+[a-z]))?", terms)
    }
    assert int(accepted.replace(",", "")) == sum(numbers.values())
    return numbers


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., Path]:
    """Write a file below the folder that is to be audited."""

    def write(path: str, text: str | bytes) -> Path:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return write


# -- source_audit --------------------------------------------------------------------------------------------------


def test_the_audit_counts_by_package_however_deep(source: Callable[..., Path]) -> None:
    source("shop/__init__.py", "")
    source("shop/orders/lines.py", "import os\n\nclass Line:\n    def total(self):\n        def inner(): pass\n")
    source("shop/orders/deep/er.py", "try:\n    import a\nexcept ImportError:\n    from b import a\n")
    source("alone.py", "async def main():\n    match 1:\n        case 1:\n            import sys\n")
    source("shop/notes.txt", "not Python (")
    folder = source("lib/site-packages/other.py", "import sys\n")

    lines = finished(run(AUDIT, folder)).splitlines()

    assert [line.split() for line in lines[:4]] == [
        ["package", "files", "lines", "functions", "classes", "imports"],
        ["shop", "3", "9", "2", "1", "3"],
        ["alone", "1", "4", "1", "0", "1"],
        ["all", "4", "13", "3", "1", "4"],
    ]


def test_the_audit_shows_ten_packages_and_sums_up_the_others(source: Callable[..., Path]) -> None:
    for number in range(1, 14):
        folder = source(f"p{number}.py", "pass\n" * number)

    lines = finished(run(AUDIT, folder)).splitlines()

    assert [line.split()[0] for line in lines[1:11]] == [f"p{number}" for number in range(13, 3, -1)]
    assert lines[11].split() == ["3", "more", "3", "6", "0", "0", "0"]


def test_a_file_that_does_not_parse_ends_as_a_dead_letter_with_the_reason(source: Callable[..., Path]) -> None:
    source("good.py", "x = 1\n")
    source("old/print.py", "print 'hello'\n")
    folder = source("old/latin.py", "x = 1\n\n# caf\xe9\n".encode("latin-1"))

    output = finished(run(AUDIT, folder))

    dead = output.partition("\n\n")[2].splitlines()
    assert dead[0] == "dead letters: 2"
    assert (dead[1].strip(), dead[3].strip()) == ("old/latin.py", "old/print.py")
    assert dead[2].strip().startswith("UnicodeDecodeError: 'utf-8' codec can't decode byte 0xe9")
    assert dead[4].strip().startswith("SyntaxError: ")
    # Three files and one report were sent, and two files came a second time: to the dead letters.
    assert assert_the_law_balances(output) == {"deleted": 2, "moved out": 2, "visible": 2}


def test_a_folder_of_nothing_but_broken_files_ends_too(source: Callable[..., Path]) -> None:
    for number in range(30):
        folder = source(f"broken{number}.py", "(\n")

    output = finished(run(AUDIT, folder, "--workers", 7))

    assert "\ndead letters: 30\n" in output
    assert output.count("SyntaxError: '(' was never closed") == 30
    assert assert_the_law_balances(output) == {"moved out": 30, "visible": 30}


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are not UTF-8 are a matter of Linux")
def test_a_file_name_that_is_not_text_is_a_dead_letter_under_its_escaped_name(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.py")).write_text("x = 1\n")

    output = finished(run(AUDIT, tmp_path))

    assert "caf\\udce9.py\n    FileNotFoundError: " in output


def test_the_warnings_of_an_audited_file_are_its_own(source: Callable[..., Path]) -> None:
    output = finished(run(AUDIT, source("regex.py", 'digits = "\\d"\n')))

    assert "\ndead letters: 0\n" in output


def test_an_empty_folder_has_an_empty_table(tmp_path: Path) -> None:
    output = finished(run(AUDIT, tmp_path))

    assert output.splitlines()[1].split() == ["all", "0", "0", "0", "0", "0"]
    assert assert_the_law_balances(output) == {"": 0}


def test_the_audit_needs_no_progress_bar(source: Callable[..., Path]) -> None:
    output = finished(run(AUDIT, source("one.py", "x = 1\n"), without="tqdm"))

    assert output.splitlines()[-1] == "the law: 2 accepted = 2 deleted"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "'nowhere' is not a folder: give one that holds Python files\n"),
        ([__file__], f"{__file__!r} is not a folder: give one that holds Python files\n"),
        (["--workers", 0], "--workers must be at least 1, not 0\n"),
    ],
)
def test_wrong_arguments_are_one_sentence_and_exit_code_2(arguments: list[object], sentence: str) -> None:
    ended = run(AUDIT, *arguments)

    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", sentence)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")
def test_ctrl_c_shows_what_was_done_so_far() -> None:
    """On the standard library, which takes seconds; the plain line of progress tells when it has begun."""
    import pty

    terminal, stderr = pty.openpty()
    command = command_for(AUDIT, without="tqdm")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, encoding="utf-8", env=environment()) as child:
        os.close(stderr)
        seen = os.read(terminal, 4_096)
        child.send_signal(signal.SIGINT)
        output, _ = child.communicate(timeout=60)
    seen += rest_of(terminal)

    assert child.returncode == 130
    assert re.fullmatch(rb"([\d,]+ of [\d,]+ files\r?)+", seen)
    assert output.startswith("interrupted; done so far:\npackage ")
    assert_the_law_balances(output)


def rest_of(terminal: int) -> bytes:
    """What a terminal still has to say after the last program on it has ended."""
    seen = b""
    try:
        while more := os.read(terminal, 65_536):
            seen += more
    except OSError:  # how Linux says that there is no more
        pass
    finally:
        os.close(terminal)
    return seen


# -- load_levelling ------------------------------------------------------------------------------------------------


def chart(output: str) -> list[tuple[int, ...]]:
    """The rows as numbers: second, sent a second, handled a second, oldest, visible, in flight."""
    rows = re.findall(r"^ *(\d+) s +(\d+) +(\d+) +(\d+) s +[█░]* (\d+) \+ (\d+)$", output, re.MULTILINE)
    return [tuple(map(int, row)) for row in rows]


def test_on_virtual_time_the_backlog_rises_and_falls_to_the_message() -> None:
    rows = chart(finished(run(LEVELLING)))

    rising = [(5, 100, 10, 5, 440, 10), (10, 100, 10, 9, 890, 10)]
    falling = [(at, 0, 10, 990 - 10 * at, 10) for at in range(15, 100, 5)]
    assert rows[:2] == rising
    assert [(at, sent, handled, visible, busy) for at, sent, handled, _, visible, busy in rows[2:-1]] == falling
    assert rows[-1] == (100, 0, 10, 0, 0, 0)


def test_virtual_time_is_the_same_every_time() -> None:
    assert chart(finished(run(LEVELLING))) == chart(finished(run(LEVELLING)))


@pytest.mark.slow
def test_on_real_time_the_backlog_rises_and_falls_as_well() -> None:
    output = finished(run(LEVELLING, "--real"))

    backlog = [visible for *_, visible, _ in chart(output)]
    peak = backlog.index(max(backlog))
    assert backlog == sorted(backlog[:peak]) + sorted(backlog[peak:], reverse=True)
    assert "\n1,000 of 1,000 were handled in " in output


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    finished(run(LEVELLING, "--plot", tmp_path / "levelling.svg"))

    picture = (tmp_path / "levelling.svg").read_text(encoding="utf-8")
    assert picture.startswith("<?xml")
    assert picture.rstrip().endswith("</svg>")


def test_a_plot_without_matplotlib_names_the_extra() -> None:
    ended = run(LEVELLING, "--plot", "levelling.svg", without="matplotlib")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "--plot needs matplotlib: pip install 'decouple-messaging[plot]'\n"


# -- fair_tenants --------------------------------------------------------------------------------------------------


def test_the_others_hardly_notice_a_flood_in_a_fair_queue() -> None:
    ratios = [float(found) for found in re.findall(r"= ([\d.]+) x$", finished(run("fair_tenants.py")), re.MULTILINE)]

    still, flooded, fair = ratios
    assert still == 1
    assert flooded > 10
    assert fair < 2


# -- lint_architecture ---------------------------------------------------------------------------------------------


def test_the_linter_finds_every_planted_fault_worst_first() -> None:
    output = finished(run(LINT))

    found = re.findall(r"^(\w+)s$|^  (\S+) \[([a-z-]+)\]$", output, re.MULTILINE)
    line = 1 + (ROOT / "examples" / LINT).read_text(encoding="utf-8").splitlines().index("    with order:") + 1
    assert found == [
        ("error", "", ""),
        ("", "bills", "dead-letters-die-early"),
        ("", "prints", "dies-before-dead-letter"),
        ("warning", "", ""),
        ("", "bills", "one-receive-only"),
        ("", "dead", "dead-letters-nobody-reads"),
        ("", f"{LINT}:{line}", "sends-and-acks-apart"),
    ]


def test_the_architecture_is_drawn_below_its_findings() -> None:
    output = finished(run(LINT))

    diagram = output.partition("flowchart LR\n")[2]
    assert '    queue_bills -.->|"after 1 receive"| queue_bills_2d_dead\n' in diagram


@pytest.mark.parametrize(
    ("path", "without", "sentence"),
    [
        ("shop.svg", "graphviz", "the Python package graphviz, which is not installed: pip install"),
        ("shop.txt", None, "path must end in .svg or .png, not 'shop.txt'"),
    ],
)
def test_a_picture_that_cannot_be_drawn_is_one_sentence(path: str, without: str | None, sentence: str) -> None:
    ended = run(LINT, "--plot", path, without=without)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1
