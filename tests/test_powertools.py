"""Handlers written for Powertools for AWS Lambda run from a queue as they are: nothing here knows of decouple but the wiring."""

from __future__ import annotations

from typing import Any

import pytest
from aws_lambda_powertools.utilities.batch import (
    AsyncBatchProcessor,
    BatchProcessor,
    EventType,
    SqsFifoPartialProcessor,
    async_process_partial_response,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from decouple import Broker, VirtualClock

processor = BatchProcessor(event_type=EventType.SQS)
ordered = SqsFifoPartialProcessor()
ordered_by_group = SqsFifoPartialProcessor(skip_group_on_error=True)
asynchronous = AsyncBatchProcessor(event_type=EventType.SQS)

paid: list[int] = []


@pytest.fixture(autouse=True)
def _nobody_has_paid() -> None:
    paid.clear()


def pay(record: SQSRecord) -> None:
    """Payments 3 and 6 fail at the first try."""
    payment: dict[str, Any] = record.json_body
    if payment["id"] in (3, 6) and record.attributes.approximate_receive_count == "1":
        raise ValueError("the bank says no")
    paid.append(payment["id"])


def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return process_partial_response(event=event, record_handler=pay, processor=processor, context=context)


def fifo_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return process_partial_response(event=event, record_handler=pay, processor=ordered, context=context)


def group_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return process_partial_response(event=event, record_handler=pay, processor=ordered_by_group, context=context)


async def apay(record: SQSRecord) -> None:
    pay(record)


def async_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return async_process_partial_response(event=event, record_handler=apay, processor=asynchronous, context=context)


@pytest.mark.parametrize("handler", [lambda_handler, async_handler])
def test_what_failed_comes_again_and_nothing_else(broker: Broker, clock: VirtualClock, handler: Any) -> None:
    payments = broker.queue("payments", visibility_timeout=30)
    trigger = payments.trigger(handler)
    payments.send_batch([{"id": number} for number in range(8)])

    broker.run_until_idle()
    assert sorted(paid) == [0, 1, 2, 4, 5, 7]
    assert payments.stats().in_flight == 2

    clock.advance(30)
    assert sorted(paid) == list(range(8))
    assert (trigger.stats().succeeded, trigger.stats().failed) == (8, 2)


def test_a_batch_that_fails_as_a_whole_is_the_function_s_error(broker: Broker, clock: VirtualClock) -> None:
    """Powertools raises BatchProcessingError where every record failed."""
    payments = broker.queue("payments")
    payments.trigger(lambda_handler)
    payments.send_batch([{"id": 3}, {"id": 6}])

    report = broker.run_until_idle(errors="collect")
    assert [type(error).__name__ for error in report.errors] == ["BatchProcessingError"]

    clock.advance(30)
    assert paid == [3, 6]


def test_the_fifo_processor_stops_at_the_first_failure_and_keeps_the_order(broker: Broker, clock: VirtualClock) -> None:
    payments = broker.queue("payments.fifo", content_based_deduplication=True)
    payments.trigger(fifo_handler)
    for number in range(8):
        payments.send({"id": number}, group="account-1")

    broker.run_until_idle()
    assert paid == [0, 1, 2]

    clock.advance(30)
    clock.advance(30)
    assert paid == list(range(8))


def test_the_fifo_processor_may_skip_one_group_only(broker: Broker, clock: VirtualClock) -> None:
    payments = broker.queue("payments.fifo", content_based_deduplication=True)
    payments.trigger(group_handler)
    for number in range(8):
        payments.send({"id": number}, group=f"account-{number % 2}")

    broker.run_until_idle()
    assert [number for number in paid if number % 2 == 0] == [0, 2, 4]
    assert [number for number in paid if number % 2] == [1]

    clock.advance(60)
    assert [number for number in paid if number % 2] == [1, 3, 5, 7]
    assert [number for number in paid if number % 2 == 0] == [0, 2, 4, 6]
