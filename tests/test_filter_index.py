"""The index of filter policies against testing every policy, and its parts against naive loops."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decouple import Attribute, InvalidFilter
from decouple.core.fields import Fields
from decouple.core.filter_index import FilterIndex, Posting
from decouple.core.filters import Filter, Scope, compile
from decouple.core.stabbing import Prefixes, Ranges

KEYS = ("a", "b", "c")
UNREADABLE = Attribute("String.Array", "[x")
TEXTS = st.sampled_from(["", "a", "A", "ab", "aB", "abc", "b", "ba", "1", "10.0.0.7", "10.0.1.7", "::1"])
NUMBERS = st.one_of(st.integers(-3, 3), st.sampled_from([0.5, -0.5, 1.5, 1e9, 2e9, 0.00001, 1e-7]))
BOUNDS = st.sampled_from([-1_000_000_000, -3, -1, -0.5, 0, 0.00001, 0.5, 1, 2, 1_000_000_000])
PLAIN = st.one_of(TEXTS, NUMBERS, st.booleans(), st.none())


def ranges() -> st.SearchStrategy[list[Any]]:
    return st.one_of(
        st.tuples(st.sampled_from(["=", "<", "<=", ">", ">="]), BOUNDS).map(list),
        st.tuples(st.sampled_from([">", ">="]), BOUNDS, st.sampled_from(["<", "<="]), BOUNDS)
        .filter(lambda terms: terms[1] < terms[3])
        .map(list),
    )


VALUES = st.one_of(
    PLAIN,
    TEXTS.map(lambda text: {"prefix": text}),
    TEXTS.map(lambda text: {"suffix": text}),
    TEXTS.map(lambda text: {"equals-ignore-case": text}),
    ranges().map(lambda terms: {"numeric": terms}),
    st.booleans().map(lambda wanted: {"exists": wanted}),
    st.sampled_from(["10.0.0.0/24", "10.0.0.0/8", "0.0.0.0/0", "::/64"]).map(lambda network: {"cidr": network}),
    st.one_of(TEXTS, NUMBERS, st.lists(TEXTS, min_size=1, max_size=2)).map(lambda unwanted: {"anything-but": unwanted}),
    TEXTS.filter(bool).map(lambda text: {"anything-but": {"prefix": text}}),
)
LEAF = st.one_of(st.lists(VALUES, min_size=1, max_size=2), st.booleans().map(lambda wanted: [{"exists": wanted}]))
FLAT = st.dictionaries(st.sampled_from(KEYS), LEAF, min_size=1, max_size=3)


def with_alternatives(objects: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(objects, st.lists(objects, min_size=2, max_size=2)).map(lambda both: {**both[0], "$or": both[1]})


NESTED = st.dictionaries(st.sampled_from([*KEYS, "a.b"]), st.one_of(LEAF, LEAF, FLAT), min_size=1, max_size=3)
POLICIES: dict[Scope, st.SearchStrategy[dict[str, Any]]] = {
    "attributes": st.one_of(FLAT, FLAT, with_alternatives(FLAT)),
    "body": st.one_of(NESTED, with_alternatives(FLAT), NESTED.map(lambda inner: {"a": inner})),
}
MESSAGES: dict[Scope, st.SearchStrategy[Any]] = {
    "attributes": st.dictionaries(
        st.sampled_from(KEYS),
        st.one_of(TEXTS.filter(bool), NUMBERS, st.just(b"x"), st.just(UNREADABLE), st.lists(PLAIN, max_size=3)),
    ),
    "body": st.one_of(
        PLAIN,
        st.dictionaries(
            st.sampled_from([*KEYS, "a.b"]),
            st.recursive(
                PLAIN,
                lambda inner: st.one_of(
                    st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
                ),
                max_leaves=12,
            ),
        ),
    ),
}


@st.composite
def histories(draw: st.DrawFn) -> tuple[Scope, list[tuple[str, Any]]]:
    """What happens to an index: filters are added and removed, messages published, in any order."""
    scope: Scope = draw(st.sampled_from(["attributes", "body"]))
    step = st.one_of(
        st.tuples(st.just("add"), POLICIES[scope]),
        st.tuples(st.just("add"), st.just({})),
        st.tuples(st.just("remove"), st.integers(0, 9)),
        st.tuples(st.just("publish"), MESSAGES[scope]),
    )
    before = st.lists(st.tuples(st.just("add"), POLICIES[scope]), min_size=3, max_size=6)
    after = st.lists(st.tuples(st.just("publish"), MESSAGES[scope]), min_size=3, max_size=3)
    return scope, [*draw(before), *draw(st.lists(step, max_size=10)), *draw(after)]


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories())
def test_the_index_finds_what_testing_every_policy_finds(history: tuple[Scope, list[tuple[str, Any]]]) -> None:
    """And what is found is what the explanation says."""
    scope, steps = history
    index: FilterIndex[int] = FilterIndex(scope)
    filters: dict[int, Filter] = {}
    for number, (what, value) in enumerate(steps):
        if what == "add":
            try:
                filters[number] = compile(value, scope)
            except InvalidFilter:  # over 150 combinations
                continue
            index.add(number, filters[number])
        elif what == "remove" and filters:
            gone = list(filters)[value % len(filters)]
            index.remove(gone)
            del filters[gone]
        elif what == "publish":
            matching = [key for key, filter in filters.items() if filter.matches(value)]
            assert index.match(value) == matching
            assert [key for key, filter in filters.items() if filter.explain(value).matched] == matching
        assert len(index) == len(filters)
    for key in filters:
        index.remove(key)

    assert [index._ways, index._missing, index._always, index._slow] == [{}, {}, {}, {}]


# -- what the index cannot serve -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "unindexed"),
    [
        ({}, 0),
        ({"a": ["x"]}, 0),
        ({"a": [{"exists": False}]}, 0),
        ({"a": [{"cidr": "10.0.0.0/8"}]}, 0),
        ({"a": [{"anything-but": "x"}]}, 1),
        ({"a": ["x", {"anything-but": "x"}]}, 1),
        ({"a": [{"anything-but": "x"}], "b": ["x"]}, 0),
        ({"$or": [{"a": ["x"]}, {"b": [{"anything-but": "x"}]}]}, 1),
    ],
)
def test_only_policies_without_another_way_in_than_anything_but_are_unindexed(
    policy: dict[str, Any], unindexed: int
) -> None:
    index: FilterIndex[str] = FilterIndex()

    index.add("one", compile(policy))
    assert index.unindexed == unindexed

    index.remove("one")
    assert index.unindexed == 0


def test_keys_come_in_the_order_they_were_added() -> None:
    index: FilterIndex[str] = FilterIndex()
    for key, policy in [("z", {"a": ["x"]}), ("m", {}), ("a", {"a": [{"anything-but": "y"}]}), ("k", {"b": [1]})]:
        index.add(key, compile(policy))

    assert index.match({"b": 1, "a": "x"}) == ["z", "m", "a", "k"]


def test_a_missing_key_is_found_by_its_absence() -> None:
    index: FilterIndex[str] = FilterIndex()
    index.add("without a", compile({"a": [{"exists": False}]}))
    index.add("with a", compile({"a": [{"exists": True}]}))

    assert index.match({"b": 1}) == ["without a"]
    assert index.match({"a": 1}) == ["with a"]
    assert index.match({"a": UNREADABLE}) == []


def test_a_key_has_one_filter_and_an_index_one_scope() -> None:
    index: FilterIndex[str] = FilterIndex("body")
    index.add("one", compile({"a": [1]}, "body"))

    with pytest.raises(ValueError, match="'one' has a filter in this index already"):
        index.add("one", compile({"b": [1]}, "body"))
    with pytest.raises(ValueError, match="filters of the body, not of the attributes"):
        index.add("two", compile({"a": [1]}))
    with pytest.raises(KeyError):
        index.remove("two")

    assert (len(index), index.match({"a": 1})) == (1, ["one"])


def test_a_key_everybody_names_is_not_the_way_in() -> None:
    """All 200 ask for the same shop, so a message of that shop must not test all their orders."""
    index: FilterIndex[int] = FilterIndex()
    for number in range(200):
        index.add(number, compile({"shop": ["north"], "order": [number]}))

    [at_shop] = [len(posting) for posting in index._ways["shop"].equal.values()]

    assert at_shop <= 2
    assert index.match({"shop": "north", "order": 77}) == [77]


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (lambda number: {"a": [f"tenant-{number // 10}"]}, {"a": "tenant-4"}),
        (lambda number: {"a": [{"prefix": f"{number // 10}/"}]}, {"a": "4/orders"}),
        (lambda number: {"a": [{"suffix": f"/{number // 10}"}]}, {"a": "orders/4"}),
        (lambda number: {"a": [{"equals-ignore-case": f"Tenant-{number // 10}"}]}, {"a": "tENANT-4"}),
        (lambda number: {"a": [{"numeric": [">", number, "<=", number + 10]}]}, {"a": 50}),
        (lambda number: {"a": [{"numeric": [">", 5_000 - number]}]}, {"a": 2_011}),
        (lambda number: {"a": [{"cidr": f"10.0.{number // 2560}.{number // 10 % 256}/32"}]}, {"a": "10.0.0.4"}),
        (lambda number: {f"key-{number // 10}": [{"exists": True}]}, {"key-4": "x"}),
    ],
    ids=["exact", "prefix", "suffix", "ignore case", "range", "bound", "cidr", "exists"],
)
def test_a_message_looks_at_no_policy_it_does_not_match(
    policy: Callable[[int], dict[str, Any]], message: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A publish costs in proportion to the subscriptions that match: here 10 of 3,000."""
    index: FilterIndex[int] = FilterIndex()
    for number in range(3_000):
        index.add(number, compile(policy(number)))
    looked_at: list[int] = []

    def take(posting: Posting, fields: Fields, found: dict[int, int]) -> None:
        looked_at.append(len(posting))
        found.update(posting.sure)

    monkeypatch.setattr(FilterIndex, "_take", staticmethod(take))
    found = index.match(message)

    assert (len(found), sum(looked_at), index.unindexed) == (10, 10, 0)


