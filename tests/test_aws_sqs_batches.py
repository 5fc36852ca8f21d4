"""SQS on the wire: batches, what fails as a whole, and what fails by entry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqs_caller import INVALID, OWNER, Caller, told

from decouple.aws import World
from decouple.testing import VirtualClock

LEGACY = "AWS.SimpleQueueService."
NO_DEDUPLICATION = (
    "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
)
WRONG_ID = (
    "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
    "It can be at most 80 letters long."
)


@pytest.fixture
def sqs(clock: VirtualClock) -> Iterator[Caller]:
    world = World(clock=clock, account=OWNER)
    yield Caller(world)
    world.check()


@pytest.fixture
def url(sqs: Caller) -> str:
    return sqs.create()


def entries(*bodies: str, **more: Any) -> list[dict[str, Any]]:
    return [{"Id": f"id{number}", "MessageBody": body, **more} for number, body in enumerate(bodies)]


def send(sqs: Caller, url: str, sent: list[dict[str, Any]]) -> dict[str, Any]:
    return sqs("SendMessageBatch", QueueUrl=url, Entries=sent)


# -- what is wrong with all of it ------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"])
@pytest.mark.parametrize(
    ("ids", "shape", "text"),
    [
        ([], "EmptyBatchRequest", "There should be at least one {}RequestEntry in the request."),
        (
            list("abcdefghijk"),
            "TooManyEntriesInBatchRequest",
            "Maximum number of entries per request are 10. You have sent 11.",
        ),
        (["a", "b", "a"], "BatchEntryIdsNotDistinct", "Id a repeated."),
        *(
            (
                ["a", wrong],
                "InvalidBatchEntryId",
                WRONG_ID,
            )
            for wrong in ("", "a b", "a.b", "a" * 81, "ä", "a\n")
        ),
    ],
)
def test_a_batch_that_is_refused_as_a_whole(
    sqs: Caller, url: str, operation: str, ids: list[str], shape: str, text: str
) -> None:
    given = [{"Id": one, "MessageBody": "x", "ReceiptHandle": "x", "VisibilityTimeout": 1} for one in ids]

    error = sqs.refused(operation, QueueUrl=url, Entries=given)

    assert told(error) == (shape, f"{LEGACY}{shape}", 400, text.format(operation))
    assert sqs.receive(url) == []


def test_a_batch_is_at_most_1_mib_whatever_the_queue_s_limit(sqs: Caller) -> None:
    """SQS: sizes are those of bodies and attributes."""
    small = sqs.create("small", MaximumMessageSize="1024")
    attribute = {"a": {"DataType": "String", "StringValue": "1234"}}
    big = "é" * 262_144

    error = sqs.refused("SendMessageBatch", QueueUrl=small, Entries=[*entries(big, big, MessageAttributes=attribute)])

    assert told(error) == (
        "BatchRequestTooLong",
        f"{LEGACY}BatchRequestTooLong",
        400,
        "Batch requests cannot be longer than 1048576 bytes. You have sent 1048598 bytes.",
    )


def test_a_fifo_batch_without_a_group_fails_as_a_whole(sqs: Caller) -> None:
    """SQS: with another code than a single message."""
    url = sqs.create("orders.fifo", ContentBasedDeduplication="true")
    good, bad = entries("a", "b", MessageGroupId="g")
    del bad["MessageGroupId"]

    error = sqs.refused("SendMessageBatch", QueueUrl=url, Entries=[good, bad])

    assert told(error) == (*INVALID, "The request must contain the parameter MessageGroupId.")
    assert sqs.receive(url) == []


def test_a_fifo_batch_without_a_deduplication_id_fails_as_a_whole(sqs: Caller) -> None:
    url = sqs.create("orders.fifo")
    good, bad = entries("a", "b", MessageGroupId="g")

    error = sqs.refused("SendMessageBatch", QueueUrl=url, Entries=[{**good, "MessageDeduplicationId": "d"}, bad])

    assert told(error) == (*INVALID, NO_DEDUPLICATION)
    assert sqs.receive(url) == []


# -- sending ---------------------------------------------------------------------------------------------------------


def test_a_batch_that_went_well_has_no_key_for_failures(sqs: Caller, url: str) -> None:
    attributes = {"colour": {"DataType": "String", "StringValue": "red"}}
    first, second = entries("a", "b")

    answer = send(sqs, url, [first, {**second, "MessageAttributes": attributes}])

    ids = [message.id for message in sqs.queue().peek()]
    assert answer == {
        "Successful": [
            {"Id": "id0", "MD5OfMessageBody": "0cc175b9c0f1b6a831c399e269772661", "MessageId": ids[0]},
            {
                "Id": "id1",
                "MD5OfMessageBody": "92eb5ffee6ae2fec3ad71c777531578f",
                "MessageId": ids[1],
                "MD5OfMessageAttributes": "0410de28095c8c9ede883953e14dac6c",
            },
        ]
    }


def test_entries_fail_by_themselves(sqs: Caller) -> None:
    """SQS: each is held against the queue's limit in other words than a single message."""
    url = sqs.create("small", MaximumMessageSize="1024")
    good, *bad = entries("good", "\x00", "x" * 1_025, "slow")
    bad[2]["DelaySeconds"] = 901

    answer = send(sqs, url, [bad[1], good, bad[0], bad[2]])

    assert [one["Id"] for one in answer["Successful"]] == ["id0"]
    failed = {one["Id"]: one for one in answer["Failed"]}
    assert {one: (failed[one]["SenderFault"], failed[one]["Code"]) for one in failed} == {
        "id1": (True, "InvalidMessageContents"),
        "id2": (True, "InvalidParameterValue"),
        "id3": (True, "InvalidParameterValue"),
    }
    assert failed["id2"]["Message"] == (
        "One or more parameters cannot be validated. Reason: Message must be shorter than 1024 bytes."
    )
    assert list(failed) == ["id2", "id1", "id3"]  # in the order of the request
    assert sqs.bodies(url) == ["good"]


