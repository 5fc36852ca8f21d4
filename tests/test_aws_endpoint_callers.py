"""Callers of the endpoint who assumed a role: their account is the role's, until the world begins anew."""

from __future__ import annotations

import asyncio
from xml.etree import ElementTree

from asgi_client import Answer, Client

from decouple import VirtualClock
from decouple.aws import World, asgi

STS = "Version=2011-06-15"


def ask(client: Client, form: str) -> Answer:
    headers = {"authorization": client.authorization("sts")}
    return asyncio.run(client("POST", "/", f"{STS}&{form}".encode(), headers=headers))


def text(answer: Answer, name: str) -> str:
    found = ElementTree.fromstring(answer.body).find(f".//{{*}}{name}")
    assert found is not None
    return found.text or ""


def test_whoever_assumes_a_role_calls_from_its_account() -> None:
    client = Client(asgi(World(clock=VirtualClock())))
    role = "arn:aws:iam::111122223333:role/reader"

    client.key = text(ask(client, f"Action=AssumeRole&RoleArn={role}&RoleSessionName=me"), "AccessKeyId")

    who = ask(client, "Action=GetCallerIdentity")
    assert (text(who, "Account"), text(who, "Arn")) == (
        "111122223333",
        "arn:aws:sts::111122223333:assumed-role/reader/me",
    )


def test_temporary_keys_of_elsewhere_are_of_the_default_account() -> None:
    client = Client(asgi(World(clock=VirtualClock())), key="ASIAEXAMPLE")

    assert text(ask(client, "Action=GetCallerIdentity"), "Account") == "000000000000"
