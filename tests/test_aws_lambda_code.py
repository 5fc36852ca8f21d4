"""Lambda on the wire: the code of a zip, run in processes of its own."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lambda_caller import INVALID, OWNER, ROLE, Caller, arn, zipped

from decouple.aws import World
from decouple.packages import Package
from decouple.testing import VirtualClock

# A process takes a quarter of a second to start.
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="needs POSIX")]

CODE = """
import os
from helper import NUMBER

def handler(event, context):
    if event == "fail":
        raise LookupError("no luck")
    if event == "set":
        return {1}
    if event == "context":
        return [context.function_name, context.invoked_function_arn, context.client_context.custom]
    return {name: os.environ.get(name) for name in event} if isinstance(event, list) else NUMBER
"""


@pytest.fixture
def world(clock: VirtualClock) -> Iterator[World]:
    world = World(clock=clock, account=OWNER)
    yield world
    world.close()


@pytest.fixture
def aws(world: World) -> Caller:
    return Caller(world, request_id="r-1")


def create(aws: Caller, archive: bytes, handler: str = "app.handler", **given: Any) -> dict[str, Any]:
    return aws.create(handler=handler, Code={"ZipFile": archive}, MemorySize=512, Timeout=60, **given)


def folder_of(aws: Caller) -> Path:
    package = aws.function().handler
    assert isinstance(package, Package)
    return Path(package.folder)


def test_uploaded_code_runs_with_the_environment_of_lambda(
    aws: Caller, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    archive = zipped(app=CODE, helper="NUMBER = 7")

    made = create(aws, archive, Environment={"Variables": {"STAGE": "test"}})
    assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(archive).digest()).decode()
    assert made["CodeSize"] == len(archive)

    assert aws.invoke(None)["Payload"] == 7
    wanted = {
        "STAGE": "test",
        "_HANDLER": "app.handler",
        "AWS_LAMBDA_FUNCTION_NAME": "resize",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": OWNER,
        "AWS_SECRET_ACCESS_KEY": "decouple",
        "AWS_PROFILE": None,
        "AWS_ENDPOINT_URL": "http://only-decouple-serve-has-an-endpoint.invalid",
        "LAMBDA_TASK_ROOT": str(folder_of(aws)),
    }
    assert aws.invoke([*wanted])["Payload"] == wanted
    context = base64.b64encode(b'{"custom": 1}').decode()
    assert aws.invoke("context", ClientContext=context)["Payload"] == ["resize", arn(), 1]


def test_errors_of_uploaded_code_are_told_as_lambda_tells_them(aws: Caller) -> None:
    create(aws, zipped(app=CODE, helper="NUMBER = 7"))

    failed = aws.invoke("fail")
    assert failed["FunctionError"] == "Unhandled"
    stack = failed["Payload"].pop("stackTrace")
    assert failed["Payload"] == {"errorMessage": "no luck", "errorType": "LookupError", "requestId": "r-1"}
    assert "app.py" in stack[0]
    assert "raise LookupError" in stack[0]
    assert aws.invoke("set")["Payload"] == {
        "errorMessage": "Unable to marshal response: Object of type set is not JSON serializable",
        "errorType": "Runtime.MarshalError",
        "requestId": "r-1",
        "stackTrace": [],
    }


def test_a_module_that_cannot_be_imported_is_an_error_of_the_function(aws: Caller) -> None:
    create(aws, zipped(app="import nothing_of_that_name"))

    answer = aws.invoke(None)

    assert answer["FunctionError"] == "Unhandled"
    assert answer["Payload"] == {
        "errorMessage": "Unable to import module 'app': No module named 'nothing_of_that_name'",
        "errorType": "Runtime.ImportModuleError",
        "requestId": "r-1",
        "stackTrace": [],
    }


def test_new_code_and_a_new_environment_are_there_at_the_next_run_and_old_code_goes(aws: Caller) -> None:
    create(aws, zipped(app=CODE, helper="NUMBER = 7"))
    old = folder_of(aws)
    assert aws.invoke(None)["Payload"] == 7

    aws("UpdateFunctionCode", FunctionName="resize", ZipFile=zipped(app=CODE, helper="NUMBER = 8"))
    assert not old.exists()
    assert aws.invoke(None)["Payload"] == 8

    aws("UpdateFunctionConfiguration", FunctionName="resize", Environment={"Variables": {"STAGE": "prod"}})
    assert aws.invoke(["STAGE"])["Payload"] == {"STAGE": "prod"}


def test_code_that_is_not_run_because_a_callable_is_registered_waits_for_another_handler(
    aws: Caller, world: World
) -> None:
    world.handlers["app.mine"] = lambda event, context: "mine"
    create(aws, zipped(app=CODE, helper="NUMBER = 7"), "app.mine")
    assert aws.invoke(None)["Payload"] == "mine"

    aws("UpdateFunctionConfiguration", FunctionName="resize", Handler="app.handler")
    assert aws.invoke(None)["Payload"] == 7

    aws("UpdateFunctionConfiguration", FunctionName="resize", Handler="app.mine")
    assert aws.invoke(None)["Payload"] == "mine"


def test_the_folder_of_the_code_goes_with_its_function_and_with_the_world(aws: Caller, world: World) -> None:
    create(aws, zipped(app=CODE, helper="NUMBER = 7"))
    first = folder_of(aws)
    assert first.is_dir()
    aws("DeleteFunction", FunctionName="resize")
    assert not first.exists()

    create(aws, zipped(app=CODE, helper="NUMBER = 7"))
    second = folder_of(aws)
    world.close()
    assert not second.exists()


def test_code_that_is_refused_leaves_no_folder(aws: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    for code in (b"no zip", zipped(app="x")[:-8]):
        refusal = aws.refused(
            "CreateFunction",
            FunctionName="f",
            Runtime="python3.12",
            Handler="app.handler",
            Role=ROLE,
            Code={"ZipFile": code},
        )
        assert refusal == (
            *INVALID,
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
        )
    create(aws, zipped(app="x"))
    assert aws.refused("UpdateFunctionCode", FunctionName="resize", ZipFile=b"x")[:2] == INVALID
    aws("UpdateFunctionCode", FunctionName="resize", ZipFile=zipped(app="x"), DryRun=True)

    assert list(tmp_path.iterdir()) == [folder_of(aws)]


def test_uploaded_code_finds_the_endpoint_that_serves_its_world(clock: VirtualClock) -> None:
    world = World(clock=clock, account=OWNER, endpoint="http://127.0.0.1:4566")
    aws = Caller(world)

    create(aws, zipped(app="x"))

    package = aws.function().handler
    assert isinstance(package, Package)
    assert package.variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    world.close()
