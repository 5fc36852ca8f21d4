"""SQS on the wire: receiving, waiting, visibility and deletion."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqs_caller import INVALID, MISSING, NO_QUEUE, OWNER, Caller, told, wrong

from decouple.aws import ServiceError, World
from decouple.testing import VirtualClock


@pytest.fixture
def sqs(clock: VirtualClock) -> Iterator[Caller]:
    world = World(clock=clock, account=OWNER)
    yield Caller(world)
    world.check()


@pytest.fixture
def url(sqs: Caller) -> str:
    return sqs.create()


@pytest.fixture
def fifo(sqs: Caller) -> str:
    return sqs.create("orders.fifo", ContentBasedDeduplication="true")


def elsewhere(call: Any, *args: Any, **given: Any) -> Any:
    """What the call answers in another thread than the clock's own."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(call, *args, **given).result(5)


def delete(sqs: Caller, url: str, message: dict[str, Any]) -> None:
    assert sqs("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"]) == {}


def change(sqs: Caller, url: str, message: dict[str, Any], seconds: int) -> None:
    given = {"ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": seconds}
    assert sqs("ChangeMessageVisibility", QueueUrl=url, **given) == {}


# -- receiving -------------------------------------------------------------------------------------------------------


def test_one_message_unless_more_are_asked_for(sqs: Caller, url: str) -> None:
    for number in range(12):
        sqs.send(url, str(number))

    assert len(sqs("ReceiveMessage", QueueUrl=url)["Messages"]) == 1
    assert len(sqs.receive(url, 10)) == 10


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        *(("MaxNumberOfMessages", value, "Must be between 1 and 10, if provided.") for value in (0, 11, -1)),
        *(("WaitTimeSeconds", value, "Must be >= 0 and <= 20, if provided.") for value in (-1, 21)),
        *(("VisibilityTimeout", value, "Must be >= 0 and <= 43200, if provided.") for value in (-1, 43_201)),
    ],
)
def test_the_limits_of_a_receive(sqs: Caller, url: str, name: str, value: int, reason: str) -> None:
    assert told(sqs.refused("ReceiveMessage", QueueUrl=url, **{name: value})) == wrong(value, name, reason)


def test_a_receive_hides_for_its_own_timeout_or_the_queue_s(sqs: Caller, clock: VirtualClock) -> None:
    url = sqs.create("quick", VisibilityTimeout="5")
    for body in ("own", "queue's"):
        sqs.send(url, body)
    sqs.receive(url, VisibilityTimeout=7)
    sqs.receive(url)

    clock.advance(5)
    assert sqs.bodies(url, VisibilityTimeout=0) == ["queue's"]
    clock.advance(2)
    assert sorted(sqs.bodies(url)) == ["own", "queue's"]


def test_a_timeout_of_0_leaves_the_message_visible_and_counts(sqs: Caller, url: str) -> None:
    sqs.send(url)

    counts = [
        sqs.receive(url, VisibilityTimeout=0, AttributeNames=["ApproximateReceiveCount"])[0]["Attributes"]
        for _ in range(3)
    ]

    assert [one["ApproximateReceiveCount"] for one in counts] == ["1", "2", "3"]


def test_every_receive_has_a_handle_of_its_own(sqs: Caller, url: str) -> None:
    sqs.send(url)

    handles = {sqs.receive(url, VisibilityTimeout=0)[0]["ReceiptHandle"] for _ in range(3)}

    assert len(handles) == 3


def test_too_many_in_flight_is_an_error_for_a_short_poll_alone(sqs: Caller, url: str, clock: VirtualClock) -> None:
    """SQS: OverLimit on a standard queue; a long poll has no messages, and so has every poll of a FIFO queue."""
    sqs.queue().configure(max_in_flight=1)
    for _ in range(2):
        sqs.send(url)
    sqs.receive(url)

    error = sqs.refused("ReceiveMessage", QueueUrl=url)
    assert told(error)[:3] == ("OverLimit", "OverLimit", 403)
    assert sqs.receive(url, WaitTimeSeconds=5) == []


