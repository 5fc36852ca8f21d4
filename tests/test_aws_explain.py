"""Stories of what boto3 did in a mock: through queues, topics and functions of all accounts and regions, in AWS's words."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from decouple import Broker, LawBroken, NotRecorded, Recording
from decouple.aws import AWS, World, mock
from decouple.core.changes import Change
from decouple.testing import VirtualClock, laws, replay

pytestmark = pytest.mark.usefixtures("models_kept")

START = datetime(2026, 1, 1, tzinfo=UTC)
ROOT = "arn:aws:iam::123456789012:root"
FAR = "arn:aws:sqs:eu-central-1:123456789012:orders"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own region is not the test's."""
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("AWS_REGION", raising=False)


@pytest.fixture
def aws() -> Iterator[AWS]:
    with mock(clock=VirtualClock(START), record=1_000) as aws:
        yield aws
    aws.check()


@pytest.fixture
def sqs(aws: AWS) -> Any:
    return boto3.client("sqs")


def orders(sqs: Any, **attributes: str) -> str:
    url: str = sqs.create_queue(QueueName="orders", Attributes=attributes)["QueueUrl"]
    return url


def request_id(answer: dict[str, Any]) -> str:
    found: str = answer["ResponseMetadata"]["RequestId"]
    return found


# -- by which id -----------------------------------------------------------------------------------------------------


def test_a_story_is_told_by_the_message_id_that_boto3_answered(aws: AWS, sqs: Any) -> None:
    url = orders(sqs)
    sent = sqs.send_message(QueueUrl=url, MessageBody="order 7")
    [received] = sqs.receive_message(QueueUrl=url)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=received["ReceiptHandle"])

    story = aws.explain(sent["MessageId"])

    assert [change.cause for change in story.changes] == ["sent", "received", "deleted"]
    assert [change.who for change in story.changes] == [
        f"{ROOT} (sqs:SendMessage)",
        f"{ROOT} (sqs:ReceiveMessage)",
        f"{ROOT} (sqs:DeleteMessage)",
    ]
    assert aws.explain(received["MessageId"]).changes == story.changes


def test_the_id_of_a_publication_leads_to_the_copies_of_it(aws: AWS, sqs: Any) -> None:
    sns, url = boto3.client("sns"), orders(sqs)
    topic = sns.create_topic(Name="news")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:orders")
    published = sns.publish(TopicArn=topic, Message="rain")
    [received] = sqs.receive_message(QueueUrl=url)["Messages"]

    story = aws.explain(published["MessageId"])

    assert list(story.ids) == [published["MessageId"], received["MessageId"]]
    assert [change.cause for change in story.changes] == ["published", "sent", "received"]


def test_the_request_id_of_an_invocation_is_that_of_its_run(aws: AWS, sqs: Any) -> None:
    url = orders(sqs)
    aws.broker.function(
        lambda event, context: sqs.send_message(QueueUrl=url, MessageBody="paid")["MessageId"], name="charge"
    )

    answer = boto3.client("lambda").invoke(FunctionName="charge", Payload=b"{}")

    message_id = json.loads(answer["Payload"].read())
    story = aws.explain(request_id(answer))
    assert story.changes == aws.explain(message_id).changes
    assert story.ids == (request_id(answer), message_id)
    assert [change.cause for change in story.changes] == ["sent", "invoked"]
    assert story.changes[0].who == f"function 'charge', request {request_id(answer)} (sqs:SendMessage)"


@pytest.mark.parametrize("of", ["send", "receive"])
def test_the_id_of_a_request_about_one_message_leads_to_that(aws: AWS, sqs: Any, of: str) -> None:
    url = orders(sqs)
    sent = sqs.send_message(QueueUrl=url, MessageBody="order 7")
    received = sqs.receive_message(QueueUrl=url)

    story = aws.explain(request_id(sent if of == "send" else received))

    assert story.id == sent["MessageId"]


def test_an_id_that_nobody_answered_is_one_clear_error(aws: AWS, sqs: Any) -> None:
    several = sqs.send_message_batch(
        QueueUrl=orders(sqs), Entries=[{"Id": one, "MessageBody": one} for one in ("a", "b")]
    )

    for id in ("m-81", request_id(several)):
        with pytest.raises(NotRecorded, match=f"nothing is recorded of '{id}'"):
            aws.explain(id)


