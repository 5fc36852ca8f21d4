"""SNS subscriptions over the wire: made, confirmed, changed, ended. Texts as recorded (shared facts)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sns_caller import ACCOUNT, OTHER, Caller, bodies

from decouple import Email
from decouple.aws import World
from decouple.aws.sns.subscriptions import TOKEN
from decouple.clock import datetime_at
from decouple.testing import VirtualClock

QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders"
FIFO_QUEUE = f"{QUEUE}.fifo"


@pytest.fixture
def world() -> World:
    return World(clock=VirtualClock(), account=ACCOUNT)


@pytest.fixture
def sns(world: World) -> Caller:
    return Caller(world)


@pytest.fixture
def topic(sns: Caller) -> str:
    return sns.topic()


def published(sns: Caller, topic: str, *texts: str) -> None:
    for text in texts:
        sns("Publish", TopicArn=topic, Message=text)
    sns.broker.run_until_idle(errors="collect")


# -- queues ----------------------------------------------------------------------------------------------------------


def test_a_queue_is_confirmed_at_once_and_shows_every_attribute(sns, topic):
    arn = sns("Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=QUEUE)["SubscriptionArn"]

    assert sns.attributes(arn) == {
        "ConfirmationWasAuthenticated": "true",
        "Endpoint": QUEUE,
        "Owner": ACCOUNT,
        "PendingConfirmation": "false",
        "Protocol": "sqs",
        "RawMessageDelivery": "false",
        "SubscriptionArn": arn,
        "SubscriptionPrincipal": f"arn:aws:iam::{ACCOUNT}:user/me",
        "TopicArn": topic,
    }
    assert arn.startswith(f"{topic}:")
    assert len(arn.rpartition(":")[2]) == 36


def test_a_queue_need_not_exist_yet(sns, topic):
    sns.subscribe(topic, QUEUE, RawMessageDelivery="true")
    published(sns, topic, "lost")

    queue = sns.broker.queue("orders")
    published(sns, topic, "kept")

    assert bodies(queue) == ["kept"]


def test_a_queue_in_another_region_gets_what_is_published(sns, topic, world):
    queue = world.broker(region="eu-central-1").queue("orders")

    sns.subscribe(topic, queue.arn, RawMessageDelivery="true")
    published(sns, topic, "hello")

    assert bodies(queue) == ["hello"]


def test_a_queue_of_another_account_must_let_the_topic_send(sns, topic, world):
    queue = world.broker(OTHER).queue("orders")
    sns.subscribe(topic, queue.arn, RawMessageDelivery="true")
    published(sns, topic, "no")

    queue.policy = {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue.arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
            }
        ]
    }
    published(sns, topic, "yes")

    assert bodies(queue) == ["yes"]


def test_a_strict_world_asks_the_queues_policy_within_an_account_too():
    sns = Caller(World(clock=VirtualClock(), account=ACCOUNT, strict=True))
    topic, queue, dead = sns.topic(), sns.broker.queue("orders"), sns.broker.queue("dead")
    dead.grant("topics", "sns.amazonaws.com", "SendMessage")
    sns.subscribe(topic, queue.arn, RawMessageDelivery="true", RedrivePolicy={"deadLetterTargetArn": dead.arn})
    published(sns, topic, "no")

    queue.grant("topics", "sns.amazonaws.com", "SendMessage")
    published(sns, topic, "yes")

    assert (bodies(queue), bodies(dead)) == (["yes"], ["no"])


def test_a_queue_subscribed_natively_is_the_same_subscription(sns, topic):
    queue = sns.broker.queue("orders")
    subscription = sns.broker.topics["events"].subscribe(queue)

    assert sns.subscribe(topic, QUEUE) == subscription.arn
    assert sns.attributes(subscription.arn)["RawMessageDelivery"] == "true"


def test_a_queue_that_is_there_shares_the_topics_records(sns, topic):
    queue = sns.broker.queue("orders")

    sns.subscribe(topic, QUEUE, RawMessageDelivery="true")

    [subscription] = sns.broker.topics["events"].subscriptions
    assert subscription.core is queue._core


# -- refused ---------------------------------------------------------------------------------------------------------

FIFO_ON_STANDARD = (
    "Invalid parameter: Invalid parameter: Endpoint Reason: "
    "FIFO SQS Queues can not be subscribed to standard SNS topics"
)
REFUSED = {
    "a protocol": ("pigeon", "x", "Invalid parameter: Amazon SNS does not support this protocol string: pigeon"),
    "a queue's URL": ("sqs", "https://sqs.us-east-1.amazonaws.com/1/orders", "Invalid parameter: SQS endpoint ARN"),
    "a queue's name": ("sqs", "orders", "Invalid parameter: SQS endpoint ARN"),
    "another service's ARN": ("sqs", f"arn:aws:sns:us-east-1:{ACCOUNT}:x", "Invalid parameter: SQS endpoint ARN"),
    "a FIFO queue": (
        "sqs",
        FIFO_QUEUE,
        FIFO_ON_STANDARD,
    ),
    "http by https": ("http", "https://example.com", "Invalid parameter: Endpoint must match the specified protocol"),
    "a number": ("sms", "0123", "Invalid parameter: Invalid SMS endpoint: 0123"),
    "nothing": ("email", "", "Invalid parameter: Endpoint"),
    "an address": ("email", "nobody", None),
    "a host that must not be": ("http", "http://169.254.169.254/latest", None),
    "a function's name": ("lambda", "resize", "Invalid parameter: Lambda endpoint ARN"),
    "an app": ("application", "x", "Invalid parameter: ApplicationEndpoint ARN"),
}


@pytest.mark.parametrize(("protocol", "endpoint", "text"), REFUSED.values(), ids=REFUSED)
def test_an_endpoint_that_cannot_be_is_refused(sns, topic, protocol, endpoint, text):
    code, found = sns.error("Subscribe", TopicArn=topic, Protocol=protocol, Endpoint=endpoint)

    assert code == "InvalidParameter"
    assert found == text or (text is None and found.startswith("Invalid parameter: Endpoint Reason: "))


def test_a_fifo_topic_delivers_to_queues_of_both_kinds_and_to_nothing_else(sns):
    topic = sns.topic("events.fifo", ContentBasedDeduplication="true")
    queues = [sns.broker.queue("orders"), sns.broker.queue("orders.fifo")]
    for queue in queues:
        sns.subscribe(topic, queue.arn, RawMessageDelivery="true")

    sns("Publish", TopicArn=topic, Message="hello", MessageGroupId="g")

    assert [bodies(queue) for queue in queues] == [["hello"], ["hello"]]
    given = {"TopicArn": topic, "Protocol": "email", "Endpoint": "a@example.com"}
    assert sns.error("Subscribe", **given) == ("InvalidParameter", "Invalid parameter: Invalid protocol type: email")


ATTRIBUTES = {
    "unknown": ({"Colour": "red"}, "AttributeName"),
    "raw": ({"RawMessageDelivery": "x"}, "RawMessageDelivery: Invalid value [x]. Must be true or false."),
    "raw, empty": ({"RawMessageDelivery": ""}, "RawMessageDelivery: Invalid value []. Must be true or false."),
    "redrive": ({"RedrivePolicy": "{"}, "RedrivePolicy: failed to parse JSON."),
    "redrive to a name": (
        {"RedrivePolicy": '{"deadLetterTargetArn":"dead"}'},
        "RedrivePolicy: deadLetterTargetArn is an invalid arn",
    ),
    "redrive to nothing": ({"RedrivePolicy": "{}"}, "RedrivePolicy: deadLetterTargetArn is an invalid arn"),
    "scope": (
        {"FilterPolicyScope": "x"},
        "FilterPolicyScope: Invalid value [x]. Please use either MessageBody or MessageAttributes",
    ),
    "filter": ({"FilterPolicy": "{"}, "FilterPolicy: failed to parse JSON."),
    "delivery": ({"DeliveryPolicy": "{"}, "DeliveryPolicy: failed to parse JSON."),
}


@pytest.mark.parametrize(("attributes", "text"), ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_a_wrong_attribute_is_refused_by_both_operations_each_with_its_prefix(sns, topic, attributes, text):
    given = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": QUEUE}
    wrong = sns.error("Subscribe", Attributes=attributes, **given)
    assert wrong == ("InvalidParameter", f"Invalid parameter: Attributes Reason: {text}")
    assert sns("ListSubscriptions") == {"Subscriptions": []}

    arn = sns.subscribe(topic, QUEUE)
    [(name, value)] = attributes.items()
    wrong = sns.error("SetSubscriptionAttributes", SubscriptionArn=arn, AttributeName=name, AttributeValue=value)

    assert wrong == ("InvalidParameter", f"Invalid parameter: {text}")


def test_a_fifo_subscription_has_fifo_dead_letters(sns):
    topic = sns.topic("events.fifo")
    policy = json.dumps({"deadLetterTargetArn": QUEUE})
    given = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": FIFO_QUEUE, "Attributes": {"RedrivePolicy": policy}}

    words = "RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic."
    refused = sns.error("Subscribe", **given)
    assert refused == ("InvalidParameter", f"Invalid parameter: Attributes Reason: {words}")


def test_functions_and_mail_have_no_raw_delivery(sns, topic):
    function = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:resize"
    given = {
        "TopicArn": topic,
        "Protocol": "lambda",
        "Endpoint": function,
        "Attributes": {"RawMessageDelivery": "true"},
    }

    assert sns.error("Subscribe", **given) == (
        "InvalidParameter",
        "Invalid parameter: Attributes Reason: Delivery protocol [lambda] does not support raw message delivery.",
    )


# -- the same again --------------------------------------------------------------------------------------------------


def test_the_same_again_is_the_same_with_equal_fewer_or_no_attributes(sns, topic):
    arn = sns.subscribe(topic, QUEUE, RawMessageDelivery="true", FilterPolicy={"a": ["b"]})

    assert sns.subscribe(topic, QUEUE) == arn
    assert sns.subscribe(topic, QUEUE, RawMessageDelivery="true") == arn
    assert sns.subscribe(topic, QUEUE, FilterPolicy='{"a" : ["b"]}') == arn


@pytest.mark.parametrize(
    "attributes",
    [
        {"RawMessageDelivery": "false"},
        {"FilterPolicy": '{"a":["c"]}'},
        {"RedrivePolicy": json.dumps({"deadLetterTargetArn": QUEUE})},
    ],
    ids=["raw", "filter", "redrive"],
)
def test_the_same_endpoint_with_other_attributes_is_an_error(sns, topic, attributes):
    sns.subscribe(topic, QUEUE, RawMessageDelivery="true", FilterPolicy={"a": ["b"]})
    given = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": QUEUE, "Attributes": attributes}

    assert sns.error("Subscribe", **given) == (
        "InvalidParameter",
        "Invalid parameter: Attributes Reason: Subscription already exists with different attributes",
    )


# -- changed ---------------------------------------------------------------------------------------------------------


def change(sns: Caller, arn: str, name: str, value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    sns("SetSubscriptionAttributes", SubscriptionArn=arn, AttributeName=name, AttributeValue=text)


def test_raw_delivery_can_be_switched(sns, topic):
    queue = sns.broker.queue("orders")
    arn = sns.subscribe(topic, QUEUE)
    published(sns, topic, "wrapped")

    change(sns, arn, "RawMessageDelivery", "true")
    published(sns, topic, "plain")

    wrapped, plain = bodies(queue)
    assert (json.loads(wrapped)["Message"], plain) == ("wrapped", "plain")
    assert sns.attributes(arn)["RawMessageDelivery"] == "true"


def test_a_filter_can_be_set_and_taken_away_and_the_scope_shows_only_with_it(sns, topic):
    queue = sns.broker.queue("orders")
    arn = sns.subscribe(topic, QUEUE, RawMessageDelivery="true")
    assert "FilterPolicyScope" not in sns.attributes(arn)

    change(sns, arn, "FilterPolicyScope", "MessageBody")
    assert "FilterPolicyScope" not in sns.attributes(arn)
    change(sns, arn, "FilterPolicy", {"a": {"b": [1]}})
    published(sns, topic, '{"a": {"b": 1}}', '{"a": {"b": 2}}')
    shown = sns.attributes(arn)
    assert (shown["FilterPolicy"], shown["FilterPolicyScope"]) == ('{"a": {"b": [1]}}', "MessageBody")

    change(sns, arn, "FilterPolicy", "")
    published(sns, topic, "anything")

    assert bodies(queue) == ['{"a": {"b": 1}}', "anything"]
    assert "FilterPolicy" not in sns.attributes(arn)


def test_a_nested_filter_is_not_for_attributes_also_when_the_scope_comes_later(sns, topic):
    words = "Invalid parameter: Filter policy scope MessageAttributes does not support nested filter policy"
    arn = sns.subscribe(topic, QUEUE, FilterPolicyScope="MessageBody", FilterPolicy={"a": {"b": [1]}})

    given = {"SubscriptionArn": arn, "AttributeName": "FilterPolicyScope", "AttributeValue": "MessageAttributes"}

    assert sns.error("SetSubscriptionAttributes", **given) == ("InvalidParameter", words)


def test_dead_letters_of_a_queue_that_is_gone_are_there_at_once(sns, topic):
    queue, dead = sns.broker.queue("orders"), sns.broker.queue("dead")
    arn = sns.subscribe(topic, QUEUE, RawMessageDelivery="true")
    change(sns, arn, "RedrivePolicy", {"deadLetterTargetArn": dead.arn})
    sns.broker.delete(queue)

    sns(
        "Publish",
        TopicArn=topic,
        Message="x",
        MessageAttributes={"a": {"DataType": "Number", "StringValue": "7"}},
    )

    [letter] = dead.receive()
    assert (letter.text, str(letter.attributes["a"].value)) == ("x", "7")
    assert json.loads(sns.attributes(arn)["RedrivePolicy"]) == {"deadLetterTargetArn": dead.arn}


def test_dead_letters_without_raw_delivery_are_envelopes(sns, topic):
    dead = sns.broker.queue("dead")
    sns.subscribe(topic, QUEUE, RedrivePolicy={"deadLetterTargetArn": dead.arn})

    published(sns, topic, "x")

    assert json.loads(bodies(dead)[0])["Message"] == "x"


# -- functions -------------------------------------------------------------------------------------------------------


def test_a_function_gets_the_event_also_one_declared_later(sns, topic):
    events: list[Any] = []
    dead = sns.broker.queue("dead")
    function = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:resize"
    arn = sns.subscribe(topic, function, "lambda", RedrivePolicy={"deadLetterTargetArn": dead.arn})
    published(sns, topic, "too early")

    sns.broker.function(lambda event, context: events.append(event), name="resize")
    published(sns, topic, "in time")

    [record] = events[0]["Records"]
    assert (record["EventSource"], record["EventVersion"], record["EventSubscriptionArn"]) == ("aws:sns", "1.0", arn)
    notice = record["Sns"]
    assert (notice["Message"], notice["Subject"], notice["MessageAttributes"]) == ("in time", None, {})
    assert {"Signature", "SignatureVersion", "SigningCertUrl", "UnsubscribeUrl"} <= notice.keys()
    assert json.loads(bodies(dead)[0])["Message"] == "too early"


def test_a_function_subscribed_natively_is_the_same_subscription(sns, topic):
    function = sns.broker.function(print, name="show")
    subscription = sns.broker.topics["events"].subscribe(function)

    assert sns.subscribe(topic, function.arn, "lambda") == subscription.arn
    assert sns.attributes(subscription.arn)["Endpoint"] == function.arn


def test_firehose_is_kept_and_nothing_reaches_it(sns, topic):
    dead = sns.broker.queue("dead")
    stream = f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/logs"
    role = f"arn:aws:iam::{ACCOUNT}:role/r"
    redrive = {"deadLetterTargetArn": dead.arn}
    arn = sns.subscribe(topic, stream, "firehose", SubscriptionRoleArn=role, RedrivePolicy=redrive)

    published(sns, topic, "x")

    assert sns.attributes(arn)["SubscriptionRoleArn"] == role
    assert json.loads(bodies(dead)[0])["Message"] == "x"


# -- confirmed -------------------------------------------------------------------------------------------------------

MAIL = "a@example.com"


def asked(sns: Caller, topic: str) -> tuple[str, str]:
    """A pending subscription's ARN and the token its endpoint was sent."""
    arn = sns.subscribe(topic, MAIL, "email-json")
    sns.broker.run_until_idle()
    return arn, json.loads(sns.broker.outbox[-1].body)["Token"]


