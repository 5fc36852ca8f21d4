"""Lambda on the wire: functions from their creation to their end. Texts are AWS's where they are known."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from lambda_caller import CONFLICT, INVALID, MISSING, OTHER, OWNER, ROLE, Caller, arn, zipped

from decouple.aws import World
from decouple.aws.lambdas import LAMBDA
from decouple.testing import VirtualClock


def handle(event: Any, context: Any) -> Any:
    return ["one", event]


def handle_too(event: Any, context: Any) -> Any:
    return ["two", event]


async def handle_async(event: Any, context: Any) -> Any:
    return event


MANDATORY = (
    *INVALID,
    "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
)
NO_IMAGES = (*INVALID, "Container images are not run here: decouple runs Python only, from a ZipFile or registered")
NO_NODE = (*INVALID, "Runtime nodejs20.x is not run here: decouple runs Python only")


@pytest.fixture
def world(clock: VirtualClock) -> Iterator[World]:
    world = World(clock=clock, account=OWNER)
    world.handlers["app.handler"] = handle
    world.handlers["app.other"] = handle_too
    world.handlers["app.wait"] = handle_async
    yield world
    world.check()
    world.close()


@pytest.fixture
def aws(world: World) -> Caller:
    return Caller(world)


# -- the table ---------------------------------------------------------------------------------------------------------


def test_every_operation_of_the_service_is_in_the_table_and_refused_ones_say_why() -> None:
    assert set(LAMBDA.operations) == set(LAMBDA.model.operations)
    assert all(operation.note for operation in LAMBDA.operations.values() if operation.level != "works")
    assert {name for name, one in LAMBDA.operations.items() if one.arun is not None} == {"Invoke"}


def test_a_refused_operation_says_which_it_is_and_why(aws: Caller) -> None:
    error = aws.error("ListLayers")

    assert (error.shape, error.status, error.sender) == ("NotImplemented", 501, False)
    assert error.message.startswith("AWS Lambda operation ListLayers is refused: there are no layers")


# -- creating ----------------------------------------------------------------------------------------------------------


def test_a_created_function_is_pending_in_the_answer_and_active_from_then_on(aws: Caller) -> None:
    made = aws.create(Description="makes small", Timeout=9, MemorySize=256, Environment={"Variables": {"SIZE": "7"}})

    revision = made.pop("RevisionId")
    assert made == {
        "FunctionName": "resize",
        "FunctionArn": arn(),
        "Runtime": "python3.12",
        "Role": ROLE,
        "Handler": "app.handler",
        "CodeSize": 4,
        "Description": "makes small",
        "Timeout": 9,
        "MemorySize": 256,
        "LastModified": "2026-01-01T00:00:00.000+0000",
        "CodeSha256": base64.b64encode(hashlib.sha256(b"code").digest()).decode(),
        "Version": "$LATEST",
        "Environment": {"Variables": {"SIZE": "7"}},
        "TracingConfig": {"Mode": "PassThrough"},
        "State": "Pending",
        "StateReason": "The function is being created.",
        "StateReasonCode": "Creating",
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/resize"},
        "RuntimeVersionConfig": made["RuntimeVersionConfig"],
    }
    now = aws("GetFunctionConfiguration", FunctionName="resize")
    assert (now["State"], now["LastUpdateStatus"], now["RevisionId"]) == ("Active", "Successful", revision)
    assert "StateReason" not in now


def test_a_registered_callable_runs_whatever_the_code_and_the_runtime(aws: Caller) -> None:
    aws.create()
    aws.create("other", Code={}, Runtime="nodejs20.x")
    aws.create("third", Code={"S3Bucket": "code", "S3Key": "app.zip"})

    assert aws.invoke(1)["Payload"] == ["one", 1]
    assert aws.invoke(2, "other")["Payload"] == ["one", 2]
    assert aws.invoke(3, "third")["Payload"] == ["one", 3]


def test_what_is_created_is_a_function_of_the_broker_and_the_other_way_round(aws: Caller) -> None:
    aws.create(Timeout=7)
    bad = aws.broker.queue("bad")
    aws.broker.function(handle, name="native", timeout=0.5, memory=512, dead_letter=bad)

    assert aws.function().invoke(1) == ["one", 1]
    assert aws.function().timeout == 7
    config = aws("GetFunction", FunctionName="native")["Configuration"]
    assert (config["Timeout"], config["MemorySize"], config["CodeSize"]) == (1, 512, 0)
    assert config["DeadLetterConfig"] == {"TargetArn": bad.arn}
    assert config["Handler"] == "test_aws_lambda_functions.handle"
    assert aws.invoke(1, "native")["Payload"] == ["one", 1]


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"Runtime": None}, MANDATORY),
        ({"PackageType": "Image"}, NO_IMAGES),
        ({"Handler": "new.handler", "Runtime": "nodejs20.x"}, NO_NODE),
        ({"Handler": "new.handler", "Code": {}}, (*INVALID, "Please provide a source for function code.")),
        (
            {"Handler": "new.handler", "Code": {"S3Bucket": "code", "S3Key": "a.zip"}},
            (
                *INVALID,
                ("There is no S3 here to get the code from, bucket code: give it as ZipFile, or register the handler, "
                "world.handlers['new.handler'] = function"),
            ),
        ),
        (
            {"Handler": "new.handler"},
            (*INVALID, "Could not unzip uploaded file. Please check your file, then try to upload again."),
        ),
        ({"Handler": "new.handler", "Code": {"ZipFile": zipped()}}, (*INVALID, "Uploaded file must be a non-empty zip")),
        (
            {"Handler": "new.handler", "Code": {"ZipFile": zipped(app="1")}, "Layers": [arn("a:1", "layer")]},
            (*INVALID, "Layers are not to be had here: put what is in them into the zip"),
        ),
        (
            {"Timeout": 901},
            (
                "ValidationException",
                400,
                ("1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: Member must have "
                "value less than or equal to 900"),
            ),
        ),
        (
            {"MemorySize": 10_241},
            (
                "ValidationException",
                400,
                ("1 validation error detected: Value '10241' at 'memorySize' failed to satisfy constraint: Member must "
                "have value less than or equal to 10240"),
            ),
        ),
        (
            {"FunctionName": "x" * 65},
            (
                "ValidationException",
                400,
                (f"1 validation error detected: Value '{'x' * 65}' at 'functionName' failed to satisfy constraint: Member "
                "must have length less than or equal to 64"),
            ),
        ),
        (
            {"Environment": {"Variables": {"AWS_REGION": "x", "MINE": "y"}}},
            (
                *INVALID,
                ("Lambda was unable to configure your environment variables because the environment variables you have "
                "provided contains reserved keys that are currently not supported for modification. Reserved keys used in "
                "this request: AWS_REGION"),
            ),
        ),
        (
            {"Environment": {"Variables": {"SIZE": "x" * 4_096}}},
            (
                *INVALID,
                "Lambda was unable to configure your environment variables because the environment variables you have "
                'provided exceeded the 4KB limit. String measured: {"SIZE":"' + "x" * 4_096 + '"}',
            ),
        ),
        ({"Tags": {str(n): "" for n in range(51)}}, (*INVALID, "Number of tags exceeds resource tag limit.")),
        (
            {"DeadLetterConfig": {"TargetArn": arn("no", "", "sqs")}},
            (*INVALID, f"The dead-letter target {arn('no', '', 'sqs')} does not exist"),
        ),
        (
            {"DeadLetterConfig": {"TargetArn": arn("bad.fifo", "", "sqs")}},
            (
                *INVALID,
                (f"The dead-letter target {arn('bad.fifo', '', 'sqs')} is FIFO, and Lambda takes standard queues and topics "
                "only"),
            ),
        ),
        (
            {"FunctionName": f"arn:aws:lambda:us-east-1:{OTHER}:function:resize"},
            (
                "AccessDeniedException",
                403,
                (f"User: arn:aws:iam::{OWNER}:root is not authorized to perform: lambda:CreateFunction on resource: "
                f"arn:aws:lambda:us-east-1:{OTHER}:function:resize"),
            ),
        ),
        (
            {"FunctionName": f"arn:aws:lambda:eu-west-1:{OWNER}:function:resize"},
            (*MISSING, "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"),
        ),
        (
            {"DurableConfig": {"RetentionPeriodInDays": 1, "ExecutionTimeout": 10}},
            (*INVALID, "Durable functions (DurableConfig) are not to be had here: leave it out"),
        ),
    ],
    ids=[
        "no runtime", "image", "node", "no code", "s3", "no zip", "empty zip", "layers", "timeout", "memory", "name",
        "reserved", "environment", "tags", "no dead letters", "fifo dead letters", "account", "region", "durable",
    ],
)  # fmt: skip
def test_what_cannot_be_created_is_refused_and_nothing_is_there(
    aws: Caller, given: dict[str, Any], refusal: tuple[str, int, str]
) -> None:
    aws.broker.queue("bad.fifo")
    request = {
        "FunctionName": "resize",
        "Handler": "app.handler",
        "Runtime": "python3.12",
        "Role": ROLE,
        "Code": {"ZipFile": b"code"},
        **given,
    }

    assert aws.refused("CreateFunction", **request) == refusal
    assert aws("ListFunctions") == {"Functions": []}


def test_a_large_zip_is_refused_before_it_is_looked_at(aws: Caller) -> None:
    assert aws.refused(
        "CreateFunction",
        FunctionName="f",
        Handler="new.handler",
        Runtime="python3.12",
        Role=ROLE,
        Code={"ZipFile": b"x" * 52_428_801},
    ) == (
        "RequestEntityTooLargeException",
        413,
        "Request must be smaller than 70167211 bytes for the CreateFunction operation",
    )


def test_a_name_is_taken_once(aws: Caller) -> None:
    aws.create()

    assert aws.refused(
        "CreateFunction", FunctionName=arn(), Handler="app.handler", Runtime="python3.12", Role=ROLE, Code={}
    ) == (*CONFLICT, "Function already exist: resize")


def test_dead_letters_of_lambda_are_those_of_the_engine(aws: Caller) -> None:
    bad = aws.broker.queue("bad")

    made = aws.create(DeadLetterConfig={"TargetArn": bad.arn})

    assert made["DeadLetterConfig"] == {"TargetArn": bad.arn}
    assert aws.function().settings["dead_letter"] is bad
    assert "DeadLetterConfig" not in aws(
        "UpdateFunctionConfiguration", FunctionName="resize", DeadLetterConfig={"TargetArn": ""}
    )
    assert aws.function().settings["dead_letter"] is None


# -- looking -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["resize", "function:resize", f"{OWNER}:resize", f"{OWNER}:function:resize", arn(), f"{arn()}:$LATEST"],
)
def test_a_function_is_found_by_its_name_and_by_parts_of_its_arn(aws: Caller, name: str) -> None:
    aws.create()

    assert aws("GetFunction", FunctionName=name)["Configuration"]["FunctionName"] == "resize"


def test_what_get_function_adds_to_the_configuration(aws: Caller) -> None:
    aws.create()
    plain = aws("GetFunction", FunctionName="resize")
    assert set(plain) == {"Configuration", "Code"}
    assert plain["Code"]["RepositoryType"] == "S3"

    aws("TagResource", Resource=arn(), Tags={"team": "images"})
    aws("PutFunctionConcurrency", FunctionName="resize", ReservedConcurrentExecutions=3)

    more = aws("GetFunction", FunctionName="resize")
    assert (more["Tags"], more["Concurrency"]) == ({"team": "images"}, {"ReservedConcurrentExecutions": 3})


def test_what_is_not_there_is_named_by_its_arn(aws: Caller) -> None:
    aws.create()

    assert aws.refused("GetFunction", FunctionName="no") == (*MISSING, f"Function not found: {arn('no')}")
    assert aws.refused("GetFunction", FunctionName="no", Qualifier="1") == (
        *MISSING,
        f"Function not found: {arn('no:1')}",
    )
    assert aws.refused("GetFunction", FunctionName="resize", Qualifier="live") == (
        *MISSING,
        f"Function not found: {arn('resize:live')}",
    )
    assert aws.refused("GetFunction", FunctionName="resize:2", Qualifier="1") == (
        *INVALID,
        "The derived qualifier from the function name does not match the specified qualifier.",
    )


def test_functions_are_listed_in_pages_by_name_and_without_states(aws: Caller) -> None:
    for name in ("c", "a", "b"):
        aws.create(name)

    first = aws("ListFunctions", MaxItems=2)
    assert [one["FunctionName"] for one in first["Functions"]] == ["a", "b"]
    assert "State" not in first["Functions"][0]

    aws("DeleteFunction", FunctionName="b")
    rest = aws("ListFunctions", MaxItems=2, Marker=first["NextMarker"])
    assert [one["FunctionName"] for one in rest["Functions"]] == ["c"]
    assert "NextMarker" not in rest
    assert aws.refused("ListFunctions", Marker="?") == (*INVALID, "Invalid value for Marker.")


# -- changing ----------------------------------------------------------------------------------------------------------


def test_new_code_is_another_revision_of_the_same_function(aws: Caller, clock: VirtualClock) -> None:
    before, function = aws.create(), aws.function()
    clock.advance(60)

    answer = aws("UpdateFunctionCode", FunctionName="resize", ZipFile=b"other")

    assert answer["CodeSize"] == 5
    assert answer["CodeSha256"] != before["CodeSha256"]
    assert answer["RevisionId"] != before["RevisionId"]
    assert answer["LastModified"] == "2026-01-01T00:01:00.000+0000"
    assert (answer["State"], answer["LastUpdateStatus"]) == ("Active", "InProgress")
    assert aws.function() is function


def test_a_dry_run_of_new_code_changes_nothing(aws: Caller) -> None:
    before = aws.create()

    answer = aws("UpdateFunctionCode", FunctionName="resize", ZipFile=b"other", DryRun=True)

    assert answer["CodeSize"] == 5
    now = aws("GetFunctionConfiguration", FunctionName="resize")
    assert (now["CodeSize"], now["RevisionId"]) == (4, before["RevisionId"])


def test_another_handler_runs_another_callable(aws: Caller) -> None:
    aws.create()

    answer = aws(
        "UpdateFunctionConfiguration",
        FunctionName="resize",
        Handler="app.other",
        Timeout=20,
        MemorySize=512,
        Description="new",
        TracingConfig={"Mode": "Active"},
        VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    )

    assert (answer["Timeout"], answer["MemorySize"], answer["Description"]) == (20, 512, "new")
    assert answer["TracingConfig"] == {"Mode": "Active"}
    assert answer["VpcConfig"] == {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"], "VpcId": ""}
    assert aws.invoke(1)["Payload"] == ["two", 1]
    assert aws.function().timeout == 20


def test_a_native_function_keeps_its_handler_when_it_is_configured(aws: Caller) -> None:
    native = aws.broker.function(handle, name="native")

    aws("UpdateFunctionConfiguration", FunctionName="native", Timeout=20, Environment={"Variables": {"SIZE": "7"}})

    assert (native.timeout, native.invoke(1)) == (20, ["one", 1])
    aws("UpdateFunctionConfiguration", FunctionName="native", Handler="app.other")
    assert native.invoke(1) == ["two", 1]
    assert aws.refused("UpdateFunctionConfiguration", FunctionName="native", Handler="x.y") == (
        *INVALID,
        "There is no code for handler x.y: upload a zip, or register world.handlers['x.y']",
    )


def test_a_plain_function_does_not_become_an_async_one(aws: Caller) -> None:
    aws.create()

    kind, _, text = aws.refused("UpdateFunctionConfiguration", FunctionName="resize", Handler="app.wait")

    assert (kind, text) == (INVALID[0], "function 'resize' stays plain: declare another one")
    assert aws("GetFunctionConfiguration", FunctionName="resize")["Handler"] == "app.handler"


def test_a_revision_that_is_not_the_latest_changes_nothing(aws: Caller) -> None:
    old = aws.create()["RevisionId"]
    aws("UpdateFunctionConfiguration", FunctionName="resize", Timeout=5, RevisionId=old)

    for operation, given in (
        ("UpdateFunctionConfiguration", {"Timeout": 9}),
        ("UpdateFunctionCode", {"ZipFile": b"x"}),
        ("PublishVersion", {}),
    ):
        assert aws.refused(operation, FunctionName="resize", RevisionId=old, **given) == (
            "PreconditionFailedException",
            412,
            (
                "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve "
                "the latest Revision Id"
            ),
        )
    assert aws.function().timeout == 5


def test_layers_of_a_registered_callable_are_stored_and_can_be_removed(aws: Caller) -> None:
    layer = arn("tools:3", "layer")

    assert aws.create(Layers=[layer])["Layers"] == [{"Arn": layer, "CodeSize": 0}]
    assert "Layers" not in aws("UpdateFunctionConfiguration", FunctionName="resize", Layers=[])


# -- deleting ----------------------------------------------------------------------------------------------------------


def test_a_deleted_function_is_gone_and_its_name_is_free(aws: Caller) -> None:
    aws.create()

    assert aws("DeleteFunction", FunctionName="resize") == {"StatusCode": 204}

    assert aws.refused("DeleteFunction", FunctionName="resize") == (*MISSING, f"Function not found: {arn()}")
    assert "resize" not in aws.broker.functions
    aws.create(handler="app.other")
    assert aws.invoke(1)["Payload"] == ["two", 1]


def test_latest_is_not_deleted_alone(aws: Caller) -> None:
    aws.create()

    assert aws.refused("DeleteFunction", FunctionName="resize", Qualifier="$LATEST") == (
        *INVALID,
        "$LATEST version cannot be deleted without deleting the function.",
    )


# -- versions and aliases ----------------------------------------------------------------------------------------------


def test_a_version_keeps_the_configuration_and_is_the_same_again_while_nothing_changes(aws: Caller) -> None:
    aws.create()

    one = aws("PublishVersion", FunctionName="resize", Description="first")
    again = aws("PublishVersion", FunctionName="resize")
    aws("UpdateFunctionConfiguration", FunctionName="resize", Timeout=9)
    two = aws("PublishVersion", FunctionName="resize")

    assert (one["Version"], again["Version"], two["Version"]) == ("1", "1", "2")
    assert (one["FunctionArn"], one["Description"]) == (arn("resize:1"), "first")
    assert aws("GetFunctionConfiguration", FunctionName="resize", Qualifier="1")["Timeout"] == 3
    versions = aws("ListVersionsByFunction", FunctionName="resize")["Versions"]
    assert [(each["Version"], each["FunctionArn"]) for each in versions] == [
        ("$LATEST", arn("resize:$LATEST")),
        ("1", arn("resize:1")),
        ("2", arn("resize:2")),
    ]
    names = [each["FunctionArn"] for each in aws("ListFunctions", FunctionVersion="ALL")["Functions"]]
    assert names == [arn("resize:$LATEST"), arn("resize:1"), arn("resize:2")]


def test_a_function_may_be_published_as_it_is_made_and_as_its_code_changes(aws: Caller) -> None:
    made = aws.create(Publish=True)
    assert (made["Version"], made["FunctionArn"], made["State"]) == ("1", arn("resize:1"), "Pending")

    changed = aws("UpdateFunctionCode", FunctionName="resize", ZipFile=b"other", Publish=True)
    assert (changed["Version"], changed["CodeSize"]) == ("2", 5)


def test_a_version_is_published_of_the_code_that_was_meant(aws: Caller) -> None:
    sha = aws.create()["CodeSha256"]

    assert aws.refused("PublishVersion", FunctionName="resize", CodeSha256="x=") == (
        *INVALID,
        (
            f"CodeSHA256 (x=) is different from current CodeSHA256 in $LATEST ({sha}). Please try again with the CodeSHA256 in "
            "$LATEST."
        ),
    )


def test_an_alias_names_a_version(aws: Caller) -> None:
    aws.create(Publish=True)

    alias = aws("CreateAlias", FunctionName="resize", Name="live", FunctionVersion="1", Description="d")

    revision = alias.pop("RevisionId")
    assert alias == {"AliasArn": arn("resize:live"), "Name": "live", "FunctionVersion": "1", "Description": "d"}
    assert aws("GetFunctionConfiguration", FunctionName="resize:live")["Version"] == "1"
    assert aws.invoke(1, Qualifier="live")["ExecutedVersion"] == "1"
    moved = aws("UpdateAlias", FunctionName="resize", Name="live", FunctionVersion="$LATEST", RevisionId=revision)
    assert moved["FunctionVersion"] == "$LATEST"
    assert moved["RevisionId"] != revision
    assert aws("ListAliases", FunctionName="resize")["Aliases"] == [moved]
    assert aws("ListAliases", FunctionName="resize", FunctionVersion="1") == {"Aliases": []}
    assert aws("DeleteAlias", FunctionName="resize", Name="live") == {}
    assert aws("DeleteAlias", FunctionName="resize", Name="live") == {}
    assert aws.refused("GetAlias", FunctionName="resize", Name="live") == (
        *MISSING,
        f"Cannot find alias arn: {arn('resize:live')}",
    )


def test_what_an_alias_cannot_be(aws: Caller) -> None:
    aws.create(Publish=True)
    aws("CreateAlias", FunctionName="resize", Name="live", FunctionVersion="1")

    assert aws.refused("CreateAlias", FunctionName="resize", Name="live", FunctionVersion="1") == (
        *CONFLICT,
        f"Alias already exists: {arn('resize:live')}",
    )
    assert aws.refused("CreateAlias", FunctionName="resize", Name="new", FunctionVersion="7") == (
        *MISSING,
        f"Function not found: {arn('resize:7')}",
    )
    assert (
        aws.refused(
            "UpdateAlias",
            FunctionName="resize",
            Name="live",
            RoutingConfig={"AdditionalVersionWeights": {"1": 0.5}},
        )[:2]
        == INVALID
    )
    assert aws.refused("DeleteFunction", FunctionName="resize", Qualifier="1")[:2] == CONFLICT


def test_the_share_of_a_second_version_is_stored(aws: Caller) -> None:
    aws.create(Publish=True)
    aws("UpdateFunctionCode", FunctionName="resize", ZipFile=b"other", Publish=True)
    weights = {"AdditionalVersionWeights": {"2": 0.25}}

    alias = aws("CreateAlias", FunctionName="resize", Name="live", FunctionVersion="1", RoutingConfig=weights)

    assert alias["RoutingConfig"] == weights
    assert "RoutingConfig" not in aws("UpdateAlias", FunctionName="resize", Name="live", RoutingConfig={})


def test_a_version_is_deleted_alone_and_its_number_is_not_given_again(aws: Caller) -> None:
    aws.create(Publish=True)

    assert aws("DeleteFunction", FunctionName="resize", Qualifier="1") == {"StatusCode": 204}

    assert aws.refused("GetFunction", FunctionName="resize", Qualifier="1")[:2] == MISSING
    assert aws("PublishVersion", FunctionName="resize")["Version"] == "2"
