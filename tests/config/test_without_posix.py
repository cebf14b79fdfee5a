"""On a system that is not POSIX, such as Windows, the disk tier is refused, and the rest works."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import orc

NOT_THERE = """
    import os, sys
    {first}
    for name in {names!r}:
        delattr(os, name)
    for name in {modules!r}:
        sys.modules[name] = None  # an import of it raises ImportError
"""
NAMES = (
    "geteuid", "getuid", "getegid", "getgid", "register_at_fork", "fork", "forkpty", "killpg",
    "setsid", "setpgid", "getpgid", "fchmod", "chown", "sysconf", "statvfs", "pidfd_open", "uname",
    "mkfifo", "O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC", "sched_getaffinity", "WNOHANG",
)  # fmt: skip
MODULES = ("fcntl", "resource", "pwd", "grp", "termios")
SIGNALS = """
    import signal
    for name in ("SIGKILL", "SIGSTOP", "SIGCONT", "SIGHUP", "SIGALRM", "SIGUSR1", "setitimer"):
        delattr(signal, name)
"""


def run(program, *, names=NAMES, modules=MODULES, first="", more="", **variables):
    """Run a program where these names and modules are missing; return what it prints."""
    begin = NOT_THERE.format(names=names, modules=modules, first=first)
    text = "".join(textwrap.dedent(each) for each in (begin, more, program))
    done = subprocess.run(
        [sys.executable, "-c", text],
        env={
            "PYTHONPATH": os.pathsep.join([str(Path(orc.__file__).parents[1]), *sys.path]),
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


EVERYTHING = """
    import orc
    cache = orc.Cache(namespace="elsewhere")
    @cache.cached(ttl=60)
    def double(number):
        return number * 2
    user = orc.RequestVar("user")
    @orc.handler
    def handler(event, context):
        user.set(event)
        return double(event), user.get(), orc.container().state
    assert handler(1, None) == (2, 1, "cold"), handler(1, None)
    assert handler(1, None) == (2, 1, "warm")
    cache.prewarm()
    print(cache.stats())
    orc.Redis("redis://127.0.0.1:1")
    import orc.fleet, orc.testing, orc.lifecycle.marker as marker
    assert marker.leave("here", "on-demand", "/tmp").generation == 1
    for name in orc.__all__:
        getattr(orc, name)
    print("done")
"""


def test_everything_but_the_disk_tier_works():
    """Functions, requests, request variables, the container's state and its marker."""
    assert run(EVERYTHING, more=SIGNALS).endswith("done\n")


def test_coroutines_work():
    """The module asyncio is imported before the names are gone: on this system it needs them."""
    program = """
        import orc
        cache = orc.Cache(namespace="elsewhere")
        @cache.cached(ttl=60)
        async def double(number):
            return number * 2
        @orc.handler
        async def handler(event, context):
            return await asyncio.gather(*(double(event) for _ in range(3)))
        assert handler(1, None) == handler(1, None) == [2, 2, 2]
        print("done")
    """
    assert run(program, first="import asyncio") == "done\n"


@pytest.mark.parametrize(
    ("names", "modules", "what"),
    [
        (NAMES, MODULES, "os.geteuid"),
        (("geteuid",), (), "os.geteuid"),
        ((), ("fcntl",), "the module fcntl"),
    ],
)
@pytest.mark.parametrize(
    ("program", "tiers"),
    [
        ("orc.Disk()", None),
        ("orc.Disk('/srv/rows', max_bytes=1 << 20)", None),
        ("orc.Cache(namespace='a', tiers=[orc.Memory(), orc.Disk()])", None),
        ("orc.Cache(namespace='a')", "disk://"),
        ("orc.Cache(namespace='a')", "memory://,disk:///srv/rows,redis://127.0.0.1:1"),
        ("orc.cached(ttl=1)(abs)(1)", "disk://"),
    ],
)
def test_the_disk_tier_is_refused(names, modules, what, program, tiers):
    """The error says what is missing, where the tier works, and what to leave out."""
    text = f"""
        import orc
        from orc.errors import ConfigError
        try:
            {program}
        except ConfigError as error:
            print(error)
    """
    said = run(text, names=names, modules=modules, **({"ORC_TIERS": tiers} if tiers else {}))
    assert f"this Python lacks {what}" in said
    assert "Linux" in said
    assert "Leave out orc.Disk() and disk:// in ORC_TIERS" in said


def test_tools_that_need_posix_say_so():
    """The fleet and the servers of tests are refused by a typed error when they are used."""
    said = run(
        """
        import sys
        import orc.errors
        from orc.fleet import Fleet
        from orc.testing.servers.process import ServerProcess
        sys.platform = "win32"
        for use in (
            lambda: Fleet("app.handler", code="."),
            lambda: ServerProcess(["true"], lambda: True),
        ):
            try:
                use()
            except orc.errors.ConfigError as error:
                print(error)
        """,
        first="import asyncio",
    )
    assert "the fleet needs Linux" in said
    assert "test servers cannot be started here" in said
