"""Which service and operation a request means, by what AWS's protocols leave to tell them apart on one port.

A target header says both; a Query request names its action and the API's version; a REST request has its method and
path. Where that leaves two answers, the scope that the request was signed for decides.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple, NoReturn

from decouple.aws.errors import ServiceError
from decouple.aws.model import load_model
from decouple.aws.wire.forms import form_of, unescape
from decouple.aws.wire.messages import Request, Unreadable
from decouple.aws.wire.rest_json import find_operation

__all__ = ["Found", "Scope", "find", "scope_of"]

TARGETS = {"AmazonSQS": "sqs", "AWSEvents": "events"}
VERSIONS = {"2012-11-05": "sqs", "2010-03-31": "sns", "2011-06-15": "sts"}
QUERY = ("sqs", "sns", "sts")
REST = (
    (re.compile(r"/\d{4}-\d\d-\d\d/"), "lambda"),
    (re.compile("/(schedules|schedule-groups|tags)(/|$)"), "scheduler"),
)
JSON = ("application/x-amz-json-1.0", "application/x-amz-json-1.1")
CREDENTIAL = re.compile(r"Credential=([^,\s]+)")
IN_QUERY = re.compile("(?:^|&)X-Amz-Credential=([^&]*)")


class Scope(NamedTuple):
    """What a request says it was signed for; nothing of it has been checked."""

    access_key: str
    date: str
    region: str
    service: str


class Found(NamedTuple):
    """What a request means. form: of a Query request, what was read to find out."""

    service: str
    operation: str
    protocol: str
    form: dict[str, str] | None = None


def scope_of(request: Request) -> Scope | None:
    """The credential scope in the Authorization header or the query string; None: unsigned, or not as AWS does."""
    said = CREDENTIAL.search(request.headers.get("authorization", ""))
    text = said[1] if said is not None else ""
    if said is None and (said := IN_QUERY.search(request.query)) is not None:
        try:
            text = unescape(said[1])
        except ServiceError:
            return None
    return scope_in(text)


@lru_cache(maxsize=256)  # one client has the same one all day
def scope_in(credential: str) -> Scope | None:
    # From the right: an access key may hold a slash, the rest cannot.
    parts = credential.rsplit("/", 4)
    return Scope(*parts[:4]) if len(parts) == 5 else None


def find(request: Request) -> Found:
    """What the request means. Raises Unreadable."""
    target = request.headers.get("x-amz-target")
    if target is not None:
        return by_target(request.method, target, request.headers.get("content-type", ""))
    scope = scope_of(request)
    signed_for = "" if scope is None else scope.service
    rest = rest_service(request, signed_for)
    return by_path(request, rest) if rest else by_action(request, signed_for)


@lru_cache(maxsize=256)
def by_target(method: str, target: str, content_type: str) -> Found:
    """Of a JSON request. Raises Unreadable."""
    prefix, _, operation = target.partition(".")
    service = TARGETS.get(prefix)
    media = content_type.partition(";")[0].strip().lower()
    if method != "POST" or media not in JSON:
        refuse_unknown(service or "sqs")
    if service is None or operation not in load_model(service).operations:
        # SQS is known to say what the action was; EventBridge says nothing, and this helps more.
        error = ServiceError(
            "UnknownOperationException",
            f"The action {operation if service else target} is not valid for this endpoint.",
            code="InvalidAction" if service == "sqs" else None,
        )
        raise Unreadable(service or "sqs", operation, "json", error)
    return Found(service, operation, "json")


def rest_service(request: Request, signed_for: str) -> str:
    """The REST service that the request is for; "" if it is for none."""
    if signed_for in ("lambda", "scheduler"):
        return signed_for
    if signed_for in QUERY:
        return ""
    return next((service for pattern, service in REST if pattern.match(request.path)), "")


def by_path(request: Request, service: str) -> Found:
    """Of a REST request. Raises Unreadable."""
    try:
        operation = find_operation(service, request)
    except ServiceError as error:
        raise Unreadable(service, "", "rest-json", error) from None
    if operation is None:
        text = f"{request.method} {request.path[:200]} is not an operation of this endpoint."
        raise Unreadable(service, "", "rest-json", ServiceError("UnknownOperationException", text, status=404))
    return Found(service, operation, "rest-json")


def by_action(request: Request, signed_for: str) -> Found:
    """Of a Query request. Raises Unreadable."""
    guess = signed_for if signed_for in QUERY else "sqs"
    try:
        form = form_of(request)
    except ServiceError as error:
        raise Unreadable(guess, "", "query", error) from None
    action = form.get("Action")
    if action is None or request.method not in ("GET", "POST"):
        refuse_unknown(guess)
    service = VERSIONS.get(form.get("Version", "")) or service_of(request, action, signed_for)
    at_queue = service == "sqs" and len(request.path) > 1
    if action not in load_model(service).operations or (at_queue and action in ("CreateQueue", "ListQueues")):
        text = f"The action {action[:200]} is not valid for this endpoint."
        raise Unreadable(service, action, "query", ServiceError("InvalidAction", text))
    return Found(service, action, "query", form)


def service_of(request: Request, action: str, signed_for: str) -> str:
    """The service of a Query request that does not say the API's version."""
    if signed_for in QUERY:
        return signed_for
    if len(request.path) > 1:
        return "sqs"
    return next((name for name in QUERY if action in load_model(name).operations), "sqs")


def refuse_unknown(service: str) -> NoReturn:
    """For what is a request in none of the protocols. Raises Unreadable."""
    error = ServiceError("UnknownOperationException", "The request names no operation.", status=404)
    raise Unreadable(service, "", "query", error)
