"""Builders of the events that AWS hands to Lambda functions: exact, for anybody's handlers, with nothing else of this library.

    from decouple.testing import events

    def test_orders_are_stored():
        handler(events.sqs([{"id": 7}], queue="orders"), context)

Each returns plain dicts, lists, text and numbers, which are the caller's to change: every key AWS sends, in its order, with its
type. What is not given has a fixed value: the start of 2026, the account and region of decouple.arns, ids made from the
content. So two events built alike are equal.
"""

from decouple.lambda_records import SnsRecord, SqsRecord
from decouple.testing.events.alarms import AlarmState, CloudWatchAlarmEvent, cloudwatch_alarm
from decouple.testing.events.buses import EventBridgeEvent, eventbridge, schedule
from decouple.testing.events.logs import CloudWatchLogsEvent, cloudwatch_logs
from decouple.testing.events.mail import SesEvent, Verdict, ses
from decouple.testing.events.objects import S3Event, s3
from decouple.testing.events.queues import SqsEvent, SqsMessage, sqs
from decouple.testing.events.requests import ApiGatewayEvent, ApiGatewayEventV2, api_gateway
from decouple.testing.events.sockets import WebSocketEvent, websocket
from decouple.testing.events.streams import KinesisEvent, KinesisItem, kinesis
from decouple.testing.events.tables import DynamoDbStreamEvent, ItemChange, View, dynamodb_stream
from decouple.testing.events.topics import SnsEvent, sns, sns_envelope
from decouple.testing.events.users import CognitoEvent, cognito

__all__ = [
    "AlarmState",
    "ApiGatewayEvent",
    "ApiGatewayEventV2",
    "CloudWatchAlarmEvent",
    "CloudWatchLogsEvent",
    "CognitoEvent",
    "DynamoDbStreamEvent",
    "EventBridgeEvent",
    "ItemChange",
    "KinesisEvent",
    "KinesisItem",
    "S3Event",
    "SesEvent",
    "SnsEvent",
    "SnsRecord",
    "SqsEvent",
    "SqsMessage",
    "SqsRecord",
    "Verdict",
    "View",
    "WebSocketEvent",
    "api_gateway",
    "cloudwatch_alarm",
    "cloudwatch_logs",
    "cognito",
    "dynamodb_stream",
    "eventbridge",
    "kinesis",
    "s3",
    "schedule",
    "ses",
    "sns",
    "sns_envelope",
    "sqs",
    "websocket",
]
