"""Sharing a queue: what its policy lets others do, who is refused, and how that is told."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from decouple import (
    AccessDenied,
    Broker,
    Entry,
    InvalidPolicy,
    LargeBodies,
    Message,
    NotInFlight,
    Queue,
    QueueClosed,
    SharedQueue,
)
from decouple.core.principals import principal
from decouple.permissions import ACTIONS, OWNER_ONLY, check_access
from decouple.testing import Ledger, VirtualClock

ACCOUNT = "111122223333"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
WORKER = f"arn:aws:iam::{ACCOUNT}:role/worker"
OWNER = "arn:aws:iam::000000000000:user/me"
SNS = "sns.amazonaws.com"
ARN = "arn:aws:sqs:us-east-1:000000000000:orders"


def statement(**elements: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": WORKER}, "Action": "sqs:*", "Resource": ARN, **elements}


@pytest.fixture
def orders(broker: Broker) -> Queue:
    return broker.queue("orders")


# -- the policy -----------------------------------------------------------------------------------------------------


def test_a_queue_has_no_policy_at_first(queue: Queue) -> None:
    assert queue.policy is None
    assert queue.arn == ARN


def test_a_policy_is_kept_as_it_was_written(queue: Queue) -> None:
    document = {"Version": "2012-10-17", "Id": "mine", "Statement": statement()}
    queue.policy = document

    assert queue.policy == document
    queue.policy = json.dumps(document, indent=2)
    assert queue.policy == document


def test_the_policy_shown_is_a_copy(queue: Queue) -> None:
    document = {"Statement": [statement()]}
    queue.policy = document

    document["Statement"].clear()
    assert queue.policy is not None
    queue.policy["Statement"].clear()

    assert queue.policy == {"Statement": [statement()]}


@pytest.mark.parametrize("nothing", [None, ""])
def test_setting_nothing_removes_the_policy(queue: Queue, nothing: str | None) -> None:
    """SQS, SetQueueAttributes: Policy set to "" removes it."""
    queue.policy = {"Statement": [statement()]}

    queue.policy = nothing

    assert queue.policy is None
    assert not queue.as_principal(WORKER).may("SendMessage")


@pytest.mark.parametrize("wrong", ["{", "[]", {}, {"Statement": [statement(Effect="Maybe")]}, 7])
def test_a_policy_that_makes_no_sense_changes_nothing(orders: Queue, ledger: Ledger, wrong: Any) -> None:
    orders.policy = {"Statement": [statement()]}

    with pytest.raises(InvalidPolicy, match="nothing was changed"):
        orders.policy = wrong

    assert orders.policy == {"Statement": [statement()]}
    assert ledger.counts["configured"] == 1


def test_setting_a_policy_is_a_configured_change(orders: Queue, ledger: Ledger) -> None:
    orders.policy = {"Statement": [statement()]}
    orders.policy = None

    assert [(change.cause, change.settings) for change in ledger.changes] == [
        ("configured", {"policy": {"Statement": [statement()]}}),
        ("configured", {"policy": None}),
    ]


def test_a_queue_of_another_account_and_region_has_its_own_arn_and_owner(queue: Queue) -> None:
    queue._account, queue._region = ACCOUNT, "eu-west-1"

    assert queue.arn == f"arn:aws:sqs:eu-west-1:{ACCOUNT}:orders"
    assert queue.as_principal(WORKER).may("SendMessage")
    assert not queue.as_principal(OWNER).may("SendMessage")


# -- granting -------------------------------------------------------------------------------------------------------


def test_a_grant_is_written_as_add_permission_writes_it(queue: Queue) -> None:
    """SQS, AddPermission: one principal or action stands alone, several in a list."""
    queue.grant("read", ACCOUNT, "ReceiveMessage")
    queue.grant("work", [ACCOUNT, "444455556666"], ["ReceiveMessage", "DeleteMessage"])

    assert queue.policy == {
        "Version": "2008-10-17",
        "Id": f"{ARN}/SQSDefaultPolicy",
        "Statement": [
            {
                "Sid": "read",
                "Effect": "Allow",
                "Principal": {"AWS": ROOT},
                "Action": "SQS:ReceiveMessage",
                "Resource": ARN,
            },
            {
                "Sid": "work",
                "Effect": "Allow",
                "Principal": {"AWS": [ROOT, "arn:aws:iam::444455556666:root"]},
                "Action": ["SQS:ReceiveMessage", "SQS:DeleteMessage"],
                "Resource": ARN,
            },
        ],
    }


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (WORKER, {"AWS": WORKER}),
        ("*", {"AWS": "*"}),
        (SNS, {"Service": SNS}),
        ([SNS, WORKER, ACCOUNT], {"Service": SNS, "AWS": [WORKER, ROOT]}),
    ],
)
def test_principals_are_accounts_arns_services_or_everybody(queue: Queue, given: Any, written: Any) -> None:
    queue.grant("them", given, "SendMessage")

    assert queue.policy is not None
    assert queue.policy["Statement"][0]["Principal"] == written


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("sendmessage", "SQS:SendMessage"),
        ("sqs:SendMessage", "SQS:SendMessage"),
        ("SQS:CHANGEMESSAGEVISIBILITY", "SQS:ChangeMessageVisibility"),
        ("*", "SQS:*"),
        ("sqs:*", "SQS:*"),
    ],
)
def test_actions_are_named_with_or_without_their_service_in_any_case(queue: Queue, given: str, written: str) -> None:
    queue.grant("them", ACCOUNT, given)

    assert queue.policy is not None
    assert queue.policy["Statement"][0]["Action"] == written


@pytest.mark.parametrize(
    ("label", "principals", "actions", "error", "why"),
    [
        ("", ACCOUNT, "*", ValueError, "label must be 1 to 80 letters"),
        ("a b", ACCOUNT, "*", ValueError, "label must be"),
        ("é", ACCOUNT, "*", ValueError, "label must be"),
        ("x" * 81, ACCOUNT, "*", ValueError, "label must be"),
        (7, ACCOUNT, "*", ValueError, "label must be"),
        ("x", [], "*", TypeError, "principals must be text or several texts"),
        ("x", [7], "*", TypeError, "principals must be text"),
        ("x", "bob", "*", ValueError, "'bob' is not a principal"),
        ("x", ACCOUNT, [], TypeError, "actions must be text or several texts"),
        ("x", ACCOUNT, "Send", ValueError, "'Send' cannot be granted"),
        ("x", ACCOUNT, "sns:SendMessage", ValueError, "'sns:SendMessage' cannot be granted"),
        ("x", ACCOUNT, "SendMessageBatch", ValueError, "'SendMessageBatch' cannot be granted"),
        ("x", ACCOUNT, "DeleteQueue", ValueError, "'DeleteQueue' cannot be granted.* the owner's alone"),
        ("x", ACCOUNT, ["SendMessage"] * 8, InvalidPolicy, "it has 8 actions, over the 7 allowed"),
        ("x", [ACCOUNT] * 50, "*", InvalidPolicy, "it has 51 principals, over the 50 allowed"),
        ("taken", ACCOUNT, "*", InvalidPolicy, "statement 'taken': it is there already: revoke it first"),
    ],
)
def test_a_wrong_grant_changes_nothing(
    queue: Queue, label: Any, principals: Any, actions: Any, error: type[Exception], why: str
) -> None:
    queue.grant("taken", ACCOUNT, "SendMessage")
    before = queue.policy

    with pytest.raises(error, match=why):
        queue.grant(label, principals, actions)

    assert queue.policy == before


def test_a_label_may_be_80_long_and_there_may_be_20_statements(queue: Queue) -> None:
    """SQS: 80 characters; 20 statements."""
    queue.grant("x" * 80, ACCOUNT, "SendMessage")
    for n in range(19):
        queue.grant(f"label_-{n}", ACCOUNT, "SendMessage")

    with pytest.raises(InvalidPolicy, match="it has 21 statements, over the 20 allowed"):
        queue.grant("more", ACCOUNT, "SendMessage")


def test_a_grant_joins_the_policy_that_is_there(queue: Queue) -> None:
    queue.policy = {"Version": "2012-10-17", "Id": "mine", "Statement": statement(Sid="own")}

    queue.grant("more", SNS, "SendMessage")

    assert queue.policy is not None
    assert (queue.policy["Version"], queue.policy["Id"]) == ("2012-10-17", "mine")
    assert [one["Sid"] for one in queue.policy["Statement"]] == ["own", "more"]


def test_revoking_the_last_statement_removes_the_policy(queue: Queue) -> None:
    """SQS, RemovePermission."""
    queue.grant("one", ACCOUNT, "SendMessage")
    queue.grant("two", SNS, "SendMessage")

    queue.revoke("one")
    assert queue.policy is not None
    assert [one["Sid"] for one in queue.policy["Statement"]] == ["two"]

    queue.revoke("two")
    assert queue.policy is None


@pytest.mark.parametrize("label", ["other", "", None])
@pytest.mark.parametrize("there", [None, {"Statement": statement()}, {"Statement": [statement(Sid="one")]}])
def test_revoking_what_was_not_granted_is_an_error(queue: Queue, label: Any, there: Any) -> None:
    queue.policy = there

    with pytest.raises(
        InvalidPolicy, match=r"there is none: (the labels are 'one'|no statement has a label)"
    ) as caught:
        queue.revoke(label)

    assert caught.value.statement == f"statement {label!r}"
    assert queue.policy == there


def test_grants_of_many_threads_all_stay(queue: Queue) -> None:
    threads = [threading.Thread(target=queue.grant, args=(f"t{n}", ACCOUNT, "SendMessage")) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert queue.policy is not None
    assert {one["Sid"] for one in queue.policy["Statement"]} == {f"t{n}" for n in range(20)}


# -- using it -------------------------------------------------------------------------------------------------------

CALLS: list[tuple[str, Callable[[SharedQueue], object]]] = [
    ("SendMessage", lambda shared: shared.send("x")),
    ("SendMessage", lambda shared: shared.send("x", delay=1, attributes={"n": 1}, group="g")),
    ("SendMessage", lambda shared: shared.send_batch(["x", Entry("y", delay=5)])),
    ("SendMessage", lambda shared: asyncio.run(shared.aio.send("x"))),
    ("SendMessage", lambda shared: asyncio.run(shared.aio.send_batch(["x"]))),
    ("ReceiveMessage", lambda shared: shared.receive()),
    ("ReceiveMessage", lambda shared: shared.receive(max_messages=10, wait=20, visibility_timeout=5)),
    ("ReceiveMessage", lambda shared: next(shared.messages())),
    ("ReceiveMessage", lambda shared: shared.peek()),
    ("ReceiveMessage", lambda shared: asyncio.run(shared.aio.receive())),
    ("ReceiveMessage", lambda shared: asyncio.run(anext(shared.aio.messages()))),  # type: ignore[arg-type]
    ("ReceiveMessage", lambda shared: asyncio.run(shared.aio.peek())),
    ("DeleteMessage", lambda shared: shared.delete()),
    ("DeleteMessage", lambda shared: asyncio.run(shared.aio.delete())),
    ("ChangeMessageVisibility", lambda shared: shared.change_visibility(receipt(shared), 7)),
    ("ChangeMessageVisibility", lambda shared: asyncio.run(shared.aio.change_visibility(receipt(shared), 7))),
    ("PurgeQueue", lambda shared: shared.purge()),
    ("PurgeQueue", lambda shared: asyncio.run(shared.aio.purge())),
    ("GetQueueAttributes", lambda shared: shared.stats()),
    ("GetQueueAttributes", lambda shared: asyncio.run(shared.aio.stats())),
]


def receipt(shared: SharedQueue) -> str:
    [message] = shared._queue.receive()
    return message.receipt


@pytest.fixture
def busy() -> Queue:
    """A queue on real time, because asyncio.run makes its loops there, with a message to be had."""
    queue = Queue("orders")
    queue.send_batch(["one", "two"])
    return queue


@pytest.mark.parametrize(("action", "call"), CALLS)
def test_a_principal_may_do_what_was_granted_and_only_that(
    busy: Queue, action: str, call: Callable[[SharedQueue], object]
) -> None:
    shared = busy.as_principal(WORKER)
    busy.grant("others", ACCOUNT, [one for one in ACTIONS if one != action])
    with pytest.raises(AccessDenied) as caught:
        call(shared)
    assert caught.value.action == f"sqs:{action}"

    busy.revoke("others")
    busy.grant("this", ACCOUNT, action)
    call(shared)


def test_a_refused_call_does_nothing(busy: Queue) -> None:
    before = busy.stats()._replace(oldest_age=None)

    for action, call in CALLS:
        if action != "ChangeMessageVisibility":  # its calls receive what they change: SETTLING has the like
            with pytest.raises(AccessDenied):
                call(busy.as_principal(WORKER))

    assert busy.stats()._replace(oldest_age=None) == before


def test_a_refusal_says_who_what_where_why_and_how_to_mend_it(queue: Queue) -> None:
    with pytest.raises(AccessDenied) as nothing:
        queue.as_principal(WORKER).send("x")
    queue.policy = {"Statement": [statement(), statement(Sid="no", Effect="Deny", Action="sqs:Send*")]}
    with pytest.raises(AccessDenied) as denied:
        queue.as_principal(WORKER).send("x")
    with pytest.raises(AccessDenied) as anonymous:
        queue.as_principal(None).receive()

    error = nothing.value
    assert (error.principal, error.action, error.resource) == (WORKER, "sqs:SendMessage", ARN)
    assert str(error) == (
        f"{WORKER} may not sqs:SendMessage on {ARN}: there is no policy; "
        f"allow it with queue.grant(label, {WORKER!r}, 'SendMessage')"
    )
    assert str(denied.value).endswith("statement 'no' denies it; change or revoke that statement")
    assert str(anonymous.value).endswith(
        "no statement of the policy allows it; allow it with queue.grant(label, '*', 'ReceiveMessage')"
    )


def test_a_refusal_is_a_change_and_not_of_a_message(orders: Queue, ledger: Ledger, clock: VirtualClock) -> None:
    clock.advance(7)

    with pytest.raises(AccessDenied):
        orders.as_principal(SNS).send("x")

    [change] = ledger.changes
    assert (change.cause, change.queue, change.id, change.seq) == ("denied", "orders", None, None)
    assert change.reason == f"{SNS} may not sqs:SendMessage: there is no policy"
    assert change.happened_at == datetime(2026, 1, 1, 0, 0, 7, tzinfo=UTC)
    ledger.check()


def test_asking_whether_one_may_records_nothing(orders: Queue, ledger: Ledger) -> None:
    orders.grant("send", ACCOUNT, "SendMessage")
    before = len(ledger.changes)

    shared = orders.as_principal(WORKER)

    assert [shared.may(action) for action in ("SendMessage", "SendMessageBatch", "DeleteMessage")] == [
        True,
        True,
        False,
    ]
    assert len(ledger.changes) == before


def test_the_owners_account_may_what_is_not_denied(queue: Queue) -> None:
    """IAM: within an account, identity policies allow too; here there are none, so its principals may."""
    owner = queue.as_principal(OWNER)
    owner.send("x")
    queue.policy = {"Statement": [statement(Effect="Deny", Principal="*", Action="sqs:PurgeQueue")]}

    owner.receive()
    with pytest.raises(AccessDenied, match="statement 1 denies it"):
        owner.purge()
    assert queue.purge() == 1


def test_everybody_means_also_anonymous(queue: Queue) -> None:
    queue.grant("public", "*", "SendMessage")

    for nobody in (None, "*"):
        shared = queue.as_principal(nobody)
        shared.send("x")
        assert shared.principal == "anonymous"


def test_a_change_of_the_policy_counts_from_the_next_call(queue: Queue) -> None:
    shared = queue.as_principal(WORKER)
    queue.grant("send", ACCOUNT, "SendMessage")
    shared.send("x")

    queue.revoke("send")

    with pytest.raises(AccessDenied):
        shared.send("x")


def test_a_context_is_what_conditions_ask(queue: Queue) -> None:
    """SQS: the policy that lets one SNS topic send."""
    topic = "arn:aws:sns:us-east-1:000000000000:order-events"
    queue.policy = {
        "Statement": statement(Principal={"Service": SNS}, Condition={"ArnEquals": {"aws:SourceArn": topic}})
    }

    queue.as_principal(SNS, context={"AWS:SourceArn": topic}).send("x")
    for context in (None, {}, {"aws:SourceArn": f"{topic}-2"}):
        with pytest.raises(AccessDenied):
            queue.as_principal(SNS, context=context).send("x")


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ({"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:01:00Z"}}, [True, False]),
        ({"DateGreaterThanEquals": {"aws:EpochTime": "2026-01-01T00:01:00Z"}}, [False, True]),
        ({"NumericGreaterThan": {"aws:EpochTime": 1767225600}}, [False, True]),
        ({"StringLike": {"aws:CurrentTime": "2026-01-01T00:00:*Z"}}, [True, False]),
        ({"Bool": {"aws:SecureTransport": "true"}}, [True, True]),
        ({"StringEquals": {"aws:ResourceAccount": "000000000000", "aws:RequestedRegion": "us-east-1"}}, [True, True]),
        ({"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/*"}}, [True, True]),
        ({"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}, [True, True]),
        ({"Null": {"aws:SourceIp": "true"}}, [True, True]),
    ],
)
def test_some_of_it_is_known_by_itself_and_time_is_the_queues(
    queue: Queue, clock: VirtualClock, condition: dict[str, Any], allowed: list[bool]
) -> None:
    queue.policy = {"Statement": statement(Condition=condition)}
    shared = queue.as_principal(WORKER)

    before = shared.may("SendMessage")
    clock.advance(60)

    assert [before, shared.may("SendMessage")] == allowed


def test_what_is_given_goes_before_what_is_known(queue: Queue) -> None:
    queue.policy = {
        "Statement": [
            statement(),
            statement(Effect="Deny", Condition={"Bool": {"aws:SecureTransport": "false"}}),
            statement(Effect="Deny", Condition={"StringEquals": {"aws:PrincipalType": "Odd"}}),
        ]
    }

    assert queue.as_principal(WORKER).may("SendMessage")
    for key, value in {"aws:SecureTransport": False, "aws:PrincipalType": "Odd"}.items():
        assert not queue.as_principal(WORKER, context={key: value}).may("SendMessage")


@pytest.mark.parametrize("context", ["aws:SourceIp", {7: "x"}, {"k": None}, [("k", "v")]])
def test_a_wrong_context_is_refused(queue: Queue, context: Any) -> None:
    with pytest.raises(TypeError, match="context"):
        queue.as_principal(WORKER, context=context)


@pytest.mark.parametrize(("who", "error"), [("bob", ValueError), ("", ValueError), (7, TypeError)])
def test_only_a_principal_can_use_it(queue: Queue, who: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        queue.as_principal(who)


def test_a_shared_queue_says_what_it_is(queue: Queue) -> None:
    shared = queue.as_principal(ACCOUNT)

    assert (shared.name, shared.arn, shared.principal) == ("orders", ARN, ROOT)
    assert repr(shared) == f"<<Queue 'orders': 0 visible, 0 in flight, 0 delayed> as {ROOT}>"


@pytest.mark.parametrize("operation", sorted(OWNER_ONLY))
def test_what_is_the_owners_alone_no_policy_gives_away(queue: Queue, operation: str) -> None:
    """SQS: cross-account permissions do not apply to these."""
    queue.policy = {"Statement": statement(Principal="*", Action="*")}

    with pytest.raises(
        AccessDenied, match=r"only the owner's account 000000000000 may, .*; let a principal of that account"
    ):
        check_access(queue, principal(WORKER), operation, {})
    check_access(queue, principal(OWNER), operation, {})


# -- messages -------------------------------------------------------------------------------------------------------

# action, call, and how many are deleted, rejected, visible and in flight after it
SETTLING: list[tuple[str, Callable[[Message], object], tuple[int, int, int, int]]] = [
    ("DeleteMessage", lambda message: message.ack(), (1, 0, 0, 0)),
    ("DeleteMessage", lambda message: message.reject("no"), (0, 1, 0, 0)),
    ("DeleteMessage", lambda message: message.__exit__(None, None, None), (1, 0, 0, 0)),
    ("ChangeMessageVisibility", lambda message: message.nack(), (0, 0, 1, 0)),
    ("ChangeMessageVisibility", lambda message: message.nack(5), (0, 0, 0, 1)),
    ("ChangeMessageVisibility", lambda message: message.extend(60), (0, 0, 0, 1)),
]


@pytest.mark.parametrize(("action", "settle", "then"), SETTLING)
def test_a_message_can_be_settled_as_its_receiver_may(
    queue: Queue, action: str, settle: Callable[[Message], object], then: tuple[int, int, int, int]
) -> None:
    queue.send("x")
    queue.grant("work", ACCOUNT, [one for one in ACTIONS if one != action])
    [message] = queue.as_principal(WORKER).receive()
    before = queue.stats()

    with pytest.raises(AccessDenied, match=action):
        settle(message)
    assert queue.stats() == before
    assert not message.settled

    queue.grant("more", ACCOUNT, action)
    settle(message)
    after = queue.stats()
    assert (after.deleted, after.rejected, after.visible, after.in_flight) == then


def test_extending_and_giving_back_late_count_from_the_call(queue: Queue, clock: VirtualClock) -> None:
    queue.grant("all", ACCOUNT, "*")
    queue.send("x")
    [message] = queue.as_principal(WORKER).receive()

    message.extend(100)
    clock.advance(99)
    assert queue.receive() == []
    message.nack(5)
    clock.advance(4.999)
    assert queue.receive() == []

    clock.advance(0.001)
    assert len(queue.receive()) == 1


def test_a_shared_message_is_the_message(queue: Queue, clock: VirtualClock) -> None:
    sent = queue.send({"id": 7}, attributes={"n": 1}, group="g")
    queue.grant("all", ACCOUNT, "*")
    shared = queue.as_principal(WORKER)
    [message] = shared.receive()
    message.nack()
    clock.advance(1)

    [again] = shared.receive()

    assert isinstance(again, Message)
    assert (again.id, again.json(), again.attributes, again.group, again.receive_count) == (
        sent.id,
        {"id": 7},
        {"n": 1},
        "g",
        2,
    )
    assert again.first_received_at == message.first_received_at
    assert again.receipt != message.receipt
    shared.change_visibility(again, 60)
    shared.delete(again.receipt)
    assert queue.stats().deleted == 1


def test_a_block_acknowledges_at_its_end_and_gives_back_when_it_raises(queue: Queue) -> None:
    queue.grant("all", ACCOUNT, "*")
    shared = queue.as_principal(WORKER)
    queue.send("x")

    [message] = shared.receive()
    with pytest.raises(KeyError), message:
        raise KeyError("x")
    [again] = shared.receive()
    assert (again.receive_count, again.failure and again.failure.error) == (2, "KeyError")
    with again:
        pass

    assert queue.stats().deleted == 1


def test_who_may_not_give_back_keeps_it_until_its_timeout_and_the_blocks_error_comes_through(
    orders: Queue, ledger: Ledger, clock: VirtualClock
) -> None:
    """Giving back early is a ChangeMessageVisibility to 0."""
    orders.grant("receive", ACCOUNT, "ReceiveMessage")
    orders.send("x")
    [message] = orders.as_principal(WORKER).receive()

    with pytest.raises(KeyError), message:
        raise KeyError("x")

    assert orders.receive() == []
    assert ledger.changes[-1].cause == "denied"
    clock.advance(30)
    assert len(orders.receive()) == 1


def test_a_message_settled_in_its_block_is_not_settled_again(queue: Queue) -> None:
    queue.grant("all", ACCOUNT, "*")
    queue.send_batch(["one", "two"])
    one, two = queue.as_principal(WORKER).receive(max_messages=2)

    with one:
        one.nack()
    with two:
        queue.as_principal(WORKER).delete(two)

    assert (queue.stats().visible, queue.stats().deleted) == (1, 1)


def test_an_awaited_message_is_bound_too(busy: Queue) -> None:
    busy.grant("receive", ACCOUNT, "ReceiveMessage")

    async def work() -> None:
        [message] = await busy.as_principal(WORKER).aio.receive(wait=20)
        async with message:
            assert message.body == "one"

    with pytest.raises(AccessDenied, match="DeleteMessage"):
        asyncio.run(work())
    assert busy.stats().in_flight == 1


def test_a_message_looked_at_cannot_be_settled(queue: Queue) -> None:
    queue.grant("all", ACCOUNT, "*")
    queue.send("x")

    [look] = queue.as_principal(WORKER).peek()

    assert look.body == "x"
    with pytest.raises(NotInFlight):
        look.ack()


@attrs.frozen
class Order:
    id: int


def test_a_typed_queue_shares_its_type(clock: VirtualClock) -> None:
    queue = Queue("orders", body=Order, clock=clock)
    queue.grant("all", ACCOUNT, "*")
    shared = queue.as_principal(WORKER)
    shared.send(Order(7))

    [message] = shared.receive()

    assert message.body == Order(7)
    assert message.body is message.body
    queue.check()


@pytest.mark.parametrize("name", ["orders", "orders.fifo"])
def test_a_large_body_is_brought_to_who_shares_the_queue(clock: VirtualClock, tmp_path: Path, name: str) -> None:
    queue = Queue(name, max_message_size=200, large_bodies=LargeBodies(tmp_path), clock=clock)
    queue.grant("all", ACCOUNT, "*")
    shared = queue.as_principal(WORKER)
    ids: dict[str, str] = {"group": "g", "deduplication_id": "d"} if queue.fifo else {}
    shared.send({"lines": "x" * 300}, **ids)

    [message] = shared.receive()
    message.ack()

    assert message.json() == {"lines": "x" * 300}
    assert message.body == message.text == '{"lines": "' + "x" * 300 + '"}'
    assert list(tmp_path.iterdir()) == []
    queue.check()


def test_a_messages_loop_ends_with_the_queue(busy: Queue) -> None:
    busy.grant("all", ACCOUNT, "*")
    shared = busy.as_principal(WORKER)
    seen: list[str] = []

    for message in shared.messages(wait=0):
        seen.append(message.body)
        if len(seen) == 2:
            busy.close()

    assert seen == ["one", "two"]

    async def loop() -> list[Message]:
        return [message async for message in shared.aio.messages(wait=0)]

    assert asyncio.run(loop()) == []
    with pytest.raises(QueueClosed):
        shared.receive()


def test_a_receive_interrupted_while_its_messages_are_bound_puts_them_back(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.grant("all", ACCOUNT, "*")
    queue.send_batch(["one", "two"])
    shared = queue.as_principal(WORKER)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("decouple.sharing.bound", interrupted)
        with pytest.raises(KeyboardInterrupt):
            shared.receive(max_messages=2)

    again = shared.receive(max_messages=2)
    assert [(message.body, message.receive_count) for message in again] == [("one", 1), ("two", 1)]


@pytest.mark.parametrize("wrong", [(7, "SendMessage"), (ACCOUNT, 7), (None, "*")])
def test_a_grant_of_what_is_no_text_is_one_clear_error(queue: Queue, wrong: tuple[Any, Any]) -> None:
    with pytest.raises(TypeError, match="must be text or several texts"):
        queue.grant("label", *wrong)

    assert queue.policy is None
