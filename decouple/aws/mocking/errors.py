"""Why a call is not answered: sentences for whoever wrote the test.

None of them is a BotoCoreError or a ClientError: code under test often catches those, and would hide that its test is wrong.
"""

from __future__ import annotations

from decouple.errors import DecoupleError

__all__ = ["MockEnded", "NotMocked", "WhichMock"]


class NotMocked(DecoupleError):
    """A service that decouple does not have was called in a mock. It did not reach the network."""

    def __init__(self, service: str, operation: str) -> None:
        super().__init__(
            f"{service} is not among the services that decouple mocks, so its operation {operation} was not sent: "
            f"mock(passthrough=[{service!r}]) sends it to where the client leads, moto's mock_aws() around it answers it"
        )
        self.service = service
        self.operation = operation


class MockEnded(DecoupleError):
    """A client that a mock has left behind was called outside of any. It did not reach the network."""

    def __init__(self, service: str, operation: str) -> None:
        super().__init__(
            f"{service} was called for {operation} by a client of a mock that has ended, and was not sent: "
            f"call it inside of a mock, or make another client"
        )
        self.service = service
        self.operation = operation


class WhichMock(DecoupleError):
    """Several mocks are open, and nothing says to which of them a call belongs. It did not reach the network."""

    def __init__(self, service: str, operation: str, *, mocks: int) -> None:
        super().__init__(
            f"{service} was called for {operation} in a thread that could belong to any of {mocks} open mocks: start "
            f"the thread with contextvars.copy_context().run, or make its client inside of the mock"
        )
        self.service = service
        self.operation = operation
        self.mocks = mocks
