"""A consumer that looks right, the seed that breaks it, and the repair.

    python examples/flaky_consumer.py [--seed N] [--seeds N] [--repaired] [--page FILE.html]

Customers pay by card. A queue may deliver a message more than once, and whoever wrote this consumer knew it: an order that
was charged is remembered, and not charged again. All its tests pass. Once in a while a customer pays twice.

What it shows: the program runs in simulated time under a plan of faults that SQS's promise allows, with one seed after
the other, until a law is broken: no order is charged twice. The failure names the message and tells its whole story; the
same seed gives the same run again, here or on another machine. Then the repaired consumer has the same seeds before it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from decouple import Broker, Change, LawBroken, MemoryStore, Message, Queue, idempotent
from decouple.testing import Faults, laws, simulate

ORDERS = 40
FAULTS = Faults(duplicate=0.01, lose_ack=0.01, redeliver_early=0.01)
DAY = 86_400


def flaky(charges: Queue[str]) -> object:
    """What everybody would write."""
    charged: set[str] = set()

    async def pay(message: Message[str]) -> None:
        if message.body in charged:  # at least once means: perhaps it was here before
            return
        await asyncio.sleep(2)  # the bank takes its time
        charges.send(message.body)
        charged.add(message.body)

    return pay


def repaired(charges: Queue[str]) -> object:
    """The key is taken before the work begins: whoever comes meanwhile waits for what comes of it."""

    @idempotent(MemoryStore(), key=lambda message: message.body)
    async def pay(message: Message[str]) -> None:
        await asyncio.sleep(2)
        charges.send(message.body)

    return pay


def run(seed: int, make: object = flaky) -> None:
    """A shop's quiet hour, in a few milliseconds. Raises LawBroken."""

    async def main() -> None:
        async with Broker(record=100_000) as broker:
            orders, charges = broker.queue("orders", visibility_timeout=30), broker.queue("charges")
            with laws.watch(broker, once(), laws.drained("orders")):
                orders.consume(make(charges), concurrency=4)  # type: ignore[operator]
                for number in range(ORDERS):
                    orders.send(f"order {number}")
                    await asyncio.sleep(3)
                await asyncio.sleep(DAY)  # whatever comes again has come by then

    simulate(main, seed=seed, faults=FAULTS)


def once() -> laws.Law:
    """No order is charged twice; what a fault made two of in the queue `charges` is the bank's affair."""
    return laws.once(text, cause="sent", queue="charges")


def text(change: Change) -> str | None:
    return change.text


def search(seeds: Sequence[int]) -> tuple[int, LawBroken] | None:
    """The first seed that breaks it, and how."""
    for seed in seeds:
        try:
            run(seed)
        except LawBroken as broken:
            return seed, broken
    return None


def main() -> int:
    """Look for a seed, show what happens there, and try the repair."""
    parser = argparse.ArgumentParser(
        description="A consumer that looks right, the seed that breaks it, and the repair."
    )
    parser.add_argument("--seed", type=int, help="run this one again, and no other")
    parser.add_argument("--seeds", type=int, default=100, help="how many to try (100)")
    parser.add_argument("--repaired", action="store_true", help="only the repaired consumer")
    parser.add_argument("--page", type=Path, help="write the story as a page, to be opened in a browser")
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error(f"argument --seeds: must be at least 1, not {options.seeds}")
    seeds = range(options.seeds) if options.seed is None else [options.seed]
    try:
        return shown(seeds, repaired_only=options.repaired, page=options.page)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"the page cannot be written: {error}", file=sys.stderr)
        return 2


def shown(seeds: Sequence[int], *, repaired_only: bool, page: Path | None) -> int:
    """Both consumers with these seeds, in words; the exit status. Raises OSError."""
    tried = f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds"
    if not repaired_only:
        found = search(seeds)
        if found is None:
            print(f"nobody paid twice with {tried}: try others with --seeds 100")
            return 1
        seed, broken = found
        print(f"seed {seed} breaks it: {broken}\n")
        print(f"again, exactly: python examples/flaky_consumer.py --seed {seed}\n")
        if page is not None and broken.story is not None:
            page.write_text(broken.story.html(), encoding="utf-8")
            print(f"the story as a page: {page}\n")
    for seed in seeds:
        run(seed, repaired)
    print(f"repaired: {tried}, and nobody paid twice")
    return 0


if __name__ == "__main__":
    sys.exit(main())
