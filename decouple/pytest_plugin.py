"""pytest's fixtures for AWS in the process: `aws`, and boto3 clients of it, `sqs`, `sns` and `aws_lambda`.

pytest imports its plugins at every start, also for tests that use none of them, so botocore is loaded by the first
fixture. A fixture of yours with the same name takes the place of ours; one called `aws`
that opens `mock(...)` with settings of its own serves the clients here, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from decouple.aws import AWS

__all__ = ["aws", "aws_lambda", "sns", "sqs"]


@pytest.fixture
def aws() -> Iterator[AWS]:
    """A world of its own for this test, on a clock that stands still: see decouple.aws.mock."""
    from decouple.aws import mock  # here and below, because most tests need none of it

    with mock() as aws:
        yield aws


@pytest.fixture
def sqs(aws: AWS) -> Any:
    """A boto3 client for SQS in that world."""
    return client(aws, "sqs")


@pytest.fixture
def sns(aws: AWS) -> Any:
    """A boto3 client for SNS in that world."""
    return client(aws, "sns")


@pytest.fixture
def aws_lambda(aws: AWS) -> Any:
    """A boto3 client for Lambda in that world."""
    return client(aws, "lambda")


def client(aws: object, service: str) -> Any:
    """A client in the world's region. Raises TypeError if the fixture `aws` is somebody else's."""
    from importlib import import_module

    from decouple.aws import AWS

    if not isinstance(aws, AWS):
        raise TypeError(
            f"the fixture aws is not decouple's but {aws!r:.80}: let it yield from `with decouple.aws.mock()`, "
            f"or make a client of your own there"
        )
    return import_module("boto3").client(service, region_name=aws.region)
