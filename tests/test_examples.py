"""The examples, run as a user runs them: each in an interpreter of its own, with every warning an error."""

from __future__ import annotations

import importlib.util
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
AUDIT, LEVELLING, LINT, LEDGER = "source_audit.py", "load_levelling.py", "lint_architecture.py", "fifo_ledger.py"
IMAGES, CHAIN, LOGS = "image_pipeline.py", "queuing_chain.py", "log_pipeline.py"
VOTING, RESPONSE, PLANE = "voting.py", "request_response.py", "control_plane.py"
FLAKY = "flaky_consumer.py"
WITHOUT = """\
import runpy, sys
sys.modules[{module!r}] = None  # from now on, importing it raises ImportError
sys.argv = {argv!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""
PLANTED = """\
import importlib.util, sys
spec = importlib.util.spec_from_file_location("example", {argv!r}[0])
example = sys.modules["example"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(example)
{bug}
sys.argv = {argv!r}
sys.exit(example.main())
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}


def command_for(example: str, *arguments: object, without: str | None = None, bug: str | None = None) -> list[str]:
    """How to start it; `without` a module, as if that were not installed, or with a `bug` that changes `example`."""
    argv = [str(ROOT / "examples" / example), *map(str, arguments)]
    start = argv if without is None else ["-c", WITHOUT.format(module=without, argv=argv)]
    start = start if bug is None else ["-c", PLANTED.format(bug=bug, argv=argv)]
    return [sys.executable, "-W", "error", *start]


def run(
    example: str, *arguments: object, without: str | None = None, bug: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    command = command_for(example, *arguments, without=without, bug=bug)
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
        try:
            output, _ = child.communicate(timeout=60)
        finally:
            child.kill()  # one that hangs is a failure, and not the end of all tests
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


# -- fifo_ledger ---------------------------------------------------------------------------------------------------


PROVED = "proved: each account has the file's transactions in its order, each once, and their sum\n"


def numbers_of(output: str) -> dict[str, int]:
    """The summary by name: sent, crashes, redeliveries, and what is in brackets after them."""
    text = "\n".join(line for line in output.splitlines() if line.startswith(("sent:", "crashes:", "redeliveries:")))
    return {name: int(number.replace(",", "")) for name, number in re.findall(r"([a-z][a-z ,]*): ([\d,]*\d)", text)}


def balances_of(output: str) -> dict[str, tuple[str, str]]:
    """The table by account: how many postings, and the balance."""
    table = output.partition("\n\n")[0].splitlines()[1:]
    return {name.strip(): (postings, balance) for name, postings, balance in (row.rsplit(None, 2) for row in table)}


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """Write a file of transactions."""

    def write(text: str | bytes) -> Path:
        file = tmp_path / "transactions.csv"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


FEW = ("--transactions", 400)


def test_the_ledger_has_each_transaction_once_and_in_order_whatever_crashed() -> None:
    output = finished(run(LEDGER))

    numbers = numbers_of(output)
    assert PROVED in output
    assert assert_the_law_balances(output) == {"deleted": 5_000}
    assert numbers["sent"] == 5_000 + numbers["duplicates, swallowed by the queue"] > 5_000
    assert numbers["crashes"] == numbers["before the posting"] + numbers["between posting and ack"]
    assert numbers["redeliveries"] == numbers["crashes"]
    assert 0 < numbers["in the books already"] == numbers["between posting and ack"] < numbers["crashes"]


def test_on_virtual_time_the_ledger_is_the_same_every_time_however_many_workers() -> None:
    few, many = (finished(run(LEDGER, *FEW, "--workers", workers, "--crash-rate", 0.1)) for workers in (2, 16))

    assert re.sub(r", in [\d.]+ s", "", few) == re.sub(r", in [\d.]+ s", "", many)


def test_another_seed_makes_other_transactions_and_crashes() -> None:
    one, other = (finished(run(LEDGER, *FEW, "--seed", seed)) for seed in (1, 2))

    assert balances_of(one)["all"] != balances_of(other)["all"]
    assert numbers_of(one) != numbers_of(other)


def test_a_crash_takes_a_whole_batch_along_and_the_order_still_holds() -> None:
    output = finished(run(LEDGER, *FEW, "--batch", 10, "--crash-rate", 0.1))

    assert PROVED in output
    assert numbers_of(output)["redeliveries"] > 2 * numbers_of(output)["crashes"] > 0


def test_without_crashes_nothing_comes_twice_and_no_time_passes() -> None:
    output = finished(run(LEDGER, *FEW, "--crash-rate", 0))

    assert (numbers_of(output)["crashes"], numbers_of(output)["redeliveries"]) == (0, 0)
    assert "\ntime: 0 s on the virtual clock, " in output
    assert PROVED in output


@pytest.mark.slow
def test_the_ledger_holds_on_real_time_as_well() -> None:
    output = finished(run(LEDGER, *FEW, "--crash-rate", 0.05, "--real"))

    assert PROVED in output
    assert numbers_of(output)["redeliveries"] >= numbers_of(output)["crashes"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 4])
