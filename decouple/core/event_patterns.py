"""EventBridge patterns: that of a rule, and the filters of a trigger, over the record of a message, of which one must match.

    read_rule_pattern('{"source": ["shop"], "detail": {"total": [{"numeric": [">", 100]}]}}').matches(event)

    wanted = read_patterns([{"body": {"kind": ["order"]}}, {"messageAttributes": {"vip": {"stringValue": ["yes"]}}}])
    wanted.matches(record)

`{"body": ["text"]}` is a pattern of text, `{"body": {...}}` one of a JSON object. A body of the other kind never matches,
whatever the pattern says; a body that is JSON but no object, and no array, is text, and an array is neither. Without
`body` in a pattern only the rest is looked at. Source: Lambda developer guide, "Using event filtering with an Amazon SQS
event source"; EventBridge user guide, "Event patterns".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from decouple.core.event_operators import EVENT_OPERATORS
from decouple.core.fields import parsed, read_body, refused
from decouple.core.filters import Alternative, Dialect, Filter, compile, holds
from decouple.errors import InvalidFilter

__all__ = ["Patterns", "read_patterns", "read_rule_pattern"]

MOST_PATTERNS = 5
LONGEST = 4_096
EVENTBRIDGE = Dialect(EVENT_OPERATORS, keys=LONGEST, combinations=1_000, by_values=False)
"""Its length bounds a pattern; but `$or` within `$or` would make millions of alternatives of it."""


class Choice(NamedTuple):
    """One alternative. kind: what the body must be, "text" or "object"; "" where it says nothing of the body."""

    alternative: Alternative
    kind: str


class Patterns:
    """Compiled patterns. `given`: as they were written."""

    def __init__(self, given: list[Mapping[str, Any]], filters: list[Filter]) -> None:
        self.given = given
        self._choices = [
            Choice(one, kind) for each in filters for one in each.alternatives if (kind := kind_of(one)) is not None
        ]
        self._reads_body = any(choice.kind for choice in self._choices)

    def matches(self, record: Mapping[str, Any]) -> bool:
        """Whether a message passes. Cost: O(size of the record + values of the patterns)."""
        kind, body = look_at(record["body"]) if self._reads_body else ("", "")
        fields = read_body({**record, "body": body})
        if fields is None:
            return False
        return any(
            choice.kind in ("", kind) and holds(choice.alternative, fields)
            for choice in self._choices  # few
        )


def look_at(body: str) -> tuple[str, Any]:
    """What kind of body it is, and what patterns see of it."""
    value = parsed(body) if body.lstrip()[:1] in ("{", "[") else None
    if isinstance(value, dict):
        return "object", cast("dict[str, Any]", value)
    return ("array", {}) if isinstance(value, list) else ("text", body)


def kind_of(alternative: Alternative) -> str | None:
    """What it wants the body to be; None where it wants both, and so nothing."""
    kinds = {"text" if leaf.key == "body" else "object" for leaf in alternative if leaf.key.partition(".")[0] == "body"}
    return None if len(kinds) > 1 else next(iter(kinds), "")


def read_patterns(given: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Patterns:
    """One pattern, or up to five; each at most 4,096 characters of JSON. Raises TypeError, ValueError, InvalidFilter."""
    patterns = [given] if isinstance(given, Mapping) else list(given)
    if not 1 <= len(patterns) <= MOST_PATTERNS:
        raise ValueError(f"filter must be a pattern or a list of 1 to {MOST_PATTERNS}, not of {len(patterns)}")
    return Patterns(patterns, [read_pattern(one) for one in patterns])


def read_pattern(one: Mapping[str, Any]) -> Filter:
    read = compile(one, "body", dialect=EVENTBRIDGE)
    if len(read.text) > LONGEST:
        raise InvalidFilter("", reason=f"Filter pattern can not have more than {LONGEST} characters")
    return read


def read_rule_pattern(text: str) -> Filter:
    """The pattern of a rule, from its JSON; `matches(event)` asks it. Raises InvalidFilter with EventBridge's reason."""
    import json  # here, because few programs have rules

    try:
        given: Any = json.loads(text, parse_constant=refused)
    except (ValueError, RecursionError):
        raise InvalidFilter("", reason="Invalid JSON") from None
    if not isinstance(given, dict):
        raise InvalidFilter("", reason="Filter is not an object")
    if not given:
        raise InvalidFilter("", reason="Empty objects are not allowed")
    return compile(cast("dict[str, Any]", given), "body", dialect=EVENTBRIDGE)
