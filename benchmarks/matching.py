"""filter: what a publish costs to find the subscriptions whose filter policies match, by index and one by one.

Ten match, whether 10 subscriptions are there or 100,000. Ranges overlap ten deep, so each message meets ten of them; texts
are shared by ten subscriptions each, as tenants or regions are.
"""

from collections.abc import Callable
from typing import Any

from common import Figures
from measure import median, ratio, settle_memory, side_by_side, timed

from decouple.core.filter_index import FilterIndex
from decouple.core.filters import Filter, compile, fields_of

MATCHING = 10
Run = Callable[[int], None]

# kind: the policy of subscription n, and a message of which ten of them, n = 40 ... 49, match
KINDS: dict[str, tuple[Callable[[int], dict[str, Any]], dict[str, Any]]] = {
    "exact": (lambda n: {"tenant": [f"tenant-{n // 10:06d}"]}, {"tenant": "tenant-000004"}),
    "prefix": (lambda n: {"path": [{"prefix": f"/t/{n // 10:06d}/"}]}, {"path": "/t/000004/orders/7"}),
    "numeric": (lambda n: {"price": [{"numeric": [">", n, "<=", n + 10]}]}, {"price": 50}),
}


def filters(kind: str, many: int) -> list[Filter]:
    """So many policies, ten of which match the kind's message: with ten, all of them."""
    policy = KINDS[kind][0]
    return [compile(policy(number)) for number in range(max(0, 50 - many), max(50, many))]


def indexed(kind: str, many: int) -> Run:
    index: FilterIndex[int] = FilterIndex()
    for number, filter in enumerate(filters(kind, many)):
        index.add(number, filter)
    return searching(index.match, KINDS[kind][1])


def one_by_one(kind: str, many: int) -> Run:
    """The plain loop; it reads the message once, as the index does."""
    every = list(enumerate(filters(kind, many)))

    def match(message: dict[str, Any]) -> list[int]:
        fields = fields_of(message, "attributes")
        return [number for number, filter in every if filter.matches(fields)]

    return searching(match, KINDS[kind][1])


def searching(match: Callable[[dict[str, Any]], list[int]], message: dict[str, Any]) -> Run:
    assert len(match(message)) == MATCHING

    def run(much: int) -> None:
        for _ in range(much):
            match(message)

    return run


def among_many(kind: str, slices: int) -> tuple[float, str]:
    """Ten of 10,000 against ten of ten, both by index."""
    runs = {"ten": indexed(kind, 10), "many": indexed(kind, 10_000)}
    times = side_by_side(runs, slices=slices)
    return ratio(times, "ten", "many"), f"{median(times['many']) / 1e3:.1f} us a publish here"


def against_loop(many: int, slices: int) -> tuple[float, str]:
    """The index in per cent of the loop: the mean of the kinds, each weighing alike."""
    shares = [share(one_by_one(kind, many), max(1, 20_000 // many), indexed(kind, many), slices) for kind in KINDS]
    return 100 * sum(shares) / len(shares), f"{many:,} subscriptions, exact, prefix and numeric alike"


def share(loop: Run, much: int, index: Run, slices: int) -> float:
    """Slices side by side, of sizes given: 100 loops over 100,000 policies, to find the size, would take ten seconds."""
    settle_memory()
    return median(timed(index, 1_000) / 1_000 / (timed(loop, much) / much) for _ in range(slices))


def matching(full: bool) -> Figures:
    slices = 21 if full else 9
    figures = {f"filter.{kind}": among_many(kind, slices) for kind in KINDS}
    for many in (10, 100, 1_000, 10_000, *((100_000,) if full else ())):
        figures[f"filter.{many}"] = against_loop(many, slices)
    return figures
