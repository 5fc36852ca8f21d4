"""Progress: a bar for what takes longer than two seconds, where somebody looks (the extra `progress`)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from decouple.errors import NotInstalled

__all__ = ["progress_of"]

DELAY = 2.0
FORMAT = "{desc}: {percentage:3.0f}% |{bar}| {elapsed} < {remaining}"


@contextmanager
def progress_of(what: str, total: int, wanted: bool | None) -> Generator[Callable[[float], None]]:
    """A callable for how many of `total` are done, as a fraction of the last.

    wanted: None = where stderr is a terminal and tqdm is installed; True: also elsewhere. Raises NotInstalled.
    """
    # Not by tqdm's disable=None: also a bar that is not shown starts a thread of tqdm's, which stays.
    looked_at = sys.stderr.isatty() and find_spec("tqdm") is not None if wanted is None else wanted
    if not looked_at:
        yield lambda done: None
        return
    try:
        tqdm: Any = import_module("tqdm").tqdm
    except ModuleNotFoundError:
        raise NotInstalled(
            "the Python package tqdm", purpose="progress=True", install="pip install 'decouple-messaging[progress]'"
        ) from None
    with tqdm(total=total, desc=what, delay=DELAY, leave=False, bar_format=FORMAT) as bar:
        yield lambda done: bar.update(min(done, total) - bar.n)
