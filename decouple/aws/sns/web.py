"""Web endpoints of subscriptions made over the wire: their content type is a delivery policy's, and may change."""

from __future__ import annotations

from decouple.http_target import HTTP

__all__ = ["Hook"]


class Hook(HTTP):
    """An endpoint of a URL, the same as HTTP(url) whatever it is posted as."""

    __slots__ = ()

    def post_as(self, content_type: str) -> None:
        """The content type of notifications from now on."""
        object.__setattr__(self, "content_type", content_type)
