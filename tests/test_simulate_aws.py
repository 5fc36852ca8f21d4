"""An AWS mock inside a simulation: its world lives in simulated time, with the simulation's seed, observers and workers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiobotocore.session
import boto3
import pytest

from decouple import BlockingCall, VirtualClock
from decouple.aws import MockEnded, World, mock
from decouple.core.changes import Change
from decouple.testing import Simulation, simulate

pytestmark = pytest.mark.usefixtures("models_kept")
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def now() -> float:
    return asyncio.get_running_loop().time()


def client(service: str) -> Any:
    return boto3.client(service, region_name="us-east-1")


@asynccontextmanager
async def awaited(service: str) -> AsyncIterator[Any]:
    async with aiobotocore.session.get_session().create_client(service, region_name="us-east-1") as made:
        yield made


# -- boto3: each call is a step ----------------------------------------------------------------------------------------


def test_a_lease_ends_in_simulated_time() -> None:
    async def main() -> tuple[list[Any], str]:
        with mock():
            sqs = client("sqs")
            url = sqs.create_queue(QueueName="orders", Attributes={"VisibilityTimeout": "30"})["QueueUrl"]
            sqs.send_message(QueueUrl=url, MessageBody="order 7")
            sqs.receive_message(QueueUrl=url)
            found = []
            for seconds in (29.999, 0.001):
                await asyncio.sleep(seconds)
                found.append(len(sqs.receive_message(QueueUrl=url).get("Messages", ())))
            return found, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["CreatedTimestamp"])["Attributes"]

    found, attributes = simulate(main)

    assert found == [0, 1]
    assert attributes == {"CreatedTimestamp": str(int(NEW_YEAR.timestamp()))}


def test_a_long_poll_that_finds_something_answers_at_once() -> None:
    async def main() -> tuple[str, float]:
        with mock():
            sqs = client("sqs")
            url = sqs.create_queue(QueueName="orders")["QueueUrl"]
            sqs.send_message(QueueUrl=url, MessageBody="order 7")
            [message] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
            return message["Body"], now()

    assert simulate(main) == ("order 7", 0)


@pytest.mark.parametrize("attributes", [{}, {"ReceiveMessageWaitTimeSeconds": "20"}])
def test_a_long_poll_that_would_have_to_wait_says_what_to_do_instead(attributes: dict[str, str]) -> None:
    """[] would be wrong: a program that polls in a loop would do so for ever, without time passing."""

    async def main() -> None:
        with mock():
            sqs = client("sqs")
            url = sqs.create_queue(QueueName="orders", Attributes=attributes)["QueueUrl"]
            sqs.receive_message(QueueUrl=url, **({} if attributes else {"WaitTimeSeconds": 20}))

    with pytest.raises(BlockingCall) as caught:
        simulate(main)

    assert str(caught.value) == (
        "a long poll of queue 'orders', which is empty, would block this simulation, in which no real time passes: "
        "await it with aiobotocore, or ask with WaitTimeSeconds=0 and await asyncio.sleep(seconds)"
    )


def test_functions_run_as_steps_of_the_simulation_and_try_again_in_its_time() -> None:
    calls: list[tuple[str, float]] = []

    def handle(event: dict[str, Any], context: Any) -> None:
        calls.append((event["Records"][0]["body"], now()))
        if len(calls) == 1:
            raise RuntimeError("not yet")

    async def main() -> dict[str, int]:
        async with mock() as aws:
            orders = aws.broker.queue("orders", visibility_timeout=60)
            orders.trigger(aws.broker.function(handle, name="handle"))
            await asyncio.sleep(5)
            client("sqs").send_message(
                QueueUrl=client("sqs").get_queue_url(QueueName="orders")["QueueUrl"], MessageBody="a"
            )
            await asyncio.sleep(100)
            return aws.check()

    numbers = simulate(main)

    assert calls == [("a", 5), ("a", 65)]
    assert (numbers["accepted"], numbers["deleted"]) == (1, 1)


def test_a_topic_delivers_to_the_queues_of_its_subscribers_within_the_call() -> None:
    async def main() -> Any:
        with mock() as aws:
            sns, sqs = client("sns"), client("sqs")
            arn = sns.create_topic(Name="events")["TopicArn"]
            url = sqs.create_queue(QueueName="orders")["QueueUrl"]
            sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=aws.broker.queues["orders"].arn)
            sns.publish(TopicArn=arn, Message="created")
            [message] = sqs.receive_message(QueueUrl=url)["Messages"]
            return json.loads(message["Body"])

    envelope = simulate(main)

    assert (envelope["Message"], envelope["Timestamp"]) == ("created", "2026-01-01T00:00:00.000Z")


def test_an_invocation_is_answered_within_the_step() -> None:
    async def main() -> Any:
        with mock() as aws:
            aws.broker.function(lambda event, context: event["n"] + 1, name="add")
            return json.loads(client("lambda").invoke(FunctionName="add", Payload=b'{"n": 6}')["Payload"].read())

    assert simulate(main) == 7


# -- aiobotocore: what is awaited waits --------------------------------------------------------------------------------


def test_a_long_poll_waits_in_simulated_time_until_a_message_comes() -> None:
    async def main() -> tuple[list[str], float]:
        async with mock(), awaited("sqs") as sqs:
            url = (await sqs.create_queue(QueueName="orders"))["QueueUrl"]

            async def send() -> None:
                await asyncio.sleep(12.5)
                await sqs.send_message(QueueUrl=url, MessageBody="order 7")

            sending = asyncio.create_task(send())
            found = await sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)
            await sending
            return [message["Body"] for message in found["Messages"]], now()

    assert simulate(main) == (["order 7"], 12.5)


def test_a_long_poll_that_finds_nothing_takes_its_whole_wait() -> None:
    async def main() -> tuple[list[Any], float]:
        async with mock(), awaited("sqs") as sqs:
            url = (await sqs.create_queue(QueueName="orders"))["QueueUrl"]
            found = [await sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20) for _ in range(3)]
            return [answer.get("Messages") for answer in found], now()

    assert simulate(main) == ([None] * 3, 60)


# -- whose clock, seed and observers -----------------------------------------------------------------------------------


async def played() -> list[str]:
    with mock():
        sqs = client("sqs")
        url = sqs.create_queue(QueueName="orders")["QueueUrl"]
        return [sqs.send_message(QueueUrl=url, MessageBody=f"{number}")["MessageId"] for number in range(3)]


def test_one_seed_is_one_run() -> None:
    one, again, other = (simulate(played, seed=seed) for seed in (1, 1, 2))

    assert one == again != other


def test_its_brokers_take_the_simulations_seed_and_tell_its_observers() -> None:
    heard: list[Change] = []

    async def main() -> tuple[int | None, Any]:
        with mock() as aws:
            aws.world.broker("210987654321", "eu-west-1").queue("far").send("a")
            return aws.world.broker("210987654321", "eu-west-1").seed, aws.clock

    with Simulation(main, seed=7, observers=[heard.append]) as simulation:
        seed, clock = simulation.run()  # type: ignore[misc]

    assert seed == 7
    assert clock is simulation.clock
    assert "sent" in [change.cause for change in heard]


def test_a_world_made_inside_takes_the_simulations_clock_too() -> None:
    async def main() -> datetime:
        world = World()
        world.start()
        await asyncio.sleep(60)
        return datetime.fromtimestamp(world.place().now(), UTC)

    assert simulate(main) == NEW_YEAR + timedelta(seconds=60)


def test_nobody_moves_its_clock() -> None:
    async def main() -> None:
        with mock() as aws:
            aws.clock.advance(30)

    with pytest.raises(RuntimeError, match=r"time passes by itself in a simulation: await asyncio.sleep\(seconds\)"):
        simulate(main)


def test_a_mock_on_real_time_is_refused() -> None:
    async def main() -> None:
        with mock(clock="real"):
            pass

    with pytest.raises(BlockingCall, match=r"leave the clock out, and the mock takes the simulation's"):
        simulate(main)


def test_a_mock_with_a_clock_of_its_own_keeps_it_and_its_waits_jump() -> None:
    async def main() -> tuple[dict[str, Any], float, float]:
        clock = VirtualClock()
        with mock(clock=clock):
            sqs = client("sqs")
            url = sqs.create_queue(QueueName="orders")["QueueUrl"]
            found = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)
            return found, (clock.time - NEW_YEAR).total_seconds(), now()

    found, passed, here = simulate(main)

    assert ("Messages" in found, passed, here) == (False, 20, 0)


def test_its_end_ends_the_waits_in_it() -> None:
    async def main() -> tuple[str, float]:
        async with mock(), awaited("sqs") as sqs:
            url = (await sqs.create_queue(QueueName="orders"))["QueueUrl"]

            async def poll() -> str:
                try:
                    await sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)
                except MockEnded as error:
                    return str(error)
                return "an answer"

            polling = asyncio.create_task(poll())
            await asyncio.sleep(3)
        return await polling, now()

    words, at = simulate(main)

    assert "ReceiveMessage" in words
    assert at == 3


def test_handlers_under_way_may_end_before_the_mock_does() -> None:
    ended: list[float] = []

    async def handle(event: dict[str, Any], context: Any) -> None:
        await asyncio.sleep(2)
        ended.append(now())

    async def main() -> float:
        async with mock() as aws:
            aws.broker.function(handle, name="handle", timeout=10).send({})
            await asyncio.sleep(1)
        return now()

    assert simulate(main) == 2
    assert ended == [2]
