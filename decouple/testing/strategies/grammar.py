"""Filter policies: the whole grammar of SNS, valid by construction, within its quotas.

A policy is drawn level by level. Each level is told how many combinations are left to it of SNS's 150, and draws no more,
so nothing drawn has to be thrown away.
"""

# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# What hypothesis hands to a function, and what JSON holds, is known when it is looked at, not before.

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Address, IPv6Address
from string import ascii_lowercase
from typing import Any, TypeAlias

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from decouple.core.filter_patterns import HIGHEST, OPERATORS, STEPS
from decouple.core.filters import SNS, Scope
from decouple.testing.strategies.contents import CONSTANTS, numbers, texts

__all__ = ["filter_policies", "patterns"]

DEEPEST = 2
MOST_VALUES = 4
Drawn: TypeAlias = "tuple[dict[str, Any], int]"
"""A policy, or an object in one, and its combinations."""


def filter_policies(*, scope: Scope = "attributes", min_keys: int = 0) -> SearchStrategy[dict[str, Any]]:
    """What `subscribe(filter=..., filter_scope=scope)` takes. In the scope "body" keys may be nested, or joined by dots.

    min_keys: 1 for none that takes every message. It shrinks to few keys, to few values, to text.
    """
    if scope not in ("attributes", "body"):
        raise ValueError(f"a filter's scope must be 'attributes' or 'body', not {scope!r}")
    return policies(scope, min_keys)


@st.composite
def policies(draw: DrawFn, scope: Scope, least: int) -> dict[str, Any]:
    return Levels(draw, scope).level(1, SNS.combinations, least, SNS.keys)[0]


class Levels:
    """A policy that is being drawn."""

    def __init__(self, draw: DrawFn, scope: Scope) -> None:
        self._draw = draw
        self._scope = scope
        self._taken: set[str] = set()

    def level(self, depth: int, left: int, least: int, most: int, inside: int = 0) -> Drawn:
        """The keys of an object at that depth; left: the combinations it may have. It has at least depth of them.

        inside: in how many objects of the policy it is.
        """
        policy: dict[str, Any] = {}
        total = 1
        for _ in range(self._draw(st.integers(least, most))):
            room = left // total
            if room < depth:
                break
            key, value, many = self._key(depth, room, inside, with_or="$or" not in policy)
            policy[key] = value
            total *= many
        return policy, total

    def _key(self, depth: int, room: int, inside: int, *, with_or: bool) -> tuple[str, Any, int]:
        kinds = ["values"] * 4
        if inside < DEEPEST:
            kinds += ["object"] if self._scope == "body" and room > depth else []
            kinds += ["or"] if with_or and room >= 2 * depth else []
        match self._draw(st.sampled_from(kinds)):
            case "or":
                options, many = self._alternatives(depth, room, inside + 1)
                return "$or", options, many
            case "object":
                inner, many = self.level(depth + 1, room, 1, 3, inside + 1)
                return self._name(), inner, many
            case _:
                values = self._draw(lists_of_patterns(min(MOST_VALUES, room // depth)))
                return self._name(dotted=True), values, depth * len(values)

    def _alternatives(self, depth: int, room: int, inside: int) -> tuple[list[dict[str, Any]], int]:
        count = self._draw(st.integers(2, min(3, room // depth)))
        drawn = [self.level(depth, room // count, 1, 2, inside) for _ in range(count)]
        return [policy for policy, _ in drawn], sum(many for _, many in drawn)

    def _name(self, *, dotted: bool = False) -> str:
        """A key that this policy does not have yet, so that no two of its conditions contradict each other."""
        name = self._draw(KEYS)
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return f"{name}.{self._draw(KEYS)}" if dotted and self._draw(st.integers(0, 9)) == 9 else name


def unlike_an_operator(key: str) -> str:
    """An alternative with such a key would be something else."""
    return f"{key}_" if key in OPERATORS else key


KEYS = st.text(ascii_lowercase, min_size=1, max_size=6).map(unlike_an_operator)


# -- the values of a key -----------------------------------------------------------------------------------------------


@cache
def limits() -> SearchStrategy[int | float]:
    """The numbers of a `numeric`: from -1e9 to 1e9, with five digits after the point."""
    return st.integers(-HIGHEST * STEPS, HIGHEST * STEPS).map(number_at)


def number_at(step: int) -> int | float:
    return step // STEPS if step % STEPS == 0 else step / STEPS


@cache
def numerics() -> SearchStrategy[list[Any]]:
    """An equality, one bound, or a lower and a higher upper one."""
    return (
        st.builds(lambda operator, limit: [operator, limit], st.sampled_from(["=", "<", "<=", ">", ">="]), limits())
        | ranges()
    )


@st.composite
def ranges(draw: DrawFn) -> list[Any]:
    bottom = draw(st.integers(-HIGHEST * STEPS, HIGHEST * STEPS - 1))
    top = draw(st.integers(bottom + 1, HIGHEST * STEPS))
    below, above = draw(st.sampled_from([">", ">="])), draw(st.sampled_from(["<", "<="]))
    return [below, number_at(bottom), above, number_at(top)]


def networks() -> SearchStrategy[str]:
    def text(address: IPv4Address | IPv6Address, mask: int) -> str:
        return f"{address}/{min(mask, address.max_prefixlen)}"

    return st.builds(text, st.ip_addresses(), st.integers(0, 32) | st.integers(0, 128))


@cache
def unwanted() -> SearchStrategy[Any]:
    """The operand of `anything-but`."""
    one = texts() | numbers()
    many = st.lists(texts(), min_size=1, max_size=3) | st.lists(numbers(), min_size=1, max_size=3)
    return one | many | st.fixed_dictionaries({"prefix": texts(min_size=1)})


@cache
def patterns() -> SearchStrategy[Any]:
    """One of the values that a policy lists for a key: a plain one, or an operator."""
    return (
        texts()
        | numbers()
        | CONSTANTS
        | st.fixed_dictionaries({"prefix": texts()})
        | st.fixed_dictionaries({"suffix": texts()})
        | st.fixed_dictionaries({"equals-ignore-case": texts()})
        | st.fixed_dictionaries({"exists": st.booleans()})
        | st.fixed_dictionaries({"anything-but": unwanted()})
        | st.fixed_dictionaries({"numeric": numerics()})
        | st.fixed_dictionaries({"cidr": networks()})
    )


@cache
def lists_of_patterns(most: int) -> SearchStrategy[list[Any]]:
    return st.lists(patterns(), min_size=1, max_size=most)