def test_a_batch_of_failures_has_no_key_for_success(sqs: Caller, url: str) -> None:
    assert set(send(sqs, url, entries("\x00"))) == {"Failed"}


def test_a_fifo_queue_keeps_the_order_of_a_batch(sqs: Caller) -> None:
    url = sqs.create("orders.fifo", ContentBasedDeduplication="true")
    bodies = [str(number) for number in range(10)]

    answer = send(sqs, url, entries(*bodies, MessageGroupId="g"))

    numbers = [one["SequenceNumber"] for one in answer["Successful"]]
    assert numbers == sorted(numbers)
    assert sqs.bodies(url) == bodies


def test_entries_have_delays_of_their_own(sqs: Caller, url: str, clock: VirtualClock) -> None:
    send(sqs, url, [*entries("later", DelaySeconds=10), {"Id": "now", "MessageBody": "now"}])

    assert sqs.bodies(url) == ["now"]
    clock.advance(10)
    assert sqs.bodies(url) == ["later"]


# -- settling --------------------------------------------------------------------------------------------------------


def test_messages_are_deleted_together(sqs: Caller, url: str) -> None:
    send(sqs, url, entries("a", "b"))
    handles = [message["ReceiptHandle"] for message in sqs.receive(url, 10)]

    answer = sqs(
        "DeleteMessageBatch",
        QueueUrl=url,
        Entries=[{"Id": str(at), "ReceiptHandle": one} for at, one in enumerate([*handles, "no handle"])],
    )

    assert answer == {
        "Successful": [{"Id": "0"}, {"Id": "1"}],
        "Failed": [
            {
                "Id": "2",
                "SenderFault": True,
                "Code": "ReceiptHandleIsInvalid",
                "Message": 'The input receipt handle "no handle" is not a valid receipt handle.',
            }
        ],
    }
    assert sqs.queue().stats().deleted == 2


def test_visibilities_are_changed_together(sqs: Caller, url: str) -> None:
    send(sqs, url, entries("a", "b"))
    given = [
        {"Id": message["Body"], "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
        for message in sqs.receive(url, 10)
    ]
    given[1]["VisibilityTimeout"] = 43_201
    missing = {"Id": "c", "ReceiptHandle": "x"}

    answer = sqs("ChangeMessageVisibilityBatch", QueueUrl=url, Entries=[*given, missing])

    assert answer["Successful"] == [{"Id": "a"}]
    assert [(one["Id"], one["Code"]) for one in answer["Failed"]] == [
        ("b", "InvalidParameterValue"),
        ("c", "MissingParameter"),
    ]
    assert sqs.bodies(url) == ["a"]
