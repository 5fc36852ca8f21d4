"""Mail, text messages and mobile push: how a notification reads there, and who takes it."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from decouple import DeliveryRefused, Notification
from decouple.core.backoff import CUSTOMER_MANAGED
from decouple.core.records import Details, Record
from decouple.notification import Kind, Publication, Way
from decouple.outbox import MOST_KEPT, Outbox, Outgoing
from decouple.post import Post
from decouple.senders import SMS, Email, Push
from decouple.targets import Handler, Target

TOPIC = "arn:aws:sns:us-east-1:000000000000:orders"
SERVICE = "https://sns.us-east-1.amazonaws.com"


def notification(
    text: str = "order 7",
    *,
    protocol: str = "email",
    subject: str | None = None,
    bodies: dict[str, str] | None = None,
    kind: Kind = "Notification",
    details: Details | None = None,
) -> Notification:
    record: Record = (text, 0, 1) if details is None else (text, 0, 1, details)
    way = Way("orders", TOPIC, f"{TOPIC}:s-1", protocol, SERVICE, epoch=1_767_225_600_000_000_000)
    token = None if kind == "Notification" else "t0ken"
    return Notification(Publication("p-1", record, subject, bodies), way, kind=kind, token=token)


def delivered(target: Target, notification: Notification) -> Outgoing:
    """What reaches the outbox of a post office without senders."""
    post = Post({})
    target.deliver(notification, post)
    [outgoing] = post.outbox
    return outgoing


# -- mail ------------------------------------------------------------------------------------------------------------


def test_a_mail_has_the_subject_the_message_and_the_link_to_unsubscribe() -> None:
    mail = delivered(Email("a@shop.test"), notification("order 7", subject="News"))

    assert (mail.protocol, mail.to, mail.subject) == ("email", "a@shop.test", "News")
    assert mail.body == (
        "order 7\n"
        "\n"
        "--\n"
        "If you wish to stop receiving notifications from this topic, please click or visit the link below to unsubscribe:\n"
        f"{SERVICE}/?Action=Unsubscribe&SubscriptionArn={TOPIC}:s-1\n"
        "\n"
        "Please do not reply directly to this email.\n"
    )


def test_a_mail_without_a_subject_has_the_subject_of_sns() -> None:
    assert delivered(Email("a@shop.test"), notification()).subject == "AWS Notification Message"


def test_a_mail_as_json_is_the_json_of_sns_with_attributes() -> None:
    given = notification(protocol="email-json", details=Details(attributes={"type": "created"}))

    mail = delivered(Email("a@shop.test", json=True), given)

    assert (mail.protocol, mail.subject) == ("email-json", "AWS Notification Message")
    document = json.loads(mail.body)
    assert (document["Type"], document["Message"]) == ("Notification", "order 7")
    assert document["MessageAttributes"] == {"type": {"Type": "String", "Value": "created"}}


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("SubscriptionConfirmation", "AWS Notification - Subscription Confirmation"),
        ("UnsubscribeConfirmation", "AWS Notification - Unsubscribe Confirmation"),
    ],
)
def test_the_mail_that_asks_to_confirm_has_the_topic_and_the_link(kind: Kind, subject: str) -> None:
    link = f"{SERVICE}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=t0ken"

    text = delivered(Email("a@shop.test"), notification(kind=kind))
    as_json = delivered(Email("a@shop.test", json=True), notification(kind=kind))

    assert (text.subject, as_json.subject) == (subject, subject)
    assert f"\n{TOPIC}\n" in text.body
    assert text.body.endswith(f":\n{link}\n")
    assert "Unsubscribe&" not in text.body
    assert json.loads(as_json.body)["SubscribeURL"] == link


@pytest.mark.parametrize(
    "address",
    [
        "a@shop.test",
        "first.last+tag@shop.test",
        "o'hara_%!#$&*/=?^`{|}~-@shop.test",
        "a@localhost",
        "jörg@shop.test",
        "用户@例え.jp",
        "a@उदाहरण.test",
        "a@München.de",
        "a@xn--strae-oqa.de",
        "a" * 64 + "@shop.test",
        "a@" + ".".join(["b" * 63] * 3) + "." + "c" * 60,
    ],
)
def test_a_mail_address_is_kept_as_it_was_written(address: str) -> None:
    assert Email(address).address == address


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("", "one @"),
        ("shop.test", "one @"),
        ("a@b@shop.test", "one @"),
        ("a@b.test, c@d.test", "one @"),
        ("@shop.test", "before its @"),
        (".a@shop.test", "before its @"),
        ("a..b@shop.test", "before its @"),
        ("a b@shop.test", "before its @"),
        ("a,b@shop.test", "before its @"),
        ('"a b"@shop.test', "before its @"),
        ("Ann <a@shop.test>", "before its @"),
        ("a(note)@shop.test", "before its @"),
        ("a\nBcc:b@shop.test", "before its @"),
        ("a\r\n@shop.test", "before its @"),
        ("a\x00@shop.test", "before its @"),
        ("a\u2028b@shop.test", "before its @"),
        ("a\u200b@shop.test", "before its @"),
        ("a\ud800@shop.test", "before its @"),
        ("a@", "after its @"),
        ("a@shop.test\n", "after its @"),
        ("a@shop.test\r\nBcc: b", "after its @"),
        ("a@shop..test", "after its @"),
        ("a@shop.test.", "after its @"),
        ("a@-shop.test", "after its @"),
        ("a@shop_x.test", "after its @"),
        ("a@[127.0.0.1]", "after its @"),
        ("a@" + "b" * 64 + ".test", "after its @"),
        ("a@" + "é" * 64 + ".test", "after its @"),
        ("a@straße.de", "xn--"),
        ("a@shop\u3002test", "xn--"),
        ("a@\ud800.test", "after its @"),
        ("a" * 65 + "@shop.test", "64 bytes"),
        ("é" * 33 + "@shop.test", "64 bytes"),
        ("a@" + ".".join(["b" * 63] * 3) + "." + "c" * 61, "254 in all"),
    ],
)
def test_what_is_no_mail_address_is_refused_at_the_door(address: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Email(address)


# -- text messages ---------------------------------------------------------------------------------------------------


def test_a_text_message_is_the_message_alone() -> None:
    message = delivered(SMS("+15550100"), notification("order 7", protocol="sms", subject="News"))

    assert message[:4] == ("sms", "+15550100", None, "order 7")


def test_a_text_message_has_up_to_1600_characters_and_a_longer_one_is_refused_for_good() -> None:
    """SNS API, Publish, PhoneNumber: messages over 1,600 characters are not sent."""
    assert delivered(SMS("+15550100"), notification("ü" * 1_600, protocol="sms")).body == "ü" * 1_600

    with pytest.raises(DeliveryRefused, match="at most 1,600 characters, not 1,601"):
        delivered(SMS("+15550100"), notification("ü" * 1_601, protocol="sms"))


@pytest.mark.parametrize("number", ["+15550100", "+1 555 0100", "+1-555-01-00", "+1.555/0100"])
def test_a_number_may_be_written_with_separators(number: str) -> None:
    assert SMS(number).number == "+15550100"
    assert SMS(number) == SMS("+15550100")


@pytest.mark.parametrize(
    "number",
    ["", "+", "15550100", "+0155", "+1", "+1234567890123456", "+44 (0)20 7946", "+1٢٣٤", "+15550100\n", "sales"],
)
def test_what_is_no_number_is_refused_at_the_door(number: str) -> None:
    with pytest.raises(ValueError, match="2 to 15 digits"):
        SMS(number)


# -- mobile push -----------------------------------------------------------------------------------------------------


def test_a_push_is_the_subject_and_the_message() -> None:
    message = delivered(Push("token-1"), notification("order 7", protocol="application", subject="News"))

    assert message[:4] == ("application", "token-1", "News", "order 7")


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("arn:aws:sns:us-east-1:000000000000:endpoint/GCM/shop/id-1", "for Google"),
        ("arn:aws:sns:us-east-1:000000000000:endpoint/ADM/shop/id-1", "for all apps"),
        ("token:endpoint/GCM/shop", "for all apps"),
        ("token-1", "for all apps"),
    ],
)
def test_a_push_has_the_text_published_for_its_platform_or_for_all_apps(endpoint: str, body: str) -> None:
    """SNS developer guide, "Sending platform-specific payloads": the keys are GCM, APNS, ADM and so on."""
    bodies = {"GCM": "for Google", "application": "for all apps"}

    message = delivered(Push(endpoint), notification("for anybody", protocol="application", bodies=bodies))

    assert message.body == body


@pytest.mark.parametrize("endpoint", ["", " \n"])
def test_what_is_no_mobile_endpoint_is_refused_at_the_door(endpoint: str) -> None:
    with pytest.raises(ValueError, match="an ARN or a token"):
        Push(endpoint)


# -- all three -------------------------------------------------------------------------------------------------------

TARGETS = [
    (Email("a@shop.test"), "Email('a@shop.test')", "email", True, False),
    (Email("a@shop.test", json=True), "Email('a@shop.test', json=True)", "email-json", True, True),
    (SMS("+15550100"), "SMS('+15550100')", "sms", False, False),
    (Push("token-1"), "Push('token-1')", "application", False, False),
]


@pytest.mark.parametrize(("target", "shown", "protocol", "confirms", "envelope"), TARGETS, ids=repr)
def test_a_target_says_what_it_is(target: Target, shown: str, protocol: str, confirms: bool, envelope: bool) -> None:
    assert repr(target) == shown
    assert (target.protocol, target.confirms, target.envelope) == (protocol, confirms, envelope)
    assert target.schedule is CUSTOMER_MANAGED
    assert target.awaits is False


def test_a_target_is_equal_to_another_of_the_same_kind_and_endpoint() -> None:
    targets = [target for target, *_ in TARGETS]

    again = [copy.deepcopy(target) for target in targets] + [pickle.loads(pickle.dumps(target)) for target in targets]

    assert again == targets * 2
    assert len({*targets, *again}) == 4
    assert Push("+15550100") != SMS("+15550100")
    assert SMS("+15550100") != "+15550100"


@pytest.mark.parametrize("target", [target for target, *_ in TARGETS], ids=repr)
def test_a_target_never_changes(target: Target) -> None:
    with pytest.raises(AttributeError, match="'endpoint' cannot be set"):
        target.endpoint = "b@shop.test"
    with pytest.raises(AttributeError, match="'endpoint' cannot be deleted"):
        del target.endpoint


@pytest.mark.parametrize("kind", [Email, SMS, Push])
def test_an_endpoint_is_text(kind: Any) -> None:
    with pytest.raises(TypeError, match="is text, not 7"):
        kind(7)


@pytest.mark.parametrize(
    ("target", "body"), [(Email("a@shop.test"), "for mail"), (SMS("+15550100"), "short"), (Push("token-1"), "for all")]
)
def test_a_target_gets_the_text_published_for_its_protocol(target: Target, body: str) -> None:
    """SNS API, Publish, MessageStructure: the text under the protocol's name, else the default."""
    bodies = {"email": "for mail", "sms": "short"}

    assert delivered(target, notification("for all", protocol=target.protocol, bodies=bodies)).body.startswith(body)


