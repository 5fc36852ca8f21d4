"""Events of CloudWatch Logs: what a subscription filter sends to a function."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypedDict

from decouple.jsontext import json_text
from decouple.testing.events.defaults import ACCOUNT, NEW_YEAR, encoded, hex_of, milliseconds, sequence

__all__ = ["CloudWatchLogsEvent", "cloudwatch_logs"]

FIRST_ID = 31_953_106_606_966_983_378_809_025_079_804_211_143_289_615_424_298_221_568


class CloudWatchLogsData(TypedDict):
    """The log lines: JSON, compressed with gzip, in base64."""

    data: str


class CloudWatchLogsEvent(TypedDict):
    """Lines of one log stream, as a function gets them."""

    awslogs: CloudWatchLogsData


def cloudwatch_logs(
    lines: Sequence[str | dict[str, Any]],
    *,
    group: str = "/aws/lambda/function",
    stream: str | None = None,
    filter: str = "filter",
    at: datetime = NEW_YEAR,
    account: str = ACCOUNT,
) -> CloudWatchLogsEvent:
    """The event for lines of a log: `cloudwatch_logs(["START", {"level": "ERROR"}], group="/aws/lambda/orders")`.

    A line is text, or a dict that becomes JSON text. Source: Lambda developer guide, "Using Lambda with CloudWatch Logs".
    """
    stamp = milliseconds(at)
    messages = [
        one if isinstance(one, str) else json_text(one, "a line must be JSON") for one in sequence(lines, "lines")
    ]
    content = {
        "messageType": "DATA_MESSAGE",
        "owner": account,
        "logGroup": group,
        "logStream": stream or f"{at:%Y/%m/%d}/[$LATEST]{hex_of(group)}",
        "subscriptionFilters": [filter],
        "logEvents": [
            {"id": str(FIRST_ID + number), "timestamp": stamp, "message": message}
            for number, message in enumerate(messages)
        ],
    }
    # Without a time in its header, the archive of the same lines is the same.
    packed = gzip.compress(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(), mtime=0)
    return {"awslogs": {"data": encoded(packed)}}
