"""What subscriptions deliver to, and when they try again, as JSON types, and back.

    {"queue": "bills"}                          a queue of the broker, by its name
    {"url": "https://example.com/hook", ...}    a web endpoint
    {"email": "a@example.com", "json": false}   mail; {"sms": "+15550100"}; {"push": "arn:aws:sns:..."}
    {"handler": "shop.mail:send"}               a callable, or what has `deliver`: module and qualified name
    {"function": "resize"}                      a broker's function, by its name

A handler or function is code, and what a web endpoint keeps to itself (a password, what its headers say) is not written: both are
given again when a description is read, by the word that stands for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from decouple.core.backoff import FUNCTIONS, Exponential, Phases, Schedule, Until, duration, exponential, until
from decouple.core.backoff import whole_number as whole
from decouple.core.settings import SECOND
from decouple.documents import an_object, check_keys
from decouple.errors import DecoupleError, InvalidDescription, NotInstalled
from decouple.function import Function
from decouple.http_target import HTTP, MASK
from decouple.queue_at import QueueAt
from decouple.senders import SMS, Email, Push

if TYPE_CHECKING:
    from decouple.subscription import Subscription

__all__ = ["Targets", "schedule_data", "schedule_of", "seconds", "target_data", "target_of", "word_of"]

Targets: TypeAlias = Mapping[str, Any]

# kind: what else its entry holds
KINDS: dict[str, tuple[str, ...]] = {
    "queue": (),
    "url": ("timeout", "headers", "content_type", "allow_link_local"),
    "email": ("json",),
    "sms": (),
    "push": (),
    "handler": (),
    "function": (),
}


def seconds(duration: int) -> int | float:
    """Nanoseconds as users give them."""
    return duration // SECOND if duration % SECOND == 0 else duration / SECOND


# -- targets, written ----------------------------------------------------------------------------------------------


def target_data(subscription: Subscription) -> dict[str, Any]:
    """What it delivers to. Cost: O(1)."""
    sink: Any = subscription.sink
    if subscription.queue is not None or isinstance(sink, QueueAt):
        return {"queue": sink.name}
    if isinstance(sink, HTTP):
        return {
            "url": sink.endpoint,
            "timeout": seconds(round(sink.timeout * SECOND)),
            "headers": list(sink.header_names),
            "content_type": sink.content_type,
            "allow_link_local": sink.allow_link_local,
        }
    if isinstance(sink, Email):
        return {"email": sink.address, "json": sink.json}
    if isinstance(sink, SMS):
        return {"sms": sink.number}
    if isinstance(sink, Push):
        return {"push": sink.endpoint}
    if not subscription.attached:
        return {key: word for key, word in sink.data.items() if key in ("function", "handler")}
    if isinstance(subscription.target, Function):
        return {"function": subscription.target.name}
    return {"handler": word_of(subscription.target)}


def word_of(target: Any) -> str:
    """A callable's module and qualified name; those of its class for an object; of a partial, those of its function."""
    named: Any = target
    while isinstance(named, partial):
        named = named.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(getattr(named, "__qualname__", None), str):
        named = type(named)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return f"{named.__module__ or 'builtins'}:{named.__qualname__}"


# -- targets, read -------------------------------------------------------------------------------------------------


def target_of(data: Any, path: str, queues: Mapping[str, Any], targets: Targets) -> Any:
    """What to subscribe. Raises InvalidDescription, NotInstalled."""
    entry = an_object(data, path)
    found = [kind for kind in KINDS if kind in entry]
    if len(found) != 1:
        raise InvalidDescription(
            path, why=f"a target has one of {', '.join(KINDS)}, not {sorted(map(str, entry))!r:.80}"
        )
    [kind] = found
    check_keys(entry, (kind, *KINDS[kind]), f"{path}.")
    word = entry[kind]
    if not isinstance(word, str):
        raise InvalidDescription(f"{path}.{kind}", why=f"it must be text, not {word!r:.80}")
    if kind in GIVEN and word in targets:
        return targets[word]
    if kind == "queue":
        if word not in queues:
            raise InvalidDescription(f"{path}.queue", why=f"there is no queue {word!r:.80} in the description")
        return queues[word]
    try:
        return MAKERS[kind](entry, path)
    except (InvalidDescription, NotInstalled):
        raise
    except (TypeError, ValueError, DecoupleError) as error:
        raise InvalidDescription(path, why=str(error)) from error


def handler_of(entry: Mapping[str, Any], path: str) -> Any:
    [kind] = entry
    word = entry[kind]
    raise InvalidDescription(
        f"{path}.{kind}",
        why=f"a description holds no code, and none was given: pass targets={{{word!r}: ...}} with it",
    )


