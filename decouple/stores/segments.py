"""The files of a journal: segments in a folder, numbered, each made in its full size before the first record.

So a full disk is met when a segment is made, not in the midst of a record. What waits to be used has a header of zeros.
Nothing here knows what is in the records.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from itertools import pairwise
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, NamedTuple

from decouple.errors import StorageDamaged, StorageTooNew
from decouple.stores.frames import HEADER, VERSION, Header, blank, unpacked

__all__ = [
    "MEND",
    "Found",
    "Made",
    "boot_of",
    "found_in",
    "made_at",
    "mapped",
    "path_of",
    "reserve",
    "set_aside",
    "settle_file",
    "settle_folder",
]

NAME = re.compile(r"segment-([0-9]{8,})")
MEND = "run `decouple journal salvage {} TARGET` to copy what is whole"
LINUX = sys.platform == "linux"
CANNOT = (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
"""What file systems say that have no way to reserve blocks but to write them."""
BOOT = "/proc/sys/kernel/random/boot_id"


class Found(NamedTuple):
    """A segment that is there. header: None if it is of zeros only, made and never used."""

    number: int
    path: Path
    size: int
    header: Header | None


class Made(NamedTuple):
    """A segment that can be written to. file: its descriptor."""

    number: int
    path: Path
    size: int
    file: int
    memory: mmap


def path_of(folder: Path, number: int) -> Path:
    """Where a segment is."""
    return folder / f"segment-{number:08d}"


def boot_of() -> bytes:
    """What tells one run of this machine from the next, in 16 bytes; zeros where it cannot be told."""
    try:
        return bytes.fromhex(Path(BOOT).read_text("ascii").strip().replace("-", ""))
    except (OSError, ValueError):
        return bytes(16)


def found_in(folder: Path) -> list[Found]:
    """The segments by number. Raises StorageDamaged, StorageTooNew, OSError."""
    named = [(match, path) for path in folder.iterdir() if (match := NAME.fullmatch(path.name))]
    found = [looked_at(folder, int(match[1]), path) for match, path in named]
    found.sort()
    for before, after in pairwise(found):
        if after.number != before.number + 1:
            lost = path_of(folder, before.number + 1).name
            raise StorageDamaged(folder, why=f"{lost} is missing", mend=MEND.format(folder))
        if before.header is None:
            raise StorageDamaged(before.path, why="it is empty, and there is a later one", mend=MEND.format(folder))
    return found


def looked_at(folder: Path, number: int, path: Path) -> Found:
    """One segment, as far as its header says. Raises StorageDamaged, StorageTooNew, OSError."""
    with mapped(path) as memory:
        size = len(memory)
        header, whole = unpacked(memory[:HEADER])
        if header is not None and header.version > VERSION:
            raise StorageTooNew(path, version=header.version, known=VERSION)
        if header is not None and whole and header.number == number:
            return Found(number, path, size, header)
        if blank(memory, HEADER, size):  # killed while it wrote the header: no record came behind it
            return Found(number, path, size, None)
    raise StorageDamaged(path, why="its header is not what was written", offset=0, mend=MEND.format(folder))


@contextmanager
def mapped(path: Path) -> Generator[mmap | bytes]:
    """A file as memory, to be read. Raises OSError."""
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            yield b""
            return
        with mmap(file.fileno(), 0, access=ACCESS_READ) as memory:
            yield memory


def made_at(folder: Path, number: int, size: int) -> Made:
    """A new segment of zeros. Raises OSError, and then there is none."""
    path = path_of(folder, number)
    try:
        return opened(path, number, size)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def opened(path: Path, number: int, size: int) -> Made:
    """A segment to go on with, in that size. Raises OSError."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        reserve(file, size)
        return Made(number, path, size, file, mmap(file, size))
    except BaseException:
        os.close(file)
        raise


def reserve(file: int, size: int) -> None:
    """Give a file that size, and blocks of the disk for all of it; what it has stays. Raises OSError."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file, 0, size)
        except OSError as error:
            if error.errno not in CANNOT:
                raise
        else:
            return
    at, zeros = os.fstat(file).st_size, bytes(1 << 16)
    os.lseek(file, at, os.SEEK_SET)
    while at < size:
        written = os.write(file, zeros[: size - at])
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        at += written


def settle_file(file: int) -> None:
    """Return when all of a file is on the disk. Raises OSError."""
    system: Any = os
    if LINUX:
        system.fdatasync(file)
        return
    try:  # macOS: fsync leaves it in the drive's own memory
        from fcntl import F_FULLFSYNC, fcntl  # type: ignore[attr-defined, unused-ignore]
    except ImportError:
        os.fsync(file)
    else:
        fcntl(file, F_FULLFSYNC)


def settle_folder(folder: Path) -> None:
    """Return when the names in a folder are on the disk. Raises OSError."""
    if os.name == "nt":
        return
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def set_aside(folder: Path, number: int, offset: int, data: bytes) -> Path:
    """Keep bytes that are to be cut, under a name that is not taken; synced. Raises OSError."""
    name = f"cut-{number:08d}-{offset}"
    again = sum(1 for path in folder.iterdir() if path.name.partition(".")[0] == name)
    path = folder / (f"{name}.{again + 1}" if again else name)
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    settle_folder(folder)
    return path