def test_a_repeated_attempt_gives_the_same_messages_and_handles_again(sqs: Caller, fifo: str) -> None:
    for body in "abc":
        sqs.send(fifo, body, MessageGroupId="g")
    first = sqs.receive(fifo, 2, ReceiveRequestAttemptId="attempt")

    assert sqs.receive(fifo, 2, ReceiveRequestAttemptId="attempt") == first
    assert sqs.receive(fifo, 2, ReceiveRequestAttemptId="other") == []

    delete(sqs, fifo, first[0])
    assert sqs.receive(fifo, 2, ReceiveRequestAttemptId="attempt") == []


def test_an_attempt_s_id_is_checked_and_for_fifo_queues_only(sqs: Caller, url: str, fifo: str) -> None:
    name = "ReceiveRequestAttemptId"

    error = sqs.refused("ReceiveMessage", QueueUrl=fifo, ReceiveRequestAttemptId="a b")
    text = f"{name} can only include alphanumeric and punctuation characters. 1 to 128 in length."
    assert told(error) == wrong("a b", name, text)
    error = sqs.refused("ReceiveMessage", QueueUrl=url, ReceiveRequestAttemptId="a")
    assert told(error) == wrong("a", name, "The request include parameter that is not valid for this queue type.")


# -- long polls ------------------------------------------------------------------------------------------------------


def test_in_the_clock_s_own_thread_a_long_poll_jumps_to_its_message(sqs: Caller, url: str, clock: VirtualClock) -> None:
    sqs.send(url, DelaySeconds=7)
    before = clock.now()

    assert len(sqs.receive(url, 10, WaitTimeSeconds=20)) == 1
    assert clock.now() - before == 7_000_000_000

    assert sqs.receive(url, WaitTimeSeconds=20) == []
    assert clock.now() - before == 27_000_000_000


def test_the_queue_s_own_wait_holds_where_none_is_given(sqs: Caller, clock: VirtualClock) -> None:
    url = sqs.create("patient", ReceiveMessageWaitTimeSeconds="20")
    before = clock.now()

    assert sqs.receive(url, WaitTimeSeconds=0) == []
    assert clock.now() == before
    assert sqs.receive(url) == []
    assert clock.now() - before == 20_000_000_000


