"""SQS on the wire: permissions, and what other accounts may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqs_caller import INVALID, OTHER, OWNER, Caller, told, wrong

from decouple.aws import World
from decouple.testing import VirtualClock

ARN = f"arn:aws:sqs:us-east-1:{OWNER}:orders"


@pytest.fixture
def sqs(clock: VirtualClock) -> Iterator[Caller]:
    world = World(clock=clock, account=OWNER)
    yield Caller(world)
    world.check()


@pytest.fixture
def url(sqs: Caller) -> str:
    return sqs.create()


def add(sqs: Caller, url: str, label: str = "label", *, accounts: list[str] | None = None, actions: list[str]) -> None:
    given = {"Label": label, "AWSAccountIds": accounts or [OTHER], "Actions": actions}
    assert sqs("AddPermission", QueueUrl=url, **given) == {}


# -- statements ------------------------------------------------------------------------------------------------------


def test_a_permission_is_a_statement_of_the_policy(sqs: Caller, url: str, clock: VirtualClock) -> None:
    clock.advance(3)
    add(sqs, url, "one", actions=["ReceiveMessage"])
    add(sqs, url, "two", accounts=[OTHER, OWNER], actions=["SendMessage", "*"])

    shown = sqs.attributes(url, "Policy", "LastModifiedTimestamp")

    roots = [f"arn:aws:iam::{account}:root" for account in (OTHER, OWNER)]
    assert json.loads(shown["Policy"]) == {
        "Version": "2008-10-17",
        "Id": f"{ARN}/SQSDefaultPolicy",
        "Statement": [
            {
                "Sid": "one",
                "Effect": "Allow",
                "Principal": {"AWS": roots[0]},
                "Action": "SQS:ReceiveMessage",
                "Resource": ARN,
            },
            {
                "Sid": "two",
                "Effect": "Allow",
                "Principal": {"AWS": roots},
                "Action": ["SQS:SendMessage", "SQS:*"],
                "Resource": ARN,
            },
        ],
    }
    assert shown["LastModifiedTimestamp"] == "1767225603"


def test_with_the_last_statement_goes_the_policy(sqs: Caller, url: str) -> None:
    add(sqs, url, "one", actions=["*"])
    add(sqs, url, "two", actions=["*"])

    assert sqs("RemovePermission", QueueUrl=url, Label="one") == {}
    assert len(json.loads(sqs.attributes(url, "Policy")["Policy"])["Statement"]) == 1
    sqs("RemovePermission", QueueUrl=url, Label="two")
    assert sqs.attributes(url, "Policy") == {}


def test_a_label_is_used_once(sqs: Caller, url: str) -> None:
    add(sqs, url, actions=["*"])

    error = sqs.refused("AddPermission", QueueUrl=url, Label="label", AWSAccountIds=[OTHER], Actions=["*"])

    assert told(error) == wrong("label", "Label", "Already exists.")


def test_a_label_that_is_not_there(sqs: Caller, url: str) -> None:
    error = sqs.refused("RemovePermission", QueueUrl=url, Label="label")

    assert told(error) == wrong("label", "Label", "can't find label.")


@pytest.mark.parametrize("label", ["", "a b", "a" * 81, "ä"])
def test_what_is_no_label(sqs: Caller, url: str, label: str) -> None:
    error = sqs.refused("AddPermission", QueueUrl=url, Label=label, AWSAccountIds=[OTHER], Actions=["*"])

    reason = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
    assert told(error) == wrong(label, "Label", reason)


@pytest.mark.parametrize("account", ["", "12", "x" * 12, "arn:aws:iam::444455556666:root"])
def test_what_is_no_account(sqs: Caller, url: str, account: str) -> None:
    error = sqs.refused("AddPermission", QueueUrl=url, Label="a", AWSAccountIds=[account], Actions=["*"])

    assert told(error) == wrong(f"[{account}]", "PrincipalId", "Unable to verify.")


@pytest.mark.parametrize("action", ["", "Send", "AddPermission"])
def test_what_cannot_be_granted(sqs: Caller, url: str, action: str) -> None:
    error = sqs.refused("AddPermission", QueueUrl=url, Label="a", AWSAccountIds=[OTHER], Actions=[action])

    reason = "Please refer to the appropriate WSDL for a list of valid actions."
    assert told(error) == wrong(f"SQS:{action}", "ActionName", reason)


@pytest.mark.parametrize("parameter", ["AWSAccountIds", "Actions"])
def test_an_empty_list_is_a_missing_one(sqs: Caller, url: str, parameter: str) -> None:
    given: dict[str, Any] = {"AWSAccountIds": [OTHER], "Actions": ["*"], parameter: []}

    error = sqs.refused("AddPermission", QueueUrl=url, Label="a", **given)

    assert error.message == f"The request must contain the parameter {parameter}."


def test_quotas_of_a_policy(sqs: Caller, url: str) -> None:
    """SQS: 7 actions in a statement, 20 statements."""
    given = {"QueueUrl": url, "AWSAccountIds": [OTHER]}
    error = sqs.refused("AddPermission", Label="a", Actions=["SendMessage"] * 8, **given)
    assert told(error) == ("OverLimit", "OverLimit", 403, "8 Actions were found, maximum allowed is 7.")

    for number in range(20):
        add(sqs, url, f"label{number}", actions=["*"])
    assert told(sqs.refused("AddPermission", Label="a", Actions=["*"], **given))[:3] == ("OverLimit", "OverLimit", 403)


# -- other accounts --------------------------------------------------------------------------------------------------


def test_another_account_may_what_it_was_allowed_and_no_more(sqs: Caller, url: str) -> None:
    other = Caller(sqs.world, OTHER)
    add(sqs, url, actions=["SendMessage", "GetQueueUrl"])

    assert other("GetQueueUrl", QueueName="orders", QueueOwnerAWSAccountId=OWNER) == {"QueueUrl": url}
    assert other.send(url)
    assert other("SendMessageBatch", QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "b"}])["Successful"]
    error = other.refused("ReceiveMessage", QueueUrl=url)

    text = (
        f"User: arn:aws:iam::{OTHER}:root is not authorized to perform: sqs:receivemessage on resource: {ARN} "
        f"because no resource-based policy allows the sqs:receivemessage action"
    )
    assert told(error) == ("AccessDeniedException", "AccessDenied", 403, text)


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        ("AddPermission", {"Label": "a", "AWSAccountIds": [OTHER], "Actions": ["*"]}),
        ("RemovePermission", {"Label": "label"}),
        ("DeleteQueue", {}),
        ("ListQueueTags", {}),
        ("SetQueueAttributes", {"Attributes": {}}),
        ("TagQueue", {"Tags": {}}),
        ("UntagQueue", {"TagKeys": []}),
    ],
)
def test_what_no_policy_can_give(sqs: Caller, url: str, operation: str, given: dict[str, Any]) -> None:
    add(sqs, url, actions=["*"])

    error = Caller(sqs.world, OTHER).refused(operation, QueueUrl=url, **given)

    assert told(error)[:3] == ("AccessDeniedException", "AccessDenied", 403)


def test_another_account_receives_and_settles_what_it_may(sqs: Caller, url: str) -> None:
    other = Caller(sqs.world, OTHER)
    add(sqs, url, actions=["*"])
    sqs.send(url)

    [message] = other.receive(url, VisibilityTimeout=0)
    given = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
    assert other("ChangeMessageVisibility", VisibilityTimeout=5, **given) == {}
    assert other("DeleteMessage", **given) == {}
    assert other("PurgeQueue", QueueUrl=url) == {}
    assert other("ListDeadLetterSourceQueues", QueueUrl=url) == {}
    assert other.attributes(url, "QueueArn") == {"QueueArn": ARN}


def test_a_queue_of_another_account_is_only_found_by_its_owner(sqs: Caller, url: str) -> None:
    other = Caller(sqs.world, OTHER)

    assert told(other.refused("GetQueueUrl", QueueName="orders"))[0] == "QueueDoesNotExist"
    assert told(other.refused("SendMessage", QueueUrl="orders", MessageBody="x"))[0] == "QueueDoesNotExist"
    error = other.refused("GetQueueUrl", QueueName="orders", QueueOwnerAWSAccountId=OWNER)
    assert error.shape == "AccessDeniedException"


def test_in_a_strict_world_a_denial_binds_the_owner_s_account_too(clock: VirtualClock) -> None:
    denial = {"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": ARN}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [denial]})

    for strict in (False, True):
        sqs = Caller(World(clock=clock, account=OWNER, strict=strict))
        url = sqs.create(Policy=policy)
        if strict:
            assert sqs.refused("SendMessage", QueueUrl=url, MessageBody="x").shape == "AccessDeniedException"
        else:
            sqs.send(url)
        assert sqs("DeleteQueue", QueueUrl=url) == {}


def test_a_refusal_is_recorded(clock: VirtualClock) -> None:
    seen: list[Any] = []
    sqs = Caller(World(clock=clock, account=OWNER, observers=[seen.append]))
    url = sqs.create()

    error = Caller(sqs.world, OTHER).refused("PurgeQueue", QueueUrl=url)

    assert told(error)[:3] != INVALID
    assert [change.cause for change in seen] == ["denied"]
