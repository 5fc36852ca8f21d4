"""What members are called in the Query protocol.

Most services' models say it. SQS's model knows only JSON nowadays, while SQS still answers Query requests: the names it
has there (botocore 1.34.0 was the last to list them) are the table below. All its lists and maps are flattened.
"""

from __future__ import annotations

from decouple.aws.model import Member, Model, OperationModel, Shape

__all__ = ["Names", "SqsNames", "names_of"]

SQS_MEMBERS = {
    "AWSAccountIds": "AWSAccountId",
    "Actions": "ActionName",
    "AttributeNames": "AttributeName",
    "Attributes": "Attribute",
    "BinaryListValues": "BinaryListValue",
    "MessageAttributeNames": "MessageAttributeName",
    "MessageAttributes": "MessageAttribute",
    "MessageSystemAttributeNames": "MessageSystemAttributeName",
    "MessageSystemAttributes": "MessageSystemAttribute",
    "QueueUrls": "QueueUrl",
    "StringListValues": "StringListValue",
    "TagKeys": "TagKey",
    "Tags": "Tag",
    "queueUrls": "QueueUrl",
    "tags": "Tag",
}
# These are called as what they hold: SendMessageBatchRequestEntry, BatchResultErrorEntry, Message.
SQS_BY_ELEMENT = {"Entries", "Failed", "Messages", "Results", "Successful"}


class Names:
    """The names in a model that speaks Query itself."""

    # Whether an error has an element Detail, which is always empty; what stands before an answer.
    detail = False
    prolog = ""

    def __init__(self, model: Model) -> None:
        self.namespace: str = model.metadata.get("xmlNamespace", "")

    def member(self, member: Member) -> tuple[str, bool]:
        """A member's name, and whether its list or map has no element around it."""
        return member.wire_name, member.flattened

    def entry(self, shape: Shape) -> tuple[str, str]:
        """What a map's key and value are called."""
        return shape.key.wire_name, shape.value.wire_name

    def wrapper(self, operation: OperationModel) -> str | None:
        """The element around an answer's members; None where there is none."""
        return operation.wrapper


class SqsNames(Names):
    """SQS's names."""

    detail = True
    prolog = '<?xml version="1.0"?>'

    def __init__(self, model: Model) -> None:
        self.namespace = f"http://queue.amazonaws.com/doc/{model.version}/"

    def member(self, member: Member) -> tuple[str, bool]:
        if member.name in SQS_BY_ELEMENT:
            return member.shape.element.shape.name, True
        return SQS_MEMBERS.get(member.name, member.name), True

    def entry(self, shape: Shape) -> tuple[str, str]:
        return ("Key", "Value") if shape.name == "TagMap" else ("Name", "Value")

    def wrapper(self, operation: OperationModel) -> str | None:
        return None if operation.output is None else f"{operation.name}Result"


def names_of(model: Model) -> Names:
    """The names of this model in the Query protocol."""
    return SqsNames(model) if "awsQueryCompatible" in model.metadata else Names(model)
