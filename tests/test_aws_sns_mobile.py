"""Mobile push and text messages without a carrier: data over the wire, messages in the outbox."""

from __future__ import annotations

import json
import re

import pytest
from sns_caller import ACCOUNT, Caller

from decouple.aws import World
from decouple.aws.sns.sms import opt_out
from decouple.testing import VirtualClock

NUMBER = "+15550100"


@pytest.fixture
def sns() -> Caller:
    return Caller(World(clock=VirtualClock(), account=ACCOUNT))


@pytest.fixture
def app(sns: Caller) -> str:
    attributes = {"PlatformCredential": "secret", "PlatformPrincipal": "who"}
    arn: str = sns("CreatePlatformApplication", Name="shop", Platform="GCM", Attributes=attributes)[
        "PlatformApplicationArn"
    ]
    return arn


@pytest.fixture
def device(sns: Caller, app: str) -> str:
    arn: str = sns("CreatePlatformEndpoint", PlatformApplicationArn=app, Token="t-1", CustomUserData="anna")[
        "EndpointArn"
    ]
    return arn


def sent(sns: Caller) -> list[tuple[str, str, str]]:
    sns.broker.run_until_idle(errors="collect")
    return [(one.protocol, one.to, one.body) for one in sns.broker.outbox]


# -- applications ----------------------------------------------------------------------------------------------------


def test_an_application_shows_its_attributes_and_never_its_credentials(sns, app):
    assert app == f"arn:aws:sns:us-east-1:{ACCOUNT}:app/GCM/shop"
    assert sns("GetPlatformApplicationAttributes", PlatformApplicationArn=app) == {"Attributes": {"Enabled": "true"}}
    assert sns("ListPlatformApplications") == {
        "PlatformApplications": [{"PlatformApplicationArn": app, "Attributes": {"Enabled": "true"}}]
    }


def test_an_application_can_be_changed_and_deleted_twice(sns, app):
    sns("SetPlatformApplicationAttributes", PlatformApplicationArn=app, Attributes={"Enabled": "false"})
    assert sns("GetPlatformApplicationAttributes", PlatformApplicationArn=app) == {"Attributes": {"Enabled": "false"}}

    sns("DeletePlatformApplication", PlatformApplicationArn=app)
    sns("DeletePlatformApplication", PlatformApplicationArn=app)

    for operation in ("GetPlatformApplicationAttributes", "ListEndpointsByPlatformApplication"):
        refused = sns.error(operation, PlatformApplicationArn=app)
        assert refused == ("NotFound", "PlatformApplication does not exist")


@pytest.mark.parametrize(
    ("name", "platform", "words"),
    [
        ("shop", "PIGEON", "Platform Reason: PIGEON is not supported"),
        ("", "GCM", " Reason: cannot be empty"),
        ("a b", "GCM", "a b Reason: must contain only characters 'a'-'z', 'A'-'Z', '0'-'9', '_', '-', and '.'"),
    ],
    ids=["platform", "no name", "name"],
)
def test_an_application_that_cannot_be_is_refused(sns, name, platform, words):
    refused = sns.error("CreatePlatformApplication", Name=name, Platform=platform, Attributes={})

    assert refused == ("InvalidParameter", f"Invalid parameter: {words}")


# -- endpoints -------------------------------------------------------------------------------------------------------


def test_the_same_token_is_the_same_endpoint_if_its_attributes_are(sns, app, device):
    given = {"PlatformApplicationArn": app, "Token": "t-1"}
    assert sns("CreatePlatformEndpoint", CustomUserData="anna", **given) == {"EndpointArn": device}

    words = f"Endpoint {device} already exists with the same Token, but different attributes."
    refused = sns.error("CreatePlatformEndpoint", CustomUserData="bert", **given)
    assert refused == ("InvalidParameter", f"Invalid parameter: Token Reason: {words}")


def test_an_endpoint_shows_what_it_has(sns, app, device):
    attributes = {"Enabled": "true", "Token": "t-1", "CustomUserData": "anna"}

    assert sns("GetEndpointAttributes", EndpointArn=device) == {"Attributes": attributes}
    assert sns("ListEndpointsByPlatformApplication", PlatformApplicationArn=app) == {
        "Endpoints": [{"EndpointArn": device, "Attributes": attributes}]
    }
    assert re.fullmatch(rf"arn:aws:sns:us-east-1:{ACCOUNT}:endpoint/GCM/shop/[0-9a-f-]{{36}}", device)


def test_an_endpoint_can_have_another_token_that_no_other_has(sns, app, device):
    other = sns("CreatePlatformEndpoint", PlatformApplicationArn=app, Token="t-2")["EndpointArn"]
    taken = sns.error("SetEndpointAttributes", EndpointArn=device, Attributes={"Token": "t-2"})
    assert taken[0] == "InvalidParameter"
    assert other in taken[1]

    sns("SetEndpointAttributes", EndpointArn=device, Attributes={"Token": "t-3"})

    found = sns("CreatePlatformEndpoint", PlatformApplicationArn=app, Token="t-3", CustomUserData="anna")
    assert found == {"EndpointArn": device}


