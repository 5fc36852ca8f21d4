"""The shelf of a journal: values in memory, and each change of them a record in the log.

A shelf is one process's, as the log is. All that was there when it was opened belongs to a process that is gone.
Every method takes the log's lock for as long as it takes to write a record; no caller holds it.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

from decouple.errors import StorageError
from decouple.jsontext import json_text
from decouple.stores import shelf_records
from decouple.stores.frames import OVERHEAD
from decouple.stores.log import Log
from decouple.stores.shelf_records import Put

__all__ = ["JournalShelf"]


BESIDE = 128
"""What a record has beside its kind, key and text, at most."""


class Kept(NamedTuple):
    """A value: its JSON text, its place in the order of first puts, and where its record is, and how long."""

    text: bytes
    place: int
    segment: int
    bytes: int


class JournalShelf:
    """See Shelf. `apply` is told what the log has of it, before anything is asked of it or put."""

    shared = False
    revision = 0

    def __init__(self, log: Log) -> None:
        self._log = log
        self._kept: dict[str, dict[str, Kept]] = {}
        self._inherited: dict[str, set[str]] = {}
        self._where: dict[int, dict[tuple[str, str], None]] = {}
        """Which are in each segment."""
        self._places = 0
        self.live_bytes = 0
        """Bytes of the records that are still needed."""

    def apply(self, segment: int, payload: bytes) -> bool:
        """Take in what was written before, in that order; False if the payload is not a shelf's."""
        if payload[:1] not in (shelf_records.PUT, shelf_records.DROP):
            return False
        record = shelf_records.read(payload)
        kind, key = record.kind, record.key
        if isinstance(record, Put):
            self._set(kind, key, Kept(record.text, record.place, segment, OVERHEAD + len(payload)))
            self._inherited.setdefault(kind, set()).add(key)
            self._places = max(self._places, record.place)
        else:
            self._set(kind, key, None)
        return True

    def put(self, kind: str, key: str, value: Any) -> None:
        """Keep `value`. Raises NotKept, and then what was there is; TypeError and ValueError for what JSON has not."""
        text = encoded(kind, key, value)
        self._try_again_if_full()
        with self._log.lock:
            self._refuse_if_full()
            before, position = self._write(kind, key, text)
        self._settle(kind, key, before, position)

    def drop(self, kind: str, key: str) -> None:
        """Forget it, also where the disk is full for others. Raises NotKept.

        The disk is not waited for: after a loss of power it may be there again, as a message that was deleted may.
        """
        with self._log.lock:
            if key not in self._kept.get(kind, ()):
                return
            self._write(kind, key, None)
        self._prepare()

    def swap(self, kind: str, key: str, old: Any, new: Any) -> bool:
        """Put `new` if the value is `old`; None drops it, as `drop` does. Raises NotKept."""
        text = None if new is None else encoded(kind, key, new)
        self._try_again_if_full()
        with self._log.lock:
            if self._value(kind, key) != old:
                return False
            if text is not None:
                self._refuse_if_full()
            before, position = self._write(kind, key, text)
        if text is None:
            self._prepare()
        else:
            self._settle(kind, key, before, position)
        return True

    def get(self, kind: str, key: str) -> Any:
        """The value, None where there is none."""
        with self._log.lock:
            return self._value(kind, key)

    def items(self, kind: str) -> dict[str, Any]:
        """All of a kind, in the order in which they were put first."""
        with self._log.lock:
            return self._valued(kind, self._kept.get(kind, {}))

    def adopt(self, kind: str) -> dict[str, Any]:
        """What was there when the log was opened and is there still, unless it was put again; once."""
        with self._log.lock:
            return self._valued(kind, self._inherited.pop(kind, ()))

    def together(self) -> AbstractContextManager[None]:
        """There are no transactions here: each change is kept as it comes; where the disk is promised, all at the end."""
        return self._synced() if self._log.durability == "disk" else nullcontext()

    @contextmanager
    def _synced(self) -> Generator[None]:
        yield
        self._log.sync()

    def again(self, segment: int) -> int:
        """Append again what is only in that segment, the oldest, so that it can be removed; how many. Raises NotKept."""
        moved = 0
        for kind, key in list(self._where.get(segment, ())):
            with self._log.lock:  # one by one, as others wait for it
                kept = self._kept.get(kind, {}).get(key)
                if kept is not None and kept.segment == segment:
                    self._write(kind, key, kept.text, mine=False)
                    moved += 1
            self._prepare()
        return moved

    def weight(self, segment: int) -> int:
        """Bytes of what `again` would append."""
        weight = 0
        for kind, key in list(self._where.get(segment, ())):
            kept = self._kept.get(kind, {}).get(key)
            if kept is not None and kept.segment == segment:
                weight += len(kept.text) + 12 * (len(kind) + len(key)) + BESIDE
        return weight

    def _write(self, kind: str, key: str, text: bytes | None, *, mine: bool = True) -> tuple[Kept | None, int]:
        """Append a change and make it; what was there before, and what position to sync. Raises NotKept."""
        log, before = self._log, self._kept.get(kind, {}).get(key)
        if text is None:
            log.append(shelf_records.dropped(kind, key))
            self._set(kind, key, None)
        else:
            place = self._places + 1 if before is None else before.place
            payload = shelf_records.put(kind, key, place, text)
            log.append(payload)
            self._places = max(self._places, place)
            self._set(kind, key, Kept(text, place, log.number, OVERHEAD + len(payload)))
        if mine and kind in self._inherited:
            self._inherited[kind].discard(key)
        return before, log.position

    def _set(self, kind: str, key: str, kept: Kept | None) -> None:
        values = self._kept.setdefault(kind, {})
        before = values.pop(key, None) if kept is None else values.get(key)
        if before is not None:
            self.live_bytes -= before.bytes
            self._where[before.segment].pop((kind, key), None)
        if kept is not None:
            values[key] = kept
            self.live_bytes += kept.bytes
            self._where.setdefault(kept.segment, {})[kind, key] = None

    def _settle(self, kind: str, key: str, before: Kept | None, position: int) -> None:
        """Wait for the disk where that is promised; if it fails, nothing is known of the change, and the log is broken."""
        self._prepare()
        if self._log.durability == "disk":
            try:
                self._log.sync(position)
            except StorageError:
                with self._log.lock:
                    self._set(kind, key, before)
                raise

    def _prepare(self) -> None:
        if self._log.wants_segment:
            self._log.prepare()

    def _try_again_if_full(self) -> None:
        if self._log.full is not None:
            self._log.prepare()

    def _refuse_if_full(self) -> None:
        """The room that is left is for what makes room: drops, and what ends work that was begun."""
        if self._log.full is not None:
            raise self._log.full

    def _value(self, kind: str, key: str) -> Any:
        kept = self._kept.get(kind, {}).get(key)
        return None if kept is None else json.loads(kept.text)

    def _valued(self, kind: str, keys: Any) -> dict[str, Any]:
        values = self._kept.get(kind, {})
        placed = sorted((values[key].place, key) for key in keys if key in values)
        return {key: json.loads(values[key].text) for _, key in placed}


def encoded(kind: str, key: str, value: Any) -> bytes:
    """A value as JSON has it; any str is in it, also one that is no Unicode. Raises TypeError, ValueError."""
    return json_text(value, f"what is kept of {kind} {key!r}").encode("utf-8", shelf_records.SURROGATES)
