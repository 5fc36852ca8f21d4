"""Permissions: statements added to a topic's policy, and removed from it."""

from __future__ import annotations

import re
from json import dumps, loads
from typing import Any

from decouple.aws.service import Answer, Given
from decouple.aws.sns.access import ACTIONS, default_policy, read_topic_policy
from decouple.aws.sns.arns import FoundTopic, find_topic
from decouple.aws.sns.service import SNS, invalid
from decouple.aws.world import Call

__all__: list[str] = []

GRANTED = (*ACTIONS, "Receive", "*")
ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)


@SNS.operation("AddPermission")
def add_permission(call: Call, given: Given) -> Answer:
    """Let accounts do actions with the topic."""
    found = find_topic(call, given["TopicArn"], "AddPermission")
    with found.record.lock:
        document = document_of(found)
        if any(one.get("Sid") == given["Label"] for one in document["Statement"]):
            raise invalid("Statement already exists")
        document["Statement"].append(statement(found, given))
        put(found, document)
    return {}


def statement(found: FoundTopic, given: Given) -> dict[str, Any]:
    actions, accounts = given["ActionName"], given["AWSAccountId"]
    if not actions or any(action not in GRANTED for action in actions):
        raise invalid("Policy statement action out of service scope!")
    if not accounts or not all(ACCOUNT.fullmatch(account) for account in accounts):
        raise invalid("Policy Error: PrincipalNotFound")
    return {
        "Sid": given["Label"],
        "Effect": "Allow",
        "Principal": {"AWS": one_or_all([f"arn:aws:iam::{account}:root" for account in accounts])},
        "Action": one_or_all([f"SNS:{action}" for action in actions]),
        "Resource": found.topic.arn,
    }


def one_or_all(texts: list[str]) -> str | list[str]:
    return texts[0] if len(texts) == 1 else texts


@SNS.operation("RemovePermission")
def remove_permission(call: Call, given: Given) -> Answer:
    """Remove the statement of that label; an unknown one is no error."""
    found = find_topic(call, given["TopicArn"], "RemovePermission")
    with found.record.lock:
        document = document_of(found)
        rest = [one for one in document["Statement"] if one.get("Sid") != given["Label"]]
        if rest and len(rest) < len(document["Statement"]):
            put(found, document | {"Statement": rest})
        elif document["Statement"] and not rest:
            found.record.policy = None
            found.record.attributes.pop("Policy", None)
    return {}


def document_of(found: FoundTopic) -> dict[str, Any]:
    """The policy as it is, its statements in a list."""
    text = found.record.attributes.get("Policy")
    document: dict[str, Any] = default_policy(found.topic) if text is None else loads(text)
    statements = document.get("Statement", [])
    return {**document, "Statement": statements if isinstance(statements, list) else [statements]}


def put(found: FoundTopic, document: dict[str, Any]) -> None:
    text = dumps(document, separators=(",", ":"))
    found.record.policy = read_topic_policy(found.topic.arn, text)
    found.record.attributes["Policy"] = text
