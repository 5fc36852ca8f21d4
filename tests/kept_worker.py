"""A process that handles what is published on a database: `kept_worker.py URL PIPE`. Each notification is a line in the pipe."""

from __future__ import annotations

import os
import sys

from decouple import Broker, Notification

PIPE = int(sys.argv[2])


def handle(notification: Notification) -> None:
    os.write(PIPE, f"{notification.text}\n".encode())


broker = Broker(sys.argv[1])
broker.topic("events").subscribe(handle)
with broker:
    os.write(PIPE, b"ready\n")
    sys.stdin.read()
