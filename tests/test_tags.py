"""Tags: names and values on a queue, which nothing acts on."""

from __future__ import annotations

from typing import Any

import pytest

from decouple import Broker, Queue, QueueExists
from decouple.testing import Ledger, VirtualClock


def test_a_queue_has_no_tags_unless_given_some(queue: Queue, clock: VirtualClock) -> None:
    assert dict(queue.tags) == {}
    assert dict(Queue("bills", tags={"team": "shop", "Team": ""}, clock=clock).tags) == {"team": "shop", "Team": ""}


def test_tags_can_be_read_and_not_written(queue: Queue) -> None:
    queue.tag(team="shop")
    before = queue.tags

    with pytest.raises(TypeError):
        queue.tags["team"] = "bank"  # type: ignore[index]
    queue.tag(team="bank")

    assert (dict(before), dict(queue.tags)) == ({"team": "shop"}, {"team": "bank"})


def test_the_mapping_given_is_copied(clock: VirtualClock) -> None:
    given = {"team": "shop"}
    queue = Queue("orders", tags=given, clock=clock)

    given["team"] = "bank"

    assert dict(queue.tags) == {"team": "shop"}


def test_a_tag_of_the_same_key_is_overwritten_and_the_others_stay(queue: Queue) -> None:
    """SQS, TagQueue: a new tag with a key of an existing one overwrites it; keys are case-sensitive."""
    queue.tag({"team": "shop", "cost-center": "7"})
    queue.tag({"team": "bank"}, Team="crew", tags="of its own")

    assert dict(queue.tags) == {"team": "bank", "cost-center": "7", "Team": "crew", "tags": "of its own"}


def test_unknown_keys_are_no_error_to_untag(queue: Queue) -> None:
    """SQS, UntagQueue."""
    queue.tag(team="shop", env="test")

    queue.untag("team", "Env", "nobody's")

    assert dict(queue.tags) == {"env": "test"}


@pytest.mark.parametrize(
    ("tags", "error", "words"),
    [
        ({"": "x"}, ValueError, "1 to 128 characters, not 0"),
        ({"k" * 129: "x"}, ValueError, "1 to 128 characters, not 129"),
        ({"k": "v" * 257}, ValueError, "up to 256 characters, not 257"),
        ({"aws:team": "x"}, ValueError, "AWS's own"),
        ({"AWS:team": "x"}, ValueError, "AWS's own"),
        ({"k": "\ud800"}, ValueError, "lone surrogate"),
        ({"\ud800": "v"}, ValueError, "lone surrogate"),
        ({str(n): "" for n in range(51)}, ValueError, "up to 50 tags, not 51"),
        ({"k": 7}, TypeError, "text by name"),
        ({7: "v"}, TypeError, "text by name"),
        (["k"], TypeError, "must be a mapping"),
        ("k", TypeError, "must be a mapping"),
    ],
)
def test_tags_that_aws_refuses_are_refused_and_nothing_changes(
    queue: Queue, clock: VirtualClock, tags: Any, error: type[Exception], words: str
) -> None:
    """SQS, TagQueue: at most 50; keys of 1 to 128 characters, values of 0 to 256, none starts with aws:."""
    queue.tag(team="shop")

    with pytest.raises(error, match=words):
        Queue("bills", tags=tags, clock=clock)
    with pytest.raises(error, match=words):
        queue.tag(tags)

    assert dict(queue.tags) == {"team": "shop"}


def test_the_longest_and_most_tags_are_accepted_and_one_more_is_not(queue: Queue) -> None:
    full = {f"{n:02}" + "k" * 126: "v" * 256 for n in range(50)}
    queue.tag(full)

    queue.tag({"49" + "k" * 126: ""})
    with pytest.raises(ValueError, match="up to 50 tags, not 51"):
        queue.tag(one_more="")

    assert dict(queue.tags) == full | {"49" + "k" * 126: ""}


@pytest.mark.parametrize("key", [7, None, ["team"]])
def test_only_text_can_be_untagged(queue: Queue, key: Any) -> None:
    queue.tag(team="shop")

    with pytest.raises(TypeError):
        queue.untag("team", key)

    assert dict(queue.tags) == {"team": "shop"}


def test_a_change_of_tags_is_recorded_with_all_of_them_as_they_are_then(broker: Broker, ledger: Ledger) -> None:
    orders = broker.queue("orders", tags={"team": "shop"})
    orders.tag(env="test")
    orders.untag("team")

    recorded = [(change.cause, change.queue, change.settings) for change in ledger.changes]
    assert recorded == [
        ("configured", "orders", {"tags": {"team": "shop", "env": "test"}}),
        ("configured", "orders", {"tags": {"env": "test"}}),
    ]


def test_what_changes_nothing_is_not_recorded(broker: Broker, ledger: Ledger) -> None:
    orders = broker.queue("orders", tags={"team": "shop"})

    orders.tag(team="shop")
    orders.tag()
    orders.untag("nobody's")

    assert ledger.changes == []


def test_a_record_has_the_instant_of_the_change(broker: Broker, clock: VirtualClock, ledger: Ledger) -> None:
    orders = broker.queue("orders")
    clock.advance(90)
    orders.tag(team="shop")

    assert ledger.changes[0].happened_at == clock.time


# -- declaring again -------------------------------------------------------------------------------------------


def test_tags_given_again_must_be_the_ones_it_has(broker: Broker) -> None:
    orders = broker.queue("orders", tags={"team": "shop"})

    assert broker.queue("orders") is orders
    assert broker.queue("orders", tags={"team": "shop"}) is orders
    for other in ({}, {"team": "bank"}, {"team": "shop", "env": "test"}):
        with pytest.raises(QueueExists) as caught:
            broker.queue("orders", tags=other)
        assert (caught.value.setting, caught.value.current, caught.value.asked) == ("tags", {"team": "shop"}, other)


def test_wrong_tags_declare_nothing(broker: Broker) -> None:
    with pytest.raises(ValueError, match="AWS's own"):
        broker.queue("orders", tags={"aws:team": "shop"})

    assert dict(broker.queues) == {}
