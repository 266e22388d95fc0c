"""Judge an answer, find the probable cause, and say it: in a notebook, or in a terminal."""

import html
import re
from dataclasses import dataclass, field

import numpy as np

from cnncourse.exercises.comparing import brief, difference


@dataclass(frozen=True)
class Cause:
    """Why an answer is probably wrong.

    Parameters
    ----------
    name : str
        Of the mistake, as it stands in reports.
    sentence : str
        What helps, with Markdown's backticks.
    known : bool
        Whether a known mistake of this very exercise gives the same answers; else it is a guess
        from what the values look like.
    """

    name: str
    sentence: str
    known: bool = True


@dataclass
class Report:
    """What became of an answer.

    Parameters
    ----------
    exercise : cnncourse.exercises.kinds.Exercise
        Which one.
    passed : list of bool
        For each case.
    state : {"right", "wrong", "empty", "by hand", "nameless"}
        Empty is an answer that nobody has begun; projects are read by hand; without a name there
        are no numbers to answer to.
    problem : str
        What is wrong in the first case that is, without what was expected.
    wanted : str
        What was expected there.
    shown : str
        The call of that case.
    cause : Cause or None
        The probable one.
    pictures : dict of str to array
        What went in, came out and was expected, if it can be drawn.
    mark : tuple of int
        Row and column of the first wrong value in it.
    printed : str
        What the function printed there.
    """

    exercise: object
    passed: list = field(default_factory=list)
    state: str = "wrong"
    problem: str = ""
    wanted: str = ""
    shown: str = ""
    cause: Cause | None = None
    pictures: dict = field(default_factory=dict)
    mark: tuple = ()
    printed: str = ""

    @property
    def score(self):
        """The share of cases that are right, in [0, 1]."""
        return sum(self.passed) / len(self.passed) if self.passed else 0.0

    @property
    def right(self):
        """Whether all cases are."""
        return self.state == "right"

    def lines(self, reveal=True):
        """Return the report as sentences with Markdown's backticks, the headline first.

        Parameters
        ----------
        reveal : bool
            Whether to show the case and what was expected.
        """
        if self.state != "wrong":
            return [_HEADLINES[self.state]]
        several = len(self.passed) > 1
        lines = [
            f"{sum(self.passed)} of {len(self.passed)} cases are right."
            if several
            else "Not right."
        ]
        if self.problem and reveal:
            case = f"`{self.shown}`: " if self.shown else ""
            expected = f"; expected {self.wanted}" if self.wanted else ""
            lines.append(f"{case}{self.problem}{expected}.")
        elif self.problem:
            lines.append(f"In the first wrong case: {self.problem}." if several else self.problem)
        if self.cause:
            lines.append(f"{'Probably' if self.cause.known else 'Perhaps'}: {self.cause.sentence}")
        if self.printed and reveal:
            lines.append(f"It printed: `{self.printed.splitlines()[0][:80]}`")
        return lines

    def __repr__(self):
        head, *rest = self.lines()
        sign = _SIGNS[self.state]
        return "\n".join([f"{sign} {self.exercise.name}: {head}", *(f"  {line}" for line in rest)])

    def _repr_html_(self):
        head, *rest = (as_html(line) for line in self.lines())
        body = "".join(f"<p>{line}</p>" for line in rest)
        name = html.escape(self.exercise.name)
        return (
            f"<style>{_STYLE}</style>"
            f'<div class="cnn-check cnn-{self.state.replace(" ", "-")}" role="status">'
            f"<p><b>{_SIGNS[self.state]} {head}</b> <small>{name}</small></p>"
            f"{body}{self._grids()}</div>"
        )

    def _grids(self):
        """Return what went in, what came out and what was expected, as grids of numbers."""
        if not self.pictures:
            return ""
        from cnncourse import show

        row, column = self.mark
        alt = "What your function got and returned, and what was expected, as numbers."
        marks = {"your result": (row, column, 1, 1)}
        return show.grid(self.pictures, marks=marks, alt=alt)._repr_html_()


def assess(exercise, outcomes, student=None):
    """Judge the outcomes of an answer.

    Parameters
    ----------
    exercise : Exercise
        A function, number or choice.
    outcomes : list of Outcome
        From ``exercise.run``.
    student : str, optional
        Whose variant it is.

    Returns
    -------
    Report
    """
    if exercise.kind == "choice":
        return _assess_choice(exercise, outcomes[0], student)
    arguments, expected = exercise.arguments(student), exercise.expected(student)
    triples = list(zip(expected, outcomes, arguments, strict=True))
    faults = [exercise.fault(*triple) for triple in triples]
    report = Report(exercise, [fault is None for fault in faults])
    if all(report.passed):
        report.state = "right"
        return report
    first = report.passed.index(False)
    _describe(report, exercise, *triples[first], faults[first])
    report.cause = _known(exercise, outcomes, student) or _guess(exercise, triples, faults)
    return report


