"""SNS topics over the wire: made, shown, changed, deleted; tags, permissions. Texts as recorded (shared facts)."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from sns_caller import ACCOUNT, OTHER, Caller, bodies

from decouple.aws import World
from decouple.testing import VirtualClock


@pytest.fixture
def world() -> World:
    return World(clock=VirtualClock(), account=ACCOUNT)


@pytest.fixture
def sns(world: World) -> Caller:
    return Caller(world)


# -- made ------------------------------------------------------------------------------------------------------------


def test_a_topic_is_the_brokers_own(sns):
    arn = sns.topic("events")

    assert arn == f"arn:aws:sns:us-east-1:{ACCOUNT}:events"
    assert sns.broker.topics["events"].arn == arn


def test_a_topic_declared_natively_is_there_for_the_wire(sns):
    sns.broker.topic("events", max_message_size=1_024)

    assert sns("ListTopics") == {"Topics": [{"TopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:events"}]}
    assert sns.attributes(sns.topic("events"))["MaximumMessageSize"] == "1024"


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("", {}),
        ("a b", {}),
        ("a" * 257, {}),
        ("events.fifo", {}),
        ("events", {"FifoTopic": "true"}),
        ("a.b", {}),
    ],
    ids=["empty", "a space", "257 characters", "FIFO name, standard", "standard name, FIFO", "a dot"],
)
def test_a_name_that_is_none_is_refused(sns, name, attributes):
    given = sns.error("CreateTopic", Name=name, Attributes=attributes)

    assert given == ("InvalidParameter", "Invalid parameter: Topic Name")


def test_the_same_topic_again_is_the_one_there_is(sns):
    first = sns.topic("events", DisplayName="Events")

    assert sns.topic("events") == first
    assert sns.topic("events", DisplayName="Events") == first


def test_other_attributes_for_a_topic_that_is_there_are_an_error(sns):
    sns.topic("events", DisplayName="Events")
    wanted = "Invalid parameter: Attributes Reason: Topic already exists with different attributes"

    assert sns.error("CreateTopic", Name="events", Attributes={"DisplayName": "x"}) == ("InvalidParameter", wanted)
    assert sns.error("CreateTopic", Name="events", Attributes={"KmsMasterKeyId": "x"}) == ("InvalidParameter", wanted)


def test_other_tags_for_a_topic_that_is_there_are_an_error(sns):
    sns("CreateTopic", Name="events", Tags=[{"Key": "a", "Value": "1"}])

    sns("CreateTopic", Name="events")
    sns("CreateTopic", Name="events", Tags=[{"Key": "a", "Value": "1"}])
    assert sns.error("CreateTopic", Name="events", Tags=[{"Key": "b", "Value": "1"}]) == (
        "InvalidParameter",
        "Invalid parameter: Tags Reason: Topic already exists with different tags",
    )


def test_a_tag_given_twice_is_an_error_and_no_topic_is_made(sns):
    tags = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]

    assert sns.error("CreateTopic", Name="events", Tags=tags) == (
        "InvalidParameter",
        "Invalid parameter: Duplicated keys are not allowed.",
    )
    assert sns("ListTopics") == {"Topics": []}


def test_an_attribute_that_is_wrong_makes_no_topic(sns):
    code, _ = sns.error("CreateTopic", Name="events", Attributes={"SignatureVersion": "3"})

    assert code == "InvalidParameter"
    assert sns("ListTopics") == {"Topics": []}


# -- shown -----------------------------------------------------------------------------------------------------------


def test_a_standard_topic_shows_its_defaults_and_no_more(sns):
    shown = sns.attributes(sns.topic())

    policy = json.loads(shown.pop("Policy"))
    delivery = json.loads(shown.pop("EffectiveDeliveryPolicy"))
    assert shown == {
        "DisplayName": "",
        "Owner": ACCOUNT,
        "SubscriptionsConfirmed": "0",
        "SubscriptionsDeleted": "0",
        "SubscriptionsPending": "0",
        "TopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:events",
    }
    assert policy["Version"] == "2008-10-17"
    assert policy["Id"] == "__default_policy_ID"
    [statement] = policy["Statement"]
    assert statement["Sid"] == "__default_statement_ID"
    assert len(statement["Action"]) == 8
    assert statement["Condition"] == {"StringEquals": {"AWS:SourceOwner": ACCOUNT}}
    assert delivery == {
        "http": {
            "defaultHealthyRetryPolicy": {
                "minDelayTarget": 20,
                "maxDelayTarget": 20,
                "numRetries": 3,
                "numMaxDelayRetries": 0,
                "numNoDelayRetries": 0,
                "numMinDelayRetries": 0,
                "backoffFunction": "linear",
            },
            "disableSubscriptionOverrides": False,
            "defaultRequestPolicy": {"headerContentType": "text/plain; charset=UTF-8"},
        }
    }


def test_a_fifo_topic_shows_what_only_those_have(sns):
    shown = sns.attributes(sns.topic("events.fifo", ContentBasedDeduplication="true"))

    assert (shown["FifoTopic"], shown["ContentBasedDeduplication"]) == ("true", "true")
    assert shown["FifoThroughputScope"] == "Topic"


def test_subscriptions_are_counted_by_their_state(sns):
    topic = sns.topic()
    one = sns.subscribe(topic, f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders")
    sns.subscribe(topic, "a@example.com", "email")

    sns("Unsubscribe", SubscriptionArn=one)

    shown = sns.attributes(topic)
    counts = [shown[f"Subscriptions{state}"] for state in ("Confirmed", "Pending", "Deleted")]
    assert counts == ["0", "1", "1"]


def test_topics_come_in_pages_of_100_with_a_token_where_there_are_more(sns):
    for number in range(101):
        sns.topic(f"events-{number}")

    first = sns("ListTopics")
    second = sns("ListTopics", NextToken=first["NextToken"])

    assert (len(first["Topics"]), len(second["Topics"]), "NextToken" in second) == (100, 1, False)
    assert sns.error("ListTopics", NextToken="nonsense")[0] == "InvalidParameter"


# -- changed ---------------------------------------------------------------------------------------------------------

SET = {
    "DisplayName": "Events",
    "KmsMasterKeyId": "alias/aws/sns",
    "SignatureVersion": "2",
    "TracingConfig": "Active",
    "MaximumMessageSize": "1048576",
    "SQSSuccessFeedbackRoleArn": "arn:aws:iam::123456789012:role/log",
    "SQSSuccessFeedbackSampleRate": "100",
    "DeliveryPolicy": '{"http":{"defaultHealthyRetryPolicy":{"numRetries":5}}}',
}


@pytest.mark.parametrize(("name", "value"), SET.items(), ids=SET)
def test_an_attribute_can_be_set_and_is_shown(sns, name, value):
    topic = sns.topic()

    sns("SetTopicAttributes", TopicArn=topic, AttributeName=name, AttributeValue=value)

    assert sns.attributes(topic)[name] == value
    assert sns.topic("events", **{name: value}) == topic


SET_OF_FIFO = {"ContentBasedDeduplication": "true", "FifoThroughputScope": "MessageGroup"}


@pytest.mark.parametrize(("name", "value"), SET_OF_FIFO.items(), ids=SET_OF_FIFO)
def test_an_attribute_of_a_fifo_topic_is_the_engines_setting(sns, name, value):
    topic = sns.topic("events.fifo")

    sns("SetTopicAttributes", TopicArn=topic, AttributeName=name, AttributeValue=value)

    assert sns.attributes(topic)[name] == value
    settings = sns.broker.topics["events.fifo"].settings
    assert settings["content_based_deduplication"] or settings["deduplication_scope"] == "messageGroup"


WRONG = {
    "unknown": ("Colour", "red", "Invalid parameter: AttributeName"),
    "FifoTopic": ("FifoTopic", "true", "Invalid parameter: AttributeName"),
    "Owner": ("Owner", "x", "Invalid parameter: AttributeName"),
    "size": ("MaximumMessageSize", "1023", None),
    "size as text": ("MaximumMessageSize", "large", None),
    "signature": ("SignatureVersion", "3", None),
    "deduplication of a standard topic": ("ContentBasedDeduplication", "true", None),
    "archive of a standard topic": ("ArchivePolicy", '{"MessageRetentionPeriod":"1"}', None),
    "sample rate": ("HTTPSuccessFeedbackSampleRate", "101", None),
    "delivery policy": ("DeliveryPolicy", "{", "Invalid parameter: DeliveryPolicy: failed to parse JSON."),
    "retries": ("DeliveryPolicy", '{"http":{"defaultHealthyRetryPolicy":{"numRetries":101}}}', None),
    "policy": ("Policy", "{", None),
    "policy of a queue": (
        "Policy",
        '{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*"}]}',
        "Invalid parameter: Policy statement action out of service scope!",
    ),
}


@pytest.mark.parametrize(("name", "value", "text"), WRONG.values(), ids=WRONG)
def test_a_wrong_attribute_changes_nothing(sns, name, value, text):
    topic = sns.topic()
    before = sns.attributes(topic)

    code, found = sns.error("SetTopicAttributes", TopicArn=topic, AttributeName=name, AttributeValue=value)

    assert code == "InvalidParameter"
    assert found == text or (text is None and found.startswith("Invalid parameter: "))
    assert sns.attributes(topic) == before


def test_a_size_that_was_set_holds(sns):
    topic = sns.topic("events", MaximumMessageSize="1024")

    assert sns.error("Publish", TopicArn=topic, Message="x" * 1_025) == (
        "InvalidParameter",
        "Invalid parameter: Message too long",
    )
    sns("SetTopicAttributes", TopicArn=topic, AttributeName="MaximumMessageSize", AttributeValue="2048")
    sns("Publish", TopicArn=topic, Message="x" * 1_025)


# -- found, and not --------------------------------------------------------------------------------------------------

MISSING = {
    "GetTopicAttributes": {},
    "SetTopicAttributes": {"AttributeName": "DisplayName"},
    "Publish": {"Message": "x"},
    "Subscribe": {"Protocol": "email", "Endpoint": "a@example.com"},
    "ListSubscriptionsByTopic": {},
    "AddPermission": {"Label": "l", "AWSAccountId": [OTHER], "ActionName": ["Publish"]},
    "RemovePermission": {"Label": "l"},
}


@pytest.mark.parametrize(("operation", "more"), MISSING.items(), ids=MISSING)
def test_a_topic_that_is_not_there_is_not_found(sns, operation, more):
    arn = f"arn:aws:sns:us-east-1:{ACCOUNT}:nowhere"

    assert sns.error(operation, TopicArn=arn, **more) == ("NotFound", "Topic does not exist")


@pytest.mark.parametrize(("arn", "count"), [("", 1), ("events", 1), ("a:b", 2)], ids=["empty", "a name", "two parts"])
def test_what_is_no_arn_is_counted_out(sns, arn, count):
    words = f"Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not {count}"

    assert sns.error("GetTopicAttributes", TopicArn=arn) == ("InvalidParameter", words)


def test_a_topic_of_another_region_is_called_there(sns, world):
    there = Caller(world, region="eu-central-1").topic()

    assert sns.error("GetTopicAttributes", TopicArn=there) == ("InvalidParameter", "Invalid parameter: TopicArn")


def test_a_deleted_topic_takes_its_subscriptions_and_tags_with_it_and_twice_is_no_error(sns):
    topic = sns("CreateTopic", Name="events", Tags=[{"Key": "a", "Value": "1"}])["TopicArn"]
    subscription = sns.subscribe(topic, f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders")

    sns("DeleteTopic", TopicArn=topic)
    sns("DeleteTopic", TopicArn=topic)

    assert sns.error("GetSubscriptionAttributes", SubscriptionArn=subscription) == (
        "NotFound",
        "Subscription does not exist",
    )
    assert sns("ListTagsForResource", ResourceArn=sns.topic()) == {"Tags": []}


def test_a_topic_with_an_archive_cannot_be_deleted(sns):
    topic = sns.topic("events.fifo", ArchivePolicy='{"MessageRetentionPeriod":"1"}')
    assert sns.error("DeleteTopic", TopicArn=topic)[0] == "InvalidState"

    sns("SetTopicAttributes", TopicArn=topic, AttributeName="ArchivePolicy", AttributeValue="{}")

    sns("DeleteTopic", TopicArn=topic)


# -- tags ------------------------------------------------------------------------------------------------------------


def test_tags_are_added_overwritten_and_removed(sns):
    topic = sns.topic()

    sns("TagResource", ResourceArn=topic, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    sns("TagResource", ResourceArn=topic, Tags=[{"Key": "b", "Value": "3"}])
    sns("UntagResource", ResourceArn=topic, TagKeys=["a", "c"])

    assert sns("ListTagsForResource", ResourceArn=topic) == {"Tags": [{"Key": "b", "Value": "3"}]}


def test_tags_of_no_topic_have_an_error_of_their_own(sns):
    arn = f"arn:aws:sns:us-east-1:{ACCOUNT}:nowhere"

    assert sns.error("ListTagsForResource", ResourceArn=arn) == ("ResourceNotFound", "Resource does not exist")


def test_a_topic_has_fifty_tags(sns):
    topic = sns.topic()
    tags = [{"Key": f"k{number}", "Value": ""} for number in range(51)]

    assert sns.error("TagResource", ResourceArn=topic, Tags=tags)[0] == "TagLimitExceeded"


def test_a_data_protection_policy_is_kept(sns):
    topic = sns.topic()
    assert sns("GetDataProtectionPolicy", ResourceArn=topic) == {}

    sns("PutDataProtectionPolicy", ResourceArn=topic, DataProtectionPolicy='{"Name":"p"}')

    assert sns("GetDataProtectionPolicy", ResourceArn=topic) == {"DataProtectionPolicy": '{"Name":"p"}'}


# -- permissions -----------------------------------------------------------------------------------------------------


def test_a_permission_is_a_statement_more(sns):
    topic = sns.topic()

    sns("AddPermission", TopicArn=topic, Label="friends", AWSAccountId=[OTHER], ActionName=["Publish"])

    assert json.loads(sns.attributes(topic)["Policy"])["Statement"][1:] == [
        {
            "Sid": "friends",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"},
            "Action": "SNS:Publish",
            "Resource": topic,
        }
    ]


def test_several_actions_and_accounts_are_lists(sns):
    topic = sns.topic()
    accounts, actions = [OTHER, ACCOUNT], ["Publish", "Subscribe"]

    sns("AddPermission", TopicArn=topic, Label="friends", AWSAccountId=accounts, ActionName=actions)

    statement = json.loads(sns.attributes(topic)["Policy"])["Statement"][1]
    assert statement["Action"] == ["SNS:Publish", "SNS:Subscribe"]
    assert statement["Principal"] == {"AWS": [f"arn:aws:iam::{account}:root" for account in accounts]}


def test_what_cannot_be_granted_is_refused_in_awss_words(sns):
    topic = sns.topic()
    given = {"TopicArn": topic, "AWSAccountId": [OTHER], "ActionName": ["Publish"]}
    sns("AddPermission", Label="friends", **given)

    assert sns.error("AddPermission", Label="friends", **given) == (
        "InvalidParameter",
        "Invalid parameter: Statement already exists",
    )
    assert sns.error("AddPermission", Label="l", **{**given, "ActionName": ["Jump"]}) == (
        "InvalidParameter",
        "Invalid parameter: Policy statement action out of service scope!",
    )


def test_a_permission_removed_is_gone_and_an_unknown_label_is_no_error(sns):
    topic = sns.topic()
    sns("AddPermission", TopicArn=topic, Label="friends", AWSAccountId=[OTHER], ActionName=["Publish"])

    sns("RemovePermission", TopicArn=topic, Label="friends")
    sns("RemovePermission", TopicArn=topic, Label="friends")

    assert len(json.loads(sns.attributes(topic)["Policy"])["Statement"]) == 1


def test_another_account_publishes_only_where_the_policy_lets_it(sns, world):
    topic, stranger = sns.topic(), Caller(world, OTHER)
    code, text = stranger.error("Publish", TopicArn=topic, Message="x")
    assert code == "AuthorizationError"
    assert text.startswith(
        f"User: arn:aws:iam::{OTHER}:user/me is not authorized to perform: SNS:Publish on resource: {topic}"
    )

    sns("AddPermission", TopicArn=topic, Label="friends", AWSAccountId=[OTHER], ActionName=["Publish"])

    queue = sns.broker.queue("orders")
    sns.subscribe(topic, queue.arn, RawMessageDelivery="true")
    stranger("Publish", TopicArn=topic, Message="hello")
    assert bodies(queue) == ["hello"]
    assert stranger.error("DeleteTopic", TopicArn=topic)[0] == "AuthorizationError"


def test_a_denial_holds_for_the_owners_account_too(sns):
    topic = sns.topic()
    policy = {"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": topic}]}
    sns("SetTopicAttributes", TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(policy))

    assert sns.error("Publish", TopicArn=topic, Message="x")[0] == "AuthorizationError"


# -- the rest of what is refused -------------------------------------------------------------------------------------


def test_an_unknown_attribute_makes_no_topic(sns):
    refused = sns.error("CreateTopic", Name="events", Attributes={"Colour": "red"})

    assert refused == ("InvalidParameter", "Invalid parameter: Attributes Reason: Unknown attribute: Colour")


ARCHIVES = {
    "no JSON": "{",
    "a list": "[1]",
    "no days": '{"MessageRetentionPeriod":"0"}',
    "text": '{"MessageRetentionPeriod":"x"}',
}


@pytest.mark.parametrize("policy", ARCHIVES.values(), ids=ARCHIVES)
def test_an_archive_is_kept_for_1_to_365_days(sns, policy):
    given = {"TopicArn": sns.topic("events.fifo"), "AttributeName": "ArchivePolicy", "AttributeValue": policy}

    assert sns.error("SetTopicAttributes", **given)[0] == "InvalidParameter"


def test_an_archive_has_begun_before_anything_is_in_it(sns):
    topic = sns.topic("events.fifo", ArchivePolicy='{"MessageRetentionPeriod":"1"}')
    sns.clock.advance(60)

    sns(
        "SetTopicAttributes",
        TopicArn=topic,
        AttributeName="ArchivePolicy",
        AttributeValue='{"MessageRetentionPeriod":"2"}',
    )

    shown = sns.attributes(topic)
    assert shown["BeginningArchiveTime"] == "2026-01-01T00:00:00.000Z"
    assert shown["ArchivePolicy"] == '{"MessageRetentionPeriod":"2"}'
    assert sns.broker.topics["events.fifo"].settings["archive"] == 2 * 86_400


def test_fifo_topics_are_not_traced(sns):
    given = {"AttributeName": "TracingConfig", "AttributeValue": "Active"}

    assert sns.error("SetTopicAttributes", TopicArn=sns.topic("events.fifo"), **given)[0] == "InvalidParameter"


def test_an_attribute_without_a_value_has_its_default_again(sns):
    topic = sns.topic("events", DeliveryPolicy='{"http":{"defaultThrottlePolicy":{"maxReceivesPerSecond":1}}}')
    shown = json.loads(sns.attributes(topic)["EffectiveDeliveryPolicy"])
    assert shown["http"]["defaultThrottlePolicy"] == {"maxReceivesPerSecond": 1}

    sns("SetTopicAttributes", TopicArn=topic, AttributeName="DeliveryPolicy")

    assert "DeliveryPolicy" not in sns.attributes(topic)


def test_a_policy_of_nobody_is_refused(sns):
    given = {"TopicArn": sns.topic(), "Label": "l", "AWSAccountId": ["me"], "ActionName": ["Publish"]}

    assert sns.error("AddPermission", **given) == (
        "InvalidParameter",
        "Invalid parameter: Policy Error: PrincipalNotFound",
    )


def test_without_any_statement_the_default_policy_holds(sns):
    topic = sns.topic()
    before = sns.attributes(topic)["Policy"]

    sns("RemovePermission", TopicArn=topic, Label="__default_statement_ID")

    assert sns.attributes(topic)["Policy"] == before


def test_nobody_known_does_nothing_in_another_account(sns, world):
    topic = sns.topic()

    code, text = Caller(world, OTHER, principal="anonymous").error("Publish", TopicArn=topic, Message="x")

    assert (code, text[:15]) == ("AuthorizationError", "User: anonymous")


@pytest.mark.parametrize("operation", ["DeleteTopic", "Publish"])
def test_a_queue_is_no_topic(sns, operation):
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders"

    assert sns.error(operation, TopicArn=arn, Message="x") == ("InvalidParameter", "Invalid parameter: TopicArn")


def test_data_protection_is_written_in_json(sns):
    given = {"ResourceArn": sns.topic(), "DataProtectionPolicy": "{"}

    assert sns.error("PutDataProtectionPolicy", **given)[0] == "InvalidParameter"


def test_permissions_given_at_the_same_time_are_all_kept(sns: Caller) -> None:
    topic = sns("CreateTopic", Name="shared")["TopicArn"]
    labels = [f"friend-{number}" for number in range(40)]

    def grant(label: str) -> None:
        sns("AddPermission", TopicArn=topic, Label=label, AWSAccountId=[OTHER], ActionName=["Publish"])

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(grant, labels))
    finally:
        sys.setswitchinterval(before)

    policy = json.loads(sns("GetTopicAttributes", TopicArn=topic)["Attributes"]["Policy"])
    assert {statement["Sid"] for statement in policy["Statement"]} >= set(labels)