def test_a_worker_slower_than_the_visibility_timeout_posts_nothing_twice(
    csv_file: Callable[[str], Path], workers: int
) -> None:
    """The message comes again, to another one or to itself; its late receipt is refused, and it goes on."""
    file = csv_file("account,amount\na,1\na,2\nb,3\n")
    slow = """
import time
post, slept = example.Books.post, []
def sleepy(books, transaction):
    posted = post(books, transaction)
    if transaction.line not in slept:
        slept.append(transaction.line)
        time.sleep(0.2)
    return posted
example.Books.post, example.REAL_VISIBILITY_TIMEOUT = sleepy, 0.05
"""

    output = finished(run(LEDGER, file, "--real", "--crash-rate", 0, "--workers", workers, bug=slow))

    assert PROVED in output
    assert numbers_of(output)["in the books already"] > 0
    assert ("\nacknowledged too late: " in output) >= (workers == 1)
    assert balances_of(output) == {"a": ("2", "3"), "b": ("1", "3"), "all": ("3", "6")}


def test_a_users_file_with_ids_may_say_a_transaction_twice(csv_file: Callable[[str], Path]) -> None:
    file = csv_file(
        "id,account,amount,text\nn 1,Zo\u00eb \u00dc,10.50,rent\nn 2,b,-3,\nn 1,Zo\u00eb \u00dc,10.50,rent\n"
    )

    output = finished(run(LEDGER, file, "--crash-rate", 0.5))

    assert balances_of(output) == {"Zo\u00eb \u00dc": ("1", "10.50"), "b": ("1", "-3"), "all": ("2", "7.50")}
    assert PROVED in output
    assert numbers_of(output)["duplicates, swallowed by the queue"] > 0


def test_in_a_file_without_ids_equal_lines_are_two_transactions(csv_file: Callable[[str], Path]) -> None:
    file = csv_file(
        '\ufeffAmount;Account;Text\r\n2.50;DE89 3704;"two\r\nlines"\r\n\r\n2.50;DE89 3704;"two\r\nlines"\r\n'
    )

    output = finished(run(LEDGER, file, "--crash-rate", 0.5))

    assert balances_of(output) == {"DE89 3704": ("2", "5.00"), "all": ("2", "5.00")}
    assert PROVED in output


def test_long_names_of_accounts_stay_apart(csv_file: Callable[[str], Path]) -> None:
    long = "\u5e33" * 200
    file = csv_file(f"account,amount\n{long}1,1\n{long}2,2\n{long}1,3\n")

    output = finished(run(LEDGER, file))

    assert balances_of(output)["all"] == ("3", "6")
    assert PROVED in output


def test_the_file_it_writes_is_the_one_it_used(tmp_path: Path) -> None:
    made = finished(run(LEDGER, *FEW, "--write", tmp_path / "made.csv"))

    read = finished(run(LEDGER, tmp_path / "made.csv"))

    assert (tmp_path / "made.csv").read_text(encoding="utf-8").startswith("id,account,date,amount,text\nt-00001,A-")
    assert re.sub(r", in [\d.]+ s", "", made) == re.sub(r", in [\d.]+ s", "", read)


def test_a_file_of_no_transactions_has_empty_books(csv_file: Callable[[str], Path]) -> None:
    output = finished(run(LEDGER, csv_file("account,amount\n")))

    assert balances_of(output) == {"all": ("0", "0")}
    assert PROVED in output


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "line 1: the file is empty, and its first line must name the columns"),
        ("account,sum\na,1\n", "line 1: there is no column 'amount' among 'account', 'sum'"),
        ("account,amount,Account\na,1,b\n", "line 1: there are 2 columns 'account'"),
        ("account,amount\na,1\nb\n", "line 3: 1 fields, where the first line has 2"),
        ('account,amount\n"a\nb",1\n,1\n', "line 4: account is missing"),
        ("id,account,amount\n1,a,1\n,a,1\n", "line 3: id is missing"),
        ("account;amount\na;1,50\n", "line 2: amount must be a number like -12.50, not '1,50'"),
        ("account,amount\na,NaN\n", "line 2: amount must be a number like -12.50, not 'NaN'"),
        ("id,account,amount\n7,a,1\n7,a,2\n", "line 3: id '7' is that of line 2, which says otherwise"),
        (f"account,amount\n{'a' * 10_001},1\n", "line 2: account has 10,001 characters, over 10,000"),
        ('account,amount\na,"1\n', "line 2: unexpected end of data"),
    ],
)
def test_a_malformed_file_is_one_sentence_with_the_line(
    csv_file: Callable[[str], Path], text: str, sentence: str
) -> None:
    file = csv_file(text)

    ended = run(LEDGER, file)

    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", f"{str(file)!r}, {sentence}\n")


def test_a_file_that_is_not_text_says_where(csv_file: Callable[[bytes], Path]) -> None:
    file = csv_file(b"account,amount\ncaf\xe9,1\n")

    ended = run(LEDGER, file)

    assert (ended.returncode, ended.stderr) == (2, f"{str(file)!r} is not UTF-8 text: see its byte 19\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.csv"], "'nowhere.csv' cannot be read: No such file or directory\n"),
        (["--workers", 0], "--workers must be from 1 to 1,000, not 0\n"),
        (["--workers", "x"], "argument --workers: invalid int value: 'x'\n"),
        (["--transactions", -1], "--transactions must be at least 0, not -1\n"),
        (["--batch", 0], "--batch must be at least 1, not 0\n"),
        (["--crash-rate", 1], "--crash-rate must be from 0 to 0.9, not 1.0\n"),
        (["--crash-rate", "nan"], "--crash-rate must be from 0 to 0.9, not nan\n"),
        (["--write", __file__], f"{__file__!r} cannot be written: File exists\n"),
        (
            ["a.csv", "--write", "b.csv"],
            "--write keeps the transactions made here, and 'a.csv' has others: give one of the two\n",
        ),
    ],
)
def test_wrong_arguments_of_the_ledger_are_one_sentence_and_exit_code_2(arguments: list[object], sentence: str) -> None:
    ended = run(LEDGER, *arguments)

    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", sentence)


