"""EventBridge and Scheduler: whatever their models allow to be asked is answered, or refused with a ServiceError."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decouple.aws import Call, ServiceError, World
from decouple.aws.events import EVENTS
from decouple.aws.model import Shape
from decouple.aws.scheduler import SCHEDULER
from decouple.aws.service import Service
from decouple.testing import VirtualClock

ACCOUNT = "123456789012"
WORDS = [
    "a", "default", "shop", "a/b", "", "x" * 70, "\ud800", "aws.events", "aws.shop", "$.detail", "$.detail[0]", "$[", "<a>",
    '{"a": <a>}', '{"source": ["shop"]}', '{"source": [{"wildcard": "*"}]}', "{}", "[]", "{", "null", '{"a": "\\ud800"}',
    "rate(1 minute)", "rate(5 minutes)", "rate(9999999999999999 days)", "cron(0 9 ? * MON *)", "cron(0 9 1 * ? 1999)",
    "at(2026-01-01T00:00:05)", "at(2026-03-29T02:30:00)", "UTC", "Europe/Berlin", "Mars", "..", "/etc/passwd",
    f"arn:aws:sqs:us-east-1:{ACCOUNT}:q", f"arn:aws:sqs:us-east-1:{ACCOUNT}:q.fifo", "arn:aws:sqs:::", "arn:::::", "arn:",
    f"arn:aws:sns:us-east-1:{ACCOUNT}:t", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f", "arn:aws:lambda:a:b:function",
    f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default", f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/shop",
    f"arn:aws:events:us-east-1:{ACCOUNT}:rule/a", "arn:aws:events:x", "arn:aws:iam::123456789012:role/r",
    f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule-group/a", "YQ==", "DISABLED",
]  # fmt: skip
JAVA = r"\p{L}\p{Z}\p{N}_"
MOMENTS = [
    datetime.min,
    datetime(2026, 1, 1),
    datetime(2026, 1, 2, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, tzinfo=UTC),
]


@cache
def values(shape: Shape, depth: int = 0) -> st.SearchStrategy[Any]:
    """What a parameter of that shape may be."""
    least, most = shape.raw.get("min", 0), shape.raw.get("max", 200)
    if shape.type == "structure":
        members = {name: values(member.shape, depth + 1) for name, member in shape.members.items()}
        required = {name: members[name] for name in shape.required}
        optional = {} if depth > 4 else {name: one for name, one in members.items() if name not in required}
        return st.fixed_dictionaries(required, optional=optional)
    if shape.type == "list":
        return st.lists(values(shape.element.shape, depth + 1), min_size=least, max_size=max(3, least))
    if shape.type == "map":
        return st.dictionaries(st.sampled_from(WORDS), values(shape.value.shape, depth + 1), max_size=2)
    if shape.type == "string":
        fits = re.compile(shape.raw.get("pattern", ".*").replace(JAVA, r"\w"), re.ASCII | re.DOTALL).fullmatch
        words = [word for word in shape.raw.get("enum", WORDS) if least <= len(word) <= most and fits(word)]
        return st.sampled_from(words or ["aws.partner/a/b"])
    return {
        "boolean": st.booleans(),
        "integer": st.integers(least, most),
        "timestamp": st.sampled_from(MOMENTS),
    }[shape.type]


@cache
def requests(service: Service) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    @cache
    def given_to(name: str) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
        shape = service.model.operations[name].input
        return st.tuples(st.just(name), st.just({}) if shape is None else values(shape))

    names = sorted(name for name, operation in service.operations.items() if operation.level != "refused")
    return st.sampled_from(names).flatmap(given_to)


@pytest.mark.parametrize("service", [EVENTS, SCHEDULER], ids=lambda service: service.name)
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_requests_are_answered_or_refused(service: Service, data: st.DataObject) -> None:
    clock = VirtualClock()
    world = World(clock=clock, account=ACCOUNT)
    broker = world.broker()
    broker.queue("q")
    broker.topic("t").subscribe(broker.queues["q"])
    broker.function(lambda event, context: None, name="f")
    call = Call(world.place(), f"arn:aws:iam::{ACCOUNT}:root", service.model.protocol)

    for name, parameters in data.draw(st.lists(requests(service), min_size=1, max_size=6)):
        try:
            answer = service.perform(call, name, parameters)
        except ServiceError as error:
            answer, known = {error.code: error.message}, {error.code}
        else:
            shape = service.model.operations[name].output
            known = set(shape.members) if shape else set()
        assert answer.keys() <= known
        clock.advance(90)
        broker.run_until_idle(errors="collect")

    world.check()
    world.close()
