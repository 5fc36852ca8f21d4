"""AWS Lambda on the wire: functions, invocations, event source mappings.

A function of the broker is a function here and the other way round, whoever declared it. What runs is a Python callable
(declared natively, or found in `world.handlers` by the function's Handler), or the code of a zip archive in processes of
its own. What is stored only says so in the table.
"""

from __future__ import annotations

from decouple.aws.service import Service

__all__ = ["LAMBDA"]

LAMBDA = Service(
    "lambda",
    "AWS Lambda",
    modules=(
        "decouple.aws.lambdas.functions",
        "decouple.aws.lambdas.updates",
        "decouple.aws.lambdas.invoking",
        "decouple.aws.lambdas.versions",
        "decouple.aws.lambdas.sharing",
        "decouple.aws.lambdas.limits",
        "decouple.aws.lambdas.invoke_configs",
        "decouple.aws.lambdas.mappings",
        "decouple.aws.lambdas.refused",
    ),
    errors={
        "AccessDeniedException": ("AccessDeniedException", 403),
        "RequestEntityTooLargeException": ("RequestEntityTooLargeException", 413),
    },
)
