"""How an answer is called, compared, judged and talked about."""

import threading
import time

import numpy as np
import pytest

from cnncourse import exercises
from cnncourse.exercises import check, comparing, exercise, find, hint, points, running, solution
from cnncourse.exercises.cells import statement_text
from cnncourse.exercises.kinds import (
    CATALOGUE,
    ChoiceExercise,
    FunctionExercise,
    NumberExercise,
    Option,
)
from cnncourse.exercises.report import as_html, assess
from cnncourse.exercises.running import Built, Outcome, call
from cnncourse.exercises.sources import definition, standalone, starter

WORDS = {"title": "Try", "level": "core", "minutes": 1, "statement": "Write `f(x)`."}


@pytest.fixture
def made():
    """Make a function exercise that is forgotten afterwards."""
    names = []

    def make(right, cases, mistakes=(), **words):
        name = f"try/exercise-{len(names)}"
        names.append(name)
        found = FunctionExercise(name, **WORDS | words)
        found.solution(right)
        found.cases(lambda rng: iter(cases))
        for wrong in mistakes:
            found.mistake(wrong)
        return found

    yield make
    for name in names:
        CATALOGUE.pop(name, None)


def judged(found, answer):
    return assess(found, found.run(answer))


# comparing


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (1, 1),
        (1, np.int64(1)),
        (1, np.array(1)),
        (0.5, np.float32(0.5)),
        (2.0, 2),
        (True, np.bool_(True)),
        ("a", "a"),
        (None, None),
        ((1, 2.0), [1, 2]),
        ([], ()),
        ({"a": 1.0}, {"a": 1.0 + 1e-9}),
        (np.eye(2), np.eye(2) + 1e-9),
        (np.uint8([1, 2]), np.array([1, 2])),
        (np.array([np.nan, np.inf]), np.array([np.nan, np.inf])),
        (np.zeros((0, 3)), np.zeros((0, 3))),
        (np.array([0.1], np.float32), np.array([0.1])),
        (1 + 1j, 1 + 1j),
    ],
    ids=repr,
)
def test_values_that_agree(expected, got):
    assert comparing.difference(expected, got) is None


@pytest.mark.parametrize(
    ("expected", "got", "kind"),
    [
        (1, 2, "value"),
        (1, 1.0, "type"),
        (1, True, "type"),
        (True, 1, "type"),
        (1.0, "1", "type"),
        (1.0, np.ones(1), "type"),
        (1, None, "nothing"),
        ("a", "b", "value"),
        ((1, 2), (1, 2, 3), "type"),
        ((1, 2), (1, 3), "value"),
        ({"a": 1}, {"b": 1}, "keys"),
        ({"a": 1}, [1], "type"),
        (np.eye(2), [[1, 0], [0, 1]], "type"),
        (np.eye(2), np.eye(3), "shape"),
        (np.eye(2), np.eye(2, dtype=int), "dtype"),
        (np.array([1]), np.array([1.0]), "dtype"),
        (np.array([True]), np.array([1]), "dtype"),
        (np.eye(2), np.eye(2) * 1j, "dtype"),
        (np.eye(2), np.array([["a", "b"], ["c", "d"]]), "dtype"),
        (np.eye(2), 1.001 * np.eye(2), "value"),
        (np.eye(2), np.full((2, 2), np.nan), "value"),
        (np.array([np.inf]), np.array([-np.inf]), "value"),
        (np.array([np.inf]), np.array([1e300]), "value"),
        (None, 3, "type"),
    ],
    ids=repr,
)
def test_values_that_differ(expected, got, kind):
    assert comparing.difference(expected, got).kind == kind


def test_tensors_are_no_arrays_and_compare_like_them():
    import torch

    ones = torch.ones(2, 3, requires_grad=True)
    assert comparing.difference(ones, torch.ones(2, 3)) is None
    assert comparing.difference(ones, np.ones((2, 3))).kind == "type"
    assert comparing.difference(ones, torch.ones(3, 2)).kind == "shape"
    assert comparing.difference(torch.tensor(0.5, dtype=torch.bfloat16), 0.5) is None


def test_the_first_wrong_place_is_told():
    got = np.arange(6.0).reshape(2, 3)
    got[1, 1:] = -1
    found = comparing.difference((0, np.arange(6.0).reshape(2, 3)), (0, got))
    assert (found.index, found.where) == ((1, 1), "[1]")
    assert found.sentence == "got -1.0 at [1, 1], and 2 of 6 values differ"
    assert found.expected == "4.0"