def test_a_mock_records_nothing_unless_it_is_told_to() -> None:
    with mock() as aws:
        for ask in (lambda: aws.explain("m-81"), aws.recording):
            with pytest.raises(NotRecorded, match=r"the mock records nothing: make it with mock\(record=100_000\)"):
                ask()
    with pytest.raises(NotRecorded, match=r"the world records nothing: make it with World\(record=100_000\)"):
        World().recording()


def test_a_story_can_be_told_after_the_mock_has_ended() -> None:
    with mock(record=1_000) as aws:
        sent = boto3.client("sqs").send_message(QueueUrl=orders(boto3.client("sqs")), MessageBody="order 7")

    assert "order 7" in str(aws.explain(sent["MessageId"]))


# -- who -------------------------------------------------------------------------------------------------------------


def test_a_thread_is_named_where_it_is_not_the_main_one(aws: AWS, sqs: Any) -> None:
    url = orders(sqs)
    sent = sqs.send_message(QueueUrl=url, MessageBody="order 7")
    worker = threading.Thread(target=lambda: sqs.receive_message(QueueUrl=url), name="worker-2")
    worker.start()
    worker.join()

    assert aws.explain(sent["MessageId"]).changes[-1].who == f"{ROOT} (sqs:ReceiveMessage), thread worker-2"


def test_who_assumed_a_role_is_known_by_it(aws: AWS, sqs: Any) -> None:
    url, role = orders(sqs), "arn:aws:iam::123456789012:role/shop"
    given = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="ann")["Credentials"]
    ann = boto3.client(
        "sqs",
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )

    sent = ann.send_message(QueueUrl=url, MessageBody="order 7")

    [change] = aws.explain(sent["MessageId"]).changes
    assert change.who == "arn:aws:sts::123456789012:assumed-role/shop/ann (sqs:SendMessage)"


def test_a_long_poll_that_had_to_wait_is_known_like_any_other_call(aws: AWS, sqs: Any) -> None:
    url = orders(sqs)
    sent = sqs.send_message(QueueUrl=url, MessageBody="order 7", DelaySeconds=5)

    assert len(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]) == 1

    assert aws.explain(sent["MessageId"]).changes[-1].who == f"{ROOT} (sqs:ReceiveMessage)"


def test_what_time_does_has_nobody_behind_it(aws: AWS, sqs: Any) -> None:
    url = orders(sqs, VisibilityTimeout="30")
    sent = sqs.send_message(QueueUrl=url, MessageBody="order 7")
    sqs.receive_message(QueueUrl=url)
    aws.clock.advance(31)
    sqs.receive_message(QueueUrl=url)

    story = aws.explain(sent["MessageId"])

    assert [(change.cause, change.who is None) for change in story.changes][1:3] == [
        ("received", False),
        ("expired", True),
    ]
    [why] = story.why
    assert f"the receipt of receive 1 by {ROOT} (sqs:ReceiveMessage) expired" in why


# -- of all accounts and regions -------------------------------------------------------------------------------------


def test_queues_of_one_name_in_two_regions_are_told_apart(aws: AWS, sqs: Any) -> None:
    far = boto3.client("sqs", region_name="eu-central-1")
    here, there = orders(sqs), orders(far)
    near = sqs.send_message(QueueUrl=here, MessageBody="near")
    away = far.send_message(QueueUrl=there, MessageBody="away")

    assert [change.queue for change in aws.explain(near["MessageId"]).changes] == ["orders"]
    assert [change.queue for change in aws.explain(away["MessageId"]).changes] == [FAR]
    laws.check(aws.recording())


def test_a_dead_letter_in_another_region_has_its_whole_story(aws: AWS) -> None:
    far = boto3.client("sqs", region_name="eu-central-1")
    far.create_queue(QueueName="dead")
    policy = {"deadLetterTargetArn": "arn:aws:sqs:eu-central-1:123456789012:dead", "maxReceiveCount": 1}
    url = orders(far, VisibilityTimeout="0", RedrivePolicy=json.dumps(policy))
    sent = far.send_message(QueueUrl=url, MessageBody="order 7")
    far.receive_message(QueueUrl=url)
    far.receive_message(QueueUrl=url)

    story = aws.explain(sent["MessageId"])

    assert any(why.startswith(f"dead: moved from queue '{FAR}' to '{FAR[:-6]}dead'") for why in story.why)


def test_a_message_taken_natively_tells_the_same_story(aws: AWS, sqs: Any) -> None:
    sent = sqs.send_message(QueueUrl=orders(sqs), MessageBody="order 7")
    [message] = aws.broker.queues["orders"].receive()

    assert message.id == sent["MessageId"]
    assert message.story().changes == aws.explain(message.id).changes == aws.broker.explain(message.id).changes


