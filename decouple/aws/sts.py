"""AWS STS on the wire: who calls, and temporary credentials whose account is that of the role.

There are no users and no roles: every role can be assumed by everybody, and no secret is asked for. What a world gave out
it remembers: `holder_of(world, access_key)` is whose a key is.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.aws.refusals import refuse
from decouple.aws.service import Service

if TYPE_CHECKING:
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call, World

__all__ = ["STS", "Holder", "holder_of"]

STS = Service("sts", "AWS STS", modules=("decouple.aws.sts",))

ROLE = re.compile(r"arn:aws[a-z-]*:iam::(?P<account>[0-9]{12}):role/(?:[^/\s]+/)*(?P<name>[^/\s]+)", re.ASCII)
SESSION = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
HOUR = 3_600


class Holder(NamedTuple):
    """Whose temporary credentials are. expires: seconds since 1970."""

    account: str
    arn: str
    user_id: str
    expires: float


class Keys:
    """What was given out in one world, by access key; kept in its default place."""

    def __init__(self) -> None:
        self.holders: dict[str, Holder] = {}


def holder_of(world: World, access_key: str) -> Holder | None:
    """Whose key it is, if this world gave it out."""
    return world.place().keep(Keys).holders.get(access_key)


@STS.operation("GetCallerIdentity")
def get_caller_identity(call: Call, given: Given) -> Answer:
    """Who calls."""
    return {"UserId": user_id_of(call), "Account": call.account, "Arn": call.principal}


def user_id_of(call: Call) -> str:
    for holder in list(call.world.place().keep(Keys).holders.values()):  # others may assume roles meanwhile
        if holder.arn == call.principal:
            return holder.user_id
    return call.account if call.principal.endswith(":root") else f"AIDA{call.account}DECOUPLE"


@STS.operation(
    "AssumeRole",
    note="every role can be assumed, by everybody; credentials do not expire; policies and tags have no effect",
)
def assume_role(call: Call, given: Given) -> Answer:
    """Credentials of the role's account."""
    role = ROLE.fullmatch(given["RoleArn"])
    if role is None:
        raise STS.error("ValidationError", f"{given['RoleArn']} is invalid")
    session = given["RoleSessionName"]
    if SESSION.fullmatch(session) is None:
        raise STS.error(
            "ValidationError",
            f"1 validation error detected: Value '{session}' at 'roleSessionName' failed to satisfy constraint: Member "
            "must satisfy regular expression pattern: [\\w+=,.@-]*",
        )
    seconds = duration(given, HOUR, 43_200)
    user_id = f"AROA{unique(role['account'] + role['name'])}:{session}"
    arn = f"arn:aws:sts::{role['account']}:assumed-role/{role['name']}/{session}"
    return {
        "Credentials": give_out(call, role["account"], arn, user_id, seconds),
        "AssumedRoleUser": {"AssumedRoleId": user_id, "Arn": arn},
    }


@STS.operation("GetSessionToken", note="MFA devices are not asked")
def get_session_token(call: Call, given: Given) -> Answer:
    """Credentials of the caller's own."""
    seconds = duration(given, 12 * HOUR, 129_600)
    return {"Credentials": give_out(call, call.account, call.principal, user_id_of(call), seconds)}


@STS.operation("GetAccessKeyInfo", note="of keys that were given out here; of others the caller's account")
def get_access_key_info(call: Call, given: Given) -> Answer:
    """The account of a key."""
    holder = holder_of(call.world, given["AccessKeyId"])
    return {"Account": call.account if holder is None else holder.account}


def duration(given: Given, default: int, most: int) -> int:
    """How long they are good for. Raises ServiceError."""
    seconds: int = given.get("DurationSeconds") or default
    if not 900 <= seconds <= most:
        edge = f"less than or equal to {most}" if seconds > most else "greater than or equal to 900"
        raise STS.error(
            "ValidationError",
            f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: Member "
            f"must have value {edge}",
        )
    return seconds


def give_out(call: Call, account: str, arn: str, user_id: str, seconds: int) -> dict[str, Any]:
    key, expires = f"ASIA{letters(16)}", call.place.now() + seconds
    call.world.place().keep(Keys).holders[key] = Holder(account, arn, user_id, expires)
    return {
        "AccessKeyId": key,
        "SecretAccessKey": secrets.token_urlsafe(30),
        "SessionToken": secrets.token_urlsafe(96),
        "Expiration": datetime.fromtimestamp(int(expires), UTC),
    }


def letters(number: int) -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(number))


def unique(name: str) -> str:
    """An id of 17 letters, always the same for one role."""
    import hashlib  # here, because few programs assume roles

    return "".join(LETTERS[byte % 32] for byte in hashlib.sha256(name.encode()).digest()[:17])


NO_IDENTITIES = "there are no identity providers here"
refuse(
    STS,
    {
        "AssumeRoleWithSAML": NO_IDENTITIES,
        "AssumeRoleWithWebIdentity": NO_IDENTITIES,
        "AssumeRoot": "AssumeRole gives credentials of any account",
        "DecodeAuthorizationMessage": "refusals are not encoded here",
        "GetDelegatedAccessToken": NO_IDENTITIES,
        "GetFederationToken": "AssumeRole gives temporary credentials of any account",
        "GetWebIdentityToken": NO_IDENTITIES,
    },
)
