"""The fingerprint of the machine: what the numbers depend on, and nothing that names it."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import peers
from benchmarks.harness import ROOT


def fingerprint():
    """Describe processor, system, Python, versions and load; no host name, no paths."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": _memory(),
        "system": f"{platform.system()} {re.match(r'[0-9.]*', platform.release())[0]}",
        "architecture": platform.machine(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": platform.python_compiler(),
        "orc_commit": _commit(),
        "versions": _versions(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "load_at_start": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def _cpu():
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor()
    found = re.search(r"model name\s*:\s*(.+)", text)
    return found[1].strip() if found else platform.processor()


def _memory():
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    except (ValueError, OSError, AttributeError):
        return None


def _commit():
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty=, with changes", "--exclude=*"],  # noqa: S607
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _versions():
    found = {}
    for peer in peers.ALL:
        try:
            if peer.distribution:
                found[peer.distribution] = version(peer.distribution)
        except PackageNotFoundError:
            found[peer.distribution] = "not installed"
    import orc

    return found | {"orc-cache": orc.__version__}
