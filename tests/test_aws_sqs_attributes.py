"""SQS on the wire: queue attributes, their defaults, limits, errors, and what they do to each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqs_caller import OWNER, Caller, told, wrong

from decouple.aws import World
from decouple.testing import VirtualClock

ARN = f"arn:aws:sqs:us-east-1:{OWNER}:orders"


@pytest.fixture
def sqs(clock: VirtualClock) -> Iterator[Caller]:
    world = World(clock=clock, account=OWNER)
    yield Caller(world)
    world.check()


def invalid_name(text: str) -> tuple[str, str, int, str]:
    return "InvalidAttributeName", "InvalidAttributeName", 400, text


def invalid_value(text: str) -> tuple[str, str, int, str]:
    return "InvalidAttributeValue", "InvalidAttributeValue", 400, text


def policy(**changes: Any) -> str:
    statement = {"Sid": "s", "Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": ARN, **changes}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


# -- showing ---------------------------------------------------------------------------------------------------------


def test_all_attributes_of_a_new_standard_queue(sqs: Caller) -> None:
    assert sqs.attributes(sqs.create()) == {
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "CreatedTimestamp": "1767225600",
        "DelaySeconds": "0",
        "LastModifiedTimestamp": "1767225600",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "QueueArn": ARN,
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
        "VisibilityTimeout": "30",
    }


def test_a_fifo_queue_has_four_more(sqs: Caller) -> None:
    standard, fifo = sqs.attributes(sqs.create()), sqs.attributes(sqs.create("orders.fifo"))

    assert {name: fifo[name] for name in fifo if name not in standard} == {
        "ContentBasedDeduplication": "false",
        "DeduplicationScope": "queue",
        "FifoQueue": "true",
        "FifoThroughputLimit": "perQueue",
    }


def test_nothing_is_shown_that_was_not_asked_for(sqs: Caller) -> None:
    url = sqs.create()

    assert sqs("GetQueueAttributes", QueueUrl=url) == {}
    assert sqs("GetQueueAttributes", QueueUrl=url, AttributeNames=[]) == {}
    assert sqs.attributes(url, "DelaySeconds", "QueueArn") == {"DelaySeconds": "0", "QueueArn": ARN}


@pytest.mark.parametrize("name", ["Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId", "FifoQueue"])
def test_what_is_not_set_is_absent(sqs: Caller, name: str) -> None:
    assert sqs("GetQueueAttributes", QueueUrl=sqs.create(), AttributeNames=[name]) == {}


@pytest.mark.parametrize("name", ["Foo", "", "delayseconds", "SenderId"])
def test_an_unknown_name_is_told(sqs: Caller, name: str) -> None:
    url = sqs.create()
    text = f"Unknown Attribute {name}."

    names = ["QueueArn", name]
    assert told(sqs.refused("GetQueueAttributes", QueueUrl=url, AttributeNames=names)) == invalid_name(text)
    assert told(sqs.refused("SetQueueAttributes", QueueUrl=url, Attributes={name: "1"})) == invalid_name(text)
    assert told(sqs.refused("CreateQueue", QueueName="new", Attributes={name: "1"})) == invalid_name(text)


@pytest.mark.parametrize(
    "name", ["QueueArn", "CreatedTimestamp", "LastModifiedTimestamp", "ApproximateNumberOfMessages", "All"]
)
def test_what_is_only_read_is_unknown_to_set(sqs: Caller, name: str) -> None:
    error = sqs.refused("SetQueueAttributes", QueueUrl=sqs.create(), Attributes={name: "1"})

    assert told(error) == invalid_name(f"Unknown Attribute {name}.")


def test_counts_are_of_what_is_visible_in_flight_and_delayed(sqs: Caller) -> None:
    url = sqs.create()
    for delay in (0, 0, 0, 9, 9):
        sqs.send(url, DelaySeconds=delay)
    sqs.receive(url)

    shown = sqs.attributes(url)

    assert shown["ApproximateNumberOfMessages"] == "2"
    assert shown["ApproximateNumberOfMessagesNotVisible"] == "1"
    assert shown["ApproximateNumberOfMessagesDelayed"] == "2"


def test_messages_of_blocked_groups_count_as_visible(sqs: Caller) -> None:
    url = sqs.create("orders.fifo", ContentBasedDeduplication="true")
    for body in ("a1", "a2", "a3", "b1"):
        sqs.send(url, body, MessageGroupId=body[0])
    assert sqs.bodies(url, 1) == ["a1"]

    assert sqs.attributes(url, "ApproximateNumberOfMessages") == {"ApproximateNumberOfMessages": "3"}


def test_a_change_shows_in_the_time_of_the_last_one(sqs: Caller, clock: VirtualClock) -> None:
    url = sqs.create()
    clock.advance(10.5)

    sqs.set(url, DelaySeconds="1")

    shown = sqs.attributes(url, "CreatedTimestamp", "LastModifiedTimestamp")
    assert shown == {"CreatedTimestamp": "1767225600", "LastModifiedTimestamp": "1767225610"}


# -- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "least", "most", "setting"),
    [
        ("DelaySeconds", 0, 900, "delay"),
        ("MaximumMessageSize", 1_024, 1_048_576, "max_message_size"),
        ("MessageRetentionPeriod", 60, 1_209_600, "retention"),
        ("ReceiveMessageWaitTimeSeconds", 0, 20, "wait"),
        ("VisibilityTimeout", 0, 43_200, "visibility_timeout"),
    ],
)
def test_numbers_have_aws_s_limits(sqs: Caller, name: str, least: int, most: int, setting: str) -> None:
    url = sqs.create()
    for number in (least, most):
        sqs.set(url, **{name: str(number)})
        assert sqs.attributes(url, name) == {name: str(number)}
        assert sqs.queue().settings[setting] == number

    for text in (str(least - 1), str(most + 1), "x", "", "1.5", " 1", "٣", "9" * 5_000):
        error = sqs.refused("SetQueueAttributes", QueueUrl=url, Attributes={name: text})
        assert told(error) == invalid_value(f"Invalid value for the parameter {name}.")


def test_of_several_attributes_none_is_set_when_one_is_wrong(sqs: Caller) -> None:
    url = sqs.create()
    before = sqs.attributes(url)

    sqs.refused("SetQueueAttributes", QueueUrl=url, Attributes={"DelaySeconds": "5", "KmsMasterKeyId": "k", "Foo": "1"})

    assert sqs.attributes(url) == before


def test_what_is_configured_natively_shows_on_the_wire(sqs: Caller) -> None:
    url = sqs.create()

    sqs.queue().configure(visibility_timeout=1.5, redrive_allow="none")

    assert sqs.attributes(url, "VisibilityTimeout", "RedriveAllowPolicy") == {
        "VisibilityTimeout": "1",
        "RedriveAllowPolicy": '{"redrivePermission":"denyAll"}',
    }


# -- FIFO ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["true", "false"])
def test_a_standard_queue_knows_no_fifo_attributes(sqs: Caller, text: str) -> None:
    url = sqs.create()
    for name in ("FifoQueue", "ContentBasedDeduplication"):
        error = sqs.refused("SetQueueAttributes", QueueUrl=url, Attributes={name: text})
        assert told(error) == invalid_name(f"Unknown Attribute {name}.")

    error = sqs.refused("CreateQueue", QueueName="new", Attributes={"FifoQueue": "false"})
    assert told(error) == invalid_name("Unknown Attribute FifoQueue.")


@pytest.mark.parametrize(
    "given", [{"DeduplicationScope": "queue"}, {"FifoThroughputLimit": "perQueue"}], ids=lambda given: next(iter(given))
)
def test_two_attributes_say_that_they_are_for_fifo_queues(sqs: Caller, given: dict[str, str]) -> None:
    [name] = given
    text = f"You can specify the {name} only when FifoQueue is set to true."

    assert told(sqs.refused("CreateQueue", QueueName="new", Attributes=given)) == invalid_name(text)


def test_a_fifo_queue_stays_one(sqs: Caller) -> None:
    url = sqs.create("orders.fifo")
    sqs.set(url, FifoQueue="true")

    error = sqs.refused("SetQueueAttributes", QueueUrl=url, Attributes={"FifoQueue": "false"})

    reason = "Modifying queue type is not supported."
    assert told(error) == invalid_value(f"Invalid value for the parameter FifoQueue. Reason: {reason}")


def test_fifo_attributes_are_settings_of_the_queue(sqs: Caller) -> None:
    url = sqs.create("orders.fifo", ContentBasedDeduplication="True")
    sqs.set(url, DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")

    settings = sqs.queue("orders.fifo").settings
    assert (settings["content_based_deduplication"], settings["deduplication_scope"]) == (True, "messageGroup")
    shown = sqs.attributes(url, "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")
    assert list(shown.values()) == ["true", "messageGroup", "perMessageGroupId"]


@pytest.mark.parametrize(
    "given",
    [
        {"DeduplicationScope": "MessageGroup"},
        {"FifoThroughputLimit": "both"},
        {"ContentBasedDeduplication": "yes"},
        {"FifoThroughputLimit": "perMessageGroupId"},
        {"FifoThroughputLimit": "perMessageGroupId", "DeduplicationScope": "queue"},
    ],
    ids=str,
)
def test_what_fifo_attributes_cannot_be(sqs: Caller, given: dict[str, str]) -> None:
    url = sqs.create("orders.fifo")

    assert sqs.refused("SetQueueAttributes", QueueUrl=url, Attributes=given).shape == "InvalidAttributeValue"


# -- encryption ------------------------------------------------------------------------------------------------------


def encryption(sqs: Caller, url: str) -> dict[str, str]:
    names = ("KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled")
    return sqs.attributes(url, *names)


def test_a_key_turns_sqs_s_own_encryption_off_and_brings_its_period(sqs: Caller) -> None:
    url = sqs.create(KmsMasterKeyId="alias/key")

    assert encryption(sqs, url) == {
        "KmsMasterKeyId": "alias/key",
        "KmsDataKeyReusePeriodSeconds": "300",
        "SqsManagedSseEnabled": "false",
    }


def test_removing_the_key_does_not_turn_sqs_s_own_encryption_on(sqs: Caller) -> None:
    url = sqs.create(KmsMasterKeyId="alias/key", KmsDataKeyReusePeriodSeconds="60")

    sqs.set(url, KmsMasterKeyId="")

    assert encryption(sqs, url) == {"SqsManagedSseEnabled": "false"}


def test_sqs_s_own_encryption_takes_the_place_of_a_key(sqs: Caller) -> None:
    url = sqs.create(KmsMasterKeyId="alias/key")

    sqs.set(url, SqsManagedSseEnabled="true")

    assert encryption(sqs, url) == {"SqsManagedSseEnabled": "true"}


def test_a_period_shows_only_with_a_key(sqs: Caller) -> None:
    url = sqs.create(KmsDataKeyReusePeriodSeconds="60")
    assert encryption(sqs, url) == {"SqsManagedSseEnabled": "true"}

    sqs.set(url, KmsMasterKeyId="k")

    assert encryption(sqs, url)["KmsDataKeyReusePeriodSeconds"] == "60"


def test_both_encryptions_at_one_time_are_refused(sqs: Caller) -> None:
    error = sqs.refused(
        "CreateQueue", QueueName="new", Attributes={"KmsMasterKeyId": "k", "SqsManagedSseEnabled": "true"}
    )

    assert told(error) == invalid_name(
        "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE."
    )
    sqs.create("new", KmsMasterKeyId="k", SqsManagedSseEnabled="false")


@pytest.mark.parametrize(
    "given",
    [
        {"KmsDataKeyReusePeriodSeconds": "59"},
        {"KmsDataKeyReusePeriodSeconds": "86401"},
        {"SqsManagedSseEnabled": "1"},
    ],
    ids=str,
)
def test_what_encryption_settings_cannot_be(sqs: Caller, given: dict[str, str]) -> None:
    error = sqs.refused("SetQueueAttributes", QueueUrl=sqs.create(), Attributes=given)

    assert told(error) == invalid_value(f"Invalid value for the parameter {next(iter(given))}.")


# -- policies --------------------------------------------------------------------------------------------------------


def test_a_policy_is_the_queue_s(sqs: Caller) -> None:
    url = sqs.create(Policy=policy())

    assert sqs.queue().policy == json.loads(policy())
    assert json.loads(sqs.attributes(url, "Policy")["Policy"]) == json.loads(policy())

    sqs.set(url, Policy="")
    assert sqs.queue().policy is None
    assert sqs.attributes(url, "Policy") == {}


@pytest.mark.parametrize("text", ["x", "[]", "{}", policy(Action="sns:Publish"), policy(Effect="allow"), "[" * 100_000])
def test_what_is_no_policy(sqs: Caller, text: str) -> None:
    url = sqs.create(Policy=policy())

    error = sqs.refused("SetQueueAttributes", QueueUrl=url, Attributes={"Policy": text})

    assert told(error) == invalid_value("Invalid value for the parameter Policy.")
    assert sqs.queue().policy == json.loads(policy())


def test_a_queue_is_not_created_with_what_is_no_policy(sqs: Caller) -> None:
    sqs.refused("CreateQueue", QueueName="new", Attributes={"Policy": "x"})

    assert not sqs.world.broker().queues


# -- where dead letters go -------------------------------------------------------------------------------------------


def redrive(arn: Any, count: Any = 3, **more: Any) -> str:
    return json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": count, **more})


@pytest.mark.parametrize("count", [3, "3"])
def test_a_redrive_policy_is_a_setting_of_the_queue_and_shown_with_a_number(sqs: Caller, count: object) -> None:
    sqs.create("dead")
    url = sqs.create(RedrivePolicy=redrive(sqs.arn("dead"), count))

    settings = sqs.queue().settings
    assert (settings["dead_letter"], settings["max_receives"]) == (sqs.queue("dead"), 3)
    shown = f'{{"deadLetterTargetArn":"{sqs.arn("dead")}","maxReceiveCount":3}}'
    assert sqs.attributes(url, "RedrivePolicy") == {"RedrivePolicy": shown}


def test_a_redrive_policy_declared_natively_is_shown(sqs: Caller) -> None:
    broker = sqs.world.broker()
    broker.queue("orders", dead_letter=broker.queue("dead"), max_receives=2)

    assert json.loads(sqs.attributes("orders", "RedrivePolicy")["RedrivePolicy"])["maxReceiveCount"] == 2


def test_an_empty_text_removes_a_redrive_policy(sqs: Caller) -> None:
    sqs.create("dead")
    url = sqs.create(RedrivePolicy=redrive(sqs.arn("dead")))

    sqs.set(url, RedrivePolicy="")

    assert sqs.attributes(url, "RedrivePolicy") == {}
    assert sqs.queue().dead_letter is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x", "Redrive policy is not a valid JSON map."),
        ("[1]", "Redrive policy is not a valid JSON map."),
        ('{"maxReceiveCount":1}', "Redrive policy does not contain mandatory attribute: deadLetterTargetArn."),
        ('{"deadLetterTargetArn":"x"}', "Redrive policy does not contain mandatory attribute: maxReceiveCount."),
        (redrive("dead"), "Invalid value for deadLetterTargetArn."),
        (redrive(7), "Invalid value for deadLetterTargetArn."),
        (redrive(ARN.replace("orders", "none")), "Dead letter target does not exist."),
        (redrive(ARN.replace(OWNER, "444455556666").replace("orders", "dead")), "Dead letter target does not exist."),
        (redrive(ARN.replace("east", "west").replace("orders", "dead")), "Dead letter target does not exist."),
        (redrive(ARN + ".fifo"), "Dead-letter queue must be same type of queue as the source."),
        (redrive(ARN.replace("orders", "closed")), "Queue does not have permission to use the dead-letter queue."),
        *(
            (
                redrive(ARN.replace("orders", "dead"), count),
                f"Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both inclusive.",
            )
            for count in (0, -1, 1_001, "x", "1.0", 1.5, True)
        ),
    ],
)
def test_what_is_no_redrive_policy(sqs: Caller, text: str, reason: str) -> None:
    """SQS: the target must be there, in the same account and region, of the same kind, and allow it."""
    sqs.create("dead")
    sqs.create("orders.fifo")
    sqs.create("closed", RedriveAllowPolicy='{"redrivePermission":"denyAll"}')
    url = sqs.create()

    error = sqs.refused("SetQueueAttributes", QueueUrl=url, Attributes={"RedrivePolicy": text})

    assert told(error) == wrong(text, "RedrivePolicy", reason)
    assert told(sqs.refused("CreateQueue", QueueName="new", Attributes={"RedrivePolicy": text})) == told(error)


def test_dead_letter_queues_form_no_circle(sqs: Caller) -> None:
    url = sqs.create()

    error = sqs.refused("SetQueueAttributes", QueueUrl=url, Attributes={"RedrivePolicy": redrive(ARN)})

    assert told(error)[:3] == ("InvalidParameterValueException", "InvalidParameterValue", 400)


def test_a_dead_letter_queue_may_be_deleted_first(sqs: Caller) -> None:
    """SQS keeps the policy, and the queue of that name serves again when it is created anew."""
    dead = sqs.create("dead")
    url = sqs.create(RedrivePolicy=redrive(ARN.replace("orders", "dead"), 1))
    shown = sqs.attributes(url, "RedrivePolicy")

    sqs("DeleteQueue", QueueUrl=dead)
    assert sqs.attributes(url, "RedrivePolicy") == shown
    assert sqs.queue().dead_letter is None

    sqs.create("dead")
    assert sqs.attributes(url, "RedrivePolicy") == shown
    assert sqs.queue().dead_letter is sqs.queue("dead")


def test_a_dead_letter_queue_made_again_that_sends_its_own_back_is_not_attached_to_its_source(sqs: Caller) -> None:
    policy = redrive(ARN.replace("orders", "dead"), 1)
    dead = sqs.create("dead")
    url = sqs.create(RedrivePolicy=policy)
    sqs("DeleteQueue", QueueUrl=dead)

    sqs.create("dead", RedrivePolicy=redrive(ARN))

    assert (sqs.queue().dead_letter, sqs.queue("dead").dead_letter) == (None, sqs.queue())
    assert json.loads(sqs.attributes(url)["RedrivePolicy"]) == json.loads(policy)


def test_a_dead_letter_queue_declared_since_is_shown_and_stays(sqs: Caller) -> None:
    dead = sqs.create("dead")
    url = sqs.create(RedrivePolicy=redrive(ARN.replace("orders", "dead"), 1))
    sqs("DeleteQueue", QueueUrl=dead)
    other = sqs.world.broker().queue("other")
    sqs.queue().configure(dead_letter=other, max_receives=2)

    sqs.create("dead")

    assert sqs.queue().dead_letter is other
    assert json.loads(sqs.attributes(url)["RedrivePolicy"]) == {"deadLetterTargetArn": other.arn, "maxReceiveCount": 2}


def test_after_its_dead_letter_queue_was_deleted_a_queue_keeps_its_messages(sqs: Caller) -> None:
    dead = sqs.create("dead")
    url = sqs.create(RedrivePolicy=redrive(ARN.replace("orders", "dead"), 1), VisibilityTimeout="0")
    sqs.send(url)
    sqs("DeleteQueue", QueueUrl=dead)

    assert [len(sqs.receive(url)) for _ in range(3)] == [1, 1, 1]

    sqs.set(url, RedrivePolicy="")
    assert sqs.attributes(url, "RedrivePolicy") == {}


# -- who may send dead letters ---------------------------------------------------------------------------------------


def allow(permission: object, *arns: str, **more: Any) -> str:
    return json.dumps({"redrivePermission": permission, **({"sourceQueueArns": list(arns)} if arns else {}), **more})


@pytest.mark.parametrize("permission", ["allowAll", "denyAll"])
def test_a_redrive_allow_policy_is_a_setting_and_shown_as_it_was_given(sqs: Caller, permission: str) -> None:
    url = sqs.create(RedriveAllowPolicy=allow(permission))

    assert sqs.queue().settings["redrive_allow"] == {"allowAll": "all", "denyAll": "none"}[permission]
    assert json.loads(sqs.attributes(url, "RedriveAllowPolicy")["RedriveAllowPolicy"]) == {
        "redrivePermission": permission
    }

    sqs.set(url, RedriveAllowPolicy="")
    assert sqs.attributes(url, "RedriveAllowPolicy") == {}
    assert sqs.queue().settings["redrive_allow"] == "all"


def test_only_the_queues_named_may_use_the_dead_letter_queue(sqs: Caller) -> None:
    """ARNs of other accounts and regions can never be meant, but are shown."""
    arns = [ARN, ARN.replace("east", "west")]
    url = sqs.create("dead", RedriveAllowPolicy=allow("byQueue", *arns))
    assert json.loads(sqs.attributes(url, "RedriveAllowPolicy")["RedriveAllowPolicy"])["sourceQueueArns"] == arns

    sqs.create("orders", RedrivePolicy=redrive(sqs.arn("dead")))
    error = sqs.refused("CreateQueue", QueueName="bills", Attributes={"RedrivePolicy": redrive(sqs.arn("dead"))})

    assert error.message.endswith("Queue does not have permission to use the dead-letter queue.")


def test_where_only_queues_elsewhere_are_named_none_here_may(sqs: Caller) -> None:
    sqs.create("dead", RedriveAllowPolicy=allow("byQueue", ARN.replace("east", "west")))

    assert sqs.queue("dead").settings["redrive_allow"] == "none"


def test_queues_allowed_natively_are_shown_by_their_arns(sqs: Caller) -> None:
    sqs.world.broker().queue("dead", redrive_allow=["orders", "bills"])

    assert json.loads(sqs.attributes("dead", "RedriveAllowPolicy")["RedriveAllowPolicy"]) == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [ARN.replace("orders", "bills"), ARN],
    }


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "[]",
        "{}",
        allow("everyone"),
        allow(["allowAll"]),
        allow("byQueue"),
        allow("allowAll", ARN),
        allow("byQueue", "orders"),
        allow("byQueue", *[f"{ARN}{number}" for number in range(11)]),
        allow("byQueue", sourceQueueArns=[]),
        allow("byQueue", sourceQueueArns=ARN),
        allow("byQueue", sourceQueueArns=[7]),
    ],
)
def test_what_is_no_redrive_allow_policy(sqs: Caller, text: str) -> None:
    error = sqs.refused("SetQueueAttributes", QueueUrl=sqs.create(), Attributes={"RedriveAllowPolicy": text})

    assert error.message.startswith(f"Value {text} for parameter RedriveAllowPolicy is invalid. Reason: ")
    assert error.shape == "InvalidParameterValueException"
