"""A journal that was cut, or changed, at any byte: what opens is what was written, and nothing is lost in silence."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from decouple.errors import StorageDamaged, StorageTooNew
from decouple.stores import frames, opening, segments
from decouple.stores.frames import HEADER, Header, Mark, frame, mark, next_whole, packed, scan, unpacked
from decouple.stores.log import Log

SALT = 0x1234_5678
PAYLOADS = [b"first", b"second\0\0", b"\0third", b"fourth" * 3]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power fails here: what was cut need not reach the disk."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A journal of one segment, closed."""
    return written(tmp_path / "jobs", PAYLOADS)


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A journal of two segments, closed."""
    folder = tmp_path / "pair"
    log = Log(folder, segment_bytes=4096)
    assert list(log.replay()) == []
    with log.lock:
        for payload in (b"a" * 30, b"b" * 3870, b"c" * 30, b"d" * 20):
            log.append(payload)
    assert [one.number for one in log.segments()] == [1, 2]
    log.close()
    return folder


def written(folder: Path, payloads: list[bytes]) -> Path:
    log = Log(folder, segment_bytes=4096)
    assert list(log.replay()) == []
    with log.lock:
        for payload in payloads:
            log.append(payload)
    log.close()
    return folder


def payloads_in(folder: Path) -> list[bytes]:
    log = Log(folder, segment_bytes=4096)
    try:
        return [payload for _, payload in log.replay()]
    finally:
        log.close()


def segment(folder: Path, number: int = 1) -> Path:
    return folder / f"segment-{number:08d}"


def ends_of(data: bytes) -> list[int]:
    """Where each of the records that were appended ends."""
    header, _ = unpacked(data)
    assert header is not None
    return [at + 8 + len(payload) for at, payload in scan(data, HEADER, len(data), header.salt)]


def test_a_cut_at_any_byte_leaves_all_whole_records_before_it_and_nothing_else(folder: Path) -> None:
    data = segment(folder).read_bytes()
    ends = ends_of(data)

    for length in range(len(data)):
        restore(folder, [data[:length]])

        assert payloads_in(folder) == PAYLOADS[: sum(end <= length for end in ends)]

        for path in folder.glob("cut-*"):
            path.unlink()


def test_what_is_cut_is_kept_beside_with_a_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = segment(folder).read_bytes()
    *_, third, _ = ends_of(data)
    segment(folder).write_bytes(data[:-5])

    with caplog.at_level(logging.WARNING, "decouple"):
        assert payloads_in(folder) == PAYLOADS[:3]

    [kept] = folder.glob("cut-*")
    assert kept.name == f"cut-00000001-{third}"
    assert kept.read_bytes() == data[third:-5]
    assert f"{len(data) - 5 - third} bytes are now in {kept.name}" in caplog.text


def test_what_was_kept_beside_is_never_written_over(folder: Path) -> None:
    data = segment(folder).read_bytes()
    for _ in range(2):
        segment(folder).write_bytes(data[:-5])
        payloads_in(folder)

    assert len(list(folder.glob("cut-*"))) == 2


def test_a_cut_journal_goes_on_where_the_whole_records_end(folder: Path) -> None:
    data = segment(folder).read_bytes()
    segment(folder).write_bytes(data[:-5])

    log = Log(folder, segment_bytes=4096)
    list(log.replay())
    with log.lock:
        log.append(b"fifth")
    log.close()

    assert payloads_in(folder) == [*PAYLOADS[:3], b"fifth"]


@pytest.mark.parametrize("rest", [0, 60], ids=["trimmed", "with zeros behind it"])
def test_one_bit_changed_anywhere_is_refused_or_cuts_only_the_last_record(pair: Path, rest: int) -> None:
    contents = [segment(pair, number).read_bytes() for number in (1, 2)]
    contents[1] += bytes(rest)
    before = payloads_in(pair)
    restore(pair, contents)
    last = ends_of(contents[1])[-2]
    cut = 0

    for number, data in enumerate(contents, 1):
        if rest and number == 1:
            continue
        # All bytes of what is small, and one in 101 of a long body: they all count the same.
        for at in [*range(260), *range(260, len(data) - 40, 101), *range(max(260, len(data) - 40), len(data))]:
            if at >= len(data):
                continue
            changed = bytearray(data)
            changed[at] ^= 1 << (at % 8)
            poke(segment(pair, number), at, changed[at])
            try:
                found = payloads_in(pair)
            except StorageDamaged:
                assert segment(pair, number).read_bytes() == changed  # nothing was changed
                assert not list(pair.glob("cut-*"))
                poke(segment(pair, number), at, data[at])
            else:
                assert (number, found[:3]) == (2, before[:3]), f"byte {at}"
                assert found[3:] in ([], before[3:])
                assert at >= last
                [kept] = pair.glob("cut-*")
                assert kept.read_bytes() == changed[int(kept.name.split("-")[2]) :].rstrip(b"\0")
                kept.unlink()
                cut += 1
                restore(pair, contents)
    assert cut == 28 + rest


def poke(path: Path, at: int, byte: int) -> None:
    with path.open("r+b") as file:  # in its place: a file system may flush one that is written anew
        file.seek(at)
        file.write(bytes([byte]))


def restore(folder: Path, contents: list[bytes]) -> None:
    for number, data in enumerate(contents, 1):
        with segment(folder, number).open("r+b") as file:
            file.write(data)
            file.truncate()


def test_damage_is_named_with_its_place_and_the_way_out(folder: Path) -> None:
    data = bytearray(segment(folder).read_bytes())
    first, second, *_ = ends_of(bytes(data))
    data[second - 1] ^= 1
    segment(folder).write_bytes(data)

    with pytest.raises(StorageDamaged, match="decouple journal salvage") as raised:
        payloads_in(folder)

    assert (raised.value.path, raised.value.offset) == (str(segment(folder)), first)


def test_a_length_that_became_zero_is_not_taken_for_the_end(tmp_path: Path) -> None:
    folder = written(tmp_path / "jobs", [b"x" * 16, b"later"])
    data = bytearray(segment(folder).read_bytes())
    data[ends_of(bytes(data))[0] - 24] ^= 16
    segment(folder).write_bytes(data)

    with pytest.raises(StorageDamaged):
        payloads_in(folder)


@pytest.mark.parametrize("number", [1, 2])
def test_a_segment_that_is_missing_is_missed(tmp_path: Path, number: int) -> None:
    log = Log(tmp_path, segment_bytes=4096)
    list(log.replay())
    with log.lock:
        for _ in range(3):
            log.append(bytes(3900))
    log.close()
    segment(tmp_path, number).unlink()

    with pytest.raises(StorageDamaged, match=f"segment-0000000{number} is missing"):
        payloads_in(tmp_path)


def test_a_segment_cut_between_two_records_is_damage_when_there_is_a_later_one(pair: Path) -> None:
    data = segment(pair).read_bytes()
    segment(pair).write_bytes(data[: ends_of(data)[0]])

    with pytest.raises(StorageDamaged, match="not whole"):
        payloads_in(pair)


def test_a_later_segment_that_was_never_used_hides_no_loss_before_it(pair: Path) -> None:
    first, second = (segment(pair, number).read_bytes() for number in (1, 2))
    segment(pair, 2).write_bytes(second[:HEADER])
    assert payloads_in(pair) == [b"a" * 30, b"b" * 3870]

    restore(pair, [first[: ends_of(first)[0]], second[:HEADER]])

    with pytest.raises(StorageDamaged):
        payloads_in(pair)


def test_a_journal_of_a_newer_version_is_refused(folder: Path) -> None:
    data = segment(folder).read_bytes()
    header, _ = unpacked(data)
    assert header is not None
    segment(folder).write_bytes(packed(header._replace(version=2)) + data[HEADER:])

    with pytest.raises(StorageTooNew, match="format 2"):
        payloads_in(folder)

    assert segment(folder).read_bytes()[HEADER:] == data[HEADER:]


@pytest.fixture
def synced(tmp_path: Path) -> Path:
    """A journal whose first two payloads were synced, and the second of which was followed by a note of that."""
    log = Log(tmp_path, durability="disk", segment_bytes=4096)
    list(log.replay())
    for payloads in ([b"one"], [b"two", b"three", b"four"]):
        with log.lock:
            for payload in payloads:
                log.append(payload)
        log.sync()
    with log.lock:
        for payload in (b"five", b"six"):
            log.append(payload)
    shutil.copy(segment(tmp_path), tmp_path / "aside")
    log.close()
    shutil.move(tmp_path / "aside", segment(tmp_path))
    return tmp_path


def test_a_hole_in_what_was_not_synced_is_no_damage_after_the_power_failed(
    synced: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of the last moment reach the disk in any order: nobody was told that these are kept."""
    data = bytearray(segment(synced).read_bytes())
    *_, four, _, _ = ends_of(bytes(data))
    data[four + 1 : four + 10] = bytes(9)
    segment(synced).write_bytes(data)
    with pytest.raises(StorageDamaged):
        payloads_in(synced)

    monkeypatch.setattr(opening, "boot_of", lambda: b"another boot 123")

    assert payloads_in(synced) == [b"one", b"two", b"three", b"four"]
    assert len(list(synced.glob("cut-*"))) == 1