def test_an_endpoint_that_must_confirm_is_pending_until_it_does(sns, topic):
    answer = sns("Subscribe", TopicArn=topic, Protocol="email-json", Endpoint=MAIL)
    assert answer == {"SubscriptionArn": "pending confirmation"}
    arn, token = asked(sns, topic)
    [shown] = sns("ListSubscriptionsByTopic", TopicArn=topic)["Subscriptions"]
    assert (shown["SubscriptionArn"], sns.attributes(arn)["PendingConfirmation"]) == ("PendingConfirmation", "true")

    assert sns("ConfirmSubscription", TopicArn=topic, Token=token) == {"SubscriptionArn": arn}
    assert sns("ConfirmSubscription", TopicArn=topic, Token=token) == {"SubscriptionArn": arn}

    assert sns.attributes(arn)["PendingConfirmation"] == "false"
    [shown] = sns("ListSubscriptions")["Subscriptions"]
    assert shown == {
        "SubscriptionArn": arn,
        "Owner": ACCOUNT,
        "Protocol": "email-json",
        "Endpoint": MAIL,
        "TopicArn": topic,
    }


def test_subscribing_again_before_it_is_confirmed_sends_another_token(sns, topic):
    _, first = asked(sns, topic)
    arn, second = asked(sns, topic)

    assert first != second
    assert sns("ConfirmSubscription", TopicArn=topic, Token=first) == {"SubscriptionArn": arn}


