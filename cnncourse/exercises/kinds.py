"""The four kinds of exercises, as data that can be executed.

A function exercise is a right function, the cases on which a reader's function is compared with it,
and known mistakes: wrong functions, each with the sentence that helps whoever has made it. A number
exercise is the same with one number for an answer. A choice has options, of which each wrong one
says what it takes to choose it. A project has a rubric for a human reader.

Every exercise has variants: the numbers and cases follow from the student's name.
"""

import hashlib
import inspect
import re
from collections import namedtuple
from dataclasses import replace

import numpy as np

from cnncourse.check import as_one_of, as_positive
from cnncourse.exercises.comparing import Difference, brief, difference, kind_of
from cnncourse.exercises.running import Outcome, call

LEVELS = {"warm-up": 1, "core": 2, "stretch": 3, "challenge": 4, "project": 5}
"""From easy to hard, with the points that an exercise of that level is worth in an assignment."""

CATALOGUE = {}
"""Every exercise that has been loaded, by its name, in the order of definition."""

Option = namedtuple("Option", "text why right", defaults=[False])
Option.__doc__ = "One answer of a choice: its text, and why it is wrong (or right)."

Criterion = namedtuple("Criterion", "text points")
Criterion.__doc__ = "One line of a project's rubric: what is asked, and what it is worth."


class Exercise:
    """What all kinds have in common.

    Parameters
    ----------
    name : str
        The chapter's stem and words of its own: "convolution/output-size".
    title : str
        For the heading.
    level : str
        One of `LEVELS`.
    minutes : int
        That a learner may need.
    statement : str
        Markdown, one sentence a line.
    hints : sequence of str
        Markdown, from a nudge to nearly everything.

    Raises
    ------
    ValueError
        For another level, or a name that is taken.
    """

    def __init__(self, name, *, title, level, minutes, statement, hints=()):
        self.name, self.title = name, title
        self.level = as_one_of(level, LEVELS, "level")
        self.minutes = as_positive(minutes, "minutes", integer=True)
        self.statement, self.hints = (
            inspect.cleandoc(statement),
            tuple(map(inspect.cleandoc, hints)),
        )
        self.mistakes = {}
        if CATALOGUE.setdefault(name, self) is not self:
            raise ValueError(f"name: expected a new one, got {name!r}, which is taken")

    def __repr__(self):
        return f"<exercise {self.name}: {self.title}>"

    @property
    def points(self):
        """What it is worth in an assignment."""
        return LEVELS[self.level]

    def text(self, student=None):
        """Return the statement, with this student's numbers in it."""
        return self.statement

    def generator(self, student=None):
        """Return the random generator of this exercise for this student, always the same."""
        digest = hashlib.sha256(f"{self.name}\n{student or ''}".encode()).digest()
        return np.random.default_rng(list(digest))

    def mistake(self, function):
        """Register a wrong answer; its docstring is the sentence that helps.

        Used as a decorator. The function's name, with spaces for underscores, names the mistake in
        reports.
        """
        self.mistakes[function.__name__.replace("_", " ")] = function
        return function


