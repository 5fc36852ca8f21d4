"""What a service answers instead of a result: AWS's error, by its name in the service's model.

The code, the HTTP status and whose fault it is belong to the shape, and each service knows those of its own
(`Service.error`); operations only name the shape and say the sentence.
"""

from __future__ import annotations

from typing import Any

__all__ = ["ServiceError"]


class ServiceError(Exception):
    """An error as the service would answer it.

    shape: its name in the model ("QueueDoesNotExist"); message: AWS's text; code: what the Query protocol and boto3's
    `Error.Code` say; status: HTTP; sender: whether the request was at fault; more: further members of the shape, such as
    `Reason`.
    """

    def __init__(
        self, shape: str, message: str, *, code: str | None = None, status: int = 400, sender: bool = True, **more: Any
    ) -> None:
        super().__init__(f"{code or shape}: {message}")
        self.shape = shape
        self.message = message
        self.code = code or shape
        self.status = status
        self.sender = sender
        self.more = more
