"""Settings in, the core of a cache out: tiers with their codec, and a guard where they are remote.

With :mod:`orc.config.tier_urls` the only place that names concrete tiers.
"""

from __future__ import annotations

import sys
from _thread import RLock

from orc.config.settings import Settings, checked
from orc.engine.core import Core, remaining
from orc.engine.terms import Terms
from orc.errors import ConfigError
from orc.lifecycle.clock import SYSTEM
from orc.lifecycle.environment import read
from orc.lifecycle.life import after_fork_in_child
from orc.lifecycle.marker import temporary_directory
from orc.model.entry import MISSING
from orc.tiers.memory import Memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from orc.config.tier_urls import TierUrl
    from orc.model.ports import ClockLike, Codec, SharedTier, Tier


_lock = RLock()
_shared: list[Memory] = []
_named: dict[str, list[Tier]] = {}
"""The tiers made of addresses: caches that name the same share them, and their connections."""


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603 - another thread of the parent may have had it
    _lock = RLock()


after_fork_in_child(_renew_lock)


def shared_memory(settings: Settings) -> Memory:
    """Return the memory of all caches that name none of their own; made by the first of them."""
    with _lock:
        if not _shared:
            settings_of: dict[str, Any] = {
                name: settings[f"memory_{name}"]
                for name in ("max_items", "max_value_bytes", "policy")
            }
            _shared.append(Memory(max_bytes=settings.memory_bytes(), **settings_of))
        return _shared[0]