class FunctionExercise(Exercise):
    """An exercise whose answer is a function.

    Parameters
    ----------
    name, title, level, minutes, statement, hints
        As for `Exercise`.
    rtol, atol : float
        Of the comparison.
    seconds : float
        Time for one case.
    may_change : sequence of str
        Arguments that the function may change; no others.
    fresh : bool
        Whether the result must have memory of its own.
    """

    kind = "function"

    def __init__(
        self, name, *, rtol=1e-6, atol=1e-8, seconds=5.0, may_change=(), fresh=False, **words
    ):
        super().__init__(name, **words)
        self.rtol, self.atol, self.seconds = rtol, atol, seconds
        self.may_change, self.fresh = tuple(may_change), fresh
        self.right, self.others, self.observer, self.judge = None, [], None, None
        self.draw, self._cache = None, {}

    def solution(self, function):
        """Register the right answer; its signature and docstring make the starter. A decorator."""
        self.right = function
        return function

    def also(self, function):
        """Register another right answer: another style, or an independent library. A decorator."""
        self.others.append(function)
        return function

    def cases(self, function):
        """Register what yields tuples of arguments, from a random generator. A decorator.

        The smallest come first, for the first one that fails is shown.
        """
        self.draw = function
        return function

    def observe(self, function):
        """Register what makes a result comparable: ``f(result, *arguments)``. A decorator."""
        self.observer = function
        return function

    def compare(self, function):
        """Register another comparison: ``f(expected, got, *arguments)``, a Difference or None.

        For exercises with many right answers. A decorator.
        """
        self.judge = function
        return function

    @property
    def answer_name(self):
        """The name that the reader's function has in a notebook."""
        return self.right.__name__

    @property
    def parameters(self):
        """The names of the function's arguments."""
        return tuple(inspect.signature(self.right).parameters)

    def right_answer(self, student=None):
        """Return what a solved notebook hands in."""
        return self.right

    def wrong_answers(self, student=None):
        """Return the known mistakes as answers, by name."""
        return dict(self.mistakes)

    def arguments(self, student=None):
        """Return the cases of a student, as a list of tuples of arguments."""
        return self._once("arguments", student, lambda: list(self.draw(self.generator(student))))

    def run(self, function, student=None, trusted=False):
        """Call a function on every case; return the outcomes.

        Who runs out of time once has a tenth of it for each later case, and twice, none. A trusted
        function has all the time it wants.
        """
        outcomes, late = [], 0
        for arguments in self.arguments(student):
            seconds = None if trusted else self.seconds / 10**late
            words = seconds, self.observer, self.parameters
            outcomes.append(Outcome(late=True) if late > 1 else call(function, arguments, *words))
            late += outcomes[-1].late
        return outcomes

    def expected(self, student=None):
        """Return the outcomes of the right function."""
        return self._once("expected", student, lambda: self.run(self.right, student, trusted=True))

    def mistaken(self, student=None):
        """Return the outcomes of every known mistake, by its name."""
        return self._once(
            "mistaken",
            student,
            lambda: {n: self.run(wrong, student, True) for n, wrong in self.mistakes.items()},
        )

    def fault(self, expected, got, arguments):
        """Return what is wrong with one outcome: a `Difference`, an outcome's flaw, or None."""
        if got.late or got.error or expected.error:
            same = _error_name(got) == _error_name(expected) and not got.late
            return None if same else "late" if got.late else "error"
        if self.judge is None or got.value is None:
            found = difference(expected.value, got.value, self.rtol, self.atol)
        else:
            found = self._judged(expected.value, got.value, arguments)
        if found:
            return found
        if set(got.changed) - set(self.may_change):
            return "changed"
        return "shared" if self.fresh and got.shared else None

    def _judged(self, expected, got, arguments):
        """Compare by the exercise's own comparison, which may not be made for what came."""
        try:
            return self.judge(expected, got, *arguments)
        except Exception:
            return Difference("type", f"got {kind_of(got)}: {brief(got)}", kind_of(expected))

    def same(self, one, other):
        """Say whether two outcomes are alike: how a known mistake is recognised."""
        if one.late or other.late or one.error or other.error:
            return one.late == other.late and _error_name(one) == _error_name(other)
        if set(one.changed) != set(other.changed) or (self.fresh and one.shared != other.shared):
            return False
        pairs = (one.value, other.value), (other.value, one.value)  # 12 for 12.0, either way
        return any(difference(*pair, self.rtol, self.atol) is None for pair in pairs)

    def _once(self, what, student, compute):
        """Compute it once for each of the last few students."""
        if len(self._cache) > 12:
            self._cache.clear()
        if (what, student) not in self._cache:
            self._cache[what, student] = compute()
        return self._cache[what, student]


