"""`decouple serve`: how it begins, what may be typed wrongly, how it ends."""

from __future__ import annotations

import json
import logging
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from serve_process import ROOT, Served, run, served

from decouple.cli import main

pytestmark = pytest.mark.slow


def get(served: Served, path: str) -> Any:
    with urllib.request.urlopen(served.url + path, timeout=10) as answer:
        return json.loads(answer.read())


def post(served: Served, path: str, document: Any = None) -> Any:
    body = b"" if document is None else json.dumps(document).encode()
    with urllib.request.urlopen(urllib.request.Request(served.url + path, data=body), timeout=10) as answer:
        return json.loads(answer.read())


# -- how it begins ---------------------------------------------------------------------------------------------------


def test_a_free_port_is_printed_and_answers_at_once() -> None:
    with served("--port", "0") as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert get(server, "/_decouple/health")["clock"] == "real"


def test_queues_and_topics_of_a_description_are_there_at_the_start_and_after_a_reset(tmp_path: Path) -> None:
    """broker.describe() as JSON or TOML; the bodies are all text, whatever the program's types were."""
    config = tmp_path / "shop.toml"
    config.write_text(
        'version = 1\n[queues.orders-dead]\n[queues.orders]\nbody = "Order"\nvisibility_timeout = 10\n'
        'dead_letter = "orders-dead"\n[topics.news]\n[[topics.news.subscriptions]]\ntarget = {queue = "orders"}\n'
    )
    with served("--config", str(config), "--account", "111122223333", "--region", "eu-central-1") as server:
        for _ in range(2):
            stats = get(server, "/_decouple/stats")
            assert [*stats["topics"]] == ["arn:aws:sns:eu-central-1:111122223333:news"]
            assert "arn:aws:sqs:eu-central-1:111122223333:orders" in stats["queues"]
            post(server, "/_decouple/reset")


def test_time_may_be_moved_by_clients() -> None:
    with served("--virtual-clock") as server:
        before = get(server, "/_decouple/clock")["epoch"]

        assert post(server, "/_decouple/clock", {"advance": 3600})["epoch"] == before + 3600
        assert abs(before - time.time()) < 60


def test_a_server_of_this_machine_does_not_answer_to_other_names() -> None:
    with served() as server:
        request = urllib.request.Request(server.url + "/_decouple/queues", headers={"Host": "evil.example"})

        with pytest.raises(urllib.error.HTTPError, match="403") as refused:
            urllib.request.urlopen(request, timeout=10)
        refused.value.close()


# -- what may be typed wrongly ---------------------------------------------------------------------------------------


@pytest.fixture
def serve(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[object, str]]:
    """The command in this process, as it ends before it serves: its exit code, and what it said on stderr."""

    def served_nevertheless(*_: object) -> None:
        raise AssertionError("it has begun to serve")

    def serve(*arguments: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as ended:
            main(["serve", "--port", "0", *arguments])
        return ended.value.code, capsys.readouterr().err

    monkeypatch.setattr("decouple.aws.endpoint.server.serve", served_nevertheless)
    monkeypatch.setattr(logging.getLogger("uvicorn.error"), "setLevel", lambda level: None)
    return serve


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--port", "70000"], "a port is a number from 0 to 65535, not '70000'"),
        (["--account", "12"], "account must have 12 digits"),
        (["--region", "here"], "region must read as 'us-east-1' does"),
        (["--verify", "AKID"], "--verify takes KEY=SECRET, or @FILE with one such pair a line"),
        (["--verify", "@/nowhere"], "No such file or directory: '/nowhere'"),
        (["--config", "/nowhere.json"], "No such file or directory: '/nowhere.json'"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_is_typed_wrongly_is_told_in_a_sentence(
    serve: Callable[..., tuple[object, str]], arguments: list[str], sentence: str
) -> None:
    code, said = serve(*arguments)

    assert code == 2
    assert sentence in said


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.json", "{", "it is not JSON"),
        ("a.json", "[]", "a description is an object, not list"),
        ("a.toml", "version = ", "it is not TOML"),
        ("a.json", '{"version": 1, "queues": {"orders": {"visibility_timeout": -1}}}', "orders.visibility_timeout"),
        ("a.json", '{"version": 1, "queues": 7}', "queues"),
        ("a.json", '{"version": 2}', "this release reads 1"),
    ],
    ids=["no json", "no object", "no toml", "wrong setting", "wrong section", "wrong version"],
)
def test_what_is_wrong_in_a_description_is_told_in_a_sentence(
    serve: Callable[..., tuple[object, str]], tmp_path: Path, name: str, text: str, sentence: str
) -> None:
    path = tmp_path / name
    path.write_text(text)

    code, said = serve("--config", str(path))

    assert (code, said.count("\n")) == (2, 1)
    assert str(path) in said
    assert sentence in said


def test_a_port_in_use_is_told_in_a_sentence() -> None:
    with served() as server:
        ended = run("serve", "--port", str(server.port))

        sentence = f"decouple: cannot listen on 127.0.0.1 port {server.port}: Address already in use\n"
        assert (ended.returncode, ended.stderr) == (1, sentence)


def test_without_the_extra_it_says_how_to_install_it() -> None:
    code = "import sys; sys.modules['uvicorn'] = None\nfrom decouple.cli import main\nmain(['serve'])"
    import subprocess
    import sys

    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "pip install 'decouple-messaging[server]'" in ended.stderr


def test_the_command_tells_its_version_and_what_there_is() -> None:
    assert run("--version").stdout.startswith("decouple ")
    assert "serve" in run().stdout


# -- how it ends -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(how: signal.Signals) -> None:
    with served() as server:
        get(server, "/_decouple/health")

        assert server.stop(how) == (0, "")


def test_clients_that_wait_are_answered_before_it_ends() -> None:
    with served() as server:
        create = b"Action=CreateQueue&Version=2012-11-05&QueueName=orders"
        urllib.request.urlopen(urllib.request.Request(server.url, data=create), timeout=10).close()
        poll = b"Action=ReceiveMessage&Version=2012-11-05&WaitTimeSeconds=20"
        answers = list[bytes]()

        def wait() -> None:
            request = urllib.request.Request(server.url + "/000000000000/orders", data=poll)
            with urllib.request.urlopen(request, timeout=30) as answer:
                answers.append(answer.read())

        waiting = [threading.Thread(target=wait) for _ in range(5)]
        for thread in waiting:
            thread.start()
        while get(server, "/_decouple/queues/orders")["stats"]["parked"] < 5:
            pass
        began = time.monotonic()
        code, said = server.stop()
        for thread in waiting:
            thread.join()

        assert (code, said, time.monotonic() - began < 5) == (0, "", True)
        assert [b"<ReceiveMessageResult" in answer for answer in answers] == [True] * 5


def test_requests_that_stopped_half_way_do_not_keep_it_from_ending() -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"
    with served() as server, ExitStack() as clients:
        for part in (b"", b"POST / HT", head, head + b"{", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            client = clients.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            client.sendall(part)
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        began = time.monotonic()

        assert server.stop() == (0, "")
        assert time.monotonic() - began < 8


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """Half a request is under way, which the first signal waits for."""
    with served() as server, socket.create_connection(("127.0.0.1", server.port)) as half:
        half.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n")
        get(server, "/_decouple/health")
        server.process.send_signal(signal.SIGTERM)
        while refused_by(server):
            pass
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(timeout=5) == 1


def refused_by(server: Served) -> bool:
    """Whether it still takes connections, i.e. has not seen the first signal."""
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
    except OSError:
        return False
    return True
