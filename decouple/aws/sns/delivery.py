"""Delivery policies: what AWS shows of them, filled in, and what they mean to the engine. For http and https only.

A topic's policy stands in for what a subscription's leaves out; with disableSubscriptionOverrides it stands in for all.
Source: SNS developer guide, "Creating an HTTP/S delivery policy"; recorded answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps, loads
from typing import Any, NamedTuple

from decouple.aws.sns.service import invalid
from decouple.core.backoff import FIELDS, Phases, delivery_policy

__all__ = ["Effective", "effective_of", "read_policy", "shown_subscription_policy", "shown_topic_policy"]

HEALTHY: dict[str, Any] = {
    "minDelayTarget": 20,
    "maxDelayTarget": 20,
    "numRetries": 3,
    "numMaxDelayRetries": 0,
    "numNoDelayRetries": 0,
    "numMinDelayRetries": 0,
    "backoffFunction": "linear",
}
PLAIN = "text/plain; charset=UTF-8"
OF_SUBSCRIPTION = ("healthyRetryPolicy", "sicklyRetryPolicy", "throttlePolicy", "requestPolicy", "guaranteed")
OF_TOPIC = (
    "defaultHealthyRetryPolicy",
    "defaultSicklyRetryPolicy",
    "defaultThrottlePolicy",
    "defaultRequestPolicy",
    "disableSubscriptionOverrides",
)


class Effective(NamedTuple):
    """What holds for one subscription. max_rate: deliveries a second."""

    retry: Phases
    max_rate: float | None
    content_type: str


def read_policy(text: str, prefix: str, *, of_topic: bool) -> dict[str, Any]:
    """A policy as it was given, checked: of a topic what stands below "http". Raises ServiceError."""
    try:
        given = loads(text)
    except ValueError:
        raise invalid(f"{prefix}DeliveryPolicy: failed to parse JSON.") from None
    except RecursionError:
        raise invalid(f"{prefix}DeliveryPolicy: it is nested too deep") from None
    if of_topic:
        check_keys(given, ("http",), prefix)
        given = given.get("http", {})
    known = OF_TOPIC if of_topic else OF_SUBSCRIPTION
    check_keys(given, known, prefix)
    healthy, _, throttle, request, flag = (given.get(key) for key in known)
    check_parts(healthy, throttle, request, prefix)
    if flag is not None and not isinstance(flag, bool):
        raise invalid(f"{prefix}DeliveryPolicy: {known[-1]} must be true or false")
    return dict(given)


def check_keys(given: Any, known: tuple[str, ...], prefix: str) -> None:
    if not isinstance(given, dict):
        raise invalid(f"{prefix}DeliveryPolicy: it must be a JSON object")
    policy: dict[str, Any] = given  # pyright: ignore[reportUnknownVariableType]  # JSON
    unknown = [key for key in policy if key not in known]
    if unknown:
        raise invalid(f"{prefix}DeliveryPolicy: unexpected JSON member: {unknown[0]}")


def check_parts(healthy: Any, throttle: Any, request: Any, prefix: str) -> None:
    try:
        if healthy is not None:
            delivery_policy(healthy)
    except (TypeError, ValueError) as error:
        raise invalid(f"{prefix}DeliveryPolicy: {error}") from error
    if throttle is not None:
        check_keys(throttle, ("maxReceivesPerSecond",), prefix)
        rate = throttle.get("maxReceivesPerSecond")
        if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int) or rate < 1):
            raise invalid(f"{prefix}DeliveryPolicy: maxReceivesPerSecond must be an integer of at least 1")
    if request is not None:
        check_keys(request, ("headerContentType",), prefix)
        content_type = request.get("headerContentType", PLAIN)
        if not isinstance(content_type, str) or not (content_type.isascii() and content_type.isprintable()):
            raise invalid(f"{prefix}DeliveryPolicy: headerContentType must be a media type")


# -- what is shown -------------------------------------------------------------------------------------------------


def filled(healthy: Mapping[str, Any] | None) -> dict[str, Any]:
    """A retry policy with its defaults."""
    given = {key: value for key, value in (healthy or {}).items() if value is not None}
    return HEALTHY | {key: given[key] for key in (*FIELDS, "backoffFunction") if key in given}


def shown_topic_policy(policy: Mapping[str, Any] | None) -> str:
    """EffectiveDeliveryPolicy of a topic."""
    policy = policy or {}
    http: dict[str, Any] = {
        "defaultHealthyRetryPolicy": filled(policy.get("defaultHealthyRetryPolicy")),
        "disableSubscriptionOverrides": bool(policy.get("disableSubscriptionOverrides")),
    }
    if policy.get("defaultThrottlePolicy"):
        http["defaultThrottlePolicy"] = policy["defaultThrottlePolicy"]
    http["defaultRequestPolicy"] = {"headerContentType": PLAIN, **(policy.get("defaultRequestPolicy") or {})}
    return compact({"http": http})


def shown_subscription_policy(policy: Mapping[str, Any]) -> str:
    """DeliveryPolicy of a subscription: what is absent is null."""
    return compact({key: policy.get(key, False if key == "guaranteed" else None) for key in OF_SUBSCRIPTION})


def effective_of(policy: Mapping[str, Any] | None, of_topic: Mapping[str, Any] | None) -> tuple[str, Effective]:
    """EffectiveDeliveryPolicy of a subscription, and what it means."""
    default: Mapping[str, Any] = of_topic or {}
    own: Mapping[str, Any] = policy or {}
    if default.get("disableSubscriptionOverrides"):
        own = {}
    healthy = filled(own.get("healthyRetryPolicy") or default.get("defaultHealthyRetryPolicy"))
    throttle = own.get("throttlePolicy") or default.get("defaultThrottlePolicy")
    request: dict[str, Any] = {
        "headerContentType": PLAIN,
        **(default.get("defaultRequestPolicy") or {}),
        **(own.get("requestPolicy") or {}),
    }
    document = {
        "healthyRetryPolicy": healthy,
        "sicklyRetryPolicy": own.get("sicklyRetryPolicy") or default.get("defaultSicklyRetryPolicy"),
        "throttlePolicy": throttle,
        "requestPolicy": request,
        "guaranteed": bool(own.get("guaranteed")),
    }
    rate = None if throttle is None else throttle.get("maxReceivesPerSecond")
    return compact(document), Effective(delivery_policy(healthy), rate, request["headerContentType"])


def compact(document: Mapping[str, Any]) -> str:
    return dumps(document, separators=(",", ":"))
