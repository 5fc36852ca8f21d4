"""boto3 in a mock: what clients made before and inside see, when work is done, and what never leaves the process."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from botocore.response import StreamingBody
from botocore.stub import Stubber

from decouple import SystemClock, VirtualClock
from decouple.aws import AWS, MockEnded, NotMocked, mock
from decouple.aws.service import Service
from decouple.errors import DeliveryRefused

pytestmark = pytest.mark.usefixtures("models_kept")

KEYS = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "secret", "region_name": "us-east-1"}


class Sent(Exception):
    """A request was about to leave the process."""


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise Sent

    monkeypatch.setattr(URLLib3Session, "send", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own credentials and region are not the test's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def aws() -> Iterator[AWS]:
    with mock() as aws:
        yield aws
    aws.check()


def bodies(answer: dict[str, Any]) -> list[str]:
    return [message["Body"] for message in answer.get("Messages", [])]


# -- clients ---------------------------------------------------------------------------------------------------------


def test_a_client_made_inside_needs_neither_credentials_nor_a_region(aws: AWS) -> None:
    sqs = boto3.client("sqs")

    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="order 7")

    assert url == "https://sqs.us-east-1.amazonaws.com/123456789012/orders"
    assert bodies(sqs.receive_message(QueueUrl=url)) == ["order 7"]


def test_a_client_made_before_is_answered_too() -> None:
    sqs = boto3.client("sqs", **KEYS)

    with mock() as aws:
        sqs.create_queue(QueueName="orders")

        assert list(aws.broker.queues) == ["orders"]


def test_a_client_serves_one_mock_after_the_other() -> None:
    sqs = boto3.client("sqs", **KEYS)
    for _ in range(2):
        with mock():
            assert "QueueUrls" not in sqs.list_queues()
            sqs.create_queue(QueueName="orders")


def test_a_client_made_in_an_earlier_mock_serves_a_later_one() -> None:
    with mock():
        sqs = boto3.client("sqs")

    with mock() as aws:
        sqs.create_queue(QueueName="orders")
        assert list(aws.broker.queues) == ["orders"]


def test_resources_are_clients_inside(aws: AWS) -> None:
    queue = boto3.resource("sqs").create_queue(QueueName="orders")

    queue.send_message(MessageBody="order 7")
    [message] = queue.receive_messages()

    assert message.body == "order 7"
    message.delete()
    assert aws.broker.queues["orders"].stats().in_flight == 0


def test_the_region_is_the_clients_own(aws: AWS) -> None:
    boto3.client("sqs", region_name="eu-central-1").create_queue(QueueName="orders")

    assert list(aws.world.broker(region="eu-central-1").queues) == ["orders"]
    assert not aws.broker.queues


def test_an_access_key_of_twelve_digits_is_an_account(aws: AWS) -> None:
    theirs = boto3.client("sqs", aws_access_key_id="111122223333", aws_secret_access_key="secret")

    url = theirs.create_queue(QueueName="orders")["QueueUrl"]

    assert url == "https://sqs.us-east-1.amazonaws.com/111122223333/orders"
    assert list(aws.world.broker("111122223333").queues) == ["orders"]


def test_who_assumes_a_role_acts_in_the_roles_account(aws: AWS) -> None:
    role = boto3.client("sts").assume_role(RoleArn="arn:aws:iam::111122223333:role/worker", RoleSessionName="test")
    session = boto3.Session(
        role["Credentials"]["AccessKeyId"], role["Credentials"]["SecretAccessKey"], role["Credentials"]["SessionToken"]
    )  # fmt: skip

    session.client("sqs").create_queue(QueueName="orders")

    assert list(aws.world.broker("111122223333").queues) == ["orders"]
    identity = session.client("sts").get_caller_identity()
    assert identity["Arn"] == "arn:aws:sts::111122223333:assumed-role/worker/test"


def test_credentials_that_would_have_to_be_fetched_are_not(aws: AWS) -> None:
    from botocore.credentials import RefreshableCredentials

    def fetch() -> dict[str, str]:
        raise AssertionError("credentials were fetched")

    sqs = boto3.client("sqs")
    sqs._request_signer._credentials = RefreshableCredentials(
        "AKIAIOSFODNN7EXAMPLE", "secret", "token", datetime(2000, 1, 1, tzinfo=UTC), fetch, "test"
    )

    sqs.create_queue(QueueName="orders")

    assert list(aws.broker.queues) == ["orders"]


def test_an_endpoint_of_the_clients_own_is_not_reached(aws: AWS) -> None:
    boto3.client("sqs", endpoint_url="http://localhost:4566").create_queue(QueueName="orders")

    assert list(aws.broker.queues) == ["orders"]


def test_a_client_without_credentials_is_answered(aws: AWS) -> None:
    from botocore import UNSIGNED
    from botocore.config import Config

    sqs = boto3.client("sqs", config=Config(signature_version=UNSIGNED))

    assert sqs.create_queue(QueueName="orders")["ResponseMetadata"]["HTTPStatusCode"] == 200


# -- answers ---------------------------------------------------------------------------------------------------------


def test_answers_have_botocores_metadata(aws: AWS) -> None:
    metadata = boto3.client("sqs").create_queue(QueueName="orders")["ResponseMetadata"]

    assert metadata["HTTPStatusCode"] == 200
    assert metadata["RetryAttempts"] == 0
    assert metadata["HTTPHeaders"]["x-amzn-requestid"] == metadata["RequestId"]
    assert set(metadata["HTTPHeaders"]) == {"x-amzn-requestid", "content-type", "content-length", "date"}


def test_errors_are_the_clients_own_classes_with_both_of_their_codes(aws: AWS) -> None:
    sqs = boto3.client("sqs")

    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as caught:
        sqs.get_queue_url(QueueName="orders")

    assert isinstance(caught.value, ClientError)
    assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert caught.value.operation_name == "GetQueueUrl"


def test_an_error_of_the_servers_is_not_tried_again(aws: AWS, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = Service("sqs", "Amazon SQS", modules=())
    monkeypatch.setattr(aws, "service", lambda name: empty)

    with pytest.raises(ClientError, match="Amazon SQS operation ListQueues is not part of decouple") as caught:
        boto3.client("sqs").list_queues()

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0


def test_botocore_checks_parameters_before_us(aws: AWS) -> None:
    from botocore.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError, match="QueueName"):
        boto3.client("sqs").create_queue()


def test_a_stubber_acts_before_us(aws: AWS) -> None:
    sqs = boto3.client("sqs")
    with Stubber(sqs) as stubber:
        stubber.add_response("get_queue_url", {"QueueUrl": "https://stubbed"})
        assert sqs.get_queue_url(QueueName="orders")["QueueUrl"] == "https://stubbed"

    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName="orders")


def test_hooks_on_parameters_and_answers_are_called(aws: AWS) -> None:
    sqs = boto3.client("sqs")
    seen: list[str] = []
    sqs.meta.events.register("before-parameter-build.sqs.CreateQueue", lambda **_: seen.append("before"))
    sqs.meta.events.register("after-call.sqs.CreateQueue", lambda http_response, **_: seen.append(http_response.text))

    sqs.create_queue(QueueName="orders")

    assert seen == ["before", '{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/123456789012/orders"}']


def test_the_payload_of_an_invocation_is_a_stream(aws: AWS) -> None:
    @aws.broker.function(name="double")
    def double(event: dict[str, int], context: object) -> int:
        return event["n"] * 2

    answer = boto3.client("lambda").invoke(FunctionName="double", Payload=b'{"n": 21}')

    assert isinstance(answer["Payload"], StreamingBody)
    assert answer["Payload"].read(1) + answer["Payload"].read() == b"42"


@pytest.mark.parametrize("payload", ['{"n": 21}', bytearray(b'{"n": 21}')], ids=["text", "bytearray"])
def test_a_payload_may_be_what_botocore_takes(aws: AWS, payload: Any) -> None:
    aws.broker.function(lambda event, context: event["n"], name="echo")

    assert boto3.client("lambda").invoke(FunctionName="echo", Payload=payload)["Payload"].read() == b"21"


def test_a_payload_may_be_a_file(aws: AWS, tmp_path: Any) -> None:
    aws.broker.function(lambda event, context: event["n"], name="echo")
    path = tmp_path / "event.json"
    path.write_text('{"n": 21}')

    with path.open("rb") as file:
        answer = boto3.client("lambda").invoke(FunctionName="echo", Payload=file)

    assert answer["Payload"].read() == b"21"


# -- time and work ---------------------------------------------------------------------------------------------------


def test_time_stands_still_at_the_present_until_it_is_advanced() -> None:
    with mock() as aws:
        began = aws.clock.time
        boto3.client("sqs").create_queue(QueueName="orders")

        assert aws.clock.time == began
        assert abs(began - datetime.now(UTC)) < timedelta(seconds=60)


def test_advancing_ends_a_visibility_timeout(aws: AWS) -> None:
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="order 7")
    assert bodies(sqs.receive_message(QueueUrl=url)) == ["order 7"]

    aws.clock.advance(29.999)
    assert bodies(sqs.receive_message(QueueUrl=url)) == []

    aws.clock.advance(0.001)
    assert bodies(sqs.receive_message(QueueUrl=url)) == ["order 7"]


def test_an_empty_long_poll_moves_time_and_takes_none(aws: AWS) -> None:
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    began = aws.clock.time

    assert bodies(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)) == []

    assert aws.clock.time - began == timedelta(seconds=20)


def test_a_long_poll_gives_other_threads_that_poll_the_time_to_answer(
    aws: AWS, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a consumer in a thread does, whose answers a test waits for."""
    monkeypatch.setattr("decouple.aws.sqs.receiving.PATIENCE", 10)
    sqs = boto3.client("sqs")
    requests, replies = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("requests", "replies"))
    began = aws.clock.time

    def consume() -> None:
        for _ in range(2):
            [message] = sqs.receive_message(QueueUrl=requests, WaitTimeSeconds=20)["Messages"]
            sqs.send_message(QueueUrl=replies, MessageBody=message["Body"].upper())
            sqs.delete_message(QueueUrl=requests, ReceiptHandle=message["ReceiptHandle"])

    consumer = threading.Thread(target=consume)
    consumer.start()
    sqs.send_message(QueueUrl=requests, MessageBody="one")
    while not aws.broker.queues["replies"].stats().visible:
        pass
    assert bodies(sqs.receive_message(QueueUrl=replies)) == ["ONE"]

    sqs.send_message(QueueUrl=requests, MessageBody="two")
    assert bodies(sqs.receive_message(QueueUrl=replies, WaitTimeSeconds=20)) == ["TWO"]

    consumer.join()
    assert aws.clock.time == began


