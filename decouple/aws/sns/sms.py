"""Text messages without a carrier: settings, opt-outs and the sandbox's numbers as data. What is sent is in the outbox.

Who opts out, as a telephone does by answering STOP, is said with `opt_out`. The sandbox restricts nobody: its numbers can
be made, verified with the code that they are sent, listed and deleted.
"""

from __future__ import annotations

from random import SystemRandom

from decouple.aws.service import Answer, Given
from decouple.aws.sns.kept import SandboxNumber, kept
from decouple.aws.sns.pages import page
from decouple.aws.sns.service import SNS, invalid
from decouple.aws.sns.targets import NUMBER
from decouple.aws.world import Call, Place
from decouple.senders import SMS

__all__ = ["opt_out"]

SETTINGS = (
    "DefaultSMSType",
    "DefaultSenderID",
    "DeliveryStatusIAMRole",
    "DeliveryStatusSuccessSamplingRate",
    "MonthlySpendLimit",
    "UsageReportS3Bucket",
)
MOST_NUMBERS = 10
ANSWERS_STOP = "a telephone opts out by `decouple.aws.sns.sms.opt_out(aws.world.place(), number)`"


def opt_out(place: Place, number: str) -> None:
    """What a telephone does that answers STOP: it gets nothing more of the account until OptInPhoneNumber."""
    kept(place).opted_out[number] = None


def check_number(number: str) -> str:
    """Raises ServiceError."""
    if not NUMBER.fullmatch(number):
        raise invalid(f"PhoneNumber Reason: {number} is not in the E.164 format")
    return number


# -- settings --------------------------------------------------------------------------------------------------------


@SNS.operation("SetSMSAttributes", "stored", "nothing is sent by a carrier")
def set_sms_attributes(call: Call, given: Given) -> Answer:
    """Keep settings for text messages."""
    attributes = given["attributes"]
    for name, value in attributes.items():
        if name not in SETTINGS:
            raise invalid(f"{name}")
        if name == "DefaultSMSType" and value not in ("Promotional", "Transactional"):
            raise invalid(f"DefaultSMSType Reason: Invalid value [{value}]. Must be Promotional or Transactional.")
    kept(call.place).sms |= attributes
    return {}


@SNS.operation("GetSMSAttributes", "stored", "nothing is sent by a carrier")
def get_sms_attributes(call: Call, given: Given) -> Answer:
    """The settings that were made, all or those asked for."""
    names, settings = given.get("attributes"), kept(call.place).sms
    return {"attributes": {name: value for name, value in settings.items() if not names or name in names}}


# -- opted out -------------------------------------------------------------------------------------------------------


@SNS.operation("CheckIfPhoneNumberIsOptedOut", note=ANSWERS_STOP)
def is_opted_out(call: Call, given: Given) -> Answer:
    """Whether the number gets nothing."""
    return {"isOptedOut": check_number(given["phoneNumber"]) in kept(call.place).opted_out}


@SNS.operation("ListPhoneNumbersOptedOut", note=ANSWERS_STOP)
def list_opted_out(call: Call, given: Given) -> Answer:
    """The numbers that get nothing, in pages of 100."""
    every = {number: number for number in list(kept(call.place).opted_out)}
    return page(every, given.get("nextToken"), "phoneNumbers", str, next="nextToken")


@SNS.operation("OptInPhoneNumber")
def opt_in(call: Call, given: Given) -> Answer:
    """Send to a number again."""
    kept(call.place).opted_out.pop(check_number(given["phoneNumber"]), None)
    return {}


# -- the sandbox -----------------------------------------------------------------------------------------------------


@SNS.operation("GetSMSSandboxAccountStatus", "stored", "the account stays in the sandbox, which restricts nobody")
def sandbox_status(call: Call, given: Given) -> Answer:
    """Every account begins in the sandbox."""
    return {"IsInSandbox": True}


@SNS.operation("CreateSMSSandboxPhoneNumber", note="its code is in broker.outbox, or with the sender for sms")
def create_number(call: Call, given: Given) -> Answer:
    """Add a number and send it a code; again, for one that is not verified, another code."""
    number, records = check_number(given["PhoneNumber"]), kept(call.place)
    if number in records.opted_out:
        raise SNS.error("OptedOutException", f"The phone number {number} is opted out")
    known = records.sandbox.get(number)
    if known is not None and known.verified:
        raise SNS.error("UserErrorException", f"The phone number {number} is verified already")
    if known is None and len(records.sandbox) >= MOST_NUMBERS:
        raise SNS.error("UserErrorException", f"The sandbox has {MOST_NUMBERS} phone numbers already")
    code = f"{SystemRandom().randrange(1_000_000):06}"
    records.sandbox[number] = SandboxNumber(code)
    call.place.broker.notify(SMS(number), f"Your verification code is {code}")
    return {}


@SNS.operation("VerifySMSSandboxPhoneNumber")
def verify_number(call: Call, given: Given) -> Answer:
    """Verify a number with the code it was sent."""
    found = find_number(call, given["PhoneNumber"])
    if given["OneTimePassword"] != found.code:
        raise SNS.error("VerificationException", "The one-time password is not the one that was sent")
    found.verified = True
    return {}


def find_number(call: Call, number: str) -> SandboxNumber:
    found = kept(call.place).sandbox.get(check_number(number))
    if found is None:
        raise SNS.error("ResourceNotFoundException", f"The phone number {number} is not in the sandbox")
    return found


@SNS.operation("DeleteSMSSandboxPhoneNumber")
def delete_number(call: Call, given: Given) -> Answer:
    """Delete a number."""
    find_number(call, given["PhoneNumber"])
    del kept(call.place).sandbox[given["PhoneNumber"]]
    return {}


@SNS.operation("ListSMSSandboxPhoneNumbers")
def list_numbers(call: Call, given: Given) -> Answer:
    """The sandbox's numbers and whether they are verified."""
    return page(
        {number: (number, one) for number, one in list(kept(call.place).sandbox.items())},
        given.get("NextToken"),
        "PhoneNumbers",
        lambda pair: {"PhoneNumber": pair[0], "Status": "Verified" if pair[1].verified else "Pending"},
        most=given.get("MaxResults") or 100,
    )


@SNS.operation("ListOriginationNumbers", "stored", "always empty: no carrier has given any")
def list_origination_numbers(call: Call, given: Given) -> Answer:
    """No number to send from can be had here."""
    return {"PhoneNumbers": []}