def test_numbers_that_look_alike_are_written_in_full():
    found = comparing.difference(10000.5, 10000.51, rtol=1e-9)
    assert (found.sentence, found.expected) == ("got 10000.51", "10000.5")
    found = comparing.difference(np.array([1234567.25]), np.array([1234567.5]), rtol=1e-9)
    assert (found.sentence, found.expected) == ("got 1234567.5 at [0]", "1234567.25")


def test_long_values_are_written_short():
    assert comparing.brief(np.zeros((9, 9))) == "an array of shape (9, 9)"
    assert comparing.brief([1] * 50) == "a list of 50"
    assert len(comparing.brief("x" * 500)) == 120
    assert comparing.brief(max) == "max"
    assert comparing.brief(np.array([1.5])) == "[1.5]"


# calling


def test_arguments_are_copies_and_changes_are_seen():
    image = np.zeros((2, 3))

    def spoils(x, y):
        x += 1
        y["a"].append(1)

    outcome = call(spoils, (image, {"a": []}), names=("x", "y"))
    assert outcome.changed == ("x", "y")
    assert not image.any()


def test_a_view_of_an_argument_is_seen():
    x = np.zeros(4)
    assert call(lambda x: x[::2], (x,)).shared
    assert not call(lambda x: x[::2].copy(), (x,)).shared


def test_errors_carry_the_line_of_the_function():
    def f(x):
        y = x + 1
        return y / 0

    assert call(f, (1,)).error == "ZeroDivisionError: division by zero (line 3 of your function)"
    assert call(lambda: exit(3), ()).error.startswith("SystemExit")


def test_prints_are_cut_and_stay_off_the_page(capsys):
    outcome = call(lambda: print("x" * 10**6), ())
    assert len(outcome.printed) == running.PRINTED
    assert capsys.readouterr().out == ""


def test_warnings_of_an_answer_are_not_ours():
    assert np.isnan(call(lambda: np.float64(0) / np.float64(0), ()).value)


def test_recursion_is_an_error_like_others():
    def f():
        return f()

    assert call(f, ()).error.startswith("RecursionError")


@pytest.mark.parametrize("caught", [ValueError, Exception, BaseException])
def test_what_takes_too_long_is_stopped_whatever_it_catches(caught):
    def stubborn():
        begun = time.monotonic()
        while time.monotonic() - begun < 20:
            try:
                time.sleep(0.01)
            except caught:
                if time.monotonic() - begun > 1:
                    raise

    begun = time.monotonic()
    assert call(stubborn, (), seconds=0.1).late
    assert time.monotonic() - begun < 10


def test_the_time_limit_holds_in_another_thread_too():
    outcomes = []

    def loop():
        while True:
            pass

    thread = threading.Thread(target=lambda: outcomes.append(call(loop, (), seconds=0.1)))
    thread.start()
    thread.join(20)
    assert outcomes[0].late


def test_built_arguments_are_made_for_every_call():
    assert call(lambda r: list(r), (Built(range, 3),)).value == [0, 1, 2]
    assert call(lambda r: r.append(1), (Built(list),), names=("r",)).changed == ()


def test_one_late_case_shortens_the_others(made):
    found = made(lambda x: x, [(i,) for i in range(6)], seconds=0.2)
    begun = time.monotonic()
    outcomes = found.run(lambda x: time.sleep(9))
    assert all(outcome.late for outcome in outcomes)
    assert time.monotonic() - begun < 2


# judging


def square(x):
    """Return the square."""
    return x**2


def doubled(x):
    """To square is to multiply by itself, not by 2."""
    return 2 * x


IMAGES = [(np.arange(6.0).reshape(2, 3) - 2,), (np.arange(8.0).reshape(4, 2),)]


def test_a_known_mistake_is_named_and_others_are_guessed(made):
    found = made(square, IMAGES, [doubled])
    report = judged(found, lambda x: x + x)
    assert (report.cause.name, report.cause.known) == ("doubled", True)
    assert "Probably: To square is" in repr(report)
    for answer, name in [
        (lambda x: (x**2).T, "transposed"),
        (lambda x: -(x**2), "sign"),
        (lambda x: x**2 + 1, "off by one, too large"),
        (lambda x: x**2 - 1, "off by one, too small"),
        (lambda x: (x**2)[::-1], "upside down"),
        (lambda x: (x**2)[:, ::-1], "reversed"),
        (lambda x: (x**2)[::-1, ::-1], "turned"),
        (lambda x: 3 * x**2, "a constant factor"),
        (lambda x: x**2 / 0 * 0, "not a number"),
        (lambda x: x, "returns its argument"),
        (lambda x: (x**2).tolist(), "a list"),
        (lambda x: None, "returns nothing"),
        (lambda x: print(x), "prints"),
        (lambda x: 5, "always the same"),
    ]:
        report = judged(found, answer)
        assert (report.cause.name, report.cause.known) == (name, False)
        assert report.score == 0


