"""What type checkers see of mocks: decorated functions keep their types, and `as aws` is an AWS."""

from __future__ import annotations

from typing import assert_type

from decouple import Broker, Recording, Story, VirtualClock
from decouple.aws import AWS, World, mock
from decouple.testing import Faults, laws


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
    with mock(seed=7, faults=Faults(duplicate=0.1), record=100_000) as aws, laws.watch(aws) as watch:
        assert_type(aws.explain("an id"), Story)
        assert_type(aws.recording(), Recording)
        assert_type(watch.recording(), Recording)
    with laws.watch(World()), laws.watch(Broker()):
        pass
