"""The AWS CLI against `decouple serve`, as people type it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serve_process import ROOT, Served, served

# In an environment of its own: it wants one exact version of botocore.
OWN = ROOT / ".venv" / "awscli" / "bin" / "aws"
AWS = str(OWN) if OWN.exists() else shutil.which("aws")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(AWS is None, reason="the AWS CLI is not installed: .ci/run does it, from PyPI"),
]


NEWS = {
    "version": 1,
    "queues": {"news": {}},
    "topics": {"news": {"subscriptions": [{"target": {"queue": "news"}, "envelope": True}]}},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    config = tmp_path_factory.mktemp("server") / "news.json"
    config.write_text(json.dumps(NEWS))
    with served("--config", str(config)) as server:
        yield server
        assert server.stop() == (0, "")


class Cli:
    """The command with this server as its endpoint, and nothing of the user's configuration."""

    def __init__(self, server: Served, home: Path) -> None:
        self.server = server
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.environment = environment | {
            "HOME": str(home),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_PAGER": "",
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        assert AWS is not None
        command = [AWS, "--endpoint-url", self.server.url, "--output", "json", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)

    def __call__(self, *arguments: str) -> Any:
        ended = self.run(*arguments)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout) if ended.stdout.strip() else None


@pytest.fixture
def aws(server: Served, tmp_path: Path) -> Cli:
    return Cli(server, tmp_path)


def test_a_queue_takes_and_gives_a_message(aws: Cli) -> None:
    url = aws("sqs", "create-queue", "--queue-name", "orders")["QueueUrl"]
    aws("sqs", "send-message", "--queue-url", url, "--message-body", "order 7")

    [message] = aws("sqs", "receive-message", "--queue-url", url)["Messages"]
    assert message["Body"] == "order 7"
    assert aws("sqs", "delete-message", "--queue-url", url, "--receipt-handle", message["ReceiptHandle"]) is None


def test_an_error_is_told_with_its_code(aws: Cli) -> None:
    ended = aws.run("sqs", "get-queue-url", "--queue-name", "nobody")

    assert ended.returncode != 0
    assert "AWS.SimpleQueueService.NonExistentQueue" in ended.stderr


def test_a_topic_delivers_to_a_queue(aws: Cli) -> None:
    url = f"{aws.server.url}/000000000000/news"

    aws("sns", "publish", "--topic-arn", "arn:aws:sns:us-east-1:000000000000:news", "--message", "rain")

    [message] = aws("sqs", "receive-message", "--queue-url", url, "--wait-time-seconds", "10")["Messages"]

    assert json.loads(message["Body"])["Message"] == "rain"


def test_the_caller_is_of_the_default_account(aws: Cli) -> None:
    assert aws("sts", "get-caller-identity")["Account"] == "000000000000"


def test_functions_are_listed(aws: Cli) -> None:
    assert aws("lambda", "list-functions") == {"Functions": []}


def test_a_rule_is_put_and_described(aws: Cli) -> None:
    aws("events", "put-rule", "--name", "daily", "--schedule-expression", "rate(1 day)")

    assert aws("events", "describe-rule", "--name", "daily")["ScheduleExpression"] == "rate(1 day)"
