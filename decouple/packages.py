"""Code in a folder, as Lambda takes it: a deployment package, its handler by name, its environment.

A package is the handler of a function that runs in processes of its own (isolation="process"). There its folder is the
working directory and the first place to import from, and what it does to the interpreter stays there. Of this process's
environment it gets all but the variables that say who one is in AWS (`AWS_...`), which are the package's own to give.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decouple.errors import InvalidPackage

__all__ = ["Package", "Unpacked"]

MOST_UNPACKED = 262_144_000
"""Bytes (Lambda)."""
MOST_FILES = 100_000


class Package:
    """A handler, "module.function", in a folder: `broker.function(Package("build", "app.handler"), name="resize")`.

    folder: a path, or an Unpacked archive; environment: variables for its processes, over what this process has.
    """

    def __init__(
        self, folder: str | os.PathLike[str], handler: str, *, environment: Mapping[str, str] | None = None
    ) -> None:
        if not isinstance(handler, str) or not handler:
            raise TypeError(f"a package's handler is named as text, 'module.function', not {handler!r:.80}")
        self.folder = folder  # kept as it is: an Unpacked goes when nobody has it
        self.handler = handler
        self.environment = dict(environment or {})

    def __repr__(self) -> str:
        return f"<Package {self.handler!r} in {os.fspath(self.folder)!r}>"

    def __call__(self, event: Any, context: Any) -> Any:
        raise TypeError(f"{self!r} runs in processes alone: declare it with broker.function(...), and invoke that")

    @property
    def variables(self) -> dict[str, str]:
        """The environment of its processes."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return ours | self.environment


class Unpacked(os.PathLike[str]):
    """The content of a zip archive in a private folder, which goes with `close()`, or when nobody has this any more.

    Raises InvalidPackage for what is no archive, has nothing in it, unpacks to more than 250 MB or would leave the folder.
    """

    def __init__(self, archive: bytes) -> None:
        import shutil  # here, because few programs have packages
        import tempfile

        self.path = Path(tempfile.mkdtemp(prefix="decouple-"))
        self._removed = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
        try:
            unpack(archive, self.path)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<Unpacked {str(self.path)!r}>"

    def __fspath__(self) -> str:
        return str(self.path)

    def close(self) -> None:
        """Remove the folder. Twice is no error."""
        self._removed()


def unpack(archive: bytes, folder: Path) -> None:
    import io  # here, because few programs have packages
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            files = [one for one in opened.infolist() if not one.is_dir()]
            check_files(files, folder)
            extract(opened, files, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        if isinstance(error, InvalidPackage):
            raise
        raise InvalidPackage("broken", why=f"it cannot be unpacked: {error}") from error


def check_files(files: list[Any], folder: Path) -> None:
    """What is to be written, before a byte is."""
    if not files:
        raise InvalidPackage("empty", why="there is no file in it")
    if len(files) > MOST_FILES:
        raise InvalidPackage("too large", why=f"it has {len(files)} files, over the {MOST_FILES} allowed")
    size = sum(one.file_size for one in files)
    if size > MOST_UNPACKED:
        raise InvalidPackage("too large", why=f"it unpacks to {size} bytes, over the {MOST_UNPACKED} allowed")
    for one in files:
        if not (folder / one.filename).resolve().is_relative_to(folder.resolve()) or "\\" in one.filename:
            raise InvalidPackage("broken", why=f"{one.filename!r:.80} leads out of it")


def extract(opened: Any, files: list[Any], folder: Path) -> None:
    """Counting, because what an archive says of its sizes need not be true."""
    left = MOST_UNPACKED
    for one in files:
        path = folder / one.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(one) as source, path.open("wb") as target:
            while chunk := source.read(1_048_576):
                left -= len(chunk)
                if left < 0:
                    raise InvalidPackage("too large", why=f"it unpacks to more than {MOST_UNPACKED} bytes")
                target.write(chunk)
        path.chmod(0o755 if one.external_attr >> 16 & 0o111 else 0o644)
