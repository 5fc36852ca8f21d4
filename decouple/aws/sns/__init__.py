"""Amazon SNS: topics, subscriptions and publishing above Broker, Topic and Subscription; text messages and mobile push as
far as they can be without a carrier, readable in `broker.outbox`.

What stands in AWS's errors is quoted, because programs compare it; where no text of AWS is known, ours says what is wrong
after the prefix that AWS has there. Texts and rules: SNS API, and recorded answers of the service.
"""

from __future__ import annotations

from decouple.aws.sns.service import SNS

__all__ = ["SNS"]