def assemble(
    tiers: Iterable[Memory | Tier | SharedTier] | str | None,
    clock: ClockLike | None,
    stale_on: object,
    given: Mapping[str, object],
) -> tuple[Core, Terms]:
    """Make the core of a cache and the terms on which it stores.

    Raises ``ConfigError`` for a setting or an argument that is not allowed.
    """
    settings = Settings(given if tiers is None else {**given, "tiers": tiers})
    asked = settings["tiers"]
    stack: list[Any]
    if isinstance(asked, str):
        settings, stack = _from_addresses(asked, settings, given)
    elif asked is None or hasattr(asked, "__iter__"):
        stack = list(asked) if asked is not None else []
    else:
        raise ConfigError(f"tiers={asked!r} is not allowed: give a list, the nearest tier first")
    memory = stack.pop(0) if stack and isinstance(stack[0], Memory) else shared_memory(settings)
    assert isinstance(memory, Memory)  # noqa: S101 - said by the line above
    memory.default_to(settings.function_bytes // 10)
    behind = [tier for tier in stack if not isinstance(tier, Memory)]
    if len(behind) < len(stack):
        raise ConfigError("tiers: orc.Memory is the nearest tier; name it first, and once")
    for tier in behind:
        if not hasattr(tier, "fetch_many") and not hasattr(tier, "claim_many"):
            raise ConfigError(f"tiers: {tier!r} is not a tier")
    names = [tier.name for tier in behind]
    if len({*names, "memory"}) <= len(names):
        raise ConfigError(
            f"tiers: the names {', '.join(names)} are not distinct, and statistics go by them: "
            'give one another name, such as orc.Redis(url, name="eu")'
        )
    namespace = settings["namespace"]
    if not isinstance(namespace, str):
        raise ConfigError(f"namespace={namespace!r} is not allowed: give a string")
    if behind and not namespace:
        raise ConfigError(
            "a shared tier needs a namespace, so that functions do not read each other's entries: "
            "give Cache(namespace=...) or set ORC_NAMESPACE"
        )
    clock = clock if clock is not None else SYSTEM
    core = Core(
        memory,
        [_of_entries(tier, memory, clock, settings) for tier in behind],
        clock,
        namespace=namespace,
        version=str(settings["version"]),
        disabled=bool(settings["disabled"]),
        wait=float(str(settings["wait"])),
    )
    if settings.writes_metrics:
        from orc.config.metrics import watch

        watch(core)
    return core, terms_of(settings, stale_on)


def _from_addresses(
    text: str, settings: Settings, given: Mapping[str, object]
) -> tuple[Settings, list[Any]]:
    """Return settings with those of ``memory://``, and the tiers behind it."""
    from orc.config import tier_urls

    urls: list[TierUrl] = tier_urls.read(text)
    if urls[0].scheme == "memory":
        settings = Settings(given, tier_urls.memory_options(urls[0]))
    with _lock:
        if text not in _named:
            _named[text] = tier_urls.tiers_of(urls)
        return settings, [*_named[text]]


def _of_entries(tier: Any, memory: Memory, clock: ClockLike, settings: Settings) -> SharedTier:
    """Put a codec in front of a tier of bytes, and a guard round it."""
    if hasattr(tier, "fetch_many"):
        return tier  # type: ignore[no-any-return]
    from orc.engine.entry_tier import EntryTier

    for module in ("msgpack", getattr(tier, "needs", "")):
        if module and not _installed(module):
            extra = getattr(tier, "extra", "")
            wanted = f'"orc-cache[{extra}]"' if extra else module
            raise ConfigError(f"the tier {tier.name} needs {module}: pip install {wanted}")
    if hasattr(tier, "default_to"):
        tier.default_to(lambda: temporary_directory(read()))
    from orc.tiers.guard import Guard

    times: dict[str, Any] = {
        "reserve": settings["reserve"] if tier.remote else 0.0,
        "rest": settings["breaker_open"],
        "wait": settings["wait"],
    }
    tier = Guard(tier, clock, remaining, small=settings.is_small, **times)
    return EntryTier(tier, codec_of(settings, cap_of(tier, memory)), clock)


def _installed(module: str) -> bool:
    """Tell whether a module can be imported, without importing it."""
    from importlib.machinery import PathFinder

    if module in sys.modules:
        return sys.modules[module] is not None
    return PathFinder.find_spec(module) is not None


INFLATED = 8
"""How many times the largest payload of a tier a value may be, if memory takes it too."""


def cap_of(tier: Tier, memory: Memory) -> int:
    """Return how many bytes a value may have that a tier holds: what its rows may inflate to.

    No more than memory would keep, or than the tier holds as it is: so a row that anybody wrote
    costs no more than the largest value.
    """
    largest = tier.max_value_bytes
    return max(largest, min(INFLATED * largest, memory.max_value_bytes))


def codec_of(settings: Settings, cap: int = 1 << 20) -> Codec:
    """Make the codec of a shared tier, for values of at most `cap` bytes.

    Raises ``ConfigError`` for keys that are none, and for an extra that is missing.
    """
    from orc.codecs.codec import Codec

    keys = settings["encrypt_keys"]
    ring = None
    if isinstance(keys, str):
        from orc.codecs.encryption import parse_keys

        ring = parse_keys(keys)
    compression, size = settings["compression"], settings["compress_from"]
    return Codec(
        compress_from=size if isinstance(size, int) and compression != "none" else None,
        zstd=compression == "zstd",
        ring=ring,
        readable_keys=bool(settings["readable_keys"]),
        cap=cap,
    )


def terms_of(settings: Settings, stale_on: object) -> Terms:
    """Make the terms of a cache from its settings."""
    checked: dict[str, Any] = {
        name: settings[name]
        for name in (
            "ttl",
            "memory_ttl",
            "jitter",
            "stale_if_error",
            "stale_while_revalidate",
            "backoff",
            "isolation",
            "strict",
        )
    }
    return Terms(stale_on=stale_errors(stale_on), **checked)


def changed(
    terms: Terms,
    given: Mapping[str, object],
    stale_on: object,
    cache_if: object,
) -> Terms:
    """Return a cache's terms as one function wants them; what is ``MISSING`` stays as it is."""
    changes = {name: checked(name, value) for name, value in given.items() if value is not MISSING}
    if stale_on is not None:
        changes["stale_on"] = stale_errors(stale_on)
    if cache_if is not None and not callable(cache_if):
        raise ConfigError(f"cache_if={cache_if!r} is not allowed: give a callable")
    return terms.but(cache_if=cache_if, **changes)


def stale_errors(stale_on: object) -> Any:
    """Check ``stale_on``: an exception class, a tuple of them, or a predicate of the error.

    Without one, ``None``: the terms go by ``orc.is_unavailable``.
    """
    if stale_on is None:
        return None
    classes = stale_on if isinstance(stale_on, tuple) else (stale_on,)
    if all(isinstance(each, type) and issubclass(each, BaseException) for each in classes):
        return classes
    if callable(stale_on) and not isinstance(stale_on, type):
        return stale_on
    raise ConfigError(
        f"stale_on={stale_on!r} is not allowed: give an exception class, a tuple of them, or a "
        "callable that is given the error and returns whether stale may be served"
    )