def test_the_token_decides_and_not_the_topic_beside_it(sns, topic):
    arn, token = asked(sns, topic)

    assert sns("ConfirmSubscription", TopicArn=f"{topic}-missing", Token=token) == {"SubscriptionArn": arn}


def test_a_token_is_good_for_two_days(sns, topic):
    _, token = asked(sns, topic)

    sns.clock.advance(2 * 86_400)

    assert sns.error("ConfirmSubscription", TopicArn=topic, Token=token) == (
        "InvalidParameter",
        "Invalid parameter: Token",
    )


TOKENS = {
    "garbage": ("abc", "Invalid token", "Invalid parameter: Token"),
    "unknown": ("0" * 288, "Invalid parameter: Token", "Invalid parameter: Token"),
}


@pytest.mark.parametrize(("token", "by_signed", "by_link"), TOKENS.values(), ids=TOKENS)
def test_a_token_that_is_none_is_refused(sns, topic, world, token, by_signed, by_link):
    link = Caller(world, principal="anonymous")

    assert sns.error("ConfirmSubscription", TopicArn=topic, Token=token) == ("InvalidParameter", by_signed)
    assert link.error("ConfirmSubscription", TopicArn=topic, Token=token) == ("InvalidParameter", by_link)


def test_the_engines_tokens_are_well_formed(sns, topic):
    assert TOKEN.fullmatch(asked(sns, topic)[1])


