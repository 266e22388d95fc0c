"""An assignment: a list of exercises with points, and the notebooks made from it."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import indent

from cnncourse.check import as_positive
from cnncourse.exercises import catalogue, check, find
from cnncourse.exercises.cells import needed_imports, starter_text, statement_text
from cnncourse.exercises.sources import merged, standalone

FILE = "assignment.json"
"""The name of the file that says what an assignment consists of."""

HOW = """Write your name where it says so, then your answers, and run each cell.
`check` says what is right, what is wrong, and probably why; run it as often as you like.
`hint("…")` gives a hint. Hand in this file."""

SETUP = """try:  # Colab has no cnncourse yet; elsewhere this cell only imports
    import cnncourse
except ImportError:
    %pip install -q "cnncourse @ git+{address}"

import numpy as np

from cnncourse.exercises import check, exercise, hint"""

REPOSITORY = "https://github.com/cnncourse/cnncourse"
"""From where a student's notebook installs the package, if it is missing."""


@dataclass(frozen=True)
class Assignment:
    """What students are asked.

    Parameters
    ----------
    name : str
        A word for files and columns, such as "week4".
    title : str
        For the head of the notebook.
    exercises : tuple of str
        Their names.
    points : tuple of float
        What each is worth.
    variants : bool
        Whether every student gets numbers and cases of their own.
    """

    name: str
    title: str
    exercises: tuple
    points: tuple
    variants: bool = True

    def __post_init__(self):
        if not re.fullmatch(r"[\w-]+", self.name):
            raise ValueError(f"name: expected letters, digits, - and _, got {self.name!r}")
        answers = [find(name).answer_name for name in self.exercises]
        twice = sorted({name for name in answers if answers.count(name) > 1})
        if not answers or twice:
            got = f"{', '.join(twice)} twice" if twice else "none"
            raise ValueError(f"exercises: expected some with different answers, got {got}")
        if len(self.points) != len(answers):
            raise ValueError(f"points: expected {len(answers)} numbers, got {len(self.points)}")
        for value in self.points:
            as_positive(value, "points")

    @property
    def worth(self):
        """The points of each exercise by its name."""
        return dict(zip(self.exercises, self.points, strict=True))

    def save(self, folder):
        """Write the file that `load` reads."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        Path(folder, FILE).write_text(text + "\n", "utf-8")


def load(path):
    """Read an assignment from its folder or file.

    Raises
    ------
    ValueError
        If there is none, or something in it is not right.
    """
    path = Path(path)
    path = path / FILE if path.is_dir() else path
    try:
        words = json.loads(path.read_text("utf-8"))
        words |= {name: tuple(words[name]) for name in ("exercises", "points")}
        return Assignment(**words)
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"assignment: expected a folder with {FILE}, got {path}: {error}"
        ) from None


def named(words):
    """Return the names of exercises that words stand for.

    Parameters
    ----------
    words : sequence of str
        Names, or a chapter's stem for all of its exercises.

    Examples
    --------
    >>> named(["convolution/count-outputs"])
    ['convolution/count-outputs']
    """
    names = []
    for word in words:
        names += [find(word).name] if "/" in word else [e.name for e in catalogue(word)]
    return list(dict.fromkeys(names))


def create(folder, assignment):
    """Write an assignment's folder: the file, the students' notebook and the instructor's.

    Parameters
    ----------
    folder : str or Path
        Must not hold an assignment yet.
    assignment : Assignment
        What to ask.

    Returns
    -------
    dict of str to Path
        "students", "instructor" and "file".

    Raises
    ------
    ValueError
        If there is one already: nothing is overwritten.
    """
    folder = Path(folder)
    if (folder / FILE).exists():
        raise ValueError(f"folder: expected one without {FILE}, got {folder}")
    places = {
        "students": folder / "release" / f"{assignment.name}.ipynb",
        "instructor": folder / "source" / f"{assignment.name}.ipynb",
        "file": folder / FILE,
    }
    for kind in ("students", "instructor"):
        places[kind].parent.mkdir(parents=True, exist_ok=True)
        cells = notebook(assignment, solved=kind == "instructor")
        places[kind].write_text(json.dumps(cells, indent=1, ensure_ascii=False) + "\n", "utf-8")
    assignment.save(folder)
    return places


def notebook(assignment, solved=False):
    """Return an assignment as a notebook, with nbgrader's metadata.

    Parameters
    ----------
    assignment : Assignment
        What to ask.
    solved : bool
        Whether it is the instructor's, with solutions and hidden checks between nbgrader's marks;
        `nbgrader generate_assignment` makes the students' from it.
    """
    student = "STUDENT" if assignment.variants else None
    imports = {line for name in assignment.exercises for line in _imports(find(name))}
    setup = "\n".join([SETUP.format(address=REPOSITORY), *merged(imports)])
    cells = [
        _markdown("title", f"# {assignment.title}\n\n{HOW}"),
        _code("setup", setup, _locked("setup")),
        _code("student", 'STUDENT = ""  # your name or number, as your course knows you'),
    ]
    for name, worth in assignment.worth.items():
        cells += _exercise_cells(find(name), worth, student, solved)
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "cnncourse": {"assignment": assignment.name},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _exercise_cells(exercise, worth, student, solved):
    """Return the cells of one exercise: statement, answer, and where the points are given."""
    slug = exercise.name.replace("/", "-").replace("_", "-")
    own = student and exercise.kind in ("number", "choice")
    statement = statement_text(exercise)
    if own:  # the numbers are drawn when the cell runs
        effort = f"*{exercise.level}, about {exercise.minutes} minutes*"
        hint = "Run the next cell: it shows your own question."
        statement = f"## {exercise.title}\n\n{effort}\n\n{hint}"
    cells = [_markdown(slug, f"{statement}\n\n*{worth:g} point{'s' * (worth != 1)}*")]
    if own:
        show = f'exercise("{exercise.name}", student=STUDENT)'
        cells.append(_code(f"{slug}-question", show, _locked(f"{slug}-question")))
    name, start = f"{slug}-answer", starter_text(exercise, student, imports=False)
    if exercise.kind == "project":
        marks = _nbgrader(name, grade=True, solution=True, points=worth)  # by a human
        return [*cells, _code(name, start, marks)]
    answer = _solved(exercise, start, student) if solved else start
    cells.append(_code(name, answer, _nbgrader(name, solution=True)))
    checked = "# Here your answer is checked again when it is graded."
    if solved:
        more = f", student={student}" if student else ""
        call = f'points("{exercise.name}", {exercise.answer_name}{more}, of={worth:g})'
        hidden = f"from cnncourse.exercises import points\n\n{call}"
        checked += f"\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"
    marks = _nbgrader(f"{slug}-points", grade=True, locked=True, points=worth)
    return [*cells, _code(f"{slug}-points", checked, marks)]


def _solved(exercise, start, student):
    """Return the instructor's answer: the starter, with the solution between nbgrader's marks."""
    *lines, ask = start.splitlines()
    if exercise.kind == "function":
        lines = [line for line in lines if line]
        *helpers, solution = standalone(exercise.right)[1]
        body = solution.splitlines()[len(lines) - 1 :]
        inside = [indent(text, "    ") for text in helpers]
        answer = ["    ### BEGIN SOLUTION", *inside, *body, "    ### END SOLUTION", "", ""]
        return "\n".join([*lines[:-1], *answer, ask])
    call = f'{exercise.answer_name} = find("{exercise.name}").right_answer({student or ""})'
    inside = ["from cnncourse.exercises import find", "", call]
    return "\n".join([*lines, "### BEGIN SOLUTION", *inside, "### END SOLUTION", ask])


def _imports(exercise):
    """Return what an answer needs, numpy apart."""
    return needed_imports(exercise) if exercise.kind == "function" else []


def _markdown(name, text):
    """Return a Markdown cell that a student's copy keeps as it is."""
    return {
        "cell_type": "markdown",
        "id": name[:64],
        "metadata": _locked(name),
        "source": text.splitlines(keepends=True),
    }


