"""Amazon resource names, and whose they are when nobody says: made here and nowhere else."""

from __future__ import annotations

__all__ = ["ACCOUNT", "REGION", "arn_of"]

ACCOUNT = "000000000000"
"""The account of whatever was declared without one."""
REGION = "us-east-1"


def arn_of(service: str, name: str, *, account: str = ACCOUNT, region: str = REGION) -> str:
    """The name of a queue, topic or function for the whole of AWS: arn:aws:sqs:us-east-1:000000000000:orders."""
    return f"arn:aws:{service}:{region}:{account}:{name}"