@pytest.fixture
def ledger() -> Iterator[Any]:
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("fifo_ledger", ROOT / "examples" / LEDGER)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["fifo_ledger"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["fifo_ledger"]


@pytest.mark.parametrize(
    ("posted", "complete", "found"),
    [
        ("a1 b2 a3 a4", True, []),
        ("b2 a1 a3 a4", True, []),
        ("a1 b2 a4 a3", True, ["account 'a': posting 2 is line 4, and in the file line 3"]),
        ("a1 b2 a3", True, ["account 'a': posting 3 is nothing, and in the file line 4"]),
        ("a1 b2 a3 a4 a4", True, ["account 'a': posting 4 is line 4, and in the file nothing"]),
        ("a1 a3 a4 b2 c9", True, ["account 'c': posting 1 is line 9, and in the file nothing"]),
        ("a1 a3", False, []),
        ("a3", False, ["account 'a': posting 1 is line 3, and in the file line 1"]),
        ("a1 a3 a4 a4", False, ["account 'a': posting 4 is line 4, and in the file nothing"]),
    ],
)
def test_the_proof_finds_what_is_swapped_missing_or_doubled(
    ledger: Any, posted: str, complete: bool, found: list[str]
) -> None:
    def transactions(names: str) -> list[Any]:
        return [ledger.Transaction(int(name[1:]), name[0], name[1:]) for name in names.split()]

    books = ledger.Books()
    for transaction in transactions(posted):
        books.postings[transaction.account].append(transaction)
        books.balances[transaction.account] += int(transaction.amount)

    assert ledger.faults(transactions("a1 b2 a3 a4"), books, complete=complete) == found


def test_the_proof_finds_a_wrong_balance(ledger: Any) -> None:
    books, [one] = ledger.Books(), [ledger.Transaction(2, "a", "1.50")]
    books.post(one)

    books.balances["a"] += 1

    assert ledger.faults([one], books) == ["account 'a': the balance is 2.50, and by the file 1.50"]


@pytest.mark.parametrize(
    ("bug", "sentence"),
    [
        # The books do not look whether they have it already.
        ("example.Books.keys = property(lambda books: set(), lambda books, keys: None)", "account 'A-"),
        # Every message is a group of its own, so what comes again was overtaken.
        ("example.name_for = lambda text, number=iter(range(10**6)): str(next(number))", "account 'A-"),
        # A posting is lost.
        (
            "post = example.Books.post\nexample.Books.post = lambda books, one: one.line == 7 or post(books, one)",
            "account 'A-",
        ),
        # The queue's own books do not balance.
        (
            "def check(broker): raise example.LawBroken('one is missing', numbers={})\nexample.Broker.check = check",
            "one is missing",
        ),
    ],
)
def test_with_a_planted_bug_the_ledger_is_not_proved(bug: str, sentence: str) -> None:
    ended = run(LEDGER, *FEW, "--crash-rate", 0.2, bug=bug)

    assert (ended.returncode, ended.stderr) == (1, "")
    assert f"\nNOT PROVED: {sentence}" in ended.stdout


@pytest.mark.parametrize("place", ["Books.post", "name_for"])
def test_an_error_of_a_worker_or_of_the_producer_ends_the_ledger(place: str) -> None:
    bug = f"def fail(*arguments): raise RuntimeError('no more paper')\nexample.{place} = fail"

    ended = run(LEDGER, *FEW, bug=bug)

    assert ended.returncode == 1
    assert ended.stderr.endswith("RuntimeError: no more paper\n")


def test_ctrl_c_while_the_file_is_read_ends_it() -> None:
    ended = run(LEDGER, bug="def stop(*_): raise KeyboardInterrupt\nexample.made_up = stop")

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "interrupted before the first was sent\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")
@pytest.mark.parametrize("clock", [[], ["--real"]])
def test_ctrl_c_leaves_the_first_transactions_of_each_account_in_the_books(clock: list[str]) -> None:
    """With so many crashes it takes a minute; the plain line of progress tells when it has begun."""
    import pty

    terminal, stderr = pty.openpty()
    command = command_for(LEDGER, "--crash-rate", 0.9, *clock, without="tqdm")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, encoding="utf-8", env=environment()) as child:
        os.close(stderr)
        seen = b""
        while not re.search(rb"[1-9]\d* of ", seen):
            seen += os.read(terminal, 4_096)
        child.send_signal(signal.SIGINT)
        output, _ = child.communicate(timeout=60)
    seen += rest_of(terminal)

    assert child.returncode == 130
    assert re.fullmatch(rb"([\d,]+ of [\d,]+ transactions\r?)+", seen)
    assert output.startswith("interrupted; so far:\naccount ")
    assert "\nproved: each account has the file's first transactions in its order, each once, and their sum\n" in output
    assert_the_law_balances(output)


# -- image_pipeline ------------------------------------------------------------------------------------------------


def sizes_of(output: str) -> dict[str, tuple[int, ...]]:
    """The table by size: accepted, filtered out, made, there already, dead letters."""
    rows = re.findall(r"^(thumbnail|mobile|web) +[\d,]+ +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)$", output, re.MULTILINE)
    return {size: tuple(map(int, numbers)) for size, *numbers in rows}


