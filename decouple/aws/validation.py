"""Requests against the model, in one place: what is missing, of the wrong type, or out of its range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decouple.aws.service import Service

__all__ = ["Door"]


class Door:
    """The checks of one service's requests."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def check(self, operation: str, given: dict[str, Any]) -> None:
        """Raises ServiceError for parameters that the model does not allow."""
        shape = self._service.model.operations[operation].input
        for name in () if shape is None else shape.required:
            if given.get(name) is None:
                raise self._service.missing(name)
