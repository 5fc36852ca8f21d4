"""decouple's own pages: health, queues, numbers, the clock, a new beginning; and who may not use them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from asgi_client import Answer, Client, living

from decouple import Broker, VirtualClock
from decouple.aws import World
from decouple.aws.endpoint import asgi
from decouple.aws.endpoint.control import LOCAL_NAMES

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def world() -> Iterator[World]:
    world = World(clock=VirtualClock(START))
    yield world
    world.close(0)


@pytest.fixture
def client(world: World) -> Client:
    return Client(asgi(world, hosts=LOCAL_NAMES))


def ask(client: Client, method: str, target: str, document: Any = None, **headers: str) -> Answer:
    body = b"" if document is None else json.dumps(document).encode()
    return asyncio.run(client(method, target, body, headers=headers))


# -- pages -----------------------------------------------------------------------------------------------------------


def test_the_first_page_says_what_this_is(client: Client, world: World) -> None:
    world.broker().queue("orders")

    page = ask(client, "GET", "/")

    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"decouple" in page.body
    assert b"arn:aws:sqs:us-east-1:000000000000:orders" in page.body


def test_scripts_that_wait_for_the_server_ask_for_its_health(client: Client) -> None:
    health = ask(client, "GET", "/_decouple/health").json()

    assert (health["status"], health["clock"]) == ("ok", "virtual")
    assert {"sqs", "sns", "lambda"} <= set(health["services"])


def test_scripts_that_wait_for_localstack_are_answered_as_they_expect(client: Client) -> None:
    assert ask(client, "GET", "/_localstack/health").json()["services"]["sqs"] == "running"


def test_a_queue_shows_its_numbers_and_its_next_messages_and_keeps_them(client: Client, world: World) -> None:
    queue = world.broker().queue("orders")
    sent = queue.send("order 7", attributes={"kind": "tea", "seal": b"\x00\x01"})
    queue.send("order 8")

    shown = ask(client, "GET", "/_decouple/queues/orders?n=1").json()

    assert (shown["arn"], shown["stats"]["visible"]) == ("arn:aws:sqs:us-east-1:000000000000:orders", 2)
    [message] = shown["messages"]
    assert (message["id"], message["body"]) == (sent.id, "order 7")
    assert message["attributes"] == {"kind": "tea", "seal": "AAE="}
    assert (message["sent_at"], message["receive_count"]) == ("2026-01-01T00:00:00+00:00", 0)
    assert queue.stats().visible == 2


def test_all_queues_of_all_accounts_and_regions_are_listed(client: Client, world: World) -> None:
    world.broker().queue("orders")
    world.broker("111122223333", "eu-central-1").queue("bills.fifo", fifo=True)

    listed = ask(client, "GET", "/_decouple/queues").json()["queues"]

    assert [one["name"] for one in listed] == ["orders", "bills.fifo"]
    target = "/_decouple/queues/bills.fifo?account=111122223333&region=eu-central-1"
    assert ask(client, "GET", target).json()["arn"] == "arn:aws:sqs:eu-central-1:111122223333:bills.fifo"


def test_numbers_are_of_queues_topics_and_functions(client: Client, world: World) -> None:
    broker = world.broker()
    queue, topic, function = broker.queue("orders"), broker.topic("news"), broker.function(print, name="show")

    numbers = ask(client, "GET", "/_decouple/stats").json()

    assert [*numbers["queues"]] == [queue.arn]
    assert [*numbers["topics"]] == [topic.arn]
    assert numbers["functions"][function.arn]["invocations"] == 0


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/_decouple/nothing", 404),
        ("GET", "/_decouple/queues/nobody", 404),
        ("GET", "/_decouple/queues/orders?account=999999999999", 404),
        ("GET", "/_decouple/queues/orders?n=many", 400),
        ("GET", "/_decouple/queues/orders?n=99999999", 400),
        ("DELETE", "/_decouple/queues/orders", 405),
        ("GET", "/_decouple/reset", 405),
        ("PUT", "/_decouple/clock", 405),
        ("GET", "/_localstack/init", 404),
        ("GET", "/favicon.ico", 404),
    ],
)
def test_what_is_asked_wrongly_is_a_plain_4xx(
    client: Client, world: World, method: str, target: str, status: int
) -> None:
    world.broker().queue("orders")

    answer = ask(client, method, target)

    assert (answer.status, [*answer.json()]) == (status, ["error"])


# -- the clock -------------------------------------------------------------------------------------------------------


def test_time_is_moved_by_so_many_seconds_or_to_an_instant(client: Client) -> None:
    assert ask(client, "GET", "/_decouple/clock").json()["now"] == "2026-01-01T00:00:00+00:00"

    moved = ask(client, "POST", "/_decouple/clock", {"advance": 30.5}).json()
    assert moved == {"now": "2026-01-01T00:00:30.500000+00:00", "epoch": START.timestamp() + 30.5, "virtual": True}

    moved = ask(client, "POST", "/_decouple/clock", {"to": "2026-01-02T01:00:00+01:00"}).json()
    assert moved["now"] == "2026-01-02T00:00:00+00:00"


def test_what_falls_due_has_happened_when_the_answer_comes(client: Client, world: World) -> None:
    queue, done = world.broker().queue("orders", visibility_timeout=30), list[object]()
    queue.send("order 7")
    queue.receive()
    world.broker().function(lambda event, context: done.append(event), name="note").send("later")

    ask(client, "POST", "/_decouple/clock", {"advance": 30})

    assert (queue.stats().visible, done) == (1, ["later"])


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"advance": -1},
        {"advance": "30"},
        {"advance": True},
        {"advance": 1e300},
        {"advance": 1, "to": "2026-01-02T00:00:00Z"},
        {"to": "2025-12-31T00:00:00Z"},
        {"to": "2026-01-02T00:00:00"},
        {"to": "tomorrow"},
        {"to": 7},
        {"back": 30},
    ],
    ids=str,
)
def test_a_move_that_makes_no_sense_leaves_time_where_it_is(client: Client, document: Any) -> None:
    answer = ask(client, "POST", "/_decouple/clock", document)

    assert (answer.status, [*answer.json()]) == (400, ["error"])
    assert ask(client, "GET", "/_decouple/clock").json()["now"] == "2026-01-01T00:00:00+00:00"


def test_real_time_cannot_be_moved() -> None:
    answer = ask(Client(asgi()), "POST", "/_decouple/clock", {"advance": 30})

    assert answer.status == 409
    assert "--virtual-clock" in answer.json()["error"]


def test_errors_of_work_that_was_due_do_not_reach_who_moves_the_clock(client: Client, world: World) -> None:
    def fail(event: object, context: object) -> None:
        raise RuntimeError("boom")

    world.broker().function(fail, name="fail").send("now")

    assert ask(client, "POST", "/_decouple/clock", {"advance": 1}).status == 200


def test_work_may_call_the_server_that_does_it(client: Client, world: World) -> None:
    """A Lambda function or a web endpoint that does so is answered while it is at work."""

    async def main() -> None:
        async with living(client.app):
            loop, seen = asyncio.get_running_loop(), list[int]()

            def call_back(event: object, context: object) -> None:
                calling = asyncio.run_coroutine_threadsafe(client("GET", "/_decouple/health"), loop)
                seen.append(calling.result(timeout=10).status)

            world.broker().function(call_back, name="back").send("now")
            await client("POST", "/_decouple/clock", b'{"advance": 1}')
            assert seen == [200]

    asyncio.run(main())


# -- to begin anew ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/_decouple/reset", "/moto-api/reset"])
def test_a_reset_leaves_what_was_there_at_the_start(path: str) -> None:
    client = Client(asgi(World(), declare=lambda world: world.broker().queue("orders")))
    client.app.world.broker().queue("orders").send("order 7")
    client.app.world.broker().queue("later")

    assert ask(client, "POST", path).status == 200

    assert [*client.app.world.broker().queues] == ["orders"]
    assert client.app.world.broker().queue("orders").stats().visible == 0


def test_after_a_reset_the_server_goes_on() -> None:
    async def main() -> None:
        client, done = Client(asgi()), list[object]()
        async with living(client.app):
            await client("POST", "/_decouple/reset")
            broker = client.app.world.broker()
            broker.function(lambda event, context: done.append(event), name="note").send("again")
            await asyncio.to_thread(broker.run_until_idle)
        assert done == ["again"]

    asyncio.run(main())


def test_a_reset_does_not_close_a_broker_of_the_applications_own() -> None:
    broker = Broker()
    orders = broker.queue("orders")

    answer = ask(Client(asgi(broker)), "POST", "/_decouple/reset")

    assert (answer.status, "the application's own" in answer.json()["error"]) == (409, True)
    assert orders.send("order 7").id
    with pytest.raises(RuntimeError, match="made around a broker"):
        World.around(broker).reset()


# -- who may not -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["http://evil.example", "http://localhost:9999", "null", "http://[::"])
@pytest.mark.parametrize("target", ["/_decouple/reset", "/", "/000000000000/orders"])
def test_a_web_page_from_elsewhere_may_drive_nothing(client: Client, origin: str, target: str) -> None:
    """Cross-site request forgery: its browser says where it is from."""
    answer = ask(client, "POST", target, {}, origin=origin)

    assert (answer.status, [*answer.json()]) == (403, ["error"])


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_name_that_was_made_to_lead_here_is_not_answered(client: Client, method: str) -> None:
    """DNS rebinding: the page's own name resolves to 127.0.0.1."""
    target = "/_decouple/queues" if method == "GET" else "/_decouple/reset"
    headers = {"host": "evil.example:4566", "origin": "http://evil.example:4566"}

    assert ask(client, method, target, **headers).status == 403
    assert ask(client, method, target, host="evil.example:4566").status == 403


