"""SQS on the wire: what is sent, and what is received of it. Digests and texts are those of the service."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from sqs_caller import INVALID, MISSING, OTHER, OWNER, Caller, told, wrong

from decouple.aws import World
from decouple.testing import VirtualClock

ID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}"
CHARACTERS = (
    "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | "
    "#x10000 to #x10FFFF"
)


@pytest.fixture
def sqs(clock: VirtualClock) -> Iterator[Caller]:
    world = World(clock=clock, account=OWNER)
    yield Caller(world)
    world.check()


@pytest.fixture
def url(sqs: Caller) -> str:
    return sqs.create()


def text(value: str, kind: str = "String") -> dict[str, Any]:
    return {"DataType": kind, "StringValue": value}


def binary(value: bytes, kind: str = "Binary") -> dict[str, Any]:
    return {"DataType": kind, "BinaryValue": value}


# -- bodies ----------------------------------------------------------------------------------------------------------


def test_a_sent_message_has_an_id_and_the_digest_of_its_body_and_nothing_else(sqs: Caller, url: str) -> None:
    answer = sqs.send(url, "héllo")

    assert answer == {
        "MD5OfMessageBody": "be50e8478cf24ff3595bc7307fb91b50",
        "MessageId": sqs.queue().peek()[0].id,
    }


def test_a_received_message_has_four_keys_and_nothing_that_was_not_asked_for(sqs: Caller, url: str) -> None:
    sent = sqs.send(url, "héllo", MessageAttributes={"colour": text("red")})

    [message] = sqs.receive(url)

    assert list(message) == ["MessageId", "ReceiptHandle", "MD5OfBody", "Body"]
    assert (message["MessageId"], message["MD5OfBody"]) == (sent["MessageId"], sent["MD5OfMessageBody"])
    assert len(message["ReceiptHandle"]) <= 1_024


def test_an_empty_receive_has_no_key_for_messages(sqs: Caller, url: str) -> None:
    assert sqs("ReceiveMessage", QueueUrl=url) == {}


@pytest.mark.parametrize("body", ["\t\n\r", " ", "\ud7ff\ue000\ufffd", "\U00010000\U0010ffff", "a\r\n&#13;&lt;"])
def test_bodies_come_back_unchanged(sqs: Caller, url: str, body: str) -> None:
    sqs.send(url, body)

    assert sqs.bodies(url) == [body]


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1f", "\ufffe", "\uffff", "\ud800"], ids=ascii)
def test_characters_that_xml_forbids(sqs: Caller, url: str, character: str) -> None:
    error = sqs.refused("SendMessage", QueueUrl=url, MessageBody=f"a{character}b")

    assert told(error) == ("InvalidMessageContents", "InvalidMessageContents", 400, CHARACTERS)


def test_an_empty_body_is_a_missing_one(sqs: Caller, url: str) -> None:
    error = sqs.refused("SendMessage", QueueUrl=url, MessageBody="")

    assert told(error) == (*MISSING, "The request must contain the parameter MessageBody.")


def test_a_message_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(sqs: Caller) -> None:
    """SQS counts bytes of UTF-8, and of attributes name, type and value; system attributes do not count."""
    url = sqs.create(MaximumMessageSize="1024")
    given = {"MessageAttributes": {"né": text("é"), "b": binary(b"12")}}
    rest = 1_024 - (3 + 6 + 2) - (1 + 6 + 2)

    sqs.send(url, "é" + "x" * (rest - 2), MessageSystemAttributes={"AWSTraceHeader": text("Root=1")}, **given)
    error = sqs.refused("SendMessage", QueueUrl=url, MessageBody="x" * (rest + 1), **given)

    reason = "Message must be shorter than 1024 bytes."
    assert told(error) == (*INVALID, f"One or more parameters are invalid. Reason: {reason}")


# -- attributes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "digest"),
    [
        ({"colour": text("red")}, "0410de28095c8c9ede883953e14dac6c"),
        ({"n": text("42", "Number.int"), "blob": binary(b"\x00\x01\xff")}, "2aefcce42fea8a6d03f10998bf532c7c"),
        ({"b": text("é"), "A": text("x", "String.tag")}, "f1c44c86eaf9fb11dd8f65f2093a037d"),
    ],
    ids=["string", "number-and-binary", "labels"],
)
def test_attributes_come_back_as_they_were_sent_with_their_digest(
    sqs: Caller, url: str, attributes: dict[str, Any], digest: str
) -> None:
    assert sqs.send(url, MessageAttributes=attributes)["MD5OfMessageAttributes"] == digest

    [message] = sqs.receive(url, MessageAttributeNames=["All"])

    assert message["MessageAttributes"] == attributes
    assert message["MD5OfMessageAttributes"] == digest


@pytest.mark.parametrize(
    ("names", "returned"),
    [
        (["All"], ["ab", "ab.c", "abc", "x"]),
        ([".*"], ["ab", "ab.c", "abc", "x"]),
        (["*"], ["ab", "ab.c", "abc", "x"]),
        (["ab.*"], ["ab", "ab.c", "abc"]),
        (["ab"], ["ab"]),
        (["ab.c", "x", "unknown", "no name!", ""], ["ab.c", "x"]),
        (["b.*"], []),
        (["AB"], []),
        (["ab*"], []),
        ([], []),
    ],
    ids=str,
)
def test_message_attributes_are_asked_for_by_name_or_beginning(
    sqs: Caller, url: str, names: list[str], returned: list[str]
) -> None:
    """SQS: "ab.*" is a prefix match on "ab"; unknown and illegal names are ignored."""
    sqs.send(url, MessageAttributes={name: text("v") for name in ("ab", "ab.c", "abc", "x")})

    [message] = sqs.receive(url, MessageAttributeNames=names)

    assert sorted(message.get("MessageAttributes", {})) == returned
    assert ("MD5OfMessageAttributes" in message) is bool(returned)


def test_the_digest_covers_only_the_attributes_returned(sqs: Caller, url: str) -> None:
    attributes = {"colour": text("red"), "other": text("x")}
    sqs.send(url, MessageAttributes=attributes)

    [message] = sqs.receive(url, MessageAttributeNames=["colour"])

    assert message["MD5OfMessageAttributes"] == "0410de28095c8c9ede883953e14dac6c"


@pytest.mark.parametrize("name", ["n" * 256, "A.b-c_9", "größe"])
def test_attribute_names_that_sqs_takes(sqs: Caller, url: str, name: str) -> None:
    sqs.send(url, MessageAttributes={name: text("v")})

    assert sqs.receive(url, MessageAttributeNames=[name])[0]["MessageAttributes"] == {name: text("v")}


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"n" * 257: text("v")}, "names must be shorter than 256 Bytes"),
        ({"": text("v")}, "can only contain upper and lower score characters, digits, periods, hyphens and underscores."),
        ({"a b": text("v")}, "can only contain upper and lower score characters, digits, periods, hyphens and"),
        ({"aws.x": text("v")}, "beginning with 'AWS.' or 'Amazon.'"),
        ({"AMAZON.x": text("v")}, "beginning with 'AWS.' or 'Amazon.'"),
        ({".a": text("v")}, "they cannot start or end with '.'"),
        ({"a.": text("v")}, "they cannot start or end with '.'"),
        ({"a": text("v", "string")}, "must be prefixed with 'String', 'Binary', or 'Number', but was: string"),
        ({"a": {"StringValue": "v"}}, "must be prefixed with 'String', 'Binary', or 'Number', but was: null"),
        ({"a": text("v", "Strings")}, "but was: Strings"),
        ({"a": text("v", "String." + "x" * 250)}, "types must be shorter than 256 Bytes"),
        ({"a": text("")}, "Message (user) attribute 'a' must contain a non-empty value of type 'String'."),
        ({"a": text("", "Number.x")}, "Message (user) attribute 'a' must contain a non-empty value of type 'Number'."),
        ({"a": text("v", "Binary")}, "Message (user) attribute 'a' must contain a non-empty value of type 'Binary'."),
        ({"a": binary(b"v", "String")}, "Message (user) attribute 'a' must contain a non-empty value of type 'String'."),
        ({"a": text("x", "Number")}, "Can't cast the value of message (user) attribute 'a' to a number."),
        ({"a": text("x\x00")}, CHARACTERS),
        ({"a": text("x", "String.\x00")}, CHARACTERS),
        ({str(n): text("v") for n in range(11)}, "Number of message attributes [11] exceeds the allowed maximum [10]."),
    ],
)  # fmt: skip
def test_what_message_attributes_cannot_be(sqs: Caller, url: str, attributes: dict[str, Any], says: str) -> None:
    error = sqs.refused("SendMessage", QueueUrl=url, MessageBody="x", MessageAttributes=attributes)

    assert told(error)[:3] == INVALID
    assert says in error.message


def test_lists_as_values_are_not_implemented(sqs: Caller, url: str) -> None:
    lists = {"a": {"DataType": "String", "StringValue": "v", "StringListValues": ["v"]}}

    error = sqs.refused("SendMessage", QueueUrl=url, MessageBody="x", MessageAttributes=lists)

    assert error.code == "AWS.SimpleQueueService.UnsupportedOperation"


def test_attributes_sent_natively_have_their_wire_types(sqs: Caller, url: str) -> None:
    sqs.queue().send("x", attributes={"s": "v", "n": 1.5, "b": b"\x00", "l": [1, "é"]})

    assert sqs.receive(url, MessageAttributeNames=["All"])[0]["MessageAttributes"] == {
        "s": text("v"),
        "n": text("1.5", "Number"),
        "b": binary(b"\x00"),
        "l": text('[1, "é"]', "String.Array"),
    }


# -- system attributes -----------------------------------------------------------------------------------------------


def test_what_sqs_says_about_a_message_is_text(sqs: Caller, url: str, clock: VirtualClock) -> None:
    sqs.send(url)
    clock.advance(1.5)
    sqs.receive(url, VisibilityTimeout=0)
    clock.advance(1)

    [message] = sqs.receive(url, MessageSystemAttributeNames=["All"])

    assert message["Attributes"] == {
        "ApproximateReceiveCount": "2",
        "SentTimestamp": "1767225600000",
        "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        "ApproximateFirstReceiveTimestamp": "1767225601500",
    }


def test_a_fifo_message_has_its_group_its_deduplication_id_and_its_number(sqs: Caller) -> None:
    url = sqs.create("orders.fifo", ContentBasedDeduplication="true")
    sent = sqs.send(url, "x", MessageGroupId="g")

    [message] = sqs.receive(url, AttributeNames=["All"])

    found = message["Attributes"]
    assert (found["MessageGroupId"], found["SequenceNumber"]) == ("g", sent["SequenceNumber"])
    assert found["MessageDeduplicationId"] == hashlib.sha256(b"x").hexdigest()
    assert len(sent["SequenceNumber"]) == 20
    assert sent["SequenceNumber"].isdecimal()


def test_both_names_of_the_parameter_are_heard(sqs: Caller, url: str) -> None:
    sqs.send(url, MessageGroupId="tenant")

    [message] = sqs.receive(
        url, AttributeNames=["SenderId"], MessageSystemAttributeNames=["MessageGroupId", "ApproximateReceiveCount"]
    )

    assert set(message["Attributes"]) == {"SenderId", "MessageGroupId", "ApproximateReceiveCount"}


@pytest.mark.parametrize("names", [["SequenceNumber"], ["AWSTraceHeader", "VisibilityTimeout"]], ids=str)
def test_asking_for_what_does_not_apply_is_no_error(sqs: Caller, url: str, names: list[str]) -> None:
    sqs.send(url)

    assert "Attributes" not in sqs.receive(url, AttributeNames=names)[0]


def test_asking_for_what_there_is_not_is_one(sqs: Caller, url: str) -> None:
    error = sqs.refused("ReceiveMessage", QueueUrl=url, AttributeNames=["Foo"])

    assert told(error) == ("InvalidAttributeName", "InvalidAttributeName", 400, "Unknown Attribute Foo.")


def test_a_trace_is_sent_beside_the_message_with_a_digest_of_its_own(sqs: Caller, url: str) -> None:
    plain = sqs.send(url, MessageAttributes={"colour": text("red")})
    traced = sqs.send(
        url, MessageAttributes={"colour": text("red")}, MessageSystemAttributes={"AWSTraceHeader": text("Root=1")}
    )

    assert "MD5OfMessageSystemAttributes" not in plain
    assert len(traced["MD5OfMessageSystemAttributes"]) == 32
    assert traced["MD5OfMessageAttributes"] == plain["MD5OfMessageAttributes"]
    shown = [message.get("Attributes") for message in sqs.receive(url, 10, AttributeNames=["AWSTraceHeader"])]
    assert shown == [None, {"AWSTraceHeader": "Root=1"}]


def test_the_request_s_trace_header_goes_with_the_message(sqs: Caller, url: str) -> None:
    traced = Caller(sqs.world, x_amzn_trace_id="Root=2")

    answer = traced.send(url)
    traced.send(url, MessageSystemAttributes={"AWSTraceHeader": text("Root=3")})

    assert "MD5OfMessageSystemAttributes" not in answer
    shown = [message["Attributes"] for message in sqs.receive(url, 10, AttributeNames=["All"])]
    assert [one["AWSTraceHeader"] for one in shown] == ["Root=2", "Root=3"]


@pytest.mark.parametrize(
    "system",
    [
        {"SenderId": text("me")},
        {"AWSTraceHeader": text("1", "Number")},
        {"AWSTraceHeader": text("")},
        {"AWSTraceHeader": text("\x00")},
    ],
    ids=["other", "number", "empty", "character"],
)
def test_what_system_attributes_cannot_be(sqs: Caller, url: str, system: dict[str, Any]) -> None:
    error = sqs.refused("SendMessage", QueueUrl=url, MessageBody="x", MessageSystemAttributes=system)

    assert told(error)[:3] == INVALID


def test_a_message_from_another_account_says_from_which(sqs: Caller, url: str) -> None:
    sqs("AddPermission", QueueUrl=url, Label="all", AWSAccountIds=[OTHER], Actions=["SendMessage"])

    Caller(sqs.world, OTHER).send(url)

    assert sqs.receive(url, AttributeNames=["SenderId"])[0]["Attributes"] == {"SenderId": OTHER}


# -- delays and ids --------------------------------------------------------------------------------------------------


def test_a_message_s_delay_takes_the_place_of_the_queue_s(sqs: Caller, clock: VirtualClock) -> None:
    """SQS: a delay of 0 too, on a standard queue."""
    url = sqs.create("delayed", DelaySeconds="10")
    sqs.send(url, "now", DelaySeconds=0)
    sqs.send(url, "soon", DelaySeconds=5)
    sqs.send(url, "later")

    assert sqs.bodies(url) == ["now"]
    clock.advance(5)
    assert sqs.bodies(url) == ["soon"]
    clock.advance(5)
    assert sqs.bodies(url) == ["later"]


@pytest.mark.parametrize("delay", [-1, 901])
def test_a_delay_is_from_0_to_900_seconds(sqs: Caller, url: str, delay: int) -> None:
    error = sqs.refused("SendMessage", QueueUrl=url, MessageBody="x", DelaySeconds=delay)

    assert told(error) == wrong(delay, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")


def test_on_a_fifo_queue_a_delay_of_0_means_the_queue_s_and_any_other_is_refused(
    sqs: Caller, clock: VirtualClock
) -> None:
    url = sqs.create("orders.fifo", ContentBasedDeduplication="true", DelaySeconds="10")
    sqs.send(url, MessageGroupId="g", DelaySeconds=0)
    assert sqs.receive(url) == []

    error = sqs.refused("SendMessage", QueueUrl=url, MessageBody="y", MessageGroupId="g", DelaySeconds=5)

    reason = "The request include parameter that is not valid for this queue type."
    assert told(error) == wrong(5, "DelaySeconds", reason)
    clock.advance(10)
    assert len(sqs.receive(url)) == 1


@pytest.mark.parametrize("value", ["", " ", "a b", "é", "x" * 129, "\n"])
def test_what_group_and_deduplication_ids_cannot_be(sqs: Caller, url: str, value: str) -> None:
    """SQS: the same check of the group on standard queues."""
    fifo = sqs.create("orders.fifo")
    given = {"MessageGroupId": "g", "MessageDeduplicationId": "d"}

    for name in given:
        bad = {**given, name: value}
        error = sqs.refused("SendMessage", QueueUrl=fifo, MessageBody="x", **bad)
        text = f"{name} can only include alphanumeric and punctuation characters. 1 to 128 in length."
        assert told(error) == wrong(value, name, text)

    assert (
        "MessageGroupId can only"
        in sqs.refused("SendMessage", QueueUrl=url, MessageBody="x", MessageGroupId=value).message
    )


def test_all_of_sqs_s_punctuation_is_allowed_in_ids(sqs: Caller) -> None:
    url = sqs.create("orders.fifo")
    marks = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

    sqs.send(url, MessageGroupId=marks, MessageDeduplicationId=marks)

    found = sqs.receive(url, AttributeNames=["All"])[0]["Attributes"]
    assert (found["MessageGroupId"], found["MessageDeduplicationId"]) == (marks, marks)


def test_a_fifo_message_needs_a_group(sqs: Caller) -> None:
    url = sqs.create("orders.fifo")

    error = sqs.refused("SendMessage", QueueUrl=url, MessageBody="x", MessageDeduplicationId="d")

    assert told(error) == (*MISSING, "The request must contain the parameter MessageGroupId.")


def test_a_fifo_message_needs_a_deduplication_id_unless_it_is_made_of_the_body(sqs: Caller) -> None:
    url = sqs.create("orders.fifo")

    error = sqs.refused("SendMessage", QueueUrl=url, MessageBody="x", MessageGroupId="g")

    assert told(error) == (
        *INVALID,
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    )
    sqs.set(url, ContentBasedDeduplication="true")
    assert sqs.send(url, MessageGroupId="g")


def test_a_deduplication_id_is_not_for_a_standard_queue(sqs: Caller, url: str) -> None:
    error = sqs.refused("SendMessage", QueueUrl=url, MessageBody="x", MessageDeduplicationId="d")

    reason = "The request include parameter that is not valid for this queue type."
    assert told(error) == wrong("d", "MessageDeduplicationId", reason)


def test_a_duplicate_is_answered_and_not_enqueued(sqs: Caller, clock: VirtualClock) -> None:
    """SQS: for 5 minutes, also in another group, also by the hash that the body would have."""
    url = sqs.create("orders.fifo", ContentBasedDeduplication="true")
    first = sqs.send(url, "x", MessageGroupId="g")

    again = sqs.send(url, "other", MessageGroupId="h", MessageDeduplicationId=hashlib.sha256(b"x").hexdigest())

    assert (again["MessageId"], again["SequenceNumber"]) == (first["MessageId"], first["SequenceNumber"])
    assert sqs.queue("orders.fifo").stats().visible == 1
    clock.advance(300)
    sqs.send(url, "x", MessageGroupId="g")
    assert sqs.queue("orders.fifo").stats().visible == 2


def test_with_ids_per_group_the_same_one_in_another_group_is_new(sqs: Caller) -> None:
    url = sqs.create("orders.fifo", DeduplicationScope="messageGroup")

    for group in "ggh":
        sqs.send(url, MessageGroupId=group, MessageDeduplicationId="d")

    assert sqs.queue("orders.fifo").stats().visible == 2


def test_a_tenant_s_backlog_does_not_keep_others_waiting(sqs: Caller, url: str) -> None:
    """SQS fair queues: over 10 % of the messages in flight, and at least 30, make a tenant noisy."""
    for number in range(60):
        sqs.send(url, f"noisy {number}", MessageGroupId="noisy")
    for _ in range(4):
        sqs.receive(url, 10)
    sqs.send(url, "quiet", MessageGroupId="quiet")

    assert sqs.bodies(url, 1) == ["quiet"]


# -- queues that were declared with more than the wire knows ------------------------------------------------------------


@attrs.define
class Order:
    number: int


def test_a_typed_queue_takes_from_the_wire_what_it_can_decode(sqs: Caller) -> None:
    typed = sqs.world.broker().queue("typed", body=Order)

    sqs.send("typed", '{"number":7}')
    error = sqs.refused("SendMessage", QueueUrl="typed", MessageBody="seven")

    assert typed.receive()[0].body == Order(7)
    assert error.shape == "InvalidMessageContents"
    typed.send(Order(8))
    assert sqs.bodies("typed") == ['{"number": 8}']
