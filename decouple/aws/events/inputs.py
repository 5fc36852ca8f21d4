"""What a target is given of an event: all of it, a constant, a part, or a template filled in.

A path is `$`, names after dots, names or numbers in brackets, `[*]` for all elements of an array. In a template `<name>` is
what the path of that name leads to: within quotation marks as text, outside of them, in a template of JSON, as JSON.
Source: EventBridge user guide, "Input transformation". Where it says nothing of a path that leads nowhere: that is "".
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What JSON holds is known when it is looked at, not before.

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from decouple.aws.errands import compact

__all__ = ["iso", "placeholders", "read_path", "said"]

STEP = re.compile(r"""\.([^.\[\]'"\s]+)|\[(\d{1,9}|\*)\]|\['([^'\]]*)'\]|\["([^"\]]*)"\]""")
PLACEHOLDER = re.compile(r"<([A-Za-z0-9_.-]+)>")
# A quotation mark that no backslash takes away, or a placeholder.
TOKEN = re.compile(r"""\\.|(")|<([A-Za-z0-9_.-]+)>""", re.DOTALL)

Steps: TypeAlias = "list[str | int | None]"
"""Names, positions, None for every element."""


def said(target: Mapping[str, Any], event: dict[str, Any], rule_arn: str, rule_name: str, now: datetime) -> str:
    """The text for a target."""
    if target.get("Input") is not None:
        return str(target["Input"])
    if target.get("InputPath") is not None:
        found = along(read_path(target["InputPath"]) or [], event)
        return compact(found[0] if found else None)
    transformer: Mapping[str, Any] | None = target.get("InputTransformer")
    if transformer is None:
        return compact(event)
    named = {name: value for name, value in event.items() if name != "detail"}
    values: dict[str, Any] = {
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule_name,
        "aws.events.event.ingestion-time": iso(now),
        "aws.events.event": named,
        "aws.events.event.json": event,
    }
    for name, path in (transformer.get("InputPathsMap") or {}).items():
        found = along(read_path(path) or [], event)
        values[name] = found[0] if found else ""
    return filled(transformer["InputTemplate"], values)


def iso(moment: datetime) -> str:
    """As events say when, of a moment in UTC: 2026-01-01T00:00:00Z."""
    return moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


# -- paths -----------------------------------------------------------------------------------------------------------


def read_path(path: str) -> Steps | None:
    """The steps of a JSONPath; None where it is none."""
    if not path.startswith("$"):
        return None
    steps: Steps = []
    at = 1
    while at < len(path):
        step = STEP.match(path, at)
        if step is None:
            return None
        name, index, single, double = step.groups()
        steps.append((None if index == "*" else int(index)) if index is not None else name or single or double or "")
        at = step.end()
    return steps


def along(steps: Steps, value: Any) -> list[Any]:
    """What the steps lead to, as a list of one; empty where they lead nowhere."""
    for number, step in enumerate(steps):
        if step is None:
            if not isinstance(value, list):
                return []
            rest = steps[number + 1 :]
            return [[found for element in value for found in along(rest, element)]]
        if isinstance(step, str):
            if not isinstance(value, dict) or step not in value:
                return []
            value = value[step]
        elif isinstance(value, list) and step < len(value):
            value = value[step]
        else:
            return []
    return [value]


# -- templates -------------------------------------------------------------------------------------------------------


def placeholders(template: str) -> set[str]:
    """The names in a template."""
    return set(PLACEHOLDER.findall(template))


def filled(template: str, values: Mapping[str, Any]) -> str:
    """The template with the values in it."""
    as_json = template.lstrip()[:1] in ("{", "[")
    quoted = False

    def fill(token: re.Match[str]) -> str:
        nonlocal quoted
        mark, name = token.groups()
        if mark is not None:
            quoted = not quoted
        if name is None or name not in values:
            return token[0]
        value = values[name]
        if as_json and not quoted:
            return compact(value)
        text = value if isinstance(value, str) else compact(value)
        return compact(text)[1:-1] if quoted else text

    return TOKEN.sub(fill, template)