def endpoint_of(entry: Mapping[str, Any], path: str) -> HTTP:
    url, headers = entry["url"], entry.get("headers", [])
    if f":{MASK}@" in url or headers:
        what = f"what its headers {', '.join(map(str, headers))} say" if headers else "its password"
        raise InvalidDescription(
            f"{path}.{'headers' if headers else 'url'}",
            why=f"a description does not hold {what}: pass targets={{{url!r}: HTTP(...)}} with it",
        )
    return HTTP(url, **{name: entry[name] for name in KINDS["url"] if name in entry and name != "headers"})


def mail_of(entry: Mapping[str, Any], path: str) -> Email:
    json = entry.get("json", False)
    if not isinstance(json, bool):
        raise InvalidDescription(f"{path}.json", why=f"it must be true or false, not {json!r:.60}")
    return Email(entry["email"], json=json)


GIVEN = ("handler", "function", "url")
"""The kinds that a caller may give, by their word."""
MAKERS: dict[str, Callable[[Mapping[str, Any], str], Any]] = {
    "handler": handler_of,
    "function": handler_of,
    "url": endpoint_of,
    "email": mail_of,
    "sms": lambda entry, _: SMS(entry["sms"]),
    "push": lambda entry, _: Push(entry["push"]),
}


# -- schedules -----------------------------------------------------------------------------------------------------

COUNTS = ("immediate", "pre_backoff", "backoff", "post_backoff")


def schedule_data(schedule: Schedule) -> dict[str, Any]:
    """When it tries again: durations in seconds. What is not from decouple.backoff is shown, and cannot be read back."""
    if isinstance(schedule, Exponential):
        base, cap, jitter = schedule
        return {"exponential": {"base": seconds(base), "cap": seconds(cap), "jitter": jitter}}
    if isinstance(schedule, Phases):
        delays = {"shortest": seconds(schedule.shortest), "longest": seconds(schedule.longest)}
        return {"phases": schedule._asdict() | delays}
    if isinstance(schedule, Until):
        age = None if schedule.max_age is None else seconds(schedule.max_age)
        ends = {"max_attempts": schedule.max_attempts, "max_age": age}
        return {"until": {"schedule": schedule_data(schedule.schedule), **ends}}
    return {"own": repr(schedule)}


def schedule_of(data: Any, path: str) -> Schedule:
    """The schedule of its data. Raises InvalidDescription."""
    entry = an_object(data, path)
    if len(entry) != 1 or not {*entry} <= {*READERS, "own"}:
        raise InvalidDescription(path, why=f"a schedule has one of {', '.join(READERS)}, not {data!r:.80}")
    [(kind, given)] = entry.items()
    path = f"{path}.{kind}"
    if kind == "own":
        raise InvalidDescription(path, why=f"a description cannot hold a schedule of one's own making, {given!s:.80}")
    read, keys = READERS[kind]
    check_keys(an_object(given, path), keys, f"{path}.")
    try:
        return read(given, path)
    except InvalidDescription:
        raise
    except (TypeError, ValueError) as error:
        raise InvalidDescription(path, why=str(error)) from error


def until_of(entry: Mapping[str, Any], path: str) -> Until:
    inner = schedule_of(entry.get("schedule"), f"{path}.schedule")
    return until(inner, max_attempts=entry.get("max_attempts"), max_age=entry.get("max_age"))


def exponential_of(entry: Mapping[str, Any], path: str) -> Exponential:
    return exponential(**entry)


def phases_of(entry: Mapping[str, Any], path: str) -> Phases:
    """Also what a policy may not say, for the schedules that AWS keeps for itself do."""
    immediate, before, growing, after = (whole(entry.get(name, 0), name, 0, float("inf")) for name in COUNTS)
    shortest, longest = (duration(entry.get(name, 20), name) for name in ("shortest", "longest"))
    function = entry.get("function", "linear")
    if function not in FUNCTIONS:
        raise ValueError(f"function must be one of {', '.join(FUNCTIONS)}, not {function!r}")
    if longest < shortest or (shortest == 0 < longest and function == "exponential"):
        raise ValueError("longest must be at least shortest, and shortest over 0 seconds to grow exponentially")
    return Phases(immediate, before, growing, after, shortest, longest, function)


READERS: dict[str, tuple[Callable[[Mapping[str, Any], str], Schedule], tuple[str, ...]]] = {
    "exponential": (exponential_of, Exponential._fields),
    "phases": (phases_of, Phases._fields),
    "until": (until_of, Until._fields),
}