def test_in_another_thread_a_long_poll_is_answered_soon_and_time_stays(
    sqs: Caller, url: str, clock: VirtualClock
) -> None:
    before, began = clock.now(), time.monotonic()

    assert elsewhere(sqs, "ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20) == {}

    assert clock.now() == before
    assert 0.1 <= time.monotonic() - began < 3


def test_in_a_task_a_long_poll_is_answered_soon_and_time_stays(sqs: Caller, url: str, clock: VirtualClock) -> None:
    before = clock.now()

    assert asyncio.run(sqs.aperform("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20)) == {}

    assert clock.now() == before
    assert sqs.queue().stats().parked == 0


def test_a_task_s_long_poll_ends_with_the_message_that_another_task_sends(sqs: Caller, url: str) -> None:
    async def main() -> dict[str, Any]:
        receiving = asyncio.create_task(sqs.aperform("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20))
        await asyncio.sleep(0)
        await sqs.aperform("SendMessage", QueueUrl=url, MessageBody="here")
        return await receiving

    assert asyncio.run(main())["Messages"][0]["Body"] == "here"


def test_on_real_time_a_long_poll_waits_as_long_as_it_was_asked_to() -> None:
    sqs = Caller(World(account=OWNER))
    url = sqs.create()
    began = time.monotonic()

    async def main() -> list[dict[str, Any]]:
        polls = [sqs.aperform("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=1) for _ in range(20)]
        return await asyncio.gather(*polls)

    assert asyncio.run(main()) == [{}] * 20
    assert 1 <= time.monotonic() - began < 5


def test_a_cancelled_long_poll_loses_nothing(sqs: Caller, url: str) -> None:
    async def main() -> None:
        receiving = asyncio.create_task(sqs.aperform("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20))
        await asyncio.sleep(0)
        sqs.send(url)
        receiving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await receiving

    asyncio.run(main())

    assert len(sqs.receive(url)) == 1


def test_a_queue_deleted_under_a_long_poll_does_not_exist(sqs: Caller, url: str) -> None:
    async def main() -> ServiceError:
        receiving = asyncio.create_task(sqs.aperform("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=20))
        await asyncio.sleep(0)
        sqs("DeleteQueue", QueueUrl=url)
        with pytest.raises(ServiceError) as caught:
            await receiving
        return caught.value

    assert told(asyncio.run(main())) == NO_QUEUE


# -- deleting --------------------------------------------------------------------------------------------------------


def test_a_message_is_deleted_once_and_again(sqs: Caller, url: str, clock: VirtualClock) -> None:
    """SQS: deleting twice, late or after retention is no error on a standard queue."""
    sqs.send(url)
    [message] = sqs.receive(url)

    clock.advance(31)
    delete(sqs, url, message)
    delete(sqs, url, message)

    assert sqs.receive(url) == []
    sqs.send(url)
    [kept] = sqs.receive(url)
    clock.advance(345_601)
    delete(sqs, url, kept)


def test_an_old_handle_still_works_on_a_standard_queue(sqs: Caller, url: str) -> None:
    sqs.send(url)
    [first] = sqs.receive(url, VisibilityTimeout=0)
    sqs.receive(url)

    change(sqs, url, first, 0)

    assert len(sqs.receive(url)) == 1


@pytest.mark.parametrize("handle", ["x", "é\x00", "12345678-1234-4234-8234-000000000001.1"], ids=ascii)
@pytest.mark.parametrize("operation", ["DeleteMessage", "ChangeMessageVisibility"])
def test_a_handle_that_nobody_gave(sqs: Caller, url: str, operation: str, handle: str) -> None:
    more = {"VisibilityTimeout": 1} if operation == "ChangeMessageVisibility" else {}

    error = sqs.refused(operation, QueueUrl=url, ReceiptHandle=handle, **more)

    text = f'The input receipt handle "{handle}" is not a valid receipt handle.'
    assert told(error) == ("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 404, text)


def test_a_handle_of_another_queue_or_of_a_deleted_one(sqs: Caller, url: str) -> None:
    sqs.send(url)
    [message] = sqs.receive(url)
    other = sqs.create("other")

    foreign = sqs.refused("DeleteMessage", QueueUrl=other, ReceiptHandle=message["ReceiptHandle"])
    assert foreign.shape == "ReceiptHandleIsInvalid"

    sqs("DeleteQueue", QueueUrl=url)
    sqs.create()
    late = sqs.refused("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert late.shape == "ReceiptHandleIsInvalid"


def test_what_an_error_quotes_can_be_encoded(sqs: Caller, url: str) -> None:
    error = sqs.refused("DeleteMessage", QueueUrl=url, ReceiptHandle="\ud800")

    assert error.message == 'The input receipt handle "?" is not a valid receipt handle.'


def test_an_empty_handle_is_a_missing_one(sqs: Caller, url: str) -> None:
    error = sqs.refused("DeleteMessage", QueueUrl=url, ReceiptHandle="")

    assert told(error) == (*MISSING, "The request must contain the parameter ReceiptHandle.")


def test_a_fifo_handle_expires_with_its_visibility(sqs: Caller, fifo: str, clock: VirtualClock) -> None:
    sqs.send(fifo, MessageGroupId="g")
    [message] = sqs.receive(fifo)
    clock.advance(30)

    error = sqs.refused("DeleteMessage", QueueUrl=fifo, ReceiptHandle=message["ReceiptHandle"])

    assert told(error) == wrong(message["ReceiptHandle"], "ReceiptHandle", "The receipt handle has expired.")


def test_a_fifo_handle_extended_in_time_deletes(sqs: Caller, fifo: str, clock: VirtualClock) -> None:
    sqs.send(fifo, MessageGroupId="g")
    [message] = sqs.receive(fifo)
    clock.advance(29)
    change(sqs, fifo, message, 30)
    clock.advance(29)

    delete(sqs, fifo, message)

    assert sqs.queue("orders.fifo").stats().deleted == 1


# -- visibility ------------------------------------------------------------------------------------------------------


def test_a_new_timeout_counts_from_the_call(sqs: Caller, url: str, clock: VirtualClock) -> None:
    sqs.send(url)
    [message] = sqs.receive(url)
    clock.advance(20)
    change(sqs, url, message, 20)

    clock.advance(19.9)
    assert sqs.receive(url) == []
    clock.advance(0.1)
    assert len(sqs.receive(url)) == 1


def test_a_timeout_of_0_makes_visible_at_once(sqs: Caller, url: str) -> None:
    sqs.send(url)
    [message] = sqs.receive(url)

    change(sqs, url, message, 0)

    assert len(sqs.receive(url)) == 1


def test_an_expired_message_is_hidden_again(sqs: Caller, url: str, clock: VirtualClock) -> None:
    """SQS, recorded: 200, although the reference speaks of MessageNotInflight."""
    sqs.send(url)
    [message] = sqs.receive(url)
    clock.advance(31)

    change(sqs, url, message, 10)

    assert sqs.receive(url) == []


def test_the_visibility_of_a_deleted_message_cannot_change(sqs: Caller, url: str) -> None:
    sqs.send(url)
    [message] = sqs.receive(url)
    delete(sqs, url, message)

    handle = message["ReceiptHandle"]
    error = sqs.refused("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=10)

    reason = "Message does not exist or is not available for visibility timeout change."
    assert told(error) == wrong(handle, "ReceiptHandle", reason)


def test_a_message_is_in_flight_for_12_hours_at_most(sqs: Caller, url: str, clock: VirtualClock) -> None:
    """SQS: what goes beyond is an error, and nothing is clipped."""
    sqs.send(url)
    [message] = sqs.receive(url)
    clock.advance(10)

    given = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
    error = sqs.refused("ChangeMessageVisibility", VisibilityTimeout=43_191, **given)
    reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]"
    assert told(error) == wrong(43_191, "VisibilityTimeout", reason)

    change(sqs, url, message, 43_190)


@pytest.mark.parametrize("timeout", [-1, 43_201])
def test_a_visibility_timeout_is_from_0_to_12_hours(sqs: Caller, url: str, timeout: int) -> None:
    error = sqs.refused("ChangeMessageVisibility", QueueUrl=url, ReceiptHandle="x", VisibilityTimeout=timeout)

    assert told(error)[:3] == INVALID


# -- the rule of FIFO queues -----------------------------------------------------------------------------------------


def test_a_group_gives_its_visible_beginning_and_is_closed_behind_it(sqs: Caller, fifo: str) -> None:
    for body in ("a1", "a2", "a3", "a4", "b1"):
        sqs.send(fifo, body, MessageGroupId=body[0])

    first = sqs.receive(fifo, 2)
    assert [message["Body"] for message in first] == ["a1", "a2"]
    assert sqs.bodies(fifo) == ["b1"]

    delete(sqs, fifo, first[0])
    assert sqs.receive(fifo) == []
    delete(sqs, fifo, first[1])
    assert sqs.bodies(fifo) == ["a3", "a4"]


def test_extending_the_last_of_three_leaves_the_first_two_deliverable(
    sqs: Caller, fifo: str, clock: VirtualClock
) -> None:
    for body in ("a1", "a2", "a3"):
        sqs.send(fifo, body, MessageGroupId="a")
    *_, last = sqs.receive(fifo, 3)
    change(sqs, fifo, last, 60)

    clock.advance(30)

    assert sqs.bodies(fifo) == ["a1", "a2"]