@pytest.mark.parametrize("arn", ["events", f"arn:aws:sns:eu-central-1:{ACCOUNT}:events"], ids=["no ARN", "elsewhere"])
def test_a_confirmation_names_a_topic_of_the_region(sns, topic, arn):
    given = {"TopicArn": arn, "Token": asked(sns, topic)[1]}

    assert sns.error("ConfirmSubscription", **given) == ("InvalidParameter", "Invalid parameter: Topic")


def test_who_confirmed_by_a_link_was_not_authenticated(sns, topic, world):
    arn, token = asked(sns, topic)

    Caller(world, principal="anonymous")("ConfirmSubscription", TopicArn=topic, Token=token)

    assert sns.attributes(arn)["ConfirmationWasAuthenticated"] == "false"


# -- ended -----------------------------------------------------------------------------------------------------------


def test_unsubscribing_twice_is_no_error_and_nor_is_an_unknown_arn(sns, topic):
    arn = sns.subscribe(topic, QUEUE)

    sns("Unsubscribe", SubscriptionArn=arn)
    sns("Unsubscribe", SubscriptionArn=arn)
    sns("Unsubscribe", SubscriptionArn=f"{topic}-missing:00000000-0000-0000-0000-000000000000")

    assert sns("ListSubscriptions") == {"Subscriptions": []}


