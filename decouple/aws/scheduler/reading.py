"""What CreateSchedule and UpdateSchedule are given, checked, and as the broker takes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from decouple.aws.errands import TARGETS, Envoy, compact, hand_over, has_form_of_arn, is_json, service_of
from decouple.aws.scheduler import SCHEDULER
from decouple.aws.scheduler.book import DEFAULT, RETRIES
from decouple.core.backoff import exponential, until
from decouple.core.schedule import At, parse
from decouple.errors import InvalidSchedule, NotInstalled
from decouple.zones import zone

if TYPE_CHECKING:
    from decouple.aws.errors import ServiceError
    from decouple.aws.scheduler.book import Book, Entry
    from decouple.aws.service import Given
    from decouple.schedules import Schedule

__all__ = ["declare", "read"]

KEPT = (
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "StartDate",
    "EndDate",
    "Description",
    "KmsKeyArn",
    "FlexibleTimeWindow",
    "State",
    "Target",
    "ActionAfterCompletion",
)
DEFAULTS: Mapping[str, Any] = {"ScheduleExpressionTimezone": "UTC", "State": "ENABLED", "ActionAfterCompletion": "NONE"}
RATE = re.compile(r"rate\(([0-9]+) (minute|hour|day)s?\)", re.ASCII)
EARLIEST_START = timedelta(minutes=5)


def invalid(text: str) -> ServiceError:
    return SCHEDULER.error("ValidationException", text)


def read(book: Book, given: Given) -> dict[str, Any]:
    """What is kept of it, with the defaults. Raises ServiceError."""
    kept: dict[str, Any] = {**DEFAULTS} | {name: given[name] for name in KEPT if given.get(name) not in (None, "")}
    window: Mapping[str, Any] = kept["FlexibleTimeWindow"]
    if window["Mode"] == "FLEXIBLE" and not window.get("MaximumWindowInMinutes"):
        raise invalid("MaximumWindowInMinutes must be specified when the mode of FlexibleTimeWindow is FLEXIBLE.")
    kept["Target"] = read_target(kept["Target"])
    check_dead_letter(book, kept["Target"])
    check_expression(kept["ScheduleExpression"])
    try:
        zone(kept["ScheduleExpressionTimezone"])
    except (ValueError, NotInstalled) as error:
        raise invalid(f"Invalid Schedule Expression Timezone {kept['ScheduleExpressionTimezone']}.") from error
    check_dates(book, kept)
    return kept


def check_expression(expression: str) -> None:
    try:
        parse(usual(expression))
    except InvalidSchedule as error:
        raise invalid(f"Invalid Schedule Expression {expression}.") from error


def usual(expression: str) -> str:
    """The expression with the unit of a rate in the right number, about which Scheduler does not care."""
    rate = RATE.fullmatch(expression)
    if rate is None:
        return expression
    return f"rate({rate[1]} {rate[2]}{'' if rate[1].lstrip('0') == '1' else 's'})"


def recurs(kept: Mapping[str, Any]) -> bool:
    return not isinstance(parse(usual(kept["ScheduleExpression"])), At)


def check_dates(book: Book, kept: dict[str, Any]) -> None:
    """Of what happens once they mean nothing."""
    for name in ("StartDate", "EndDate"):
        if name in kept and kept[name].tzinfo is None:
            kept[name] = kept[name].replace(tzinfo=UTC)
    start, end = kept.get("StartDate"), kept.get("EndDate")
    if not recurs(kept):
        return
    if start is not None and start < book.now() - EARLIEST_START:
        raise invalid("The StartDate you specify cannot be earlier than 5 minutes ago.")
    if end is not None and end < (start or book.now()):
        raise invalid("The EndDate you specify cannot be earlier than the StartDate, or now.")


# -- the target ------------------------------------------------------------------------------------------------------


def read_target(given: Mapping[str, Any]) -> dict[str, Any]:
    """The target with the defaults of its RetryPolicy. Raises ServiceError for one that nothing could be handed to."""
    arn: str = given["Arn"]
    if not has_form_of_arn(arn):
        raise invalid(f"Provided Arn is not in correct format: {arn}.")
    service = service_of(arn)
    if service not in TARGETS:
        what = "universal targets" if arn.startswith("arn:aws:scheduler:::aws-sdk:") else f"targets of {service!r}"
        raise SCHEDULER.error("NotImplemented", f"{what} are not part of decouple: queues, topics and functions are")
    if service == "sqs" and arn.endswith(".fifo") and not given.get("SqsParameters", {}).get("MessageGroupId"):
        raise invalid("MessageGroupId must be specified in SqsParameters for a FIFO queue.")
    if service == "lambda" and given.get("Input") is not None and not is_json(given["Input"]):
        raise invalid("Input must be well-formed JSON for a Lambda target.")
    return {**given, "RetryPolicy": {**RETRIES, **(given.get("RetryPolicy") or {})}}


def check_dead_letter(book: Book, target: Mapping[str, Any]) -> None:
    """Here, because an update that is refused must leave the schedule that there is."""
    given: Mapping[str, str] = target.get("DeadLetterConfig") or {}
    queue = book.place.world.queue_at(given.get("Arn", ""))
    if queue is not None and queue.fifo:
        raise invalid(f"dead_letter must be a standard queue (EventBridge), and {queue.name!r} is FIFO.")


class Errand:
    """What the broker calls when a schedule is due."""

    def __init__(self, envoy: Envoy, target: Mapping[str, Any]) -> None:
        self.arn: str = target["Arn"]
        self._envoy = envoy
        self._group: str | None = target.get("SqsParameters", {}).get("MessageGroupId")

    def __call__(self, payload: Any) -> None:
        text = payload if isinstance(payload, str) else compact(payload)
        hand_over(self._envoy, self.arn, text, self._group)


# -- on the broker ---------------------------------------------------------------------------------------------------


def declare(book: Book, entry: Entry) -> Schedule | None:
    """The broker's schedule for it; None if it is disabled, or never due any more. Raises ServiceError."""
    given, place = entry.given, book.place
    if given["State"] == "DISABLED":
        return None
    target: Mapping[str, Any] = given["Target"]
    source = book.arn("schedule", f"{entry.group}/{entry.name}")
    envoy = Envoy(place.world, target["RoleArn"], source, place.account, trusted=True)
    policy: Mapping[str, int] = target["RetryPolicy"]
    start, end = (given.get(name) if recurs(given) else None for name in ("StartDate", "EndDate"))
    dead_letter: Mapping[str, str] = target.get("DeadLetterConfig") or {}
    try:
        return place.broker.schedule(
            usual(given["ScheduleExpression"]),
            Errand(envoy, target),
            payload=target.get("Input"),
            name=entry.name if entry.group == DEFAULT else f"{entry.group}/{entry.name}",
            timezone=given["ScheduleExpressionTimezone"],
            window=60 * (given["FlexibleTimeWindow"].get("MaximumWindowInMinutes") or 0),
            retry=until(
                exponential(1, 600),
                max_attempts=1 + policy["MaximumRetryAttempts"],
                max_age=policy["MaximumEventAgeInSeconds"],
            ),
            dead_letter=place.world.queue_at(dead_letter.get("Arn", "")),
            start=start,
            end=end,
        )
    except InvalidSchedule:
        return None
    except (TypeError, ValueError) as error:
        raise invalid(f"{error}.") from error
