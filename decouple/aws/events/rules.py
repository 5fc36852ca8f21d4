"""Rules: a pattern that events are compared with, a schedule on the default bus, or both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from decouple.aws.events import EVENTS
from decouple.aws.events.bus import DEFAULT, Rule, now_of
from decouple.aws.events.naming import bus_of, known_bus, rule_of
from decouple.aws.events.tagging import tags_given
from decouple.aws.paging import page_by_name
from decouple.core.event_patterns import read_rule_pattern
from decouple.core.fields import refused
from decouple.core.schedule import At, Rate, parse
from decouple.errors import InvalidFilter, InvalidSchedule

if TYPE_CHECKING:
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call
    from decouple.core.filters import Filter

__all__ = ["SCHEDULES", "forget"]

SCHEDULES = "aws.events"
"""The group of broker.schedules in which those of rules are."""
ID = "<aws.scheduler.execution-id>"
TIME = "<aws.scheduler.scheduled-time>"
KEPT = ("EventPattern", "ScheduleExpression", "Description", "RoleArn")


# -- one rule --------------------------------------------------------------------------------------------------------


@EVENTS.operation("PutRule", note="RoleArn is kept, without effect")
def put_rule(call: Call, given: Given) -> Answer:
    """What is not given again is gone; only tags and targets stay."""
    text, expression = given.get("EventPattern") or None, given.get("ScheduleExpression") or None
    if text is None and expression is None:
        text = "Parameter(s) EventPattern or ScheduleExpression must be specified."
        raise EVENTS.error("ValidationException", text)
    bus = bus_of(call, given.get("EventBusName"))
    pattern = None if text is None else pattern_of(text)
    if expression is not None:
        check_expression(expression, bus.name)
    made = Rule(bus, given["Name"], {}, now_of(call.place), tags=tags_given(given))
    rule = bus.rules.setdefault(made.name, made)
    if rule.given.get("ScheduleExpression") != expression:
        rule.since = made.since
    rule.given = {key: given[key] for key in KEPT if given.get(key)} | {"State": given.get("State") or "ENABLED"}
    rule.pattern = pattern
    keep_time(rule)
    return {"RuleArn": rule.arn}


def pattern_of(text: str) -> Filter:
    try:
        return read_rule_pattern(text)
    except InvalidFilter as error:
        text = f"Event pattern is not valid. Reason: {error.reason}"
        raise EVENTS.error("InvalidEventPatternException", text) from error


def check_expression(expression: str, bus: str) -> None:
    if bus != DEFAULT:
        raise EVENTS.error("ValidationException", "ScheduleExpression is supported only on the default event bus.")
    try:
        once = isinstance(parse(expression), At)
    except InvalidSchedule:
        once = True
    if once:
        raise EVENTS.error("ValidationException", "Parameter ScheduleExpression is not valid.")


@EVENTS.operation("DeleteRule")
def delete_rule(call: Call, given: Given) -> Answer:
    """A rule that is not there is no error."""
    bus = known_bus(call, given.get("EventBusName"))
    rule = None if bus is None else bus.rules.get(given["Name"])
    if rule is None:
        return {}
    if rule.targets:
        raise EVENTS.error("ValidationException", "Rule can't be deleted since it has targets.")
    forget(rule)
    return {}


def forget(rule: Rule) -> None:
    """End it."""
    rule.bus.rules.pop(rule.name, None)
    rule.given["State"] = "DISABLED"
    keep_time(rule)


@EVENTS.operation("EnableRule")
def enable_rule(call: Call, given: Given) -> Answer:
    return switch(call, given, "ENABLED")


@EVENTS.operation("DisableRule")
def disable_rule(call: Call, given: Given) -> Answer:
    return switch(call, given, "DISABLED")


def switch(call: Call, given: Given, state: str) -> Answer:
    rule = rule_of(call, given, given["Name"])
    if rule.given["State"] != state:
        rule.given["State"] = state
        keep_time(rule)
    return {}


@EVENTS.operation("DescribeRule")
def describe_rule(call: Call, given: Given) -> Answer:
    rule = rule_of(call, given, given["Name"])
    return {**shown(rule), "CreatedBy": call.account}


def shown(rule: Rule) -> Answer:
    return {"Name": rule.name, "Arn": rule.arn, **rule.given, "EventBusName": rule.bus.name}


# -- its schedule ----------------------------------------------------------------------------------------------------


def keep_time(rule: Rule) -> None:
    """See that the broker has the schedule of the rule as it is now, and no other."""
    if rule.schedule is not None:
        rule.schedule.close()
        rule.schedule = None
    expression: str | None = rule.given.get("ScheduleExpression")
    if expression is None or not rule.enabled:
        return
    broker, name = rule.bus.place.broker, f"{SCHEDULES}/{rule.name}"
    payload = {"id": ID, "time": TIME}
    # A rate counts from when the rule was made, where there were no targets yet, so it is first due a period later.
    with suppress(InvalidSchedule, OverflowError):  # it is right, and never due any more
        start = rule.since + period_of(expression)
        rule.schedule = broker.schedule(expression, Tick(rule), payload=payload, name=name, start=start)


def period_of(expression: str) -> timedelta:
    read = parse(expression)
    return timedelta(microseconds=read.period // 1_000) if isinstance(read, Rate) else timedelta(0)


class Tick:
    """What the broker calls when a rule is due."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.arn = rule.arn

    def __call__(self, due: Mapping[str, str]) -> None:
        place = self.rule.bus.place
        self.rule.deliver(
            {
                "version": "0",
                "id": due["id"],
                "detail-type": "Scheduled Event",
                "source": "aws.events",
                "account": place.account,
                "time": due["time"],
                "region": place.region,
                "resources": [self.rule.arn],
                "detail": {},
            }
        )


# -- lists -----------------------------------------------------------------------------------------------------------


@EVENTS.operation("ListRules")
def list_rules(call: Call, given: Given) -> Answer:
    prefix = given.get("NamePrefix") or ""
    bus = bus_of(call, given.get("EventBusName"))
    rules = {name: rule for name, rule in list(bus.rules.items()) if name.startswith(prefix)}
    some = page_by_name(EVENTS, rules, limit=given.get("Limit"), token=given.get("NextToken"))
    return {"Rules": [shown(rule) for rule in some.items], **some.more}


@EVENTS.operation("ListRuleNamesByTarget")
def list_rule_names_by_target(call: Call, given: Given) -> Answer:
    arn: str = given["TargetArn"]
    bus = bus_of(call, given.get("EventBusName"))
    names = {
        name: name
        for name, rule in list(bus.rules.items())
        if any(target["Arn"] == arn for target in list(rule.targets.values()))
    }
    some = page_by_name(EVENTS, names, limit=given.get("Limit"), token=given.get("NextToken"))
    return {"RuleNames": some.items, **some.more}


# -- a pattern alone -------------------------------------------------------------------------------------------------


@EVENTS.operation("TestEventPattern")
def test_event_pattern(call: Call, given: Given) -> Answer:
    pattern = pattern_of(given["EventPattern"])
    try:
        event: Any = json.loads(given["Event"], parse_constant=refused)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise EVENTS.error("ValidationException", "Parameter Event is not valid.")
    return {"Result": pattern.matches(event)}
