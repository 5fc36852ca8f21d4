"""Events of CloudWatch alarms: what an alarm sends to a function that is its action."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict, cast

from decouple.arns import arn_of
from decouple.jsontext import json_text
from decouple.testing.events.defaults import ACCOUNT, NEW_YEAR, REGION, member, milliseconds, present, uuid_of

__all__ = ["AlarmState", "CloudWatchAlarmEvent", "cloudwatch_alarm"]

AlarmState: TypeAlias = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
STATES = ("OK", "ALARM", "INSUFFICIENT_DATA")


class AlarmCondition(TypedDict):
    """A state and why the alarm is in it. reasonData: JSON as text."""

    value: AlarmState
    reason: str
    reasonData: NotRequired[str]
    timestamp: str


class AlarmConfiguration(TypedDict):
    """What the alarm watches."""

    description: NotRequired[str]
    metrics: list[dict[str, Any]]


class AlarmData(TypedDict):
    """The alarm."""

    alarmName: str
    state: AlarmCondition
    previousState: AlarmCondition
    configuration: AlarmConfiguration


class CloudWatchAlarmEvent(TypedDict):
    """A change of an alarm's state, as a function gets it."""

    source: Literal["aws.cloudwatch"]
    alarmArn: str
    accountId: str
    time: str
    region: str
    alarmData: AlarmData


def cloudwatch_alarm(
    name: str = "alarm",
    *,
    state: AlarmState = "ALARM",
    previous: AlarmState = "OK",
    reason: str = "Threshold Crossed: 1 datapoint [12.0 (01/01/26 00:00:00)] was greater than the threshold (5.0).",
    reason_data: Mapping[str, Any] | None = None,
    description: str | None = None,
    namespace: str = "AWS/SQS",
    metric: str = "ApproximateAgeOfOldestMessage",
    dimensions: Mapping[str, str] | None = None,
    at: datetime = NEW_YEAR,
    account: str = ACCOUNT,
    region: str = REGION,
) -> CloudWatchAlarmEvent:
    """The event for a metric alarm: `cloudwatch_alarm("backlog", dimensions={"QueueName": "orders"})`.

    reason_data: becomes JSON text. The previous state is a minute old.
    Source: CloudWatch user guide, "Invoke a Lambda function from an alarm", sample event of a metric alarm.
    """
    member(state, STATES, "state")
    member(previous, STATES, "previous")
    data = None if reason_data is None else json_text(dict(reason_data), "reason_data must be JSON")
    now = present({"value": state, "reason": reason, "reasonData": data, "timestamp": alarm_time(at)})
    before: AlarmCondition = {
        "value": previous,
        "reason": "Unchecked: Initial alarm creation",
        "timestamp": alarm_time(at - timedelta(minutes=1)),
    }
    measured: dict[str, Any] = {"namespace": namespace, "name": metric, "dimensions": dict(dimensions or {})}
    watched = {
        "id": uuid_of(name, namespace, metric),
        "metricStat": {"metric": measured, "period": 60, "stat": "Average"},
        "returnData": True,
    }
    return {
        "source": "aws.cloudwatch",
        "alarmArn": arn_of("cloudwatch", f"alarm:{name}", account=account, region=region),
        "accountId": account,
        "time": alarm_time(at),
        "region": region,
        "alarmData": {
            "alarmName": name,
            "state": cast("AlarmCondition", now),
            "previousState": before,
            "configuration": cast("AlarmConfiguration", present({"description": description, "metrics": [watched]})),
        },
    }


def alarm_time(at: datetime) -> str:
    """As CloudWatch writes it: 2026-01-01T00:00:00.000+0000."""
    milliseconds(at)
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")
