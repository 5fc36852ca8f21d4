"""What Lambda has and this library is not: refused with the reason. And two questions whose answer is always the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decouple.aws.lambdas import LAMBDA
from decouple.aws.lambdas.names import find
from decouple.aws.refusals import refuse

if TYPE_CHECKING:
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call

__all__: list[str] = []

PROVISIONED = "functions start warm as it is: there is nothing to provision"
LAYERS = "there are no layers: what they hold belongs into the zip, or is importable already"
URLS = "nothing here serves function URLs"
SIGNING = "code is not signed here"
MANAGED = "there are no Lambda Managed Instances here"
DURABLE = "there are no durable functions here"
RUNTIMES = "the runtime is this program's own Python"
POLICIES = "policies are those of AddPermission"
STREAMS = "results are not streamed: Invoke gives them whole"


@LAMBDA.operation("GetFunctionCodeSigningConfig", "stored", "there is never one")
def get_function_code_signing_config(call: Call, given: Given) -> Answer:
    """None."""
    found = find(call, given["FunctionName"], action="lambda:GetFunctionCodeSigningConfig")
    return {"CodeSigningConfigArn": "", "FunctionName": found.function.name}


@LAMBDA.operation("GetRuntimeManagementConfig", "stored", "always Auto")
def get_runtime_management_config(call: Call, given: Given) -> Answer:
    """As by default."""
    found = find(call, given["FunctionName"], given.get("Qualifier"), action="lambda:GetRuntimeManagementConfig")
    _ = found.version
    return {"FunctionArn": found.arn, "UpdateRuntimeOn": "Auto"}


refuse(
    LAMBDA,
    {
        "AddLayerVersionPermission": LAYERS,
        "CheckpointDurableExecution": DURABLE,
        "CreateCapacityProvider": MANAGED,
        "CreateCodeSigningConfig": SIGNING,
        "CreateFunctionUrlConfig": URLS,
        "DeleteCapacityProvider": MANAGED,
        "DeleteCodeSigningConfig": SIGNING,
        "DeleteFunctionCodeSigningConfig": SIGNING,
        "DeleteFunctionUrlConfig": URLS,
        "DeleteLayerVersion": LAYERS,
        "DeleteProvisionedConcurrencyConfig": PROVISIONED,
        "DeleteResourcePolicy": POLICIES,
        "GetCapacityProvider": MANAGED,
        "GetCodeSigningConfig": SIGNING,
        "GetDurableExecution": DURABLE,
        "GetDurableExecutionHistory": DURABLE,
        "GetDurableExecutionState": DURABLE,
        "GetFunctionScalingConfig": MANAGED,
        "GetFunctionUrlConfig": URLS,
        "GetLayerVersion": LAYERS,
        "GetLayerVersionByArn": LAYERS,
        "GetLayerVersionPolicy": LAYERS,
        "GetProvisionedConcurrencyConfig": PROVISIONED,
        "GetResourcePolicy": POLICIES,
        "InvokeWithResponseStream": STREAMS,
        "ListCapacityProviders": MANAGED,
        "ListCodeSigningConfigs": SIGNING,
        "ListDurableExecutionsByFunction": DURABLE,
        "ListFunctionUrlConfigs": URLS,
        "ListFunctionVersionsByCapacityProvider": MANAGED,
        "ListFunctionsByCodeSigningConfig": SIGNING,
        "ListLayerVersions": LAYERS,
        "ListLayers": LAYERS,
        "ListProvisionedConcurrencyConfigs": PROVISIONED,
        "PublishLayerVersion": LAYERS,
        "PutFunctionCodeSigningConfig": SIGNING,
        "PutFunctionScalingConfig": MANAGED,
        "PutProvisionedConcurrencyConfig": PROVISIONED,
        "PutResourcePolicy": POLICIES,
        "PutRuntimeManagementConfig": RUNTIMES,
        "RemoveLayerVersionPermission": LAYERS,
        "SendDurableExecutionCallbackFailure": DURABLE,
        "SendDurableExecutionCallbackHeartbeat": DURABLE,
        "SendDurableExecutionCallbackSuccess": DURABLE,
        "StopDurableExecution": DURABLE,
        "UpdateCapacityProvider": MANAGED,
        "UpdateCodeSigningConfig": SIGNING,
        "UpdateFunctionUrlConfig": URLS,
    },
)
