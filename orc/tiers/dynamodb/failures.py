"""What botocore raises, as errors of a tier that say what to do."""

from __future__ import annotations

from orc.errors import (
    TierError,
    TierRefusedError,
    TierThrottledError,
    TierTimeoutError,
    TierUnavailableError,
)
from orc.model.unavailable import THROTTLED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CONDITION = "ConditionalCheckFailedException"

_UNKNOWN_CALLER = frozenset({
    "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException",
    "SignatureDoesNotMatch", "IncompleteSignatureException", "MissingAuthenticationTokenException",
    "ExpiredToken", "ExpiredTokenException", "RequestExpired",
})  # fmt: skip
_TIMEOUTS = frozenset({"ReadTimeoutError", "ConnectTimeoutError"})
_SETTINGS = frozenset({
    "NoRegionError", "InvalidRegionError", "PartialCredentialsError", "ProfileNotFound",
    "ConfigNotFound", "ConfigParseError", "InvalidEndpointConfigurationError",
    "UnknownEndpointError", "SSOTokenLoadError", "UnauthorizedSSOTokenError",
    "TokenRetrievalError", "CredentialRetrievalError", "ParamValidationError",
})  # fmt: skip


def error_of(error: Exception, operation: str, table: str, region: str) -> TierError:
    """Return the tier's error for what a request raised; by names, which needs no import."""
    name, place = type(error).__name__, f"DynamoDB table {table!r} in {region}"
    response = getattr(error, "response", None)
    if isinstance(response, dict) and "Error" in response:
        return _of_answer(response, operation, place)
    if name in _TIMEOUTS:
        return TierTimeoutError(f"{place} did not answer {operation} in time")
    if name == "NoCredentialsError":
        return TierRefusedError(
            f"{place}: there are no AWS credentials here: give the function a role, or set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if name in _SETTINGS:
        hint = ": name it by region=, or AWS_REGION" if "Region" in name else ""
        return TierRefusedError(f"{place}: AWS's settings are not complete ({name}){hint}")
    if name == "SSLError" and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return TierRefusedError(
            f"{place}: the endpoint's certificate is not accepted: name the file of the authority "
            "that signed it in AWS_CA_BUNDLE"
        )
    return TierUnavailableError(f"{place} cannot be reached for {operation} ({name})")


def transient(error: TierError) -> bool:
    """Tell whether a second attempt at once may do what the first did not."""
    return not isinstance(error, TierRefusedError)


def _of_answer(response: dict[str, Any], operation: str, place: str) -> TierError:
    code = str(response["Error"].get("Code", ""))
    said = str(response["Error"].get("Message", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in THROTTLED:
        return TierThrottledError(f"{place} throttles {operation} ({code})")
    if code == "ResourceNotFoundException":
        return TierRefusedError(
            f"{place} does not exist: make it with `orc dynamodb create-table`, or name another"
        )
    if code in {"AccessDeniedException", "AccessDenied"}:
        return TierRefusedError(
            f"{place}: there is no right to dynamodb:{operation} on it: add it to the function's "
            "role (`orc dynamodb template` prints the rights that are needed)"
        )
    if code in _UNKNOWN_CALLER:
        return TierRefusedError(f"{place}: the AWS credentials are not valid there ({code})")
    if status >= 500 or code in {"InternalServerError", "ServiceUnavailable", "InternalFailure"}:  # noqa: PLR2004
        return TierUnavailableError(f"{place} failed at {operation} ({code or status})")
    if code == "ValidationException":
        return TierRefusedError(
            f"{place} does not take {operation}: {said} (the table needs the partition key "
            "'pk' of type S, and no sort key)"
        )
    return TierRefusedError(f"{place} refuses {operation} ({code or status})")
