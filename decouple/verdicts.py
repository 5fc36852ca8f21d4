"""Verdicts: what a consumer's handler raises to say what is to become of its message.

Neither is a DecoupleError: nothing went wrong in this library, and an `except DecoupleError` in a handler must not
swallow them.
"""

from __future__ import annotations

from decouple.bodies import check_text
from decouple.clock import Seconds, nanoseconds

__all__ = ["Reject", "Retry"]


class Retry(Exception):
    """Raise it to have the message again: after `delay` seconds (0 to 43,200), None = as the consumer's retry policy says.

    reason: words kept with the message as its failure. No error of the handler: it is not counted or reported as one.
    """

    def __init__(self, reason: str = "the handler asked for it again", *, delay: Seconds | None = None) -> None:
        if not isinstance(reason, str) or not reason:
            raise ValueError(f"reason must say why, and the delay is named, Retry(delay=5), not {reason!r}")
        super().__init__(check_text(reason))
        self.reason = reason
        self.delay = delay
        self._delay = None if delay is None else nanoseconds(delay, "delay", most=43_200)


class Reject(Exception):
    """Raise it to give up on the message: straight to the dead-letter queue with this reason, or gone where there is none."""

    def __init__(self, reason: str) -> None:
        if not isinstance(reason, str) or not reason:
            raise ValueError(f"reason must say why, not {reason!r}")
        super().__init__(check_text(reason))
        self.reason = reason
