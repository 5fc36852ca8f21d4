"""Lambda as tests call it: one caller of a world, whose operations answer or are refused."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from decouple import Broker, Function
from decouple.aws import Call, ServiceError, World
from decouple.aws.lambdas import LAMBDA

OWNER, OTHER = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{OWNER}:role/worker"


class Caller:
    """An account's root in one region."""

    def __init__(self, world: World, account: str = OWNER, region: str = "us-east-1", request_id: str = "") -> None:
        self.world = world
        place = world.place(account, region)
        self.call = Call(place, f"arn:aws:iam::{account}:root", "rest-json", request_id=request_id)

    def __call__(self, operation: str, **given: Any) -> dict[str, Any]:
        return LAMBDA.perform(self.call, operation, given)

    async def aperform(self, operation: str, **given: Any) -> dict[str, Any]:
        return await LAMBDA.aperform(self.call, operation, given)

    def refused(self, operation: str, **given: Any) -> tuple[str, int, str]:
        """Shape, status and text of its refusal."""
        error = self.error(operation, **given)
        assert error.code == error.shape
        return error.shape, error.status, error.message

    def error(self, operation: str, **given: Any) -> ServiceError:
        with pytest.raises(ServiceError) as caught:
            self(operation, **given)
        return caught.value

    @property
    def broker(self) -> Broker:
        return self.call.place.broker

    def function(self, name: str = "resize") -> Function:
        return self.broker.functions[name]

    def create(self, name: str = "resize", handler: str = "app.handler", **given: Any) -> dict[str, Any]:
        """A function whose handler is registered, with code that nobody looks at."""
        given = {"Runtime": "python3.12", "Role": ROLE, "Code": {"ZipFile": b"code"}, **given}
        return self("CreateFunction", FunctionName=name, Handler=handler, **given)

    def invoke(self, event: Any = None, name: str = "resize", **given: Any) -> Any:
        """What a function answers, its payload read."""
        answer = self("Invoke", FunctionName=name, Payload=json.dumps(event).encode(), **given)
        return {**answer, "Payload": json.loads(answer["Payload"]) if answer["Payload"] else None}


def arn(name: str = "resize", kind: str = "function", service: str = "lambda") -> str:
    kind = f"{kind}:" if kind else ""
    return f"arn:aws:{service}:us-east-1:{OWNER}:{kind}{name}"


def zipped(**files: str) -> bytes:
    """A zip of modules by name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.py", text)
    return buffer.getvalue()


INVALID = ("InvalidParameterValueException", 400)
MISSING = ("ResourceNotFoundException", 404)
CONFLICT = ("ResourceConflictException", 409)