def files_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_every_upload_is_made_in_each_size_that_wants_it(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")

    output = finished(run(IMAGES, "--out", tmp_path, "--uploads", 5))

    assert output.startswith("topic uploads: 6 published to 3 subscriptions\n")
    assert sizes_of(output) == {"thumbnail": (5, 1, 4, 0, 1), "mobile": (6, 0, 5, 0, 1), "web": (6, 0, 5, 0, 1)}
    widths = {}
    for size in ("thumbnail", "mobile", "web"):
        with image.open(next((tmp_path / size).glob("photo-01-*.jpg"))) as made:
            widths[size] = made.size
    assert widths == {"thumbnail": (160, 120), "mobile": (640, 480), "web": (1_280, 960)}
    assert not list((tmp_path / "thumbnail").glob("photo-05-*"))  # it is 96 pixels wide
    # 17 copies and 14 finished ones were sent, and three torn ones came to rest.
    law = assert_the_law_balances(output)
    assert law == {"deleted": 14, "moved out": 17, "visible": 3}


def test_a_torn_upload_is_a_dead_letter_of_every_size_with_the_reason(tmp_path: Path) -> None:
    pytest.importorskip("PIL")

    output = finished(run(IMAGES, "--out", tmp_path, "--uploads", 0))

    assert [len(files_in(tmp_path / size)) for size in ("thumbnail", "mobile", "web")] == [0, 0, 0]
    for size in ("thumbnail", "mobile", "web"):
        assert f"\n{size}-dead: torn.jpg\n  OSError: image file is truncated (" in output


def test_a_second_run_makes_what_is_new_or_changed_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    finished(run(IMAGES, "--out", tmp_path, "--uploads", 2))
    uploads, web = tmp_path / "uploads", tmp_path / "web"
    before = {file.name: file.stat().st_mtime_ns for file in web.iterdir()}
    (uploads / "photo-02.png").replace(uploads / "photo-01.jpg")  # other content under the name of the first

    again = finished(run(IMAGES, uploads, "--out", tmp_path))

    assert sizes_of(again)["web"] == (2, 0, 1, 0, 1)
    assert {file.name: file.stat().st_mtime_ns for file in web.iterdir()}.items() > before.items()
    assert sizes_of(finished(run(IMAGES, uploads, "--out", tmp_path)))["web"] == (2, 0, 0, 1, 1)


def test_a_users_folder_may_hold_anything(tmp_path: Path) -> None:
    """Transparency, a turned photo, a text with an image's name, and what is no image at all."""
    image = pytest.importorskip("PIL.Image")
    folder, out = tmp_path / "Zo\u00eb's", tmp_path / "out"
    folder.mkdir()
    image.new("RGBA", (300, 200), (0, 0, 0, 0)).save(folder / "glass \u00fc.PNG")
    turned = image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    image.new("RGB", (300, 200)).save(folder / "turned.jpg", exif=turned)
    (folder / "letter.gif").write_text("dear all")
    (folder / "readme.txt").write_text("not looked at")

    output = finished(run(IMAGES, folder, "--out", out))

    assert {numbers[2:] for numbers in sizes_of(output).values()} == {(2, 0, 1)}
    assert output.count("letter.gif\n  PIL.UnidentifiedImageError: cannot identify image file ") == 3
    [glass], [upright] = (list((out / "web").glob(f"{name}-*")) for name in ("glass \u00fc", "turned"))
    with image.open(glass) as picture:
        assert picture.getpixel((0, 0)) == (255, 255, 255)
    with image.open(upright) as picture:
        assert picture.size == (200, 300)


def test_an_upload_that_was_done_twice_by_many_workers_is_there_once(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for suffix in ("png", "PNG", "apng"):  # one content under one name, but for the suffix
        image.new("RGB", (200, 100)).save(folder / f"a.{suffix}", "PNG")

    output = finished(run(IMAGES, folder, "--out", out, "--workers", 9))

    assert [len(files_in(out / size)) for size in ("thumbnail", "mobile", "web")] == [1, 1, 1]
    assert assert_the_law_balances(output) == {"deleted": 9, "moved out": 9}


def test_images_without_pillow_name_the_extra(tmp_path: Path) -> None:
    ended = run(IMAGES, "--out", tmp_path, without="PIL")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "making images smaller needs the Python package Pillow, which is not installed: "
        "pip install 'decouple-messaging[images]'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "'nowhere' is not a folder: give one that holds images\n"),
        ([__file__], f"{__file__!r} is not a folder: give one that holds images\n"),
        ([ROOT / "examples"], f"there are no images in {str(ROOT / 'examples')!r}: give a folder with files like "),
        (["--out", __file__], f"{str(Path(__file__, 'uploads'))!r} cannot be used: "),
        (["--workers", 0], "--workers must be from 1 to 100, not 0\n"),
        (["--uploads", -1], "--uploads must be from 0 to 10,000, not -1\n"),
    ],
)
def test_wrong_arguments_of_the_pipeline_are_one_sentence_and_exit_code_2(
    arguments: list[object], sentence: str
) -> None:
    pytest.importorskip("PIL")

    ended = run(IMAGES, *arguments)

    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert ended.stderr.startswith(sentence)


# -- queuing_chain -------------------------------------------------------------------------------------------------


