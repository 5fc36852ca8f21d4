"""The ledger: facts in, verdicts out. Pure, so what it can see is tested without a process.

A message is a tag in its home queue; it is the same as a dead letter, and where it was handed on to. A call that never came
back was done or not: both are right, and nothing is held against it. Every law speaks only of what is certain whatever
happened in between: a delivery was made somewhere between the instants at which its receive was called and came back; a
lease holds at least from when the receive came back until its time counted from the call is over, or until anybody called
to settle the message.

    invented     it was delivered, and nobody sent it; or the send was refused
    doubled      one message has two ids
    lost         a send was answered, nobody called to delete it, and it is in no queue at the end
    resurrected  it was delivered by a receive that was called after its delete, or move, had come back
    back         it was delivered from its queue after it had been delivered as a dead letter, or where it was handed on to
    early        it was delivered before its delay was over
    twice        it was delivered while somebody had it
    count        its receive count is no higher than one before, or higher than there were receives
    dead         it is a dead letter after too few receives, or was received from its queue more often than is allowed
    order        it was delivered while an earlier one of its group was neither deleted nor dead
    left         a queue is not empty at the end
    wrong        what a process itself found to be wrong
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from surviving.facts import CALLS, Fact, Plan

FOREVER = 1 << 63
GRAIN = 20_000_000
"""Clocks of two processes may differ by that many nanoseconds."""

# in the order of the table
LAWS = (
    *("invented", "doubled", "lost", "resurrected", "back", "early"),
    *("twice", "count", "dead", "order", "left", "wrong"),
)


class Call:
    """One call of one thread: when it was made, when it came back, and with what."""

    __slots__ = ("answer", "args", "began", "ended", "how", "kind", "who")

    def __init__(self, fact: Fact) -> None:
        self.began: int = fact[0]
        self.who: str = fact[1]
        self.kind: str = fact[3]
        self.args: list[Any] = fact[4:]
        self.ended = FOREVER
        self.how = "open"  # did, refused, broke, or open: it never came back
        self.answer: Any = None

    @property
    def may_be_done(self) -> bool:
        return self.how != "refused"


class Delivery(NamedTuple):
    """A message in a receive's answer."""

    began: int
    ended: int
    queue: str
    id: str
    count: int
    call: Call
    place: int  # in the answer


class Message:
    """All that the facts say of one message."""

    __slots__ = ("deliveries", "group", "home", "runs", "sends", "settles", "tag")

    def __init__(self, home: str, tag: str) -> None:
        self.home = home
        self.tag = tag
        self.group: str | None = None
        self.sends: list[tuple[Call, int, str | None]] = []  # with the delay, and the id where it is known
        self.deliveries: list[Delivery] = []
        self.settles: list[Call] = []
        self.runs = 0  # of a handler

    def settled_by(self, *kinds: str) -> list[Call]:
        return [call for call in self.settles if call.kind in kinds and call.may_be_done]

    @property
    def accepted(self) -> bool:
        return any(call.how == "did" for call, _, _ in self.sends)


class Verdict(NamedTuple):
    """A law that does not hold, and for which message."""

    law: str
    home: str
    tag: str
    sentence: str


class Judgement(NamedTuple):
    """What was seen, and what was wrong with it."""

    counts: dict[str, int]
    verdicts: list[Verdict]


def judge(facts: Iterable[Fact], plan: Plan) -> Judgement:
    """Hold all facts of a run, in any order of the processes, against the laws."""
    book = Book(facts, plan)
    verdicts = [*book.said]
    for message in book.messages.values():
        verdicts += book.verdicts_on(message)
    lost = {(one.home, one.tag) for one in verdicts if one.law == "lost"}
    verdicts += book.disorder(lost)
    return Judgement(book.counts(verdicts), verdicts)