def test_a_deleted_endpoint_is_gone_and_twice_is_no_error(sns, device):
    sns("DeleteEndpoint", EndpointArn=device)
    sns("DeleteEndpoint", EndpointArn=device)

    assert sns.error("GetEndpointAttributes", EndpointArn=device) == ("NotFound", "Endpoint does not exist")
    assert sns.error("SetEndpointAttributes", EndpointArn=device, Attributes={}) == (
        "NotFound",
        "Endpoint does not exist",
    )


def test_what_is_published_to_an_endpoint_is_in_the_outbox_by_its_platform(sns, device):
    message = json.dumps({"default": "all", "GCM": '{"notification": {}}'})

    sns("Publish", TargetArn=device, Message="plain")
    sns("Publish", TargetArn=device, Message=message, MessageStructure="json")

    assert sent(sns) == [("application", device, "plain"), ("application", device, '{"notification": {}}')]


def test_an_endpoint_that_is_disabled_takes_nothing(sns, app, device):
    sns("SetEndpointAttributes", EndpointArn=device, Attributes={"Enabled": "False"})
    assert sns.error("Publish", TargetArn=device, Message="x") == ("EndpointDisabled", "Endpoint is disabled")

    sns("SetPlatformApplicationAttributes", PlatformApplicationArn=app, Attributes={"Enabled": "false"})
    assert sns.error("Publish", TargetArn=device, Message="x")[0] == "PlatformApplicationDisabled"


def test_an_endpoint_that_is_not_there_takes_nothing(sns, app):
    arn = f"{app.replace(':app/', ':endpoint/')}/x"
    words = "Invalid parameter: TargetArn Reason: No endpoint found for the target arn specified"

    assert sns.error("Publish", TargetArn=arn, Message="x") == ("InvalidParameter", words)


def test_a_topic_delivers_to_an_endpoint_while_it_is_enabled(sns, device):
    topic = sns.topic()
    sns.subscribe(topic, device, "application")
    sns("Publish", TopicArn=topic, Message="one")
    assert sent(sns) == [("application", device, "one")]

    sns("SetEndpointAttributes", EndpointArn=device, Attributes={"Enabled": "false"})
    sns("Publish", TopicArn=topic, Message="two")
    assert len(sent(sns)) == 1


# -- text messages ---------------------------------------------------------------------------------------------------


def test_a_text_message_is_in_the_outbox(sns):
    attributes = {"AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"}}

    answer = sns("Publish", PhoneNumber=NUMBER, Message="your code is 7", MessageAttributes=attributes)

    assert list(answer) == ["MessageId"]
    assert sent(sns) == [("sms", NUMBER, "your code is 7")]


@pytest.mark.parametrize("number", ["5550100", "+0", "+1 555", "+1555010010001000"])
def test_a_number_that_is_none_is_refused(sns, number):
    words = f"Invalid parameter: PhoneNumber Reason: {number} is not valid to publish to"

    assert sns.error("Publish", PhoneNumber=number, Message="x") == ("InvalidParameter", words)


def test_who_opted_out_gets_nothing_until_opted_in_again(sns):
    topic = sns.topic()
    sns.subscribe(topic, NUMBER, "sms")
    opt_out(sns.place, NUMBER)
    assert sns("CheckIfPhoneNumberIsOptedOut", phoneNumber=NUMBER) == {"isOptedOut": True}
    assert sns("ListPhoneNumbersOptedOut") == {"phoneNumbers": [NUMBER]}
    sns("Publish", PhoneNumber=NUMBER, Message="x")
    sns("Publish", TopicArn=topic, Message="x")
    assert sent(sns) == []

    sns("OptInPhoneNumber", phoneNumber=NUMBER)
    sns("Publish", TopicArn=topic, Message="y")

    assert sns("CheckIfPhoneNumberIsOptedOut", phoneNumber=NUMBER) == {"isOptedOut": False}
    assert sent(sns) == [("sms", NUMBER, "y")]


def test_settings_are_kept(sns):
    assert sns("GetSMSAttributes") == {"attributes": {}}
    sns("SetSMSAttributes", attributes={"DefaultSMSType": "Promotional", "DefaultSenderID": "shop"})

    assert sns("GetSMSAttributes", attributes=["DefaultSenderID"]) == {"attributes": {"DefaultSenderID": "shop"}}
    assert sns.error("SetSMSAttributes", attributes={"DefaultSMSType": "x"})[0] == "InvalidParameter"
    assert sns.error("SetSMSAttributes", attributes={"Colour": "x"})[0] == "InvalidParameter"


# -- the sandbox -----------------------------------------------------------------------------------------------------


