"""A live function is changed: its settings, and what it runs. And a run that tells how it ended."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from decouple import Broker, FunctionTimedOut, Throttled
from decouple.testing import VirtualClock


def echo(event: Any, context: Any) -> Any:
    return event


def shout(event: Any, context: Any) -> Any:
    return event.upper()


async def whisper(event: Any, context: Any) -> Any:
    return event.lower()


def test_settings_are_told_as_they_were_given_times_in_seconds(broker: Broker) -> None:
    bad = broker.queue("bad")

    function = broker.function(echo, timeout=0.5, retries=1, max_age=90, on_failure=bad, concurrency=3)

    assert function.settings == {
        "timeout": 0.5,
        "memory": 128,
        "concurrency": 3,
        "retries": 1,
        "max_age": 90,
        "on_success": None,
        "on_failure": bad,
        "dead_letter": None,
        "isolation": "thread",
        "on_init": None,
        "recursion": "stop",
    }


def test_what_is_given_is_changed_and_the_rest_stays(broker: Broker) -> None:
    function = broker.function(echo, timeout=9, retries=1)

    function.configure(timeout=20, memory=256)

    assert (function.timeout, function.memory, function.settings["retries"]) == (20, 256, 1)
    assert function.handler is echo


def test_a_wrong_setting_changes_nothing(broker: Broker) -> None:
    function = broker.function(echo)

    with pytest.raises(ValueError, match="retries"):
        function.configure(shout, timeout=20, retries=3)
    with pytest.raises(TypeError, match="'colour' is not a setting"):
        function.configure(colour="red")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="callable"):
        function.configure("shout")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="function 'echo' stays plain"):
        function.configure(whisper)

    assert (function.timeout, function.handler) == (3, echo)


def test_another_handler_is_begun_cold_and_another_timeout_is_not(broker: Broker) -> None:
    function = broker.function(echo, name="f")
    assert function.invoke("a") == "a"

    function.configure(timeout=20)
    assert function.invoke("a") == "a"
    assert (function.stats().cold_starts, function.stats().warm_starts) == (1, 1)

    function.configure(shout)
    assert function.invoke("a") == "A"
    assert function.stats().cold_starts == 2


def test_a_run_under_way_ends_as_it_began_and_its_environment_is_not_used_again(broker: Broker) -> None:
    function = broker.function(echo, name="f")
    outcomes: list[Any] = []
    invocation = function.begin("a", outcomes.append)

    function.configure(memory=256)
    invocation.run()

    assert [one.result for one in outcomes] == ["a"]
    assert function.invoke("b") == "b"
    assert (function.stats().cold_starts, function.stats().warm_starts) == (2, 0)


def test_more_concurrency_makes_room_at_once_for_who_waits_for_it(broker: Broker, clock: VirtualClock) -> None:
    queue, seen = broker.queue("orders"), []
    function = broker.function(lambda event, context: seen.append(len(event["Records"])), name="f", concurrency=0)
    queue.trigger(function)
    queue.send("one")
    broker.run_until_idle()
    assert seen == []

    function.configure(concurrency=1)
    broker.run_until_idle()

    assert seen == [1]


def test_a_function_that_may_run_again_takes_its_events(broker: Broker) -> None:
    function = broker.function(echo, name="f", concurrency=0)
    with pytest.raises(Throttled):
        function.invoke()

    function.configure(concurrency=None)

    assert function.invoke(1) == 1


def test_an_event_may_have_an_id_of_its_senders(broker: Broker) -> None:
    seen: list[str] = []
    function = broker.function(lambda event, context: seen.append(context.aws_request_id), name="f")

    assert function.send(1, request_id="r-1") == "r-1"
    broker.run_until_idle()

    assert seen == ["r-1"]


# -- attempt -----------------------------------------------------------------------------------------------------------


def test_an_attempt_tells_how_it_ended_with_the_id_and_the_client_it_was_given(
    broker: Broker, clock: VirtualClock
) -> None:
    def look(event: Any, context: Any) -> Any:
        clock.advance(1.5)
        return [context.aws_request_id, context.client_context.custom, context.client_context.env]

    function = broker.function(look)

    outcome = function.attempt({}, request_id="r-1", client_context={"custom": {"a": 1}})

    assert outcome == (["r-1", {"a": 1}, None], None, 1.5)


def test_an_attempt_that_failed_raises_nothing(broker: Broker, clock: VirtualClock) -> None:
    def fail(event: Any, context: Any) -> None:
        assert context.client_context is None
        clock.advance(event)
        raise LookupError("no luck")

    function = broker.function(fail)

    assert repr(function.attempt(0).error) == "LookupError('no luck')"
    late = function.attempt(10, request_id="r-2").error
    assert isinstance(late, FunctionTimedOut)
    assert late.request_id == "r-2"


def test_an_attempt_that_may_not_begin_raises(broker: Broker) -> None:
    function = broker.function(echo, concurrency=0)

    with pytest.raises(Throttled):
        function.attempt(1)


def test_a_task_awaits_an_attempt(broker: Broker) -> None:
    function = broker.function(whisper)

    outcome = asyncio.run(function.aio.attempt("A", request_id="r-3", client_context={}))

    assert (outcome.result, outcome.error) == ("a", None)


# -- triggers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"batch_size": 20, "batch_window": 1.5, "partial_failures": False, "scaling": "aws", "max_concurrency": 7},
        {"pollers": (2, 9), "filter": {"body": ["a"]}},
    ],
    ids=["defaults", "scaling", "pollers"],
)
def test_a_queue_tells_its_triggers_and_they_their_settings(broker: Broker, given: dict[str, Any]) -> None:
    queue = broker.queue("orders")
    assert queue.triggers == {}

    trigger = queue.trigger(broker.function(echo), **given)

    assert queue.triggers == {"echo": trigger}
    told = trigger.settings
    expected = json.loads(json.dumps(given))
    expected["filter"] = [expected["filter"]] if "filter" in expected else None
    assert {name: told[name] for name in given if name != "pollers"} | {"filter": told["filter"]} == {
        name: value for name, value in expected.items() if name != "pollers"
    }
    assert told["pollers"] == given.get("pollers")
    trigger.close()
    assert queue.triggers == {}