ARNS = {
    "empty": ("", "Invalid parameter: SubscriptionArn Reason: no value for required parameter"),
    "a name": ("x", "Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, not 1"),
    "a topic": (f"arn:aws:sns:us-east-1:{ACCOUNT}:events", "Invalid parameter: SubscriptionId"),
}


@pytest.mark.parametrize(("arn", "text"), ARNS.values(), ids=ARNS)
def test_what_is_no_subscription_cannot_be_ended(sns, topic, arn, text):
    assert sns.error("Unsubscribe", SubscriptionArn=arn) == ("InvalidParameter", text)


def test_an_unknown_subscription_has_no_attributes(sns, topic):
    arn = f"{topic}:00000000-0000-0000-0000-000000000000"

    for operation, more in (("GetSubscriptionAttributes", {}), ("SetSubscriptionAttributes", {"AttributeName": "x"})):
        assert sns.error(operation, SubscriptionArn=arn, **more) == ("NotFound", "Subscription does not exist")


def test_a_link_ends_a_subscription_unless_it_was_confirmed_with_the_wish_that_it_does_not(sns, topic, world):
    link = Caller(world, principal="anonymous")
    arn, token = asked(sns, topic)
    sns("ConfirmSubscription", TopicArn=topic, Token=token, AuthenticateOnUnsubscribe="true")
    assert link.error("Unsubscribe", SubscriptionArn=arn)[0] == "AuthorizationError"

    free = sns.subscribe(topic, QUEUE)
    link("Unsubscribe", SubscriptionArn=free)
    sns("Unsubscribe", SubscriptionArn=arn)

    assert sns("ListSubscriptions") == {"Subscriptions": []}


