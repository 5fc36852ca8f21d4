"""The errors of SQS: which code each shape has in the Query protocol and in the header of JSON answers, and its status.

botocore's model does not hold them since SQS speaks JSON. Two shapes lie outside of the service's own namespace: there
the code is the shape's name without "Exception".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decouple.aws.service import Service

if TYPE_CHECKING:
    from decouple.aws.errors import ServiceError

__all__ = ["ERRORS", "SqsService"]

LEGACY = "AWS.SimpleQueueService."
ERRORS: dict[str, tuple[str, int]] = {
    "QueueDoesNotExist": (f"{LEGACY}NonExistentQueue", 400),
    "QueueNameExists": ("QueueAlreadyExists", 400),
    "QueueDeletedRecently": (f"{LEGACY}QueueDeletedRecently", 400),
    "PurgeQueueInProgress": (f"{LEGACY}PurgeQueueInProgress", 403),
    "OverLimit": ("OverLimit", 403),
    "ReceiptHandleIsInvalid": ("ReceiptHandleIsInvalid", 404),
    "MessageNotInflight": (f"{LEGACY}MessageNotInflight", 400),
    "InvalidMessageContents": ("InvalidMessageContents", 400),
    "InvalidAttributeName": ("InvalidAttributeName", 400),
    "InvalidAttributeValue": ("InvalidAttributeValue", 400),
    "EmptyBatchRequest": (f"{LEGACY}EmptyBatchRequest", 400),
    "TooManyEntriesInBatchRequest": (f"{LEGACY}TooManyEntriesInBatchRequest", 400),
    "BatchEntryIdsNotDistinct": (f"{LEGACY}BatchEntryIdsNotDistinct", 400),
    "InvalidBatchEntryId": (f"{LEGACY}InvalidBatchEntryId", 400),
    "BatchRequestTooLong": (f"{LEGACY}BatchRequestTooLong", 400),
    "UnsupportedOperation": (f"{LEGACY}UnsupportedOperation", 400),
    "InvalidAddress": ("InvalidAddress", 404),
    "ResourceNotFoundException": ("ResourceNotFoundException", 404),
    "InvalidParameterValueException": ("InvalidParameterValue", 400),
    "MissingRequiredParameterException": ("MissingParameter", 400),
    "AccessDeniedException": ("AccessDenied", 403),
}


class SqsService(Service):
    """The service, and the errors that many of its operations have in common."""

    def error(self, shape: str, message: str, **more: Any) -> ServiceError:
        """The service's error; what it quotes may be no text that could be encoded."""
        return super().error(shape, message.encode(errors="replace").decode(), **more)

    def missing(self, path: str) -> ServiceError:
        return self.error("MissingRequiredParameterException", f"The request must contain the parameter {path}.")

    def wrong(self, text: str) -> ServiceError:
        """InvalidParameterValue with that text."""
        return self.error("InvalidParameterValueException", text)

    def wrong_value(self, value: Any, parameter: str, reason: str) -> ServiceError:
        """InvalidParameterValue in the words SQS has for most values."""
        return self.wrong(f"Value {value} for parameter {parameter} is invalid. Reason: {reason}")

    def no_queue(self, protocol: str) -> ServiceError:
        """There is no such queue; the older protocol says so in other words."""
        more = " for this wsdl version" if protocol == "query" else ""
        return self.error("QueueDoesNotExist", f"The specified queue does not exist{more}.")

    def within(self, value: int | None, parameter: str, least: int, most: int, reason: str) -> int | None:
        """The number, if it is from `least` to `most` or not given. Raises ServiceError."""
        if value is not None and not least <= value <= most:
            raise self.wrong_value(value, parameter, reason)
        return value
