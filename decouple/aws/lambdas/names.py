"""Which function is meant: names, partial and whole ARNs, qualifiers; and whether the caller may.

A function of another account is reached by its ARN, if its policy lets the caller in; one of another region is not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.arns import arn_of
from decouple.aws.lambdas import LAMBDA
from decouple.aws.lambdas.records import Deployed, Functions
from decouple.core.policy import Request, decide, read_policy
from decouple.core.principals import principal
from decouple.errors import InvalidPolicy

if TYPE_CHECKING:
    from decouple.aws.errors import ServiceError
    from decouple.aws.world import Call, Place
    from decouple.function import Function

__all__ = ["LATEST", "Found", "Named", "find", "invalid", "named", "not_found"]

LATEST = "$LATEST"
NAME = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-[0-9]):)?(?:(?P<account>[0-9]{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9_-]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9_-]+))?",
    re.ASCII,
)


class Named(NamedTuple):
    """A function that may exist or not. place: None where nothing of that account is here."""

    place: Place | None
    account: str
    region: str
    name: str
    qualifier: str | None

    @property
    def arn(self) -> str:
        """Without the qualifier."""
        return arn_of("lambda", f"function:{self.name}", account=self.account, region=self.region)


class Found(NamedTuple):
    """A function, what the wire keeps of it, and the qualifier it was asked for by."""

    place: Place
    function: Function
    deployed: Deployed
    qualifier: str | None

    @property
    def arn(self) -> str:
        """As it was asked for."""
        return f"{self.function.arn}:{self.qualifier}" if self.qualifier else self.function.arn

    @property
    def version(self) -> str:
        """The version that the qualifier stands for. Raises ServiceError."""
        qualifier = self.qualifier or LATEST
        if qualifier in self.deployed.aliases:
            version: str = self.deployed.aliases[qualifier]["FunctionVersion"]
            return version
        if qualifier != LATEST and qualifier not in self.deployed.versions:
            raise not_found(self.arn)
        return qualifier


def invalid(text: str) -> ServiceError:
    """A parameter that makes no sense."""
    return LAMBDA.error("InvalidParameterValueException", text)


def not_found(arn: str) -> ServiceError:
    """There is no such function, or not that version of it."""
    return LAMBDA.error("ResourceNotFoundException", f"Function not found: {arn}")


def named(call: Call, text: str, qualifier: str | None = None) -> Named:
    """Read a name, with the qualifier beside it. Raises ServiceError."""
    read = NAME.fullmatch(text)
    if read is None:
        pattern = LAMBDA.model.shape("FunctionName").raw["pattern"]
        raise LAMBDA.error(
            "ValidationException",
            f"1 validation error detected: Value '{text}' at 'functionName' failed to satisfy constraint: Member must "
            f"satisfy regular expression pattern: {pattern}",
        )
    region, account = read["region"] or call.region, read["account"] or call.account
    if region != call.region:
        raise LAMBDA.error(
            "ResourceNotFoundException",
            f"Functions from '{region}' are not reachable in this region ('{call.region}')",
        )
    if read["qualifier"] and qualifier and qualifier != read["qualifier"]:
        raise invalid("The derived qualifier from the function name does not match the specified qualifier.")
    place = call.place if account == call.account else call.world.known(account, call.region)
    return Named(place, account, region, read["name"], qualifier or read["qualifier"])


def find(call: Call, text: str, qualifier: str | None = None, *, action: str) -> Found:
    """The function of that name. action: "lambda:InvokeFunction", for callers of other accounts. Raises ServiceError."""
    asked = named(call, text, qualifier)
    function = None if asked.place is None else asked.place.broker.functions.get(asked.name)
    if asked.account != call.account:
        check_access(call, asked, function, action)
    if function is None or asked.place is None:
        raise not_found(f"{asked.arn}:{asked.qualifier}" if asked.qualifier else asked.arn)
    deployed = asked.place.keep(Functions).of(function, asked.place)
    return Found(asked.place, function, deployed, asked.qualifier)


# -- callers of other accounts -----------------------------------------------------------------------------------------


def check_access(call: Call, asked: Named, function: Function | None, action: str) -> None:
    arn = f"{asked.arn}:{asked.qualifier}" if asked.qualifier else asked.arn
    if function is not None and asked.place is not None:
        statements = asked.place.keep(Functions).of(function, asked.place).statements.get(asked.qualifier or "")
        if statements and allows(statements, call.principal, action, arn, asked.account):
            return
    raise LAMBDA.error(
        "AccessDeniedException",
        f"User: {call.principal} is not authorized to perform: {action} on resource: {arn} because no resource-based "
        f"policy allows the {action} action",
    )


def allows(statements: dict[str, Any], who: str, action: str, arn: str, owner: str) -> bool:
    """Whether a statement of a function's policy lets the principal in. One that cannot be understood lets nobody in."""
    for statement in statements.values():
        try:
            document = {"Version": "2012-10-17", "Statement": [statement]}
            policy, asker = read_policy(document, resource=arn, service="lambda"), principal(who)
        except (InvalidPolicy, ValueError):
            continue
        if decide(policy, Request(asker, action, arn, asker.facts), owner=owner).allowed:
            return True
    return False