def test_a_published_message_has_been_pushed_when_the_call_returns(aws: AWS) -> None:
    heard: list[str] = []
    aws.broker.topic("events").subscribe(lambda notification: heard.append(notification.body))

    boto3.client("sns").publish(TopicArn=aws.broker.topics["events"].arn, Message="one")

    assert heard == ["one"]


def test_what_was_published_natively_is_there_when_it_is_asked_for(aws: AWS) -> None:
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="copies")["QueueUrl"]
    aws.broker.topic("events").subscribe(lambda notification: aws.broker.queues["copies"].send(notification.body))
    aws.broker.topics["events"].publish("one")

    assert bodies(sqs.receive_message(QueueUrl=url)) == ["one"]


def test_run_does_natively_put_work_and_tells_the_errors(aws: AWS) -> None:
    def fail(_: object) -> None:
        raise ValueError("not today")

    aws.broker.topic("events").subscribe(fail)
    aws.broker.topics["events"].publish("one")

    assert {str(error) for error in aws.run()} == {"not today"}
    assert aws.run() == []


def test_the_error_of_a_handler_is_in_the_log_and_not_the_callers(aws: AWS, caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: object, context: object) -> None:
        raise ValueError("not today")

    aws.broker.function(fail, name="fail")
    boto3.client("lambda").invoke(FunctionName="fail", InvocationType="Event")

    [record] = caplog.records
    assert (record.name, record.levelname) == ("decouple.aws", "ERROR")
    assert record.exc_info is not None
    assert "not today" in str(record.exc_info[1])


