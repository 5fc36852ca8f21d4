"""Celery with kombu's SQS transport: a real worker runs a real task, which is tried again, over `decouple serve`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from serve_process import Served, served, settings

pytest.importorskip("celery", reason="celery is not installed")
pytest.importorskip("pycurl", reason="kombu's SQS transport needs pycurl: pip install 'kombu[sqs]'")

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


@pytest.fixture
def server() -> Iterator[Served]:
    with served() as server:
        yield server
        assert server.stop() == (0, "")


@pytest.fixture
def environment(server: Served) -> dict[str, str]:
    own = {"SHOP_URL": server.url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    return {**os.environ, **own, "PYTHONPATH": str(HERE)}


@pytest.fixture
def worker(environment: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "celery", "-A", "celery_shop", "worker", "--pool", "solo", "--without-mingle"]
    worker = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    yield worker
    worker.terminate()
    try:
        worker.communicate(timeout=30)
    finally:
        worker.kill()


def test_a_task_is_run_by_a_worker_and_tried_again(
    server: Served, environment: dict[str, str], worker: subprocess.Popen[str]
) -> None:
    sqs = boto3.client("sqs", **settings(server))
    done = sqs.create_queue(QueueName="done")["QueueUrl"]

    send = "from celery_shop import fill; fill.delay(7)"
    subprocess.run([sys.executable, "-c", send], env=environment, check=True, timeout=60)

    assert heard(sqs, done) == "filled 7 at attempt 2", worker.poll()
    sqs.close()


def heard(sqs: Any, url: str) -> str | None:
    """The first message that comes within a minute."""
    for _ in range(3):
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20).get("Messages", []):
            return str(message["Body"])
    return None
