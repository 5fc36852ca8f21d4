"""Tags, and the policies that say who may invoke: AddPermission, RemovePermission, GetPolicy."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from decouple.aws.lambdas import LAMBDA
from decouple.aws.lambdas.mapping_records import Mappings
from decouple.aws.lambdas.names import Found, find, invalid
from decouple.aws.lambdas.records import new_revision
from decouple.aws.lambdas.tagging import check_tags
from decouple.aws.lambdas.updates import check_revision

if TYPE_CHECKING:
    from decouple.aws.errors import ServiceError
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call

__all__: list[str] = []

ENFORCED = "enforced for callers of other accounts; services of the same account need none"
MAPPING = re.compile(r"arn:aws[a-z-]*:lambda:[^:]+:[0-9]{12}:event-source-mapping:(?P<uuid>[0-9a-f-]{36})", re.ASCII)
CONDITIONS = (
    ("SourceArn", "ArnLike", "AWS:SourceArn"),
    ("SourceAccount", "StringEquals", "AWS:SourceAccount"),
    ("EventSourceToken", "StringEquals", "lambda:EventSourceToken"),
    ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
    ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
)
LONGEST_POLICY = 20_480


@LAMBDA.operation("TagResource")
def tag_resource(call: Call, given: Given) -> Answer:
    """Add tags to a function or an event source mapping."""
    tags = tags_of(call, given["Resource"], "lambda:TagResource")
    tags |= check_tags(tags, given["Tags"])
    return {}


@LAMBDA.operation("UntagResource")
def untag_resource(call: Call, given: Given) -> Answer:
    """Remove tags; unknown keys are no error."""
    tags = tags_of(call, given["Resource"], "lambda:UntagResource")
    for key in given["TagKeys"]:
        tags.pop(key, None)
    return {}


@LAMBDA.operation("ListTags")
def list_tags(call: Call, given: Given) -> Answer:
    """The tags of a function or an event source mapping."""
    return {"Tags": dict(tags_of(call, given["Resource"], "lambda:ListTags"))}


def tags_of(call: Call, arn: str, action: str) -> dict[str, str]:
    mapping = MAPPING.fullmatch(arn)
    if mapping is not None:
        return call.place.keep(Mappings).find(call.place, mapping["uuid"]).tags
    found = find(call, arn, action=action)
    if found.qualifier is not None:
        raise invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
    return found.deployed.tags


# -- policies ----------------------------------------------------------------------------------------------------------


@LAMBDA.operation("AddPermission", note=ENFORCED)
def add_permission(call: Call, given: Given) -> Answer:
    """Add a statement to the policy of a function, or of one of its versions or aliases."""
    found = find(call, given["FunctionName"], given.get("Qualifier"), action="lambda:AddPermission")
    _ = found.version
    key, deployed = found.qualifier or "", found.deployed
    check_revision(deployed.policy_revisions.get(key, ""), given, "GetFunction/GetAlias")
    statements, sid = deployed.statements.get(key, {}), given["StatementId"]
    if sid in statements:
        raise LAMBDA.error(
            "ResourceConflictException",
            f"The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the existing "
            "statement.",
        )
    statement = statement_of(found, given)
    longer = {**statements, sid: statement}
    size = len(json.dumps(list(longer.values()), separators=(",", ":")))
    if size > LONGEST_POLICY:
        raise LAMBDA.error(
            "PolicyLengthExceededException",
            f"The final policy size ({size}) is bigger than the limit ({LONGEST_POLICY}).",
        )
    deployed.statements[key] = longer
    deployed.policy_revisions[key] = new_revision()
    return {"Statement": json.dumps(statement, separators=(",", ":"))}


@LAMBDA.operation("RemovePermission", note=ENFORCED)
def remove_permission(call: Call, given: Given) -> Answer:
    """Remove a statement."""
    found = find(call, given["FunctionName"], given.get("Qualifier"), action="lambda:RemovePermission")
    _ = found.version
    key, deployed = found.qualifier or "", found.deployed
    statements = deployed.statements.get(key)
    if not statements:
        raise gone("No policy is associated with the given resource.")
    if given["StatementId"] not in statements:
        raise gone(f"Statement {given['StatementId']} is not found in resource policy.")
    check_revision(deployed.policy_revisions[key], given, "GetPolicy")
    deployed.statements[key] = {sid: one for sid, one in statements.items() if sid != given["StatementId"]}
    deployed.policy_revisions[key] = new_revision()
    return {}


@LAMBDA.operation("GetPolicy", note=ENFORCED)
def get_policy(call: Call, given: Given) -> Answer:
    """The policy as JSON text."""
    found = find(call, given["FunctionName"], given.get("Qualifier"), action="lambda:GetPolicy")
    _ = found.version
    key, deployed = found.qualifier or "", found.deployed
    statements = deployed.statements.get(key)
    if not statements:
        raise gone("The resource you requested does not exist.")
    policy = {"Version": "2012-10-17", "Id": "default", "Statement": list(statements.values())}
    return {"Policy": json.dumps(policy, separators=(",", ":")), "RevisionId": deployed.policy_revisions[key]}


def gone(text: str) -> ServiceError:
    return LAMBDA.error("ResourceNotFoundException", text)


def statement_of(found: Found, given: Given) -> dict[str, Any]:
    """The statement as policies hold it."""
    statement: dict[str, Any] = {
        "Sid": given["StatementId"],
        "Effect": "Allow",
        "Principal": principal_of(given["Principal"]),
        "Action": given["Action"],
        "Resource": found.arn,
    }
    conditions: dict[str, dict[str, str]] = {}
    for name, operator, key in CONDITIONS:
        if given.get(name):
            conditions.setdefault(operator, {})[key] = given[name]
    if conditions:
        statement["Condition"] = conditions
    return statement


def principal_of(text: str) -> str | dict[str, str]:
    if text == "*":
        return "*"
    if re.fullmatch(r"[0-9]{12}", text):
        return {"AWS": f"arn:aws:iam::{text}:root"}
    if text.startswith("arn:"):
        return {"AWS": text}
    if re.fullmatch(r"[a-z0-9.-]+\.amazonaws\.com(\.cn)?", text):
        return {"Service": text}
    raise invalid("The provided principal was invalid. Please check the principal and try again.")
