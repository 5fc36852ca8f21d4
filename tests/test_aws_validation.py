"""Requests against botocore's models: AWS's words for what is missing, of the wrong kind or out of its range."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st

from decouple.aws.errors import ServiceError
from decouple.aws.model import load_model
from decouple.aws.service import Service
from decouple.aws.validation import Door, faults_of


def missing(path: str) -> ServiceError:
    text = f"The request must contain the parameter {path}."
    return ServiceError("MissingRequiredParameterException", text, code="MissingParameter")


SQS = Service("sqs", "Amazon SQS", modules=(), checks=(), missing=missing)
SNS = Service("sns", "Amazon SNS", modules=())
LAMBDA = Service("lambda", "AWS Lambda", modules=())
EVENTS = Service("events", "Amazon EventBridge", modules=())
SCHEDULER = Service("scheduler", "Amazon EventBridge Scheduler", modules=())
STS = Service("sts", "AWS STS", modules=())
SERVICES = (SQS, SNS, LAMBDA, EVENTS, SCHEDULER, STS)


def refusal(service: Service, operation: str, **given: Any) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        Door(service).check(operation, given)
    return caught.value


def test_what_the_model_allows_passes_and_unknown_members_are_ignored() -> None:
    Door(SQS).check("SendMessage", {"QueueUrl": "q", "MessageBody": "x", "DelaySeconds": 5, "Colour": object()})
    Door(SQS).check("ListQueues", {})
    Door(STS).check("GetCallerIdentity", {"anything": 1})
    Door(EVENTS).check("PutEvents", {"Entries": [{"Time": datetime.now(UTC), "Detail": "{}"}]})
    Door(LAMBDA).check("Invoke", {"FunctionName": "resize", "Payload": b"{}"})


def test_none_stands_for_a_parameter_that_is_not_given() -> None:
    Door(SQS).check("SendMessage", {"QueueUrl": "q", "MessageBody": "x", "DelaySeconds": None})

    assert refusal(SQS, "SendMessage", QueueUrl="q", MessageBody=None).code == "MissingParameter"


def test_a_service_has_its_own_error_for_a_missing_parameter() -> None:
    """SQS: 400 MissingParameter."""
    error = refusal(SQS, "SendMessage", QueueUrl="q")

    assert (error.shape, error.code, error.status) == ("MissingRequiredParameterException", "MissingParameter", 400)
    assert error.message == "The request must contain the parameter MessageBody."


def test_the_path_of_a_missing_parameter_goes_through_lists_by_number() -> None:
    strict = Service("sqs", "Amazon SQS", modules=(), missing=missing)

    error = refusal(strict, "SendMessageBatch", QueueUrl="q", Entries=[{"Id": "a", "MessageBody": "x"}, {"Id": "b"}])

    assert error.message == "The request must contain the parameter Entries.2.MessageBody."


def test_a_service_may_keep_to_itself_what_is_missing_within_a_parameter() -> None:
    """SQS has other words for a message attribute without a DataType."""
    attributes = {"a": {"StringValue": "x"}}
    Door(SQS).check("SendMessage", {"QueueUrl": "q", "MessageBody": "x", "MessageAttributes": attributes})


def test_elsewhere_what_is_missing_is_a_validation_error_of_the_model() -> None:
    error = refusal(EVENTS, "PutRule")

    assert (error.shape, error.code, error.status) == ("ValidationException", "ValidationException", 400)
    assert error.message == (
        "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null"
    )


def test_query_services_call_it_validation_error_and_map_values_stand_under_member() -> None:
    """SNS: a message attribute without DataType."""
    error = refusal(SNS, "Publish", Message="m", MessageAttributes={"colour": {}})

    assert (error.shape, error.code) == ("ValidationException", "ValidationError")
    assert error.message == (
        "1 validation error detected: Value null at 'messageAttributes.colour.member.dataType'"
        " failed to satisfy constraint: Member must not be null"
    )


def test_several_errors_are_counted_and_joined() -> None:
    assert refusal(LAMBDA, "CreateAlias").message == (
        "3 validation errors detected:"
        " Value null at 'functionName' failed to satisfy constraint: Member must not be null;"
        " Value null at 'name' failed to satisfy constraint: Member must not be null;"
        " Value null at 'functionVersion' failed to satisfy constraint: Member must not be null"
    )


def test_ranges_lengths_and_enumerations_are_held_to() -> None:
    listing = refusal(SCHEDULER, "ListSchedules", MaxResults=101, NamePrefix="", State="ON")

    assert listing.message.startswith("4 validation errors detected: ")
    assert (
        "Value '101' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 100"
    ) in listing.message
    assert (
        "Value '' at 'namePrefix' failed to satisfy constraint: Member must have length greater than or equal to 1"
    ) in listing.message
    assert (
        "Value '' at 'namePrefix' failed to satisfy constraint:"
        " Member must satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$"
    ) in listing.message
    assert (
        "Value 'ON' at 'state' failed to satisfy constraint: Member must satisfy enum value set: [ENABLED, DISABLED]"
    ) in listing.message


def test_patterns_match_the_whole_value() -> None:
    assert "Member must satisfy regular expression pattern" in refusal(EVENTS, "PutRule", Name="rule\n").message
    Door(EVENTS).check("PutRule", {"Name": "rule"})


def test_elements_of_a_list_stand_under_their_number() -> None:
    target = {"Id": "", "Arn": "arn:aws:sqs:us-east-1:1:q"}
    error = refusal(EVENTS, "PutTargets", Rule="r", Targets=[{"Id": "1", "Arn": "a"}, target])

    assert "Value '' at 'targets.2.member.id' failed to satisfy constraint: Member must have length" in error.message


def test_simple_elements_are_told_of_with_their_list() -> None:
    error = refusal(EVENTS, "RemoveTargets", Rule="r", Ids=["ok", ""])

    assert error.message == (
        "1 validation error detected: Value '[ok, ]' at 'ids' failed to satisfy constraint:"
        " Member must satisfy constraint: [Member must have length less than or equal to 64,"
        " Member must have length greater than or equal to 1,"
        " Member must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+]"
    )


def test_a_service_chooses_which_kinds_of_constraints_are_generic() -> None:
    only_enums = Service("scheduler", "Scheduler", modules=(), checks=("enum",))

    error = refusal(only_enums, "ListSchedules", MaxResults=101, State="ON")

    assert error.message.startswith("1 validation error detected: Value 'ON' at 'state'")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("5", "STRING_VALUE cannot be converted to Integer", id="text"),
        pytest.param(True, "TRUE_VALUE cannot be converted to Integer", id="true"),
        pytest.param(1.5, "DECIMAL_VALUE cannot be converted to Integer", id="fraction"),
        pytest.param(2**31, "NUMBER_VALUE cannot be converted to Integer", id="too large"),
        pytest.param([], "Start of list found where not expected", id="list"),
        pytest.param({}, "Start of structure or map found where not expected.", id="map"),
    ],
)
def test_a_value_of_the_wrong_kind_was_never_read(value: object, text: str) -> None:
    error = refusal(SQS, "SendMessage", QueueUrl="q", DelaySeconds=value)

    assert (error.shape, error.message) == ("SerializationException", text)


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        pytest.param("SendMessage", {"QueueUrl": 5}, id="number for text"),
        pytest.param("CreateQueue", {"QueueName": "q", "Attributes": {"DelaySeconds": 5}}, id="number in a map"),
        pytest.param("CreateQueue", {"QueueName": "q", "Attributes": []}, id="list for a map"),
        pytest.param("SendMessageBatch", {"QueueUrl": "q", "Entries": {}}, id="map for a list"),
        pytest.param("SendMessageBatch", {"QueueUrl": "q", "Entries": [None]}, id="null in a list"),
        pytest.param("SendMessageBatch", {"QueueUrl": "q", "Entries": ["x"]}, id="text for a structure"),
        pytest.param("TagQueue", {"QueueUrl": "q", "Tags": {1: "x"}}, id="number for a key"),
        pytest.param(
            "SendMessage", {"QueueUrl": "q", "MessageAttributes": {"a": {"BinaryValue": "text"}}}, id="text for bytes"
        ),
    ],
)
def test_kinds_are_checked_at_every_depth(operation: str, given: dict[str, Any]) -> None:
    assert refusal(SQS, operation, **given).shape == "SerializationException"


def test_header_texts_of_blanks_do_not_take_exponential_time() -> None:
    """EventBridge's pattern for them would."""
    headers = {"HeaderParameters": {"x": " " * 500 + "\0"}}
    Door(EVENTS).check("PutTargets", {"Rule": "r", "Targets": [{"Id": "1", "Arn": "a", "HttpParameters": headers}]})


