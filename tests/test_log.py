"""A log: what was appended is there for the next process, whatever became of this one."""

from __future__ import annotations

import asyncio
import errno
import mmap
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from decouple.errors import NotKept, StorageError, StorageInUse
from decouple.stores import appending, owner, segments
from decouple.stores import log as log_module
from decouple.stores.frames import HEADER
from decouple.stores.log import Log, Segment

SMALL = 4096
OPENED = 38
"""Bytes of the note with which every opening begins."""

Opening = Callable[..., Log]


@pytest.fixture
def opening(tmp_path: Path) -> Iterator[Opening]:
    """Opens the log of this test, its payloads read."""
    opened: list[Log] = []

    def open_(**options: Any) -> Log:
        for log in opened:
            log.close()
        log = Log(tmp_path / "jobs", **({"segment_bytes": SMALL} | options))
        opened.append(log)
        log.found = [payload for _, payload in log.replay()]  # type: ignore[attr-defined]
        return log

    yield open_
    for log in opened:
        log.close()


def append(log: Log, *payloads: bytes) -> None:
    for payload in payloads:
        with log.lock:
            log.append(payload)


def again(log: Log, opening: Opening) -> list[bytes]:
    """What the next process finds."""
    log.close()
    return opening().found  # type: ignore[attr-defined, no-any-return]


# Appending, and reading again


def test_what_was_appended_is_there_for_the_next_process(opening: Opening) -> None:
    log = opening()
    append(log, b"first", b"second")

    assert again(log, opening) == [b"first", b"second"]


def test_a_folder_is_made_that_only_its_owner_can_read(tmp_path: Path) -> None:
    Log(tmp_path / "new" / "jobs").close()

    assert (tmp_path / "new" / "jobs").stat().st_mode & 0o777 == 0o700


def test_what_fills_a_segment_goes_on_in_the_next(opening: Opening) -> None:
    log = opening()
    payloads = [bytes([number]) * 1000 for number in range(1, 13)]
    append(log, *payloads)

    assert [one.number for one in log.segments()] == [1, 2, 3, 4]
    assert again(log, opening) == payloads


def test_positions_count_all_bytes_ever_also_over_segments_and_processes(opening: Opening) -> None:
    log = opening()
    append(log, bytes(3000), bytes(3000))
    one, two = log.segments()

    assert log.position == log.base + log.at == one.bytes + two.bytes == 2 * HEADER + OPENED + 2 * 3008
    before = log.position
    log.close()
    assert opening().position == before + OPENED


def test_a_segment_without_a_record_that_fits_has_no_more_than_its_records_on_disk(
    opening: Opening, tmp_path: Path
) -> None:
    log = opening()
    append(log, bytes(3000), bytes(3000))

    assert (tmp_path / "jobs/segment-00000001").stat().st_size == HEADER + OPENED + 3008
    assert (tmp_path / "jobs/segment-00000002").stat().st_size == SMALL

    log.close()

    assert (tmp_path / "jobs/segment-00000002").stat().st_size == HEADER + 3008


def test_a_record_larger_than_a_segment_has_one_for_itself(opening: Opening) -> None:
    log = opening()
    large = os.urandom(3 * SMALL)
    append(log, b"before", large, b"after")

    assert [one.number for one in log.segments()] == [1, 2, 3]
    assert again(log, opening) == [b"before", large, b"after"]


def test_a_record_may_be_larger_than_the_segment_that_was_made_ahead(opening: Opening) -> None:
    log = opening()
    append(log, bytes(2500))
    log.prepare()
    append(log, bytes(2 * SMALL), b"after")

    assert [len(payload) for payload in again(log, opening)] == [2500, 2 * SMALL, 5]


def test_an_empty_payload_is_refused_as_a_length_of_zero_is_what_is_not_written_yet(opening: Opening) -> None:
    log = opening()

    with pytest.raises(ValueError, match="from 1 to"):
        append(log, b"")


def test_a_log_must_be_read_before_it_is_appended_to_and_is_read_once(tmp_path: Path) -> None:
    log = Log(tmp_path)
    with pytest.raises(StorageError, match=r"not read yet: replay\(\) comes first"):
        append(log, b"early")
    assert list(log.replay()) == []

    with pytest.raises(ValueError, match="was read already"):
        list(log.replay())
    log.close()