def designs_of(output: str) -> dict[str, list[float]]:
    """The table by design: orders, done, lost, latency (mean, 95 %, longest), how often each order was taken."""
    rows = re.findall(r"^(calls|queues) (.+) times$", output, re.MULTILINE)
    return {name: [float(number) for number in re.findall(r"\d+\.?\d*", numbers)] for name, numbers in rows}


def test_calls_lose_the_orders_of_an_outage_and_queues_deliver_them_late() -> None:
    designs = designs_of(finished(run(CHAIN)))

    (sent, arrived, lost, mean, _, _, taken), queues = designs["calls"], designs["queues"]
    assert arrived + lost == sent == queues[0] == queues[1]
    assert lost > 0.8 * sent / 4  # of the orders of one minute in four
    assert queues[2] == 0
    assert queues[3] > mean  # this is what it costs
    assert queues[5] > 60
    assert queues[6] == 1.0 < taken


def test_without_an_outage_neither_loses_anything_and_queues_are_no_slower() -> None:
    designs = designs_of(finished(run(CHAIN, "--outage", 0)))

    calls, queues = designs["calls"], designs["queues"]
    assert calls[:3] == queues[:3] == [calls[0], calls[0], 0]
    assert queues[3] <= calls[3] < 1


def test_a_patient_client_loses_fewer_orders_and_waits_longer() -> None:
    few, many = (designs_of(finished(run(CHAIN, "--outage", 20, "--tries", tries)))["calls"] for tries in (1, 4))

    assert few[2] > many[2]
    assert few[3] < many[3]
    assert few[6] < many[6]


def test_the_chain_is_the_same_for_the_same_seed() -> None:
    one, again, other = (finished(run(CHAIN, "--outage", 10, "--seed", seed)) for seed in (1, 1, 2))

    assert one == again != other


def test_both_designs_are_in_one_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    finished(run(CHAIN, "--outage", 10, "--plot", tmp_path / "chain.svg"))

    picture = (tmp_path / "chain.svg").read_text(encoding="utf-8")
    assert picture.startswith("<?xml")
    assert "<!-- queues: 0 of 943 lost -->" in picture
    assert picture.rstrip().endswith("</svg>")


@pytest.mark.parametrize(
    ("arguments", "without", "sentence"),
    [
        (["--outage", "nan"], None, "--outage must be from 0 to 120 seconds, not nan\n"),
        (["--outage", 121], None, "--outage must be from 0 to 120 seconds, not 121\n"),
        (["--tries", 0], None, "--tries must be from 1 to 10, not 0\n"),
        (["--plot", "a.svg"], "matplotlib", "--plot needs matplotlib: pip install 'decouple-messaging[plot]'\n"),
    ],
)
def test_wrong_arguments_of_the_chain_are_one_sentence_and_exit_code_2(
    arguments: list[object], without: str | None, sentence: str
) -> None:
    ended = run(CHAIN, *arguments, without=without)

    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", sentence)


