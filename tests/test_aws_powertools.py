"""AWS Lambda Powertools in a function that boto3 made, behind a queue that boto3 fills: nothing of either is changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from decouple.aws import AWS, mock

ROLE = "arn:aws:iam::123456789012:role/worker"


@pytest.fixture
def aws() -> Iterator[AWS]:
    with mock(region="us-east-1") as aws:
        yield aws


def test_its_batch_processor_gives_back_the_records_that_failed_and_no_others(aws: AWS) -> None:
    """Lambda: batchItemFailures; the others are deleted."""
    sqs, functions = boto3.client("sqs"), boto3.client("lambda")
    shipped: list[int] = []
    processor = BatchProcessor(event_type=EventType.SQS)

    def ship(record: SQSRecord) -> None:
        order = record.json_body["order"]
        if order == 2 and record.attributes.approximate_receive_count == "1":
            raise OSError("out of stock")
        shipped.append(order)

    def handler(event: dict[str, Any], context: Any) -> Any:
        return process_partial_response(event, ship, processor, context)

    aws.world.handlers["app.handler"] = handler
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    functions.create_function(
        FunctionName="ship", Role=ROLE, Handler="app.handler", Runtime="python3.12", Code={"ZipFile": b"-"}
    )
    functions.create_event_source_mapping(
        FunctionName="ship",
        EventSourceArn="arn:aws:sqs:us-east-1:123456789012:orders",
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )

    entries = [{"Id": str(order), "MessageBody": json.dumps({"order": order})} for order in (1, 2, 3)]
    sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert shipped == [1, 3]

    aws.clock.advance(30)
    assert shipped == [1, 3, 2]
    assert aws.broker.queues["orders"].stats().deleted == 3
