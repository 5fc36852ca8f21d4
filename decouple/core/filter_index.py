"""An index over filter policies: a message finds the policies it matches, and those it does not cost nothing.

Of each alternative of a policy one key is the way in, the one expected to let the fewest messages through: its patterns
point to the alternative, and a message asks for each of its values which patterns it meets. An alternative with other keys
is then tested as a whole, one with a single key has matched already. Patterns that several policies share are one
entry. What only `anything-but` describes has no way in, because nearly every message would go through it; such policies
are tested one by one, and `unindexed` counts them.

Pure and without a lock: whoever shares an index between threads keeps add, remove and match apart.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from decouple.core.fields import Atom, Fields, Literal
from decouple.core.filter_patterns import Pattern, address_bits, position
from decouple.core.filters import Alternative, Filter, Leaf, Scope, fields_of, holds
from decouple.core.stabbing import Prefixes, Ranges

__all__ = ["FilterIndex"]

K = TypeVar("K", bound=Hashable)


class Posting:
    """Who a pattern leads to, by the number they were added with: those that match then, and those still to be tested."""

    __slots__ = ("sure", "untested")

    def __init__(self) -> None:
        self.sure: dict[int, Any] = {}
        self.untested: dict[tuple[int, int], tuple[Any, Alternative]] = {}

    def __len__(self) -> int:
        return len(self.sure) + len(self.untested)


class Patterns:
    """The patterns that are ways in at one key, arranged so that a value finds those it meets."""

    __slots__ = ("cidr", "equal", "exists", "fold", "missing", "prefix", "range", "suffix")

    def __init__(self) -> None:
        self.equal: dict[Atom, Posting] = {}
        self.fold: dict[str, Posting] = {}
        self.prefix: Prefixes[Posting] = Prefixes()
        self.suffix: Prefixes[Posting] = Prefixes()
        self.cidr: Prefixes[Posting] = Prefixes()
        self.range: Ranges[Posting] = Ranges()
        self.exists = Posting()
        self.missing = Posting()

    def __bool__(self) -> bool:
        return any(len(getattr(self, kind)) for kind in self.__slots__)

    def met(self, value: Atom) -> Iterator[Posting]:
        """The postings of all patterns that the value meets. Cost: O(patterns met + lengths and magnitudes there are)."""
        if value is Literal.BROKEN:
            return
        if self.exists:
            yield self.exists
        if value in self.equal:
            yield self.equal[value]
        if isinstance(value, str):
            yield from self._met_by_text(value)
        elif self.range and not isinstance(value, Literal):
            yield from self.range.met(position(value))

    def _met_by_text(self, value: str) -> Iterator[Posting]:
        if self.fold and (folded := value.casefold()) in self.fold:
            yield self.fold[folded]
        if self.prefix:
            yield from self.prefix.met(value)
        if self.suffix:
            yield from self.suffix.met(value[::-1])
        if self.cidr and (bits := address_bits(value)):
            yield from self.cidr.met(bits)

    def posting(self, pattern: Pattern) -> Posting | None:
        """The posting of a pattern, None where it has none yet."""
        kind, operand = pattern.kind, pattern.operand
        if kind in ("exists", "missing"):
            one: Posting = getattr(self, kind)
            return one
        if kind == "range":
            return self.range.get(*operand)
        found: Posting | None = getattr(self, kind).get(operand)
        return found

    def make(self, pattern: Pattern) -> Posting:
        """The posting of a pattern, made if it has none yet."""
        posting = self.posting(pattern)
        if posting is None:
            posting = Posting()
            kind, operand = pattern.kind, pattern.operand
            if kind == "range":
                low, high = operand
                self.range.add(low, high, posting)
            elif kind in ("equal", "fold"):
                getattr(self, kind)[operand] = posting
            else:
                getattr(self, kind).add(operand, posting)
        return posting

    def drop(self, pattern: Pattern) -> None:
        """Forget a pattern that leads nowhere any more."""
        kind, operand = pattern.kind, pattern.operand
        if kind in ("exists", "missing"):
            return
        if kind == "range":
            self.range.remove(*operand)
        elif kind in ("equal", "fold"):
            del getattr(self, kind)[operand]
        else:
            getattr(self, kind).remove(operand)

    def expected(self, pattern: Pattern) -> int:
        """Roughly how many others a message would find with one that comes in by this pattern."""
        posting = self.posting(pattern)
        shared = 0 if posting is None else len(posting)
        # Ranges overlap each other: an eighth of them is a guess between disjoint ones and nested ones.
        return shared + (len(self.range) // 8 if pattern.kind == "range" else 0)


BROAD = {"missing": 3, "exists": 3, "range": 1, "prefix": 1, "suffix": 1, "cidr": 1}
"""Which of two patterns is the better way in while nobody uses either: the one that fewer messages meet."""


class Entry(NamedTuple):
    """One added filter. ways: by alternative, the leaf that is its way in, None where there is none."""

    number: int
    filter: Filter
    ways: tuple[Leaf | None, ...]


class FilterIndex(Generic[K]):
    """Filters of one scope by key; `match` gives the keys of those that a message matches."""

    __slots__ = ("_always", "_entries", "_missing", "_next", "_scope", "_slow", "_ways")

    def __init__(self, scope: Scope = "attributes") -> None:
        self._scope: Scope = scope
        self._entries: dict[K, Entry] = {}
        self._next = 0
        self._ways: dict[str, Patterns] = {}
        self._missing: dict[str, Posting] = {}
        self._always: dict[int, K] = {}
        self._slow: dict[int, K] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    @property
    def unindexed(self) -> int:
        """How many filters every message is tested against one by one."""
        return len(self._slow)

    def add(self, key: K, filter: Filter) -> None:
        """Index a filter under a new key. Cost: O(its alternatives * log of those that are here). Raises ValueError."""
        if key in self._entries:
            raise ValueError(f"{key!r} has a filter in this index already: remove it first")
        if filter.scope != self._scope:
            raise ValueError(f"this index is for filters of the {self._scope}, not of the {filter.scope}")
        ways = tuple(self._way(one) for one in filter.alternatives)
        self._next += 1
        try:
            self._entries[key] = entry = Entry(self._next, filter, ways)
            self._enter(key, entry)
        except BaseException:  # an interrupt, too, leaves nothing half
            if key in self._entries:
                self.remove(key)
            raise

    def remove(self, key: K) -> None:
        """Forget the filter of a key; after an interrupt, call it again. Cost: as adding it. Raises KeyError."""
        number, _, ways = self._entries[key]
        self._always.pop(number, None)
        self._slow.pop(number, None)
        for place, way in enumerate(ways):
            if way is not None:
                self._leave(way, number, place)
        del self._entries[key]

    def match(self, message: Any) -> list[K]:
        """The keys of the filters that the message matches, in the order they were added; `message` as in Filter.matches.

        Cost: O(size of the message + patterns met + policies tested after that or because they are unindexed).
        """
        found: dict[int, K] = dict(self._always)
        fields = fields_of(message, self._scope)
        if fields is not None:
            self._find(fields, found)
        return [found[number] for number in sorted(found)]

    # -- matching ----------------------------------------------------------------------------------------------------

    def _find(self, fields: Fields, found: dict[int, K]) -> None:
        ways = self._ways
        for name, values in fields.values.items():
            if name in ways:
                for value in values:
                    for posting in ways[name].met(value):
                        self._take(posting, fields, found)
        for name, posting in self._missing.items():
            if name not in fields.values:
                self._take(posting, fields, found)
        slow = self._slow.items()
        found.update((number, key) for number, key in slow if self._entries[key].filter.matches(fields))

    @staticmethod
    def _take(posting: Posting, fields: Fields, found: dict[int, K]) -> None:
        if posting.sure:
            found.update(posting.sure)
        for (number, _), (key, alternative) in posting.untested.items():
            if number not in found and holds(alternative, fields):
                found[number] = key

    # -- keeping -----------------------------------------------------------------------------------------------------

    def _way(self, alternative: Alternative) -> Leaf | None:
        """The key by which the fewest messages are expected to come in; None where each has an `anything-but`."""
        leaves = [leaf for leaf in alternative if all(one.kind != "but" for one in leaf.patterns)]
        return min(leaves, key=self._expected, default=None)

    def _expected(self, leaf: Leaf) -> tuple[int, int]:
        patterns = self._ways.get(leaf.key)
        here = sum(patterns.expected(one) for one in leaf.patterns) if patterns else 0
        return here, max(BROAD.get(one.kind, 0) for one in leaf.patterns)

    def _enter(self, key: K, entry: Entry) -> None:
        number, filter, ways = entry
        if not all(filter.alternatives):
            self._always[number] = key
        elif None in ways:
            self._slow[number] = key
        else:
            for place, way in enumerate(ways):
                if way is not None:
                    self._point(way, key, number, place, filter.alternatives[place])

    def _point(self, way: Leaf, key: K, number: int, place: int, alternative: Alternative) -> None:
        patterns = self._ways.setdefault(way.key, Patterns())
        for pattern in way.patterns:
            posting = patterns.make(pattern)
            if len(alternative) == 1:
                posting.sure[number] = key
            else:
                posting.untested[number, place] = (key, alternative)
            if pattern.kind == "missing":
                self._missing[way.key] = posting

    def _leave(self, way: Leaf, number: int, place: int) -> None:
        """Undo what _point did, or the part of it that was done."""
        patterns = self._ways.get(way.key)
        if patterns is None:
            return
        for pattern in way.patterns:
            posting = patterns.posting(pattern)
            if posting is None:
                continue
            posting.sure.pop(number, None)
            posting.untested.pop((number, place), None)
            if not posting:
                patterns.drop(pattern)
                if pattern.kind == "missing":
                    self._missing.pop(way.key, None)
        if not patterns:
            del self._ways[way.key]
