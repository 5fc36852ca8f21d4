"""Events of WebSocket APIs of API Gateway: somebody connects, says something, is gone."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NotRequired, TypedDict, cast

from decouple.testing.events.defaults import (
    NEW_YEAR,
    REGION,
    SOURCE_IP,
    USER_AGENT,
    encoded,
    hex_of,
    log_time,
    milliseconds,
)
from decouple.testing.events.requests import API, Body, Fields, content_of, fields, with_usual

__all__ = ["WebSocketEvent", "websocket"]


class WebSocketEvent(TypedDict):
    """What happened on a connection. Headers and query only come with $connect, some headers with $disconnect."""

    headers: NotRequired[dict[str, str]]
    multiValueHeaders: NotRequired[dict[str, list[str]]]
    queryStringParameters: NotRequired[dict[str, str]]
    multiValueQueryStringParameters: NotRequired[dict[str, list[str]]]
    requestContext: dict[str, Any]
    body: NotRequired[str]
    isBase64Encoded: bool


def websocket(
    route: str = "$default",
    body: Body = None,
    *,
    connection: str = "ABCDEFGHIJKLMNO=",
    headers: Fields | None = None,
    query: Fields | None = None,
    authorizer: dict[str, Any] | None = None,
    reason: str = "Client-side close frame status not set",
    status: int = 1005,
    stage: str = "production",
    connected_at: datetime | None = None,
    at: datetime = NEW_YEAR,
    region: str = REGION,
) -> WebSocketEvent:
    """The event of a connection: `websocket("$connect", query={"room": "7"})`, `websocket("say", {"text": "hi"})`.

    route: $connect, $disconnect, or that of a message; body: of a message; reason, status: of the end; connected_at: `at`
    unless given. Raises TypeError, ValueError. Source: API Gateway developer guide, "WebSocket APIs".
    """
    host = f"{API}.execute-api.{region}.amazonaws.com"
    opening, closing = route == "$connect", route == "$disconnect"
    if body is not None and (opening or closing):
        raise ValueError(f"{route} has no body, so {body!r:.80} would be lost: send it as a message")
    if not opening and (headers or query):
        raise ValueError(f"only $connect has headers and a query, not {route!r}: keep them by the connection's id")
    event: dict[str, Any] = {}
    if opening:
        event = heading(with_usual(fields(headers, "headers"), host, None), fields(query, "query"))
    elif closing:
        event = heading({"Host": [host], "x-api-key": [""], "X-Forwarded-For": [""], "x-restapi": [""]}, {})
    kind = "CONNECT" if opening else "DISCONNECT" if closing else "MESSAGE"
    id = encoded(bytes.fromhex(hex_of(route, connection, repr(body), milliseconds(at), digits=22)))
    context: dict[str, Any] = {"routeKey": route}
    if authorizer is not None:
        context["authorizer"] = dict(authorizer)
    if closing:
        context["disconnectStatusCode"] = status
    if kind == "MESSAGE":
        context["messageId"] = encoded(bytes.fromhex(hex_of(id, digits=22)))
    context |= {
        "eventType": kind,
        "extendedRequestId": id,
        "requestTime": log_time(at),
        "messageDirection": "IN",
    }
    if closing:
        context["disconnectReason"] = reason
    context |= {
        "stage": stage,
        "connectedAt": milliseconds(connected_at or at),
        "requestTimeEpoch": milliseconds(at),
        "identity": {"userAgent": USER_AGENT, "sourceIp": SOURCE_IP} if opening else {"sourceIp": SOURCE_IP},
        "requestId": id,
        "domainName": host,
        "connectionId": connection,
        "apiId": API,
    }
    event["requestContext"] = context
    if body is not None:
        event["body"] = content_of(body)[0]
    return cast("WebSocketEvent", event | {"isBase64Encoded": isinstance(body, bytes)})


def heading(headers: dict[str, list[str]], query: dict[str, list[str]]) -> dict[str, Any]:
    """Headers, and the query if there is one."""
    shown: dict[str, Any] = {
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
    }
    if query:
        shown["queryStringParameters"] = {name: values[-1] for name, values in query.items()}
        shown["multiValueQueryStringParameters"] = query
    return shown
