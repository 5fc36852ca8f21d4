"""The server's pages for tests: stories of what was recorded, faults that are set while it runs, and whether all holds."""

from __future__ import annotations

import asyncio
import html
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asgi_client import Answer, Client

from decouple import Broker, Recording, VirtualClock
from decouple.aws import World
from decouple.aws.endpoint import asgi
from decouple.aws.endpoint.control import LOCAL_NAMES
from decouple.cli import endpoint_of, main, parser_of, planned
from decouple.testing import Fault, Faults

START = datetime(2026, 1, 1, tzinfo=UTC)
URL = "http://localhost:4566/000000000000/orders"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def world() -> Iterator[World]:
    world = World(clock=VirtualClock(START), record=1_000)
    world.broker().queue("orders")
    yield world
    world.close(0)


@pytest.fixture
def client(world: World) -> Client:
    return Client(asgi(world, hosts=LOCAL_NAMES))


def ask(client: Client, method: str, target: str, document: Any = None, **headers: str) -> Answer:
    body = b"" if document is None else document if isinstance(document, bytes) else json.dumps(document).encode()
    return asyncio.run(client(method, target, body, headers=headers))


def call(client: Client, operation: str, **given: Any) -> Any:
    answer = asyncio.run(client.sqs(operation, QueueUrl=URL, **given))
    assert answer.status == 200
    return answer.json() if answer.body else {}


# -- stories ---------------------------------------------------------------------------------------------------------


def test_a_story_is_a_page_for_people(client: Client) -> None:
    sent = call(client, "SendMessage", MessageBody="order <b>7</b>")

    page = ask(client, "GET", f"/_decouple/messages/{sent['MessageId']}", accept=BROWSER)

    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "arn:aws:iam::000000000000:root (sqs:SendMessage)" in page.body.decode()
    assert b"order &lt;b&gt;7" in page.body
    assert b"<b>7" not in page.body
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("ending", "accept", "kind"),
    [
        ("", "", "text/html; charset=utf-8"),
        ("", "*/*", "text/html; charset=utf-8"),
        ("", "application/json", "application/json"),
        ("", "text/plain;q=0.9, text/html", "text/plain; charset=utf-8"),
        (".json", BROWSER, "application/json"),
        (".txt", BROWSER, "text/plain; charset=utf-8"),
        (".html", "application/json", "text/html; charset=utf-8"),
    ],
)
def test_a_story_comes_in_the_form_that_was_asked_for(client: Client, ending: str, accept: str, kind: str) -> None:
    id = call(client, "SendMessage", MessageBody="order 7")["MessageId"]

    answer = ask(client, "GET", f"/_decouple/messages/{id}{ending}", **({"accept": accept} if accept else {}))

    assert (answer.status, answer.headers["content-type"]) == (200, kind)
    if kind == "application/json":
        assert [change["cause"] for change in answer.json()["changes"]] == ["sent"]
    if kind.startswith("text/plain"):
        assert answer.body.startswith(f"message {id}: 'order 7'".encode())


def test_the_id_of_a_request_leads_to_its_message(client: Client) -> None:
    answer = asyncio.run(client.sqs("SendMessage", QueueUrl=URL, MessageBody="order 7"))

    story = ask(client, "GET", f"/_decouple/messages/{answer.headers['x-amzn-requestid']}.json").json()

    assert story["id"] == answer.json()["MessageId"]


def test_a_long_poll_over_http_is_known_by_its_principal_and_operation() -> None:
    world = World(record=100)
    world.broker().queue("orders")
    client = Client(asgi(world))

    async def main() -> None:
        poll = asyncio.create_task(client.sqs("ReceiveMessage", QueueUrl=URL, WaitTimeSeconds=20))
        while not world.broker().queues["orders"].stats().parked:
            await asyncio.sleep(0)
        await client.sqs("SendMessage", QueueUrl=URL, MessageBody="order 7")
        await poll

    asyncio.run(main())

    who = [change.who for change in world.recording().changes]
    assert who == [f"arn:aws:iam::000000000000:root (sqs:{name})" for name in ("SendMessage", "ReceiveMessage")]
    world.close(0)


def test_the_messages_of_a_queue_lead_to_their_stories(client: Client) -> None:
    id = call(client, "SendMessage", MessageBody="order <7>")["MessageId"]

    [listed] = ask(client, "GET", "/_decouple/queues/orders").json()["messages"]
    page = ask(client, "GET", "/_decouple/queues/orders", accept=BROWSER)

    assert listed["story"] == f"/_decouple/messages/{id}"
    assert f'<a href="/_decouple/messages/{id}">{id}</a>' in page.body.decode()
    assert b"<code>order &lt;7&gt;</code>" in page.body
    assert ask(client, "GET", listed["story"]).status == 200


