"""What goes wrong and whether all holds nevertheless, as pages: faults, and the laws over everything.

GET  /_decouple/faults    what is planned, and how often it struck
POST /_decouple/faults    {"faults": {"duplicate": 0.1, "delay": {"nth": 3, "seconds": 5}}, "seed": 7}, {} for none
GET  /_decouple/check     the books of all brokers, and the laws of every run where it is recorded; 500 if one is broken
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from decouple.aws.endpoint.exchange import json_reply, wrong
from decouple.clock import SECOND
from decouple.errors import LawBroken, NotRecorded
from decouple.runner import elsewhere

if TYPE_CHECKING:
    from decouple.aws.wire import Reply, Request
    from decouple.aws.world import World
    from decouple.testing.faults import Fault, Faults

__all__ = ["Trials"]

SHAPE = 'the body must be JSON: {"faults": {"duplicate": 0.1, "lose_ack": 0.05}, "seed": 7}, or {"faults": {}} for none'
FIELDS = frozenset({"rate", "nth", "on", "between", "seconds", "share", "at"})


class Trials:
    """The pages over one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def faults(self, request: Request) -> Reply:
        """What goes wrong."""
        return json_reply(200, faults_data(self._world))

    async def inject(self, request: Request) -> Reply:
        """Let other faults happen from now on."""
        try:
            self._world.inject(plan_in(request.body))
        except (TypeError, ValueError) as error:
            return wrong(400, str(error))
        return json_reply(200, faults_data(self._world))

    async def check(self, request: Request) -> Reply:
        """Whether the laws hold."""
        try:
            return json_reply(200, await elsewhere(lambda: checked(self._world)))
        except LawBroken as error:
            story = None if error.id is None else f"/_decouple/messages/{quote(error.id, safe='')}"
            sentence = str(error).partition("\n\n")[0]
            return json_reply(
                500, {"holds": False, "error": sentence, "id": error.id, "seed": error.seed, "story": story}
            )


def checked(world: World) -> dict[str, Any]:
    """The numbers of the books. Raises LawBroken. Cost: O(messages + changes)."""
    numbers = world.check()
    try:
        recording = world.recording()
    except NotRecorded:
        return {"holds": True, "numbers": numbers, "changes": None}
    from decouple.testing.laws import check  # here, because a server that records nothing needs no laws

    check(recording)
    return {"holds": True, "numbers": numbers, "changes": len(recording.changes)}


# -- faults as JSON ----------------------------------------------------------------------------------------------------


def faults_data(world: World) -> dict[str, Any]:
    """What is planned, in the form in which it is given, and how often each kind struck since it was."""
    faults = world.faults
    if faults is None:
        return {"faults": {}, "seed": world.seed, "struck": {}}
    shown = {kind: [fault_data(kind, fault) for fault in planned] for kind, planned in faults.plan.items()}
    plan = {kind: found[0] if len(found) == 1 else found for kind, found in shown.items()}
    return {"faults": plan, "seed": faults.seed, "struck": dict(faults.counts)}


def fault_data(kind: str, fault: Fault) -> Any:
    """A number where that says it all, else what it was given."""
    from decouple.testing.faults import DEFAULTS  # here, because only tests have faults

    fields = {name: value for name, value in DEFAULTS.items() if getattr(fault, name) != value}
    found = {name: plain(name, getattr(fault, name)) for name in fields}
    if kind == "short_poll" and found.keys() <= {"share"}:
        return fault.share
    return fault.rate if found.keys() <= {"rate"} else found


def plain(name: str, value: Any) -> Any:
    """One of its fields in JSON's types, durations in seconds."""
    if name == "seconds":
        return [one / SECOND for one in value]
    if name == "between":
        return [one.isoformat() if isinstance(one, datetime) else one and one / SECOND for one in value]
    if name == "when":
        return getattr(value, "__qualname__", repr(value))
    return sorted(value) if name in ("nth", "on") else value


def plan_in(body: bytes) -> Faults:
    """The plan in a request. Raises ValueError, TypeError."""
    from decouple.testing.faults import KINDS, Faults  # here, because only tests have faults

    try:
        read: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError(SHAPE) from None
    asked = cast("dict[str, Any]", read) if isinstance(read, dict) else {}
    if "faults" not in asked or not asked.keys() <= {"faults", "seed"}:
        raise ValueError(SHAPE)
    given: Any = asked["faults"]
    if isinstance(given, str):
        return Faults.parse(given, seed=asked.get("seed"))
    if not isinstance(given, dict):
        raise ValueError(SHAPE)
    kinds = cast("dict[str, Any]", given)
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"there is no fault {kind!r:.80}: there are {', '.join(KINDS)}")
    return Faults(asked.get("seed"), **{kind: fault_in(kind, value) for kind, value in kinds.items()})


def fault_in(kind: str, value: Any) -> Any:
    """A number, the fields of a Fault, or several of them. Raises ValueError, TypeError."""
    from decouple.testing.faults import Fault

    if isinstance(value, list):
        return [fault_in(kind, one) for one in value]  # pyright: ignore[reportUnknownVariableType]  # JSON
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    if strange := fields.keys() - FIELDS:
        raise ValueError(f"of {kind} there are {', '.join(sorted(FIELDS))}, not {', '.join(sorted(strange))}")
    pairs = {name: pair_in(name, fields[name]) for name in ("between", "seconds") if name in fields}
    return Fault(**(fields | pairs))


def pair_in(name: str, value: Any) -> Any:
    """From and to, instants as ISO 8601 text. Raises ValueError."""
    if not isinstance(value, list):
        return value
    ends: list[Any] = value  # pyright: ignore[reportUnknownVariableType]  # JSON
    if len(ends) != 2:
        raise ValueError(f"{name} must be [from, to], not {ends!r:.80}")
    return tuple(datetime.fromisoformat(one) if isinstance(one, str) else one for one in ends)
