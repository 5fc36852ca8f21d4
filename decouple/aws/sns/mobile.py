"""Mobile push: platform applications and their endpoints as data. What is published to one is in `broker.outbox`.

Credentials are kept and never shown, as on AWS; nobody looks whether they are good.
Source: SNS API, CreatePlatformApplication and so on; texts of errors as recorded where they are known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from uuid import uuid4

from decouple.aws.service import Answer, Given
from decouple.aws.sns.arns import elements
from decouple.aws.sns.kept import Application, Device, kept
from decouple.aws.sns.pages import page
from decouple.aws.sns.service import SNS, invalid, not_found
from decouple.aws.world import Call

__all__ = ["open_device"]

NAME = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
LONGEST_NAME = 256
LONGEST_DATA = 2_048
APPLE = ("APNS", "APNS_SANDBOX", "APNS_VOIP", "APNS_VOIP_SANDBOX", "MACOS", "MACOS_SANDBOX")
PLATFORMS = (*APPLE, "ADM", "BAIDU", "FCM", "GCM", "MPNS", "WNS")
SECRET = ("PlatformCredential", "PlatformPrincipal")
OF_APPLICATION = (
    *SECRET,
    "ApplePlatformBundleID",
    "ApplePlatformTeamID",
    "Enabled",
    "EventDeliveryFailure",
    "EventEndpointCreated",
    "EventEndpointDeleted",
    "EventEndpointUpdated",
    "FailureFeedbackRoleArn",
    "SuccessFeedbackRoleArn",
    "SuccessFeedbackSampleRate",
)
OF_DEVICE = ("CustomUserData", "Enabled", "Token")
NOTE = "data: nothing leaves the process"


def check_known(attributes: Mapping[str, str], known: tuple[str, ...]) -> None:
    """Raises ServiceError."""
    for name, value in attributes.items():
        if name not in known:
            raise invalid(f"Attributes Reason: Invalid attribute name: {name}")
        if name == "Enabled" and value.lower() not in ("true", "false"):
            raise invalid("Attributes Reason: Invalid value for attribute: Enabled: it is true or false")
        if name == "CustomUserData" and len(value.encode(errors="surrogatepass")) > LONGEST_DATA:
            raise invalid("CustomUserData Reason: must be at most 2048 bytes long in UTF-8 encoding")


def lowered(attributes: Mapping[str, str]) -> dict[str, str]:
    return {name: value.lower() if name == "Enabled" else value for name, value in attributes.items()}


# -- applications ----------------------------------------------------------------------------------------------------


@SNS.operation("CreatePlatformApplication", note=NOTE)
def create_application(call: Call, given: Given) -> Answer:
    """Make an application; the same name and platform again is the one there is."""
    name, platform, attributes = given["Name"], given["Platform"], given["Attributes"]
    check_name(name)
    if platform not in PLATFORMS:
        raise invalid(f"Platform Reason: {platform} is not supported")
    check_known(attributes, OF_APPLICATION)
    arn = f"arn:aws:sns:{call.region}:{call.account}:app/{platform}/{name}"
    there = kept(call.place).applications
    if arn not in there:
        there[arn] = Application(arn, {"Enabled": "true", **lowered(attributes)})
    elif any(there[arn].attributes.get(key) != value for key, value in lowered(attributes).items()):
        raise invalid("Attributes Reason: Platform application already exists with different attributes")
    return {"PlatformApplicationArn": arn}


def check_name(name: str) -> None:
    why = ""
    if not name:
        why = "cannot be empty"
    elif len(name) > LONGEST_NAME:
        why = "must be at most 256 characters long"
    elif not NAME.fullmatch(name):
        why = "must contain only characters 'a'-'z', 'A'-'Z', '0'-'9', '_', '-', and '.'"
    if why:
        raise invalid(f"{name} Reason: {why}")


def find_application(call: Call, arn: str) -> Application:
    """The application with this ARN. Raises ServiceError."""
    elements(arn, "PlatformApplicationArn")
    found = kept(call.place).applications.get(arn)
    if found is None:
        raise not_found("PlatformApplication")
    return found


@SNS.operation("GetPlatformApplicationAttributes")
def get_application(call: Call, given: Given) -> Answer:
    """Its attributes, but for the credentials."""
    attributes = find_application(call, given["PlatformApplicationArn"]).attributes
    return {"Attributes": {name: value for name, value in attributes.items() if name not in SECRET}}


@SNS.operation("SetPlatformApplicationAttributes", note=NOTE)
def set_application(call: Call, given: Given) -> Answer:
    """Set attributes."""
    found = find_application(call, given["PlatformApplicationArn"])
    check_known(given["Attributes"], OF_APPLICATION)
    found.attributes |= lowered(given["Attributes"])
    return {}


@SNS.operation("DeletePlatformApplication")
def delete_application(call: Call, given: Given) -> Answer:
    """Delete it with its endpoints; one that is not there is no error."""
    elements(given["PlatformApplicationArn"], "PlatformApplicationArn")
    kept(call.place).applications.pop(given["PlatformApplicationArn"], None)
    return {}


@SNS.operation("ListPlatformApplications")
def list_applications(call: Call, given: Given) -> Answer:
    """The applications, in pages of 100."""
    return page(kept(call.place).applications, given.get("NextToken"), "PlatformApplications", shown_application)


def shown_application(one: Application) -> Answer:
    shown = {name: value for name, value in one.attributes.items() if name not in SECRET}
    return {"PlatformApplicationArn": one.arn, "Attributes": shown}


# -- endpoints -------------------------------------------------------------------------------------------------------


@SNS.operation("CreatePlatformEndpoint", note=NOTE)
def create_device(call: Call, given: Given) -> Answer:
    """Make an endpoint for a token; the same token again is the one there is, if its attributes are the same."""
    application = find_application(call, given["PlatformApplicationArn"])
    token, asked = given["Token"], dict(given.get("Attributes") or {})
    if given.get("CustomUserData") is not None:
        asked["CustomUserData"] = given["CustomUserData"]
    if not token:
        raise invalid("Token Reason: cannot be empty")
    check_known(asked, OF_DEVICE)
    attributes = {"Enabled": "true", **lowered(asked), "Token": token}
    known = application.by_token.get(token)
    if known is None:
        arn = f"{application.arn.replace(':app/', ':endpoint/', 1)}/{uuid4()}"
        known = application.devices[arn] = application.by_token[token] = Device(arn, application, attributes)
    elif known.attributes != attributes:
        words = f"Endpoint {known.arn} already exists with the same Token, but different attributes."
        raise invalid(f"Token Reason: {words}")
    return {"EndpointArn": known.arn}


def find_device(call: Call, arn: str, parameter: str = "EndpointArn") -> Device | None:
    """The endpoint with this ARN, if there is one. Raises ServiceError."""
    elements(arn, parameter)
    application = kept(call.place).applications.get(arn.rpartition("/")[0].replace(":endpoint/", ":app/", 1))
    return None if application is None else application.devices.get(arn)


def open_device(call: Call, arn: str) -> Device:
    """The endpoint, if it takes anything. Raises ServiceError."""
    found = find_device(call, arn, "TargetArn")
    if found is None:
        raise invalid("TargetArn Reason: No endpoint found for the target arn specified")
    if not found.application.enabled:
        raise SNS.error("PlatformApplicationDisabledException", "Platform application is disabled")
    if found.attributes["Enabled"] != "true":
        raise SNS.error("EndpointDisabledException", "Endpoint is disabled")
    return found


@SNS.operation("GetEndpointAttributes")
def get_device(call: Call, given: Given) -> Answer:
    """Its attributes."""
    found = find_device(call, given["EndpointArn"])
    if found is None:
        raise not_found("Endpoint")
    return {"Attributes": dict(found.attributes)}


@SNS.operation("SetEndpointAttributes")
def set_device(call: Call, given: Given) -> Answer:
    """Set attributes."""
    found = find_device(call, given["EndpointArn"])
    if found is None:
        raise not_found("Endpoint")
    check_known(given["Attributes"], OF_DEVICE)
    attributes, by_token = lowered(given["Attributes"]), found.application.by_token
    token = attributes.get("Token", found.attributes["Token"])
    if by_token.get(token, found) is not found:
        words = f"Endpoint {by_token[token].arn} already exists with the same Token, but different attributes."
        raise invalid(f"Token Reason: {words}")
    del by_token[found.attributes["Token"]]
    by_token[token] = found
    found.attributes |= attributes
    return {}


@SNS.operation("DeleteEndpoint")
def delete_device(call: Call, given: Given) -> Answer:
    """Delete it; one that is not there is no error."""
    found = find_device(call, given["EndpointArn"])
    if found is not None:
        found.application.devices.pop(found.arn, None)
        found.application.by_token.pop(found.attributes["Token"], None)
    return {}


@SNS.operation("ListEndpointsByPlatformApplication")
def list_devices(call: Call, given: Given) -> Answer:
    """The endpoints of an application, in pages of 100."""
    return page(
        find_application(call, given["PlatformApplicationArn"]).devices,
        given.get("NextToken"),
        "Endpoints",
        lambda one: {"EndpointArn": one.arn, "Attributes": dict(one.attributes)},
    )