def _code(name, text, metadata=None):
    """Return a code cell."""
    return {
        "cell_type": "code",
        "id": name[:64],
        "metadata": metadata or {},
        "execution_count": None,
        "outputs": [],
        "source": text.splitlines(keepends=True),
    }


def _nbgrader(name, grade=False, solution=False, locked=False, points=None):
    """Return nbgrader's metadata of a cell (its schema 3)."""
    marks = {
        "grade": grade,
        "grade_id": name,
        "locked": locked,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    return {"nbgrader": marks | ({"points": points} if grade else {})}


def _locked(name):
    """Return the metadata of a cell that is not the student's to change."""
    return _nbgrader(name, locked=True)


def verify(assignment):
    """Check an assignment before it is given out; return what is wrong, in sentences.

    The solution must earn all points, an empty answer none, and every known mistake must lose some.

    Examples
    --------
    >>> verify(Assignment("try", "Try", ("convolution/count-outputs",), (2,)))
    []
    """
    problems = []
    for name in assignment.exercises:
        exercise = find(name)
        if exercise.kind == "project":
            continue
        for student in (None, "one", "two"):
            if not check(name, exercise.right_answer(student), student).right:
                problems.append(f"{name}: the solution does not earn all points ({student})")
            for mistake, answer in exercise.wrong_answers(student).items():
                if check(name, answer, student).right:
                    problems.append(f"{name}: {mistake} earns all points ({student})")
        if check(name, ...).score:
            problems.append(f"{name}: an empty answer earns points")
    return problems
