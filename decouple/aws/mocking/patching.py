"""Where botocore meets us: below its serializers and hooks on parameters, above signing, sending and retries.

`BaseClient._make_request` is replaced once, aiobotocore's too, and stays so: what a mock has left behind must not reach
the network. Without a mock it does what it did. Of what is answered here, botocore's events request-created, before-send,
response-received and needs-retry are not emitted; a Stubber acts before (at before-call), and still does.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from decouple.aws.mocking.answering import Exchange, access_key_of
from decouple.aws.mocking.beside_moto import active, let_through
from decouple.aws.mocking.environment import FAKE_KEY
from decouple.aws.mocking.errors import MockEnded, NotMocked
from decouple.aws.mocking.scene import AWS
from decouple.aws.mocking.stage import made_here, made_in_a_mock, scene_of
from decouple.aws.service import Service
from decouple.errors import NotInstalled

__all__ = ["install"]

BOTOCORE, AIOBOTOCORE = "botocore.client", "aiobotocore.client"

lock = threading.Lock()
patched: set[str] = set()


def install() -> None:
    """See that every client's calls come by here. Raises NotInstalled."""
    with lock:
        if BOTOCORE not in patched:
            if find_spec("botocore") is None:
                raise NotInstalled("botocore", purpose="mocking AWS", install="pip install 'decouple-messaging[aws]'")
            base = import_module(BOTOCORE).BaseClient
            base.__init__ = remembering(base.__init__)
            base._make_request = answered(base._make_request)
            patched.add(BOTOCORE)
    install_in_aiobotocore()


def install_in_aiobotocore() -> None:
    """As soon as it is loaded, by whomever."""
    with lock:
        module: Any = sys.modules.get(AIOBOTOCORE)
        if AIOBOTOCORE not in patched and hasattr(module, "AioBaseClient"):
            module.AioBaseClient._make_request = awaited(module.AioBaseClient._make_request)
            patched.add(AIOBOTOCORE)


def remembering(make: Callable[..., None]) -> Callable[..., None]:
    """Clients know in which mock they were made."""

    @wraps(make)
    def __init__(self: Any, *given: Any, **named: Any) -> None:
        make(self, *given, **named)
        made_here(self)
        if AIOBOTOCORE not in patched and AIOBOTOCORE in sys.modules:
            install_in_aiobotocore()

    return __init__


def answered(send: Callable[..., Any]) -> Callable[..., Any]:
    """A client's call: answered by the mock it belongs to, or sent."""

    @wraps(send)
    def _make_request(self: Any, operation_model: Any, request_dict: dict[str, Any], request_context: Any) -> Any:
        scene, service = route(self, operation_model)
        if scene is None:
            return send(self, operation_model, request_dict, request_context)
        scene.settle()
        if service is None:
            answer = send(self, operation_model, request_dict, request_context)
            scene.settle()  # moto's S3 may have told us something
            return answer
        exchange = Exchange(scene, service, self, operation_model, request_dict)
        reply = exchange.perform()
        scene.settle()
        return exchange.read(reply)

    return _make_request


def awaited(send: Callable[..., Any]) -> Callable[..., Any]:
    """The same for aiobotocore's clients."""

    @wraps(send)
    async def _make_request(self: Any, operation_model: Any, request_dict: dict[str, Any], request_context: Any) -> Any:
        scene, service = route(self, operation_model)
        if scene is None:
            return await send(self, operation_model, request_dict, request_context)
        scene.settle()
        if service is None:
            answer = await send(self, operation_model, request_dict, request_context)
            scene.settle()  # moto's S3 may have told us something
            return answer
        exchange = Exchange(scene, service, self, operation_model, request_dict)
        reply = await exchange.aperform()
        scene.settle()
        return await exchange.aread(reply)

    return _make_request


def route(client: Any, model: Any) -> tuple[AWS | None, Service | None]:
    """The mock and the service that answer this call; without the one or the other it is sent, to moto where that is at work.

    Raises NotMocked, MockEnded, WhichMock for what must not be sent.
    """
    name: str = model.service_model.service_name
    scene = scene_of(client, name, model.name)
    service = None if scene is None else scene.service(name)
    if service is None:
        if active():
            let_through(client, name)
        elif scene is None:
            if made_in_a_mock(client) or access_key_of(client) == FAKE_KEY:
                raise MockEnded(name, model.name)
        elif name not in scene.passthrough:
            raise NotMocked(name, model.name)
    return scene, service
