"""Autoscaling: how many workers a backlog asks for, by target tracking on the backlog for each worker.

    backlog per worker      visible messages / workers
    acceptable backlog      the latency that is acceptable / the average time a message takes; or given outright
    wanted workers          visible messages / acceptable backlog, rounded up, from minimum to maximum

It scales out at once, as far as is wanted. It scales in only as far as was wanted at every decision of the last `cooldown`:
so a trough between two bursts takes no worker away, and a worker just added stays for that long. In proportion, not step
by step: after a burst the way back is one decision, too.

Messages with the workers are no backlog: with all of them busy and nothing visible, the minimum is wanted (AWS counts so).
Sources: EC2 Auto Scaling user guide, "Scaling based on Amazon SQS"; Application Auto Scaling, "Target tracking".
"""

from __future__ import annotations

from collections import deque

__all__ = ["Policy"]


class Policy:
    """What is wanted, and what was lately. Durations in nanoseconds; either `target` or `latency`.

    target: messages a worker may have before it; latency: how long the last of them may wait.
    """

    __slots__ = ("_decided", "cooldown", "latency", "maximum", "minimum", "target")

    def __init__(
        self, *, minimum: int, maximum: int, cooldown: int, target: float | None = None, latency: int | None = None
    ) -> None:
        self.target = target
        self.latency = latency
        self.minimum = minimum
        self.maximum = maximum
        self.cooldown = cooldown
        # What was wanted when, without what a later and greater one has made idle: the first is the greatest.
        self._decided: deque[tuple[int, int]] = deque()

    def acceptable(self, average: float | None) -> float | None:
        """The backlog a worker may have when a message takes so many nanoseconds; None if that cannot be known yet."""
        if self.target is not None or self.latency is None:
            return self.target
        if average is None:
            return None
        return self.latency / max(1, average)

    def wanted(self, visible: int, average: float | None) -> int | None:
        """How many workers this backlog asks for; None if that cannot be known yet."""
        acceptable = self.acceptable(average)
        return None if acceptable is None else self.within(int(-(-visible // acceptable)))

    def within(self, workers: int) -> int:
        """So many, from minimum to maximum."""
        return min(self.maximum, max(self.minimum, workers))

    def decide(self, now: int, visible: int, workers: int, average: float | None) -> int:
        """How many workers there are to be from now on. average: nanoseconds a message takes, None if none has ended.

        Cost: O(1), all in all.
        """
        if not self._decided:
            self._remember(now, self.within(workers))
        wanted = self.wanted(visible, average)
        if wanted is None:
            wanted = self.within(workers)
        while self._decided and self._decided[0][0] <= now - self.cooldown:
            self._decided.popleft()
        self._remember(now, wanted)
        return self.within(max(wanted, min(workers, self._decided[0][1])))

    def _remember(self, now: int, wanted: int) -> None:
        while self._decided and self._decided[-1][1] <= wanted:
            self._decided.pop()
        self._decided.append((now, wanted))