def test_another_account_ends_only_what_it_subscribed(sns, topic, world):
    arn = sns.subscribe(topic, QUEUE)

    assert Caller(world, OTHER).error("Unsubscribe", SubscriptionArn=arn)[0] == "AuthorizationError"


def test_subscriptions_come_in_pages_of_100(sns, topic):
    for number in range(101):
        sns.subscribe(topic, f"{QUEUE}-{number}")

    for operation, given in (("ListSubscriptions", {}), ("ListSubscriptionsByTopic", {"TopicArn": topic})):
        first = sns(operation, **given)
        second = sns(operation, NextToken=first["NextToken"], **given)
        assert (len(first["Subscriptions"]), len(second["Subscriptions"])) == (100, 1)
        assert "NextToken" not in second


def test_a_native_mail_subscription_is_shown_as_what_it_is(sns, topic):
    subscription = sns.broker.topics["events"].subscribe(Email(MAIL), confirm=False)

    shown = sns.attributes(subscription.arn)

    assert (shown["Protocol"], shown["Endpoint"], shown["Owner"]) == ("email", MAIL, ACCOUNT)
    assert sns.subscribe(topic, MAIL, "email") == subscription.arn


# -- large topics, archives ------------------------------------------------------------------------------------------


def test_a_topic_of_large_messages_has_100_subscriptions_and_only_to_some_protocols(sns):
    topic = sns.topic("large", MaximumMessageSize="1048576")
    given = {"TopicArn": topic, "Protocol": "email", "Endpoint": MAIL}
    assert sns.error("Subscribe", **given)[0] == "InvalidParameter"

    for number in range(100):
        sns.subscribe(topic, f"{QUEUE}-{number}")

    given = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": QUEUE}
    assert sns.error("Subscribe", **given)[0] == "SubscriptionLimitExceeded"


