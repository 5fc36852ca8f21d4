"""botocore's service models, read from its data files: shapes, operations, error codes.

Only the files are read, not botocore's code: a server starts in a fraction of the time, and the in-process mock loads
nothing twice that matters. Extra: `aws`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from decouple.errors import NotInstalled

__all__ = ["Member", "Model", "OperationModel", "Shape", "load_model"]


class Member(NamedTuple):
    """A member of a structure, the element of a list, or the key or value of a map.

    location: "header", "headers", "querystring", "uri" or "statusCode" of REST protocols, None for the body;
    wire_name: what it is called there; flattened: a list or map without an element around it.
    """

    name: str
    shape: Shape
    location: str | None
    wire_name: str
    flattened: bool


class Shape:
    """One shape of a model, its members resolved when first asked for."""

    def __init__(self, model: Model, name: str, raw: Mapping[str, Any]) -> None:
        self._model = model
        self.name = name
        self.raw = raw
        self.type: str = raw["type"]

    def __repr__(self) -> str:
        return f"<Shape {self.name}: {self.type}>"

    @cached_property
    def members(self) -> dict[str, Member]:
        """Of a structure, by name in the API."""
        return {name: self._member(name, raw) for name, raw in self.raw.get("members", {}).items()}

    @cached_property
    def element(self) -> Member:
        """Of a list."""
        return self._member("member", self.raw["member"])

    @cached_property
    def key(self) -> Member:
        """Of a map."""
        return self._member("key", self.raw["key"])

    @cached_property
    def value(self) -> Member:
        """Of a map."""
        return self._member("value", self.raw["value"])

    @property
    def required(self) -> list[str]:
        """Names of members a request must have."""
        required: list[str] = self.raw.get("required", [])
        return required

    @property
    def payload(self) -> str | None:
        """The member that is the whole body of a REST message."""
        return self.raw.get("payload")

    @property
    def flattened(self) -> bool:
        """Whether its list or map has no element around it."""
        return bool(self.raw.get("flattened"))

    def _member(self, name: str, raw: Mapping[str, Any]) -> Member:
        shape = self._model.shape(raw["shape"])
        flattened = bool(raw.get("flattened")) or shape.flattened
        return Member(name, shape, raw.get("location"), raw.get("locationName", name), flattened)


class OperationModel:
    """One operation of a model. method, uri: its HTTP request, "/2015-03-31/functions/{FunctionName}"."""

    def __init__(self, model: Model, raw: Mapping[str, Any]) -> None:
        self._model = model
        self.raw = raw
        self.name: str = raw["name"]
        self.method: str = raw["http"]["method"]
        self.uri: str = raw["http"]["requestUri"]
        self.status: int = raw["http"].get("responseCode", 200)

    def __repr__(self) -> str:
        return f"<OperationModel {self.name}>"

    @cached_property
    def input(self) -> Shape | None:
        """The structure of its parameters."""
        raw = self.raw.get("input")
        return None if raw is None else self._model.shape(raw["shape"])

    @cached_property
    def output(self) -> Shape | None:
        """The structure of its answer."""
        raw = self.raw.get("output")
        return None if raw is None else self._model.shape(raw["shape"])

    @property
    def wrapper(self) -> str | None:
        """The element around the answer in the Query protocol: "PublishResult"."""
        raw = self.raw.get("output")
        return None if raw is None else raw.get("resultWrapper")


class Model:
    """One service's model. name: botocore's, "sqs"."""

    def __init__(self, name: str, raw: Mapping[str, Any]) -> None:
        self.name = name
        self._raw = raw
        self.metadata: dict[str, Any] = raw["metadata"]
        self._shapes: dict[str, Shape] = {}

    @property
    def protocol(self) -> str:
        """Which it speaks: json, query or rest-json."""
        protocol: str = self.metadata["protocol"]
        return protocol

    @property
    def version(self) -> str:
        """The API's version: "2012-11-05"."""
        version: str = self.metadata["apiVersion"]
        return version

    @cached_property
    def operations(self) -> dict[str, OperationModel]:
        """By name."""
        return {name: OperationModel(self, raw) for name, raw in self._raw["operations"].items()}

    def shape(self, name: str) -> Shape:
        """The shape of that name."""
        shape = self._shapes.get(name)
        if shape is None:
            shape = self._shapes[name] = Shape(self, name, self._raw["shapes"][name])
        return shape

    def has(self, name: str) -> bool:
        """Whether there is a shape of that name."""
        return name in self._raw["shapes"]

    def error_of(self, name: str) -> tuple[str, int]:
        """The code and the HTTP status of an error shape; 400 where the model says nothing, or knows no such shape."""
        raw = self._raw["shapes"].get(name, {})
        error = raw.get("error", {})
        status = error.get("httpStatusCode", 500 if raw.get("fault") else 400)
        return error.get("code", name), status


@cache
def load_model(service: str) -> Model:
    """The newest model of that service. Raises NotInstalled. Cost: some 5 to 20 ms, once."""
    found = find_spec("botocore")
    if found is None or found.origin is None:
        raise NotInstalled("botocore", purpose="speaking AWS", install="pip install 'decouple-messaging[aws]'")
    versions = sorted((Path(found.origin).parent / "data" / service).iterdir())
    packed = versions[-1] / "service-2.json.gz"
    text = gzip.decompress(packed.read_bytes()) if packed.exists() else (versions[-1] / "service-2.json").read_bytes()
    return Model(service, json.loads(text))
