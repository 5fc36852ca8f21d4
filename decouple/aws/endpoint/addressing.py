"""Queue URLs lead to where their reader found the server: its name is another one in a container than beside it.

Some clients send their requests to a queue's URL, whatever endpoint they were given. Only the host is made to fit; the
path, which says whose the queue is, stays. Links that are pushed have no request to go by: they lead to the world's
endpoint.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

__all__ = ["led_back"]

WITH_URLS = {
    "CreateQueue": "QueueUrl",
    "GetQueueUrl": "QueueUrl",
    "ListQueues": "QueueUrls",
    "ListDeadLetterSourceQueues": "queueUrls",
}
HOST = re.compile(r"[A-Za-z0-9._\-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?", re.ASCII)


def led_back(operation: str, answer: dict[str, Any], scheme: str, host: str) -> dict[str, Any]:
    """An answer of SQS, its URLs at that host; as it is, if it has none or that is no host."""
    member = WITH_URLS.get(operation)
    if member is None or member not in answer or not HOST.fullmatch(host):
        return answer
    here, found = f"{scheme}://{host}", answer[member]
    if isinstance(found, str):
        return answer | {member: here + path_of(found)}
    return answer | {member: [here + path_of(url) for url in found]}


def path_of(url: str) -> str:
    return urlsplit(url).path
