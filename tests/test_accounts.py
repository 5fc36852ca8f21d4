"""A broker is of an account and a region, and what it declares is too."""

from __future__ import annotations

import pytest

from decouple import Broker, VirtualClock


def test_what_a_broker_declares_is_of_its_account_and_region() -> None:
    broker = Broker(account="111122223333", region="eu-central-1", clock=VirtualClock())

    assert broker.queue("orders").arn == "arn:aws:sqs:eu-central-1:111122223333:orders"
    assert broker.topic("events").arn == "arn:aws:sns:eu-central-1:111122223333:events"
    assert broker.function(print, name="show").arn == "arn:aws:lambda:eu-central-1:111122223333:function:show"


@pytest.mark.parametrize("account", ["", "12", "11112222333a", "1" * 13, "\u0661" * 12])
def test_an_account_has_twelve_digits(account: str) -> None:
    with pytest.raises(ValueError, match="12 digits"):
        Broker(account=account)


@pytest.mark.parametrize("region", ["", "here", "EU-central-1", "eu-central-1\n"])
def test_a_region_is_named_as_aws_names_them(region: str) -> None:
    with pytest.raises(ValueError, match="region must read as 'us-east-1' does"):
        Broker(region=region)


@pytest.mark.parametrize("wrong", [{"account": 111122223333}, {"region": None}])
def test_account_and_region_are_text(wrong: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="must be text"):
        Broker(**wrong)  # type: ignore[arg-type]
