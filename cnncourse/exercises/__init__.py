"""Exercises that know what went wrong.

Every exercise of the book stands here as data, one module a chapter: its statement and hints, a
right answer and others in other styles, the cases to compare them on, and known mistakes, which are
wrong answers that run. `check` compares yours with the right one; when they differ, it looks for
the mistake that gives the same results as yours, and says which it is.
"""

import difflib
import dis
from importlib import import_module

CHAPTERS = (
    "visual_cortex",
    "filtering",
    "edges",
    "convolution",
    "pooling",
    "architecture",
    "training",
    "transfer",
)
"""The modules with exercises, in reading order."""


def check(name, answer, student=None):
    """Compare an answer with the right one, and say what is wrong and probably why.

    Parameters
    ----------
    name : str
        Of the exercise, such as "convolution/count-outputs".
    answer : callable, number or str
        The function itself, not its result; or the number; or the letter.
    student : str, optional
        Whose numbers and cases to take. Everybody's are others, and always the same. An empty name
        is refused.

    Returns
    -------
    Report
        A notebook draws it; ``report.score`` is the share of cases that are right.

    Raises
    ------
    ValueError
        If there is no such exercise.

    Examples
    --------
    >>> def count_outputs(size, kernel_size, stride, padding, dilation):
    ...     return (size + padding - dilation * (kernel_size - 1) - 1) // stride + 1
    >>> check("convolution/count-outputs", count_outputs)
    ✗ convolution/count-outputs: 7 of 14 cases are right.
      `count_outputs(7, 3, 2, 1, 1)`: got 3; expected 4.
      Probably: Padding is added on *each* side, so the row grows by `2 * padding`.
    """
    from cnncourse.exercises.report import Report

    if student == "":  # an assignment, whose numbers follow from the name
        return Report(find(name), state="nameless")
    return _judged(find(name), answer, student)


def _judged(exercise, answer, student):
    """Judge an answer, which may not be begun, or not be one."""
    from cnncourse.exercises.report import Report, assess

    if exercise.kind == "project":
        return Report(exercise, state="by hand")
    if answer is ... or _is_empty(answer):
        return Report(exercise, state="empty")
    if exercise.kind == "function" and not callable(answer):
        wanted = f"the function itself: `check({exercise.name!r}, {exercise.answer_name})`"
        return Report(exercise, [False], problem="got no function", wanted=wanted)
    return assess(exercise, exercise.run(answer, student), student)


def points(name, answer, student=None, of=None):
    """Return the points that an answer earns: what a grader's hidden cell calls.

    Parameters
    ----------
    name, answer, student
        As for `check`.
    of : float, optional
        The most there are to earn; by default what the exercise is worth.

    Returns
    -------
    float
        In proportion to the cases that are right, to two decimals.

    Examples
    --------
    >>> points("convolution/count-outputs", lambda *sizes: None)
    0.0
    """
    exercise = find(name)
    most = exercise.points if of is None else of
    return round(most * _judged(exercise, answer, student).score, 2)


def hint(name):
    """Give the next hint for an exercise; after the last one comes the first again.

    Examples
    --------
    >>> print(str(hint("convolution/count-outputs"))[:12])
    Hint 1 of 2:
    """
    exercise = find(name)
    number = _GIVEN.get(name, 0) % max(1, len(exercise.hints))
    _GIVEN[name] = number + 1
    if not exercise.hints:
        return Text("There is no hint for this one.")
    return Text(f"Hint {number + 1} of {len(exercise.hints)}: {exercise.hints[number]}")


def exercise(name, student=None):
    """Show the statement of an exercise, with this student's numbers.

    Examples
    --------
    >>> print(str(exercise("convolution/count-outputs")).splitlines()[0])
    **Count them**
    """
    found = find(name)
    if student == "":
        return Text("Write your name into `STUDENT` first: your question follows from it.")
    return Text(f"**{found.title}**\n\n{found.text(student)}")


def solution(name, student=None):
    """Show the right answer of an exercise.

    Examples
    --------
    >>> print(str(solution("convolution/count-outputs")).splitlines()[1])
    def count_outputs(size, kernel_size, stride, padding, dilation):
    """
    from cnncourse.exercises.cells import answer_text

    return Text(answer_text(find(name), student))


def find(name):
    """Return an exercise by its name.

    Raises
    ------
    ValueError
        If there is none; with those that are called nearly so.

    Examples
    --------
    >>> find("convolution/count-outputs").title
    'Count them'
    """
    from cnncourse.exercises.kinds import CATALOGUE

    chapter = str(name).partition("/")[0]
    if name not in CATALOGUE and chapter in CHAPTERS:
        import_module(f"{__name__}.{chapter}")
    if name not in CATALOGUE:
        known = [e.name for e in catalogue()]
        near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.4)
        hint_ = f"; is it {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(f"name: expected an exercise such as {known[0]!r}, got {name!r}{hint_}")
    return CATALOGUE[name]


def catalogue(chapter=None):
    """Return the exercises of a chapter, or all, in reading order.

    Raises
    ------
    ValueError
        If there is no such chapter.

    Examples
    --------
    >>> catalogue("convolution")[0]
    <exercise convolution/count-outputs: Count them>
    """
    from cnncourse.check import as_one_of
    from cnncourse.exercises.kinds import CATALOGUE

    if chapter is not None:
        as_one_of(chapter, CHAPTERS, "chapter")
    chapters = CHAPTERS if chapter is None else (chapter,)
    for module in chapters:
        import_module(f"{__name__}.{module}")
    return [e for module in chapters for e in CATALOGUE.values() if e.name.startswith(f"{module}/")]


class Text:
    """Markdown that a notebook renders and a terminal prints.

    Parameters
    ----------
    text : str
        The Markdown.
    """

    def __init__(self, text):
        self.text = text

    def _repr_markdown_(self):
        return self.text

    def __repr__(self):
        return self.text


_GIVEN = {}  # how many hints were given


def _is_empty(answer):
    """Say whether a function has nothing but a docstring in it."""
    if not hasattr(answer, "__code__"):
        return False  # built in, or a class
    steps = list(dis.get_instructions(answer.__code__))
    harmless = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}
    loaded = {step.argval for step in steps if step.opname in ("LOAD_CONST", "RETURN_CONST")}
    return {step.opname for step in steps} <= harmless and loaded <= {None}
