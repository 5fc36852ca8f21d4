"""Lint an architecture: a shop with planted faults, what the linter says about it, and its picture.

    python examples/lint_architecture.py [--plot shop.svg]   # --plot needs the extra: 'decouple-messaging[diagram]'

What it shows: `broker.lint()`, which looks at the settings, at the counts, and with `handlers=` at the source of the stages
(every finding says how to mend it); `broker.diagram()`, Mermaid text for a README or a pull request; and `VirtualClock`, on
which dead letters that nobody reads are four days old at once.
"""

from __future__ import annotations

import argparse
import sys
from itertools import groupby
from textwrap import fill

from decouple import Broker, Message, NotInstalled, Queue, VirtualClock

HOUR, DAY = 3_600, 86_400


def build(clock: VirtualClock) -> Broker:
    """The shop: orders become bills, bills are printed, and whatever fails ends among the dead letters."""
    broker = Broker(clock=clock)
    dead = broker.queue("dead", retention=14 * DAY)
    broker.queue("orders", dead_letter=dead, max_receives=5)  # as it should be
    # Planted: one failed receive is the end, and the dead letters die a day before the bills would have.
    late = broker.queue("bills-dead", retention=3 * DAY)
    broker.queue("bills", dead_letter=late, max_receives=1)
    # Planted: three receives of half an hour, and only an hour to make them in.
    broker.queue("prints", visibility_timeout=HOUR / 2, retention=HOUR, dead_letter=dead, max_receives=3)
    return broker


def bill(order: Message, bills: Queue) -> None:
    """Planted: two steps. A crash at the end of the block, after the send, bills the order twice."""
    with order:
        bills.send({"order": order.json()["id"], "total": 7})


def work(broker: Broker, clock: VirtualClock) -> None:
    """A week in the shop. Planted: nobody looks at the dead letters."""
    orders, bills = broker.queues["orders"], broker.queues["bills"]
    for number in range(20):
        orders.send({"id": number})
        for order in orders.receive():
            if number % 10:
                bill(order, bills)
            else:
                order.reject("no such customer")
        for message in bills.receive():
            message.ack()
    clock.advance(4 * DAY)


def print_findings(broker: Broker) -> None:
    for severity, findings in groupby(broker.lint(handlers=[bill]), key=lambda finding: finding.severity):
        print(f"{severity}s")
        for finding in findings:
            print(f"  {finding.where.rpartition('/')[2]} [{finding.rule}]")
            print(fill(finding.text, 100, initial_indent="    ", subsequent_indent="    "))
            print(f"    ({finding.source})")
        print()


def main() -> int:
    parser = argparse.ArgumentParser(description="Lint and draw an architecture with planted faults.")
    parser.add_argument("--plot", metavar="FILE", help="draw it as .svg or .png as well")
    options = parser.parse_args()

    clock = VirtualClock()
    broker = build(clock)
    work(broker, clock)
    try:
        diagram = broker.diagram(options.plot)
    except (NotInstalled, ValueError) as error:
        parser.exit(2, f"{error}\n")
    print_findings(broker)
    print(diagram, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
