"""Events of Cognito user pools: what a pool asks a function when somebody signs up, signs in or is given a token."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, NamedTuple, TypedDict

from decouple.testing.events.defaults import REGION, uuid_of

__all__ = ["CognitoEvent", "cognito"]


class CognitoCaller(TypedDict):
    """Which app asked, and with which library."""

    awsSdkVersion: str
    clientId: str


class CognitoEvent(TypedDict):
    """A trigger of a user pool. The function changes `response` and returns the event."""

    version: str
    region: str
    userPoolId: str
    userName: str
    callerContext: CognitoCaller
    triggerSource: str
    request: dict[str, Any]
    response: dict[str, Any]


class Trigger(NamedTuple):
    """What a pool asks beside the user's attributes, and what it takes as an answer."""

    reasons: tuple[str, ...]
    request: dict[str, Any]
    response: dict[str, Any]


GROUPS: dict[str, Any] = {"groupsToOverride": [], "iamRolesToOverride": [], "preferredRole": None}
TRIGGERS = {
    "PreSignUp": Trigger(
        ("SignUp", "AdminCreateUser", "ExternalProvider"),
        {"validationData": None},
        {"autoConfirmUser": False, "autoVerifyEmail": False, "autoVerifyPhone": False},
    ),
    "PostConfirmation": Trigger(("ConfirmSignUp", "ConfirmForgotPassword"), {}, {}),
    "PreAuthentication": Trigger(("Authentication",), {"validationData": None}, {}),
    "PostAuthentication": Trigger(("Authentication",), {"newDeviceUsed": False}, {}),
    "TokenGeneration": Trigger(
        ("HostedAuth", "Authentication", "NewPasswordChallenge", "AuthenticateDevice", "RefreshTokens"),
        {"groupConfiguration": GROUPS},
        {"claimsOverrideDetails": None},
    ),
    "CustomMessage": Trigger(
        (
            "SignUp",
            "AdminCreateUser",
            "ResendCode",
            "ForgotPassword",
            "UpdateUserAttribute",
            "VerifyUserAttribute",
            "Authentication",
        ),
        {"codeParameter": "{####}", "linkParameter": "{##Click Here##}", "usernameParameter": None},
        {"smsMessage": None, "emailMessage": None, "emailSubject": None},
    ),
    "UserMigration": Trigger(
        ("Authentication", "ForgotPassword"),
        {"password": "password", "validationData": None},
        {
            "userAttributes": None,
            "finalUserStatus": None,
            "messageAction": None,
            "desiredDeliveryMediums": None,
            "forceAliasCreation": None,
        },
    ),
    "DefineAuthChallenge": Trigger(
        ("Authentication",), {"session": []}, {"challengeName": None, "issueTokens": None, "failAuthentication": None}
    ),
    "CreateAuthChallenge": Trigger(
        ("Authentication",),
        {"challengeName": "CUSTOM_CHALLENGE", "session": []},
        {"publicChallengeParameters": None, "privateChallengeParameters": None, "challengeMetadata": None},
    ),
    "VerifyAuthChallengeResponse": Trigger(
        ("Authentication",), {"privateChallengeParameters": {}, "challengeAnswer": "answer"}, {"answerCorrect": None}
    ),
}
# Since version 2 a function may change an access token, too, and is told its scopes.
NEWER_TOKENS = Trigger((), {"scopes": []}, {"claimsAndScopeOverrideDetails": None})


def cognito(
    trigger: str = "PreSignUp_SignUp",
    *,
    user: str | None = None,
    attributes: Mapping[str, str] | None = None,
    request: Mapping[str, Any] | None = None,
    version: str = "1",
    pool: str | None = None,
    client: str = "1example23456789",
    region: str = REGION,
) -> CognitoEvent:
    """The event of a trigger: `cognito("PostConfirmation_ConfirmSignUp", attributes={"email": "ann@example.com"})`.

    trigger: its source, as the function sees it; request: what the pool asks beside the attributes, added to or instead of
    the usual, such as clientMetadata; version: "2" or "3" for a newer event of TokenGeneration.
    Source: Cognito developer guide, "Customizing user pool workflows with Lambda triggers".
    """
    kind = trigger_of(trigger)
    if version not in ("1", "2", "3") or (version != "1" and not trigger.startswith("TokenGeneration_")):
        raise ValueError(f"version must be '1', or '2' or '3' for TokenGeneration, not {version!r} for {trigger!r}")
    if version != "1":
        kind = Trigger((), kind.request | NEWER_TOKENS.request, NEWER_TOKENS.response)
    user = uuid_of("user", attributes) if user is None else user
    # A pool that is asked to migrate a user knows nothing about him yet.
    known = {} if trigger.startswith("UserMigration_") else {"userAttributes": attributes_of(trigger, user, attributes)}
    return {
        "version": version,
        "region": region,
        "userPoolId": pool or f"{region}_EXAMPLE",
        "userName": user,
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": client},
        "triggerSource": trigger,
        "request": deepcopy({**known, **kind.request, **(request or {})}),
        "response": deepcopy(kind.response),
    }


def trigger_of(source: str) -> Trigger:
    """What belongs to a trigger source. Raises ValueError."""
    name, _, reason = source.partition("_")
    kind = TRIGGERS.get(name)
    if kind is None or reason not in kind.reasons:
        known = [f"{name}_{reason}" for reason in kind.reasons] if kind else [f"{name}_..." for name in TRIGGERS]
        raise ValueError(f"trigger must be one of {', '.join(known)}, not {source!r}")
    return kind


def attributes_of(source: str, user: str, given: Mapping[str, str] | None) -> dict[str, str]:
    """The user's attributes: before somebody has signed up there are only those he gave."""
    if given is not None:
        return dict(given)
    email = {"email": "user@example.com"}
    if source.startswith("PreSignUp_"):
        return email
    return {"sub": user, "cognito:user_status": "CONFIRMED", "email_verified": "true", **email}
