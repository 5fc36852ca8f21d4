"""Recording: what happened in a broker, as a value that can be kept in a file, told, compared and played again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from decouple.core.changes import Change
from decouple.core.records import EPOCH
from decouple.errors import InvalidRecording
from decouple.stories.change_json import change_from, change_to

if TYPE_CHECKING:
    from decouple.stories.differences import Difference
    from decouple.stories.story import Story

__all__ = ["Recording"]

VERSION = 1
KIND = "decouple recording"


class Recording:
    """The changes of a broker from one instant to another, oldest first as they were told.

    changes: what happened; dropped: how many older ones were not kept, `most` being the room there was; seed: the
    broker's; started, ended: nanoseconds since 1970; whole: it began with the broker, and nothing was dropped; before: of
    older changes those that say who was subscribed.
    """

    __slots__ = ("before", "changes", "dropped", "ended", "most", "seed", "started", "whole")

    def __init__(
        self,
        changes: Iterable[Change],
        *,
        before: Iterable[Change] = (),
        dropped: int = 0,
        most: int | None = None,
        seed: int | None = None,
        started: int = 0,
        ended: int = 0,
        whole: bool = True,
    ) -> None:
        self.changes = tuple(changes)
        self.before = tuple(before)
        self.dropped = dropped
        self.most = most
        self.seed = seed
        self.started = started
        self.ended = ended
        self.whole = whole

    def __len__(self) -> int:
        return len(self.changes)

    def __repr__(self) -> str:
        seconds = (self.ended - self.started) / 1e9
        return f"<Recording: {len(self.changes)} changes in {seconds:g} s, {self.dropped} dropped, seed {self.seed}>"

    def _repr_html_(self) -> str:
        from decouple.shown import as_it_stands, table
        from decouple.stories.lines import instant, phrase, place

        newest = self.changes[-SHOWN:]
        more = f"the newest {SHOWN} of them:" if len(self.changes) > SHOWN else ""
        rows = [(instant(one.at), one.id or "", place(one), phrase(one), one.who or "") for one in newest]
        return as_it_stands(f"{self!r} {more}".rstrip()) + table(("when", "id", "where", "what", "who"), rows)

    @property
    def started_at(self) -> datetime:
        """When it began, as an aware UTC datetime."""
        return EPOCH + timedelta(microseconds=self.started // 1_000)

    def explain(self, message_id: str) -> Story:
        """The story of the message, publication or request with this id. Raises NotRecorded. Cost: O(changes)."""
        from decouple.stories.story import (
            tell,  # here, and so in other places below, because most recordings are only kept
        )

        return tell(self, message_id)

    def diff(self, other: Recording, *, times: bool = True) -> Difference:
        """The first change in which the other run differs, and what it did more or less often.

        Ids (UUIDs, in bodies too) count as equal where they first appear at the same place, for every run makes its own;
        who did it does not count. times: whether the instants must agree, to the nanosecond from the beginnings on.
        """
        if not isinstance(other, Recording):
            raise TypeError(f"a recording differs from another Recording, not from {other!r:.80}")
        from decouple.stories.differences import difference

        return difference(self, other, times=times)

    # -- files -------------------------------------------------------------------------------------------------

    def save(self, path: str | PathLike[str]) -> None:
        """Write it as JSON lines: a header with the version, then a change a line."""
        with Path(path).open("w", encoding="utf-8") as file:
            file.writelines(self.lines())

    def lines(self) -> Iterator[str]:
        """What `save` writes."""
        header = {"kind": KIND, "version": VERSION, **{name: getattr(self, name) for name in PLAIN}}
        header["changes"] = len(self.changes)
        header["before"] = [change_to(change) for change in self.before]
        for line in (header, *map(change_to, self.changes)):
            yield json.dumps(line, ensure_ascii=False, default=str) + "\n"

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Recording:
        """Read what `save` wrote. Raises InvalidRecording for anything else, OSError."""
        lines = Path(path).read_bytes().split(b"\n")
        header = parsed(path, 1, lines[0])
        if header.get("kind") != KIND:
            raise InvalidRecording(str(path), line=1, why="it does not begin as a recording does")
        if header.get("version") != VERSION:
            why = (
                f"it is of version {header.get('version')!r}, and this release reads version {VERSION}: record it again"
            )
            raise InvalidRecording(str(path), line=1, why=why)
        rest = [parsed(path, number, line) for number, line in enumerate(lines[1:], 2) if line]
        try:
            plain, whole = {name: header[name] for name in PLAIN}, header["changes"] == len(rest)
            found = cls(map(change_from, rest), before=map(change_from, header["before"]), **plain)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidRecording(str(path), line=None, why=f"{type(error).__name__}: {error}") from error
        if not whole:
            why = f"it has {len(rest)} of {header['changes']} changes: it was cut, or added to"
            raise InvalidRecording(str(path), line=None, why=why)
        return found


SHOWN = 50
"""So many changes does a notebook show."""
PLAIN = ("dropped", "most", "seed", "started", "ended", "whole")
"""What stands in the header as it is."""


def parsed(path: object, number: int, line: bytes) -> dict[str, Any]:
    try:
        found: Any = json.loads(line)
    except ValueError as error:
        raise InvalidRecording(str(path), line=number, why=f"it is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidRecording(str(path), line=number, why=f"it is not a JSON object but {found!r:.40}")
    return cast("dict[str, Any]", found)
