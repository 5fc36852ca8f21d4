"""SQS on the wire: queues, their names, URLs, tags and lists. Texts are those recorded from the service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqs_caller import INVALID, MISSING, NO_QUEUE, OTHER, OWNER, Caller, told, wrong

from decouple.aws import World
from decouple.aws.sqs import SQS
from decouple.aws.sqs.kept import Shelf
from decouple.testing import VirtualClock


@pytest.fixture
def world(clock: VirtualClock) -> Iterator[World]:
    world = World(clock=clock, account=OWNER)
    yield world
    world.check()


@pytest.fixture
def sqs(world: World) -> Caller:
    return Caller(world)


def strict(clock: VirtualClock) -> Caller:
    return Caller(World(clock=clock, account=OWNER, strict=True))


# -- the table -------------------------------------------------------------------------------------------------------


def test_every_operation_of_the_service_is_there_and_works() -> None:
    assert set(SQS.operations) == set(SQS.model.operations)
    assert len(SQS.operations) == 23
    assert {operation.level for operation in SQS.operations.values()} == {"works"}


def test_only_receive_message_has_a_form_for_event_loops() -> None:
    assert [one.name for one in SQS.operations.values() if one.arun is not None] == ["ReceiveMessage"]


def test_an_unknown_operation_is_an_invalid_action(sqs: Caller) -> None:
    assert told(sqs.refused("FooBar"))[1:] == (
        "InvalidAction",
        400,
        "The action FooBar is not valid for this endpoint.",
    )


@pytest.mark.parametrize(
    ("operation", "given", "parameter"),
    [
        ("CreateQueue", {}, "QueueName"),
        ("SendMessage", {"MessageBody": "x"}, "QueueUrl"),
        ("SendMessage", {"QueueUrl": "orders"}, "MessageBody"),
        ("TagQueue", {"QueueUrl": "orders"}, "Tags"),
    ],
)
def test_a_missing_parameter_is_named(sqs: Caller, operation: str, given: dict[str, str], parameter: str) -> None:
    sqs.create()

    error = sqs.refused(operation, **given)

    assert told(error) == (*MISSING, f"The request must contain the parameter {parameter}.")


# -- creating --------------------------------------------------------------------------------------------------------


def test_a_created_queue_is_one_of_the_broker_s(sqs: Caller) -> None:
    assert sqs("CreateQueue", QueueName="orders") == {"QueueUrl": f"https://sqs.us-east-1.amazonaws.com/{OWNER}/orders"}
    assert sqs.queue().arn == f"arn:aws:sqs:us-east-1:{OWNER}:orders"


def test_a_queue_declared_natively_is_there_on_the_wire(sqs: Caller, world: World) -> None:
    world.broker().queue("orders", visibility_timeout=7, tags={"team": "red"})

    url = sqs("GetQueueUrl", QueueName="orders")["QueueUrl"]

    assert sqs.attributes(url, "VisibilityTimeout", "CreatedTimestamp") == {
        "VisibilityTimeout": "7",
        "CreatedTimestamp": "1767225600",
    }
    assert sqs("ListQueueTags", QueueUrl=url) == {"Tags": {"team": "red"}}


@pytest.mark.parametrize("name", ["a", "A" * 80, "a_-9", "orders.fifo", "a" * 75 + ".fifo"])
def test_names_that_sqs_takes(sqs: Caller, name: str) -> None:
    assert sqs.create(name).endswith(name)


@pytest.mark.parametrize("name", ["", "a" * 81, "a/b", "a.b", "ä", "a b", "orders.fifo", "a\n"])
def test_names_that_sqs_does_not_take_for_a_standard_queue(sqs: Caller, name: str) -> None:
    text = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
    assert told(sqs.refused("CreateQueue", QueueName=name)) == (*INVALID, text)


@pytest.mark.parametrize("name", ["orders", ".fifo", "a" * 76 + ".fifo", "orders.FIFO"])
def test_a_fifo_queue_has_the_suffix_within_80_characters(sqs: Caller, name: str) -> None:
    error = sqs.refused("CreateQueue", QueueName=name, Attributes={"FifoQueue": "true"})

    text = (
        "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with "
        ".fifo suffix and be 1 to 80 in length"
    )
    assert told(error) == (*INVALID, text)


def test_names_are_told_apart_by_case(sqs: Caller) -> None:
    assert sqs.create("orders") != sqs.create("Orders")


def test_creating_again_without_attributes_always_gives_the_url(sqs: Caller) -> None:
    url = sqs.create(DelaySeconds="5")

    assert sqs.create() == url


def test_creating_again_compares_what_is_given_with_what_is_now(sqs: Caller) -> None:
    """SQS: not with what was given when it was created."""
    url = sqs.create(DelaySeconds="5", VisibilityTimeout="10")
    sqs.set(url, DelaySeconds="6")

    assert sqs.create(DelaySeconds="6") == url
    error = sqs.refused("CreateQueue", QueueName="orders", Attributes={"VisibilityTimeout": "10", "DelaySeconds": "5"})
    assert told(error) == (
        "QueueNameExists",
        "QueueAlreadyExists",
        400,
        "A queue already exists with the same name and a different value for attribute DelaySeconds",
    )


def test_the_first_differing_attribute_is_named(sqs: Caller) -> None:
    sqs.create()

    error = sqs.refused("CreateQueue", QueueName="orders", Attributes={"KmsMasterKeyId": "k", "DelaySeconds": "5"})

    assert error.message.endswith("for attribute KmsMasterKeyId")


def test_messages_and_time_make_no_difference_to_creating_again(sqs: Caller, clock: VirtualClock) -> None:
    url = sqs.create("orders.fifo", ContentBasedDeduplication="true")
    sqs.send(url, MessageGroupId="g")
    clock.advance(100)

    assert sqs.create("orders.fifo", ContentBasedDeduplication="TRUE") == url


def test_json_attributes_are_compared_by_what_they_say(sqs: Caller) -> None:
    sqs.create("dead")
    url = sqs.create(RedrivePolicy=f'{{"maxReceiveCount": "3", "deadLetterTargetArn": "{sqs.arn("dead")}"}}')

    again = f'{{"deadLetterTargetArn":"{sqs.arn("dead")}","maxReceiveCount":3}}'
    assert sqs.create(RedrivePolicy=again) == url


def test_tags_come_with_creating(sqs: Caller) -> None:
    url = sqs("CreateQueue", QueueName="orders", tags={"team": "red", "empty": ""})["QueueUrl"]

    assert sqs("ListQueueTags", QueueUrl=url) == {"Tags": {"team": "red", "empty": ""}}


# -- finding ---------------------------------------------------------------------------------------------------------


def test_the_url_of_a_queue_by_its_name(sqs: Caller) -> None:
    url = sqs.create()

    assert sqs("GetQueueUrl", QueueName="orders") == {"QueueUrl": url}
    assert told(sqs.refused("GetQueueUrl", QueueName="none")) == NO_QUEUE


def test_the_older_protocol_says_in_other_words_that_there_is_no_queue(world: World) -> None:
    query = Caller(world, protocol="query")

    assert query.refused("GetQueueUrl", QueueName="none").message == (
        "The specified queue does not exist for this wsdl version."
    )


@pytest.mark.parametrize("owner", [OTHER, "", "nobody", "a:b:c"])
def test_a_queue_of_an_owner_who_has_none(sqs: Caller, owner: str) -> None:
    assert told(sqs.refused("GetQueueUrl", QueueName="orders", QueueOwnerAWSAccountId=owner)) == NO_QUEUE


# -- urls ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://sqs.us-east-1.amazonaws.com/111122223333/orders",
        "https://sqs.us-east-1.amazonaws.com/111122223333/orders/",
        "https://us-east-1.queue.amazonaws.com/111122223333/orders",
        "https://queue.amazonaws.com/111122223333/orders",
        "https://sqs-fips.us-east-1.amazonaws.com/111122223333/orders",
        "https://vpce-1-a.sqs.us-east-1.vpce.amazonaws.com/111122223333/orders",
        "http://127.0.0.1:4566/111122223333/orders",
        "http://localhost:4566/queue/us-east-1/111122223333/orders",
        "http://sqs.us-east-1.localhost.localstack.cloud:4566/111122223333/orders",
        "http://us-east-1.queue.localhost.localstack.cloud:4566/111122223333/orders",
        "/111122223333/orders",
        "orders",
    ],
)
def test_every_form_of_a_queue_s_url_leads_to_it(sqs: Caller, url: str) -> None:
    sqs.create()

    assert sqs.send(url)["MessageId"]
    assert sqs.queue().stats().visible == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://sqs.eu-west-1.amazonaws.com/111122223333/orders",
        "http://localhost:4566/queue/eu-west-1/111122223333/orders",
        "https://sqs.us-east-1.amazonaws.com/444455556666/orders",
        "https://sqs.us-east-1.amazonaws.com/111122223333/Orders",
        "none",
        "",
    ],
)
def test_a_url_of_no_queue(sqs: Caller, url: str) -> None:
    sqs.create()

    assert told(sqs.refused("SendMessage", QueueUrl=url, MessageBody="x")) == NO_QUEUE
    assert list(sqs.world.brokers) == [(OWNER, "us-east-1")]


@pytest.mark.parametrize(
    "url", ["https://sqs.us-east-1.amazonaws.com/", "http://[::1", "http://x/12/orders", "/orders"]
)
def test_a_url_that_is_none_of_a_queue(sqs: Caller, url: str) -> None:
    error = sqs.refused("PurgeQueue", QueueUrl=url)

    assert told(error) == (
        "InvalidAddress", "InvalidAddress", 404, f"The address {url} is not valid for this endpoint.",
    )  # fmt: skip


def test_a_url_too_long_to_be_one_is_quoted_in_part(sqs: Caller) -> None:
    url = f"https://{'x' * 3_000}/{OWNER}/orders"

    error = sqs.refused("PurgeQueue", QueueUrl=url)

    assert error.message == f"The address {url[:2_048]} is not valid for this endpoint."


def test_urls_lead_to_the_endpoint_that_the_world_has(clock: VirtualClock) -> None:
    world = World(clock=clock, account=OWNER, endpoint="http://127.0.0.1:4566/")
    sqs = Caller(world, region="eu-west-1")

    url = sqs.create()

    assert url == f"http://127.0.0.1:4566/{OWNER}/orders"
    assert sqs.attributes(url, "QueueArn") == {"QueueArn": f"arn:aws:sqs:eu-west-1:{OWNER}:orders"}


def test_the_host_s_region_wins_over_the_one_that_was_called(world: World) -> None:
    url = Caller(world, region="eu-west-1").create()

    Caller(world).send(url, "from over there")

    assert world.broker(region="eu-west-1").queues["orders"].stats().visible == 1


def test_chinese_regions_have_their_own_host_names(world: World) -> None:
    china = Caller(world, region="cn-north-1")

    url = china.create()

    assert url == f"https://sqs.cn-north-1.amazonaws.com.cn/{OWNER}/orders"
    assert china.send(url)


# -- deleting and purging --------------------------------------------------------------------------------------------


def test_a_deleted_queue_is_gone_with_its_messages_and_its_name_is_free(sqs: Caller) -> None:
    url = sqs.create()
    sqs.send(url)

    assert sqs("DeleteQueue", QueueUrl=url) == {}

    assert told(sqs.refused("DeleteQueue", QueueUrl=url)) == NO_QUEUE
    assert sqs.create() == url
    assert sqs.receive(url) == []


def test_a_strict_world_blocks_the_name_for_60_seconds(clock: VirtualClock) -> None:
    sqs = strict(clock)
    url = sqs.create()
    sqs("DeleteQueue", QueueUrl=url)

    clock.advance(59.9)
    assert told(sqs.refused("CreateQueue", QueueName="orders")) == (
        "QueueDeletedRecently",
        "AWS.SimpleQueueService.QueueDeletedRecently",
        400,
        "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
    )

    clock.advance(0.1)
    assert sqs.create() == url


def test_a_strict_world_forgets_the_names_that_are_free_again(clock: VirtualClock) -> None:
    sqs = strict(clock)
    for number in range(3):
        sqs("DeleteQueue", QueueUrl=sqs.create(f"orders-{number}"))
        clock.advance(40)

    assert list(sqs.call.place.keep(Shelf).deleted) == ["orders-1", "orders-2"]


def test_a_purge_takes_what_is_visible_in_flight_and_delayed(sqs: Caller) -> None:
    url = sqs.create()
    for delay in (0, 0, 9):
        sqs.send(url, DelaySeconds=delay)
    sqs.receive(url)

    assert sqs("PurgeQueue", QueueUrl=url) == {}
    assert sqs("PurgeQueue", QueueUrl=url) == {}

    counts = [name for name in sqs.attributes(url) if name.startswith("Approximate")]
    assert [sqs.attributes(url)[name] for name in counts] == ["0", "0", "0"]


def test_a_purge_forgets_which_deduplication_ids_were_used(sqs: Caller) -> None:
    url = sqs.create("orders.fifo")
    sqs.send(url, MessageGroupId="g", MessageDeduplicationId="d")
    sqs("PurgeQueue", QueueUrl=url)

    sqs.send(url, "again", MessageGroupId="g", MessageDeduplicationId="d")

    assert sqs.bodies(url) == ["again"]


def test_a_strict_world_purges_once_in_60_seconds(clock: VirtualClock) -> None:
    sqs = strict(clock)
    url = sqs.create()
    sqs("PurgeQueue", QueueUrl=url)

    clock.advance(59)
    assert told(sqs.refused("PurgeQueue", QueueUrl=url)) == (
        "PurgeQueueInProgress",
        "AWS.SimpleQueueService.PurgeQueueInProgress",
        403,
        "Only one PurgeQueue operation on orders is allowed every 60 seconds.",
    )

    clock.advance(1)
    assert sqs("PurgeQueue", QueueUrl=url) == {}


# -- tags ------------------------------------------------------------------------------------------------------------


def test_a_queue_without_tags_has_no_key_for_them(sqs: Caller) -> None:
    assert sqs("ListQueueTags", QueueUrl=sqs.create()) == {}


def test_tags_are_added_overwritten_and_removed(sqs: Caller) -> None:
    url = sqs.create()

    assert sqs("TagQueue", QueueUrl=url, Tags={"a": "1", "b": "2"}) == {}
    assert sqs("TagQueue", QueueUrl=url, Tags={"b": "3", "B": ""}) == {}
    assert sqs("UntagQueue", QueueUrl=url, TagKeys=["a", "unknown"]) == {}

    assert sqs("ListQueueTags", QueueUrl=url) == {"Tags": {"b": "3", "B": ""}}


@pytest.mark.parametrize(
    "tags", [{"": "x"}, {"aws:x": "x"}, {"x": "x" * 257}, {str(n): "x" for n in range(51)}], ids=str
)
def test_tags_over_aws_s_limits(sqs: Caller, tags: dict[str, str]) -> None:
    url = sqs.create()

    assert told(sqs.refused("TagQueue", QueueUrl=url, Tags=tags))[:3] == INVALID
    assert told(sqs.refused("CreateQueue", QueueName="other", tags=tags))[:3] == INVALID
    assert "other" not in sqs.world.broker().queues


# -- lists -----------------------------------------------------------------------------------------------------------


def test_an_account_without_queues_has_no_key_for_their_urls(sqs: Caller) -> None:
    assert sqs("ListQueues") == {}
    sqs.create("orders")
    assert sqs("ListQueues", QueueNamePrefix="Orders") == {}


def test_queues_are_listed_by_prefix(sqs: Caller, world: World) -> None:
    a1, _, a2 = [sqs.create(name) for name in ("a1", "b", "a2")]
    Caller(world, region="eu-west-1").create("a3")
    Caller(world, OTHER).create("a4")

    assert sqs("ListQueues", QueueNamePrefix="a") == {"QueueUrls": [a1, a2]}


def test_pages_come_with_a_token_only_where_max_results_is_given_and_more_exist(sqs: Caller) -> None:
    urls = sorted(sqs.create(f"q{number}") for number in range(5))

    assert sqs("ListQueues") == {"QueueUrls": urls}
    assert sqs("ListQueues", MaxResults=5) == {"QueueUrls": urls}
    first = sqs("ListQueues", MaxResults=2)
    assert first["QueueUrls"] == urls[:2]
    sqs("DeleteQueue", QueueUrl=urls[1])  # where the next page begins does not depend on it
    second = sqs("ListQueues", MaxResults=2, NextToken=first["NextToken"])
    assert second["QueueUrls"] == urls[2:4]
    assert sqs("ListQueues", MaxResults=2, NextToken=second["NextToken"]) == {"QueueUrls": urls[4:]}


def test_no_more_than_a_thousand_queues_are_listed(sqs: Caller, world: World) -> None:
    for number in range(1_001):
        world.broker().queue(f"q{number}")

    assert len(sqs("ListQueues")["QueueUrls"]) == 1_000
    assert "NextToken" not in sqs("ListQueues")


@pytest.mark.parametrize("most", [0, -1, 1_001])
def test_max_results_is_from_1_to_1000(sqs: Caller, most: int) -> None:
    error = sqs.refused("ListQueues", MaxResults=most)

    assert told(error) == wrong(most, "MaxResults", "MaxResults must be an integer between 1 and 1000.")


@pytest.mark.parametrize("token", ["x", "é", "////", "8J+Y"])
def test_a_token_that_nobody_gave(sqs: Caller, token: str) -> None:
    assert told(sqs.refused("ListQueues", NextToken=token)) == (*INVALID, "Invalid or expired next token.")


def test_the_sources_of_a_dead_letter_queue_are_listed_under_a_key_with_a_small_letter(sqs: Caller) -> None:
    dead = sqs.create("dead")
    policy = f'{{"deadLetterTargetArn":"{sqs.arn("dead")}","maxReceiveCount":1}}'
    urls = [sqs.create(name, RedrivePolicy=policy) for name in ("a", "b")]

    assert sqs("ListDeadLetterSourceQueues", QueueUrl=dead) == {"queueUrls": urls}
    assert sqs("ListDeadLetterSourceQueues", QueueUrl=urls[0]) == {}
    page = sqs("ListDeadLetterSourceQueues", QueueUrl=dead, MaxResults=1)
    assert page["queueUrls"] == urls[:1]
    rest = sqs("ListDeadLetterSourceQueues", QueueUrl=dead, MaxResults=1, NextToken=page["NextToken"])
    assert rest == {"queueUrls": urls[1:]}
