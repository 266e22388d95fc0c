"""Call a reader's function, come what may: it may raise, loop, print megabytes, change its input.

The call happens in this process, with a time limit. That is for practice; whoever grades others
uses `cnncourse.classroom`, which calls it in a process of its own.
"""

import contextlib
import copy
import ctypes
import io
import signal
import threading
import traceback
import warnings
from dataclasses import dataclass

import numpy as np

PRINTED = 2_000
"""Characters kept of what a function prints."""


@dataclass(frozen=True)
class Built:
    """An argument that is made anew for every call: ``function(*parts)``.

    For what cannot be copied or sent as numbers: a network, a random generator. The function must
    stand at the top of its module.

    Parameters
    ----------
    function : callable
        It makes the argument.
    parts : tuple
        Plain arguments of that function.

    Examples
    --------
    >>> Built(range, 3), Built(range, 3).make()
    (range(3), range(0, 3))
    """

    function: object
    parts: tuple = ()

    def __init__(self, function, *parts):
        object.__setattr__(self, "function", function)
        object.__setattr__(self, "parts", parts)

    def __repr__(self):
        return f"{self.function.__name__}({', '.join(map(repr, self.parts))})"

    def make(self):
        """Return the argument."""
        return self.function(*self.parts)


@dataclass
class Outcome:
    """What one call came to.

    Parameters
    ----------
    value : object
        What it returned.
    error : str
        The exception's type and message, and the line of the function where it arose; else empty.
    late : bool
        Whether it ran out of time.
    printed : str
        The first characters of what it printed.
    changed : tuple of str
        The arguments that it changed.
    shared : bool
        Whether the value shares memory with an argument.

    Examples
    --------
    >>> call(max, (2, 3)).value
    3
    """

    value: object = None
    error: str = ""
    late: bool = False
    printed: str = ""
    changed: tuple = ()
    shared: bool = False


class _Late(BaseException):
    """Time is up. No `Exception`, so that ``except Exception`` lets it through."""


def call(function, arguments, seconds=5.0, observe=None, names=()):
    """Call a function with copies of its arguments, and note what happens.

    Parameters
    ----------
    function : callable
        The reader's.
    arguments : tuple
        Plain values, arrays, tensors, functions, and `Built` ones.
    seconds : float or None
        Time for the call; None for as long as it takes.
    observe : callable, optional
        ``observe(result, *arguments)`` turns a result that cannot be compared, such as a network,
        into one that can.
    names : sequence of str
        Of the arguments.

    Returns
    -------
    Outcome

    Examples
    --------
    >>> call(lambda row: row.sort(), ([2, 1],), names=["row"]).changed
    ('row',)
    >>> call(lambda n: 1 / n, (0,)).error
    'ZeroDivisionError: division by zero'
    """
    given = tuple(a.make() if isinstance(a, Built) else copy.deepcopy(a) for a in arguments)
    kept = tuple(None if isinstance(a, Built) else a for a in arguments)
    outcome, spool = Outcome(), _Spool()
    try:
        with _quiet(spool), time_limit(seconds):
            value = function(*given)
            outcome.value = value if observe is None else observe(value, *given)
    except _Late:
        outcome.late = True
    except (Exception, SystemExit) as error:
        outcome.error = _in_one_line(error, function)
    outcome.printed = spool.kept
    changes = zip(names, kept, given, strict=False)
    outcome.changed = tuple(n for n, before, now in changes if _differs(before, now))
    outcome.shared = any(_shares(outcome.value, argument) for argument in given)
    return outcome


@contextlib.contextmanager
def time_limit(seconds):
    """Raise an exception inside the block when time is up, again and again if it is caught."""
    if seconds is None:
        yield
        return
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        before = signal.signal(signal.SIGALRM, _ring)
        signal.setitimer(signal.ITIMER_REAL, seconds, 0.1)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        return
    timer = threading.Timer(seconds, _raise_in, [threading.get_ident()])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _ring(number, frame):
    raise _Late


def _raise_in(thread):
    """Raise in another thread; it arrives when Python next runs there."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Late))


@contextlib.contextmanager
def _quiet(spool):
    """Keep a function's prints and warnings off the page."""
    with contextlib.redirect_stdout(spool), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _Spool(io.TextIOBase):
    """A file that keeps its beginning and forgets the rest."""

    def __init__(self):
        self.kept = ""

    def writable(self):
        return True

    def write(self, text):
        self.kept += text[: PRINTED - len(self.kept)]
        return len(text)


def _in_one_line(error, function=None):
    """Return an exception's type, the first line of its message, and its line in the function."""
    try:
        message = str(error).strip().partition("\n")[0]
    except Exception:  # its `__str__` is the reader's, too
        message = ""
    text = f"{type(error).__name__}: {message}"[:300].removesuffix(": ")
    code = getattr(function, "__code__", None)
    lines = [
        frame.lineno - code.co_firstlineno + 1
        for frame in traceback.extract_tb(error.__traceback__)
        if code and frame.filename == code.co_filename and frame.lineno
    ]
    inside = [line for line in lines if line > 1]
    return f"{text} (line {inside[-1]} of your function)" if inside else text


def _differs(before, now):
    """Say whether an argument is no longer what it was."""
    if isinstance(before, list | tuple):
        return len(before) != len(now) or any(map(_differs, before, now))
    if isinstance(before, dict):
        return list(before) != list(now) or any(_differs(before[key], now[key]) for key in before)
    if hasattr(before, "shape"):
        a, b = np.asarray(before), np.asarray(now)
        return a.shape != b.shape or a.dtype != b.dtype or a.tobytes() != b.tobytes()
    return before is not now and type(before) in (bool, int, float, str) and before != now


def _shares(value, argument):
    """Say whether two arrays lie in the same memory."""
    if not (hasattr(value, "shape") and hasattr(argument, "shape")):
        return False
    try:
        return bool(np.shares_memory(np.asarray(value), np.asarray(argument), max_work=1000))
    except Exception:  # too hard to say, or a tensor with a gradient
        return False
