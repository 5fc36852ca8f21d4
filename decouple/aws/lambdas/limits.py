"""Concurrency, loops of functions, and the settings of the account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decouple.aws.lambdas import LAMBDA
from decouple.aws.lambdas.names import find, invalid
from decouple.aws.lambdas.records import Functions

if TYPE_CHECKING:
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call, Place

__all__: list[str] = []

OF_ACCOUNT, UNRESERVED = 1_000, 100
LOOPS = {"Allow": "allow", "Terminate": "stop"}


@LAMBDA.operation("PutFunctionConcurrency")
def put_function_concurrency(call: Call, given: Given) -> Answer:
    """Let a function have at most so many runs at a time, 0 = none."""
    found = find(call, given["FunctionName"], action="lambda:PutFunctionConcurrency")
    if found.qualifier:
        raise invalid(
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
            "Please specify either a function name or an unqualified function ARN."
        )
    wanted: int = given["ReservedConcurrentExecutions"]
    others = reserved(found.place) - (found.function.settings["concurrency"] or 0)
    if wanted and OF_ACCOUNT - others - wanted < UNRESERVED:
        raise invalid(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
            f"its minimum value of [{UNRESERVED}]."
        )
    found.function.configure(concurrency=wanted)
    return {"ReservedConcurrentExecutions": wanted}


@LAMBDA.operation("GetFunctionConcurrency")
def get_function_concurrency(call: Call, given: Given) -> Answer:
    """How many runs at a time it may have; nothing where it has no limit of its own."""
    found = find(call, given["FunctionName"], action="lambda:GetFunctionConcurrency")
    own = found.function.settings["concurrency"]
    return {} if own is None else {"ReservedConcurrentExecutions": own}


@LAMBDA.operation("DeleteFunctionConcurrency")
def delete_function_concurrency(call: Call, given: Given) -> Answer:
    """Let it have no limit of its own."""
    find(call, given["FunctionName"], action="lambda:DeleteFunctionConcurrency").function.configure(concurrency=None)
    return {}


@LAMBDA.operation("PutFunctionRecursionConfig")
def put_function_recursion_config(call: Call, given: Given) -> Answer:
    """Whether loops of functions are stopped."""
    found = find(call, given["FunctionName"], action="lambda:PutFunctionRecursionConfig")
    wanted = given["RecursiveLoop"]
    found.function.configure(recursion=LOOPS[wanted])
    return {"RecursiveLoop": wanted}


@LAMBDA.operation("GetFunctionRecursionConfig")
def get_function_recursion_config(call: Call, given: Given) -> Answer:
    """Whether loops of functions are stopped."""
    found = find(call, given["FunctionName"], action="lambda:GetFunctionRecursionConfig")
    return {"RecursiveLoop": "Allow" if found.function.settings["recursion"] == "allow" else "Terminate"}


@LAMBDA.operation("GetAccountSettings", note="AWS's default quotas, of which the reserved concurrency counts")
def get_account_settings(call: Call, given: Given) -> Answer:
    """Quotas and use of the caller's account in this region."""
    place = call.place
    functions = list(place.broker.functions.values())
    kept = place.keep(Functions)
    return {
        "AccountLimit": {
            "TotalCodeSize": 80_530_636_800,
            "CodeSizeUnzipped": 262_144_000,
            "CodeSizeZipped": 52_428_800,
            "ConcurrentExecutions": OF_ACCOUNT,
            "UnreservedConcurrentExecutions": max(0, OF_ACCOUNT - reserved(place)),
        },
        "AccountUsage": {
            "TotalCodeSize": sum(kept.of(one, place).config["CodeSize"] for one in functions),
            "FunctionCount": len(functions),
        },
    }


def reserved(place: Place) -> int:
    """By all functions of the place."""
    return sum(one.settings["concurrency"] or 0 for one in place.broker.functions.values())
