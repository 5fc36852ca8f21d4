"""Who asks, and who is meant: the principals of requests and of policies.

A request comes from one principal: an account's root, a user, a role, a session of a role, a service, or nobody known
(anonymous). A policy names accounts, users, roles, sessions, services or everybody; an account stands for all of its
principals, a role also for its sessions. There are no wildcards in a name. Source: IAM user guide, "AWS JSON policy
elements: Principal" and "... NotPrincipal".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from decouple.core.patterns import as_list

__all__ = ["ANONYMOUS", "Named", "Principal", "is_service", "named", "principal", "principal_arn"]

ACCOUNT = re.compile(r"[0-9]{12}", re.ASCII)
SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?", re.ASCII)
IAM = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):(?:"
    r"iam::(?P<account>[0-9]{12}):(?P<kind>root|(?:user|role)/(?:[^*?\s/]+/)*[^*?\s/]+)"
    r"|sts::(?P<sts_account>[0-9]{12}):(?P<session>assumed-role/[^*?\s/]+/[^*?\s/]+|federated-user/[^*?\s/]+))",
    re.ASCII,
)
SHAPES = (
    "an account id, arn:aws:iam::<account>:root, :user/<name> or :role/<name>, or "
    "arn:aws:sts::<account>:assumed-role/<role>/<session>"
)


class Principal(NamedTuple):
    """Who asks. text: how it is shown; account: None for services and anonymous.

    names: every name a policy may know it by, the account's root among them; facts: the condition keys that follow from it.
    """

    text: str
    account: str | None
    names: frozenset[str]
    facts: Mapping[str, tuple[str, ...]]


class Named(NamedTuple):
    """Who is meant by a Principal or NotPrincipal element."""

    everybody: bool
    names: frozenset[str]
    size: int

    def covers(self, who: Principal) -> bool:
        """Whether it means this one, by any of its names."""
        return self.everybody or not self.names.isdisjoint(who.names)

    def exempts(self, who: Principal) -> bool:
        """Whether a Deny for all but these leaves it alone: each of its names must be listed, the account's too."""
        return self.everybody or (bool(who.names) and who.names <= self.names)


ANONYMOUS = Principal("anonymous", None, frozenset(), {"aws:principaltype": ("Anonymous",)})


def principal(text: str | None) -> Principal:
    """Who asks, by name; None and "*" are nobody known. Raises ValueError, TypeError."""
    if text is None or text == "*":
        return ANONYMOUS
    if not isinstance(text, str):
        raise TypeError(f"a principal must be an account id or an ARN as text, not {text!r}")
    if is_service(text):
        facts = {"aws:principalservicename": (text,), "aws:principalisawsservice": ("true",)}
        return Principal(text, None, frozenset({text}), facts)
    arn = principal_arn(text)
    match = IAM.fullmatch(arn)
    assert match is not None  # what principal_arn returns
    account = match["account"] or match["sts_account"]
    root = f"arn:{match['partition']}:iam::{account}:root"
    names, shown, kind, name = {arn, root}, arn, "Account", ""
    if match["session"]:
        sort, name, *_ = match["session"].split("/")
        kind = "FederatedUser"
        if sort == "assumed-role":
            kind = "AssumedRole"
            names.add(f"{account}/{name}")
            shown = f"arn:{match['partition']}:iam::{account}:role/{name}"
    elif match["kind"] != "root":
        sort, _, path = match["kind"].partition("/")
        kind, name = ("User", path.rpartition("/")[2]) if sort == "user" else ("AssumedRole", "")
    facts = {
        "aws:principalarn": (shown,),
        "aws:principalaccount": (account,),
        "aws:principaltype": (kind,),
        "aws:principalisawsservice": ("false",),
    }
    if kind == "User":
        facts["aws:username"] = (name,)
    return Principal(arn, account, frozenset(names), facts)


def principal_arn(text: str) -> str:
    """The ARN of an account, user, role or session; an account id is short for its root. Raises ValueError."""
    if ACCOUNT.fullmatch(text):
        return f"arn:aws:iam::{text}:root"
    if not IAM.fullmatch(text):
        raise ValueError(f"{text!r} is not a principal: expected {SHAPES}, or a service such as sns.amazonaws.com")
    return text


def named(element: Any) -> Named:
    """Who a Principal or NotPrincipal element means. Raises ValueError, TypeError."""
    if element == "*":
        return Named(everybody=True, names=frozenset(), size=1)
    if not isinstance(element, Mapping) or not element:
        raise TypeError(f"""a principal must be "*" or {{"AWS": ...}} or {{"Service": ...}}, not {element!r:.80}""")
    everybody, names, size = False, set[str](), 0
    given: Mapping[Any, Any] = element  # pyright: ignore[reportUnknownVariableType]  # JSON
    for kind, value in given.items():
        if kind not in ("AWS", "Service"):
            raise ValueError(f"principals of kind {kind!r} are not known here: AWS and Service are")
        texts = as_list(value)
        size += len(texts)
        if not texts or not all(isinstance(text, str) for text in texts):
            raise TypeError(f"the {kind} principals must be text or a list of texts, not {value!r:.80}")
        for text in texts:
            if kind == "Service":
                names.add(service(text))
            elif text == "*":
                everybody = True
            else:
                names |= names_of(principal_arn(text))
    return Named(everybody, frozenset(names), size)


def is_service(text: str) -> bool:
    """Whether it is a service's name, such as sns.amazonaws.com."""
    return SERVICE.fullmatch(text) is not None


def service(text: str) -> str:
    if not is_service(text):
        raise ValueError(f"{text!r} is not a service: expected a name such as sns.amazonaws.com")
    return text


def names_of(arn: str) -> set[str]:
    """The names by which a principal of a policy is recognized: a session does not know the path of its role."""
    account, kind = arn.split(":")[4:6]
    return {arn, f"{account}/{kind.rpartition('/')[2]}"} if kind.startswith("role/") else {arn}