def test_an_array_for_a_number_is_told(made):
    report = judged(made(lambda x: x + 1, [(1,), (2,)]), lambda x: np.array([[x + 1]]))
    assert report.cause.name == "an array for a number"


def test_one_wrong_case_of_several_is_too_little_to_guess_from(made):
    found = made(square, [(0,), (1,), (3,)])
    assert judged(found, lambda x: x).cause is None


def test_a_mistake_in_whole_numbers_is_recognised_in_floats_and_back(made):
    found = made(square, [(3,), (4,)], [doubled])
    assert judged(found, lambda x: 2.0 * x).cause.name == "doubled"
    found = made(lambda x: x**2 / 1, [(3,), (4,)], [lambda_double])
    assert judged(found, lambda x: 2 * x).cause.name == "lambda double"


def lambda_double(x):
    """To square is to multiply by itself, not by 2."""
    return 2.0 * x


def test_there_is_no_guess_where_nothing_fits(made):
    found = made(square, IMAGES)
    for answer in (lambda x: x**3, lambda x: (x, 1), lambda x: str(x), lambda x: 1 / 0, list):
        assert judged(found, answer).cause is None


def test_right_cases_count_although_others_are_wrong(made):
    found = made(square, [(0,), (2,), (3,), (4,)], [doubled])
    report = judged(found, lambda x: 2 * x)
    assert report.passed == [True, True, False, False]
    assert report.score == 0.5
    assert "2 of 4 cases are right" in repr(report)
    assert "(3)`: got 6; expected 9" in repr(report)


def test_changing_an_argument_is_a_fault_unless_it_is_allowed(made):
    def spoils(x):
        x *= x
        return x

    assert judged(made(square, IMAGES), spoils).cause.name == "changes its input"
    assert judged(made(square, IMAGES, may_change=["x"]), spoils).right


def test_a_view_is_a_fault_where_the_result_must_be_fresh(made):
    def half(x):
        return x[:1].copy()

    assert judged(made(half, IMAGES), lambda x: x[:1]).right
    report = judged(made(half, IMAGES, fresh=True), lambda x: x[:1])
    assert "shares its memory" in report.problem


def test_an_error_can_be_the_right_answer(made):
    def refuses(x):
        if x < 0:
            raise ValueError("negative")
        return x

    found = made(refuses, [(1,), (-1,)])
    assert judged(found, refuses).right
    assert judged(found, lambda x: x).passed == [True, False]
    assert not judged(found, lambda x: 1 / 0 if x < 0 else x).right


def test_results_that_cannot_be_compared_are_observed(made):
    found = made(lambda x: lambda y: x * y, [(2,), (3,)])
    found.observe(lambda result, x: result(10))
    assert judged(found, lambda x: lambda y: y * x).right
    assert not judged(found, lambda x: lambda y: y).right
    assert "TypeError" in judged(found, lambda x: x).problem


def test_many_answers_can_be_right_by_a_comparison_of_ones_own(made):
    found = made(lambda n: n, [(6,), (15,)])

    @found.compare
    def divides(expected, got, n):
        fine = n % got == 0
        return None if fine else comparing.Difference("value", f"got {got}", "a divisor")

    assert judged(found, lambda n: 3).right
    assert judged(found, lambda n: 2).passed == [True, False]
    assert judged(found, lambda n: None).score == 0


def test_reports_are_html_that_trusts_nobody(made):
    found = made(square, IMAGES)
    report = judged(found, lambda x: "<script>")
    assert "<script>" not in report._repr_html_()
    drawn = judged(found, lambda x: x**2 + np.eye(*x.shape))._repr_html_()
    assert drawn.count("<svg") == 3  # the argument, what came, what was expected
    assert drawn.count("#D55E00") >= 1
    large = made(lambda x: x[:1, :1], [(np.ones((20, 20)),)])
    assert judged(large, lambda x: 2 * x[:1, :1])._repr_html_().count("<svg") == 2
    assert as_html("`a*b*c` *d* <e>") == "<code>a*b*c</code> <em>d</em> &lt;e&gt;"


