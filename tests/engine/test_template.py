"""Templates over the arguments of a call: what they read, and what they refuse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import orc
from orc.engine.template import fields, names_of
from orc.errors import ConfigError, UnkeyableError

NAMES = ("user", "price", "width", "args")


class User:
    def __init__(self, name: object, **more: object) -> None:
        self.id = name
        self.__dict__.update(more)


@pytest.mark.parametrize(
    ("template", "labels"),
    [
        ("", ()),
        ("no fields", ()),
        ("{{user}}", ()),
        ("{user}", ("user",)),
        ("user:{user}", ("user",)),
        ("{user}{user}", ("user",)),
        ("{price}-{user}", ("price", "user")),
        ("{user.id}", ("user.id",)),
        ("{user.id}{user}", ("user.id", "user")),
        ("{user[id]}", ("user[id]",)),
        ("{args[0].name[x]}", ("args[0].name[x]",)),
        ("{user!r}", ("user!r",)),
        ("{price:.2f}", ("price:.2f",)),
        ("{price:{width}.2f}", ("price:{width}.2f",)),
    ],
)
def test_the_fields_of_a_template(template: str, labels: tuple[str, ...]) -> None:
    """Each field once, in the order in which they come; text between them is no field."""
    assert tuple(field.label for field in fields(template, NAMES, "it")) == labels


@pytest.mark.parametrize(
    "template",
    [
        "{",
        "}",
        "{user",
        "{user!}",
        "{user!z}",
        "{user!rx}",
        "{user.}",
        "{user[}",
        "{user[]}",
        "{}",
        "{0}",
        "{other}",
        "{ user}",
        "{user.id}{other.id}",
        "{price:{other}}",
        "{price:{}}",
        "{price:{width}",
        "{.id}",
        "{[0]}",
    ],
)
def test_a_bad_template_is_refused_at_decoration(cache: orc.Cache, template: str) -> None:
    """As key and as tag: a ConfigError that names the function, the kind and the template."""

    def find(user: object, price: object, width: object, args: object) -> None:
        raise AssertionError("not reached")

    with pytest.raises(ConfigError, match=r"the key of .*find") as caught:
        cache.cached(key=template)(find)
    assert repr(template) in str(caught.value)
    with pytest.raises(ConfigError, match=r"the tag of .*find"):
        cache.cached(tags=("fine", template))(find)


def test_an_unknown_name_is_told_with_the_known_ones(cache: orc.Cache) -> None:
    """The message lists the function's arguments."""
    with pytest.raises(ConfigError, match=r"names 'usr', and the arguments are user, lang"):
        cache.cached(key="{usr}")(lambda user, lang: 1)


@pytest.mark.parametrize("key", [5, ("x",), ["{x}"], b"{x}", object()])
def test_a_key_that_is_neither_template_nor_callable_is_refused(
    cache: orc.Cache, key: object
) -> None:
    """ConfigError that says what to give."""
    with pytest.raises(ConfigError, match="give a template or a callable"):
        cache.cached(key=key)(lambda x: x)


# -- keys by template ---------------------------------------------------------------------------


def test_fields_count_by_value_and_type(cache: orc.Cache) -> None:
    """{x} of 1 and of "1" are two keys, though their text is one; attributes and items, too."""
    plain = cache.cached(key="x:{x}")(lambda x: x)
    attribute = cache.cached(key="x:{x.id}")(lambda x: x.id)
    item = cache.cached(key="x:{x[id]}")(lambda x: x["id"])
    values = [1, "1", 1.0, True, None, "None", (1,), "(1,)"]
    for _ in range(2):
        assert [repr(plain(value)) for value in values] == [repr(value) for value in values]
        assert [repr(attribute(User(value))) for value in values] == [repr(v) for v in values]
        assert [repr(item({"id": value})) for value in values] == [repr(v) for v in values]
    assert plain.cache_info()[:2] == attribute.cache_info()[:2] == item.cache_info()[:2] == (8, 8)


TEXTS = st.text(alphabet="ab:{}", max_size=4)


@given(calls=st.lists(st.tuples(TEXTS, TEXTS), max_size=30))
@pytest.mark.parametrize("template", ["{x}:{y.id}", "{x.id}:{y.id}", "{x!s}:{y.id:>1}", "{x}{y}"])
def test_two_calls_share_a_key_only_if_every_field_is_the_same(
    template: str, calls: list[tuple[str, str]]
) -> None:
    """Fields "a:b" and "c" never meet "a" and "b:c", whatever stands between the fields."""
    cache = orc.Cache(tiers=[orc.Memory()])

    class Text(str):
        __slots__ = ()

        @property
        def id(self) -> str:
            return str(self)

        def __orc_key__(self) -> str:
            return str(self)

    f = cache.cached(key=template)(lambda x, y: (str(x), str(y)))
    for x, y in calls:
        assert f(Text(x), Text(y)) == (x, y)
    assert f.cache_info().misses == len(set(calls))


def test_fields_with_a_format_count_by_their_text(cache: orc.Cache) -> None:
    """{price:.1f} rounds: prices that read the same share."""
    f = cache.cached(key="{price:.{digits}f}")(lambda price, digits=1: (price, digits))
    assert f(1.04) == f(1.01) == (1.04, 1)
    assert f(1.04, 2) == (1.04, 2)
    assert f(1.06) == (1.06, 1)
    assert f.cache_parameters()["key"] == ("price:.{digits}f",)


