"""What the variables of its environment tell of the place where a process runs. Pure rules."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

LAMBDA = "aws-lambda"
MANAGED = "aws-lambda-managed-instances"
CLOUD_RUN = "google-cloud-run"
AZURE = "azure-functions"
VERCEL = "vercel"
OTHER = "other"

ON_DEMAND = "on-demand"
PROVISIONED = "provisioned-concurrency"
SNAP_START = "snap-start"
MANAGED_INSTANCES = "lambda-managed-instances"

INIT_TYPE = "AWS_LAMBDA_INITIALIZATION_TYPE"

UNNAMED = ("", "$LATEST")
"""Log streams that name no environment: local emulators give this constant to all of them."""


class Platform:
    """Where a process runs, as far as its environment tells. Immutable by convention.

    Sources: AWS, "Using Lambda environment variables"; Google, "Container runtime contract"; the
    references of Azure Functions and Vercel. Nothing is guessed: what is not told is ``None``.
    """

    __slots__ = ("function", "init_type", "instance", "name", "version", "workers")

    def __init__(self, variables: Mapping[str, str]) -> None:
        get = variables.get
        self.name: str = _name(variables)
        self.init_type: str | None = None
        """How Lambda began this environment; ``on-demand`` where it does not say."""
        self.instance: str | None = None
        """What names the execution environment, if anything does."""
        self.function: str | None = None
        self.version: str | None = None
        self.workers: int = 1
        """Processes that one environment runs side by side."""
        if self.name in {LAMBDA, MANAGED}:
            self.function = get("AWS_LAMBDA_FUNCTION_NAME")
            self.version = get("AWS_LAMBDA_FUNCTION_VERSION")
            self.init_type = get(INIT_TYPE) or ON_DEMAND
            stream = get("AWS_LAMBDA_LOG_STREAM_NAME", "")
            if stream not in UNNAMED and self.init_type != SNAP_START:
                self.instance = stream
            workers = get("AWS_LAMBDA_MAX_CONCURRENCY", "")
            self.workers = int(workers) if workers.isdecimal() and int(workers) else 1
        elif self.name == CLOUD_RUN:
            self.function, self.version = get("K_SERVICE"), get("K_REVISION")
        elif self.name == AZURE:
            self.function, self.instance = get("WEBSITE_SITE_NAME"), get("WEBSITE_INSTANCE_ID")
        elif self.name == VERCEL:
            self.version = get("VERCEL_DEPLOYMENT_ID")

    @property
    def freezes(self) -> bool:
        """Whether a process stands still between requests, so that nothing runs there."""
        return self.name == LAMBDA

    @property
    def resets(self) -> bool:
        """Whether a new process in a known environment means that the one before was killed.

        Not where several processes share an environment, nor where a snapshot brings the
        temporary directory of another environment along.
        """
        return self.name == LAMBDA and self.init_type != SNAP_START


def _name(variables: Mapping[str, str]) -> str:
    if variables.get("VERCEL"):
        return VERCEL  # runs on Lambda, whose variables show, and serves several requests at once
    if "AWS_LAMBDA_RUNTIME_API" in variables or "AWS_LAMBDA_FUNCTION_NAME" in variables:
        several = "AWS_LAMBDA_MAX_CONCURRENCY" in variables
        return MANAGED if several or variables.get(INIT_TYPE) == MANAGED_INSTANCES else LAMBDA
    if "K_SERVICE" in variables:
        return CLOUD_RUN
    if "FUNCTIONS_WORKER_RUNTIME" in variables:
        return AZURE
    return OTHER
