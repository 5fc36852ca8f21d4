"""The builders of Lambda events, as Powertools for AWS Lambda reads them: classes, models, batches."""

from __future__ import annotations

import base64
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from aws_lambda_powertools.utilities import data_classes as classes
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    SqsFifoPartialProcessor,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes import cognito_user_pool_event as pools
from aws_lambda_powertools.utilities.parser import models, parse

from decouple.testing import events
from decouple.testing.events import ItemChange, SqsMessage


def test_powertools_reads_events_of_queues_and_topics() -> None:
    queue = classes.SQSEvent(
        events.sqs([SqsMessage({"id": 7}, {"n": 42, "raw": b"\x00"}, source="orders")], queue="orders-dlq")
    )
    topic = classes.SNSEvent(events.sns("hello", subject="New", attributes={"n": 1}))

    [record] = queue.records
    assert (record.json_body, record.message_attributes["n"].string_value) == ({"id": 7}, "42")
    assert record.message_attributes["raw"].binary_value == "AA=="
    assert record.attributes.dead_letter_queue_source_arn == "arn:aws:sqs:us-east-1:000000000000:orders"
    assert record.queue_url == "https://sqs.us-east-1.amazonaws.com/000000000000/orders-dlq"
    assert (topic.sns_message, topic.record.sns.subject) == ("hello", "New")
    assert topic.record.sns.message_attributes["n"].value == "1"


def test_powertools_finds_a_notification_inside_a_message() -> None:
    body = events.sns_envelope("hello", topic="news", subject="New", attributes={"n": 1})

    [record] = classes.SQSEvent(events.sqs([body])).records

    notification = record.decoded_nested_sns_event
    assert (notification.message, notification.subject) == ("hello", "New")
    assert notification.topic_arn == "arn:aws:sns:us-east-1:000000000000:news"
    assert notification.message_attributes["n"].value == "1"


def test_powertools_reads_events_of_buses_buckets_streams_and_tables() -> None:
    bus = classes.EventBridgeEvent(events.schedule("nightly"))
    bucket = classes.S3Event(events.s3("in/a file.csv", bucket="inbox", body="hello"))
    stream = classes.KinesisStreamEvent(events.kinesis([{"id": 7}], stream="clicks"))
    table = classes.DynamoDBStreamEvent(
        events.dynamodb_stream([ItemChange(new={"id": 7, "tags": {"a"}}, old={"id": 7})])
    )

    assert (bus.detail_type, bus.source, bus.detail) == ("Scheduled Event", "aws.events", {})
    assert (bucket.bucket_name, bucket.object_key) == ("inbox", "in/a file.csv")
    assert bucket.record.s3.get_object.size == 5
    [record] = stream.records
    assert record.kinesis.data_as_json() == {"id": 7}
    [change] = table.records
    assert change.dynamodb is not None
    assert (change.event_name.name, change.dynamodb.keys) == ("MODIFY", {"id": Decimal(7)})
    assert change.dynamodb.new_image == {"id": Decimal(7), "tags": {"a"}}


def test_powertools_reads_events_of_logs_alarms_and_mail() -> None:
    logs = classes.CloudWatchLogsEvent(events.cloudwatch_logs(["one", "two"]))
    alarm = classes.CloudWatchAlarmEvent(events.cloudwatch_alarm("backlog", reason_data={"threshold": 5.0}))
    mail = classes.SESEvent(events.ses("Order 7", sender="ann@example.com", verdicts={"virus": "FAIL"}))

    assert [line.message for line in logs.parse_logs_data().log_events] == ["one", "two"]
    assert alarm.alarm_data.state.value == "ALARM"
    assert alarm.alarm_data.state.reason_data_decoded == {"threshold": 5.0}
    assert alarm.alarm_data.configuration.metrics[0].metric_stat.metric["namespace"] == "AWS/SQS"
    assert (mail.mail.source, mail.mail.common_headers.subject) == ("ann@example.com", "Order 7")
    assert mail.receipt.virus_verdict.status == "FAIL"


def test_powertools_reads_requests_and_connections() -> None:
    rest = classes.APIGatewayProxyEvent(events.api_gateway("POST", "/a", body={"n": 1}, claims={"sub": "ann"}))
    http = classes.APIGatewayProxyEventV2(
        events.api_gateway("POST", "/a", version="2.0", body=b"\xff", claims={"sub": "b"})
    )
    socket = classes.APIGatewayWebSocketEvent(events.websocket("say", {"text": "hi"}))

    assert (rest.json_body, rest.headers["content-type"]) == ({"n": 1}, "application/json")
    assert rest.request_context.authorizer.claims == {"sub": "ann"}
    assert rest.resolved_query_string_parameters == {}
    assert (http.path, http.http_method, http.is_base64_encoded) == ("/a", "POST", True)
    assert http.request_context.authorizer is not None
    assert http.request_context.authorizer.jwt_claim == {"sub": "b"}
    assert (socket.json_body, socket.request_context.route_key) == ({"text": "hi"}, "say")


