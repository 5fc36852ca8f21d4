"""Events of mail that SES received."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parseaddr
from typing import Any, Literal, TypeAlias, TypedDict, cast

from decouple.arns import arn_of
from decouple.testing.events.defaults import ACCOUNT, NEW_YEAR, REGION, hex_of, iso, member, sequence

__all__ = ["SesEvent", "Verdict", "ses"]

Verdict: TypeAlias = Literal["PASS", "FAIL", "GRAY", "PROCESSING_FAILED"]
VERDICTS = ("PASS", "FAIL", "GRAY", "PROCESSING_FAILED")
CHECKS = ("spam", "virus", "spf", "dkim", "dmarc")


class SesHeader(TypedDict):
    """One header of a mail, in the order of the mail."""

    name: str
    value: str


class SesMail(TypedDict):
    """The mail, without its text: that is where a rule put it, if one did."""

    timestamp: str
    source: str
    messageId: str
    destination: list[str]
    headersTruncated: bool
    headers: list[SesHeader]
    commonHeaders: dict[str, Any]


class SesVerdict(TypedDict):
    """What a check found."""

    status: Verdict


class SesReceipt(TypedDict):
    """How the mail was received."""

    timestamp: str
    processingTimeMillis: int
    recipients: list[str]
    spamVerdict: SesVerdict
    virusVerdict: SesVerdict
    spfVerdict: SesVerdict
    dkimVerdict: SesVerdict
    dmarcVerdict: SesVerdict
    action: dict[str, str]


class SesMessage(TypedDict):
    """A mail and how it was received."""

    mail: SesMail
    receipt: SesReceipt


class SesRecord(TypedDict):
    """The one mail in a function's event."""

    eventSource: Literal["aws:ses"]
    eventVersion: str
    ses: SesMessage


class SesEvent(TypedDict):
    """A mail that a receipt rule hands to a function."""

    Records: list[SesRecord]


def ses(
    subject: str = "Hello",
    *,
    sender: str = "sender@example.com",
    recipients: Sequence[str] = ("recipient@example.com",),
    headers: Mapping[str, str] | None = None,
    verdicts: Mapping[str, Verdict] | None = None,
    function: str = "function",
    message_id: str | None = None,
    at: datetime = NEW_YEAR,
    account: str = ACCOUNT,
    region: str = REGION,
) -> SesEvent:
    """The event for one mail: `ses("Order 7", sender="Ann <ann@example.com>", verdicts={"spam": "FAIL"})`.

    headers: those beyond From, To, Date, Subject and so on; verdicts: of spam, virus, spf, dkim, dmarc, PASS unless given.
    Source: SES developer guide, "Contents of notifications for Amazon SES email receiving".
    """
    to = list(sequence(recipients, "recipients"))
    found = verdicts_of(verdicts or {})
    id = message_id or hex_of(subject, sender, to, iso(at), digits=40)
    date = format_datetime(at.astimezone(UTC))
    address = parseaddr(sender)[1]
    lines = {
        "Return-Path": f"<{address}>",
        "From": sender,
        "To": ", ".join(to),
        "Date": date,
        "Message-ID": f"<{id}@example.com>",
        "Subject": subject,
        **(headers or {}),
    }
    common = {
        "returnPath": address,
        "from": [sender],
        "date": date,
        "to": to,
        "messageId": lines["Message-ID"],
        "subject": lines["Subject"],
    }
    mail: SesMail = {
        "timestamp": iso(at),
        "source": address,
        "messageId": id,
        "destination": list(to),
        "headersTruncated": False,
        "headers": [{"name": name, "value": value} for name, value in lines.items()],
        "commonHeaders": common,
    }
    action = {
        "type": "Lambda",
        "functionArn": arn_of("lambda", f"function:{function}", account=account, region=region),
        "invocationType": "Event",
    }
    receipt = {"timestamp": iso(at), "processingTimeMillis": 574, "recipients": list(to), **found, "action": action}
    message: SesMessage = {"mail": mail, "receipt": cast("SesReceipt", receipt)}
    return {"Records": [{"eventSource": "aws:ses", "eventVersion": "1.0", "ses": message}]}


def verdicts_of(given: Mapping[str, Verdict]) -> dict[str, SesVerdict]:
    """The verdict of each check. Raises ValueError for a check or a verdict that SES does not know."""
    for check, verdict in given.items():
        member(check, CHECKS, "a check in verdicts")
        member(verdict, VERDICTS, f"the verdict of {check!r}")
    return {f"{check}Verdict": {"status": given.get(check, "PASS")} for check in CHECKS}