def test_observers_hear_of_brokers_that_are_made_after_them(aws: AWS) -> None:
    heard: list[Change] = []
    hear = heard.append
    aws.world.observe(hear)
    far = boto3.client("sqs", region_name="eu-central-1")
    url = orders(far)
    far.send_message(QueueUrl=url, MessageBody="one")

    aws.world.unobserve(hear)
    aws.world.unobserve(print)  # which never was told
    far.send_message(QueueUrl=url, MessageBody="two")

    assert [(change.cause, change.queue, change.text) for change in heard if change.id] == [("sent", FAR, "one")]
    with pytest.raises(TypeError, match="an observer must be a callable"):
        aws.world.observe("me")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="observers must be callables"):
        World(observers=["me"])  # type: ignore[list-item]


# -- a world's recording ---------------------------------------------------------------------------------------------


def test_the_recording_is_that_of_the_whole_world(aws: AWS, sqs: Any) -> None:
    sqs.send_message(QueueUrl=orders(sqs), MessageBody="near")
    far = boto3.client("sqs", region_name="eu-central-1")
    far.send_message(QueueUrl=orders(far), MessageBody="away")

    recording = aws.recording()

    assert isinstance(recording, Recording)
    assert recording.whole
    assert [change.text for change in recording.changes if change.cause == "sent"] == ["near", "away"]


def test_what_boto3_sent_can_be_replayed_into_a_broker(aws: AWS, sqs: Any) -> None:
    url = orders(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="order 7")
    aws.clock.advance(10)
    sqs.send_message(QueueUrl=url, MessageBody="order 8")
    other = Broker(clock=VirtualClock(START))
    other.queue("orders")

    replayed = replay(aws.recording(), into=other)

    assert (replayed.inputs, replayed.refused) == (2, ())
    assert [message.text for message in other.queues["orders"].peek()] == ["order 7", "order 8"]


def test_the_world_of_a_broker_that_records_tells_its_stories() -> None:
    broker = Broker(clock=VirtualClock(START), record=100)
    queue = broker.queue("orders")
    before = queue.send("before")
    world = World.around(broker)
    after = world.broker("111122223333", "eu-central-1").queue("orders").send("after")

    assert [change.text for change in world.recording().changes] == ["before", "after"]
    assert world.watched
    assert world.explain(before.id).changes == broker.explain(before.id).changes
    [change] = broker.explain(after.id).changes
    assert change.queue == "arn:aws:sqs:eu-central-1:111122223333:orders"


def test_a_reset_forgets_what_was_recorded_and_how_it_ended() -> None:
    heard: list[Change] = []
    world = World(clock=VirtualClock(START), record=100, observers=[heard.append])
    world.broker().queue("orders").send("before")

    world.reset()
    sent = world.broker().queue("orders").send("after")

    assert [change.text for change in world.recording().changes] == ["after"]
    assert [change.cause for change in heard] == ["sent", "closed", "sent"]
    assert world.explain(sent.id).complete


# -- laws ------------------------------------------------------------------------------------------------------------


def test_laws_hold_over_all_brokers_of_a_mock(aws: AWS, sqs: Any) -> None:
    with laws.watch(aws, laws.drained()) as watch:
        far = boto3.client("sqs", region_name="eu-central-1")
        for client in (sqs, far):
            url = orders(client)
            client.send_message(QueueUrl=url, MessageBody="order 7")
            [message] = client.receive_message(QueueUrl=url)["Messages"]
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    assert [change.cause for change in watch.recording().changes if change.id] == ["sent", "received", "deleted"] * 2


@pytest.mark.parametrize("what", ["aws", "world"])
def test_a_law_that_is_broken_in_a_broker_made_later_is_told_with_its_story(what: str) -> None:
    def leave_one(aws: AWS) -> None:
        with laws.watch(aws if what == "aws" else aws.world, laws.drained()):
            far = boto3.client("sqs", region_name="eu-central-1")
            far.send_message(QueueUrl=orders(far), MessageBody="order 7")

    with mock(seed=7) as aws, pytest.raises(LawBroken) as caught:
        leave_one(aws)

    [left] = aws.world.broker(region="eu-central-1").queues["orders"].peek()
    assert (caught.value.id, caught.value.seed) == (left.id, 7)
    assert f"is still in queue '{FAR}'" in str(caught.value)
    assert f"{ROOT} (sqs:SendMessage)" in str(caught.value)