def test_a_sandbox_number_is_verified_with_the_code_it_was_sent(sns):
    sns("CreateSMSSandboxPhoneNumber", PhoneNumber=NUMBER)
    [(_, _, body)] = sent(sns)
    code = body.rpartition(" ")[2]
    assert sns("ListSMSSandboxPhoneNumbers") == {"PhoneNumbers": [{"PhoneNumber": NUMBER, "Status": "Pending"}]}
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    refused = sns.error("VerifySMSSandboxPhoneNumber", PhoneNumber=NUMBER, OneTimePassword=wrong)
    assert refused[0] == "VerificationException"

    sns("VerifySMSSandboxPhoneNumber", PhoneNumber=NUMBER, OneTimePassword=code)
    assert sns("ListSMSSandboxPhoneNumbers") == {"PhoneNumbers": [{"PhoneNumber": NUMBER, "Status": "Verified"}]}

    sns("DeleteSMSSandboxPhoneNumber", PhoneNumber=NUMBER)
    assert sns("ListSMSSandboxPhoneNumbers") == {"PhoneNumbers": []}


@pytest.mark.parametrize("operation", ["VerifySMSSandboxPhoneNumber", "DeleteSMSSandboxPhoneNumber"])
def test_a_number_that_is_not_in_the_sandbox_is_not_found(sns, operation):
    assert sns.error(operation, PhoneNumber=NUMBER, OneTimePassword="12345")[0] == "ResourceNotFound"


def test_the_sandbox_lists_in_pages(sns):
    for number in range(3):
        sns("CreateSMSSandboxPhoneNumber", PhoneNumber=f"+1555010{number}")

    first = sns("ListSMSSandboxPhoneNumbers", MaxResults=2)

    assert len(first["PhoneNumbers"]) == 2
    assert len(sns("ListSMSSandboxPhoneNumbers", MaxResults=2, NextToken=first["NextToken"])["PhoneNumbers"]) == 1


def test_an_account_is_in_the_sandbox_and_has_no_numbers_to_send_from(sns):
    assert sns("GetSMSSandboxAccountStatus") == {"IsInSandbox": True}
    assert sns("ListOriginationNumbers") == {"PhoneNumbers": []}


# -- the rest of what is refused -------------------------------------------------------------------------------------


def test_the_same_application_again_is_the_one_there_is_if_its_attributes_are(sns, app):
    given = {"Name": "shop", "Platform": "GCM"}

    assert sns("CreatePlatformApplication", Attributes={}, **given) == {"PlatformApplicationArn": app}
    assert sns.error("CreatePlatformApplication", Attributes={"Enabled": "false"}, **given)[0] == "InvalidParameter"
    assert (
        sns.error("CreatePlatformApplication", Name="a" * 257, Platform="GCM", Attributes={})[0] == "InvalidParameter"
    )


@pytest.mark.parametrize(
    "attributes",
    [{"Colour": "red"}, {"Enabled": "perhaps"}, {"CustomUserData": "x" * 2_049}],
    ids=["unknown", "enabled", "data"],
)
def test_an_endpoints_attribute_that_cannot_be_is_refused(sns, device, attributes):
    assert sns.error("SetEndpointAttributes", EndpointArn=device, Attributes=attributes)[0] == "InvalidParameter"


def test_an_endpoint_has_a_token(sns, app):
    assert sns.error("CreatePlatformEndpoint", PlatformApplicationArn=app, Token="")[0] == "InvalidParameter"


def test_a_topic_delivers_nothing_to_an_endpoint_that_is_gone(sns, device):
    topic = sns.topic()
    sns.subscribe(topic, device, "application")
    sns("DeleteEndpoint", EndpointArn=device)

    sns("Publish", TopicArn=topic, Message="x")

    assert sent(sns) == []


def test_nothing_is_deduplicated_on_the_way_to_a_telephone(sns):
    refused = sns.error("Publish", PhoneNumber=NUMBER, Message="x", MessageDeduplicationId="1")

    assert refused[0] == "InvalidParameter"


def test_the_sandbox_takes_ten_numbers_and_none_that_opted_out_or_is_verified(sns):
    opt_out(sns.place, NUMBER)
    assert sns.error("CreateSMSSandboxPhoneNumber", PhoneNumber=NUMBER)[0] == "OptedOut"

    for number in range(10):
        sns("CreateSMSSandboxPhoneNumber", PhoneNumber=f"+1555020{number}")
    assert sns.error("CreateSMSSandboxPhoneNumber", PhoneNumber="+15550300")[0] == "UserError"

    code = sent(sns)[0][2].rpartition(" ")[2]
    sns("VerifySMSSandboxPhoneNumber", PhoneNumber="+15550200", OneTimePassword=code)
    assert sns.error("CreateSMSSandboxPhoneNumber", PhoneNumber="+15550200")[0] == "UserError"