def test_a_segment_can_be_read_by_its_number(opening: Opening) -> None:
    log = opening()
    append(log, b"a" * 3000, b"b" * 3000)

    assert [*log.read(1), *log.read(2)] == [b"a" * 3000, b"b" * 3000]
    with pytest.raises(LookupError):
        list(log.read(3))


def test_payloads_come_with_the_number_of_their_segment(opening: Opening, tmp_path: Path) -> None:
    log = opening()
    append(log, b"a" * 3000, b"b" * 3000)
    log.close()

    log = Log(tmp_path / "jobs")
    assert [(number, payload[:1]) for number, payload in log.replay()] == [(1, b"a"), (2, b"b")]
    log.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"durability": "ram"}, "durability must be 'process' or 'disk'"),
        ({"segment_bytes": 4095}, "at least 4,096"),
        ({"segment_bytes": True}, "at least 4,096"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Log(tmp_path, **options)


# Making segments ahead


def test_the_next_segment_is_wanted_when_half_of_one_is_used(opening: Opening, tmp_path: Path) -> None:
    log = opening()
    append(log, bytes(1500))
    assert not log.wants_segment
    append(log, bytes(1500))
    assert log.wants_segment

    log.prepare()

    assert not log.wants_segment
    assert (tmp_path / "jobs/segment-00000002").stat().st_size == SMALL
    assert log.segments() == [Segment(1, log.at)]


def test_a_segment_made_ahead_and_not_used_is_gone_when_the_log_is_closed(opening: Opening, tmp_path: Path) -> None:
    log = opening()
    append(log, bytes(2500))
    log.prepare()

    assert again(log, opening) == [bytes(2500)]
    assert {path.name for path in (tmp_path / "jobs").iterdir()} == {"owner", "segment-00000001"}


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_met_with_half_a_segment_left(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    log = opening()
    append(log, bytes(2500))
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        log.prepare()

        assert isinstance(log.full, NotKept)
        assert log.full.why == "the disk is full"
        assert log.wants_segment  # it is tried again
        append(log, bytes(1000))
    log.prepare()

    assert log.full is None
    append(log, bytes(1000))
    assert len(again(log, opening)) == 3


def test_where_nothing_is_left_it_says_so_and_writes_nothing(
    opening: Opening, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = opening()
    append(log, bytes(2500))
    before = (log.at, log.position, log.segments())
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(NotKept, match="the disk is full; nothing was lost"):
            append(log, bytes(2000))
        append(log, b"but this fits")

    assert before == (before[0], before[1], [Segment(1, before[0])])
    assert not (tmp_path / "jobs/segment-00000002").exists()
    assert again(log, opening) == [bytes(2500), b"but this fits"]


def test_a_disk_that_is_full_when_a_log_is_opened_changes_nothing(
    opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opening()
    append(log, b"kept")
    log.close()
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(NotKept, match="the disk is full"):
            opening()

    assert again(log, opening) == [b"kept"]


@pytest.mark.parametrize("there", [True, False])
def test_where_blocks_cannot_be_reserved_zeros_are_written(
    opening: Opening, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    def cannot(*_: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    if there:
        monkeypatch.setattr(os, "posix_fallocate", cannot)
    else:
        monkeypatch.delattr(os, "posix_fallocate")
    log = opening()
    append(log, bytes(3000), b"x" * 3000)

    assert again(log, opening) == [bytes(3000), b"x" * 3000]


# Who owns it


def test_a_second_owner_is_refused_also_in_the_same_process(opening: Opening) -> None:
    log = opening()

    with pytest.raises(StorageInUse) as raised:
        Log(log.path)

    assert raised.value.pid == os.getpid() == owner.owned_by(log.path)


def test_another_process_is_refused_with_the_pid_of_the_owner(opening: Opening) -> None:
    log = opening()
    script = f"from decouple.stores.log import Log; Log({str(log.path)!r})"

    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)

    assert f"is open in process {os.getpid()}" in told.stderr
    assert "sqlite:///jobs.db" in told.stderr


def test_a_closed_log_is_nobodys_and_refuses_to_be_appended_to(opening: Opening) -> None:
    log = opening()
    log.close()
    log.close()

    assert owner.owned_by(log.path) is None
    with pytest.raises(StorageError, match="is closed"):
        append(log, b"late")
    with pytest.raises(StorageError, match="is closed"):
        log.sync(log.position + 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_the_process_cannot_write_to_the_log_nor_hold_its_lock(opening: Opening) -> None:
    log = opening()
    append(log, b"parent's")
    ready, told = os.pipe()
    with log.lock:  # as another thread might while this one forks
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            answers = [refused(log, append, log, b"child's"), refused(log, log.sync), refused(log, log.prepare)]
            log.close()
            os.write(told, repr(answers).encode())
            os.read(os.pipe()[0], 1)  # until it is killed
            os._exit(0)
    try:
        answers = os.read(ready, 1000).decode()
        append(log, b"again the parent's")

        assert answers == repr([os.getpid(), os.getpid(), None])
        assert again(log, opening) == [b"parent's", b"again the parent's"]  # while the child lives
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(told)


def refused(log: Log, call: Callable[..., object], *args: Any) -> int | None:  # pragma: no cover - another process
    try:
        call(*args)
    except StorageInUse as error:
        return error.pid
    return None


@pytest.mark.parametrize("where", ["mkdir", "open", "iterdir"])
def test_a_folder_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def denied(*_: Any, **__: Any) -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(owner.os if where == "open" else Path, where, denied)

    with pytest.raises(StorageError, match="permission denied"):
        Log(tmp_path / "jobs" if where == "mkdir" else tmp_path)

    monkeypatch.undo()
    assert owner.owned_by(tmp_path) is None


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(StorageError, match="cannot be made a folder"):
        Log(tmp_path / "file")


# Kill and Ctrl-C

KILLED = """
import os, sys
from decouple.stores.log import Log
log = Log(sys.argv[1], segment_bytes=65536)
number = sum(1 for _ in log.replay())
while True:
    body = b"%08d" % number * (1 + number % 40)
    with log.lock:
        log.append(body)
    if log.wants_segment:
        log.prepare()
    number += 1
    os.write(1, b"%d\\n" % number)
"""


def test_all_that_was_reported_is_there_after_kill_9(tmp_path: Path) -> None:
    """Each run goes on where the last was killed."""
    number = 0
    for run in range(4):
        child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        try:
            wanted = number + 2000 + 777 * run
            while number < wanted:
                number = int(child.stdout.readline())
        finally:
            child.kill()
            told = child.stdout.read().splitlines()
            child.wait()
            child.stdout.close()
        number = max([number, *(int(line) for line in told[:-1])])
        log = Log(tmp_path, segment_bytes=65536)
        found = [payload for _, payload in log.replay()]
        log.close()

        assert len(found) >= number
        assert all(payload == b"%08d" % one * (1 + one % 40) for one, payload in enumerate(found))


CALLS = ["posix_fallocate", "open", "close", "ftruncate", "truncate", "mmap", "boot_of", "made_at", "packed"]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_ctrl_c_at_any_call_leaves_a_whole_log(
    opening: Opening, monkeypatch: pytest.MonkeyPatch, name: str, late: bool
) -> None:
    log = opening()
    payloads = [bytes([number]) * 1000 for number in range(1, 13)]
    place: Any = {"mmap": segments, "boot_of": appending, "made_at": appending, "packed": appending}.get(name, os)
    real = getattr(place, name)

    def interrupted(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(place, name, real)
        if late:
            answer = real(*args, **options)
            if name == "open":
                os.close(answer)
            elif isinstance(answer, mmap.mmap):
                answer.close()
            elif name == "made_at":
                appending.let_go(answer)
        raise KeyboardInterrupt

    kept = []
    for number, payload in enumerate(payloads):
        if number in (3, 6, 9):
            monkeypatch.setattr(place, name, interrupted)
        try:
            if number in (3, 9):
                log.prepare()
            append(log, payload)
        except KeyboardInterrupt:
            append(log, payload)
        kept.append(payload)
    monkeypatch.undo()

    assert not log.lock.locked()
    assert again(log, opening) == kept


def test_a_kill_at_any_call_into_the_system_leaves_a_log_that_opens(
    opening: Opening, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the system has at each of them is looked at: new segments, large records, cleaning, a torn end, closing."""
    acked: list[bytes] = []
    gone = 0
    seen: list[tuple[Path, int, int]] = []

    def photographed(place: Any, name: str) -> None:
        real = getattr(place, name)

        def call(*args: Any, **options: Any) -> Any:
            picture = tmp_path / f"{len(seen)}"
            if (tmp_path / "jobs").exists():
                shutil.copytree(tmp_path / "jobs", picture)
                seen.append((picture, gone, len(acked)))
            return real(*args, **options)

        monkeypatch.setattr(place, name, call)

    def appended(log: Log, *payloads: bytes) -> None:
        for payload in payloads:
            append(log, payload)
            acked.append(payload)

    for place, name in (
        (os, "posix_fallocate"),
        (os, "ftruncate"),
        (os, "truncate"),
        (Path, "unlink"),
        (segments, "mmap"),
        (appending, "packed"),
        (appending, "settle_file"),
        (appending, "settle_folder"),
        (appending, "let_go"),
        (log_module, "packed"),
        (log_module, "set_aside"),
        (log_module, "mark"),
    ):
        photographed(place, name)
    log = opening()
    appended(log, *[bytes([number]) * 1000 for number in range(1, 6)], b"large" * 1000)
    appended(log, b"x" * 1500, b"y" * 1000)
    log.prepare()
    gone = 3  # from here on they may be there, or not
    log.remove_oldest(1)
    log.close()
    last = max((tmp_path / "jobs").glob("segment-*"))
    last.write_bytes(last.read_bytes() + b"torn")
    log = opening(durability="disk")
    appended(log, b"z" * 3000)
    log.close()
    monkeypatch.undo()

    assert len(seen) > 30
    for picture, gone, count in seen:
        log = Log(picture, segment_bytes=SMALL)
        found = [payload for _, payload in log.replay()]
        log.close()
        assert found in (acked[:count], acked[gone:count], acked[: count + 1], acked[gone : count + 1])


# The disk


class Disk:
    """What is synced, counted; it fails when told to."""

    def __init__(self) -> None:
        self.synced = 0
        self.failing = False
        self.entered = threading.Event()
        self.going = threading.Event()
        self.going.set()

    def settle_file(self, file: int) -> None:
        self.synced += 1
        self.entered.set()
        assert self.going.wait(10)
        if self.failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(appending, "settle_file", disk.settle_file)
    return disk


def test_sync_waits_for_the_disk_once_for_all_there_is(opening: Opening, disk: Disk) -> None:
    log = opening()
    append(log, b"first")
    first = log.position
    append(log, b"second")

    log.sync(first)
    log.sync(log.position)
    log.sync()

    assert disk.synced == 1
    assert log.synced == log.position


def test_sync_reaches_segments_that_were_left_meanwhile(opening: Opening, disk: Disk) -> None:
    log = opening()
    append(log, *[bytes(3000)] * 3)

    log.sync()
    assert disk.synced == 3

    append(log, b"more")
    log.sync()
    assert disk.synced == 4


def test_sync_reaches_what_the_process_before_left(opening: Opening, disk: Disk) -> None:
    """It promised nothing, and nobody knows what the system has written since."""
    log = opening()
    append(log, *[bytes(3000)] * 3)
    log.close()
    log = opening()

    log.sync()

    assert disk.synced == 3


def test_threads_that_wait_at_the_same_time_share_a_sync(opening: Opening, disk: Disk) -> None:
    log = opening()
    disk.going.clear()
    threads = [threading.Thread(target=appended_and_synced, args=(log,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert disk.entered.wait(10)
    while log.position < HEADER + OPENED + 20 * 9:  # all have appended
        os.sched_yield()
    disk.going.set()
    for thread in threads:
        thread.join(10)

    assert log.synced == log.position
    assert disk.synced <= 2


def appended_and_synced(log: Log) -> None:
    with log.lock:
        log.append(b"x")
        position = log.position
    log.sync(position)
    assert log.synced >= position


def test_tasks_of_two_loops_share_a_sync(opening: Opening, disk: Disk) -> None:
    log = opening()

    async def one() -> None:
        with log.lock:
            log.append(b"x")
        await log.asynced(log.position)
        assert log.synced >= HEADER + OPENED + 9

    async def many() -> None:
        await asyncio.gather(*(one() for _ in range(100)))

    other = threading.Thread(target=asyncio.run, args=(many(),))
    other.start()
    asyncio.run(many())
    other.join(10)

    assert log.synced == log.position
    assert disk.synced < 20


def test_a_task_that_is_cancelled_disturbs_no_other(opening: Opening, disk: Disk) -> None:
    log = opening()

    async def main() -> None:
        append(log, b"x")
        disk.going.clear()
        waiting = [asyncio.ensure_future(log.asynced(log.position)) for _ in range(3)]
        await asyncio.to_thread(disk.entered.wait, 10)
        waiting[1].cancel()
        disk.going.set()
        assert [type(one) for one in await asyncio.gather(*waiting, return_exceptions=True)] == [
            type(None),
            asyncio.CancelledError,
            type(None),
        ]

    asyncio.run(main())


def test_a_task_whose_loop_is_gone_disturbs_no_other(opening: Opening, disk: Disk) -> None:
    log = opening()
    append(log, b"x")
    disk.going.clear()

    async def gone() -> None:
        waiting = asyncio.ensure_future(log.asynced(log.position))
        await asyncio.to_thread(disk.entered.wait, 10)
        waiting.cancel()

    asyncio.run(gone())
    disk.going.set()
    append(log, b"y")
    asyncio.run(log.asynced(log.position))

    assert log.synced == log.position


def test_a_disk_that_failed_is_not_asked_again_as_if_it_had_not(opening: Opening, disk: Disk) -> None:
    """Linux forgets the pages it could not write: a second fsync answers well, and they are not there."""
    log = opening()
    append(log, b"kept, perhaps")
    disk.failing = True
    with pytest.raises(NotKept, match=r"the disk failed \(input/output error\).*open the broker anew"):
        log.sync()
    disk.failing = False

    for call in (lambda: append(log, b"x"), log.sync, lambda: asyncio.run(log.asynced(log.position))):
        with pytest.raises(NotKept, match="the disk failed"):
            call()
    assert log.room == 0
    assert disk.synced == 1
    assert again(log, opening) == [b"kept, perhaps"]


def test_tasks_are_told_of_a_disk_that_failed(opening: Opening, disk: Disk) -> None:
    log = opening()
    append(log, b"x")
    disk.failing = True

    with pytest.raises(NotKept, match="the disk failed"):
        asyncio.run(log.asynced(log.position))


def test_a_log_of_the_disk_is_synced_when_it_is_closed(opening: Opening, disk: Disk) -> None:
    log = opening(durability="disk")
    append(log, b"x")

    log.close()

    assert log.synced == log.position
    asyncio.run(log.asynced(log.position))


def test_a_log_of_the_disk_leaves_no_segment_that_is_not_synced(opening: Opening, disk: Disk) -> None:
    """Or a loss of power could keep the next one, and not the end of this."""
    log = opening(durability="disk")

    append(log, *[bytes(3000)] * 3)

    assert disk.synced == 2


def test_the_disk_is_really_asked(opening: Opening) -> None:
    log = opening(durability="disk")
    append(log, b"first")
    log.sync()
    append(log, b"second")
    asyncio.run(log.asynced(log.position))

    assert again(log, opening) == [b"first", b"second"]


# Cleaning


def test_only_the_oldest_segment_can_be_removed(opening: Opening, tmp_path: Path) -> None:
    log = opening()
    append(log, *[bytes(3000)] * 3)
    for number in (2, 3, 4):
        with pytest.raises(ValueError, match="only the oldest"):
            log.remove_oldest(number)
    append(log, b"again")

    log.remove_oldest(1)

    assert [one.number for one in log.segments()] == [2, 3]
    assert log.total_bytes == sum(one.bytes for one in log.segments())
    assert again(log, opening) == [bytes(3000), bytes(3000), b"again"]


def test_the_last_segment_cannot_be_removed(opening: Opening) -> None:
    log = opening()

    with pytest.raises(ValueError, match="only the oldest"):
        log.remove_oldest(1)


def test_what_was_appended_again_is_on_the_disk_before_a_segment_goes(
    opening: Opening, disk: Disk, tmp_path: Path
) -> None:
    log = opening()
    append(log, *[bytes(3000)] * 2)
    disk.failing = True

    with pytest.raises(NotKept):
        log.remove_oldest(1)

    assert (tmp_path / "jobs/segment-00000001").exists()


def test_a_removal_that_was_not_finished_is_no_damage(opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    log = opening()
    append(log, *[bytes(3000)] * 2)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", full)
        with pytest.raises(NotKept):
            log.remove_oldest(1)

    assert again(log, opening) == [bytes(3000), bytes(3000)]


def test_segments_come_and_go(opening: Opening) -> None:
    """The numbers go on, and so does the position."""
    log = opening()
    for _ in range(60):
        append(log, bytes(2500))
        if log.wants_segment:
            log.prepare()
        while len(log.segments()) > 2:
            log.remove_oldest(log.segments()[0].number)

    assert [one.number for one in log.segments()] == [59, 60]
    assert log.position > 60 * 2500
    assert again(log, opening) == [bytes(2500)] * 2
