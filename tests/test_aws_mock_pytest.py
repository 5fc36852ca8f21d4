"""As users have it: pytest's fixtures, a machine without network, several workers, and libraries that freeze time."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

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


FAULTY = """
    def test_it(aws, sqs):
        url = sqs.create_queue(QueueName="orders")["QueueUrl"]
        sent = sqs.send_message(QueueUrl=url, MessageBody="order 7")
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        assert len(answer["Messages"]) == 1, sent["MessageId"]
"""


def test_a_run_with_faults_tells_the_story_of_what_boto3_met(tmp_path: Path) -> None:
    faults = ["--decouple-seed=1", "--decouple-faults=duplicate=1"]

    assert "1 passed" in run(tmp_path, {"test_faulty.py": FAULTY})
    said = run(tmp_path, {"test_faulty.py": FAULTY}, *faults)

    assert "1 failed" in said, said
    assert "test_faulty.py::test_it --decouple-seed=1 --decouple-faults=duplicate=1" in said
    assert "fault: duplicate: one more copy of it" in said
    assert "arn:aws:iam::123456789012:root (sqs:SendMessage)" in said


def test_pytest_starts_without_importing_botocore(tmp_path: Path) -> None:
    test = """
        import sys

        def test_it():
            assert not {"decouple.aws", "decouple.topic", "asyncio", "botocore", "boto3"} & set(sys.modules)
    """

    said = run(tmp_path, {"test_it.py": test})

    assert "1 passed" in said, said


def test_nothing_of_botocore_is_loaded_or_changed_before_a_mock_is_entered() -> None:
    script = """
    import sys
    from decouple.aws import World
    assert "decouple.aws.mocking" not in sys.modules

    from decouple.aws import mock
    mocked = mock()
    assert not {"botocore", "boto3", "aiobotocore", "asyncio", "unittest"} & set(sys.modules)

    from botocore.client import BaseClient
    assert BaseClient._make_request.__module__ == "botocore.client"
    assert not hasattr(BaseClient._make_request, "__wrapped__")
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, check=True, timeout=60)


FROZEN = """
from datetime import UTC, datetime
import boto3
from decouple.aws import mock

moment = datetime(2020, 2, 29, 12, tzinfo=UTC)
with {freeze}, mock(region="us-east-1") as aws:
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="order 7", DelaySeconds=60)
    assert aws.clock.time == moment

    assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)
    aws.clock.advance(40)

    [message] = sqs.receive_message(QueueUrl=url, MessageSystemAttributeNames=["SentTimestamp"])["Messages"]
    assert message["Attributes"]["SentTimestamp"] == str(int(moment.timestamp()) * 1000)
"""


@pytest.mark.parametrize(
    ("package", "freeze"),
    [("freezegun", "freezegun.freeze_time(moment)"), ("time_machine", "time_machine.travel(moment, tick=False)")],
    ids=["freezegun", "time-machine"],
)
def test_a_world_begins_at_the_time_that_is_frozen_and_goes_its_own_way(package: str, freeze: str) -> None:
    """In a process of its own: they look into every module that is loaded, of which there are many here."""
    pytest.importorskip(package, reason=f"{package} is not installed")
    script = f"import {package}\n{FROZEN.format(freeze=freeze)}"

    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=60)
