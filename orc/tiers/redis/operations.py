"""The operations of the tier as rounds of commands; neither sync nor async, and without I/O.

A generator yields a round, a list of commands, and is sent the replies in order: what the server
said, a ``ServerError`` in the place of a reply that is one, or a ``TierError`` where there was
none.
"""

from __future__ import annotations

from orc.errors import TierError
from orc.model.freshness import LONGEST_LEASE
from orc.model.row import Row
from orc.tiers.redis import layout
from orc.tiers.redis.replies import ServerError, refusal
from orc.tiers.redis.scripts import CLAIM, FILL, MOST_HELD
from orc.tiers.redis.slots import slot_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import Any, TypeVar

    from orc.model.row import Budget, Claim, Write
    from orc.tiers.redis.scripts import Script

    Command = tuple[str, list[bytes]]
    """The address that decides which server it is for, and the words."""
    Operation = Generator[list[Command], list[Any], Any]
    Each = TypeVar("Each", Claim, Write)

SCRIPT_BATCH = 64
"""Rows that one run of a script takes on: other clients wait for that long."""

LONGEST = 10 * 365 * 86_400.0
"""Seconds: a key that is kept for longer is kept for so long."""


def groups(addresses: Sequence[str], *, by_slot: bool, most: int = 0) -> list[list[int]]:
    """Return the places of addresses that one command may name together."""
    if not by_slot:
        together = [list(range(len(addresses)))] if addresses else []
    else:
        slots: dict[int, list[int]] = {}
        for place, address in enumerate(addresses):
            slots.setdefault(slot_of(address), []).append(place)
        together = list(slots.values())
    if not most:
        return together
    return [part[n : n + most] for part in together for n in range(0, len(part), most)]


def reading(
    addresses: Sequence[str], budget: Budget, where: str, *, by_slot: bool, most: int = 0
) -> Operation:
    """Read rows: GET, or MGET for several, at most so many at once."""
    found: list[Row | TierError] = [_ABSENT] * len(addresses)
    together = groups(addresses, by_slot=by_slot, most=most)
    replies = yield [_read_command([addresses[n] for n in part]) for part in together]
    wall = budget.wall()
    unpack = layout.unpack
    for part, reply in zip(together, replies, strict=True):
        if isinstance(reply, ServerError | TierError):
            answer = _answer(reply, where)
            for place in part:
                found[place] = answer
        elif len(part) == 1:
            stored = reply[0] if type(reply) is list else reply
            found[part[0]] = unpack(stored, wall)
        else:
            for place, stored in zip(part, reply, strict=True):
                found[place] = unpack(stored, wall)
    return found


_ABSENT = Row()


def _read_command(addresses: list[str]) -> Command:
    if len(addresses) == 1:
        return addresses[0], [b"GET", addresses[0].encode()]
    return addresses[0], [b"MGET", *(address.encode() for address in addresses)]


def _answer(reply: ServerError | TierError, where: str) -> Row | TierError:
    if isinstance(reply, TierError):
        return reply
    if reply.code == "WRONGTYPE":
        return layout.FOREIGN
    return refusal(reply, where)


def claiming(
    claims: Sequence[Claim], budget: Budget, where: str, *, by_slot: bool, most: int = SCRIPT_BATCH
) -> Operation:
    """Claim rows by one script."""

    def words(claim: Claim) -> list[bytes]:
        lasts = _milliseconds(claim.lease, MOST_HELD)
        return [claim.token, lasts, claim.seen or b"", b"".join(claim.own)]

    replies = yield from _scripted(CLAIM, claims, words, by_slot=by_slot, most=most)
    wall = budget.wall()
    answers: list[Row | TierError] = []
    for reply in replies:
        if isinstance(reply, ServerError | TierError):
            answers.append(reply if isinstance(reply, TierError) else refusal(reply, where))
        else:
            held, stored = reply
            answers.append(layout.unpack(stored, wall, min(held / 1000, LONGEST_LEASE)))
    return answers


def writing(
    writes: Sequence[Write],
    _budget: Budget,
    where: str,
    *,
    by_slot: bool,
    most: int = SCRIPT_BATCH,
) -> Operation:
    """Write rows: SET, and a script for those that are fills."""
    answers: list[bool | TierError] = [True] * len(writes)
    plain = [n for n, write in enumerate(writes) if write.token is None]
    fills = [n for n, write in enumerate(writes) if write.token is not None]
    commands = [_set_command(writes[n]) for n in plain]
    replies = yield from _scripted(
        FILL, [writes[n] for n in fills], _filled_with, by_slot=by_slot, most=most, beside=commands
    )
    for place, reply in zip(plain + fills, replies, strict=True):
        if isinstance(reply, TierError):
            answers[place] = reply
        elif isinstance(reply, ServerError):
            answers[place] = refusal(reply, where)
        elif writes[place].token is not None:
            answers[place] = bool(reply)
    return answers