LIST = "/?Action=ListQueues&Version=2012-11-05"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("mode", ["no-cors", "navigate"])
def test_an_image_or_a_form_of_another_site_does_nothing(client: Client, world: World, site: str, mode: str) -> None:
    """A GET has no Origin, but browsers say in Sec-Fetch-Site whence it is."""
    headers = {"sec-fetch-site": site, "sec-fetch-mode": mode}
    create = "/?Action=CreateQueue&QueueName=theirs&Version=2012-11-05"

    assert ask(client, "GET", create, **headers).status == 403
    assert not world.broker().queues


@pytest.mark.parametrize("target", ["/", "/_decouple/queues", "/?Action=Unsubscribe&SubscriptionArn=x"])
def test_people_may_follow_a_link_from_anywhere(client: Client, target: str) -> None:
    headers = {"host": "localhost:4566", "sec-fetch-site": "cross-site", "accept-language": "en"}

    assert ask(client, "GET", target, **headers, **{"sec-fetch-mode": "navigate"}).status != 403
    assert ask(client, "GET", target, **headers, **{"sec-fetch-mode": "no-cors"}).status == 403


def test_what_a_browser_asks_of_a_name_that_was_made_to_lead_here_is_not_answered(client: Client) -> None:
    """A GET of the page's own origin has neither Origin nor, where it is not secure, Sec-Fetch-Site."""
    host = "evil.example:4566"

    assert ask(client, "GET", LIST, **{"host": host, "accept-language": "en-GB"}).status == 403
    assert ask(client, "GET", LIST, **{"host": host, "accept-language": "*"}).status == 200
    assert ask(client, "GET", LIST, host=host).status == 200


@pytest.mark.parametrize(
    "host", ["localhost:4566", "127.0.0.1", "[::1]:4566", "LOCALHOST.", "sqs.us-east-1.localhost.localstack.cloud:4566"]
)
def test_its_own_pages_may(client: Client, host: str) -> None:
    assert ask(client, "POST", "/_decouple/reset", host=host, origin=f"http://{host}").status == 200


def test_a_server_that_was_told_its_address_answers_to_any_name() -> None:
    assert ask(Client(asgi()), "GET", "/_decouple/queues", host="decouple.test.svc:4566").status == 200


@pytest.mark.parametrize(("address", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.0.2.7", 403)])
def test_where_signatures_are_checked_the_pages_are_for_this_machine(address: str, status: int) -> None:
    client = Client(asgi(World(), verify={"AKIDEXAMPLE": "secret"}), address=address)

    assert ask(client, "GET", "/_decouple/queues").status == status
    assert ask(client, "POST", "/_decouple/reset").status == status
