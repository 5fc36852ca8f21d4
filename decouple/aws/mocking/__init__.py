"""boto3 in the process: `mock()` stands one of our worlds where botocore would send its requests to AWS.

Nothing of botocore is imported before a mock is entered, and nothing is changed before that.
"""

from __future__ import annotations

from decouple.aws.mocking.errors import MockEnded, NotMocked, WhichMock
from decouple.aws.mocking.mock import Mock, mock
from decouple.aws.mocking.scene import AWS

__all__ = ["AWS", "Mock", "MockEnded", "NotMocked", "WhichMock", "mock"]
