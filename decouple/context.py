"""Context: what a handler is told of its invocation beside the event, under the names Lambda gives it.

Source: Lambda developer guide, "Using the Lambda context object to retrieve Python function information".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["ClientContext", "Context"]


class ClientContext:
    """What the caller said of itself: the members of its JSON object, of which AWS names custom, env and client."""

    custom: Any = None
    env: Any = None
    client: Any = None

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.__dict__.update(given)

    def __repr__(self) -> str:
        return f"ClientContext({self.__dict__!r})"


class Context:
    """The second argument of a handler. Instants are read from the function's clock."""

    function_version = "$LATEST"
    identity: Any = None

    def __init__(
        self,
        name: str,
        arn: str,
        memory: int,
        request_id: str,
        stream: str,
        now: Callable[[], int],
        deadline: int,
        client: Mapping[str, Any] | None = None,
    ) -> None:
        self.function_name = name
        self.invoked_function_arn = arn
        self.memory_limit_in_mb = str(memory)
        self.aws_request_id = request_id
        self.log_group_name = f"/aws/lambda/{name}"
        self.log_stream_name = stream
        self.client_context = None if client is None else ClientContext(client)
        self._now = now
        self._deadline = deadline

    def get_remaining_time_in_millis(self) -> int:
        """Whole milliseconds until the timeout, at least 0."""
        return max(0, (self._deadline - self._now()) // 1_000_000)

    def __repr__(self) -> str:
        return f"<Context of {self.function_name}: {self.aws_request_id}>"
