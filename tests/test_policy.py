"""Resource policies as AWS decides them: one row for each rule, then laws that hold for all policies.

Source: IAM user guide, "Policy evaluation logic", "Policy grammar", "AWS JSON policy elements: Principal", "Condition operators",
"Creating a condition with multiple keys or values"; SQS developer guide, "Quotas related to policies".
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decouple import InvalidPolicy
from decouple.core.conditions import OPERATORS, context_values
from decouple.core.policy import Decision, Request, decide, read_policy
from decouple.core.principals import principal

OWNER = "000000000000"
QUEUE = f"arn:aws:sqs:us-east-1:{OWNER}:orders"
OTHER = "111122223333"
ROOT = f"arn:aws:iam::{OTHER}:root"
ROLE = f"arn:aws:iam::{OTHER}:role/worker"
SESSION = f"arn:aws:sts::{OTHER}:assumed-role/worker/one"
USER = f"arn:aws:iam::{OTHER}:user/bob"
STRANGER = "arn:aws:iam::444455556666:user/eve"
SNS = "sns.amazonaws.com"
TOPIC = f"arn:aws:sns:us-east-1:{OTHER}:order-events"


def decision(
    *statements: Mapping[str, Any],
    who: str | None = ROLE,
    action: str = "sqs:SendMessage",
    context: Mapping[str, Any] | None = None,
    version: str = "2012-10-17",
) -> Decision:
    policy = None
    if statements:
        document = {"Version": version, "Statement": [dict(statement) for statement in statements]}
        policy = read_policy(document, resource=QUEUE, service="sqs")
    asks = principal(who)
    known = {key.lower(): context_values(value) for key, value in (context or {}).items()}
    request = Request(asks, action, QUEUE, {**asks.facts, **known})
    return decide(policy, request, owner=OWNER, owner_only=frozenset({"AddPermission"}))


def allow(**elements: Any) -> dict[str, Any]:
    """A statement that allows everybody everything, but for what is given; None leaves an element out."""
    whole = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": QUEUE, **elements}
    return {key: value for key, value in whole.items() if value is not None}


def deny(**elements: Any) -> dict[str, Any]:
    return allow(**elements) | {"Effect": "Deny"}


def one(principals: Any) -> dict[str, Any]:
    return allow(Principal=principals)


def all_but(*arns: str) -> dict[str, Any]:
    return {"Principal": None, "NotPrincipal": {"AWS": list(arns)}}


# -- effects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statements", "who", "allowed", "why"),
    [
        ([], ROLE, False, "there is no policy"),
        ([], f"arn:aws:iam::{OWNER}:user/me", True, "it is of the owner's account, and no statement denies it"),
        ([allow()], ROLE, True, "statement 1 allows it"),
        ([deny()], ROLE, False, "statement 1 denies it"),
        ([allow(), deny()], ROLE, False, "statement 2 denies it"),
        ([deny(), allow()], ROLE, False, "statement 1 denies it"),
        ([allow(Action="sqs:PurgeQueue")], ROLE, False, "no statement of the policy allows it"),
        ([deny(Action="sqs:PurgeQueue"), allow(Sid="all")], ROLE, True, "statement 'all' allows it"),
        ([deny(Sid="no")], f"arn:aws:iam::{OWNER}:user/me", False, "statement 'no' denies it"),
    ],
)
def test_a_deny_wins_then_an_allow_and_else_only_the_owner_may(
    statements: list[Any], who: str, allowed: bool, why: str
) -> None:
    answer = decision(*statements, who=who)

    assert (answer.allowed, answer.why) == (allowed, why)


def test_some_actions_no_policy_gives_to_another_account() -> None:
    """SQS: cross-account permissions do not apply to AddPermission and others."""
    stranger = decision(allow(), action="sqs:AddPermission")
    owner = decision(action="sqs:AddPermission", who=OWNER)

    assert (stranger.allowed, owner.allowed) == (False, True)
    assert stranger.why == f"only the owner's account {OWNER} may, whatever the policy says"


def test_the_older_policy_versions_have_no_variables() -> None:
    """IAM: in version 2008-10-17, ${aws:username} is those characters."""
    statement = allow(Condition={"StringEquals": {"k": "${aws:username}"}})

    assert not decision(statement, who=USER, context={"k": "bob"}, version="2008-10-17").allowed
    assert decision(statement, who=USER, context={"k": "${aws:username}"}, version="2008-10-17").allowed
    assert decision(statement, who=USER, context={"k": "bob"}, version="2012-10-17").allowed


# -- principals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "who", "allowed"),
    [
        # everybody, also nobody known
        ("*", ROLE, True),
        ("*", None, True),
        ("*", "*", True),
        ("*", SNS, True),
        ({"AWS": "*"}, ROLE, True),
        ({"AWS": "*"}, None, True),
        ({"AWS": ROLE}, None, False),
        # an account, three ways, stands for all of its principals
        ({"AWS": OTHER}, ROOT, True),
        ({"AWS": OTHER}, OTHER, True),
        ({"AWS": ROOT}, OTHER, True),
        ({"AWS": ROOT}, USER, True),
        ({"AWS": OTHER}, ROLE, True),
        ({"AWS": OTHER}, SESSION, True),
        ({"AWS": OTHER}, STRANGER, False),
        ({"AWS": OTHER}, None, False),
        # others for themselves alone
        ({"AWS": USER}, USER, True),
        ({"AWS": USER}, ROOT, False),
        ({"AWS": USER}, f"{USER}by", False),
        ({"AWS": ROLE}, ROLE, True),
        ({"AWS": ROLE}, f"arn:aws:iam::{OTHER}:user/worker", False),
        ({"AWS": ROLE}, ROLE.replace("worker", "Worker"), False),
        # a role for its sessions too, whatever its path; a session only for itself
        ({"AWS": ROLE}, SESSION, True),
        ({"AWS": ROLE.replace("worker", "jobs/night/worker")}, SESSION, True),
        ({"AWS": ROLE.replace(OTHER, "444455556666")}, SESSION, False),
        ({"AWS": ROLE.replace("worker", "other")}, SESSION, False),
        ({"AWS": SESSION}, SESSION, True),
        ({"AWS": SESSION}, ROLE, False),
        ({"AWS": SESSION}, SESSION.replace("/one", "/two"), False),
        ({"AWS": f"arn:aws:sts::{OTHER}:federated-user/ann"}, f"arn:aws:sts::{OTHER}:federated-user/ann", True),
        ({"AWS": OTHER}, f"arn:aws:sts::{OTHER}:federated-user/ann", True),
        # lists and services
        ({"AWS": [STRANGER, ROLE]}, ROLE, True),
        ({"AWS": [STRANGER, USER]}, ROLE, False),
        ({"AWS": STRANGER, "Service": SNS}, SNS, True),
        ({"Service": [SNS, "events.amazonaws.com"]}, "events.amazonaws.com", True),
        ({"Service": "events.amazonaws.com"}, SNS, False),
        ({"Service": SNS}, ROLE, False),
    ],
)
def test_a_statement_is_about_its_principals(named: Any, who: str | None, allowed: bool) -> None:
    assert decision(allow(Principal=named), who=who).allowed is allowed


@pytest.mark.parametrize(
    ("arns", "who", "allowed"),
    [
        ([USER, ROOT], USER, True),
        ([USER], USER, False),  # its account is not listed, and so denied
        ([ROOT], USER, False),  # the account is, the user is not
        ([ROOT], ROOT, True),
        ([OTHER], ROOT, True),
        ([ROLE, ROOT], ROLE, True),
        ([ROLE, ROOT], SESSION, False),
        ([ROLE, ROOT, SESSION], SESSION, True),
        ([USER, ROOT], STRANGER, False),
        ([USER, ROOT], None, False),
        (["*"], None, True),
    ],
)
def test_a_deny_for_all_but_some_leaves_alone_whose_every_name_is_listed(
    arns: list[str], who: str | None, allowed: bool
) -> None:
    """IAM, NotPrincipal: list the account too, and for a session its role and account, or they are denied."""
    assert decision(allow(), deny(**all_but(*arns)), who=who).allowed is allowed


@pytest.mark.parametrize(
    ("arns", "who", "allowed"),
    [([USER], USER, False), ([ROOT], USER, False), ([USER], ROLE, True), ([USER], None, True)],
)
def test_an_allow_for_all_but_some_is_for_whom_no_name_is_listed(
    arns: list[str], who: str | None, allowed: bool
) -> None:
    assert decision(allow(**all_but(*arns)), who=who).allowed is allowed


@pytest.mark.parametrize(
    "text",
    [
        "", "bob", "12345678901", "1" * 13, "\u0661" * 12, f"arn:aws:iam::{OTHER}:user/*", f"arn:aws:iam::{OTHER}:role/a?",
        f"arn:aws:iam::{OTHER}:group/a", f"arn:aws:iam::{OTHER}:user/", "arn:aws:iam::*:root", "arn:aws:s3:::bucket",
        f"arn:aws:sts::{OTHER}:assumed-role/worker", "sns.example.com", f"{ROLE}\n", "arn:aws:iam::1:root",
    ],
)  # fmt: skip
def test_what_is_no_principal_can_neither_ask_nor_be_meant(text: str) -> None:
    """IAM: no wildcard stands for a part of a principal's name."""
    with pytest.raises(ValueError, match="is not a principal"):
        principal(text)
    with pytest.raises(InvalidPolicy, match=r"statement 1: .* is not a principal"):
        decision(one({"AWS": text}))