def test_a_hole_in_what_was_synced_is_damage_whatever_happened_to_the_machine(
    synced: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytearray(segment(synced).read_bytes())
    data[ends_of(bytes(data))[0] - 1] ^= 1
    segment(synced).write_bytes(data)
    monkeypatch.setattr(opening, "boot_of", lambda: b"another boot 123")

    with pytest.raises(StorageDamaged, match="was synced"):
        payloads_in(synced)


def test_a_hole_is_damage_where_nothing_was_promised_of_the_power(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytearray(segment(folder).read_bytes())
    data[ends_of(bytes(data))[0] - 1] ^= 1
    segment(folder).write_bytes(data)
    monkeypatch.setattr(opening, "boot_of", lambda: b"another boot 123")

    with pytest.raises(StorageDamaged, match="survives no loss of power"):
        payloads_in(folder)


def test_the_boot_of_a_machine_is_sixteen_bytes_and_zeros_where_it_cannot_be_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert len(segments.boot_of()) == 16

    monkeypatch.setattr(segments, "BOOT", "/nowhere")

    assert segments.boot_of() == bytes(16)


@given(st.binary(max_size=300), st.integers(0, 2**32 - 1))
@example(bytes(20), 0)
@example(b"\0\0\0\x80" + bytes(9), 0)
def test_random_bytes_are_a_verdict_and_no_exception(data: bytes, salt: int) -> None:
    marks: list[Mark] = []
    records = scan(data, 0, len(data), salt, marks)
    found, ending = [], None
    while ending is None:
        try:
            found.append(next(records))
        except StopIteration as over:
            ending = over.value

    assert data[: ending.at] == b"".join(
        record
        for _, record in sorted(
            [(at, frame(payload, salt)) for at, payload in found] + [(one.at, mark(one.payload, salt)) for one in marks]
        )
    )
    assert ending.clean == (not data[ending.at :].strip(b"\0"))
    assert next_whole(data, ending.at, len(data), salt, 1 << 20) != ending.at
    assert unpacked(data)[0] is None


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=5), st.binary(max_size=50))
def test_whole_records_behind_garbage_are_found_again(payloads: list[bytes], garbage: bytes) -> None:
    data = garbage + b"".join(frame(payload, SALT) for payload in payloads)

    at = next_whole(data, 0, len(data), SALT)

    assert at == len(garbage)
    assert [payload for _, payload in scan(data, at, len(data), SALT)] == payloads


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.binary(min_size=16, max_size=16), st.booleans())
def test_a_header_reads_as_it_was_written(large: int, salt: int, boot: bytes, disk: bool) -> None:
    header = Header(number=large, base=large, salt=salt, made=large, boot=boot, disk=disk)

    assert unpacked(packed(header)) == (header, True)
    assert unpacked(b"x" + packed(header)[1:]) == (header, False)  # the second copy


def test_a_record_of_another_segment_does_not_pass_for_one_of_this() -> None:
    stale = frame(b"stale", SALT + 1)

    assert list(scan(stale, 0, len(stale), SALT)) == []
    assert next_whole(stale, 0, len(stale), SALT) is None


def test_the_search_among_random_bytes_ends_with_its_patience() -> None:
    likely = (50).to_bytes(4, "little") + bytes(range(1, 61))

    assert next_whole(likely, 0, len(likely), SALT, patience=40) == -1
    assert next_whole(likely, 0, len(likely), SALT, patience=1000) is None


def test_what_is_longer_than_16_mib_is_found_too() -> None:
    data = b"x" * 50 + frame(b"y" * (1 << 24), SALT)

    assert next_whole(data, 40, len(data), SALT) == 50
    assert frames.written_until(data + bytes(70_000), 0, len(data) + 70_000) == len(data)