def test_arguments_that_the_template_leaves_out_do_not_count(cache: orc.Cache) -> None:
    """Neither need they be such as can be in a key."""
    f = cache.cached(key="{x}")(lambda x, connection=None: x)
    assert [f(1, object()), f(1, object()), f(x=1)] == [1, 1, 1]
    assert f.cache_info()[:2] == (2, 1)
    g = cache.cached(key="all of them")(lambda x: x)
    assert [g(1), g(2)] == [1, 1]


def test_star_parameters_in_a_template(cache: orc.Cache) -> None:
    """{args} is the tuple, {args[0]} its first; {options[lang]} one keyword."""
    f = cache.cached(key="{args}")(lambda *args, **options: (args, options))
    g = cache.cached(key="{args[0]}{options[lang]}")(lambda *args, **options: (args, options))
    assert f(1, 2, a=3) == f(1, 2) == ((1, 2), {"a": 3})
    assert f(1) == ((1,), {})
    assert g(1, 2, lang="en") == g(1, 3, lang="en") == ((1, 2), {"lang": "en"})


def test_a_field_that_cannot_be_found_raises_what_python_says(cache: orc.Cache) -> None:
    """A missing attribute is the caller's AttributeError, and the function is not called."""
    f = cache.cached(key="{user.id}")(lambda user: pytest.fail("called"))
    with pytest.raises(AttributeError, match="no attribute 'id'"):
        f(5)
    g = cache.cached(tags="{user[id]}")(lambda user: pytest.fail("called"))
    with pytest.raises(KeyError):
        g({})


def test_a_field_that_cannot_be_in_a_key_is_named(cache: orc.Cache) -> None:
    """The error names the field, not the whole argument."""
    f = cache.cached(key="{user.id}")(lambda user: 1)
    with pytest.raises(UnkeyableError, match=r"argument 'user\.id'"):
        f(User(object()))


@pytest.mark.parametrize("name", ["self", "key", "value", "format", "made", "type", "_orc_made"])
def test_names_that_the_wrapper_uses_itself(cache: orc.Cache, name: str) -> None:
    """A parameter of any name can be in a template with a format or an attribute."""
    space: dict[str, object] = {}
    exec(f"def f({name}, other=0): return {name}.id", space)  # noqa: S102 - a name by parameter
    for template in (f"{{{name}.id}}", f"{{{name}.id!r}}", f"{{{name}.id:}}{{other}}"):
        f = cache.cached(key=template)(space["f"])
        assert [f(User(1)), f(**{name: User(1)}), f(User(2))] == [1, 1, 2]


# -- keys by callable ---------------------------------------------------------------------------


def test_a_key_callable_is_given_the_call_as_the_function_would_be(cache: orc.Cache) -> None:
    """By position what is positional, by name what is keyword-only, with defaults filled in."""
    seen: list[object] = []

    def key(*args: object, **kwargs: object) -> object:
        seen.append((args, kwargs))
        return args[0]

    @cache.cached(key=key)
    def f(a: int, /, b: int = 2, *rest: int, c: int, d: int = 4, **more: int) -> int:
        return a

    f(1, c=3)
    assert seen[-1] == ((1, 2), {"c": 3, "d": 4})
    f(1, 5, 6, c=7, e=8)
    assert seen[-1] == ((1, 5, 6), {"c": 7, "d": 4, "e": 8})
    assert f.cache_info()[:2] == (1, 1)


def test_what_a_key_callable_returns_counts_by_value_and_type(cache: orc.Cache) -> None:
    """Any canonical value is a key: a number, a tuple, a dict."""
    f = cache.cached(key=lambda x: x)(lambda x: x)
    for value in (1, "1", 1.0, (1, 2), {"a": 1}, None):
        assert f(value) == value
    assert f.cache_info()[:2] == (0, 6)
    assert f({"a": 1}) == {"a": 1}
    assert f.cache_info()[:2] == (1, 6)
    with pytest.raises(UnkeyableError, match="'key'"):
        f(object())


def test_an_error_of_a_key_callable_reaches_the_caller(cache: orc.Cache) -> None:
    """As it is; the function is not called."""
    f = cache.cached(key=lambda x: 1 // x)(lambda x: x)
    with pytest.raises(ZeroDivisionError):
        f(0)
    assert f(1) == 1


# -- ignore -------------------------------------------------------------------------------------


def test_ignored_arguments_do_not_count(cache: orc.Cache) -> None:
    """One name, or several; of any kind of parameter."""
    f = cache.cached(ignore="connection")(lambda connection, x: x)
    assert [f(object(), 1), f(object(), 1), f(None, x=2)] == [1, 1, 2]
    assert f.cache_info()[:2] == (1, 2)
    g = cache.cached(ignore=["args", "options", "k"])(lambda x, *args, k=0, **options: x)
    assert [g(1, object(), k=object(), z=object()), g(1)] == [1, 1]
    assert g.cache_info()[:2] == (1, 1)
    h = cache.cached(ignore=("x",))(lambda x: x)
    assert [h(1), h(2)] == [1, 1]


def test_an_unknown_ignored_name_is_refused(cache: orc.Cache) -> None:
    """And so are names that are none, and ignore= beside key=."""
    with pytest.raises(ConfigError, match="ignore='y'"):
        cache.cached(ignore=("x", "y"))(lambda x: x)
    for names in (5, [5], None):
        with pytest.raises(ConfigError, match="strings"):
            cache.cached(ignore=names)(lambda x: x)
    with pytest.raises(ConfigError, match="not both"):
        cache.cached(key="{x}", ignore="y")(lambda x, y: x)


def test_one_name_is_not_a_sequence_of_letters() -> None:
    """names_of("abc") is one name."""
    assert names_of("abc", "tags") == ("abc",)
    assert names_of(["a", "b"], "tags") == ("a", "b")
    assert names_of((), "tags") == ()
