"""Lists in pages: who deletes what a page shows before asking for the next still comes by everything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from decouple.aws import AWS, mock
from decouple.aws.paging import page


@pytest.fixture
def aws() -> Iterator[AWS]:
    with mock() as aws:
        yield aws


def test_queues_can_be_deleted_page_by_page(aws: AWS) -> None:
    sqs = boto3.client("sqs")
    for number in range(7):
        sqs.create_queue(QueueName=f"q{number}")

    for some in sqs.get_paginator("list_queues").paginate(PaginationConfig={"PageSize": 2}):
        for url in some["QueueUrls"]:
            sqs.delete_queue(QueueUrl=url)

    assert not aws.broker.queues


def test_topics_can_be_deleted_page_by_page(aws: AWS) -> None:
    sns = boto3.client("sns")
    for number in range(250):
        sns.create_topic(Name=f"t{number}")

    for some in sns.get_paginator("list_topics").paginate():
        for topic in some["Topics"]:
            sns.delete_topic(TopicArn=topic["TopicArn"])

    assert not aws.broker.topics


def test_functions_can_be_deleted_page_by_page(aws: AWS) -> None:
    lambdas = boto3.client("lambda")
    for number in range(7):
        aws.broker.function(lambda event, context: None, name=f"f{number}")

    for some in lambdas.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2}):
        for function in some["Functions"]:
            lambdas.delete_function(FunctionName=function["FunctionName"])

    assert not aws.broker.functions


def test_where_the_first_of_the_next_page_is_deleted_the_list_goes_on_at_its_place() -> None:
    items: dict[str, Any] = {"a": 1, "b": 2, "c": 3, "d": 4}
    first = page(items, most=2, token=None)

    del items["c"]

    assert page(items, most=2, token=first.token) == ([4], None)


@pytest.mark.parametrize("token", ["x", "é", "OmE=", "%%%="], ids=["short", "not-ascii", "no-number", "no-base64"])
def test_what_no_list_gave_is_no_token(token: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whichever of its kinds
        page({"a": 1}, most=1, token=token)
