"""Checked by mypy --strict and a strict pyright, never run: what a subscription delivers to."""

from __future__ import annotations

from decouple.http_target import HTTP
from decouple.targets import Target


def an_endpoint_is_a_target() -> Target:
    return HTTP("https://example.com/orders", headers={"X-Api-Key": "k"})
