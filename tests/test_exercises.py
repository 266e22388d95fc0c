"""The catalogue: every right answer passes, every known mistake is named, nothing else gets by."""

import ast
import inspect
import re
import time

import numpy as np
import pytest

from cnncourse import exercises
from cnncourse.check import matches  # noqa: F401
from cnncourse.exercises import catalogue, check, find
from cnncourse.exercises.cells import solution_cell_text, starter_text, statement_text
from cnncourse.exercises.kinds import LEVELS
from cnncourse.exercises.report import assess
from cnncourse.exercises.sources import standalone

STUDENTS = [None, *(f"student-{i}" for i in range(20))]
ALL = catalogue()
FUNCTIONS = [e for e in ALL if e.kind == "function"]
every_exercise = pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.name)
every_function = pytest.mark.parametrize("exercise", FUNCTIONS, ids=lambda e: e.name)
every_chapter = pytest.mark.parametrize("chapter", exercises.CHAPTERS)


def judged(exercise, answer, student):
    """Return the report on an answer."""
    return assess(exercise, exercise.run(answer, student), student)


@every_chapter
def test_a_chapter_has_all_kinds_from_easy_to_hard(chapter):
    found = catalogue(chapter)
    assert len(found) >= 8
    assert {e.kind for e in found} == {"function", "number", "choice", "project"}
    assert {"warm-up", "challenge", "project"} <= {e.level for e in found} <= set(LEVELS)
    assert found[0].level == "warm-up"
    assert found[-1].kind == "project"


@every_exercise
def test_an_exercise_says_what_it_wants_and_helps(exercise):
    stem, _, own = exercise.name.partition("/")
    assert stem in exercises.CHAPTERS
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", own)
    assert exercise.statement
    assert exercise.kind == "project" or exercise.hints
    if exercise.kind == "function":
        assert f"`{exercise.answer_name}({', '.join(exercise.parameters)})`" in exercise.statement
        assert len(exercise.mistakes) >= 5
        assert len(exercise.others) >= 1
    if exercise.kind == "number":
        assert len(exercise.mistakes) >= 3
    if exercise.kind == "choice":
        assert 3 <= len(exercise.options) <= 6
    for wrong in exercise.mistakes.values():
        sentence = inspect.getdoc(wrong)
        assert sentence[-1] in ".?)"
        assert "$" not in sentence
        assert len(sentence.split()) >= 5


@every_exercise
def test_texts_render_everywhere(exercise):
    text = statement_text(exercise, "1.1", None)
    assert not re.search(r"\{[a-z]+\}(?!`)", re.sub(r"\$.*?\$", "", text, flags=re.S)), "unfilled"
    assert text.count("<details>") == len(exercise.hints)
    assert re.findall(r"^(?:```|:::)\{.*|\{[a-z-]+\}`", text, re.M) == []  # no MyST
    ast.parse(starter_text(exercise))
    ast.parse(solution_cell_text(exercise))


@every_exercise
@pytest.mark.parametrize("student", STUDENTS)
def test_right_answers_pass_and_known_mistakes_are_named(exercise, student):
    if exercise.kind == "project":
        assert check(exercise.name, "a text", student).state == "by hand"
        return
    if exercise.kind == "choice":
        for letter, option in exercise.lettered(student).items():
            report = check(exercise.name, letter, student)
            assert report.right == option.right
            assert option.right or report.cause.sentence == option.why
        return
    assert not any(outcome.error for outcome in exercise.expected(student))
    for answer in (exercise.right, *exercise.others):
        report = judged(exercise, answer, student)
        assert report.right, f"{answer.__name__}\n{report}"
    for name, wrong in exercise.mistakes.items():
        report = judged(exercise, wrong, student)
        assert not report.right, f"{name} passes"
        assert report.score < 1
        assert report.cause is not None, f"{name} is not recognised\n{report}"
        assert report.cause.name == name, f"{name} is taken for {report.cause.name}"


