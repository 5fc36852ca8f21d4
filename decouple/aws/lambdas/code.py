"""What a function runs: a registered Python callable, or the code of a zip archive in processes of its own.

The Handler decides: if `world.handlers` has it, that callable runs, whatever the code and the runtime. Otherwise the
runtime must be a Python one, and the code a zip archive; whichever 3.x it is, the interpreter is this one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.aws.lambdas import LAMBDA
from decouple.aws.lambdas.names import LATEST, invalid
from decouple.aws.lambdas.records import part, sha_of
from decouple.errors import InvalidPackage
from decouple.packages import Package, Unpacked

if TYPE_CHECKING:
    from decouple.aws.errors import ServiceError
    from decouple.aws.world import Place

__all__ = ["Code", "check_environment", "read_code", "runnable"]

MOST_ZIPPED = 52_428_800
MOST_ENVIRONMENT = 4_096
NOWHERE = "http://only-decouple-serve-has-an-endpoint.invalid"
"""Where the SDKs of uploaded code find nothing, rather than AWS, when no endpoint serves this world."""
RESERVED = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SECRET_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)


class Code(NamedTuple):
    """An archive as it came, and unpacked where it is to run."""

    archive: bytes
    unpacked: Unpacked | None

    @property
    def facts(self) -> dict[str, Any]:
        """Of the configuration."""
        return {"CodeSize": len(self.archive), "CodeSha256": sha_of(self.archive)}


def read_code(place: Place, given: Mapping[str, Any], handler: str, runtime: str, operation: str) -> Code:
    """The code of a request. Raises ServiceError for what cannot run here."""
    archive: bytes = given.get("ZipFile") or b""
    if given.get("ImageUri"):
        raise no_images()
    if len(archive) > MOST_ZIPPED:
        raise LAMBDA.error(
            "RequestEntityTooLargeException",
            f"Request must be smaller than 70167211 bytes for the {operation} operation",
        )
    if handler in place.world.handlers:
        return Code(archive, None)
    check_runtime(runtime)
    if "S3Bucket" in given or "S3Key" in given:
        raise invalid(
            f"There is no S3 here to get the code from, bucket {given.get('S3Bucket')}: give it as ZipFile, or register "
            f"the handler, world.handlers[{handler!r}] = function"
        )
    if not archive:
        raise invalid("Please provide a source for function code.")
    return Code(archive, unpacked(archive))


def no_images() -> ServiceError:
    return invalid("Container images are not run here: decouple runs Python only, from a ZipFile or registered")


def check_runtime(runtime: str) -> None:
    if not runtime.startswith("python3."):
        raise invalid(f"Runtime {runtime} is not run here: decouple runs Python only")


def unpacked(archive: bytes) -> Unpacked:
    try:
        return Unpacked(archive)
    except InvalidPackage as error:
        texts = {
            "empty": "Uploaded file must be a non-empty zip",
            "too large": "Unzipped size must be smaller than 262144000 bytes",
        }
        text = "Could not unzip uploaded file. Please check your file, then try to upload again."
        raise invalid(texts.get(error.fault, text)) from error


def runnable(place: Place, name: str, config: Mapping[str, Any], memory: int, code: Code) -> Callable[..., Any]:
    """What the engine is to run for that function. Raises ServiceError."""
    handler: str = config["Handler"]
    registered = place.world.handlers.get(handler)
    if registered is not None:
        return registered
    if code.unpacked is None:
        raise invalid(f"There is no code for handler {handler}: upload a zip, or register world.handlers[{handler!r}]")
    check_runtime(config["Runtime"])
    return Uploaded(place, code.unpacked, handler, environment_of(place, name, config, memory, code.unpacked))


class Uploaded(Package):
    """Code whose SDKs find the endpoint that serves this world, or what its processes can reach it by, and never AWS."""

    def __init__(self, place: Place, folder: Unpacked, handler: str, environment: dict[str, str]) -> None:
        super().__init__(folder, handler, environment=environment)
        self._world = place.world

    @property
    def variables(self) -> dict[str, str]:
        """The address is asked for when a process begins: most uploaded code never runs."""
        reach = self._world.reach
        address = self._world.endpoint or (NOWHERE if reach is None else reach())
        return {"AWS_ENDPOINT_URL": address, **super().variables}


def environment_of(place: Place, name: str, config: Mapping[str, Any], memory: int, folder: Unpacked) -> dict[str, str]:
    """The variables of its processes."""
    given: dict[str, str] = part(part(config, "Environment"), "Variables")
    return {
        "AWS_EC2_METADATA_DISABLED": "true",
        **given,
        "_HANDLER": config["Handler"],
        "AWS_ACCESS_KEY_ID": place.account,
        "AWS_SECRET_ACCESS_KEY": "decouple",
        "AWS_SESSION_TOKEN": "decouple",
        "AWS_DEFAULT_REGION": place.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config['Runtime']}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": LATEST,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_REGION": place.region,
        "LAMBDA_TASK_ROOT": str(folder.path),
    }


def check_environment(config: Mapping[str, Any]) -> None:
    """AWS's rules for the variables. Raises ServiceError."""
    variables: dict[str, str] = part(part(config, "Environment"), "Variables")
    reserved = [name for name in variables if name in RESERVED]
    if reserved:
        raise invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have provided "
            "contains reserved keys that are currently not supported for modification. Reserved keys used in this request: "
            + ", ".join(reserved)
        )
    for name, value in variables.items():
        if "\0" in value:
            raise invalid(f"The environment variable {name} holds a null character, which none can")
    text = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(text.encode(errors="surrogatepass")) > MOST_ENVIRONMENT:
        raise invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have provided "
            f"exceeded the 4KB limit. String measured: {text}"
        )