def test_a_principal_is_text() -> None:
    with pytest.raises(TypeError, match="a principal must be an account id or an ARN as text, not 111122223333"):
        principal(111122223333)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("who", "facts"),
    [
        (USER, {"aws:principalarn": USER, "aws:principalaccount": OTHER, "aws:principaltype": "User",
                "aws:principalisawsservice": "false", "aws:username": "bob"}),
        (USER.replace("bob", "team/bob"), {"aws:principalarn": USER.replace("bob", "team/bob"), "aws:username": "bob",
                "aws:principalaccount": OTHER, "aws:principaltype": "User", "aws:principalisawsservice": "false"}),
        (SESSION, {"aws:principalarn": ROLE, "aws:principalaccount": OTHER, "aws:principaltype": "AssumedRole",
                   "aws:principalisawsservice": "false"}),
        (OTHER, {"aws:principalarn": ROOT, "aws:principalaccount": OTHER, "aws:principaltype": "Account",
                 "aws:principalisawsservice": "false"}),
        (SNS, {"aws:principalservicename": SNS, "aws:principalisawsservice": "true"}),
        (None, {"aws:principaltype": "Anonymous"}),
    ],
)  # fmt: skip
def test_condition_keys_follow_from_the_principal(who: str | None, facts: dict[str, str]) -> None:
    """IAM, AWS global condition keys: a session has its role's ARN."""
    assert dict(principal(who).facts) == {key: (value,) for key, value in facts.items()}


