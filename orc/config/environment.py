"""What the ``ORC_`` variables may be called, and how settings are shown without their secrets.

They are read in :mod:`orc.lifecycle.environment`.
"""

from __future__ import annotations

from orc import notices
from orc.lifecycle.environment import PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

OF_THE_TESTS = "ORC_TEST_"
"""Variables that say what a test run was promised; no settings of a cache."""

FUNCTION_NAME = "AWS_LAMBDA_FUNCTION_NAME"
FUNCTION_MEGABYTES = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"

_warned: set[str] = set()


def warn_of_unknown(variables: Iterable[str], known: Iterable[str]) -> None:
    """Warn, once for each, of ``ORC_`` variables that nothing reads: a typing error mostly."""
    names = list(known)
    for variable in variables:
        if not variable.startswith(PREFIX) or variable.startswith(OF_THE_TESTS):
            continue
        if variable in names or variable in _warned:
            continue
        from difflib import get_close_matches

        _warned.add(variable)
        near = get_close_matches(variable, names, n=1, cutoff=0.0)[0]
        notices.warn(f"{variable} is not a setting of ORC and is not read: did you mean {near}?")


SECRET = ("auth", "cred", "key", "pass", "pwd", "secret", "session", "sig", "token", "user")
"""Words in the name of a query parameter whose value is not shown."""


def masked(text: str) -> str:
    """Return a text that may be shown: without the user info and the secrets of a URL.

    What stands before the last ``@`` is taken for user info: passwords with a ``/`` or a ``?`` that
    should have been quoted are met in practice, and to show too little harms nobody.
    """
    scheme, mark, rest = text.partition("://") if "://" in text else ("", "", text)
    if "@" in rest:
        rest = "***@" + rest.rpartition("@")[2]
    address, question, query = rest.partition("?")
    shown = "&".join(
        ";".join(_masked_parameter(part) for part in parts.split(";")) for parts in query.split("&")
    )
    return scheme + mark + address + question + shown


def _masked_parameter(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    secret = any(word in name.lower() for word in SECRET)
    return name + equals + ("***" if secret and value else value)
