"""Who may do what to a topic: its policy, asked where the caller is of another account, or where a policy was set.

There are no identity policies, so the owner's account may what the topic's policy does not deny. Source: SNS developer
guide, "Example cases for Amazon SNS access control".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decouple.aws.sns.kept import kept
from decouple.aws.sns.service import SNS, invalid
from decouple.aws.world import Call, Place
from decouple.errors import InvalidPolicy

if TYPE_CHECKING:
    from decouple.core.policy import Policy
    from decouple.topic import Topic

__all__ = ["check_access", "default_policy", "read_topic_policy", "signed", "unauthorized"]

ACTIONS = (
    "GetTopicAttributes",
    "SetTopicAttributes",
    "AddPermission",
    "RemovePermission",
    "DeleteTopic",
    "Subscribe",
    "ListSubscriptionsByTopic",
    "Publish",
)
"""What the default policy gives the owner, and what can be granted besides Receive."""

ANONYMOUS = ("", "*", "anonymous")
MOST_BYTES = 30_720


def signed(call: Call) -> bool:
    """Whether the caller is known: who opens a link is not."""
    return call.principal not in ANONYMOUS


def default_policy(topic: Topic) -> dict[str, Any]:
    """The policy of a topic whose owner set none."""
    return {
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [
            {
                "Effect": "Allow",
                "Sid": "__default_statement_ID",
                "Principal": {"AWS": "*"},
                "Action": [f"SNS:{action}" for action in ACTIONS],
                "Resource": topic.arn,
                "Condition": {"StringEquals": {"AWS:SourceOwner": topic.arn.split(":")[4]}},
            }
        ],
    }


def read_topic_policy(topic_arn: str, text: str, prefix: str = "") -> Policy:
    """The compiled policy. Raises ServiceError."""
    from decouple.core.policy import Quotas, read_policy  # here, because most topics have the default policy

    quotas = Quotas(bytes=MOST_BYTES, statements=100, principals=500, conditions=100, actions=100)
    try:
        return read_policy(text, resource=topic_arn, service="sns", quotas=quotas)
    except InvalidPolicy as error:
        if "must be '*' or begin with 'sns:'" in str(error):
            raise invalid(f"{prefix}Policy statement action out of service scope!") from error
        raise invalid(f"{prefix}Policy Error: {error}") from error


def check_access(call: Call, place: Place, topic: Topic, action: str) -> None:
    """Raises ServiceError where the caller may not. Cost: next to nothing for the owner of a topic without a policy."""
    policy = kept(place).topic(topic).policy
    if policy is None and call.place is place:
        return
    if not signed(call):
        raise unauthorized(call, action, topic.arn)
    from decouple.core.policy import Request, decide
    from decouple.core.principals import principal

    who = principal(call.principal)
    facts = {"aws:sourceowner": (call.account,), "aws:sourceaccount": (call.account,), **who.facts}
    if not decide(policy, Request(who, f"sns:{action}", topic.arn, facts), owner=place.account).allowed:
        raise unauthorized(call, action, topic.arn)


def unauthorized(call: Call, action: str, resource: str) -> Exception:
    """AuthorizationError, 403."""
    why = f"no resource-based policy allows the SNS:{action} action"
    text = f"User: {call.principal or 'anonymous'} is not authorized to perform: SNS:{action} on resource: {resource}"
    return SNS.error("AuthorizationErrorException", f"{text} because {why}")