def test_messages_that_are_gone_are_listed_too_the_newest_first(client: Client, world: World) -> None:
    first, second = (call(client, "SendMessage", MessageBody=body)["MessageId"] for body in ("1", "2"))
    [message] = call(client, "ReceiveMessage")["Messages"]
    call(client, "DeleteMessage", ReceiptHandle=message["ReceiptHandle"])
    far = world.broker("111122223333", "eu-central-1").queue("orders").send("3")

    listed = ask(client, "GET", "/_decouple/messages").json()["messages"]
    page = ask(client, "GET", "/_decouple/messages", accept=BROWSER).body.decode()

    assert [one["id"] for one in listed] == [far.id, first, second]
    assert [one["what"] for one in listed] == ["sent", "deleted", "sent"]
    assert listed[0]["where"] == "queue arn:aws:sqs:eu-central-1:111122223333:orders"
    assert [page.index(f'href="{one["story"]}"') for one in listed] == sorted(
        page.index(f'href="{one["story"]}"') for one in listed
    )
    assert len(ask(client, "GET", "/_decouple/messages?n=1").json()["messages"]) == 1


def test_the_first_page_leads_to_queues_messages_and_the_recording(client: Client, world: World) -> None:
    world.broker("111122223333", "eu-central-1").queue("bills")

    page = html.unescape(ask(client, "GET", "/", accept=BROWSER).body.decode())

    target = "/_decouple/queues/bills?account=111122223333&region=eu-central-1"
    for link in (target, "/_decouple/messages", "/_decouple/recording", "/_decouple/faults", "/_decouple/check"):
        assert f'href="{link}"' in page
        assert ask(client, "GET", link).status == 200


def test_a_recording_is_a_file_to_download(client: Client, tmp_path: Path) -> None:
    id = call(client, "SendMessage", MessageBody="order 7")["MessageId"]

    answer = ask(client, "GET", "/_decouple/recording")

    assert answer.headers["content-disposition"] == 'attachment; filename="decouple-recording.jsonl"'
    file = tmp_path / "run.jsonl"
    file.write_bytes(answer.body)
    assert Recording.load(file).explain(id).text == "order 7"


@pytest.mark.parametrize("path", ["messages", "messages/m-81", "messages/m-81.json", "recording"])
def test_where_nothing_is_recorded_there_is_one_sentence_on_how(path: str) -> None:
    answer = ask(Client(asgi()), "GET", f"/_decouple/{path}")

    assert answer.status == 409
    assert "nothing is recorded: serve with --record 100000" in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/_decouple/messages/m-81", 404),
        ("GET", "/_decouple/messages/", 200),
        ("GET", "/_decouple/messages/%00%ff..%2f", 404),
        ("GET", "/_decouple/messages?n=many", 400),
        ("POST", "/_decouple/messages/m-81", 405),
        ("DELETE", "/_decouple/recording", 405),
        ("PUT", "/_decouple/faults", 405),
        ("POST", "/_decouple/check", 405),
    ],
)
def test_what_is_not_there_is_a_plain_error(client: Client, method: str, target: str, status: int) -> None:
    answer = ask(client, method, target)

    assert answer.status == status
    assert status == 200 or answer.json()["error"]


def test_after_a_reset_older_messages_have_no_story(client: Client) -> None:
    id = call(client, "SendMessage", MessageBody="order 7")["MessageId"]

    ask(client, "POST", "/_decouple/reset")

    assert ask(client, "GET", f"/_decouple/messages/{id}").status == 404
    assert ask(client, "GET", "/_decouple/messages").json() == {"messages": []}


# -- faults ----------------------------------------------------------------------------------------------------------


def test_faults_are_set_and_ended_while_the_server_runs(client: Client) -> None:
    assert ask(client, "GET", "/_decouple/faults").json() == {"faults": {}, "seed": None, "struck": {}}

    twice = {"faults": {"duplicate": {"seconds": 0}}, "seed": 7}
    shown = ask(client, "POST", "/_decouple/faults", twice).json()
    call(client, "SendMessage", MessageBody="order 7")

    assert shown == {"faults": {"duplicate": {"seconds": [0, 0]}}, "seed": 7, "struck": {}}
    assert ask(client, "GET", "/_decouple/faults").json()["struck"] == {"duplicate": 1}
    assert len(call(client, "ReceiveMessage", MaxNumberOfMessages=10)["Messages"]) == 2

    ask(client, "POST", "/_decouple/faults", {"faults": {}})
    call(client, "SendMessage", MessageBody="order 8")
    assert len(call(client, "ReceiveMessage", MaxNumberOfMessages=10)["Messages"]) == 1
    assert ask(client, "GET", "/_decouple/faults").json()["struck"] == {}


