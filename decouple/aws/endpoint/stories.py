"""What is recorded, as pages: the newest messages, the story of each, and all of it as a file.

GET /_decouple/messages         the newest messages, with links (?n=100)
GET /_decouple/messages/{id}    a story, by what a client was answered: a page, with .json or .txt other forms
GET /_decouple/recording        for Recording.load
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from decouple.aws.endpoint.exchange import form_of, json_reply, page_reply, text_reply, wrong
from decouple.aws.endpoint.looking import most_of
from decouple.aws.endpoint.pages import messages_page
from decouple.aws.wire import Reply
from decouple.errors import NotRecorded
from decouple.runner import elsewhere
from decouple.story_lines import instant, phrase, place

if TYPE_CHECKING:
    from decouple.aws.wire import Request
    from decouple.aws.world import World
    from decouple.recording import Recording

__all__ = ["Stories"]

PATH = "/_decouple/messages/"
SHOWN = 100
UNRECORDED = "nothing is recorded: serve with --record 100000, or give asgi() a World(record=100_000)"


class Stories:
    """The pages over one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def messages(self, request: Request) -> Reply:
        """The newest messages, the newest first."""
        try:
            most = most_of(request, SHOWN)
        except ValueError as error:
            return wrong(400, str(error))
        try:
            found = newest(self._world.recording(), most)
        except NotRecorded:
            return wrong(409, UNRECORDED)
        if form_of(request) == "html":
            return page_reply(messages_page("The newest messages", found))
        return json_reply(200, {"messages": found})

    async def story(self, request: Request) -> Reply:
        """Of one message, publication or run."""
        id, form = named(unquote(request.path.removeprefix(PATH)), form_of(request, "html"))
        try:
            story = await elsewhere(lambda: self._world.explain(id))
        except NotRecorded as error:
            return wrong(409, UNRECORDED) if error.most == 0 else wrong(404, str(error))
        if form == "json":
            return Reply(200, {"content-type": "application/json"}, story.json().encode() + b"\n")
        return page_reply(story.html()) if form == "html" else text_reply(200, f"{story}\n")

    async def recording(self, request: Request) -> Reply:
        """All of it, as Recording.save writes it."""
        try:
            recording = self._world.recording()
        except NotRecorded:
            return wrong(409, UNRECORDED)
        text = await elsewhere(lambda: "".join(recording.lines()))
        reply = text_reply(200, text, "application/x-ndjson")
        name = 'attachment; filename="decouple-recording.jsonl"'
        return reply._replace(headers=reply.headers | {"content-disposition": name})


def named(text: str, form: str) -> tuple[str, str]:
    """The id, and in which form its story is wanted."""
    for ending in ("json", "txt", "html"):
        if text.endswith(f".{ending}"):
            return text.removesuffix(f".{ending}"), ending
    return text, form


def newest(recording: Recording, most: int) -> list[dict[str, Any]]:
    """The messages that were last heard of, with what was heard."""
    found: dict[str, dict[str, Any]] = {}
    for change in reversed(recording.changes):
        if len(found) == most:
            break
        if change.id is not None and change.id not in found:
            found[change.id] = {
                "id": change.id,
                "body": change.text,
                "where": place(change),
                "what": phrase(change),
                "at": instant(change.at),
                "story": PATH + quote(change.id, safe=""),
            }
    return list(found.values())
