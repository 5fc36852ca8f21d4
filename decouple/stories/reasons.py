"""Why: what a reader of a story asks first, in sentences. Why it came twice, why it is dead, why somebody did not get it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from decouple.core.changes import Cause, Change
from decouple.core.records import details_of
from decouple.stories.lines import complaint, moment
from decouple.stories.subscribed import Known, fold, judged

__all__ = ["now_of", "reasons"]

BACK: frozenset[Cause] = frozenset({"expired", "nacked", "refused"})
"""How a message that was received may be visible again."""


def reasons(id: str, mine: Sequence[Change], everything: Sequence[Change], before: Sequence[Change]) -> Iterator[str]:
    """Sentences on the changes of the family of `id`. before: of older changes what is known of subscriptions."""
    for line in by_message(mine):
        yield from why_twice(line)
        yield from why_again(line)
        yield from why_dead(line)
    for change in mine:
        if change.cause == "undelivered":
            yield why_undelivered(change)
        if change.cause == "published" and change.id == id:
            yield from why_not_there(change, mine, everything, before)


def by_message(mine: Sequence[Change]) -> list[list[Change]]:
    """The changes of each message in each queue it was in, in the order of their beginnings."""
    lines: dict[tuple[str, int | None], list[Change]] = {}
    for change in mine:
        if change.queue and change.seq is not None:
            lines.setdefault((change.queue, change.seq), []).append(change)
    return list(lines.values())


def why_twice(line: list[Change]) -> Iterator[str]:
    """Where a fault put one more copy of it into a queue."""
    for change in line:
        if change.injects:
            yield f"there twice in queue {change.queue!r}: a fault made a copy of it at {moment(change.at)}"


def why_again(line: list[Change]) -> Iterator[str]:
    """For each receive but the first: what ended the one before."""
    held: Change | None = None
    back: Change | None = None
    for change in line:
        if change.cause == "received":
            if held is not None and back is not None:
                yield f"received again in queue {change.queue!r} (receive {change.receives}): {ended(held, back, line)}"
            held, back = change, None
        elif change.cause == "given back":
            held = None
        elif change.cause in BACK and back is None:
            back = change


def ended(held: Change, back: Change, line: list[Change]) -> str:
    """How a receive ended without its message being deleted."""
    whose = f"receive {held.receives}" + (f" by {held.who}" if held.who else "")
    failure = complaint(back)
    why = "" if failure is None else f": {failure.error}: {failure.text}"
    if back.cause == "nacked":
        return f"{whose} was given back at {moment(back.at)} by {back.who}{why}"
    if back.cause == "refused":
        return f"dead-letter queue {back.other!r} did not take it at {moment(back.at)}: {back.reason}"
    struck = [one for one in line if one.cause == "fault" and one.at <= back.at]  # what came later is no reason
    lost = next((one for one in struck if one.receipt == held.receives), None)
    if lost is not None:
        return f"the acknowledgement of {whose} at {moment(lost.at)} was lost: a fault"
    struck = [one for one in struck if one.receives == held.receives]
    crash = next((one for one in struck if kind_of(one) == "crash"), None)
    if crash is not None:
        words = str(crash.reason).removeprefix("crash: ")
        return (
            f"the handler of {whose} crashed {words} ({moment(crash.at)}, a fault), "
            f"and its time in flight ran out at {moment(back.at)}"
        )
    strains = {"redeliver_early", "slow", "clock_jump"}
    if any(one.cause == "visibility changed" and one.receives == held.receives for one in line):
        strains.discard("redeliver_early")  # another time in flight ended it
    strain = next((one for one in struck if kind_of(one) in strains), None)
    why += "" if strain is None else f"; {strain.reason}, a fault"
    late = next((one for one in line if one.receipt == held.receives and one.at > back.at), None)
    how = f"the receipt of {whose} expired at {moment(back.at)}, after {seconds(back.at - held.at)}"
    if late is not None:
        verb = "acknowledgement" if late.cause in ("deleted", "too late", "fault") else "next word"
        refused = {"too late": ", and was refused", "fault": ", and was lost, by a fault"}.get(late.cause, "")
        return f"{how}, {seconds(late.at - back.at)} before its {verb} came ({moment(late.at)}){refused}{why}"
    return f"{how}, and no acknowledgement came by it while the message was there{why}"


def kind_of(change: Change) -> str | None:
    """What kind of fault it is; None for all else."""
    return change.reason.partition(":")[0] if change.cause == "fault" and change.reason else None


def why_dead(line: list[Change]) -> Iterator[str]:
    """Where it came to a dead-letter queue: the reason, and where it was moved from."""
    for change in line:
        details = None if change.record is None else details_of(change.record)
        if change.cause == "moved in" and details is not None and details.source is not None and details.failure:
            error, text, _, attempts = details.failure
            yield (
                f"dead: moved from queue {change.other!r} to {change.queue!r} at {moment(change.at)}, "
                f"after {times(attempts)}: {error}: {text}"
            )
        elif change.cause == "rejected":
            yield f"gone: rejected at {moment(change.at)}, and queue {change.queue!r} has no dead-letter queue: {change.reason}"
        elif change.cause == "retained out":
            yield f"gone: it outlived the retention of queue {change.queue!r} at {moment(change.at)}"


def times(count: int) -> str:
    return "1 receive" if count == 1 else f"{count} receives"


def why_undelivered(change: Change) -> str:
    where = (
        "and no dead-letter queue has it"
        if change.other is None
        else f"and it is in dead-letter queue {change.other!r}"
    )
    tried = "1 attempt" if change.receives == 1 else f"{change.receives} attempts"
    return f"not delivered to {change.subscription}: given up after {tried}, {where}: {change.reason}"


def why_not_there(
    published: Change, mine: Sequence[Change], everything: Sequence[Change], before: Sequence[Change]
) -> Iterator[str]:
    """Each subscription of the topic that got nothing of a publication, as far as it is the story's: why."""
    known: Known = {(one.topic or "", one.subscription or ""): one for one in before}
    later: list[Change] = []
    passed = False
    for change in everything:
        if change is published:
            passed = True
        if not passed:
            fold(known, change)
        elif change.cause == "subscribed" and change.topic == published.topic:
            later.append(change)
    reached = {one.subscription for one in mine if published.id in (one.id, one.origin) and one.subscription}
    for (topic, name), subscribed in known.items():
        if topic == published.topic and name not in reached:
            yield from why_not(name, subscribed, published)
    for change in later:
        if change.subscription not in reached and (published.topic, change.subscription) not in known:
            yield f"{change.subscription} did not get it: subscribed only at {moment(change.at)}, {after(change, published)}"