@pytest.fixture
def archived(sns: Caller) -> str:
    return sns.topic("log.fifo", ContentBasedDeduplication="true", ArchivePolicy='{"MessageRetentionPeriod":"1"}')


def now(sns: Caller) -> str:
    return datetime_at(sns.clock, sns.clock.now()).isoformat()


def test_an_archive_is_replayed_with_ids_and_times_as_they_were(sns, archived):
    start = now(sns)
    sent = sns("Publish", TopicArn=archived, Message="a", MessageGroupId="g")
    assert sns.attributes(archived)["BeginningArchiveTime"] == "2026-01-01T00:00:00.000Z"
    sns.clock.advance(60)

    policy = {"PointType": "Timestamp", "StartingPoint": start}
    arn = sns.subscribe(archived, sns.broker.queue("orders.fifo").arn, ReplayPolicy=policy)

    [message] = sns.broker.queues["orders.fifo"].receive()
    envelope = message.json()
    assert (envelope["MessageId"], envelope["Timestamp"]) == (sent["MessageId"], "2026-01-01T00:00:00.000Z")
    assert envelope["Replayed"] == "true"
    shown = sns.attributes(arn)
    assert (json.loads(shown["ReplayPolicy"]), shown["ReplayStatus"]) == (policy, "Completed")


def test_a_replay_can_be_asked_for_later_and_ends_where_it_says(sns, archived):
    queue = sns.broker.queue("orders")
    arn = sns.subscribe(archived, queue.arn, RawMessageDelivery="true")
    start = now(sns)
    sns("Publish", TopicArn=archived, Message="a", MessageGroupId="g")
    sns.clock.advance(60)
    end = now(sns)

    change(sns, arn, "ReplayPolicy", {"PointType": "Timestamp", "StartingPoint": start, "EndingPoint": end})
    assert sns.attributes(arn)["ReplayStatus"] == "In progress"
    sns.clock.advance(1)
    sns("Publish", TopicArn=archived, Message="b", MessageGroupId="g")
    assert (bodies(queue), sns.attributes(arn)["ReplayStatus"]) == (["a", "a"], "Completed")

    change(sns, arn, "ReplayPolicy", "")
    sns("Publish", TopicArn=archived, Message="c", MessageGroupId="g")

    assert bodies(queue) == ["a", "a", "c"]
    assert "ReplayPolicy" not in sns.attributes(arn)


REPLAYS = {
    "no JSON": "{",
    "no type": "{}",
    "no time": '{"PointType":"Timestamp","StartingPoint":"noon"}',
    "a number": '{"PointType":"Timestamp","StartingPoint":7}',
    "backwards": '{"PointType":"Timestamp","StartingPoint":"2026-01-02","EndingPoint":"2026-01-01"}',
}