@pytest.mark.parametrize(
    ("trigger", "kind"),
    [
        ("PreSignUp_SignUp", pools.PreSignUpTriggerEvent),
        ("PostConfirmation_ConfirmSignUp", pools.PostConfirmationTriggerEvent),
        ("PreAuthentication_Authentication", pools.PreAuthenticationTriggerEvent),
        ("PostAuthentication_Authentication", pools.PostAuthenticationTriggerEvent),
        ("TokenGeneration_HostedAuth", pools.PreTokenGenerationTriggerEvent),
        ("CustomMessage_SignUp", pools.CustomMessageTriggerEvent),
        ("UserMigration_ForgotPassword", pools.UserMigrationTriggerEvent),
        ("DefineAuthChallenge_Authentication", pools.DefineAuthChallengeTriggerEvent),
        ("CreateAuthChallenge_Authentication", pools.CreateAuthChallengeTriggerEvent),
        ("VerifyAuthChallengeResponse_Authentication", pools.VerifyAuthChallengeResponseTriggerEvent),
    ],
)
def test_powertools_reads_all_it_knows_of_a_trigger(trigger: str, kind: Any) -> None:
    event = kind(events.cognito(trigger, attributes={"email": "a@b.c"}))

    read = {name: getattr(event.request, name) for name in dir(type(event.request)) if not name.startswith("_")}
    assert event.trigger_source == trigger
    assert read.get("user_attributes", {"email": "a@b.c"}) == {"email": "a@b.c"}


def test_powertools_lets_a_function_answer_a_trigger() -> None:
    event = events.cognito("PreSignUp_SignUp")

    pools.PreSignUpTriggerEvent(event).response.auto_confirm_user = True

    assert event["response"]["autoConfirmUser"] is True


@pytest.mark.parametrize(
    ("event", "model"),
    [
        (events.sqs(["a", SqsMessage("b", {"n": 1, "raw": b"\x00"}, trace="Root=1")]), models.SqsModel),
        (events.sqs(["a"], queue="orders.fifo"), models.SqsModel),
        (events.sns("hello", attributes={"n": 1}), models.SnsModel),
        (events.schedule("nightly"), models.EventBridgeModel),
        (events.eventbridge({"id": 7}, detail_type="order placed", source="shop"), models.EventBridgeModel),
        (events.s3("in/a file.csv"), models.S3Model),
        (events.s3("in/a file.csv", event="ObjectRemoved:DeleteMarkerCreated"), models.S3Model),
        (events.kinesis([b"\x00", {"id": 7}]), models.KinesisDataStreamModel),
        (events.dynamodb_stream([{"id": 7}, ItemChange(old={"id": 8}, expired=True)]), models.DynamoDBStreamModel),
        (events.cloudwatch_logs(["one", {"level": "ERROR"}]), models.CloudWatchLogsModel),
        (events.ses("Order 7"), models.SesModel),
        (events.cognito("PreSignUp_SignUp"), models.CognitoPreSignupTriggerModel),
        (events.cognito("PostConfirmation_ConfirmSignUp"), models.CognitoPostConfirmationTriggerModel),
        (events.cognito("TokenGeneration_HostedAuth"), models.CognitoPreTokenGenerationTriggerModelV1),
        (events.cognito("CustomMessage_SignUp"), models.CognitoCustomMessageTriggerModel),
        (events.api_gateway("POST", "/a", body={"n": 1}, claims={"sub": "b"}), models.APIGatewayProxyEventModel),
        (events.api_gateway("PUT", "/a", version="2.0", claims={"sub": "b"}), models.APIGatewayProxyEventV2Model),
        (events.websocket("$connect"), models.APIGatewayWebSocketConnectEventModel),
        (events.websocket("say", {"text": "hi"}), models.APIGatewayWebSocketMessageEventModel),
        (events.websocket("$disconnect"), models.APIGatewayWebSocketDisconnectEventModel),
    ],
)
def test_the_models_of_powertools_parser_accept_every_event(event: Any, model: Any) -> None:
    assert parse(event=event, model=model)


@pytest.mark.parametrize(
    ("kind", "event", "failed"),
    [
        (EventType.SQS, events.sqs(["fine", "bad", "fine"]), lambda record: record["messageId"]),
        (
            EventType.KinesisDataStreams,
            events.kinesis(["fine", "bad", "fine"]),
            lambda record: record["kinesis"]["sequenceNumber"],
        ),
        (
            EventType.DynamoDBStreams,
            events.dynamodb_stream([{"id": "fine"}, {"id": "bad"}, {"id": "fine"}]),
            lambda record: record["dynamodb"]["SequenceNumber"],
        ),
    ],
)
def test_the_batch_processor_of_powertools_reports_the_failed_record(
    kind: EventType, event: Any, failed: Callable[[Any], str]
) -> None:
    def handle(record: Any) -> None:
        if "bad" in str(record.raw_event) or base64.b64encode(b"bad").decode() in str(record.raw_event):
            raise ValueError("a bad record")

    answer = process_partial_response(event, handle, BatchProcessor(event_type=kind))

    assert answer == {"batchItemFailures": [{"itemIdentifier": failed(event["Records"][1])}]}


def test_the_fifo_processor_of_powertools_stops_a_batch_at_the_first_failure() -> None:
    event = events.sqs(["fine", "bad", "fine"], queue="orders.fifo")

    def handle(record: Any) -> None:
        if record.body == "bad":
            raise ValueError("a bad record")

    answer = process_partial_response(event, handle, SqsFifoPartialProcessor())

    failed = [{"itemIdentifier": record["messageId"]} for record in event["Records"][1:]]
    assert answer == {"batchItemFailures": failed}
