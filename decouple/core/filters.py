"""Filter policies of subscriptions, as SNS reads them: compiled once, then asked of every message.

    policy = compile({"type": ["created", {"prefix": "re"}], "price": [{"numeric": [">=", 100]}]})
    policy.matches({"type": "refunded", "price": 120})       # True
    print(policy.explain({"type": "refunded", "price": 99}))

All keys must hold (AND), and of the values of a key at least one (OR); `$or` gives alternatives at any level. A compiled
policy is its alternatives written out, at most 150 of them. In the scope "attributes" keys are the names of attributes; in
"body" they are the fields of a JSON object, nested or joined by dots, and keys below one array of objects must hold in the
same element of it. The empty policy takes every message; any other takes no body that is not an object.

Source: SNS developer guide, "Amazon SNS message filtering" and "Filter policy constraints". Different from AWS: a change
applies at once; of numbers in a message every digit counts, and they have no bounds; text in a policy is compared as it
is, without the second unescaping of quotes and backslashes that attribute policies have on AWS.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# What JSON holds is known when it is looked at, not before.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from decouple.core.fields import Atom, Fields, Place, read_attributes, read_body
from decouple.core.filter_patterns import OPERATORS, Operators, Pattern, pattern, refuse, shown

__all__ = [
    "Alternative",
    "Branch",
    "Dialect",
    "Explanation",
    "Filter",
    "KeyReason",
    "Leaf",
    "Scope",
    "compile",
    "fields_of",
]

MOST_BYTES = 262_144
DEEPEST = 100
TOO_COMPLEX = "Filter policy is too complex"

Scope: TypeAlias = Literal["attributes", "body"]


class Dialect(NamedTuple):
    """What a service lets policies say. keys: at the top of a nested one; combinations: values of all keys multiplied, or,
    if it does not count by values, the alternatives of `$or` alone.
    """

    operators: Operators = OPERATORS
    keys: int = 5
    combinations: int = 150
    by_values: bool = True


SNS = Dialect()


class Leaf(NamedTuple):
    """A key and what it may be. missing: holds also, or only, when the message does not have it."""

    key: str
    patterns: tuple[Pattern, ...]
    missing: bool

    def holds(self, values: list[Atom] | None) -> bool:
        """Whether one of the values is what the policy says."""
        if not values:
            return self.missing
        for value in values:  # a generator would double the cost of the usual single value
            for one in self.patterns:
                if one.test(value):
                    return True
        return False


Alternative: TypeAlias = tuple[Leaf, ...]


class KeyReason(NamedTuple):
    """Why one key of a policy holds or does not."""

    key: str
    matched: bool
    why: str


class Branch(NamedTuple):
    """One alternative of a policy. why: what is wrong where every key holds and still the whole does not."""

    matched: bool
    keys: tuple[KeyReason, ...]
    why: str = ""


class Explanation(NamedTuple):
    """Why a message matches a policy or does not; `branches` has more than one entry where the policy has `$or`."""

    matched: bool
    branches: tuple[Branch, ...]
    why: str = ""

    def __str__(self) -> str:
        lines = [f"the message {'matches' if self.matched else 'does not match'}{self.why and f': {self.why}'}"]
        for number, branch in enumerate(self.branches, 1):
            if len(self.branches) > 1:
                lines.append(f"alternative {number} {'holds' if branch.matched else 'does not hold'}")
            lines += [f"  {'yes' if key.matched else 'no '} {key.key}: {key.why}" for key in branch.keys]
            lines += [f"  no  {branch.why}"] if branch.why else []
        return "\n".join(lines)


class Filter:
    """A compiled policy. text: the policy in JSON; alternatives: what it says, `$or` written out."""

    __slots__ = ("alternatives", "scope", "text")

    scope: Scope
    text: str
    alternatives: tuple[Alternative, ...]

    def __init__(self, scope: Scope, text: str, alternatives: tuple[Alternative, ...]) -> None:
        self.scope = scope
        self.text = text
        self.alternatives = alternatives

    def __repr__(self) -> str:
        return f"<Filter of {self.scope}: {self.text}>"

    def matches(self, message: Any) -> bool:
        """Whether the message passes. message: its attributes, or its body parsed from JSON; or `fields_of` them.

        Cost: O(size of the message + values of the policy). Never raises for what a message holds.
        """
        if self.alternatives == EVERYTHING:
            return True
        fields = fields_of(message, self.scope)
        return fields is not None and any(holds(one, fields) for one in self.alternatives)

    def explain(self, message: Any) -> Explanation:
        """What `matches` says of the message, with the reason for each key."""
        if self.alternatives == EVERYTHING:
            return Explanation(True, (), "the policy is empty")
        fields = fields_of(message, self.scope)
        if fields is None:
            return Explanation(False, (), "the body is not a JSON object")
        branches = tuple(branch(one, fields) for one in self.alternatives)
        return Explanation(any(one.matched for one in branches), branches)


EVERYTHING: tuple[Alternative, ...] = ((),)


def fields_of(message: Any, scope: Scope) -> Fields | None:
    """What policies of that scope see of a message: read once, asked of many. None: nothing of it can match."""
    if isinstance(message, Fields):
        return message
    return read_attributes(message) if scope == "attributes" else read_body(message)


def holds(alternative: Alternative, fields: Fields) -> bool:
    """Whether all keys hold, and those below one array in the same element."""
    values = fields.values
    for leaf in alternative:
        if not leaf.holds(values.get(leaf.key)):
            return False
    return fields.places is None or len(alternative) < 2 or together(alternative, fields, fields.places)


# -- arrays of objects -----------------------------------------------------------------------------------------------


def together(alternative: Alternative, fields: Fields, places: Mapping[str, list[Place]]) -> bool:
    """Whether elements can be chosen, one of each array, in which all keys hold. Cost: O(values met), few keys given.

    From the innermost elements out: the sets of keys that an element can satisfy are those of its own values joined
    with a choice from each array in it. Trying all combinations of values instead is quadratic in the array.
    """
    own: dict[Place, int] = {(): 0}
    for number, leaf in enumerate(alternative):
        found = fields.values.get(leaf.key)
        if not found:
            own[()] |= 1 << number  # holds because the key is missing, wherever one looks
            continue
        for value, place in zip(found, places[leaf.key], strict=True):
            if any(one.test(value) for one in leaf.patterns):
                own[place] = own.get(place, 0) | 1 << number
    for place in list(own):
        for length in range(len(place)):
            own.setdefault(place[:length], 0)
    choices: dict[Place, dict[int, set[int]]] = {place: {} for place in own}
    for place in sorted(own, key=len, reverse=True):
        met = {own[place]}
        for choice in choices[place].values():
            met = largest({one | other for one in met for other in choice})
        if not place:
            return (1 << len(alternative)) - 1 in met
        array = place[-1][0]
        above = choices[place[:-1]]
        above[array] = largest(above.get(array, set()) | met)
    raise AssertionError("the message itself is a place")


def largest(sets: set[int]) -> set[int]:
    """Without those that are part of another."""
    if len(sets) < 2:
        return sets
    return {one for one in sets if not any(one != other and one | other == other for other in sets)}


# -- explaining ------------------------------------------------------------------------------------------------------


def branch(alternative: Alternative, fields: Fields) -> Branch:
    reasons = tuple(reason(leaf, fields.values.get(leaf.key)) for leaf in alternative)
    matched = holds(alternative, fields)
    apart = not matched and all(one.matched for one in reasons)
    return Branch(matched, reasons, "no one element of an array has them all together" if apart else "")


def reason(leaf: Leaf, values: list[Atom] | None) -> KeyReason:
    wanted = " or ".join(one.text for one in leaf.patterns)
    if not values:
        return KeyReason(leaf.key, leaf.missing, f"it is missing, and the policy wants {wanted}")
    for value in values:
        for one in leaf.patterns:
            if one.test(value):
                return KeyReason(leaf.key, True, f"{said(value)} is what {one.text} wants")
    found = ", ".join(said(value) for value in values[:3]) + (", ..." if len(values) > 3 else "")
    return KeyReason(leaf.key, False, f"{found} is not what the policy wants: {wanted}")


def said(value: Atom) -> str:
    return repr(value) if isinstance(value, str) else str(getattr(value, "value", value))


# -- compiling -------------------------------------------------------------------------------------------------------


def compile(policy: Mapping[str, Any], scope: Scope = "attributes", *, dialect: Dialect = SNS) -> Filter:
    """The filter for a policy, which it shares nothing with. Cost: O(its size).

    At most 5 keys (of a nested policy those at the top), 150 combinations (values of all keys multiplied, in the body
    each list times its depth; alternatives of `$or` added), where the dialect is SNS's, and 256 KiB of JSON.
    Raises TypeError, ValueError, InvalidFilter with the place and AWS's reason.
    """
    if scope not in ("attributes", "body"):
        raise ValueError(f"a filter's scope must be 'attributes' or 'body', not {scope!r}")
    if not isinstance(policy, Mapping):
        raise TypeError(f"a filter policy must be a mapping of keys to lists of values, not {policy!r:.80}")
    if len(policy) > dialect.keys:
        refuse("", f"Filter policy can not have more than {dialect.keys} keys")
    given = dict(policy)
    alternatives, _ = read(given, Position("", "", 1, scope, 0, dialect))
    text = shown(given, "")
    if size_of(text) > MOST_BYTES:
        refuse("", f"Filter policy can not have more than {MOST_BYTES} bytes")
    return Filter(scope, text, tuple(alternatives))


class Position(NamedTuple):
    """Where in a policy one reads. key: the key so far, joined by dots; path: the same for people, with `$or[0]`."""

    key: str
    path: str
    depth: int
    scope: Scope
    inside: int
    dialect: Dialect = SNS

    def at(self, key: str) -> tuple[str, str]:
        return (f"{self.key}.{key}" if self.key else key), (f"{self.path}.{key}" if self.path else key)


Read: TypeAlias = tuple[list[Alternative], int]


def read(policy: dict[Any, Any], here: Position) -> Read:
    """The alternatives of a policy or of an object in it, and how many combinations AWS counts."""
    if here.inside > DEEPEST:
        refuse("", TOO_COMPLEX)  # depth multiplies: AWS cannot get as far
    found: list[Alternative] = [()]
    total = 1
    for key, value in policy.items():
        options, many = read_key(key, value, here, here.dialect.combinations // total)
        total *= many
        check_complexity(total, here.dialect.combinations)
        found = [(*one, *option) for one in found for option in options]
    return found, total


def check_complexity(combinations: int, most: int) -> None:
    if combinations > most:
        refuse("", TOO_COMPLEX)


def read_key(key: Any, value: Any, here: Position, left: int) -> Read:
    """The same for one key. left: how many more combinations its list may bring."""
    if not isinstance(key, str):
        refuse(here.path, f"keys must be text, not {key!r}")
    name, path = here.at(key)
    if isinstance(value, dict):
        return read_object(value, here._replace(key=name, path=path, depth=here.depth + 1))
    if not isinstance(value, (list, tuple)):
        refuse(path, f'"{key}" must be an object or an array')
    values: list[Any] = list(value)
    if not values:
        refuse(path, "Empty arrays are not allowed")
    if key == "$or" and gives_alternatives(values, here.dialect.operators):
        return read_alternatives(values, here, path)
    many = here.depth * len(values) if here.dialect.by_values else 1
    if many > left:
        refuse("", TOO_COMPLEX)
    patterns = tuple(pattern(one, f"{path}[{number}]", here.dialect.operators) for number, one in enumerate(values))
    return [(Leaf(name, patterns, any(one.kind == "missing" for one in patterns)),)], many


def gives_alternatives(values: list[Any], operators: Operators) -> bool:
    """Whether the array of a `$or` is one of alternatives; with fewer than two, or operators in it, `$or` is a plain key."""
    return len(values) > 1 and all(isinstance(one, dict) and operators.keys().isdisjoint(one) for one in values)


def read_alternatives(values: list[Any], here: Position, path: str) -> Read:
    options: list[Alternative] = []
    many = 0
    for number, one in enumerate(values):
        more, combinations = read_object(one, here._replace(path=f"{path}[{number}]"))
        options += more
        many += combinations
        check_complexity(many, here.dialect.combinations)
    return options, many


def read_object(value: dict[Any, Any], there: Position) -> Read:
    if there.scope == "attributes" and there.depth > 1:
        refuse(there.path, "Filter policy scope MessageAttributes does not support nested filter policy")
    if not value:
        refuse(there.path, "Empty objects are not allowed")
    return read(value, there._replace(inside=there.inside + 1))


def size_of(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        refuse("", "a lone surrogate cannot be encoded in UTF-8")
