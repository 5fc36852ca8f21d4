"""Filter policies as SNS reads them: one row for each rule, then what refusals and explanations say.

Source: SNS developer guide, "Amazon SNS message filtering" with its pages on operators, "Filter policy constraints"; recorded
refusals of SNS; the README of Event Ruler for arrays of objects.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decouple import Attribute, InvalidFilter
from decouple.attributes import check_attributes
from decouple.core.fields import parsed
from decouple.core.filter_patterns import position
from decouple.core.filters import Position, Scope, compile, fields_of, read


def array(text: str) -> Attribute:
    return Attribute("String.Array", text)


# rule, policy, attributes that match, attributes that do not
ATTRIBUTES: list[tuple[str, dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]] = [
    ("the empty policy takes all", {}, [{}, {"a": "x"}], []),
    ("keys are AND-ed", {"a": ["x"], "b": [1]}, [{"a": "x", "b": 1, "c": "y"}], [{"a": "x"}, {"b": 1}, {}]),
    ("values are OR-ed", {"a": ["x", "y", 7]}, [{"a": "x"}, {"a": "y"}, {"a": 7}], [{"a": "z"}, {"a": "7"}]),
    ("text is case-sensitive", {"a": ["Ab"]}, [{"a": "Ab"}], [{"a": "ab"}, {"a": "AB"}]),
    ("key names are case-sensitive", {"a": ["x"]}, [{"a": "x"}], [{"A": "x"}]),
    ("a key with a dot is one name", {"a.b": ["x"]}, [{"a.b": "x"}], [{"a": "x"}]),
    ("a number is not its text", {"a": [5]}, [{"a": 5}, {"a": 5.0}, {"a": Decimal("5.00")}], [{"a": "5"}]),
    ("text is not a number", {"a": ["5"]}, [{"a": "5"}], [{"a": 5}]),
    ("a Number attribute is a number", {"a": [5]},
     [{"a": Attribute("Number", "5.0")}], [{"a": Attribute("String", "5")}]),
    ("custom labels keep the type", {"a": [7, "7"]},
     [{"a": Attribute("Number.cents", "07")}, {"a": Attribute("String.id", "7")}],
     [{"a": Attribute("String", "07")}]),
    ("decimals are exact", {"a": [0.3]}, [{"a": 0.3}, {"a": Decimal("0.3")}, {"a": Attribute("Number", "3e-1")}],
     [{"a": 0.1 + 0.2}, {"a": Decimal("0.30000000000000001")}]),
    ("large numbers are exact", {"a": [9007199254740993]}, [{"a": 9007199254740993}], [{"a": 9007199254740992}]),
    ("true is not 1 and not text", {"a": [True]}, [{"a": [True]}], [{"a": 1}, {"a": "true"}, {"a": [1]}]),
    ("1 is not true", {"a": [1]}, [{"a": [1]}], [{"a": [True]}]),
    ("false and null", {"a": [False, None]}, [{"a": [False]}, {"a": [None]}], [{"a": [0]}, {"a": "null"}, {}]),
    ("prefix", {"a": [{"prefix": "re"}]}, [{"a": "re"}, {"a": "refund"}], [{"a": "Re"}, {"a": "more"}, {"a": 5}, {}]),
    ("an empty prefix is any text", {"a": [{"prefix": ""}]}, [{"a": "x"}], [{"a": 5}, {}]),
    ("suffix", {"a": [{"suffix": "ed"}]}, [{"a": "ed"}, {"a": "paid, shipped"}], [{"a": "edit"}, {"a": 5}, {}]),
    ("equals-ignore-case", {"a": [{"equals-ignore-case": "tEnnis"}]},
     [{"a": "TENNIS"}, {"a": "tennis"}], [{"a": "ten"}]),
    ("ignoring case is Unicode's", {"a": [{"equals-ignore-case": "ΟΔΟΣ"}]}, [{"a": "οδος"}], [{"a": "οδο"}]),
    ("anything-but a value", {"a": [{"anything-but": "x"}]}, [{"a": "y"}, {"a": 5}], [{"a": "x"}, {}]),
    ("anything-but a number", {"a": [{"anything-but": 5}]}, [{"a": "5"}, {"a": 6}], [{"a": 5}, {"a": 5.0}, {}]),
    ("anything-but a list", {"a": [{"anything-but": ["x", "y"]}]}, [{"a": "z"}], [{"a": "x"}, {"a": "y"}, {}]),
    ("anything-but a prefix", {"a": [{"anything-but": {"prefix": "re"}}]},
     [{"a": "x"}, {"a": 5}], [{"a": "red"}, {}]),
    ("anything-but of an array asks for one element that is not listed", {"a": [{"anything-but": ["x", "y"]}]},
     [{"a": ["x", "z"]}], [{"a": ["x", "y"]}, {"a": []}]),
    ("or missing", {"a": [{"anything-but": ["x"]}, {"exists": False}]}, [{}, {"a": "y"}], [{"a": "x"}]),
    ("numeric =", {"a": [{"numeric": ["=", 5]}]}, [{"a": 5}, {"a": 5.0}], [{"a": 5.000001}, {"a": "5"}, {}]),
    ("numeric <", {"a": [{"numeric": ["<", 5]}]}, [{"a": 4.999999}, {"a": -1e300}], [{"a": 5}, {"a": "4"}]),
    ("numeric <=", {"a": [{"numeric": ["<=", 5]}]}, [{"a": 5}], [{"a": 5.0000000001}]),
    ("numeric >", {"a": [{"numeric": [">", 5]}]}, [{"a": 5.0000000001}, {"a": 10**400}], [{"a": 5}]),
    ("numeric >=", {"a": [{"numeric": [">=", 5]}]}, [{"a": 5}], [{"a": 4.999999999}]),
    ("a range, open", {"a": [{"numeric": [">", 0, "<", 0.00002]}]},
     [{"a": 0.00001}, {"a": 1e-30}], [{"a": 0}, {"a": 0.00002}]),
    ("a range, closed", {"a": [{"numeric": [">=", -1, "<=", 150]}]},
     [{"a": -1}, {"a": 150}], [{"a": 150.1}, {"a": -2}]),
    ("the widest range", {"a": [{"numeric": [">=", -10**9, "<=", 1e9]}]},
     [{"a": 10**9}], [{"a": 10**9 + 1}, {"a": -(10**9) - 1}]),
    ("numeric tests each element", {"a": [{"numeric": [">", 5]}]}, [{"a": [1, 9]}], [{"a": [1, "9"]}]),
    ("exists", {"a": [{"exists": True}]}, [{"a": "x"}, {"a": 0}, {"a": [None]}], [{}, {"b": "x"}, {"a": []}]),
    ("does not exist", {"a": [{"exists": False}]}, [{}, {"b": "x"}, {"a": []}], [{"a": "x"}, {"a": [None]}]),
    ("Binary is ignored", {"a": [{"exists": False}]},
     [{"a": b"x"}, {"a": Attribute("Binary.png", b"x")}], [{"a": "x"}]),
    ("Binary has no value", {"a": [{"exists": True}, {"anything-but": "y"}]}, [{"a": "x"}], [{"a": b"x"}]),
    ("cidr, IPv4", {"a": [{"cidr": "10.0.0.0/24"}]},
     [{"a": "10.0.0.255"}], [{"a": "10.0.1.0"}, {"a": "10.0.0"}, {"a": 5}]),
    ("cidr, one address", {"a": [{"cidr": "10.0.0.7/32"}]}, [{"a": "10.0.0.7"}], [{"a": "10.0.0.6"}]),
    ("cidr, any of its addresses names it", {"a": [{"cidr": "10.0.0.7/24"}]},
     [{"a": "10.0.0.1"}], [{"a": "10.0.1.7"}]),
    ("cidr, IPv6 in either form", {"a": [{"cidr": "2001:0db8:0000:0000:0000:0000:0000:0000/64"}]},
     [{"a": "2001:db8::1"}, {"a": "2001:0db8:0000:0000:0000:0000:0000:0001"}], [{"a": "2001:db9::1"}]),
    ("cidr, IPv4 is not IPv6", {"a": [{"cidr": "0.0.0.0/0"}]}, [{"a": "1.2.3.4"}], [{"a": "::1"}]),
    ("String.Array: any element", {"a": ["x", 5]},
     [{"a": ["y", "x"]}, {"a": array('["y", 5]')}], [{"a": ["y"]}, {"a": '["x"]'}]),
    ("String.Array: elements of arrays in it", {"a": ["x"]}, [{"a": [["y", ["x"]]]}], [{"a": [{"b": "x"}]}]),
    ("a String.Array that is no array meets nothing",
     {"a": ["x", {"anything-but": "y"}, {"exists": True}, {"exists": False}]}, [], [{"a": array("[x")}, {"a": array('"x"')}]),
    ("a number beyond all numbers meets nothing", {"a": [{"numeric": [">", 0]}, {"exists": True}]}, [{"a": 10**30}],
     [{"a": Attribute("Number", "1e99999999999999999999")}]),
    ("operators mix in a list", {"a": ["x", {"prefix": "y"}, {"numeric": [">", 5]}]},
     [{"a": "x"}, {"a": "yes"}, {"a": 6}], [{"a": 5}]),
    ("$or", {"$or": [{"a": ["x"]}, {"b": [1]}]}, [{"a": "x"}, {"b": 1}], [{"a": "y", "b": 2}, {}]),
    ("$or is AND-ed with its neighbours", {"c": ["z"], "$or": [{"a": ["x"]}, {"b": [1]}]},
     [{"a": "x", "c": "z"}, {"b": 1, "c": "z"}], [{"a": "x"}, {"c": "z"}]),
    ("keys of an alternative are AND-ed", {"$or": [{"a": ["x"], "c": ["z"]}, {"b": [1]}]},
     [{"a": "x", "c": "z"}, {"b": 1}], [{"a": "x"}, {"c": "z"}]),
    ("$or in $or", {"$or": [{"a": ["x"]}, {"b": [1], "$or": [{"c": ["z"]}, {"d": ["w"]}]}]},
     [{"a": "x"}, {"b": 1, "c": "z"}, {"b": 1, "d": "w"}], [{"b": 1}, {"c": "z"}]),
    ("$or of one alternative or of values is a plain key", {"$or": ["x"]}, [{"$or": "x"}], [{}]),
    ("$or of operators is a plain key", {"$or": [{"prefix": "x"}, {"prefix": "y"}]},
     [{"$or": "yes"}], [{"prefix": "x"}]),
]  # fmt: skip

# rule, policy, bodies that match, bodies that do not
BODIES: list[tuple[str, dict[str, Any], list[Any], list[Any]]] = [
    ("the empty policy takes all", {}, [{}, "text", 5, None, [1]], []),
    ("a body that is not an object never matches", {"a": [{"exists": False}]},
     [{}], ["text", '{"b": 1}', 5, None, [{}], True]),
    ("exact values", {"a": ["x", 300, True, None]},
     [{"a": "x"}, {"a": 300.0}, {"a": True}, {"a": None}], [{"a": 1}, {}]),
    ("nesting", {"a": {"b": {"c": ["x"]}}},
     [{"a": {"b": {"c": "x"}}}], [{"a": {"b": "x"}}, {"a": {"c": "x"}}, {"c": "x"}]),
    ("dots join levels in the policy", {"a.b": ["x"]}, [{"a": {"b": "x"}}, {"a.b": "x"}], [{"a": "x"}, {"b": "x"}]),
    ("dots join levels in the body", {"a": {"b": {"c": ["x"]}}},
     [{"a.b": {"c": "x"}}, {"a": {"b.c": "x"}}, {"a.b.c": "x"}], [{"a.b": "x"}]),
    ("arrays match if any element does", {"a": ["x"]},
     [{"a": ["y", "x"]}, {"a": [["x"]]}], [{"a": ["y"]}, {"a": []}]),
    ("arrays of objects are searched", {"a": {"b": ["x"]}},
     [{"a": [{"b": "y"}, {"b": "x"}]}, {"a": [[{"b": "x"}]]}], [{"a": [{"b": "y"}]}]),
    ("keys below one array hold in one element", {"a": {"b": [1], "c": [2]}},
     [{"a": [{"b": 0}, {"b": 1, "c": 2}]}, {"a": [{"b": [0, 1], "c": [2, 3]}]}], [{"a": [{"b": 1}, {"c": 2}]}, {"a": [[{"b": 1}],
     [{"c": 2}]]}]),
    ("inner arrays too", {"a": {"b": {"c": [1], "d": [2]}}},
     [{"a": [{"b": [{"c": 1, "d": 2}]}]}],
     [{"a": [{"b": [{"c": 1}, {"d": 2}]}]}, {"a": [{"b": [{"c": 1}]}, {"b": [{"d": 2}]}]}]),
    ("the outer key and one of the inner elements", {"a": {"b": [1], "c": {"d": [2]}}},
     [{"a": [{"b": 1, "c": [{"d": 0}, {"d": 2}]}]}], [{"a": [{"b": 1, "c": []}, {"b": 0, "c": [{"d": 2}]}]}]),
    ("a missing key is missing in the whole message", {"a": {"b": [1], "c": [{"exists": False}]}},
     [{"a": [{"b": 1}, {"d": 2}]}], [{"a": [{"b": 1}, {"c": 2}]}]),
    ("different arrays are independent", {"a": {"b": [1]}, "c": {"d": [2]}},
     [{"a": [{"b": 0}, {"b": 1}], "c": [{"d": 2}, {"d": 0}]}], [{"a": [{"b": 1}], "c": [{"d": 0}]}]),
    ("a key outside the array is free of it", {"a": {"b": [1]}, "e": ["x"]},
     [{"a": [{"b": 1}], "e": "x"}], [{"a": [{"b": 1, "e": "x"}]}]),
    ("empty arrays do no harm elsewhere", {"a": ["x"]}, [{"a": "x", "b": [], "c": [{}], "d": [[]]}], []),
    ("exists asks for a value", {"a": [{"exists": True}]},
     [{"a": None}, {"a": 0}, {"a": [1]}], [{}, {"a": []}, {"a": {"b": 1}}]),
    ("does not exist", {"a": {"b": [{"exists": False}]}},
     [{}, {"a": 1}, {"a": {}}, {"a": {"b": {"c": 1}}}], [{"a": {"b": None}}, {"a": [{"c": 1}, {"b": 1}]}]),
    ("anything-but a present null", {"a": [{"anything-but": "x"}]},
     [{"a": None}, {"a": True}], [{"a": "x"}, {}, {"a": []}]),
    ("$or below a key", {"a": {"$or": [{"b": [1]}, {"c": [2]}], "d": [3]}},
     [{"a": {"b": 1, "d": 3}}, {"a": {"c": 2, "d": 3}}], [{"a": {"d": 3}}, {"b": 1}]),
    ("$or with nested alternatives", {"$or": [{"a": {"b": [1]}}, {"c": [2]}]},
     [{"a": {"b": 1}}, {"c": 2}], [{"a": 1}]),
]  # fmt: skip


def rows(table: list[tuple[str, dict[str, Any], list[Any], list[Any]]]) -> list[Any]:
    return [pytest.param(*row[1:], id=row[0]) for row in table]


def stored(attributes: dict[str, Any]) -> dict[str, Any]:
    """As the queue keeps them: a list as the text of its JSON, and so on. AWS has no attribute that is named $or."""
    return attributes if "$or" in attributes else check_attributes(attributes)


@pytest.mark.parametrize(("policy", "matching", "others"), rows(ATTRIBUTES))
def test_attributes(policy: dict[str, Any], matching: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    filter = compile(policy)

    assert [given for given in matching if not filter.matches(stored(given))] == []
    assert [given for given in others if filter.matches(stored(given))] == []


@pytest.mark.parametrize(("policy", "matching", "others"), rows(BODIES))
def test_bodies(policy: dict[str, Any], matching: list[Any], others: list[Any]) -> None:
    filter = compile(policy, "body")

    assert [body for body in matching if not filter.matches(body)] == []
    assert [body for body in others if filter.matches(body)] == []


@pytest.mark.parametrize(
    ("table", "scope"), [(ATTRIBUTES, "attributes"), (BODIES, "body")], ids=["attributes", "bodies"]
)
def test_explanations_agree(table: list[tuple[str, dict[str, Any], list[Any], list[Any]]], scope: Scope) -> None:
    for _, policy, matching, others in table:
        filter = compile(policy, scope)

        assert [filter.explain(message).matched for message in matching] == [True] * len(matching)
        assert [filter.explain(message).matched for message in others] == [False] * len(others)


# -- refusals --------------------------------------------------------------------------------------------------------

OBJECT = '"a" must be an object or an array'
VALUE = "Match value must be String, number, true, false, or null"
FLAT = "Filter policy scope MessageAttributes does not support nested filter policy"
COMPLEX = "Filter policy is too complex"


def numeric(*terms: Any) -> dict[str, Any]:
    return {"a": [{"numeric": list(terms)}]}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"a": "x"}, "a", OBJECT),
    ({"a": None}, "a", OBJECT),
    ({"a": []}, "a", "Empty arrays are not allowed"),
    ({"a": [["x"]]}, "a[0]", VALUE),
    ({"a": ["x", {1, 2}]}, "a[1]", VALUE),
    ({"a": [float("nan")]}, "a[0]", VALUE),
    ({"a": {"b": ["x"]}}, "a", FLAT),
    ({"$or": [{"a": ["x"]}, {"b": {"c": ["x"]}}]}, "$or[1].b", FLAT),
    ({"$or": [{"a": ["x"]}, {}]}, "$or[1]", "Empty objects are not allowed"),
    ({"$or": [{"a": ["x"]}]}, "$or[0]", "Unrecognized match type a"),
    ({"$or": [{"a": ["x"]}, {"b": "x"}]}, "$or[1].b", '"b" must be an object or an array'),
    ({1: ["x"]}, "", "keys must be text, not 1"),  # type: ignore[dict-item]
    ({"a": [{}]}, "a[0]", "Only one key allowed in match expression"),
    ({"a": [{"prefix": "x", "suffix": "y"}]}, "a[0]", "Only one key allowed in match expression"),
    ({"a": ["x", {"like": "x"}]}, "a[1]", "Unrecognized match type like"),
    ({"a": [{"EXISTS": True}]}, "a[0]", "Unrecognized match type EXISTS"),
    ({"a": [{"wildcard": "x*"}]}, "a[0]", "Unrecognized match type wildcard"),
    ({"a": [{"prefix": 5}]}, "a[0].prefix", "prefix match pattern must be a string"),
    ({"a": [{"suffix": ["x"]}]}, "a[0].suffix", "suffix match pattern must be a string"),
    ({"a": [{"equals-ignore-case": ["x"]}]}, "a[0].equals-ignore-case", "equals-ignore-case match pattern must be a string"),
    ({"a": [{"exists": "yes"}]}, "a[0].exists", "exists match pattern must be either true or false."),
    ({"a": [{"exists": 1}]}, "a[0].exists", "exists match pattern must be either true or false."),
    ({"a": [{"anything-but": {"suffix": "x"}}]}, "a[0].anything-but", "Unsupported anything-but pattern: suffix"),
    ({"a": [{"anything-but": {"prefix": 5}}]}, "a[0].anything-but", "prefix match pattern must be a string"),
    ({"a": [{"anything-but": {"prefix": ""}}]}, "a[0].anything-but", "Null prefix/suffix not allowed"),
    ({"a": [{"anything-but": []}]}, "a[0].anything-but", "Empty arrays are not allowed"),
    ({"a": [{"anything-but": None}]}, "a[0].anything-but",
     "Value of anything-but must be an array or single string/number value."),
    ({"a": [{"anything-but": ["x", None]}]}, "a[0].anything-but",
     "Inside anything but list, start|null|boolean is not supported."),
    ({"a": [{"anything-but": ["x", 5]}]}, "a[0].anything-but",
     "Inside anything but list, either all values are number or string, mixed type is not supported"),
    ({"a": [{"numeric": 5}]}, "a[0].numeric", "Value of numeric must be an array."),
    (numeric(), "a[0].numeric", "Invalid member in numeric match: ]"),
    (numeric(5), "a[0].numeric", "Invalid member in numeric match: 5"),
    (numeric("<>", 5), "a[0].numeric", "Unrecognized numeric range operator: <>"),
    (numeric("=", "5"), "a[0].numeric", "Value of equals must be numeric"),
    (numeric(">="), "a[0].numeric", "Value of >= must be numeric"),
    (numeric(">=", "5"), "a[0].numeric", "Value of >= must be numeric"),
    (numeric(">", True), "a[0].numeric", "Value of > must be numeric"),
    (numeric("=", 5, "<", 6), "a[0].numeric", "Too many elements in numeric expression"),
    (numeric("<", 5, ">", 4), "a[0].numeric", "Too many elements in numeric expression"),
    (numeric(">", 5, ">", 6), "a[0].numeric", "Bad numeric range operator: >"),
    (numeric(">", 5, 6), "a[0].numeric", "Bad value in numeric range: 6"),
    (numeric(">", 5, "<"), "a[0].numeric", "Value of < must be numeric"),
    (numeric(">", 5, "<", 5), "a[0].numeric", "Bottom must be less than top"),
    (numeric(">", 5, "<", 6, "<"), "a[0].numeric", "Too many terms in numeric range expression"),
    (numeric("=", 1e9 + 1), "a[0].numeric", "Value must be between -1.0E9 and 1.0E9, inclusive"),
    (numeric(">", -1e9 - 1), "a[0].numeric", "Value must be between -1.0E9 and 1.0E9, inclusive"),
    (numeric(">", 0.000001), "a[0].numeric", "Value of > may have five digits after the decimal point"),
    ({"a": [{"cidr": 5}]}, "a[0].cidr", "prefix match pattern must be a string"),
    ({"a": [{"cidr": "10.0.0.0"}]}, "a[0].cidr", "Malformed CIDR, one '/' required"),
    ({"a": [{"cidr": "10.0.0.0/8/8"}]}, "a[0].cidr", "Malformed CIDR, one '/' required"),
    ({"a": [{"cidr": "10.0.0.0/x"}]}, "a[0].cidr", "Malformed CIDR, mask bits must be an integer"),
    ({"a": [{"cidr": "10.0.0.0/-1"}]}, "a[0].cidr", "Malformed CIDR, mask bits must not be negative"),
    ({"a": [{"cidr": "10.0.0.0/33"}]}, "a[0].cidr", "IPv4 mask bits must be at most 32"),
    ({"a": [{"cidr": "10.0.0/8"}]}, "a[0].cidr", "Nonstandard IP address: 10.0.0"),
    ({key: ["x"] for key in "abcdef"}, "", "Filter policy can not have more than 5 keys"),
    ({"a": list(range(151))}, "", COMPLEX),
    ({"a": list(range(15)), "b": list(range(11))}, "", COMPLEX),
    ({"$or": [{"a": list(range(76))}, {"b": list(range(75))}]}, "", COMPLEX),
    ({"a": ["x" * 262_144]}, "", "Filter policy can not have more than 262144 bytes"),
    ({"a": ["\ud800"]}, "", "a lone surrogate cannot be encoded in UTF-8"),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "path", "reason"), REFUSED, ids=[f"{row[2][:50]} {row[1]}" for row in REFUSED])
def test_a_policy_sns_refuses_is_refused_with_its_reason(policy: dict[str, Any], path: str, reason: str) -> None:
    with pytest.raises(InvalidFilter) as raised:
        compile(policy)

    assert (raised.value.reason, raised.value.path) == (reason, path)


# a body policy and how many combinations AWS counts in it
COUNTED: list[tuple[dict[str, Any], int]] = [
    ({"a": list(range(150))}, 150),
    ({"a": list(range(10)), "b": list(range(15))}, 150),
    ({"a": {"b": list(range(75))}}, 150),
    ({"a": {"b": {"c": list(range(4))}}, "d": {"e": list(range(3))}}, 3 * 4 * 2 * 3),
    ({"$or": [{"a": list(range(75))}, {"b": list(range(75))}]}, 150),
    ({"a": [1, 2, 3], "$or": [{"b": list(range(20))}, {"c": {"d": list(range(15))}}]}, 3 * (20 + 2 * 15)),
    ({"a": {"$or": [{"b": list(range(40))}, {"c": list(range(35))}]}}, 2 * 40 + 2 * 35),
    ({"a": [1, 2], "$or": [{"b": [1, 2], "$or": [{"c": [1, 2, 3]}, {"d": [1]}]}, {"e": [1, 2]}]}, 2 * (2 * (3 + 1) + 2)),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "combinations"), COUNTED)
def test_combinations_are_lists_times_their_depth_multiplied_and_alternatives_added(
    policy: dict[str, Any], combinations: int
) -> None:
    """SNS developer guide, "Filter policy constraints"; recorded: 150 passes, 151 does not."""
    most = 150 // combinations

    assert read(policy, Position("", "", 1, "body", 0))[1] == combinations
    compile({**policy, "more": list(range(most))}, "body")
    with pytest.raises(InvalidFilter, match=COMPLEX):
        compile({**policy, "more": list(range(most + 1))}, "body")


def test_five_keys_count_only_at_the_top() -> None:
    compile({key: {"x": ["y"], "z": ["w"]} for key in "a"} | {key: ["x"] for key in "bcde"}, "body")

    with pytest.raises(InvalidFilter, match="more than 5 keys"):
        compile({key: ["x"] for key in "abcdef"}, "body")


def test_a_policy_nested_without_end_is_too_complex() -> None:
    policy: dict[str, Any] = {"a": ["x"]}
    for _ in range(100_000):
        policy = {"a": policy}

    with pytest.raises(InvalidFilter, match=COMPLEX):
        compile(policy, "body")


def test_thousands_of_alternatives_are_refused_before_they_are_written_out() -> None:
    pair = [{"a": ["x"]}, {"b": ["x"]}]
    policy: dict[str, Any] = {"$or": pair}
    for _ in range(30):
        policy = {"$or": [{"a": ["x"], **policy}, {"b": ["y"], **policy}]}

    with pytest.raises(InvalidFilter, match=COMPLEX):
        compile(policy)


def test_a_number_that_json_cannot_hold_is_refused_at_its_place() -> None:
    with pytest.raises(InvalidFilter, match="what JSON holds: Exceeds the limit") as raised:
        compile({"a": ["x", 10**5_000]})

    assert raised.value.path == "a[1]"


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(TypeError, match="must be a mapping of keys to lists of values, not 'x'"):
        compile("x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be 'attributes' or 'body', not 'MessageBody'"):
        compile({}, "MessageBody")  # type: ignore[arg-type]


def test_a_filter_shares_nothing_with_the_policy_it_was_made_from() -> None:
    policy: dict[str, Any] = {"a": ["x", {"anything-but": ["y"]}]}
    filter = compile(policy)

    policy["a"].clear()
    policy["b"] = ["z"]

    assert filter.matches({"a": "x"})
    assert (filter.text, repr(filter)) == (
        '{"a": ["x", {"anything-but": ["y"]}]}',
        '<Filter of attributes: {"a": ["x", {"anything-but": ["y"]}]}>',
    )


# -- explaining ------------------------------------------------------------------------------------------------------


def test_an_explanation_says_for_each_key_why() -> None:
    filter = compile(
        {"type": ["created", {"prefix": "re"}], "price": [{"numeric": [">=", 100]}], "vip": [{"exists": True}]}
    )

    explanation = filter.explain({"type": "refunded", "price": 99})

    assert str(explanation) == (
        "the message does not match\n"
        '  yes type: \'refunded\' is what {"prefix": "re"} wants\n'
        '  no  price: 99 is not what the policy wants: {"numeric": [">=", 100]}\n'
        '  no  vip: it is missing, and the policy wants {"exists": true}'
    )
    assert [(key.key, key.matched) for key in explanation.branches[0].keys] == [
        ("type", True),
        ("price", False),
        ("vip", False),
    ]


def test_an_explanation_goes_through_the_alternatives() -> None:
    filter = compile({"$or": [{"a": ["x"]}, {"b": [True, {"exists": False}]}]})

    assert str(filter.explain({"a": [None, False, 1, "z"]})) == (
        "the message matches\n"
        "alternative 1 does not hold\n"
        '  no  a: null, false, 1, ... is not what the policy wants: "x"\n'
        "alternative 2 holds\n"
        '  yes b: it is missing, and the policy wants true or {"exists": false}'
    )


def test_an_explanation_says_when_no_element_has_all_keys() -> None:
    explanation = compile({"a": {"b": [1], "c": [2]}}, "body").explain({"a": [{"b": 1}, {"c": 2}]})

    assert explanation.branches[0].why == "no one element of an array has them all together"
    assert [key.matched for key in explanation.branches[0].keys] == [True, True]


def test_an_explanation_of_what_is_not_looked_at() -> None:
    assert str(compile({}).explain({"a": "x"})) == "the message matches: the policy is empty"
    assert (
        str(compile({"a": [1]}, "body").explain("text")) == "the message does not match: the body is not a JSON object"
    )


# -- reading messages ------------------------------------------------------------------------------------------------


def test_a_message_read_once_is_asked_of_many() -> None:
    fields = fields_of({"a": "x", "b": 5}, "attributes")

    assert compile({"a": ["x"]}).matches(fields)
    assert not compile({"b": ["5"]}).matches(fields)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 0.1}', {"a": Decimal("0.1")}),
        ("text", None),
        ('{"a": NaN}', None),
        ('{"a": 1e9999999999999999999999}', None),
        ("[" * 100_000, None),
    ],
)
def test_a_body_is_read_with_exact_numbers_or_is_none(text: str, value: Any) -> None:
    assert parsed(text) == value


def test_a_body_as_deep_as_memory_is_read_without_recursion() -> None:
    body: Any = "x"
    for _ in range(5_000):
        body = [body]

    assert compile({"a": ["x"]}, "body").matches({"a": body})


def test_two_keys_in_ten_thousand_elements_take_no_square_of_time() -> None:
    """Every even element has one key and every odd one the other: trying all pairs would take 25 million steps."""
    filter = compile({"a": {"b": [1], "c": [2]}}, "body")
    elements: list[Any] = [{"b": 1} if number % 2 else {"c": 2} for number in range(10_000)]

    assert not filter.matches({"a": elements})
    assert filter.matches({"a": [*elements, {"b": 1, "c": 2}]})


@given(st.lists(st.fixed_dictionaries({}, optional={
    "b": st.integers(0, 1), "c": st.integers(0, 1),
    "d": st.lists(st.fixed_dictionaries({}, optional={"e": st.integers(0, 1), "f": st.integers(0, 1)}), max_size=3),
}), max_size=3))  # fmt: skip
def test_elements_are_chosen_as_if_all_choices_were_tried(elements: list[dict[str, Any]]) -> None:
    filter = compile({"a": {"b": [1], "c": [1], "d": {"e": [1], "f": [1]}}}, "body")

    expected = any(
        one.get("b") == one.get("c") == 1 and any(inner.get("e") == inner.get("f") == 1 for inner in one.get("d", []))
        for one in elements
    )

    assert filter.matches({"a": elements}) == expected


EXTREMES = st.sampled_from([Decimal("1e999999"), Decimal("-1e-999999"), Decimal("-0.0")])
NUMBERS = st.one_of(st.integers(-(10**20), 10**20), st.decimals(allow_nan=False, allow_infinity=False), EXTREMES)


@given(NUMBERS, st.integers(-(10**14), 10**14))
def test_positions_keep_the_order_of_numbers(number: int | Decimal, hundred_thousandths: int) -> None:
    bound = Decimal(hundred_thousandths) / 100_000

    where, limit = position(number), position(bound)

    assert (where < limit, where == limit, where > limit) == (number < bound, number == bound, number > bound)
    assert limit % 2 == 0
