"""How messages get into a queue: one short path for what is plain, a general one for the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice, repeat
from typing import Any

from decouple.attributes import Value
from decouple.clock import Seconds
from decouple.core.dedup import Key
from decouple.core.fifo import Fifo
from decouple.core.records import NOTHING, Details, Record
from decouple.desk import Desk
from decouple.effects import WATCHED, about, done
from decouple.entries import check_id, checked, deduplication_id_for, plain
from decouple.errors import DecoupleError, InvalidBatch, QueueClosed
from decouple.generic import Json, T
from decouple.large_bodies import Pointer, bring_in, remove_all
from decouple.lineage import LINEAGE, RUNS
from decouple.message import Entry, FifoSent, Sent, new_sent

__all__ = ["Sending"]


class Sending(Desk[T]):
    """The sending half of a Queue."""

    def send(
        self,
        body: T | Json,
        *,
        delay: Seconds | None = None,
        attributes: Mapping[str, Value] | None = None,
        group: str | None = None,
        deduplication_id: str | None = None,
        system: Mapping[str, str] | None = None,
    ) -> Sent:
        """Add a message; its id is in the answer.

        body: text, or what becomes JSON text (dict, list, number, bool, None), or the queue's type; delay: 0 to 900 s,
        None = the queue's; attributes: up to ten; group: on a standard queue the tenant; system: trace header and
        sender, not counted in the size. Raises TypeError, ValueError, MessageTooLarge, QueueClosed; then nothing was
        sent. Cost: O(1), with a delay O(log delayed). Source: SQS API, SendMessage.
        """
        core = self._core
        if (
            body.__class__ is str
            and delay is None
            and attributes is None
            and system is None
            and not (RUNS and LINEAGE.get())
        ):
            text: Any = body
            # ASCII text encodes to as many bytes as it has characters; all other text takes the general path.
            if not (text.isascii() and 0 < len(text) <= core.longest):
                pass
            elif self._order is not None:
                if group is not None:
                    return self._send_in_order(self._order, text, group, deduplication_id)
            elif group is None and deduplication_id is None:
                if core.quick_send:
                    seq = core.next_seq()
                    record = (text, self._now(), seq)
                    if core.quick_send:
                        core.fresh.append(record)  # commit
                        sent = Sent()
                        sent._stem = core.stem
                        sent._seq = seq
                        return sent
                if core.parked:
                    return self._hand_over(text)
                return self._send([(text, None, core.settings.delay)])[0]
        return self._send([self._checked(Entry(body, delay, attributes, group, deduplication_id, system))])[0]

    def _hand_over(self, text: str) -> Sent:
        """Send while somebody waits: straight to the first in line, where nothing is out of the ordinary."""
        core = self._core
        seq = core.next_seq()
        try:
            with self._lock:
                now = self._now()
                handed = core.hand_over(now, (text, now, seq))
                if handed:
                    self._lobby.serve(now)
        finally:
            if core.filled:
                self._lobby.wake()
        return new_sent(Sent, core.stem, seq) if handed else self._send([(text, None, core.settings.delay)])[0]

    def _send_in_order(self, core: Fifo, text: str, group: str, deduplication_id: str | None) -> Sent:
        """Send to a FIFO queue what has nothing more to it."""
        given = deduplication_id
        if given is None:
            given = deduplication_id_for(text, None, core.settings, self.name)
        # What check_id says in more calls, of both ids at once.
        both = group + given if group.__class__ is given.__class__ is str else " "
        if not (both.isascii() and both.isprintable() and group and given and len(both) <= 128) or " " in both:
            check_id("group", group)
            check_id("deduplication_id", given)
        key: Key = given if core.by_queue else (group, given)
        groups: Any = core.groups
        sent = FifoSent()
        sent._stem = core.stem
        sent._seq = seq = core.next_seq()
        now = self._now()
        seen = (now, seq, key)
        line = groups.get(group)
        if line.__class__ is int:
            line = core.line_of(group)  # from now on it has more than one message
        # commit (without the lock: see core/groups.py)
        if core.quick_send and not core.touched and key not in core.seen:
            if line is None and group not in groups:
                groups[group] = seq
                core.ring += (group,)
                core.fresh[seq] = (text, now, seq, group, given)
                core.oldest += (seq,)
                core.seen[key] = seen
                core.window += (seen,)
                return sent
            if line is not None and group in groups and groups[group] is line and line.line[-1] < seq:
                line.line += (seq,)
                core.fresh[seq] = (text, now, seq, group, given)
                core.oldest += (seq,)
                core.seen[key] = seen
                core.window += (seen,)
                return sent
        return self._send([(text, Details(group=group, deduplication_id=given), core.settings.delay)])[0]

    def _send(self, entries: list[tuple[str, Details | None, int]]) -> list[Sent]:
        """Accept what has been checked, and hand it to those who wait."""
        if WATCHED:
            about(f"a send to queue {self.name!r}")
        try:
            seqs = self._accept(entries)
        finally:
            self._follow_up()
        if WATCHED:
            done(f"a send to queue {self.name!r}")
        kind = FifoSent if self.fifo else Sent
        return [new_sent(kind, self._core.stem, seq) for seq in seqs]

    def _accept(self, entries: list[tuple[str, Details | None, int]], words: Mapping[str, Any] = NOTHING) -> list[int]:
        """Accept what has been checked; their numbers. What follows from it (`_follow_up`) is left to the caller.

        words: what else the records of it are to say.
        """
        core = self._core
        large = [text for text, _, _ in entries if isinstance(text, Pointer)]
        if large:
            bring_in(self, large)
        try:
            with self._lock:
                self._check_open()
                now = self._now()
                seqs = core.send_all(now, entries, words)
                self._lobby.serve(now)
        except QueueClosed:
            remove_all(large)
            raise
        return seqs

    def send_batch(self, entries: Iterable[T | Json | Entry]) -> list[Sent]:
        """Add any number of messages, all or none; their ids in the same order.

        An entry is a body, or an Entry where it needs more; a dict is always a body. All are checked first: InvalidBatch
        lists every wrong one by position, and nothing is sent. Source: SQS API, SendMessageBatch (no limit of ten here).
        """
        given: Any = entries
        if given.__class__ is not list and isinstance(given, (str, bytes, bytearray, Mapping, Entry)):
            raise TypeError(f"entries must be a list of bodies, not one of them, {given!r:.60}: use send(...)")
        core = self._core
        bodies: list[Any] = list(given)
        if core.quick_send and not self.fifo and plain(bodies, core.longest) and not (RUNS and LINEAGE.get()):
            seqs = list(islice(core.seqs, len(bodies)))
            records: list[Record] = list(zip(bodies, repeat(self._now()), seqs))
            if core.quick_send:
                core.fresh.extend(records)  # commit
                answers: list[Sent] = []
                stem = core.stem
                for seq in seqs:
                    sent = Sent()
                    sent._stem = stem
                    sent._seq = seq
                    answers.append(sent)
                return answers
        entries_checked: list[tuple[str, Details | None, int]] = []
        errors: dict[int, Exception] = {}
        for position, entry in enumerate(bodies):
            try:
                entries_checked.append(self._checked(entry if isinstance(entry, Entry) else Entry(entry)))
            except (TypeError, ValueError, DecoupleError) as error:
                errors[position] = error
        if errors:
            raise InvalidBatch(self.name, errors=errors, entries=len(bodies))
        return self._send(entries_checked)

    def _checked(self, entry: Entry) -> tuple[str, Details | None, int]:
        return checked(entry, self._core.settings, self._codec, self.name, self.fifo)
