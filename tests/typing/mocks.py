"""What type checkers see of mocks: decorated functions keep their types, and `as aws` is an AWS."""

from __future__ import annotations

from typing import assert_type

from decouple import Broker, VirtualClock
from decouple.aws import AWS, mock


@mock
def bare(name: str) -> int:
    return len(name)


@mock(region="eu-central-1", passthrough=["s3"])
async def with_settings(name: str) -> int:
    return len(name)


async def use() -> None:
    assert_type(bare("orders"), int)
    assert_type(await with_settings("orders"), int)
    with mock(clock="real") as aws:
        assert_type(aws, AWS)
        assert_type(aws.broker, Broker)
    async with mock(clock=VirtualClock()) as aws:
        assert_type(aws.clock, VirtualClock)