def why_not(name: str, subscribed: Change, published: Change) -> Iterator[str]:
    if (subscribed.settings or {}).get("state") == "pending":
        yield f"{name} did not get it: its subscription was not confirmed"
        return
    found = judged(subscribed, published)
    if found is not None and not found.matched:
        keys = [f"{key.key}: {key.why}" for branch in found.branches for key in branch.keys if not key.matched]
        keys += [branch.why for branch in found.branches if branch.why]
        yield f"{name} did not get it: its filter does not match: {'; '.join(keys) or found.why}"
    elif not name.startswith("queue "):
        yield f"{name} has not got it: it waits to be delivered"


def after(change: Change, published: Change) -> str:
    return f"{seconds(change.at - published.at)} after it was published"


def seconds(nanoseconds: int) -> str:
    """A duration as text."""
    return f"{nanoseconds / 1e9:.6g} s"


# -- where it is now -------------------------------------------------------------------------------------------------


def now_of(mine: Sequence[Change]) -> list[str]:
    """What the last change of each message left it as."""
    steps = [[one for one in line if one.cause != "fault" or one.injects] for line in by_message(mine)]
    states = Counter(state(line[-1]) for line in steps if line and line[-1].cause != "moved")
    return [one if times == 1 else f"{one}, {times} of them" for one, times in states.items()]


def state(change: Change) -> str:
    where, at = f"queue {change.queue!r}", moment(change.at)
    if change.cause in ("received", "visibility changed"):
        return f"in flight in {where} until {moment(change.until or change.at)}, receive {change.receives}"
    if (change.cause in ("sent", "moved in", "delay changed") or change.injects) and change.until is not None:
        return f"in {where}, visible at {moment(change.until)}"
    if change.cause in ("moving",):
        return f"on its way from {where} to queue {change.other!r}"
    if change.cause in ("deleted", "rejected", "retained out", "purged"):
        by = f" by {change.who}" if change.who else ""
        return f"{change.cause} in {where} at {at}{by}"
    if change.cause == "refused" and change.until is not None and change.until > change.at:
        return f"in flight in {where} until {moment(change.until)}"
    return f"visible in {where} since {at}"