def test_a_chain_that_cannot_be_drawn_says_why_below_its_table(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    ended = run(CHAIN, "--outage", 0, "--plot", tmp_path / "nowhere" / "a.svg")

    assert ended.returncode == 2
    assert designs_of(ended.stdout).keys() == {"calls", "queues"}
    assert "cannot be drawn: " in ended.stderr
    assert ended.stderr.count("\n") == 1


# -- log_pipeline --------------------------------------------------------------------------------------------------

DPKG = """\
2025-06-24 14:36:25 startup archives unpack
2025-06-24 14:36:25 install curl:amd64 <none> 7.88.1

2025-06-24 15:36:25 status unpacked curl:amd64 7.88.1
"""


def counts_of(output: str) -> dict[str, dict[str, int]]:
    """The tables by name, each of them the lines by what they are counted by."""
    tables = re.findall(r"^(\w+) +lines\n((?:.{40} *[\d,]+\n)+)", output, re.MULTILINE)
    return {
        name: {row[:40].strip(): int(row[40:].replace(",", "")) for row in rows.splitlines()} for name, rows in tables
    }


def reports_of(output: str) -> list[list[int]]:
    """Sent, counted, waiting and dead letters, a row for each report."""
    rows = re.findall(r"^2026-[\d-]+ [\d:]{8} ([ \d,]+)$", output, re.MULTILINE)
    return [[int(number.replace(",", "")) for number in row.split()] for row in rows]


def test_a_users_log_is_counted_by_level_package_and_hour(tmp_path: Path) -> None:
    file = tmp_path / "my.log"
    more = "2026-02-03T04:05:06.789Z [ERROR] shop: no\nupdate-alternatives 2026-02-03 04:05:06: run with --quiet\n"
    file.write_text(DPKG + more + "2026-02-03T04:05:06.789+01:00 host cron[81]: (root) CMD\n", encoding="utf-8")

    output = finished(run(LOGS, file))

    assert counts_of(output) == {
        "level": {"-": 1, "ERROR": 1, "install": 1, "run": 1, "startup": 1, "1 more": 1},
        "package": {"curl": 2, "archives": 1, "cron": 1, "shop": 1, "update-alternatives": 1},
        "hour": {"2026-02-03 04:00": 3, "2025-06-24 14:00": 2, "2025-06-24 15:00": 1},
    }
    assert assert_the_law_balances(output) == {"deleted": 6}


def test_lines_that_cannot_be_read_are_dead_letters_with_the_reason_and_hold_up_nothing(tmp_path: Path) -> None:
    file = tmp_path / "my.log"
    file.write_bytes(b"Traceback\n2025-02-30 14:36:25 INFO shop: no such day\n\xff\x1b[0m\n" + DPKG.encode())

    output = finished(run(LOGS, file))

    assert sum(counts_of(output)["level"].values()) == 3
    assert "\nlines-dead: 3\n  'Traceback'\n    no date and time" in output
    assert "no such day'\n    day is out of range for month (BatchItemFailure, 3 times)\n" in output
    assert r"\xff\x1b[0m" in output
    assert assert_the_law_balances(output) == {"deleted": 3, "moved out": 3, "visible": 3}


def test_a_report_comes_every_minute_while_the_lines_do() -> None:
    output = finished(run(LOGS, "--made", 3000))

    first, *others = reports_of(output)
    assert first[0] == 20
    assert [report[0] for report in others] == [1200, 2400, 3000]
    assert all(sent == counted + waiting + dead for sent, counted, waiting, dead in reports_of(output))
    assert sum(counts_of(output)["level"].values()) == 2940
    assert "\nlines-dead: 60\n" in output


def test_the_log_made_up_is_the_same_for_the_same_seed() -> None:
    one, again, other = (finished(run(LOGS, "--made", 200, "--seed", seed)) for seed in (1, 1, 2))

    assert one == again != other


def test_without_a_file_it_needs_nothing_of_the_machine() -> None:
    output = finished(run(LOGS, bug="example.OWN_LOGS = ('/nowhere/dpkg.log',)"))

    assert output.startswith("log: 3,000 lines made up\n")


@pytest.mark.slow
def test_on_real_time_worker_threads_count_the_same() -> None:
    virtual, real = (finished(run(LOGS, "--made", 200, *clock)) for clock in ([], ["--real"]))

    assert counts_of(virtual) == counts_of(real)
    assert assert_the_law_balances(virtual) == assert_the_law_balances(real)
    assert len(reports_of(real)) == 1


def test_ctrl_c_shows_what_was_counted_so_far() -> None:
    bug = """
def show(bar, done, sent):
    if sent == 100:
        raise KeyboardInterrupt
example.show = show"""

    ended = run(LOGS, "--made", 3000, bug=bug)

    assert (ended.returncode, ended.stderr) == (130, "")
    assert sum(counts_of(ended.stdout)["level"].values()) == 98
    assert assert_the_law_balances(ended.stdout) == {"deleted": 98, "in flight": 2}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.log"], "'nowhere.log' cannot be read: No such file or directory\n"),
        (["a.log", "--made", 5], "--made makes lines up, and 'a.log' has others: give one of the two\n"),
        (["--made", -1], "--made must be from 0 to 10,000,000, not -1\n"),
        (["--rate", 0], "--rate must be from 1 to 100,000 lines a second, not 0\n"),
        (["--workers", "many"], "argument --workers: invalid int value: 'many'\n"),
    ],
)
def test_wrong_arguments_of_the_log_are_one_sentence_and_exit_code_2(arguments: list[object], sentence: str) -> None:
    ended = run(LOGS, *arguments)

    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", sentence)


# -- voting --------------------------------------------------------------------------------------------------------


def poll_of(output: str) -> dict[str, list[int]]:
    """The table: voters, counted and counted naively, by choice and in all."""
    rows = re.findall(r"^(Ada|Grace|Edsger|all) +([\d,]+) +([\d,]+) +([\d,]+)$", output, re.MULTILINE)
    return {name: [int(number.replace(",", "")) for number in numbers] for name, *numbers in rows}


def test_every_voter_is_counted_once_whatever_was_repeated_or_crashed() -> None:
    output = finished(run(VOTING, "--voters", 1000, "--crash-rate", 0.2))

    poll = poll_of(output)
    assert all(voters == counted < naive for voters, counted, naive in poll.values())
    assert f"\nproved: {poll['all'][0]} have voted in time, and each of them is counted once\n" in output
    assert re.search(r"^winner +Ada +Ada +Grace$", output, re.MULTILINE)
    law = assert_the_law_balances(output)
    assert law["moved out"] == law["visible"] > 0  # the late ones


def test_who_is_sent_once_and_never_crashes_is_counted_rightly_by_anyone() -> None:
    bug = "example.CHOICES = {'Ada': (0.6, 0.0), 'Grace': (0.4, 0.0)}"

    poll = poll_of(finished(run(VOTING, "--voters", 300, "--crash-rate", 0, bug=bug)))

    assert all(voters == counted == naive for voters, counted, naive in poll.values())


def test_a_vote_that_was_sent_in_time_is_counted_after_the_closing() -> None:
    bug = """
run = example.Poll.run
def slow(self, texts):
    self.consumer.pause()
    self.broker.schedule("at(2026-01-01T00:10:30)", lambda event: self.consumer.resume())
    run(self, texts)
example.Poll.run = slow"""

    on_time, slow = (finished(run(VOTING, "--voters", 300, bug=bug)) for bug in ("", bug))

    assert poll_of(on_time)["all"][:2] == poll_of(slow)["all"][:2]


def test_the_poll_is_the_same_for_the_same_seed() -> None:
    one, again, other = (finished(run(VOTING, "--voters", 200, "--seed", seed)) for seed in (1, 1, 2))

    assert one == again != other


@pytest.mark.slow
def test_on_real_time_many_workers_count_every_voter_once_as_well() -> None:
    output = finished(run(VOTING, "--voters", 200, "--real", "--workers", 16))

    assert all(voters == counted < naive for voters, counted, naive in poll_of(output).values())
    assert "\nproved: " in output