# -- senders ---------------------------------------------------------------------------------------------------------


def test_a_sender_gets_what_is_for_its_protocol_and_its_answer_is_the_deliverys() -> None:
    taken: list[Outgoing] = []
    post = Post({"sms": lambda outgoing: taken.append(outgoing) or "id 81"})
    given = notification(protocol="sms")

    answer = SMS("+15550100").deliver(given, post)
    Email("a@shop.test").deliver(notification(), post)

    assert answer == "id 81"
    assert taken == [Outgoing("sms", "+15550100", None, "order 7", given)]
    assert [mail.to for mail in post.outbox] == ["a@shop.test"]


def test_the_sender_for_mail_takes_json_too_unless_that_has_its_own() -> None:
    taken: list[str] = []
    one = Post({"email": lambda outgoing: taken.append("one")})
    two = Post({"email": lambda outgoing: taken.append("one"), "email-json": lambda outgoing: taken.append("other")})

    Email("a@shop.test", json=True).deliver(notification(), one)
    Email("a@shop.test", json=True).deliver(notification(), two)

    assert taken == ["one", "other"]


class Gateway:
    async def __call__(self, outgoing: Outgoing) -> str:
        await asyncio.sleep(0)
        return f"sent to {outgoing.to}"


@pytest.mark.parametrize("sender", [Gateway(), Gateway().__call__], ids=["object", "method"])
def test_the_post_says_that_an_async_sender_is_to_be_awaited(sender: Any) -> None:
    post = Post({"sms": sender})

    async def deliver() -> Any:
        return await SMS("+15550100").deliver(notification(protocol="sms"), post)

    assert post.awaits(SMS("+15550100"))
    assert asyncio.run(deliver()) == "sent to +15550100"
    assert not post.awaits(Email("a@shop.test"))


