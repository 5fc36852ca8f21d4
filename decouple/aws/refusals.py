"""Operations that are refused on purpose: lines of the table with a reason instead of an effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from decouple.aws.errors import ServiceError

if TYPE_CHECKING:
    from decouple.aws.service import Answer, Given, Service
    from decouple.aws.world import Call

__all__ = ["refuse"]


def refuse(service: Service, reasons: Mapping[str, str]) -> None:
    """Add operations to the service's table that answer with an error saying why: {name: reason}."""
    for name, reason in reasons.items():
        add(service, name, reason)


def add(service: Service, name: str, reason: str) -> None:
    text = f"{service.title} operation {name} is refused: {reason}"

    def refused(call: Call, given: Given) -> Answer:
        raise ServiceError("NotImplemented", text, status=501, sender=False)

    service.operation(name, "refused", reason)(refused)
