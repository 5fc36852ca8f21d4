"""Who is subscribed to a topic, found by target, by ARN, by token, and by what a message has.

Everything here is called under the topic's lock. Without a filter a subscription is in one of two tuples that a publish
takes as they are; with one it is in an index by the filter's scope.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.core.fields import parsed, read_body

if TYPE_CHECKING:
    from decouple.core.fields import Fields
    from decouple.core.filter_index import FilterIndex
    from decouple.core.filters import Scope
    from decouple.core.places import Places
    from decouple.core.records import Details
    from decouple.subscription import Subscription

__all__ = ["Subscribers"]


class Routes(NamedTuple):
    """The subscriptions without a filter: whose queues share the topic's records, by their engines, and all others."""

    cores: tuple[Places, ...]
    sharing: Mapping[Places, Subscription]
    others: tuple[Subscription, ...]


class Subscribers:
    """The subscriptions of one topic."""

    __slots__ = ("_indexes", "_routes", "blocking", "by_arn", "by_target", "by_token", "ending")

    def __init__(self) -> None:
        self.by_arn: dict[str, Subscription] = {}
        self.by_target: dict[Any, Subscription] = {}
        self.by_token: dict[str, Subscription] = {}
        self.blocking = 0  # how many have their publishers wait
        self.ending: list[Subscription] = []  # those with an end to their replay
        self._indexes: dict[Scope, FilterIndex[Subscription]] = {}
        self._routes: Routes | None = None

    @property
    def unindexed(self) -> int:
        """Policies that every message is tested against one by one."""
        return sum(index.unindexed for index in self._indexes.values())

    @property
    def plain(self) -> bool:
        """Whether nothing is to be known of a message before it is published: no filter, and nobody blocks."""
        return not (self._indexes or self.blocking)

    def reads_bodies(self) -> bool:
        """Whether any filter looks at the body."""
        return "body" in self._indexes

    def routes(self) -> Routes:
        """Where everything goes. Cost: O(1), after a change O(all)."""
        if self._routes is None:
            every = [one for one in self.by_arn.values() if one.active and one.terms.filter is None]
            sharing = {one.core: one for one in every if one.core is not None}
            self._routes = Routes(tuple(sharing), sharing, tuple(one for one in every if one.core is None))
        return self._routes

    def reroute(self) -> None:
        """The routes are other ones now."""
        self._routes = None

    def matching(self, details: Details, body: Fields | None) -> list[Subscription]:
        """Those whose filter lets the message pass. Cost: as those that match, mostly."""
        found: list[Subscription] = []
        for scope, index in self._indexes.items():
            found += index.match(details.attributes if scope == "attributes" else body)
        return found

    def activate(self, subscription: Subscription) -> None:
        """Deliver to it from now on."""
        # commit
        subscription.active = True
        self.blocking += subscription.terms.on_full == "block"
        self._routes = None if subscription.terms.filter is None else self._routes
        if subscription.replay[1] is not None:
            self.ending.append(subscription)
        policy = subscription.terms.filter
        if policy is None:
            return
        if policy.scope not in self._indexes:
            from decouple.core.filter_index import FilterIndex  # here, because most topics have no filters

            self._indexes[policy.scope] = FilterIndex(policy.scope)
        self._indexes[policy.scope].add(subscription, policy)

    def deactivate(self, subscription: Subscription) -> None:
        """Deliver nothing more to it. After an interrupt, call it again; also one of `activate`."""
        if not subscription.active:
            return
        if subscription in self.ending:
            self.ending.remove(subscription)
        policy = subscription.terms.filter
        if policy is not None and policy.scope in self._indexes:
            index = self._indexes[policy.scope]
            if subscription in index:
                index.remove(subscription)
            if not len(index):
                del self._indexes[policy.scope]
        # commit
        subscription.active = False
        self.blocking -= subscription.terms.on_full == "block"
        self._routes = None if policy is None else self._routes

    def retire(self, now: int, published: int) -> None:
        """Deliver nothing more to those whose replay has come to its end."""
        for subscription in tuple(self.ending):
            if subscription.replay[1] is not None and now > subscription.replay[1]:
                self.deactivate(subscription)
                subscription.finish(published)


def body_fields(text: str) -> Fields | None:
    """What filters see of a body; None for one that is no JSON object."""
    return read_body(parsed(text)) if text.lstrip()[:1] == "{" else None
