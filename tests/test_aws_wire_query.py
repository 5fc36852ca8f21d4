"""The Query protocol as SNS, STS and SQS speak it: forms in, XML out, SQS's own names, errors."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest

from decouple.aws.errors import ServiceError
from decouple.aws.wire import Parsed, Request, Unreadable, decode_form, encode, encode_error, read

VERSIONS = {"sqs": "2012-11-05", "sns": "2010-03-31", "sts": "2011-06-15"}
FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8", "host": "localhost:4566"}


def post(fields: dict[str, str], path: str = "/", **headers: str) -> Request:
    return Request("POST", path, "", {**FORM, **headers}, urlencode(fields).encode())


def call(service: str, action: str, path: str = "/", **fields: str) -> Parsed:
    return read(post({"Action": action, "Version": VERSIONS[service], **fields}, path))


def refused(bad: Request) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read(bad)
    return caught.value


def text_of(service: str, operation: str, answer: dict[str, Any]) -> str:
    return encode(service, operation, "query", answer, "id-1").body.decode()


def signed_for(service: str) -> dict[str, str]:
    return {"authorization": f"AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/{service}/aws4_request, Signature=x"}


def test_a_form_is_read_by_post_and_by_get() -> None:
    fields = {"Action": "Publish", "Version": "2010-03-31", "TopicArn": "arn:x", "Message": "é +&"}
    meant = Parsed("sns", "Publish", {"TopicArn": "arn:x", "Message": "é +&"}, "query")

    assert read(post(fields)) == meant
    assert read(Request("GET", "/", urlencode(fields), {}, b"")) == meant


def test_sns_maps_have_entries_and_lists_members() -> None:
    fields = {
        "Attributes.entry.1.key": "DisplayName",
        "Attributes.entry.1.value": "Orders",
        "Tags.member.1.Key": "a",
        "Tags.member.1.Value": "",
    }

    assert call("sns", "CreateTopic", Name="t", **fields).given == {
        "Name": "t",
        "Attributes": {"DisplayName": "Orders"},
        "Tags": [{"Key": "a", "Value": ""}],
    }


def test_sns_message_attributes_have_base64_in_them() -> None:
    fields = {
        "MessageAttributes.entry.1.Name": "b",
        "MessageAttributes.entry.1.Value.DataType": "Binary",
        "MessageAttributes.entry.1.Value.BinaryValue": "AAH/",
    }

    assert call("sns", "Publish", Message="m", **fields).given["MessageAttributes"] == {
        "b": {"DataType": "Binary", "BinaryValue": b"\x00\x01\xff"}
    }


def test_booleans_and_numbers_are_read_as_such() -> None:
    assert call("sns", "Subscribe", ReturnSubscriptionArn="true").given["ReturnSubscriptionArn"] is True
    assert call("sqs", "ReceiveMessage", MaxNumberOfMessages="10").given["MaxNumberOfMessages"] == 10


@pytest.mark.parametrize(
    ("operation", "fields", "given"),
    [
        (
            "CreateQueue",
            {
                "QueueName": "q",
                "Attribute.1.Name": "DelaySeconds",
                "Attribute.1.Value": "5",
                "Tag.1.Key": "k",
                "Tag.1.Value": "v",
            },
            {"QueueName": "q", "Attributes": {"DelaySeconds": "5"}, "tags": {"k": "v"}},
        ),
        ("GetQueueAttributes", {"AttributeName.1": "All"}, {"AttributeNames": ["All"]}),
        (
            "ReceiveMessage",
            {"MessageAttributeName.1": "a", "MessageAttributeName.2": "b", "MessageSystemAttributeName.1": "All"},
            {"MessageAttributeNames": ["a", "b"], "MessageSystemAttributeNames": ["All"]},
        ),
        (
            "SendMessage",
            {
                "MessageBody": "x",
                "MessageAttribute.1.Name": "n",
                "MessageAttribute.1.Value.DataType": "Binary",
                "MessageAttribute.1.Value.BinaryValue": "AA==",
                "MessageSystemAttribute.1.Name": "AWSTraceHeader",
                "MessageSystemAttribute.1.Value.StringValue": "Root=1",
            },
            {
                "MessageBody": "x",
                "MessageAttributes": {"n": {"DataType": "Binary", "BinaryValue": b"\x00"}},
                "MessageSystemAttributes": {"AWSTraceHeader": {"StringValue": "Root=1"}},
            },
        ),
        (
            "SendMessageBatch",
            {"SendMessageBatchRequestEntry.1.Id": "a", "SendMessageBatchRequestEntry.1.DelaySeconds": "3"},
            {"Entries": [{"Id": "a", "DelaySeconds": 3}]},
        ),
        ("DeleteMessageBatch", {"DeleteMessageBatchRequestEntry.1.Id": "a"}, {"Entries": [{"Id": "a"}]}),
        (
            "ChangeMessageVisibilityBatch",
            {"ChangeMessageVisibilityBatchRequestEntry.1.VisibilityTimeout": "0"},
            {"Entries": [{"VisibilityTimeout": 0}]},
        ),
        ("TagQueue", {"Tag.1.Key": "k", "Tag.1.Value": "v"}, {"Tags": {"k": "v"}}),
        ("UntagQueue", {"TagKey.1": "k"}, {"TagKeys": ["k"]}),
        (
            "AddPermission",
            {"Label": "l", "AWSAccountId.1": "1", "ActionName.1": "SendMessage"},
            {"Label": "l", "AWSAccountIds": ["1"], "Actions": ["SendMessage"]},
        ),
    ],
    ids=lambda part: part if isinstance(part, str) else None,
)  # fmt: skip
def test_sqs_requests_have_their_old_names(operation: str, fields: dict[str, str], given: dict[str, Any]) -> None:
    """SQS: botocore 1.34.0, the last model that knew them."""
    assert call("sqs", operation, **fields).given == given


@pytest.mark.parametrize(
    ("operation", "answer", "result"),
    [
        ("CreateQueue", {"QueueUrl": "u"}, "<QueueUrl>u</QueueUrl>"),
        ("ListQueues", {"QueueUrls": ["u", "v"]}, "<QueueUrl>u</QueueUrl><QueueUrl>v</QueueUrl>"),
        ("ListDeadLetterSourceQueues", {"queueUrls": ["u"]}, "<QueueUrl>u</QueueUrl>"),
        (
            "GetQueueAttributes",
            {"Attributes": {"DelaySeconds": "0"}},
            "<Attribute><Name>DelaySeconds</Name><Value>0</Value></Attribute>",
        ),
        ("ListQueueTags", {"Tags": {"k": ""}}, "<Tag><Key>k</Key><Value/></Tag>"),
        (
            "ReceiveMessage",
            {
                "Messages": [
                    {
                        "MessageId": "m",
                        "Attributes": {"SenderId": "s"},
                        "MessageAttributes": {"b": {"DataType": "Binary", "BinaryValue": b"\x00"}},
                    }
                ]
            },
            (
                "<Message><MessageId>m</MessageId><Attribute><Name>SenderId</Name><Value>s</Value></Attribute>"
                "<MessageAttribute><Name>b</Name><Value><DataType>Binary</DataType><BinaryValue>AA==</BinaryValue></Value>"
                "</MessageAttribute></Message>"
            ),
        ),
        (
            "SendMessageBatch",
            {"Successful": [{"Id": "a"}], "Failed": [{"Id": "b", "SenderFault": True}]},
            (
                "<SendMessageBatchResultEntry><Id>a</Id></SendMessageBatchResultEntry>"
                "<BatchResultErrorEntry><Id>b</Id><SenderFault>true</SenderFault></BatchResultErrorEntry>"
            ),
        ),
        (
            "DeleteMessageBatch",
            {"Successful": [{"Id": "a"}]},
            "<DeleteMessageBatchResultEntry><Id>a</Id></DeleteMessageBatchResultEntry>",
        ),
        (
            "ChangeMessageVisibilityBatch",
            {"Successful": [{"Id": "a"}]},
            "<ChangeMessageVisibilityBatchResultEntry><Id>a</Id></ChangeMessageVisibilityBatchResultEntry>",
        ),
        (
            "ListMessageMoveTasks",
            {"Results": [{"Status": "RUNNING", "StartedTimestamp": 5}]},
            (
                "<ListMessageMoveTasksResultEntry><Status>RUNNING</Status><StartedTimestamp>5</StartedTimestamp>"
                "</ListMessageMoveTasksResultEntry>"
            ),
        ),
    ],
    ids=lambda part: part if isinstance(part, str) and part.isalpha() else None,
)
def test_sqs_answers_have_their_old_names(operation: str, answer: dict[str, Any], result: str) -> None:
    assert text_of("sqs", operation, answer) == (
        f'<?xml version="1.0"?><{operation}Response xmlns="http://queue.amazonaws.com/doc/2012-11-05/">'
        f"<{operation}Result>{result}</{operation}Result>"
        f"<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></{operation}Response>"
    )


def test_an_empty_receive_has_an_empty_result() -> None:
    """SQS."""
    assert "<ReceiveMessageResult/>" in text_of("sqs", "ReceiveMessage", {})


@pytest.mark.parametrize(
    "operation",
    [
        "AddPermission",
        "ChangeMessageVisibility",
        "DeleteMessage",
        "DeleteQueue",
        "PurgeQueue",
        "RemovePermission",
        "SetQueueAttributes",
        "TagQueue",
        "UntagQueue",
    ],
)
def test_operations_without_an_answer_have_no_result_element(operation: str) -> None:
    """SQS."""
    text = text_of("sqs", operation, {})

    assert "Result" not in text
    assert "<RequestId>id-1</RequestId>" in text


def test_sns_answers_have_the_models_names_and_keep_empty_lists() -> None:
    """SNS: PublishBatch returns Failed: []."""
    text = text_of("sns", "PublishBatch", {"Successful": [{"Id": "a", "MessageId": "m"}], "Failed": []})

    assert text == (
        '<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishBatchResult>'
        "<Successful><member><Id>a</Id><MessageId>m</MessageId></member></Successful><Failed/></PublishBatchResult>"
        "<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></PublishBatchResponse>"
    )


def test_an_answer_leaves_out_what_is_none_or_unknown_to_the_model() -> None:
    text = text_of("sns", "Publish", {"MessageId": "m", "SequenceNumber": None, "Colour": "red"})

    assert "<PublishResult><MessageId>m</MessageId></PublishResult>" in text


def test_moments_are_answered_in_iso_8601() -> None:
    text = text_of("sts", "AssumeRole", {"Credentials": {"Expiration": 1767225600.0}})

    assert "<Expiration>2026-01-01T00:00:00Z</Expiration>" in text


def test_texts_keep_carriage_returns_and_lose_what_xml_cannot_hold() -> None:
    text = text_of("sqs", "ReceiveMessage", {"Messages": [{"Body": "a\r\n<&>\"'\t\x00\x1f\ufffe\ud800é😀&amp;"}]})

    body = ElementTree.fromstring(text.encode()).find(".//{*}Body")

    assert body is not None
    assert body.text == "a\r\n<&>\"'\t\ufffd\ufffd\ufffd\ufffdé😀&amp;"


def test_a_request_to_a_queues_url_names_the_queue_by_it() -> None:
    path = "/123456789012/orders"

    assert call("sqs", "SendMessage", path, MessageBody="x").given["QueueUrl"] == "http://localhost:4566" + path
    assert call("sqs", "SendMessage", path, QueueUrl="http://a/1/q").given["QueueUrl"] == "http://a/1/q"
    assert "QueueUrl" not in call("sqs", "SendMessage", MessageBody="x").given
    assert call("sqs", "GetQueueUrl", path, QueueName="other").given["QueueName"] == "other"


def test_a_request_to_a_queues_url_may_be_a_get_that_names_no_version() -> None:
    request = Request(
        "GET", "/1/q", "Action=SendMessage&MessageBody=x", {"host": "h", "x-forwarded-proto": "https"}, b""
    )

    assert read(request).given == {"MessageBody": "x", "QueueUrl": "https://h/1/q"}


@pytest.mark.parametrize("action", ["CreateQueue", "ListQueues"])
def test_creating_and_listing_are_no_actions_of_a_queues_url(action: str) -> None:
    """SQS."""
    error = refused(post({"Action": action, "Version": "2012-11-05"}, "/123456789012/orders"))

    assert (error.code, error.status) == ("InvalidAction", 400)
    assert error.message == f"The action {action} is not valid for this endpoint."


def test_an_unknown_action_is_invalid() -> None:
    """SQS: 400 InvalidAction."""
    error = refused(post({"Action": "Dance", "Version": "2012-11-05"}))

    reply = encode_error(error.service, error.operation, error.protocol, error, "id-1")

    assert (reply.status, reply.headers["content-type"]) == (400, "text/xml")
    assert reply.body.decode() == (
        '<?xml version="1.0"?><ErrorResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><Error>'
        "<Type>Sender</Type><Code>InvalidAction</Code><Message>The action Dance is not valid for this endpoint."
        "</Message><Detail/></Error><RequestId>id-1</RequestId></ErrorResponse>"
    )


def test_a_get_of_a_queues_url_without_an_action_is_an_unknown_operation() -> None:
    """SQS: 404."""
    error = refused(Request("GET", "/123456789012/orders", "", {}, b""))

    reply = encode_error(error.service, error.operation, error.protocol, error, "id-1")

    assert (reply.status, reply.body) == (404, b"<UnknownOperationException/>\n")


def test_an_error_of_sns_has_no_detail() -> None:
    error = ServiceError("NotFoundException", "Topic <x> does not exist", code="NotFound", status=404)

    reply = encode_error("sns", "GetTopicAttributes", "query", error, "id-1")

    assert reply.status == 404
    assert reply.body.decode() == (
        '<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type>'
        "<Code>NotFound</Code><Message>Topic &lt;x&gt; does not exist</Message></Error>"
        "<RequestId>id-1</RequestId></ErrorResponse>"
    )


def test_an_errors_further_members_are_said() -> None:
    error = ServiceError("VerificationException", "No.", Status="Pending", Colour="red")

    assert b"<Status>Pending</Status></Error>" in encode_error("sns", "", "query", error, "id-1").body


@pytest.mark.parametrize(
    ("request_", "service"),
    [
        pytest.param(post({"Action": "AddPermission"}, **signed_for("sns")), "sns", id="signed for sns"),
        pytest.param(post({"Action": "AddPermission"}, **signed_for("sqs")), "sqs", id="signed for sqs"),
        pytest.param(post({"Action": "AddPermission"}), "sqs", id="in both"),
        pytest.param(post({"Action": "Publish"}), "sns", id="in one"),
        pytest.param(post({"Action": "GetCallerIdentity"}), "sts", id="in another"),
        pytest.param(post({"Action": "ListTopics", "Version": "2010-03-31"}, **signed_for("s3")), "sns", id="version"),
        pytest.param(post({"Action": "ListQueues", "Version": "2009-02-01"}), "sqs", id="old version"),
        pytest.param(
            Request("GET", "/", "Action=AddPermission&X-Amz-Credential=A%2F20260101%2Fus-east-1%2Fsns%2Faws4_request", {}, b""),
            "sns",
            id="signed in the query string",
        ),
    ],
)  # fmt: skip
def test_without_a_version_the_signature_or_the_action_tells_the_service(request_: Request, service: str) -> None:
    assert read(request_).service == service


def test_list_elements_come_in_the_order_of_their_numbers_with_gaps() -> None:
    fields = {"TagKey.999999999": "c", "TagKey.10": "b", "TagKey.2": "a"}

    assert call("sqs", "UntagQueue", **fields).given == {"TagKeys": ["a", "b", "c"]}


def test_an_empty_list_is_said_by_an_empty_text() -> None:
    assert call("sns", "UntagResource", TagKeys="").given == {"TagKeys": []}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"TagKey.x": "a"}, id="no number"),
        pytest.param({"TagKey.-1": "a"}, id="negative number"),
        pytest.param({"TagKey.1.2": "a"}, id="too deep"),
        pytest.param({"TagKey": "a"}, id="text for a list"),
        pytest.param({"TagKey.1": "a", "TagKey.1.Key": "b"}, id="both text and branch"),
        pytest.param({"TagKey.1.Key": "b", "TagKey.1": "a"}, id="both branch and text"),
        pytest.param({"TagKey." + "1." * 10_000: "a"}, id="very deep"),
        pytest.param({"TagKey.9999999999": "a"}, id="endless number"),
        pytest.param({"TagKey.٣": "a"}, id="foreign digit"),
    ],
)
def test_a_list_in_another_form_is_malformed_input(fields: dict[str, str]) -> None:
    error = refused(post({"Action": "UntagQueue", "Version": "2012-11-05", **fields}))

    assert (error.code, error.status) == ("MalformedInput", 400)


@pytest.mark.parametrize(
    ("service", "fields"),
    [
        pytest.param("sqs", {"Action": "ReceiveMessage", "MaxNumberOfMessages": "ten"}, id="number"),
        pytest.param("sqs", {"Action": "ReceiveMessage", "MaxNumberOfMessages": "1_0"}, id="number with a line"),
        pytest.param("sqs", {"Action": "ReceiveMessage", "MaxNumberOfMessages": "9" * 5000}, id="endless number"),
        pytest.param("sqs", {"Action": "CreateQueue", "Attribute.1.Value": "5"}, id="no key"),
        pytest.param("sns", {"Action": "Subscribe", "ReturnSubscriptionArn": "yes"}, id="boolean"),
        pytest.param("sns", {"Action": "UntagResource", "TagKeys.1": "a"}, id="list without member"),
        pytest.param("sns", {"Action": "CreateTopic", "Attributes.entry.1": "a"}, id="entry without key"),
        pytest.param(
            "sns",
            {"Action": "Publish", "MessageAttributes.entry.1.Name": "a", "MessageAttributes.entry.1.Value.BinaryValue": "*"},
            id="base64",
        ),
    ],
)  # fmt: skip
def test_a_value_in_another_form_is_malformed_input(service: str, fields: dict[str, str]) -> None:
    error = refused(post({"Version": VERSIONS[service], **fields}))

    assert (error.code, error.status, error.service) == ("MalformedInput", 400, service)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"Action=ListQueues&a=%zz", id="bad escape"),
        pytest.param(b"Action=ListQueues&a=%", id="half an escape"),
        pytest.param(b"Action=ListQueues&a=%ff", id="escaped bytes that are no UTF-8"),
        pytest.param(b"Action=ListQueues&a=\xff", id="bytes that are no UTF-8"),
        pytest.param(b"Action=ListQueues&Action=CreateQueue", id="one key twice"),
        pytest.param(b"Action=ListQueues" + b"&a=1" * 10_000, id="very many"),
    ],
)
def test_what_is_no_form_is_a_malformed_query_string(body: bytes) -> None:
    error = refused(Request("POST", "/", "", FORM, body))

    assert (error.code, error.status) == ("MalformedQueryString", 400)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD", "dance"])
def test_other_methods_are_unknown_operations(method: str) -> None:
    assert refused(Request(method, "/", "Action=ListQueues", {}, b"")).shape == "UnknownOperationException"


def test_a_body_of_another_kind_is_no_form() -> None:
    error = refused(Request("POST", "/", "", {"content-type": "text/plain"}, b"Action=ListQueues"))

    assert (error.shape, error.status) == ("UnknownOperationException", 404)


def test_a_form_that_was_read_already_need_not_be_packed_again() -> None:
    assert decode_form("sns", "UntagResource", {"TagKeys.member.1": "a"}) == {"TagKeys": ["a"]}
    assert decode_form("sts", "GetCallerIdentity", {"Action": "GetCallerIdentity"}) == {}