def giving_back(writes: Sequence[Write]) -> list[Command]:
    """Return commands that give claims back; they work in a server that knows no script yet."""
    return [
        (
            write.address,
            [b"EVAL", FILL.source, b"1", write.address.encode(), *_filled_with(write)],
        )
        for write in writes
    ]


def _filled_with(write: Write) -> list[bytes]:
    if write.payload is None:
        return [write.token or b"", write.etag, _milliseconds(write.rest, MOST_HELD), b""]
    lasts = _milliseconds(write.keep, LONGEST * 1000)
    return [write.token or b"", write.etag, lasts, b"=" + write.payload]


def _set_command(write: Write) -> Command:
    key = write.address.encode()
    lasts = _milliseconds(write.keep, LONGEST * 1000)
    if write.payload is None or lasts == b"0":
        return write.address, [b"UNLINK", key]
    return write.address, [b"SET", key, layout.pack(write.etag, write.payload), b"PX", lasts]


def deleting(
    addresses: Sequence[str], _budget: Budget, where: str, *, by_slot: bool, most: int = 0
) -> Operation:
    """Remove rows: UNLINK, which also takes what is not ours."""
    together = groups(addresses, by_slot=by_slot, most=most)
    replies = yield [
        (addresses[part[0]], [b"UNLINK", *(addresses[n].encode() for n in part)])
        for part in together
    ]
    for reply in replies:
        if isinstance(reply, TierError):
            raise reply
        if isinstance(reply, ServerError):
            raise refusal(reply, where)


def greeting(addresses: Sequence[str], _budget: object, where: str, *, by_slot: bool) -> Operation:
    """Ask for the time, leave the scripts if it is one server, and read rows that are not there.

    Return the reply to the first, and the error of the first that failed; not of a script, which a
    server is given, too, when it lacks it. Reading two keys at once gives a cluster away, and
    reading many one by one that a node has a part of them only.
    """
    first = addresses[0]
    commands: list[Command] = [(first, [b"TIME"])]
    if by_slot:
        commands += [_read_command([each]) for each in addresses]
    else:
        commands.append(_read_command(list(addresses[:2])))
        commands += [("", [b"SCRIPT", b"LOAD", each.source]) for each in (CLAIM, FILL)]
    replies = yield commands
    for (_, words), reply in zip(commands, replies, strict=True):
        if isinstance(reply, TierError):
            return replies[0], reply
        if isinstance(reply, ServerError) and words[0] in {b"GET", b"MGET"}:
            return replies[0], refusal(reply, where)
    return replies[0], None


def _scripted(  # noqa: PLR0913 - one for all scripts
    script: Script,
    asked: Sequence[Each],
    words: Callable[[Each], list[bytes]],
    *,
    by_slot: bool,
    most: int,
    beside: Sequence[Command] = (),
) -> Generator[list[Command], list[Any], list[Any]]:
    """Run a script over all that is asked, with other commands in the same round.

    Return the replies to the other commands, and behind them one for each that was asked.
    """
    together = groups([each.address for each in asked], by_slot=by_slot, most=most)

    def run(verb: bytes, name: bytes, part: list[int]) -> Command:
        keys: list[bytes] = [asked[n].address.encode() for n in part]
        rest: list[bytes] = [word for n in part for word in words(asked[n])]
        return asked[part[0]].address, [verb, name, b"%d" % len(keys), *keys, *rest]

    commands: list[Command] = [run(b"EVALSHA", script.sha, part) for part in together]
    if not commands and not beside:
        return []
    replies: list[Any] = yield [*beside, *commands]
    first: int = len(beside)
    answers: list[Any] = [*replies[:first], *([None] * len(asked))]
    unknown = [n for n, reply in enumerate(replies[first:]) if _is_unknown(reply)]
    if unknown:
        # The server has never seen the script, or has been told to forget it.
        again = yield [run(b"EVAL", script.source, together[n]) for n in unknown]
        for n, reply in zip(unknown, again, strict=True):
            replies[first + n] = reply
    for part, reply in zip(together, replies[first:], strict=True):
        whole = isinstance(reply, ServerError | TierError)
        for index, place in enumerate(part):
            answers[first + place] = reply if whole else reply[index]
    return answers


def _is_unknown(reply: object) -> bool:
    return isinstance(reply, ServerError) and reply.code == "NOSCRIPT"


def _milliseconds(seconds: float, most: float) -> bytes:
    """Return seconds for the server: rounded down, since nothing may be answered for longer."""
    return b"%d" % max(0, min(seconds * 1000, most))