def test_a_target_that_takes_nothing_is_one_line_in_the_log(aws: AWS, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(notification: object) -> None:
        raise DeliveryRefused("nowhere", why="it is closed")

    aws.broker.topic("events").subscribe(refuse)
    boto3.client("sns").publish(TopicArn=aws.broker.topics["events"].arn, Message="one")

    [record] = [one for one in caplog.records if one.name == "decouple.aws"]
    assert record.exc_info is None
    assert record.getMessage() == (
        "work that was due within a call failed: nowhere did not take the notification: it is closed"
    )


@pytest.mark.parametrize("how", ["RequestResponse", "Event"])
@pytest.mark.parametrize("awaits", [False, True], ids=["def", "async-def"])
def test_a_handler_calls_clients_of_its_own(aws: AWS, how: str, awaits: bool) -> None:
    heard: list[str] = []
    topic = aws.broker.topic("events")
    topic.subscribe(lambda notification: heard.append(notification.body))

    def handler(event: object, context: object) -> None:
        boto3.client("sns").publish(TopicArn=topic.arn, Message="from the handler")

    async def handler_later(event: object, context: object) -> None:
        handler(event, context)

    aws.broker.function(handler_later if awaits else handler, name="relay")

    boto3.client("lambda").invoke(FunctionName="relay", InvocationType=how)

    assert heard == ["from the handler"]


def test_a_queue_that_triggers_a_function_does_so_within_the_call_that_sends(aws: AWS) -> None:
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    seen: list[str] = []
    function = aws.broker.function(lambda event, context: seen.extend(r["body"] for r in event["Records"]), name="work")
    aws.broker.queues["orders"].trigger(function)

    sqs.send_message(QueueUrl=url, MessageBody="order 7")

    assert seen == ["order 7"]


def test_on_real_time_workers_do_the_work() -> None:
    heard: list[str] = []
    with mock(clock="real") as aws:
        aws.broker.topic("events").subscribe(lambda notification: heard.append(notification.body))
        boto3.client("sns").publish(TopicArn=aws.broker.topics["events"].arn, Message="one")

        assert aws.run() == []
        assert heard == ["one"]
        with pytest.raises(RuntimeError, match="lives on real time"):
            aws.clock.advance(1)


def test_brokers_of_other_regions_are_started_on_real_time() -> None:
    heard: list[str] = []
    with mock(clock="real") as aws:
        broker = aws.world.broker(region="eu-central-1")
        broker.topic("events").subscribe(lambda notification: heard.append(notification.body))
        boto3.client("sns", region_name="eu-central-1").publish(TopicArn=broker.topics["events"].arn, Message="one")

        assert aws.run() == []
        assert heard == ["one"]


@pytest.mark.parametrize("make", [VirtualClock, SystemClock])
def test_a_clock_of_ones_own_is_the_worlds(make: Callable[[], Any]) -> None:
    clock = make()

    with mock(clock=clock) as aws:
        assert aws.world.clock is clock
        assert boto3.client("sqs").create_queue(QueueName="orders")


def test_on_a_real_clock_of_ones_own_workers_do_the_work() -> None:
    heard = threading.Event()
    with mock(clock=SystemClock()) as aws:
        aws.broker.topic("events").subscribe(lambda notification: heard.set())
        boto3.client("sns").publish(TopicArn=aws.broker.topics["events"].arn, Message="one")

        assert heard.wait(5)


# -- what stays inside -----------------------------------------------------------------------------------------------


def test_a_service_we_do_not_have_is_refused_by_name(aws: AWS) -> None:
    with pytest.raises(NotMocked, match=r"s3 is not among .* ListBuckets .* mock\(passthrough=\['s3'\]\)") as caught:
        boto3.client("s3").list_buckets()

    assert (caught.value.service, caught.value.operation) == ("s3", "ListBuckets")


def test_a_service_that_is_passed_through_is_sent() -> None:
    with mock(passthrough=["s3"]):
        s3 = boto3.client("s3")

        with pytest.raises(Sent):
            s3.list_buckets()


def test_a_service_of_ours_can_be_passed_through_too() -> None:
    with mock(passthrough=["sqs"]) as aws:
        with pytest.raises(Sent):
            boto3.client("sqs").list_queues()

        boto3.client("sns").create_topic(Name="events")
        assert list(aws.broker.topics) == ["events"]


def test_a_client_left_behind_by_a_mock_does_not_reach_the_network() -> None:
    with mock():
        sqs = boto3.client("sqs", **KEYS)
        sqs.list_queues()

    with pytest.raises(MockEnded, match="sqs was called for ListQueues by a client of a mock that has ended"):
        sqs.list_queues()


def test_a_client_with_a_mocks_credentials_does_not_reach_the_network() -> None:
    with mock():
        session = boto3.Session(region_name="us-east-1")
        assert session.get_credentials().access_key

    with pytest.raises(MockEnded):
        session.client("sqs").list_queues()


def test_a_client_of_ones_own_is_sent_again_afterwards() -> None:
    sqs = boto3.client("sqs", **KEYS)
    with mock():
        sqs.list_queues()

    with pytest.raises(Sent):
        sqs.list_queues()


def test_boto3s_default_session_does_not_keep_a_mocks_credentials() -> None:
    boto3.setup_default_session()
    with mock():
        boto3.client("sqs").list_queues()

    assert boto3.DEFAULT_SESSION._session._credentials is None


# -- the environment -------------------------------------------------------------------------------------------------


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def test_credentials_and_region_are_set_while_a_mock_is_open() -> None:
    with mock(region="eu-central-1"):
        assert set(environment()) == {
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_DEFAULT_REGION",
        }
        assert os.environ["AWS_DEFAULT_REGION"] == "eu-central-1"

    assert environment() == {}


def test_what_is_set_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = {"AWS_ACCESS_KEY_ID": "MINE", "AWS_SECRET_ACCESS_KEY": "mine", "AWS_DEFAULT_REGION": "eu-west-1"}
    for name, value in mine.items():
        monkeypatch.setenv(name, value)

    with mock() as aws:
        assert environment() == mine
        assert aws.region == "eu-west-1"

    assert environment() == mine


def test_a_region_that_is_asked_for_is_that_of_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")

    with mock():
        with mock(region="eu-central-1") as inner:
            boto3.client("sqs").create_queue(QueueName="orders")
            assert list(inner.broker.queues) == ["orders"]
        assert os.environ["AWS_DEFAULT_REGION"] == "eu-west-1"

    assert os.environ["AWS_DEFAULT_REGION"] == "eu-west-1"


def test_mocks_that_end_in_another_order_put_everything_back() -> None:
    first, second = mock(region="eu-west-1"), mock(region="eu-central-1")
    first.start()
    second.start()

    first.stop()
    assert os.environ["AWS_DEFAULT_REGION"] == "eu-central-1"

    second.stop()
    assert environment() == {}


def test_what_a_test_changed_meanwhile_is_left_alone() -> None:
    with mock():
        os.environ["AWS_ACCESS_KEY_ID"] = "theirs"
        del os.environ["AWS_SESSION_TOKEN"]

    assert environment() == {"AWS_ACCESS_KEY_ID": "theirs"}
    del os.environ["AWS_ACCESS_KEY_ID"]


# -- arguments -------------------------------------------------------------------------------------------------------


def test_passthrough_is_a_list_of_names() -> None:
    with pytest.raises(TypeError, match=r"such as \['s3'\], not 's3'"):
        mock(passthrough="s3")


@pytest.mark.parametrize(
    "wrong", [{"clock": "fast"}, {"account": "12"}, {"region": "here"}], ids=lambda one: next(iter(one))
)
def test_wrong_settings_are_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        mock(**wrong)


def test_strictness_account_and_region_are_the_worlds() -> None:
    with mock(strict=True, account="111122223333", region="eu-central-1") as aws:
        assert (aws.world.strict, aws.account, aws.region) == (True, "111122223333", "eu-central-1")
        assert (aws.broker.account, aws.broker.region) == ("111122223333", "eu-central-1")


def test_a_mock_that_was_not_entered_cannot_be_left() -> None:
    with pytest.raises(RuntimeError, match="was not entered"):
        mock().stop()


def test_it_says_which_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import decouple.aws.mocking.patching as patching
    from decouple import NotInstalled

    monkeypatch.setattr(patching, "patched", set())
    monkeypatch.setattr(patching, "find_spec", lambda name: None)

    with pytest.raises(NotInstalled, match=r"mocking AWS needs botocore.*decouple-messaging\[aws\]"):
        mock().start()
