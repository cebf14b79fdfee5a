"""Cached functions in the bodies of classes: what is read from an instance knows its instance."""

from __future__ import annotations

from functools import partial, update_wrapper
from types import MethodType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from orc.stats.info import CacheInfo


class BoundCached(partial[object]):
    """A cached method that was read from an instance, or a cached class method.

    It is called without the instance, and so are `invalidate`, `refresh` and `peek`. (A partial
    object, since these are called in C.)
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<bound cached method {self.__qualname__} of {self.args[0]!r}>"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, BoundCached)
            and self.func is other.func
            and self.args[0] is other.args[0]
        )

    def __hash__(self) -> int:
        return hash((self.func, id(self.args[0])))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in {"__name__", "__qualname__"}:
            raise AttributeError(name)  # with its code it would pass for a function
        return getattr(self.func, name)

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self.func.__doc__

    @property
    def __self__(self) -> Any:
        return self.args[0]

    @property
    def __func__(self) -> Any:
        return self.func

    @property
    def __wrapped__(self) -> Any:
        return MethodType(self.func.__wrapped__, self.args[0])  # type: ignore[attr-defined]

    def refresh(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the method whatever is stored, store the result, and return it."""
        return self.func.refresh(self.args[0], *args, **kwargs)  # type: ignore[attr-defined]

    def invalidate(self, /, *args: Any, **kwargs: Any) -> None:
        """Drop the result of the call with these arguments; a running call is not stored."""
        self.func.invalidate(self.args[0], *args, **kwargs)  # type: ignore[attr-defined]

    def peek(self, /, *args: Any, **kwargs: Any) -> Any:
        """Return the fresh result in memory, or ``orc.MISSING``; nothing is called or counted."""
        return self.func.peek(self.args[0], *args, **kwargs)  # type: ignore[attr-defined]

    def partition(self, tenant: str) -> BoundCached:
        """Return this method for one tenant, whose results are apart from all others'."""
        return BoundCached(self.func.partition(tenant), self.args[0])  # type: ignore[attr-defined]

    def cache_info(self) -> CacheInfo:
        """Return what the function's own ``cache_info()`` does: of all instances together."""
        return self.func.cache_info()  # type: ignore[attr-defined, no-any-return]


class CachedMethod:
    """A cached function in the body of a class, as the class keeps it.

    Read from the class it is the function's wrapper, and from an instance a :class:`BoundCached`.
    """

    def __init__(self, wrapper: Any) -> None:
        update_wrapper(self, wrapper)
        self._wrapper = wrapper
        # By these `inspect` takes it for the function, and knows whether that is an `async def`.
        self.__code__, self.__defaults__ = wrapper.__code__, wrapper.__defaults__
        self.__kwdefaults__ = wrapper.__kwdefaults__
        if first_parameter(wrapper) in CLASS:
            self._ask_for_the_class()

    def __reduce__(self) -> str:
        return self.__qualname__  # type: ignore[attr-defined, no-any-return]

    def _ask_for_the_class(self) -> None:
        """Refuse to take an argument for the class, where Python does not hand the class on.

        Since 3.13 `classmethod` asks for the attributes of what it holds, and not for those of what
        that is bound to.
        """
        wrapper = self._wrapper
        for name in ("refresh", "invalidate", "peek"):
            setattr(self, name, _given_the_class(wrapper, getattr(wrapper, name), f"{name}()"))
        self.partition = lambda tenant: _given_the_class(
            wrapper, wrapper.partition(tenant), "a partition"
        )

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call it as it is: below ``staticmethod`` and ``property``, and in the class's body."""
        return self._wrapper(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if instance is None:
            return self._wrapper
        return BoundCached(self._wrapper, instance)


CLASS = {"cls", "klass", "class_", "kls", "owner", "mcs", "metacls"}
"""Names by which the first parameter of a class method goes."""

IMPLICIT = {"__class_getitem__", "__init_subclass__", "__new__"}
"""Methods that Python takes for static or class methods by their names: functions alone."""


def _given_the_class(wrapper: Any, function: Any, what: str) -> Any:
    def checked(*args: Any, **kwargs: Any) -> Any:
        first = args[0] if args else None
        if not isinstance(first, type) or not any(
            wrapper.__name__ in base.__dict__ for base in first.__mro__
        ):
            raise TypeError(
                f"{what} of a class method whose @classmethod stands above @cached takes the class "
                "first: put @cached above @classmethod, and it is left out"
            )
        return function(*args, **kwargs)

    return update_wrapper(checked, function)


def first_parameter(wrapper: Any) -> str | None:
    """Return the name of the first parameter of a wrapper, if it has one by position."""
    code = wrapper.__code__
    return str(code.co_varnames[0]) if code.co_argcount else None


class CachedClassMethod(classmethod):  # type: ignore[type-arg]
    """A class method whose function is cached, where ``@cached`` stands above."""

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return BoundCached(self.__func__, type(instance) if owner is None else owner)


def in_class_body(function: object) -> bool:
    """Tell whether a function was defined in the body of a class."""
    names = getattr(function, "__qualname__", "").split(".")
    return len(names) > 1 and names[-2] != "<locals>"