def changed(result, change):
    """Change the first array or number in a result."""
    if isinstance(result, tuple | list):
        return type(result)([*(changed(part, change) for part in result[:1]), *result[1:]])
    if hasattr(result, "detach"):
        import torch

        return torch.from_numpy(np.array(change(result.detach().numpy())))
    if isinstance(result, dict | str) or result is None:
        return None
    if np.ndim(result):
        return np.array(change(np.asarray(result)))
    return change(np.asarray(result)).item()


WRONG = {
    "zeros": np.zeros_like,
    "constant": lambda a: np.full_like(a, 7 if a.dtype.kind != "b" else 1),
    "transposed": lambda a: a.swapaxes(-1, -2) if a.ndim > 1 else a,
    "reversed": lambda a: np.ascontiguousarray(a[..., ::-1]) if a.ndim else a,
    "NaN": lambda a: np.full(a.shape, np.nan),
    "dtype": lambda a: a.astype(complex) if a.dtype.kind != "b" else a.astype(int),
}


@every_function
@pytest.mark.parametrize("student", STUDENTS)
def test_answers_that_no_grader_should_accept_fail(exercise, student):
    outcomes = exercise.expected(student)
    for name, change in WRONG.items():
        wrong = [changed(outcome.value, change) for outcome in outcomes]
        right = [outcome.value for outcome in outcomes]
        if name in ("transposed", "reversed", "constant", "zeros") and all(
            map(alike, right, wrong)
        ):
            continue  # it happens to be right: a row that reads the same backwards
        answers = iter(wrong)
        report = judged(exercise, lambda *_, answers=answers: next(answers), student)
        if exercise.observer is None:
            assert not report.right, f"{name}\n{report}"
    assert judged(exercise, lambda *_: None, student).score == 0
    first = judged(exercise, lambda *arguments: arguments[0], student)
    assert not first.right, "returns its first argument"


def alike(a, b):
    """Compare two results without the grader's own comparison."""
    if isinstance(a, tuple | list):
        return b is not None and len(a) == len(b) and all(map(alike, a, b))
    return (
        b is not None
        and not isinstance(a, dict | str)
        and np.array_equal(np.asarray(a), np.asarray(b))
    )


@every_function
def test_answers_that_raise_or_never_come_cost_only_themselves(exercise, monkeypatch):
    def raises(*arguments):
        raise KeyError("no")

    assert judged(exercise, raises, "kim").score == 0
    monkeypatch.setattr(exercise, "seconds", 0.05)
    outcomes = exercise.run(lambda *arguments: time.sleep(60), "kim")
    assert all(outcome.late for outcome in outcomes)
    assert "no answer within" in assess(exercise, outcomes, "kim").problem


@every_function
def test_the_starter_is_no_answer_and_fails_cleanly(exercise):
    names = {"check": check}
    exec(starter_text(exercise), names)
    report = check(exercise.name, names[exercise.answer_name])
    assert (report.state, report.score) == ("empty", 0)


@every_function
def test_a_function_can_be_sent_as_text(exercise):
    for function in (exercise.right, exercise.observer, *exercise.mistakes.values()):
        if function is None:
            continue
        imports, definitions = standalone(function)
        names = {}
        exec("\n".join([*imports, *definitions]), names)
        if function is exercise.right:
            assert judged(exercise, names[function.__name__], "kim").right


@every_function
def test_cases_are_the_same_for_one_student_and_others_for_another(exercise):
    def drawn(student):
        arguments = list(exercise.draw(exercise.generator(student)))
        return [
            repr([np.asarray(a).tolist() if hasattr(a, "shape") else a for a in case])
            for case in arguments
        ]

    assert drawn("kim") == drawn("kim")
    assert drawn("kim") != drawn("lee")
    assert 4 <= len(drawn("kim")) <= 40


def test_an_unknown_exercise_is_refused_with_one_that_is_called_nearly_so():
    with pytest.raises(
        ValueError, match="got 'convolution/count-output'; is it 'convolution/count-outputs'"
    ):
        find("convolution/count-output")
