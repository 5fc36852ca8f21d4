"""The broker's post office: what its targets share. Senders by protocol, the outbox of what had none, one HTTP client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from decouple.calls import answer_of, is_async
from decouple.outbox import Outbox, Outgoing

if TYPE_CHECKING:
    from decouple.http_client import HttpClient
    from decouple.targets import Target

__all__ = ["Post", "Sender"]

Sender: TypeAlias = Callable[[Outgoing], Any]

# protocol: what is subscribed under it
PROTOCOLS = {"email": "Email", "email-json": "Email(json=True)", "sms": "SMS", "application": "Push"}


class Post:
    """senders: what takes mail, text messages and mobile push; what has no sender is kept in `outbox`."""

    def __init__(self, senders: Mapping[str, Sender]) -> None:
        self.senders = checked(senders)
        self._async = {protocol for protocol, sender in self.senders.items() if is_async(sender)}
        self.outbox = Outbox()
        self._http: list[HttpClient] = []

    def awaits(self, target: Target) -> bool:
        """Whether the target's `deliver` is to be awaited here: it is a coroutine itself, or its sender is one."""
        return target.awaits or target.protocol in self._async

    def send(self, outgoing: Outgoing) -> Any:
        """Give it to the sender of its protocol; what an `async def` returns is to be awaited. What a sender raises, comes."""
        sender = self.senders.get(outgoing.protocol)
        if sender is None:
            return self.outbox.append(outgoing)
        answer = sender(outgoing)
        return answer if outgoing.protocol in self._async else answer_of(answer, f"the sender for {outgoing.protocol}")

    @property
    def http(self) -> HttpClient:
        """The client that posts to web endpoints, made when it is first asked for."""
        if not self._http:
            from decouple.http_client import HttpClient  # here, because most brokers have no web endpoint

            self._http.append(HttpClient())
        return self._http[0]  # also where two threads have just made one each: the other has no connections

    async def close(self) -> None:
        """Close what belongs to the running loop."""
        if self._http:
            await self._http[0].close()


def checked(senders: Mapping[str, Sender]) -> dict[str, Sender]:
    """Senders by protocol; the one for mail takes JSON by mail too, unless that has its own. Raises TypeError, ValueError."""
    if not isinstance(senders, Mapping):
        raise TypeError(f"senders must be a mapping of protocols to callables, not {senders!r:.80}")
    for protocol, sender in senders.items():
        if protocol not in PROTOCOLS:
            known = ", ".join(f"{name!r} for {target}" for name, target in PROTOCOLS.items())
            raise ValueError(f"no subscription has the protocol {protocol!r}: there are senders {known}")
        if not callable(sender):
            raise TypeError(f"the sender for {protocol} must be a callable that takes an Outgoing, not {sender!r:.80}")
    found = dict(senders)
    if "email" in found:
        found.setdefault("email-json", found["email"])
    return found
