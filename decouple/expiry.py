"""The end of a token that an endpoint was sent to confirm with: two days later, if nobody has."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import ref

if TYPE_CHECKING:
    from decouple.subscribing import Subscribing

__all__ = ["Expiry"]


class Expiry:
    """The runner's job at the end of a token's life.

    It waits for two days, and holds nobody meanwhile: or a broker dropped without close would stay, with its threads.
    """

    awaits = False

    def __init__(self, topic: Subscribing, name: str, token: str) -> None:
        self._topic = ref(topic)
        self._name = name
        self._token = token

    def run(self) -> None:
        topic = self._topic()
        if topic is not None:
            topic._expire(self._token)

    async def arun(self) -> None:
        self.run()

    def abandon(self) -> None:
        """The broker ends before the token does: nothing to do."""

    def describe(self) -> str:
        return f"the end of the token of {self._name}"
