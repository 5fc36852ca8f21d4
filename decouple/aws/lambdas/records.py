"""What the wire keeps of Lambda functions: everything the engine has no word for.

A Deployed belongs to one Function object, and is made with defaults when a function is first seen that was declared
natively. Event source mappings are in `mapping_records`.
"""

from __future__ import annotations

import base64
import hashlib
import platform
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from attrs import define, field

if TYPE_CHECKING:
    from decouple.aws.world import Place
    from decouple.function import Function
    from decouple.packages import Unpacked

__all__ = ["Deployed", "Functions", "new_revision", "part", "sha_of"]


def new_revision() -> str:
    """The RevisionId of what was just changed."""
    return str(uuid.uuid4())


def sha_of(code: bytes) -> str:
    """The CodeSha256 of an archive."""
    return base64.b64encode(hashlib.sha256(code).digest()).decode()


def part(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A structure or a map among parameters; {} where it is not given."""
    found: dict[str, Any] | None = given.get(name)
    return found or {}


@define(eq=False)
class Deployed:
    """One function's. config: of its configuration what the wire alone knows, by AWS's names; modified: seconds since 1970.

    archive: the zip where a registered callable runs in its place; code: the zip unpacked; statements: of the policy, by
    qualifier ("" = the function) and id; invoke_configs: what was put, by qualifier.
    """

    config: dict[str, Any]
    modified: float
    archive: bytes = b""
    code: Unpacked | None = None
    revision: str = field(factory=new_revision)
    tags: dict[str, str] = field(factory=dict[str, str])
    versions: dict[str, dict[str, Any]] = field(factory=dict[str, dict[str, Any]])
    last_version: int = 0
    aliases: dict[str, dict[str, Any]] = field(factory=dict[str, dict[str, Any]])
    statements: dict[str, dict[str, Any]] = field(factory=dict[str, dict[str, Any]])
    policy_revisions: dict[str, str] = field(factory=dict[str, str])
    invoke_configs: dict[str, dict[str, Any]] = field(factory=dict[str, dict[str, Any]])

    @property
    def last_modified(self) -> str:
        """As functions say it: 2026-01-01T00:00:00.000+0000."""
        moment = datetime.fromtimestamp(self.modified, UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"

    def forget(self, qualifier: str) -> None:
        """That version or alias is gone: another one of the name begins without its policy and configuration."""
        self.statements.pop(qualifier, None)
        self.policy_revisions.pop(qualifier, None)
        self.invoke_configs.pop(qualifier, None)

    def change(self, now: float) -> None:
        """It is another revision from now on."""
        self.modified = now
        self.revision = new_revision()


class Functions:
    """What is kept in one place, by Function."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Function, Deployed] = WeakKeyDictionary()

    def of(self, function: Function, place: Place) -> Deployed:
        """What is kept of this one."""
        kept = self._kept.get(function)
        if kept is None:
            kept = self._kept.setdefault(function, Deployed(native_config(function, place), place.now()))
        return kept

    def keep(self, function: Function, deployed: Deployed) -> None:
        """From its creation on."""
        self._kept[function] = deployed

    def forget(self, function: Function) -> None:
        """It is deleted, and its code is removed."""
        kept = self._kept.pop(function, None)
        if kept is not None and kept.code is not None:
            kept.code.close()

    def close(self) -> None:
        """Remove the code of all of them."""
        for function in list(self._kept):
            self.forget(function)


def native_config(function: Function, place: Place) -> dict[str, Any]:
    """Of a function that was declared on the broker."""
    module, name = (getattr(function.handler, one, "") for one in ("__module__", "__qualname__"))
    major, minor, _ = platform.python_version_tuple()
    return {
        "Runtime": f"python{major}.{minor}",
        "Role": f"arn:aws:iam::{place.account}:role/decouple",
        "Handler": f"{module}.{name}"[:128],
        "Description": "",
        "CodeSize": 0,
        "CodeSha256": sha_of(b""),
    }
