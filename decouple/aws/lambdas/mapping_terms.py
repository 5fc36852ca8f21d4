"""The parameters of event source mappings: AWS's rules for a queue, and what they are as settings of a trigger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from decouple.aws.lambdas.names import invalid
from decouple.aws.lambdas.records import part

if TYPE_CHECKING:
    from decouple.queue import Queue

__all__ = ["check_shape", "read_terms", "settings_of"]

NOT_FOR_QUEUES = (
    "StartingPosition",
    "StartingPositionTimestamp",
    "ParallelizationFactor",
    "BisectBatchOnFunctionError",
    "MaximumRetryAttempts",
    "MaximumRecordAgeInSeconds",
    "TumblingWindowInSeconds",
    "DestinationConfig",
    "Topics",
    "Queues",
    "SourceAccessConfigurations",
    "SelfManagedEventSource",
    "AmazonManagedKafkaEventSourceConfig",
    "SelfManagedKafkaEventSourceConfig",
    "DocumentDBEventSourceConfig",
)
STORED = ("KMSKeyArn", "MetricsConfig", "LoggingConfig")
DEFAULTS: dict[str, Any] = {"BatchSize": 10, "MaximumBatchingWindowInSeconds": 0, "FunctionResponseTypes": []}
LEAST_POLLERS = 2
MOST_IN_FIFO, MOST_FILTERS, LONGEST_FILTER = 10, 5, 4_096
REPORTS = "ReportBatchItemFailures"


def check_shape(given: Mapping[str, Any]) -> None:
    """What no queue has. Raises ServiceError."""
    for name in NOT_FOR_QUEUES:
        if given.get(name):
            raise invalid(f"{name} is not valid for SQS event sources.")


def read_terms(queue: Queue[Any], before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept and shown: what was before, with what is given. Raises ServiceError."""
    check_shape(given)
    terms = {**DEFAULTS, **before}
    for name in (*DEFAULTS, *STORED):
        if given.get(name) is not None:
            terms[name] = given[name]
    check_batches(queue, terms)
    put_filters(terms, given)
    put_scaling(terms, given)
    return terms


def check_batches(queue: Queue[Any], terms: Mapping[str, Any]) -> None:
    size, window = terms["BatchSize"], terms["MaximumBatchingWindowInSeconds"]
    if queue.fifo and window:
        raise invalid("Batching window is not supported for FIFO queues")
    if queue.fifo and size > MOST_IN_FIFO:
        raise invalid(f"Batch size must be less than or equal to {MOST_IN_FIFO} for FIFO queues")
    if size > MOST_IN_FIFO and not window:
        raise invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")


def put_filters(terms: dict[str, Any], given: Mapping[str, Any]) -> None:
    """An empty list removes them."""
    if given.get("FilterCriteria") is None:
        return
    terms.pop("FilterCriteria", None)
    filters: list[dict[str, Any]] = given["FilterCriteria"].get("Filters") or []
    if len(filters) > MOST_FILTERS:
        raise invalid(f"Exceeded maximum number of filters: there may be {MOST_FILTERS}")
    for one in filters:
        read_pattern(one.get("Pattern") or "")
    if filters:
        terms["FilterCriteria"] = {"Filters": filters}


def read_pattern(text: str) -> dict[str, Any]:
    try:
        pattern: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise invalid("Invalid filter pattern definition.") from error
    if not isinstance(pattern, dict) or not pattern or len(text) > LONGEST_FILTER:
        raise invalid("Invalid filter pattern definition.")
    return pattern  # pyright: ignore[reportUnknownVariableType]  # JSON


def put_scaling(terms: dict[str, Any], given: Mapping[str, Any]) -> None:
    """An empty configuration removes it. Either one or the other."""
    scaling, pollers = given.get("ScalingConfig"), given.get("ProvisionedPollerConfig")
    if scaling is not None:
        terms.pop("ScalingConfig", None)
        most = scaling.get("MaximumConcurrency")
        if most is not None:
            terms["ScalingConfig"] = {"MaximumConcurrency": most}
    if pollers is not None:
        terms.pop("ProvisionedPollerConfig", None)
        if pollers:
            terms["ProvisionedPollerConfig"] = read_pollers(pollers)
    if "ScalingConfig" in terms and "ProvisionedPollerConfig" in terms:
        raise invalid("MaximumConcurrency and ProvisionedPollerConfig cannot be set on the same event source mapping.")


def read_pollers(given: Mapping[str, Any]) -> dict[str, Any]:
    pollers = {"MinimumPollers": 2, "MaximumPollers": 200, **given}
    if pollers["MinimumPollers"] < LEAST_POLLERS:
        raise invalid(f"MinimumPollers must be greater than or equal to {LEAST_POLLERS}")
    if pollers["MinimumPollers"] > pollers["MaximumPollers"]:
        raise invalid("MinimumPollers must be less than or equal to MaximumPollers")
    return pollers


def settings_of(terms: Mapping[str, Any]) -> dict[str, Any]:
    """What `queue.trigger` takes."""
    pollers = terms.get("ProvisionedPollerConfig")
    filters = part(terms, "FilterCriteria").get("Filters")
    return {
        "batch_size": terms["BatchSize"],
        "batch_window": terms["MaximumBatchingWindowInSeconds"],
        "max_concurrency": part(terms, "ScalingConfig").get("MaximumConcurrency"),
        "filter": [read_pattern(one["Pattern"]) for one in filters] if filters else None,
        "partial_failures": REPORTS in terms["FunctionResponseTypes"],
        "scaling": "aws",
        "pollers": (pollers["MinimumPollers"], pollers["MaximumPollers"]) if pollers else None,
    }
