"""`decouple journal`: what people type to look into a journal, check it and mend it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from decouple import Broker, SystemClock, journal_command
from decouple.cli import main
from decouple.errors import StorageError, StorageTooNew
from decouple.stores import journal, records, shelf_records, tools
from decouple.stores.frames import HEADER, packed, unpacked
from decouple.stores.log import Log
from decouple.stores.tools import Lost, Record, salvage, verify, walk

PAYLOADS = [
    shelf_records.put("queue", "orders", 1, b'{"fifo":false}'),
    shelf_records.put("topic", "x", 2, b'"%s"' % (b"y" * 3835)),
    shelf_records.dropped("topic", "x"),
    shelf_records.put("queue", "later", 3, b"{}"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A journal of two segments, closed."""
    folder = tmp_path / "jobs"
    log = Log(folder, segment_bytes=4096)
    assert list(log.replay()) == []
    with log.lock:
        for payload in PAYLOADS:
            log.append(payload)
    assert len(log.segments()) == 2
    log.close()
    return folder


def segment(folder: Path, number: int) -> Path:
    return folder / f"segment-{number:08d}"


def damage(folder: Path, number: int, at: int) -> None:
    data = bytearray(segment(folder, number).read_bytes())
    data[at] ^= 1 << at % 8
    segment(folder, number).write_bytes(data)


def run(*words: object) -> int:
    try:
        main(["journal", *map(str, words)])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def payloads_in(folder: Path) -> list[bytes]:
    log = Log(folder)
    try:
        return [payload for _, payload in log.replay()]
    finally:
        log.close()


# inspect


