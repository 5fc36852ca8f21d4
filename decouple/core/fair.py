"""Fair queues: on a standard queue a message's group is its tenant, and a busy tenant does not delay the others.

A tenant becomes *noisy* when it has over a tenth of the messages in flight and at least 30 (with fewer: and more of it
waits than is in flight), or took over a tenth of the recent processing time; until nothing of it waits, or it has sent
nothing for five minutes and would not become noisy now. What quiet tenants wait for is given first, oldest first; then the
noisy tenant with the fewest in flight. Nothing is dropped, throttled or blocked, and messages without a group are tenants
of their own, always quiet. Source: SQS developer guide, fair queues. The thresholds are approximate there, and made for
fleets: where few messages are in flight 30 is never reached, so the number waiting decides here; where there are fewer than
ten tenants, over its equal share is what a tenth is among more; recent is the present minute and the one before. There five
minutes of silence are enough; but a burst may take longer, and what is left of it is older than what the others send.

Nothing of this is at work in a queue that has no message with a group. As in core/groups.py, what tenants wait for follows
from where the messages are: a transition leaves its record in `touched`, and the next receive looks at it, or a send when
there are many.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Any

from decouple.core.copies import Standing
from decouple.core.machine import Machine
from decouple.core.places import Move
from decouple.core.records import Delivery, Details, Record, group_of
from decouple.core.settings import SECOND, Settings

__all__ = ["Fair", "Tenant"]

MANY = 30
SHARE = 10  # over one in so many is noisy
SILENT = 300 * SECOND
RECENT = 60 * SECOND
MANY_TOUCHED = 256


class Work:
    """Processing time in nanoseconds: in the minute numbered `minute`, and in the one before."""

    __slots__ = ("before", "minute", "now")

    def __init__(self) -> None:
        self.minute = self.now = self.before = 0

    def add(self, instant: int, took: int) -> None:
        """So much ended then."""
        minute = instant // RECENT
        if minute != self.minute:
            self.before = self.now if minute == self.minute + 1 else 0
            self.minute, self.now = minute, 0
        self.now += took

    def recent(self, instant: int) -> int:
        """How much of it is recent at that instant."""
        age = instant // RECENT - self.minute
        return self.now + self.before if age == 0 else self.now if age == 1 else 0


class Tenant:
    """One group: what of it is visible, in the order in which it became so, and since when what of it is in flight."""

    __slots__ = ("flying", "id", "noisy", "sent_at", "waiting", "work")

    def __init__(self, id: str) -> None:
        self.id = id
        self.waiting: OrderedDict[int, None] = OrderedDict()
        self.flying: dict[int, int] = {}
        self.noisy = False
        self.sent_at = 0
        self.work = Work()


class Fair(Machine):
    """A machine that can choose between tenants. The tenant "" has all messages without a group."""

    def __init__(self, name: str, settings: Settings, **more: Any) -> None:
        """Make an empty queue; see Places."""
        self.tenants: dict[str, Tenant] = {}
        self.heads: list[
            tuple[int, int, str]
        ] = []  # since when the first of each quiet tenant waits, its number, whose
        self.noisy: dict[str, Tenant] = {}
        self.work = Work()
        super().__init__(name, settings, **more)

    def _in_doubt(self) -> bool:
        return self.grouped or bool(self.again)

    def _arriving(self, now: int, move: Move, sent_at: int, seq: int, details: Details) -> tuple[int, Details]:
        if details.group:
            self._group()
        return sent_at, details

    def _bringing(self, now: int, number: int, one: Standing) -> None:
        if one.details.group:
            self._group()

    def _group(self) -> None:
        """From now on there are tenants. Cost: O(visible again)."""
        if not self.grouped:
            self._shut()
            self.touched += [one.record for one in self.again.values()]
            # commit
            self.grouped = True
            self.choosy = True
            self.due = 0

    def _look_sometimes(self, now: int) -> None:
        """Leave no more than so many for the next receive to look at: there may be none for long."""
        if len(self.touched) >= MANY_TOUCHED:
            self._tidy(now)
            if len(self.heads) > 2 * len(self.again) + MANY_TOUCHED:
                heads = [head for head in self.heads if head[1] in self.again]
                heapify(heads)
                self.heads = heads

    def _emptied(self) -> None:
        for memory in (self.noisy, self.heads, self.tenants, self.touched):
            memory.clear()  # `touched`, from which the others follow, last

    def _ungroup(self) -> None:
        """No message has a group any more: the short paths may open again."""
        if not self.delayed and not self.moving:
            self.tenants.clear()
            self.heads.clear()
            self.noisy.clear()
            # commit
            self.work = Work()
            self.grouped = False
            self.choosy = False

    # -- looking at what happened ------------------------------------------------------------------------------

    def _tidy(self, now: int) -> None:
        """Look at every message to which something happened."""
        while self.touched:
            self._look_at(now, self.touched[0])
            del self.touched[0]
        if len(self.tenants) == ("" in self.tenants):
            self._ungroup()

    def _look_at(self, now: int, record: Record) -> None:
        name, seq = group_of(record), record[2]
        tenant = self.tenants.get(name)
        if tenant is None:
            tenant = self.tenants[name] = Tenant(name)
        delivery = self.find(seq)
        if delivery is None or seq in self.again:
            if (since := tenant.flying.pop(seq, None)) is not None and name:
                self._worked(now, tenant, max(0, now - since))
        elif name:
            tenant.flying[seq] = delivery.received_at
        if seq in tenant.waiting:
            first = next(iter(tenant.waiting)) == seq
            del tenant.waiting[seq]
            if first:
                self._enlist(tenant)
        if delivery is not None and seq in self.again:
            self._wait_in_line(tenant, seq, delivery)
        if name and tenant.waiting and not tenant.noisy:
            self._judge(now, tenant)
        if not tenant.waiting and not tenant.flying:
            del self.tenants[name]
            self.noisy.pop(name, None)

    def _wait_in_line(self, tenant: Tenant, seq: int, delivery: Delivery) -> None:
        """Put a visible message into its tenant's line: at the end, or first if it has been here for longest."""
        first = next(iter(tenant.waiting), None)
        tenant.waiting[seq] = None
        tenant.sent_at = max(tenant.sent_at, delivery.record[1])
        if first is None or ((one := self.again.get(first)) is not None and delivery.due < one.due):
            tenant.waiting.move_to_end(seq, last=False)
            self._enlist(tenant)

    def _enlist(self, tenant: Tenant) -> None:
        """Let the tenant's first message wait among those of the quiet tenants."""
        for seq in tenant.waiting:
            if (one := self.again.get(seq)) is not None and not tenant.noisy:
                heappush(self.heads, (one.due, seq, tenant.id))
            return

    # -- who is noisy ------------------------------------------------------------------------------------------

    def _worked(self, now: int, tenant: Tenant, took: int) -> None:
        """A message of the tenant was processed for so long."""
        tenant.work.add(now, took)
        self.work.add(now, took)

    def _judge(self, now: int, tenant: Tenant) -> None:
        """Whether the tenant is noisy. Nobody is who is alone."""
        share = min(SHARE, len(self.tenants) + bool(self.fresh))
        if share == 1:
            return
        flying = len(tenant.flying)
        many = flying >= MANY or flying < len(tenant.waiting)
        if (many and flying * share > self.in_flight) or tenant.work.recent(now) * share > self.work.recent(now):
            tenant.noisy = True
            self.noisy[tenant.id] = tenant

    def _calm(self, now: int) -> None:
        """Take those for quiet of whom nothing waits, or who have sent nothing for long and are not at it again."""
        for tenant in list(self.noisy.values()):
            if not tenant.waiting or now - tenant.sent_at >= SILENT:
                tenant.noisy = False
                del self.noisy[tenant.id]
                if tenant.waiting:
                    self._judge(now, tenant)
                self._enlist(tenant)

    # -- whose message is next ---------------------------------------------------------------------------------

    def _fairest(self, now: int) -> Record | Delivery | None:
        """The visible message to be given next. Cost: O(log tenants + noisy tenants)."""
        self._tidy(now)
        self._calm(now)
        quiet = self._oldest_quiet(now)
        record: Record | None = self._eldest()
        if quiet is not None and (record is None or (quiet.due, quiet.record[2]) < (record[1], record[2])):
            return quiet
        if record is not None:
            return record
        if not self.noisy:
            return None
        least = min(
            self.noisy.values(), key=lambda tenant: (len(tenant.flying), self.again[next(iter(tenant.waiting))].due)
        )
        return self.again[next(iter(least.waiting))]

    def _oldest_quiet(self, now: int) -> Delivery | None:
        while self.heads:
            due, seq, name = self.heads[0]
            tenant, one = self.tenants.get(name), self.again.get(seq)
            if tenant is not None and not tenant.noisy and one is not None and one.due == due:
                if name:
                    self._judge(now, tenant)  # others came meanwhile
                if not tenant.noisy and next(iter(tenant.waiting)) == seq:
                    return one
            heappop(self.heads)
        return None

    # -- the books ---------------------------------------------------------------------------------------------

    def audit(self, now: int) -> tuple[dict[str, int], list[str]]:
        """The numbers, and each internal invariant that does not hold, in words. Cost: O(messages)."""
        self.settle_all(now)
        self._tidy(now)
        return super().audit(now)

    def own_faults(self) -> Iterator[str]:
        if not self.grouped:
            return
        enlisted = {(seq, name) for _, seq, name in self.heads}
        for seq, one in self.again.items():
            tenant = self.tenants.get(group_of(one.record))
            if tenant is None or seq not in tenant.waiting:
                yield f"message {seq} does not wait in the line of group {group_of(one.record)!r}"
        for name, tenant in self.tenants.items():
            if any(seq not in self.again for seq in tenant.waiting):
                yield f"group {name!r} waits for what is not visible"
            if tenant.waiting and not tenant.noisy and (next(iter(tenant.waiting)), name) not in enlisted:
                yield f"the first message of group {name!r} is not among those of the quiet groups"
