"""Checked by mypy --strict and a strict pyright, never run: what an editor tells a user about events."""

from __future__ import annotations

from typing import assert_type

from decouple.testing import events

batch = events.sqs(["a", {"id": 7}, events.SqsMessage("b", {"n": 1}, receive_count=2)], queue="orders")
assert_type(batch, events.SqsEvent)
assert_type(batch["Records"][0], events.SqsRecord)
assert_type(batch["Records"][0]["attributes"]["SentTimestamp"], str)
assert_type(events.sns("a")["Records"][0]["Sns"]["Subject"], str | None)
assert_type(events.kinesis([b"a", {"id": 7}])["Records"][0]["kinesis"]["approximateArrivalTimestamp"], float)
assert_type(events.dynamodb_stream([{"id": 7}])["Records"][0]["dynamodb"]["SizeBytes"], int)
assert_type(events.schedule()["detail-type"], str)
assert_type(events.s3("a")["Records"][0]["s3"]["object"]["key"], str)
assert_type(events.api_gateway("GET", "/"), events.ApiGatewayEvent)
assert_type(events.api_gateway("GET", "/", version="2.0"), events.ApiGatewayEventV2)
