"""The AWS wire above decouple's brokers: boto3 and aiobotocore in the process, an HTTP endpoint for everyone else.

Everything stands above the public surface of Broker, Queue, Topic and Function: the engine knows nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from typing import TYPE_CHECKING

from decouple.aws.errors import ServiceError
from decouple.aws.world import Call, Place, World

if TYPE_CHECKING:
    from decouple.aws.endpoint import asgi

__all__ = ["AWS", "Call", "MockEnded", "NotMocked", "Place", "ServiceError", "WhichMock", "World", "asgi", "mock"]


def __getattr__(name: str) -> Any:
    if name == "asgi":
        from decouple.aws.endpoint import asgi  # here, because what stays in the process needs no endpoint

        return asgi
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from decouple.aws.mocking import AWS, MockEnded, NotMocked, WhichMock, mock


__all__ = ["AWS", "Call", "MockEnded", "NotMocked", "Place", "ServiceError", "WhichMock", "World", "mock"]

# What a server need not load, and where it is.
LATER = dict.fromkeys(("AWS", "MockEnded", "NotMocked", "WhichMock", "mock"), "decouple.aws.mocking")

if not TYPE_CHECKING:  # a __getattr__ that type checkers see would make every misspelt name an Any

    def __getattr__(name):
        if name in LATER:
            from importlib import import_module

            globals()[name] = found = getattr(import_module(LATER[name]), name)
            return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return [*globals(), *LATER]