@pytest.mark.parametrize(
    "faults",
    [
        {"duplicate": 0.1, "lose_ack": 1.0, "short_poll": 0.5},
        {"duplicate": {"rate": 0.5, "nth": [1, 3], "on": ["dead", "orders"]}},
        {"delay": {"seconds": [0.0, 2.5], "between": [10.0, None]}},
        {"delay": [{"nth": [1]}, {"between": [None, "2026-01-01T01:00:00+00:00"]}]},
        {"crash": {"at": ["before ack"]}},
        {"short_poll": {"nth": [2], "share": 0.25}},
    ],
)
def test_a_plan_is_shown_as_it_was_given(client: Client, faults: dict[str, Any]) -> None:
    shown = ask(client, "POST", "/_decouple/faults", {"faults": faults, "seed": 3}).json()

    assert (shown["faults"], shown["seed"]) == (faults, 3)
    assert ask(client, "POST", "/_decouple/faults", shown | {"struck": {}}).status == 400
    assert ask(client, "POST", "/_decouple/faults", {"faults": shown["faults"]}).json()["faults"] == faults


def test_faults_may_be_given_as_they_are_typed(client: Client) -> None:
    shown = ask(client, "POST", "/_decouple/faults", {"faults": "duplicate=0.1, lose_ack=0.05"}).json()

    assert shown["faults"] == {"duplicate": 0.1, "lose_ack": 0.05}


def test_a_predicate_that_a_program_gave_is_shown_by_its_name() -> None:
    def large(occasion: Any) -> bool:
        return False

    client = Client(asgi(World(clock=VirtualClock(START), faults=Faults(2, duplicate=Fault(when=large)))))

    [when] = ask(client, "GET", "/_decouple/faults").json()["faults"]["duplicate"].values()
    assert when.endswith("large")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the body must be JSON"),
        (b"[1]", "the body must be JSON"),
        (b"{}", "the body must be JSON"),
        ({"faults": 3}, "the body must be JSON"),
        ({"faults": {}, "more": 1}, "the body must be JSON"),
        ({"faults": {"flood": 0.1}}, "there is no fault 'flood'"),
        ({"faults": "flood=0.1"}, "there is no fault 'flood'"),
        ({"faults": {"duplicate": 1.5}}, "duplicate must be from 0 to 1"),
        ({"faults": {"duplicate": "often"}}, "duplicate must be"),
        ({"faults": {"duplicate": None}}, "duplicate must be"),
        ({"faults": {"duplicate": {"when": "always"}}}, "of duplicate there are"),
        ({"faults": {"duplicate": {"nth": 0}}}, "nth must be"),
        ({"faults": {"duplicate": {"nth": {"a": 1}}}}, "nth must be"),
        ({"faults": {"delay": {"seconds": "long"}}}, "seconds must be"),
        ({"faults": {"delay": {"seconds": [1, 2, 3]}}}, "seconds must be [from, to]"),
        ({"faults": {"delay": {"seconds": float("nan")}}}, "seconds must be"),
        ({"faults": {"delay": {"seconds": float("inf")}}}, "seconds must be"),
        ({"faults": {"delay": {"between": ["yesterday", None]}}}, "Invalid isoformat string: 'yesterday'"),
        ({"faults": {"delay": {"between": ["2026-01-01T00:00:00", None]}}}, "between takes aware datetimes"),
        ({"faults": {"crash": {"at": "lunch"}}}, "at must be of"),
        ({"faults": {}, "seed": "7"}, "seed must be an int"),
    ],
)
def test_what_is_no_plan_is_refused_and_changes_nothing(client: Client, body: Any, words: str) -> None:
    ask(client, "POST", "/_decouple/faults", {"faults": {"duplicate": 0.5}, "seed": 1})

    answer = ask(client, "POST", "/_decouple/faults", body)

    assert answer.status == 400
    assert answer.json()["error"].startswith(words)
    assert ask(client, "GET", "/_decouple/faults").json()["faults"] == {"duplicate": 0.5}


