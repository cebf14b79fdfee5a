"""Fail unless the type of every public symbol is known; reads pyright's report from its input.

The report is that of `pyright --ignoreexternal --verifytypes orc --outputjson`.

Public are the names of `orc.__all__` and `orc.fleet.__all__`, and all of `orc.errors` and
`orc.testing`. To pyright every module without an underscore is public; here the folders inside are
private by statement.
"""

from __future__ import annotations

import json
import sys

import orc


def public_prefixes() -> set[str]:
    """Return the full names under which the public names are defined."""
    prefixes = {"orc.errors", "orc.testing"}
    things = {name: getattr(orc, name) for name in orc.__all__ if name != "fleet"}
    things |= {f"fleet.{name}": getattr(orc.fleet, name) for name in orc.fleet.__all__}
    for name, thing in things.items():
        module, qualified = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
        prefixes.add(f"{module}.{qualified}" if module and qualified else f"orc.{name}")
        # What a public class inherits is public, too.
        for base in getattr(thing, "__mro__", ()):
            if base.__module__.startswith("orc."):
                prefixes.add(f"{base.__module__}.{base.__qualname__}")
    return prefixes


def main() -> int:
    """Print what is not known of the public symbols; return 1 if there is any."""
    report = json.load(sys.stdin)["typeCompleteness"]
    prefixes = public_prefixes()
    public = [
        symbol
        for symbol in report["symbols"]
        if any(f"{symbol['name']}.".startswith(f"{prefix}.") for prefix in prefixes)
    ]
    bad = [symbol for symbol in public if not symbol["isTypeKnown"] or symbol["isTypeAmbiguous"]]
    for symbol in bad:
        print(symbol["name"])
        for found in symbol["diagnostics"]:
            print("   ", found["message"].replace("\n", "\n    "))
    share = report["completenessScore"]
    print(
        f"{len(public) - len(bad)} of {len(public)} public symbols known; {share:.0%} of all inside"
    )
    return 1 if bad or not public else 0


if __name__ == "__main__":
    sys.exit(main())