class Book:
    """The facts by message."""

    def __init__(self, facts: Iterable[Fact], plan: Plan) -> None:
        self.plan = plan
        self.home = {queue: plan.home(queue) for queue in plan.queues()}
        self.messages: dict[tuple[str, str], Message] = {}
        self.calls: list[Call] = []
        self.said: list[Verdict] = []
        self._read(facts)
        # by home, when the receives that may have counted began, and when they ended
        self.unanswered: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        self.redrives: dict[str, list[int]] = defaultdict(list)  # by home, when letters were sent back there
        for call in self.calls:
            self._enter(call)
        for began, ended in self.unanswered.values():
            began.sort()
            ended.sort()

    def _read(self, facts: Iterable[Fact]) -> None:
        calls: dict[tuple[str, int], Call] = {}
        gone: dict[str, int] = {}
        for fact in facts:
            at, who, number, kind = fact[:4]
            if kind in CALLS:
                calls[who, number] = call = Call(fact)
                self.calls.append(call)
            elif kind in ("did", "refused", "broke"):
                call = calls[who, number]
                call.ended, call.how, call.answer = at, kind, fact[4]
            elif kind == "gone":
                gone[str(fact[4])] = at
            elif kind == "ran":
                self._message(*fact[4]).runs += 1
            elif kind == "wrong":
                self.said.append(Verdict("wrong", "", "", f"{who}: {fact[4]}"))
            elif kind == "left":
                self.said += [
                    Verdict("left", queue, "", f"{number} messages are left in queue {queue!r}")
                    for queue, number in fact[4].items()
                    if number
                ]

        for call in self.calls:
            if call.how == "open":  # by then it had its effect, or never will
                call.ended = gone.get(call.who.partition(".")[0], FOREVER)

    def _enter(self, call: Call) -> None:
        if call.kind == "send":
            self._enter_send(call)
        elif call.kind == "receive":
            self._enter_receive(call)
        elif call.kind == "redrive":
            if call.may_be_done:
                self.redrives[self.home[call.args[0]]].append(call.began)
        else:
            home = self.home[call.args[0]]
            for tag, _, _ in call.args[1]:
                self._message(home, tag).settles.append(call)

    def _enter_send(self, call: Call) -> None:
        where, items = call.args
        topic = [self.plan.handled[where]] if where in self.plan.handled else self.plan.topics.get(where)
        for place, (tag, group, _, delay) in enumerate(items):
            for home in [where] if topic is None else topic:
                message = self._message(home, tag)
                message.group = group
                # a topic's answer is the id of what was published, and each copy has one of its own
                known = call.answer[place] if call.how == "did" and topic is None else None
                message.sends.append((call, delay, known))

    def _enter_receive(self, call: Call) -> None:
        queue = call.args[0]
        home = self.home[queue]
        if call.how != "did":
            self.unanswered[home][0].append(call.began)
            self.unanswered[home][1].append(call.ended)
            return
        for place, (tag, identity, count) in enumerate(call.answer):
            delivery = Delivery(call.began, call.ended, queue, identity, count, call, place)
            self._message(home, tag).deliveries.append(delivery)

    def _message(self, home: str, tag: str) -> Message:
        found = self.messages.get((home, tag))
        if found is None:
            found = self.messages[home, tag] = Message(home, tag)
        return found

    # -- one message -------------------------------------------------------------------------------------------

    def verdicts_on(self, message: Message) -> list[Verdict]:
        message.deliveries.sort(key=lambda one: one.ended)
        lives = self._lives(message)
        found = [*self._existence(message), *self._at_a_time(lives)]
        for life in lives:
            found += [*self._after_the_end(life), *self._leases(life), *self._counts(life), *self._dead(life)]
        return [Verdict(law, message.home, message.tag, sentence) for law, sentence in found]

    def _lives(self, message: Message) -> list[Message]:
        """A letter that is sent back is a new message, with an id of its own: each by itself, in the order of time."""
        if message.home not in self.redrives:
            return [message]
        lives: dict[str, Message] = {}
        for one in message.deliveries:
            life = lives.setdefault(one.id, Message(message.home, message.tag))
            life.sends = message.sends
            life.deliveries.append(one)
        for call in message.settles:
            handle = next(handle for handle in call.args[1] if handle[0] == message.tag)
            lives[handle[1]].settles.append(call)
        return list(lives.values())

    def _at_a_time(self, lives: list[Message]) -> Iterator[tuple[str, str]]:
        for before, after in pairwise(lives):
            began = after.deliveries[0].ended
            if any(one.began > began for one in before.deliveries):
                yield "back", f"it was delivered as {before.deliveries[0].id} after it was sent back with another id"

    def _existence(self, message: Message) -> Iterator[tuple[str, str]]:
        sends, deliveries = [send for send in message.sends if send[0].may_be_done], message.deliveries
        if not sends:
            if deliveries or message.runs:
                yield "invented", "it was delivered, and no send of it was accepted"
            return
        if message.home in self.plan.handled.values():
            if message.accepted and not message.runs:
                yield "lost", "its send was answered, and no handler ever had it"
            return
        ids = {known for _, _, known in sends if known is not None} | {one.id for one in deliveries}
        if len(ids) > 1 + len(self.redrives.get(message.home, ())):
            yield "doubled", f"it has {len(ids)} ids: {', '.join(sorted(ids))}"
        ways_out = ("delete",) if message.home in self.plan.dead else ("delete", "reject")
        if message.accepted and not message.settled_by(*ways_out):
            yield "lost", f"its send was answered, {len(deliveries)} deliveries, no delete, and it is in no queue"
        soonest = min(call.began + delay for call, delay, _ in sends)
        for one in deliveries:
            if one.ended < soonest - GRAIN:
                yield "early", f"it was delivered {(soonest - one.ended) / 1e6:.0f} ms before its delay was over"

    def _after_the_end(self, message: Message) -> Iterator[tuple[str, str]]:
        for call in message.settled_by("delete", "move"):
            if call.how != "did":
                continue
            queue = call.args[0]
            for one in message.deliveries:
                again = one.queue == queue or (call.kind == "delete" and self._in_time(message, call))
                if one.began > call.ended and again:
                    yield (
                        "resurrected",
                        f"{ms(one.began - call.ended)} after its {call.kind} it was delivered from {one.queue!r}",
                    )
        away = min((one.ended for one in message.deliveries if one.queue != message.home), default=FOREVER)
        for one in message.deliveries:
            if one.queue == message.home and one.began > away:
                yield (
                    "back",
                    f"{ms(one.began - away)} after it was delivered elsewhere it was delivered from {one.queue!r}",
                )

    def _in_time(self, message: Message, delete: Call) -> bool:
        """Whether the message was certainly in flight in that queue when the delete came back."""
        [(_, _, count)] = [handle for handle in delete.args[1] if handle[0] == message.tag][:1]
        by = [one for one in message.deliveries if one.count == count and one.queue == delete.args[0]]
        return any(delete.ended < self._certain_until(message, one, delete) for one in by)

    def _certain_until(self, message: Message, one: Delivery, but: Call | None = None) -> int:
        """Until when this delivery's lease certainly holds, `but` not counted."""
        ends = [
            call.began for call in message.settles if call.may_be_done and call.ended > one.began and call is not but
        ]
        return min([one.began + one.call.args[2] - GRAIN, *ends])

    def _hidden_until(self, message: Message, keep: Call) -> int:
        """Until when the message is certainly invisible because of a nack with a delay, or an extend."""
        others = [call for call in message.settles if call.may_be_done and call.ended > keep.began and call is not keep]
        return min([keep.began + keep.args[2] - GRAIN, *(call.began for call in others)])

    def _leases(self, message: Message) -> Iterator[tuple[str, str]]:
        if len(message.deliveries) < 2:
            return
        held: list[tuple[int, int, Any]] = [
            (one.ended, self._certain_until(message, one), one) for one in message.deliveries
        ]
        kept = [call for call in message.settles if call.kind == "keep" and call.how == "did"]
        held += [(call.ended, self._hidden_until(message, call), call) for call in kept]
        for start, end, by in held:
            for one in message.deliveries:
                if one is not by and one.began >= start and one.ended < end:
                    yield (
                        "twice",
                        f"it was delivered to {one.call.who}, {ms(end - one.ended)} before another lease was over",
                    )

    def _counts(self, message: Message) -> Iterator[tuple[str, str]]:
        onward = self.plan.onward.get(message.home)  # where counts start anew
        for there in (False, True):
            yield from self._counted(message, [one for one in message.deliveries if (one.queue == onward) is there])

    def _counted(self, message: Message, deliveries: list[Delivery]) -> Iterator[tuple[str, str]]:
        highest: list[tuple[int, int]] = []  # (ended, the highest count until then)
        for one in deliveries:  # in the order of their ends
            at = bisect_left(highest, (one.began, 0))
            before = highest[at - 1][1] if at else 0
            if one.count <= before:
                yield "count", f"a receive counts {one.count} when one before it counted {before}"
            possible = sum(other.began < one.ended for other in deliveries)
            possible += self._unanswered(message, one.ended)
            if one.count > possible:
                yield "count", f"a receive counts {one.count} when there were at most {possible}"
            highest.append((one.ended, max(one.count, highest[-1][1] if highest else 0)))
        for count, times in Counter(one.count for one in deliveries).items():
            if times > 1:
                yield "count", f"{times} receives count {count}"

    def _unanswered(self, message: Message, until: int) -> int:
        """How many receives without an answer may have had the message until then."""
        sent = min((call.began for call, _, _ in message.sends), default=0)
        began, ended = self.unanswered[message.home]
        return bisect_left(began, until) - bisect_left(ended, sent)

    def _dead(self, message: Message) -> Iterator[tuple[str, str]]:
        dead = self.plan.dead.get(message.home)
        if dead is None:
            return
        most = self.plan.max_receives
        at_home = [one for one in message.deliveries if one.queue == message.home]
        for one in at_home:
            if one.count > most:
                yield "dead", f"it was received {one.count} times from {message.home!r}, where {most} are allowed"
        first = min((one.ended for one in message.deliveries if one.queue == dead), default=None)
        if first is None or any(call.began < first for call in message.settled_by("reject")):
            return
        possible = sum(one.began < first for one in at_home) + self._unanswered(message, first)
        if possible < most:
            yield "dead", f"it is a dead letter after {possible} receives, and nobody rejected it"

    # -- groups ------------------------------------------------------------------------------------------------

    def disorder(self, lost: set[tuple[str, str]]) -> list[Verdict]:
        """Where a group's order did not hold; messages that are lost hold nobody up."""
        groups: dict[tuple[str, str], list[Message]] = defaultdict(list)
        for message in self.messages.values():
            there = message.accepted or message.deliveries
            sent = any(call.may_be_done for call, _, _ in message.sends)
            if message.group is not None and there and sent and (message.home, message.tag) not in lost:
                groups[message.home, message.group].append(message)
        return [verdict for line in groups.values() for verdict in self._disorder(line)]

    def _disorder(self, line: list[Message]) -> Iterator[Verdict]:
        """The first breach of a group's order, which those after it follow from."""
        line.sort(key=self._turn)
        done = [self._done_at(message) for message in line]
        latest = list(accumulate(done, max))
        for at, message in enumerate(line):
            for one in message.deliveries:
                if one.queue != message.home:
                    continue
                before = at - 1
                while before >= 0 and latest[before] > one.ended:
                    ahead = line[before]
                    if done[before] > one.ended and not before_it(ahead, one):
                        sentence = f"it was delivered while {ahead.tag!r} of group {message.group!r} was not done"
                        yield Verdict("order", message.home, message.tag, sentence)
                        return
                    before -= 1

    def _turn(self, message: Message) -> tuple[int, int]:
        """When it was sent, and where in its batch."""
        first = min((call for call, _, _ in message.sends if call.may_be_done), key=lambda call: call.began)
        return first.began, [item[0] for item in first.args[1]].index(message.tag)

    def _done_at(self, message: Message) -> int:
        """The soonest that the message can have let the next one of its group go."""
        home = [one for one in message.deliveries if one.queue == message.home]
        last = max((one.began for one in home), default=0)
        if any(one.queue != message.home for one in message.deliveries):
            return last
        return min(
            (call.began for call in message.settled_by("delete", "reject", "move") if call.ended > last),
            default=FOREVER,
        )

    # -- all of it ---------------------------------------------------------------------------------------------

    def counts(self, verdicts: Iterable[Verdict]) -> dict[str, int]:
        """The figures of a run."""
        messages = self.messages.values()
        dead = set(self.plan.dead.values())
        figures = {
            "calls": len(self.calls),
            "calls that never came back": sum(call.how in ("open", "broke") for call in self.calls),
            "messages sent and answered": sum(message.accepted for message in messages),
            "sends sent again": sum(len(message.sends) > 1 for message in messages),
            "deliveries": sum(len(message.deliveries) for message in messages),
            "deliveries again": sum(one.count > 1 for message in messages for one in message.deliveries),
            "deletes answered": sum(
                any(call.how == "did" for call in message.settled_by("delete")) for message in messages
            ),
            "moves answered": sum(
                any(call.how == "did" for call in message.settled_by("move")) for message in messages
            ),
            "dead letters": sum(any(one.queue in dead for one in message.deliveries) for message in messages),
        }
        figures["runs of handlers"] = sum(message.runs for message in messages)
        figures["calls refused"] = sum(call.how == "refused" for call in self.calls)
        laws = Counter(verdict.law for verdict in verdicts)
        return figures | {law: laws[law] for law in LAWS}


def before_it(other: Message, one: Delivery) -> bool:
    """Whether the other message came in the same answer, ahead of this one."""
    return any(its.call is one.call and its.place < one.place for its in other.deliveries)


def ms(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:.1f} ms"


def story(facts: Iterable[Fact], verdict: Verdict) -> list[str]:
    """The calls about a verdict's message and their answers, in the order of time; times in ms."""
    facts, name = list(facts), repr(verdict.tag)
    calls = {(fact[1], fact[2]) for fact in facts if name in repr(fact[4:])}
    told = sorted((fact for fact in facts if (fact[1], fact[2]) in calls), key=lambda fact: fact[0])
    start = told[0][0] if told else 0
    return [f"{(fact[0] - start) / 1e6:10.3f}  {fact[1]:>8} {fact[2]:>6}  {short(fact, verdict.tag)}" for fact in told]


def short(fact: Fact, tag: str) -> str:
    """A fact in a line; of a batch, what is about this message."""
    words = [
        [one for one in word if about(one, tag)] or len(word) if isinstance(word, list) else word for word in fact[3:]
    ]
    return " ".join(map(str, words))


def about(one: Any, tag: str) -> bool:
    return tag in one if isinstance(one, list) else one == tag
