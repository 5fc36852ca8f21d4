"""AWS's protocols over HTTP: an ASGI application above a world, and the server that `decouple serve` runs."""

from __future__ import annotations

from decouple.aws.endpoint.app import Endpoint, asgi

__all__ = ["Endpoint", "asgi"]
