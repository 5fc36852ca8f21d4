"""The groups of a FIFO queue: the line of each, and whose turn it is.

A group's line has the numbers of its messages in the order of sending, wherever they are now; those that are gone are
dropped when the line is looked at from its head. Most groups have one message: its number alone is their line. A group
is *available* while the first message of its line is visible: then its name stands in the ring. A receive takes from the
first group of the ring as much as it can, up to the first message in flight, and the group joins the ring's end when it
is available again. So groups take turns, and nobody looks at a group that is blocked.

The line and the ring follow from where the messages are. So a transition need not commit them too: it leaves the record
in `touched` beforehand, and whoever comes next looks at that group again. An interrupt in between loses nothing.

Through the doors, without the lock, the common case goes as in core/places.py; while something is in `touched` they are
closed. The ring may have names of groups that are not available (any more): they are dropped when they come up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from typing import Any

from decouple.core.machine import Machine
from decouple.core.records import Delivery, Past, Record, group_of
from decouple.core.settings import Settings

__all__ = ["Group", "Groups"]

SLACK = 32
STALE = 1_024


class Group:
    """A message group of more than one: `line[head:]` are its messages; ready: it stands in the ring; parked: set aside."""

    __slots__ = ("head", "id", "line", "parked", "ready")

    def __init__(self, id: str, line: list[int], ready: bool) -> None:
        self.id = id
        self.line = line
        self.head = 0
        self.ready = ready
        self.parked = False


class Groups(Machine):
    """A machine whose messages stand in the lines of their groups. `fresh` is by number."""

    fresh: dict[int, Record]

    def __init__(self, name: str, settings: Settings, **more: Any) -> None:
        """Make an empty queue; see Places."""
        self.groups: dict[str, Group | int] = {}
        self.ring: deque[str] = deque()
        self.oldest: deque[int] = deque()  # the numbers of `fresh` in the order of sending, and of some that left it
        super().__init__(name, settings, **more)
        self.fresh = {}
        self.grouped = True

    # -- what Places asks --------------------------------------------------------------------------------------

    @property
    def deliverable(self) -> bool:
        self._tidy()
        return any(self._available(self._group(name)) for name in self.ring)

    def _eldest(self) -> Record | None:
        # A dict finds its first entry only by passing the gaps before it, a deque at once.
        while self.oldest:
            record = self.fresh.get(self.oldest[0])
            if record is not None:
                return record
            del self.oldest[0]
        return None

    def _fresh_key(self, record: Record) -> int:
        if record[2] in self.fresh:
            self._group(group_of(record))  # it leaves `fresh` now: from then on the group itself knows of its turn
        return record[2]

    def _fresh_records(self) -> list[Record]:
        return list(self.fresh.values())

    def _in_doubt(self) -> bool:
        return False

    @property
    def in_sequence(self) -> bool:
        return True

    def in_line(self) -> Iterator[tuple[int, Record, Past]]:
        """The visible messages in the order of sending, those of blocked groups too."""
        # Copied before it is looked at: a receive without the lock may come in between.
        here: dict[int, Record | Delivery] = {record[2]: record for record in self._fresh_records()}
        here |= self.again
        for seq in sorted(here):
            one = here[seq]
            if isinstance(one, tuple):
                yield one[1], one, (-1, None, False)
            else:
                count = one.times_received
                yield one.due, one.record, (count - 1, one.first_received if count else None, True)

    # -- lines and turns ---------------------------------------------------------------------------------------

    def _holds(self, seq: int) -> bool:
        """Whether the message is in flight or delayed, so that its group waits behind it. Cost: O(pages)."""
        return seq in self.leased or seq in self.odd or seq in self.delayed or any(seq in page for page in self.older)

    def _shows(self, seq: int) -> bool:
        return seq in self.fresh or seq in self.again

    def _group(self, name: str) -> Group | None:
        """The group, which from now on is more than a number."""
        group = self.groups.get(name)
        if isinstance(group, int):
            group = self.groups[name] = Group(name, [group], group in self.fresh)
        return group

    def line_of(self, name: str) -> Group | None:
        """The group with room for another message; None while a single message is on its way in or out."""
        single = self.groups.get(name)
        if not isinstance(single, int):
            return single
        group = Group(name, [single], True)
        # commit
        if name in self.groups and self.groups[name] is single and self.quick_send and not self.touched:
            group.ready = single in self.fresh
            self.groups[name] = group
            return group
        return None

    def _available(self, group: Group | None) -> bool:
        """Whether the first message of the line is visible."""
        return (
            group is not None
            and not group.parked
            and group.head < len(group.line)
            and self._shows(group.line[group.head])
        )

    def _tidy(self) -> None:
        """Look at every group to which something happened."""
        while self.touched:
            self._look_at(self.touched[0])
            if len(self.touched) == 1:
                self._clear_ring()  # after all are looked at, lest one that is available goes; before the doors open
            del self.touched[0]

    def _look_at(self, record: Record) -> None:
        """Put a message that is here into its group's line, drop what is gone from its head, and see whose turn it is."""
        name, seq = group_of(record), record[2]
        group = self._group(name)
        if self._shows(seq) or self._holds(seq):
            if group is None:
                group = self.groups[name] = Group(name, [], False)
            line = group.line
            if not line or seq > line[-1]:
                line.append(seq)
            else:
                place = bisect_left(line, seq, group.head)
                if line[place] != seq:
                    line.insert(place, seq)
        if group is not None:
            self._turn(group)

    def _turn(self, group: Group) -> None:
        """Let a group join the ring if it is available, or go if it is empty."""
        line, at = group.line, group.head
        while at < len(line) and not (shown := self._shows(line[at])):
            if self._holds(line[at]):
                break
            at += 1
        else:
            shown = at < len(line)
        group.head = at
        if at == len(line):
            # While its name stands in the ring, a group stays, or it would have two turns when it comes again.
            if not group.ready and self.groups.get(group.id) is group:
                del self.groups[group.id]
            return
        self._trim(group)
        if shown and not group.ready and not group.parked:
            # commit
            group.ready = True
            self.ring += (group.id,)

    def _clear_ring(self) -> None:
        """Drop names of groups that are not available from the ring's head, and all that are empty when they are the most."""
        ring = self.ring
        while ring and not self._available(self._group(ring[0])):
            self._skip()
        if len(self.groups) > 2 * (self.visible + self.in_flight + len(self.delayed)) + STALE:
            for _ in range(len(ring)):
                group = self._group(ring[0])
                if group is None or group.head == len(group.line):
                    self._skip()
                else:
                    ring.rotate(-1)

    def _skip(self) -> None:
        """Take the first name of the ring out of it, and with it the group if it is empty."""
        group = self._group(self.ring[0])
        empty = group is not None and group.head == len(group.line)
        # commit
        del self.ring[0]
        if group is not None:
            group.ready = False
            if empty:
                del self.groups[group.id]

    def _trim(self, group: Group) -> None:
        """Forget what is gone, when it is more than what is there."""
        if group.head > SLACK and 2 * group.head > len(group.line):
            line = group.line[group.head :]
            # commit
            group.line = line
            group.head = 0

    # -- the books ---------------------------------------------------------------------------------------------

    def own_faults(self) -> Iterator[str]:
        self._tidy()
        lined: dict[int, str] = {}
        standing = set(self.ring)
        if len(standing) != len(self.ring):
            yield "a group has two turns"
        for name in list(self.groups):
            group = self._group(name)
            assert group is not None
            line = group.line[group.head :]
            if line != sorted(set(line)):
                yield f"the line of group {name!r} is out of order"
            if self._available(group) and not group.ready:
                yield f"group {name!r} is available and has no turn"
            if group.ready and name not in standing:
                yield f"group {name!r} does not know whether it has a turn"
            lined |= dict.fromkeys(line, name)
        here = [(record[2], record) for record in self._fresh_records()]
        here += [(seq, one.record) for _, place in self.places() for seq, one in place.items()]
        for seq, record in here:
            if lined.get(seq) != group_of(record):
                yield f"message {seq} of group {group_of(record)!r} stands in the line of {lined.get(seq)!r}"