def test_a_refusal_can_quote_no_value_that_is_nested_too_deep() -> None:
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    entries = [{"Detail": "{}", "Other": deep}] * 11

    # How deep that is depends on the interpreter.
    assert refusal(EVENTS, "PutEvents", Entries=entries).shape in ("SerializationException", "ValidationException")


def test_tag_texts_may_have_letters_of_any_script() -> None:
    Door(EVENTS).check("TagResource", {"ResourceARN": "arn", "Tags": [{"Key": "größe", "Value": "大 きい"}]})

    assert "regular expression" in refusal(EVENTS, "PutRule", Name="größe").message


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=50, deadline=None)
@over(data=st.data())
def test_any_parameters_pass_or_are_refused_and_the_quick_test_agrees_with_the_words(data: st.DataObject) -> None:
    service = data.draw(st.sampled_from(SERVICES))
    name = data.draw(st.sampled_from(sorted(service.model.operations)))
    shape = load_model(service.name).operations[name].input
    members = [] if shape is None else list(shape.members)
    given = data.draw(st.dictionaries(st.sampled_from([*members, "Other"]), VALUES, max_size=4))

    try:
        Door(service).check(name, given)
    except ServiceError:
        return
    assert shape is None or not list(faults_of(shape, given, service.checks, "", ""))


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_operation_of_every_model_has_its_check(service: Service) -> None:
    for name, operation in service.model.operations.items():
        required = [] if operation.input is None else operation.input.required
        if required:
            assert refusal(service, name).message
        else:
            Door(service).check(name, {})
