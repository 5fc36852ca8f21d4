"""RedrivePolicy and RedriveAllowPolicy: JSON on the wire, settings of the engine underneath, both ways.

SQS lets a dead-letter queue be deleted while others name it, and finds it again under the same ARN; in the engine those
others lose it. So the wire keeps what they named, shows it, and attaches them again when a queue of that name comes.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from decouple.aws.sqs import SQS
from decouple.aws.sqs.changes import Change, Scope, compact, object_in
from decouple.aws.sqs.kept import Kept, Shelf, kept_of
from decouple.aws.sqs.naming import is_queue_name

if TYPE_CHECKING:
    from decouple.aws.errors import ServiceError
    from decouple.aws.world import Place
    from decouple.queue import Queue

__all__ = [
    "detach_sources",
    "read_redrive",
    "read_redrive_allow",
    "reattach_sources",
    "show_redrive",
    "show_redrive_allow",
]

REDRIVE, ALLOW = "RedrivePolicy", "RedriveAllowPolicy"
MOST_RECEIVES = 1_000
MOST_SOURCES = 10
PERMISSIONS = {"allowAll": "all", "denyAll": "none", "byQueue": ""}


# -- where dead letters go -------------------------------------------------------------------------------------------


def read_redrive(text: str, scope: Scope) -> Change:
    """Raises ServiceError."""
    if not text:
        return Change("", without_dead_letter(scope.place.broker.queues.get(scope.name)), {"lost": None})
    document = object_in(text)
    if document is None:
        raise refused(text, "Redrive policy is not a valid JSON map.")
    arn, count = document.get("deadLetterTargetArn"), document.get("maxReceiveCount")
    for key, value in (("deadLetterTargetArn", arn), ("maxReceiveCount", count)):
        if value is None or value == "":
            raise refused(text, f"Redrive policy does not contain mandatory attribute: {key}.")
    if set(document) - {"deadLetterTargetArn", "maxReceiveCount"}:
        raise refused(text, "Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount].")
    receives = count_in(count)
    if receives is None:
        raise refused(
            text,
            f"Invalid value for maxReceiveCount: {count}, valid values are from 1 to {MOST_RECEIVES} both inclusive.",
        )
    target = target_at(arn, text, scope)
    shown = compact({"deadLetterTargetArn": arn, "maxReceiveCount": receives})
    return Change(shown, {"dead_letter": target, "max_receives": receives}, {"lost": None})


def count_in(value: Any) -> int | None:
    """A number, or the text of one, from 1 to 1,000."""
    if isinstance(value, str) and len(value) <= 5 and value.isascii() and value.isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 1 <= value <= MOST_RECEIVES else None


def target_at(arn: Any, text: str, scope: Scope) -> Queue[Any]:
    """The dead-letter queue: there already, in the same account and region, of the same kind, and willing."""
    prefix = scope.arn[: -len(scope.name)]
    if not isinstance(arn, str) or not arn.startswith("arn:"):
        raise refused(text, "Invalid value for deadLetterTargetArn.")
    target = scope.place.broker.queues.get(arn.removeprefix(prefix)) if arn.startswith(prefix) else None
    if target is None or target.closed:
        raise refused(text, "Dead letter target does not exist.")
    if target.fifo != scope.fifo:
        raise refused(text, "Dead-letter queue must be same type of queue as the source.")
    allowed = target.settings["redrive_allow"]
    if allowed != "all" and scope.name not in allowed and target is not current_target(scope):
        raise refused(text, "Queue does not have permission to use the dead-letter queue.")
    return target


def current_target(scope: Scope) -> Queue[Any] | None:
    queue = scope.place.broker.queues.get(scope.name)
    return None if queue is None else queue.dead_letter


def refused(text: str, reason: str, name: str = REDRIVE) -> ServiceError:
    return SQS.wrong_value(text, name, reason)


def without_dead_letter(queue: Queue[Any] | None) -> dict[str, Any]:
    """The settings by which a queue has no dead-letter queue any more, those of FIFO queues included."""
    if queue is None:
        return {}
    poison = queue.settings.get("on_poison")
    if poison in ("block", "park"):  # declared natively: they need the count
        return {"dead_letter": None}
    return {"dead_letter": None, "max_receives": None} | ({"on_poison": None} if poison else {})


def show_redrive(settings: dict[str, Any], kept: Kept) -> str | None:
    """The policy as SQS shows it."""
    arn, count = getattr(settings["dead_letter"], "arn", None), settings["max_receives"]
    if arn is None and kept.lost is not None:
        arn, count = kept.lost
    return None if arn is None or count is None else compact({"deadLetterTargetArn": arn, "maxReceiveCount": count})


def detach_sources(queue: Queue[Any], place: Place) -> None:
    """The queue is about to be deleted: those that name it go on without."""
    for source in queue.sources():
        kept_of(source, place).lost = (queue.arn, source.settings["max_receives"])
        place.keep(Shelf).missed.add(queue.arn)
        source.configure(**without_dead_letter(source))


def reattach_sources(queue: Queue[Any], place: Place) -> None:
    """The queue was created: those that name it have it again, if they may."""
    shelf = place.keep(Shelf)
    if queue.arn not in shelf.missed:
        return
    shelf.missed.discard(queue.arn)
    records, allowed = shelf.queues, queue.settings["redrive_allow"]
    # Not over the records themselves: other threads add to them.
    for source in list(place.broker.queues.values()):
        kept = records.get(source)
        if kept is None or kept.lost is None or kept.lost[0] != queue.arn or source.dead_letter is not None:
            continue
        if allowed == "all" or source.name in allowed:
            reattach(source, queue, kept)


def reattach(source: Queue[Any], queue: Queue[Any], kept: Kept) -> None:
    assert kept.lost is not None
    # The new queue may send its own dead letters back to the source: the engine has no circles, so that one stays without.
    with suppress(ValueError):
        source.configure(dead_letter=queue, max_receives=kept.lost[1])
        kept.lost = None


# -- who may send dead letters here ----------------------------------------------------------------------------------


def read_redrive_allow(text: str, scope: Scope) -> Change:
    """Raises ServiceError."""
    if not text:
        return Change("", {"redrive_allow": "all"}, {"allow": None})
    document = object_in(text)
    if document is None:
        raise refused(
            text, "Amazon SQS can't create the redrive allow policy, as it's in an unsupported format.", ALLOW
        )
    permission, sources = document.get("redrivePermission"), document.get("sourceQueueArns")
    if not isinstance(permission, str) or permission not in PERMISSIONS:
        raise refused(
            text,
            f"Invalid value for redrivePermission: {permission}, valid values are {', '.join(PERMISSIONS)}.",
            ALLOW,
        )
    if (permission == "byQueue") != (sources is not None):
        raise refused(text, "sourceQueueArns is to be given with the byQueue permission, and with no other.", ALLOW)
    setting: Any = PERMISSIONS[permission] or names_in(sources, text, scope)
    shown = compact(document)
    return Change(shown, {"redrive_allow": setting}, {"allow": (setting, shown)})


def names_in(sources: Any, text: str, scope: Scope) -> tuple[str, ...] | str:
    """Those of the ARNs that can be meant, by their names: queues of this account and region. "none" if there are none."""
    arns: list[Any] = sources if isinstance(sources, list) else []  # pyright: ignore[reportUnknownVariableType]  # JSON
    if not 1 <= len(arns) <= MOST_SOURCES:
        raise refused(text, f"sourceQueueArns must have 1 to {MOST_SOURCES} ARNs.", ALLOW)
    prefix = scope.arn[: -len(scope.name)]
    for arn in arns:
        if not isinstance(arn, str) or len(arn.split(":")) != 6 or not arn.startswith("arn:"):
            raise refused(text, f"Invalid ARN in sourceQueueArns: {arn}.", ALLOW)
    names = {arn.removeprefix(prefix) for arn in arns if arn.startswith(prefix)}
    return tuple(sorted(name for name in names if is_queue_name(name))) or "none"


def show_redrive_allow(settings: dict[str, Any], kept: Kept, arn: str) -> str | None:
    """The policy as it was given; what was declared natively in SQS's words. None: every queue may, and nobody said so."""
    allowed = settings["redrive_allow"]
    if kept.allow is not None and kept.allow[0] == allowed:
        return kept.allow[1]
    if allowed in ("all", "none"):
        return None if allowed == "all" else compact({"redrivePermission": "denyAll"})
    prefix = arn.rpartition(":")[0]
    return compact({"redrivePermission": "byQueue", "sourceQueueArns": [f"{prefix}:{name}" for name in allowed]})
