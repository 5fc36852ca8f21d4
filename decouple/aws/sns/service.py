"""The service's table, and its errors by what they say."""

from __future__ import annotations

from decouple.aws.errors import ServiceError
from decouple.aws.service import Service

__all__ = ["SNS", "invalid", "invalid_value", "not_found"]

MODULES = (
    "topics",
    "tagging",
    "permissions",
    "subscriptions",
    "subscription_attributes",
    "publishing",
    "mobile",
    "sms",
)

SNS = Service(
    "sns",
    "Amazon SNS",
    modules=tuple(f"decouple.aws.sns.{module}" for module in MODULES),
    errors={"ValidationException": ("ValidationError", 400)},
)


def invalid(text: str) -> ServiceError:
    """InvalidParameter, "Invalid parameter: <text>"."""
    return SNS.error("InvalidParameterException", f"Invalid parameter: {text}")


def invalid_value(text: str) -> ServiceError:
    """ParameterValueInvalid, which message attributes have instead."""
    return SNS.error("InvalidParameterValueException", text)


def not_found(what: str) -> ServiceError:
    """NotFound, "<what> does not exist"."""
    return SNS.error("NotFoundException", f"{what} does not exist")
