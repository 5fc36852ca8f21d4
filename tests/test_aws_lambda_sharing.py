"""Lambda on the wire: tags, policies, concurrency, the account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from lambda_caller import CONFLICT, INVALID, MISSING, OTHER, OWNER, Caller, arn

from decouple.aws import World
from decouple.testing import VirtualClock


@pytest.fixture
def world(clock: VirtualClock) -> Iterator[World]:
    world = World(clock=clock, account=OWNER)
    world.handlers["app.handler"] = lambda event, context: event
    yield world
    world.close()


@pytest.fixture
def aws(world: World) -> Caller:
    caller = Caller(world)
    caller.create()
    return caller


# -- tags --------------------------------------------------------------------------------------------------------------


def test_tags_are_added_overwritten_and_removed(aws: Caller) -> None:
    assert aws("ListTags", Resource=arn()) == {"Tags": {}}

    assert aws("TagResource", Resource=arn(), Tags={"a": "1", "b": "2"}) == {}
    aws("TagResource", Resource=arn(), Tags={"b": "3"})
    aws("UntagResource", Resource=arn(), TagKeys=["a", "none"])

    assert aws("ListTags", Resource=arn()) == {"Tags": {"b": "3"}}


def test_what_tags_cannot_be(aws: Caller) -> None:
    fifty = {str(number): "" for number in range(50)}
    aws("TagResource", Resource=arn(), Tags=fifty)

    assert aws.refused("TagResource", Resource=arn(), Tags={"more": ""}) == (
        *INVALID,
        "Number of tags exceeds resource tag limit.",
    )
    assert aws.refused("TagResource", Resource=arn(), Tags={"x" * 129: ""})[0] == "ValidationException"
    assert aws.refused("ListTags", Resource=arn("no")) == (*MISSING, f"Function not found: {arn('no')}")
    assert aws.refused("ListTags", Resource=arn("resize:$LATEST"))[:2] == INVALID
    unknown = arn("00000000-0000-4000-8000-000000000000", "event-source-mapping")
    assert aws.refused("ListTags", Resource=unknown)[:2] == MISSING


# -- policies ----------------------------------------------------------------------------------------------------------


def add(aws: Caller, sid: str = "s", principal: str = "sns.amazonaws.com", **given: Any) -> Any:
    answer = aws(
        "AddPermission",
        FunctionName="resize",
        StatementId=sid,
        Action="lambda:InvokeFunction",
        Principal=principal,
        **given,
    )
    return json.loads(answer["Statement"])


def test_a_permission_is_a_statement_of_the_policy(aws: Caller) -> None:
    source = arn("events", "", "sns")

    statement = add(aws, SourceArn=source, SourceAccount=OWNER)

    assert statement == {
        "Sid": "s",
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": arn(),
        "Condition": {"ArnLike": {"AWS:SourceArn": source}, "StringEquals": {"AWS:SourceAccount": OWNER}},
    }
    answer = aws("GetPolicy", FunctionName="resize")
    assert json.loads(answer["Policy"]) == {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("*", "*"),
        (OTHER, {"AWS": f"arn:aws:iam::{OTHER}:root"}),
        (f"arn:aws:iam::{OTHER}:role/worker", {"AWS": f"arn:aws:iam::{OTHER}:role/worker"}),
        ("s3.amazonaws.com", {"Service": "s3.amazonaws.com"}),
    ],
    ids=["everybody", "account", "role", "service"],
)
def test_principals_are_written_as_policies_write_them(aws: Caller, given: str, shown: Any) -> None:
    assert add(aws, principal=given)["Principal"] == shown


def test_a_version_and_an_alias_have_policies_of_their_own(aws: Caller, world: World) -> None:
    aws("CreateAlias", FunctionName="resize", Name="live", FunctionVersion="$LATEST")

    assert add(aws, principal=OTHER, Qualifier="live")["Resource"] == arn("resize:live")

    assert aws.refused("GetPolicy", FunctionName="resize")[:2] == MISSING
    other = Caller(world, OTHER)
    assert other.invoke(1, arn("resize:live"))["Payload"] == 1
    assert other.refused("Invoke", FunctionName=arn())[0] == "AccessDeniedException"


def test_a_statement_that_cannot_be_understood_lets_nobody_in_and_hides_no_other(aws: Caller, world: World) -> None:
    add(aws, "a", "*", FunctionUrlAuthType="NONE")
    add(aws, "b", "*", PrincipalOrgID="o-aaaaaaaaaa")
    other = Caller(world, OTHER)
    assert other.refused("Invoke", FunctionName=arn())[0] == "AccessDeniedException"

    add(aws, "c", OTHER)

    assert other.invoke(1, arn())["Payload"] == 1


def test_what_a_permission_cannot_be(aws: Caller) -> None:
    add(aws)
    request = {"FunctionName": "resize", "StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "*"}

    assert aws.refused("AddPermission", **request) == (
        *CONFLICT,
        "The statement id (s) provided already exists. Please provide a new statement id, or remove the existing statement.",
    )
    assert aws.refused("AddPermission", **{**request, "StatementId": "t", "Principal": "nobody"}) == (
        *INVALID,
        "The provided principal was invalid. Please check the principal and try again.",
    )
    assert aws.refused("AddPermission", **{**request, "StatementId": "t", "RevisionId": "old"})[0] == (
        "PreconditionFailedException"
    )
    long = {"SourceArn": f"arn:aws:s3:::{'x' * 9_000}"}
    add(aws, "t", **long)
    add(aws, "u", **long)
    assert aws.refused("AddPermission", **{**request, "StatementId": "v", **long})[0] == "PolicyLengthExceededException"


def test_a_removed_permission_is_gone(aws: Caller) -> None:
    assert aws.refused("RemovePermission", FunctionName="resize", StatementId="s") == (
        *MISSING,
        "No policy is associated with the given resource.",
    )
    add(aws)
    assert aws.refused("RemovePermission", FunctionName="resize", StatementId="t") == (
        *MISSING,
        "Statement t is not found in resource policy.",
    )
    assert aws.refused("RemovePermission", FunctionName="resize", StatementId="s", RevisionId="old") == (
        "PreconditionFailedException",
        412,
        (
            "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest "
            "Revision Id"
        ),
    )

    assert aws("RemovePermission", FunctionName="resize", StatementId="s") == {}

    assert aws.refused("GetPolicy", FunctionName="resize") == (*MISSING, "The resource you requested does not exist.")


# -- concurrency and the account ---------------------------------------------------------------------------------------


def test_reserved_concurrency_is_that_of_the_engine(aws: Caller) -> None:
    assert aws("GetFunctionConcurrency", FunctionName="resize") == {}

    answer = aws("PutFunctionConcurrency", FunctionName="resize", ReservedConcurrentExecutions=5)

    assert answer == aws("GetFunctionConcurrency", FunctionName="resize") == {"ReservedConcurrentExecutions": 5}
    assert aws.function().settings["concurrency"] == 5
    assert aws("GetAccountSettings")["AccountLimit"]["UnreservedConcurrentExecutions"] == 995
    assert aws("DeleteFunctionConcurrency", FunctionName="resize") == {}
    assert aws.function().settings["concurrency"] is None


def test_a_hundred_stay_unreserved(aws: Caller) -> None:
    aws.broker.function(lambda event, context: None, name="native", concurrency=400)
    aws("PutFunctionConcurrency", FunctionName="resize", ReservedConcurrentExecutions=500)
    aws("PutFunctionConcurrency", FunctionName="resize", ReservedConcurrentExecutions=400)

    assert aws.refused("PutFunctionConcurrency", FunctionName="resize", ReservedConcurrentExecutions=501) == (
        *INVALID,
        (
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
            "minimum value of [100]."
        ),
    )
    assert aws.function().settings["concurrency"] == 400
    assert aws.refused("PutFunctionConcurrency", FunctionName="resize:1", ReservedConcurrentExecutions=1)[:2] == INVALID


def test_loops_of_functions_may_be_allowed(aws: Caller) -> None:
    assert aws("GetFunctionRecursionConfig", FunctionName="resize") == {"RecursiveLoop": "Terminate"}

    assert aws("PutFunctionRecursionConfig", FunctionName="resize", RecursiveLoop="Allow") == {"RecursiveLoop": "Allow"}

    assert aws("GetFunctionRecursionConfig", FunctionName="resize") == {"RecursiveLoop": "Allow"}
    assert aws.function().settings["recursion"] == "allow"


def test_the_account_has_the_quotas_of_aws(aws: Caller) -> None:
    assert aws("GetAccountSettings") == {
        "AccountLimit": {
            "TotalCodeSize": 80530636800,
            "CodeSizeUnzipped": 262144000,
            "CodeSizeZipped": 52428800,
            "ConcurrentExecutions": 1000,
            "UnreservedConcurrentExecutions": 1000,
        },
        "AccountUsage": {"TotalCodeSize": 4, "FunctionCount": 1},
    }


def test_two_questions_have_always_the_same_answer(aws: Caller) -> None:
    assert aws("GetFunctionCodeSigningConfig", FunctionName="resize") == {
        "CodeSigningConfigArn": "",
        "FunctionName": "resize",
    }
    assert aws("GetRuntimeManagementConfig", FunctionName="resize") == {
        "FunctionArn": arn(),
        "UpdateRuntimeOn": "Auto",
    }


def test_another_account_and_another_region_have_functions_of_their_own(aws: Caller, world: World) -> None:
    assert Caller(world, OTHER)("ListFunctions") == {"Functions": []}
    assert Caller(world, OWNER, "eu-west-1")("ListFunctions") == {"Functions": []}


# -- what is made again ------------------------------------------------------------------------------------------------


def test_an_alias_made_again_has_nothing_of_the_old_ones_policy_and_configuration(aws: Caller) -> None:
    alias = {"FunctionName": "resize", "Name": "live", "FunctionVersion": "$LATEST"}
    aws("CreateAlias", **alias)
    aws(
        "AddPermission",
        FunctionName="resize",
        Qualifier="live",
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal=OTHER,
    )
    aws("PutFunctionEventInvokeConfig", FunctionName="resize", Qualifier="live", MaximumRetryAttempts=0)

    aws("DeleteAlias", FunctionName="resize", Name="live")
    assert aws("ListFunctionEventInvokeConfigs", FunctionName="resize") == {"FunctionEventInvokeConfigs": []}

    aws("CreateAlias", **alias)
    assert aws.refused("GetPolicy", FunctionName="resize", Qualifier="live")[:2] == MISSING
    assert aws.refused("GetFunctionEventInvokeConfig", FunctionName="resize", Qualifier="live")[:2] == MISSING