# -- an interrupt anywhere -------------------------------------------------------------------------------------------


class Interrupting:
    """Raises at the n-th line that is run in the modules of the index."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, frame: Any, event: str, _: Any) -> Any:
        if "filter_index" not in frame.f_code.co_filename and "stabbing" not in frame.f_code.co_filename:
            return None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self


@pytest.mark.parametrize("adding", [True, False])
def test_an_interrupted_add_or_remove_leaves_nothing_half(adding: bool) -> None:
    import sys

    policy = {"a": ["x", {"prefix": "y"}, {"numeric": [">", 1, "<", 7]}, {"numeric": [">", 3]}, {"exists": False}]}
    filter, other = compile(policy), compile({"a": [{"numeric": [">", 2, "<", 8]}]})
    interrupted = 0
    for after in range(1, 1_000):
        index: FilterIndex[str] = FilterIndex()
        index.add("other", other)
        if not adding:
            index.add("one", filter)
        before = sys.gettrace()
        sys.settrace(Interrupting(after))
        try:
            index.add("one", filter) if adding else index.remove("one")
            break
        except KeyboardInterrupt:
            interrupted += 1
        finally:
            sys.settrace(before)

        if "one" in index:
            index.remove("one")
        assert index.match({"a": 5}) == ["other"]
        assert index.match({}) == []
        index.remove("other")
        assert (index._ways, index._missing) == ({}, {})
    else:
        raise AssertionError("it never ran to its end")

    assert interrupted > 40


# -- the parts -------------------------------------------------------------------------------------------------------


def spans(seed: int) -> Iterator[tuple[int | None, int | None]]:
    numbers = random.Random(seed)
    while True:
        low = numbers.randint(-1, 1) * int(10 ** numbers.uniform(0, 14))
        high = low + int(10 ** numbers.uniform(-1, 14))
        yield numbers.choice([(low, high), (low, high), (None, high), (low, None)])


@given(st.integers(0, 10_000))
def test_ranges_are_found_as_if_each_were_tried(seed: int) -> None:
    numbers = random.Random(seed)
    tree: Ranges[tuple[int | None, int | None]] = Ranges()
    kept: set[tuple[int | None, int | None]] = set()
    for _, span in zip(range(60), spans(seed), strict=False):
        if span not in kept:
            tree.add(*span, span)
            kept.add(span)
        if numbers.random() < 0.3:
            gone = numbers.choice(sorted(kept, key=str))
            tree.remove(*gone)
            kept.discard(gone)
    edges = [edge + step for span in kept for edge in span if edge is not None for step in (-1, 0, 1)]

    for number in [0, *edges]:
        met = list(tree.met(number))
        assert len(met) == len(set(met))
        assert set(met) == {
            (low, high) for low, high in kept if (low is None or low <= number) and (high is None or number <= high)
        }
    assert len(tree) == len(kept)
    for span in kept:
        tree.remove(*span)
    assert [tree._items, tree._begin, tree._end, tree._cover] == [{}, {}, {}, {}]


@given(st.sets(st.text("ab", max_size=4)), st.text("ab", max_size=5))
def test_prefixes_are_found_as_if_each_were_tried(prefixes: set[str], text: str) -> None:
    tree: Prefixes[str] = Prefixes()
    for prefix in prefixes:
        tree.add(prefix, prefix)

    assert sorted(tree.met(text)) == sorted(prefix for prefix in prefixes if text.startswith(prefix))
    assert len(tree) == len(prefixes)
    for prefix in prefixes:
        tree.remove(prefix)
    assert tree._lengths == {}


def test_nested_ranges_that_miss_are_not_looked_at() -> None:
    """10,000 ranges of one magnitude, all around 70 but none holding it."""
    tree: Ranges[int] = Ranges()
    for number in range(10_000):
        tree.add(100_000 + number, 160_000 + number, number)

    [entries] = tree._begin.values()

    assert list(tree.met(70_000)) == []
    assert len(entries) == 10_000
    assert list(tree.met(100_001)) == [0, 1]