# -- actions and resources ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elements", "allowed"),
    [
        ({"Action": "sqs:SendMessage"}, True),
        ({"Action": "SQS:sendmessage"}, True),
        ({"Action": "sqs:SendMessageX"}, False),
        ({"Action": ["sqs:PurgeQueue", "sqs:SendMessage"]}, True),
        ({"Action": ["sqs:PurgeQueue", "sqs:ReceiveMessage"]}, False),
        ({"Action": "sqs:*"}, True),
        ({"Action": "sqs:Send*"}, True),
        ({"Action": "sqs:S?ndMessag?"}, True),
        ({"Action": "sqs:?SendMessage"}, False),
        ({"Action": "sqs:*Message*Batch"}, False),
        ({"Action": None, "NotAction": "sqs:PurgeQueue"}, True),
        ({"Action": None, "NotAction": ["sqs:PurgeQueue", "sqs:send*"]}, False),
        ({"Resource": "*"}, True),
        ({"Resource": f"arn:aws:sqs:*:{OWNER}:ord*"}, True),
        ({"Resource": [QUEUE, "arn:aws:sqs:us-east-?:*:orders"]}, True),
        ({"Resource": "arn:aws:sqs:us-east-1:${aws:nothing}:orders"}, False),
        ({"Resource": f"arn:aws:sqs:us-east-1:{OWNER}:${{aws:PrincipalType, 'x'}}"}, False),
        ({"Resource": None}, True),
        ({"Resource": None, "NotResource": "arn:aws:sqs:*:*:other"}, True),
        ({"Resource": None, "NotResource": ["arn:aws:sqs:*:*:other", QUEUE]}, False),
    ],
)
def test_a_statement_is_about_its_actions_and_resources(elements: dict[str, Any], allowed: bool) -> None:
    """IAM: * is any text, ? one character; actions in any case."""
    assert decision(allow(**elements)).allowed is allowed


# -- conditions -----------------------------------------------------------------------------------------------------

TAGS = ["red", "blue"]

