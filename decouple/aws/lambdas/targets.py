"""Destinations of asynchronous invocations: named by ARN, and looked up when there is a record for them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from decouple.arns import check_account, check_region
from decouple.aws.lambdas.names import invalid

if TYPE_CHECKING:
    from decouple.aws.world import Place

__all__ = ["Destination", "check_destination"]


class Destination:
    """A queue, topic, function or event bus, which need not exist yet. Called with the record of how a run ended."""

    def __init__(self, place: Place, arn: str) -> None:
        self._place = place
        self.arn = arn
        self.name = arn.rpartition(":")[2]

    def __repr__(self) -> str:
        return f"<Destination {self.arn}>"

    def __call__(self, record: dict[str, Any]) -> None:
        """Deliver it. Raises LookupError where there is nothing by this ARN."""
        service, world = self.arn.split(":", 3)[2], self._place.world
        if service == "events":
            put_event(self._place, self.arn, record)
        elif service == "sqs":
            self._there(world.queue_at(self.arn)).send(record)
        elif service == "sns":
            self._there(world.topic_at(self.arn)).publish(record)
        else:
            self._there(world.function_at(self.arn)).send(record)

    def _there(self, target: Any) -> Any:
        if target is None:
            raise LookupError(f"there is nothing by the ARN {self.arn}")
        return target


def check_destination(arn: str, function: str, *, successes: bool) -> str:
    """An ARN that can be one, of a function that is not `function` itself. Raises ServiceError."""
    parts = arn.split(":", 5)
    service = parts[2] if len(parts) == 6 else ""
    if service == "s3" and not successes:
        raise invalid(f"There is no S3 here, so {arn} cannot be a destination")
    try:
        if service not in ("sqs", "sns", "lambda", "events") or (service == "lambda" and parts[5][:9] != "function:"):
            raise ValueError(service)
        check_account(parts[4])
        check_region(parts[3])
    except ValueError as error:
        raise invalid(f"The destination ARN {arn} is invalid.") from error
    if arn.removesuffix(":$LATEST") == function:
        raise invalid("You can't specify the function as a destination for itself.")
    if arn.endswith(".fifo"):
        raise invalid(f"The destination ARN {arn} is invalid: FIFO queues and topics cannot be destinations")
    return arn


def put_event(place: Place, bus: str, record: dict[str, Any]) -> None:
    """To an event bus, in the envelope that Lambda gives it."""
    from decouple.aws.service import find_service  # here, because few functions have such a destination
    from decouple.aws.world import Call

    events = find_service("events")
    if events is None:
        raise LookupError(f"there are no event buses here, so nothing is by the ARN {bus}")
    function = record["requestContext"]["functionArn"]
    ending = "Success" if record["requestContext"]["condition"] == "Success" else "Failure"
    entry = {
        "Source": "lambda",
        "DetailType": f"Lambda Function Invocation Result - {ending}",
        "Resources": [bus, function],
        "Detail": json.dumps(record, ensure_ascii=False),
        "EventBusName": bus,
    }
    answer = events.perform(Call(place, "lambda.amazonaws.com", "json"), "PutEvents", {"Entries": [entry]})
    if answer.get("FailedEntryCount"):
        raise LookupError(f"event bus {bus} did not take the record: {answer['Entries'][0].get('ErrorMessage')}")
