"""boto3 under faults: what AWS may do to a program happens, boto3 sees what AWS would answer, and one seed is one run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from asgi_client import Client

from decouple import Recording
from decouple.aws import AWS, World, asgi, mock
from decouple.testing import Fault, Faults, VirtualClock, laws

pytestmark = pytest.mark.usefixtures("models_kept")

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own region is not the test's."""
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("AWS_REGION", raising=False)


def suffering(*, seed: int = 0, **kinds: Any) -> Any:
    return mock(clock=VirtualClock(START), seed=seed, faults=Faults(**kinds), record=10_000)


def a_queue(sqs: Any, name: str = "orders", **attributes: str) -> str:
    url: str = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url


def received(sqs: Any, url: str, **given: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], **given
    ).get("Messages", [])
    return found


def bodies(messages: list[dict[str, Any]]) -> list[str]:
    return [message["Body"] for message in messages]


# -- each kind, as boto3 sees it -------------------------------------------------------------------------------------


def test_a_duplicate_is_the_same_message_twice() -> None:
    with suffering(duplicate=Fault(seconds=0)) as aws:
        sqs = boto3.client("sqs")
        url = a_queue(sqs)
        sent = sqs.send_message(QueueUrl=url, MessageBody="order 7")

        both = received(sqs, url)

        assert [message["MessageId"] for message in both] == [sent["MessageId"]] * 2
        assert len({message["ReceiptHandle"] for message in both}) == 2
        for message in both:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        assert aws.check()["deleted"] == 2


def test_a_reordered_message_comes_after_others() -> None:
    with suffering(reorder=Fault(nth=1)):
        sqs = boto3.client("sqs")
        url = a_queue(sqs)
        for body in ("1", "2", "3"):
            sqs.send_message(QueueUrl=url, MessageBody=body)

        assert bodies(received(sqs, url)) == ["2", "3", "1"]


def test_a_delayed_message_is_not_here_yet() -> None:
    with suffering(delay=Fault(seconds=5)) as aws:
        sqs = boto3.client("sqs")
        url = a_queue(sqs)
        sqs.send_message(QueueUrl=url, MessageBody="order 7")

        assert received(sqs, url) == []
        aws.clock.advance(5)
        assert bodies(received(sqs, url)) == ["order 7"]


def test_a_short_poll_sees_some_of_the_messages_and_a_long_poll_all() -> None:
    with suffering(short_poll=0):
        sqs = boto3.client("sqs")
        url = a_queue(sqs)
        sqs.send_message(QueueUrl=url, MessageBody="order 7")

        assert received(sqs, url, WaitTimeSeconds=0) == []
        assert bodies(received(sqs, url, WaitTimeSeconds=1)) == ["order 7"]


def test_a_lost_acknowledgement_is_answered_like_any_other() -> None:
    with suffering(lose_ack=Fault(nth=1)) as aws:
        sqs = boto3.client("sqs")
        url = a_queue(sqs)
        sqs.send_message(QueueUrl=url, MessageBody="order 7")
        [first] = received(sqs, url)

        answer = sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])

        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        aws.clock.advance(31)
        [again] = received(sqs, url)
        assert (again["MessageId"], again["Attributes"]["ApproximateReceiveCount"]) == (first["MessageId"], "2")
        [why] = aws.explain(first["MessageId"]).why
        assert "the acknowledgement of receive 1" in why
        assert "was lost: a fault" in why


def test_a_lost_acknowledgement_in_a_batch_is_among_the_successful() -> None:
    with suffering(lose_ack=1) as aws:
        sqs = boto3.client("sqs")
        url = a_queue(sqs)
        sqs.send_message(QueueUrl=url, MessageBody="order 7")
        [first] = received(sqs, url)

        entries = [{"Id": "a", "ReceiptHandle": first["ReceiptHandle"]}]
        answer = sqs.delete_message_batch(QueueUrl=url, Entries=entries)

        assert [one["Id"] for one in answer["Successful"]] == ["a"]
        assert aws.check()["in_flight"] == 1


def test_a_message_may_be_delivered_again_before_its_timeout() -> None:
    with suffering(redeliver_early=Fault(nth=1, seconds=10)) as aws:
        sqs = boto3.client("sqs")
        url = a_queue(sqs, VisibilityTimeout="60")
        sqs.send_message(QueueUrl=url, MessageBody="order 7")
        [first] = received(sqs, url)

        aws.clock.advance(10)
        [again] = received(sqs, url)

        assert again["MessageId"] == first["MessageId"]
        late = sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
        assert late["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_fifo_queue_stays_exact() -> None:
    with suffering(duplicate=1, reorder=1, lose_ack=1, redeliver_early=1):
        sqs = boto3.client("sqs")
        url = a_queue(sqs, "orders.fifo", FifoQueue="true")
        for body in ("1", "2"):
            sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="g", MessageDeduplicationId=body)

        both = received(sqs, url)
        for message in both:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

        assert bodies(both) == ["1", "2"]
        assert received(sqs, url) == []