ROWS: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    # what it shows, the conditions, the context, whether they hold
    ("none at all", {}, {}, True),
    ("one value equal", {"StringEquals": {"k": "a"}}, {"k": "a"}, True),
    ("case counts in values", {"StringEquals": {"k": "a"}}, {"k": "A"}, False),
    ("case does not count in keys", {"StringEquals": {"AWS:SourceArn": "a"}}, {"aws:sourcearn": "a"}, True),
    ("values are alternatives", {"StringEquals": {"k": ["a", "b"]}}, {"k": "b"}, True),
    ("none of the values", {"StringEquals": {"k": ["a", "b"]}}, {"k": "c"}, False),
    ("keys must all hold", {"StringEquals": {"k": "a", "l": "b"}}, {"k": "a", "l": "b"}, True),
    ("one key does not", {"StringEquals": {"k": "a", "l": "b"}}, {"k": "a", "l": "c"}, False),
    ("operators must all hold", {"StringEquals": {"k": "a"}, "Bool": {"l": "true"}}, {"k": "a", "l": False}, False),
    ("wildcards only in Like", {"StringEquals": {"k": "a*"}}, {"k": "ab"}, False),
    ("a star is itself in Equals", {"StringEquals": {"k": "a*"}}, {"k": "a*"}, True),
    ("not equal", {"StringNotEquals": {"k": "a"}}, {"k": "b"}, True),
    ("none may be equal", {"StringNotEquals": {"k": ["a", "b"]}}, {"k": "b"}, False),
    ("ignoring case", {"StringEqualsIgnoreCase": {"k": "Straße"}}, {"k": "STRAßE"}, True),
    ("not equal ignoring case", {"StringNotEqualsIgnoreCase": {"k": "a"}}, {"k": "A"}, False),
    ("like", {"StringLike": {"k": "a*c?e"}}, {"k": "abbcde"}, True),
    ("like, over lines", {"StringLike": {"k": "a*e"}}, {"k": "a\ne"}, True),
    ("like is of the whole", {"StringLike": {"k": "a*c"}}, {"k": "abcd"}, False),
    ("a question mark is one character", {"StringLike": {"k": "a?"}}, {"k": "a"}, False),
    ("stars may be empty", {"StringLike": {"k": "*a**b*"}}, {"k": "ab"}, True),
    ("stars in order", {"StringLike": {"k": "*b*a*"}}, {"k": "ab"}, False),
    ("the last part at the end", {"StringLike": {"k": "a*b"}}, {"k": "abab"}, True),
    ("other characters are themselves", {"StringLike": {"k": "a.c[x]\\*"}}, {"k": "a.c[x]\\y"}, True),
    ("a dot is no wildcard", {"StringLike": {"k": "a.c"}}, {"k": "abc"}, False),
    ("not like", {"StringNotLike": {"k": ["a*", "b*"]}}, {"k": "bc"}, False),
    # keys the request does not have
    ("missing: positive", {"StringEquals": {"k": "a"}}, {}, False),
    ("missing: like everything", {"StringLike": {"k": "*"}}, {}, False),
    ("missing: negated", {"StringNotEquals": {"k": "a"}}, {}, True),
    ("missing: negated address", {"NotIpAddress": {"k": "10.0.0.0/8"}}, {}, True),
    ("missing: if exists", {"StringEqualsIfExists": {"k": "a"}}, {}, True),
    ("there: if exists", {"StringEqualsIfExists": {"k": "a"}}, {"k": "b"}, False),
    ("missing: bool", {"Bool": {"k": "false"}}, {}, False),
    ("missing: numbers if exist", {"NumericLessThanIfExists": {"k": 5}}, {}, True),
    ("no values is missing", {"StringNotEquals": {"k": "a"}}, {"k": []}, True),
    # keys with several values
    ("any: one matches", {"ForAnyValue:StringEquals": {"k": ["red", "green"]}}, {"k": TAGS}, True),
    ("any: none matches", {"ForAnyValue:StringEquals": {"k": ["green"]}}, {"k": TAGS}, False),
    ("any: missing", {"ForAnyValue:StringEquals": {"k": "red"}}, {}, False),
    ("any: missing, negated", {"ForAnyValue:StringNotEquals": {"k": "red"}}, {}, False),
    ("any: missing, if exists", {"ForAnyValue:StringEqualsIfExists": {"k": "red"}}, {}, True),
    ("any, negated: one is none of them", {"ForAnyValue:StringNotEquals": {"k": "red"}}, {"k": TAGS}, True),
    ("any, negated: all are", {"ForAnyValue:StringNotEquals": {"k": TAGS}}, {"k": TAGS}, False),
    ("all: each matches", {"ForAllValues:StringLike": {"k": ["r*", "b*"]}}, {"k": TAGS}, True),
    ("all: one does not", {"ForAllValues:StringEquals": {"k": "red"}}, {"k": TAGS}, False),
    ("all: missing", {"ForAllValues:StringEquals": {"k": "red"}}, {}, True),
    ("all: no values", {"ForAllValues:StringEquals": {"k": "red"}}, {"k": []}, True),
    ("all, negated: none matches", {"ForAllValues:StringNotEquals": {"k": ["x", "y"]}}, {"k": TAGS}, True),
    ("all, negated: one does", {"ForAllValues:StringNotEquals": {"k": ["x", "red"]}}, {"k": TAGS}, False),
    ("unqualified: one matches", {"StringEquals": {"k": "red"}}, {"k": TAGS}, True),
    ("unqualified, negated: none may", {"StringNotEquals": {"k": "red"}}, {"k": TAGS}, False),
    # numbers
    ("numbers, not texts", {"NumericEquals": {"k": "10.0"}}, {"k": "10"}, True),
    ("numbers as JSON has them", {"NumericEquals": {"k": 10}}, {"k": 10.0}, True),
    ("large numbers are exact", {"NumericEquals": {"k": str(2**60 + 1)}}, {"k": 2**60}, False),
    ("not equal numbers", {"NumericNotEquals": {"k": [1, 2]}}, {"k": 2}, False),
    ("less", {"NumericLessThan": {"k": 10}}, {"k": 9.5}, True),
    ("less, not equal", {"NumericLessThan": {"k": 10}}, {"k": 10}, False),
    ("less or equal", {"NumericLessThanEquals": {"k": 10}}, {"k": 10}, True),
    ("greater", {"NumericGreaterThan": {"k": -2}}, {"k": -1}, True),
    ("greater, not equal", {"NumericGreaterThan": {"k": 10}}, {"k": 10}, False),
    ("greater or equal", {"NumericGreaterThanEquals": {"k": 10}}, {"k": 9}, False),
    ("a request's text is no number", {"NumericLessThan": {"k": 10}}, {"k": "few"}, False),
    # instants
    ("the same instant", {"DateEquals": {"k": "2026-01-01T01:00:00+01:00"}}, {"k": "2026-01-01T00:00:00Z"}, True),
    ("not that instant", {"DateNotEquals": {"k": "2026-01-01"}}, {"k": "2026-01-01T00:00:00Z"}, False),
    ("before", {"DateLessThan": {"k": "2026-01-02"}}, {"k": "2026-01-01T23:59:59.999Z"}, True),
    ("not before", {"DateLessThan": {"k": "2026-01-02"}}, {"k": "2026-01-02T00:00:00Z"}, False),
    ("until", {"DateLessThanEquals": {"k": "2026-01-02"}}, {"k": "2026-01-02T00:00:00Z"}, True),
    ("after a month", {"DateGreaterThan": {"k": "2026-02"}}, {"k": "2026-02-01T00:00:01Z"}, True),
    ("from a year on", {"DateGreaterThanEquals": {"k": "2026"}}, {"k": "2026-01-01T00:00:00Z"}, True),
    ("seconds since 1970", {"DateEquals": {"k": "1767225600"}}, {"k": "2026-01-01T00:00:00Z"}, True),
    ("of the request too", {"DateGreaterThan": {"k": "2026-01-01"}}, {"k": 1767225601}, True),
    ("a request's text is no date", {"DateLessThan": {"k": "2026"}}, {"k": "soon"}, False),
    ("a request's date is too far", {"DateLessThan": {"k": "2026"}}, {"k": 10**30}, False),
    # true, false, there
    ("true", {"Bool": {"k": "true"}}, {"k": True}, True),
    ("true in any case", {"Bool": {"k": "TRUE"}}, {"k": "True"}, True),
    ("true as JSON has it", {"Bool": {"k": True}}, {"k": "true"}, True),
    ("false", {"Bool": {"k": "false"}}, {"k": True}, False),
    ("must be missing, and is", {"Null": {"k": "true"}}, {}, True),
    ("must be missing, and is not", {"Null": {"k": "true"}}, {"k": ""}, False),
    ("must be there, and is", {"Null": {"k": "false"}}, {"k": "x"}, True),
    ("must be there, and is not", {"Null": {"k": False}}, {}, False),
    # addresses
    ("in the network", {"IpAddress": {"k": "203.0.113.0/24"}}, {"k": "203.0.113.7"}, True),
    ("outside", {"IpAddress": {"k": ["203.0.113.0/24", "10.0.0.1"]}}, {"k": "203.0.114.7"}, False),
    ("one address", {"IpAddress": {"k": ["203.0.113.0/24", "10.0.0.1"]}}, {"k": "10.0.0.1"}, True),
    ("version six", {"IpAddress": {"k": "2001:db8::/32"}}, {"k": "2001:DB8:0::1"}, True),
    ("the other version", {"IpAddress": {"k": "0.0.0.0/0"}}, {"k": "::1"}, False),
    ("not in the network", {"NotIpAddress": {"k": "203.0.113.0/24"}}, {"k": "203.0.113.7"}, False),
    ("a request's text is no address", {"IpAddress": {"k": "0.0.0.0/0"}}, {"k": "here"}, False),
    # ARNs
    ("the same ARN", {"ArnEquals": {"k": TOPIC}}, {"k": TOPIC}, True),
    ("ArnEquals has wildcards", {"ArnEquals": {"k": "arn:aws:sns:*:*:order-*"}}, {"k": TOPIC}, True),
    ("like an ARN", {"ArnLike": {"k": "arn:aws:s?s:us-*-1:*:*"}}, {"k": TOPIC}, True),
    ("a star stays in its part", {"ArnLike": {"k": "arn:aws:sns:*:order-events:*"}}, {"k": f"{TOPIC}:1"}, False),
    ("StringLike's does not", {"StringLike": {"k": "arn:aws:*:order-events"}}, {"k": TOPIC}, True),
    ("but in the last", {"ArnLike": {"k": "arn:aws:sns:*:*:*"}}, {"k": f"{TOPIC}:subscription:7"}, True),
    ("a colon is no character of a part", {"ArnLike": {"k": "arn:aws:sns?*:*:*:*"}}, {"k": TOPIC}, False),
    ("a request's text is no ARN", {"ArnLike": {"k": "*:*:*:*:*:*"}}, {"k": "order-events"}, False),
    ("not like an ARN", {"ArnNotLike": {"k": "arn:aws:sns:*:*:order-*"}}, {"k": TOPIC}, False),
    ("not that ARN", {"ArnNotEquals": {"k": TOPIC}}, {"k": f"{TOPIC}2"}, True),
    ("no ARN is not that ARN", {"ArnNotEquals": {"k": TOPIC}}, {}, True),
    # variables
    ("a variable", {"StringEquals": {"k": "jobs/${own}"}}, {"k": "jobs/seven", "own": "seven"}, True),
    ("of another value", {"StringEquals": {"k": "jobs/${own}"}}, {"k": "jobs/seven", "own": "eight"}, False),
    ("in any case", {"StringLike": {"k": "*/${Own}"}}, {"k": "jobs/seven", "own": "seven"}, True),
    ("what it stands for is literal", {"StringLike": {"k": "${own}"}}, {"k": "abc", "own": "*"}, False),
    ("missing", {"StringLike": {"k": "*${own}"}}, {"k": "jobs/"}, False),
    ("missing, with a default", {"StringEquals": {"k": "a ${own, 'b, c'}"}}, {"k": "a b, c"}, True),
    ("of several values", {"StringEquals": {"k": "${own}"}}, {"k": "red", "own": TAGS}, False),
    ("escaped wildcards", {"StringLike": {"k": "${*}${?}${$}*"}}, {"k": "*?$x"}, True),
    ("an escaped star is no wildcard", {"StringLike": {"k": "a${*}"}}, {"k": "ab"}, False),
    ("of an ARN", {"ArnLike": {"k": "arn:aws:sns:*:${aws:PrincipalAccount}:*"}}, {"k": TOPIC}, True),
    ("a whole ARN", {"ArnEquals": {"aws:PrincipalArn": "${own}"}}, {"own": ROLE}, True),
]


