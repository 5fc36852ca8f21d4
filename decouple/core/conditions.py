"""Conditions of policies: the operators, and what they say when a key is missing or has several values.

Operators and keys of a statement must all hold (AND); the values of one key are alternatives (OR), for a negated
operator none of them may match (NOR). A key the request does not have fails a positive operator and satisfies a
negated one, `...IfExists` and `ForAllValues:`. Source: IAM user guide, "Condition operators" and "Set operators".
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from decouple.core.patterns import Context, Match, as_list, one_of, pattern
from decouple.core.records import EPOCH

__all__ = ["Condition", "conditions", "context_values"]

# Makes the test of one request value from a value of the policy and whether that may hold policy variables.
Reader: TypeAlias = Callable[[str, bool], Match]


class Condition(NamedTuple):
    """One operator on one key. quantifier: `all` or `any` of the request's values; missing: what it says without any."""

    key: str
    match: Match
    negated: bool
    quantifier: Callable[..., bool]
    missing: bool

    def holds(self, context: Context) -> bool:
        """Whether a request with this context satisfies it."""
        values = context.get(self.key, ())
        if not values:
            return self.missing
        return self.quantifier(self.match(value, context) is not self.negated for value in values)


def conditions(element: Any, *, variables: bool) -> tuple[Condition, ...]:
    """The conditions of a statement's Condition element. Raises ValueError, TypeError naming what is wrong."""
    return tuple(
        condition(name, key, values, variables)
        for name, keys in mapping(element, "Condition").items()
        for key, values in mapping(keys, f"Condition {name}").items()
    )


def mapping(element: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(element, Mapping):
        raise TypeError(f"{what} must be an object, not {element!r:.80}")
    return element  # pyright: ignore[reportUnknownVariableType]  # JSON


def condition(name: str, key: str, values: Any, variables: bool) -> Condition:
    qualifier, _, rest = name.rpartition(":")
    bare = rest.removesuffix("IfExists")
    if bare not in OPERATORS or qualifier not in ("", "ForAllValues", "ForAnyValue") or (bare == "Null" != name):
        raise ValueError(
            f"{name!r} is not a condition operator: there are {', '.join(OPERATORS)}; any but Null may end in IfExists "
            f"and begin with ForAllValues: or ForAnyValue:"
        )
    reader, negated = OPERATORS[bare]
    texts = texts_of(name, key, values)
    match = one_of([read(reader, name, key, text, variables) for text in texts])
    if bare == "Null":
        wanted = {text.lower() for text in texts}
        return Condition(key.lower(), always("false" in wanted), False, any, "true" in wanted)
    every = qualifier == "ForAllValues" or (negated and not qualifier)
    missing = rest != bare or qualifier == "ForAllValues" or (negated and not qualifier)
    return Condition(key.lower(), match, negated, all if every else any, missing)


def always(answer: bool) -> Match:
    return lambda _value, _context: answer


def texts_of(name: str, key: str, values: Any) -> list[str]:
    """The values a policy gives for a key, as text: JSON may also have them as numbers and booleans."""
    given = as_list(values)
    if not key or not given or not all(isinstance(value, (str, bool, int, float)) for value in given):
        raise TypeError(f"{name} {key!r} must have text or a list of texts, not {values!r:.80}")
    return [text_of(value) for value in given]


def text_of(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def context_values(value: Any) -> tuple[str, ...]:
    """The values of one key of a request's context, as text. Raises TypeError."""
    given = as_list(list(value) if isinstance(value, (tuple, set, frozenset)) else value)  # pyright: ignore[reportUnknownArgumentType]
    for one in given:
        if not isinstance(one, (str, int, float, datetime)):
            raise TypeError(
                f"a context value must be text, a number, a bool, a datetime or a list of them, not {one!r}"
            )
    return tuple(one.isoformat() if isinstance(one, datetime) else text_of(one) for one in given)


def read(reader: Reader, name: str, key: str, text: str, variables: bool) -> Match:
    try:
        return reader(text, variables)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name} {key!r}: {error}") from None


# -- what operators compare ------------------------------------------------------------------------------------------


def words(text: str, variables: bool, *, wild: bool = False, fold: bool = False, arn: bool = False) -> Match:
    return pattern(text, wild=wild, variables=variables, fold=fold, arn=arn)


def boolean(text: str, _: bool) -> Match:
    wanted = text.lower()
    if wanted not in ("true", "false"):
        raise ValueError(f"expected true or false, not {text!r}")
    return lambda value, _: value.lower() == wanted


def ordered(
    text: str, _: bool, *, parse: Callable[[str], Any], compare: Callable[[Any, Any], bool] = operator.eq
) -> Match:
    """Compare with the policy's value, when both can be read; a request's value that cannot be read never matches."""
    limit = parse(text)

    def match(value: str, _: Context) -> bool:
        try:
            found = parse(value)
        except (ValueError, OverflowError):
            return False
        return compare(found, limit)

    return match


def number(text: str) -> int | float:
    if not re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?", text.strip()):
        raise ValueError(f"{text!r:.40} is not a number")
    return float(text) if "." in text else int(text)


def date(text: str) -> datetime:
    """An instant: ISO 8601 from a year alone to a fraction of a second, UTC where no offset is given, or seconds since 1970."""
    text = text.strip()
    if re.fullmatch(r"[0-9]{4}(-[0-9]{2})?", text):
        text += "-01-01" if len(text) == 4 else "-01"
    elif re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        return EPOCH + timedelta(seconds=float(text))
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def address(text: str, _: bool) -> Match:
    from ipaddress import ip_address, ip_network  # here, because few policies have one

    network = ip_network(text, strict=False)

    def match(value: str, _: Context) -> bool:
        try:
            return ip_address(value) in network
        except ValueError:
            return False

    return match


Operators: TypeAlias = dict[str, tuple[Reader, bool]]


def comparisons(kind: str, parse: Callable[[str], Any]) -> Operators:
    return {
        f"{kind}Equals": (partial(ordered, parse=parse), False),
        f"{kind}NotEquals": (partial(ordered, parse=parse), True),
        f"{kind}LessThan": (partial(ordered, parse=parse, compare=operator.lt), False),
        f"{kind}LessThanEquals": (partial(ordered, parse=parse, compare=operator.le), False),
        f"{kind}GreaterThan": (partial(ordered, parse=parse, compare=operator.gt), False),
        f"{kind}GreaterThanEquals": (partial(ordered, parse=parse, compare=operator.ge), False),
    }


OPERATORS: Operators = {
    "StringEquals": (words, False),
    "StringNotEquals": (words, True),
    "StringEqualsIgnoreCase": (partial(words, fold=True), False),
    "StringNotEqualsIgnoreCase": (partial(words, fold=True), True),
    "StringLike": (partial(words, wild=True), False),
    "StringNotLike": (partial(words, wild=True), True),
    **comparisons("Numeric", number),
    **comparisons("Date", date),
    "Bool": (boolean, False),
    "IpAddress": (address, False),
    "NotIpAddress": (address, True),
    # AWS: ArnEquals and ArnLike behave identically.
    "ArnEquals": (partial(words, wild=True, arn=True), False),
    "ArnLike": (partial(words, wild=True, arn=True), False),
    "ArnNotEquals": (partial(words, wild=True, arn=True), True),
    "ArnNotLike": (partial(words, wild=True, arn=True), True),
    "Null": (boolean, False),
}
"""By name: how a value of the policy is read, and whether the operator is the negation of matching."""
