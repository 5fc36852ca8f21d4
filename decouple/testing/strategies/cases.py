"""Messages for a policy: that pass it, or that do not.

To pass, a message meets one alternative of the policy: for each key a value that one of its patterns wants, made from the
pattern. To be filtered out, it is such a message in which a key of each alternative is made wrong, so it is often a near miss.
"""

# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# What hypothesis hands to a function, and what JSON holds, is known when it is looked at, not before.

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any, NamedTuple, TypeAlias

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from decouple.core.fields import atom
from decouple.core.filter_patterns import STEPS, position
from decouple.core.filters import Alternative, Filter, Leaf, Scope, compile
from decouple.testing.strategies.contents import numbers, texts
from decouple.testing.strategies.grammar import filter_policies

__all__ = ["FilterCase", "filter_cases", "filtered_out", "passing"]

FAR = 2 * STEPS * 10**6
"""How far from the one limit of a numeric its values are drawn."""
Values: TypeAlias = "dict[str, list[Any]]"
"""By key what stands there; no entry: nothing."""


class FilterCase(NamedTuple):
    """A policy, a message (attributes, or the body), and whether it passes."""

    policy: dict[str, Any]
    message: dict[str, Any]
    matches: bool


def filter_cases(*, scope: Scope = "attributes", matches: bool | None = None) -> SearchStrategy[FilterCase]:
    """A policy with a message. matches: only those that pass, or only those that do not; None: of both."""
    if matches is None:
        return filter_cases(scope=scope, matches=True) | filter_cases(scope=scope, matches=False)
    draw_message = passing if matches else filtered_out
    return filter_policies(scope=scope, min_keys=0 if matches else 1).flatmap(
        lambda policy: draw_message(policy, scope=scope).map(lambda message: FilterCase(policy, message, matches))
    )


def passing(policy: Mapping[str, Any], *, scope: Scope = "attributes") -> SearchStrategy[dict[str, Any]]:
    """Attributes, or bodies, that pass this policy. Raises InvalidFilter, TypeError, ValueError."""
    return drawn(compile(policy, scope), wanted=True)


def filtered_out(policy: Mapping[str, Any], *, scope: Scope = "attributes") -> SearchStrategy[dict[str, Any]]:
    """Attributes, or bodies, that do not pass this policy, many of them nearly. Raises as `passing`; ValueError for {}."""
    filter = compile(policy, scope)
    if not policy:
        raise ValueError("the empty policy takes every message: none is filtered out")
    return drawn(filter, wanted=False)


@st.composite
def drawn(draw: DrawFn, filter: Filter, *, wanted: bool) -> dict[str, Any]:
    """A message with which the filter does as wanted."""
    values = met(draw, draw(st.sampled_from(filter.alternatives)))
    if not wanted:
        spoil(draw, filter, values)
    message = built(draw, values, filter.scope)
    if filter.matches(message) is not wanted:  # policies of one's own may contradict themselves
        message = {}
    assume(filter.matches(message) is wanted)
    return message


# -- to pass -----------------------------------------------------------------------------------------------------------


def met(draw: DrawFn, alternative: Alternative) -> Values:
    """For each key of the alternative a value that one of its patterns wants."""
    values: Values = {}
    for leaf in alternative:
        pattern = json.loads(draw(st.sampled_from(leaf.patterns)).text)
        if pattern != {"exists": False}:
            values.setdefault(leaf.key, []).append(draw(meeting(pattern)))
    return values


def meeting(pattern: Any) -> SearchStrategy[Any]:
    """The plain values that this pattern of a policy wants."""
    if not isinstance(pattern, dict):
        return st.just(pattern)
    operator, operand = only(pattern)
    match operator:
        case "prefix":
            return texts().map(lambda text: f"{operand}{text}")
        case "suffix":
            return texts().map(lambda text: f"{text}{operand}")
        case "equals-ignore-case":
            return st.sampled_from(spellings(operand))
        case "exists":
            return texts() | numbers() | st.booleans() | st.none()
        case "anything-but":
            return (texts() | numbers()).filter(lambda value: not is_unwanted(value, operand))
        case "numeric":
            return st.integers(*bounds(operand)).map(number_of)
        case _:
            network = ip_network(operand, strict=False)
            return st.integers(0, network.num_addresses - 1).map(lambda at: str(network[at]))


def only(expression: dict[str, Any]) -> tuple[str, Any]:
    """The operator and its operand."""
    [found] = expression.items()
    return found


def spellings(text: str) -> list[str]:
    folded = text.casefold()
    return [one for one in (text, text.upper(), text.lower(), folded) if one.casefold() == folded]


