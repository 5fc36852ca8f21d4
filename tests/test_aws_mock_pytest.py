"""As users have it: pytest's fixtures, a machine without network, several workers, and libraries that freeze time."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from decouple.aws import mock

ROOT = Path(__file__).parent.parent

OFFLINE = """
import socket

def refuse(*_):
    raise AssertionError("the network was reached")

socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
"""


FIXTURES = """
    import pytest

    def test_clients_share_the_world(aws, sqs, sns, aws_lambda):
        url = sqs.create_queue(QueueName="orders")["QueueUrl"]
        assert list(aws.broker.queues) == ["orders"]
        assert [one.meta.service_model.service_name for one in (sns, aws_lambda)] == ["sns", "lambda"]

    @pytest.mark.parametrize("n", range(4))
    def test_each_test_has_a_world_of_its_own(sqs, n):
        assert "QueueUrls" not in sqs.list_queues()
        sqs.create_queue(QueueName="orders")
"""

THREE_LINES = """
    import boto3
    from decouple.aws import mock

    @mock()
    def test_orders():
        queue = boto3.resource("sqs").create_queue(QueueName="orders")
        queue.send_message(MessageBody="order 7")
        assert queue.receive_messages()[0].body == "order 7"
"""

WORLD_OF_ONES_OWN = """
    import pytest
    from decouple.aws import mock

    @pytest.fixture
    def aws():
        with mock(region="eu-central-1", strict=True) as aws:
            yield aws
"""

IN_IT = """
    def test_it(aws, sqs):
        assert aws.region == "eu-central-1"
        assert "eu-central-1" in sqs.create_queue(QueueName="orders")["QueueUrl"]
        assert list(aws.broker.queues) == ["orders"]
"""

SAME_NAMES = """
    import pytest

    @pytest.fixture
    def aws():
        return "mine"

    @pytest.fixture
    def sqs(aws):
        return aws + " too"

    def test_mine(sqs):
        assert sqs == "mine too"

    def test_a_mixture_is_refused(sns):
        pass
"""

# One run for all of them: most of it is starting pytest and importing boto3.
SUITE = {
    "test_fixtures.py": FIXTURES,
    "test_three_lines.py": THREE_LINES,
    "own/conftest.py": WORLD_OF_ONES_OWN,
    "own/test_own.py": IN_IT,
    "test_same_names.py": SAME_NAMES,
}


def run(home: Path, files: dict[str, str], *options: str) -> str:
    """What pytest says of these files, on a machine without network and without settings of AWS's."""
    for name, text in {"conftest.py": OFFLINE, **files}.items():
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text(textwrap.dedent(text))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}
    environment |= {"PYTHONPATH": str(ROOT), "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "false"}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # what else is installed takes seconds to import
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-p", "decouple.pytest_plugin"]
    done = subprocess.run([*command, *options], cwd=home, env=environment, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of the suite above."""
    return run(tmp_path_factory.mktemp("suite"), SUITE)


def test_three_lines_make_a_boto3_test_pass_without_network(said: str) -> None:
    assert "PASSED test_three_lines.py::test_orders" in said, said


def test_fixtures_give_each_test_a_world_and_clients(said: str) -> None:
    assert said.count("PASSED test_fixtures.py::") == 5, said


def test_workers_of_xdist_do_not_see_each_other(tmp_path: Path) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")

    said = run(tmp_path, {"test_fixtures.py": FIXTURES}, "-p", "xdist", "-n", "2")

    assert "5 passed" in said, said


def test_a_world_of_ones_own_serves_the_clients_too(said: str) -> None:
    assert "PASSED own/test_own.py::test_it" in said, said


def test_fixtures_of_the_same_names_take_their_place(said: str) -> None:
    assert "PASSED test_same_names.py::test_mine" in said, said
    assert "ERROR test_same_names.py::test_a_mixture_is_refused" in said
    assert "TypeError: the fixture aws is not decouple's but 'mine'" in said


def test_pytest_starts_without_importing_botocore(tmp_path: Path) -> None:
    test = """
        import sys

        def test_it():
            assert not {"decouple.aws", "decouple.topic", "asyncio", "botocore", "boto3"} & set(sys.modules)
    """

    said = run(tmp_path, {"test_it.py": test})

    assert "1 passed" in said, said


def test_it_works_where_freezegun_has_frozen_time() -> None:
    freezegun = pytest.importorskip("freezegun", reason="freezegun is not installed")
    with freezegun.freeze_time("2020-02-29 12:00:00"), mock() as aws:
        check_time(aws, datetime(2020, 2, 29, 12, tzinfo=UTC))


def test_it_works_where_time_machine_has_moved_time() -> None:
    time_machine = pytest.importorskip("time_machine", reason="time-machine is not installed")
    with time_machine.travel(datetime(2020, 2, 29, 12, tzinfo=UTC), tick=False), mock() as aws:
        check_time(aws, datetime(2020, 2, 29, 12, tzinfo=UTC))


def check_time(aws: Any, began: datetime) -> None:
    """The world begins at the time that was set, and then goes its own way."""
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="order 7", DelaySeconds=60)
    assert aws.clock.time == began

    assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)
    aws.clock.advance(40)

    [message] = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["SentTimestamp"])["Messages"]
    assert message["Attributes"]["SentTimestamp"] == str(int(began.timestamp()) * 1000)
