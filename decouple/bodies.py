"""Bodies are text: what may be one, and what becomes one.

`str` is sent as it is; a dict, list, number, bool or None becomes JSON text. Encoding at the send is what decouples: the
receiver never shares an object with the sender. What a typed queue does is in codecs.py.
"""

from __future__ import annotations

from decouple.jsontext import json_text

__all__ = ["check_text", "text_of"]


def text_of(body: object) -> str:
    """The text of an untyped body. Raises TypeError, ValueError."""
    if isinstance(body, str):
        return check_text(str.__str__(body))
    if isinstance(body, (bytes, bytearray, memoryview)):
        raise TypeError(
            "a body is text, not bytes: decode it, send base64.b64encode(data).decode(), or put it into an attribute"
        )
    if body is None or isinstance(body, (dict, list, int, float)):
        return check_text(json_text(body, "a body must be JSON"))
    raise TypeError(
        f"a body is str, dict, list, int, float, bool or None, not {type(body).__name__}: "
        f"encode it, or declare the queue with body={type(body).__name__}"
    )


def check_text(text: str) -> str:
    """The text itself, when it may be a body: not empty, and UTF-8 can encode it."""
    if not text:
        raise ValueError("a body must not be empty: SQS has no empty messages")
    try:
        if not text.isascii():
            text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"a body must encode to UTF-8, and character {error.start} is the lone surrogate {text[error.start]!r}"
        ) from None
    return text