def test_what_is_hidden_stays_hidden(made):
    report = judged(made(square, [(3,), (4,)], [doubled]), doubled)
    told = "\n".join(report.lines(reveal=False))
    assert "9" not in told
    assert "(3)" not in told
    assert "got 6" in told
    assert "To square" in told


# the three verbs


def test_what_is_not_begun_is_neither_right_nor_wrong():
    def count_outputs(size, kernel_size, stride, padding, dilation):
        """Return how many windows fit."""
        ...

    for answer in (count_outputs, ...):
        report = check("convolution/count-outputs", answer)
        assert (report.state, report.score) == ("empty", 0)
        assert "Nothing here yet" in report._repr_html_()


def test_the_result_instead_of_the_function_is_no_answer():
    report = check("convolution/count-outputs", 4)
    assert "the function itself" in repr(report)


def test_builtins_and_objects_can_be_answers(made):
    class Square:
        def __call__(self, x):
            return x**2

    found = made(square, IMAGES)
    assert check(found.name, Square()).right
    assert check(found.name, np.square).right


def test_hints_come_one_after_the_other():
    name = "convolution/count-outputs"
    exercises._GIVEN.pop(name, None)
    many = len(find(name).hints)
    told = [str(hint(name)) for _ in range(many + 1)]
    assert told[0] == told[-1]
    assert len(set(told)) == many
    exercises._GIVEN.pop(name)  # as the doctest of `hint` wants it


def test_points_are_in_proportion(made):
    found = made(square, [(0,), (2,), (3,)], [doubled])
    assert points(found.name, doubled) == 1.33
    assert points(found.name, doubled, of=6) == 4
    assert points(found.name, square) == found.points == 2


def test_numbers_and_letters_differ_between_students_and_the_answer_is_not_told():
    number = "convolution/how-many-weights"
    texts = {str(exercise(number, f"student{i}")) for i in range(20)}
    assert len(texts) > 15
    report = check(number, 1, "kim")
    right = find(number).right_answer("kim")
    assert str(right) not in repr(report)
    assert check(number, right, "kim").right
    letters = {find("convolution/three-channels-in").right_answer(f"s{i}") for i in range(30)}
    assert letters == set("ABCD")
    assert check("convolution/three-channels-in", " b ", None).passed != []
    assert "one of the letters" in repr(check("convolution/three-channels-in", 2))


def test_solutions_are_shown(made):
    assert "range(0, road, stride)" in str(solution("convolution/count-outputs"))
    assert "is right" in str(solution("convolution/three-channels-in"))
    assert "With these numbers" in str(solution("convolution/how-many-weights"))


def test_exercises_that_cannot_be_are_refused(made):
    words = WORDS | {"statement": "How many {x}?"}
    with pytest.raises(ValueError, match="expected one right one"):
        ChoiceExercise("try/choice", options=[Option("a", "b")], **WORDS)
    CATALOGUE.pop("try/choice")
    with pytest.raises(ValueError, match="which is taken"):
        ChoiceExercise("convolution/count-outputs", options=[], **WORDS)
    with pytest.raises(ValueError, match="level: expected one of"):
        FunctionExercise("try/level", **WORDS | {"level": "easy"})
    found = NumberExercise("try/number", **words)
    found.solution(lambda x: x)
    found.mistake(lambda x: x)
    found.cases(lambda rng: {"x": 1})
    with pytest.raises(ValueError, match="tell the mistakes apart"):
        found.arguments()
    CATALOGUE.pop("try/number")


# texts


def test_a_function_is_shown_without_its_decorators():
    text = definition(find("convolution/count-outputs").right)
    assert text.startswith("def count_outputs(")
    assert starter(find("convolution/count-outputs").right).endswith("...  # your code here")


def test_names_of_a_functions_own_bring_nothing_with_them():
    _, definitions = standalone(test_the_first_wrong_place_is_told)
    assert len(definitions) == 1  # `got` and `found` are local; `comparing` is imported


def test_statements_have_their_hints_folded():
    text = statement_text(find("convolution/count-outputs"), "4.1")
    assert text.startswith("### Exercise 4.1 · Count them")
    assert text.count("<details>") == 2


def test_outcomes_of_unlike_kinds_are_not_alike(made):
    found = made(square, IMAGES)
    assert found.same(Outcome(1), Outcome(1))
    assert not found.same(Outcome(1), Outcome(late=True))
    assert not found.same(Outcome(error="A: x"), Outcome(error="B: x"))
    assert found.same(Outcome(error="A: x"), Outcome(error="A: y"))
    assert not found.same(Outcome(1, changed=("x",)), Outcome(1))
