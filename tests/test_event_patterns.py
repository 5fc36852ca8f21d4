"""Patterns of EventBridge's rules: one row for each rule of the grammar, then what refusals say.

Source: EventBridge user guide, "Event patterns"; the README of Event Ruler; recorded answers of TestEventPattern.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decouple import Broker, InvalidFilter
from decouple.core.event_operators import EVENT_OPERATORS
from decouple.core.event_patterns import read_patterns, read_rule_pattern

# rule, pattern, events that match, events that do not
GRAMMAR: list[tuple[str, dict[str, Any], list[Any], list[Any]]] = [
    ("fields are AND-ed, values OR-ed", {"a": ["x", "y"], "b": [1]},
     [{"a": "x", "b": 1}, {"a": "y", "b": 1, "c": 2}], [{"a": "x"}, {"a": "z", "b": 1}]),
    ("literals", {"a": ["x", 300, True, False, None]},
     [{"a": "x"}, {"a": 300}, {"a": 300.0}, {"a": True}, {"a": False}, {"a": None}], [{"a": "300"}, {"a": "true"}, {}]),
    ("text and keys are case-sensitive", {"a": ["x"]}, [{"a": "x"}], [{"a": "X"}, {"A": "x"}]),
    ("an array matches if any element does", {"a": ["x"]}, [{"a": ["y", "x"]}], [{"a": ["y"]}, {"a": []}]),
    ("arrays of objects are consistent", {"a": {"b": [1], "c": [2]}},
     [{"a": [{"b": 1, "c": 2}, {"b": 0}]}], [{"a": [{"b": 1}, {"c": 2}]}]),
    ("prefix", {"a": [{"prefix": "re"}]}, [{"a": "red"}], [{"a": "Red"}, {"a": 5}, {}]),
    ("an empty prefix or suffix is any text", {"a": [{"prefix": ""}], "b": [{"suffix": ""}]},
     [{"a": "x", "b": ""}], [{"a": 1, "b": ""}]),
    ("prefix without case", {"a": [{"prefix": {"equals-ignore-case": "rE"}}]},
     [{"a": "red"}, {"a": "RED"}, {"a": "re"}], [{"a": "more"}, {"a": 5}, {}]),
    ("suffix", {"a": [{"suffix": "ed"}]}, [{"a": "paid, shipped"}], [{"a": "SHIPPED"}, {"a": None}]),
    ("suffix without case", {"a": [{"suffix": {"equals-ignore-case": ".pNg"}}]},
     [{"a": "x.PNG"}, {"a": ".png"}], [{"a": "x.png.gz"}, {}]),
    ("equals-ignore-case", {"a": [{"equals-ignore-case": "aB"}]}, [{"a": "AB"}, {"a": "ab"}], [{"a": "abc"}]),
    ("wildcard is any run", {"a": [{"wildcard": "*/photos/*.jpg"}]},
     [{"a": "x/photos/1.jpg"}, {"a": "/photos/.jpg"}, {"a": "x/photos/y/z.jpg"}],
     [{"a": "photos/1.jpg"}, {"a": "x/photos/1.jpeg"}, {"a": ["y"]}, {"a": 5}, {}]),
    ("wildcard at both ends", {"a": [{"wildcard": "*b*"}]}, [{"a": "b"}, {"a": "abc"}, {"a": "a\nb"}], [{"a": "ac"}]),
    ("wildcard at every place once", {"a": [{"wildcard": "a*b*a"}]}, [{"a": "aba"}, {"a": "abba"}], [{"a": "aa"}, {"a": "ab"}]),
    ("wildcard with other signs of regular expressions", {"a": [{"wildcard": "a.[b]*"}]}, [{"a": "a.[b]c"}], [{"a": "axbc"}]),
    ("an escaped star is a star", {"a": [{"wildcard": "a\\*b"}]}, [{"a": "a*b"}], [{"a": "axb"}, {"a": "a\\*b"}]),
    ("an escaped backslash is one", {"a": [{"wildcard": "a\\\\*"}]}, [{"a": "a\\b"}, {"a": "a\\"}], [{"a": "ab"}]),
    ("an escaped star beside a wildcard", {"a": [{"wildcard": "*\\*"}]}, [{"a": "x*"}, {"a": "*"}], [{"a": "x"}]),
    ("the empty wildcard is the empty text", {"a": [{"wildcard": ""}]}, [{"a": ""}], [{"a": "x"}, {"a": None}, {}]),
    ("numeric equals", {"a": [{"numeric": ["=", 5]}]}, [{"a": 5}, {"a": 5.0}], [{"a": "5"}, {"a": None}, {"a": 6}]),
    ("numeric range", {"a": [{"numeric": [">", 0, "<=", 5]}]}, [{"a": 5}, {"a": 0.1}], [{"a": 0}, {"a": 6}, {"a": "3"}]),
    ("cidr", {"a": [{"cidr": "10.0.0.0/24"}]}, [{"a": "10.0.0.255"}], [{"a": "10.0.1.0"}, {"a": "x"}, {"a": 10}]),
    ("cidr of IPv6", {"a": [{"cidr": "2001:db8::/32"}]}, [{"a": "2001:0db8:0:0::1"}], [{"a": "2001:db9::1"}]),
    ("exists is about leaves", {"a": [{"exists": True}]},
     [{"a": None}, {"a": ""}, {"a": [0]}], [{}, {"a": {"b": 1}}, {"a": []}]),
    ("null does not match an empty array", {"a": [None]}, [{"a": None}, {"a": [None]}], [{"a": []}, {}]),
    ("does not exist", {"a": [{"exists": False}]}, [{}, {"a": {"b": 1}}, {"a": []}], [{"a": None}, {"a": 1}]),
    ("anything-but", {"a": [{"anything-but": "x"}]}, [{"a": "y"}, {"a": None}, {"a": 1}], [{"a": "x"}, {}]),
    ("anything-but a list", {"a": [{"anything-but": [1, 2]}]}, [{"a": 3}, {"a": "1"}], [{"a": 1}, {"a": 2.0}]),
    ("anything-but a prefix", {"a": [{"anything-but": {"prefix": "re"}}]}, [{"a": "x"}, {"a": 5}], [{"a": "red"}, {}]),
    ("anything-but prefixes", {"a": [{"anything-but": {"prefix": ["re", "gr"]}}]},
     [{"a": "blue"}, {"a": None}], [{"a": "red"}, {"a": "green"}, {}]),
    ("anything-but a suffix", {"a": [{"anything-but": {"suffix": ".tmp"}}]}, [{"a": "x"}], [{"a": "x.tmp"}, {}]),
    ("anything-but suffixes", {"a": [{"anything-but": {"suffix": [".tmp", ".bak"]}}]},
     [{"a": "x"}, {"a": True}], [{"a": "x.tmp"}, {"a": ".bak"}]),
    ("anything-but a wildcard", {"a": [{"anything-but": {"wildcard": "*/tmp/*"}}]}, [{"a": "/x"}, {"a": 1}], [{"a": "/tmp/x"}]),
    ("anything-but wildcards", {"a": [{"anything-but": {"wildcard": ["*/tmp/*", "*.bak"]}}]},
     [{"a": "/x"}], [{"a": "/tmp/x"}, {"a": "x.bak"}]),
    ("anything-but without case", {"a": [{"anything-but": {"equals-ignore-case": "Red"}}]},
     [{"a": "blue"}, {"a": 5}], [{"a": "red"}, {"a": "RED"}, {}]),
    ("anything-but a list without case", {"a": [{"anything-but": {"equals-ignore-case": ["Red", ""]}}]},
     [{"a": "blue"}], [{"a": "red"}, {"a": ""}]),
    ("absent or different", {"a": {"b": [{"anything-but": "x"}, {"exists": False}]}},
     [{"a": {"b": "y"}}, {"a": {}}, {"c": 1}, {}], [{"a": {"b": "x"}}]),
    ("dots join levels", {"a.b": ["x"], "c": {"d": ["y"]}},
     [{"a": {"b": "x"}, "c.d": "y"}, {"a.b": "x", "c": {"d": "y"}}], [{"a.b": {"b": "x"}, "c": {"d": "y"}}]),
    ("$or", {"source": ["s"], "$or": [{"a": ["x"]}, {"b": {"c": [1]}}]},
     [{"source": "s", "a": "x"}, {"source": "s", "b": {"c": 1}}], [{"source": "s"}, {"a": "x"}]),
    ("$or below a field", {"a": {"$or": [{"b": [1]}, {"c": [{"wildcard": "x*"}]}]}},
     [{"a": {"b": 1}}, {"a": {"c": "xy"}}], [{"a": {"c": "y"}}]),
    ("several operators in a list are OR", {"a": [{"prefix": "x"}, {"suffix": "y"}, 5]},
     [{"a": "xa"}, {"a": "ay"}, {"a": 5}], [{"a": "a"}]),
    ("many values are not too many", {key: list(range(50)) for key in "abcde"}, [dict.fromkeys("abcde", 49)], [{}]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "matching", "others"), [pytest.param(*row[1:], id=row[0]) for row in GRAMMAR]
)  # fmt: skip
def test_a_pattern(pattern: dict[str, Any], matching: list[Any], others: list[Any]) -> None:
    wanted = read_rule_pattern(json.dumps(pattern))

    assert [event for event in matching if not wanted.matches(event)] == []
    assert [event for event in others if wanted.matches(event)] == []


COMPLEX = (
    "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences "
    "after a wildcard character"
)
TEXTS_ONLY = "Inside anything but list, number|start|null|boolean is not supported."
REFUSED: list[tuple[str, str, str]] = [
    ("no JSON", "{", "Invalid JSON"),
    ("NaN", '{"a": [NaN]}', "Invalid JSON"),
    ("no object", '["a"]', "Filter is not an object"),
    ("text", '"a"', "Filter is not an object"),
    ("empty object", "{}", "Empty objects are not allowed"),
    ("empty object below", '{"a": {}}', "Empty objects are not allowed"),
    ("empty list", '{"a": []}', "Empty arrays are not allowed"),
    ("scalar leaf", '{"x": 1}', '"x" must be an object or an array'),
    ("null leaf", '{"x": null}', '"x" must be an object or an array'),
    ("list in a list", '{"a": [["x"]]}', "Match value must be String, number, true, false, or null"),
    ("operators are case-sensitive", '{"a": [{"EXISTS": true}]}', "Unrecognized match type EXISTS"),
    ("two operators in one", '{"a": [{"prefix": "x", "suffix": "y"}]}', "Only one key allowed in match expression"),
    ("prefix of a list", '{"a": [{"prefix": ["x"]}]}', "prefix match pattern must be a string"),
    ("suffix of a list", '{"a": [{"suffix": ["x"]}]}', "suffix match pattern must be a string"),
    ("prefix of another operator", '{"a": [{"prefix": {"wildcard": "x"}}]}', "Unsupported prefix pattern: wildcard"),
    ("suffix of another operator", '{"a": [{"suffix": {"prefix": "x"}}]}', "Unsupported suffix pattern: prefix"),
    ("prefix of nothing", '{"a": [{"prefix": {}}]}', "Only one key allowed in match expression"),
    ("prefix without case of a list", '{"a": [{"prefix": {"equals-ignore-case": ["x"]}}]}',
     "equals-ignore-case match pattern must be a string"),
    ("equals-ignore-case of a list", '{"a": [{"equals-ignore-case": ["x"]}]}',
     "equals-ignore-case match pattern must be a string"),
    ("wildcard of a number", '{"a": [{"wildcard": 5}]}', "wildcard match pattern must be a string"),
    ("two stars", '{"a": [{"wildcard": "ab**"}]}', "Consecutive wildcard characters at pos 3"),
    ("two stars after UTF-8", '{"a": [{"wildcard": "ä**"}]}', "Consecutive wildcard characters at pos 3"),
    ("an escape of nothing", '{"a": [{"wildcard": "a\\\\b"}]}', "Invalid escape character at pos 2"),
    ("an escape at the end", '{"a": [{"wildcard": "a\\\\"}]}', "Invalid escape character at pos 2"),
    ("too many stars", '{"a": [{"wildcard": "a*a*a*a*a*a*a"}]}', COMPLEX),
    ("too many stars in anything-but", '{"a": [{"anything-but": {"wildcard": "a*a*a*a*a*a*a"}}]}', COMPLEX),
    ("exists of text", '{"a": [{"exists": "yes"}]}', "exists match pattern must be either true or false."),
    ("anything-but exists", '{"a": [{"anything-but": {"exists": true}}]}', "Unsupported anything-but pattern: exists"),
    ("anything-but numeric", '{"a": [{"anything-but": {"numeric": ["=", 1]}}]}', "Unsupported anything-but pattern: numeric"),
    ("anything-but a prefix without case", '{"a": [{"anything-but": {"prefix": {"equals-ignore-case": "x"}}}]}',
     "prefix match pattern must be a string"),
    ("anything-but two operators", '{"a": [{"anything-but": {"prefix": "x", "suffix": "y"}}]}',
     "Only one key allowed in match expression"),
    ("anything-but an empty prefix", '{"a": [{"anything-but": {"prefix": ""}}]}', "Null prefix/suffix not allowed"),
    ("anything-but an empty suffix", '{"a": [{"anything-but": {"suffix": ["x", ""]}}]}', "Null prefix/suffix not allowed"),
    ("anything-but no suffix", '{"a": [{"anything-but": {"suffix": []}}]}', "Empty arrays are not allowed"),
    ("anything-but numbers at the end", '{"a": [{"anything-but": {"suffix": ["x", 1]}}]}', TEXTS_ONLY),
    ("anything-but numbers without case", '{"a": [{"anything-but": {"equals-ignore-case": ["x", 1]}}]}',
     "Inside anything-but/ignore-case list, number|start|null|boolean is not supported."),
    ("anything-but null", '{"a": [{"anything-but": ["x", null]}]}',
     "Inside anything but list, start|null|boolean is not supported."),
    ("anything-but of two kinds", '{"a": [{"anything-but": ["x", 1]}]}',
     "Inside anything but list, either all values are number or string, mixed type is not supported"),
    ("anything-but nothing", '{"a": [{"anything-but": []}]}', "Empty arrays are not allowed"),
    ("anything-but true", '{"a": [{"anything-but": true}]}',
     "Value of anything-but must be an array or single string/number value."),
    ("upper bound first", '{"a": [{"numeric": ["<", 5, ">", 1]}]}', "Too many elements in numeric expression"),
    ("no mask", '{"a": [{"cidr": "10.0.0.0"}]}', "Malformed CIDR, one '/' required"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_refusals_give_the_reason_of_aws(text: str, reason: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        read_rule_pattern(text)

    assert caught.value.reason == reason


def test_alternatives_within_alternatives_are_bounded() -> None:
    """Of 2**20 no one is made."""
    pattern: dict[str, Any] = {"z": [1]}
    for _ in range(20):
        pattern = {"$or": [{"a": [1]}, {"b": [1]}], "c": pattern}

    with pytest.raises(InvalidFilter, match="too complex"):
        read_rule_pattern(json.dumps(pattern))


def test_triggers_have_the_operators_of_eventbridge_and_subscriptions_those_of_sns(broker: Broker) -> None:
    """Recorded of SNS in 2024: "Unsupported anything-but pattern: suffix"; a wildcard is not documented for it."""
    record = {"body": '{"path": "a/b.jpg"}'}
    assert read_patterns({"body": {"path": [{"wildcard": "*.jpg"}]}}).matches(record)
    assert not read_patterns({"body": {"path": [{"anything-but": {"suffix": ".jpg"}}]}}).matches(record)

    topic, orders = broker.topic("events"), broker.queue("orders")
    for value in ({"wildcard": "*.jpg"}, {"anything-but": {"suffix": ".jpg"}}, {"prefix": {"equals-ignore-case": "A"}}):
        with pytest.raises(InvalidFilter):
            topic.subscribe(orders, filter={"path": [value]})


@given(st.text(alphabet="ab*", max_size=8), st.text(alphabet="ab", max_size=12))
def test_a_wildcard_matches_what_its_parts_can_be_found_in(pattern: str, value: str) -> None:
    """The naive way: each part after the one before it, first and last at the ends."""
    if "**" in pattern or pattern.count("*") > 5:
        return

    def naive(parts: list[str], rest: str) -> bool:
        if len(parts) == 1:
            return rest == parts[0]
        return rest.startswith(parts[0]) and any(
            naive(parts[1:], rest[at:]) for at in range(len(parts[0]), len(rest) + 1)
        )

    wanted = read_rule_pattern(json.dumps({"a": [{"wildcard": pattern}]}))

    assert wanted.matches({"a": value}) is naive(pattern.split("*"), value)


WORDS = st.sampled_from(["a", "$or", *EVENT_OPERATORS])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=12,
)


@given(ANY_JSON)
def test_whatever_a_pattern_says_it_is_read_or_refused(pattern: Any) -> None:
    with suppress(InvalidFilter):
        assert read_rule_pattern(json.dumps(pattern)).matches({"a": "x"}) in (True, False)