def test_a_target_that_is_a_coroutine_itself_is_awaited_whatever_the_senders() -> None:
    async def handle(notification: Notification) -> None: ...

    assert Post({}).awaits(Handler(handle, "handle"))
    assert not Post({}).awaits(Handler(print, "print"))


def test_a_sender_that_returns_a_coroutine_must_be_an_async_def() -> None:
    post = Post({"sms": lambda outgoing: Gateway()(outgoing)})

    with pytest.raises(TypeError, match="the sender for sms is no async def and returned a coroutine"):
        SMS("+15550100").deliver(notification(protocol="sms"), post)


def test_what_a_sender_raises_is_raised_by_the_delivery() -> None:
    def fail(outgoing: Outgoing) -> None:
        raise DeliveryRefused(outgoing.to, why="it has no such number")

    with pytest.raises(DeliveryRefused, match="no such number"):
        SMS("+15550100").deliver(notification(protocol="sms"), Post({"sms": fail}))


def test_an_unknown_protocol_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"'push'.*'email' for Email, .*'sms' for SMS, 'application' for Push"):
        Post({"push": print})


def test_a_sender_must_be_callable() -> None:
    with pytest.raises(TypeError, match="the sender for sms must be a callable that takes an Outgoing, not 'gateway'"):
        Post({"sms": "gateway"})  # type: ignore[dict-item]