def test_the_copy_of_a_publication_may_come_twice() -> None:
    with suffering(duplicate=Fault(seconds=0)):
        sqs, sns = boto3.client("sqs"), boto3.client("sns")
        url, topic = a_queue(sqs), sns.create_topic(Name="news")["TopicArn"]
        sns.subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint="arn:aws:sqs:us-east-1:123456789012:orders",
            Attributes={"RawMessageDelivery": "true"},
        )
        sns.publish(TopicArn=topic, Message="rain")

        assert bodies(received(sqs, url)) == ["rain", "rain"]


def test_a_function_behind_a_queue_gets_a_duplicate_as_an_event_of_its_own() -> None:
    with suffering(duplicate=Fault(seconds=0)) as aws:
        seen: list[str] = []

        def note(event: dict[str, Any], context: object) -> None:
            seen.extend(one["messageId"] for one in event["Records"])

        aws.broker.queue("orders", visibility_timeout=60).trigger(note)
        sent = boto3.client("sqs").send_message(
            QueueUrl="https://sqs.us-east-1.amazonaws.com/123456789012/orders", MessageBody="order 7"
        )
        aws.clock.advance(1)

        assert seen == [sent["MessageId"]] * 2


# -- one seed, one run -----------------------------------------------------------------------------------------------


def shop(seed: int, rate: float = 0.3) -> Recording:
    """A program with faults in two regions: what happened."""
    kinds = dict.fromkeys(("duplicate", "reorder", "delay", "lose_ack", "redeliver_early"), rate)
    with suffering(seed=seed, short_poll=0.5, **kinds) as aws, laws.watch(aws):
        for region in ("us-east-1", "eu-central-1"):
            sqs = boto3.client("sqs", region_name=region)
            url = a_queue(sqs)
            for number in range(10):
                sqs.send_message(QueueUrl=url, MessageBody=str(number))
            for _ in range(10):
                for message in received(sqs, url):
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                aws.clock.advance(10)
        return aws.recording()


def test_one_seed_is_one_run_over_all_regions() -> None:
    first, again, other = shop(7), shop(7), shop(8)

    assert not first.diff(again)
    assert first.diff(other)
    assert first.seed == 7
    assert {change.queue for change in first.changes if change.cause == "fault"} == {
        "orders",
        "arn:aws:sqs:eu-central-1:123456789012:orders",
    }


def test_the_seed_of_the_faults_is_that_of_the_world_which_has_none() -> None:
    with mock(faults=Faults(5, duplicate=0.5), record=100) as aws:
        assert (aws.world.seed, aws.broker.seed, aws.recording().seed) == (5, 5, 5)
    with mock(faults=Faults(5, duplicate=0.5), seed=9) as aws:
        assert aws.world.seed == 9
    with mock() as aws:
        assert (aws.world.seed, aws.world.faults) == (None, None)


def test_each_entry_of_a_mock_begins_the_plan_anew() -> None:
    sometimes = mock(faults=Faults(duplicate=Fault(nth=1, seconds=0)))

    @sometimes
    def how_many() -> int:
        sqs = boto3.client("sqs")
        url = a_queue(sqs)
        sqs.send_message(QueueUrl=url, MessageBody="order 7")
        return len(received(sqs, url))

    assert [how_many(), how_many()] == [2, 2]


@pytest.mark.parametrize("faults", [0.5, "duplicate=0.1", {"duplicate": 1}])
def test_what_is_no_plan_is_refused(faults: Any) -> None:
    for make in (mock, World):
        with pytest.raises(TypeError, match=r"faults must be decouple.testing.Faults\(...\) or None"):
            make(faults=faults)


@pytest.mark.parametrize("record", [-1, 1.5, True])
def test_what_is_no_number_of_changes_is_refused(record: Any) -> None:
    for make in (mock, World):
        with pytest.raises((TypeError, ValueError), match="record must be"):
            make(record=record)


# -- faults that come later ------------------------------------------------------------------------------------------


@pytest.fixture
def calm() -> Iterator[AWS]:
    with mock(clock=VirtualClock(START), record=1_000) as aws:
        yield aws
    aws.check()


