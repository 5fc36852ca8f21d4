"""What botocore reads of the environment before it makes a client: credentials and a region, set while a mock is open.

They are set only where there are none, so that whoever brings their own keeps them; a region that was asked for is
always set. The last mock to end puts everything back, except what somebody else has changed meanwhile.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

__all__ = ["FAKE_KEY", "default_region", "put_back", "set_what_is_missing"]

FAKE_KEY = "DECOUPLEMOCKEDKEY"
"""The access key that clients of a mock have, and that must not be seen on any network."""
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": FAKE_KEY,
    "AWS_SECRET_ACCESS_KEY": "decouple-mocked-secret",
    "AWS_SESSION_TOKEN": "decouple-mocked-token",
}
REGION = "AWS_DEFAULT_REGION"

lock = threading.Lock()
before: dict[str, str | None] = {}
ours: dict[str, str] = {}
regions: list[tuple[object, str, bool]] = []


def default_region() -> str | None:
    """The region that clients have here without a mock's help, as far as the environment says."""
    return os.environ.get(REGION) or os.environ.get("AWS_REGION")


def set_what_is_missing(who: object, region: str, *, asked: bool) -> None:
    """Set what is missing. asked: the region was, so clients are to have it whatever the environment says."""
    with lock:
        if not os.environ.get("AWS_ACCESS_KEY_ID"):
            for name, value in CREDENTIALS.items():
                put(name, value)
        regions.append((who, region, asked))
        choose_region()


def put_back(who: object) -> None:
    """That mock has ended; the last one puts all back."""
    with lock:
        regions[:] = [one for one in regions if one[0] is not who]
        if regions:
            choose_region()
            return
        for name in list(ours):
            restore(name)
        forget_credentials()


def choose_region() -> None:
    """Under the lock: that of the newest mock that asked for one; else the environment's own, or a mock's."""
    asked = [region for _, region, asked in regions if asked]
    if asked:
        put(REGION, asked[-1])
    else:
        restore(REGION)
        if REGION not in os.environ:
            put(REGION, regions[-1][1])


def put(name: str, value: str) -> None:
    """Set it, and remember what was there."""
    if name not in ours:
        before[name] = os.environ.get(name)
    ours[name] = os.environ[name] = value


def restore(name: str) -> None:
    """Put back what was there, unless somebody has changed it."""
    value, old = ours.pop(name, None), before.pop(name, None)
    if value is None or os.environ.get(name) != value:
        return
    if old is None:
        del os.environ[name]
    else:
        os.environ[name] = old


def forget_credentials() -> None:
    """boto3's default session outlives the mock, and keeps the credentials it found: not ours."""
    boto3 = sys.modules.get("boto3")
    session = getattr(boto3, "DEFAULT_SESSION", None)
    inner: Any = getattr(session, "_session", None)
    if inner is not None and getattr(inner._credentials, "access_key", None) == FAKE_KEY:
        inner._credentials = None
