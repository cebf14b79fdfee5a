"""Raise at the instructions at which CPython takes signals, one after the other, in one thread.

CPython looks for signals in ``RESUME`` (the entry of a function, the resumption of a generator), in
backward jumps, and at the end of a call of C code. The injector does not raise by itself: a trace
function sets the flag that a Ctrl-C sets, in front of such an instruction, and the interpreter
raises out of that instruction. So the tables of ``try`` and ``with`` are looked up as they are for
a real signal. (An error of the trace function itself is raised in front of the *next* instruction,
which may be behind the ``with`` block that the call is in.)

A Python function that C code called (``next(generator)``) takes the flag at its own entry, so the
flag is set at its return as well, for the call that it returns into. Some runs thus meet a point
twice.
"""

from __future__ import annotations

import ctypes
import dis
import os
import signal
import sys
import warnings
from functools import partial

import orc

HOME = os.path.dirname(orc.__file__)  # noqa: PTH120 - compared with `co_filename`
FOLDERS = (
    "codecs",
    "config",
    "engine",
    "isolation",
    "lifecycle",
    "model",
    "stampede",
    "stats",
    "tiers",
)
PACKAGE = ("<orc:", *(f"{HOME}/{folder}/" for folder in FOLDERS))
"""The beginnings of the file names of what is interrupted: the package, and compiled wrappers."""

ENTRY_LOOKS_LATE = sys.version_info < (3, 13)
"""Whether ``RESUME`` looks for signals after the trace function was told of the call."""

FIRST_RESUME = 24
"""The offset up to which the first ``RESUME`` of a function stands."""

_pull = ctypes.pythonapi.PyErr_SetInterrupt
_pull.restype = None
TRIP = iter(_pull, object())
"""Each ``next`` sets the flag of SIGINT. A ``for`` calls it, and looks for no signal itself."""

_nothing = ctypes.pythonapi["Py_IsInitialized"]
"""A trace function in C, which returns None: it ignores what it is given."""
_nothing.argtypes = [ctypes.py_object] * 3
_nothing.restype = None


class Interrupt(BaseException):
    """What the handler of a signal raises."""


class Timeout(Exception):  # noqa: N818 - as applications name it
    """The same, of the kind that ``except Exception`` catches."""


class Shot:
    """What one run met."""

    def __init__(self):
        self.points = 0
        self.fired = []
        """Where each interrupt was raised: the function, file, line and instruction."""
        self.error = None
        """What the run raised."""


class Window:
    """Points are counted while it is open."""

    def __init__(self):
        self.open = False


class _Code:
    """The instructions of one code object."""

    def __init__(self, code):
        self.code = code  # kept, since the table goes by `id`
        self.names = [""] * (len(code.co_code) // 2 + 1)
        self.looks = set()
        for each in dis.get_instructions(code):
            name = each.opname
            if name == "RESUME" and (each.arg or 0) & 3 > 1:
                name = "RESUME (await)"  # which does not look
            self.names[each.offset // 2] = name
            if _looks(name, each.arg):
                self.looks.add(each.offset)
        for index in range(1, len(self.names)):  # `f_lasti` may be in an instruction's cache
            self.names[index] = self.names[index] or self.names[index - 1]


def _looks(name, argument):
    if name == "RESUME":
        # The event of the call stands for it where that comes first.
        return not ENTRY_LOOKS_LATE and (argument or 0) & 3 == 1
    if name == "CALL" and sys.version_info < (3, 12):
        return False  # PRECALL stands before it, and may do its work
    return name == "JUMP_BACKWARD" or _calls(name)


def _calls(name):
    return (name.startswith("CALL") and not name.startswith("CALL_INTRINSIC")) or name == "PRECALL"


_known = {}


def _of(code):
    found = _known.get(id(code))
    if found is None:
        found = _known[id(code)] = _Code(code)
    return found


def _where(frame):
    code = frame.f_code
    path = code.co_filename.removeprefix(os.path.dirname(HOME) + "/")  # noqa: PTH120
    name = _of(code).names[frame.f_lasti // 2] if frame.f_lasti >= 0 else "entry"
    return f"{path}:{frame.f_lineno} {code.co_name} {name}"


def inject(run, at, error=Interrupt, *, twice=False, inside=PACKAGE, window=None):
    """Call `run`, and raise `error` at the point `at`; with `twice` at the one it meets next too.

    For the main thread only. An `at` of -1 raises nowhere and counts.
    """
    shot = Shot()
    left = 1 + twice

    def handle(number, frame):
        shot.fired.append(_where(frame))
        if left:
            _turn(switch, step)
        raise error

    def due():
        nonlocal left
        if window is not None and not window.open:
            return False
        index = shot.points
        shot.points += 1
        if not left or (index != at and not (shot.fired and index > at)):
            return False
        left -= 1
        return True

    def step(frame, event, argument):
        if event == "opcode":
            hit = frame.f_lasti in _of(frame.f_code).looks and due()
        elif event == "return":
            hit = _is_inside(frame.f_back, inside) and _at_call(frame.f_back) and due()
        elif event != "call":
            return switch
        elif not _is_inside(frame, inside):
            return None
        else:
            frame.f_trace_lines = False
            frame.f_trace_opcodes = True
            if ENTRY_LOOKS_LATE:
                hit = _of(frame.f_code).names[frame.f_lasti // 2] == "RESUME" and due()
            else:
                hit = False
                called = _is_inside(frame.f_back, inside) and _at_call(frame.f_back)
                if frame.f_lasti <= FIRST_RESUME and not called and due():
                    shot.fired.append(_where(frame))
                    raise error
        if hit:
            _turn(switch, _nothing)  # a call of this function would take the signal
            for _ in TRIP:
                return switch
        return switch

    switch = partial(step)
    handler = signal.signal(signal.SIGINT, handle)
    hook, sys.unraisablehook = sys.unraisablehook, _unraisable
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of coroutines that never began
            try:
                sys.settrace(switch)
                try:
                    run()
                finally:
                    sys.settrace(None)
            except BaseException as raised:  # noqa: BLE001 - the test judges it
                shot.error = raised
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGINT, handler)
    return shot


def _turn(switch, function):
    switch.__setstate__((function, (), {}, {}))


def _is_inside(frame, inside):
    return frame is not None and frame.f_code.co_filename.startswith(inside)


def _at_call(frame):
    return frame is not None and _calls(_of(frame.f_code).names[frame.f_lasti // 2])


def _unraisable(unraisable):
    if not isinstance(unraisable.exc_value, (Interrupt, Timeout)):
        sys.__unraisablehook__(unraisable)


def points(run, *, inside=PACKAGE):
    """Count the points of a run."""
    return inject(run, -1, inside=inside).points