# -- outbox ----------------------------------------------------------------------------------------------------------


def outgoing(number: int) -> Outgoing:
    return Outgoing("sms", f"+1{number:06}", None, "order 7", notification(protocol="sms"))


def test_the_outbox_is_read_as_a_list() -> None:
    outbox = Outbox()
    sent = [outgoing(number) for number in range(3)]
    for one in sent:
        outbox.append(one)

    assert list(outbox) == sent
    assert (outbox[0], outbox[-1], outbox[1:]) == (sent[0], sent[2], sent[1:])
    assert (len(outbox), sent[1] in outbox, repr(outbox)) == (3, True, "<Outbox: 3 kept, 0 dropped>")


def test_the_outbox_can_grow_while_it_is_read() -> None:
    outbox = Outbox()
    outbox.append(outgoing(0))

    for one in outbox:
        outbox.append(one)

    assert len(outbox) == 2


def test_the_outbox_keeps_the_newest_10000_and_counts_what_it_dropped() -> None:
    outbox = Outbox()
    one = outgoing(0)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(outbox.append, [one] * (MOST_KEPT + 3)))
    last = outgoing(7)
    outbox.append(last)

    assert (len(outbox), outbox.dropped, outbox[-1]) == (10_000, 4, last)


def test_an_outbox_that_is_cleared_is_as_new() -> None:
    outbox = Outbox()
    for _ in range(MOST_KEPT + 1):
        outbox.append(outgoing(0))

    outbox.clear()

    assert (list(outbox), outbox.dropped, bool(outbox)) == ([], 0, False)
