"""A Celery application whose broker is a server of ours, run as a process of its own by test_aws_serve_celery.py."""

from __future__ import annotations

import os
from typing import Any

import boto3
from celery import Celery

URL = os.environ["SHOP_URL"]

app = Celery("shop", broker=URL.replace("http://", "sqs://test:test@"))
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"region": "us-east-1", "wait_time_seconds": 5, "visibility_timeout": 60},
    task_acks_late=True,
    worker_enable_remote_control=False,
)


@app.task(bind=True, max_retries=3)
def fill(self: Any, number: int) -> None:
    """Fails once, then tells the queue `done`."""
    if self.request.retries == 0:
        raise self.retry(countdown=0)
    sqs = boto3.client("sqs", endpoint_url=URL, region_name="us-east-1")
    url = sqs.get_queue_url(QueueName="done")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=f"filled {number} at attempt {self.request.retries + 1}")
