"""A story as a page: one file with its styles in it, and nothing that runs. All that a message brought is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from decouple.stories.lines import instant, phrase, place

if TYPE_CHECKING:
    from decouple.core.changes import Change
    from decouple.stories.story import Story

__all__ = ["page", "section"]

STYLE = """\
.story{font:14px/1.45 system-ui,sans-serif;color:#1c2430;max-width:70em;margin:1.5em auto;padding:0 1em}
.story h1{font-size:1.15em;overflow-wrap:anywhere}.story h2{font-size:1em;font-family:ui-monospace,monospace;margin:1.4em 0 .4em}
.story ul.why{background:#fff7e0;border:1px solid #ecd591;border-radius:.4em;padding:.6em 1em .6em 2em}
.story ol{list-style:none;margin:0;padding:0 0 0 1.1em;border-left:2px solid #c4ccd8}
.story li.step{position:relative;padding:.15em 0 .45em}
.story li.step::before{content:"";position:absolute;left:-1.5em;top:.5em;width:.65em;height:.65em;
border-radius:50%;background:#4a76c9}
.story li.good::before{background:#2e8b57}.story li.bad::before{background:#c63d2f}.story li.idle::before{background:#9aa5b5}
.story time{font-family:ui-monospace,monospace;color:#556}.story .who,.story .where{color:#667}
.story p{margin:.2em 0}"""

GOOD = frozenset({"deleted", "delivered", "invoked", "fired"})
BAD = frozenset(
    {
        "expired", "nacked", "refused", "moving", "rejected", "retained out", "purged", "undelivered", "delivery failed",
        "invocation failed", "event given up", "destination failed", "group parked", "late result", "fault",
    }
)  # fmt: skip
IDLE = frozenset({"moved", "delay ended", "duplicate", "given back"})


def page(story: Story) -> str:
    """The whole document."""
    title = escape(story.title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>\n'
        f"<body>\n{section(story)}\n</body></html>\n"
    )


def section(story: Story) -> str:
    """What a notebook shows."""
    why = "".join(f"<li>{escape(one)}</li>" for one in story.why)
    notes = "".join(f"<p>{escape(one)}</p>" for one in story.notes)
    lines = "\n".join(time_line(story, id) for id in story.ids)
    return (
        f'<div class="story"><style>{STYLE}</style>\n<h1>{escape(story.title)}</h1>\n{notes}\n'
        f"{f'<ul class=why>{why}</ul>' if why else ''}\n{lines}\n</div>"
    )


def time_line(story: Story, id: str) -> str:
    """What happened under one of its ids."""
    steps = [change for change in story.changes if (change.id or change.origin or story.id) == id]
    first = story.changes[0].at
    return f"<h2>{escape(id)}</h2>\n<ol>\n" + "\n".join(step(change, first) for change in steps) + "\n</ol>"


def step(change: Change, first: int) -> str:
    kind = "good" if change.cause in GOOD else "bad" if change.cause in BAD else "idle" if change.cause in IDLE else ""
    who = f' <span class="who">by {escape(change.who)}</span>' if change.who else ""
    return (
        f'<li class="step {kind}"><time>{instant(change.at)} +{(change.at - first) / 1e9:.6g} s</time> '
        f'<span class="where">{escape(place(change))}</span>: {escape(phrase(change))}{who}</li>'
    )