@pytest.mark.parametrize("policy", REPLAYS.values(), ids=REPLAYS)
def test_a_replay_that_cannot_be_is_refused(sns, archived, policy):
    given = {"TopicArn": archived, "Protocol": "sqs", "Endpoint": FIFO_QUEUE, "Attributes": {"ReplayPolicy": policy}}

    code, text = sns.error("Subscribe", **given)

    assert code == "InvalidParameter"
    assert text.startswith("Invalid parameter: Attributes Reason: ReplayPolicy: ")


def test_a_topic_without_an_archive_replays_nothing(sns, topic):
    policy = '{"PointType":"Timestamp","StartingPoint":"2026-01-01T00:00:00Z"}'
    given = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": QUEUE, "Attributes": {"ReplayPolicy": policy}}

    assert sns.error("Subscribe", **given)[0] == "InvalidParameter"


# -- the rest of what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arn",
    [f"arn:aws:sqs:eu-central-1:{ACCOUNT}:dead", f"arn:aws:sqs:us-east-1:{OTHER}:dead", f"{QUEUE}.fifo"],
    ids=["region", "account", "FIFO"],
)
def test_dead_letters_stay_in_the_account_and_region_and_in_queues_of_the_kind(sns, topic, arn):
    attributes = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn})}
    given = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": QUEUE, "Attributes": attributes}

    code, text = sns.error("Subscribe", **given)

    assert code == "InvalidParameter"
    assert (
        text.startswith("Invalid parameter: Attributes Reason: RedrivePolicy: must use a standard") or "account" in text
    )


def test_a_role_is_for_firehose(sns, topic):
    attributes = {"SubscriptionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/r"}
    given = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": QUEUE, "Attributes": attributes}

    assert sns.error("Subscribe", **given)[0] == "InvalidParameter"


@pytest.mark.parametrize("operation", ["Unsubscribe", "GetSubscriptionAttributes"])
def test_a_subscription_of_another_region_is_called_there(sns, topic, operation):
    arn = sns.subscribe(topic, QUEUE).replace("us-east-1", "eu-central-1")

    refused = sns.error(operation, SubscriptionArn=arn)

    assert refused == ("InvalidParameter", "Invalid parameter: SubscriptionArn")


def test_a_subscription_to_no_topic_is_not_found(sns, topic):
    arn = f"{topic}-missing:00000000-0000-0000-0000-000000000000"

    assert sns.error("GetSubscriptionAttributes", SubscriptionArn=arn) == ("NotFound", "Subscription does not exist")


def test_a_topic_closed_natively_takes_no_subscriptions_and_publishes_nothing(sns, topic):
    sns.broker.topics["events"].close()

    assert sns.error("Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=QUEUE)[0] == "InvalidParameter"
    assert sns.error("Publish", TopicArn=topic, Message="x") == ("NotFound", "Topic does not exist")


def test_functions_and_streams_by_the_same_arn_are_the_same_subscription(sns, topic):
    for protocol, arn in (
        ("lambda", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:resize"),
        ("firehose", f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/logs"),
    ):
        assert sns.subscribe(topic, arn, protocol) == sns.subscribe(topic, arn, protocol)


def test_a_delivery_policy_can_be_changed(sns, topic):
    arn = sns.subscribe(topic, "https://example.com/hook", "https")

    change(sns, arn, "DeliveryPolicy", {"healthyRetryPolicy": {"numRetries": 9}})

    [subscription] = sns.broker.topics["events"].subscriptions
    assert subscription.terms.schedule.retries == 9
    change(sns, arn, "DeliveryPolicy", "")
    assert subscription.terms.schedule.retries == 3


def test_a_link_from_mail_confirms_and_ends_a_subscription(sns, topic):
    arn, _ = asked(sns, topic)
    sns.broker.open_link(json.loads(sns.broker.outbox[-1].body)["SubscribeURL"])
    assert sns.attributes(arn)["PendingConfirmation"] == "false"

    published(sns, topic, "x")
    sns.broker.open_link(json.loads(sns.broker.outbox[-1].body)["UnsubscribeURL"])

    assert sns.error("GetSubscriptionAttributes", SubscriptionArn=arn)[0] == "NotFound"