class NumberExercise(FunctionExercise):
    """An exercise whose answer is a number, with other numbers in the statement for everybody.

    The statement has ``{name}`` for every number that `cases` draws, as a dict. Solution and
    mistakes are functions of these numbers.

    Parameters
    ----------
    name, title, level, minutes, statement, hints, rtol, atol
        As for `FunctionExercise`.
    """

    kind = "number"

    @property
    def answer_name(self):
        """The name that the answer has in a notebook."""
        return self.name.split("/")[1].replace("-", "_")

    def text(self, student=None):
        """Return the statement, with this student's numbers in it."""
        text = self.statement
        for name, value in self.numbers(student).items():
            shown = f"{value:,}" if isinstance(value, int) else f"{value}"
            text = text.replace("{" + name + "}", shown.replace("-", "−"))
        return text

    def numbers(self, student=None):
        """Return this student's numbers: such that no two mistakes give the same answer."""
        return dict(zip(self.parameters, self.arguments(student)[0], strict=True))

    def right_answer(self, student=None):
        """Return the number."""
        return self.expected(student)[0].value

    def wrong_answers(self, student=None):
        """Return the numbers that the known mistakes give, by name."""
        return {name: outcomes[0].value for name, outcomes in self.mistaken(student).items()}

    def arguments(self, student=None):
        """Return one case, drawn until all answers differ."""
        return self._once("arguments", student, lambda: [self._distinct(self.generator(student))])

    def _distinct(self, rng):
        for _ in range(1000):
            numbers = self.draw(rng)
            arguments = tuple(numbers[name] for name in self.parameters)
            answers = [f(*arguments) for f in (self.right, *self.mistakes.values())]
            pairs = [(a, b) for i, a in enumerate(answers) for b in answers[:i]]
            if all(difference(a, b, self.rtol, self.atol) for a, b in pairs):
                return arguments
        raise ValueError(f"{self.name}: expected numbers that tell the mistakes apart, found none")

    def run(self, answer, student=None, trusted=False):
        """Return the outcome of an answer, which is a number; or of a function of the numbers."""
        if callable(answer):
            return [call(answer, self.arguments(student)[0], None if trusted else self.seconds)]
        return [Outcome(answer)]

    def fault(self, expected, got, arguments):
        """Return what is wrong with an answer; 12.0 is as good as 12."""
        return super().fault(expected, _as_whole(got), arguments)

    def same(self, one, other):
        """Say whether an answer is that of a mistake."""
        return super().same(one, _as_whole(other))


def _as_whole(outcome):
    """Return an outcome with a whole number in place of one like 12.0."""
    value = outcome.value
    whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return replace(outcome, value=int(value)) if whole else outcome


def _error_name(outcome):
    """Return the kind of an outcome's error; empty if and only if there is none."""
    return outcome.error and (re.match(r"\w+", outcome.error) or ["?"])[0]


class ChoiceExercise(Exercise):
    """An exercise whose answer is a letter.

    Parameters
    ----------
    name, title, level, minutes, statement, hints
        As for `Exercise`.
    options : sequence of Option
        One of them right. Their order differs from student to student.
    """

    kind = "choice"

    def __init__(self, name, *, options, **words):
        super().__init__(name, **words)
        self.options = tuple(Option(*option) for option in options)
        if sum(option.right for option in self.options) != 1:
            raise ValueError(f"options: expected one right one in {name}")

    @property
    def answer_name(self):
        """The name that the answer has in a notebook."""
        return self.name.split("/")[1].replace("-", "_")

    def lettered(self, student=None):
        """Return the options by their letters, in this student's order."""
        order = self.generator(student).permutation(len(self.options))
        return {"ABCDEFGH"[place]: self.options[i] for place, i in enumerate(order)}

    def text(self, student=None):
        """Return the statement and the options."""
        lines = [f"- **{letter}**: {o.text}" for letter, o in self.lettered(student).items()]
        return f"{self.statement}\n\n" + "\n".join(lines)

    def right_answer(self, student=None):
        """Return the letter of the right option."""
        return next(letter for letter, o in self.lettered(student).items() if o.right)

    def wrong_answers(self, student=None):
        """Return the other letters, by what they say."""
        return {o.text: letter for letter, o in self.lettered(student).items() if not o.right}

    def run(self, answer, student=None):
        """Return the outcome of an answer, which is a letter."""
        return [Outcome(answer)]


class ProjectExercise(Exercise):
    """An exercise that a human reads, with a rubric.

    Parameters
    ----------
    name, title, minutes, statement, hints
        As for `Exercise`; the level is "project".
    rubric : sequence of Criterion
        What is asked, and the points for it.
    """

    kind = "project"

    def __init__(self, name, *, rubric, **words):
        super().__init__(name, level="project", **words)
        self.rubric = tuple(Criterion(*line) for line in rubric)

    @property
    def answer_name(self):
        """The name that the answer has in a notebook."""
        return self.name.split("/")[1].replace("-", "_")

    @property
    def points(self):
        """The sum of the rubric."""
        return sum(line.points for line in self.rubric)

    def text(self, student=None):
        """Return the statement and the rubric."""
        lines = [f"| {line.text} | {line.points} |" for line in self.rubric]
        return f"{self.statement}\n\n| what counts | points |\n|---|---|\n" + "\n".join(lines)