@pytest.mark.parametrize("name", ["orders", "orders.fifo"])
def test_faults_may_begin_in_queues_that_are_there_and_end_again(calm: AWS, name: str) -> None:
    sqs, more = boto3.client("sqs"), {}
    url = a_queue(sqs, name, **({"FifoQueue": "true"} if name.endswith("fifo") else {}))
    if name.endswith("fifo"):
        more = {"MessageGroupId": "g"}
    calm.broker.queues[name].configure(**({"content_based_deduplication": True} if more else {}))
    for body in ("1", "2"):
        sqs.send_message(QueueUrl=url, MessageBody=body, **more)
    [held, *_] = sqs.receive_message(QueueUrl=url)["Messages"]

    calm.world.inject(Faults(delay=Fault(seconds=5)))
    sqs.send_message(QueueUrl=url, MessageBody="3", **more)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=held["ReceiptHandle"])

    assert bodies(received(sqs, url, VisibilityTimeout=0)) == ["2"]
    calm.world.inject(None)
    sqs.send_message(QueueUrl=url, MessageBody="4", **more)
    calm.clock.advance(5)
    assert sorted(bodies(received(sqs, url))) == ["2", "3", "4"]
    laws.check(calm.recording())


def test_every_kind_of_fault_may_begin_in_a_queue_that_is_full_of_messages(calm: AWS) -> None:
    """The queue goes on with what it has: fresh, received before, in flight and delayed."""
    sqs = boto3.client("sqs")
    url = a_queue(sqs)
    for number in range(40):
        sqs.send_message(QueueUrl=url, MessageBody=str(number), DelaySeconds=number % 3)
    received(sqs, url, VisibilityTimeout=0)
    received(sqs, url)

    kinds = dict.fromkeys(("duplicate", "reorder", "delay", "lose_ack", "redeliver_early"), 0.5)
    calm.world.inject(Faults(7, short_poll=0.5, **kinds))  # type: ignore[arg-type]
    for _ in range(200):
        for message in received(sqs, url):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        calm.clock.advance(7)

    numbers = calm.check()
    assert (numbers["accepted"], numbers["deleted"]) == (40, 40)
    assert calm.world.faults is not None
    assert {*calm.world.faults.counts} == {*kinds, "short_poll"} - {"duplicate", "delay"}  # nothing was sent since
    laws.check(calm.recording(), laws.drained())


def test_faults_that_begin_strike_brokers_and_queues_that_are_made_later(calm: AWS) -> None:
    calm.world.inject(Faults(duplicate=Fault(seconds=0)))
    far = boto3.client("sqs", region_name="eu-central-1")
    url = a_queue(far)
    far.send_message(QueueUrl=url, MessageBody="order 7")

    assert bodies(received(far, url)) == ["order 7"] * 2
    assert calm.world.faults is not None
    assert calm.world.faults.counts == {"duplicate": 1}


def test_a_reset_brings_back_the_faults_of_the_start() -> None:
    world = World(clock=VirtualClock(START), faults=Faults(duplicate=Fault(nth=1, seconds=0)))
    world.inject(None)
    world.broker().queue("orders").send("order 7")
    assert world.broker().queues["orders"].stats().visible == 1

    world.reset()
    world.broker().queue("orders").send("order 7")

    assert world.broker().queues["orders"].stats().visible == 2


# -- over HTTP -------------------------------------------------------------------------------------------------------


def test_a_long_poll_over_http_asks_all_servers_at_once() -> None:
    """The first look, which does not wait, must not be taken for a short poll."""
    world = World(clock=VirtualClock(START), faults=Faults(short_poll=0))
    world.broker().queue("orders").send("order 7")

    async def main() -> list[int]:
        client = Client(asgi(world))
        url = "http://localhost:4566/000000000000/orders"
        answers = [await client.sqs("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=wait) for wait in (0, 20)]
        return [len(answer.json().get("Messages", [])) for answer in answers]

    assert asyncio.run(main()) == [0, 1]
    world.close(0)


@pytest.mark.parametrize("before", [None, Faults(duplicate=0.1)], ids=["without faults", "with others"])
def test_functions_that_are_there_already_crash_too(before: Faults | None) -> None:
    with mock(faults=before) as aws:
        charge = aws.broker.function(lambda event, context: "paid", name="charge")

        aws.world.inject(Faults(crash=1))
        crashed = charge.attempt({}).error
        aws.world.inject(None)

        assert type(crashed).__name__ == "ProcessDied"
        assert charge.attempt({}).result == "paid"


def test_a_plan_that_a_function_cannot_suffer_changes_nothing() -> None:
    with mock() as aws:
        orders = aws.broker.queue("orders")
        aws.broker.function(lambda event, context: None, name="charge")

        with pytest.raises(ValueError, match="function 'charge' is to be restarted"):
            aws.world.inject(Faults(restart=1, duplicate=Fault(seconds=0)))

        orders.send("order 7")
        assert len(orders.receive(max_messages=10)) == 1