def as_html(text):
    """Return a sentence with backticks and stars as HTML.

    Examples
    --------
    >>> as_html("*Add* `a < b`.")
    '<em>Add</em> <code>a &lt; b</code>.'
    """
    text = html.escape(text, quote=False)
    parts = re.split(r"`([^`]*)`", text)
    parts[::2] = [re.sub(r"\*([^*\s][^*]*)\*", r"<em>\1</em>", part) for part in parts[::2]]
    parts[1::2] = [f"<code>{part}</code>" for part in parts[1::2]]
    return "".join(parts)


_SIGNS = {"right": "✓", "wrong": "✗", "empty": "○", "by hand": "○", "nameless": "○"}
_HEADLINES = {
    "right": "Right.",
    "empty": "Nothing here yet: write your answer, and run the cell again.",
    "nameless": "Write your name into STUDENT first, and run that cell and this one again.",
    "by hand": "A project: its rubric says what counts; somebody reads it.",
}
_STYLE = (
    ".cnn-check{border-left:.3rem solid #7F7F7F;padding:.3rem .8rem;margin:.5rem 0;color:inherit}"
    ".cnn-check p{margin:.2rem 0}.cnn-check small{opacity:.7;margin-left:.5rem}"
    ".cnn-check.cnn-right{border-color:#009E73}.cnn-check.cnn-wrong{border-color:#D55E00}"
)


def _assess_choice(exercise, outcome, student):
    """Judge a letter."""
    letters, letter = exercise.lettered(student), outcome.value
    letter = letter.strip(" .:()").upper() if isinstance(letter, str) else letter
    if not isinstance(letter, str) or letter not in letters:
        wanted = f"expected one of the letters {', '.join(letters)}, in quotation marks"
        return Report(exercise, [False], problem=f"got {brief(outcome.value)}; {wanted}")
    option = letters[letter]
    if option.right:
        return Report(exercise, [True], "right")
    return Report(exercise, [False], cause=Cause(f"chose: {option.text}", option.why))


def _describe(report, exercise, expected, got, arguments, fault):
    """Write the first wrong case into the report."""
    if exercise.kind == "function":
        inside = ", ".join(brief(argument, 60) for argument in arguments)
        report.shown = f"{exercise.answer_name}({inside})"
    report.printed = got.printed
    if fault == "late":
        report.problem = f"no answer within {exercise.seconds:g} seconds"
    elif fault == "error":
        report.problem = f"`{got.error}`" if got.error else f"got {brief(got.value)}"
        report.wanted = f"`{expected.error.split(':')[0]}`" if expected.error else ""
    elif fault == "changed":
        report.problem = f"it changed its argument `{'`, `'.join(got.changed)}`"
        report.wanted = "that the caller's data stay as they are"
    elif fault == "shared":
        report.problem = "the result shares its memory with an argument"
        report.wanted = "an array of its own"
    else:
        where = f"in part {fault.where}: " if fault.where else ""
        report.problem, report.wanted = f"{where}{fault.sentence}", fault.expected
        if exercise.kind == "number":  # a value would be the answer; a kind helps
            report.problem += f"; expected {fault.expected}" if fault.kind == "type" else ""
            report.wanted = ""
        if fault.index and not fault.where:
            given = dict(zip(exercise.parameters, arguments, strict=True))
            _draw(report, given, expected.value, got.value, fault.index)


def _draw(report, given, expected, got, index):
    """Keep the two planes that hold the first wrong value, and small arguments, as pictures."""
    planes = [_plane(value, index) for value in (got, expected)]
    if any(plane is None for plane in planes):
        return
    small = {name: _plane(value, (0, 0, 0, 0)) for name, value in given.items()}
    report.pictures = {name: plane for name, plane in small.items() if plane is not None}
    report.pictures |= dict(zip(("your result", "expected"), planes, strict=True))
    report.mark = (index[-2] if len(index) > 1 else 0, index[-1])


def _plane(value, index):
    """Return the plane of an array that an index lies in; None if it is none, or not small."""
    if not hasattr(value, "shape") or _dtype_kind(value) not in "biuf" or not np.ndim(value):
        return None
    array = _array(value)
    plane = np.atleast_2d(array[index[: max(0, array.ndim - 2)]])
    return plane if plane.size and plane.shape[0] <= 8 and plane.shape[1] <= 10 else None


def _known(exercise, outcomes, student):
    """Return the known mistake that gives the same outcomes."""
    for name, theirs in exercise.mistaken(student).items():
        if all(map(exercise.same, theirs, outcomes)):
            return Cause(name, " ".join(exercise.mistakes[name].__doc__.split()))
    return None


