"""The AWS wire above decouple's brokers: boto3 and aiobotocore in the process, an HTTP endpoint for everyone else.

Everything stands above the public surface of Broker, Queue, Topic and Function: the engine knows nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decouple.aws.errors import ServiceError
from decouple.aws.mocking import AWS, MockEnded, NotMocked, WhichMock, mock
from decouple.aws.world import Call, Place, World

if TYPE_CHECKING:
    from decouple.aws.endpoint import asgi

__all__ = ["AWS", "Call", "MockEnded", "NotMocked", "Place", "ServiceError", "WhichMock", "World", "asgi", "mock"]


def __getattr__(name: str) -> Any:
    if name == "asgi":
        from decouple.aws.endpoint import asgi  # here, because what stays in the process needs no endpoint

        return asgi
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