def test_a_poll_of_nobody_has_no_winner() -> None:
    output = finished(run(VOTING, "--voters", 0))

    assert poll_of(output)["all"] == [0, 0, 0]
    assert re.search(r"^winner +nobody +nobody +nobody$", output, re.MULTILINE)


def test_without_idempotent_handlers_the_poll_is_not_proved() -> None:
    ended = run(VOTING, "--voters", 200, bug="example.idempotent = lambda *store, **settings: lambda handler: handler")

    assert (ended.returncode, ended.stderr) == (1, "")
    assert "\nNOT PROVED: " in ended.stdout


def test_ctrl_c_shows_the_poll_so_far() -> None:
    bug = """
def show(bar, done, total):
    if done > 100:
        raise KeyboardInterrupt
example.show = show"""

    ended = run(VOTING, "--voters", 1000, bug=bug)

    assert (ended.returncode, ended.stderr) == (130, "")
    assert poll_of(ended.stdout)["all"][1] > 50


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--voters", -1], "--voters must be from 0 to 1,000,000, not -1\n"),
        (["--crash-rate", 1], "--crash-rate must be from 0 to 0.9, not 1.0\n"),
        (["--workers", 0], "--workers must be from 1 to 100, not 0\n"),
        (["--seed", "x"], "argument --seed: invalid int value: 'x'\n"),
    ],
)
def test_wrong_arguments_of_the_poll_are_one_sentence_and_exit_code_2(arguments: list[object], sentence: str) -> None:
    ended = run(VOTING, *arguments)

    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", sentence)


# -- request_response ----------------------------------------------------------------------------------------------


def answers_of(output: str) -> dict[str, list[float]]:
    """The table by design: requests, answered, failed, wasted, first word (95 %), answer (mean, 95 %, longest)."""
    rows = re.findall(r"^(call|queue) (.+) s$", output, re.MULTILINE)
    return {name: [float(number.replace(",", "")) for number in re.findall(r"[\d,]+\.?\d*", row)] for name, row in rows}


def test_in_a_burst_calls_fail_and_a_queue_answers_everyone_later() -> None:
    call, queue = answers_of(finished(run(RESPONSE))).values()

    sent, answered, failed, wasted, first, mean, _, longest = call
    assert answered + failed == sent == queue[0] == queue[1]
    assert failed > 0.2 * sent
    assert 0 < wasted < failed
    assert longest <= 10
    assert queue[2] == queue[3] == 0
    assert queue[4] == 0.02 < first  # accepted at once
    assert queue[5] > mean  # this is what it costs
    assert queue[7] > longest


def test_without_a_burst_calls_are_faster_and_nothing_fails() -> None:
    call, queue = answers_of(finished(run(RESPONSE, "--burst", 0))).values()

    assert call[:4] == queue[:4] == [call[0], call[0], 0, 0]
    assert call[5] < queue[5] < 2


def test_patient_clients_wait_for_calls_as_long_as_for_a_queue() -> None:
    call, queue = answers_of(finished(run(RESPONSE, "--patience", 3600))).values()

    assert call[2:4] == [0, 0]
    assert 0 <= queue[7] - call[7] <= 1.05  # but for coming by each second


def test_with_enough_workers_a_burst_is_none() -> None:
    call, _ = answers_of(finished(run(RESPONSE, "--workers", 100))).values()

    assert call[2] == 0
    assert call[7] < 1


def test_the_requests_are_the_same_for_the_same_seed() -> None:
    one, again, other = (finished(run(RESPONSE, "--seed", seed)) for seed in (1, 1, 2))

    assert one == again != other


def test_calls_and_queue_are_in_one_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    output = finished(run(RESPONSE, "--plot", tmp_path / "response.svg"))

    picture = (tmp_path / "response.svg").read_text(encoding="utf-8")
    call = answers_of(output)["call"]
    assert picture.startswith("<?xml")
    assert f"<!-- call: {call[2]:,.0f} of {call[0]:,.0f} failed -->" in picture
    assert "<!-- queue: accepted -->" in picture
    assert len(picture) < 100_000


@pytest.mark.parametrize(
    ("arguments", "without", "sentence"),
    [
        (["--burst", "nan"], None, "--burst must be from 0 to 100 requests a second, not nan\n"),
        (["--workers", 0], None, "--workers must be from 1 to 1,000, not 0\n"),
        (["--patience", 0], None, "--patience must be over 0 and at most 3,600 seconds, not 0\n"),
        (["--burst", "much"], None, "argument --burst: invalid float value: 'much'\n"),
        (["--plot", "a.svg"], "matplotlib", "--plot needs matplotlib: pip install 'decouple-messaging[plot]'\n"),
    ],
)
def test_wrong_arguments_of_the_requests_are_one_sentence_and_exit_code_2(
    arguments: list[object], without: str | None, sentence: str
) -> None:
    ended = run(RESPONSE, *arguments, without=without)

    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", sentence)