def is_unwanted(value: Any, operand: Any) -> bool:
    if isinstance(operand, dict):
        return isinstance(value, str) and value.startswith(operand["prefix"])
    return any(atom(value) == atom(one) for one in (operand if isinstance(operand, list) else [operand]))


def bounds(terms: list[Any]) -> tuple[int, int]:
    """From which position to which a numeric goes: see `position`."""
    low, high = None, None
    for operator, limit in zip(terms[::2], terms[1::2], strict=True):
        at = position(atom(limit))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # it is a number
        if operator in (">", ">=", "="):
            low = at + (operator == ">")
        if operator in ("<", "<=", "="):
            high = at - (operator == "<")
    if low is None:
        assert high is not None
        low = high - FAR
    return low, low + FAR if high is None else high


def number_of(position: int) -> int | float:
    """The number at a position: even ones are whole steps, odd ones lie between two."""
    return position // (2 * STEPS) if position % (2 * STEPS) == 0 else position / (2 * STEPS)


# -- not to pass -------------------------------------------------------------------------------------------------------


def spoil(draw: DrawFn, filter: Filter, values: Values) -> None:
    """Make a key wrong of every alternative that holds."""
    for alternative in filter.alternatives:
        if all(leaf.holds([atom(one) for one in values.get(leaf.key, [])]) for leaf in alternative):
            wrong = [(leaf.key, value) for leaf in alternative for value in breaking(leaf)]
            if wrong:
                key, value = draw(st.sampled_from(wrong))
                values[key] = value


def breaking(leaf: Leaf) -> list[list[Any]]:
    """What may stand at its key so that it does not hold, simplest first."""
    near = [value for pattern in leaf.patterns for value in beside(json.loads(pattern.text))]
    found: list[list[Any]] = [] if leaf.missing else [[]]
    return found + [[value] for value in ["0", 0, True, None, *near] if not leaf.holds([atom(value)])]


def beside(pattern: Any) -> list[Any]:
    """Values that this pattern nearly wants, or that it does not want."""
    if isinstance(pattern, str):
        return [f"{pattern}0", pattern.swapcase(), pattern[1:]]
    if isinstance(pattern, (int, float)):
        return [str(pattern), pattern + 1, -pattern]
    if not isinstance(pattern, dict):
        return [str(pattern)]
    operator, operand = only(pattern)
    match operator:
        case "prefix" | "suffix" | "equals-ignore-case":
            return [f"0{operand}", f"{operand}0", operand.swapcase(), operand[1:]]
        case "numeric":
            low, high = bounds(operand)
            return [number_of(low - 1), number_of(high + 1)]
        case "anything-but":
            unwanted = operand["prefix"] if isinstance(operand, dict) else operand
            return unwanted if isinstance(unwanted, list) else [unwanted]
        case _:
            return []


# -- a message of values -----------------------------------------------------------------------------------------------


def built(draw: DrawFn, values: Values, scope: Scope) -> dict[str, Any]:
    """A message that has these values at these keys, and perhaps something beside them."""
    if scope == "attributes":
        message = {key: as_attribute(draw, found) for key, found in values.items() if found}
    else:
        tree = Tree()
        for key, found in values.items():
            tree.at(key.split(".")).values += found
        message = {name: inner.rendered(draw) for name, inner in tree.inner.items() if inner.has_any}
    if draw(st.integers(0, 3)) == 3:
        message["Other"] = draw(texts(min_size=1))  # no key of a drawn policy has capitals
    return message


def as_attribute(draw: DrawFn, found: list[Any]) -> Any:
    """One value as itself, where attributes have its type and it is not empty; else all as an array."""
    [first, *more] = found
    alone = isinstance(first, (str, int, float)) and not isinstance(first, bool) and first != "" and not more
    return first if alone and draw(st.integers(0, 3)) < 3 else found


class Tree:
    """What stands at a place of a body: values, and fields of an object."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.inner: dict[str, Tree] = {}

    def at(self, path: list[str]) -> Tree:
        tree = self
        for name in path:
            tree = tree.inner.setdefault(name, Tree())
        return tree

    @property
    def has_any(self) -> bool:
        return bool(self.values) or any(one.has_any for one in self.inner.values())

    def rendered(self, draw: DrawFn) -> Any:
        """As JSON holds it; what may be one value or an array of one is either."""
        fields = {name: one.rendered(draw) for name, one in self.inner.items() if one.has_any}
        found = [*self.values, *([fields] if fields else [])]
        return found[0] if len(found) == 1 and draw(st.integers(0, 3)) < 3 else found