def _guess(exercise, triples, faults):
    """Guess a cause from what the values look like."""
    wrong = [t for t, fault in zip(triples, faults, strict=True) if fault is not None]
    values = [got.value for _, got, _ in wrong]
    if any(got.error or got.late for _, got, _ in wrong):
        return None
    if all(value is None for value in values):
        return _PRINTS if any(got.printed for _, got, _ in wrong) else _NOTHING
    if faults and all(f in ("changed", "shared", None) for f in faults):
        return _CHANGES if "changed" in faults else None
    for cause, kind, change in ((_A_LIST, list, _as_listed), (_AN_ARRAY, np.ndarray, _as_single)):
        if all(isinstance(got.value, kind) for _, got, _ in wrong) and all(
            _alike(expected.value, change(got.value)) for expected, got, _ in wrong
        ):
            return cause
    if len(triples) > 1 and _all_alike([t[1].value for t in triples]):
        return Cause("always the same", "the result is the same in every case.", known=False)
    if any(getattr(fault, "kind", "") not in ("value", "shape") for fault in faults if fault):
        return None
    if len(wrong) == 1 < len(triples):  # too little to go by
        return None
    return _changed_back(exercise, wrong) or _not_a_number(values) or _proportion(wrong)


def _changed_back(exercise, wrong):
    """Say which simple change of the values would make them right, if there is one."""
    for place, name in enumerate(exercise.parameters):
        if all(_alike(got.value, arguments[place]) for _, got, arguments in wrong):
            return Cause("returns its argument", f"`{name}` comes back unchanged.", known=False)
    for name, sentence, change in _CHANGED_BACK:
        if all(_alike(expected.value, _changed(change, got.value)) for expected, got, _ in wrong):
            return Cause(name, sentence, known=False)
    return None


_PRINTS = Cause("prints", "it prints its result; it has to `return` it.", known=False)
_NOTHING = Cause("returns nothing", "a `return` is missing, at least on one path.", known=False)
_CHANGES = Cause("changes its input", "work on a copy: `x = x.copy()`.", known=False)
_A_LIST = Cause("a list", "the numbers are right; return an array: `np.array(…)`.", known=False)
_AN_ARRAY = Cause(
    "an array for a number", "take the number out of the array: `.item()`.", known=False
)
_CHANGED_BACK = [
    ("transposed", "rows and columns are swapped in the result.", lambda a: a.swapaxes(-1, -2)),
    ("sign", "the sign is the wrong way round.", lambda a: -a),
    ("upside down", "the rows come in reverse order.", lambda a: a[..., ::-1, :]),
    ("reversed", "the last axis comes in reverse order.", lambda a: a[..., ::-1]),
    ("turned", "the result is turned by 180°.", lambda a: a[..., ::-1, ::-1]),
    ("off by one, too large", "every wrong value is too large by 1.", lambda a: a - 1),
    ("off by one, too small", "every wrong value is too small by 1.", lambda a: a + 1),
]


def _as_listed(values):
    """Return a list of numbers as an array, or None: one long text would make all places long."""
    try:
        return np.array(values) if _has_only_numbers(values) else None
    except ValueError:
        return None


def _has_only_numbers(value):
    """Say whether there are numbers and arrays alone in a list, whatever its depth."""
    if isinstance(value, list | tuple):
        return all(map(_has_only_numbers, value))
    return _dtype_kind(value) in "biufc"


def _as_single(array):
    """Return the only number of an array, or None."""
    return array.item() if array.size == 1 else None


def _alike(expected, got):
    """Say whether two values agree, without raising."""
    try:
        return difference(expected, got) is None
    except Exception:
        return False


def _all_alike(values):
    return all(_alike(values[0], value) for value in values[1:])


def _changed(change, value):
    """Apply a change to a value, or return None where it makes no sense."""
    try:
        array = _array(value) if _has_only_numbers(value) else None
        return change(array) if array is not None and array.dtype.kind in "iufc" else None
    except (TypeError, ValueError, IndexError, AttributeError):
        return None


def _not_a_number(values):
    """Say whether there is NaN in the first wrong value."""
    if any(_dtype_kind(value) in "fc" and np.isnan(_array(value)).any() for value in values):
        sentence = "there is NaN in the result: something was 0 / 0, infinite, or a log of 0."
        return Cause("not a number", sentence, known=False)
    return None


def _proportion(wrong):
    """Say whether all values are the same multiple of what was expected."""
    ratios = []
    for expected, got, _ in wrong:
        if _dtype_kind(expected.value) not in "iuf" or _dtype_kind(got.value) not in "iuf":
            return None
        a, b = _array(expected.value), _array(got.value)
        if a.shape != b.shape:
            return None
        kept = np.abs(a) > 1e-9
        if (np.abs(b[~kept]) > 1e-9).any():
            return None
        ratios.append((b[kept] / a[kept]).ravel())
    ratios = np.concatenate(ratios) if ratios else np.array([])
    if ratios.size < 2 or np.ptp(ratios) > 1e-6 * abs(ratios).max() or abs(ratios[0]) < 1e-9:
        return None
    sentence = f"every value is {ratios[0]:.4g} times what it should be."
    return Cause("a constant factor", sentence, known=False)


def _dtype_kind(value):
    """Return the kind of an array or number; "O" for anything else."""
    plain = hasattr(value, "shape") or isinstance(value, bool | int | float | complex)
    return _array(value).dtype.kind if plain else "O"


def _array(value):
    """Return a value as an array, a tensor without its gradient."""
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