def test_requests_that_cannot_be_drawn_say_why_below_their_table(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    ended = run(RESPONSE, "--burst", 0, "--plot", tmp_path / "nowhere" / "a.svg")

    assert ended.returncode == 2
    assert answers_of(ended.stdout).keys() == {"call", "queue"}
    assert "cannot be drawn: " in ended.stderr
    assert ended.stderr.count("\n") == 1


# -- flaky_consumer.py -------------------------------------------------------------------------------------------


def test_the_flaky_consumer_is_caught_told_and_replayed_by_its_seed() -> None:
    first = finished(run(FLAKY, "--seeds", "20"))

    [seed] = re.findall(
        r"^seed (\d+) breaks it: key '(?:order \d+)' was sent twice in queue 'charges'", first, re.MULTILINE
    )
    assert "a fault made a copy of it" in first or "was lost: a fault" in first or "expired at" in first
    assert "repaired: 20 seeds, and nobody paid twice" in first

    again = finished(run(FLAKY, "--seed", seed))
    assert again.partition("again, exactly")[0] == first.partition("again, exactly")[0]


def test_the_flaky_consumers_story_is_a_page(tmp_path: Path) -> None:
    finished(run(FLAKY, "--seed", "2", "--page", tmp_path / "story.html"))

    assert "<html" in (tmp_path / "story.html").read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    ended = run(FLAKY, "--seed", "2", "--page", tmp_path / "nowhere" / "story.html")

    assert ended.returncode == 2
    assert re.fullmatch(r"the page cannot be written: .*story\.html'\n", ended.stderr)


def test_a_seed_that_breaks_nothing_says_so() -> None:
    ended = run(FLAKY, "--seed", "0")

    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout == "nobody paid twice with seed 0: try others with --seeds 100\n"


def test_a_ctrl_c_ends_the_flaky_consumer() -> None:
    ended = run(FLAKY, bug="def stop(*_): raise KeyboardInterrupt\nexample.search = stop")

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "interrupted\n")


def test_the_flaky_consumer_wants_seeds() -> None:
    ended = run(FLAKY, "--seeds", "0")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--seeds: must be at least 1, not 0" in ended.stderr


# -- control_plane -------------------------------------------------------------------------------------------------


def planes_of(output: str) -> dict[str, list[float]]:
    """The table by design: load before and at most after, % for nobody, configured, seconds until half and all were."""
    rows = re.findall(r"^(calls|queue|pushes|store|polls) (.+)$", output, re.MULTILINE)
    return {
        name: [
            math.inf if word == "never" else float(word.replace(",", ""))
            for word in re.findall(r"never|[\d,]+\.?\d*", row)
        ]
        for name, row in rows
    }


SMALL = ("--machines", 200)


def test_a_fleet_that_starts_at_once_overwhelms_its_control_plane_for_good_in_one_design_of_five() -> None:
    planes = planes_of(finished(run(PLANE, *SMALL)))

    calls, queue, pushes, store, polls = planes.values()
    assert list(planes) == ["calls", "queue", "pushes", "store", "polls"]
    assert calls[1] == 200
    assert calls[2] > 90
    assert calls[3] < 60
    assert calls[4:] == [math.inf, math.inf]
    assert [plane[3] for plane in (queue, pushes, store, polls)] == [200] * 4
    assert max(plane[2] for plane in (queue, pushes, store, polls)) <= 1
    assert 4 < queue[5] < 6  # as fast as the servers can
    assert queue[1] <= 50
    assert pushes[0] == pytest.approx(polls[0], abs=2)
    assert pushes[1] <= 30 >= polls[1]  # as before
    assert 9 < pushes[5] < 12 > polls[5] > 9
    assert store[:2] == [1, 1]
    assert store[5] < 1


def test_callers_that_pause_for_long_let_the_servers_recover() -> None:
    calls = planes_of(finished(run(PLANE, *SMALL, "--pause", 10)))["calls"]

    assert calls[3] == 200
    assert 0 < calls[2] < 50
    assert 5 < calls[5] < 30


def test_the_fleet_is_the_same_for_the_same_seed() -> None:
    one, again, other = (finished(run(PLANE, *SMALL, "--seed", seed)) for seed in (1, 1, 2))

    assert one == again != other


def test_load_and_recovery_of_all_designs_are_in_one_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    finished(run(PLANE, *SMALL, "--out", tmp_path / "plane.svg"))

    picture = (tmp_path / "plane.svg").read_text(encoding="utf-8")
    assert picture.startswith("<?xml")
    for title in ("calls: at most 200 a second", "all configured after: never", "store: at most 1 a second"):
        assert f"<!-- {title} -->" in picture
    assert picture.rstrip().endswith("</svg>")


@pytest.mark.parametrize(
    ("arguments", "without", "sentence"),
    [
        (["--machines", 100], None, "--machines must be from 200 to 10,000, not 100\n"),
        (["--pause", "nan"], None, "--pause must be from 0 to 60 seconds, not nan\n"),
        (["--seed", "x"], None, "argument --seed: invalid int value: 'x'\n"),
        (["--out", "a.svg"], "matplotlib", "--out needs matplotlib: pip install 'decouple-messaging[plot]'\n"),
    ],
)
def test_wrong_arguments_of_the_fleet_are_one_sentence_and_exit_code_2(
    arguments: list[object], without: str | None, sentence: str
) -> None:
    ended = run(PLANE, *arguments, without=without)

    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", sentence)


def test_a_fleet_that_cannot_be_drawn_says_why_below_its_table(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    ended = run(PLANE, *SMALL, "--out", tmp_path / "nowhere" / "a.svg")

    assert ended.returncode == 2
    assert len(planes_of(ended.stdout)) == 5
    assert "cannot be drawn: " in ended.stderr
    assert ended.stderr.count("\n") == 1