@pytest.mark.parametrize(("conditions", "context", "holds"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_conditions_hold_as_aws_says(conditions: dict[str, Any], context: dict[str, Any], holds: bool) -> None:
    assert decision(allow(Condition=conditions), context=context).allowed is holds
    assert decision(allow(), deny(Condition=conditions), context=context).allowed is not holds


def test_the_table_has_every_operator() -> None:
    shown = {name.rpartition(":")[2].removesuffix("IfExists") for _, conditions, _, _ in ROWS for name in conditions}

    assert shown == set(OPERATORS)


def test_no_pattern_takes_long_to_fail() -> None:
    """Matched naively, this would outlast the universe."""
    started = time.perf_counter()

    answer = decision(allow(Condition={"StringLike": {"k": "*a" * 200 + "b"}}), context={"k": "a" * 5_000})

    assert not answer.allowed
    assert time.perf_counter() - started < 2


# -- what is no policy ----------------------------------------------------------------------------------------------

NESTED = "[" * 100_000

WRONG: list[tuple[Any, str]] = [
    ("{", "it is not JSON"),
    ("[]", r"expected an object, not \[\]"),
    (NESTED, "nested too deep"),
    (7, "expected a dict or JSON text, not 7"),
    ({"Statement": {1, 2}}, "it is not JSON"),
    ('{"Statement": [{"Effect": "Deny", "Effect": "Allow"}]}', "a key stands twice in one object, among Effect"),
    ({}, "it has no Statement: to remove a policy, set it to None"),
    ({"Statement": []}, "it has no Statement"),
    ({"Version": "2026-01-01", "Statement": [allow()]}, "Version must be 2008-10-17 or 2012-10-17, not '2026-01-01'"),
    ({"Id": 7, "Statement": [allow()]}, "Id must be text, not 7"),
    ({"statement": [allow()]}, "'statement' is not an element of a policy there"),
]
WRONG_STATEMENTS: list[tuple[Any, str]] = [
    (allow(Conditions={}), "'Conditions' is not an element of a policy there"),
    (allow(Sid=7), "Sid must be text"),
    (allow(Effect=None), "Effect must be 'Allow' or 'Deny', not None"),
    (allow(Effect="allow"), "Effect must be 'Allow' or 'Deny', not 'allow'"),
    (allow(Effect=["Allow"]), "Effect must be"),
    (allow(Principal=None), "Principal is missing"),
    (allow(NotPrincipal="*"), "Principal and NotPrincipal cannot both be there"),
    (one(ROLE), r'a principal must be "\*" or \{"AWS": ...\}'),
    (one({}), r'a principal must be "\*"'),
    (one([ROLE]), r'a principal must be "\*"'),
    (one({"AWS": []}), r"the AWS principals must be text or a list of texts, not \[\]"),
    (one({"AWS": 111122223333}), "the AWS principals must be text"),
    (one({"Service": "*"}), r"'\*' is not a service"),
    (one({"AWS": SNS}), "'sns.amazonaws.com' is not a principal"),
    (one({"Federated": "x"}), "principals of kind 'Federated' are not known here"),
    (allow(Action=None), "Action is missing"),
    (allow(NotAction="*"), "Action and NotAction cannot both be there"),
    (allow(Action=[]), r"Action must be text or a list of texts, not \[\]"),
    (allow(Action=[7]), "Action must be text or a list of texts"),
    (allow(Action="SendMessage"), r"Action must be '\*' or begin with 'sqs:', not 'SendMessage'"),
    (allow(Action="sns:Publish"), "begin with 'sqs:', not 'sns:Publish'"),
    (allow(Resource=f"{QUEUE}2"), f"Resource must be '{QUEUE}' or a pattern of it, not '{QUEUE}2'"),
    (allow(Resource=[QUEUE, "arn:aws:sqs:*:*:other"]), "or a pattern of it, not 'arn:aws:sqs:"),
    (allow(NotResource="*"), "Resource and NotResource cannot both be there"),
    (allow(Condition=[]), r"Condition must be an object, not \[\]"),
    (allow(Condition={"Bool": "true"}), "Condition Bool must be an object, not 'true'"),
    (allow(Condition={"StringIs": {"k": "a"}}), "'StringIs' is not a condition operator"),
    (allow(Condition={"stringequals": {"k": "a"}}), "'stringequals' is not a condition operator"),
    (allow(Condition={"ForEach:Bool": {"k": "true"}}), "'ForEach:Bool' is not a condition operator"),
    (allow(Condition={"NullIfExists": {"k": "true"}}), "'NullIfExists' is not a condition operator"),
    (allow(Condition={"StringEquals": {"k": []}}), r"StringEquals 'k' must have text"),
    (allow(Condition={"StringEquals": {"k": None}}), "StringEquals 'k' must have text"),
    (allow(Condition={"StringEquals": {"": "a"}}), "StringEquals '' must have text"),
    (allow(Condition={"Bool": {"k": "yes"}}), "Bool 'k': expected true or false, not 'yes'"),
    (allow(Condition={"NumericEquals": {"k": "nan"}}), "NumericEquals 'k': 'nan' is not a number"),
    (allow(Condition={"DateEquals": {"k": "soon"}}), "DateEquals 'k': .*soon"),
    (allow(Condition={"DateEquals": {"k": "9" * 40}}), "DateEquals 'k': "),
    (allow(Condition={"IpAddress": {"k": "10.0.0.0/33"}}), "IpAddress 'k': .*10.0.0.0/33"),
    (allow(Condition={"ArnLike": {"k": "*"}}), r"ArnLike 'k': '\*' is not like an ARN"),
    (allow(Condition={"StringLike": {"k": "${}"}}), "not a policy variable"),
]


@pytest.mark.parametrize(("document", "why"), WRONG, ids=[why[:50] for _, why in WRONG])
def test_what_is_no_policy_is_refused(document: Any, why: str) -> None:
    with pytest.raises(InvalidPolicy, match=why) as caught:
        read_policy(document, resource=QUEUE, service="sqs")

    assert (caught.value.resource, caught.value.statement) == (QUEUE, None)


@pytest.mark.parametrize(("statement", "why"), WRONG_STATEMENTS, ids=[why[:50] for _, why in WRONG_STATEMENTS])
def test_a_statement_that_is_not_understood_is_refused_and_named(statement: Any, why: str) -> None:
    with pytest.raises(InvalidPolicy, match=f"cannot be this: statement 2: .*{why}") as caught:
        decision(allow(), statement)

    assert caught.value.statement == "statement 2"


def test_a_statement_with_a_sid_is_called_by_it() -> None:
    with pytest.raises(InvalidPolicy, match="another statement has the Sid 'a' too") as caught:
        decision(allow(Sid="a"), deny(Sid="a"))

    assert caught.value.statement == "statement 'a'"


def test_a_statement_is_an_object() -> None:
    with pytest.raises(InvalidPolicy, match="statement 1: expected an object, not 'all'"):
        read_policy({"Statement": ["all"]}, resource=QUEUE, service="sqs")


QUOTAS: list[tuple[str, int, Any]] = [
    ("statements", 20, lambda n: [allow() for _ in range(n)]),
    ("principals", 50, lambda n: [one({"AWS": [f"{k:012}" for k in range(n - 1)]}), allow()]),
    ("conditions", 10, lambda n: [allow(Condition={"Bool": {f"k{k}": "true" for k in range(n - 1)}}),
                                  allow(Condition={"Null": {"k": "true"}})]),
    ("actions", 7, lambda n: [allow(), allow(Action=["sqs:SendMessage"] * n)]),
    ("bytes", 8_192, lambda n: [allow(Sid="é" * 50, Condition={"StringEquals": {"k": "x" * (n - 400)}})]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "limit", "make"), QUOTAS, ids=[what for what, _, _ in QUOTAS])
def test_a_policy_may_be_as_large_as_its_quotas_and_no_larger(what: str, limit: int, make: Any) -> None:
    """SQS developer guide: 8,192 bytes, 20 statements, 50 principals, 10 conditions, 7 actions per statement."""

    def document(amount: int) -> str:
        text = json.dumps({"Statement": make(amount)}, ensure_ascii=False, separators=(",", ":"))
        return text + " " * (amount - len(text.encode())) if what == "bytes" else text

    read_policy(document(limit), resource=QUEUE, service="sqs")

    with pytest.raises(InvalidPolicy, match=f"it has {limit + 1} {what}, over the {limit} allowed"):
        read_policy(document(limit + 1), resource=QUEUE, service="sqs")


def test_what_a_dict_says_is_its_compact_json_and_its_bytes_count_so() -> None:
    document = {"Version": "2012-10-17", "Statement": {**allow(Sid="é"), "Resource": QUEUE}}

    policy = read_policy(document, resource=QUEUE, service="sqs")

    assert policy.text == json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    assert policy.document() == document


@pytest.mark.parametrize("value", [None, {"a": 1}, [None], b"x", ["a", object()]])
def test_a_context_holds_text_numbers_instants_and_lists_of_them(value: Any) -> None:
    with pytest.raises(TypeError, match="a context value must be text, a number, a bool, a datetime or a list of them"):
        context_values(value)


# -- laws -----------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from([OTHER, ROLE, SESSION, USER, STRANGER, OWNER])
PRINCIPALS = st.one_of(
    st.just("*"), st.lists(NAMES, min_size=1, max_size=3).map(lambda names: {"AWS": names}), st.just({"Service": SNS})
)
SOME_ACTIONS = st.lists(
    st.sampled_from(["sqs:SendMessage", "sqs:*", "sqs:S*", "sqs:PurgeQueue"]), min_size=1, max_size=2
)
CONDITIONS = st.dictionaries(
    st.sampled_from(["StringEquals", "StringNotEquals", "StringLikeIfExists", "ForAllValues:StringEquals", "Null"]),
    st.dictionaries(st.sampled_from("kl"), st.just("true"), min_size=1, max_size=1),
    max_size=1,
)


@st.composite
def statements(draw: st.DrawFn, effect: str | None = None) -> dict[str, Any]:
    return {
        "Effect": effect or draw(st.sampled_from(["Allow", "Deny"])),
        draw(st.sampled_from(["Principal", "NotPrincipal"])): draw(PRINCIPALS),
        draw(st.sampled_from(["Action", "NotAction"])): draw(SOME_ACTIONS),
        draw(st.sampled_from(["Resource", "NotResource"])): "*",
        "Condition": draw(CONDITIONS),
    }


POLICIES = st.lists(statements(), max_size=5)
REQUESTS = st.fixed_dictionaries(
    {
        "who": st.one_of(NAMES, st.none(), st.just(SNS)),
        "action": st.sampled_from(["sqs:SendMessage", "sqs:PurgeQueue", "sqs:AddPermission"]),
        "context": st.dictionaries(st.sampled_from("kl"), st.sampled_from(["true", "x", ["true", "x"]])),
    }
)


@given(POLICIES, statements("Deny"), REQUESTS)
def test_one_more_deny_never_allows_more(policy: list[Any], more: Any, request: Any) -> None:
    assert decision(*policy, **request).allowed >= decision(*policy, more, **request).allowed


@given(POLICIES, statements("Allow"), REQUESTS)
def test_one_more_allow_never_denies_more(policy: list[Any], more: Any, request: Any) -> None:
    assert decision(*policy, **request).allowed <= decision(*policy, more, **request).allowed


@given(POLICIES, REQUESTS, st.randoms())
def test_the_order_of_statements_means_nothing(policy: list[Any], request: Any, random: Any) -> None:
    shuffled = random.sample(policy, len(policy))

    assert decision(*policy, **request).allowed == decision(*shuffled, **request).allowed


@given(st.text("ab*?:", max_size=8), st.text("ab:", max_size=10))
def test_a_pattern_matches_what_the_plainest_matcher_does(pattern: str, text: str) -> None:
    def matches(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return matches(pattern[1:], text) or (bool(text) and matches(pattern, text[1:]))
        return bool(text) and pattern[0] in ("?", text[0]) and matches(pattern[1:], text[1:])

    statement = allow(Condition={"StringLike": {"k": pattern}})

    assert decision(statement, context={"k": text}).allowed == matches(pattern, text)


@given(
    st.lists(st.text("ab*?", max_size=3), min_size=6, max_size=6),
    st.lists(st.text("ab", max_size=3), min_size=4, max_size=8),
)
def test_an_arn_pattern_matches_part_by_part(pattern: list[str], parts: list[str]) -> None:
    """The last part is all that is left, colons and all."""
    text = ":".join(parts)
    split = text.split(":", 5)

    def alike(condition: str, pattern: str, text: str) -> bool:
        return decision(allow(Condition={condition: {"k": pattern}}), context={"k": text}).allowed

    expected = len(split) == 6 and all(alike("StringLike", *pair) for pair in zip(pattern, split, strict=True))
    assert alike("ArnLike", ":".join(pattern), text) == expected
