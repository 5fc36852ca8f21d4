"""Tracebacks as writers of handlers want them: beginning in their own code, without the frames of this library above it."""

from __future__ import annotations

from pathlib import PurePath
from types import TracebackType

__all__ = ["stack_of", "user_frames"]

HOME = str(PurePath(__file__).parent) + __file__[len(str(PurePath(__file__).parent))]


def user_frames(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame on that is not ours; None if all are."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(HOME):
        trace = trace.tb_next
    return trace


def stack_of(error: BaseException) -> list[str]:
    """The lines of its traceback, from the user's first frame on, as Python prints them."""
    import traceback  # here, because only failures need it

    return traceback.format_tb(user_frames(error.__traceback__))
