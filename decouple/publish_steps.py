"""One publish on its way: what it has still to do, and how it is done whole, also when it is interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from decouple.attributes import MOST_ATTRIBUTES

if TYPE_CHECKING:
    from decouple.core.places import Places
    from decouple.core.records import Record
    from decouple.notification import Publication
    from decouple.publishing import Checked
    from decouple.pushing import Line
    from decouple.subscription import Subscription

__all__ = ["Out", "differs", "release", "whole"]


class Out:
    """What one publish has still to do. It is published as soon as it has a `record`.

    cores: of queues that take the topic's own record; others: to be delivered to one by one, also those of `rest`, which
    could not share it after all; found: whose filter let it pass, to be counted; touched: queues that were sent a copy in
    order, with more to follow; missed: those that did not take it.
    """

    # Most publishes have no more than cores to see to: what is empty is made for all of them at once.
    record: Record | None = None
    publication: Publication | None = None
    cores: Iterator[Places] = iter(())
    others: Iterator[Subscription] = iter(())
    found: Iterator[Subscription] = iter(())

    def __init__(self) -> None:
        self.rest: list[Places] = []
        self.touched: list[Subscription] = []
        self.missed: list[tuple[Subscription, Exception]] = []
        self.failures: dict[str, Exception] = {}


def whole(go: Callable[[], None], out: Out | None = None) -> None:
    """Go on to the end, also when interrupted (Ctrl-C): half a fan-out would be neither published nor not published.

    The interrupt is raised afterwards. `go` takes up where it was; what it was at may be left out: one copy, at most, for
    a target that does not share the topic's record. Interrupted before the publication is one, nothing was published.
    """
    interrupt: BaseException | None = None
    while True:
        try:
            go()
            break
        except BaseException as error:
            if out is not None and out.record is None:
                raise
            interrupt = interrupt or error
    if interrupt is not None:
        raise interrupt


def differs(one: Checked) -> bool:
    """Whether copies differ from queue to queue, or are not for every queue: then there is nothing to share."""
    details = one.details
    if one.bodies is not None:
        return True
    return details is not None and (details.group is not None or len(details.attributes) > MOST_ATTRIBUTES)


def release(held: dict[Line, None]) -> None:
    """Give back places in backlogs that were not used."""
    while held:
        next(iter(held)).unreserve(held)
