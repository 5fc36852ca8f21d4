"""Facts: what a process says of each call before it makes it and after it came back, a line a fact.

A line is JSON: [instant, who, call, kind, ...]. `who` is a thread of a process, `call` its number there, the instant one of
CLOCK_MONOTONIC, which all processes of a machine share. What follows depends on the kind:

    send      queue or topic, [[tag, group, deduplication id, delay in ns], ...]     will be sent; answer: [id, ...]
    receive   queue, how many, lease in ns                                            answer: [[tag, id, count], ...]
    delete    queue, [[tag, id, count], ...]
    keep      queue, [[tag, id, count]], ns     a nack or extend: invisible for so long from now
    reject    queue, [[tag, id, count]]
    move      queue, [[tag, id, count]], the queue it goes to
    ran       queue, tag                        a handler has it: no call, and at least once for each send
    redrive   a dead-letter queue               its letters go back where they came from, as new messages
    did       the answer                        the call came back
    refused   the error's name, its text        the call came back: it was not done
    broke     the error's name, its text        the call was interrupted: done or not
    wrong     a sentence                        what must not be: a law of the broker's is broken, an error nobody expects
    gone      process                           it has ended, in whatever way
    left      {queue: messages}                 what is there at the very end

A tag is a message's body, and no two messages have the same: a tag in one queue is one message, however often it is sent, and
stays it as a dead letter, and in the queue that it is handed on to.
A kill tears at most the last line of a file, so a last line without its end is nobody's fact.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

Fact = list[Any]
Note = Callable[..., None]

CALLS = ("send", "receive", "delete", "keep", "reject", "move", "redrive")


class Plan(NamedTuple):
    """What the queues of a run are to each other."""

    dead: dict[str, str]  # the dead-letter queue of each queue that has one
    onward: dict[str, str]  # the queue that messages of a queue are handed on to
    topics: dict[str, list[str]]  # the queues behind each topic
    handled: dict[
        str, str
    ]  # what handlers run that is sent to a topic or function, as if it were in a queue of this name
    max_receives: int

    def home(self, queue: str) -> str:
        """The queue whose messages these are: of a dead letter, or what was handed on, the one it came from."""
        ways = [*self.dead.items(), *self.onward.items()]
        return next((name for name, other in ways if other == queue), queue)

    def queues(self) -> list[str]:
        """All of them, in the order of the ways of messages."""
        behind = [queue for queues in self.topics.values() for queue in queues]
        return [*dict.fromkeys([*self.dead, *behind, *self.onward.values(), *self.dead.values()])]


def write_facts(path: Path) -> Note:
    """What appends facts to a file, each by one write, so that they are there whatever becomes of this process."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    dumps = json.dumps

    def note(*fact: Any) -> None:
        os.write(file, f"{dumps(fact)}\n".encode())

    return note


def read_facts(paths: Iterable[Path]) -> Iterator[Fact]:
    """The facts of these files."""
    for path in paths:
        lines = path.read_bytes().split(b"\n")
        for line in lines[:-1]:  # the last one is empty, or torn
            yield json.loads(line)