def test_inspect_prints_a_line_for_each_record(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", folder) == 0

    first, *lines = capsys.readouterr().out.splitlines()
    assert first.split()[:2] == ["1", "128"]
    assert f"opened by process {os.getpid()}, durability='process'" in first
    assert [line.split()[:5] for line in lines] == [
        ["1", "166", "put", "queue", "'orders'"],
        ["1", str(166 + 8 + len(PAYLOADS[0])), "put", "topic", "'x'"],
        ["2", "128", "drop", "topic", "'x'"],
        ["2", str(128 + 8 + len(PAYLOADS[2])), "put", "queue", "'later'"],
    ]


def test_inspect_can_be_limited_to_a_segment_and_to_a_number_of_lines(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("inspect", folder, "--segment", 2, "--limit", 1)

    assert capsys.readouterr().out.splitlines() == ["       2        128 drop topic 'x'"]


@pytest.mark.parametrize(
    ("option", "code", "sentence"),
    [
        (("--segment", 3), 1, "has no segment 3: they are from 1 to 2"),
        (("--segment", -1), 2, "argument --segment: a whole number from 0, not '-1'"),
        (("--limit", -1), 2, "argument --limit: a whole number from 0, not '-1'"),
    ],
)
def test_inspect_says_what_it_cannot_show(
    option: tuple[str, int], code: int, sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("inspect", folder, *option) == code

    assert sentence in capsys.readouterr().err


def test_inspect_goes_on_behind_damage_and_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(folder, 1, 180)

    assert run("inspect", folder) == 0

    lines = capsys.readouterr().out.splitlines()
    assert f"166 LOST {8 + len(PAYLOADS[0])} bytes: it is not what was written" in lines[1]
    assert len(lines) == 5


def test_inspect_shows_messages_and_what_nobody_knows() -> None:
    assert "message 7 sent at 9: 'hello'" in tools.described(records.sent(1, 7, 9, "hello"))
    assert tools.described(b"\x01") == "b'\\x01' of 1 bytes"


def test_a_pipe_that_ends_early_is_no_error(folder: Path) -> None:
    script = f"from decouple.cli import main; main(['journal', 'inspect', {str(folder)!r}])"
    read, write = os.pipe()
    os.close(read)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", script], stdout=write, stderr=subprocess.PIPE, timeout=30, check=False
        )
    finally:
        os.close(write)

    assert (ended.returncode, ended.stderr) == (0, b"")


# verify


def test_verify_says_how_much_there_is_and_that_it_is_whole(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    assert run("verify", folder) == 0

    sizes = sum(segment(folder, number).stat().st_size for number in (1, 2))
    assert capsys.readouterr().out == f"4 records in 2 segments, {sizes:,} bytes\nall of it is whole\n"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_verify_names_the_first_damage_and_ends_with_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(folder, 1, 180)

    assert run("verify", folder) == 1

    told = capsys.readouterr()
    assert "0 records in 2 segments" in told.out
    assert "is damaged at byte 166" in told.err
    assert f"decouple journal salvage {folder} TARGET" in told.err


def test_verify_names_a_torn_end_which_is_no_damage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = segment(folder, 2).read_bytes()
    segment(folder, 2).write_bytes(data[:-3])

    assert run("verify", folder) == 0
    assert f"the last {8 + len(PAYLOADS[3]) - 3} bytes are torn" in capsys.readouterr().out

    payloads_in(folder)
    assert run("verify", folder) == 0
    assert f"cut-00000002-{len(data) - 8 - len(PAYLOADS[3])}: " in capsys.readouterr().out


def test_verify_reads_what_another_has_open_and_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(folder)
    list(log.replay())
    with log.lock:
        log.append(b"live")

    assert run("verify", folder) == 0

    told = capsys.readouterr().out
    assert f"in use by process {os.getpid()}" in told
    assert "5 records in 2 segments" in told
    log.close()


def test_verify_needs_a_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, words in ((tmp_path, "has no journal in it"), (tmp_path / "nowhere", "no such file")):
        assert run("verify", folder) == 1
        assert words in capsys.readouterr().err


def test_a_segment_that_goes_while_it_is_read_is_no_damage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(path: Path) -> bytes:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_bytes", gone)

    with pytest.raises(StorageError, match="was cleaned by its owner meanwhile"):
        verify(folder)


# salvage


def test_salvage_copies_all_of_what_is_whole(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("salvage", folder, tmp_path / "new") == 0

    assert capsys.readouterr().out == f"4 records are now in {tmp_path / 'new'}\nnothing was lost\n"
    assert payloads_in(tmp_path / "new") == PAYLOADS


def test_salvage_says_what_was_lost(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = segment(folder, 1).read_bytes()
    damage(folder, 1, 180)

    assert run("salvage", folder, tmp_path / "new") == 0

    assert f"lost: segment 1, bytes 166 to {174 + len(PAYLOADS[0])}: it is not" in capsys.readouterr().out
    assert payloads_in(tmp_path / "new") == PAYLOADS[1:]
    assert segment(folder, 1).read_bytes() != before  # it is as damaged as it was: nothing is mended in place


def test_salvage_recovers_all_others_whichever_byte_was_changed(folder: Path, tmp_path: Path) -> None:
    contents = {number: segment(folder, number).read_bytes() for number in (1, 2)}
    for number, data in contents.items():
        for at in [*range(0, 230, 3), *range(230, len(data), 301)]:
            if at >= len(data):
                continue
            damage(folder, number, at)

            kept = [one.payload for one in walk(folder) if isinstance(one, Record) and not one.ours]
            lost = [one for one in walk(folder) if isinstance(one, Lost)]

            hit = [one for one in lost if one.segment == number and one.offset <= at < one.end]
            assert len(hit) == len(lost) == 1, (number, at)
            assert len(kept) >= 3
            assert kept == [payload for payload in PAYLOADS if payload in kept]
            segment(folder, number).write_bytes(data)


def test_salvage_of_a_journal_with_a_missing_segment_and_one_without_a_header(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (4, 5):
        shutil.copy(segment(folder, 2), segment(folder, number))
    data = segment(folder, 4).read_bytes()
    segment(folder, 4).write_bytes(b"x" * HEADER + data[HEADER:])

    assert run("salvage", folder, tmp_path / "new") == 0

    told = capsys.readouterr().out
    assert "lost: segment 3, all of it: the segment is missing" in told
    assert f"lost: segment 4, bytes 0 to {len(data)}: no copy of its header is whole" in told


def test_salvage_misses_what_was_cut_off_between_two_records(folder: Path) -> None:
    data = segment(folder, 1).read_bytes()
    end = len(data) - 8 - len(PAYLOADS[1])
    segment(folder, 1).write_bytes(data[:end])

    [lost] = [one for one in walk(folder) if isinstance(one, Lost)]

    assert lost == Lost(1, end, len(data), "it ends before the next segment began")


def test_salvage_writes_over_nothing(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("salvage", folder, folder) == 1
    assert "is there already" in capsys.readouterr().err

    (tmp_path / "new.part").mkdir()
    assert run("salvage", folder, tmp_path / "new") == 1
    assert "new.part' is there already" in capsys.readouterr().err


def test_salvage_of_what_is_in_use_is_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(folder)

    assert run("salvage", folder, tmp_path / "new") == 1

    assert f"is open in process {os.getpid()}" in capsys.readouterr().err
    log.close()


def test_a_newer_version_is_refused_by_all_tools(folder: Path, tmp_path: Path) -> None:
    data = segment(folder, 2).read_bytes()
    header, _ = unpacked(data)
    assert header is not None
    segment(folder, 2).write_bytes(packed(header._replace(version=9)) + data[HEADER:])

    for call in (
        lambda: verify(folder),
        lambda: salvage(folder, tmp_path / "new"),
        lambda: list(tools.inspect(folder)),
    ):
        with pytest.raises(StorageTooNew):
            call()


# compact


def test_compact_removes_what_is_not_needed_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = SystemClock()
    broker = Broker(journal.open_journal(str(tmp_path), clock, segment_bytes=64 << 10), clock=clock)
    orders = broker.queue("orders")
    for number in range(200):
        orders.send(f"{number} {'x' * 1000}")
    orders.delete(*orders.receive(max_messages=150))
    broker.close()

    assert run("compact", tmp_path) == 0

    before, after = (int(word.replace(",", "")) for word in capsys.readouterr().out.split() if word[0].isdigit())
    assert after < before / 2
    with Broker(f"file://{tmp_path}") as broker:
        assert [message.text.split()[0] for message in broker.queue("orders").peek(200)] == [
            str(n) for n in range(150, 200)
        ]


# What is typed, and what is shown meanwhile


@pytest.mark.parametrize("words", [[], ["verify"], ["mend", "x"], ["salvage", "x"]])
def test_what_is_typed_wrongly_ends_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words) == 2
    assert "usage: decouple journal" in capsys.readouterr().err


class Terminal:
    """What is written to a terminal."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


def test_what_lasts_is_told_once_a_second_without_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    times = iter([100.0, 101.0, 102.1, 102.1, 102.5, 103.2, 103.2])
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(journal_command, "find_spec", lambda name: None)
    monkeypatch.setattr(journal_command, "time", SimpleNamespace(monotonic=lambda: next(times)))

    with journal_command.progress("verify", 1000) as seen:
        for done in (100, 200, 300, 400):
            seen(done)

    assert terminal.text == "verify: 20 %\nverify: 40 %\n"


def test_what_lasts_has_a_bar_where_there_is_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    bars: list[dict[str, Any]] = []

    class Bar:
        n = 0

        def __init__(self, **options: Any) -> None:
            bars.append(options)

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            bars.append({"n": self.n})

        def update(self, more: int) -> None:
            self.n += more

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(journal_command, "find_spec", lambda name: object())
    monkeypatch.setattr(journal_command, "import_module", lambda name: SimpleNamespace(tqdm=Bar))

    with journal_command.progress("verify", 1000) as seen:
        seen(300)
        seen(1000)

    assert bars[0]["delay"] == 2
    assert bars[1] == {"n": 1000}


def test_typing_decouple_serve_needs_nothing_of_a_journal() -> None:
    script = "import decouple.cli, sys; print([name for name in sys.modules if name.startswith('decouple.stores')])"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)

    assert told.stdout == "[]\n"
