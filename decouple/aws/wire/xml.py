"""Text and elements of XML answers, as AWS writes them.

XML has no way to say most control characters: they become U+FFFD, so that no answer is unreadable for what one message
holds. A carriage return is written as a reference: a reader would turn it into a line feed otherwise.
"""

from __future__ import annotations

import re

__all__ = ["element", "escape"]

# Also what may not stand for itself, so that most texts are looked at once and stay as they are.
SPECIAL = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}


def escape(text: str) -> str:
    """The text for between two tags."""
    return SPECIAL.sub(lambda found: NAMED.get(found[0], "\ufffd"), text) if SPECIAL.search(text) else text


def element(name: str, inner: str) -> str:
    """The element; empty ones are closed in the same tag."""
    return f"<{name}>{inner}</{name}>" if inner else f"<{name}/>"
