"""Events of web requests: what API Gateway hands to a function, of a REST API (1.0) or an HTTP API (2.0).

A function URL sends the shape of 2.0, too. In 1.0 what is missing is null, in 2.0 it is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, NotRequired, TypeAlias, TypedDict, cast, overload
from urllib.parse import quote_plus

from decouple.jsontext import json_text
from decouple.testing.events.defaults import (
    ACCOUNT,
    NEW_YEAR,
    REGION,
    SOURCE_IP,
    USER_AGENT,
    encoded,
    hex_of,
    log_time,
    member,
    milliseconds,
    uuid_of,
)

__all__ = ["ApiGatewayEvent", "ApiGatewayEventV2", "Fields", "api_gateway"]

Fields: TypeAlias = Mapping[str, "str | Sequence[str]"]
Body: TypeAlias = "str | bytes | dict[str, Any] | list[Any] | None"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
API = "a1b2c3d4e5"
IDENTITY = (
    "cognitoIdentityPoolId",
    "accountId",
    "cognitoIdentityId",
    "caller",
    "sourceIp",
    "principalOrgId",
    "accessKey",
    "cognitoAuthenticationType",
    "cognitoAuthenticationProvider",
    "userArn",
    "userAgent",
    "user",
)


class ApiGatewayEvent(TypedDict):
    """A request to a REST API with Lambda proxy integration (payload 1.0)."""

    resource: str
    path: str
    httpMethod: str
    headers: dict[str, str]
    multiValueHeaders: dict[str, list[str]]
    queryStringParameters: dict[str, str] | None
    multiValueQueryStringParameters: dict[str, list[str]] | None
    pathParameters: dict[str, str] | None
    stageVariables: dict[str, str] | None
    requestContext: dict[str, Any]
    body: str | None
    isBase64Encoded: bool


class ApiGatewayEventV2(TypedDict):
    """A request to an HTTP API or a function URL (payload 2.0): header names are lower case, equal ones joined by commas."""

    version: Literal["2.0"]
    routeKey: str
    rawPath: str
    rawQueryString: str
    cookies: NotRequired[list[str]]
    headers: dict[str, str]
    queryStringParameters: NotRequired[dict[str, str]]
    requestContext: dict[str, Any]
    pathParameters: NotRequired[dict[str, str]]
    stageVariables: NotRequired[dict[str, str]]
    body: NotRequired[str]
    isBase64Encoded: bool


class Request(NamedTuple):
    """A request as both shapes are made from it."""

    method: str
    path: str
    route: str
    query: dict[str, list[str]]
    headers: dict[str, list[str]]
    body: str | None
    binary: bool
    parameters: dict[str, str]
    claims: Mapping[str, Any] | None
    authorizer: Mapping[str, Any] | None
    stage: str
    variables: Mapping[str, str] | None
    at: datetime
    account: str
    host: str

    @property
    def id(self) -> str:
        """The same for the same request."""
        return uuid_of(self.method, self.path, self.query, self.body, milliseconds(self.at))


@overload
def api_gateway(
    method: str,
    path: str,
    *,
    version: Literal["1.0"] = "1.0",
    route: str | None = None,
    query: Fields | None = None,
    headers: Fields | None = None,
    body: Body = None,
    claims: Mapping[str, Any] | None = None,
    authorizer: Mapping[str, Any] | None = None,
    stage: str | None = None,
    stage_variables: Mapping[str, str] | None = None,
    at: datetime = NEW_YEAR,
    account: str = ACCOUNT,
    region: str = REGION,
) -> ApiGatewayEvent: ...
@overload
def api_gateway(
    method: str,
    path: str,
    *,
    version: Literal["2.0"],
    route: str | None = None,
    query: Fields | None = None,
    headers: Fields | None = None,
    body: Body = None,
    claims: Mapping[str, Any] | None = None,
    authorizer: Mapping[str, Any] | None = None,
    stage: str | None = None,
    stage_variables: Mapping[str, str] | None = None,
    at: datetime = NEW_YEAR,
    account: str = ACCOUNT,
    region: str = REGION,
) -> ApiGatewayEventV2: ...
def api_gateway(
    method: str,
    path: str,
    *,
    version: Literal["1.0", "2.0"] = "1.0",
    route: str | None = None,
    query: Fields | None = None,
    headers: Fields | None = None,
    body: Body = None,
    claims: Mapping[str, Any] | None = None,
    authorizer: Mapping[str, Any] | None = None,
    stage: str | None = None,
    stage_variables: Mapping[str, str] | None = None,
    at: datetime = NEW_YEAR,
    account: str = ACCOUNT,
    region: str = REGION,
) -> ApiGatewayEvent | ApiGatewayEventV2:
    """The event for a request: `api_gateway("POST", "/orders/7", route="/orders/{id}", body={"n": 1})`.

    route: the path's pattern, from which path parameters come, `{rest+}` takes what is left; query, headers: a text, or
    several; body: a dict or list becomes JSON with its content type, bytes base64; claims: of a JWT; authorizer: what a Lambda
    authorizer returned as context. Raises TypeError, ValueError.
    Source: API Gateway developer guide, "Set up Lambda proxy integrations" and the same "for HTTP APIs".
    """
    member(method, METHODS, "method")
    member(version, ("1.0", "2.0"), "version")
    if claims is not None and authorizer is not None:
        raise ValueError("a request has claims or an authorizer's context, not both: it went through one authorizer")
    text, kind = content_of(body)
    host = f"{API}.execute-api.{region}.amazonaws.com"
    request = Request(
        method,
        path,
        path if route is None else route,
        fields(query, "query"),
        with_usual(fields(headers, "headers"), host, kind),
        text,
        isinstance(body, bytes),
        parameters_of(path, route),
        claims,
        authorizer,
        stage or ("prod" if version == "1.0" else "$default"),
        stage_variables,
        at,
        account,
        host,
    )
    return rest(request) if version == "1.0" else http(request)


def rest(request: Request) -> ApiGatewayEvent:
    """The shape of 1.0: where a name has several values, the plain maps have the last."""
    last = {name: values[-1] for name, values in request.query.items()}
    return {
        "resource": request.route,
        "path": request.path,
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in request.headers.items()},
        "multiValueHeaders": request.headers,
        "queryStringParameters": last or None,
        "multiValueQueryStringParameters": request.query or None,
        "pathParameters": request.parameters or None,
        "stageVariables": None if request.variables is None else dict(request.variables),
        "requestContext": rest_context(request),
        "body": request.body,
        "isBase64Encoded": request.binary,
    }


def rest_context(request: Request) -> dict[str, Any]:
    """What API Gateway says about a request to a REST API."""
    context: dict[str, Any] = {"resourceId": hex_of(request.route, digits=6)}
    if request.claims is not None:
        context["authorizer"] = {"claims": dict(request.claims)}
    elif request.authorizer is not None:
        context["authorizer"] = dict(request.authorizer)
    known = {"sourceIp": SOURCE_IP, "userAgent": header_of(request.headers, "user-agent")}
    return context | {
        "resourcePath": request.route,
        "httpMethod": request.method,
        "extendedRequestId": encoded(bytes.fromhex(hex_of(request.id, digits=22))),
        "requestTime": log_time(request.at),
        "path": f"/{request.stage}{request.path}",
        "accountId": request.account,
        "protocol": "HTTP/1.1",
        "stage": request.stage,
        "domainPrefix": API,
        "requestTimeEpoch": milliseconds(request.at),
        "requestId": request.id,
        "identity": {name: known.get(name) for name in IDENTITY},
        "domainName": request.host,
        "apiId": API,
    }


def http(request: Request) -> ApiGatewayEventV2:
    """The shape of 2.0: values of one name are joined by commas, cookies apart, and what is missing is left out."""
    lower: dict[str, list[str]] = {}
    for name, values in request.headers.items():
        lower.setdefault(name.lower(), []).extend(values)
    cookies = [cookie for line in lower.pop("cookie", []) for cookie in line.split("; ")]
    key = request.route if request.route == "$default" else f"{request.method} {request.route}"
    prefix = "" if request.stage == "$default" else f"/{request.stage}"
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": key,
        "rawPath": prefix + request.path,
        "rawQueryString": "&".join(
            f"{quote_plus(name)}={quote_plus(value)}" for name, values in request.query.items() for value in values
        ),
        "cookies": cookies,
        "headers": {name: ",".join(values) for name, values in lower.items()},
        "queryStringParameters": {name: ",".join(values) for name, values in request.query.items()},
        "requestContext": http_context(request, key, prefix + request.path),
        "pathParameters": request.parameters,
        "stageVariables": dict(request.variables or {}),
        "body": request.body,
        "isBase64Encoded": request.binary,
    }
    optional = ("cookies", "queryStringParameters", "pathParameters", "stageVariables")
    kept = {name: value for name, value in event.items() if value or name not in optional}
    if request.body is None:
        del kept["body"]
    return cast("ApiGatewayEventV2", kept)


def http_context(request: Request, key: str, path: str) -> dict[str, Any]:
    """What API Gateway says about a request to an HTTP API."""
    context: dict[str, Any] = {"accountId": request.account, "apiId": API}
    if request.claims is not None:
        context["authorizer"] = {"jwt": {"claims": dict(request.claims), "scopes": None}}
    elif request.authorizer is not None:
        context["authorizer"] = {"lambda": dict(request.authorizer)}
    return context | {
        "domainName": request.host,
        "domainPrefix": API,
        "http": {
            "method": request.method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": SOURCE_IP,
            "userAgent": header_of(request.headers, "user-agent"),
        },
        "requestId": encoded(bytes.fromhex(hex_of(request.id, digits=22))),
        "routeKey": key,
        "stage": request.stage,
        "time": log_time(request.at),
        "timeEpoch": milliseconds(request.at),
    }


def content_of(body: Body) -> tuple[str | None, str | None]:
    """The body as text, and its content type where that is known. Raises TypeError, ValueError."""
    if body is None or isinstance(body, str):
        return body, None
    if isinstance(body, bytes):
        return encoded(body), "application/octet-stream"
    if isinstance(body, (dict, list)):
        return json_text(body, "a body must be JSON"), "application/json"
    raise TypeError(f"a body is text, bytes, a dict or a list, not {body!r:.80}")


def fields(given: Fields | None, what: str) -> dict[str, list[str]]:
    """Names with all their values. Raises TypeError."""
    found: dict[str, list[str]] = {}
    for name, values in (given or {}).items():
        texts = [values] if isinstance(values, str) else values
        if not (isinstance(texts, (list, tuple)) and texts and all(isinstance(text, str) for text in (name, *texts))):
            raise TypeError(f"{what} must have text, or lists of texts, by name, not {name!r}: {values!r:.80}")
        found[name] = list(texts)
    return found


def with_usual(headers: dict[str, list[str]], host: str, kind: str | None) -> dict[str, list[str]]:
    """The headers with those every request has; what is given wins, in whatever case it is written."""
    usual = {
        "Host": host,
        "User-Agent": USER_AGENT,
        "X-Forwarded-For": SOURCE_IP,
        "X-Forwarded-Port": "443",
        "X-Forwarded-Proto": "https",
    }
    if kind is not None:
        usual["Content-Type"] = kind
    given = {name.lower() for name in headers}
    return headers | {name: [value] for name, value in usual.items() if name.lower() not in given}


def header_of(headers: Mapping[str, list[str]], wanted: str) -> str:
    """The last value of a header, in whatever case it is written."""
    return next(values[-1] for name, values in headers.items() if name.lower() == wanted)


def parameters_of(path: str, route: str | None) -> dict[str, str]:
    """What the path has where the route has {names}. Raises ValueError when they do not match."""
    if not path.startswith("/") or "?" in path:
        raise ValueError(f"a path starts with '/' and has no '?', unlike {path!r}: give the rest as query={{...}}")
    if route is None or route == "$default":
        return {}
    parts = re.split(r"\{(\w+)(\+?)\}", route)
    names, pattern = parts[1::3], re.escape(parts[0])
    for greedy, literal in zip(parts[2::3], parts[3::3], strict=True):
        pattern += ("(.+)" if greedy else "([^/]+)") + re.escape(literal)
    found = re.fullmatch(pattern, path)
    if found is None:
        raise ValueError(f"path {path!r} does not match route {route!r}: its parameters are what stands in {{braces}}")
    return dict(zip(names, found.groups(), strict=True))
