"""The AWS wire above decouple's brokers: boto3 and aiobotocore in the process, an HTTP endpoint for everyone else.

Everything stands above the public surface of Broker, Queue, Topic and Function: the engine knows nothing of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from decouple.aws.errors import ServiceError
from decouple.aws.world import Call, Place, World

if TYPE_CHECKING:
    from decouple.aws.endpoint import asgi
    from decouple.aws.mocking import AWS, MockEnded, NotMocked, WhichMock, mock

__all__ = ["AWS", "Call", "MockEnded", "NotMocked", "Place", "ServiceError", "WhichMock", "World", "asgi", "mock"]


# A server needs no mock, which would be a fifth of the time in which it starts, and a mock no server.
LATER = {"asgi": "decouple.aws.endpoint"} | dict.fromkeys(
    ("AWS", "MockEnded", "NotMocked", "WhichMock", "mock"), "decouple.aws.mocking"
)


def __getattr__(name: str) -> Any:
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(LATER[name]), name)
    return found
