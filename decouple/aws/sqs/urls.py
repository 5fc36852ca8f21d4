"""Queues by URL: every shape that AWS, LocalStack and our own endpoint give them, and whether the caller may.

What counts is the path, `/<account>/<name>`, or `/queue/<region>/<account>/<name>` as LocalStack has it; the region is
that of the host name, where it says one, or the request's. A bare name is a queue of the caller's.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from decouple.arns import arn_of
from decouple.aws.sqs import SQS
from decouple.core.principals import principal
from decouple.errors import AccessDenied
from decouple.permissions import check_access

if TYPE_CHECKING:
    from decouple.aws.world import Call, Place, World
    from decouple.queue import Queue

__all__ = ["Address", "admit", "find_queue", "place_of", "url_of"]

REGION = r"[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}"
PATH = re.compile(rf"/+(?:queue/(?P<region>{REGION})/)?(?P<account>[0-9]{{12}})/(?P<name>[^/]+)/?", re.ASCII)
# sqs.eu-west-1.amazonaws.com, vpce-1.sqs.eu-west-1.vpce.amazonaws.com, eu-west-1.queue.amazonaws.com, ...
HOST = re.compile(rf"(?:.*\.)?sqs(?:-fips)?\.({REGION})\..*|({REGION})\.queue\..*", re.ASCII)
LONGEST = 2_048
"""Characters of a URL that is looked at: what is remembered of them is bounded, too."""
FIRST_HOST, FIRST_REGION = "queue.amazonaws.com", "us-east-1"


class Address(NamedTuple):
    """Where a queue is, if it is."""

    account: str
    region: str
    name: str


@lru_cache(maxsize=4_096)
def address_in(url: str, account: str, region: str) -> Address | None:
    """What the URL says, for a caller of that account who called that region; None if it is no queue's."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return None
    if not host and "/" not in url:
        return Address(account, region, url)
    path = PATH.fullmatch(unquote(parts.path))
    if path is None:
        return None
    return Address(path["account"], path["region"] or region_of(host) or region, path["name"])


def region_of(host: str) -> str | None:
    if host == FIRST_HOST:
        return FIRST_REGION
    found = HOST.fullmatch(host)
    return None if found is None else found[1] or found[2]


def url_of(queue: Queue[Any], world: World) -> str:
    """Its URL, as AWS gives it or at the world's endpoint."""
    region, account, name = queue.arn.split(":")[3:]
    if world.endpoint is not None:
        return f"{world.endpoint.rstrip('/')}/{account}/{name}"
    china = ".cn" if region.startswith("cn-") else ""
    return f"https://sqs.{region}.amazonaws.com{china}/{account}/{name}"


def place_of(queue: Queue[Any], world: World) -> Place:
    """Where it is declared."""
    region, account = queue.arn.split(":")[3:5]
    return world.place(account, region)


def find_queue(call: Call, url: str, operation: str) -> Queue[Any]:
    """The queue, if there is one and the caller may do this to it. Raises ServiceError."""
    address = address_in(url, call.account, call.region) if len(url) <= LONGEST else None
    if address is None:
        raise SQS.error("InvalidAddress", f"The address {url[:LONGEST]} is not valid for this endpoint.")
    return queue_at(call, address, operation)


def queue_at(call: Call, address: Address, operation: str) -> Queue[Any]:
    """The queue with that address. Raises ServiceError."""
    account, region, name = address
    own = account == call.account
    if own and region == call.region:
        queue = call.place.broker.queues.get(name)
    else:
        queue = call.world.queue_at(arn_of("sqs", name, account=account, region=region))
    if queue is None or queue.closed:
        raise SQS.no_queue(call.protocol)
    if not own or call.world.strict:
        admit(call, queue, operation)
    return queue


def admit(call: Call, queue: Queue[Any], operation: str) -> None:
    """Ask the queue's policy. Raises ServiceError."""
    try:
        check_access(queue, principal(call.principal), operation, {})
    except AccessDenied as error:
        action = error.action.lower()  # as SQS writes it
        raise SQS.error(
            "AccessDeniedException",
            f"User: {error.principal} is not authorized to perform: {action} on resource: {error.resource} "
            f"because no resource-based policy allows the {action} action",
        ) from error
