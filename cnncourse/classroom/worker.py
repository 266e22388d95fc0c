"""A student's process: run the cells of a notebook, then answer cases, and nothing else.

It is started by `sandbox`, for one submission. It knows neither the right answers nor what was
expected: it gets arguments and sends back values. Whatever the student's code does to this process,
all that can come out of it are values for the grader to compare.
"""

import ast
import contextlib
import json
import os
import re
import resource
import signal
import sys
from importlib import import_module

FILES = 256
"""Open at a time; some need no disk, but memory that is on nobody's account."""


def main():
    """Take a job from the grader, and answer."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):  # what a student prints goes nowhere, and nothing can be asked
        os.dup2(nothing, number)
    from cnncourse.classroom import wire

    def reply(message):
        wire.write_line(replies, message)

    job = json.loads(requests.readline())
    for name in job["preload"]:
        import_module(name)
    limit(**job["limits"])
    names = student_names()
    for number, text in job["cells"]:
        reply({"cell": number})
        reply({"error": run_cell(number, text, names, job["seconds"])})
    for line in requests:
        answer(json.loads(line), names, reply)
    os._exit(0)  # threads of the student's do not keep us


def limit(memory, file_size, processes, cpu):
    """Set what the system enforces from here on."""
    wanted = {
        "RLIMIT_AS": memory,
        "RLIMIT_FSIZE": file_size,
        "RLIMIT_NPROC": processes,
        "RLIMIT_CPU": cpu,
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": FILES,
    }
    for name, value in wanted.items():
        number = getattr(resource, name, None)
        if number is not None and value is not None:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(number, (value, value))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # an error, not the end
    sys.setrecursionlimit(1000)


def student_names():
    """Return the names that a notebook begins with; `check` and its kin do nothing here."""
    from cnncourse import exercises

    for name in ("check", "hint", "exercise", "solution", "points"):
        setattr(exercises, name, lambda *arguments, **words: None)
    return {"__name__": "__main__", "display": lambda *figures, **words: None}


def run_cell(number, text, names, seconds):
    """Run a cell within its time; return the error, if there is one."""
    from cnncourse.exercises.running import _in_one_line, _Late, time_limit

    try:
        with time_limit(seconds):
            exec(compile(plain_python(text), f"<cell {number}>", "exec"), names)
    except _Late:
        return f"no end within {seconds:g} seconds"
    except BaseException as error:
        return _in_one_line(error)
    return ""


def plain_python(text):
    r"""Return a cell without IPython's own lines; a cell of another language becomes empty.

    Examples
    --------
    >>> plain_python("%matplotlib inline\nx = 1")
    'pass\nx = 1'
    """
    head, _, rest = text.lstrip().partition("\n")
    if head.startswith("%%"):
        text = rest if head.split()[0] in ("%%time", "%%capture") else ""
    try:
        ast.parse(text)
    except SyntaxError:  # a line may begin with % in Python, too, so look only now
        text = re.sub(r"(?m)^([ \t]*)%time[ \t]+", r"\1", text)
        text = re.sub(r"(?m)^([ \t]*)(?:[%!?].*|[\w.]+\?+[ \t]*|\w+ *= *[%!].*)$", r"\1pass", text)
    return text


def answer(request, names, reply):
    """Answer the cases of one exercise, each in a line of its own."""
    from cnncourse.classroom import wire
    from cnncourse.exercises import _is_empty
    from cnncourse.exercises.comparing import kind_of
    from cnncourse.exercises.running import call

    value = names.get(request["answer"], ...)
    value = ... if _is_empty(value) else value  # as `check` has it
    if request["kind"] != "function":
        reply(packed_outcome(value is ..., None if value is ... else value))
        return
    observe = wire.unpack(request["observe"], trusted=True) if request["observe"] else None
    late = 0
    for case in request["cases"]:
        if not callable(value):
            error = f"TypeError: expected a function, got {kind_of(value)}"
            reply({"missing": value is ..., "value": None, "error": error})
            continue
        try:
            arguments = wire.unpack(case, trusted=True)
            seconds = request["seconds"] / 10**late
            outcome = call(value, arguments, seconds, observe, request["names"])
            late += outcome.late
        except BaseException as error:  # the student's code may have broken anything
            reply({"error": f"{type(error).__name__}"})
            continue
        reply(packed_outcome(False, **vars(outcome)))


def packed_outcome(missing, value=None, **rest):
    """Return an outcome as a message; a value that cannot be sent counts as an error."""
    from cnncourse.classroom import wire

    try:
        return {"missing": missing, "value": wire.pack(value), **rest}
    except Exception as error:
        return {"missing": missing, "value": None, **rest, "error": f"TypeError: {error}"[:300]}


if __name__ == "__main__":
    main()