def test_a_web_page_from_elsewhere_sets_no_faults_and_reads_no_story(client: Client) -> None:
    id = call(client, "SendMessage", MessageBody="secret")["MessageId"]
    elsewhere = {"origin": "http://evil.example"}

    for method, target in [
        ("POST", "/_decouple/faults"),
        ("GET", f"/_decouple/messages/{id}"),
        ("GET", "/_decouple/recording"),
    ]:
        assert ask(client, method, target, {"faults": {"duplicate": 1}}, **elsewhere).status == 403
        assert ask(client, method, target, {"faults": {"duplicate": 1}}, host="evil.example:4566").status == 403
    assert ask(client, "GET", "/_decouple/faults").json()["faults"] == {}


def test_faults_strike_the_queues_of_an_applications_own_broker() -> None:
    broker = Broker(clock=VirtualClock(START))
    queue = broker.queue("orders")
    client = Client(asgi(broker))

    ask(client, "POST", "/_decouple/faults", {"faults": {"duplicate": {"seconds": 0}}})
    queue.send("order 7")

    assert queue.stats().visible == 2
    broker.check()


# -- whether all holds -----------------------------------------------------------------------------------------------


def test_a_check_says_what_the_books_of_all_brokers_hold(client: Client, world: World) -> None:
    world.broker("111122223333", "eu-central-1").queue("orders").send("order 8")
    call(client, "SendMessage", MessageBody="order 7")

    answer = ask(client, "GET", "/_decouple/check").json()

    assert (answer["holds"], answer["numbers"]["accepted"], answer["changes"]) == (True, 2, 2)
    assert ask(Client(asgi()), "GET", "/_decouple/check").json() == {"holds": True, "numbers": {}, "changes": None}


def test_a_law_that_is_broken_is_told_with_the_story(client: Client, world: World) -> None:
    id = call(client, "SendMessage", MessageBody="order 7")["MessageId"]
    [sent] = [change for change in world.recording().changes if change.id]
    assert world._recorder is not None
    world._recorder(sent._replace(at=sent.at + 1))

    answer = ask(client, "GET", "/_decouple/check")

    assert answer.status == 500
    assert answer.json() == {
        "holds": False,
        "error": f"message {id} in queue 'orders' was visible when it was sent: breaches 1",
        "id": id,
        "seed": None,
        "story": f"/_decouple/messages/{id}",
    }


# -- at the start ----------------------------------------------------------------------------------------------------


def test_a_new_world_takes_faults_a_seed_and_a_recorder_with_the_application() -> None:
    client = Client(asgi(faults=Faults(duplicate=Fault(seconds=0)), seed=7, record=100))
    client.app.world.broker().queue("orders").send("order 7")

    assert ask(client, "GET", "/_decouple/faults").json() | {"faults": None} == {
        "faults": None,
        "seed": 7,
        "struck": {"duplicate": 1},
    }
    assert ask(client, "GET", "/_decouple/check").json()["changes"] == 3


@pytest.mark.parametrize("source", [Broker(), World()])
@pytest.mark.parametrize("more", [{"faults": Faults(duplicate=1)}, {"seed": 0}, {"record": 10}])
def test_a_broker_or_a_world_has_its_own(source: Any, more: dict[str, Any]) -> None:
    kind = type(source).__name__

    with pytest.raises(
        ValueError, match=rf"these belong to the {kind} that is served, so give them to {kind}\(\.\.\.\)"
    ):
        asgi(source, **more)


def test_the_command_line_has_them_too() -> None:
    asked = parser_of().parse_args(["serve", "--faults", "duplicate=0.5", "--seed", "7", "--record", "1000"])

    client = Client(endpoint_of(asked, "http://127.0.0.1:4566", {}, {}, planned(asked.faults)))

    assert ask(client, "GET", "/_decouple/faults").json() == {"faults": {"duplicate": 0.5}, "seed": 7, "struck": {}}
    assert ask(client, "GET", "/_decouple/messages").json() == {"messages": []}


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["--faults", "flood=0.1"], "there is no fault 'flood'"),
        (["--faults", "duplicate=often"], "a fault is given as duplicate=0.1"),
        (["--faults", "duplicate=2"], "a fault is given as duplicate=0.1"),
        (["--seed", "seven"], "--seed"),
        (["--record", "-1"], "--record"),
        (["--record", "all"], "a number of changes to keep is 0 or more, not 'all'"),
    ],
)
def test_what_is_typed_wrongly_is_a_sentence(typed: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--port", "0", *typed])

    assert ended.value.code == 2
    assert words in capsys.readouterr().err
