"""The only reader of ``os.environ``."""

from __future__ import annotations

import os

PREFIX = "ORC_"
"""What the names of ORC's own settings begin with."""

NAMES = (
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_LAMBDA_RUNTIME_API",
    "FUNCTIONS_WORKER_RUNTIME",
    "K_REVISION",
    "K_SERVICE",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_SERVICE_NAME",
    "TEMP",
    "TMP",
    "TMPDIR",
    "VERCEL",
    "VERCEL_DEPLOYMENT_ID",
    "WEBSITE_INSTANCE_ID",
    "WEBSITE_SITE_NAME",
)
"""What a platform, or its administrator, says of this process."""


def read() -> dict[str, str]:
    """Return the variables of this process's environment that may matter, as they are now."""
    found = {name: text for name, text in os.environ.items() if name.startswith(PREFIX)}
    for name in NAMES:
        if name in os.environ:
            found[name] = os.environ[name]
    return found


def trace_id() -> str | None:
    """Return the trace of the invocation that runs; Lambda's runtime sets it anew for each."""
    return os.environ.get("_X_AMZN_TRACE_ID")
