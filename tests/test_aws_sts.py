"""STS on the wire: who calls, and credentials of other accounts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from decouple.aws import Call, ServiceError, World
from decouple.aws.sts import STS, holder_of
from decouple.testing import VirtualClock

OWNER, OTHER = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{OTHER}:role/team/reader"


@pytest.fixture
def world(clock: VirtualClock) -> World:
    return World(clock=clock, account=OWNER)


def ask(world: World, operation: str, principal: str = f"arn:aws:iam::{OWNER}:root", **given: Any) -> dict[str, Any]:
    account = principal.split(":")[4]
    return STS.perform(Call(world.place(account), principal, "query"), operation, given)


def refused(world: World, operation: str, **given: Any) -> tuple[str, int, str]:
    with pytest.raises(ServiceError) as caught:
        ask(world, operation, **given)
    return caught.value.code, caught.value.status, caught.value.message


def test_every_operation_of_the_service_is_in_the_table() -> None:
    assert set(STS.operations) == set(STS.model.operations)
    assert {name for name, one in STS.operations.items() if one.level == "works"} == {
        "GetCallerIdentity",
        "AssumeRole",
        "GetSessionToken",
        "GetAccessKeyInfo",
    }


def test_the_caller_is_told_who_it_is(world: World) -> None:
    assert ask(world, "GetCallerIdentity") == {
        "UserId": OWNER,
        "Account": OWNER,
        "Arn": f"arn:aws:iam::{OWNER}:root",
    }
    user = f"arn:aws:iam::{OWNER}:user/ann"
    told = ask(world, "GetCallerIdentity", user)
    assert (told["Account"], told["Arn"], told["UserId"][:4]) == (OWNER, user, "AIDA")


def test_an_assumed_role_gives_credentials_of_its_account(world: World, clock: VirtualClock) -> None:
    answer = ask(world, "AssumeRole", RoleArn=ROLE, RoleSessionName="night")

    session = f"arn:aws:sts::{OTHER}:assumed-role/reader/night"
    user = answer["AssumedRoleUser"]
    assert user["Arn"] == session
    assert user["AssumedRoleId"].startswith("AROA")
    assert user["AssumedRoleId"].endswith(":night")
    credentials = answer["Credentials"]
    assert set(credentials) == {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
    assert (credentials["AccessKeyId"][:4], len(credentials["AccessKeyId"])) == ("ASIA", 20)
    assert credentials["Expiration"] == datetime(2026, 1, 1, 1, tzinfo=UTC)
    holder = holder_of(world, credentials["AccessKeyId"])
    assert holder is not None
    assert (holder.account, holder.arn) == (OTHER, session)
    assert ask(world, "GetCallerIdentity", session)["UserId"] == user["AssumedRoleId"]
    assert ask(world, "GetAccessKeyInfo", AccessKeyId=credentials["AccessKeyId"]) == {"Account": OTHER}
    assert holder_of(World(clock=clock), credentials["AccessKeyId"]) is None


def test_the_same_role_has_the_same_id_in_every_session(world: World) -> None:
    one, two = (
        ask(world, "AssumeRole", RoleArn=ROLE, RoleSessionName=name)["AssumedRoleUser"]["AssumedRoleId"]
        for name in ("one", "two")
    )

    assert one.partition(":")[0] == two.partition(":")[0]


def test_a_session_token_is_of_the_caller_itself(world: World) -> None:
    credentials = ask(world, "GetSessionToken", DurationSeconds=900)["Credentials"]

    holder = holder_of(world, credentials["AccessKeyId"])
    assert holder is not None
    assert (holder.account, holder.arn, holder.user_id) == (OWNER, f"arn:aws:iam::{OWNER}:root", OWNER)
    assert credentials["Expiration"] == datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=15)
    assert ask(world, "GetAccessKeyInfo", AccessKeyId="A" * 20) == {"Account": OWNER}


@pytest.mark.parametrize(
    "given",
    [{"RoleArn": "arn:aws:iam::1:role/reader"}, {"RoleSessionName": "a b"}, {"DurationSeconds": 899}],
    ids=["role", "session", "duration"],
)
def test_what_cannot_be_assumed(world: World, given: dict[str, Any]) -> None:
    code, status, _ = refused(world, "AssumeRole", **{"RoleArn": ROLE, "RoleSessionName": "night", **given})

    assert (code, status) == ("ValidationError", 400)


def test_a_refused_operation_says_why(world: World) -> None:
    code, status, text = refused(world, "GetFederationToken", Name="ann")

    assert (code, status) == ("NotImplemented", 501)
    assert text == (
        "AWS STS operation GetFederationToken is refused: AssumeRole gives temporary credentials of any account"
    )
