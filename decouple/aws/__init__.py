"""The AWS wire above decouple's brokers: boto3 and aiobotocore in the process, an HTTP endpoint for everyone else.

Everything stands above the public surface of Broker, Queue, Topic and Function: the engine knows nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from decouple.aws.errors import ServiceError
from decouple.aws.world import Call, Place, World

if TYPE_CHECKING:
    from decouple.aws.endpoint import asgi
    from decouple.aws.mocking import AWS, MockEnded, NotMocked, WhichMock, mock

__all__ = ["AWS", "Call", "MockEnded", "NotMocked", "Place", "ServiceError", "WhichMock", "World", "asgi", "mock"]

# What is loaded when it is asked for, and where it is: a server needs no mock, and the other way round.
LATER = {
    **dict.fromkeys(("AWS", "MockEnded", "NotMocked", "WhichMock", "mock"), "decouple.aws.mocking"),
    "asgi": "decouple.aws.endpoint",
}

if not TYPE_CHECKING:  # a __getattr__ that type checkers see would make every misspelt name an Any

    def __getattr__(name):
        if name in LATER:
            from importlib import import_module

            globals()[name] = found = getattr(import_module(LATER[name]), name)
            return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return [*globals(), *LATER]
