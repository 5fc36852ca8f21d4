"""Forms and query strings: percent-encoded pairs, as the Query protocol sends its parameters.

What a browser would forgive is refused, as AWS does: bad escapes, text that is no UTF-8, one key with two values. How
much one form may hold is bounded, so that a small body cannot grow into a large tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from decouple.aws.errors import ServiceError
from decouple.aws.wire.messages import Request

__all__ = ["MOST_DOTS", "Node", "form_of", "malformed_input", "pairs", "tree_of", "unescape", "whole"]

Node: TypeAlias = "str | dict[str, Node]"

MOST_FIELDS = 10_000
MOST_DOTS = 16
INTEGER = re.compile("[+-]?[0-9]{1,19}")
BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


def bad_query(message: str) -> ServiceError:
    """The error for a query string that is none."""
    return ServiceError("MalformedQueryString", message)


def malformed_input(message: str) -> ServiceError:
    """The error for parameters that do not have the operation's shape."""
    return ServiceError("MalformedInput", message)


def unescape(text: str) -> str:
    """The text without percent-encoding. Raises ServiceError."""
    if BAD_ESCAPE.search(text):
        raise bad_query("The query string contains a malformed percent escape")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise bad_query("The query string is not valid UTF-8") from None


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """The pairs of a query string, in order. Raises ServiceError."""
    if text.count("&") >= MOST_FIELDS:
        raise bad_query(f"The query string has more than {MOST_FIELDS} fields")
    for field in text.replace("+", " ").split("&"):
        if field:
            name, _, value = field.partition("=")
            yield unescape(name) if "%" in name else name, unescape(value) if "%" in value else value


def form_of(request: Request) -> dict[str, str]:
    """The parameters in the query string and, of a form that was posted, in the body. Raises ServiceError."""
    form: dict[str, str] = {}
    texts = [request.query] if request.query else []
    if request.method == "POST" and posted_form(request):
        try:
            texts.append(request.body.decode())
        except UnicodeDecodeError:
            raise bad_query("The request body is not valid UTF-8") from None
    for text in texts:
        for name, value in pairs(text):
            if form.setdefault(name, value) != value:
                raise bad_query(f"The query string contains the key {name[:100]} twice")
    return form


def posted_form(request: Request) -> bool:
    """Whether the body says that it is a form, or does not say what it is."""
    content = request.headers.get("content-type", "")
    return not content or content.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded"


def whole(text: str) -> int | None:
    """The whole number that a text says; None if it says none, or one that no 64 bits hold."""
    return int(text) if INTEGER.fullmatch(text) else None


def tree_of(form: dict[str, str]) -> dict[str, Node]:
    """The form by the dots in its keys: "Entry.1.Id" is the Id of 1 of Entry. Raises ServiceError."""
    tree: dict[str, Node] = {}
    for key, value in form.items():
        node = tree
        if "." in key:
            *branches, key = key.split(".", MOST_DOTS)
            for branch in branches:
                inner = node.setdefault(branch, {})
                if isinstance(inner, str):
                    raise malformed_input("Unexpected complex element termination")
                node = inner
        if node.setdefault(key, value) is not value:
            raise malformed_input("Unexpected complex element termination")
    return tree
