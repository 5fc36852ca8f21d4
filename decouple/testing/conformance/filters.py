"""Filter policies: which publications a subscription lets pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from decouple.errors import InvalidFilter
from decouple.testing.conformance.behaviour import behaviour
from decouple.testing.conformance.bench import Bench
from decouple.testing.conformance.expecting import equal, refused


def passes(bench: Bench, policy: Mapping[str, Any], good: Iterable[Any], bad: Iterable[Any]) -> None:
    """These attributes pass it, and those do not."""
    topic, queue = bench.topic(), bench.queue()
    topic.subscribe(queue, filter=policy)
    good = list(good)

    for number, attributes in enumerate(bad):
        topic.publish(f"bad {number} {attributes}", attributes=attributes)
    for number, attributes in enumerate(good):
        topic.publish(f"{number}", attributes=attributes)

    equal(sorted(bench.texts(queue, len(good))), [f"{number}" for number in range(len(good))], "what passes")
    bench.nothing(queue, f"of what does not pass {policy}")


def bodies_pass(bench: Bench, policy: Mapping[str, Any], good: Iterable[Any], bad: Iterable[Any]) -> None:
    """The same of bodies."""
    topic, queue = bench.topic(), bench.queue()
    topic.subscribe(queue, filter=policy, filter_scope="body")
    good = list(good)

    for body in bad:
        topic.publish(body)
    for body in good:
        topic.publish(body)

    found = [message.json() for message in bench.take(queue, len(good))]
    equal(sorted(found, key=repr), sorted(good, key=repr), "what passes")
    bench.nothing(queue, f"of what does not pass {policy}")


@behaviour()
def a_filter_takes_all_of_its_keys_and_any_of_their_values(bench: Bench) -> None:
    """All keys of a policy must match, each by any of its values; an attribute that is missing does not."""
    passes(
        bench,
        {"type": ["created", "changed"], "shop": ["a"]},
        [{"type": "created", "shop": "a"}, {"type": "changed", "shop": "a", "more": 1}],
        [{"type": "created"}, {"type": "deleted", "shop": "a"}, {"type": "created", "shop": "b"}, None],
    )


@behaviour()
def a_filter_tells_prefixes_and_suffixes(bench: Bench) -> None:
    """`prefix` and `suffix` look at the ends of texts, with their case; `equals-ignore-case` not."""
    passes(bench, {"a": [{"prefix": "re"}]}, [{"a": "return"}], [{"a": "are"}, {"a": "Return"}, {"a": 7}])
    topic, queue = bench.topic("other"), bench.queue("other")
    topic.subscribe(queue, filter={"a": [{"suffix": ".png"}, {"equals-ignore-case": "yes"}]})

    for value in ("x.png", "YES", "x.PNG", "yes!"):
        topic.publish(value, attributes={"a": value})

    equal(sorted(bench.texts(queue, 2)), ["YES", "x.png"], "what passes")
    bench.nothing(queue, "of what does not pass")


@behaviour()
def a_filter_compares_numbers(bench: Bench) -> None:
    """Numbers match by value, and by ranges whose ends are in or out as they say."""
    passes(
        bench,
        {"n": [7, {"numeric": [">", 10, "<=", 20]}]},
        [{"n": 7}, {"n": 7.0}, {"n": 10.5}, {"n": 20}],
        [{"n": 10}, {"n": 20.5}, {"n": 8}, {"n": "7"}],
    )


@behaviour()
def a_filter_tells_what_is_anything_but(bench: Bench) -> None:
    """`anything-but` matches what is there and not listed."""
    passes(bench, {"a": [{"anything-but": ["x", "y"]}]}, [{"a": "z"}, {"a": "X"}], [{"a": "x"}, {"a": "y"}, {"b": "z"}])


@behaviour()
def a_filter_tells_what_is_there_at_all(bench: Bench) -> None:
    """`exists` matches by the presence of a key, or by its absence."""
    passes(bench, {"a": [{"exists": True}]}, [{"a": "x"}, {"a": 0}], [{"b": "x"}, None])
    topic, queue = bench.topic("other"), bench.queue("other")
    topic.subscribe(queue, filter={"a": [{"exists": False}]})

    topic.publish("without")
    topic.publish("with", attributes={"a": "x"})

    equal(bench.one(queue).text, "without", "what passes")
    bench.nothing(queue, "of what has the attribute")


@behaviour()
def a_list_matches_by_any_of_its_elements(bench: Bench) -> None:
    """An attribute that is a list passes when one of its elements does."""
    passes(bench, {"tags": ["red", 7]}, [{"tags": ["blue", "red"]}, {"tags": [7]}], [{"tags": ["blue", 8]}])


@behaviour()
def alternatives_are_one_or_the_other(bench: Bench) -> None:
    """With `$or` one of the alternatives must match, beside all other keys."""
    passes(
        bench,
        {"shop": ["a"], "$or": [{"type": ["new"]}, {"price": [{"numeric": [">", 10]}]}]},
        [{"shop": "a", "type": "new"}, {"shop": "a", "price": 11}],
        [{"shop": "a", "price": 10}, {"shop": "b", "type": "new"}, {"shop": "a"}],
    )


@behaviour()
def a_filter_of_the_body_looks_into_json(bench: Bench) -> None:
    """With filter_scope="body" keys are those of the JSON body, nested and in lists."""
    bodies_pass(
        bench,
        {"order": {"state": ["paid"], "items": {"n": [1]}}},
        [
            {"order": {"state": "paid", "items": {"n": 1}}},
            {"order": {"state": "paid", "items": [{"n": 2}, {"n": 1}]}},
        ],
        [{"order": {"state": "open", "items": {"n": 1}}}, {"state": "paid"}, {"order": "paid"}],
    )


@behaviour()
def a_body_that_is_no_json_object_passes_no_filter(bench: Bench) -> None:
    """Plain text, a JSON string, a list and a number never match a filter of the body."""
    bodies_pass(bench, {"a": [{"exists": False}, "x"]}, [{"a": "x"}, {}], ["text", '"a"', [1], 7, "{"])


@behaviour()
def a_filter_of_attributes_does_not_look_at_the_body(bench: Bench) -> None:
    """By default a filter looks at attributes alone, and each subscription has its own."""
    topic, by_attribute, by_body = bench.topic(), bench.queue("one"), bench.queue("other")
    topic.subscribe(by_attribute, filter={"type": ["a"]})
    topic.subscribe(by_body, filter={"type": ["a"]}, filter_scope="body")

    topic.publish({"type": "a"})
    topic.publish("x", attributes={"type": "a"})

    equal(bench.one(by_attribute).text, "x", "what passes by its attributes")
    bench.nothing(by_attribute, "by its body")
    equal(bench.one(by_body).json(), {"type": "a"}, "what passes by its body")
    bench.nothing(by_body, "by its attributes")


@behaviour()
def an_empty_filter_lets_everything_pass(bench: Bench) -> None:
    """A filter without keys is none, and taking a filter away lets everything pass again."""
    topic, queue, other = bench.topic(), bench.queue(), bench.queue("other")
    topic.subscribe(queue, filter={})
    subscription = topic.subscribe(other, filter={"a": ["x"]})
    subscription.configure(filter=None)

    topic.publish("x")

    bench.take(queue)
    bench.take(other)


@behaviour()
def a_wrong_filter_is_refused_and_changes_nothing(bench: Bench) -> None:
    """An empty list, an unknown operator, a value that is no list and six keys are InvalidFilter, also for a live one."""
    topic, queue = bench.topic(), bench.queue()
    wrong: list[Any] = [
        {"a": []}, {"a": [{"like": "x"}]}, {"a": "x"}, {"a": [{"numeric": [">", "x"]}]},
        {f"k{number}": ["x"] for number in range(6)},
    ]  # fmt: skip

    for policy in wrong:
        with refused(InvalidFilter, f"the filter {policy}"):
            topic.subscribe(queue, filter=policy)
    equal(topic.subscriptions, [], "subscriptions after refused ones")
    subscription = topic.subscribe(queue, filter={"a": ["x"]})
    with refused(InvalidFilter, "an empty list in a changed filter"):
        subscription.configure(filter={"a": []})

    topic.publish("x", attributes={"a": "x"})
    topic.publish("y", attributes={"a": "y"})
    equal(bench.one(queue).text, "x", "what passes the former filter")
    bench.nothing(queue, "of what does not pass it")


@behaviour()
def a_subscription_explains_why_a_message_passes_or_not(bench: Bench) -> None:
    """`explain` answers as the filter does, for attributes by name."""
    subscription = bench.topic().subscribe(bench.queue(), filter={"a": ["x"]})

    found = [bool(subscription.explain({"a": value}).matched) for value in ("x", "y")]

    equal(found, [True, False], "whether they pass")
