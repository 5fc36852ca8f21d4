"""What has gone through a queue, by how it came and went."""

from __future__ import annotations

__all__ = ["Counts"]


class Counts:
    """Lifetime totals of one queue: how many messages came, went, and why (with `taken` and `deleted` of Places)."""

    __slots__ = (
        "duplicates",
        "empty_receives",
        "expired",
        "fresh_gone",
        "given_back",
        "injected",
        "moved_in",
        "moved_out",
        "nacked",
        "purged",
        "redelivered",
        "refused",
        "rejected",
        "retained_out",
        "sent_aside",
    )

    def __init__(self) -> None:
        self.sent_aside = 0
        self.moved_in = 0
        self.redelivered = 0
        self.given_back = 0
        self.injected = 0
        self.expired = 0
        self.nacked = 0
        self.retained_out = 0
        self.purged = 0
        self.rejected = 0
        self.moved_out = 0
        self.refused = 0
        self.empty_receives = 0
        self.duplicates = 0
        self.fresh_gone = 0
