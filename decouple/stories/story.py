"""Story: everything that is recorded of one message, from its beginning to its end or till now, with the reasons."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from decouple.errors import NotRecorded
from decouple.stories.change_json import change_to
from decouple.stories.lines import family, instant, phrase, place
from decouple.stories.reasons import now_of, reasons

if TYPE_CHECKING:
    from decouple.core.changes import Change
    from decouple.stories.recording import Recording

__all__ = ["Story", "tell"]

BIRTHS = ("sent", "moved in", "published", "event accepted", "fired")
HEAD = ("at (UTC)", "after", "id", "where", "what", "who")


class Story:
    """What happened to a message through all queues, as str() shows it: a table, and why.

    id: the one asked for; ids: all it had, oldest first, with those of its copies; changes: in the order of the instants;
    why: sentences on why it was received again, why it is dead, who did not get it; now: what became of it, a sentence for
    each queue; complete: it is told from its beginning on.
    """

    def __init__(
        self, id: str, ids: list[str], changes: list[Change], why: list[str], now: list[str], *, complete: bool
    ) -> None:
        self.id = id
        self.ids = tuple(ids)
        self.changes = tuple(changes)
        self.why = tuple(why)
        self.now = tuple(now)
        self.complete = complete

    def __repr__(self) -> str:
        return f"<Story of {self.id}: {len(self.changes)} changes>"

    @property
    def text(self) -> str | None:
        """The message's body, as it was first."""
        return next((str(change.text) for change in self.changes if change.text is not None), None)

    @property
    def title(self) -> str:
        """What it is the story of."""
        text = self.text
        return f"message {self.id}" if text is None else f"message {self.id}: {shortened(text)}"

    @property
    def notes(self) -> tuple[str, ...]:
        """Where it is now, or where it ended, and what is not told."""
        missing = () if self.complete else ("its beginning is not recorded any more: Broker(record=...) keeps more",)
        return (*(f"now: {one}" for one in self.now), *missing)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The table: instant, seconds after the first, which id where there are several, where, what, who."""
        first = self.changes[0].at
        marks = {id: f"#{number}" for number, id in enumerate(self.ids, 1)}
        return [
            (
                instant(change.at),
                f"+{(change.at - first) / 1e9:.6g} s",
                marks.get(change.id or change.origin or "", "") if len(marks) > 1 else "",
                place(change),
                phrase(change),
                change.who or "",
            )
            for change in self.changes
        ]

    @property
    def legend(self) -> list[str]:
        """Which id is meant by which number, where there are several."""
        return [f"#{number}  {id}" for number, id in enumerate(self.ids, 1)] if len(self.ids) > 1 else []

    def __str__(self) -> str:
        rows = [HEAD, *self.rows]
        used = [at for at in range(len(HEAD)) if any(row[at] for row in rows[1:])]
        widths = {at: max(len(row[at]) for row in rows) for at in used}
        table = ["  ".join(row[at].ljust(widths[at]) for at in used).rstrip() for row in rows]
        parts = [[self.title, *self.notes, *self.legend], table, [f"why: {one}" for one in self.why]]
        return "\n\n".join("\n".join(part) for part in parts if part)

    def document(self) -> dict[str, Any]:
        """It as what JSON holds: id, ids, text, now, why, complete, and changes with all that each says."""
        changes = [
            {"when": row[0], "where": row[3], "what": row[4], **change_to(change)}
            for row, change in zip(self.rows, self.changes, strict=True)
        ]
        named = {"id": self.id, "ids": list(self.ids), "text": self.text, "complete": self.complete}
        return {**named, "now": list(self.now), "why": list(self.why), "changes": changes}

    def json(self) -> str:
        """The document as JSON text."""
        return json.dumps(self.document(), ensure_ascii=False, indent=1, default=str)

    def html(self) -> str:
        """A page of its own: a time line for each id, and the reasons. It needs nothing beside it, and no scripts."""
        from decouple.stories.page import page  # here, and below, because most stories are read as text

        return page(self)

    def _repr_html_(self) -> str:
        from decouple.stories.page import section

        return section(self)


def shortened(text: str) -> str:
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}... ({len(text)} characters)"


def tell(recording: Recording, id: str) -> Story:
    """See Recording.explain."""
    if not isinstance(id, str):
        raise TypeError(f"the id of a message is text, not {id!r:.80}")
    mine, ids = family(recording.changes, id)
    if not mine:
        raise NotRecorded(id, kept=len(recording.changes), dropped=recording.dropped, most=recording.most)
    why = list(dict.fromkeys(reasons(id, mine, recording.changes, recording.before)))
    return Story(id, ids, mine, why, now_of(mine), complete=mine[0].cause in BIRTHS)
